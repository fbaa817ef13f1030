//! A data-protection officer, an auditor, support and an admin at work.

use serde_json::json;

use crate::harness::officers::{BEHIND_A_PROXY, Officer};
use crate::harness::people::{Person, policy_where, send};
use crate::harness::{Answer, CANARY, Gateway, project};

/// What a form was not taken for.
fn wrong(answer: &Answer) -> Option<&str> {
    answer.header("location").and_then(|place| place.split_once("?wrong=")).map(|(_, wrong)| wrong)
}

fn gateway() -> Gateway {
    Gateway::with_options(&project().join("policies"), &BEHIND_A_PROXY)
}

#[test]
fn the_first_admin_is_made_while_the_gateway_is_stopped_and_a_link_works_once() {
    let mut gateway = gateway();
    gateway.stop();
    let made = gateway.command(&["admin", "create", "--name", "anton", "--public-url", "https://privacy.example.org"]);
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(text.starts_with("https://privacy.example.org/console/join/"), "{text}");
    let path = text.lines().next().unwrap().trim_start_matches("https://privacy.example.org").to_owned();
    gateway.again();
    drop(Officer::joins(&gateway, "anton", &path));
    assert_eq!(gateway.get(&path, "").status, 404, "it works once");
    let refused = gateway.command(&["admin", "create", "--name", "Anton Muster"]);
    assert!(!refused.status.success(), "names are short ones of the company's own");
}

