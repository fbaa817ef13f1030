//! A newsletter is asked for, and counts once the link in the mail was used (UWG §7): proven, once, in time, also after a crash.

use serde_json::{Value, json};

use crate::harness::mail::Mail;
use crate::harness::people::{Person, arrived, basic, id, policy_where, send};
use crate::harness::{Answer, CANARY, Gateway};

const MAIL: &str = "marketing_email";

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

/// A gateway whose archive gets what the newsletter is for.
fn newsletter() -> (Gateway, tempfile::TempDir) {
    let policies = policy_where("destinations.toml", "purposes = [\"analytics\"]", "purposes = [\"marketing_email\"]");
    (Gateway::with_policies(policies.path()), policies)
}

/// Signs up at the till: device, address and language.
fn signs_up(gateway: &Gateway, person: &Person, language: &str) -> Answer {
    let who =
        json!({"anonymousId": person.device, "identifiers": {"email": person.email}, "method": "spoken", "language": language});
    person.decides_as(gateway, "wk_till", &who, &[(MAIL, "granted")])
}

fn standing(gateway: &Gateway, person: &Person) -> String {
    let shown = gateway.get(&format!("/v1/consents?anonymousId={}", person.device), &basic("wk_web")).json();
    shown["decisions"][MAIL]["state"].as_str().unwrap().to_owned()
}

fn reason(gateway: &Gateway, event: &Value) -> Value {
    let body = json!({"source": "web", "event": event, "language": "en"});
    let answer = gateway.post("/v1/explain", &bearer(gateway), body.to_string().as_bytes()).json();
    answer["destinations"].as_array().unwrap().iter().find(|d| d["destination"] == "archive").unwrap().clone()
}

