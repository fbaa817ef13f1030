//! Somebody's browser says no on its own: Global Privacy Control, through every way in; and what tags are told.

use serde_json::{Value, json};

use crate::harness::hook::Hook;
use crate::harness::people::{Person, arrived, basic, id, policy_where, send};
use crate::harness::{Answer, Gateway, project};

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

/// G7.
#[test]
fn what_staff_records_is_not_touched_until_that_browser_comes_by_again() {
    let (_policies, gateway) = gateway();
    let erika = Person::new("erika");
    let policies = project().join("policies");
    let made = ["key", "create", "--source", "till", "--scope", "consents:write", "--policies", policies.to_str().unwrap()];
    let made = gateway.command(&made);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let staff = format!("Bearer {}", String::from_utf8(made.stdout).unwrap().lines().next().unwrap());
    assert_eq!(shown(&gateway, &erika, true)["decisions"]["analytics"]["state"], "unset");
    // Somebody says yes at the till. No browser has to do with that.
    let said = json!({"anonymousId": erika.device, "method": "spoken", "decisions": {"analytics": "granted"}});
    let answer = gateway.post("/v1/consents", &staff, said.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!((&answer.json()["decisions"]["analytics"]["state"], answer.json().get("signal")), (&json!("granted"), None));
    let (before, with) = (erika.does("Before"), erika.does("With"));
    sends(&gateway, &[&before], false);
    assert_eq!(arrived(&gateway), [id(&before)]);
    // The browser's next request counts again.
    sends(&gateway, &[&with], true);
    assert_eq!(arrived(&gateway), [id(&before)]);
    assert_eq!(shown(&gateway, &erika, false)["decisions"]["analytics"]["state"], "withdrawn");
}

/// G4.
#[test]
fn a_grant_that_prevails_says_in_its_receipt_that_the_signal_was_set() {
    let policies = policy_where("signals.toml", "conflict = \"signal\"", "conflict = \"grant\"");
    let gateway = Gateway::with_policies(policies.path());
    let erika = Person::new("erika");
    let answer = decides(&gateway, &erika, &json!({"ads_sharing": "granted"}), true);
    assert_eq!(answer["decisions"]["ads_sharing"]["state"], "granted");
    let handle = answer["receipt"].as_str().unwrap();
    for (query, words) in [("", "\"signal\":\"gpc\""), ("?format=html&language=en", "your explicit decision prevailed over it")] {
        let receipt = gateway.wait_for("the receipt", || {
            let receipt = gateway.get(&format!("/v1/consents/{handle}/receipt{query}"), &basic("wk_app"));
            (receipt.status == 200).then_some(receipt.text)
        });
        assert!(if query.is_empty() { claims(&receipt) } else { receipt }.contains(words), "{words}");
    }
}

/// What is signed in a receipt, as text.
fn claims(signed: &str) -> String {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
    String::from_utf8(payload).unwrap()
}

/// C5.
#[test]
fn a_report_of_the_sites_own_banner_counts_once() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    let mut report = erika.does("Segment Consent Preference Updated");
    report["context"] = json!({"consent": {"categoryPreferences": {"Analytics": true}}});
    sends(&gateway, &[&report, &report], false);
    assert_eq!(shown(&gateway, &erika, false)["decisions"]["analytics"]["state"], "granted");
    decides(&gateway, &erika, &json!({"analytics": "denied"}), false);
    sends(&gateway, &[&report], false);
    gateway.crash();
    sends(&gateway, &[&report], false);
    assert_eq!(
        shown(&gateway, &erika, false)["decisions"]["analytics"]["state"],
        "withdrawn",
        "it comes late, and was heard before"
    );
}

/// C1, O1, O2, O3.
#[test]
fn what_goes_out_says_what_stands_when_it_goes_narrowed_by_what_came_in() {
    let hook = Hook::start(500);
    let url = format!("url = \"http://{}/events\"\nallow_private = true", hook.address);
    let policies = policy_where("destinations.toml", "url = \"\"", &url);
    let gateway = Gateway::with_policies(policies.path());
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("ads_sharing", "granted"), ("analytics", "granted"), ("personalization", "granted")]);
    let mut order = erika.does("Order Completed");
    let said = json!({"Advertising": true, "Analytics": false, "Functional": true, "Cross-Device": true});
    order["context"] = json!({"consent": {"categoryPreferences": said}});
    send(&gateway, "wk_web", &[order]);
    let sent = |status: u16| -> Option<Value> {
        let calls = hook.calls("/events");
        let call = calls.iter().find(|call| call.status == status)?;
        let body = String::from_utf8(call.body.clone()).unwrap();
        assert!(
            !body.contains("categoryPreferences") && !body.contains("Advertising"),
            "the object that came in goes out: {body}"
        );
        Some(serde_json::from_str::<Value>(&body).unwrap()["consent"].clone())
    };
    let consent = |allowed: [&str; 3], denied: &[&str]| {
        let allowed: Vec<&str> = allowed.into_iter().filter(|id| !denied.contains(id)).collect();
        json!({"purposes": ["ads_sharing"], "allowedConsentIds": allowed, "deniedConsentIds": denied})
    };
    let all = ["necessary", "personalization", "ads_sharing"];
    // Nobody has granted `identity_linking`, whatever the event says; `analytics` was granted, and not for this event.
    let first = consent(all, &["analytics", "marketing_email", "identity_linking"]);
    assert_eq!(gateway.wait_for("a first try", || sent(500)), first);
    erika.decides(&gateway, &[("personalization", "denied")]);
    hook.answers(200);
    let then = consent(all, &["analytics", "personalization", "marketing_email", "identity_linking"]);
    assert_eq!(gateway.wait_for("it to arrive", || sent(200)), then);
    gateway.drain();
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
    // M3: what somebody refuses who is known to use this device is denied here, too.
    erika.decides_as(&gateway, "wk_till", &json!({"userId": erika.user_id, "method": "spoken"}), &[("ads_sharing", "denied")]);
    let mut both = erika.does("Signed In");
    both["userId"] = json!(erika.user_id);
    sends(&gateway, &[&both], false);
    let answer = shown(&gateway, &erika, false);
    assert_eq!(
        (granted(&answer), &answer["decisions"]["ads_sharing"]["state"]),
        (vec![String::from("security_storage")], &json!("granted"))
    );
}
