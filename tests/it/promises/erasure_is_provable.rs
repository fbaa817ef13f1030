//! P6: after an erasure nothing readable is left, in no file and in no copy, and a certificate says what became of it elsewhere.

use std::path::Path;

use pforte::clock::Chance;
use pforte::store::{Options, Store};
use pforte::vault::Vault;
use serde_json::{Value, json};

use crate::harness::hook::{Call, Hook};
use crate::harness::people::{Person, arrived, id, send};
use crate::harness::{Answer, CANARY, Gateway, project};

const ALL: [(&str, &str); 3] = [("analytics", "granted"), ("personalization", "granted"), ("identity_linking", "granted")];

pub(super) fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

pub(super) fn asked(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.post(path, &bearer(gateway), body.to_string().as_bytes())
}

/// Files an erasure for somebody whose identity is clear.
fn file(gateway: &Gateway, identifiers: &Value) -> String {
    let answer = asked(gateway, "/v1/requests", &json!({"kind": "erasure", "identifiers": identifiers, "identified": true}));
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub(super) fn act(gateway: &Gateway, request: &str, step: &str, body: &Value) -> Value {
    let answer = asked(gateway, &format!("/v1/requests/{request}/{step}"), body);
    assert_eq!(answer.status, 200, "{step}: {}", answer.text);
    answer.json()
}

pub(super) fn show(gateway: &Gateway, request: &str) -> Value {
    gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json()
}

pub(super) fn has(request: &Value, what: &str) -> bool {
    request["acts"].as_array().unwrap().iter().any(|act| act["what"] == what)
}

/// Erases, lets the archive's keeper confirm, and gives the finished request.
fn erase(gateway: &Gateway, identifiers: &Value) -> (String, Value) {
    let request = file(gateway, identifiers);
    act(gateway, &request, "approve", &json!({}));
    gateway.wait_for("the keys to be shredded", || has(&show(gateway, &request), "erased").then_some(()));
    let open: Vec<Value> = show(gateway, &request)["recipients"].as_array().unwrap().clone();
    for recipient in open.iter().filter(|recipient| recipient["state"] == "open") {
        assert!(recipient["customers"][0].as_str().unwrap().starts_with("cus_"), "whoever confirms must know whom to look for");
        act(gateway, &request, "confirm", &json!({"recipient": recipient["id"]}));
    }
    gateway.wait_for("the request to be done", || (show(gateway, &request)["state"] == "done").then_some(()));
    let done = show(gateway, &request);
    (request, done)
}

/// Under which customer ID the profile store knows somebody, if it does.
fn lookup(gateway: &Gateway, email: &str) -> Option<String> {
    let who = json!({"identifiers": {"email": email}, "purpose": "personalization"});
    asked(gateway, "/v1/profiles/lookup", &who).json()["customerId"].as_str().map(str::to_owned)
}

fn profile(gateway: &Gateway, customer: &str) -> Answer {
    gateway.get(&format!("/v1/profiles/{customer}?purpose=personalization"), &bearer(gateway))
}

fn joins(person: &Person) -> Value {
    json!({"type": "identify", "anonymousId": person.device, "userId": person.user_id, "messageId": uuid::Uuid::new_v4().to_string(),
        "traits": {"email": person.email, "name": person.name}})
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
}

/// Figures that count people and what is stored of them.
fn counted(gateway: &Gateway) -> Vec<String> {
    let metrics = gateway.get("/metrics", "").text;
    let of_people = |l: &&str| ["pforte_subjects", "pforte_identifiers", "pforte_links"].iter().any(|name| l.starts_with(name));
    metrics.lines().filter(of_people).map(str::to_owned).collect()
}

/// The certificate holds without the gateway, says nothing personal, and cannot be changed. The gateway is stopped after this.
fn certificate_holds(gateway: &mut Gateway, request: &str, folder: &Path) {
    let certificate = gateway.get(&format!("/v1/requests/{request}/certificate"), &bearer(gateway)).text;
    let (file, jwks) = (folder.join("certificate.jws"), folder.join("jwks.json"));
    std::fs::write(&file, &certificate).unwrap();
    std::fs::write(&jwks, gateway.get("/.well-known/jwks.json", "").text).unwrap();
    gateway.stop();
    let verify =
        |file: &Path| gateway.command(&["certificate", "verify", file.to_str().unwrap(), "--jwks", jwks.to_str().unwrap()]);
    let said = verify(&file);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("archive") && said.contains("confirmed_by_hand") && said.contains(request), "{said}");
    assert!(!said.contains(CANARY) && !said.contains("cus_"), "{said}");
    let mut forged = certificate.into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&file, forged).unwrap();
    assert!(!verify(&file).status.success());
}

