//! What people ask for who are signed in, and what becomes of it.

use serde_json::{Value, json};

use super::{Browser, is_guarded, known};
use crate::harness::people::{Person, send};
use crate::harness::{Answer, Gateway};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn requests(gateway: &Gateway) -> Vec<Value> {
    let list = gateway.get("/v1/requests", &bearer(gateway)).json();
    list["requests"].as_array().unwrap().clone()
}

fn step(gateway: &Gateway, id: &str, step: &str) -> Answer {
    let answer = gateway.post(&format!("/v1/requests/{id}/{step}"), &bearer(gateway), b"{}");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

/// Files a request and gives its ID.
fn ask(gateway: &Gateway, browser: &mut Browser<'_>, kind: &str, fields: &[(&str, &str)]) -> String {
    let path = format!("/portal/requests/new/{kind}");
    let before = requests(gateway);
    let filed = browser.submit(&path, &path, fields);
    assert!(filed.status == 200 && filed.text.contains("liegt uns vor"), "{}", filed.text);
    let new = requests(gateway).into_iter().find(|request| !before.iter().any(|b| b["id"] == request["id"]));
    new.expect("a new request")["id"].as_str().unwrap().to_owned()
}

#[test]
fn access_is_asked_for_followed_and_fetched_by_whoever_asked_and_by_nobody_else() {
    let mut gateway = Gateway::start();
    let (erika, otto) =
        (known(&gateway, "erika", &[("analytics", "granted"), ("personalization", "granted")]), Person::new("otto"));
    let mut event = erika.does("Product Viewed");
    event["properties"]["email"] = json!(erika.email);
    send(&gateway, "wk_web", &[event]);
    gateway.drain();
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let form = browser.get("/portal/requests/new/access");
    is_guarded(&form);
    assert!(form.text.contains("Sie haben unsere Antwort spätestens am"), "{}", form.text);
    let id = ask(&gateway, &mut browser, "access", &[("note", "bitte <b>alles</b>")]);
    // Asking again while nothing was decided changes nothing.
    browser.submit("/portal/requests", "/portal/requests/new/access", &[]);
    assert_eq!(requests(&gateway).len(), 1);
    let shown = gateway.get(&format!("/v1/requests/{id}"), &bearer(&gateway)).json();
    assert_eq!((shown["state"].as_str(), shown["own"].as_bool()), (Some("in_review"), Some(true)), "{shown}");
    assert_eq!((shown["words"].as_str(), shown["language"].as_str()), (Some("bitte <b>alles</b>"), Some("de")));
    gateway.mail_to(&erika.email, "eingegangen");
    let listed = browser.get("/portal/requests");
    assert!(listed.text.contains("wird geprüft") && listed.text.contains("Antwort spätestens am"), "{}", listed.text);
    step(&gateway, &id, "approve");
    let package = format!("/portal/requests/{id}/package?format=json");
    let list = gateway.wait_for("the package", || {
        Some(browser.get("/portal/requests")).filter(|page| page.text.contains("Ihre Daten liegen bereit"))
    });
    assert!(list.text.contains(&package) && !list.text.contains("Zurücknehmen"), "{}", list.text);
    let cookie = browser.cookie.clone();
    drop(browser);
    gateway.crash();
    let mut browser = Browser { cookie, ..Browser::new(&gateway) };
    for format in ["html", "csv", "json"] {
        let file = browser.get(&format!("/portal/requests/{id}/package?format={format}"));
        assert_eq!(file.status, 200, "{}", file.text);
        assert!(file.header("Content-Disposition").unwrap().starts_with("attachment") && file.text.contains("Product Viewed"));
        assert_eq!(file.header("Cache-Control"), Some("no-store"));
    }
    assert_eq!(gateway.get(&format!("/v1/requests/{id}"), &bearer(&gateway)).json()["downloads"], 3);
    // Nobody else sees it, fetches it or takes it back.
    let mut stranger = Browser::new(&gateway).sign_in(&otto.email);
    assert!(!stranger.get("/portal/requests").text.contains(&id));
    assert_eq!(stranger.get(&package).status, 404);
    for act in ["cancel", "lift"] {
        assert_eq!(stranger.submit("/portal/requests", &format!("/portal/requests/{id}/{act}"), &[]).status, 404);
    }
    assert_eq!(Browser::new(&gateway).get(&package).header("Location"), Some("/portal/sign-in"));
    assert_eq!(browser.get(&format!("/portal/requests/{id}/package?format=pdf")).status, 404);
}

#[test]
fn a_request_is_taken_back_a_restriction_lifted_and_an_objection_named() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let id = ask(&gateway, &mut browser, "portability", &[]);
    let page = browser.submit("/portal/requests", &format!("/portal/requests/{id}/cancel"), &[]);
    assert!(page.text.contains("ist zurückgenommen") && !page.text.contains(&id), "{}", page.text);
    let refused = browser.submit("/portal/requests/new/objection", "/portal/requests/new/objection", &[]);
    assert!(refused.status == 200 && refused.text.contains("mindestens einen Zweck"), "{}", refused.text);
    let objection = ask(&gateway, &mut browser, "objection", &[("purpose", "analytics"), ("purpose", "ads_sharing")]);
    let shown = gateway.get(&format!("/v1/requests/{objection}"), &bearer(&gateway)).json();
    assert_eq!(shown["purposes"], json!(["analytics", "ads_sharing"]));
    let restriction = ask(&gateway, &mut browser, "restriction", &[]);
    step(&gateway, &restriction, "approve");
    gateway.wait_for("the restriction", || browser.get("/portal/requests").text.contains("in Kraft").then_some(()));
    gateway.wait_for("it to be in force", || {
        browser.get("/portal").text.contains("Verarbeitung Ihrer Daten ist eingeschränkt").then_some(())
    });
    let lifted = browser.submit("/portal/requests", &format!("/portal/requests/{restriction}/lift"), &[]);
    assert!(lifted.text.contains("wird aufgehoben"), "{}", lifted.text);
    gateway.mail_to(&erika.email, "aufgehoben");
    gateway.wait_for("the end", || (!browser.get("/portal").text.contains("ist eingeschränkt")).then_some(()));
}

