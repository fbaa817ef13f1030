//! P10: bad input gets a clear error that names the field, its good neighbours go through, and nothing breaks.

use std::io::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::harness::people::{Person, arrived, basic, id, send, token};

/// What it is called, headers, body.
type Try<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<u8>);

fn ready() -> (Gateway, Person) {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    (gateway, erika)
}

/// After whatever was tried: it still answers and still forwards.
fn alive(gateway: &Gateway, erika: &Person) {
    assert_eq!(gateway.get("/readyz", "").status, 200);
    let event = erika.does("Still Alive");
    send(gateway, "wk_web", std::slice::from_ref(&event));
    assert!(arrived(gateway).contains(&id(&event)));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn broken_events_are_named_and_their_neighbours_go_through() {
    let (gateway, erika) = ready();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = erika.does("Product Viewed");
        change(&mut event);
        event
    };
    let bad: Vec<(Value, &str)> = vec![
        (with(&|e| e["type"] = json!("dance")), "type"),
        (with(&|e| drop(e.as_object_mut().unwrap().remove("type"))), "type"),
        (with(&|e| drop(e.as_object_mut().unwrap().remove("event"))), "event"),
        (with(&|e| e["event"] = json!(7)), "event"),
        (with(&|e| e["properties"] = json!("text")), "properties"),
        (with(&|e| e["properties"] = json!([1])), "properties"),
        (with(&|e| e["traits"] = json!(true)), "traits"),
        (with(&|e| e["context"] = json!("ctx")), "context"),
        (with(&|e| e["anonymousId"] = json!({"a": 1})), "anonymousId"),
        (with(&|e| e["userId"] = json!([1])), "userId"),
        (with(&|e| e["messageId"] = json!("x".repeat(101))), "messageId"),
        (with(&|e| e["anonymousId"] = json!("nul\u{0}")), "anonymousId"),
        (with(&|e| e["userId"] = json!("bidi\u{202e}")), "userId"),
        (with(&|e| e["timestamp"] = json!("yesterday")), "timestamp"),
        (with(&|e| e["properties"] = json!({"big": "x".repeat(33_000)})), ""),
        (
            with(&|e| {
                e["type"] = json!("alias");
            }),
            "previousId",
        ),
        (
            with(&|e| {
                e["type"] = json!("group");
            }),
            "groupId",
        ),
        (json!(null), ""),
        (json!("text"), ""),
        (json!([]), ""),
    ];
    let mut events = Vec::new();
    let mut good = Vec::new();
    for (event, _) in &bad {
        let neighbour = erika.does("Product Viewed");
        good.push(id(&neighbour));
        events.push(neighbour);
        events.push(event.clone());
    }
    let answer = send(&gateway, "wk_web", &events);
    let rejected = answer["rejected"].as_array().unwrap();
    for (place, (event, field)) in bad.iter().enumerate() {
        let short: String = event.to_string().chars().take(120).collect();
        let one =
            rejected.iter().find(|r| r["index"] == place * 2 + 1).unwrap_or_else(|| panic!("not rejected: {short}: {answer}"));
        assert!(one["field"].as_str().unwrap().contains(field), "{short}: {one}");
        assert!(one["code"].is_string() && one["message"].is_string());
    }
    assert_eq!(rejected.len(), bad.len(), "{answer}");
    let arrived = arrived(&gateway);
    assert!(good.iter().all(|g| arrived.contains(g)), "a neighbour was lost");
    alive(&gateway, &erika);
}

#[test]
fn bodies_that_cannot_be_read_get_a_clear_error() {
    let (gateway, erika) = ready();
    let whole = json!({"batch": [erika.does("Product Viewed")]}).to_string();
    let key = basic("wk_web");
    let json_type = ("Content-Type", "application/json");
    let many: Vec<Value> =
        (0..2501).map(|i| json!({"type": "track", "event": "e", "anonymousId": "a", "messageId": format!("m{i}")})).collect();
    let bomb = gzip(&vec![b' '; 300 << 20]);
    let deep = format!("{{\"batch\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let tries: Vec<Try> = vec![
        ("truncated JSON", vec![], whole.as_bytes()[..whole.len() / 2].to_vec()),
        ("no JSON", vec![], b"hello".to_vec()),
        ("empty", vec![], Vec::new()),
        ("not UTF-8", vec![], [b"{\"batch\":[{\"event\":\"".as_slice(), &[0xff, 0xfe], b"\"}]}"].concat()),
        ("ten megabytes", vec![], vec![b'x'; 10 << 20]),
        ("2501 events", vec![], json!({"batch": many}).to_string().into_bytes()),
        ("gzip bomb", vec![("Content-Encoding", "gzip")], bomb),
        ("truncated gzip", vec![("Content-Encoding", "gzip")], gzip(whole.as_bytes())[..20].to_vec()),
        ("no gzip", vec![("Content-Encoding", "gzip")], whole.clone().into_bytes()),
        ("brotli", vec![("Content-Encoding", "br")], whole.clone().into_bytes()),
        ("batch is no list", vec![], b"{\"batch\":{}}".to_vec()),
        ("no batch", vec![], b"{}".to_vec()),
    ];
    for (what, extra, body) in tries {
        let headers: Vec<(&str, &str)> = [("Authorization", key.as_str()), json_type].into_iter().chain(extra).collect();
        let answer = gateway.request("POST", "/v1/batch", &headers, &body);
        assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
        let problem = answer.json();
        assert!(
            problem["code"].is_string() && problem["message"].is_string() && problem["cure"].is_string(),
            "{what}: {problem}"
        );
    }
    let nested = gateway.post("/v1/batch", &key, deep.as_bytes());
    assert!(nested.status < 500 && nested.json().get("accepted").is_none_or(|n| *n == 0), "{}", nested.text);
    assert!(gzip_works(&gateway, &erika, &key));
    alive(&gateway, &erika);
}

