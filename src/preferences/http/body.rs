//! What is posted, read field by field so that an error can name the field and repeats no value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{Code, Problem};

/// The longest name of whoever records a statement, in characters.
const ACTOR_CHARS_MAX: usize = 64;

/// What `PUT` and `PATCH /v1/preferences` take. One of `customerId` and `identifiers` is needed.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = PreferencesChange, rename_all = "camelCase")]
pub struct Change {
    /// Whose: a customer ID of the profile store's domain.
    #[schema(example = "cus_8f14e45fceea167a5a36dedd4bea2543")]
    pub(super) customer_id: Option<String>,
    /// Whose: identifier types of the policy, and their values.
    #[schema(value_type = Option<Object>, example = json!({"loyalty_card": "DE-4711"}))]
    pub(super) identifiers: Option<Map<String, Value>>,
    /// Preferences by their IDs; `null` takes one away.
    #[schema(value_type = Object, example = json!({"favourite_colour": "red", "occasions": ["gift", "dinner"], "bottle_budget": 15}))]
    pub(super) preferences: BTreeMap<String, Value>,
    /// Channels (`email`, `sms`, `post`, `phone`): whether they may be used and how often at most; `null` takes what was said away.
    #[schema(value_type = Object, example = json!({"email": {"allowed": true, "atMost": "weekly"}}))]
    pub(super) channels: BTreeMap<String, Value>,
    /// Who recorded it, as the source calls them, such as a till number.
    pub(super) actor: Option<String>,
}

/// Whose preferences are asked for. One of `customerId` and `identifiers` is needed.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = PreferencesOf, rename_all = "camelCase")]
pub struct Whose {
    /// A customer ID of the profile store's domain.
    #[schema(example = "cus_8f14e45fceea167a5a36dedd4bea2543")]
    pub(super) customer_id: Option<String>,
    /// Identifier types of the policy, and their values.
    #[schema(value_type = Option<Object>, example = json!({"loyalty_card": "DE-4711"}))]
    pub(super) identifiers: Option<Map<String, Value>>,
    /// For `contact`: by which channel, `email`, `sms`, `post` or `phone`.
    pub(super) channel: Option<String>,
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    let Value::Object(fields) = value else {
        return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
    };
    Ok(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

fn text(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Problem> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::field(Code::InvalidField, name).detail("must be text")),
    }
}

fn map(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<Map<String, Value>>, Problem> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(Problem::field(Code::InvalidField, name).detail("must be an object")),
    }
}

fn nothing_else(fields: &Map<String, Value>, words: &str) -> Result<(), Problem> {
    if fields.is_empty() { Ok(()) } else { Err(Problem::field(Code::InvalidField, "body").detail(words)) }
}

impl Change {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let (customer_id, identifiers) = (text(&mut fields, "customerId")?, map(&mut fields, "identifiers")?);
        let (preferences, channels) = (map(&mut fields, "preferences")?, map(&mut fields, "channels")?);
        let actor = text(&mut fields, "actor")?;
        if actor.as_ref().is_some_and(|actor| actor.is_empty() || actor.chars().count() > ACTOR_CHARS_MAX) {
            let words = format!("must have 1 to {ACTOR_CHARS_MAX} characters");
            return Err(Problem::field(Code::InvalidField, "actor").detail(words));
        }
        nothing_else(&fields, "there are customerId, identifiers, preferences, channels and actor; times are the server's")?;
        if preferences.is_none() && channels.is_none() {
            return Err(Problem::field(Code::MissingField, "preferences").detail("say preferences, channels or both"));
        }
        let all = |map: Option<Map<String, Value>>| map.into_iter().flatten().collect();
        Ok(Self { customer_id, identifiers, preferences: all(preferences), channels: all(channels), actor })
    }
}

impl Whose {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let (customer_id, identifiers) = (text(&mut fields, "customerId")?, map(&mut fields, "identifiers")?);
        let channel = text(&mut fields, "channel")?;
        nothing_else(&fields, "there are customerId, identifiers and, for contact, channel")?;
        Ok(Self { customer_id, identifiers, channel })
    }
}