/// A copy from before does not open with the keys of today, and nothing in clear is anywhere.
fn copy_stays_shut(gateway: &Gateway, folder: &Path) {
    let store = Store::open(&folder.join("data"), &Options::default()).unwrap();
    let error = Vault::open(&gateway.path("keys"), &store, &Chance::system()).err().expect("a copy from before opens");
    assert!(error.to_string().contains("older than"), "{error}");
    store.close().unwrap();
    drop(store);
    gateway.assert_nowhere(CANARY);
}

/// What the profile store had said before.
struct Known {
    customer: String,
    neighbour: String,
    profile: Value,
}

/// The company itself restores a whole backup from before, roots and all: she does not come back, and he is there.
fn a_backup_brings_nobody_back(gateway: &mut Gateway, folder: &Path, person: &Person, known: &Known) {
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    copy(&folder.join("data"), &gateway.path("data"));
    copy(&folder.join("roots"), &gateway.path("keys/roots"));
    gateway.restart();
    assert_eq!(lookup(gateway, &person.email), None);
    assert_eq!(profile(gateway, &known.customer).status, 404);
    assert_eq!(profile(gateway, &known.neighbour).json(), known.profile);
    let back = person.does("Product Viewed");
    send(gateway, "wk_web", std::slice::from_ref(&back));
    assert!(!arrived(gateway).contains(&id(&back)), "her decisions are gone as well");
    person.decides(gateway, &ALL);
    send(gateway, "wk_web", &[person.does("Product Viewed")]);
    gateway.assert_nowhere(CANARY);
}

#[test]
fn after_an_erasure_nothing_of_a_person_is_left_and_a_neighbour_is_unharmed() {
    let mut gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&otto, &erika] {
        person.decides(&gateway, &ALL);
        person.decides_as(&gateway, "wk_web", &json!({"userId": person.user_id, "method": "portal"}), &ALL);
        person.decides_as(&gateway, "wk_web", &json!({"identifiers": {"email": person.email}, "method": "portal"}), &ALL);
        send(&gateway, "wk_web", &[joins(person), person.does("Product Viewed"), person.does("Product Added")]);
    }
    assert_eq!(arrived(&gateway).len(), 6);
    let customer = |person: &Person| lookup(&gateway, &person.email).expect("the profile store knows them before");
    let (hers, his) = (customer(&erika), customer(&otto));
    assert_eq!(profile(&gateway, &hers).status, 200);
    let neighbour = profile(&gateway, &his).json();
    assert_eq!(neighbour["events"].as_array().map(Vec::len), Some(1));

    // A thief copies everything but the root of the key tree, before.
    gateway.stop();
    let thief = tempfile::tempdir().unwrap();
    copy(&gateway.path("data"), &thief.path().join("data"));
    copy(&gateway.path("keys/roots"), &thief.path().join("roots"));
    gateway.restart();

    let (request, done) = erase(&gateway, &json!({"user_id": erika.user_id, "email": erika.email}));
    assert!(done["identifiers"].as_array().unwrap().is_empty(), "a request that is over names nobody: {done}");
    let names: Vec<&str> = done["recipients"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["archive", "profile"]);
    assert!(done["recipients"].as_array().unwrap().iter().all(|r| r["events"] == 3), "{done}");
    assert_eq!(
        (done["concerned"].as_u64(), done["sharedLeft"].as_u64()),
        (Some(3), Some(0)),
        "her account, her address, her device"
    );
    let device = erika.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&device));
    assert!(!arrived(&gateway).contains(&id(&device)), "nobody has decided for this device since");

    for restart in [false, true] {
        if restart {
            gateway.restart();
        }
        assert_eq!(lookup(&gateway, &erika.email), None);
        assert_eq!(profile(&gateway, &hers).status, 404);
        assert_eq!(lookup(&gateway, &otto.email).as_ref(), Some(&his));
        assert_eq!(profile(&gateway, &his).json(), neighbour, "a neighbour's profile");
        let otto_does = otto.does("Order Completed");
        send(&gateway, "wk_web", std::slice::from_ref(&otto_does));
        assert!(arrived(&gateway).contains(&id(&otto_does)), "a neighbour's events");
    }
    // Whoever comes back is a new person.
    let before = counted(&gateway);
    erika.decides(&gateway, &ALL);
    assert_ne!(counted(&gateway), before, "the device was forgotten, so it is new");

    certificate_holds(&mut gateway, &request, thief.path());
    copy_stays_shut(&gateway, thief.path());

    let known = Known { customer: hers, neighbour: his, profile: neighbour };
    a_backup_brings_nobody_back(&mut gateway, thief.path(), &erika, &known);
}

