//! The part of the filing form that says what a rectification puts right: identifiers and traits, a few rows of each.

use serde_json::{Number, Value};

use super::queue::Choice;
use super::{Fields, Seat};
use crate::app::App;
use crate::identity;
use crate::policy::IdentifierKind;
use crate::rights::Wrong;

/// How many rows the form has for each. Who needs more files a second request, or uses the API.
const ROWS: usize = 3;
/// What a right value of a trait is.
const FORMS: [&str; 4] = ["text", "number", "yes", "no"];

/// What is wrong with a row, and which row it is.
pub(super) type Fault = (&'static str, usize);

/// An identifier that is to be put right.
pub(super) struct Row {
    pub(super) number: usize,
    pub(super) types: Vec<Choice>,
    pub(super) from: String,
    pub(super) to: String,
}

/// A trait that is to be put right.
pub(super) struct TraitRow {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) forms: Vec<Choice>,
}

/// The rows as they were sent.
pub(super) fn rows(seat: &Seat, fields: &Fields) -> (Vec<Row>, Vec<TraitRow>) {
    let said = |name: &str, number| fields.text(&named(name, number)).unwrap_or_default().to_owned();
    let identifier = |number| {
        let types = seat.policy.identifiers.iter().filter(|of| of.kind != IdentifierKind::Device);
        let chosen = said("wrong_type", number);
        let choice = |of: &String| Choice { chosen: *of == chosen, ..seat.identifier_choice(of) };
        let types = types.map(|of| choice(&of.id)).collect();
        Row { number, types, from: said("wrong_from", number), to: said("wrong_to", number) }
    };
    let named_row = |number| {
        let form = said("trait_form", number);
        let choice = |name: &&str| Choice {
            value: (*name).to_owned(),
            text: seat.by_text_key("console-file-form-", name),
            chosen: **name == form,
        };
        let forms = FORMS.iter().map(choice).collect();
        TraitRow { number, name: said("trait_name", number), value: said("trait_value", number), forms }
    };
    ((1..=ROWS).map(identifier).collect(), (1..=ROWS).map(named_row).collect())
}

/// What the rows say.
pub(super) fn read(seat: &Seat, app: &App, fields: &Fields) -> Result<Wrong, Fault> {
    let mut wrong = Wrong::default();
    for number in 1..=ROWS {
        let fault = |what| (what, number);
        let said = |name: &str| fields.text(&named(name, number));
        if let Some((of, from, to)) = row(said("wrong_type"), said("wrong_from"), said("wrong_to")).map_err(fault)? {
            if seat.policy.identifier(of).is_some_and(|(_, of)| of.kind == IdentifierKind::Device) {
                return Err(fault("correction-device"));
            }
            let unread = |value| identity::parse(&seat.policy, &app.vault, of, value).is_err();
            if [Some(from), to].into_iter().flatten().any(unread) {
                return Err(fault("identifier"));
            }
            wrong.identifiers.push((of.to_owned(), from.to_owned(), to.map(str::to_owned)));
        }
        let (name, value, form) = (said("trait_name"), said("trait_value"), said("trait_form").unwrap_or("text"));
        if let Some((name, value)) = trait_row(name, value, form).map_err(fault)?
            && wrong.traits.insert(name, value).is_some()
        {
            return Err(fault("trait-twice"));
        }
    }
    Ok(wrong)
}

fn named(name: &str, number: usize) -> String {
    format!("{name}_{number}")
}

type Said<'a> = Option<&'a str>;

/// Type, what is wrong and what is right; nothing if nothing is said.
fn row<'a>(of: Said<'a>, from: Said<'a>, to: Said<'a>) -> Result<Option<(&'a str, &'a str, Said<'a>)>, &'static str> {
    match (of, from, to) {
        (_, None, None) => Ok(None),
        (None, ..) => Err("correction-type"),
        (_, None, Some(_)) => Err("correction-from"),
        (Some(of), Some(from), to) => Ok(Some((of, from, to))),
    }
}

/// A trait and its right value; nothing if nothing is said.
fn trait_row(name: Said<'_>, value: Said<'_>, form: &str) -> Result<Option<(String, Value)>, &'static str> {
    let value = match (name, value, form) {
        (None, None, _) => return Ok(None),
        (None, Some(_), _) => return Err("trait-name"),
        (_, None, "yes") => Value::Bool(true),
        (_, None, "no") => Value::Bool(false),
        (_, Some(_), "yes" | "no") => return Err("trait-yes-no"),
        (_, None, _) => return Err("trait-value"),
        (_, Some(value), "number") => {
            // As people write it here and elsewhere.
            let number = serde_json::from_str::<Number>(&value.replace(',', "."));
            Value::Number(number.map_err(|_no_number| "trait-number")?)
        }
        (_, Some(value), _) => Value::from(value),
    };
    Ok(name.map(|name| (name.to_owned(), value)))
}
