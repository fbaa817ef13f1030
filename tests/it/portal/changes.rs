//! What is allowed, seen and changed; receipts; what others hold and where one is signed in.

use serde_json::json;

use super::{Browser, is_guarded, known};
use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, id, send};

/// An event that states an address.
pub(super) fn with_address(person: &Person, event: &str) -> serde_json::Value {
    let mut event = person.does(event);
    event["properties"]["email"] = json!(person.email);
    event
}

#[test]
fn one_switch_for_each_purpose_holds_at_once_and_gives_a_receipt() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "denied"), ("personalization", "denied")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let home = browser.get("/portal");
    assert!(home.text.contains("Im Moment erlauben Sie nichts davon") && home.text.contains("Sie haben am"), "{}", home.text);
    assert_eq!(home.text.matches("role=\"switch\"").count(), 5, "one for each purpose on consent, and no other");
    assert!(home.text.contains("unser Archiv (archive)") && home.text.contains("395 Tage"));
    let refused = with_address(&erika, "Refused");
    send(&gateway, "wk_web", std::slice::from_ref(&refused));
    let saved = browser.submit("/portal", "/portal/decisions", &[("purpose", "analytics"), ("decision", "granted")]);
    assert!(saved.text.contains("„Statistik“ ist jetzt erlaubt") && saved.text.contains("einen von 5 Zwecken"), "{}", saved.text);
    let allowed = with_address(&erika, "Allowed");
    send(&gateway, "wk_web", std::slice::from_ref(&allowed));
    assert_eq!(arrived(&gateway), [id(&allowed)]);
    // The receipt binds the notice that was shown here, and can be checked offline.
    let path = saved.text.split("href=\"").find(|rest| rest.starts_with("/portal/receipts/")).unwrap().split('"').next().unwrap();
    let receipt =
        gateway.wait_for("the receipt", || Some(browser.get(&format!("{path}?format=jws"))).filter(|r| r.status == 200));
    assert!(receipt.header("Content-Disposition").unwrap().starts_with("attachment"));
    std::fs::write(gateway.path("receipt.jws"), &receipt.text).unwrap();
    std::fs::write(gateway.path("jwks.json"), gateway.get("/.well-known/jwks.json", "").text).unwrap();
    let verified = gateway.command(&["receipt", "verify", "receipt.jws", "--jwks", "jwks.json"]);
    let words = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && words.contains("analytics"), "{words} {}", String::from_utf8_lossy(&verified.stderr));
    let page = browser.get(path);
    assert!(page.status == 200 && page.text.contains("portal, Fassung 1, de"), "{}", page.text);
    // And back.
    let withdrawn = browser.submit("/portal", "/portal/decisions", &[("purpose", "analytics"), ("decision", "denied")]);
    assert!(withdrawn.text.contains("„Statistik“ ist widerrufen"), "{}", withdrawn.text);
    send(&gateway, "wk_web", &[with_address(&erika, "After")]);
    assert_eq!(arrived(&gateway), [id(&allowed)]);
    let history = browser.get("/portal/history");
    is_guarded(&history);
    assert_eq!(history.text.matches("hier im Portal").count(), 3, "{}", history.text);
    assert!(history.text.contains("widerrufen"));
    for (purpose, decision) in [("necessary", "denied"), ("nothing", "granted"), ("analytics", "perhaps")] {
        let answer = browser.submit("/portal", "/portal/decisions", &[("purpose", purpose), ("decision", decision)]);
        assert_eq!(answer.status, 422, "{purpose} {decision}: {}", answer.text);
    }
    let cards = |text: &str| text.matches("<li class=\"card\">").count();
    assert_eq!(cards(&browser.get("/portal/history").text), cards(&history.text), "nothing was recorded");
}

