//! Keys are changed while people come and go: nobody is lost, nobody is doubled, and what the old key said means nothing.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::{hkdf, hmac};
use serde_json::{Value, json};

use crate::harness::hook::{Call, Hook};
use crate::harness::people::{Person, arrived, basic, id, policy_where, send};
use crate::harness::{Answer, Gateway};

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

fn asked(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    gateway.post(path, &bearer(gateway), body.to_string().as_bytes())
}

fn index(gateway: &Gateway) -> Value {
    gateway.get("/v1/keys", &bearer(gateway)).json()["index"].clone()
}

/// All identifiers of a person, with their yes.
fn everything(person: &Person) -> Value {
    json!({"anonymousId": person.device, "userId": person.user_id, "method": "portal", "decisions": {"analytics": "granted"},
        "identifiers": {"email": person.email, "phone": person.phone, "loyalty_card": person.card}})
}

/// What stands for an address.
fn stands(gateway: &Gateway, email: &str) -> Value {
    gateway.get(&format!("/v1/consents?email={email}"), &bearer(gateway)).json()["decisions"]["analytics"]["state"].clone()
}

fn figure(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.get("/metrics", "").text;
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{name}: {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A decision over a connection that may break; whether it was acknowledged.
fn decides(address: std::net::SocketAddr, person: &Person) -> bool {
    use std::io::{Read as _, Write as _};
    let body = everything(person).to_string();
    let (authorization, length) = (basic("wk_app"), body.len());
    let head = "POST /v1/consents HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let request = format!("{head}Authorization: {authorization}\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut text = String::new();
    stream.write_all(request.as_bytes()).is_ok() && stream.read_to_string(&mut text).is_ok() && text.contains(" 201 ")
}

/// People who decide on several connections at once.
fn crowd(gateway: &Gateway, count: usize, ended: &AtomicBool) -> Vec<Person> {
    let (known, address) = (Mutex::new(Vec::new()), gateway.address());
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let known = &known;
            scope.spawn(move || {
                for n in 0..count.div_ceil(6) {
                    let person = Person::new(&format!("p{thread}x{n}"));
                    if ended.load(Ordering::SeqCst) || !decides(address, &person) {
                        return;
                    }
                    known.lock().unwrap().push(person);
                }
            });
        }
    });
    known.into_inner().unwrap()
}

fn index_files(gateway: &Gateway) -> Vec<String> {
    let names = std::fs::read_dir(gateway.path("keys")).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<String> =
        names.map(|name| name.to_string_lossy().into_owned()).filter(|n| n.starts_with("index")).collect();
    names.sort();
    names
}

#[test]
fn moving_to_a_new_index_key_survives_kills_under_load_and_nobody_is_lost_or_doubled() {
    let mut gateway = Gateway::start();
    let mut people = crowd(&gateway, 360, &AtomicBool::new(false));
    assert!(people.len() >= 360, "everybody was acknowledged");
    let mut caught = 0;
    for round in 0..6_u64 {
        let begun = asked(&gateway, "/v1/keys/index/rotate", &json!({}));
        assert_eq!(begun.status, 202, "{}", begun.text);
        let ended = AtomicBool::new(false);
        let new = std::thread::scope(|scope| {
            let (shared, ended) = (&gateway, &ended);
            let load = scope.spawn(move || crowd(shared, 600, ended));
            // At another moment each time: at once, or when so many are moved.
            let mut progress = begun.json();
            while progress["moving"] == true && progress["moved"].as_u64() < Some(300 * round) {
                progress = index(shared);
            }
            let killed = std::process::Command::new("kill").args(["-9", &shared.pid().to_string()]).status().unwrap();
            assert!(killed.success());
            ended.store(true, Ordering::SeqCst);
            load.join().unwrap()
        });
        gateway.crash();
        caught += u32::from(index(&gateway)["moving"] == true);
        for person in people.iter().step_by(40).chain(&new) {
            assert_eq!(stands(&gateway, &person.email), "granted", "round {round}: somebody was lost");
        }
        people.extend(new);
    }
    assert!(caught > 0, "no kill came while identifiers were moved");
    gateway.wait_for("everybody to be moved", || (index(&gateway)["moving"] == false).then_some(()));
    assert_eq!(index_files(&gateway), ["index.key"]);
    assert_eq!(figure(&gateway, "pforte_index_left"), 0);
    let before = figure(&gateway, "pforte_identifiers");
    assert!(before >= 5 * people.len() as u64);
    for person in &people {
        assert_eq!(stands(&gateway, &person.email), "granted");
    }
    people.iter().step_by(10).for_each(|person| assert!(decides(gateway.address(), person)));
    assert_eq!(figure(&gateway, "pforte_identifiers"), before, "who was known was admitted once more");
    let over = gateway.command(&["keys", "show"]);
    assert!(String::from_utf8_lossy(&over.stdout).contains("the keys before are destroyed"), "{over:?}");
}

