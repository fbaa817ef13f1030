//! P4: two recipients cannot match their customer IDs, nor anything else that the gateway put in; the gateway can.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, send};

/// A policy with a second file destination in another domain.
fn two_recipients() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&crate::harness::project().join("policies"), folder.path());
    let destinations = folder.path().join("destinations.toml");
    let text = std::fs::read_to_string(&destinations).unwrap();
    let start = text.find("[[destination]]\nid = \"archive\"").expect("the shipped archive begins so");
    let end = text[start + 5..].find("[[destination]]").map_or(text.len(), |i| start + 5 + i);
    let second =
        text[start..end].replace("id = \"archive\"", "id = \"second\"").replace("domain = \"archive\"", "domain = \"second\"");
    std::fs::write(&destinations, format!("{text}\n{second}")).unwrap();
    let routes = folder.path().join("routes.toml");
    let text = std::fs::read_to_string(&routes).unwrap();
    std::fs::write(&routes, format!("{text}\n[[route]]\nid = \"all-to-second\"\ndestination = \"second\"\n")).unwrap();
    folder
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { drop(std::fs::copy(&path, &target).unwrap()) }
    }
}

/// Every string in a value, with its path.
fn strings(value: &Value, path: &str, into: &mut BTreeSet<(String, String)>) {
    match value {
        Value::String(text) => drop(into.insert((path.to_owned(), text.clone()))),
        Value::Array(items) => items.iter().for_each(|v| strings(v, path, into)),
        Value::Object(fields) => fields.iter().for_each(|(k, v)| strings(v, &format!("{path}/{k}"), into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn two_recipients_share_no_value_that_names_a_person() {
    let policies = two_recipients();
    let gateway = Gateway::with_policies(policies.path());
    let people: Vec<Person> = (0..20).map(|i| Person::new(&format!("p{i}"))).collect();
    for person in &people {
        person.decides(&gateway, &[("analytics", "granted")]);
        let mut event = person.does("Product Viewed");
        event["traits"] = json!({"email": person.email, "phone": person.phone});
        send(&gateway, "wk_web", &[event]);
    }
    arrived(&gateway);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for file in std::fs::read_dir(gateway.path("out")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let lines: Vec<Value> =
            std::fs::read_to_string(&path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        if name.starts_with("second") { second.extend(lines) } else { first.extend(lines) }
    }
    assert_eq!((first.len(), second.len()), (20, 20));
    let ids = |events: &[Value]| events.iter().map(|e| e["customerId"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&first).len(), 20, "each person has one ID per domain");
    assert_eq!(ids(&second).len(), 20);
    assert!(ids(&first).is_disjoint(&ids(&second)), "customer IDs of two domains join");
    let (mut a, mut b) = (BTreeSet::new(), BTreeSet::new());
    first.iter().for_each(|e| strings(&e["identifiers"], "", &mut a));
    second.iter().for_each(|e| strings(&e["identifiers"], "", &mut b));
    let shared: Vec<_> = a.intersection(&b).filter(|(path, _)| path.ends_with("value")).collect();
    assert!(shared.is_empty(), "hashed addresses of two domains join: {shared:?}");
}

#[test]
fn a_customer_keeps_the_id_over_restarts_and_only_the_right_domain_is_answered() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted"), ("personalization", "granted")]);
    send(&gateway, "wk_web", &[erika.does("Product Viewed")]);
    arrived(&gateway);
    gateway.restart();
    send(&gateway, "wk_web", &[erika.does("Product Viewed")]);
    arrived(&gateway);
    let ids: BTreeSet<String> = gateway.archive().iter().map(|e| e["customerId"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    let operator = format!("Bearer {}", gateway.operator());
    let archive_id = gateway.archive()[0]["customerId"].as_str().unwrap().to_owned();
    let wrong = gateway.get(&format!("/v1/profiles/{archive_id}?purpose=personalization"), &operator);
    assert_eq!(wrong.status, 404, "an ID of another domain must mean nothing here: {}", wrong.text);
    let unknown = gateway.get("/v1/profiles/cus_00000000000000000000000000000000?purpose=personalization", &operator);
    assert_eq!((unknown.status, unknown.text), (wrong.status, wrong.text));
    let who = json!({"identifiers": {"device": erika.device}, "purpose": "personalization"});
    let found = gateway.post("/v1/profiles/lookup", &operator, who.to_string().as_bytes());
    assert_eq!(found.status, 200, "{}", found.text);
    let right =
        gateway.get(&format!("/v1/profiles/{}?purpose=personalization", found.json()["customerId"].as_str().unwrap()), &operator);
    assert_eq!(right.json()["events"].as_array().unwrap().len(), 2);
}
