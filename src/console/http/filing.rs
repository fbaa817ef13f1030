//! `/console/file`: takes a request that came by phone, letter or over the counter.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use askama::Template;

use super::corrections::{self, Row, TraitRow};
use super::queue::{Choice, KINDS};
use super::{Answer, BASE, Fields, Seat, acts, broken};
use crate::app::App;
use crate::officers::{Authority as _, Desk};
use crate::rights::{Kind, Submission};
use crate::site::frame::{self, Frame};

/// The longest note, in characters.
const NOTE_CHARS_MAX: usize = 2_000;

#[derive(Template)]
#[template(path = "console/file.html")]
struct Page {
    f: Frame,
    kinds: Vec<Choice>,
    types: Vec<Choice>,
    languages: Vec<Choice>,
    error: Option<String>,
    value: String,
    note: String,
    identified: bool,
    suppress: bool,
    /// What a rectification puts right, and whether that part of the form stands open.
    wrong: Vec<Row>,
    traits: Vec<TraitRow>,
    is_rectification: bool,
}

/// `GET /console/file`.
pub async fn ask(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _desk: Desk = seat.authority()?;
    std::future::ready(form(&seat, &Fields::default(), None)).await
}

/// `POST /console/file`.
pub async fn take(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let desk: Desk = seat.authority()?;
    let said = |wrong: &str| Some(seat.by_text_key("console-wrong-", wrong));
    let Some(kind) = fields.text("kind").and_then(Kind::parse) else { return form(&seat, &fields, said("kind")) };
    let note = fields.text("note").map(str::to_owned);
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
        return form(&seat, &fields, said("long"));
    }
    let (Some(of), Some(value)) = (fields.text("type"), fields.text("value")) else {
        return form(&seat, &fields, said("nobody"));
    };
    let wrong = match corrections::read(&seat, &app, &fields) {
        Ok(wrong) => wrong,
        Err((what, row)) => {
            let what = seat.by_text_key("console-wrong-", what);
            let in_row = seat.words.all("console-file-row", [("number", row.into()), ("wrong", what.into())]);
            return form(&seat, &fields, Some(in_row));
        }
    };
    match (kind == Kind::Rectification, wrong.identifiers.is_empty() && wrong.traits.is_empty()) {
        (true, true) => return form(&seat, &fields, said("nothing-corrected")),
        (false, false) => return form(&seat, &fields, said("only-rectification")),
        (true, false) | (false, true) => {}
    }
    let submission = Submission {
        kind,
        identifiers: vec![(of.to_owned(), value.to_owned())],
        purposes: None,
        wrong,
        identified: fields.text("identified").is_some(),
        suppress: fields.text("suppress").is_some(),
        language: fields.text("language").filter(|tag| matches!(*tag, "de" | "en")).map(str::to_owned),
        who: desk.who().to_owned(),
        why: note,
    };
    match app.rights.submit(submission).await {
        Ok(id) => Ok(frame::lead_to(&format!("{BASE}/requests/{id}?done=filed"), &[])?),
        Err(error) => match acts::wrong(&error) {
            Some(wrong) => form(&seat, &fields, said(wrong)),
            None => Err(broken(&error)),
        },
    }
}

fn form(seat: &Seat, fields: &Fields, error: Option<String>) -> Answer {
    let choice = |value: &str, text: String, field: &str| Choice {
        chosen: fields.text(field) == Some(value),
        value: value.to_owned(),
        text,
    };
    let (wrong, traits) = corrections::rows(seat, fields);
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        f: seat.frame("requests"),
        kinds: KINDS.iter().map(|kind| choice(kind.name(), seat.by_text_key("console-kind-", kind.name()), "kind")).collect(),
        types: seat.identifier_choices(fields.text("type")),
        languages: frame_languages().map(|(tag, name)| choice(tag, name.to_owned(), "language")).collect(),
        error,
        value: fields.text("value").unwrap_or_default().to_owned(),
        note: fields.text("note").unwrap_or_default().to_owned(),
        identified: fields.text("identified").is_some(),
        suppress: fields.text("suppress").is_some(),
        is_rectification: fields.text("kind") == Some(Kind::Rectification.name())
            || wrong.iter().any(|row| !row.from.is_empty() || !row.to.is_empty())
            || traits.iter().any(|row| !row.name.is_empty()),
        wrong,
        traits,
    };
    Ok(frame::answer(status, page.render())?)
}

fn frame_languages() -> impl Iterator<Item = (&'static str, &'static str)> {
    crate::texts::Language::ALL.into_iter().map(|language| (language.code(), language.name()))
}
