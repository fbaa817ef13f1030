//! What leaves has the agreed form, and nothing that was not listed.

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{ANALYTICS, PERSONAL, domain, event, identifier, policy, shaped, texts};
use crate::clock::rfc3339;
use crate::events::consent_object::{Narrowing, narrowing};
use crate::gate::shape::write_time;
use crate::gate::{Parcel, Preferred, ShapeError, agent, shape};
use crate::id::CustomerId;
use crate::policy::{ConsentForm, IdentifierForm, LegalBasis, PartnerProfile, Purposes};

fn parsed(policy: &crate::policy::Policy, json: &Value) -> Value {
    serde_json::from_str(&shaped(policy, &event(json), &[])).unwrap()
}

#[test]
fn the_object_has_the_agreed_members() {
    let policy = policy();
    let mut event = event(&json!({
        "type": "track", "event": "Product Added", "messageId": "m-77", "userId": "kunde-4711", "anonymousId": "dev-0815-aa",
        "groupId": "gruppe-99", "previousId": "frueher-12",
        "properties": { "price": 12.90, "email": "erika@muster.example" }, "context": { "locale": "de-DE" },
    }));
    event.original_at = Some(1_795_329_244_000);
    let identifiers = [identifier(&policy, "email", "erika@muster.example"), identifier(&policy, "user_id", "kunde-4711")];
    let out = shaped(&policy, &event, &identifiers);
    let json: Value = serde_json::from_str(&out).unwrap();
    let members: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 12, "{members:?}");
    assert_eq!(json["messageId"], "m-77");
    assert_eq!(json["customerId"], "cus_07070707070707070707070707070707");
    assert_eq!(json["source"], "web");
    assert_eq!(json["timestamp"], rfc3339(event.at));
    assert_eq!(json["originalTimestamp"], rfc3339(1_795_329_244_000));
    assert_eq!(json["identifiers"]["email"]["form"], "keyed");
    assert_eq!(json["identifiers"].as_object().unwrap().len(), 1);
    assert_eq!(json["properties"], json!({ "price": 12.90, "email": "[email]" }));
    assert!(out.contains("12.9"), "numbers keep their digits");
    assert_eq!(json["consent"]["purposes"], json!(["analytics"]));
    assert_eq!(json["consent"]["deniedConsentIds"], json!([]));
    for raw in ["kunde-4711", "dev-0815-aa", "gruppe-99", "frueher-12", "muster.example", "userId", "anonymousId"] {
        assert!(!out.contains(raw), "{raw} in {out}");
    }
}

#[test]
fn the_list_of_denials_holds_everything_that_is_not_allowed() {
    let policy = policy();
    let (event, domain) = (event(&json!({ "type": "track", "event": "E" })), domain("d"));
    let mut parcel = Parcel {
        event: &event,
        identifiers: &[],
        customer: CustomerId([1; 16]),
        domain: &domain,
        source: "web",
        received_at: 0,
        allowed: Purposes(0b01001),
        preferences: &[],
    };
    let out: Value =
        serde_json::from_slice(&shape(&policy, &policy.destinations[0], &policy.routes[0], &parcel).unwrap()).unwrap();
    assert_eq!(out["consent"]["allowedConsentIds"], json!(["analytics", "necessary"]));
    assert_eq!(out["consent"]["deniedConsentIds"], json!(["personalization", "ads_sharing", "security"]));
    parcel.allowed = Purposes(0b01110);
    assert_eq!(shape(&policy, &policy.destinations[0], &policy.routes[0], &parcel), Err(ShapeError::NotAllowed));
}

/// What leaves for a destination that reads consent in this form.
fn shaped_as(form: ConsentForm, json: &Value, allowed: Purposes) -> Value {
    let mut policy = policy();
    policy.destinations[0].consent = form;
    let (event, domain) = (event(json), domain("d"));
    let parcel = Parcel {
        event: &event,
        identifiers: &[],
        customer: CustomerId([1; 16]),
        domain: &domain,
        source: "web",
        received_at: 0,
        allowed,
        preferences: &[],
    };
    serde_json::from_slice(&shape(&policy, &policy.destinations[0], &policy.routes[0], &parcel).unwrap()).unwrap()
}

