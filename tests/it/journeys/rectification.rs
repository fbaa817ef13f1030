//! Somebody's address is wrong (GDPR Art. 16): it is put right here, and at everybody who has it (Art. 19).

use serde_json::{Value, json};

use crate::harness::hook::Hook;
use crate::harness::people::{Person, policy_where, send};
use crate::harness::{Answer, CANARY, Gateway};

const ALL: [(&str, &str); 4] =
    [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted"), ("ads_sharing", "granted")];

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.post(path, &bearer(gateway), body.to_string().as_bytes())
}

fn file(gateway: &Gateway, body: &Value) -> String {
    let answer = post(gateway, "/v1/requests", body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn rectification(who: &Value, corrections: &Value) -> Value {
    json!({"kind": "rectification", "identifiers": who, "corrections": corrections, "identified": true})
}

fn show(gateway: &Gateway, request: &str) -> Value {
    gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json()
}

fn approve(gateway: &Gateway, request: &str) -> Answer {
    post(gateway, &format!("/v1/requests/{request}/approve"), &json!({}))
}

/// Approves it, sees to the archive, and gives the finished request.
fn done(gateway: &Gateway, request: &str) -> Value {
    assert_eq!(approve(gateway, request).status, 200);
    gateway.wait_for("the rectification", || {
        let seen = show(gateway, request);
        for recipient in seen["recipients"].as_array().unwrap().iter().filter(|recipient| recipient["state"] == "open") {
            post(gateway, &format!("/v1/requests/{request}/confirm"), &json!({"recipient": recipient["id"]}));
        }
        (seen["state"] == "done").then_some(seen)
    })
}

/// Under which customer ID the profile store knows an address, if it does.
fn lookup(gateway: &Gateway, email: &str) -> Option<String> {
    let answer = post(gateway, "/v1/profiles/lookup", &json!({"identifiers": {"email": email}, "purpose": "personalization"}));
    answer.json()["customerId"].as_str().map(str::to_owned)
}

fn profile(gateway: &Gateway, customer: &str) -> Value {
    gateway.get(&format!("/v1/profiles/{customer}?purpose=personalization"), &bearer(gateway)).json()
}

/// Why an event that states only this address would stay.
fn why(gateway: &Gateway, email: &str) -> String {
    let device = uuid::Uuid::new_v4().to_string();
    let event = json!({"type": "track", "event": "Product Viewed", "anonymousId": device, "properties": {"email": email}});
    post(gateway, "/v1/explain", &json!({"source": "web", "event": event, "language": "en"})).text
}

/// Archive and partner may have addresses in keyed form; the profile store may have the city as well.
fn policy(hook: &Hook) -> tempfile::TempDir {
    let policy = policy_where(
        "destinations.toml",
        "fields = [\"properties.*\", \"context.locale\"",
        "fields = [\"traits.city\", \"properties.*\", \"context.locale\"",
    );
    let path = policy.path().join("destinations.toml");
    let address = hook.address;
    let url = format!("url = \"http://{address}/events\"\nerasure_url = \"http://{address}/told\"\nallow_private = true");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("url = \"\"", &url).replace("email = { partner = \"google\" }", "email = \"keyed\""))
        .unwrap();
    policy
}

fn knows(gateway: &Gateway, person: &Person, city: &str) {
    person.decides(gateway, &ALL);
    person.decides_as(gateway, "wk_web", &json!({"identifiers": {"email": person.email}, "method": "portal"}), &ALL);
    let identify = json!({"type": "identify", "anonymousId": person.device, "messageId": uuid::Uuid::new_v4().to_string(),
        "traits": {"email": person.email, "city": city}});
    let mut order = person.does("Order Completed");
    order["properties"] = json!({"total": 42.5, "currency": "EUR", "email": person.email});
    send(gateway, "wk_web", &[identify, order]);
    gateway.drain();
}

#[test]
fn a_wrong_address_leads_to_nobody_and_the_right_one_to_the_person() {
    let hook = Hook::start(200);
    let policy = policy(&hook);
    let mut gateway = Gateway::with_policies(policy.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    knows(&gateway, &erika, "Mains");
    knows(&gateway, &otto, "Bonn");
    let customer = lookup(&gateway, &erika.email).expect("she is known before");
    let before = profile(&gateway, &customer);
    assert_eq!(before["traits"]["city"], "Mains", "{before}");
    let old_form = before["identifiers"]["email"]["value"].clone();
    assert!(old_form.is_string(), "{before}");
    let (his, right) = (lookup(&gateway, &otto.email), format!("richtig.{}", erika.email));

    let mut body = rectification(&json!({"email": erika.email}), &json!([{"type": "email", "from": erika.email, "to": right}]));
    body["traits"] = json!({"city": "Mainz"});
    let request = file(&gateway, &body);
    let finished = done(&gateway, &request);
    assert_eq!(finished["corrected"], json!(["email", "traits.city"]), "{finished}");
    assert!(finished["identifiers"] == json!([]) && finished.get("corrections").is_none(), "who asked is forgotten: {finished}");
    let states: Vec<(&str, &str)> = finished["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["id"].as_str().unwrap(), r["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("archive", "confirmed_by_hand"), ("partner", "delivered"), ("profile", "confirmed")]);

    for crash in [false, true] {
        if crash {
            gateway.crash();
        }
        assert_eq!(lookup(&gateway, &erika.email), None, "the wrong address leads to nobody");
        assert_eq!(lookup(&gateway, &right).as_ref(), Some(&customer), "the right one to her");
        assert_eq!(lookup(&gateway, &otto.email), his);
        let after = profile(&gateway, &customer);
        assert_eq!(after["traits"]["city"], "Mainz", "{after}");
        assert!(
            after["identifiers"]["email"]["value"].is_string() && after["identifiers"]["email"]["value"] != old_form,
            "{after}"
        );
        assert_eq!(after["events"].as_array().map(Vec::len), before["events"].as_array().map(Vec::len), "nothing is lost");
    }
    is_in_the_package(&gateway, &erika, &right);
    is_told(&hook, &gateway, (&erika.email, &right));
    // What a source says later counts again.
    let later = json!({"type": "identify", "anonymousId": erika.device, "messageId": uuid::Uuid::new_v4().to_string(),
        "traits": {"email": right, "city": "Köln"}});
    send(&gateway, "wk_web", &[later]);
    gateway.drain();
    assert_eq!(profile(&gateway, &lookup(&gateway, &right).unwrap())["traits"]["city"], "Köln");
    gateway.assert_nowhere(CANARY);
}

fn is_in_the_package(gateway: &Gateway, erika: &Person, right: &str) {
    let request = file(gateway, &json!({"kind": "access", "identifiers": {"email": right}, "identified": true}));
    approve(gateway, &request);
    let fetch = |form: &str| gateway.get(&format!("/v1/requests/{request}/package?format={form}"), &bearer(gateway));
    gateway.wait_for("the package", || (fetch("json").status == 200).then_some(()));
    let package = fetch("json").json();
    let values: Vec<&str> = package["identifiers"].as_array().unwrap().iter().map(|i| i["value"].as_str().unwrap()).collect();
    assert!(values.contains(&right) && !values.contains(&erika.email.as_str()), "{package}");
    assert_eq!(package["corrected"], json!({"city": "Mainz"}));
    assert!(fetch("html").text.contains("Was berichtigt ist"));
}

/// The partner was told in the form in which it gets the address anyway, and nothing in clear.
fn is_told(hook: &Hook, gateway: &Gateway, (wrong, right): (&str, &str)) {
    let told = hook.calls("/told");
    assert_eq!(told.len(), 1);
    let said: Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!(said["type"], "customer.rectify");
    assert!(!String::from_utf8_lossy(&told[0].body).contains(CANARY) && !said.to_string().contains("Mainz"), "{said}");
    assert_eq!(said["data"]["changed"], json!([]), "it may not have the city");
    // Her decision holds for the right value, and nobody's does for the wrong one.
    let seen = hook.calls("/events").len();
    let order = |email: &str| {
        json!({"type": "track", "event": "Order Completed", "anonymousId": uuid::Uuid::new_v4().to_string(),
            "messageId": uuid::Uuid::new_v4().to_string(), "properties": {"total": 1, "email": email}})
    };
    send(gateway, "wk_web", &[order(wrong), order(right)]);
    gateway.wait_for("the partner to have it", || (hook.calls("/events").len() > seen).then_some(()));
    gateway.drain();
    assert_eq!(hook.calls("/events").len(), seen + 1);
    let event: Value = serde_json::from_slice(&hook.calls("/events")[seen].body).unwrap();
    assert_eq!(said["data"]["identifiers"]["email"]["value"], event["identifiers"]["email"]["value"]);
    assert_eq!(said["data"]["customerId"].as_str().map(|id| &id[..4]), Some("cus_"));
}

#[test]
fn nobody_is_merged_and_what_is_not_theirs_is_not_put_right() {
    let gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    knows(&gateway, &erika, "");
    knows(&gateway, &otto, "");
    let (hers, his) = (lookup(&gateway, &erika.email), lookup(&gateway, &otto.email));
    let correct =
        |from: &str, to: &str| rectification(&json!({"email": erika.email}), &json!([{"type": "email", "from": from, "to": to}]));
    let free = format!("frei.{}", erika.email);
    // Filing says nothing about who is known.
    let taken = file(&gateway, &correct(&erika.email, &otto.email));
    let foreign = file(&gateway, &correct(&otto.email, &free));
    let unknown = file(&gateway, &correct(&format!("n.{}", erika.email), &free));
    for request in [&taken, &foreign, &unknown] {
        let answer = approve(&gateway, request);
        assert_eq!((answer.status, answer.field().as_str()), (409, "corrections"), "{}", answer.text);
        assert_eq!(show(&gateway, request)["state"], "in_review");
        assert_eq!(show(&gateway, request).get("approvals"), None);
        assert!(!answer.text.contains(CANARY));
    }
    assert_eq!((lookup(&gateway, &erika.email), lookup(&gateway, &otto.email)), (hers.clone(), his));
    // After an erasure there is nothing to be put right.
    let erasure = file(&gateway, &json!({"kind": "erasure", "identifiers": {"email": erika.email}, "identified": true}));
    done(&gateway, &erasure);
    let late = file(&gateway, &correct(&erika.email, &free));
    assert_eq!(approve(&gateway, &late).field(), "corrections");
    let ended = post(&gateway, &format!("/v1/requests/{late}/cancel"), &json!({})).json();
    assert_eq!(ended["state"], "cancelled");
    for (body, field) in [
        (json!({"kind": "rectification", "identifiers": {"email": free}}), "corrections"),
        (rectification(&json!({"email": free}), &json!([])), "corrections"),
        (rectification(&json!({"email": free}), &json!("email")), "corrections"),
        (rectification(&json!({"email": free}), &json!([{"type": "email", "to": free}])), "corrections"),
        (rectification(&json!({"email": free}), &json!([{"type": "email", "from": free, "to": 1}])), "corrections"),
        (rectification(&json!({"email": free}), &json!([{"type": "email", "from": free, "to": free}])), "corrections"),
        (rectification(&json!({"email": free}), &json!([{"type": "email", "from": CANARY, "to": free}])), "corrections"),
        (rectification(&json!({"email": free}), &json!([{"type": "shoe", "from": "42", "to": "43"}])), "corrections"),
        (rectification(&json!({"email": free}), &json!([{"type": "device", "from": "a", "to": "b"}])), "corrections"),
        (json!({"kind": "erasure", "identifiers": {"email": free}, "traits": {"city": "Mainz"}}), "corrections"),
        (json!({"kind": "rectification", "identifiers": {"email": free}, "traits": {"city": ["Mainz"]}}), "traits"),
        (json!({"kind": "rectification", "identifiers": {"email": free}, "traits": {"a.b": "x"}}), "traits"),
        (json!({"kind": "rectification", "identifiers": {"email": free}, "traits": {"city": format!("siehe {free}")}}), "traits"),
        (json!({"kind": "rectification", "identifiers": {"email": free}, "traits": {"city": "a\u{0}b"}}), "traits"),
        (json!({"kind": "rectification", "identifiers": {"email": free}, "traits": []}), "traits"),
    ] {
        let answer = post(&gateway, "/v1/requests", &body);
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{body}: {}", answer.text);
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
}

#[test]
fn what_was_refused_with_a_wrong_address_stays_refused_for_both_values() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides_as(
        &gateway,
        "wk_web",
        &json!({"identifiers": {"email": erika.email}, "method": "portal"}),
        &[("analytics", "denied")],
    );
    let right = format!("richtig.{}", erika.email);
    let body = rectification(&json!({"email": erika.email}), &json!([{"type": "email", "from": erika.email, "to": right}]));
    let request = file(&gateway, &body);
    done(&gateway, &request);
    for email in [&erika.email, &right] {
        let said = why(&gateway, email);
        assert!(said.contains("denied") || said.contains("withdrawn") || said.contains("refused"), "{said}");
    }
    // An address that is simply not hers.
    let body = rectification(&json!({"email": right}), &json!([{"type": "email", "from": right}]));
    let request = file(&gateway, &body);
    assert_eq!(done(&gateway, &request)["corrected"], json!(["email"]));
    let access = file(&gateway, &json!({"kind": "access", "identifiers": {"email": erika.email}, "identified": true}));
    approve(&gateway, &access);
    let package = || gateway.get(&format!("/v1/requests/{access}/package"), &bearer(&gateway));
    gateway.wait_for("the package", || (package().status == 200).then_some(()));
    assert!(!package().text.contains(&right), "{}", package().text);
}

#[test]
fn rectifications_survive_kills_whole() {
    let mut gateway = Gateway::start();
    let people: Vec<Person> = (0..8).map(|n| Person::new(&format!("person{n}"))).collect();
    people.iter().for_each(|person| knows(&gateway, person, ""));
    let customers: Vec<Option<String>> = people.iter().map(|person| lookup(&gateway, &person.email)).collect();
    let right = |person: &Person| format!("richtig.{}", person.email);
    let correct = |person: &Person| {
        rectification(&json!({"email": person.email}), &json!([{"type": "email", "from": person.email, "to": right(person)}]))
    };
    let requests: Vec<String> = people.iter().map(|person| file(&gateway, &correct(person))).collect();
    for (n, request) in requests.iter().enumerate() {
        assert_eq!(approve(&gateway, request).status, 200);
        (0..n).for_each(|_| drop(gateway.get("/healthz", "")));
        gateway.crash();
    }
    for ((person, request), customer) in people.iter().zip(&requests).zip(customers) {
        gateway.wait_for("the rectification", || {
            let seen = show(&gateway, request);
            (seen["state"] == "done" || seen["recipients"].as_array().unwrap().iter().any(|r| r["state"] == "open")).then_some(())
        });
        assert_eq!(lookup(&gateway, &person.email), None);
        assert_eq!(lookup(&gateway, &right(person)), customer);
        let acts = show(&gateway, request)["acts"].to_string();
        assert_eq!(acts.matches("\"corrected\"").count(), 1, "{acts}");
    }
}