fn claims(gateway: &Gateway, recorded: &Answer) -> Value {
    use base64::Engine as _;
    let handle = recorded.json()["receipt"].as_str().unwrap().to_owned();
    let signed = gateway.get(&format!("/v1/consents/{handle}/receipt"), &basic("wk_web"));
    assert_eq!(signed.status, 200, "{}", signed.text);
    let payload = signed.text.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn letter(gateway: &Gateway, person: &Person) -> Mail {
    gateway.mail_to(&person.email, "Einwilligung")
}

/// The page loads nothing, is found by nobody, and shows no address.
fn is_safe(page: &Answer) {
    assert_eq!((page.header("Cache-Control"), page.header("Referrer-Policy")), (Some("no-store"), Some("no-referrer")));
    assert_eq!(page.header("X-Robots-Tag"), Some("noindex"));
    assert!(page.header("Content-Security-Policy").unwrap().contains("default-src 'none'"));
    assert!(!page.text.contains("<script") && !page.text.contains("src=") && !page.text.contains(CANARY), "{}", page.text);
}

#[test]
fn nothing_counts_until_the_link_is_used_and_a_crash_in_between_changes_nothing() {
    let (mut gateway, _policies) = newsletter();
    let erika = Person::new("erika");
    let recorded = signs_up(&gateway, &erika, "de");
    // Whatever was acknowledged survives, its letter included.
    gateway.crash();
    let shown = &recorded.json()["decisions"][MAIL];
    assert!(shown["state"] == "pending" && shown["expiresAt"].is_string(), "{shown}");
    let mail = letter(&gateway, &erika);
    assert!(
        mail.text.contains("Newsletter") && mail.text.contains("Ohne Bestätigung") && mail.text.contains("Weinhaus Muster"),
        "{}",
        mail.text
    );
    assert!(!mail.text.contains("http://localhost/"), "{}", mail.text);
    let link = mail.link();
    for _ in 0..3 {
        let page = gateway.get(&link, "");
        assert!(
            page.status == 200 && page.text.contains("Ja, ich willige ein") && page.text.contains("lang=\"de\""),
            "{}",
            page.text
        );
        is_safe(&page);
        assert_eq!(gateway.request("HEAD", &link, &[], b"").status / 100, 4, "a look is a GET");
    }
    assert_eq!(standing(&gateway, &erika), "pending");
    let early = erika.does("Newsletter Opened");
    let why = reason(&gateway, &early);
    assert_eq!((why["outcome"].as_str(), why["reason"].as_str()), (Some("withhold"), Some("unconfirmed")), "{why}");
    assert!(why["sentence"].as_str().unwrap().contains("link in our mail"), "{why}");
    send(&gateway, "wk_web", std::slice::from_ref(&early));
    assert!(arrived(&gateway).is_empty());

    let done = gateway.post(&link, "", b"");
    gateway.crash();
    assert!(done.status == 200 && done.text.contains("ist bestätigt"), "{}", done.text);
    is_safe(&done);
    assert_eq!(standing(&gateway, &erika), "granted");
    let late = erika.does("Newsletter Opened");
    send(&gateway, "wk_web", std::slice::from_ref(&late));
    assert_eq!(arrived(&gateway), [id(&late)]);
    for answer in [gateway.post(&link, "", b""), gateway.get(&link, "")] {
        assert!(answer.status == 410 && answer.text.contains("schon verwendet"), "{}", answer.text);
        is_safe(&answer);
    }
    gateway.restart();
    assert_eq!(
        gateway.mails().iter().map(|mail| mail.message_id.clone()).collect::<Vec<_>>(),
        [mail.message_id],
        "it is sent once"
    );
    // A withdrawal needs no link.
    erika.decides_as(&gateway, "wk_till", &json!({"anonymousId": erika.device, "method": "spoken"}), &[(MAIL, "denied")]);
    assert_eq!(standing(&gateway, &erika), "withdrawn");
}

#[test]
fn the_proof_says_when_it_was_asked_for_mailed_and_confirmed() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let recorded = signs_up(&gateway, &erika, "en");
    let before = claims(&gateway, &recorded);
    let statement = &before["statement"];
    assert_eq!(statement["decisions"][MAIL], "pending");
    assert!(statement["doubleOptIn"]["until"].is_string() && statement["notice"]["language"] == "en", "{statement}");
    let process = &before["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasProcess"][0];
    assert_eq!(process["dpv:hasConsentStatus"][0]["@type"], "dpv:ConsentRequested");
    let mail = gateway.mail_to(&erika.email, "confirm your consent");
    assert!(mail.text.contains("without a confirmation"), "{}", mail.text);
    // That the mail was handed over is noted a moment after it was.
    let noted = || gateway.get("/mail", &bearer(&gateway)).text.contains("double_opt_in").then_some(());
    gateway.wait_for("the letter to be noted", noted);
    assert_eq!(gateway.post(&mail.link(), "", b"").status, 200);
    let body = json!({"kind": "access", "identifiers": {"email": erika.email}, "identified": true});
    let filed = gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes()).json();
    let path = format!("/v1/requests/{}", filed["id"].as_str().unwrap());
    assert_eq!(gateway.post(&format!("{path}/approve"), &bearer(&gateway), b"{}").status, 200);
    let package = gateway.wait_for("the package", || {
        let answer = gateway.get(&format!("{path}/package?format=json"), &bearer(&gateway));
        (answer.status == 200).then(|| answer.json())
    });
    let decisions = package["decisions"].as_array().unwrap();
    let states: Vec<&Value> = decisions.iter().map(|decision| &decision["purposes"][MAIL]).collect();
    // Once for the address and once for the device that was stated with it.
    assert_eq!(states, ["pending", "pending", "granted", "granted"], "{decisions:?}");
    let opt_in = &decisions[3]["doubleOptIn"];
    let times = [&statement["at"], &opt_in["mailedAt"], &decisions[3]["at"]].map(|time| time.as_str().unwrap().to_owned());
    assert!(opt_in["askedAt"] == statement["at"] && times.is_sorted(), "{opt_in} {times:?}");
    assert_eq!(decisions[3]["notice"], decisions[0]["notice"], "it confirms what was shown then");
    let html = gateway.get(&format!("{path}/package?format=html&language=en"), &bearer(&gateway)).text;
    assert!(html.contains("not confirmed yet"), "{html}");
}

