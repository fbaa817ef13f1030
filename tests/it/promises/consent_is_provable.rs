//! P5: each decision stands in a log that an outsider can check offline, and nobody can change, remove or swap what was signed.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::people::{Person, basic};

/// How many entries the newest signed head has.
fn size(gateway: &Gateway) -> u64 {
    checkpoint(gateway).lines().nth(1).unwrap().parse().unwrap()
}

fn checkpoint(gateway: &Gateway) -> String {
    let answer = gateway.get("/ledger/checkpoint", "");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// Waits until so many entries are signed.
fn signed(gateway: &Gateway, entries: u64) {
    gateway.wait_for("the head to be signed", || (size(gateway) >= entries).then_some(()));
}

fn export(gateway: &Gateway, to: &str) -> PathBuf {
    let done = gateway.command(&["ledger", "export", "--to", to]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    gateway.path(to)
}

fn verify(gateway: &Gateway, copy: &str, more: &[&str]) -> Output {
    gateway.command(&[&["ledger", "verify", copy], more].concat())
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it holds: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn holds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn each_decision_is_signed_and_a_copy_shows_every_change() {
    let gateway = Gateway::start();
    let people: Vec<Person> = (0..5).map(|n| Person::new(&format!("p{n}"))).collect();
    people.iter().for_each(|person| drop(person.decides(&gateway, &[("analytics", "granted")])));
    people.iter().for_each(|person| drop(person.decides(&gateway, &[("analytics", "denied")])));
    signed(&gateway, 10);
    assert_eq!(size(&gateway), 10, "a decision is one entry");
    let copy = export(&gateway, "copy");
    std::fs::copy(copy.join("checkpoint"), gateway.path("earlier")).unwrap();
    std::fs::write(gateway.path("key"), gateway.get("/ledger/key", "").text).unwrap();
    holds(&verify(&gateway, "copy", &["--log-key", "key"]));
    for path in files(&copy).iter().filter(|path| !path.ends_with("key")) {
        let sound = std::fs::read(path).unwrap();
        for at in [0, sound.len() / 2, sound.len() - 2] {
            let mut flipped = sound.clone();
            flipped[at] ^= 1;
            std::fs::write(path, flipped).unwrap();
            complaint(&verify(&gateway, "copy", &["--log-key", "key"]));
        }
        std::fs::remove_file(path).unwrap();
        complaint(&verify(&gateway, "copy", &["--log-key", "key"]));
        std::fs::write(path, sound).unwrap();
    }
    people[0].decides(&gateway, &[("analytics", "granted")]);
    signed(&gateway, 11);
    export(&gateway, "copy");
    holds(&verify(&gateway, "copy", &["--log-key", "key", "--since", "earlier"]));
    let served = format!("http://{}/ledger", gateway.address());
    holds(&verify(&gateway, &served, &["--log-key", "key", "--since", "earlier"]));
    // Another gateway's log, with its own key, does not pass for this one.
    let other = Gateway::start();
    people[1].decides(&other, &[("analytics", "granted")]);
    signed(&other, 1);
    let foreign = export(&other, "copy");
    let found = complaint(&verify(&gateway, foreign.to_str().unwrap(), &["--log-key", "key"]));
    assert!(found.contains("not signed with this key"), "{found}");
}

#[test]
fn a_log_that_was_put_back_shows_as_a_fork() {
    let mut gateway = Gateway::start();
    let person = Person::new("erika");
    person.decides(&gateway, &[("analytics", "granted")]);
    signed(&gateway, 1);
    gateway.stop();
    let copy = |from: &Path, to: &Path| {
        let done = std::process::Command::new("cp").arg("-rp").arg(from).arg(to).status().unwrap();
        assert!(done.success());
    };
    copy(&gateway.path("data"), &gateway.path("before"));
    gateway.crash();
    person.decides(&gateway, &[("analytics", "denied")]);
    signed(&gateway, 2);
    std::fs::write(gateway.path("seen"), checkpoint(&gateway)).unwrap();
    gateway.stop();
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    copy(&gateway.path("before"), &gateway.path("data"));
    gateway.crash();
    export(&gateway, "copy");
    assert!(complaint(&verify(&gateway, "copy", &["--since", "seen"])).contains("entries were removed"));
    person.decides(&gateway, &[("personalization", "granted")]);
    signed(&gateway, 2);
    export(&gateway, "copy");
    assert!(complaint(&verify(&gateway, "copy", &["--since", "seen"])).contains("FORK"));
}

#[test]
fn under_load_a_kill_at_any_moment_leaves_one_log_that_only_grows() {
    let mut gateway = Gateway::start();
    let people: Vec<Person> = (0..4).map(|n| Person::new(&format!("p{n}"))).collect();
    let mut acknowledged = 0;
    let mut heads: Vec<String> = Vec::new();
    for kill_after in [30_usize, 75, 120] {
        let (address, pid) = (gateway.address(), gateway.pid());
        let answered = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for person in &people {
                let answered = &answered;
                scope.spawn(move || {
                    for n in 0..200 {
                        if decide(address, person, n) != Some(201) {
                            return;
                        }
                        if answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == kill_after {
                            let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
                            assert!(killed.success());
                        }
                    }
                });
            }
        });
        acknowledged += answered.into_inner();
        gateway.crash();
        signed(&gateway, acknowledged as u64);
        let path = format!("head-{kill_after}");
        std::fs::write(gateway.path(&path), checkpoint(&gateway)).unwrap();
        heads.push(path);
    }
    people[0].decides(&gateway, &[("analytics", "granted")]);
    export(&gateway, "copy");
    let since: Vec<&str> = heads.iter().flat_map(|head| ["--since", head.as_str()]).collect();
    holds(&verify(&gateway, "copy", &since));
    let first: u64 = std::fs::read_to_string(gateway.path(&heads[0])).unwrap().lines().nth(1).unwrap().parse().unwrap();
    let proof = gateway.get(&format!("/v1/ledger/consistency?from={first}"), "").json();
    let root = std::fs::read_to_string(gateway.path(&heads[0])).unwrap().lines().nth(2).unwrap().to_owned();
    assert_eq!(proof["fromRoot"], root);
}

/// One decision over a connection that may break; the status, if an answer came.
fn decide(address: std::net::SocketAddr, person: &Person, n: usize) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let choice = if n.is_multiple_of(2) { "granted" } else { "denied" };
    let body = json!({"anonymousId": person.device, "method": "banner", "decisions": {"analytics": choice}}).to_string();
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let head = format!(
        "POST /v1/consents HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n",
        basic("wk_app"),
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

#[test]
fn an_erasure_changes_nothing_that_was_signed_and_its_acts_are_signed_too() {
    let gateway = Gateway::start();
    let person = Person::new("erika");
    person.decides(&gateway, &[("analytics", "granted")]);
    signed(&gateway, 1);
    export(&gateway, "before");
    let bearer = format!("Bearer {}", gateway.operator());
    let asked = |path: &str, body: &Value| gateway.post(path, &bearer, body.to_string().as_bytes());
    let filed = asked("/v1/requests", &json!({"kind": "erasure", "identifiers": {"device": person.device}, "identified": true}));
    assert_eq!(filed.status, 201, "{}", filed.text);
    let id = filed.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(asked(&format!("/v1/requests/{id}/approve"), &json!({})).status, 200);
    let path = format!("/v1/requests/{id}");
    let acts = gateway.wait_for("the erasure to be done", || {
        let request = gateway.get(&path, &bearer).json();
        (request["state"] == "done").then(|| request["acts"].as_array().unwrap().len())
    });
    signed(&gateway, 1 + acts as u64);
    assert_eq!(size(&gateway), 1 + acts as u64, "one decision, and each act of the request");
    export(&gateway, "after");
    holds(&verify(&gateway, "after", &["--since", "before/checkpoint"]));
}

#[test]
fn proofs_and_tiles_are_for_everybody_and_refuse_what_is_not_there() {
    let gateway = Gateway::start();
    Person::new("erika").decides(&gateway, &[("analytics", "granted")]);
    signed(&gateway, 1);
    let proof = gateway.get("/v1/ledger/proof?index=0", "").json();
    assert_eq!((&proof["size"], &proof["proof"]), (&json!(1), &json!([])));
    assert_eq!(proof["leaf"], proof["root"]);
    assert_eq!(proof["checkpoint"], checkpoint(&gateway));
    let refused = |path: &str| {
        let answer = gateway.get(path, "");
        (answer.status, answer.field())
    };
    assert_eq!(refused("/v1/ledger/proof?index=1"), (422, String::from("index")));
    assert_eq!(refused("/v1/ledger/proof?index=0&size=2"), (422, String::from("size")));
    assert_eq!(refused("/v1/ledger/proof"), (422, String::from("index")));
    assert_eq!(refused("/v1/ledger/proof?commitment=zz"), (422, String::from("commitment")));
    assert_eq!(refused(&format!("/v1/ledger/proof?commitment={}", "0".repeat(64))).0, 404);
    for from in ["from=0", "from=2", "from=-1", "from=x", "to=1"] {
        assert_eq!(refused(&format!("/v1/ledger/consistency?{from}")), (422, String::from("from")), "{from}");
    }
    for tile in
        ["0/000", "0/000.p/0", "0/000.p/2", "300/000", "0/x001/000", "entries/000", "0/999999999999999999999", "0/../../keys"]
    {
        assert_eq!(gateway.get(&format!("/ledger/tile/{tile}"), "").status, 404, "{tile}");
    }
    assert_eq!(gateway.get("/ledger/tile/0/000.p/1", "").status, 200);
    assert_eq!(
        gateway.get("/ledger/tile/entries/000.p/1", "").header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
}

/// Fetches a receipt as the website does.
fn receipt(gateway: &Gateway, handle: &str, query: &str) -> crate::harness::Answer {
    gateway.get(&format!("/v1/consents/{handle}/receipt{query}"), &basic("wk_web"))
}

#[test]
fn a_receipt_is_checked_offline_and_every_change_shows() {
    let gateway = Gateway::start();
    let person = Person::new("erika");
    let answer = person.decides(&gateway, &[("analytics", "granted"), ("personalization", "denied")]);
    let handle = answer.json()["receipt"].as_str().unwrap().to_owned();
    assert!(!handle.contains(&person.device));
    let signed = receipt(&gateway, &handle, "");
    assert_eq!((signed.status, signed.header("content-type")), (200, Some("application/jose")));
    for path in ["/.well-known/jwks.json", "/ledger/key"] {
        std::fs::write(gateway.path(path.rsplit('/').next().unwrap()), gateway.get(path, "").text).unwrap();
    }
    let check = |text: &str, more: &[&str]| {
        std::fs::write(gateway.path("receipt.jws"), text).unwrap();
        gateway.command(&[&["receipt", "verify", "receipt.jws"], more].concat())
    };
    let checked = check(&signed.text, &["--log-key", "key"]);
    holds(&checked);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("analytics: granted, until 20") && said.contains("personalization: denied"), "{said}");
    let claims = decoded(&signed.text);
    let notice = &answer.json()["notice"];
    assert_eq!(claims["statement"]["notice"], *notice);
    assert_eq!(
        claims["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasNotice"]["spdx:checksum"]["spdx:checksumValue"],
        notice["hash"]
    );
    assert_eq!(claims["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasProcess"].as_array().unwrap().len(), 2);
    // Nobody else's log, and no other text.
    let other = Gateway::start();
    complaint(&check(&signed.text, &["--log-key", other.get("/ledger/key", "").text.trim()]));
    for at in (0..signed.text.len()).step_by(signed.text.len() / 40) {
        let mut forged = signed.text.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        complaint(&check(&String::from_utf8(forged).unwrap(), &["--log-key", "key"]));
    }
    // The same receipt as a page, in both languages.
    for (language, word) in [("de", "Ihre Entscheidung"), ("en", "Your decision")] {
        let page = receipt(&gateway, &handle, &format!("?format=html&language={language}"));
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains(word) && page.text.contains(notice["hash"].as_str().unwrap()));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(!page.text.contains("http://") && !page.text.contains("https://") && !page.text.contains("<script"));
    }
    assert_eq!(receipt(&gateway, &handle, "?format=pdf").field(), "format");
    assert_eq!(receipt(&gateway, &handle, "?format=html&language=fr").field(), "language");
}

/// What the company signs proves nothing that is not in the ledger: a receipt over another decision with a proof of this one is refused.
#[test]
fn a_signature_alone_is_not_enough() {
    use pforte::clock::Chance;
    use pforte::consent::{RECEIPT, Receipt};
    let mut gateway = Gateway::start();
    let person = Person::new("erika");
    let handle = person.decides(&gateway, &[("analytics", "denied")]).json()["receipt"].as_str().unwrap().to_owned();
    let signed = receipt(&gateway, &handle, "").text;
    std::fs::write(gateway.path("jwks.json"), gateway.get("/.well-known/jwks.json", "").text).unwrap();
    gateway.stop();
    let mut forged: Receipt = serde_json::from_value(decoded(&signed)).unwrap();
    forged.statement.decisions.insert(String::from("analytics"), pforte::consent::State::Granted);
    let store = pforte::store::Store::open(&gateway.path("data"), &pforte::store::Options::default()).unwrap();
    let vault = pforte::vault::Vault::open(&gateway.path("keys"), &store, &Chance::system()).unwrap();
    std::fs::write(gateway.path("forged.jws"), vault.signer().sign(RECEIPT, &forged).unwrap()).unwrap();
    drop(vault);
    store.close().unwrap();
    drop(store);
    let found = complaint(&gateway.command(&["receipt", "verify", "forged.jws"]));
    assert!(found.contains("does not commit to this statement"), "{found}");
}

#[test]
fn a_receipt_needs_its_handle_and_ends_with_an_erasure() {
    let gateway = Gateway::start();
    let person = Person::new("erika");
    let handle = person.decides(&gateway, &[("analytics", "granted")]).json()["receipt"].as_str().unwrap().to_owned();
    let claims = decoded(&receipt(&gateway, &handle, "").text);
    let (entry, index) = (claims["jti"].as_str().unwrap().to_owned(), claims["ledger"]["index"].clone());
    assert_eq!(gateway.get(&format!("/v1/ledger/proof?commitment={entry}"), "").json()["index"], index);
    assert_eq!(gateway.get(&format!("/v1/consents/{handle}/receipt"), "").status, 401);
    let mut guessed = handle.clone();
    guessed.replace_range(10..11, if handle.as_bytes()[10] == b'0' { "1" } else { "0" });
    let unknown = receipt(&gateway, &guessed, "");
    assert_eq!(unknown.status, 404);
    let bearer = format!("Bearer {}", gateway.operator());
    let asked = |path: &str, body: &Value| gateway.post(path, &bearer, body.to_string().as_bytes());
    let filed = asked("/v1/requests", &json!({"kind": "erasure", "identifiers": {"device": person.device}, "identified": true}));
    let id = filed.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(asked(&format!("/v1/requests/{id}/approve"), &json!({})).status, 200);
    let path = format!("/v1/requests/{id}");
    gateway.wait_for("the erasure to be done", || (gateway.get(&path, &bearer).json()["state"] == "done").then_some(()));
    let gone = receipt(&gateway, &handle, "");
    assert_eq!((gone.status, gone.code()), (404, unknown.code()), "erased and unknown are the same");
    // The entry is still there. Without the salt nobody can tell what it was.
    let proof = gateway.get(&format!("/v1/ledger/proof?commitment={entry}"), "").json();
    assert_eq!(proof["index"], index);
    gateway.assert_nowhere(claims["salt"].as_str().unwrap());
}

/// What a signed statement says, unchecked.
fn decoded(signed: &str) -> Value {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// What was shown, in which layout, and to which page it was handed out when: the same in the answer, in the receipt and on its page.
#[test]
fn what_was_shown_is_part_of_what_is_proven() {
    let mut gateway = Gateway::start();
    let person = Person::new("erika");
    let key = basic("wk_web");
    let page = [("Authorization", key.as_str()), ("Origin", "http://localhost:3000"), ("Content-Type", "application/json")];
    let shown = gateway.request("GET", "/v1/notice?language=en", &page, b"");
    assert_eq!(shown.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let shown = shown.json();
    let body = json!({"anonymousId": person.device, "method": "banner", "token": shown["token"], "noticeHash": shown["hash"],
        "layout": 1, "preselected": [], "decisions": {"analytics": "granted"}})
    .to_string();
    let decide = |gateway: &Gateway| gateway.request("POST", "/v1/consents", &page, body.as_bytes());
    let answer = decide(&gateway);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let bound = answer.json()["notice"].clone();
    assert_eq!((&bound["hash"], &bound["language"], &bound["layout"]), (&shown["hash"], &json!("en"), &json!(1)));
    assert_eq!((&bound["preselected"], &bound["handed"]["origin"]), (&json!([]), &json!("http://localhost:3000")));
    let handle = answer.json()["receipt"].as_str().unwrap().to_owned();
    assert_eq!(decoded(&receipt(&gateway, &handle, "").text)["statement"]["notice"], bound);
    let page = receipt(&gateway, &handle, "?format=html&language=en").text;
    assert!(page.contains("version 1, nothing was preselected") && page.contains("to the page localhost:3000"), "{page}");
    // It was spent in the commit that made the decision durable.
    gateway.crash();
    assert_eq!(decide(&gateway).code(), "token_used");
}
