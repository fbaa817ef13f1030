//! A data-protection officer at work: who sees to what, by when, who has looked, and who must agree.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::people::Person;
use crate::harness::{Answer, CANARY, Gateway, project};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

/// A key that may decide, of somebody else.
fn key(gateway: &Gateway, scope: &str) -> String {
    let policies = project().join("policies");
    let made =
        gateway.command(&["key", "create", "--source", "service", "--scope", scope, "--policies", policies.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("Bearer {}", String::from_utf8(made.stdout).unwrap().lines().next().unwrap())
}

fn file(gateway: &Gateway, kind: &str, person: &Person, identified: bool) -> String {
    let body = json!({"kind": kind, "identifiers": {"email": person.email}, "identified": identified});
    let answer = gateway.post("/v1/requests", &bearer(gateway), body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn act(gateway: &Gateway, who: &str, request: &str, step: &str, body: &Value) -> Answer {
    gateway.post(&format!("/v1/requests/{request}/{step}"), who, body.to_string().as_bytes())
}

fn list(gateway: &Gateway, query: &str) -> Value {
    let answer = gateway.get(&format!("/v1/requests{query}"), &bearer(gateway));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains(CANARY) && !answer.text.contains("cus_"), "a list names nobody: {}", answer.text);
    answer.json()
}

fn ids(list: &Value) -> Vec<&str> {
    list["requests"].as_array().unwrap().iter().map(|request| request["id"].as_str().unwrap()).collect()
}

fn audit(gateway: &Gateway, query: &str) -> Vec<Value> {
    let answer = gateway.get(&format!("/v1/audit{query}"), &bearer(gateway));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains(CANARY), "the audit names nobody: {}", answer.text);
    answer.json()["entries"].as_array().unwrap().clone()
}

fn codes(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["what"].as_str().unwrap()).collect()
}

#[test]
fn the_list_is_filtered_and_paged_and_is_the_register() {
    let gateway = Gateway::start();
    let people: Vec<Person> = (0..7).map(|n| Person::new(&format!("person{n}"))).collect();
    let kinds = ["erasure", "access", "restriction", "erasure", "objection", "portability", "access"];
    let requests: Vec<String> =
        people.iter().zip(kinds).enumerate().map(|(n, (person, kind))| file(&gateway, kind, person, n != 6)).collect();
    let assigned = act(&gateway, &bearer(&gateway), &requests[1], "assign", &json!({"to": "ines.k"}));
    assert_eq!(assigned.json()["assigned"], "ines.k", "{}", assigned.text);

    let pages = || {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = list(&gateway, &format!("?limit=3{next}"));
            assert!(page["requests"].as_array().unwrap().len() <= 3);
            all.extend(ids(&page).iter().map(|id| (*id).to_owned()));
            let Some(place) = page["next"].as_str() else { return all };
            next = format!("&after={place}");
        }
    };
    let all = pages();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>()), (7, requests.iter().collect()), "each once");
    assert_eq!(ids(&list(&gateway, "?kind=erasure")).len(), 2);
    assert_eq!(ids(&list(&gateway, "?state=identity_unclear")), [requests[6].as_str()]);
    assert_eq!(ids(&list(&gateway, "?assigned=ines.k")), [requests[1].as_str()]);
    assert_eq!(ids(&list(&gateway, "?assigned=")).len(), 6);
    assert_eq!(ids(&list(&gateway, "?late=true")).len(), 0);
    assert_eq!(ids(&list(&gateway, "?late=false&kind=access")).len(), 2);
    assert_eq!(ids(&list(&gateway, "?due_before=2000-01-01")).len(), 0);
    assert_eq!(ids(&list(&gateway, "?due_before=2999-01-01")).len(), 6, "where it is unclear who asks, nothing is due");
    refuses_what_it_cannot_read(&gateway);
    is_a_register(&gateway, &requests[1]);
    for to in ["Erika Muster", "erika@example.de", "x".repeat(41).as_str()] {
        assert_eq!(act(&gateway, &bearer(&gateway), &requests[1], "assign", &json!({"to": to})).field(), "to");
    }
    act(&gateway, &bearer(&gateway), &requests[1], "assign", &json!({"to": ""}));
    assert_eq!(ids(&list(&gateway, "?assigned=")).len(), 7);
}

fn refuses_what_it_cannot_read(gateway: &Gateway) {
    for (query, field) in [
        ("?state=open", "state"),
        ("?kind=all", "kind"),
        ("?late=maybe", "late"),
        ("?due_before=24.12.2026", "due_before"),
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?after=x", "after"),
        ("?format=pdf", "format"),
    ] {
        let answer = gateway.get(&format!("/v1/requests{query}"), &bearer(gateway));
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{query}");
    }
}

fn is_a_register(gateway: &Gateway, assigned: &str) {
    let table = gateway.get("/v1/requests?format=csv", &bearer(gateway));
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(table.text.as_bytes()).records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 7);
    assert!(rows.iter().any(|row| &row[0] == assigned && &row[7] == "ines.k" && row[4].starts_with("20")), "{rows:?}");
    assert!(!table.text.contains(CANARY));
    let said = gateway.command(&["requests", "list", "--kind", "access", "--csv"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout).lines().count(), 3, "{said:?}");
    let said = gateway.command(&["requests", "list", "--assigned", "ines.k"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("with ines.k"), "{said:?}");
}

