//! What it costs to move all identifiers to another index key, durable, on the embedded engine, and what an identifier takes in memory.
//!
//! `cargo bench --bench reindex [-- --people 500000]`. A person has an e-mail address and a loyalty card.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints and measures"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pforte::clock::Chance;
use pforte::identity::{self, Admission, Directory, Identifier};
use pforte::policy::{self, Policy};
use pforte::store::{Batch, Options, Store};
use pforte::vault::{Settings, Vault};

// What the gateway uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// People of one commit while loading.
const LOAD: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--people");
    let people: usize = arguments.nth(1).map_or(Ok(500_000), |value| value.parse())?;
    let folder = tempfile::tempdir()?;
    let policy =
        policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).map_err(|_findings| "the policy does not load")?;
    let chance = Chance::system();
    let store = Store::open(&folder.path().join("data"), &Options::default())?;
    let settings = Settings { cached_keys: 10_000, ..Settings::default() };
    let vault = Arc::new(Vault::open_with(&folder.path().join("keys"), &store, &chance, &settings)?);
    let directory = Directory::open(&store, &vault)?;
    for first in (0..people).step_by(LOAD) {
        let (mut batch, mut plans) = (Batch::default(), Vec::new());
        for n in first..(first + LOAD).min(people) {
            let context = Admission { vault: &vault, policy: &policy, chance: &chance, at: 0 };
            plans.push(directory.admit(&person(&policy, &vault, n)?, &context, &mut batch)?);
        }
        store.commit_blocking(batch)?;
        plans.iter().for_each(|plan| directory.learn(plan));
    }
    let figures = directory.figures();
    println!("{} identifiers, {:.1} bytes of memory each", figures.identifiers, per(figures.memory_bytes, figures.identifiers));

    let resident = rss()?;
    let began = Instant::now();
    directory.turn_over(1)?;
    let (mut most, mut longest) = (0, 0.0_f64);
    loop {
        let step = Instant::now();
        let more = directory.move_some(&store, &chance)?;
        longest = longest.max(step.elapsed().as_secs_f64());
        most = most.max(directory.figures().memory_bytes);
        if !more {
            break;
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "moved in {took:.1} s: {:.0} identifiers/s, the longest step {:.1} ms; at most {:.1} bytes each meanwhile, {} MB more of the process",
        figures.identifiers as f64 / took,
        longest * 1e3,
        per(most, figures.identifiers),
        rss()?.saturating_sub(resident) >> 20
    );
    let began = Instant::now();
    let again = Directory::open(&store, &vault)?;
    println!("read at start in {:.2} s", began.elapsed().as_secs_f64());
    assert_eq!(again.figures().identifiers, figures.identifiers);
    let looked = Instant::now();
    for n in 0..100_000 {
        let found = again.resolve(&person(&policy, &vault, n * 7 % people)?);
        assert_eq!(found.nodes.len(), 2);
    }
    println!("two identifiers read, blinded and looked up in {:.2} us", looked.elapsed().as_secs_f64() * 1e6 / 1e5);
    store.close()?;
    Ok(())
}

fn person(policy: &Policy, vault: &Vault, n: usize) -> Result<Vec<Identifier>, identity::Refusal> {
    let email = identity::parse(policy, vault, "email", &format!("person{n}@example.de"))?;
    Ok(vec![email, identity::parse(policy, vault, "loyalty_card", &format!("DE{n}"))?])
}

fn per(bytes: usize, count: usize) -> f64 {
    bytes as f64 / count as f64
}

fn rss() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4096)
}
