//! Tests of the room.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::parse::{Events, Rejected, batch, single};
use super::{Event, EventType};
use crate::clock::Millis;
use crate::policy::{Controller, LegalBasis, Policy, Purpose, Purposes};

mod consent;
mod find;
mod hostile;
mod stored;
mod times;
mod walk;
mod wire;

/// 2026-11-22T06:34:05Z, the second after the captures were sent.
pub(super) const NOW: Millis = 1_795_329_245_000;

/// Requests of the two Node SDKs, as they came over the wire.
pub(super) const CAPTURES: &str = include_str!("tests/node-sdks.jsonl");

/// The bodies of the captured requests, decompressed.
pub(super) fn captured() -> Vec<String> {
    let body = |line: &str| serde_json::from_str::<Value>(line).unwrap()["body"].as_str().map(str::to_owned);
    CAPTURES.lines().filter_map(body).collect()
}

/// Parses a body as one event of this type. In a batch it is the same.
pub(super) fn one(kind: Option<EventType>, body: &str) -> Result<Event<'_>, Rejected> {
    let event = in_order(single(body.as_bytes())?.events(kind, NOW, None)).remove(0);
    if kind.is_none() {
        assert_eq!(nameless(&format!(r#"{{"batch":[{body}]}}"#)), [without_id(event.clone())]);
    }
    event
}

/// The events of a batch, without the IDs that may be made of all its bytes.
pub(super) fn nameless(body: &str) -> Vec<String> {
    all(body).into_iter().map(without_id).collect()
}

fn without_id(event: Result<Event<'_>, Rejected>) -> String {
    let nameless = event.map(|event| Event { message_id: "".into(), ..event });
    format!("{nameless:?}")
}

/// Parses a body as a batch.
pub(super) fn all(body: &str) -> Vec<Result<Event<'_>, Rejected>> {
    in_order(batch(body.as_bytes()).unwrap().events(None, NOW, None))
}

/// Events and refusals as they stood in the body.
pub(super) fn in_order(events: Events<'_>) -> Vec<Result<Event<'_>, Rejected>> {
    let good = events.places.into_iter().zip(events.good.into_iter().map(Ok));
    let mut all: Vec<_> = good.chain(events.rejected.into_iter().map(|(place, rejected)| (place, Err(rejected)))).collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, event)| event).collect()
}

/// Four purposes: `analytics`, `ads` (also `Advertising`, `C0004`), `mail` (also `Advertising`) by consent, and `orders` by contract.
pub(super) fn policy() -> Policy {
    let purpose = |id: &str, basis, categories: &[&str]| Purpose {
        id: id.to_owned(),
        basis,
        title: BTreeMap::new(),
        text: BTreeMap::new(),
        retention_days: 30,
        consent_days: None,
        double_opt_in: false,
        data: Vec::new(),
        categories: categories.iter().map(|&c| c.to_owned()).collect(),
    };
    Policy {
        terms: crate::policy::TermsSet::default(),
        duties: Vec::new(),
        preferences: Vec::new(),
        channels: Vec::new(),
        proof_years: 3,
        suppression_days: 365,
        version: String::new(),
        written: String::new(),
        controller: Controller::default(),
        purposes: vec![
            purpose("analytics", LegalBasis::Consent, &["analytics"]),
            purpose("ads", LegalBasis::Consent, &["ads", "Advertising", "C0004"]),
            purpose("mail", LegalBasis::Consent, &["mail", "Advertising"]),
            purpose("orders", LegalBasis::Contract, &["orders"]),
            purpose("fraud", LegalBasis::LegitimateInterest, &["fraud"]),
        ],
        without_consent: Purposes::one(ORDERS),
        objectable: Purposes::one(FRAUD),
        linking: None,
        signals: crate::policy::Signals::default(),
        identifiers: crate::policy::Identifiers::default(),
        notices: Vec::new(),
        sources: Vec::new(),
        destinations: Vec::new(),
        routes: Vec::new(),
    }
}

pub(super) const ANALYTICS: usize = 0;
pub(super) const ADS: usize = 1;
pub(super) const MAIL: usize = 2;
pub(super) const ORDERS: usize = 3;
pub(super) const FRAUD: usize = 4;

/// Keys that mean something somewhere, and some that do not.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "consent",
        "categoryPreferences",
        "consentManagement",
        "allowedConsentIds",
        "deniedConsentIds",
        "resolutionStrategy",
        "ads",
        "Advertising",
        "ADVERTISING",
        "analytics",
        "orders",
        "userId",
        "email",
        "traits",
        "context",
        "batch",
        "type",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[^\\x00]{0,6}"]
}

/// Any JSON.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(|x| Value::from(f64::from(x))),
        key().prop_map(Value::from),
        Just(Value::from("true")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

/// Writes JSON as an unusual sender might: every character of every string as an escape, and space wherever it may stand.
pub(super) fn oddly(value: &Value) -> String {
    let text = |text: &str| -> String {
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{units}\"")
    };
    match value {
        Value::String(string) => text(string),
        Value::Array(array) => format!("[ {} ]", array.iter().map(oddly).collect::<Vec<_>>().join(" ,\n")),
        Value::Object(object) => {
            let members: Vec<_> = object.iter().map(|(key, value)| format!("{}\t: {}", text(key), oddly(value))).collect();
            format!("{{ {} }}", members.join("\r\n, "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