#[test]
fn what_others_linked_to_an_address_opens_nobodys_data() {
    let gateway = Gateway::start();
    let all = [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")];
    let erika = Person::new("erika");
    let who = json!({"userId": erika.user_id, "anonymousId": erika.device, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &who, &all);
    send(
        &gateway,
        "wk_web",
        &[json!({"type": "track", "event": "Bought", "userId": erika.user_id, "anonymousId": erika.device})],
    );
    assert_eq!(arrived(&gateway).len(), 1);
    // Somebody who knows Erika's customer number states their own address with it: the write key is public.
    let mallory = Person::new("mallory");
    let linked = json!({"identifiers": {"email": mallory.email, "user_id": erika.user_id}, "method": "portal"});
    mallory.decides_as(&gateway, "wk_web", &linked, &[("ads_sharing", "denied")]);
    let mut browser = Browser::new(&gateway).sign_in(&mallory.email);
    for path in ["/portal", "/portal/data", "/portal/history", "/portal/requests"] {
        let page = browser.get(path);
        assert_eq!(page.status, 200);
        for needle in [erika.user_id.as_str(), &erika.device[erika.device.len() - 4..], "archive</h3>", "Erlaubt seit"] {
            assert!(!page.text.contains(needle), "{needle} on {path}: {}", page.text);
        }
    }
    assert!(browser.get("/portal").text.contains("Zu Ihrem Profil gehört noch etwas anderes"));
    assert_eq!(browser.get("/portal/history").text.matches("<li class=\"card\">").count(), 1, "their own decision alone");
    // A grant is theirs alone, too.
    browser.submit("/portal", "/portal/decisions", &[("purpose", "ads_sharing"), ("decision", "granted")]);
    let event = json!({"userId": erika.user_id, "type": "track", "event": "Order Completed"});
    let explained = gateway.post("/v1/explain", &format!("Bearer {}", gateway.operator()), event.to_string().as_bytes());
    assert!(!explained.text.contains("\"ads_sharing\":\"granted\""), "{}", explained.text);
}

#[test]
fn a_profile_that_was_proven_as_a_whole_is_shown_as_a_whole() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let all = [("analytics", "granted"), ("personalization", "granted")];
    let who = json!({"anonymousId": erika.device, "identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &who, &all);
    send(&gateway, "wk_web", &[with_address(&erika, "Bought"), with_address(&erika, "Bought")]);
    assert_eq!(arrived(&gateway).len(), 2);
    let mut browser = Browser::new(&gateway).english().sign_in(&erika.email);
    let data = browser.get("/portal/data");
    is_guarded(&data);
    assert!(data.text.contains("our archive (archive)") && data.text.contains("2 events"), "{}", data.text);
    let tail = &format!("its ID ends with {}.", &erika.device[erika.device.len() - 4..]);
    assert!(data.text.contains(tail) && !data.text.contains(&erika.device), "{}", data.text);
    // A No on the device, which is known to be theirs, comes first.
    erika.decides(&gateway, &[("analytics", "denied")]);
    let home = browser.get("/portal");
    assert!(home.text.contains("Allowed since"), "personalization: {}", home.text);
    // The device is somebody else's: then its No does not count for Erika, and no event links it again.
    let form = data.text.split("action=\"").find(|rest| rest.starts_with("/portal/devices/")).unwrap();
    let form = form.split('"').next().unwrap().to_owned();
    let mut stranger = Browser::new(&gateway).sign_in(&known(&gateway, "fremd", &all).email);
    assert_eq!(stranger.submit("/portal/data", &form, &[]).status, 404, "somebody else's");
    let unlinked = browser.submit("/portal/data", &form, &[]);
    assert!(unlinked.text.contains("not yours any more") && !unlinked.text.contains(tail), "{}", unlinked.text);
    send(&gateway, "wk_web", &[with_address(&erika, "Again")]);
    assert!(!browser.get("/portal/data").text.contains(tail));
    assert_eq!(browser.submit("/portal/data", &form, &[]).status, 404, "it is gone");
    // Signing out elsewhere: one of one's own.
    let mut other = Browser::new(&gateway).english().sign_in(&erika.email);
    let page = other.get("/portal/data").text;
    let end =
        page.split("action=\"").find(|rest| rest.starts_with("/portal/sign-ins/")).unwrap().split('"').next().unwrap().to_owned();
    let mut otto = Browser::new(&gateway).sign_in(&known(&gateway, "otto", &all).email);
    assert_eq!(otto.submit("/portal/data", &end, &[]).status, 404, "somebody else's");
    assert_eq!(other.submit("/portal/data", &end, &[]).status, 200);
    assert_eq!(browser.get("/portal").status, 303, "it is over there");
    assert_eq!(other.get("/portal").status, 200);
}
