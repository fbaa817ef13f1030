//! What is written is what is read.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{all, any_json, captured, oddly, one};
use crate::events::{Event, EventType};

fn assert_survives(event: &Event<'_>) {
    let mut bytes = Vec::new();
    event.write_stored(&mut bytes);
    let about = event.stored_bytes();
    assert!((about.saturating_sub(24)..=about + 12).contains(&bytes.len()), "{about} are told, {} written", bytes.len());
    let read = Event::read_stored(&bytes).unwrap();
    assert_eq!(format!("{event:?}"), format!("{read:?}"));
    for length in 0..bytes.len() {
        assert!(Event::read_stored(&bytes[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn captured_events_survive_the_store() {
    for body in captured() {
        all(&body).iter().for_each(|event| assert_survives(event.as_ref().unwrap()));
    }
}

proptest! {
    #[test]
    fn any_event_survives_the_store(kind in 0..6_usize, fields in proptest::collection::vec(any_json(), 3), id in "[a-zä]{0,3}", at in any::<bool>()) {
        let object = |value: &Value| if value.is_object() { value.clone() } else { json!({"v": value}) };
        let body = json!({
            "userId": id, "anonymousId": "a", "previousId": "p", "groupId": "g", "event": "E", "name": id,
            "properties": object(&fields[0]), "traits": object(&fields[1]), "context": object(&fields[2]), "other": fields[0],
            "timestamp": at.then_some("2026-11-22T06:34:05.000Z"),
        });
        for text in [body.to_string(), oddly(&body)] {
            if let Ok(event) = one(Some(EventType::ALL[kind]), &text) {
                assert_survives(&event);
            }
        }
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), flip in any::<(usize, u8)>()) {
        let _read = Event::read_stored(&bytes);
        let event = one(None, r#"{"type":"page","userId":"u","properties":{"a":[1,"b"]}}"#).unwrap();
        let mut stored = Vec::new();
        event.write_stored(&mut stored);
        let at = flip.0 % stored.len();
        stored[at] ^= flip.1;
        let _read = Event::read_stored(&stored);
    }
}
