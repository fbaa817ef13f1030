//! That all places together find what each finds by itself.

use proptest::prelude::*;

use super::one;
use crate::policy::Places;

/// Keys as paths name them: the usual ones, parts of each other, and those that JSON cannot write as they are.
const KEYS: [&str; 10] = ["email", "mail", "traits", "loyaltyCard", "card", "ä", "", "\"", "\\", "a\\\"b"];
const HEADS: [&str; 7] = ["properties", "traits", "context", "userId", "type", "channel", ""];

fn path() -> impl Strategy<Value = String> {
    let keys = proptest::collection::vec(proptest::sample::select(&KEYS), 0..4);
    (proptest::sample::select(&HEADS), keys).prop_map(|(head, keys)| [&[head][..], &keys].concat().join("."))
}

/// A key as a sender may write it.
fn key() -> impl Strategy<Value = String> {
    let plain = proptest::sample::select(&KEYS).prop_map(|key| serde_json::to_string(key).unwrap());
    let escaped = proptest::sample::select(&KEYS).prop_map(|key| {
        let units: String = key.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{units}\"")
    });
    prop_oneof![6 => plain, 1 => escaped]
}

/// The text of an object: keys that stand twice, values of all kinds, and some that look like a key.
pub(super) fn object() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "\"erika@muster.example\"",
        "\"x \\\"email\\\":\\\"no\\\"\"",
        "\"email\"",
        "12.50",
        "-1e3",
        "null",
        "true",
        "[{\"email\":\"in a list\"}]",
        "\"\"",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 5, |inner| {
        let members = proptest::collection::vec((key(), inner), 0..5);
        (members, proptest::sample::select(vec!["", " ", "\n\t"])).prop_map(|(members, space)| {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{space}{key}{space}:{space}{value}{space}")).collect();
            format!("{{{}}}", members.join(","))
        })
    })
}

/// Compares both ways for an event. Says at how many of the paths something stands.
fn agree(body: &str, paths: &[String]) -> Result<usize, TestCaseError> {
    let Ok(event) = one(None, body) else {
        return Ok(0);
    };
    let places = Places::of(paths.iter().map(String::as_str));
    let found = event.find(&places);
    for (number, path) in paths.iter().enumerate() {
        prop_assert_eq!(found.at(number), event.lookup(path), "{} in {}", path, body);
    }
    prop_assert_eq!(found.at(paths.len()), None);
    Ok((0..paths.len()).filter(|number| found.at(*number).is_some()).count())
}

#[test]
fn every_way_to_write_a_path_is_found() {
    let paths: Vec<String> =
        ["userId", "traits.email", "properties.email", "context.traits.email", "traits.a.b", "traits.a", "traits.email"]
            .map(str::to_owned)
            .into();
    for (body, count) in [
        (r#"{"type":"page","properties":{"list":"Empfehlungen"},"context":{"page":{"title":"email"}}}"#, 0),
        (r#"{"type":"page","userId":"u","traits":{"email":"a","email":"b"}}"#, 3),
        (r#"{"type":"page","traits":{"\u0065mail":"b"},"context":{"tr\u0061its":{"email" :"b"}}}"#, 3),
        (r#"{"type":"page","traits":{"email":"a","email":null,"a":{"b":1},"a":7}}"#, 1),
        (r#"{"type":"page","traits":{"a":{"b":1}},"context":{"x":{"traits":{"email":"b"}}}}"#, 1),
    ] {
        assert_eq!(agree(body, &paths).unwrap(), count, "{body}");
    }
}

proptest! {
    #[test]
    fn all_places_together_find_what_each_finds_alone(
        paths in proptest::collection::vec(path(), 0..8),
        (properties, traits, context, channel) in (object(), object(), object(), object()),
    ) {
        let objects = [("properties", &properties), ("traits", &traits), ("context", &context)];
        let objects: String =
            objects.iter().filter(|(_, raw)| raw.starts_with('{')).map(|(name, raw)| format!(",\"{name}\":{raw}")).collect();
        agree(&format!(r#"{{"type":"page","userId":"u","channel":{channel}{objects}}}"#), &paths)?;
    }
}
