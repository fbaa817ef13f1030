//! That an event is read without its grammar as a parser reads it with.

use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::find::object;
use super::{all, any_json, captured, nameless, oddly};
use crate::events::{Event, json};

/// The members of an object as the parser finds them, in order, those that stand twice included.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            pairs.push((key, value.get()));
        }
        Ok(pairs)
    }
}

/// Compares both readings of a text that is JSON, and of all that is in it. Says how many objects and arrays that has.
fn agree(text: &str) -> Result<usize, TestCaseError> {
    let mut inside = 0;
    if text.starts_with('[') {
        let parsed: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        let walked: Vec<&str> = json::elements(text).collect();
        prop_assert_eq!(parsed.iter().map(|raw| raw.get()).collect::<Vec<_>>(), walked.clone(), "{}", text);
        for element in walked {
            inside += agree(element)?;
        }
        return Ok(inside + 1);
    }
    let walked: Option<Vec<_>> = json::members(text).map(|(key, value)| Some((json::string(key)?.into_owned(), value))).collect();
    let parsed = serde_json::Deserializer::from_str(text).deserialize_map(Pairs).ok();
    prop_assert_eq!(&parsed, &walked.filter(|_| text.starts_with('{')), "{}", text);
    for (_, value) in parsed.into_iter().flatten() {
        inside += agree(value)?;
    }
    let openings = inside + usize::from(text.starts_with('{'));
    prop_assert!(json::openings(text) >= openings, "{}", text);
    Ok(openings)
}

/// The same text with some of its bytes changed.
fn changed(text: &str, changes: &[(usize, u8)]) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, byte) in changes {
        let at = at % bytes.len();
        bytes[at] = *byte;
    }
    let text = String::from_utf8(bytes).ok()?;
    let raw: &RawValue = serde_json::from_str(&text).ok()?;
    Some(raw.get().to_owned())
}

/// Bytes that mean something in JSON, mostly.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![8 => proptest::sample::select(b"\"\\{}[]:, \n\tu0a1-".to_vec()), 1 => any::<u8>()]
}

#[test]
fn what_looks_like_grammar_inside_of_strings_is_text() {
    for (text, openings) in [
        ("{}", 1),
        ("{ }", 1),
        ("{\t\"a\" :\r\n1 }", 1),
        (r#"{"\"":"}","{":"\\","[":["]"],"\\\"":{"\\":"\\\\\""}}"#, 3),
        (r#"{"a":"\ud83c\udf77","\ud83c\udf77":-0.0e+5,"":""}"#, 1),
        (r#"{"a":[[],{},[{"b":[null,true , false]}]],"a":{}}"#, 8),
        (r#"{"long enough to be skipped by eight":"long enough \" to be skipped by eight"}"#, 1),
        (r#"[1,"]",[2]]"#, 2),
        ("\"{\"", 0),
        ("12", 0),
    ] {
        assert_eq!(agree(text).unwrap(), openings, "{text}");
    }
    assert!(agree(r#"{"\ud800":1}"#).is_ok(), "neither reads a key that is no text");
}

#[test]
fn a_captured_event_is_read_as_the_parser_reads_it() {
    for body in captured() {
        agree(&body).unwrap();
        for event in all(&body) {
            let event: Event<'_> = event.unwrap();
            for object in [&event.properties, &event.traits, &event.context, &event.rest].into_iter().flatten() {
                assert!(serde_json::from_str::<serde_json::Map<_, _>>(object.get()).is_ok(), "{}", object.get());
            }
        }
    }
}

proptest! {
    #[test]
    fn an_event_is_the_same_beside_something_that_is_none(
        text in object(),
        value in any_json(),
        changes in proptest::collection::vec((any::<usize>(), byte()), 1..4),
        which in 0..5_usize,
    ) {
        let captured: Value = serde_json::from_str(&captured().remove(which)).unwrap();
        let event = captured["batch"][0].to_string();
        let changed = changed(&event, &changes).unwrap_or_default();
        let odd = oddly(&value);
        for text in [text.as_str(), odd.as_str(), event.as_str(), changed.as_str()].into_iter().filter(|text| !text.is_empty()) {
            let together = nameless(&format!(r#"{{"batch":[{text},{event}]}}"#));
            for none in ["7", "1e999", "null", r#"{"\ud800":1}"#] {
                let beside = nameless(&format!(r#"{{"batch":[{text},{event},{none}]}}"#));
                prop_assert_eq!(&beside[..2], &together[..], "{}", text);
                prop_assert!(beside[2].starts_with("Err"), "{}", none);
            }
        }
    }

    #[test]
    fn the_walk_reads_what_the_parser_reads(text in object(), value in any_json()) {
        agree(&text)?;
        agree(&value.to_string())?;
        agree(&oddly(&value))?;
    }

    #[test]
    fn the_walk_reads_what_the_parser_reads_of_hostile_text(
        text in object(),
        which in 0..5_usize,
        changes in proptest::collection::vec((any::<usize>(), byte()), 1..4),
    ) {
        for text in [text, captured().remove(which)] {
            if let Some(text) = changed(&text, &changes) {
                agree(&text)?;
            }
        }
    }
}
