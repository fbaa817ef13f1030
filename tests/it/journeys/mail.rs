//! People ask for themselves: a link in a mail confirms that it is they, and mails tell what becomes of it.

use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, basic, send};
use crate::harness::{Answer, CANARY, Gateway};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

/// What the person's browser posts.
fn ask(gateway: &Gateway, body: &Value) -> Answer {
    gateway.post("/v1/requests", &basic("wk_web"), body.to_string().as_bytes())
}

/// What the officer sees.
fn requests(gateway: &Gateway) -> Vec<Value> {
    let list = gateway.get("/v1/requests", &bearer(gateway)).json();
    let all = list["requests"].as_array().unwrap().iter();
    let mut all: Vec<Value> =
        all.map(|one| gateway.get(&format!("/v1/requests/{}", one["id"].as_str().unwrap()), &bearer(gateway)).json()).collect();
    all.sort_by_key(|one| one["receivedAt"].as_str().unwrap().to_owned());
    all
}

fn only(gateway: &Gateway) -> Value {
    let mut all = requests(gateway);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn step(gateway: &Gateway, id: &Value, step: &str, body: &Value) -> Answer {
    let path = format!("/v1/requests/{}/{step}", id.as_str().unwrap());
    gateway.post(&path, &bearer(gateway), body.to_string().as_bytes())
}

fn page(gateway: &Gateway, path: &str) -> Answer {
    gateway.get(path, "")
}

/// Pages behind links load nothing, keep nothing and tell nobody where the reader came from.
fn is_safe(page: &Answer) {
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert_eq!(page.header("Referrer-Policy"), Some("no-referrer"));
    assert_eq!(page.header("X-Robots-Tag"), Some("noindex"));
    assert!(page.header("Content-Security-Policy").unwrap().contains("default-src 'none'"));
    assert!(!page.text.contains("<script") && !page.text.contains("src=") && !page.text.contains("@example.de"), "{}", page.text);
    assert!(page.header("Set-Cookie").is_none());
}

/// A request of the person's own that was confirmed by the link in the mail.
fn confirmed(gateway: &Gateway, person: &Person, kind: &str) -> Value {
    let before = requests(gateway).len();
    let answer = ask(gateway, &json!({"kind": kind, "identifiers": {"email": person.email}, "language": "en"}));
    assert_eq!((answer.status, answer.json()), (202, json!({"next": "confirm_by_mail"})), "{}", answer.text);
    let link = gateway.mail_to(&person.email, "confirm").link();
    assert_eq!(gateway.post(&link, "", b"").status, 200);
    let all = requests(gateway);
    assert_eq!(all.len(), before + 1);
    let request = all.last().unwrap().clone();
    assert_eq!((request["state"].as_str(), request["own"].as_bool()), (Some("in_review"), Some(true)), "{request}");
    request["id"].clone()
}

#[test]
fn a_link_confirms_once_and_looking_at_it_does_not() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    let body =
        json!({"kind": "erasure", "identifiers": {"email": erika.email.to_uppercase()}, "language": "de", "note": "bitte bald"});
    assert_eq!(ask(&gateway, &body).status, 202);
    let request = only(&gateway);
    assert_eq!(
        (request["state"].as_str(), request["due"].as_str()),
        (Some("identity_unclear"), None),
        "the period rests: {request}"
    );
    assert_eq!((request["words"].as_str(), request["acts"][0]["why"].as_str()), (Some("bitte bald"), None));
    let mail = gateway.mail_to(&erika.email, "bestätigen");
    let link = mail.link();
    assert!(
        mail.text.contains("Löschung") && mail.html.contains(&format!("{link}\"")) && !mail.text.contains("bitte bald"),
        "{}",
        mail.text
    );
    assert_eq!(link.len(), "/r/".len() + 43, "256 bits, and no identifier");
    for _ in 0..3 {
        let page = page(&gateway, &link);
        assert!(
            page.status == 200 && page.text.contains("Ja, das war ich") && page.text.contains("lang=\"de\""),
            "{}",
            page.text
        );
        is_safe(&page);
        assert_eq!(gateway.request("HEAD", &link, &[], b"").status / 100, 4, "a look is a GET");
    }
    assert_eq!(only(&gateway)["state"], "identity_unclear");
    // What was sent and what was not confirmed yet survives a crash.
    gateway.crash();
    let done = gateway.post(&link, "", b"");
    assert!(done.status == 200 && done.text.contains("bestätigt"), "{}", done.text);
    is_safe(&done);
    let request = only(&gateway);
    assert_eq!(request["state"], "in_review");
    assert!(request["due"].is_string() && request["acts"][1]["who"] == "person", "{request}");
    for answer in [gateway.post(&link, "", b""), page(&gateway, &link)] {
        assert!(
            answer.status == 410 && answer.text.contains("schon verwendet") && !answer.text.contains("Löschung"),
            "{}",
            answer.text
        );
        is_safe(&answer);
    }
    let kinds = |request: &Value| -> Vec<String> {
        request["mails"].as_array().unwrap().iter().map(|m| m["kind"].as_str().unwrap().to_owned()).collect()
    };
    gateway.mail_to(&erika.email, "eingegangen");
    gateway.wait_for("both mails to be noted", || (kinds(&only(&gateway)) == ["confirm", "received"]).then_some(()));
}