#[test]
fn consent_goes_along_complete_in_the_form_that_the_destination_reads() {
    let allowed = Purposes(0b01001);
    let said = json!({ "consent": { "categoryPreferences": { "Werbung": true } }, "consentManagement": { "allowedConsentIds": ["ads_sharing"] } });
    let bare = json!({ "type": "track", "event": "E", "traits": { "age": 44 } });
    let mut with_context = bare.clone();
    with_context["context"] = said.clone();
    with_context["context"]["page"] = json!({ "title": "T" });
    let mut only_consent = bare.clone();
    only_consent["context"] = said;
    let segment = json!({ "categoryPreferences":
        { "analytics": true, "personalization": false, "ads_sharing": false, "necessary": true, "security": false } });
    let rudderstack = json!({ "provider": "custom", "resolutionStrategy": "and", "allowedConsentIds": ["analytics", "necessary"],
        "deniedConsentIds": ["personalization", "ads_sharing", "security"] });
    for event in [&bare, &with_context, &only_consent] {
        let out = shaped_as(ConsentForm::Segment, event, allowed);
        assert_eq!((&out["context"]["consent"], out["context"].get("consentManagement")), (&segment, None));
        let out = shaped_as(ConsentForm::Rudderstack, event, allowed);
        assert_eq!((&out["context"]["consentManagement"], out["context"].get("consent")), (&rudderstack, None));
        for form in [ConsentForm::Segment, ConsentForm::Rudderstack, ConsentForm::None] {
            let out = shaped_as(form, event, allowed);
            assert!(out.get("consent").is_none(), "{out}");
            assert_eq!(out["context"].get("page").is_some(), event == &with_context, "the rest of the context stays as it was");
        }
        assert!(shaped_as(ConsentForm::None, event, allowed).pointer("/context/consent").is_none());
        let out = shaped_as(ConsentForm::Plain, event, allowed);
        assert!(out.pointer("/context/consent").is_none() && out["consent"]["deniedConsentIds"].as_array().unwrap().len() == 3);
    }
}

proptest! {
    /// Whoever reads what leaves as we read what comes in understands exactly what is allowed.
    #[test]
    fn consent_that_goes_out_says_what_consent_that_comes_in_would(bits in 0..32_u64) {
        let (policy, allowed) = (policy(), Purposes(bits | 1));
        let by_law = policy.without_consent;
        for form in [ConsentForm::Segment, ConsentForm::Rudderstack] {
            let out = shaped_as(form, &json!({ "type": "track", "event": "E" }), allowed);
            let again = event(&json!({ "type": "track", "event": "E", "context": out["context"] }));
            prop_assert_eq!(narrowing(&again, &policy), Narrowing::Only(allowed.or(by_law)));
        }
    }
}

#[test]
fn a_partner_hash_leaves_only_with_consent() {
    let mut policy = policy();
    policy.destinations[0].email = IdentifierForm::Partner(PartnerProfile::Meta);
    let event = event(&json!({ "type": "track", "event": "E" }));
    let identifiers = [identifier(&policy, "email", "user@example.com")];
    let out: Value = serde_json::from_str(&shaped(&policy, &event, &identifiers)).unwrap();
    assert_eq!(out["identifiers"]["email"]["form"], "meta");
    assert_eq!(out["identifiers"]["email"]["value"], "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514");
    policy.purposes[0].basis = LegalBasis::Contract;
    policy.without_consent = policy.without_consent.or(Purposes::one(0));
    let out: Value = serde_json::from_str(&shaped(&policy, &event, &identifiers)).unwrap();
    assert_eq!(out["identifiers"], json!({}));
}