#[test]
fn what_others_use_as_well_is_left_alone_and_counted() {
    let gateway = Gateway::start();
    let (erika, mut otto) = (Person::new("erika"), Person::new("otto"));
    otto.device.clone_from(&erika.device);
    for person in [&erika, &otto] {
        person.decides(&gateway, &ALL);
        person.decides_as(&gateway, "wk_web", &json!({"userId": person.user_id, "method": "portal"}), &ALL);
        send(&gateway, "wk_web", &[joins(person)]);
    }
    arrived(&gateway);
    let (_, done) = erase(&gateway, &json!({"user_id": erika.user_id}));
    assert_eq!((done["sharedLeft"].as_u64(), done["concerned"].as_u64().unwrap() >= 1), (Some(1), true), "{done}");
    let still = otto.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&still));
    assert!(arrived(&gateway).contains(&id(&still)), "the shared tablet's other user has not asked for anything");
}

#[test]
fn erasures_survive_kills_and_none_is_lost_or_done_by_halves() {
    let mut gateway = Gateway::start();
    let people: Vec<Person> = (0..12).map(|n| Person::new(&format!("person{n}"))).collect();
    let stays = Person::new("bleibt");
    for person in people.iter().chain([&stays]) {
        person.decides(&gateway, &ALL);
        send(&gateway, "wk_web", &[person.does("Product Viewed")]);
    }
    assert_eq!(arrived(&gateway).len(), people.len() + 1);
    let requests: Vec<String> = people.iter().map(|person| file(&gateway, &json!({"device": person.device}))).collect();
    for (n, request) in requests.iter().enumerate() {
        act(&gateway, request, "approve", &json!({}));
        // At another moment each time: before, while and after the keys are shredded.
        (0..n).for_each(|_| drop(show(&gateway, request)));
        gateway.crash();
    }
    for (person, request) in people.iter().zip(&requests) {
        gateway.wait_for("the keys to be shredded", || has(&show(&gateway, request), "erased").then_some(()));
        let seen = show(&gateway, request);
        assert_eq!(seen["concerned"], 1, "{seen}");
        let archive: Vec<&Value> = seen["recipients"].as_array().unwrap().iter().filter(|r| r["id"] == "archive").collect();
        assert_eq!(archive.first().map(|r| r["events"].as_u64()), Some(Some(1)), "{seen}");
        act(&gateway, request, "confirm", &json!({"recipient": "archive"}));
        gateway.wait_for("the request to be done", || (show(&gateway, request)["state"] == "done").then_some(()));
        let again = person.does("Product Viewed");
        send(&gateway, "wk_web", std::slice::from_ref(&again));
        assert!(!arrived(&gateway).contains(&id(&again)));
    }
    let still = stays.does("Product Viewed");
    send(&gateway, "wk_web", std::slice::from_ref(&still));
    assert!(arrived(&gateway).contains(&id(&still)), "who did not ask is as before");
    gateway.stop();
    assert!(gateway.command(&["store", "verify"]).status.success());
}

