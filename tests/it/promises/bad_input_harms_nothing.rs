//! P10: bad input gets a clear error that names the field, its good neighbours go through, and nothing breaks.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Barrier;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, basic, id, policy_where, send, token};
use crate::harness::{Gateway, project};

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

/// What it is, its write key, a header, and what it makes of an event of somebody who has consented.
type Kind = (&'static str, &'static str, (&'static str, &'static str), fn(&mut Value) -> Vec<u8>);

/// Events that come one a request, in all sorts of ways.
const KINDS: &[Kind] = &[
    ("plain", "wk_web", ("", ""), plain),
    ("of another source", "wk_app", ("", ""), plain),
    ("of a third source", "wk_newsletter", ("", ""), plain),
    ("of nobody who decided", "wk_web", ("", ""), |event| {
        event["anonymousId"] = json!(uuid::Uuid::new_v4().to_string());
        plain(event)
    }),
    ("makes somebody known", "wk_web", ("", ""), |event| {
        event["userId"] = json!(format!("kunde-{}", uuid::Uuid::new_v4()));
        plain(event)
    }),
    ("key in the body", "", ("", ""), |event| {
        event["writeKey"] = json!("wk_web");
        plain(event)
    }),
    ("no key", "", ("", ""), plain),
    ("unknown key", "wk_wrong", ("", ""), plain),
    ("zipped", "wk_web", ("Content-Encoding", "gzip"), |event| gzip(&plain(event))),
    ("no gzip", "wk_web", ("Content-Encoding", "gzip"), plain),
    ("cut off", "wk_web", ("", ""), |event| plain(event)[..60].to_vec()),
    ("no name", "wk_web", ("", ""), |event| {
        event["event"] = json!(null);
        plain(event)
    }),
    ("of a wrong type", "wk_web", ("", ""), |event| {
        event["properties"] = json!([1]);
        plain(event)
    }),
    ("too long", "wk_web", ("", ""), |event| {
        event["properties"] = json!({"long": "x".repeat(40_000)});
        plain(event)
    }),
    ("of a foreign page", "wk_web", ("Origin", "https://evil.example"), plain),
    ("with a no", "wk_web", ("", ""), |event| {
        event["context"] = json!({"consent": {"categoryPreferences": {"analytics": false}}});
        plain(event)
    }),
    ("decides", "wk_web", ("", ""), |event| {
        event["event"] = json!("Segment Consent Preference Updated");
        event["context"] = json!({"consent": {"categoryPreferences": {"analytics": false}}});
        plain(event)
    }),
    ("of a browser that refuses", "wk_web", ("Sec-GPC", "1"), plain),
];

fn plain(event: &mut Value) -> Vec<u8> {
    event.to_string().into_bytes()
}

/// A request of a kind, by somebody of its own.
struct Sent<'a> {
    kind: &'a Kind,
    person: Person,
    message: String,
    body: Vec<u8>,
}

impl<'a> Sent<'a> {
    fn prepare(gateway: &Gateway, kind: &'a Kind) -> Self {
        let person = Person::new("person");
        let who = json!({"anonymousId": person.device, "method": "banner"});
        person.decides_as(gateway, "wk_app", &who, &[("analytics", "granted")]);
        let mut event = person.does("Product Viewed");
        let body = kind.3(&mut event);
        Self { kind, person, message: id(&event), body }
    }

    fn send(&self, gateway: &Gateway) -> Value {
        let (_, key, header, _) = self.kind;
        let authorization = if key.is_empty() { String::new() } else { basic(key) };
        let answer = gateway.request("POST", "/v1/track", &[("Authorization", &authorization), *header], &self.body);
        if answer.status == 200 { answer.json() } else { json!([answer.status, answer.code(), answer.field()]) }
    }
}

/// What became of requests: the answer, from which sources the event arrived, and whether what the same person does later arrives.
fn outcomes(gateway: &Gateway, answered: Vec<(Sent, Value)>) -> Vec<(Value, Vec<Value>, usize)> {
    let later: Vec<Value> = answered.iter().map(|(sent, _)| sent.person.does("Later")).collect();
    send(gateway, "wk_web", &later);
    gateway.drain();
    let arrived = gateway.archive();
    let sources = |message: &str| -> Vec<Value> {
        arrived.iter().filter(|there| there["messageId"] == message).map(|there| there["source"].clone()).collect()
    };
    let of = |((sent, answer), later): ((Sent, Value), &Value)| (answer, sources(&sent.message), sources(&id(later)).len());
    answered.into_iter().zip(&later).map(of).collect()
}