#[test]
fn forged_links_and_links_for_something_else_say_nothing() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let id = confirmed(&gateway, &erika, "access");
    let status = gateway.mail_to(&erika.email, "received").link();
    let last = if status.ends_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{last}", &status[..status.len() - 1]);
    let mut texts = Vec::new();
    for path in [
        forged,
        format!("/r/{}", "A".repeat(43)),
        String::from("/r/x"),
        format!("/r/{}", id.as_str().unwrap()),
        format!("{status}A"),
    ] {
        for answer in
            [page(&gateway, &path), gateway.post(&path, "", b""), page(&gateway, &format!("{path}/package?format=json"))]
        {
            assert_eq!(answer.status, 404, "{path}");
            is_safe(&answer);
            texts.push(answer.text);
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "all look the same");
    // A link to the state of a request confirms nothing, and fetches nothing that is not there.
    assert_eq!(page(&gateway, &format!("{status}/package?format=json")).status, 410);
    assert_eq!(only(&gateway)["state"], "in_review");
}

#[test]
fn who_asked_for_access_fetches_it_by_a_link_and_nobody_elses() {
    let gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let all = [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")];
    for person in [&erika, &otto] {
        person.decides_as(
            &gateway,
            "wk_web",
            &json!({"anonymousId": person.device, "identifiers": {"email": person.email}, "method": "portal"}),
            &all,
        );
        send(&gateway, "wk_web", &[person.does("Product Viewed")]);
    }
    assert_eq!(arrived(&gateway).len(), 2);
    let id = confirmed(&gateway, &erika, "access");
    let status = gateway.mail_to(&erika.email, "received").link();
    let before = page(&gateway, &status);
    assert!(before.text.contains("being looked at") && before.text.contains("Take the request back"), "{}", before.text);
    assert!(!before.text.contains("/package"));
    is_safe(&before);
    assert_eq!(step(&gateway, &id, "approve", &json!({})).status, 200);
    let ready = gateway.mail_to(&erika.email, "ready");
    assert!(ready.link() != status && ready.text.contains("Pass the link on to nobody"));
    let shown = page(&gateway, &ready.link());
    assert!(shown.text.contains("done") && !shown.text.contains("<form"), "{}", shown.text);
    for format in ["html", "csv", "json"] {
        assert!(shown.text.contains(&format!("/package?format={format}")), "{}", shown.text);
        let file = page(&gateway, &format!("{}/package?format={format}", ready.link()));
        assert_eq!(file.status, 200, "{}", file.text);
        assert!(file.header("Content-Disposition").unwrap().starts_with("attachment"));
        assert!(!file.text.contains(&otto.email) && file.text.contains("Product Viewed"), "{}", file.text);
    }
    assert_eq!(only(&gateway)["downloads"], 3);
    assert_eq!(page(&gateway, &format!("{}/package?format=pdf", ready.link())).status, 404);
}

#[test]
fn a_request_for_somebody_else_is_not_taken() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let with = |identifiers: Value| json!({"kind": "access", "identifiers": identifiers});
    let evil = "erika@example.org\r\nBcc: otto@example.org";
    for (body, field) in [
        // A link proves the address and nothing else.
        (with(json!({"email": "otto@example.org", "user_id": erika.user_id})), "identifiers.user_id"),
        (with(json!({"device": erika.device})), "identifiers.device"),
        (with(json!({"email": [erika.email, "otto@example.org"]})), "identifiers"),
        (with(json!({})), "identifiers"),
        (with(json!({"email": evil})), "identifiers.email"),
        (with(json!({"email": "erika@example.org, otto@example.org"})), "identifiers.email"),
        (with(json!({"email": "<erika@example.org>"})), "identifiers.email"),
        (with(json!({"passport": "1"})), "identifiers"),
        (json!({"kind": "access", "identifiers": {"email": erika.email}, "identified": true}), "identified"),
        (json!({"kind": "access", "identifiers": {"email": erika.email}, "language": "fr"}), "language"),
        (json!({"kind": "everything", "identifiers": {"email": erika.email}}), "kind"),
    ] {
        let answer = ask(&gateway, &body);
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{}", answer.text);
    }
    let body = with(json!({"email": erika.email})).to_string();
    for (key, status) in [("wk_till", 403), ("wk_newsletter", 403), ("wk_nobody", 401)] {
        assert_eq!(gateway.post("/v1/requests", &basic(key), body.as_bytes()).status, status, "{key}");
    }
    let from = |origin: &str| {
        let headers = [("Authorization", &*basic("wk_web")), ("Origin", origin), ("Content-Type", "application/json")];
        gateway.request("POST", "/v1/requests", &headers, body.as_bytes())
    };
    assert_eq!(from("https://evil.example").status, 403);
    assert!(requests(&gateway).is_empty() && gateway.mails().is_empty(), "nothing was kept, nothing sent");
    let good = from("http://localhost:3000");
    assert_eq!((good.status, good.header("Access-Control-Allow-Origin")), (202, Some("http://localhost:3000")));
    let preflight = [("Origin", "http://localhost:3000"), ("Access-Control-Request-Method", "POST")];
    assert_eq!(gateway.request("OPTIONS", "/v1/requests", &preflight, b"").status, 204);
}

