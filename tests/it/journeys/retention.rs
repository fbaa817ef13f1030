//! What is over goes on its own, also when the gateway is killed again and again while it goes; and whoever asked for it is not brought
//! back by an import.

use std::path::Path;
use std::sync::Arc;

use pforte::app::App;
use pforte::clock::{Clock, DAY_MS, Millis};
use pforte::config::{Config, MasterKey};
use pforte::consent::{Besides, Method, Order};
use pforte::identity;
use pforte::profile::{Arrival, Term, purpose_tag};
use pforte::store::{Batch, Store};
use serde_json::{Value, json};

use crate::harness::people::Person;
use crate::harness::{Answer, Gateway, project};

/// Who refused so long ago that it need not be remembered; who refused lately; who ordered ten years ago; who ordered lately.
const CROWD: [usize; 4] = [1500, 40, 200, 30];

fn opened(folder: &Path, clock: &Clock) -> Arc<App> {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: folder.join("data"),
        keys: folder.join("keys"),
        policies: project().join("policies"),
        out: folder.to_path_buf(),
        log: String::from("off"),
        workers: 1,
        cache_mib: 16,
        trusted_proxies: Vec::new(),
        mail: pforte::config::Mail::default(),
        public_url: None,
        demo: None,
        withdrawal_cut_ms: 1000,
        index_key_days: 0,
        master: MasterKey::default(),
        witnesses: None,
    };
    App::open_with(config, clock.clone(), None).unwrap()
}

async fn refuses(app: &App, name: String, at: Millis) {
    let policy = app.policy.current();
    let order = Order {
        identifiers: vec![identity::parse(&policy, &app.vault, "device", &name).unwrap()],
        decisions: vec![(policy.purpose("analytics").unwrap(), false)],
        notice: None,
        language: None,
        method: Method::Banner,
        source: 0,
        actor: None,
        at,
        policy,
        mark: None,
        besides: Besides::default(),
    };
    app.consents.record(order).await.unwrap();
}

async fn orders(app: &App, name: String, at: Millis) {
    refuses(app, name.clone(), at).await;
    let policy = app.policy.current();
    let device = identity::parse(&policy, &app.vault, "device", &name).unwrap();
    let term = Term::of(policy.duty("Order Completed").unwrap(), &policy.controller, at);
    let body = json!({"type": "track", "event": "Order Completed", "order": name}).to_string();
    let arrival = Arrival {
        subject: app.directory.subject(app.directory.owner(&device).unwrap()),
        received_at: at,
        source: "web",
        purposes: &[purpose_tag("personalization")],
        names: &[],
        event: body.as_bytes(),
        kept: Some(&term),
    };
    let mut batch = Batch::default();
    let _turn = app.profiles.turn().await;
    let (staged, _) = app.profiles.stage(&[arrival], &mut batch).unwrap();
    let positions = app.store.commit(batch).await.unwrap();
    app.profiles.learn(&staged, &positions);
}

/// A data folder with a past.
fn past(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let now = Clock::system().now();
        let app = opened(folder, &Clock::manual(now - 4_000 * DAY_MS));
        let [old, new, old_orders, new_orders] = CROWD;
        let long_ago = now - 3_800 * DAY_MS;
        futures_util::future::join_all((0..old).map(|n| refuses(&app, format!("old-{n}"), long_ago))).await;
        futures_util::future::join_all((0..new).map(|n| refuses(&app, format!("new-{n}"), now - DAY_MS))).await;
        for n in 0..old_orders {
            orders(&app, format!("old-order-{n}"), long_ago).await;
        }
        for n in 0..new_orders {
            orders(&app, format!("new-order-{n}"), now - DAY_MS).await;
        }
        app.close().await.unwrap();
    });
}

fn figure(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.get("/metrics", "").text;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no figure {name}"))
}

#[test]
fn a_run_that_is_killed_again_and_again_is_completed_and_takes_nobody_else() {
    let mut gateway = Gateway::after(past);
    let [old, new, old_orders, new_orders] = CROWD;
    let mut cut_off = 0;
    for n in 0..25 {
        (0..n % 6).for_each(|_| drop(gateway.get("/healthz", "")));
        gateway.kill();
        cut_off += usize::from(gateway.with_store(|store| store.scan(b"Z", None, 1).unwrap().is_empty() || !ended(store)));
        gateway.again();
    }
    assert!(cut_off > 3, "the kills came too late: {cut_off}");
    gateway.wait_for("the run to end", || (figure(&gateway, "pforte_retention_seconds") > 0).then_some(()));
    assert_eq!(figure(&gateway, "pforte_subjects"), (new + new_orders) as u64);
    assert_eq!(figure(&gateway, "pforte_retention_duties_held"), new_orders as u64);
    let overview = gateway.get("/v1/retention", &format!("Bearer {}", gateway.operator())).json();
    assert_eq!((&overview["peopleOver"], &overview["duties"][0]["people"]), (&json!(0), &json!(new_orders)), "{overview}");
    assert_eq!(overview["duties"].as_array().map(Vec::len), Some(1), "{overview}");
    gateway.stop();
    let rows = gateway.with_store(|store| {
        [b"I", b"V", b"S", b"D", b"K", b"B", b"h", b"Y"].map(|tag| store.scan(tag, None, 10_000).unwrap().len())
    });
    let people = new + new_orders;
    assert_eq!(rows, [people, people, people, people, people, new_orders, new_orders, 1], "{old} and {old_orders} went");
    gateway.again();
}

