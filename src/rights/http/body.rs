//! What is posted, read field by field so that an error can name the field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::Ground;
use crate::error::{Code, Problem};
use crate::limit::IDENTIFIERS_MAX;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 2_000;
/// How many traits a rectification puts right at most.
const TRAITS_MAX: usize = 50;
/// The longest name of somebody who sees to a request, in characters.
const HANDLE_CHARS_MAX: usize = 40;

/// What `POST /v1/requests` takes.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = RightsRequest)]
pub struct Filed {
    /// What is asked for: `erasure`, `access`, `portability`, `rectification`, `restriction`, `objection`.
    #[schema(example = "erasure")]
    pub(super) kind: String,
    /// Who asks: identifier types of the policy, and their values.
    #[schema(value_type = Object, example = json!({"email": "erika@example.org"}))]
    pub(super) identifiers: Value,
    /// What an objection is about: purposes of the policy that do not rest on a contract or a law; all of them if it is left out.
    pub(super) purposes: Option<Vec<String>>,
    /// What a rectification puts right: identifiers, each with its `type`, the wrong value as `from`, and the right one as `to`; without
    /// `to` it is simply not theirs.
    #[schema(value_type = Vec<Object>, example = json!([{"type": "email", "from": "erika@exmaple.org", "to": "erika@example.org"}]))]
    pub(super) corrections: Vec<(String, String, Option<String>)>,
    /// What a rectification puts right: traits and their right values.
    #[schema(value_type = Object, example = json!({"city": "Mainz"}))]
    pub(super) traits: BTreeMap<String, Value>,
    /// Whether it is clear that the person asks whose these are. If not, the deadline rests until it is.
    #[schema(default = false)]
    pub(super) identified: bool,
    /// With an erasure: whether the person asks not to be brought back by sources that take data over. Needs a `note` of what they said.
    #[schema(default = false)]
    pub(super) suppress: bool,
    /// The person's language, `de` or `en`; the policy's if it is left out.
    pub(super) language: Option<String>,
    /// What whoever files it says about it.
    pub(super) note: Option<String>,
}

/// What `POST /v1/requests/{id}/{step}` takes.
#[derive(Debug, Default, utoipa::ToSchema)]
#[schema(as = RightsStep)]
pub struct Order {
    /// Why; for the person and the authority. Needed to refuse, to extend and to lift.
    pub(super) reason: Option<String>,
    /// To refuse: the ground that the law knows.
    pub(super) ground: Option<Ground>,
    /// To confirm: the recipient that did its part.
    pub(super) recipient: Option<String>,
    /// To assign: who of the company sees to it, as it calls them: a-z, 0-9, `.`, `_`, `-`; empty: nobody any more.
    pub(super) to: Option<String>,
}

/// What `POST /v1/requests/search` takes.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = RightsSearch)]
pub struct Search {
    /// Whose requests: identifier types of the policy, and their values.
    #[schema(value_type = Object, example = json!({"email": "erika@example.org"}))]
    pub(super) identifiers: Value,
    /// Why somebody looks, for the audit.
    pub(super) reason: String,
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    if let Value::Object(fields) = value {
        Ok(fields)
    } else {
        Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"))
    }
}

fn text(field: &str, value: &Value, chars_max: usize) -> Result<String, Problem> {
    let wrong = |words: String| Problem::field(Code::InvalidField, field).detail(words);
    let text = value.as_str().ok_or_else(|| wrong(String::from("must be text")))?;
    if text.chars().count() > chars_max {
        return Err(wrong(format!("must have at most {chars_max} characters")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(wrong(String::from("holds a control character")));
    }
    Ok(text.to_owned())
}

/// Why somebody looks, from a query.
pub(super) fn reason(words: &str) -> Result<String, Problem> {
    text("reason", &Value::from(words), REASON_CHARS_MAX)
}

/// What the company calls somebody of its own. It is no place for an address or a customer's name.
fn handle(value: &Value) -> Result<String, Problem> {
    let name = text("to", value, HANDLE_CHARS_MAX)?;
    if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)) {
        return Ok(name);
    }
    Err(Problem::field(Code::InvalidField, "to").detail("must be a short name of a-z, 0-9, `.`, `_` and `-`"))
}

impl Search {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let mut take = |field: &str| fields.remove(field).ok_or_else(|| Problem::field(Code::MissingField, field));
        let (identifiers, why) = (take("identifiers")?, take("reason")?);
        if !fields.is_empty() {
            return Err(Problem::field(Code::InvalidField, "body").detail("there are identifiers and reason"));
        }
        Ok(Self { identifiers, reason: text("reason", &why, REASON_CHARS_MAX)? })
    }
}

