//! Policies of earlier days: which was in force when, what changed between two, and the words under which somebody decided.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::officers::{BEHIND_A_PROXY, Officer};
use crate::harness::people::{Person, basic, policy_where};
use crate::harness::{Answer, Gateway};

const OLD: &str = "Dürfen wir Ihre Daten verwenden?";
const NEW: &str = "Dürfen wir Ihre Daten auswerten?";
const EVIL: &str = "\\\"><script>alert(1)</script><svg onload=alert(1)>{{7*7}}";

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

/// A file of the policy with something in another way.
fn edit(policy: &Path, file: &str, from: &str, to: &str) {
    let path = policy.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

fn reload(gateway: &Gateway) -> Answer {
    gateway.post("/v1/policy/reload", &bearer(gateway), b"")
}

fn versions(gateway: &Gateway) -> Vec<Value> {
    let answer = gateway.get("/v1/policy/versions", &bearer(gateway));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["versions"].as_array().unwrap().clone()
}

fn is_its_hash(text: &str, hash: &str) {
    assert_eq!(hex::encode(Sha256::digest(text.as_bytes())), hash);
}

/// The notice in other words, and under another number.
fn another_notice(policy: &Path, title: &str) {
    edit(policy, "notices/web-banner.de.toml", OLD, title);
    for language in ["de", "en"] {
        edit(policy, &format!("notices/web-banner.{language}.toml"), "version = 1", "version = 2");
    }
}

#[test]
fn the_words_that_somebody_was_shown_are_proven_whatever_is_in_force_now() {
    let policy = policy_where("controller.toml", "holidays = [", "holidays = [");
    let mut gateway = Gateway::with_options(policy.path(), &BEHIND_A_PROXY);
    let erika = Person::new("erika");
    let who = json!({"identifiers": {"email": erika.email}, "method": "banner"});
    let receipt = erika.decides_as(&gateway, "wk_app", &who, &[("analytics", "granted")]).json()["receipt"].clone();
    let first = versions(&gateway);
    assert_eq!((first.len(), first[0]["number"].as_u64(), first[0].get("until")), (1, Some(1), None));

    another_notice(policy.path(), NEW);
    assert_eq!(reload(&gateway).status, 200);
    assert_eq!(reload(&gateway).status, 200, "what is in force already begins no new period");
    gateway.crash();
    let both = versions(&gateway);
    assert_eq!((both.len(), &both[1]["version"], &both[1]["until"]), (2, &first[0]["version"], &both[0]["since"]));
    assert_eq!(gateway.get("/v1/policy/versions?before=2", &bearer(&gateway)).json()["versions"], json!([both[1]]));
    let listed = String::from_utf8(gateway.command(&["policy", "versions"]).stdout).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    for period in &both {
        let version = period["version"].as_str().unwrap();
        is_its_hash(&gateway.get(&format!("/v1/policy/texts/{version}"), &bearer(&gateway)).text, version);
        assert!(listed.contains(version), "{listed}");
    }

    let mut vera = Officer::invited_by_command(&gateway, "vera", "auditor");
    let fields = [("type", "email"), ("value", erika.email.as_str()), ("reason", "Beschwerde 17")];
    let proof = vera.browser.send("/console/proof", &fields);
    assert!(proof.text.contains(OLD) && !proof.text.contains(NEW), "{}", proof.text);
    assert!(proof.text.contains("Heute gilt ein anderer Wortlaut: Fassung 2"), "{}", proof.text);
    let (old, new) = (both[1]["version"].as_str().unwrap(), both[0]["version"].as_str().unwrap());
    let comparison = format!("/console/policy/comparison?old={old}&new={new}");
    assert!(proof.text.replace("&amp;", "&").contains(&comparison), "{}", proof.text);
    is_on_the_receipt(&gateway, receipt.as_str().unwrap());
    is_compared(&mut vera, &comparison, old);
}

fn is_on_the_receipt(gateway: &Gateway, receipt: &str) {
    let page = gateway.wait_for("the receipt", || {
        let path = format!("/v1/consents/{receipt}/receipt?format=html&language=de");
        let page = gateway.get(&path, &basic("wk_app"));
        (page.status == 200).then_some(page)
    });
    assert!(page.text.contains(OLD) && !page.text.contains(NEW), "{}", page.text);
    let hash =
        page.text.split("<code>").find_map(|rest| rest.get(..64).filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit())));
    let shown = gateway.get(&format!("/v1/policy/texts/{}", hash.unwrap()), &bearer(gateway));
    is_its_hash(&shown.text, hash.unwrap());
    assert_eq!(shown.json()["title"], OLD, "the hash on the receipt leads to the words");
}

