//! We tell recipients, and believe what they have signed.

use std::path::Path;

use serde_json::{Value, json};

use super::company::Company;
use super::{act, done, erase, recipient, show};
use crate::harness::people::{Person, policy_where, send};
use crate::harness::{CANARY, Gateway};

const PUBLIC: [&str; 2] = ["--public-url", "http://localhost:1"];

/// The shipped policy with a partner who is there and is told in this way.
fn policy(company: &Company, erasure: &str) -> tempfile::TempDir {
    let url = format!("url = \"{}/events\"\nallow_private = true\ntimeout_ms = 700", company.url());
    let folder = policy_where("destinations.toml", "url = \"\"", &url);
    append(folder.path(), erasure);
    folder
}

fn append(folder: &Path, text: &str) {
    let path = folder.join("destinations.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{before}\n{text}\n")).unwrap();
}

fn opendsr(company: &Company) -> String {
    let ca = company.file("ca.pem");
    format!("[destination.erasure]\nkind = \"opendsr\"\nurl = \"{}\"\nca_file = \"{}\"", company.url(), ca.display())
}

/// Somebody of whom the company has one event; its customer ID.
fn known(gateway: &Gateway, company: &Company, person: &Person) -> String {
    let before = company.seen("event").len();
    person.decides(gateway, &[("ads_sharing", "granted")]);
    send(gateway, "wk_web", &[person.does("Order Completed")]);
    gateway.wait_for("the company to have it", || (company.seen("event").len() > before).then_some(()));
    gateway.drain();
    company.seen("event").last().unwrap()["customerId"].as_str().unwrap().to_owned()
}

