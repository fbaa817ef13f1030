//! Others send us what people ask of them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::company::Company;
use super::{act, bearer, show};
use crate::harness::people::{Person, policy_where};
use crate::harness::{Answer, CANARY, Gateway};

const PUBLIC: &str = "http://localhost:1";

struct Setting {
    company: Company,
    /// For the drop of the folders, after the gateway's.
    policy: tempfile::TempDir,
    keys: tempfile::TempDir,
}

impl Setting {
    /// A gateway with the certificate, and a controller whose callbacks are agreed.
    fn new() -> (Gateway, Self) {
        let company = Company::start();
        let agreed = format!("id = \"service\"\ncallback_origins = [\"{}\"]", company.url());
        let policy = policy_where("sources.toml", "id = \"service\"", &agreed);
        let keys = tempfile::tempdir().unwrap();
        std::fs::copy(company.file("leaf.key"), keys.path().join("opendsr.key")).unwrap();
        std::fs::set_permissions(keys.path().join("opendsr.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::copy(company.file("good.pem"), keys.path().join("opendsr.crt")).unwrap();
        let gateway = Gateway::with_options(policy.path(), &["--public-url", PUBLIC, "--keys", keys.path().to_str().unwrap()]);
        (gateway, Self { company, policy, keys })
    }

    /// A key of the controller's.
    fn key(&self, gateway: &Gateway, source: &str) -> String {
        let policies = self.policy.path().to_str().unwrap();
        let made = gateway.command(&["key", "create", "--source", source, "--scope", "requests:write", "--policies", policies]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("Bearer {}", String::from_utf8(made.stdout).unwrap().lines().next().unwrap())
    }

    fn body(&self, person: &Person) -> Value {
        json!({
            "regulation": "gdpr",
            "subject_request_id": uuid::Uuid::new_v4().to_string(),
            "subject_request_type": "erasure",
            "submitted_time": "2026-11-01T09:00:00Z",
            "subject_identities": [{"identity_type": "email", "identity_format": "raw", "identity_value": person.email}],
            "api_version": "2.0",
            "status_callback_urls": [format!("{}/callbacks/of-a-controller", self.company.url())],
            "extensions": {"other.example": {"id": 7}},
        })
    }

    /// Whether an answer is signed by the certificate that is served, as a program of others sees it.
    fn is_signed(&self, gateway: &Gateway, answer: &Answer) -> bool {
        use base64::Engine as _;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("pem"), gateway.get("/opendsr/certificate.pem", "").text).unwrap();
        std::fs::write(path("body"), &answer.text).unwrap();
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let signature = header("X-OpenDSR-Signature");
        assert_eq!(
            (header("X-OpenGDPR-Signature"), header("X-OpenDSR-Processor-Domain")),
            (signature.clone(), "localhost".to_owned())
        );
        std::fs::write(path("signature"), base64::engine::general_purpose::STANDARD.decode(signature).unwrap()).unwrap();
        let openssl = |args: &[&str]| Command::new("openssl").args(args).output().unwrap();
        let chain = openssl(&["verify", "-CAfile", self.company.file("ca.pem").to_str().unwrap(), &path("pem")]);
        std::fs::write(path("key"), openssl(&["x509", "-in", &path("pem"), "-noout", "-pubkey"]).stdout).unwrap();
        let fits = openssl(&["dgst", "-sha256", "-verify", &path("key"), "-signature", &path("signature"), &path("body")]);
        chain.status.success() && fits.status.success()
    }
}

fn post(gateway: &Gateway, key: &str, body: &Value) -> Answer {
    gateway.post("/opendsr/requests", key, body.to_string().as_bytes())
}

fn at(body: &Value) -> String {
    format!("/opendsr/requests/{}", body["subject_request_id"].as_str().unwrap())
}

/// The request of ours that another company's became.
fn ours(gateway: &Gateway, body: &Value) -> String {
    let all = gateway.get("/v1/requests", &bearer(gateway)).json();
    let mut ids = all["requests"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned());
    let found = ids.find(|id| show(gateway, id)["origin"]["subjectRequestId"] == body["subject_request_id"]);
    found.expect("the officer sees it")
}

/// The statuses that the controller was called back with.
fn heard(company: &Company, body: &Value) -> Vec<String> {
    let all = company.seen("callback").into_iter().filter(|c| c["said"]["subject_request_id"] == body["subject_request_id"]);
    all.inspect(|c| assert_eq!(c["holds"], true, "{c}"))
        .map(|c| c["said"]["request_status"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_request_of_another_company_is_decided_here_and_its_sender_hears_of_it() {
    let (mut gateway, with) = Setting::new();
    with.company.set(&json!({"processor": format!("http://{}", gateway.address())}));
    let discovery = gateway.get("/opendsr/discovery", "").json();
    assert_eq!(discovery["processor_certificate"], format!("{PUBLIC}/opendsr/certificate.pem"));
    assert_eq!(discovery["supported_subject_request_types"], json!(["erasure", "access", "portability"]));
    let known = |kind: &str| json!({"identity_type": kind, "identity_format": "raw"});
    assert_eq!(discovery["supported_identities"], json!([known("controller_customer_id"), known("email")]));

    let (key, erika) = (with.key(&gateway, "service"), Person::new("erika"));
    let body = with.body(&erika);
    let taken = post(&gateway, &key, &body);
    assert_eq!(taken.status, 201, "{}", taken.text);
    assert!(with.is_signed(&gateway, &taken), "{}", taken.headers);
    let said = taken.json();
    assert_eq!((&said["controller_id"], &said["subject_request_id"]), (&json!("service"), &body["subject_request_id"]));
    assert_eq!(said["expected_completion_time"], "2026-12-01T22:59:59.000Z", "a month after the person asked, in Berlin");
    let again = post(&gateway, &key, &body);
    assert_eq!((again.status, &again.text), (201, &taken.text), "the same request, the same answer");
    let mut other = body.clone();
    other["subject_request_type"] = json!("access");
    assert_eq!(post(&gateway, &key, &other).status, 400, "another request under the same ID");
    let status = gateway.get(&at(&body), &key);
    assert!(with.is_signed(&gateway, &status));
    assert_eq!(status.json()["request_status"], "pending");
    let foreign = with.key(&gateway, "till");
    assert_eq!(gateway.get(&at(&body), &foreign).status, 404, "a controller sees its own");
    assert_eq!(gateway.request("DELETE", &at(&body), &[("Authorization", &foreign)], b"").status, 404);

    let request = ours(&gateway, &body);
    let seen = show(&gateway, &request);
    assert_eq!((&seen["state"], &seen["receivedAt"]), (&json!("in_review"), &json!("2026-11-01T09:00:00.000Z")));
    assert_eq!(seen["identifiers"], json!([["email", erika.email.to_lowercase()]]));
    with.company.set(&json!({"callbacks_answer": 500}));
    act(&gateway, &request, "approve", &json!({}));
    gateway.wait_for("a callback that is not heard", || (!with.company.seen("refused_callback").is_empty()).then_some(()));
    gateway.crash();
    with.company.set(&json!({"callbacks_answer": 202, "processor": format!("http://{}", gateway.address())}));
    gateway.wait_for("the end to be heard", || heard(&with.company, &body).contains(&String::from("completed")).then_some(()));
    assert_eq!(gateway.get(&at(&body), &key).json()["request_status"], "completed");
    let cancelled = gateway.request("DELETE", &at(&body), &[("Authorization", &key)], b"");
    assert_eq!(cancelled.status, 400, "it is done");
    assert_eq!(post(&gateway, &key, &body).json(), said, "and still the same request");
    gateway.assert_nowhere(CANARY);
    assert!(with.keys.path().join("opendsr.key").exists());
}

#[test]
fn what_is_refused_or_taken_back_is_cancelled_for_the_sender() {
    let (gateway, with) = Setting::new();
    with.company.set(&json!({"processor": format!("http://{}", gateway.address())}));
    let key = with.key(&gateway, "service");
    let body = with.body(&Person::new("erika"));
    assert_eq!(gateway.post("/opendsr/opengdpr_requests", &key, body.to_string().as_bytes()).status, 201, "by its old name");
    let old = format!("/opendsr/v2/opengdpr_requests/{}", body["subject_request_id"].as_str().unwrap());
    let back = gateway.request("DELETE", &old, &[("Authorization", &key)], b"");
    assert_eq!(back.status, 202, "{}", back.text);
    assert!(with.is_signed(&gateway, &back));
    assert_eq!(gateway.request("DELETE", &at(&body), &[("Authorization", &key)], b"").status, 202, "twice is once");
    gateway.wait_for("the end to be heard", || (heard(&with.company, &body) == ["cancelled"]).then_some(()));
    let refused = with.body(&Person::new("otto"));
    assert_eq!(post(&gateway, &key, &refused).status, 201);
    act(
        &gateway,
        &ours(&gateway, &refused),
        "refuse",
        &json!({"ground": "excessive", "reason": "Zum zehnten Mal in diesem Monat."}),
    );
    gateway.wait_for("the end to be heard", || (heard(&with.company, &refused) == ["cancelled"]).then_some(()));
    let said = gateway.get(&at(&refused), &key).json();
    assert_eq!(said["request_status"], "cancelled");
    assert_eq!(said["extensions"]["localhost"], json!({"state": "refused", "ground": "excessive"}));
}

#[test]
fn what_is_wrong_with_a_request_is_said_in_the_specifications_form_and_nothing_is_kept() {
    let (gateway, with) = Setting::new();
    let (key, erika) = (with.key(&gateway, "service"), Person::new("erika"));
    let sound = with.body(&erika);
    let identity = |kind: &str, format: &str, value: &str| json!([{"identity_type": kind, "identity_format": format, "identity_value": value}]);
    let far = jiff::Timestamp::from_millisecond(i64::MAX / 4_000_000).unwrap().to_string();
    for (field, value, named) in [
        ("regulation", json!("lgpd"), "regulation"),
        ("regulation", json!(7), "regulation"),
        ("api_version", json!(2), "api_version"),
        ("subject_request_id", json!(null), "subject_request_id"),
        ("subject_request_id", json!("A7551968-D5D6-44B2-9831-815AC9017798"), "subject_request_id"),
        ("subject_request_id", json!("a7551968-d5d6-14b2-9831-815ac9017798"), "subject_request_id"),
        ("subject_request_id", json!("../../v1/requests"), "subject_request_id"),
        ("subject_request_type", json!("rectification"), "subject_request_type"),
        ("submitted_time", json!("yesterday"), "submitted_time"),
        ("submitted_time", json!("2026-11-01"), "submitted_time"),
        ("submitted_time", json!("2019-01-01T00:00:00Z"), "submitted_time"),
        ("submitted_time", json!("2999-01-01T00:00:00Z"), "submitted_time"),
        ("submitted_time", json!(far), "submitted_time"),
        ("subject_identities", json!(null), "subject_identities"),
        ("subject_identities", json!([]), "subject_identities"),
        ("subject_identities", json!({"email": erika.email}), "subject_identities"),
        ("subject_identities", json!([erika.email]), "subject_identities[0].identity_type"),
        ("subject_identities", identity("phone", "raw", "1"), "subject_identities[0].identity_type"),
        ("subject_identities", identity("ios_advertising_id", "raw", "1"), "subject_identities[0].identity_type"),
        ("subject_identities", identity("email", "sha256", &"0".repeat(64)), "subject_identities[0].identity_format"),
        ("subject_identities", identity("email", "rot13", "r"), "subject_identities[0].identity_format"),
        ("subject_identities", identity("email", "raw", CANARY), "subject_identities[0].identity_value"),
        ("status_callback_urls", json!("https://a.example"), "status_callback_urls"),
        ("status_callback_urls", json!(["https://a.example/callbacks"]), "status_callback_urls[0]"),
        ("status_callback_urls", json!(["http://169.254.169.254/latest"]), "status_callback_urls[0]"),
        ("status_callback_urls", json!([format!("http://x@localhost:{}/", with.company.port)]), "status_callback_urls[0]"),
        ("status_callback_urls", json!(["file:///etc/passwd"]), "status_callback_urls[0]"),
        ("status_callback_urls", json!(vec![with.company.url(); 6]), "status_callback_urls"),
    ] {
        let mut body = sound.clone();
        body[field] = value;
        let answer = post(&gateway, &key, &body);
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (400, &json!(400)), "{field}: {}", answer.text);
        assert!(error["message"].as_str().unwrap().starts_with(&format!("{named} ")), "{field}: {}", answer.text);
        assert_eq!(error["errors"][0]["domain"], "Validation");
    }
    for body in ["", "[]", "{", "nonsense"] {
        assert_eq!(gateway.post("/opendsr/requests", &key, body.as_bytes()).status, 400, "{body}");
    }
    for (id, status) in [("nothing", 404), ("a7551968-d5d6-44b2-9831-815ac9017798", 404)] {
        assert_eq!(gateway.get(&format!("/opendsr/requests/{id}"), &key).status, status);
        assert_eq!(gateway.request("DELETE", &format!("/opendsr/requests/{id}"), &[("Authorization", &key)], b"").status, status);
    }
    assert_eq!(gateway.post("/opendsr/requests", &key, &vec![b' '; 70_000]).status, 413);
    assert_eq!(gateway.get("/v1/requests", &bearer(&gateway)).json()["requests"], json!([]), "nothing was kept");
    // Callbacks are agreed with a source; whoever has no agreement gets none.
    assert_eq!(post(&gateway, &with.key(&gateway, "till"), &sound).status, 400);
    let mut alone = sound;
    alone["status_callback_urls"] = json!(null);
    alone["regulation"] = json!(null);
    assert_eq!(post(&gateway, &with.key(&gateway, "till"), &alone).status, 201);
}

#[test]
fn without_a_certificate_the_role_is_off_and_with_a_wrong_one_nothing_starts() {
    let gateway = Gateway::start();
    let off = gateway.get("/opendsr/discovery", "");
    assert_eq!(off.status, 404);
    assert!(off.json()["error"]["message"].as_str().unwrap().contains("docs/opendsr.md"), "{}", off.text);
    assert_eq!(gateway.get("/opendsr/certificate.pem", "").status, 404);
    assert_eq!(gateway.post("/opendsr/requests", &bearer(&gateway), b"{}").status, 404);
    let company = Company::start();
    for (key, certificate, why) in [
        (Some("leaf.key"), Some("other_host.pem"), "not issued for"),
        (Some("ca.key"), Some("good.pem"), "is not the certificate of"),
        (Some("leaf.key"), None, "is missing"),
        (None, Some("good.pem"), "is missing"),
        (Some("good.pem"), Some("good.pem"), "holds no RSA key"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let put = |from: Option<&str>, to: &str| {
            let Some(from) = from else { return };
            std::fs::copy(company.file(from), folder.path().join(to)).unwrap();
            std::fs::set_permissions(folder.path().join(to), std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        put(key, "opendsr.key");
        put(certificate, "opendsr.crt");
        let data = tempfile::tempdir().unwrap();
        let (keys, data) = (folder.path().to_str().unwrap(), data.path().to_str().unwrap());
        let policies = crate::harness::project().join("policies");
        let started = gateway.command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--keys",
            keys,
            "--data",
            data,
            "--policies",
            policies.to_str().unwrap(),
            "--public-url",
            PUBLIC,
        ]);
        let words = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(!started.status.success() && words.contains(why), "{why}: {words}");
    }
}