fn is_compared(vera: &mut Officer<'_>, comparison: &str, old: &str) {
    let page = vera.browser.get(comparison);
    assert_eq!(page.status, 200, "{}", page.text);
    for part in ["Niemand wird erneut gefragt.", "verwenden?</del>", "auswerten?</ins>", "Fassung 1 → 2", "was gezeigt wird"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("May we use your data"), "what is the same is not shown");
    let then = vera.browser.get(&format!("/console/policy?version={old}"));
    assert!(then.text.contains(OLD) && then.text.contains("Galt von "), "{}", then.text);
    assert!(vera.browser.get("/console/policy").text.contains(NEW));
    let list = vera.browser.get("/console/policy/versions");
    assert!(list.text.contains(old) && list.text.contains("heute"), "{}", list.text);
    let kept = vera.browser.get(&format!("/console/policy/texts/{old}"));
    is_its_hash(&kept.text, old);
    assert!(kept.header("content-disposition").unwrap().contains(old));
    let none = "0".repeat(64);
    for path in [
        format!("/console/policy?version={none}"),
        format!("/console/policy/comparison?old={none}&new={old}"),
        String::from("/console/policy/comparison?old=x&new=y"),
        String::from("/console/policy/comparison"),
        format!("/console/policy/texts/{none}"),
        String::from("/console/policy/texts/..%2F..%2Fx"),
    ] {
        assert_eq!(vera.browser.get(&path).status, 404, "{path}");
    }
}

#[test]
fn who_is_asked_again_is_told_and_a_policy_that_does_not_load_is_in_no_list() {
    let policy = policy_where("controller.toml", "holidays = [", "holidays = [");
    let gateway = Gateway::with_options(policy.path(), &BEHIND_A_PROXY);
    edit(policy.path(), "purposes.toml", "retention_days = 90", "retention_days = 900");
    assert_eq!(reload(&gateway).status, 200);
    edit(policy.path(), "purposes.toml", "retention_days = 900", "retention_days = \"lang\"");
    assert_eq!(reload(&gateway).status, 422);
    edit(policy.path(), "purposes.toml", "retention_days = \"lang\"", "retention_days = 90");
    assert_eq!(reload(&gateway).status, 200);
    let all = versions(&gateway);
    assert_eq!((all.len(), &all[0]["version"]), (3, &all[2]["version"]), "one that comes back has a period of its own");
    let mut anton = Officer::first(&gateway);
    let (old, new) = (all[2]["version"].as_str().unwrap(), all[1]["version"].as_str().unwrap());
    let wider = anton.browser.get(&format!("/console/policy/comparison?old={old}&new={new}"));
    assert!(wider.text.contains("Menschen werden erneut gefragt.") && wider.text.contains("Daten bleiben 900 statt 90 Tage"));
    let narrower = anton.browser.get(&format!("/console/policy/comparison?old={new}&new={old}"));
    assert!(narrower.text.contains("Niemand wird erneut gefragt."), "{}", narrower.text);
    let same = anton.browser.get(&format!("/console/policy/comparison?old={old}&new={old}"));
    assert!(same.text.contains("Es hat sich nichts geändert."), "{}", same.text);
    for wrong in ["x", "-1", "99999999999"] {
        let answer = gateway.get(&format!("/v1/policy/versions?before={wrong}"), &bearer(&gateway));
        assert_eq!((answer.status, answer.field().as_str()), (422, "before"), "{wrong}");
    }
}

#[test]
fn the_words_of_a_notice_are_text_wherever_they_are_shown() {
    let policy = policy_where("notices/web-banner.de.toml", OLD, EVIL);
    let gateway = Gateway::with_options(policy.path(), &BEHIND_A_PROXY);
    let erika = Person::new("erika");
    let who = json!({"identifiers": {"email": erika.email}, "method": "banner"});
    let receipt = erika.decides_as(&gateway, "wk_app", &who, &[("analytics", "granted")]).json()["receipt"].clone();
    edit(policy.path(), "notices/web-banner.de.toml", "alert(1)</script>", "alert(2)</script>");
    edit(policy.path(), "purposes.toml", "de = \"Statistik\"", "de = \"<img src=x onerror=alert(3)>\"");
    assert_eq!(reload(&gateway).status, 200);
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let all = versions(&gateway);
    let (old, new) = (all[1]["version"].as_str().unwrap(), all[0]["version"].as_str().unwrap());
    let fields = [("type", "email"), ("value", erika.email.as_str()), ("reason", "Beschwerde 17")];
    let page = gateway.wait_for("the receipt", || {
        let page = gateway.get(&format!("/v1/consents/{}/receipt?format=html", receipt.as_str().unwrap()), &basic("wk_app"));
        (page.status == 200).then_some(page)
    });
    let pages = [
        page,
        ines.browser.send("/console/proof", &fields),
        ines.browser.get("/console/policy"),
        ines.browser.get(&format!("/console/policy?version={old}")),
        ines.browser.get(&format!("/console/policy/comparison?old={old}&new={new}")),
    ];
    for page in pages {
        assert_eq!(page.status, 200, "{}", page.text);
        let at = ["<script>", "<svg onload", "<img "].iter().find_map(|tag| page.text.find(tag));
        assert!(at.is_none(), "{}", page.text.get(at.unwrap_or(0)..).unwrap_or_default());
        assert!(page.text.contains("alert("), "it is shown as text: {}", page.text);
    }
    let text = ines.browser.get(&format!("/console/policy/texts/{old}"));
    assert_eq!((text.header("content-type"), text.header("x-content-type-options")), (Some("application/json"), Some("nosniff")));
    assert!(text.header("content-disposition").unwrap().starts_with("attachment"));
}
