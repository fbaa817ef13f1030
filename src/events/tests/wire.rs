//! What SDKs send, and what is refused of it.

use serde_json::json;

use super::{NOW, all, captured, one};
use crate::events::EventType;
use crate::events::parse::{Rejected, batch, single};

fn refused(body: &serde_json::Value) -> Rejected {
    one(None, &body.to_string()).unwrap_err()
}

#[test]
fn every_captured_event_of_the_node_sdks_is_read() {
    let bodies = captured();
    assert_eq!(bodies.len(), 5);
    let mut kinds = Vec::new();
    for body in &bodies {
        kinds.extend(all(body).into_iter().map(|event| event.unwrap().kind.as_str()));
    }
    for kind in EventType::ALL {
        assert!(kinds.contains(&kind.as_str()), "{} is in the captures", kind.as_str());
    }
}

#[test]
fn an_event_borrows_from_the_body() {
    let body = captured().remove(0);
    let envelope = batch(body.as_bytes()).unwrap();
    let events = envelope.events(None, NOW, None);
    let event = &events.good[1];
    assert!(matches!(event.message_id, std::borrow::Cow::Borrowed(_)));
    assert!(matches!(event.user_id, Some(std::borrow::Cow::Borrowed("u1"))));
    assert!(event.rest.is_none(), "what the SDK tells its own server is not kept");
    assert_eq!(event.lookup("context.library.name").as_deref(), Some("@segment/analytics-node"));
}

#[test]
fn the_path_decides_the_type_and_else_it_must_be_one_of_six() {
    let body = r#"{"type":"page","event":"E","userId":"u"}"#;
    assert_eq!(one(Some(EventType::Track), body).unwrap().kind, EventType::Track);
    assert_eq!(one(None, body).unwrap().kind, EventType::Page);
    for (value, code) in [(json!("purchase"), "invalid_field"), (json!(1), "invalid_field"), (json!(null), "missing_field")] {
        let rejected = refused(&json!({"type": value, "userId": "u"}));
        assert_eq!((rejected.code, rejected.field.as_str()), (code, "type"));
    }
}

