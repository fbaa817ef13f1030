//! The people of the tests. Each carries the canary in everything that names them.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Answer, CANARY, Gateway};

/// The `Authorization` of a public write key.
pub(crate) fn basic(write_key: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{write_key}:")))
}

/// A token of the source's notice, as a page fetches it.
pub(crate) fn token(gateway: &Gateway, write_key: &str) -> String {
    let answer = gateway.get("/v1/notice", &basic(write_key));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// Somebody who visits, buys and decides.
pub(crate) struct Person {
    pub(crate) device: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) card: String,
    pub(crate) name: String,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        let device = uuid::Uuid::new_v4().to_string();
        let tail = u128::from_str_radix(&device.replace('-', ""), 16).unwrap() % 10_000_000;
        Self {
            user_id: format!("kunde-{CANARY}-{name}-{tail}"),
            email: format!("{name}.{CANARY}.{tail}@example.de"),
            phone: format!("+49151{tail:08}"),
            card: format!("DE-{CANARY}-{tail}"),
            name: format!("{name} {CANARY}"),
            device,
        }
    }

    /// Decides on the banner of this device.
    pub(crate) fn decides(&self, gateway: &Gateway, decisions: &[(&str, &str)]) -> Answer {
        self.decides_as(gateway, "wk_web", &json!({"anonymousId": self.device, "method": "banner"}), decisions)
    }

    /// Decides elsewhere: `who` says identifiers and method.
    pub(crate) fn decides_as(&self, gateway: &Gateway, key: &str, who: &Value, decisions: &[(&str, &str)]) -> Answer {
        let mut body = who.clone();
        body["decisions"] = decisions.iter().map(|(p, d)| ((*p).to_owned(), json!(d))).collect::<serde_json::Map<_, _>>().into();
        if key == "wk_web" {
            body["token"] = token(gateway, key).into();
        }
        let answer = gateway.post("/v1/consents", &basic(key), body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// Does something on this device.
    pub(crate) fn does(&self, event: &str) -> Value {
        json!({"type": "track", "event": event, "anonymousId": self.device, "messageId": uuid::Uuid::new_v4().to_string(),
            "properties": {"product_id": "4001234567890", "price": 12.9}})
    }
}

/// Sends events as a source does and expects them to be taken.
pub(crate) fn send(gateway: &Gateway, key: &str, events: &[Value]) -> Value {
    let answer = gateway.post("/v1/batch", &basic(key), json!({"batch": events}).to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The message IDs that have arrived in the archive.
pub(crate) fn arrived(gateway: &Gateway) -> Vec<String> {
    gateway.drain();
    gateway.archive().iter().map(|e| e["messageId"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The message ID of an event.
pub(crate) fn id(event: &Value) -> String {
    event["messageId"].as_str().unwrap().to_owned()
}

/// The shipped policy with one file changed.
pub(crate) fn policy_where(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&super::project().join("policies"), folder.path());
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no such text");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    folder
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
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
}
