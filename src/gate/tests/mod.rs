//! What the tests of the gate share: a small policy, events and a domain.

mod decide;
mod explain;
mod form;
mod hide;
mod redact;
mod shape;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::clock::Chance;
use crate::events::{Event, EventType};
use crate::id::CustomerId;
use crate::identity::Identifier;
use crate::policy::{
    Controller, Destination, DestinationKind, IdentifierForm, IdentifierKind, IdentifierType, LegalBasis, Policy, Purpose,
    Purposes, Route, Source, SourceKind, Texts,
};
use crate::store::Store;
use crate::vault::{Blinds, Domain, Vault};

const ANALYTICS: usize = 0;
const PERSONAL: usize = 1;
const ADS: usize = 2;
const NECESSARY: usize = 3;
const SECURITY: usize = 4;

fn texts(de: &str, en: &str) -> Texts {
    BTreeMap::from([(String::from("de"), de.to_owned()), (String::from("en"), en.to_owned())])
}

fn purpose(id: &str, de: &str, basis: LegalBasis) -> Purpose {
    Purpose {
        id: id.to_owned(),
        basis,
        title: texts(de, id),
        text: texts(de, id),
        retention_days: 30,
        consent_days: None,
        double_opt_in: false,
        data: Vec::new(),
        categories: vec![id.to_owned()],
    }
}

fn destination(id: &str, purposes: Purposes) -> Destination {
    Destination {
        id: id.to_owned(),
        kind: DestinationKind::Profile,
        domain: id.to_owned(),
        purposes,
        fields: ["properties.*", "traits.*", "context.*"].map(str::to_owned).to_vec(),
        url_parameters: vec![String::from("utm_source"), String::from("q")],
        email: IdentifierForm::Keyed,
        phone: IdentifierForm::Keyed,
        consent: crate::policy::ConsentForm::Plain,
        truncated_ip: true,
        retry_days: 1,
        erasure: crate::policy::Erasure::by_hand(),
    }
}

fn route(id: &str, destination: usize) -> Route {
    Route {
        id: id.to_owned(),
        sources: Vec::new(),
        types: Vec::new(),
        events: Vec::new(),
        destination,
        purposes: Purposes::NONE,
        drop: Vec::new(),
    }
}

fn identifier_type(id: &str, kind: IdentifierKind, paths: &[&str]) -> IdentifierType {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    IdentifierType { id: id.to_owned(), kind, paths, limit: 3, blocked: Vec::new() }
}

/// Five purposes (three by consent, one by contract, one by legitimate interest), one destination and one route.
fn policy() -> Policy {
    Policy {
        terms: crate::policy::TermsSet::default(),
        duties: Vec::new(),
        preferences: Vec::new(),
        channels: Vec::new(),
        proof_years: 3,
        suppression_days: 365,
        version: String::from("v1"),
        written: String::new(),
        controller: Controller { language: String::from("de"), ..Controller::default() },
        purposes: vec![
            purpose("analytics", "Analyse", LegalBasis::Consent),
            purpose("personalization", "Personalisierung", LegalBasis::Consent),
            purpose("ads_sharing", "Werbung", LegalBasis::Consent),
            purpose("necessary", "Vertrag", LegalBasis::Contract),
            purpose("security", "Sicherheit", LegalBasis::LegitimateInterest),
        ],
        without_consent: Purposes::one(NECESSARY).or(Purposes::one(SECURITY)),
        objectable: Purposes::one(SECURITY),
        linking: None,
        signals: crate::policy::Signals::default(),
        identifiers: vec![
            identifier_type("email", IdentifierKind::Email, &["traits.email", "properties.email"]),
            identifier_type("phone", IdentifierKind::Phone, &["traits.phone"]),
            identifier_type("user_id", IdentifierKind::UserId, &["userId"]),
            identifier_type("loyalty_card", IdentifierKind::LoyaltyCard, &["properties.loyaltyCard"]),
            identifier_type("device", IdentifierKind::Device, &["anonymousId"]),
        ]
        .into(),
        notices: Vec::new(),
        sources: vec![Source {
            id: String::from("web"),
            kind: SourceKind::Website,
            write_key: String::from("wk_web"),
            origins: Vec::new(),
            records_decisions: true,
            takes_requests: true,
            trusted_consent_events: true,
            notice: None,
            token_required: false,
            rate_per_s: 10,
            callback_origins: Vec::new(),
            heeds_suppression: false,
            sign_in: None,
        }],
        destinations: vec![destination("profile", Purposes::one(ANALYTICS))],
        routes: vec![route("all", 0)],
    }
}