/// The digest of an e-mail address under an index key, as whoever has the key computes it.
fn digest(gateway: &Gateway, email: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(gateway.path("keys/index.key")).unwrap();
    let secret = hex::decode(text.lines().find(|line| !line.starts_with('#')).unwrap().trim()).unwrap();
    let mut key = [0_u8; 32];
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&secret);
    secret.expand(&[b"pforte/v1/blind"], hkdf::HKDF_SHA256).unwrap().fill(&mut key).unwrap();
    let said = [&crc32fast::hash(b"email").to_be_bytes()[..], email.as_bytes()].concat();
    // The engine may store the beginning of a key apart.
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &said).as_ref()[4..16].to_vec()
}

fn holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            holds(&path, needle)
        } else {
            std::fs::read(&path).unwrap().windows(needle.len()).any(|w| w == needle)
        }
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(std::fs::copy(&path, &target).is_ok()) }
    }
}

fn request(gateway: &Gateway, kind: &str, identifiers: &Value) -> String {
    let filed = asked(gateway, "/v1/requests", &json!({"kind": kind, "identifiers": identifiers, "identified": true}));
    assert_eq!(filed.status, 201, "{}", filed.text);
    let request = filed.json()["id"].as_str().unwrap().to_owned();
    let approved = asked(gateway, &format!("/v1/requests/{request}/approve"), &json!({}));
    assert_eq!(approved.status, 200, "{}", approved.text);
    request
}

fn show(gateway: &Gateway, request: &str) -> Value {
    gateway.get(&format!("/v1/requests/{request}"), &bearer(gateway)).json()
}

#[test]
fn after_an_erasure_and_a_change_of_the_index_key_no_digest_can_be_confirmed() {
    let mut gateway = Gateway::start();
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&erika, &otto] {
        assert!(decides(gateway.address(), person));
        send(&gateway, "wk_web", &[person.does("Product Viewed")]);
    }
    let seen = otto.does("Order Completed");
    send(&gateway, "wk_web", std::slice::from_ref(&seen));
    arrived(&gateway);
    gateway.stop();
    let thief = tempfile::tempdir().unwrap();
    copy(&gateway.path("data"), &thief.path().join("before"));
    gateway.restart();
    let erasure = request(&gateway, "erasure", &json!({"email": erika.email}));
    gateway.wait_for("the keys to be shredded", || {
        let acts = show(&gateway, &erasure)["acts"].as_array().unwrap().clone();
        acts.iter().any(|act| act["what"] == "erased").then_some(())
    });
    gateway.stop();
    copy(&gateway.path("data"), &thief.path().join("after"));
    gateway.restart();
    let old = digest(&gateway, &erika.email);
    assert!(holds(thief.path(), &old), "the attack does not work even where it should: this test proves nothing");

    let changed = gateway.command(&["keys", "rotate", "index"]);
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    let said = String::from_utf8(changed.stdout).unwrap();
    assert!(said.contains("epoch 2") && said.contains("the keys before are destroyed"), "{said}");
    assert_eq!(index_files(&gateway), ["index.key"], "no other key is left");
    assert_eq!(stands(&gateway, &otto.email), "granted");
    assert_eq!(stands(&gateway, &erika.email), "unset");
    send(&gateway, "wk_web", std::slice::from_ref(&seen));
    assert_eq!(arrived(&gateway).iter().filter(|one| **one == id(&seen)).count(), 1, "a message from before is recognised");
    gateway.stop();
    copy(&gateway.path("data"), &thief.path().join("today"));
    let (hers, his) = (digest(&gateway, &erika.email), digest(&gateway, &otto.email));
    assert_ne!(hers, old);
    assert!(!holds(thief.path(), &hers), "a digest of somebody who was erased can be confirmed with the key of today");
    assert!(holds(&thief.path().join("today"), &his), "who is known is found by it");
    gateway.restart();
    assert_eq!(stands(&gateway, &otto.email), "granted");
}

