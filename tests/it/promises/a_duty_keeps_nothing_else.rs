//! P6 where a law obliges to keep something: after an erasure exactly that is left, for nothing else.

use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, send};
use crate::harness::{CANARY, Gateway};

const ALL: [(&str, &str); 3] = [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")];

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn asked(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let answer = gateway.post(path, &bearer(gateway), body.to_string().as_bytes());
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer.json()
}

fn seen(gateway: &Gateway, path: &str) -> Value {
    gateway.get(path, &bearer(gateway)).json()
}

/// Files a request that is approved at once.
fn approved(gateway: &Gateway, kind: &str, person: &Person) -> String {
    let body = json!({"kind": kind, "identifiers": {"device": person.device}, "identified": true});
    let request = asked(gateway, "/v1/requests", &body)["id"].as_str().unwrap().to_owned();
    asked(gateway, &format!("/v1/requests/{request}/approve"), &json!({}));
    request
}

fn events_of(records: &Value) -> Vec<String> {
    let records = records["records"].as_array().cloned().unwrap_or_default();
    records.iter().map(|record| record["event"]["event"].as_str().unwrap().to_owned()).collect()
}

/// As long as somebody is known, the copy is in their package, and not in what they can take elsewhere.
fn the_copy_is_hers_to_see(gateway: &Gateway, person: &Person) {
    let access = approved(gateway, "access", person);
    let package = gateway.wait_for("the package", || {
        let answer = gateway.get(&format!("/v1/requests/{access}/package"), &bearer(gateway));
        (answer.status == 200).then(|| answer.json())
    });
    let kept: Vec<&Value> = package["events"].as_array().unwrap().iter().filter(|event| event["keptFor"].is_object()).collect();
    assert_eq!(kept.len(), 1, "{package}");
    assert_eq!((&kept[0]["event"]["event"], &kept[0]["keptFor"]["duty"]), (&json!("Order Completed"), &json!("invoices")));
    let movable = approved(gateway, "portability", person);
    let movable = gateway.wait_for("the package", || {
        let answer = gateway.get(&format!("/v1/requests/{movable}/package"), &bearer(gateway));
        (answer.status == 200).then(|| answer.json())
    });
    assert!(movable["events"].as_array().unwrap().iter().all(|event| event["keptFor"].is_null()), "{movable}");
}

/// Erases, and reads what request and certificate say about what is kept.
fn erased(gateway: &Gateway, person: &Person) {
    let request = approved(gateway, "erasure", person);
    gateway.wait_for("the keys to be shredded", || {
        let seen = seen(gateway, &format!("/v1/requests/{request}"));
        seen["acts"].as_array().unwrap().iter().any(|act| act["what"] == "erased").then_some(())
    });
    asked(gateway, &format!("/v1/requests/{request}/confirm"), &json!({"recipient": "archive"}));
    let done = gateway.wait_for("the request to be done", || {
        let seen = seen(gateway, &format!("/v1/requests/{request}"));
        (seen["state"] == "done").then_some(seen)
    });
    assert_eq!((&done["kept"][0]["duty"], &done["kept"][0]["records"]), (&json!("invoices"), &json!(1)), "{done}");
    let certificate = gateway.get(&format!("/v1/requests/{request}/certificate"), &bearer(gateway)).text;
    std::fs::write(gateway.path("certificate.jws"), certificate).unwrap();
    std::fs::write(gateway.path("jwks.json"), gateway.get("/.well-known/jwks.json", "").text).unwrap();
    let said = gateway.command(&["certificate", "verify", "certificate.jws", "--jwks", "jwks.json"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("1 records for invoices until") && said.contains("§ 147"), "{said}");
}

#[test]
fn an_erasure_leaves_the_invoices_for_the_authority_and_nothing_for_anybody_else() {
    let mut gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&erika, &otto] {
        person.decides(&gateway, &ALL);
        send(&gateway, "wk_web", &[person.does("Product Viewed"), person.does("Order Completed"), person.does("Product Added")]);
    }
    arrived(&gateway);
    let who = json!({"identifiers": {"device": erika.device}, "purpose": "personalization"});
    let customer = asked(&gateway, "/v1/profiles/lookup", &who)["customerId"].as_str().unwrap().to_owned();

    the_copy_is_hers_to_see(&gateway, &erika);
    erased(&gateway, &erika);
    for restart in [false, true] {
        if restart {
            gateway.restart();
        }
        let profile = gateway.get(&format!("/v1/profiles/{customer}?purpose=personalization"), &bearer(&gateway));
        assert_eq!(profile.status, 404);
        assert_eq!(asked(&gateway, "/v1/profiles/lookup", &who)["customerId"], Value::Null);
        let records = seen(&gateway, "/v1/retention/invoices");
        assert_eq!(events_of(&records), ["Order Completed", "Order Completed"]);
        let erased: Vec<bool> = records["records"].as_array().unwrap().iter().map(|r| r["erased"].as_bool().unwrap()).collect();
        assert_eq!(erased.iter().filter(|erased| **erased).count(), 1);
        assert!(!records.to_string().contains(CANARY));
    }
    let next = seen(&gateway, "/v1/retention/invoices")["next"].as_str().unwrap().to_owned();
    assert!(events_of(&seen(&gateway, &format!("/v1/retention/invoices?after={next}"))).is_empty());
    assert_eq!(gateway.get("/v1/retention/taxes", &bearer(&gateway)).status, 404);
    assert_eq!(gateway.get("/v1/retention/invoices?after=zz", &bearer(&gateway)).status, 404);
    let overview = seen(&gateway, "/v1/retention");
    assert_eq!((&overview["duties"][0]["people"], &overview["duties"][0]["inPolicy"]), (&json!(2), &json!(true)), "{overview}");
    let shown = gateway.command(&["retention", "show"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("invoices"), "{}", String::from_utf8_lossy(&shown.stderr));
    let exported = gateway.command(&["retention", "export", "invoices"]);
    assert_eq!(String::from_utf8_lossy(&exported.stdout).lines().count(), 2);
    // Whoever comes back is a new person, and has nothing to do with what is kept.
    erika.decides(&gateway, &ALL);
    let again = asked(&gateway, "/v1/profiles/lookup", &who)["customerId"].clone();
    assert_ne!(again, json!(customer));
}