#[test]
fn nobody_is_flooded_with_mails_and_the_answer_does_not_say_so() {
    let gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let body = json!({"kind": "erasure", "identifiers": {"email": erika.email}});
    let answers: Vec<Answer> = (0..200).map(|_| ask(&gateway, &body)).collect();
    let taken: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 429).collect();
    assert!(taken.len() > 3 && taken.iter().all(|a| a.status == 202 && a.text == taken[0].text), "always the same answer");
    assert_eq!(requests(&gateway).len(), 3);
    gateway.wait_for("the mails", || (gateway.mails().len() == 3).then_some(()));
    gateway.wait_for("its turn", || {
        (ask(&gateway, &json!({"kind": "access", "identifiers": {"email": otto.email}})).status == 202).then_some(())
    });
    gateway.mail_to(&otto.email, "bestätigen");
    assert!(gateway.mails().iter().filter(|mail| mail.to == erika.email).count() == 3);
}

#[test]
fn the_officer_sends_the_link_again_asks_for_more_extends_and_refuses_and_people_hear_of_it() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    assert_eq!(ask(&gateway, &json!({"kind": "erasure", "identifiers": {"email": erika.email}, "language": "en"})).status, 202);
    let first = gateway.mail_to(&erika.email, "confirm");
    let id = only(&gateway)["id"].clone();
    assert_eq!(step(&gateway, &id, "send_link", &json!({})).status, 200);
    let second =
        gateway.wait_for("the second link", || gateway.mails().into_iter().find(|mail| mail.message_id != first.message_id));
    assert_eq!(page(&gateway, &first.link()).status, 410, "a later link takes the place of the first");
    assert_eq!(gateway.post(&second.link(), "", b"").status, 200);
    assert_eq!(step(&gateway, &id, "send_link", &json!({})).status, 409, "it is clear who asks");

    assert_eq!(step(&gateway, &id, "doubt", &json!({"reason": "Which of the two branches was it?"})).status, 200);
    let more = gateway.mail_to(&erika.email, "something more");
    assert!(more.text.contains("Which of the two branches") && more.text.contains(id.as_str().unwrap()), "{}", more.text);
    assert!(page(&gateway, &more.link()).text.contains("not clear yet"));
    assert_eq!(step(&gateway, &id, "identify", &json!({})).status, 200);
    assert_eq!(step(&gateway, &id, "extend", &json!({"reason": "Much is to be looked through."})).status, 200);
    let longer = gateway.mail_to(&erika.email, "takes longer");
    assert!(longer.text.contains("Much is to be looked through.") && longer.text.contains("at the latest"), "{}", longer.text);
    let refusal = json!({"ground": "excessive", "reason": "It is the ninth this week."});
    assert_eq!(step(&gateway, &id, "refuse", &refusal).status, 200);
    let refused = gateway.mail_to(&erika.email, "refused");
    for part in ["Art. 12(5)", "the ninth", "Art. 77", "go to court"] {
        assert!(refused.text.contains(part), "{part}\n{}", refused.text);
    }
    assert!(only(&gateway)["identifiers"].as_array().unwrap().is_empty());
    gateway.wait_for("the mails before it to go", || (gateway.mails().len() == 1).then_some(()));
    assert!(page(&gateway, &longer.link()).text.contains("refused"), "the page still says where it is");
    assert_eq!(gateway.post(&longer.link(), "", b"").status, 200, "it shows where it is; there is nothing to take back");
    assert_eq!(only(&gateway)["state"], "refused");
}

