//! Somebody asks what is stored about them, and takes it elsewhere (GDPR Art. 15 and 20).

use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, send};
use crate::harness::{Answer, CANARY, Gateway};

const ALL: [(&str, &str); 3] = [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")];

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn approved(gateway: &Gateway, kind: &str, person: &Person) -> String {
    let body = json!({"kind": kind, "identifiers": {"device": person.device, "email": person.email}, "identified": true});
    let answer = gateway.post("/v1/requests", &bearer(gateway), body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(package(gateway, &id, "").status, 404, "nothing is handed out before somebody has decided");
    assert_eq!(gateway.post(&format!("/v1/requests/{id}/approve"), &bearer(gateway), b"{}").status, 200);
    gateway.wait_for("the package", || (package(gateway, &id, "").status == 200).then_some(()));
    id
}

fn package(gateway: &Gateway, id: &str, query: &str) -> Answer {
    gateway.get(&format!("/v1/requests/{id}/package{query}"), &bearer(gateway))
}

fn story(gateway: &Gateway, person: &Person) {
    person.decides(gateway, &ALL);
    person.decides_as(gateway, "wk_web", &json!({"identifiers": {"email": person.email}, "method": "portal"}), &ALL);
    let mut formula = person.does("=HYPERLINK(\"https://example.org\")");
    formula["properties"]["note"] = json!("<script>alert(1)</script>");
    send(gateway, "wk_web", &[person.does("Product Viewed"), person.does("Product Added"), formula]);
}

/// The table: one row per event, and no cell is a formula.
fn table(gateway: &Gateway, id: &str) -> String {
    let table = package(gateway, id, "?format=csv").text;
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(table.as_bytes()).records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().any(|row| row[4].starts_with("'=HYPERLINK")), "{table}");
    assert!(rows.iter().flatten().all(|cell| !cell.starts_with(['=', '@', '+', '-'])), "{table}");
    table
}

/// The page says the same in two languages, loads nothing and runs nothing.
fn page(gateway: &Gateway, id: &str, person: &Person) -> String {
    let page = package(gateway, id, "?format=html&language=de").text;
    assert!(page.contains("Ihre Daten") && page.contains(&person.email) && page.contains("Beschwerde"), "{page}");
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href=\"http"), "it loads and runs nothing");
    assert!(package(gateway, id, "?format=html&language=en").text.contains("Your data"));
    page
}

#[test]
fn one_package_says_everything_and_nothing_of_anybody_else() {
    let mut gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    story(&gateway, &erika);
    story(&gateway, &otto);
    assert_eq!(arrived(&gateway).len(), 6);
    let id = approved(&gateway, "access", &erika);

    let all: Value = package(&gateway, &id, "?format=json&language=de").json();
    let values: Vec<&str> = all["identifiers"].as_array().unwrap().iter().map(|i| i["value"].as_str().unwrap()).collect();
    assert!(values.contains(&erika.device.as_str()) && values.contains(&erika.email.as_str()), "{all}");
    assert_eq!(all["events"].as_array().unwrap().len(), 3, "{all}");
    assert!(
        all["events"].as_array().unwrap().iter().all(|e| e["origin"] == "web" && !e["purposes"].as_array().unwrap().is_empty())
    );
    assert_eq!(all["decisions"].as_array().unwrap().len(), 2);
    assert_eq!(all["decisions"][0]["purposes"]["analytics"], "granted");
    let recipients: Vec<(&str, u64)> = all["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["name"].as_str().unwrap(), r["events"].as_u64().unwrap()))
        .collect();
    assert_eq!(recipients, [("archive", 3), ("profile", 3)]);
    assert!(
        all["purposes"].as_array().unwrap().len() >= 6
            && all["rights"].as_array().unwrap().len() == 7
            && all["controller"]["name"].is_string()
    );

    let seen = gateway.get(&format!("/v1/requests/{id}"), &bearer(&gateway)).json();
    assert_eq!(seen["package"], json!({"events": 3, "written": 3}), "{seen}");
    let (table, page) = (table(&gateway, &id), page(&gateway, &id, &erika));
    for text in [all.to_string(), table, page] {
        assert!(!text.contains(&otto.email) && !text.contains(&otto.device), "somebody else's data");
    }
    for (query, field) in [("?format=pdf", "format"), ("?language=fr", "language")] {
        let answer = package(&gateway, &id, query);
        assert_eq!((answer.status, answer.field().as_str()), (422, field));
    }
    assert_eq!(gateway.get(&format!("/v1/requests/{id}/package"), "").status, 401);
    gateway.restart();
    assert_eq!(package(&gateway, &id, "").json()["events"], all["events"], "it is made from what is stored");
    gateway.assert_nowhere(CANARY);
}

#[test]
fn who_is_not_known_gets_an_empty_package_and_who_takes_data_along_gets_what_they_caused() {
    let gateway = Gateway::start();
    let (erika, nobody) = (Person::new("erika"), Person::new("nobody"));
    story(&gateway, &erika);
    arrived(&gateway);
    let id = approved(&gateway, "access", &nobody);
    let empty = package(&gateway, &id, "").json();
    assert!(["identifiers", "events", "decisions"].iter().all(|part| empty[part].as_array().unwrap().is_empty()), "{empty}");
    let id = approved(&gateway, "portability", &erika);
    let taken = package(&gateway, &id, "").json();
    assert_eq!(taken["events"].as_array().unwrap().len(), 3, "{taken}");
    assert!(taken.get("recipients").is_none() && taken.get("purposes").is_none(), "{taken}");
}
