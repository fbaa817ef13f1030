//! P1: an event leaves only if every purpose of its destination has a current, positive decision.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, id, policy_where, send};

/// What the shipped `archive` needs.
const NEEDED: &str = "analytics";

fn with(mut event: Value, context: &Value) -> Value {
    event["context"] = context.clone();
    event
}

#[test]
fn without_a_decision_nothing_leaves_and_nothing_is_stored() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let before = stored(&gateway);
    for key in ["wk_web", "wk_app", "wk_newsletter", "wk_till", "wk_service"] {
        send(&gateway, key, &[erika.does("Product Viewed"), erika.does("Order Completed")]);
    }
    assert!(arrived(&gateway).is_empty());
    assert_eq!(stored(&gateway), before, "something was stored of somebody who was never asked");
}

/// How many records the store holds.
fn stored(gateway: &Gateway) -> String {
    let metrics = gateway.get("/metrics", "").text;
    metrics
        .lines()
        .filter(|l| l.starts_with("pforte_subjects") || l.starts_with("pforte_identifiers"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_broken_consent_object_keeps_the_event_back_although_consent_is_recorded() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[(NEEDED, "granted"), ("personalization", "granted")]);
    let broken = [
        json!({"consent": {}}),
        json!({"consent": null}),
        json!({"consent": []}),
        json!({"consent": "yes"}),
        json!({"consent": true}),
        json!({"consent": {"categoryPreferences": {}}}),
        json!({"consent": {"categoryPreferences": null}}),
        json!({"consent": {"categoryPreferences": []}}),
        json!({"consent": {"categoryPreferences": [NEEDED]}}),
        json!({"consent": {"categoryPreferences": "all"}}),
        json!({"consent": {"categoryPreferences": {NEEDED: "true"}}}),
        json!({"consent": {"categoryPreferences": {NEEDED: 1}}}),
        json!({"consent": {"categoryPreferences": {NEEDED: null}}}),
        json!({"consent": {"categoryPreferences": {NEEDED: [true]}}}),
        json!({"consent": {"categoryPreferences": {NEEDED: false}}}),
        json!({"consent": {"categoryPreferences": {"something else": true}}}),
        json!({"consentManagement": null}),
        json!({"consentManagement": "all"}),
        json!({"consentManagement": {}}),
        json!({"consentManagement": {"allowedConsentIds": [], "deniedConsentIds": []}}),
        json!({"consentManagement": {"allowedConsentIds": NEEDED}}),
        json!({"consentManagement": {"allowedConsentIds": [NEEDED], "deniedConsentIds": "none"}}),
        json!({"consentManagement": {"allowedConsentIds": [NEEDED], "deniedConsentIds": [NEEDED]}}),
        json!({"consentManagement": {"deniedConsentIds": [NEEDED], "resolutionStrategy": "or"}}),
    ];
    let events: Vec<Value> = broken.iter().map(|context| with(erika.does("Product Viewed"), context)).collect();
    send(&gateway, "wk_web", &events);
    let control = erika.does("Product Viewed");
    let agreed = with(erika.does("Product Viewed"), &json!({"consent": {"categoryPreferences": {NEEDED: true}}}));
    send(&gateway, "wk_web", &[control.clone(), agreed.clone()]);
    let arrived = arrived(&gateway);
    for (event, context) in events.iter().zip(&broken) {
        assert!(!arrived.contains(&id(event)), "delivered in spite of {context}");
    }
    assert!(arrived.contains(&id(&control)), "the control event must arrive, or this test proves nothing");
    assert!(arrived.contains(&id(&agreed)));
}

#[test]
fn an_event_never_widens_what_was_decided() {
    let gateway = Gateway::start();
    let (refused, silent) = (Person::new("refused"), Person::new("silent"));
    refused.decides(&gateway, &[(NEEDED, "denied")]);
    let widening = [
        json!({"consent": {"categoryPreferences": {NEEDED: true, "Analytics": true}}}),
        json!({"consentManagement": {"allowedConsentIds": [NEEDED, "Analytics"], "deniedConsentIds": [], "resolutionStrategy": "or", "provider": "custom"}}),
    ];
    for context in &widening {
        for person in [&refused, &silent] {
            send(&gateway, "wk_web", &[with(person.does("Product Viewed"), context)]);
        }
    }
    assert!(arrived(&gateway).is_empty());
}

#[test]
fn only_trusted_sources_record_decisions_by_event() {
    let gateway = Gateway::start();
    let update = |person: &Person| {
        let mut event = person.does("Segment Consent Preference Updated");
        event["context"] = json!({"consent": {"categoryPreferences": {NEEDED: true, "personalization": true}}});
        event
    };
    let (web, till) = (Person::new("web"), Person::new("till"));
    send(&gateway, "wk_till", &[update(&till)]);
    send(&gateway, "wk_web", &[update(&web)]);
    let (from_till, from_web) = (till.does("Product Viewed"), web.does("Product Viewed"));
    send(&gateway, "wk_web", &[from_till.clone(), from_web.clone()]);
    let arrived = arrived(&gateway);
    assert!(arrived.contains(&id(&from_web)), "the shipped web source is trusted with it");
    assert!(!arrived.contains(&id(&from_till)), "the till is not");
}

/// What somebody does in a generated story.
#[derive(Clone, Debug)]
enum Act {
    Decide { person: usize, purpose: usize, granted: bool },
    Visit { person: usize },
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..3_usize, 0..2_usize, any::<bool>()).prop_map(|(person, purpose, granted)| Act::Decide { person, purpose, granted }),
        5 => (0..3_usize).prop_map(|person| Act::Visit { person }),
        1 => Just(Act::Restart),
    ];
    proptest::collection::vec(act, 1..24)
}

