//! What it costs to erase keys: one subject, and thousands at once, among many; durable, on the embedded engine.
//!
//! `cargo bench --bench shred [-- --subjects 1000000 --batch 10000]`. The peer is what one durable commit of the store costs by itself,
//! in the same run.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints and measures"
)]

use std::time::{Duration, Instant};

use pforte::clock::Chance;
use pforte::id::SubjectId;
use pforte::store::{Batch, Options, Store};
use pforte::vault::{Class, Settings, Vault};

// What the gateway uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Subjects of one commit while loading.
const LOAD: u64 = 2_000;
/// Subjects that are erased one by one.
const SINGLE: u64 = 300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |name: &str, otherwise: u64| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1).map_or(Ok(otherwise), |value| value.parse())
    };
    let (subjects, batch) = (argument("--subjects", 1_000_000)?, argument("--batch", 10_000)?);
    let folder = tempfile::tempdir()?;
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    let store = Store::open(&data, &Options::default())?;
    let empty = rss()?;
    let vault = Vault::open_with(&keys, &store, &Chance::system(), &Settings { cached_keys: 1_000, ..Settings::default() })?;
    let began = Instant::now();
    for first in (0..subjects).step_by(usize::try_from(LOAD)?) {
        let mut batch = Batch::default();
        for n in first..(first + LOAD).min(subjects) {
            vault.create(subject(n), &mut batch)?;
        }
        store.commit_blocking(batch)?;
    }
    let took = began.elapsed();
    println!("{subjects} subjects: {:.2} us each, {} MB on disk", micros(took) / subjects as f64, store.size_on_disk() >> 20);
    drop(vault);
    let began = Instant::now();
    let vault = Vault::open_with(&keys, &store, &Chance::system(), &Settings { cached_keys: 1_000, ..Settings::default() })?;
    println!(
        "opened in {:.1} ms; {} MB more memory than an empty store",
        began.elapsed().as_secs_f64() * 1e3,
        (rss()?.saturating_sub(empty)) >> 20
    );

    let began = Instant::now();
    for n in 0..10_000 {
        vault.key(subject(scatter(n, subjects)))?;
    }
    println!("a key that is not in the cache: {:.2} us", micros(began.elapsed()) / 1e4);

    let plain: Vec<Duration> = (0..SINGLE).map(|n| timed(|| plain_commit(&store, n))).collect::<Result<_, _>>()?;
    let shred: Vec<Duration> = (0..SINGLE)
        .map(|n| timed(|| Ok(vault.shred(&[(subject(scatter(n, subjects)), Class::STANDARD)]).map(drop)?)))
        .collect::<Result<_, _>>()?;
    report("one durable commit", plain.clone());
    report("one subject erased", shred.clone());
    println!("ratio of the medians: {:.1}", micros(median(shred)) / micros(median(plain)));

    let many: Vec<_> = (SINGLE..SINGLE + batch).map(|n| (subject(scatter(n, subjects)), Class::STANDARD)).collect();
    let before = rss()?;
    let took = timed(|| Ok(vault.shred(&many).map(drop)?))?;
    println!(
        "{batch} subjects in one batch: {:.2} s, {} MB more memory",
        took.as_secs_f64(),
        (rss()?.saturating_sub(before)) >> 20
    );
    drop(vault);
    store.close()?;
    Ok(())
}

fn plain_commit(store: &Store, n: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut batch = Batch::default();
    batch.put([b"!".as_slice(), &n.to_be_bytes()].concat(), vec![7; 64]);
    store.commit_blocking(batch)?;
    Ok(())
}

fn timed(act: impl FnOnce() -> Result<(), Box<dyn std::error::Error>>) -> Result<Duration, Box<dyn std::error::Error>> {
    let began = Instant::now();
    act()?;
    Ok(began.elapsed())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Subject IDs are random; these are spread as well and can be told again.
fn subject(n: u64) -> SubjectId {
    let spread =
        |n: u64| n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    SubjectId(((u128::from(spread(n)) << 64) | u128::from(n)).to_be_bytes())
}

/// The `n`th of all, in an order that jumps about.
const fn scatter(n: u64, subjects: u64) -> u64 {
    n.wrapping_mul(7_919) % subjects
}

fn rss() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4096)
}