#[test]
fn a_request_is_filed_found_decided_and_proven() {
    let gateway = gateway();
    let erika = Person::new("erika");
    let stated = json!({"anonymousId": erika.device, "identifiers": {"email": erika.email}, "method": "banner"});
    erika.decides_as(&gateway, "wk_app", &stated, &[("personalization", "granted"), ("analytics", "granted")]);
    send(&gateway, "wk_app", &[erika.does("Product Viewed")]);
    gateway.drain();
    let mut anton = Officer::first(&gateway);
    let (mut ines, mut jo) = (anton.invites("ines", "dpo"), anton.invites("jo", "support"));

    // Support takes it; whoever decides finds it by its deadline, with what it would concern.
    let id = jo.files("erasure", &erika.email);
    let queue = ines.browser.get("/console/requests?state=in_review&kind=erasure");
    assert!(queue.text.contains(&id) && queue.text.contains("light fine"), "{}", queue.text);
    assert!(!queue.text.contains(CANARY), "a list names nobody");
    let page = ines.browser.get(&format!("/console/requests/{id}"));
    assert!(page.text.contains(&erika.email), "{}", page.text);
    assert!(jo.browser.send(&format!("/console/requests/{id}/doubt"), &[("reason", "Stimme unbekannt")]).status == 303);
    assert!(ines.browser.get("/console/requests?state=identity_unclear").text.contains("light rests"));
    assert_eq!(jo.browser.send(&format!("/console/requests/{id}/identify"), &[]).status, 303);
    assert_eq!(jo.browser.send(&format!("/console/requests/{id}/assign"), &[("to", "ines")]).status, 303);
    assert!(ines.browser.get("/console/requests?whose=mine").text.contains(&id));
    assert_eq!(wrong(&ines.browser.send(&format!("/console/requests/{id}/extend"), &[])), Some("no-reason"));
    let extended = ines.browser.send(&format!("/console/requests/{id}/extend"), &[("reason", "viele Anfragen")]);
    assert_eq!(extended.status, 303, "{}", extended.text);
    assert_eq!(wrong(&ines.browser.send(&format!("/console/requests/{id}/approve"), &[])), Some("sure"), "a box must be ticked");
    assert_eq!(ines.browser.send(&format!("/console/requests/{id}/approve"), &[("sure", "yes")]).status, 303);
    gateway.wait_for("the recipients", || {
        let page = ines.browser.get(&format!("/console/requests/{id}"));
        let open = page.text.split("name=\"recipient\" value=\"").nth(1)?.split('"').next()?.to_owned();
        let confirmed = ines.browser.send(&format!("/console/requests/{id}/confirm"), &[("recipient", &open)]);
        (confirmed.status == 303).then_some(())
    });
    let certificate = gateway.wait_for("the certificate", || {
        let answer = ines.browser.get(&format!("/console/requests/{id}/certificate"));
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(certificate.header("content-type"), Some("application/jose"));
    assert_eq!(certificate.text.split('.').count(), 3, "a statement in compact form");
    let page = ines.browser.get(&format!("/console/requests/{id}"));
    assert!(!page.text.contains(CANARY), "who asked is forgotten");

    is_refused(&mut ines, &mut jo);
    is_in_the_audit(&mut ines, &id);
}

fn is_refused(ines: &mut Officer<'_>, jo: &mut Officer<'_>) {
    let other = jo.files("access", &Person::new("otto").email);
    let refuse = format!("/console/requests/{other}/refuse");
    assert_eq!(wrong(&ines.browser.send(&refuse, &[("reason", "zum fünften Mal")])), Some("ground"));
    let refused = ines.browser.send(&refuse, &[("ground", "excessive"), ("reason", "zum fünften Mal")]);
    assert!(refused.header("location").unwrap().ends_with("?done=refuse"), "{}", refused.headers);
    let again = ines.browser.send(&refuse, &[("ground", "excessive"), ("reason", "x")]);
    assert_eq!(wrong(&again), Some("state"), "it is over");
    assert!(ines.browser.get(&format!("/console/requests/{other}?wrong=state")).text.contains("role=\"alert\""));
}

fn is_in_the_audit(ines: &mut Officer<'_>, id: &str) {
    let audit = ines.browser.get(&format!("/console/audit.csv?request={id}"));
    for line in [
        "officer:jo,received",
        "officer:ines,shown",
        "officer:ines,approved",
        "officer:jo,identity_doubted",
        "officer:ines,certificate",
    ] {
        assert!(audit.text.contains(line), "{line}: {}", audit.text);
    }
    assert!(!audit.text.contains(CANARY));
}

#[test]
fn a_package_is_fetched_and_noted() {
    let gateway = gateway();
    let erika = Person::new("erika");
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let id = ines.files("access", &erika.email);
    assert_eq!(ines.browser.get(&format!("/console/requests/{id}/package")).status, 404, "not yet");
    assert_eq!(ines.browser.send(&format!("/console/requests/{id}/approve"), &[("sure", "yes")]).status, 303);
    let package = gateway.wait_for("the package", || {
        let answer = ines.browser.get(&format!("/console/requests/{id}/package?format=json"));
        (answer.status == 200).then_some(answer)
    });
    assert!(package.header("content-disposition").unwrap().starts_with("attachment"));
    assert!(ines.browser.get("/console/audit.csv?who=officer%3Aines").text.contains("officer:ines,package"));
}

#[test]
fn consent_is_proven_for_a_reason_and_without_an_address() {
    let gateway = gateway();
    let erika = Person::new("erika");
    let who = json!({"identifiers": {"email": erika.email}, "method": "banner"});
    erika.decides_as(&gateway, "wk_app", &who, &[("analytics", "granted"), ("personalization", "denied")]);
    let mut vera = Officer::invited_by_command(&gateway, "vera", "auditor");
    let look = |vera: &mut Officer<'_>, value: &str, reason: &str| {
        vera.browser.send("/console/proof", &[("type", "email"), ("value", value), ("reason", reason)])
    };
    assert_eq!(look(&mut vera, &erika.email, "").status, 422, "needs a reason");
    assert_eq!(look(&mut vera, "keine Adresse", "Beschwerde 17").status, 422);
    let found = gateway.wait_for("the ledger", || {
        let found = look(&mut vera, &erika.email.to_uppercase(), "Beschwerde 17");
        found.text.contains("badge good").then_some(found)
    });
    assert_eq!(found.status, 200);
    for part in ["rcp_", "Zugestimmt", "Abgelehnt"] {
        assert!(found.text.contains(part), "{part}: {}", found.text);
    }
    assert!(!found.text.contains(CANARY), "what was looked for is not shown again");
    let nobody = look(&mut vera, "niemand@example.de", "Beschwerde 18");
    assert!(nobody.text.contains("Keine Entscheidung"), "{}", nobody.text);
    let audit = vera.browser.get("/console/audit.csv?who=officer%3Avera");
    assert!(audit.text.contains("consent_proof,,Beschwerde 17") && audit.text.contains("Beschwerde 18"), "{}", audit.text);
    assert!(!audit.text.contains(CANARY));
    let rates = vera.browser.get("/console/consents");
    assert!(rates.text.contains("100 % von einer Entscheidung"), "{}", rates.text);
}

#[test]
fn where_the_policy_asks_for_two_it_takes_two_persons_and_a_key_is_none() {
    let policy = policy_where("controller.toml", "holidays = [", "four_eyes = [\"erasure\"]\nholidays = [");
    let gateway = Gateway::with_options(policy.path(), &BEHIND_A_PROXY);
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let mut kim = Officer::invited_by_command(&gateway, "kim", "dpo");
    let id = ines.files("erasure", &Person::new("erika").email);
    let operator = format!("Bearer {}", gateway.operator());
    let by_key = gateway.post(&format!("/v1/requests/{id}/approve"), &operator, b"{}");
    assert_eq!((by_key.status, by_key.field().as_str()), (409, "approvals"), "{}", by_key.text);
    let approve = format!("/console/requests/{id}/approve");
    // Who doubts who it is takes back what was approved before.
    assert_eq!(kim.browser.send(&approve, &[("sure", "yes")]).status, 303);
    assert_eq!(ines.browser.send(&format!("/console/requests/{id}/doubt"), &[]).status, 303);
    assert_eq!(ines.browser.send(&format!("/console/requests/{id}/identify"), &[]).status, 303);
    assert_eq!(ines.browser.send(&approve, &[("sure", "yes")]).status, 303);
    assert_eq!(wrong(&ines.browser.send(&approve, &[("sure", "yes")])), Some("same-person"));
    let page = kim.browser.get(&format!("/console/requests/{id}"));
    assert!(page.text.contains("Genehmigt von: ines"), "{}", page.text);
    let by_key = gateway.post(&format!("/v1/requests/{id}/approve"), &operator, b"{}");
    assert_eq!(by_key.status, 409, "also not as the second");
    assert_eq!(kim.browser.send(&approve, &[("sure", "yes")]).status, 303);
    let state = gateway.get(&format!("/v1/requests/{id}?identifiers=false"), &operator).json();
    assert_eq!(state["approvals"], json!(["officer:ines", "officer:kim"]), "{state}");
    assert!(matches!(state["state"].as_str(), Some("running" | "done")), "{state}");
    // Other kinds need one, and take a key.
    let other = ines.files("access", &Person::new("otto").email);
    let by_key = gateway.post(&format!("/v1/requests/{other}/approve"), &operator, b"{}");
    assert_eq!(by_key.status, 200, "{}", by_key.text);
}

#[test]
fn an_admin_looks_after_accounts_and_what_they_change_ends_sessions() {
    let mut gateway = gateway();
    let secret = {
        let mut anton = Officer::first(&gateway);
        let mut ines = anton.invites("ines", "support");
        assert_eq!(ines.browser.get("/console/officers").status, 403);
        assert_eq!(anton.browser.send("/console/officers/anton/remove", &[("sure", "yes")]).status, 422, "not oneself");
        assert_eq!(anton.browser.send("/console/officers/ines/role", &[("role", "dpo")]).status, 303);
        assert_eq!(ines.browser.get("/console/account").status, 303, "another role ends sessions");
        ines.signs_in_again();
        assert!(ines.browser.get("/console/account").text.contains("Datenschutz"));
        let csrf = ines.browser.csrf();
        let new = "Silvaner vom Keuper";
        let change = |present: &'static str, again: &'static str| [("present", present), ("password", new), ("again", again)];
        let send = |ines: &mut Officer<'_>, fields: [(&str, &str); 3]| {
            let fields: Vec<_> = fields.into_iter().chain([("csrf", csrf.as_str())]).collect();
            ines.browser.post("/console/account/password", &fields).status
        };
        assert_eq!(send(&mut ines, change("falsch und lang", new)), 422);
        assert_eq!(send(&mut ines, change(crate::harness::officers::PASSWORD, "anders und lang")), 422);
        assert_eq!(send(&mut ines, change(crate::harness::officers::PASSWORD, new)), 303);
        assert_eq!(ines.browser.get("/console/account").status, 303, "another password ends sessions");
        let mut kim = anton.invites("kim", "dpo");
        assert_eq!(kim.browser.get("/console/requests").status, 200);
        assert_eq!(anton.browser.send("/console/officers/kim/remove", &[("sure", "yes")]).status, 303);
        assert_eq!(kim.browser.get("/console/requests").status, 303, "removed");
        let code = kim.codes.pop().unwrap();
        assert_eq!(kim.signs_in(&code).status, 401);
        anton.browser.cookie()
    };
    gateway.restart();
    let kept = gateway.request("GET", "/console/officers", &[("Cookie", &secret)], b"");
    assert_eq!(kept.status, 200, "a session survives a restart");
    assert!(kept.text.contains("kim"), "a removed account stays listed");
}
