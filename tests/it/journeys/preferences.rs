//! Somebody says what they like and how they want to be written to: recorded whole or not at all, used by consent, shown, erased.

use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, id, policy_where, send};
use crate::harness::{Answer, CANARY, Gateway, project};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn call(gateway: &Gateway, method: &str, path: &str, body: &Value, condition: &[(&str, &str)]) -> Answer {
    let key = bearer(gateway);
    let headers = [&[("Authorization", key.as_str()), ("Content-Type", "application/json")], condition].concat();
    gateway.request(method, path, &headers, body.to_string().as_bytes())
}

fn patch(gateway: &Gateway, body: &Value) -> Answer {
    let answer = call(gateway, "PATCH", "/v1/preferences", body, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn lookup(gateway: &Gateway, body: &Value) -> Answer {
    let answer = call(gateway, "POST", "/v1/preferences/lookup", body, &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

#[test]
fn what_is_stated_survives_a_crash_and_a_change_names_the_state_that_it_is_based_on() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"loyalty_card": erika.card});
    let nothing = lookup(&gateway, &json!({"identifiers": who}));
    assert_eq!((nothing.json()["preferences"].clone(), nothing.header("ETag")), (json!({}), Some("\"0\"")), "nobody is known");
    let all = json!({"identifiers": who, "actor": "till 7", "preferences": {"favourite_colour": "red", "dislikes": CANARY},
        "channels": {"email": {"allowed": true, "atMost": "weekly"}}});
    let put =
        |gateway: &Gateway, body: &Value, condition: &[(&str, &str)]| call(gateway, "PUT", "/v1/preferences", body, condition);
    assert_eq!(put(&gateway, &all, &[]).code(), "precondition_required");
    assert_eq!(put(&gateway, &all, &[("If-Match", "\"1\"")]).code(), "precondition_failed");
    assert_eq!(put(&gateway, &all, &[("If-None-Match", "\"0\"")]).field(), "If-None-Match");
    let first = put(&gateway, &all, &[("If-None-Match", "*")]);
    gateway.crash();
    assert_eq!(first.status, 200, "{}", first.text);
    let version = first.header("ETag").unwrap().to_owned();
    let shown = lookup(&gateway, &json!({"identifiers": who}));
    assert_eq!((shown.json(), shown.header("ETag")), (first.json(), Some(version.as_str())));
    assert_eq!(shown.json()["preferences"]["dislikes"]["value"], CANARY);
    assert_eq!(shown.json()["channels"]["email"]["atMost"], "weekly");
    assert_eq!(put(&gateway, &all, &[("If-None-Match", "*")]).status, 412);
    assert_eq!(put(&gateway, &all, &[("If-Match", &format!("W/{version}"))]).status, 412, "a weak version matches nothing");
    let less = json!({"identifiers": who, "preferences": {"favourite_colour": "white"}});
    let second = put(&gateway, &less, &[("If-Match", &format!("\"x\", {version}"))]);
    assert_eq!(
        (second.json()["preferences"].as_object().unwrap().len(), &second.json()["channels"]),
        (1, &json!({})),
        "{}",
        second.text
    );
    assert_eq!(put(&gateway, &all, &[("If-Match", &version)]).status, 412, "it was changed since");
    let change = json!({"identifiers": who, "preferences": {"favourite_colour": null, "bottle_budget": 20}});
    let patched = patch(&gateway, &change).json();
    assert_eq!(patched["preferences"].as_object().unwrap().keys().collect::<Vec<_>>(), ["bottle_budget"]);
    let history = call(&gateway, "POST", "/v1/preferences/history", &json!({"identifiers": who}), &[]).json();
    let changes = history["changes"].as_array().unwrap();
    assert_eq!(
        (changes.len(), changes[0]["actor"].as_str(), &changes[1]["changes"]["channels.email"]),
        (3, Some("till 7"), &Value::Null)
    );
    assert_eq!(changes[0]["source"], "operator");
    let schema = gateway.get("/v1/preferences/schema", &bearer(&gateway)).json();
    assert_eq!(schema["preferences"][0]["options"][0]["title"]["de"], "Rotwein");
}

#[test]
fn wrong_statements_are_named_and_nothing_of_them_is_recorded() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"identifiers": {"loyalty_card": erika.card}});
    let with = |change: Value| {
        let mut body = who.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let good = json!({"favourite_colour": "red"});
    let preference = |id: &str, value: Value| {
        let mut both = good.clone();
        both[id] = value;
        with(json!({"preferences": both}))
    };
    for (body, field) in [
        (preference("bottle_budget", json!(1)), "preferences.bottle_budget"),
        (preference("bottle_budget", json!("much")), "preferences.bottle_budget"),
        (preference("occasions", json!(["gift", CANARY])), "preferences.occasions"),
        (preference("dislikes", json!("x".repeat(201))), "preferences.dislikes"),
        (preference("dislikes", json!({"a": CANARY})), "preferences.dislikes"),
        (preference("birthday", json!("1.1.1980")), "preferences.birthday"),
        (preference(CANARY, json!(1)), "preferences"),
        (with(json!({"preferences": ["red"]})), "preferences"),
        (with(json!({"preferences": good, "channels": {"email": true}})), "channels.email"),
        (with(json!({"preferences": good, "channels": {"email": {"allowed": true, "atMost": "hourly"}}})), "channels.email"),
        (with(json!({"preferences": good, "channels": {"pigeon": {"allowed": true}}})), "channels"),
        (with(json!({"preferences": good, "at": "2020-01-01T00:00:00Z"})), "body"),
        (with(json!({"preferences": good, "actor": "x".repeat(65)})), "actor"),
        (with(json!({"preferences": good, "customerId": "cus_00000000000000000000000000000000"})), "identifiers"),
        (with(json!({})), "preferences"),
        (json!({"preferences": good}), "identifiers"),
        (json!({"identifiers": {}, "preferences": good}), "identifiers"),
        (json!({"identifiers": {"email": "no address"}, "preferences": good}), "identifiers.email"),
        (json!({"identifiers": {"passport": "1"}, "preferences": good}), "identifiers"),
    ] {
        let answer = call(&gateway, "PATCH", "/v1/preferences", &body, &[]);
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{}", answer.text);
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
    let big = call(&gateway, "PATCH", "/v1/preferences", &preference("dislikes", json!("x".repeat(1 << 20))), &[]);
    assert_eq!(big.code(), "body_too_large");
    for body in ["", "[]", "{", "null"] {
        let key = bearer(&gateway);
        let answer = gateway.request("PATCH", "/v1/preferences", &[("Authorization", key.as_str())], body.as_bytes());
        assert_eq!(answer.code(), "invalid_json", "{body}");
    }
    let unknown = json!({"customerId": "cus_00000000000000000000000000000000", "preferences": good});
    assert_eq!(call(&gateway, "PATCH", "/v1/preferences", &unknown, &[]).status, 404);
    assert_eq!(gateway.get("/v1/preferences?customerId=cus_0", &bearer(&gateway)).status, 404);
    assert_eq!(gateway.get("/v1/preferences", &bearer(&gateway)).field(), "customerId");
    assert_eq!(lookup(&gateway, &who).json()["preferences"], json!({}));
    let metrics = gateway.get("/metrics", "").text;
    assert!(metrics.lines().any(|line| line.starts_with("pforte_subjects ") && line.ends_with(" 0")), "somebody became known");
}

#[test]
fn destinations_and_profiles_get_what_the_person_allows_and_nothing_after_a_withdrawal() {
    let policies = policy_where(
        "destinations.toml",
        "\"properties.*\", \"context.locale\", \"context.page.*\", \"context.campaign.*\", \"context.userAgent\"",
        "\"properties.*\", \"preferences.*\"",
    );
    let path = policies.path().join("destinations.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("purposes = [\"analytics\"]", "purposes = [\"personalization\"]");
    std::fs::write(&path, text).unwrap();
    let gateway = Gateway::with_policies(policies.path());
    let erika = Person::new("erika");
    let who = json!({"device": erika.device});
    let said = json!({"favourite_colour": "red", "birthday": "1980-02-29", "dislikes": format!("Post an {}", erika.email)});
    patch(&gateway, &json!({"identifiers": who, "preferences": said}));
    assert_eq!(lookup(&gateway, &json!({"identifiers": who})).json()["preferences"]["favourite_colour"]["usableFor"], json!([]));
    let event = erika.does("Too Early");
    send(&gateway, "wk_web", &[event]);
    erika.decides(&gateway, &[("personalization", "granted")]);
    let first = erika.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&first));
    assert_eq!(arrived(&gateway), [id(&first)]);
    let sent = gateway.archive()[0]["preferences"].clone();
    assert_eq!(sent["favourite_colour"], "red");
    assert!(sent.get("birthday").is_none(), "it is for the newsletter alone: {sent}");
    assert!(sent["dislikes"].as_str().unwrap().contains("[email]"), "texts are scanned: {sent}");
    // What is sent is what stands when it is sent.
    patch(&gateway, &json!({"identifiers": who, "preferences": {"favourite_colour": "white"}}));
    let second = erika.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&second));
    assert_eq!(arrived(&gateway).len(), 2);
    assert_eq!(gateway.archive()[1]["preferences"]["favourite_colour"], "white");
    let found =
        call(&gateway, "POST", "/v1/profiles/lookup", &json!({"identifiers": who, "purpose": "personalization"}), &[]).json();
    let customer = found["customerId"].as_str().unwrap().to_owned();
    let profile = |purpose: &str| {
        gateway.get(&format!("/v1/profiles/{customer}?purpose={purpose}"), &bearer(&gateway)).json()["preferences"].clone()
    };
    assert_eq!(profile("personalization")["favourite_colour"], "white");
    assert_eq!(profile("analytics"), json!({}));
    let shown = gateway.get(&format!("/v1/preferences?customerId={customer}"), &bearer(&gateway));
    assert_eq!(shown.json()["preferences"]["favourite_colour"]["usableFor"], json!(["personalization"]));
    erika.decides(&gateway, &[("personalization", "denied")]);
    assert_eq!(profile("personalization"), json!({}));
    // It is still the person's, to be seen and changed.
    assert_eq!(lookup(&gateway, &json!({"identifiers": who})).json()["preferences"].as_object().unwrap().len(), 3);
    let by_id = json!({"customerId": customer, "preferences": {"birthday": null}});
    assert_eq!(patch(&gateway, &by_id).json()["preferences"].as_object().unwrap().len(), 2);
}