#[test]
fn what_contradicts_a_requests_state_or_names_nothing_changes_nothing() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let unknown = file(&gateway, &json!({"email": erika.email}));
    let wrong = |path: &str, body: &Value, status: u16, field: &str| {
        let answer = asked(&gateway, path, body);
        assert_eq!((answer.status, answer.field().as_str()), (status, field), "{path} {body}: {}", answer.text);
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    };
    wrong("/v1/requests", &json!({}), 422, "kind");
    wrong("/v1/requests", &json!({"kind": "erasure"}), 422, "identifiers");
    wrong("/v1/requests", &json!({"kind": "everything", "identifiers": {"email": erika.email}}), 422, "kind");
    wrong("/v1/requests", &json!({"kind": "erasure", "identifiers": {}}), 422, "identifiers");
    wrong("/v1/requests", &json!({"kind": "erasure", "identifiers": {"email": CANARY}}), 422, "identifiers.email");
    wrong("/v1/requests", &json!({"kind": "erasure", "identifiers": {CANARY: erika.email}}), 422, "identifiers");
    wrong(
        "/v1/requests",
        &json!({"kind": "erasure", "identifiers": {"email": erika.email}, "identified": "yes"}),
        422,
        "identified",
    );
    wrong("/v1/requests", &json!({"kind": "erasure", "identifiers": {"email": erika.email}, "more": 1}), 422, "body");
    let at = |step: &str| format!("/v1/requests/{unknown}/{step}");
    wrong(&at("refuse"), &json!({"reason": "weil"}), 422, "ground");
    wrong(&at("refuse"), &json!({"ground": "excessive"}), 422, "reason");
    wrong(&at("refuse"), &json!({"ground": "no_time", "reason": "weil"}), 422, "ground");
    wrong(&at("extend"), &json!({}), 422, "reason");
    wrong(&at("identify"), &json!({}), 409, "state");
    wrong(&at("confirm"), &json!({"recipient": "archive"}), 409, "state");
    wrong(&at("burn"), &json!({}), 404, "");
    wrong("/v1/requests/req_00000000000000000000000000000000/approve", &json!({}), 404, "");
    wrong("/v1/requests/anything/approve", &json!({}), 404, "");
    assert_eq!(gateway.get(&at("certificate"), &bearer(&gateway)).status, 404, "there is none yet");
    assert_eq!(gateway.post(&at("approve"), "", b"{}").status, 401);
    act(&gateway, &unknown, "extend", &json!({"reason": "Die Anfrage betrifft viele Systeme."}));
    wrong(&at("extend"), &json!({"reason": "noch einmal"}), 409, "state");
    act(&gateway, &unknown, "doubt", &json!({}));
    assert!(show(&gateway, &unknown).get("due").is_none(), "the deadline rests");
    wrong(&at("approve"), &json!({}), 409, "state");
    act(&gateway, &unknown, "identify", &json!({}));
    act(&gateway, &unknown, "approve", &json!({}));
    gateway.wait_for("the request to be done", || (show(&gateway, &unknown)["state"] == "done").then_some(()));
    for step in ["approve", "cancel", "identify", "doubt"] {
        wrong(&at(step), &json!({}), 409, "state");
    }
    assert_eq!(show(&gateway, &unknown)["concerned"], 0, "nothing was known of her, and that is certified, too");
}

