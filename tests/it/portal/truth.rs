//! What the page says is what the gate does: terms that have widened, recipients that have come, a browser that refuses on its own.

use super::changes::with_address;
use super::{Browser, known};
use crate::harness::people::{Person, arrived, id, policy_where, send};
use crate::harness::{Answer, Gateway};

/// What a switch shows; nothing if there is none.
fn switch(page: &Answer, purpose: &str) -> Option<bool> {
    let after = page.text.split(&format!("id=\"s-{purpose}\"")).nth(1)?;
    Some(after.split("aria-checked=\"").nth(1)?.starts_with("true"))
}

/// What stands on the card of a purpose.
fn card<'a>(page: &'a Answer, purpose: &str) -> &'a str {
    let after = page.text.split(&format!("id=\"p-{purpose}\"")).nth(1).unwrap();
    after.split("</li>").next().unwrap()
}

fn says(browser: &mut Browser<'_>, purpose: &str, decision: &str) -> Answer {
    let page = browser.submit("/portal", "/portal/decisions", &[("purpose", purpose), ("decision", decision)]);
    assert_eq!(page.status, 200, "{}", page.text);
    page
}

/// The policy of a running gateway changes.
fn reload(gateway: &Gateway, folder: &std::path::Path, (file, from, to): (&str, &str, &str)) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}: {from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    let answer = gateway.post("/v1/policy/reload", &format!("Bearer {}", gateway.operator()), b"");
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Whether an event that states the address arrives in the archive.
fn arrives(gateway: &Gateway, person: &Person, event: &str) -> bool {
    let event = with_address(person, event);
    send(gateway, "wk_web", std::slice::from_ref(&event));
    arrived(gateway).contains(&id(&event))
}

/// More data than somebody agreed to.
const WIDER: (&str, &str, &str) =
    ("purposes.toml", "\"usage data\", \"device data\"", "\"usage data\", \"device data\", \"location\"");

#[test]
fn a_yes_for_less_than_what_would_be_done_now_is_shown_as_none_until_it_is_said_again() {
    let policies = policy_where("purposes.toml", WIDER.1, WIDER.1);
    let gateway = Gateway::with_policies(policies.path());
    let both = [("analytics", "granted"), ("personalization", "granted")];
    let (erika, otto) = (known(&gateway, "erika", &both), known(&gateway, "otto", &both));
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    assert!(arrives(&gateway, &erika, "Before") && switch(&browser.get("/portal"), "analytics") == Some(true));
    reload(&gateway, policies.path(), WIDER);
    assert!(!arrives(&gateway, &erika, "Meanwhile"));
    let home = browser.get("/portal");
    assert_eq!((switch(&home, "analytics"), switch(&home, "personalization")), (Some(false), Some(true)), "{}", home.text);
    assert!(home.text.contains("einen von 5 Zwecken"), "{}", home.text);
    let words = card(&home, "analytics");
    assert!(words.contains("die Bedingungen geändert") && words.contains("nichts weitergegeben"), "{words}");
    assert!(!words.contains("Erlaubt seit") && words.contains("Nein, nicht mehr"), "{words}");
    // Said again it counts, under the terms of today.
    let again = says(&mut browser, "analytics", "granted");
    assert!(switch(&again, "analytics") == Some(true) && card(&again, "analytics").contains("Erlaubt seit"), "{}", again.text);
    assert!(arrives(&gateway, &erika, "Again"));
    // A plain No is possible as well.
    let mut browser = Browser::new(&gateway).english().sign_in(&otto.email);
    assert!(card(&browser.get("/portal"), "analytics").contains("the terms have changed. Nothing is passed on."));
    let left = says(&mut browser, "analytics", "denied");
    assert!(card(&left, "analytics").contains("you withdrew it on") && !arrives(&gateway, &otto, "Left"), "{}", left.text);
    // What is taken back of a policy makes a Yes count as it did, and a No stay.
    reload(&gateway, policies.path(), (WIDER.0, WIDER.2, WIDER.1));
    assert_eq!(switch(&browser.get("/portal"), "analytics"), Some(false));
}

#[test]
fn a_newsletter_that_is_asked_for_again_waits_for_its_link_again() {
    let wider = ("purposes.toml", "\"reactions to newsletters\"", "\"reactions to newsletters\", \"location\"");
    let policies = policy_where(wider.0, wider.1, wider.1);
    let gateway = Gateway::with_policies(policies.path());
    let erika = known(&gateway, "erika", &[("marketing_email", "granted")]);
    let first = gateway.mail_to(&erika.email, "Einwilligung");
    assert_eq!(gateway.post(&first.link(), "", b"").status, 200);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    assert_eq!(switch(&browser.get("/portal"), "marketing_email"), Some(true));
    reload(&gateway, policies.path(), wider);
    assert!(card(&browser.get("/portal"), "marketing_email").contains("die Bedingungen geändert"));
    let asked = says(&mut browser, "marketing_email", "granted");
    let words = card(&asked, "marketing_email");
    assert!(words.contains("bis Sie den Link") && switch(&asked, "marketing_email") == Some(false), "{words}");
    let back = says(&mut browser, "marketing_email", "denied");
    assert!(card(&back, "marketing_email").contains("widerrufen"), "{}", back.text);
    says(&mut browser, "marketing_email", "granted");
    let links = || gateway.mails().into_iter().filter(|mail| mail.subject.contains("Einwilligung")).count();
    gateway.wait_for("the third letter", || (links() == 3).then_some(()));
    let newest = gateway.mails().into_iter().rev().filter(|mail| mail.subject.contains("Einwilligung"));
    let done: Vec<u16> = newest.map(|mail| gateway.post(&mail.link(), "", b"").status).collect();
    assert_eq!(done.iter().filter(|status| **status == 200).count(), 1, "{done:?}");
    assert_eq!(switch(&browser.get("/portal"), "marketing_email"), Some(true));
}

#[test]
fn who_has_come_since_a_yes_is_shown_as_getting_nothing_until_it_is_allowed_for_them_too() {
    let policies = policy_where("purposes.toml", "analytics", "analytics");
    let mut gateway = Gateway::with_policies(policies.path());
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    let path = policies.path().join("destinations.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let archive = text.split("[[destination]]").find(|block| block.contains("id = \"archive\"")).unwrap();
    let second = archive.replace("\"archive\"\nkind", "\"second\"\nkind").replace("\"out\"", "\"out2\"");
    std::fs::write(&path, format!("{text}\n[[destination]]{}\n", second.split("# Off until").next().unwrap())).unwrap();
    gateway.restart();
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let home = browser.get("/portal");
    let words = card(&home, "analytics");
    assert!(switch(&home, "analytics") == Some(true) && words.contains("dazugekommen: unser Archiv (second)"), "{words}");
    assert!(words.contains("Es bekommen: unser Archiv (archive)."), "{words}");
    let widened = says(&mut browser, "analytics", "granted");
    let words = card(&widened, "analytics");
    assert!(words.contains("unser Archiv (archive), unser Archiv (second).") && !words.contains("dazugekommen"), "{words}");
}

