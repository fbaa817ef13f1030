//! `OpenDSR` in both roles, against a company of its own (`tests/opendsr/company.py`), written from the specification in another language.

mod company;
mod processor;
mod recipients;

use serde_json::{Value, json};

use crate::harness::Gateway;

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn act(gateway: &Gateway, request: &str, step: &str, body: &Value) {
    let answer = gateway.post(&format!("/v1/requests/{request}/{step}"), &bearer(gateway), body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{step}: {}", answer.text);
}

fn show(gateway: &Gateway, request: &str) -> Value {
    gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json()
}

/// Approves an erasure of somebody.
fn erase(gateway: &Gateway, identifiers: &Value) -> String {
    let body = json!({"kind": "erasure", "identifiers": identifiers, "identified": true});
    let answer = gateway.post("/v1/requests", &bearer(gateway), body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
    let request = answer.json()["id"].as_str().unwrap().to_owned();
    act(gateway, &request, "approve", &json!({}));
    request
}

/// Waits until the recipient is in this state.
fn recipient(gateway: &Gateway, request: &str, name: &str, state: &str) -> Value {
    gateway.wait_for(&format!("{name} to be {state}"), || {
        let all = show(gateway, request)["recipients"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|r| r["id"] == name && r["state"] == state)
    })
}

fn done(gateway: &Gateway, request: &str) -> Value {
    gateway.wait_for("the request to be done", || Some(show(gateway, request)).filter(|r| r["state"] == "done"))
}