fn gzip_works(gateway: &Gateway, erika: &Person, key: &str) -> bool {
    let event = erika.does("Zipped");
    let body = gzip(json!({"batch": [event.clone()]}).to_string().as_bytes());
    let answer = gateway.request("POST", "/v1/batch", &[("Authorization", key), ("Content-Encoding", "gzip")], &body);
    answer.status == 200 && arrived(gateway).contains(&id(&event))
}

#[test]
fn keys_and_origins_are_checked() {
    let (gateway, erika) = ready();
    let body = erika.does("Product Viewed").to_string();
    let post = |headers: &[(&str, &str)]| gateway.request("POST", "/v1/track", headers, body.as_bytes());
    assert_eq!((post(&[]).status, post(&[]).code().as_str()), (401, "write_key_missing"));
    assert_eq!(post(&[("Authorization", &basic("wk_wrong"))]).code(), "write_key_unknown");
    let key = basic("wk_web");
    for origin in
        ["https://evil.example", "http://localhost.evil.example", "null", "http://localhost@evil.example", "http://xlocalhost:80"]
    {
        let answer = post(&[("Authorization", &key), ("Origin", origin)]);
        assert_eq!(answer.code(), "origin_not_allowed", "{origin}");
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1:8080"] {
        let answer = post(&[("Authorization", &key), ("Origin", origin)]);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn decisions_that_make_no_sense_are_refused_by_field_and_change_nothing() {
    let (gateway, erika) = ready();
    let tries: Vec<(&str, Value, &str)> = vec![
        ("wk_web", json!({"decisions": {"analytics": "denied"}, "method": "banner"}), "anonymousId"),
        ("wk_web", json!({"anonymousId": erika.device, "method": "banner"}), "decisions"),
        ("wk_web", json!({"anonymousId": erika.device, "decisions": {}, "method": "banner"}), "decisions"),
        ("wk_web", json!({"anonymousId": erika.device, "decisions": [], "method": "banner"}), "decisions"),
        ("wk_web", json!({"anonymousId": erika.device, "decisions": {"ads": "denied"}, "method": "banner"}), "decisions.ads"),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"analytics": true}, "method": "banner"}),
            "decisions.analytics",
        ),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"analytics": "no"}, "method": "banner"}),
            "decisions.analytics",
        ),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"necessary": "denied"}, "method": "banner"}),
            "decisions.necessary",
        ),
        ("wk_web", json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}}), "method"),
        ("wk_web", json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}, "method": "telepathy"}), "method"),
        ("wk_web", json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}, "method": "spoken"}), "method"),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}, "method": "banner", "notice": "other"}),
            "notice",
        ),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}, "method": "banner", "language": "tlh"}),
            "language",
        ),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}, "method": "banner", "at": "2020-01-01"}),
            "at",
        ),
        ("wk_web", json!({"anonymousId": "null", "decisions": {"analytics": "denied"}, "method": "banner"}), "anonymousId"),
        ("wk_web", json!({"anonymousId": {"a": 1}, "decisions": {"analytics": "denied"}, "method": "banner"}), "anonymousId"),
        ("wk_web", json!({"anonymousId": "a\u{0}b", "decisions": {"analytics": "denied"}, "method": "banner"}), "anonymousId"),
        (
            "wk_web",
            json!({"anonymousId": "x".repeat(2000), "decisions": {"analytics": "denied"}, "method": "banner"}),
            "anonymousId",
        ),
        (
            "wk_till",
            json!({"identifiers": {"email": "nobody"}, "decisions": {"analytics": "denied"}, "method": "spoken"}),
            "identifiers.email",
        ),
        (
            "wk_till",
            json!({"identifiers": {"shoe": "43"}, "decisions": {"analytics": "denied"}, "method": "spoken"}),
            "identifiers",
        ),
        ("wk_till", json!({"identifiers": "me", "decisions": {"analytics": "denied"}, "method": "spoken"}), "identifiers"),
        (
            "wk_till",
            json!({"identifiers": {"loyalty_card": "DE-1"}, "decisions": {"analytics": "denied"}, "method": "spoken", "actor": "x".repeat(65)}),
            "actor",
        ),
        (
            "wk_web",
            json!({"anonymousId": erika.device, "decisions": {"analytics": "denied"}, "method": "banner", "colour": "red"}),
            "colour",
        ),
    ];
    // One that is not spent by what is refused.
    let token = token(&gateway, "wk_web");
    for (key, mut body, field) in tries {
        if key == "wk_web" {
            body["token"] = json!(token);
        }
        let answer = gateway.post("/v1/consents", &basic(key), body.to_string().as_bytes());
        assert!((400..500).contains(&answer.status), "{body}: {} {}", answer.status, answer.text);
        assert_eq!(answer.field(), field, "{body}: {}", answer.text);
    }
    assert_eq!(gateway.post("/v1/consents", &basic("wk_newsletter"), b"{}").status, 403);
    assert_eq!(gateway.post("/v1/consents", &basic("wk_web"), b"{").code(), "invalid_json");
    assert_eq!(gateway.post("/v1/consents", &basic("wk_web"), &vec![b'x'; 1 << 20]).status, 413);
    alive(&gateway, &erika);
}