#[test]
fn a_listed_path_is_a_field_and_a_star_is_everything_below() {
    let mut policy = policy();
    policy.destinations[0].truncated_ip = false;
    policy.destinations[0].fields =
        ["properties.total", "properties.products.*", "properties.shop.city", "context.page.title"].map(str::to_owned).to_vec();
    policy.routes[0].drop = vec![String::from("properties.products.note")];
    let body = json!({
        "type": "track", "event": "E",
        "properties": {
            "total": [1, 2, { "x": 3 }], "other": 1, "shop": { "city": "Mainz", "clerk": "Z" },
            "products": [{ "sku": "a", "note": "n", "deep": { "er": [1] } }, "plain"],
        },
        "context": { "page": { "title": "T", "url": "u" }, "ip": "203.0.113.9" },
        "traits": { "age": 44 },
    });
    let out = parsed(&policy, &body);
    assert_eq!(
        out["properties"],
        json!({ "total": [1, 2], "shop": { "city": "Mainz" }, "products": [{ "sku": "a", "deep": { "er": [1] } }, "plain"] })
    );
    assert_eq!(out["context"], json!({ "page": { "title": "T" } }));
    assert!(out.get("traits").is_none());
}

#[test]
fn addresses_are_cut_to_networks_and_agents_to_families() {
    let policy = policy();
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0.3";
    let body = json!({
        "type": "page", "name": "P",
        "properties": { "ip": "2001:db8:1:2:3::4", "ip_address": "no address", "text": "von 203.0.113.77 aus", "userId": "x", "idfa": "y" },
        "context": {
            "ip": "203.0.113.77", "userAgent": agent, "consent": { "categoryPreferences": {} }, "groupId": "g",
            "userAgentData": { "brands": [{ "brand": "Chromium", "version": "128" }], "mobile": false, "model": "Pixel 7", "bitness": "64" },
        },
    });
    let out = parsed(&policy, &body);
    assert_eq!(out["properties"], json!({ "ip": "2001:db8:1::", "text": "von [id] aus" }));
    assert_eq!(
        out["context"],
        json!({
            "ip": "203.0.113.0", "userAgent": "Firefox 128 (Windows)",
            "userAgentData": { "brands": [{ "brand": "Chromium", "version": "128" }], "mobile": false },
        })
    );
    let mut strict = policy;
    strict.destinations[0].truncated_ip = false;
    let out = parsed(&strict, &body).to_string();
    assert!(!out.contains("203.0") && !out.contains("2001:db8"), "{out}");
}

#[test]
fn the_network_leaves_by_its_own_word_without_a_listed_field() {
    let mut policy = policy();
    policy.destinations[0].fields = vec![String::from("properties.*")];
    let body = json!({ "type": "page", "context": { "ip": "203.0.113.77", "locale": "de" } });
    assert_eq!(parsed(&policy, &body)["context"], json!({ "ip": "203.0.113.0" }));
    policy.routes[0].drop = vec![String::from("context.ip")];
    assert!(parsed(&policy, &body).get("context").is_none());
}

#[test]
fn agents_keep_family_major_version_and_platform() {
    for (agent, left) in [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.71 Safari/537.36",
            "Chrome 120 (Linux)",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1 Version/17.1 Mobile/15E148 Safari/604.1",
            "Safari 17 (iOS)",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/119.0.0.0 Safari/537.36 Edg/119.0.2151.97", "Edge 119 (macOS)"),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile",
            "Samsung Internet 23 (Android)",
        ),
        ("erika@muster.example", "Other"),
        ("Firefox/12345678901", "Firefox"),
    ] {
        assert_eq!(agent::reduce_agent(agent), left);
    }
    assert_eq!(agent::truncate_ip("::ffff:203.0.113.9").as_deref(), Some("203.0.113.0"));
}

#[test]
fn a_message_id_that_identifies_is_replaced_and_stays_unique() {
    let policy = policy();
    let id_of = |text: &str| parsed(&policy, &json!({ "type": "track", "event": "E", "messageId": text }))["messageId"].clone();
    assert_ne!(id_of("max@beispiel.de-1"), id_of("max@beispiel.de-2"));
    assert!(!id_of("max@beispiel.de-1").as_str().unwrap().contains("beispiel"));
    for plain in ["node-next-1795329244949-be9d80e5-7522-48dc-9f7d-b5401734cad5", "ajs-next-1795329244949-0151-4234"] {
        assert_eq!(id_of(plain), plain);
    }
}

