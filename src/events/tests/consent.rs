//! A consent object never widens.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ADS, ANALYTICS, FRAUD, MAIL, ORDERS, all, any_json, oddly, one, policy};
use crate::events::consent_object::{Narrowing, narrowing, preference_update};
use crate::policy::Purposes;

fn of(context: &str) -> Narrowing {
    narrowing(&one(None, &format!(r#"{{"type":"page","userId":"u","context":{context}}}"#)).unwrap(), &policy())
}

/// The purposes, and those that rest on no consent.
fn only(purposes: &[usize]) -> Narrowing {
    let all = purposes.iter().chain(&[ORDERS, FRAUD]);
    Narrowing::Only(all.fold(Purposes::NONE, |set, index| set.or(Purposes::one(*index))))
}

#[test]
fn no_object_says_nothing() {
    for context in
        ["null", "{}", r#"{"consentment":{"categoryPreferences":{}}}"#, r#"{"page":{"consent":1}}"#, r#"{"x":"consent"}"#]
    {
        assert_eq!(of(context), Narrowing::Unsaid, "{context}");
    }
}

#[test]
fn of_segments_object_only_what_is_true_is_allowed() {
    for (preferences, allowed) in [
        (r"{}", &[][..]),
        (r#"{"analytics":true}"#, &[ANALYTICS]),
        (r#"{"ANALYTICS":true,"unknown":true}"#, &[ANALYTICS]),
        (r#"{"analytics":"true","ads":1,"mail":null}"#, &[]),
        (r#"{"Advertising":true}"#, &[ADS, MAIL]),
        (r#"{"Advertising":true,"C0004":false}"#, &[MAIL]),
        (r#"{"Advertising":false,"ads":true}"#, &[]),
        (r#"{"analytics":true,"analytics":false}"#, &[]),
        (r#"{"analytics":false,"analytics":true}"#, &[]),
        (r#"{"\u0061nalytics":true}"#, &[ANALYTICS]),
        (r#"{"orders":false,"fraud":false}"#, &[]),
    ] {
        assert_eq!(of(&format!(r#"{{"consent":{{"categoryPreferences":{preferences}}}}}"#)), only(allowed), "{preferences}");
    }
}

#[test]
fn of_rudderstacks_object_what_is_denied_is_taken_from_what_is_allowed() {
    for (object, allowed) in [
        (r#"{"allowedConsentIds":["analytics","ads"],"deniedConsentIds":[]}"#, &[ANALYTICS, ADS][..]),
        (r#"{"allowedConsentIds":["analytics","ads"],"deniedConsentIds":["C0004"],"resolutionStrategy":"or"}"#, &[ANALYTICS]),
        (r#"{"deniedConsentIds":["ads"]}"#, &[]),
        (r#"{"allowedConsentIds":[]}"#, &[]),
        (r#"{"allowedConsentIds":{"analytics":true,"ads":false}}"#, &[ANALYTICS]),
        (r#"{"allowedConsentIds":["analytics"],"deniedConsentIds":{"analytics":false}}"#, &[ANALYTICS]),
    ] {
        assert_eq!(of(&format!(r#"{{"consentManagement":{object}}}"#)), only(allowed), "{object}");
    }
}

#[test]
fn what_cannot_be_read_is_malformed() {
    for context in [
        r#"{"consent":null}"#,
        r#"{"consent":{}}"#,
        r#"{"consent":true}"#,
        r#"{"consent":[{"categoryPreferences":{"ads":true}}]}"#,
        r#"{"consent":{"categoryPreferences":null}}"#,
        r#"{"consent":{"categoryPreferences":["ads"]}}"#,
        r#"{"consent":{"categorypreferences":{"ads":true}}}"#,
        r#"{"consent":{"categoryPreferences":{"ads":true}},"consentManagement":{}}"#,
        r#"{"consent":{"categoryPreferences":{"ads":true}},"consent":null}"#,
        r#"{"consentManagement":null}"#,
        r#"{"consentManagement":{"allowedConsentIds":"ads"}}"#,
        r#"{"consentManagement":{"allowedConsentIds":["ads",7]}}"#,
        r#"{"consentManagement":{"allowedConsentIds":["ads"],"deniedConsentIds":null}}"#,
        r#"{"consentManagement":{"allowedConsentIds":{"ads":"yes"}}}"#,
    ] {
        assert_eq!(of(context), Narrowing::Malformed, "{context}");
    }
}

#[test]
fn both_objects_must_allow() {
    let context = |segment: &str, rudder: &str| {
        of(&format!(r#"{{"consent":{{"categoryPreferences":{segment}}},"consentManagement":{{"allowedConsentIds":{rudder}}}}}"#))
    };
    assert_eq!(context(r#"{"ads":true,"analytics":true}"#, r#"["ads"]"#), only(&[ADS]));
    assert_eq!(context(r#"{"analytics":true}"#, r#"["ads"]"#), only(&[]));
}

#[test]
fn a_batch_cannot_widen_what_its_event_says_nor_the_event_what_the_batch_says() {
    let narrowed = |shared: Value, own: Value| {
        let body = json!({"context": shared, "batch": [{"type": "page", "userId": "u", "context": own}]}).to_string();
        narrowing(all(&body)[0].as_ref().unwrap(), &policy())
    };
    let says = |granted: bool| json!({"consent": {"categoryPreferences": {"ads": granted}}});
    assert_eq!(narrowed(says(true), json!({})), only(&[ADS]));
    assert_eq!(narrowed(says(true), says(true)), only(&[ADS]));
    assert_eq!(narrowed(says(false), says(true)), Narrowing::Malformed);
    assert_eq!(narrowed(says(true), says(false)), Narrowing::Malformed);
}

#[test]
fn the_banners_event_reports_decisions() {
    let report = |preferences: &str| {
        let body = format!(
            r#"{{"type":"track","event":"Segment Consent Preference Updated","anonymousId":"a","context":{{"consent":{{"categoryPreferences":{preferences}}}}}}}"#
        );
        preference_update(&one(None, &body).unwrap(), &policy()).unwrap()
    };
    assert_eq!(report(r#"{"analytics":true,"Advertising":false}"#).unwrap(), [(ANALYTICS, true), (ADS, false), (MAIL, false)]);
    assert_eq!(report(r#"{"ads":true,"C0004":false}"#).unwrap(), [(ADS, false)]);
    assert_eq!(report(r#"{"fraud":false,"orders":false,"unheard":true}"#).unwrap(), [(FRAUD, false)], "a contract is no choice");
    assert_eq!(report("{}").unwrap(), []);
    for wrong in ["null", "[]", r#"{"ads":"true"}"#, r#"{"ads":1}"#] {
        assert_eq!(report(wrong).unwrap_err().field, "context.consent.categoryPreferences", "{wrong}");
    }
    let body = r#"{"type":"track","event":"Segment Consent Preference Updated","anonymousId":"a"}"#;
    assert_eq!(preference_update(&one(None, body).unwrap(), &policy()).unwrap().unwrap_err().code, "missing_field");
    let body = r#"{"type":"track","event":"Order Completed","anonymousId":"a","context":{"consent":{"categoryPreferences":{"ads":true}}}}"#;
    assert!(preference_update(&one(None, body).unwrap(), &policy()).is_none());
}

/// Whether both objects of this context, read as generously as they can be without inventing anything, grant the purpose.
fn grants(context: &Value, categories: &[String]) -> bool {
    let named = |id: &str| categories.iter().any(|category| category.eq_ignore_ascii_case(id));
    let segment = context.get("consent").is_none_or(|consent| {
        let preferences = consent.get("categoryPreferences").and_then(Value::as_object);
        preferences.is_some_and(|map| map.iter().any(|(key, value)| named(key) && *value == json!(true)))
    });
    let rudder = context.get("consentManagement").is_none_or(|object| match object.get("allowedConsentIds") {
        Some(Value::Array(ids)) => ids.iter().any(|id| id.as_str().is_some_and(named)),
        Some(Value::Object(ids)) => ids.iter().any(|(id, value)| named(id) && *value == json!(true)),
        _ => false,
    });
    segment && rudder
}

/// Whether one of the objects refuses the purpose.
fn denies(context: &Value, categories: &[String]) -> bool {
    let named = |id: &str| categories.iter().any(|category| category.eq_ignore_ascii_case(id));
    let preferences = context.pointer("/consent/categoryPreferences").and_then(Value::as_object);
    let denied = context.pointer("/consentManagement/deniedConsentIds").and_then(Value::as_array);
    preferences.is_some_and(|map| map.iter().any(|(key, value)| named(key) && *value != json!(true)))
        || denied.is_some_and(|ids| ids.iter().any(|id| id.as_str().is_some_and(named)))
}

/// A context that often has consent objects of the right outline, with anything in their places.
fn context() -> impl Strategy<Value = Value> {
    let strings =
        proptest::collection::vec(proptest::sample::select(vec!["ads", "Advertising", "analytics", "mail", "C0004", "x"]), 0..4);
    let flags = proptest::collection::btree_map(
        proptest::sample::select(vec!["ads", "Advertising", "analytics", "MAIL"]),
        any::<bool>(),
        0..4,
    );
    let place = prop_oneof![2 => strings.prop_map(Value::from), 2 => flags.prop_map(|map| json!(map)), 1 => any_json()];
    let segment = place.clone().prop_map(|preferences| json!({"categoryPreferences": preferences}));
    let rudder = (place.clone(), place).prop_map(|(yes, no)| json!({"allowedConsentIds": yes, "deniedConsentIds": no}));
    let outer = (
        proptest::option::of(prop_oneof![4 => segment, 1 => any_json()]),
        proptest::option::of(prop_oneof![4 => rudder, 1 => any_json()]),
    );
    outer.prop_map(|(segment, rudder)| {
        let mut context = json!({"locale": "de-DE"});
        segment.into_iter().for_each(|object| context["consent"] = object);
        rudder.into_iter().for_each(|object| context["consentManagement"] = object);
        context
    })
}

proptest! {
    #[test]
    fn nothing_in_the_consent_places_ever_widens(context in context()) {
        let policy = policy();
        let written = [context.to_string(), oddly(&context)].map(|text| of(&text));
        prop_assert_eq!(written[0], written[1], "escapes and space change nothing");
        let stated = context.get("consent").is_some() || context.get("consentManagement").is_some();
        match written[0] {
            Narrowing::Unsaid => prop_assert!(!stated),
            Narrowing::Malformed => prop_assert!(stated),
            Narrowing::Only(purposes) => {
                prop_assert!(stated);
                for index in [ANALYTICS, ADS, MAIL] {
                    let categories = &policy.purposes[index].categories;
                    let said = grants(&context, categories) && !denies(&context, categories);
                    prop_assert!(!purposes.has(index) || said, "{} by {}", policy.purposes[index].id, context);
                }
            }
        }
    }

    #[test]
    fn any_json_in_the_banners_event_is_read_or_refused(context in context()) {
        let body = json!({"type": "track", "event": "Segment Consent Preference Updated", "userId": "u", "context": context}).to_string();
        let policy = policy();
        if let Some(Ok(decisions)) = preference_update(&one(None, &body).unwrap(), &policy) {
            for (index, granted) in decisions {
                let map = context["consent"]["categoryPreferences"].as_object().unwrap();
                let named = |key: &String| policy.purposes[index].categories.iter().any(|category| category.eq_ignore_ascii_case(key));
                prop_assert!(map.iter().any(|(key, value)| named(key) && *value == json!(granted)));
            }
        }
    }
}
