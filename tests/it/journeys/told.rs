//! Whoever has received something is told what the person asks for, by what they offer (GDPR Art. 19, 21).

use serde_json::{Value, json};

use crate::harness::hook::Hook;
use crate::harness::people::{Person, policy_where, send};
use crate::harness::{Answer, Gateway};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn asked(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    let answer = gateway.post(path, &bearer(gateway), body.to_string().as_bytes());
    assert!(answer.status < 300, "{path}: {}", answer.text);
    answer
}

fn approved(gateway: &Gateway, body: &Value) -> String {
    let request = asked(gateway, "/v1/requests", body).json()["id"].as_str().unwrap().to_owned();
    asked(gateway, &format!("/v1/requests/{request}/approve"), &json!({}));
    request
}

fn show(gateway: &Gateway, request: &str) -> Value {
    gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json()
}

fn has(request: &Value, what: &str) -> bool {
    request["acts"].as_array().unwrap().iter().any(|act| act["what"] == what)
}

/// What became of it at a recipient.
fn fate(gateway: &Gateway, request: &str, recipient: &str) -> Value {
    let request = show(gateway, request);
    let all = request["recipients"].as_array().unwrap();
    all.iter().find(|r| r["id"] == recipient).map_or(Value::Null, |r| r["state"].clone())
}

/// The shipped policy with a partner who hears messages.
fn policy(hook: &Hook) -> tempfile::TempDir {
    let address = hook.address;
    let url = format!("url = \"http://{address}/events\"\nerasure_url = \"http://{address}/told\"\nallow_private = true");
    policy_where("destinations.toml", "url = \"\"", &url)
}

/// A gateway with a partner who hears messages, and somebody of whom the partner has an order.
fn shared(hook: &Hook, policy: &tempfile::TempDir) -> (Gateway, Person, Value) {
    let gateway = Gateway::with_policies(policy.path());
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("ads_sharing", "granted"), ("analytics", "granted")]);
    let mut order = erika.does("Order Completed");
    order["properties"] = json!({"total": 42.5, "currency": "EUR"});
    send(&gateway, "wk_web", &[order]);
    gateway.wait_for("the partner to have it", || (hook.calls("/events").len() == 1).then_some(()));
    gateway.drain();
    let customer = serde_json::from_slice::<Value>(&hook.calls("/events")[0].body).unwrap()["customerId"].clone();
    (gateway, erika, customer)
}

/// What was said to the partner and understood, in its order.
fn heard(hook: &Hook) -> Vec<Value> {
    hook.calls("/told").iter().filter(|call| call.status < 300).map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
}

#[test]
fn a_restriction_is_in_force_at_once_and_told_beside_it_and_so_is_its_end() {
    let hook = Hook::start(200);
    let policy = policy(&hook);
    let (mut gateway, erika, customer) = shared(&hook, &policy);
    hook.answers(503);
    let request =
        approved(&gateway, &json!({"kind": "restriction", "identifiers": {"device": erika.device}, "identified": true}));
    gateway.wait_for("it to be in force", || has(&show(&gateway, &request), "restricted").then_some(()));
    gateway.wait_for("a first try", || (!hook.calls("/told").is_empty()).then_some(()));
    assert_eq!(fate(&gateway, &request, "partner"), "pending", "in force, although the partner does not answer");
    gateway.crash();
    hook.answers(204);
    gateway.wait_for("the partner to have heard", || (fate(&gateway, &request, "partner") == "delivered").then_some(()));
    let said = heard(&hook);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((&said[0]["type"], &said[0]["data"]["customerId"]), (&json!("customer.restrict"), &customer));
    let seen = show(&gateway, &request);
    assert_eq!((&seen["state"], fate(&gateway, &request, "archive")), (&json!("running"), json!("open")), "{seen}");

    asked(&gateway, &format!("/v1/requests/{request}/lift"), &json!({"reason": "geklärt; am 24. unterrichtet"}));
    gateway.wait_for("the partner to have heard", || (heard(&hook).len() == 2).then_some(()));
    assert_eq!(heard(&hook)[1]["type"], "customer.unrestrict");
    gateway.wait_for("that to be noted", || (fate(&gateway, &request, "partner") == "delivered").then_some(()));
    assert_eq!(show(&gateway, &request)["state"], "running", "somebody has to tell the archive's keeper");
    asked(&gateway, &format!("/v1/requests/{request}/confirm"), &json!({"recipient": "archive"}));
    gateway.wait_for("it to be over", || (show(&gateway, &request)["state"] == "done").then_some(()));
    let ids: std::collections::BTreeSet<String> =
        hook.calls("/told").iter().map(|call| call.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 2, "each message has one ID, however often it is sent");
}