#[test]
fn a_backup_from_before_a_change_of_the_index_key_opens_with_the_keys_of_today() {
    let mut gateway = Gateway::start();
    let people = crowd(&gateway, 60, &AtomicBool::new(false));
    gateway.stop();
    let backup = tempfile::tempdir().unwrap();
    copy(&gateway.path("data"), backup.path());
    gateway.restart();
    assert!(gateway.command(&["keys", "rotate", "index"]).status.success());
    gateway.stop();
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    copy(backup.path(), &gateway.path("data"));
    gateway.restart();
    assert!(people.iter().all(|person| stands(&gateway, &person.email) == "granted"), "somebody is not found any more");
    assert_eq!(index(&gateway)["moving"], false);
}

/// How many of a message's signatures hold under a secret (Standard Webhooks 1.0).
fn signatures(call: &Call, secret: &str) -> (usize, usize) {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &base64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap());
    let mut said = format!("{}.{}.", call.headers["webhook-id"], call.headers["webhook-timestamp"]).into_bytes();
    said.extend_from_slice(&call.body);
    let all: Vec<&str> = call.headers["webhook-signature"].split(' ').collect();
    let holds = |one: &&&str| hmac::verify(&key, &said, &base64.decode(one.strip_prefix("v1,").unwrap()).unwrap()).is_ok();
    (all.iter().filter(holds).count(), all.len())
}

