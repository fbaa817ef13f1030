//! No plain identifier leaves, however and wherever it was hidden: generated identifiers × encodings × places.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{event, identifier, policy, shaped};
use crate::gate::{agent, fields, walk};

/// Ways to hide a text. Each returns what a sender could have written.
const HIDINGS: [fn(&str) -> String; 22] = [
    |t| t.to_owned(),
    str::to_uppercase,
    |t| percent(t, |c| !c.is_alphanumeric()),
    |t| percent(t, |_| true),
    |t| percent(&percent(t, |c| !c.is_alphanumeric()), |c| c == '%'),
    |t| t.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
    |t| t.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect(),
    |t| t.replace('@', "&commat;").replace('.', "&period;").replace('+', "&plus;").replace('-', "&hyphen;"),
    |t| t.chars().map(|c| if ('!'..='~').contains(&c) { char::from_u32(u32::from(c) + 0xFEE0).unwrap() } else { c }).collect(),
    |t| between(t, '\u{200b}'),
    |t| between(t, '\u{ad}'),
    |t| between(t, '\u{feff}'),
    |t| {
        t.chars().fold(String::new(), |mut out, c| {
            write!(out, "\\u{:04x}", u32::from(c)).unwrap();
            out
        })
    },
    |t| STANDARD.encode(t),
    |t| URL_SAFE_NO_PAD.encode(t),
    |t| hex::encode(t),
    |t| hex::encode_upper(t),
    |t| json!({ "deep": { "er": t } }).to_string(),
    |t| json!({ "s": json!({ "t": t }).to_string() }).to_string(),
    |t| STANDARD.encode(json!({ "sub": t }).to_string()),
    |t| percent(&STANDARD.encode(t), |c| !c.is_alphanumeric()),
    |t| t.replace('a', "а").replace('e', "е").replace('o', "о"),
];

fn percent(text: &str, hide: fn(char) -> bool) -> String {
    text.chars()
        .map(|c| if hide(c) { c.to_string().bytes().map(|b| format!("%{b:02X}")).collect() } else { c.to_string() })
        .collect()
}

fn between(text: &str, mark: char) -> String {
    text.chars().flat_map(|c| [c, mark]).collect()
}

/// Places at which a text can stand in an event.
const PLACES: [fn(&str) -> Value; 18] = [
    |t| json!({ "properties": { "note": t } }),
    |t| json!({ "properties": { "note": format!("Bitte an {t} senden!") } }),
    |t| json!({ "properties": { t: 1 } }),
    |t| json!({ "properties": { "a": [[{ "b": [{ "c": t }] }]] } }),
    |t| json!({ "properties": { "list": ["x", t, "y"] } }),
    |t| json!({ "properties": { "url": format!("https://shop.de/konto/{t}/ok?utm_source=a") } }),
    |t| json!({ "properties": { "url": format!("https://shop.de/?utm_source={t}") } }),
    |t| json!({ "properties": { "url": format!("https://shop.de/?other={t}&q=x") } }),
    |t| json!({ "properties": { "url": format!("https://shop.de/#{t}") } }),
    |t| json!({ "properties": { "url": format!("https://{t}@shop.de/") } }),
    |t| json!({ "properties": { "href": format!("mailto:{t}") } }),
    |t| json!({ "properties": { "json": json!({ "k": [t] }).to_string() } }),
    |t| json!({ "context": { "page": { "title": t, "search": format!("?q={t}") } } }),
    |t| json!({ "context": { "page": { "referrer": format!("http://a.de/x?q={t}#z") } } }),
    |t| json!({ "traits": { "email": t, "company": { "x": t } } }),
    |t| json!({ "messageId": t }),
    |t| json!({ "event": t }),
    |t| json!({ "type": "page", "name": t, "context": { "userAgent": t, "ip": t, "device": { "id": t } } }),
];

/// Every key and every string of a JSON value.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            out.push(key.clone());
            strings(member, out);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An address that nobody states.
fn email() -> impl Strategy<Value = String> {
    "[a-z]{3,9}[._+-]?[a-z0-9]{2,8}@[a-z]{3,12}(-[a-z]{2,5})?\\.(de|com|example\\.org|co\\.uk)"
}