#[test]
fn in_whatever_company_a_request_comes_it_is_answered_as_if_alone() {
    let policies = policy_where("signals.toml", "purposes = [\"ads_sharing\"]\n# When", "purposes = [\"analytics\"]\n# When");
    let gateway = Gateway::with_options(policies.path(), &["--workers", "1"]);
    let one_by_one = KINDS.iter().map(|kind| {
        let sent = Sent::prepare(&gateway, kind);
        let answer = sent.send(&gateway);
        assert_eq!(answer, sent.send(&gateway), "{}: the same again", kind.0);
        (sent, answer)
    });
    let alone = outcomes(&gateway, one_by_one.collect());
    assert_eq!(alone[0], (json!({"success": true, "accepted": 1, "rejected": []}), vec![json!("web")], 1));
    assert!(alone.iter().filter(|(answer, ..)| answer.is_array()).count() >= 8, "{alone:?}");
    for round in 0..6 {
        let mut all: Vec<Sent> = KINDS.iter().map(|kind| Sent::prepare(&gateway, kind)).collect();
        all.rotate_left(round * 3);
        // Each of them twice, and everybody at the same moment.
        let barrier = Barrier::new(2 * all.len());
        let at_once = |sent: &Sent| {
            barrier.wait();
            sent.send(&gateway)
        };
        let answers: Vec<[Value; 2]> = std::thread::scope(|scope| {
            let both = |sent| [scope.spawn(move || at_once(sent)), scope.spawn(move || at_once(sent))];
            let both: Vec<_> = all.iter().map(both).collect();
            both.into_iter().map(|both| both.map(|one| one.join().unwrap())).collect()
        });
        let answered = all.into_iter().zip(answers).map(|(sent, [one, other])| {
            assert_eq!(one, other, "{}", sent.kind.0);
            (sent, one)
        });
        let mut in_company = outcomes(&gateway, answered.collect());
        in_company.rotate_right(round * 3);
        for ((kind, alone), in_company) in KINDS.iter().zip(&alone).zip(&in_company) {
            assert_eq!(in_company, alone, "{}", kind.0);
        }
    }
}

/// All but the first have to wait until that one has made the person known.
#[test]
fn what_many_requests_say_of_somebody_new_at_once_arrives_once() {
    let gateway = Gateway::with_options(&project().join("policies"), &["--workers", "1"]);
    let mut expected = BTreeSet::new();
    for _ in 0..6 {
        let person = Person::new("new");
        person.decides(&gateway, &[("analytics", "granted")]);
        let mut events: Vec<Value> = (0..24).map(|_| person.does("Product Viewed")).collect();
        events.iter_mut().for_each(|event| event["userId"] = json!(person.user_id));
        expected.extend(events.iter().map(id));
        let barrier = Barrier::new(events.len());
        std::thread::scope(|scope| {
            for event in &events {
                let (gateway, barrier) = (&gateway, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let answer = gateway.post("/v1/track", &basic("wk_web"), event.to_string().as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text);
                });
            }
        });
    }
    let arrived = arrived(&gateway);
    assert_eq!(arrived.len(), expected.len(), "every event arrives once");
    assert_eq!(arrived.into_iter().collect::<BTreeSet<String>>(), expected);
}

/// Its body names the key, so whose it is has been found out, and counted, when it turns out that it is not in order.
#[test]
fn a_request_counts_once_towards_what_a_source_may_send() {
    let policies = policy_where("sources.toml", "rate_per_s = 50000", "rate_per_s = 1");
    let gateway = Gateway::with_policies(policies.path());
    let mut event = Person::new("erika").does("Product Viewed");
    event["writeKey"] = json!("wk_web");
    event["event"] = json!(null);
    let answer = gateway.post("/v1/track", "", event.to_string().as_bytes());
    assert_eq!(
        (answer.status, answer.field().as_str()),
        (422, "event"),
        "the one that may be sent in this second: {}",
        answer.text
    );
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