/// The shipped policy with a partner who is there, and who wants to be told of erasures.
pub(super) fn policy_with(hook: &Hook) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&project().join("policies"), folder.path());
    let path = folder.path().join("destinations.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let address = hook.address;
    let url = format!("url = \"http://{address}/events\"\nerasure_url = \"http://{address}/erase\"\nallow_private = true");
    let changed = text.replace("url = \"\"", &url);
    assert_ne!(text, changed);
    std::fs::write(&path, changed).unwrap();
    folder
}

#[test]
fn a_recipient_is_told_by_a_signed_message_over_failures_and_kills() {
    let hook = Hook::start(200);
    let policy = policy_with(&hook);
    let mut gateway = Gateway::with_policies(policy.path());
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("ads_sharing", "granted")]);
    let mut order = erika.does("Order Completed");
    order["properties"] = json!({"total": 42.5, "currency": "EUR"});
    send(&gateway, "wk_web", &[order]);
    gateway.wait_for("the partner to have it", || (hook.calls("/events").len() == 1).then_some(()));
    gateway.drain();
    let customer = serde_json::from_slice::<Value>(&hook.calls("/events")[0].body).unwrap()["customerId"].clone();

    hook.answers(500);
    let request = file(&gateway, &json!({"device": erika.device}));
    act(&gateway, &request, "approve", &json!({}));
    gateway.wait_for("the first try", || (!hook.calls("/erase").is_empty()).then_some(()));
    gateway.crash();
    assert_eq!(show(&gateway, &request)["state"], "running", "a recipient that does not answer is waited for");
    gateway.wait_for("a try after the crash", || (hook.calls("/erase").len() >= 2).then_some(()));
    hook.answers(204);
    gateway.wait_for("the request to be done", || (show(&gateway, &request)["state"] == "done").then_some(()));
    let told = hook.calls("/erase");
    assert_eq!(told.iter().filter(|call| call.status == 204).count(), 1, "who has heard it is not told again");
    let ids: std::collections::BTreeSet<&String> = told.iter().map(|call| &call.headers["webhook-id"]).collect();
    assert_eq!(ids.len(), 1, "the same message however often it is sent");
    let secret = gateway.get("/v1/webhooks/partner/secret", &bearer(&gateway)).json()["secret"].as_str().unwrap().to_owned();
    for call in &told {
        let said: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((&said["type"], &said["data"]["customerId"]), (&json!("customer.erase"), &customer));
        assert!(!String::from_utf8_lossy(&call.body).contains(&erika.device));
        assert!(is_signed(call, &secret), "{call:?}");
    }
    let done = show(&gateway, &request);
    assert_eq!(
        (&done["recipients"][0]["id"], &done["recipients"][0]["state"]),
        (&json!("partner"), &json!("delivered")),
        "{done}"
    );

    // One that will never hear it is left to a person, who is told why.
    hook.answers(200);
    let otto = Person::new("otto");
    otto.decides(&gateway, &[("ads_sharing", "granted")]);
    send(&gateway, "wk_web", &[otto.does("Order Completed")]);
    gateway.wait_for("the partner to have it", || (hook.calls("/events").len() == 2).then_some(()));
    gateway.drain();
    hook.answers(410);
    let request = file(&gateway, &json!({"device": otto.device}));
    act(&gateway, &request, "approve", &json!({}));
    gateway.wait_for("a person to be asked", || (show(&gateway, &request)["recipients"][0]["state"] == "failed").then_some(()));
    assert_eq!(show(&gateway, &request)["recipients"][0]["reason"], "http_404_410");
    act(&gateway, &request, "confirm", &json!({"recipient": "partner"}));
    gateway.wait_for("the request to be done", || (show(&gateway, &request)["state"] == "done").then_some(()));
}

/// Checks a signature as a recipient would (Standard Webhooks 1.0).
fn is_signed(call: &Call, secret: &str) -> bool {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &base64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap());
    let mut said = format!("{}.{}.", call.headers["webhook-id"], call.headers["webhook-timestamp"]).into_bytes();
    said.extend_from_slice(&call.body);
    let signature = base64.decode(call.headers["webhook-signature"].strip_prefix("v1,").unwrap()).unwrap();
    ring::hmac::verify(&key, &said, &signature).is_ok()
}

