//! What a batch says for all its events, merged under what each says itself.

use std::borrow::Cow;

use super::{Object, json};

/// The places in a context where SDKs state consent. If a batch and its event disagree there, neither is believed.
const CONSENT: [&str; 2] = ["consent", "consentManagement"];

/// What stands where two statements about consent disagree. It is no consent object, so it keeps the event back.
const CONFLICT: &str = "\"conflicting\"";

/// The event's own object over that of the batch: a key of the event's own wins.
pub(super) fn under<'a>(own: Option<&'a str>, shared: Option<&'a str>) -> Option<Object<'a>> {
    let (own, shared) = match (own, shared) {
        (Some(own), None) => return Some(Object::part(own)),
        (None, shared) => return shared.map(Object::part),
        (Some(own), Some(shared)) => (own, shared),
    };
    let mut out = String::with_capacity(own.len() + shared.len());
    for (key, value) in json::members(own) {
        let disputed = CONSENT.iter().any(|name| json::key_is(key, name) && disagrees(shared, name, value));
        push(&mut out, key, if disputed { CONFLICT } else { value });
    }
    for (key, value) in json::members(shared) {
        let stated = json::members(own).any(|(own_key, _)| json::string(own_key) == json::string(key));
        if !stated {
            push(&mut out, key, value);
        }
    }
    Some(finish(out))
}

/// One object of all these members.
pub(super) fn object<'m>(members: impl Iterator<Item = (Cow<'m, str>, &'m str)>) -> Option<Object<'static>> {
    let mut out = String::new();
    for (key, value) in members {
        push(&mut out, &serde_json::to_string(&key).ok()?, value);
    }
    if out.is_empty() { None } else { Some(finish(out)) }
}

fn push(out: &mut String, key: &str, value: &str) {
    out.push(if out.is_empty() { '{' } else { ',' });
    out.push_str(key);
    out.push(':');
    out.push_str(value);
}

fn finish(mut out: String) -> Object<'static> {
    out.push_str(if out.is_empty() { "{}" } else { "}" });
    Object::part(out)
}

/// Whether the batch says something else about consent than the event.
fn disagrees(shared: &str, name: &str, value: &str) -> bool {
    json::members(shared).any(|(key, shared)| json::key_is(key, name) && shared != value)
}
