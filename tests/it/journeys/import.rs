//! Consents of another tool are taken over: by the command and by the API, with evidence, wrong lines among good ones, and broken off.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::people::{Person, basic};
use crate::harness::{Answer, CANARY, Gateway, project};
use crate::portal::Browser;

/// A file in the gateway's folder that is taken away before anybody looks for plain identifiers.
struct Export(PathBuf);

impl Export {
    fn new(gateway: &Gateway, name: &str, text: &str) -> Self {
        let path = gateway.path(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn import(gateway: &Gateway, file: &Export, mapping: &str, more: &[&str]) -> (bool, String) {
    let mapping = project().join("docs/import").join(mapping);
    let mut args = vec!["consents", "import", file.0.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()];
    args.extend(more);
    let done = gateway.command(&args);
    (done.status.success(), format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

fn api(gateway: &Gateway, body: &Value) -> Answer {
    gateway.post("/v1/consents/import", &format!("Bearer {}", gateway.operator()), body.to_string().as_bytes())
}

fn state(gateway: &Gateway, person: &Person) -> String {
    let path = format!("/v1/consents?email={}", person.email.replace('@', "%40"));
    let answer = gateway.get(&path, &format!("Bearer {}", gateway.operator()));
    answer.json()["decisions"]["marketing_email"]["state"].as_str().unwrap().to_owned()
}

fn subjects(gateway: &Gateway) -> String {
    let metrics = gateway.get("/metrics", "").text;
    metrics.lines().find(|line| line.starts_with("pforte_subjects ")).unwrap().to_owned()
}

#[test]
fn a_list_is_taken_over_with_its_evidence_and_wrong_lines_are_named() {
    let gateway = Gateway::start();
    let [erika, otto, paula] = ["erika", "otto", "paula"].map(Person::new);
    let lines = [
        "\u{feff}id;email;consent;date;form;text".to_owned(),
        format!("1;{};ja;01.09.2026 10:30;Messe Mainz;\"Ja, ich möchte;\nden Newsletter.\"", erika.email),
        format!("2;{};nein;;;", otto.email),
        format!("3;{};{CANARY};01.09.2026 10:30;Messe;Ja", paula.email),
        format!("4;kein {CANARY};ja;01.09.2026 10:30;Messe;Ja"),
        format!("5;{};ja;;Messe;Ja", paula.email),
        format!("6;{};ja;01.09.2026 10:30;;", paula.email),
        format!("7;{};ja;01.09.2096 10:30;Messe;Ja", paula.email),
        format!("8;{};ja;01.09.2016 10:30;Messe;Ja", paula.email),
        format!("9;{};ja;gestern;Messe;Ja", paula.email),
        format!("10;{};ja", paula.email),
        format!("11;{};offen;;;", paula.email),
    ];
    let file = Export::new(&gateway, "list.csv", &lines.join("\n"));
    let before = subjects(&gateway);
    let (good, said) = import(&gateway, &file, "generic.toml", &["--check"]);
    assert!(!good && said.contains("2 would be recorded") && subjects(&gateway) == before, "{said}");
    let (good, said) = import(&gateway, &file, "generic.toml", &[]);
    assert!(!good, "some lines are wrong");
    for line in [
        "line 5, column consent: has a value that the mapping neither grants, denies nor ignores",
        "line 6, column email:",
        "line 7, column date: a grant without its time proves nothing",
        "line 8, column evidence: a grant needs evidence",
        "line 9, column date: lies in the future",
        "line 10, column date: it is older than the 730 days that a grant holds",
        "line 11, column date: is no time as `%d.%m.%Y %H:%M` says",
        "line 12: has more or fewer columns than the first line",
        "11 lines: 2 recorded, 0 say nothing new, 0 of people who asked not to be brought back, 8 wrong",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    assert!(!said.contains(CANARY), "values are not repeated:\n{said}");
    assert_eq!([&erika, &otto, &paula].map(|one| state(&gateway, one)), ["granted", "denied", "unset"]);
    // Once more: what is in is recognised, also after a crash.
    let (_, said) = import(&gateway, &file, "generic.toml", &[]);
    assert!(said.contains(": 0 recorded, 2 say nothing new"), "{said}");
    drop(file);

    // The person gets to see what was claimed.
    let operator = format!("Bearer {}", gateway.operator());
    let filed = gateway.post(
        "/v1/requests",
        &operator,
        json!({"kind": "access", "identifiers": {"email": erika.email}, "identified": true}).to_string().as_bytes(),
    );
    let id = filed.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.post(&format!("/v1/requests/{id}/approve"), &operator, b"{}").status, 200);
    let package = gateway.wait_for("the package", || {
        let package = gateway.get(&format!("/v1/requests/{id}/package?format=json"), &operator);
        (package.status == 200).then(|| package.json())
    });
    let decision = &package["decisions"][0];
    assert_eq!(decision["method"], "import");
    assert_eq!(decision["evidence"]["obtainedAt"], "2026-09-01T08:30:00.000Z");
    assert_eq!(decision["evidence"]["where"], "Messe Mainz");
    let page = gateway.get(&format!("/v1/requests/{id}/package?format=html&language=de"), &operator).text;
    assert!(page.contains("Messe Mainz") && page.contains("own list"), "{page}");
}

#[test]
fn the_receipt_of_what_was_taken_over_holds_offline_and_names_its_evidence() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let evidence = json!({"obtainedAt": "2026-09-01T10:30:00+02:00", "tool": "newsletter tool", "where": "Messe Mainz",
        "text": "Ja, ich möchte\nden Newsletter.", "proof": "Formular 17"});
    let record = json!({"key": "4711", "identifiers": {"email": erika.email}, "decisions": {"marketing_email": "granted"},
        "evidence": evidence});
    let answer = api(&gateway, &json!({"source": "import", "records": [record]}));
    assert_eq!((answer.status, &answer.json()["recorded"]), (200, &json!(1)), "{}", answer.text);

    // The person finds the receipt where all of theirs are.
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let history = browser.page("/portal/history").text;
    let path = history.split("href=\"").find(|rest| rest.starts_with("/portal/receipts/")).unwrap();
    let path = path.split(['"', '?']).next().unwrap();
    let signed = gateway
        .wait_for("the receipt", || Some(browser.get(&format!("{path}?format=jws"))).filter(|answer| answer.status == 200));
    std::fs::write(gateway.path("jwks.json"), gateway.get("/.well-known/jwks.json", "").text).unwrap();
    let verify = |text: &str| {
        std::fs::write(gateway.path("receipt.jws"), text).unwrap();
        let done = gateway.command(&["receipt", "verify", "receipt.jws"]);
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (holds, said) = verify(&signed.text);
    assert!(holds && said.contains("by import at import"), "{said}");
    let line = said.lines().find_map(|line| line.strip_prefix("evidence  ")).unwrap_or_else(|| panic!("{said}"));
    let mut expected = evidence;
    (expected["key"], expected["obtainedAt"]) = (json!("4711"), json!("2026-09-01T08:30:00.000Z"));
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), expected);
    // It is in what is signed, and in what the ledger's entry commits to.
    let claims = claims(&signed.text);
    assert_eq!(claims["statement"]["evidence"], expected);
    let mut receipt: pforte::consent::Receipt = serde_json::from_value(claims).unwrap();
    assert!(receipt.check(None).is_ok());
    receipt.statement.evidence.as_mut().unwrap().proof = Some(String::from("Formular 18"));
    assert!(receipt.check(None).is_err(), "other evidence is not what was recorded");
    let page = browser.get(path).text;
    assert!(page.contains("Messe Mainz") && page.contains("Formular 17"), "{page}");
}

fn claims(signed: &str) -> Value {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn a_run_that_broke_off_is_begun_again() {
    let mut gateway = Gateway::start();
    let people: Vec<Person> = (0..700).map(|i| Person::new(&format!("p{i}"))).collect();
    let lines = people.iter().enumerate().map(|(i, person)| {
        json!({"mpid": i.to_string(), "user_identities": {"email": person.email},
            "consent_state": {"gdpr": {"analytics": {"consented": false}}}})
        .to_string()
    });
    let file = Export::new(&gateway, "users.ndjson", &lines.collect::<Vec<_>>().join("\n"));
    let mapping = project().join("docs/import/mparticle.toml");
    let mut running = gateway.begin(&["consents", "import", file.0.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()]);
    gateway.wait_for("the first records", || (subjects(&gateway) != "pforte_subjects 0").then_some(()));
    gateway.crash();
    drop(running.wait());
    let (good, said) = import(&gateway, &file, "mparticle.toml", &[]);
    let was = said.lines().find(|line| line.starts_with("700 lines")).unwrap_or_else(|| panic!("{said}"));
    let number = |at: usize| was.split([':', ',']).nth(at).unwrap().split_whitespace().next().unwrap().parse::<u32>().unwrap();
    assert!(good && number(1) + number(2) == 700 && number(2) > 0, "{was}");
    assert_eq!(subjects(&gateway), "pforte_subjects 700");
}

#[test]
fn bad_requests_record_nothing_and_bad_records_harm_no_neighbour() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let good = json!({"key": "1", "identifiers": {"email": erika.email}, "decisions": {"marketing_email": "granted"},
        "evidence": {"obtainedAt": "2026-09-01T10:30:00+02:00", "where": "form"}});
    let with = |path: &str, value: Value| {
        let mut record = good.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        record.pointer_mut(parent).unwrap()[name] = value;
        record
    };
    let megabyte = "x".repeat(200_000);
    let bad = [
        (json!(7), "records"),
        (with("/key", json!("")), "key"),
        (with("/key", json!("k".repeat(501))), "key"),
        (with("/at", json!("2026-01-01T00:00:00Z")), "at"),
        (with("/identifiers", json!({})), "identifiers"),
        (with("/identifiers", json!({"shoe_size": "43"})), "identifiers"),
        (with("/identifiers/email", json!(CANARY)), "identifiers.email"),
        (with("/identifiers/email", json!(["a"])), "identifiers.email"),
        (with("/decisions", json!({})), "decisions"),
        (with("/decisions", json!({"world_domination": "granted"})), "decisions.world_domination"),
        (with("/decisions", json!({"necessary": "granted"})), "decisions.necessary"),
        (with("/decisions/marketing_email", json!(true)), "decisions.marketing_email"),
        (with("/evidence", json!("form")), "evidence"),
        (with("/evidence", Value::Null), "evidence.obtainedAt"),
        (with("/evidence", json!({"obtainedAt": "2026-09-01T10:30:00Z"})), "evidence"),
        (with("/evidence/obtainedAt", json!("2026-09-01 10:30")), "evidence.obtainedAt"),
        (with("/evidence/obtainedAt", json!("2096-09-01T10:30:00Z")), "evidence.obtainedAt"),
        (with("/evidence/obtainedAt", json!("2006-09-01T10:30:00Z")), "evidence.obtainedAt"),
        (with("/evidence/mood", json!("good")), "evidence.mood"),
        (with("/evidence/text", json!(megabyte)), "evidence.text"),
        (with("/evidence/where", json!("a\u{0}b")), "evidence.where"),
    ];
    let mut records: Vec<Value> = bad.iter().map(|(record, _)| record.clone()).collect();
    records.insert(3, good.clone());
    let answer = api(&gateway, &json!({"source": "import", "records": records}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["recorded"], 1);
    let fields: Vec<&str> = answer["rejected"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(fields, bad.iter().map(|(_, field)| *field).collect::<Vec<_>>());
    assert!(answer["rejected"].as_array().unwrap().iter().all(|one| one["index"] != 3));
    assert!(!answer.to_string().contains(CANARY));

    let whole = |body: Value| {
        let answer = api(&gateway, &body);
        (answer.status, answer.field())
    };
    for (body, status, field) in [
        (json!({"records": [good]}), 422, "source"),
        (json!({"source": "import"}), 422, "records"),
        (json!({"source": "import", "records": []}), 422, "records"),
        (json!({"source": "import", "records": vec![json!({}); 501]}), 422, "records"),
        (json!({"source": "import", "records": {}}), 422, "records"),
        (json!({"source": "nowhere", "records": [good]}), 422, "source"),
        (json!({"source": "web", "records": [good]}), 403, "source"),
        (json!({"source": "import", "check": "yes", "records": [good]}), 422, "check"),
        (json!({"source": "import", "policy": "x", "records": [good]}), 422, "policy"),
    ] {
        assert_eq!(whole(body.clone()), (status, field.to_owned()), "{field}");
    }
    let too_large = json!({"source": "import", "records": [with("/evidence/text", json!("x".repeat(2_000_000)))]});
    assert_eq!(api(&gateway, &too_large).status, 413);
    assert_eq!(gateway.post("/v1/consents/import", &basic("wk_import"), b"{}").status, 401, "not with a public key");
}