fn check(hidden: &str, plain: &str, json: &Value, stated: &[(&str, &str)]) -> Result<(), TestCaseError> {
    let policy = policy();
    let identifiers: Vec<_> = stated.iter().map(|(kind, value)| identifier(&policy, kind, value)).collect();
    let out = shaped(&policy, &event(json), &identifiers);
    let parsed: Value = serde_json::from_str(&out).unwrap();
    let mut all = Vec::new();
    strings(&parsed, &mut all);
    for text in all {
        let lower = text.to_lowercase();
        prop_assert!(!lower.contains(&plain.to_lowercase()), "{plain} in {text} of {json}");
        prop_assert!(!text.contains(hidden), "{hidden} in {text} of {json}");
        prop_assert!(!lower.contains(&hidden.to_lowercase()), "{hidden} in {text} of {json}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_email_address_leaves_hidden_or_not(email in email(), hide in 0..HIDINGS.len(), place in 0..PLACES.len()) {
        let hidden = HIDINGS[hide](&email);
        check(&hidden, &email, &PLACES[place](&hidden), &[])?;
    }

    #[test]
    fn no_email_address_leaves_hidden_twice(email in email(), first in 0..HIDINGS.len(), then in 0..HIDINGS.len(), place in 0..PLACES.len()) {
        let hidden = HIDINGS[then](&HIDINGS[first](&email));
        // Upper case takes base64 apart: what comes out is no address any more.
        prop_assume!(!(then == 1 && first >= 13));
        prop_assume!(then != 21 || first < 12);
        check(&hidden, &email, &PLACES[place](&hidden), &[])?;
    }

    #[test]
    fn no_stated_identifier_leaves_hidden_or_not(
        id in "[a-z]{1,4}[0-9]{4,9}(-[a-z0-9]{2,6})?", hide in 0..HIDINGS.len(), place in 0..PLACES.len(),
    ) {
        let hidden = HIDINGS[hide](&id);
        let mut json = PLACES[place](&hidden);
        json["userId"] = Value::from(id.clone());
        check(&hidden, &id, &json, &[("user_id", &id)])?;
    }

    #[test]
    fn no_phone_number_leaves_hidden_or_not(
        area in "1[567][0-9]|6131|30", rest in "[1-9][0-9]{6,7}", form in 0..6_usize, hide in 0..HIDINGS.len(), place in 0..PLACES.len(), stated: bool,
    ) {
        let number = match form {
            0 => format!("+49{area}{rest}"),
            1 => format!("0049{area}{rest}"),
            2 => format!("+49 {area} {rest}"),
            3 => format!("0{area} {rest}"),
            4 => format!("0{area}-{}-{}", &rest[..3], &rest[3..]),
            _ => format!("(0{area}) {rest}"),
        };
        // Of a number split over path segments nothing but the stated parts can be known.
        let hidden = HIDINGS[hide](&number);
        let e164 = format!("+49{area}{rest}");
        let stated: &[(&str, &str)] = if stated { &[("phone", &e164)] } else { &[] };
        check(&hidden, &number, &PLACES[place](&hidden), stated)?;
    }

    #[test]
    fn hashes_of_stated_addresses_do_not_leave(email in email(), which in 0..6_usize, place in 0..PLACES.len()) {
        use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
        let hash = match which % 3 {
            0 => digest(&SHA256, email.as_bytes()).as_ref().to_vec(),
            1 => digest(&SHA1_FOR_LEGACY_USE_ONLY, email.as_bytes()).as_ref().to_vec(),
            _ => crate::gate::redact::md5_for_tests(&email).to_vec(),
        };
        let hidden = if which < 3 { hex::encode(&hash) } else { URL_SAFE_NO_PAD.encode(&hash) };
        check(&hidden, &email, &PLACES[place](&hidden), &[("email", &email)])?;
    }

    #[test]
    fn any_json_is_shaped_to_valid_json(json in any_json(4), text in any::<String>()) {
        let body = json!({ "type": "track", "event": text, "messageId": text, "properties": { "a": json }, "context": json, "traits": json });
        let out = shaped(&policy(), &event(&body), &[]);
        let parsed: Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(&parsed["type"], "track");
    }

    #[test]
    fn any_bytes_at_all_are_walked_without_a_panic(text in any::<String>(), cut in any::<prop::sample::Index>()) {
        for json in [text.clone(), format!("{{\"a\":{text}"), format!("{{{text}}}"), format!("[\"{text}\\")] {
            let cut = json.char_indices().map(|(i, _)| i).nth(cut.index(json.len() + 1)).unwrap_or(json.len());
            let found = walk::Members::of(&json[..cut]).count();
            prop_assert!(found <= json.len());
            let mut written = Vec::new();
            walk::write_text(&mut written, &json);
            prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), json);
        }
        prop_assert!(agent::reduce_agent(&text).len() < 64);
        prop_assert!(agent::truncate_ip(&text).is_none_or(|network| network.ends_with(".0") || network.ends_with("::")));
    }

    #[test]
    fn what_is_not_listed_does_not_leave(json in any_json(4), allow in "[ab](\\.[ab]){0,2}(\\.\\*)?", drop in "[ab](\\.[ab]){0,2}") {
        let mut policy = policy();
        policy.destinations[0].fields = vec![format!("properties.{allow}")];
        policy.routes[0].drop = vec![format!("properties.{drop}")];
        let (dest, route) = (policy.destinations[0].clone(), policy.routes[0].clone());
        let out = shaped(&policy, &event(&json!({ "type": "track", "properties": { "a": json, "b": json }, "context": json })), &[]);
        let parsed: Value = serde_json::from_str(&out).unwrap();
        prop_assert!(parsed.get("context").is_none());
        let mut paths = Vec::new();
        leaf_paths(&parsed["properties"], "properties", &mut paths);
        let fields = fields::Fields::of(&dest, &route);
        for path in paths {
            let reach = fields.allowed(&path);
            prop_assert!((reach.whole || reach.leaf) && !fields.dropped(&path), "{path} with {allow} and without {drop}");
        }
    }
}

fn leaf_paths(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, member)| leaf_paths(member, &format!("{path}.{key}"), out)),
        Value::Array(items) => items.iter().for_each(|item| leaf_paths(item, path, out)),
        Value::Null if path == "properties" => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push(path.to_owned()),
    }
}

fn any_json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~äöü@%&=:/?#0-9]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(prop_oneof!["[ab]", ".{0,6}"], inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