#[test]
fn numbers_are_ids_and_null_and_nothing_are_none() {
    let event = one(None, r#"{"type":"page","userId":4711,"anonymousId":null,"groupId":"","messageId":12}"#).unwrap();
    assert_eq!(event.user_id.as_deref(), Some("4711"));
    assert_eq!((event.anonymous_id, event.group_id), (None, None));
    assert_eq!(event.message_id, "12");
}

#[test]
fn each_call_needs_its_own_fields() {
    for (body, field) in [
        (json!({"type": "track", "userId": "u"}), "event"),
        (json!({"type": "track", "userId": "u", "event": ""}), "event"),
        (json!({"type": "group", "userId": "u"}), "groupId"),
        (json!({"type": "alias", "userId": "u"}), "previousId"),
        (json!({"type": "alias", "previousId": "a"}), "userId"),
    ] {
        let rejected = refused(&body);
        assert_eq!((rejected.code, rejected.field.as_str()), ("missing_field", field), "{body}");
    }
}

#[test]
fn an_event_may_name_nobody_at_its_top_level() {
    let body = r#"{"type":"track","event":"POS Purchase","properties":{"loyaltyCard":"DE-4000000000006"}}"#;
    assert_eq!(one(None, body).unwrap().lookup("properties.loyaltyCard").as_deref(), Some("DE-4000000000006"));
}

#[test]
fn a_wrong_type_names_its_field() {
    for (field, value) in [
        ("properties", json!([1])),
        ("traits", json!("x")),
        ("context", json!(7)),
        ("integrations", json!(true)),
        ("userId", json!({"a": 1})),
        ("anonymousId", json!(true)),
        ("messageId", json!([])),
        ("event", json!(5)),
        ("name", json!({})),
        ("timestamp", json!(1_700_000_000)),
        ("timestamp", json!("yesterday")),
        ("originalTimestamp", json!("2026-02-30T00:00:00Z")),
        ("sentAt", json!(false)),
    ] {
        let mut body = json!({"type": "track", "event": "E", "userId": "u"});
        body[field] = value;
        let rejected = refused(&body);
        assert_eq!((rejected.code, rejected.field.as_str()), ("invalid_field", field), "{body}");
    }
    for field in ["properties", "traits", "context", "timestamp", "integrations"] {
        let mut body = json!({"type": "page", "userId": "u"});
        body[field] = json!(null);
        assert!(one(None, &body.to_string()).is_ok(), "null {field} is nothing");
    }
}

#[test]
fn limits_name_their_field() {
    let deep = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let with = |properties: &str| format!(r#"{{"type":"track","event":"E","properties":{properties}}}"#);
    assert!(one(None, &with(&deep(31))).is_ok());
    assert_eq!(one(None, &with(&deep(32))).unwrap_err().field, "properties");
    assert_eq!(one(None, &with(&deep(3_000))).unwrap_err().field, "properties");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(32 * 1024));
    assert_eq!(one(None, &with(&large)).unwrap_err().code, "body_too_large");
    assert!(one(None, &with(&format!("{}{{}}", " ".repeat(32 * 1024)))).is_ok(), "space between fields is none of it");
    assert_eq!(refused(&json!({"type": "page", "messageId": "m".repeat(101)})).field, "messageId");
    assert!(one(None, &json!({"type": "page", "messageId": "ä".repeat(100)}).to_string()).is_ok());
    assert_eq!(refused(&json!({"type": "page", "userId": "u".repeat(513)})).field, "userId");
}

#[test]
fn a_nul_names_the_field_and_bidi_is_refused_in_ids_only() {
    for field in ["properties", "traits", "context"] {
        let body = format!(r#"{{"type":"page","userId":"u","{field}":{{"a":{{"b":"x\u0000y"}}}}}}"#);
        assert_eq!(one(None, &body).unwrap_err().field, field);
    }
    assert_eq!(one(None, r#"{"type":"page","userId":"\u0000"}"#).unwrap_err().field, "userId");
    assert_eq!(one(None, r#"{"type":"page","properties":{"a\u0000":1}}"#).unwrap_err().field, "properties");
    assert_eq!(one(None, r#"{"type":"page","x\u0000":1}"#).unwrap_err().field, "event");
    assert_eq!(one(None, r#"{"type":"page","name":"\ud800"}"#).unwrap_err().field, "name");
    assert!(
        one(None, r#"{"type":"page","name":"\ud83c\udf77 \\u0000 \\"}"#).is_ok(),
        "a pair is text, and so is a quoted escape"
    );
    for id in ["userId", "anonymousId", "previousId", "groupId", "messageId"] {
        for character in ['\u{202E}', '\u{2066}', '\u{200B}', '\u{7}', '\u{85}', '\n'] {
            let mut body = json!({"type": "page"});
            body[id] = json!(format!("a{character}b"));
            assert_eq!(refused(&body).field, id, "{body}");
        }
    }
    let body = json!({"type": "track", "event": "\u{202E}E", "userId": "kundin-ä", "properties": {"\u{202E}": "\u{2066}"}});
    assert!(one(None, &body.to_string()).is_ok());
}

#[test]
fn a_field_that_is_stated_twice_is_refused() {
    let rejected = one(None, r#"{"type":"page","userId":"a","user\u0049d":"b"}"#).unwrap_err();
    assert_eq!(rejected.field, "userId");
    let rejected = batch(br#"{"batch":[],"batch":[]}"#).unwrap_err();
    assert_eq!((rejected.code, rejected.field.as_str()), ("invalid_field", "batch"));
}

#[test]
fn a_malformed_event_costs_its_neighbours_nothing() {
    let good = r#"{"type":"track","event":"E","userId":"u","messageId":"m"}"#;
    let none = ["null", "7", "1e999", "[]", "\"x\"", "{}", r#"{"\ud800":1}"#];
    for bad in none.into_iter().chain([r#"{"type":"track"}"#, r#"{"type":"page","properties":[]}"#]) {
        let body = format!(r#"{{"batch":[{good},{bad},{good}]}}"#);
        let events = all(&body);
        assert!(events[0].is_ok() && events[1].is_err() && events[2].is_ok(), "{bad}");
    }
}

#[test]
fn a_body_that_is_no_json_or_no_batch_says_so_without_repeating_it() {
    for body in ["", "{", "erika@example.de", r#"{"batch":[{"userId":"erika@example.de"]}"#, "{\"batch\":[]}x", "\u{1}"] {
        let rejected = batch(body.as_bytes()).unwrap_err();
        assert_eq!((rejected.code, rejected.field.as_str()), ("invalid_json", "body"), "{body}");
        assert!(!rejected.message.contains("erika"));
        assert_eq!(single(body.as_bytes()).unwrap_err().code, "invalid_json");
    }
    assert_eq!(batch(b"\xFF\xFE").unwrap_err().code, "invalid_json");
    assert_eq!(batch(b"{}").unwrap_err().code, "missing_field");
    assert_eq!(batch(br#"{"batch":{}}"#).unwrap_err().field, "batch");
    assert_eq!(batch(br#"{"batch":[],"context":[]}"#).unwrap_err().field, "context");
    assert!(batch(b"\xEF\xBB\xBF{\"batch\":[]}").is_ok());
}

#[test]
fn a_batch_has_at_most_2500_events() {
    let body = |events: usize| format!(r#"{{"batch":[{}]}}"#, vec!["{}"; events].join(","));
    assert_eq!(batch(body(2_500).as_bytes()).unwrap().items.len(), 2_500);
    assert_eq!(batch(body(2_501).as_bytes()).unwrap_err().code, "too_many_events");
}

#[test]
fn a_shared_context_does_not_multiply_beyond_its_bound() {
    let body =
        |events: usize| format!(r#"{{"context":{{"a":"{}"}},"batch":[{}]}}"#, "x".repeat(30_000), vec!["{}"; events].join(","));
    assert!(batch(body(100).as_bytes()).is_ok());
    assert_eq!(batch(body(200).as_bytes()).unwrap_err().field, "context");
}

#[test]
fn the_write_key_stands_at_the_root_else_in_the_first_event() {
    let key = |body: &str| batch(body.as_bytes()).unwrap().write_key.map(std::borrow::Cow::into_owned);
    assert_eq!(key(r#"{"writeKey":"a","batch":[{"writeKey":"b"}]}"#).as_deref(), Some("a"));
    assert_eq!(key(r#"{"batch":[{"writeKey":"b"},{"writeKey":"c"}]}"#).as_deref(), Some("b"));
    assert_eq!(key(r#"{"batch":[{},{"writeKey":"c"}]}"#), None);
    assert_eq!(single(br#"{"writeKey":"s","type":"page"}"#).unwrap().write_key.as_deref(), Some("s"));
}

#[test]
fn what_a_batch_says_for_all_is_merged_under_each() {
    let body = json!({
        "context": {"locale": "de-DE", "source": "batch"},
        "integrations": {"All": true},
        "batch": [
            {"type": "page", "userId": "u"},
            {"type": "page", "userId": "u", "context": {"source": "own", "ip": "1.2.3.4"}, "integrations": {"X": false}, "category": "c"},
        ],
    })
    .to_string();
    let events = all(&body);
    let (first, second) = (events[0].as_ref().unwrap(), events[1].as_ref().unwrap());
    assert_eq!(first.lookup("context.source").as_deref(), Some("batch"));
    assert_eq!(second.lookup("context.source").as_deref(), Some("own"));
    assert_eq!(second.lookup("context.locale").as_deref(), Some("de-DE"));
    assert_eq!(second.lookup("context.ip").as_deref(), Some("1.2.3.4"));
    assert_eq!(second.lookup("category").as_deref(), Some("c"));
    let rest: serde_json::Value = serde_json::from_str(second.rest.as_ref().unwrap().get()).unwrap();
    assert_eq!(rest, json!({"integrations": {"X": false, "All": true}, "category": "c"}));
}

#[test]
fn an_event_without_an_id_gets_the_same_one_at_every_retry() {
    let body = r#"{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"u"}]}"#;
    let ids = |body| all(body).into_iter().map(|event| event.unwrap().message_id.into_owned()).collect::<Vec<_>>();
    assert_eq!(ids(body), ids(body));
    assert_ne!(ids(body)[0], ids(body)[1], "two events of one request are two");
    assert_ne!(ids(body)[0], ids(&body.replace("\"u\"", "\"v\""))[0]);
}

#[test]
fn a_lookup_finds_text_and_numbers_and_nothing_else() {
    let body = r#"{"type":"page","userId":"u","name":"P","traits":{"email":"e@x.de","n":12.5,"b":true,"o":{"k":"v"},"z":null,"a.b":"c"},"channel":"web"}"#;
    let event = one(None, body).unwrap();
    for (path, value) in [
        ("userId", Some("u")),
        ("type", Some("page")),
        ("name", Some("P")),
        ("traits.email", Some("e@x.de")),
        ("traits.n", Some("12.5")),
        ("traits.o.k", Some("v")),
        ("channel", Some("web")),
        ("traits.b", None),
        ("traits.o", None),
        ("traits.z", None),
        ("traits", None),
        ("traits.mail", None),
        ("traits.email.x", None),
        ("context.traits.email", None),
        ("anonymousId", None),
        ("", None),
        (".", None),
        ("traits.", None),
    ] {
        assert_eq!(event.lookup(path).as_deref(), value, "{path}");
    }
}
