//! P2: once a withdrawal is acknowledged, nothing that relied on the grant leaves: not from the queue, not from a retry, not from another
//! thread, not after a crash.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::erasure_is_provable::policy_with;
use crate::harness::Gateway;
use crate::harness::hook::Hook;
use crate::harness::people::{Person, basic, send};

fn order(person: &Person) -> Value {
    let mut order = person.does("Order Completed");
    order["properties"] = json!({"total": 42.5, "currency": "EUR"});
    order
}

fn withdraw(gateway: &Gateway, person: &Person, by_event: bool) {
    if by_event {
        let event = json!({"type": "track", "event": "Segment Consent Preference Updated", "anonymousId": person.device,
            "messageId": uuid::Uuid::new_v4().to_string(), "context": {"consent": {"categoryPreferences": {"ads_sharing": false}}}});
        send(gateway, "wk_web", &[event]);
    } else {
        person.decides(gateway, &[("ads_sharing", "denied")]);
    }
}

#[test]
fn nothing_begins_after_the_acknowledgement_however_much_waits() {
    let hook = Hook::start(200);
    let policy = policy_with(&hook);
    let gateway = Gateway::with_policies(policy.path());
    for round in 0..12 {
        let erika = Person::new("erika");
        erika.decides(&gateway, &[("ads_sharing", "granted")]);
        let before = hook.calls("/events").len();
        // Another thread sends all the time, and the withdrawal comes at another moment each round.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let orders: Vec<Value> = (0..20).map(|_| order(&erika)).collect();
                    let answer = gateway.post("/v1/batch", &basic("wk_web"), json!({"batch": orders}).to_string().as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text);
                }
            });
            gateway.wait_for("some to arrive", || (hook.calls("/events").len() > before + round).then_some(()));
            withdraw(&gateway, &erika, round % 2 == 1);
            let acknowledged = hook.calls("/events").len();
            (0..20).for_each(|_| drop(gateway.get("/healthz", "")));
            stop.store(true, Ordering::SeqCst);
            gateway.drain();
            assert_eq!(hook.calls("/events").len(), acknowledged, "round {round}: something left after the acknowledgement");
        });
    }
}

#[test]
fn what_waits_for_another_try_stays_also_over_a_crash() {
    let hook = Hook::start(500);
    let policy = policy_with(&hook);
    let mut gateway = Gateway::with_policies(policy.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&erika, &otto] {
        person.decides(&gateway, &[("ads_sharing", "granted")]);
        send(&gateway, "wk_web", &[order(person), order(person)]);
    }
    gateway.wait_for("a first try", || (!hook.calls("/events").is_empty()).then_some(()));
    withdraw(&gateway, &erika, false);
    gateway.crash();
    hook.answers(200);
    let taken = || hook.calls("/events").iter().filter(|call| call.status == 200).count();
    gateway.wait_for("his orders to arrive", || (taken() == 2).then_some(()));
    gateway.drain();
    assert_eq!(taken(), 2, "hers stay");
}
