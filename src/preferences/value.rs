//! Whether a value is one that the policy allows, and its one spelling.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::policy::{Channel, Choice, Frequency, Policy, PreferenceKind, date};

/// Why a value is not taken, in words that repeat nothing of it.
pub(super) type Wrong = String;

/// What somebody said about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wish {
    /// Whether it may be used.
    pub allowed: bool,
    /// How often at most; no limit if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Frequency>,
}

/// The one spelling of a value, if it is allowed.
///
/// # Errors
/// Why it is not, in words that repeat nothing of it.
pub fn check(kind: &PreferenceKind, value: &Value) -> Result<Value, Wrong> {
    match kind {
        PreferenceKind::Choice(options) => option(options, value).map(Value::from),
        PreferenceKind::MultiChoice(options, most) => some(options, *most, value),
        PreferenceKind::Number(min, max) => {
            let number = value.as_i64().filter(|number| (min..=max).contains(&number));
            number.map(Value::from).ok_or_else(|| format!("must be a whole number from {min} to {max}"))
        }
        PreferenceKind::Text(chars_max) => text(*chars_max, value),
        PreferenceKind::Date(earliest, latest) => {
            let day = value.as_str().and_then(date).ok_or_else(|| String::from("must be a date like 2026-12-31"))?;
            let early = earliest.filter(|earliest| day < *earliest).map(|earliest| format!("must not be before {earliest}"));
            let late = latest.filter(|latest| day > *latest).map(|latest| format!("must not be after {latest}"));
            early.or(late).map_or_else(|| Ok(Value::from(day.to_string())), Err)
        }
    }
}

fn option<'a>(options: &'a [Choice], value: &Value) -> Result<&'a str, Wrong> {
    let found = value.as_str().and_then(|id| options.iter().find(|option| option.id == id));
    found.map(|option| option.id.as_str()).ok_or_else(|| {
        let all: Vec<&str> = options.iter().map(|option| option.id.as_str()).collect();
        format!("must be one of: {}", all.join(", "))
    })
}

/// A set, in the order of the policy.
fn some(options: &[Choice], most: usize, value: &Value) -> Result<Value, Wrong> {
    let list = value.as_array().ok_or_else(|| String::from("must be a list"))?;
    if list.len() > most {
        return Err(format!("must have at most {most} entries"));
    }
    let chosen = list.iter().map(|one| option(options, one)).collect::<Result<Vec<&str>, Wrong>>();
    let chosen = chosen.map_err(|wrong| format!("each entry {wrong}"))?;
    if chosen.iter().enumerate().any(|(at, one)| chosen.iter().take(at).any(|before| before == one)) {
        return Err(String::from("must have each entry once"));
    }
    Ok(options.iter().map(|option| option.id.as_str()).filter(|id| chosen.contains(id)).collect())
}

fn text(chars_max: usize, value: &Value) -> Result<Value, Wrong> {
    let text = value.as_str().ok_or_else(|| String::from("must be text"))?.trim();
    if text.is_empty() {
        return Err(String::from("must not be empty; null takes it away"));
    }
    if text.chars().count() > chars_max {
        return Err(format!("must have at most {chars_max} characters"));
    }
    // A line break is all that may be in a text besides what is seen.
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(String::from("holds a control character"));
    }
    Ok(Value::from(text))
}

/// What somebody may say about a channel.
pub(super) fn wish(channel: &Channel, value: &Value) -> Result<Wish, Wrong> {
    let words = || String::from("must be an object with `allowed` (true or false) and perhaps `atMost`");
    let fields: &Map<String, Value> = value.as_object().ok_or_else(words)?;
    if fields.keys().any(|name| name != "allowed" && name != "atMost") {
        return Err(words());
    }
    let allowed = fields.get("allowed").and_then(Value::as_bool).ok_or_else(words)?;
    let at_most = match fields.get("atMost").filter(|most| !most.is_null()) {
        None => None,
        Some(most) => {
            let found = most.as_str().and_then(|word| channel.frequencies.iter().find(|frequency| frequency.as_str() == word));
            let all: Vec<&str> = channel.frequencies.iter().map(|frequency| frequency.as_str()).collect();
            Some(*found.ok_or_else(|| format!("`atMost` must be one of: {}", all.join(", ")))?)
        }
    };
    Ok(Wish { allowed, at_most })
}

/// For how many days a statement is kept: as long as the longest of the purposes that it may be used for. `None` if the policy has no
/// such preference any more.
pub(super) fn kept_days(policy: &Policy, key: &str) -> Option<u32> {
    let purposes = match super::channel_named(key) {
        Some(kind) => policy.channel(kind)?.purposes,
        None => policy.preference(key)?.1.purposes,
    };
    purposes.indexes().filter_map(|index| policy.purposes.get(index)).map(|purpose| purpose.retention_days).max()
}