#[test]
fn json_that_readers_stumble_over_comes_out_readable() {
    let policy = policy();
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for properties in [
        String::from(r#"{"a":"\ud83d\ude00 \ud800 \udc00x \u00e4","b":1e999,"c":-0.0,"d":1E2}"#),
        format!("{{\"a\":{}}}", "9".repeat(500)),
        format!("{{\"a\":{deep},\"b\":1}}"),
        String::from("{ \"a\" : [ ] , \"b\" : { } , \"\" : \"\" , \"c\\u0022\" : \"\\u0000\\b\\f\\/\\\\\" }"),
    ] {
        let mut event = event(&json!({ "type": "track", "event": "E" }));
        event.properties = Some(RawValue::from_string(properties).unwrap().into());
        let out: Value = serde_json::from_str(&shaped(&policy, &event, &[])).unwrap();
        assert!(out["properties"].is_object());
    }
}

proptest! {
    #[test]
    fn times_are_written_as_the_clock_writes_them(at in -62_167_219_200_000_i64..253_402_300_800_000) {
        let mut out = Vec::new();
        write_time(&mut out, at);
        prop_assert_eq!(String::from_utf8(out).unwrap(), rfc3339(at));
    }

    #[test]
    fn any_time_can_be_written(at in any::<i64>()) {
        let mut out = Vec::new();
        write_time(&mut out, at);
        prop_assert!(out.ends_with(b"Z"));
    }
}

#[test]
fn what_was_stated_leaves_only_for_what_it_may_be_used_for_and_only_where_the_contract_names_it() {
    use crate::policy::{Policy, Preference, PreferenceKind};
    let mut policy = policy();
    let tied =
        |id: &str, purposes| Preference { id: id.to_owned(), title: texts("t", "t"), purposes, kind: PreferenceKind::Text(9) };
    let (analytics, personal) = (Purposes::one(ANALYTICS), Purposes::one(PERSONAL));
    policy.preferences = vec![tied("colour", analytics), tied("budget", personal), tied("note", analytics.or(personal))];
    let value = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let (colour, note) = (value("\"red\""), value("\"write to erika@muster.de\""));
    let event = event(&json!({"type": "track", "event": "Added", "anonymousId": "d"}));
    let domain = domain("d");
    let sent = |policy: &Policy, allowed: Purposes, stated: &[Preferred<'_>]| {
        let parcel = Parcel {
            event: &event,
            identifiers: &[],
            customer: CustomerId([7; 16]),
            domain: &domain,
            source: "web",
            received_at: 0,
            allowed,
            preferences: stated,
        };
        let bytes = shape(policy, &policy.destinations[0], &policy.routes[0], &parcel).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["preferences"].clone()
    };
    let of = |purposes| {
        [
            Preferred { id: "colour", purposes, value: &colour },
            Preferred { id: "budget", purposes, value: &colour },
            Preferred { id: "note", purposes, value: &note },
            Preferred { id: "unknown", purposes, value: &colour },
        ]
    };
    assert_eq!(sent(&policy, analytics, &of(Purposes::ALL)), Value::Null, "the contract names none");
    policy.destinations[0].fields.push(String::from("preferences.*"));
    let all = sent(&policy, analytics, &of(Purposes::ALL));
    assert_eq!(all["colour"], "red");
    assert!(all.as_object().unwrap().len() == 2 && !all["note"].as_str().unwrap().contains('@'), "{all}");
    assert_eq!(sent(&policy, analytics, &of(personal)), Value::Null, "whoever stated it does not allow it");
    policy.routes[0].purposes = personal;
    let both = sent(&policy, analytics.or(personal), &of(Purposes::ALL));
    assert_eq!(both.as_object().unwrap().keys().collect::<Vec<_>>(), ["note"], "it is used for both");
    policy.routes[0].drop = vec![String::from("preferences.note")];
    assert_eq!(sent(&policy, analytics.or(personal), &of(Purposes::ALL)), Value::Null);
    policy.routes[0].purposes = Purposes::NONE;
    policy.destinations[0].fields = vec![String::from("preferences.colour")];
    assert_eq!(sent(&policy, analytics, &of(Purposes::ALL)), json!({"colour": "red"}));
}
