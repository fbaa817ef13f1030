//! P9: why an event went or stayed can be asked, in a person's words and by a machine, and the answer is what happens.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, id, send};
use crate::harness::{CANARY, Gateway};

fn explain(gateway: &Gateway, source: &str, event: &Value, language: &str) -> Value {
    let body = json!({"source": source, "event": event, "language": language});
    let answer = gateway.post("/v1/explain", &format!("Bearer {}", gateway.operator()), body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn of<'a>(explanation: &'a Value, destination: &str) -> &'a Value {
    explanation["destinations"].as_array().unwrap().iter().find(|d| d["destination"] == destination).unwrap()
}

#[test]
fn every_reason_has_a_code_and_a_sentence_in_both_languages() {
    let gateway = Gateway::start();
    let (silent, refused, granted, linked) = (Person::new("a"), Person::new("b"), Person::new("c"), Person::new("d"));
    refused.decides(&gateway, &[("analytics", "denied")]);
    granted.decides(&gateway, &[("analytics", "granted"), ("ads_sharing", "granted")]);
    linked.decides(&gateway, &[("analytics", "granted")]);
    linked.decides_as(&gateway, "wk_web", &json!({"userId": linked.user_id, "method": "portal"}), &[("analytics", "denied")]);
    let mut sign_in = linked.does("Signed In");
    sign_in["userId"] = json!(linked.user_id);
    send(&gateway, "wk_web", &[sign_in]);
    let mut narrowed = granted.does("Product Viewed");
    narrowed["context"] = json!({"consent": {"categoryPreferences": {"Analytics": false}}});
    let mut malformed = granted.does("Product Viewed");
    malformed["context"] = json!({"consent": 7});
    let nobody = json!({"type": "track", "event": "POS Purchase", "messageId": "m1", "userId": "null"});
    let cases = [
        ("archive", silent.does("Product Viewed"), "no_decision"),
        ("archive", refused.does("Product Viewed"), "denied"),
        ("archive", linked.does("Product Viewed"), "denied_by_link"),
        ("archive", narrowed, "narrowed_by_event"),
        ("archive", malformed, "consent_object_malformed"),
        ("archive", nobody, "no_identifier"),
        ("partner", granted.does("Order Completed"), "destination_off"),
        ("partner", granted.does("Product Viewed"), "no_route"),
    ];
    for (destination, event, code) in cases {
        let mut sentences = Vec::new();
        for language in ["de", "en"] {
            let explanation = explain(&gateway, "web", &event, language);
            let one = of(&explanation, destination);
            assert_eq!((one["outcome"].as_str(), one["reason"].as_str()), (Some("withhold"), Some(code)), "{one}");
            let sentence = one["sentence"].as_str().unwrap();
            assert!(sentence.len() > 20 && sentence.ends_with('.'), "{sentence}");
            sentences.push(sentence.to_owned());
        }
        assert_ne!(sentences[0], sentences[1], "German and English differ");
    }
    let explanation = explain(&gateway, "web", &granted.does("Product Viewed"), "de");
    assert_eq!(of(&explanation, "archive")["outcome"], "forward");
    assert!(!explanation.to_string().contains(&granted.device) && !explanation.to_string().contains(CANARY));
    assert!(
        of(&explain(&gateway, "web", &silent.does("Product Viewed"), "de"), "archive")["sentence"]
            .as_str()
            .unwrap()
            .contains("Statistik")
    );
}

#[test]
fn to_ask_changes_nothing() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    let event = erika.does("Product Viewed");
    for _ in 0..3 {
        explain(&gateway, "web", &event, "en");
    }
    assert!(arrived(&gateway).is_empty(), "an explained event was sent");
    send(&gateway, "wk_web", std::slice::from_ref(&event));
    assert_eq!(arrived(&gateway), [id(&event)], "and it is no duplicate afterwards");
}

#[test]
fn what_is_explained_is_what_happens() {
    let mut runner = TestRunner::new(Config { cases: 6, ..Config::default() });
    let gateway = Gateway::start();
    let strategy =
        proptest::collection::vec((proptest::option::of(any::<bool>()), proptest::option::of(any::<bool>()), 0..4_usize), 1..8);
    runner
        .run(&strategy, |people| {
            for (analytics, personalization, narrowing) in people {
                let person = Person::new("x");
                for (purpose, decided) in [("analytics", analytics), ("personalization", personalization)] {
                    if let Some(yes) = decided {
                        person.decides(&gateway, &[(purpose, if yes { "granted" } else { "denied" })]);
                    }
                }
                let mut event = person.does("Product Viewed");
                match narrowing {
                    0 => event["context"] = json!({"consent": {"categoryPreferences": {"analytics": true}}}),
                    1 => {
                        event["context"] =
                            json!({"consent": {"categoryPreferences": {"analytics": false, "personalization": true}}})
                    }
                    2 => event["context"] = json!({"consentManagement": {"deniedConsentIds": ["analytics"]}}),
                    _ => {}
                }
                let said = explain(&gateway, "web", &event, "en");
                send(&gateway, "wk_web", std::slice::from_ref(&event));
                let there = arrived(&gateway).contains(&id(&event));
                prop_assert_eq!(of(&said, "archive")["outcome"] == "forward", there);
                if there {
                    let sent = gateway.archive().into_iter().find(|e| e["messageId"] == id(&event)).unwrap();
                    let mut shown = of(&said, "archive")["event"].clone();
                    let mut sent_alike = sent.clone();
                    for changing in ["receivedAt", "timestamp", "deliveryId"] {
                        shown.as_object_mut().unwrap().remove(changing);
                        sent_alike.as_object_mut().unwrap().remove(changing);
                    }
                    prop_assert_eq!(shown, sent_alike, "what was shown is not what left");
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn explanations_need_a_key_and_name_what_is_wrong() {
    let gateway = Gateway::start();
    let event = Person::new("erika").does("Product Viewed");
    let body = json!({"source": "web", "event": event}).to_string();
    assert_eq!(gateway.post("/v1/explain", "", body.as_bytes()).status, 401);
    assert_eq!(gateway.post("/v1/explain", "Bearer sk_wrong_wrong", body.as_bytes()).status, 401);
    let operator = format!("Bearer {}", gateway.operator());
    for (body, field) in [
        (json!({"source": "nowhere", "event": event}), "source"),
        (json!({"source": "web"}), "event"),
        (json!({"source": "web", "event": {"type": "track", "anonymousId": "a"}}), "event"),
    ] {
        let answer = gateway.post("/v1/explain", &operator, body.to_string().as_bytes());
        assert!((400..500).contains(&answer.status), "{}", answer.text);
        assert!(answer.field().starts_with(field), "{}", answer.text);
    }
}