fn said(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn secrets(gateway: &Gateway) -> (String, Option<String>) {
    let answer = gateway.get("/v1/webhooks/partner/secret", &bearer(gateway)).json();
    (answer["secret"].as_str().unwrap().to_owned(), answer["previous"].as_str().map(str::to_owned))
}

fn lookup(gateway: &Gateway, email: &str) -> String {
    let who = json!({"identifiers": {"email": email}, "purpose": "personalization"});
    asked(gateway, "/v1/profiles/lookup", &who).json()["customerId"].as_str().unwrap().to_owned()
}

fn profile(gateway: &Gateway, customer: &str) -> Answer {
    gateway.get(&format!("/v1/profiles/{customer}?purpose=personalization"), &bearer(gateway))
}

#[test]
fn while_two_keys_of_a_domain_overlap_both_ids_lead_back_and_both_signatures_hold() {
    let hook = Hook::start(200);
    let address = hook.address;
    let url = format!("url = \"http://{address}/events\"\nerasure_url = \"http://{address}/erase\"\nallow_private = true");
    let policy = policy_where("destinations.toml", "url = \"\"", &url);
    let mut gateway = Gateway::with_policies(policy.path());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    let all = [("ads_sharing", "granted"), ("personalization", "granted")];
    for (before, person) in [&erika, &otto].into_iter().enumerate() {
        person.decides_as(&gateway, "wk_web", &json!({"identifiers": {"email": person.email}, "method": "portal"}), &all);
        person.decides(&gateway, &all);
        send(&gateway, "wk_web", &[person.does("Order Completed")]);
        // Events of two people may overtake each other.
        gateway.wait_for("the partner to have it", || (hook.calls("/events").len() == before + 1).then_some(()));
    }
    gateway.drain();
    let (first, old_id) = (secrets(&gateway).0, lookup(&gateway, &erika.email));

    for domain in ["partner", "shop"] {
        assert!(gateway.command(&["keys", "rotate", "domain", domain]).status.success());
        let again = asked(&gateway, &format!("/v1/keys/domains/{domain}/rotate"), &json!({}));
        assert_eq!((again.status, again.field().as_str()), (409, "domain"), "{}", again.text);
    }
    let new_id = lookup(&gateway, &erika.email);
    assert_ne!(new_id, old_id);
    let (second, previous) = secrets(&gateway);
    assert_eq!(previous.as_ref(), Some(&first));
    for restart in [false, true] {
        if restart {
            gateway.crash();
        }
        let (by_old, by_new) = (profile(&gateway, &old_id), profile(&gateway, &new_id));
        assert_eq!((by_old.status, by_old.json()["customerId"].as_str()), (200, Some(new_id.as_str())));
        assert_eq!(by_old.text, by_new.text);
        send(&gateway, "wk_web", &[otto.does("Order Completed")]);
    }
    gateway.wait_for("the partner to have four", || (hook.calls("/events").len() == 4).then_some(()));
    gateway.drain();
    let calls = hook.calls("/events");
    let of = |call: &Call| said(call)["customerId"].as_str().unwrap().to_owned();
    assert_eq!((of(&calls[1]) == of(&calls[2]), of(&calls[2]) == of(&calls[3])), (false, true), "otto, before and after");
    assert_eq!(signatures(&calls[1], &first), (1, 1));
    for call in &calls[2..] {
        assert_eq!((signatures(call, &first), signatures(call, &second)), ((1, 2), (1, 2)));
    }

    // Who is erased is erased under both IDs; who asks is told of both.
    let access = request(&gateway, "access", &json!({"device": otto.device}));
    let package = gateway.wait_for("the package", || {
        let package = gateway.get(&format!("/v1/requests/{access}/package?format=json"), &bearer(&gateway));
        (package.status == 200).then(|| package.json())
    });
    let partner = package["recipients"].as_array().unwrap().iter().find(|one| one["name"] == "partner").unwrap().clone();
    assert_eq!(partner["customers"], json!([of(&calls[3]), of(&calls[1])]));
    request(&gateway, "erasure", &json!({"device": otto.device}));
    gateway.wait_for("both IDs to be told", || (hook.calls("/erase").len() == 2).then_some(()));
    let mut told: Vec<String> =
        hook.calls("/erase").iter().map(|call| said(call)["data"]["customerId"].as_str().unwrap().to_owned()).collect();
    let mut expected = vec![of(&calls[1]), of(&calls[3])];
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    retire(&gateway, &hook, (&old_id, &new_id), &first);
    gateway.restart();
    assert_eq!((profile(&gateway, &old_id).status, profile(&gateway, &new_id).status), (404, 200));
}

/// The end of the overlap: refused while the partner knows Erika by the old ID alone, unless it is forced.
fn retire(gateway: &Gateway, hook: &Hook, (old_id, new_id): (&str, &str), first: &str) {
    for (body, field) in [(json!({"force": "yes"}), "force"), (json!({"more": 1}), "body")] {
        let refused = asked(gateway, "/v1/keys/domains/partner/retire", &body);
        assert_eq!((refused.status, refused.field().as_str()), (422, field), "{}", refused.text);
    }
    let needed = gateway.command(&["keys", "retire", "domain", "partner"]);
    let words = String::from_utf8_lossy(&needed.stderr).into_owned();
    assert!(!needed.status.success() && words.contains("recipients know 1 people"), "{words}");
    assert!(gateway.command(&["keys", "retire", "domain", "partner", "--force"]).status.success());
    // Nobody has to tell the embedded profile store anything.
    assert!(gateway.command(&["keys", "retire", "domain", "shop"]).status.success());
    assert_eq!(asked(gateway, "/v1/keys/domains/shop/retire", &json!({})).status, 409, "there is no key before any more");
    assert_eq!(asked(gateway, "/v1/keys/domains/nobody/rotate", &json!({})).status, 404);
    assert_eq!((profile(gateway, old_id).status, profile(gateway, new_id).status), (404, 200));
    assert_eq!(secrets(gateway).1, None);
    let left: Vec<String> = std::fs::read_dir(gateway.path("keys/domains"))
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.matches('.').count() > 1)
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let last = hook.calls("/erase").pop().unwrap();
    assert_eq!(signatures(&last, first), (1, 2));
}