#[test]
fn a_person_takes_their_request_back() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    confirmed(&gateway, &erika, "erasure");
    let status = gateway.mail_to(&erika.email, "received").link();
    let back = gateway.post(&status, "", b"");
    assert!(back.status == 200 && back.text.contains("taken back"), "{}", back.text);
    assert_eq!(only(&gateway)["state"], "cancelled");
    assert!(gateway.mail_to(&erika.email, "taken back").text.contains("If that was not you"));
}

#[test]
fn an_erasure_ends_with_a_mail_that_carries_the_certificate_and_then_the_address_is_forgotten() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"anonymousId": erika.device, "identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(
        &gateway,
        "wk_web",
        &who,
        &[("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")],
    );
    send(&gateway, "wk_web", &[erika.does("Product Viewed")]);
    assert_eq!(arrived(&gateway).len(), 1);
    let id = confirmed(&gateway, &erika, "erasure");
    assert_eq!(step(&gateway, &id, "approve", &json!({})).status, 200);
    gateway.wait_for("the erasure", || only(&gateway)["recipients"].as_array().is_some_and(|all| all.len() == 2).then_some(()));
    assert_eq!(step(&gateway, &id, "confirm", &json!({"recipient": "archive"})).status, 200);
    let mail = gateway.mail_to(&erika.email, "erased");
    assert_eq!(mail.files[0].0, "certificate.jws");
    let certificate = gateway.get(&format!("/v1/requests/{}/certificate", id.as_str().unwrap()), &bearer(&gateway)).text;
    assert_eq!(mail.files[0].1.trim(), certificate);
    gateway.wait_for("the mails before it to go", || (gateway.mails().len() == 1).then_some(()));
    gateway.restart();
    assert_eq!(gateway.mails().len(), 1, "it is sent once");
    gateway.assert_nowhere(CANARY);
}

#[test]
fn a_desks_request_is_told_of_as_well_and_a_restriction_is_lifted_after_the_person_was_told() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let body = json!({"kind": "restriction", "identifiers": {"email": erika.email}, "identified": true, "language": "en"});
    let answer = gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.json()["id"].clone();
    gateway.mail_to(&erika.email, "received");
    assert_eq!(step(&gateway, &id, "approve", &json!({})).status, 200);
    assert!(gateway.mail_to(&erika.email, "restricted").text.contains("Before that changes we write to you"));
    let lifted = step(&gateway, &id, "lift", &json!({"reason": "The address was right."}));
    assert!(lifted.json()["mails"].as_array().unwrap().iter().any(|mail| mail["kind"] == "lifting"), "queued in the same commit");
    assert!(gateway.mail_to(&erika.email, "lifted").text.contains("The address was right."));
    // What is unclear is not written about: a desk's word for an address is not the person's.
    let body = json!({"kind": "objection", "identifiers": {"email": erika.email}, "language": "en"});
    assert_eq!(gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes()).status, 201);
    let open = requests(&gateway).into_iter().find(|r| r["state"] == "identity_unclear").unwrap();
    assert!(open["mails"].as_array().unwrap().is_empty());
}

#[test]
fn mails_in_the_folder_are_shown_to_the_operator_alone() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    confirmed(&gateway, &erika, "access");
    gateway.mail_to(&erika.email, "received");
    let refused = page(&gateway, "/mail");
    assert_eq!(refused.status, 401);
    assert!(refused.header("WWW-Authenticate").unwrap().starts_with("Basic"));
    let guessed = gateway.get("/mail", "Bearer op_0000");
    assert_eq!((guessed.status, gateway.get("/mail", &basic("wk_web")).status), (401, 401));
    let list = gateway.wait_for("the mails", || {
        let list = gateway.get("/mail", &bearer(&gateway)).text;
        (list.contains("received") && list.contains("confirm")).then_some(list)
    });
    let mail = list.split("/mail/").nth(1).unwrap().split('"').next().unwrap();
    let shown = gateway.get(&format!("/mail/{mail}"), &bearer(&gateway));
    assert!(shown.text.contains(&erika.email) && shown.text.contains("/r/"), "{}", shown.text);
    assert_eq!(shown.header("Cache-Control"), Some("no-store"));
    assert_eq!(gateway.get("/mail/..%2Foperator.json", &bearer(&gateway)).status, 404);
}