#[test]
fn whether_they_may_be_written_to_follows_from_what_they_confirmed_and_chose() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"email": erika.email});
    let may = || {
        let answer = call(&gateway, "POST", "/v1/preferences/contact", &json!({"identifiers": who, "channel": "email"}), &[]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = answer.json();
        (answer["may"].as_bool().unwrap(), answer["reason"].as_str().unwrap().to_owned())
    };
    let no = |reason: &str| (false, reason.to_owned());
    assert_eq!(may(), no("purpose_not_allowed"));
    let spoken = json!({"identifiers": who, "method": "spoken"});
    erika.decides_as(&gateway, "wk_till", &spoken, &[("marketing_email", "granted")]);
    assert_eq!(may(), no("purpose_not_allowed"), "it is not confirmed");
    assert_eq!(gateway.post(&gateway.mail_to(&erika.email, "Einwilligung").link(), "", b"").status, 200);
    assert_eq!(may(), (true, String::from("allowed")));
    patch(&gateway, &json!({"identifiers": who, "channels": {"email": {"allowed": false}}}));
    assert_eq!(may(), no("channel_refused"));
    patch(&gateway, &json!({"identifiers": who, "channels": {"email": {"allowed": true, "atMost": "monthly"}}}));
    assert_eq!(may(), (true, String::from("allowed")));
    erika.decides_as(&gateway, "wk_till", &spoken, &[("marketing_email", "denied")]);
    assert_eq!(may(), no("purpose_not_allowed"));
    let odd = call(&gateway, "POST", "/v1/preferences/contact", &json!({"identifiers": who, "channel": "pigeon"}), &[]);
    assert_eq!((odd.status, odd.field().as_str()), (422, "channel"));
}

