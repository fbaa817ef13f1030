//! What it costs to erase people with everything that is known of them here — identifiers, decisions, profile, keys —, among very many:
//! one, and thousands at once; durable, on the embedded engine, through the requests as a data-protection officer approves them.
//!
//! `cargo bench --bench erase [-- --subjects 1000000 --batch 10000]`. The peer is what one durable commit of the store costs by itself, in
//! the same run. What recipients do is not part of it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark measures with the machine's clock, prints, and may fall over"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use pforte::app::App;
use pforte::config::Config;
use pforte::consent::{Besides, Method, Order};
use pforte::identity::{self, Identifier};
use pforte::profile::{Arrival, purpose_tag};
use pforte::rights::{Kind, RequestId, Step, Submission, Wrong};
use pforte::store::Batch;

// What the gateway uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People of one group of commits while loading.
const LOAD: u64 = 2_000;
/// People who are erased one by one.
const SINGLE: u64 = 100;
/// Events that the profile store has of each of those who are erased.
const EVENTS: u64 = 5;

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
}

fn argument(name: &str, otherwise: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(otherwise, |value| value.parse().unwrap())
}

fn open(folder: &Path) -> Arc<App> {
    let at = |name: &str| folder.join(name).display().to_string();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").display().to_string();
    let line = ["pforte", "--data", &at("data"), "--keys", &at("keys"), "--out", &at(""), "--policies", &policies];
    App::open(Arguments::parse_from(line).config).unwrap()
}

/// Of each person a device and an address are known, and what they decided.
fn identifiers(app: &App, n: u64) -> Vec<Identifier> {
    let policy = app.policy.current();
    let parse = |kind: &str, value: String| identity::parse(&policy, &app.vault, kind, &value).unwrap();
    vec![parse("email", address(n)), parse("device", format!("device-{n}"))]
}

fn address(n: u64) -> String {
    format!("person{n}@example.org")
}

async fn know(app: &App, n: u64) {
    let policy = app.policy.current();
    let decisions = ["analytics", "personalization"].map(|id| (policy.purpose(id).unwrap(), true)).to_vec();
    let order = Order {
        identifiers: identifiers(app, n),
        decisions,
        notice: None,
        language: None,
        method: Method::Import,
        source: 0,
        actor: None,
        at: app.clock.now(),
        policy,
        mark: None,
        besides: Besides::default(),
    };
    app.consents.record(order).await.unwrap();
}

/// Stores events of some people as dispatch does.
async fn do_things(app: &App, people: &[u64]) {
    let body = br#"{"type":"track","event":"Product Viewed","properties":{"product_id":"4001234567890","price":12.9,"category":"Rotwein"}}"#;
    let policy = app.policy.current();
    let owner = |n: u64| {
        let (known, named) = (identifiers(app, n), |i: &Identifier| app.directory.known(i).unwrap());
        (app.directory.subject(named(known.first().unwrap()).1), known.iter().map(|i| named(i).0).collect::<Vec<_>>())
    };
    let owners: Vec<_> = people.iter().map(|n| owner(*n)).collect();
    let purposes = [purpose_tag(&policy.purposes.get(policy.purpose("personalization").unwrap()).unwrap().id)];
    for _ in 0..EVENTS {
        let arrivals: Vec<Arrival<'_>> = owners
            .iter()
            .map(|(subject, names)| Arrival {
                subject: *subject,
                received_at: app.clock.now(),
                source: "web",
                purposes: &purposes,
                names,
                event: body,
                kept: None,
            })
            .collect();
        let mut batch = Batch::default();
        let turn = app.profiles.turn().await;
        let (staged, _) = app.profiles.stage(&arrivals, &mut batch).unwrap();
        let positions = app.store.commit(batch).await.unwrap();
        app.profiles.learn(&staged, &positions);
        drop(turn);
    }
}

async fn approved(app: &App, n: u64) -> RequestId {
    let submission = Submission {
        kind: Kind::Erasure,
        identifiers: vec![(String::from("email"), address(n))],
        purposes: None,
        wrong: Wrong::default(),
        identified: true,
        suppress: false,
        language: None,
        who: String::from("bench"),
        why: None,
    };
    let id = app.rights.submit(submission).await.unwrap();
    app.rights.act(id, Step::Approve, "bench", None).await.unwrap();
    id
}

#[tokio::main]
async fn main() {
    let (subjects, batch) = (argument("--subjects", 1_000_000), argument("--batch", 10_000));
    let folder = tempfile::tempdir().unwrap();
    let app = open(folder.path());
    let began = Instant::now();
    for first in (0..subjects).step_by(usize::try_from(LOAD).unwrap()) {
        let some = (first..(first + LOAD).min(subjects)).map(|n| know(&app, scatter(n, subjects)));
        futures_util::future::join_all(some).await;
    }
    let erased: Vec<u64> = (0..SINGLE + batch).map(|n| scatter(n.wrapping_mul(31), subjects)).collect();
    for some in erased.chunks(500) {
        do_things(&app, some).await;
    }
    println!("{subjects} people with two identifiers and a decision each, loaded in {:.0} s", began.elapsed().as_secs_f64());

    let mut plain = Vec::new();
    for n in 0..SINGLE {
        let mut commit = Batch::default();
        commit.put([b"!".as_slice(), &n.to_be_bytes()].concat(), vec![7; 64]);
        let began = Instant::now();
        app.store.commit(commit).await.unwrap();
        plain.push(began.elapsed());
    }
    report("one durable commit", plain);
    let (mut filed, mut done) = (Vec::new(), Vec::new());
    let (one_by_one, at_once) = erased.split_at(usize::try_from(SINGLE).unwrap());
    for n in one_by_one {
        let began = Instant::now();
        let id = approved(&app, *n).await;
        filed.push(began.elapsed());
        let began = Instant::now();
        app.rights.work().await.unwrap();
        done.push(began.elapsed());
        assert_is_erased(&app, id);
    }
    report("filed and approved", filed);
    report("one person erased, all local work", done);

    let mut requests = Vec::with_capacity(at_once.len());
    for n in at_once {
        requests.push(approved(&app, *n).await);
    }
    let began = Instant::now();
    app.rights.work().await.unwrap();
    let took = began.elapsed();
    requests.into_iter().for_each(|id| assert_is_erased(&app, id));
    println!("{batch} people in one batch: {:.2} s, {:.2} ms each", took.as_secs_f64(), took.as_secs_f64() * 1e3 / batch as f64);
    app.close().await.unwrap();
}

fn assert_is_erased(app: &App, id: RequestId) {
    let request = app.rights.get(id).unwrap();
    assert!(request.state.is_over() && request.shredded.is_some_and(|(people, _)| people > 0), "it was not erased");
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
}

/// The `n`th of all, in an order that jumps about.
const fn scatter(n: u64, subjects: u64) -> u64 {
    n.wrapping_mul(7_919) % subjects
}