impl Filed {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut read = Self {
            kind: String::new(),
            identifiers: Value::Null,
            purposes: None,
            corrections: Vec::new(),
            traits: BTreeMap::new(),
            identified: false,
            suppress: false,
            language: None,
            note: None,
        };
        let mut fields = object(body)?;
        read.kind = text("kind", &fields.remove("kind").ok_or_else(|| Problem::field(Code::MissingField, "kind"))?, 40)?;
        read.identifiers = fields.remove("identifiers").ok_or_else(|| Problem::field(Code::MissingField, "identifiers"))?;
        for (name, value) in fields {
            match name.as_str() {
                "identified" | "suppress" => {
                    let wrong = || Problem::field(Code::InvalidField, name.clone()).detail("must be true or false");
                    let slot = if name == "suppress" { &mut read.suppress } else { &mut read.identified };
                    *slot = value.as_bool().ok_or_else(wrong)?;
                }
                "purposes" => {
                    let wrong = || Problem::field(Code::InvalidField, "purposes").detail("must be a list of purpose IDs");
                    let list = value.as_array().ok_or_else(wrong)?.iter();
                    let list: Option<Vec<String>> = list.map(|id| id.as_str().map(str::to_owned)).collect();
                    read.purposes = Some(list.ok_or_else(wrong)?);
                }
                "corrections" => read.corrections = corrections(&value)?,
                "traits" => read.traits = traits(value)?,
                "language" => read.language = Some(language(&text("language", &value, 16)?)?.to_owned()),
                "note" => read.note = Some(text("note", &value, REASON_CHARS_MAX)?),
                _ => {
                    return Err(Problem::field(Code::InvalidField, "body").detail(
                        "there are kind, identifiers, purposes, corrections, traits, identified, suppress, language and note",
                    ));
                }
            }
        }
        Ok(read)
    }
}

/// What is to be put right of identifiers.
fn corrections(value: &Value) -> Result<Vec<(String, String, Option<String>)>, Problem> {
    let wrong = || Problem::field(Code::InvalidField, "corrections").detail("must be a list of objects with type, from and to");
    let list = value.as_array().filter(|list| list.len() <= IDENTIFIERS_MAX).ok_or_else(wrong)?;
    let one = |one: &Value| {
        let fields = one.as_object().filter(|fields| fields.keys().all(|key| matches!(key.as_str(), "type" | "from" | "to")))?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let to = fields.get("to").filter(|to| !to.is_null()).map_or(Some(None), |to| to.as_str().map(|to| Some(to.to_owned())));
        Some((text("type")?, text("from")?, to?))
    };
    list.iter().map(|item| one(item).ok_or_else(wrong)).collect()
}

/// What is to be put right of traits.
fn traits(value: Value) -> Result<BTreeMap<String, Value>, Problem> {
    let wrong = || Problem::field(Code::InvalidField, "traits").detail("must be an object of at most 50 traits");
    match value {
        Value::Object(fields) if fields.len() <= TRAITS_MAX => Ok(fields.into_iter().collect()),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(wrong()),
    }
}

/// A language in which people are answered.
pub(super) fn language(name: &str) -> Result<&str, Problem> {
    let wrong = || Problem::field(Code::InvalidField, "language").detail("must be `de` or `en`");
    Some(name).filter(|name| matches!(*name, "de" | "en")).ok_or_else(wrong)
}

/// The identifiers of an object: type to value, or to several values.
pub(super) fn named(identifiers: &Value) -> Result<Vec<(String, String)>, Problem> {
    let wrong = |field: String| Problem::field(Code::InvalidField, field).detail("must be text, or a list of texts");
    let Value::Object(fields) = identifiers else {
        return Err(Problem::field(Code::InvalidField, "identifiers").detail("must be an object: type to value"));
    };
    let mut all = Vec::new();
    for (kind, value) in fields {
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = value.as_str().ok_or_else(|| wrong(String::from("identifiers")))?;
            all.push((kind.clone(), value.to_owned()));
        }
    }
    if all.len() > IDENTIFIERS_MAX {
        let words = format!("must name at most {IDENTIFIERS_MAX}");
        return Err(Problem::field(Code::InvalidField, "identifiers").detail(words));
    }
    Ok(all)
}

impl Order {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut read = Self::default();
        if body.is_empty() {
            return Ok(read);
        }
        for (name, value) in object(body)? {
            match name.as_str() {
                "reason" => read.reason = Some(text("reason", &value, REASON_CHARS_MAX)?),
                "ground" => {
                    let wrong = || Problem::field(Code::InvalidField, "ground").detail("see docs/rights.md for the grounds");
                    read.ground = Some(value.as_str().and_then(Ground::parse).ok_or_else(wrong)?);
                }
                "recipient" => read.recipient = Some(text("recipient", &value, 100)?),
                "to" => read.to = Some(handle(&value)?),
                _ => return Err(Problem::field(Code::InvalidField, "body").detail("there are reason, ground, recipient and to")),
            }
        }
        Ok(read)
    }
}