#[test]
fn in_any_story_exactly_the_allowed_events_arrive() {
    let purposes = [NEEDED, "personalization"];
    let mut runner = TestRunner::new(Config { cases: 8, ..Config::default() });
    runner
        .run(&acts(), |acts| {
            let mut gateway = Gateway::start();
            let people: Vec<Person> = (0..3).map(|i| Person::new(&format!("p{i}"))).collect();
            let mut standing = [[None::<bool>; 2]; 3];
            let (mut allowed, mut forbidden) = (Vec::new(), Vec::new());
            for act in acts {
                match act {
                    Act::Decide { person, purpose, granted } => {
                        people[person].decides(&gateway, &[(purposes[purpose], if granted { "granted" } else { "denied" })]);
                        standing[person][purpose] = Some(granted);
                    }
                    Act::Visit { person } => {
                        let event = people[person].does("Product Viewed");
                        send(&gateway, "wk_web", std::slice::from_ref(&event));
                        gateway.drain();
                        if standing[person][0] == Some(true) { allowed.push(id(&event)) } else { forbidden.push(id(&event)) }
                    }
                    Act::Restart => gateway.restart(),
                }
            }
            let arrived = arrived(&gateway);
            prop_assert!(forbidden.iter().all(|e| !arrived.contains(e)), "a forbidden event left");
            prop_assert!(
                allowed.iter().all(|e| arrived.iter().filter(|a| *a == e).count() == 1),
                "an allowed event is missing or doubled"
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_waits_for_a_confirmation_is_not_granted() {
    let policies = policy_where("destinations.toml", "purposes = [\"analytics\"]", "purposes = [\"marketing_email\"]");
    let mut gateway = Gateway::with_policies(policies.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let who = |person: &Person| json!({"anonymousId": person.device, "identifiers": {"email": person.email}, "method": "spoken"});
    erika.decides_as(&gateway, "wk_till", &who(&erika), &[("marketing_email", "granted")]);
    // A banner's event records it as well, and grants as little.
    let mut update = otto.does("Segment Consent Preference Updated");
    update["context"] = json!({"consent": {"categoryPreferences": {"marketing_email": true}}});
    send(&gateway, "wk_web", &[update]);
    for restarted in [false, true] {
        if restarted {
            gateway.restart();
        }
        for person in [&erika, &otto] {
            let mut event = person.does("Product Viewed");
            event["traits"] = json!({"email": person.email});
            event["context"] = json!({"consent": {"categoryPreferences": {"marketing_email": true}}});
            send(&gateway, "wk_web", &[event]);
        }
        assert!(arrived(&gateway).is_empty());
    }
    assert_eq!(gateway.post(&gateway.mail_to(&erika.email, "Einwilligung").link(), "", b"").status, 200);
    let control = erika.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&control));
    assert_eq!(arrived(&gateway), [id(&control)], "the control event must arrive, or this test proves nothing");
}
