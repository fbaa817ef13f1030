//! Bytes that nobody meant to send.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOW, any_json, captured, oddly, one, policy};
use crate::events::consent_object::{narrowing, preference_update};
use crate::events::parse::{Envelope, Rejected, batch, single};
use crate::events::{EventType, json};

const PATHS: [&str; 8] =
    ["userId", "traits.email", "properties.loyaltyCard", "context.traits.email", "context.consent.ads", "x", "x.y", "..."];

/// Does with a body all that can be done with it.
fn drive(body: &[u8]) {
    let policy = policy();
    for read in [single as fn(&[u8]) -> Result<Envelope<'_>, Rejected>, batch] {
        let Ok(envelope) = read(body) else {
            continue;
        };
        for kind in [None, Some(EventType::Track), Some(EventType::Page)] {
            for event in envelope.events(kind, NOW, Some(NOW - 1_000_000)).good {
                let _found = PATHS.map(|path| event.lookup(path).map(|value| value.len()));
                let _read = (narrowing(&event, &policy), preference_update(&event, &policy));
                let mut bytes = Vec::new();
                event.write_stored(&mut bytes);
                assert!(crate::events::Event::read_stored(&bytes).is_ok());
            }
        }
    }
}

#[test]
fn a_truncated_request_is_refused_wherever_it_ends() {
    for body in captured() {
        for length in 0..body.len() {
            let cut = &body.as_bytes()[..length];
            assert_eq!(batch(cut).unwrap_err().code, "invalid_json");
            assert_eq!(single(cut).unwrap_err().code, "invalid_json");
        }
    }
}

#[test]
fn a_refusal_never_repeats_what_was_sent() {
    let canary = "erika.canary@example.de";
    for field in
        ["type", "userId", "messageId", "event", "name", "timestamp", "sentAt", "properties", "traits", "context", canary]
    {
        for value in
            [json!(canary), json!([canary]), json!({canary: canary}), json!(format!("{canary}\0")), json!({canary: "\0"})]
        {
            let mut body = json!({"type": "track", "userId": "u"});
            body[field] = value;
            if let Err(rejected) = one(None, &body.to_string()) {
                assert!(!format!("{rejected:?}{rejected}").contains("canary"), "{body}");
            }
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(array) => 1 + array.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[test]
fn openings_are_counted_in_texts_of_any_length() {
    let text = format!("{{[{}\\{}", "x".repeat(600), "{[\\".repeat(400));
    assert_eq!(json::openings(&text), 802);
}

proptest! {
    #[test]
    fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[{}\\[\\]\",:a-u0-9\\\\ ]{0,80}") {
        drive(&bytes);
        drive(text.as_bytes());
    }

    #[test]
    fn no_change_to_a_real_request_breaks_the_parser(which in 0..5_usize, changes in proptest::collection::vec(any::<(usize, u8)>(), 1..8)) {
        let mut body = captured().remove(which).into_bytes();
        for (at, byte) in changes {
            let at = at % body.len();
            body[at] = byte;
        }
        drive(&body);
    }

    #[test]
    fn any_json_anywhere_breaks_nothing(values in proptest::collection::vec(any_json(), 12)) {
        let names = ["type", "messageId", "userId", "anonymousId", "event", "properties", "traits", "context", "timestamp", "sentAt", "integrations", "x"];
        let mut body: Value = names.iter().zip(&values).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        drive(body.to_string().as_bytes());
        body["type"] = json!("page");
        drive(json!({"batch": [body, values[0]], "context": values[1], "writeKey": values[2], "sentAt": values[3]}).to_string().as_bytes());
        drive(oddly(&body).as_bytes());
    }

    #[test]
    fn a_lookup_finds_what_a_tree_holds(value in any_json(), key in "[a-z]{1,6}|userId|email|ads|consent") {
        let found = |text: &str| json::find(text, &key).map(|raw| serde_json::from_str::<Value>(raw).unwrap());
        prop_assert_eq!(found(&value.to_string()), value.get(&key).cloned());
        prop_assert_eq!(found(&oddly(&value)), value.get(&key).cloned());
    }

    #[test]
    fn the_walk_sees_every_member_element_and_level(value in any_json()) {
        for text in [value.to_string(), oddly(&value)] {
            let members: Vec<Value> = json::members(&text).map(|(_, raw)| serde_json::from_str(raw).unwrap()).collect();
            let elements: Vec<Value> = json::elements(&text).map(|raw| serde_json::from_str(raw).unwrap()).collect();
            let map = value.as_object().map(|map| map.values().cloned().collect::<Vec<_>>()).unwrap_or_default();
            prop_assert_eq!(members, map);
            prop_assert_eq!(elements, value.as_array().cloned().unwrap_or_default());
            if value.is_object() || value.is_array() {
                let nesting = json::Nesting::walk(text.as_bytes(), 0, usize::MAX);
                prop_assert_eq!((nesting.depth, nesting.end), (depth(&value), text.len()));
                prop_assert!(json::openings(&text) >= nesting.depth);
            }
        }
    }
}