#[test]
fn a_refusal_and_an_erasure_end_what_waits_and_forged_links_say_nothing() {
    let gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    signs_up(&gateway, &erika, "de");
    let link = letter(&gateway, &erika).link();
    let who = json!({"identifiers": {"email": erika.email}, "method": "spoken"});
    let refused = erika.decides_as(&gateway, "wk_till", &who, &[(MAIL, "denied")]);
    assert_eq!(refused.json()["decisions"][MAIL]["state"], "denied");
    for answer in [gateway.get(&link, ""), gateway.post(&link, "", b"")] {
        assert!(answer.status == 410 && answer.text.contains("gilt nicht mehr"), "{}", answer.text);
        is_safe(&answer);
    }
    signs_up(&gateway, &otto, "de");
    let link = letter(&gateway, &otto).link();
    let body = json!({"kind": "erasure", "identifiers": {"email": otto.email}, "identified": true});
    let filed = gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes()).json();
    let path = format!("/v1/requests/{}", filed["id"].as_str().unwrap());
    assert_eq!(gateway.post(&format!("{path}/approve"), &bearer(&gateway), b"{}").status, 200);
    gateway.wait_for("the erasure", || (gateway.get(&path, &bearer(&gateway)).json()["state"] == "done").then_some(()));
    let last = if link.ends_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{last}", &link[..link.len() - 1]);
    let mut texts = Vec::new();
    for path in [link, forged, String::from("/c/x"), format!("/c/{}", "A".repeat(66))] {
        for answer in [gateway.get(&path, ""), gateway.post(&path, "", b"")] {
            assert_eq!(answer.status, 404, "{path}");
            is_safe(&answer);
            texts.push(answer.text);
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "all look the same");
}

#[test]
fn an_address_gets_a_few_letters_and_the_answer_does_not_say_whether_it_is_known() {
    let gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let answer = |person: &Person| {
        let who = json!({"identifiers": {"email": person.email}, "method": "spoken"});
        let mut answer = person.decides_as(&gateway, "wk_till", &who, &[(MAIL, "granted")]).json();
        answer["receipt"] = Value::Null;
        for time in ["at", "expiresAt"] {
            answer["decisions"][MAIL][time] = Value::Null;
        }
        answer
    };
    let first = answer(&erika);
    assert_eq!(gateway.post(&letter(&gateway, &erika).link(), "", b"").status, 200);
    assert_eq!(answer(&erika), first, "whoever has confirmed is answered like whoever has not");
    assert_eq!(answer(&otto), first);
    for _ in 0..6 {
        assert_eq!(answer(&erika), first);
    }
    gateway.wait_for("the letters", || (gateway.mails().len() == 4).then_some(()));
    gateway.mail_to(&otto.email, "Einwilligung");
    assert_eq!(gateway.mails().iter().filter(|mail| mail.to == erika.email).count(), 3);
    // What was confirmed still holds, and the last letter's link still works.
    let newest = gateway.mails().into_iter().filter(|mail| mail.to == erika.email).map(|mail| mail.link());
    let good: Vec<String> = newest.filter(|link| gateway.get(link, "").status == 200).collect();
    assert_eq!(good.len(), 1, "a later link takes the place of an earlier one");
    assert_eq!(gateway.post(&good[0], "", b"").status, 200);
}

#[test]
fn without_an_address_it_waits_and_nobody_is_written_to() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"anonymousId": erika.device, "method": "spoken"});
    let recorded = erika.decides_as(&gateway, "wk_till", &who, &[(MAIL, "granted"), ("analytics", "granted")]);
    let decisions = &recorded.json()["decisions"];
    assert_eq!((decisions[MAIL]["state"].as_str(), decisions["analytics"]["state"].as_str()), (Some("pending"), Some("granted")));
    assert_eq!(standing(&gateway, &erika), "pending");
    assert!(gateway.mails().is_empty());
    signs_up(&gateway, &erika, "de");
    assert_eq!(gateway.post(&letter(&gateway, &erika).link(), "", b"").status, 200);
    assert_eq!(standing(&gateway, &erika), "granted");
}