#[test]
fn of_an_objection_those_are_told_who_use_the_data_for_it() {
    let hook = Hook::start(200);
    let policy = policy(&hook);
    let (gateway, erika, customer) = shared(&hook, &policy);
    let who = json!({"device": erika.device});
    let other = approved(
        &gateway,
        &json!({"kind": "objection", "identifiers": who, "purposes": ["personalization"], "identified": true}),
    );
    gateway.wait_for("it to be done", || (show(&gateway, &other)["state"] == "done").then_some(()));
    assert!(heard(&hook).is_empty(), "the partner uses nothing for that");
    let body =
        json!({"kind": "objection", "identifiers": who, "purposes": ["ads_sharing", "personalization"], "identified": true});
    let request = approved(&gateway, &body);
    gateway.wait_for("it to be done", || (show(&gateway, &request)["state"] == "done").then_some(()));
    let said = heard(&hook);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((&said[0]["type"], &said[0]["data"]["customerId"]), (&json!("customer.object"), &customer));
    assert_eq!(said[0]["data"]["purposes"], json!(["ads_sharing"]), "nobody learns what it is not about");
    assert_eq!(fate(&gateway, &request, "partner"), "delivered");
}

#[test]
fn what_contradicts_itself_ends_and_nothing_is_stuck() {
    let hook = Hook::start(200);
    let policy = policy(&hook);
    let (gateway, erika, _) = shared(&hook, &policy);
    let body = |kind: &str| json!({"kind": kind, "identifiers": {"device": erika.device}, "identified": true});
    let restriction = approved(&gateway, &body("restriction"));
    gateway.wait_for("it to be in force", || has(&show(&gateway, &restriction), "restricted").then_some(()));
    let access = approved(&gateway, &body("access"));
    gateway.wait_for("the package", || show(&gateway, &access).get("availableUntil").map(|_| ()));

    // Erased while it is restricted, and while a package can be fetched.
    let erasure = approved(&gateway, &body("erasure"));
    gateway.wait_for("the keys to be shredded", || has(&show(&gateway, &erasure), "erased").then_some(()));
    let package = gateway.get(&format!("/v1/requests/{access}/package"), &bearer(&gateway)).json();
    assert!(["identifiers", "events", "decisions"].iter().all(|part| package[part] == json!([])), "{package}");
    let again = approved(&gateway, &body("erasure"));
    gateway.wait_for("the second erasure", || (show(&gateway, &again)["state"] == "done").then_some(()));
    assert_eq!(show(&gateway, &again)["concerned"], 0, "nothing is stored any more, and that is what its certificate says");
    gateway.wait_for("the restriction to be over", || (show(&gateway, &restriction)["state"] == "done").then_some(()));
    assert!(has(&show(&gateway, &restriction), "erased"));
    let lifted = gateway.post(&format!("/v1/requests/{restriction}/lift"), &bearer(&gateway), br#"{"reason":"x"}"#);
    assert_eq!((lifted.status, lifted.field().as_str()), (409, "state"));
    asked(&gateway, &format!("/v1/requests/{erasure}/confirm"), &json!({"recipient": "archive"}));
    gateway.wait_for("the erasure to be done", || (show(&gateway, &erasure)["state"] == "done").then_some(()));
    // After it: about nobody, but neither refused nor stuck.
    for kind in ["access", "objection", "portability"] {
        let request = approved(&gateway, &body(kind));
        gateway.wait_for(kind, || (show(&gateway, &request)["state"] == "done").then_some(()));
    }
}