#[test]
fn clocks_that_are_years_off_neither_break_nor_lose_anything() {
    let (gateway, erika) = ready();
    let mut sent = Vec::new();
    for timestamp in [
        "1970-01-01T00:00:00Z",
        "2020-01-01T00:00:00.000Z",
        "2200-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "-9999-01-01T00:00:00Z",
        "2026-11-24T10:00:00.123456789+01:00",
    ] {
        let mut event = erika.does("Product Viewed");
        event["timestamp"] = json!(timestamp);
        event["sentAt"] = json!("1999-01-01T00:00:00Z");
        sent.push(event);
    }
    let answer = send(&gateway, "wk_web", &sent);
    let rejected = answer["rejected"].as_array().unwrap().len();
    assert_eq!(arrived(&gateway).len() + rejected, sent.len(), "accepted or named, never lost: {answer}");
    let mut historical = erika.does("Product Viewed");
    historical["timestamp"] = json!("2020-01-01T00:00:00.000Z");
    send(&gateway, "wk_web", std::slice::from_ref(&historical));
    arrived(&gateway);
    let there = gateway.archive().into_iter().find(|e| e["messageId"] == id(&historical)).unwrap();
    assert!(there["timestamp"].as_str().unwrap().starts_with("2020-01-01T00:00:00"), "{there}");
    alive(&gateway, &erika);
}

#[test]
fn generated_nonsense_never_gets_a_5xx() {
    let (gateway, erika) = ready();
    let mut runner = TestRunner::new(Config::default());
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,12}".prop_map(|s| json!(s)),
    ];
    let value = leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|v| json!(v)),
            proptest::collection::btree_map("(userId|type|event|context|properties|consent|.{0,6})", inner, 0..4)
                .prop_map(|m| json!(m)),
        ]
    });
    let paths = [
        "/v1/track",
        "/v1/identify",
        "/v1/page",
        "/v1/screen",
        "/v1/group",
        "/v1/alias",
        "/v1/batch",
        "/v1/import",
        "/v1/t/",
        "/v1/m",
        "/v1/consents",
        "/v1/explain",
        "/v1/profiles/lookup",
        "/rsaRequest",
        "/beacon/v1/batch?writeKey=wk_web",
    ];
    for _ in 0..400 {
        let mut event = erika.does("Product Viewed");
        let field = [
            "type",
            "event",
            "anonymousId",
            "userId",
            "properties",
            "context",
            "traits",
            "timestamp",
            "messageId",
            "integrations",
        ]
        .choose_at(&mut runner);
        event[field] = value.new_tree(&mut runner).unwrap().current();
        let body = if runner.rng().next_u32().is_multiple_of(2) { json!({"batch": [event]}) } else { event };
        let path = paths.as_slice().choose_at(&mut runner);
        let answer = gateway.post(path, &basic("wk_web"), body.to_string().as_bytes());
        assert!(answer.status < 500, "{path} {body}: {}", answer.text);
    }
    for _ in 0..100 {
        let bytes = proptest::collection::vec(any::<u8>(), 0..200).new_tree(&mut runner).unwrap().current();
        let path = paths.as_slice().choose_at(&mut runner);
        assert!(gateway.post(path, &basic("wk_web"), &bytes).status < 500, "{path}");
    }
    alive(&gateway, &erika);
}

trait Choose<'a> {
    fn choose_at(&self, runner: &mut TestRunner) -> &'a str;
}

impl<'a, const N: usize> Choose<'a> for [&'a str; N] {
    fn choose_at(&self, runner: &mut TestRunner) -> &'a str {
        self.as_slice().choose_at(runner)
    }
}

impl<'a> Choose<'a> for &[&'a str] {
    fn choose_at(&self, runner: &mut TestRunner) -> &'a str {
        self[runner.rng().next_u32() as usize % self.len()]
    }
}