/// The words of a command that must go well or be refused.
fn says(gateway: &Gateway, goes: bool, args: &[&str]) -> String {
    let output = gateway.command(&[args, &["--passphrase-file", "phrase"]].concat());
    let words = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    assert_eq!(output.status.success(), goes, "{args:?}: {words}");
    words
}

#[test]
fn a_backup_from_before_brings_nobody_back_who_stands_on_a_list_of_today() {
    let mut gateway = Gateway::start();
    std::fs::write(gateway.path("phrase"), "ein langer Satz fuer die Schluessel").unwrap();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&otto, &erika] {
        person.decides(&gateway, &ALL);
        person.decides_as(&gateway, "wk_web", &json!({"identifiers": {"email": person.email}, "method": "portal"}), &ALL);
        send(&gateway, "wk_web", &[joins(person), person.does("Product Viewed")]);
    }
    gateway.drain();
    assert!(lookup(&gateway, &erika.email).is_some());
    let his = lookup(&gateway, &otto.email).unwrap();
    says(&gateway, true, &["backup", "--to", "old.backup", "--keys-to", "old.keys"]);
    erase(&gateway, &json!({"email": erika.email, "device": erika.device}));
    says(&gateway, true, &["backup", "keys", "--to", "new.keys"]);

    // The keys of today do not open it, nor do they together with the backup of today.
    for keys in [&["--data", "d2"][..], &["--data", "d2", "--keys", "k2", "--keys-from", "new.keys", "--shredded", "new.keys"]] {
        let words = says(&gateway, false, &[&["restore", "--from", "old.backup"], keys].concat());
        assert!(words.contains("somebody was erased in between"), "{words}");
    }
    assert!(says(&gateway, false, &["backup", "check", "old.backup"]).contains("erased in between"));
    // Nor are the keys of then put in the place of those of today.
    let over = ["restore", "--from", "old.backup", "--data", "d2", "--keys-from", "old.keys", "--shredded-lost"];
    assert!(says(&gateway, false, &over).contains("into an empty folder"));
    assert!(!gateway.path("d2").exists() && !gateway.path("k2").exists());

    gateway.stop();
    for list in ["new.keys", "shredded"] {
        let mut other = Gateway::idle(&project().join("policies"), &[]);
        for name in ["phrase", "old.backup", "old.keys", "new.keys"] {
            std::fs::copy(gateway.path(name), other.path(name)).unwrap();
        }
        copy(&gateway.path("keys/shredded"), &other.path("shredded"));
        let restore = ["restore", "--from", "old.backup", "--keys-from", "old.keys", "--shredded", list];
        assert!(says(&other, true, &restore).contains("shredded again at the next start"));
        other.run();
        assert_eq!(lookup(&other, &erika.email), None, "{list}");
        assert_eq!(lookup(&other, &otto.email).as_ref(), Some(&his));
        let back = erika.does("Product Viewed");
        send(&other, "wk_web", std::slice::from_ref(&back));
        assert!(!arrived(&other).contains(&id(&back)), "her decisions are gone as well");
        // And what was restored does not open with the keys of the backup any more.
        other.stop();
        std::fs::remove_dir_all(other.path("keys")).unwrap();
        std::fs::rename(other.path("data"), other.path("restored")).unwrap();
        says(&other, true, &restore);
        std::fs::remove_dir_all(other.path("data")).unwrap();
        std::fs::rename(other.path("restored"), other.path("data")).unwrap();
        let serve =
            ["serve", "--listen", "127.0.0.1:0", "--policies", project().join("policies").to_str().unwrap()].map(str::to_owned);
        let refused = other.command(&serve.iter().map(String::as_str).collect::<Vec<&str>>());
        assert!(!refused.status.success(), "the root of the backup opened what was erased again");
    }
}