#[test]
fn whoever_acts_or_looks_is_noted_and_nothing_is_shown_to_others() {
    let mut gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let (hers, his) = (file(&gateway, "access", &erika, true), file(&gateway, "erasure", &otto, true));
    let officer = key(&gateway, "rights");
    let name = officer.trim_start_matches("Bearer sk_").split('_').next().unwrap().to_owned();

    let shown = gateway.get(&format!("/v1/requests/{hers}?reason=Anruf%20der%20Kundin"), &officer);
    assert!(shown.text.contains(&erika.email));
    let quiet = gateway.get(&format!("/v1/requests/{hers}?identifiers=false"), &officer);
    assert!(!quiet.text.contains(&erika.email) && quiet.status == 200);
    let search = |body: &Value| gateway.post("/v1/requests/search", &officer, body.to_string().as_bytes());
    let found = search(&json!({"identifiers": {"email": erika.email.to_uppercase()}, "reason": "Rückfrage"})).json();
    assert_eq!(ids(&found), [hers.as_str()], "found by the address as it is, however it is written");
    assert_eq!(ids(&search(&json!({"identifiers": {"email": "n.n@example.de"}, "reason": "Rückfrage"})).json()).len(), 0);
    for (body, field) in [
        (json!({"identifiers": {"email": erika.email}}), "reason"),
        (json!({"identifiers": {"email": erika.email}, "reason": " "}), "reason"),
        (json!({"identifiers": {}, "reason": "x"}), "identifiers"),
        (json!({"identifiers": {"email": "kein"}, "reason": "x"}), "identifiers.email"),
        (json!({"reason": "x"}), "identifiers"),
    ] {
        let answer = search(&body);
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{body}");
    }
    assert_eq!(act(&gateway, &officer, &hers, "note", &json!({})).field(), "reason");
    act(&gateway, &officer, &hers, "note", &json!({"reason": "=1+1"}));
    act(&gateway, &officer, &hers, "approve", &json!({}));
    gateway
        .wait_for("the package", || (gateway.get(&format!("/v1/requests/{hers}/package"), &officer).status == 200).then_some(()));

    let check = |gateway: &Gateway| {
        let about = audit(gateway, &format!("?request={hers}"));
        let done: Vec<&str> = codes(&about).into_iter().rev().filter(|what| *what != "package").collect();
        assert_eq!(done, ["received", "shown", "note", "approved"], "{about:?}");
        assert!(codes(&about).contains(&"package"));
        let shown = about.iter().find(|entry| entry["what"] == "shown").unwrap();
        assert_eq!((&shown["who"], &shown["why"]), (&json!(name), &json!("Anruf der Kundin")));
        assert_eq!(codes(&audit(gateway, &format!("?request={his}"))), ["received"]);
        let searches = audit(gateway, &format!("?who={name}"));
        assert_eq!(codes(&searches).iter().filter(|what| **what == "searched").count(), 2, "{searches:?}");
    };
    check(&gateway);
    gateway.crash();
    check(&gateway);
    numbered_without_gaps(&gateway);
    let table = gateway.get("/v1/audit?format=csv", &bearer(&gateway)).text;
    assert!(table.contains(",'=1+1") && !table.contains(",=1+1"), "no cell is a formula: {table}");
    let said = gateway.command(&["audit", "--request", &hers, "--csv"]);
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("number,at,who,what"), "{said:?}");
    for (query, field) in [("?request=x", "request"), ("?before=x", "before"), ("?limit=x", "limit"), ("?format=x", "format")] {
        let answer = gateway.get(&format!("/v1/audit{query}"), &bearer(&gateway));
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{query}");
    }
}

fn numbered_without_gaps(gateway: &Gateway) {
    let (mut numbers, mut next) = (Vec::new(), String::new());
    loop {
        let page = gateway.get(&format!("/v1/audit?limit=4{next}"), &bearer(gateway)).json();
        numbers.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["number"].as_u64().unwrap()));
        let Some(before) = page["next"].as_u64() else { break };
        next = format!("&before={before}");
    }
    assert_eq!(numbers, (1..=numbers.len() as u64).rev().collect::<Vec<_>>());
}

#[test]
fn a_request_takes_words_only_until_it_is_full_and_can_be_decided_then() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let request = file(&gateway, "erasure", &erika, true);
    let long = "ü\n".repeat(1_000);
    let full = (0..40).find(|_| act(&gateway, &bearer(&gateway), &request, "note", &json!({"reason": long})).status == 422);
    assert!(full.is_some_and(|n| n > 3), "{full:?}");
    assert_eq!(act(&gateway, &bearer(&gateway), &request, "doubt", &json!({"reason": long})).field(), "reason");
    let extended = act(&gateway, &bearer(&gateway), &request, "extend", &json!({"reason": long}));
    assert_eq!(extended.status, 200, "{}", extended.text);
    let refused = act(&gateway, &bearer(&gateway), &request, "refuse", &json!({"ground": "excessive", "reason": long}));
    assert_eq!(refused.status, 200, "{}", refused.text);
}
