//! Somebody objects (GDPR Art. 21): what does not rest on a contract or a law stops, also for what comes later.

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, id, send};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn file(gateway: &Gateway, body: &Value) -> crate::harness::Answer {
    gateway.post("/v1/requests", &bearer(gateway), body.to_string().as_bytes())
}

fn approve(gateway: &Gateway, body: &Value) {
    let filed = file(gateway, body);
    assert_eq!(filed.status, 201, "{}", filed.text);
    let request = filed.json()["id"].as_str().unwrap().to_owned();
    let open = |gateway: &Gateway| gateway.get("/metrics", "").text.contains("pforte_requests_open 1");
    assert!(open(gateway), "whoever watches the figures sees that somebody waits");
    assert_eq!(gateway.post(&format!("/v1/requests/{request}/approve"), &bearer(gateway), b"{}").status, 200);
    gateway.wait_for("the objection to hold and its recipients to be told", || {
        let seen = gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json();
        for recipient in seen["recipients"].as_array().unwrap().iter().filter(|recipient| recipient["state"] == "open") {
            assert_eq!(recipient["id"], "archive", "the profile store sees to it by itself: {seen}");
            let confirmed = json!({"recipient": "archive"}).to_string();
            gateway.post(&format!("/v1/requests/{request}/confirm"), &bearer(gateway), confirmed.as_bytes());
        }
        (seen["state"] == "done").then_some(())
    });
    assert!(!open(gateway));
}

#[test]
fn an_objection_stops_what_it_is_about_and_nothing_else() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted"), ("personalization", "granted")]);
    let who = json!({"device": erika.device});
    for (purposes, kind) in [
        (json!(["necessary"]), "objection"),
        (json!(["nothing"]), "objection"),
        (json!([]), "objection"),
        (json!(["analytics"]), "erasure"),
    ] {
        let answer = file(&gateway, &json!({"kind": kind, "identifiers": who, "purposes": purposes, "identified": true}));
        assert_eq!((answer.status, answer.field().as_str()), (422, "purposes"), "{purposes}: {}", answer.text);
    }
    approve(&gateway, &json!({"kind": "objection", "identifiers": who, "purposes": ["personalization"], "identified": true}));
    let first = erika.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&first));
    assert!(arrived(&gateway).contains(&id(&first)), "the archive rests on another purpose");
    approve(&gateway, &json!({"kind": "objection", "identifiers": who, "identified": true}));
    let second = erika.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&second));
    assert!(!arrived(&gateway).contains(&id(&second)));

    // Somebody who is not known yet: it holds when they come.
    let otto = Person::new("otto");
    approve(&gateway, &json!({"kind": "objection", "identifiers": {"device": otto.device}, "identified": true}));
    let his = otto.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&his));
    assert!(!arrived(&gateway).contains(&id(&his)));
}
