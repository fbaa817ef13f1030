//! Somebody disputes what is stored; until that is settled it is stored and nothing else (GDPR Art. 18).

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, id, send};

const ALL: [(&str, &str); 3] = [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")];

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn asked(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let answer = gateway.post(path, &bearer(gateway), body.to_string().as_bytes());
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer.json()
}

fn approved(gateway: &Gateway, person: &Person) -> String {
    let body = json!({"kind": "restriction", "identifiers": {"device": person.device}, "identified": true});
    let request = asked(gateway, "/v1/requests", &body)["id"].as_str().unwrap().to_owned();
    asked(gateway, &format!("/v1/requests/{request}/approve"), &json!({}));
    gateway.wait_for("the restriction to be in force", || {
        let request = gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json();
        request["acts"].as_array().unwrap().iter().any(|act| act["what"] == "restricted").then_some(())
    });
    request
}

fn lift(gateway: &Gateway, request: &str) {
    let path = format!("/v1/requests/{request}/lift");
    assert_eq!(gateway.post(&path, &bearer(gateway), b"{}").field(), "reason");
    asked(gateway, &path, &json!({"reason": "Die Angaben stimmen; die Kundin wurde am 24. unterrichtet."}));
    gateway.wait_for("nobody to be waited for", || {
        let seen = gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json();
        for recipient in seen["recipients"].as_array().unwrap().iter().filter(|recipient| recipient["state"] == "open") {
            // Whoever keeps the archive lets it be used again.
            gateway.post(
                &format!("/v1/requests/{request}/confirm"),
                &bearer(gateway),
                json!({"recipient": recipient["id"]}).to_string().as_bytes(),
            );
        }
        seen["acts"].as_array().unwrap().iter().any(|act| act["what"] == "unrestricted").then_some(())
    });
    gateway.wait_for("the restriction to be over", || {
        (gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json()["state"] == "done").then_some(())
    });
}

#[test]
fn while_it_is_restricted_nothing_leaves_and_nothing_is_read_and_nothing_is_lost() {
    let mut gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&erika, &otto] {
        person.decides(&gateway, &ALL);
        send(&gateway, "wk_web", &[person.does("Product Viewed")]);
    }
    assert_eq!(arrived(&gateway).len(), 2);
    let who = json!({"identifiers": {"device": erika.device}, "purpose": "personalization"});
    let customer = asked(&gateway, "/v1/profiles/lookup", &who)["customerId"].as_str().unwrap().to_owned();
    let events = |gateway: &Gateway| {
        let profile = gateway.get(&format!("/v1/profiles/{customer}?purpose=personalization"), &bearer(gateway));
        profile.json()["events"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(events(&gateway), 1);

    let (first, second) = (approved(&gateway, &erika), approved(&gateway, &erika));
    for crash in [false, true] {
        if crash {
            gateway.crash();
        }
        let (hers, his) = (erika.does("Product Added"), otto.does("Product Added"));
        send(&gateway, "wk_web", &[hers.clone(), his.clone()]);
        let there = arrived(&gateway);
        assert!(!there.contains(&id(&hers)) && there.contains(&id(&his)), "hers stays, his goes");
        assert_eq!(events(&gateway), 0, "stored, and not read");
        let question = json!({"source": "web", "event": hers, "language": "de"});
        let explained = asked(&gateway, "/v1/explain", &question).to_string();
        assert!(explained.contains("restricted") && explained.contains("eingeschränkt"), "{explained}");
        // A new decision does not end it.
        erika.decides(&gateway, &ALL);
    }
    lift(&gateway, &first);
    let still = erika.does("Product Added");
    send(&gateway, "wk_web", std::slice::from_ref(&still));
    assert!(!arrived(&gateway).contains(&id(&still)), "she has asked twice");
    lift(&gateway, &second);
    assert_eq!(events(&gateway), 1, "what was stored is there again");
    let again = erika.does("Order Completed");
    send(&gateway, "wk_web", std::slice::from_ref(&again));
    assert!(arrived(&gateway).contains(&id(&again)));
}