#[test]
fn what_is_wrong_is_put_right_and_the_session_stays_with_the_person() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("personalization", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let path = "/portal/requests/new/rectification";
    for (fields, words) in [
        (vec![("which", "city"), ("value", "")], "ohne weitere Angaben"),
        (vec![("which", "9"), ("value", "x")], "wählen Sie"),
        (vec![("which", "city"), ("value", "erika@example.org")], "ohne weitere Angaben"),
        (vec![("which", "0"), ("value", "keine Adresse")], "ohne weitere Angaben"),
    ] {
        let answer = browser.submit(path, path, &fields);
        assert!(answer.status == 200 && answer.text.contains(words), "{fields:?}: {}", answer.text);
    }
    assert!(requests(&gateway).is_empty());
    let id = ask(&gateway, &mut browser, "rectification", &[("which", "city"), ("value", "Mainz")]);
    let shown = gateway.get(&format!("/v1/requests/{id}?identifiers=true&reason=test"), &bearer(&gateway)).json();
    assert_eq!(shown["traits"], json!({"city": "Mainz"}), "{shown}");
    // The address was never theirs: once that is put right, it opens their data no more.
    let wrong = ask(&gateway, &mut browser, "rectification", &[("which", "0"), ("value", "")]);
    step(&gateway, &wrong, "approve");
    gateway.wait_for("the end of the session", || (browser.get("/portal").status == 303).then_some(()));
    assert!(Browser::new(&gateway).sign_in(&erika.email).get("/portal").text.contains("nichts gespeichert"));
}

#[test]
fn whoever_is_erased_is_signed_in_no_more() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let mut other = Browser::new(&gateway).sign_in(&erika.email);
    let page = browser.get("/portal/requests/new/erasure");
    for words in ["lässt sich nicht rückgängig machen", "spätestens am", "Löschung beantragen", "Bescheinigung"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    let id = ask(&gateway, &mut browser, "erasure", &[]);
    assert_eq!(browser.get("/portal").status, 200, "nothing was decided yet");
    step(&gateway, &id, "approve");
    gateway.wait_for("the end of both sessions", || {
        let over = [&mut browser, &mut other].into_iter().all(|browser| browser.get("/portal").status == 303);
        over.then_some(())
    });
    gateway.mail_to(&erika.email, "gelöscht");
    assert!(Browser::new(&gateway).sign_in(&erika.email).get("/portal").text.contains("nichts gespeichert"));
}