/// An event made of one JSON object, as the wire has it.
fn event(json: &Value) -> Event<'static> {
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(|t| Cow::Owned(t.to_owned()));
    let object = |name: &str| json.get(name).map(|v| crate::events::Object::from(RawValue::from_string(v.to_string()).unwrap()));
    Event {
        kind: EventType::parse(json.get("type").and_then(Value::as_str).unwrap_or("track")).unwrap(),
        message_id: text("messageId").unwrap_or(Cow::Borrowed("m-1")),
        user_id: text("userId"),
        anonymous_id: text("anonymousId"),
        previous_id: text("previousId"),
        group_id: text("groupId"),
        event: text("event"),
        name: text("name"),
        properties: object("properties"),
        traits: object("traits"),
        context: object("context"),
        rest: None,
        original_at: None,
        at: 1_795_329_244_949,
    }
}

/// One vault for all tests here: making one writes key files, and the property tests ask for thousands of domains.
fn domain(name: &str) -> Arc<Domain> {
    static VAULT: LazyLock<(Vault, tempfile::TempDir)> = LazyLock::new(|| {
        let keys = tempfile::tempdir().unwrap();
        (Vault::open(keys.path(), &Store::memory(), &Chance::system()).unwrap(), keys)
    });
    VAULT.0.domain(name).unwrap()
}

fn identifier(policy: &Policy, id: &str, value: &str) -> Identifier {
    Identifier { kind: policy.identifier(id).unwrap().0, tag: 0, value: value.to_owned(), blinds: Blinds::default() }
}

/// What leaves for the first destination of `policy` on its first route, everything allowed.
fn shaped(policy: &Policy, event: &Event<'_>, identifiers: &[Identifier]) -> String {
    let domain = domain("profile");
    let parcel = super::Parcel {
        event,
        identifiers,
        customer: CustomerId([7; 16]),
        domain: &domain,
        source: "web",
        received_at: 1_795_329_245_000,
        allowed: Purposes(0b11111),
        preferences: &[],
    };
    let bytes = super::shape(policy, &policy.destinations[0], &policy.routes[0], &parcel).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What becomes of one text in `properties.x` of an event whose person is known by the usual identifiers.
fn leaves(text: &str) -> String {
    let out = shaped_with_erika(&json!({ "x": text }));
    out["properties"]["x"].as_str().unwrap().to_owned()
}

/// What becomes of `properties` in an event of Erika Muster.
fn shaped_with_erika(properties: &Value) -> Value {
    let policy = policy();
    let event = event(&json!({
        "type": "track", "event": "E", "userId": "kunde-4711", "anonymousId": "5f3a9c1e-77aa-4b1c-9d2e-0c1f2a3b4c5d",
        "properties": properties,
        "traits": { "firstName": "Erika", "lastName": "Müßtermann", "email": "Erika.Muster@Example.org", "phone": "0151 23456789" },
    }));
    let identifiers = [
        identifier(&policy, "email", "erika.muster@example.org"),
        identifier(&policy, "phone", "+4915123456789"),
        identifier(&policy, "user_id", "kunde-4711"),
        identifier(&policy, "loyalty_card", "2900123456784"),
    ];
    serde_json::from_str(&shaped(&policy, &event, &identifiers)).unwrap()
}