/// The certificate as the command says it.
fn certificate(gateway: &Gateway, request: &str) -> String {
    let (file, jwks) = (gateway.path("certificate.jws"), gateway.path("jwks.json"));
    std::fs::write(&file, gateway.get(&format!("/v1/requests/{request}/certificate"), &super::bearer(gateway)).text).unwrap();
    std::fs::write(&jwks, gateway.get("/.well-known/jwks.json", "").text).unwrap();
    let said = gateway.command(&["certificate", "verify", "certificate.jws"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

fn ids(company: &Company) -> std::collections::BTreeSet<String> {
    company.seen("request").iter().map(|r| r["subject_request_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_recipient_is_asked_in_its_own_words_and_its_signature_counts() {
    let company = Company::start();
    company.set(&json!({"identities": [["controller_customer_id", "raw"], ["email", "sha256"]], "token": "t0ken"}));
    let token = company.file("token");
    std::fs::write(&token, "t0ken\n").unwrap();
    let table = format!("{}\ntoken_file = \"{}\"", opendsr(&company), token.display());
    let policy = policy(&company, &table);
    let gateway = Gateway::with_options(policy.path(), &PUBLIC);
    let erika = Person::new("erika");
    let customer = known(&gateway, &company, &erika);
    let request = erase(&gateway, &json!({"device": erika.device, "email": erika.email}));
    let order = gateway.wait_for("the order to be taken", || {
        Some(recipient(&gateway, &request, "partner", "pending")).filter(|r| r["order"]["status"] == "pending")
    });
    let sent = company.seen("request").remove(0);
    let id = sent["subject_request_id"].as_str().unwrap().to_owned();
    assert_eq!(order["order"]["id"], json!(id));
    let hash = ring::digest::digest(&ring::digest::SHA256, erika.email.to_lowercase().as_bytes());
    let expected = json!([
        {"identity_type": "controller_customer_id", "identity_format": "raw", "identity_value": customer},
        {"identity_type": "email", "identity_format": "sha256", "identity_value": hex::encode(hash.as_ref())},
    ]);
    assert_eq!(sent["subject_identities"], expected);
    assert_eq!((&sent["regulation"], &sent["subject_request_type"]), (&json!("gdpr"), &json!("erasure")));
    assert_eq!(sent["submitted_time"], show(&gateway, &request)["receivedAt"]);
    assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
    assert!(!sent.to_string().contains(CANARY), "{sent}");

    assert_eq!(company.calls_back(&gateway, &id, "in_progress", &json!({"prefix": "X-OpenGDPR"})), 202);
    assert_eq!(recipient(&gateway, &request, "partner", "pending")["order"]["status"], "in_progress");
    assert_eq!(company.calls_back(&gateway, &id, "completed", &json!({})), 202);
    recipient(&gateway, &request, "partner", "signed");
    done(&gateway, &request);
    assert_eq!(company.calls_back(&gateway, &id, "completed", &json!({})), 202, "who did not hear our answer may say it again");
    let said = certificate(&gateway, &request);
    assert!(said.contains("partner: 1 events") && said.contains("signed (completed)"), "{said}");
    assert!(!said.contains(&customer) && !said.contains(CANARY), "{said}");
    assert_eq!(ids(&company).len(), 1);
}

#[test]
fn callbacks_that_are_forged_foreign_replayed_or_go_back_change_nothing() {
    let company = Company::start();
    let policy = policy(&company, &opendsr(&company));
    let gateway = Gateway::with_options(policy.path(), &PUBLIC);
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let mut orders = Vec::new();
    company.set(&json!({"status": "in_progress"}));
    for person in [&erika, &otto] {
        known(&gateway, &company, person);
        let request = erase(&gateway, &json!({"device": person.device}));
        let order = gateway.wait_for("the order to be at work", || {
            Some(recipient(&gateway, &request, "partner", "pending")).filter(|r| r["order"]["status"] == "in_progress")
        });
        orders.push((request, order["order"]["id"].as_str().unwrap().to_owned()));
    }
    let (hers, his) = (&orders[0].1, &orders[1].1);
    let url_of = |id: &str| {
        let all = company.seen("request");
        let its = all.iter().find(|r| r["subject_request_id"] == id).unwrap();
        its["status_callback_urls"][0].as_str().unwrap().to_owned()
    };
    let callbacks = "http://localhost:1/opendsr/callbacks/";
    let token = url_of(hers).strip_prefix(callbacks).unwrap().to_owned();
    let guessed = format!("{callbacks}{}{}", &token[..32], "0".repeat(32));
    for (status, with, why) in [
        (400, json!({"changed": "in_progress"}), "changed after it was signed"),
        (400, json!({"signature": "AAAA"}), "no signature"),
        (400, json!({"signature": "%"}), "no base64"),
        (401, json!({"domain": "other.example"}), "another company"),
        (401, json!({"domain": ""}), "nobody"),
        (401, json!({"url": guessed}), "another token"),
        (401, json!({"url": format!("{callbacks}x")}), "no token"),
        (401, json!({"url": format!("{callbacks}{}", "f".repeat(64))}), "a token of nobody's"),
        (400, json!({"url": url_of(his)}), "hers, played to his"),
        (400, json!({"said": {"subject_request_id": his}}), "about another"),
        (400, json!({"said": {"status_callback_url": url_of(his)}}), "for another"),
        (400, json!({"said": {"request_status": "exploded"}}), "no status"),
        (400, json!({"body": "{\"request_status\": \"completed\""}), "not JSON"),
    ] {
        assert_eq!(company.calls_back(&gateway, hers, "completed", &with), status, "{why}");
    }
    assert_eq!(company.calls_back(&gateway, hers, "pending", &json!({})), 400, "it goes back");
    for (request, _) in &orders {
        assert_eq!(recipient(&gateway, request, "partner", "pending")["order"]["status"], "in_progress");
    }
    assert_eq!(company.calls_back(&gateway, hers, "cancelled", &json!({})), 202);
    let hers_failed = recipient(&gateway, &orders[0].0, "partner", "failed");
    assert_eq!(hers_failed["reason"], "not_done_there");
    assert_eq!(company.calls_back(&gateway, hers, "completed", &json!({})), 400, "what was cancelled is not completed");
    assert_eq!(company.calls_back(&gateway, his, "completed", &json!({})), 202);
    assert_eq!(company.calls_back(&gateway, his, "in_progress", &json!({})), 400, "what is completed is not at work");
    done(&gateway, &orders[1].0);
    act(&gateway, &orders[0].0, "confirm", &json!({"recipient": "partner"}));
    assert_eq!(done(&gateway, &orders[0].0)["recipients"][0]["state"], "confirmed_by_hand");
}

#[test]
fn what_goes_wrong_at_a_recipient_is_tried_again_as_the_same_request() {
    let company = Company::start();
    let policy = policy(&company, &opendsr(&company));
    let gateway = Gateway::with_policies(policy.path());
    let mut last = String::new();
    let faults = [
        ("500", "http_5xx"),
        ("hold", "timeout"),
        ("huge", "too_large"),
        ("wrong_domain", "certificate"),
        ("bad_signature", "signature"),
        ("no_json", "no_json"),
        ("foreign", "foreign_answer"),
    ];
    for (n, (fault, code)) in faults.iter().enumerate() {
        let person = Person::new(&format!("person{n}"));
        known(&gateway, &company, &person);
        company.set(&json!({"fault": fault}));
        let request = erase(&gateway, &json!({"device": person.device}));
        gateway.wait_for(code, || (recipient(&gateway, &request, "partner", "pending")["reason"] == *code).then_some(()));
        // What it has taken over a fault, it has: the same ID is refused as known, and its status says so.
        company.set(&json!({"fault": null, "status": "in_progress"}));
        gateway.wait_for("the order to be at work", || {
            (recipient(&gateway, &request, "partner", "pending")["order"]["status"] == "in_progress").then_some(())
        });
        assert_eq!(ids(&company).len(), n + 1, "one request however often it was sent");
        last = request;
    }
    let request = last;
    // It forgets how far it was; that is not believed.
    company.set(&json!({"status": "pending"}));
    let asked = company.seen("status").len();
    gateway.wait_for("it to be asked again", || (company.seen("status").len() > asked + 1).then_some(()));
    assert_eq!(recipient(&gateway, &request, "partner", "pending")["order"]["status"], "in_progress");
    company.set(&json!({"status": "completed"}));
    recipient(&gateway, &request, "partner", "signed");
    done(&gateway, &request);
    assert!(
        company.seen("request").iter().all(|r| r.get("status_callback_urls").is_none()),
        "nobody can call back: no public address"
    );
}

#[test]
fn nothing_is_sent_to_a_recipient_whose_certificate_does_not_hold() {
    let company = Company::start();
    let policy = policy(&company, &opendsr(&company));
    let gateway = Gateway::with_policies(policy.path());
    for (n, certificate) in ["expired", "other_host", "stranger"].iter().enumerate() {
        company.set(&json!({"certificate": certificate}));
        let person = Person::new(&format!("person{n}"));
        known(&gateway, &company, &person);
        let request = erase(&gateway, &json!({"device": person.device}));
        gateway.wait_for("the certificate to be refused", || {
            (recipient(&gateway, &request, "partner", "pending")["reason"] == "certificate").then_some(())
        });
    }
    company.set(&json!({"certificate": "good", "certificate_host": "127.0.0.1"}));
    let person = Person::new("person3");
    known(&gateway, &company, &person);
    let request = erase(&gateway, &json!({"device": person.device}));
    gateway.wait_for("the certificate to be refused", || {
        (recipient(&gateway, &request, "partner", "pending")["reason"] == "certificate").then_some(())
    });
    assert_eq!(company.seen("request"), Vec::<Value>::new(), "nobody learned a customer ID");
    company.set(&json!({"certificate_host": null, "types": ["access"]}));
    recipient(&gateway, &request, "partner", "failed");
    assert_eq!(show(&gateway, &request)["recipients"][0]["reason"], "erasure_not_offered");
    assert_eq!(company.seen("request"), Vec::<Value>::new());
}

#[test]
fn a_crash_between_sending_and_noting_makes_no_second_request() {
    let company = Company::start();
    let policy = policy(&company, &opendsr(&company));
    let mut gateway = Gateway::with_options(policy.path(), &PUBLIC);
    for n in 0..3 {
        let erika = Person::new(&format!("erika{n}"));
        known(&gateway, &company, &erika);
        company.set(&json!({"fault": "hold", "status": "pending"}));
        let sent = company.seen("request").len();
        let request = erase(&gateway, &json!({"device": erika.device}));
        gateway.wait_for("the request to be there", || (company.seen("request").len() > sent).then_some(()));
        gateway.crash();
        company.set(&json!({"fault": null}));
        gateway.wait_for("the order to be taken", || {
            (recipient(&gateway, &request, "partner", "pending")["order"]["status"] == "pending").then_some(())
        });
        company.set(&json!({"status": "completed"}));
        done(&gateway, &request);
        assert_eq!(ids(&company).len(), n + 1, "the same request again, not a second one");
    }
}

#[test]
fn a_recipient_like_segment_is_given_a_regulation_and_asked_until_it_is_finished() {
    let company = Company::start();
    company.set(&json!({"token": "s3gment"}));
    let token = company.file("token");
    let table =
        format!("[destination.erasure]\nkind = \"segment\"\nurl = \"{}\"\ntoken_file = \"{}\"", company.url(), token.display());
    let policy = policy(&company, &table);
    let gateway = Gateway::with_policies(policy.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let customer = known(&gateway, &company, &erika);
    let request = erase(&gateway, &json!({"device": erika.device}));
    let reason = |reason: &str| {
        gateway.wait_for(reason, || (recipient(&gateway, &request, "partner", "pending")["reason"] == reason).then_some(()));
    };
    reason("token_file");
    std::fs::write(&token, "wrong").unwrap();
    reason("http_401_403");
    std::fs::write(&token, "s3gment").unwrap();
    gateway.wait_for("it to run", || {
        (recipient(&gateway, &request, "partner", "pending")["order"]["status"] == "RUNNING").then_some(())
    });
    let regulation = json!({"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": [customer]});
    assert_eq!(company.seen("regulation").last(), Some(&regulation));
    company.set(&json!({"regulation": "FINISHED"}));
    recipient(&gateway, &request, "partner", "delivered");
    done(&gateway, &request);
    assert!(certificate(&gateway, &request).contains("delivered (FINISHED)"));

    company.set(&json!({"regulation": "FAILED"}));
    known(&gateway, &company, &otto);
    let request = erase(&gateway, &json!({"device": otto.device}));
    let failed = recipient(&gateway, &request, "partner", "failed");
    assert_eq!((&failed["reason"], &failed["order"]["status"]), (&json!("not_done_there"), &json!("FAILED")));
}

#[test]
fn one_that_fails_holds_up_no_other_and_one_that_offers_nothing_is_named() {
    let company = Company::start();
    let policy = policy(&company, &opendsr(&company));
    let path = policy.path().join("destinations.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let none = "truncated_ip = true\n[destination.erasure]\nkind = \"none\"";
    std::fs::write(&path, text.replace("truncated_ip = true", none)).unwrap();
    append(
        policy.path(),
        &format!(
            "[[destination]]\nid = \"second\"\nkind = \"webhook\"\nurl = \"{0}/events\"\nerasure_url = \"{0}/events\"\nallow_private = true\n\
             domain = \"second\"\npurposes = [\"ads_sharing\"]\nfields = []\n",
            company.url()
        ),
    );
    let routes = policy.path().join("routes.toml");
    let text = std::fs::read_to_string(&routes).unwrap();
    std::fs::write(&routes, format!("{text}\n[[route]]\nid = \"second\"\ndestination = \"second\"\n")).unwrap();
    let gateway = Gateway::with_policies(policy.path());
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("ads_sharing", "granted"), ("analytics", "granted")]);
    send(&gateway, "wk_web", &[erika.does("Order Completed")]);
    gateway.wait_for("both to have it", || (company.seen("event").len() == 2).then_some(()));
    gateway.drain();
    company.set(&json!({"fault": "500"}));
    let request = erase(&gateway, &json!({"device": erika.device}));
    recipient(&gateway, &request, "second", "delivered");
    recipient(&gateway, &request, "archive", "not_supported");
    assert_eq!(recipient(&gateway, &request, "partner", "pending")["events"], 1);
    act(&gateway, &request, "confirm", &json!({"recipient": "partner"}));
    done(&gateway, &request);
    let said = certificate(&gateway, &request);
    assert!(said.contains("archive: 1 events") && said.contains("not_supported"), "{said}");
}
