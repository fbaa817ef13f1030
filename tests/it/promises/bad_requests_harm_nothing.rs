//! P10 for people's requests: whatever is sent, it is refused by name, nothing is done, and nobody learns who is known.

use serde_json::{Value, json};

use crate::harness::people::Person;
use crate::harness::{CANARY, Gateway};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn post(gateway: &Gateway, path: &str, body: &[u8]) -> crate::harness::Answer {
    gateway.post(path, &bearer(gateway), body)
}

fn ready() -> (Gateway, Person, String, Value) {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &who, &[("analytics", "granted")]);
    let sound = json!({"kind": "access", "identifiers": {"email": erika.email}, "identified": true});
    let request = post(&gateway, "/v1/requests", sound.to_string().as_bytes()).json()["id"].as_str().unwrap().to_owned();
    (gateway, erika, request, sound)
}

/// What the officer sees, when the mail about it is written.
fn shown(gateway: &Gateway, request: &str) -> String {
    gateway.wait_for("the mail", || {
        let shown = gateway.get(&format!("/v1/requests/{request}?identifiers=false"), &bearer(gateway));
        shown.json()["mails"].as_array()?.iter().all(|mail| mail["state"] == "written").then_some(shown.text)
    })
}

#[test]
fn what_is_filed_must_make_sense() {
    let (gateway, erika, request, sound) = ready();
    let before = shown(&gateway, &request);
    let with = |name: &str, value: Value| {
        let mut body = sound.clone();
        body[name] = value;
        body.to_string()
    };
    for (body, status, field) in [
        (String::from("["), 400, ""),
        (String::from("[]"), 400, ""),
        (String::from("\"access\""), 400, ""),
        (with("kind", json!(1)), 422, "kind"),
        (with("kind", json!("x".repeat(41))), 422, "kind"),
        (with("identifiers", json!("email")), 422, "identifiers"),
        (with("identifiers", json!({"email": 1})), 422, "identifiers"),
        (with("identifiers", json!({"email": [erika.email, null]})), 422, "identifiers"),
        (with("identifiers", json!({"email": vec![erika.email.as_str(); 17]})), 422, "identifiers"),
        (with("identifiers", json!({"email": format!("a\u{202e}{}", erika.email)})), 422, "identifiers.email"),
        (with("identifiers", json!({"email": format!("{}@example.org", "a".repeat(400))})), 422, "identifiers.email"),
        (with("identified", json!(1)), 422, "identified"),
        (with("note", json!("a\u{0}b")), 422, "note"),
        (with("note", json!("a\u{1b}[2Jb")), 422, "note"),
        (with("note", json!("x".repeat(2_001))), 422, "note"),
        (with("purposes", json!("analytics")), 422, "purposes"),
        (with("purposes", json!([1])), 422, "purposes"),
        (with("note", json!("x".repeat(1 << 20))), 413, ""),
    ] {
        let answer = post(&gateway, "/v1/requests", body.as_bytes());
        let short: String = body.chars().take(120).collect();
        assert_eq!((answer.status, answer.field().as_str()), (status, field), "{short}: {}", answer.text);
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
    assert_eq!(shown(&gateway, &request), before, "nothing was done");
    let list = gateway.get("/v1/requests", &bearer(&gateway)).json();
    assert_eq!(list["requests"].as_array().unwrap().len(), 1, "nothing was kept");
}

#[test]
fn what_is_done_with_a_request_must_make_sense() {
    let (gateway, erika, request, _) = ready();
    let before = shown(&gateway, &request);
    let at = |step: &str| format!("/v1/requests/{request}/{step}");
    for (path, body, status, field) in [
        (at("note"), json!({"reason": 1}), 422, "reason"),
        (at("note"), json!({"reason": "x".repeat(2_001)}), 422, "reason"),
        (at("note"), json!({"reason": "a\u{7}b"}), 422, "reason"),
        (at("assign"), json!({}), 422, "to"),
        (at("assign"), json!({"to": ["ines"]}), 422, "to"),
        (at("confirm"), json!({"recipient": "x".repeat(101)}), 422, "recipient"),
        (at("approve"), json!({"by": "me"}), 422, "body"),
        (at("approve"), json!([]), 400, ""),
        (at("lift"), json!({"reason": "x"}), 409, "state"),
        (at("search"), json!({}), 404, ""),
        (String::from("/v1/requests/search"), json!([]), 400, ""),
        (
            String::from("/v1/requests/search"),
            json!({"identifiers": {"email": erika.email}, "reason": "x", "more": 1}),
            422,
            "body",
        ),
        (String::from("/v1/requests/search"), json!({"identifiers": {"shoe": "42"}, "reason": "x"}), 422, "identifiers"),
    ] {
        let answer = post(&gateway, &path, body.to_string().as_bytes());
        assert_eq!((answer.status, answer.field().as_str()), (status, field), "{path} {body}: {}", answer.text);
    }
    for (path, field) in [("?identifiers=perhaps", "identifiers"), ("?reason=a%00b", "reason")] {
        let answer = gateway.get(&format!("/v1/requests/{request}{path}"), &bearer(&gateway));
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{path}");
    }
    assert_eq!(shown(&gateway, &request), before, "nothing was done");
}

#[test]
fn the_answer_is_the_same_whether_or_not_somebody_is_known() {
    let (gateway, erika, ..) = ready();
    // Known or not: the same answers until somebody who may has decided.
    let nobody = Person::new("nobody");
    let shape = |person: &Person| {
        let filed = post(
            &gateway,
            "/v1/requests",
            json!({"kind": "erasure", "identifiers": {"email": person.email}}).to_string().as_bytes(),
        );
        let id = filed.json()["id"].as_str().unwrap().to_owned();
        (
            filed.status,
            filed.text.replace(&id, ""),
            gateway.get(&format!("/v1/requests/{id}?identifiers=false"), &bearer(&gateway)).json()["concerned"].clone(),
        )
    };
    assert_eq!(shape(&erika), shape(&nobody));
}