#[test]
fn a_package_holds_what_was_stated_and_an_erasure_takes_it() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"email": erika.email});
    let said = json!({"favourite_colour": "red", "occasions": ["gift", "dinner"], "dislikes": CANARY});
    patch(
        &gateway,
        &json!({"identifiers": who, "preferences": said, "channels": {"email": {"allowed": true, "atMost": "weekly"}}}),
    );
    for (kind, done) in [("access", "done"), ("portability", "done"), ("erasure", "done")] {
        let body = json!({"kind": kind, "identifiers": who, "identified": true});
        let filed = gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes()).json();
        let path = format!("/v1/requests/{}", filed["id"].as_str().unwrap());
        assert_eq!(gateway.post(&format!("{path}/approve"), &bearer(&gateway), b"{}").status, 200);
        gateway.wait_for(kind, || (gateway.get(&path, &bearer(&gateway)).json()["state"] == done).then_some(()));
        if kind == "erasure" {
            continue;
        }
        let package = gateway.get(&format!("{path}/package?format=json"), &bearer(&gateway)).json();
        let stated = package["preferences"].as_array().unwrap();
        assert_eq!(stated.len(), 4, "{stated:?}");
        assert!(stated.iter().any(|one| one["id"] == "dislikes" && one["value"] == CANARY && one["source"] == "operator"));
        let page = gateway.get(&format!("{path}/package?format=html&language=de"), &bearer(&gateway)).text;
        assert!(page.contains("zum Essen mit Gästen, zum Verschenken") && page.contains("ja, höchstens wöchentlich"), "{page}");
    }
    assert_eq!(lookup(&gateway, &json!({"identifiers": who})).json()["preferences"], json!({}));
    gateway.assert_nowhere(CANARY);
}

#[test]
fn keys_need_the_scope_for_what_they_do() {
    let gateway = Gateway::start();
    let policies = project().join("policies");
    let made = gateway.command(&[
        "key",
        "create",
        "--source",
        "service",
        "--scope",
        "preferences:read",
        "--policies",
        policies.to_str().unwrap(),
    ]);
    let key = format!("Bearer {}", String::from_utf8(made.stdout).unwrap().lines().next().unwrap());
    let body = json!({"identifiers": {"loyalty_card": "1"}, "preferences": {"favourite_colour": "red"}});
    let read = gateway.post("/v1/preferences/lookup", &key, br#"{"identifiers": {"loyalty_card": "1"}}"#);
    assert_eq!(read.status, 200, "{}", read.text);
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    let written = gateway.request("PATCH", "/v1/preferences", &headers, body.to_string().as_bytes());
    assert_eq!((written.status, written.field().as_str()), (403, "preferences:write"));
}