#[test]
fn what_the_browser_refuses_is_refused_here_too_and_said_before_anything_is_pressed() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("ads_sharing", "granted"), ("personalization", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let before = browser.get("/portal");
    assert!(switch(&before, "ads_sharing") == Some(true) && !before.text.contains("Global Privacy Control"), "{}", before.text);
    browser.signal = true;
    let home = browser.get("/portal");
    let words = card(&home, "ads_sharing");
    assert!(home.text.contains("Ihr Browser lehnt „Weitergabe für Werbung“ für Sie ab"), "what has just ended: {}", home.text);
    assert!(switch(&home, "ads_sharing").is_none() && words.contains("durch Ihren Browser abgelehnt"), "{words}");
    assert!(words.contains("widerrufen") && words.contains("gilt ein Ja hier nicht"), "{words}");
    assert!(switch(&home, "personalization") == Some(true) && !card(&home, "personalization").contains("Control"));
    assert!(!browser.get("/portal").text.contains("role=\"status\"><div"), "it ends once");
    assert_eq!(browser.get("/portal/history").text.matches("durch ein Signal Ihres Browsers").count(), 1);
    // A form of a page from before the signal was switched on.
    let refused = says(&mut browser, "ads_sharing", "granted");
    assert!(refused.text.contains("Ihr Browser lehnt „Weitergabe für Werbung“") && switch(&refused, "ads_sharing").is_none());
    let history = browser.get("/portal/history").text;
    assert_eq!(history.matches("durch ein Signal Ihres Browsers").count(), 2);
    assert_eq!(history.matches("hier im Portal").count(), 1, "that Yes was never recorded: {history}");
    // Its absence says nothing; a new Yes without it counts.
    browser.signal = false;
    assert_eq!(switch(&browser.get("/portal"), "ads_sharing"), Some(false));
    assert_eq!(switch(&says(&mut browser, "ads_sharing", "granted"), "ads_sharing"), Some(true));
}

#[test]
fn where_the_policy_lets_a_yes_prevail_it_does_and_its_receipt_says_so() {
    let policies = policy_where("signals.toml", "conflict = \"signal\"", "conflict = \"grant\"");
    let gateway = Gateway::with_policies(policies.path());
    let erika = known(&gateway, "erika", &[("ads_sharing", "granted")]);
    let mut browser = Browser::new(&gateway).english().sign_in(&erika.email);
    browser.signal = true;
    let home = browser.get("/portal");
    let words = card(&home, "ads_sharing");
    assert!(switch(&home, "ads_sharing") == Some(false) && words.contains("you withdrew it"), "a Yes from before ends: {words}");
    assert!(words.contains("If you switch it on here all the same, your Yes counts"), "{words}");
    let allowed = says(&mut browser, "ads_sharing", "granted");
    assert_eq!(switch(&allowed, "ads_sharing"), Some(true), "{}", allowed.text);
    assert!(card(&allowed, "ads_sharing").contains("your Yes prevails over the signal"));
    let path =
        allowed.text.split("href=\"").find(|rest| rest.starts_with("/portal/receipts/")).unwrap().split('"').next().unwrap();
    let receipt = gateway.wait_for("the receipt", || Some(browser.get(path)).filter(|receipt| receipt.status == 200));
    assert!(receipt.text.contains("your explicit decision prevailed over it"), "{}", receipt.text);
    assert_eq!(switch(&browser.get("/portal"), "ads_sharing"), Some(true), "looking again ends nothing");
}

#[test]
fn who_never_decided_is_not_stored_for_looking_with_the_signal() {
    let gateway = Gateway::start();
    let mut browser = Browser::new(&gateway).sign_in(&Person::new("erika").email);
    browser.signal = true;
    assert!(browser.get("/portal").text.contains("durch Ihren Browser abgelehnt"));
    assert!(browser.get("/portal/history").text.contains("Noch nichts"));
    let metrics = gateway.get("/metrics", "").text;
    assert!(metrics.lines().any(|line| line.starts_with("pforte_subjects ") && line.ends_with(" 0")), "somebody became known");
}