fn ended(store: &Store) -> bool {
    let rows = store.scan(b"Z", None, 1).unwrap();
    let run: Option<Value> = rows.first().and_then(|(_, value)| serde_json::from_slice(value.get(1..)?).ok());
    run.is_some_and(|run| run["ended_at"].is_i64())
}

fn bearer(gateway: &Gateway) -> String {
    format!("Bearer {}", gateway.operator())
}

/// A decision that a file from elsewhere brings.
fn imported(gateway: &Gateway, key: &str, person: &Person) -> Answer {
    let body = json!({"identifiers": {"email": person.email}, "method": "import", "decisions": {"analytics": "granted"}});
    gateway.post("/v1/consents", key, body.to_string().as_bytes())
}

/// The reason for which an event of a source would stay out of the archive.
fn reason(gateway: &Gateway, source: &str, person: &Person) -> Option<String> {
    let event = json!({"type": "track", "event": "Order Completed", "properties": {"email": person.email}, "messageId": "m"});
    let answer = gateway.post("/v1/explain", &bearer(gateway), json!({"source": source, "event": event}).to_string().as_bytes());
    let places = answer.json()["destinations"].as_array().unwrap().clone();
    places.iter().find(|place| place["destination"] == "archive").and_then(|place| place["reason"].as_str().map(str::to_owned))
}

fn policies_with_an_import(folder: &Path) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target)
            } else {
                std::fs::copy(entry.path(), &target).unwrap();
            }
        }
    }
    copy(&project().join("policies"), folder);
    let path = folder.join("sources.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("\n[[source]]\nid = \"crm\"\nkind = \"import\"\nwrite_key = \"wk_crm\"\nnotice = \"till-spoken\"\n");
    std::fs::write(path, text).unwrap();
}

#[test]
fn whoever_asked_for_it_is_not_brought_back_by_an_import_but_comes_back_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    policies_with_an_import(folder.path());
    let mut gateway = Gateway::with_policies(folder.path());
    let made = gateway.command(&[
        "key",
        "create",
        "--source",
        "crm",
        "--scope",
        "consents:write",
        "--policies",
        folder.path().to_str().unwrap(),
    ]);
    let crm = format!("Bearer {}", String::from_utf8(made.stdout).unwrap().lines().next().unwrap());
    let (erika, otto) = (Person::new("erika"), Person::new("otto"));
    for person in [&erika, &otto] {
        assert_eq!(imported(&gateway, &crm, person).status, 201);
        assert_eq!(reason(&gateway, "crm", person), None);
    }
    let wrong = |body: &Value| {
        let answer = gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes());
        assert_eq!((answer.status, answer.field().as_str()), (422, "suppress"), "{}", answer.text);
    };
    let mut body = json!({"kind": "erasure", "identifiers": {"email": erika.email}, "identified": true, "suppress": true});
    wrong(&body);
    body["note"] = json!("Möchte nicht wieder aufgenommen werden.");
    body["kind"] = json!("access");
    wrong(&body);
    body["suppress"] = json!("yes");
    wrong(&body);
    (body["kind"], body["suppress"]) = (json!("erasure"), json!(true));
    for (person, suppress) in [(&erika, true), (&otto, false)] {
        (body["identifiers"], body["suppress"]) = (json!({"email": person.email}), json!(suppress));
        let filed = gateway.post("/v1/requests", &bearer(&gateway), body.to_string().as_bytes()).json();
        let request = format!("/v1/requests/{}", filed["id"].as_str().unwrap());
        gateway.post(&format!("{request}/approve"), &bearer(&gateway), b"{}");
        gateway.wait_for("the erasure", || (gateway.get(&request, &bearer(&gateway)).json()["state"] == "done").then_some(()));
    }
    for restart in [false, true] {
        if restart {
            gateway.restart();
        }
        let refused = imported(&gateway, &crm, &erika);
        assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"), "{}", refused.text);
        assert_eq!(reason(&gateway, "crm", &erika).as_deref(), Some("suppressed"));
        assert_eq!(reason(&gateway, "web", &erika).as_deref(), Some("no_decision"), "her own visit is her own");
        assert_eq!((figure(&gateway, "pforte_suppressed"), figure(&gateway, "pforte_subjects")), (1, u64::from(restart)));
        // He did not ask for it.
        assert_eq!(imported(&gateway, &crm, &otto).status, 201);
    }
    // A refusal is no wish to come back; a grant of her own is.
    let own = |decision: &str| {
        erika.decides_as(
            &gateway,
            "wk_web",
            &json!({"identifiers": {"email": erika.email}, "method": "portal"}),
            &[("analytics", decision)],
        )
    };
    own("denied");
    assert_eq!(reason(&gateway, "crm", &erika).as_deref(), Some("suppressed"));
    own("granted");
    assert_eq!((reason(&gateway, "crm", &erika), figure(&gateway, "pforte_suppressed")), (None, 0));
    gateway.restart();
    assert_eq!((imported(&gateway, &crm, &erika).status, figure(&gateway, "pforte_suppressed")), (201, 0));
}
