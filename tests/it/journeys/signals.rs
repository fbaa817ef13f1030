//! Somebody's browser says no on its own: Global Privacy Control, through every way in; and what tags are told.

use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, basic, id, policy_where};
use crate::harness::{Answer, Gateway};

/// The shipped policy, with the signal refusing what the archive needs.
fn gateway() -> (tempfile::TempDir, Gateway) {
    let policies = policy_where("signals.toml", "purposes = [\"ads_sharing\"]\n# When", "purposes = [\"analytics\"]\n# When");
    let gateway = Gateway::with_policies(policies.path());
    (policies, gateway)
}

/// A request of a browser that sends the signal.
fn signalled(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Answer {
    let key = basic("wk_app");
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json"), ("Sec-GPC", "1")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.request(method, path, &headers, body.as_bytes())
}

fn decides(gateway: &Gateway, person: &Person, decisions: &Value, signal: bool) -> Value {
    let body = json!({"anonymousId": person.device, "method": "banner", "decisions": decisions});
    let answer = if signal {
        signalled(gateway, "POST", "/v1/consents", &body)
    } else {
        gateway.post("/v1/consents", &basic("wk_app"), body.to_string().as_bytes())
    };
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn sends(gateway: &Gateway, events: &[&Value], signal: bool) {
    let body = json!({"batch": events});
    let answer = if signal {
        signalled(gateway, "POST", "/v1/batch", &body)
    } else {
        gateway.post("/v1/batch", &basic("wk_app"), body.to_string().as_bytes())
    };
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn shown(gateway: &Gateway, person: &Person, signal: bool) -> Value {
    let path = format!("/v1/consents?anonymousId={}", person.device);
    let answer = if signal { signalled(gateway, "GET", &path, &Value::Null) } else { gateway.get(&path, &basic("wk_app")) };
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[test]
fn an_event_with_the_signal_ends_the_grant_for_good_and_the_receipt_says_why() {
    let (_policies, mut gateway) = gateway();
    let erika = Person::new("erika");
    decides(&gateway, &erika, &json!({"analytics": "granted"}), false);
    let (before, with, after) = (erika.does("Before"), erika.does("With"), erika.does("After"));
    sends(&gateway, &[&before], false);
    assert_eq!(arrived(&gateway), [id(&before)]);
    sends(&gateway, &[&with], true);
    sends(&gateway, &[&after], false);
    gateway.crash();
    assert_eq!(arrived(&gateway), [id(&before)], "neither the event with the signal nor a later one leaves");
    assert_eq!(shown(&gateway, &erika, false)["decisions"]["analytics"]["state"], "withdrawn");
    // Asking again changes nothing any more.
    let again = shown(&gateway, &erika, true);
    assert_eq!((&again["recorded"], &again["signal"]["receipt"]), (&json!(false), &Value::Null));
    assert_eq!(again["signal"]["refuses"], json!(["analytics"]));
}

#[test]
fn a_question_with_the_signal_ends_the_grant_before_it_is_answered() {
    let (_policies, gateway) = gateway();
    let erika = Person::new("erika");
    decides(&gateway, &erika, &json!({"analytics": "granted"}), false);
    assert_eq!(shown(&gateway, &erika, false)["consentMode"]["analytics_storage"], "granted");
    let shown = shown(&gateway, &erika, true);
    assert_eq!(shown["decisions"]["analytics"]["state"], "withdrawn");
    assert_eq!(shown["consentMode"]["analytics_storage"], "denied");
    let handle = shown["signal"]["receipt"].as_str().unwrap();
    let page = gateway.wait_for("the receipt of the signal", || {
        let page = gateway.get(&format!("/v1/consents/{handle}/receipt?format=html&language=de"), &basic("wk_app"));
        (page.status == 200).then_some(page.text)
    });
    assert!(page.contains("Signal Ihres Browsers"), "{page}");
}

#[test]
fn a_notice_ends_the_grant_too_and_does_not_ask_for_what_cannot_be_granted() {
    let (_policies, gateway) = gateway();
    let erika = Person::new("erika");
    let notice = |signal: bool| {
        let path = format!("/v1/notice?anonymousId={}", erika.device);
        let answer = if signal { signalled(&gateway, "GET", &path, &Value::Null) } else { gateway.get(&path, &basic("wk_app")) };
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    assert_eq!((&notice(true)["ask"], &notice(true)["signal"]["refuses"]), (&json!(true), &json!(["analytics"])));
    let everything = json!({"analytics": "granted", "personalization": "denied", "marketing_email": "denied",
        "ads_sharing": "denied", "identity_linking": "denied"});
    decides(&gateway, &erika, &everything, false);
    assert_eq!(notice(false)["consentMode"]["analytics_storage"], "granted");
    let answer = notice(true);
    assert_eq!(answer["decisions"]["analytics"]["state"], "withdrawn");
    assert_eq!((&answer["consentMode"]["analytics_storage"], &answer["ask"]), (&json!("denied"), &json!(false)));
    assert!(answer["signal"]["receipt"].is_string());
    let someone = signalled(&gateway, "GET", "/v1/notice", &Value::Null).json();
    assert_eq!((&someone["ask"], &someone["consentMode"]["analytics_storage"]), (&json!(true), &json!("denied")));
}

#[test]
fn accepting_everything_with_the_signal_set_grants_everything_else() {
    let (_policies, gateway) = gateway();
    let erika = Person::new("erika");
    let answer = decides(&gateway, &erika, &json!({"analytics": "granted", "personalization": "granted"}), true);
    assert_eq!(answer["decisions"]["analytics"]["state"], "denied");
    assert_eq!(answer["decisions"]["personalization"]["state"], "granted");
    assert_ne!(answer["receipt"], answer["signal"]["receipt"], "each decision has a receipt of its own");
    assert_eq!(answer["consentMode"]["personalization_storage"], "granted");
    let event = erika.does("Product Viewed");
    sends(&gateway, &[&event], false);
    assert!(arrived(&gateway).is_empty());
    let mut report = erika.does("Segment Consent Preference Updated");
    report["context"] = json!({"consent": {"categoryPreferences": {"Analytics": true}}});
    sends(&gateway, &[&report, &erika.does("Product Viewed")], true);
    assert!(arrived(&gateway).is_empty(), "a report of the site's own banner does not get round it either");
}

#[test]
fn who_never_decided_is_not_stored_for_sending_a_signal() {
    let (_policies, gateway) = gateway();
    let subjects = |gateway: &Gateway| {
        let metrics = gateway.get("/metrics", "").text;
        metrics.lines().find(|line| line.starts_with("pforte_subjects ")).unwrap().to_owned()
    };
    let before = subjects(&gateway);
    let erika = Person::new("erika");
    sends(&gateway, &[&erika.does("Product Viewed")], true);
    let shown = shown(&gateway, &erika, true);
    assert_eq!(shown["decisions"]["analytics"]["state"], "unset");
    assert_eq!(shown["signal"]["refuses"], json!(["analytics"]));
    assert_eq!(subjects(&gateway), before);
}

#[test]
fn what_the_company_says_of_the_signal_follows_from_the_policy() {
    let gateway = Gateway::start();
    let answer = gateway.get("/.well-known/gpc.json", "");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), json!({"gpc": true, "lastUpdate": "2026-11-26"}));
    let empty = policy_where("signals.toml", "purposes = [\"ads_sharing\"]\n# When", "purposes = []\n# When");
    let honest = Gateway::with_policies(empty.path());
    assert_eq!(honest.get("/.well-known/gpc.json", "").json()["gpc"], json!(false));
    std::fs::remove_file(empty.path().join("signals.toml")).unwrap();
    let silent = Gateway::with_policies(empty.path());
    assert_eq!(silent.get("/.well-known/gpc.json", "").status, 404);
    let erika = Person::new("erika");
    let answer = decides(&silent, &erika, &json!({"ads_sharing": "granted"}), true);
    assert_eq!((&answer["decisions"]["ads_sharing"]["state"], &answer["consentMode"]), (&json!("granted"), &Value::Null));
}

#[test]
fn tags_are_told_what_holds_and_denied_for_everything_else() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let all = [
        "ad_personalization",
        "ad_storage",
        "ad_user_data",
        "analytics_storage",
        "functionality_storage",
        "personalization_storage",
        "security_storage",
    ];
    let granted = |answer: &Value| -> Vec<String> {
        let types = answer["consentMode"].as_object().unwrap();
        assert_eq!(types.keys().collect::<Vec<_>>(), all);
        assert!(types.values().all(|value| value == "granted" || value == "denied"));
        types.iter().filter(|(_, value)| *value == "granted").map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(granted(&shown(&gateway, &erika, false)), ["security_storage"]);
    let answer = decides(&gateway, &erika, &json!({"analytics": "granted", "ads_sharing": "denied"}), false);
    assert_eq!(granted(&answer), ["analytics_storage", "security_storage"]);
    let answer = decides(&gateway, &erika, &json!({"ads_sharing": "granted"}), false);
    assert_eq!(granted(&answer), ["ad_personalization", "ad_storage", "ad_user_data", "analytics_storage", "security_storage"]);
    let answer = decides(&gateway, &erika, &json!({"analytics": "denied"}), false);
    assert_eq!(granted(&answer), ["ad_personalization", "ad_storage", "ad_user_data", "security_storage"]);
}
