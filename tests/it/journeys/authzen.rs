//! Other systems ask whether somebody's data may be used: AuthZEN 1.0, against the rules of its specification.

use serde_json::{Value, json};

use crate::harness::people::{Person, basic, policy_where, send};
use crate::harness::{Answer, Gateway, project};

fn key(gateway: &Gateway) -> String {
    let policies = project().join("policies");
    let policies = policies.to_str().unwrap();
    let made = gateway.command(&["key", "create", "--source", "service", "--scope", "access", "--policies", policies]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("Bearer {}", String::from_utf8(made.stdout).unwrap().lines().next().unwrap())
}

fn ask(gateway: &Gateway, key: &str, path: &str, body: &Value) -> Answer {
    gateway.post(&format!("/access/v1/{path}"), key, body.to_string().as_bytes())
}

fn question(kind: &str, id: &str, purpose: &str) -> Value {
    json!({"subject": {"type": kind, "id": id}, "action": {"name": "use"}, "resource": {"type": "purpose", "id": purpose}})
}

/// The decision and its reason.
fn verdict(answer: &Value) -> (bool, String) {
    (answer["decision"].as_bool().unwrap(), answer["context"]["reason"].as_str().unwrap().to_owned())
}

fn says(gateway: &Gateway, key: &str, kind: &str, id: &str, purpose: &str) -> (bool, String) {
    let answer = ask(gateway, key, "evaluation", &question(kind, id, purpose));
    assert_eq!(answer.status, 200, "{}", answer.text);
    verdict(&answer.json())
}

fn no(reason: &str) -> (bool, String) {
    (false, reason.to_owned())
}

fn yes(reason: &str) -> (bool, String) {
    (true, reason.to_owned())
}

#[test]
fn the_answer_is_what_holds_now_by_identifier_and_by_customer_id() {
    let mut gateway = Gateway::start();
    let key = key(&gateway);
    let (erika, nobody) = (Person::new("erika"), Person::new("nobody"));
    let unknown = ask(&gateway, &key, "evaluation", &question("device", &nobody.device, "analytics"));
    erika.decides(&gateway, &[("personalization", "denied")]);
    let undecided = ask(&gateway, &key, "evaluation", &question("device", &erika.device, "analytics"));
    assert_eq!(unknown.text, undecided.text, "who is unknown and who never decided get the same answer");
    assert_eq!(unknown.json()["context"]["reason_user"]["de"], "Eine Zustimmung zu „Statistik“ ist nicht bekannt.");

    erika.decides(&gateway, &[("analytics", "granted")]);
    let by_device = |gateway: &Gateway, purpose: &str| says(gateway, &key, "device", &erika.device, purpose);
    assert_eq!(by_device(&gateway, "analytics"), yes("granted"));
    assert_eq!(by_device(&gateway, "personalization"), no("denied"));
    assert_eq!(by_device(&gateway, "necessary"), yes("contract"));
    assert_eq!(says(&gateway, &key, "device", &nobody.device, "necessary"), no("no_decision"));
    send(&gateway, "wk_web", &[erika.does("Product Viewed")]);
    gateway.drain();
    let customer = gateway.archive()[0]["customerId"].as_str().unwrap().to_owned();
    assert_eq!(says(&gateway, &key, "customer", &customer, "analytics"), yes("granted"));
    assert_eq!(says(&gateway, &key, "customer", &customer, "personalization"), no("denied"));
    assert_eq!(says(&gateway, &key, "customer", "cus_00000000000000000000000000000000", "analytics"), no("no_decision"));

    // Somebody who uses the device has said no for themselves: that holds where both are concerned.
    let account = json!({"userId": erika.user_id, "method": "spoken"});
    erika.decides_as(&gateway, "wk_till", &account, &[("analytics", "denied")]);
    let mut both = erika.does("Product Viewed");
    both["userId"] = json!(erika.user_id);
    send(&gateway, "wk_web", &[both]);
    assert_eq!(by_device(&gateway, "analytics"), no("denied_by_link"));
    erika.decides(&gateway, &[("analytics", "denied")]);
    assert_eq!(by_device(&gateway, "analytics"), no("denied"));
    gateway.crash();
    assert_eq!(by_device(&gateway, "analytics"), no("denied"));
}

#[test]
fn a_grant_that_does_not_count_says_why_as_the_gate_does() {
    let policies = policy_where("purposes.toml", "proof_years = 3", "proof_years = 3");
    let mut gateway = Gateway::with_policies(policies.path());
    let key = key(&gateway);
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted"), ("personalization", "granted")]);
    let who = json!({"anonymousId": erika.device, "identifiers": {"email": erika.email}, "method": "spoken"});
    erika.decides_as(&gateway, "wk_till", &who, &[("marketing_email", "granted")]);
    let gate = |gateway: &Gateway| {
        let body = json!({"source": "web", "event": erika.does("Product Viewed"), "language": "en"}).to_string();
        let answer = gateway.post("/v1/explain", &format!("Bearer {}", gateway.operator()), body.as_bytes()).json();
        let all = answer["destinations"].as_array().unwrap();
        all.iter().find(|one| one["destination"] == "archive").unwrap()["reason"].clone()
    };
    for (purpose, reason) in [("analytics", yes("granted")), ("marketing_email", no("unconfirmed"))] {
        assert_eq!(says(&gateway, &key, "device", &erika.device, purpose), reason);
    }
    // More data are used for it from now on.
    let path = policies.path().join("purposes.toml");
    let wider = std::fs::read_to_string(&path).unwrap().replace("\"device data\"", "\"device data\", \"location\"");
    std::fs::write(&path, wider).unwrap();
    gateway.restart();
    for (purpose, reason) in [("analytics", no("terms_changed")), ("personalization", yes("granted"))] {
        assert_eq!(says(&gateway, &key, "device", &erika.device, purpose), reason);
    }
    assert_eq!(gate(&gateway), "terms_changed");
    let answer = ask(&gateway, &key, "evaluation", &question("device", &erika.device, "analytics")).json();
    let sentence = "Die Zustimmung zu „Statistik“ wurde für weniger gegeben, als heute damit geschähe.";
    assert_eq!(answer["context"]["reason_user"]["de"], sentence);
    erika.decides(&gateway, &[("analytics", "granted")]);
    assert_eq!(says(&gateway, &key, "device", &erika.device, "analytics"), yes("granted"));
    erika.decides(&gateway, &[("analytics", "denied")]);
    assert_eq!(says(&gateway, &key, "device", &erika.device, "analytics"), no("denied"), "a no comes before everything else");
}

#[test]
fn what_the_policy_does_not_know_is_a_no_and_what_is_malformed_is_an_error() {
    let gateway = Gateway::start();
    let key = key(&gateway);
    let good = question("device", "laptop", "analytics");
    let with = |path: &str, value: Value| {
        let mut question = good.clone();
        *question.pointer_mut(path).unwrap() = value;
        question
    };
    for (question, reason) in [
        (with("/resource/id", json!("world domination")), "unknown_purpose"),
        (with("/resource/type", json!("document")), "unknown_resource_type"),
        (with("/action/name", json!("sell")), "unknown_action"),
        (with("/subject/type", json!("user")), "unknown_subject_type"),
    ] {
        let answer = ask(&gateway, &key, "evaluation", &question);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(verdict(&answer.json()), no(reason));
    }
    let long = "x".repeat(400);
    for (question, field) in [
        (json!({}), "subject"),
        (with("/subject", json!("laptop")), "subject"),
        (with("/subject", json!({"id": "laptop"})), "subject.type"),
        (with("/subject", json!({"type": "device"})), "subject.id"),
        (with("/subject/id", json!(7)), "subject.id"),
        (with("/subject/id", json!("")), "subject.id"),
        (with("/subject/id", json!(long)), "subject.id"),
        (with("/subject", json!({"type": "email", "id": "no address"})), "subject.id"),
        (with("/subject", json!({"type": "customer", "id": "cus_1"})), "subject.id"),
        (with("/action", json!({})), "action.name"),
        (with("/resource", Value::Null), "resource"),
        (with("/resource/id", json!(["analytics"])), "resource.id"),
    ] {
        for path in ["evaluation", "evaluations"] {
            let answer = ask(&gateway, &key, path, &question);
            assert_eq!((answer.status, answer.field().as_str()), (400, field), "{path} {question}: {}", answer.text);
        }
    }
    for body in ["", "[]", "\"use\"", "{", "null"] {
        let answer = gateway.post("/access/v1/evaluation", &key, body.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_json"), "{body}");
    }
    let write_key = gateway.post("/access/v1/evaluation", &basic("wk_web"), good.to_string().as_bytes());
    assert_eq!(write_key.status, 401);
}

#[test]
fn several_questions_are_answered_as_the_semantics_say() {
    let gateway = Gateway::start();
    let key = key(&gateway);
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted"), ("ads_sharing", "denied"), ("personalization", "granted")]);
    let batch = |semantic: Value, purposes: &[&str]| {
        let evaluations: Vec<Value> = purposes.iter().map(|p| json!({"resource": {"type": "purpose", "id": p}})).collect();
        let mut body =
            json!({"subject": {"type": "device", "id": erika.device}, "action": {"name": "use"}, "evaluations": evaluations});
        if !semantic.is_null() {
            body["options"] = json!({"evaluations_semantic": semantic, "another_option": 1});
        }
        let answer = ask(&gateway, &key, "evaluations", &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = answer.json();
        assert!(answer.get("decision").is_none());
        answer["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    let (mixed, bad_first) =
        (["analytics", "ads_sharing", "personalization"], ["ads_sharing", "unheard of", "analytics", "analytics"]);
    for all in [Value::Null, json!("execute_all")] {
        assert_eq!(batch(all.clone(), &mixed), [true, false, true]);
        assert_eq!(batch(all, &bad_first), [false, false, true, true]);
    }
    assert_eq!(batch(json!("deny_on_first_deny"), &mixed), [true, false]);
    assert_eq!(batch(json!("deny_on_first_deny"), &["analytics", "personalization"]), [true, true]);
    assert_eq!(batch(json!("permit_on_first_permit"), &mixed), [true]);
    assert_eq!(batch(json!("permit_on_first_permit"), &bad_first), [false, false, true]);

    // Defaults are taken as a whole, and what a question says itself comes first. An error is a no, in its place.
    let body = json!({
        "subject": {"type": "device", "id": erika.device}, "action": {"name": "use"}, "resource": {"type": "purpose", "id": "analytics"},
        "evaluations": [{}, {"action": {"name": "sell"}}, {"subject": {"type": "device"}}, 7, {"resource": {"type": "purpose", "id": "ads_sharing"}}],
    });
    let answer = ask(&gateway, &key, "evaluations", &body).json();
    let reasons: Vec<&str> =
        answer["evaluations"].as_array().unwrap().iter().map(|one| one["context"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["granted", "unknown_action", "invalid_request", "invalid_request", "denied"]);
    assert_eq!(
        answer["evaluations"][2]["context"]["error"],
        json!({"status": 400, "message": "evaluations.2.subject.id: is required"})
    );

    // Without evaluations it is one question.
    for evaluations in [Value::Null, json!([])] {
        let mut body = question("device", &erika.device, "analytics");
        if !evaluations.is_null() {
            body["evaluations"] = evaluations;
        }
        assert_eq!(verdict(&ask(&gateway, &key, "evaluations", &body).json()), yes("granted"));
    }
    for (field, value, named) in [
        ("evaluations", json!({}), "evaluations"),
        ("evaluations", json!(vec![json!({}); 501]), "evaluations"),
        ("options", json!({"evaluations_semantic": "any"}), "options.evaluations_semantic"),
        ("options", json!({"evaluations_semantic": 1}), "options.evaluations_semantic"),
        ("options", json!([]), "options"),
    ] {
        let mut body = json!({"evaluations": [{}]});
        body[field] = value;
        let answer = ask(&gateway, &key, "evaluations", &body);
        assert_eq!((answer.status, answer.field().as_str()), (400, named), "{}", answer.text);
    }
}

#[test]
fn the_callers_id_of_a_request_comes_back_and_the_endpoints_are_found() {
    let gateway = Gateway::start();
    let key = key(&gateway);
    let body = question("device", "laptop", "analytics").to_string();
    for id in ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any string, at all", "7"] {
        for (authorization, body, status) in
            [(key.as_str(), body.as_str(), 200), (key.as_str(), "{}", 400), ("", body.as_str(), 401)]
        {
            let headers = [("Authorization", authorization), ("Content-Type", "application/json"), ("X-Request-ID", id)];
            let answer = gateway.request("POST", "/access/v1/evaluation", &headers, body.as_bytes());
            assert_eq!((answer.status, answer.header("x-request-id")), (status, Some(id)));
        }
    }
    let answer = gateway.post("/access/v1/evaluation", &key, body.as_bytes());
    assert!(answer.header("x-request-id").is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()), "there is always one");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
    let found = gateway.get("/.well-known/authzen-configuration", "").json();
    let base = found["policy_decision_point"].as_str().unwrap();
    assert_eq!(found["access_evaluation_endpoint"], format!("{base}/access/v1/evaluation"));
    let path = found["access_evaluations_endpoint"].as_str().unwrap().strip_prefix(base).unwrap();
    assert_eq!(gateway.post(path, &key, body.as_bytes()).status, 200);
}
