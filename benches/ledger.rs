//! What the ledger costs: does it keep up with decisions, what is a proof at ten million leaves, how much memory does it take.
//!
//! `cargo bench --bench ledger [-- --leaves 10000000 --seconds 20]`. Commitments are appended as decisions append them, many in one group
//! commit of the embedded engine; the ledger takes them in on another thread, as it does in the gateway.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints and measures"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pforte::clock::Chance;
use pforte::ledger::{Commitment, Ledger, append};
use pforte::store::{Batch, Options, Store};
use pforte::vault::Vault;

// What the gateway uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Leaves of one commit while loading.
const LOAD: u64 = 1_000;
/// Leaves per second that are offered.
const RATE: u64 = 20_000;
/// Commits per second that carry them.
const COMMITS: u64 = 200;
/// A step that took in so many leaves is followed by the next at once.
const FULL: usize = 1_024;
/// Proofs that are timed.
const PROOFS: u64 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |name: &str, otherwise: u64| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1).map_or(Ok(otherwise), |value| value.parse())
    };
    let (leaves, seconds) = (argument("--leaves", 10_000_000)?, argument("--seconds", 20)?);
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("data"), &Options { cache_bytes: 64 << 20, ..Options::default() })?;
    let vault = Arc::new(Vault::open(&folder.path().join("keys"), &store, &Chance::system())?);
    let ledger = Arc::new(Ledger::open(&store, &vault, &folder.path().join("ledger"))?);

    let began = Instant::now();
    let mut taking = Duration::ZERO;
    for first in (0..leaves).step_by(usize::try_from(LOAD)?) {
        store.commit_blocking(some(first..(first + LOAD).min(leaves)))?;
        if first % (64 * LOAD) == 0 {
            taking += timed(|| drop(take_all(&ledger)));
        }
    }
    taking += timed(|| drop(take_all(&ledger)));
    println!(
        "{leaves} leaves: taken in at {:.0} leaves/s (appending apart: {:.0} s in all), tree {} MB, store {} MB, {} MB of memory",
        leaves as f64 / taking.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        size(&folder.path().join("ledger"))? >> 20,
        store.size_on_disk() >> 20,
        rss()? >> 20
    );

    keep_up(&store, &ledger, leaves, seconds)?;

    let count = ledger.head().size;
    let mut proofs = Vec::new();
    for n in 0..PROOFS {
        let index = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
        let began = Instant::now();
        ledger.prove(index, None)?;
        proofs.push(began.elapsed());
    }
    report(&format!("an inclusion proof at {count} leaves"), proofs);
    let mut growths = Vec::new();
    for n in 0..PROOFS {
        let from = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count + 1;
        let began = Instant::now();
        ledger.prove_growth(from, None)?;
        growths.push(began.elapsed());
    }
    report(&format!("a consistency proof at {count} leaves"), growths);
    let before = rss()?;
    drop(ledger);
    let opened = Instant::now();
    drop(Ledger::open(&store, &vault, &folder.path().join("ledger"))?);
    println!("opened in {:.1} ms", opened.elapsed().as_secs_f64() * 1e3);
    std::fs::remove_dir_all(folder.path().join("ledger"))?;
    let opened = Instant::now();
    drop(Ledger::open(&store, &vault, &folder.path().join("ledger"))?);
    println!(
        "built again from the stream in {:.1} s; {} MB more memory",
        opened.elapsed().as_secs_f64(),
        rss()?.saturating_sub(before) >> 20
    );
    store.close()?;
    Ok(())
}

/// Offers leaves at a steady rate, and says how far the signed head lags behind.
fn keep_up(store: &Store, ledger: &Arc<Ledger>, first: u64, seconds: u64) -> Result<(), Box<dyn std::error::Error>> {
    let done = Arc::new(AtomicBool::new(false));
    let taker = {
        let (ledger, done) = (Arc::clone(ledger), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut busy = Duration::ZERO;
            while !done.load(Ordering::SeqCst) {
                let began = Instant::now();
                let taken = ledger.take_in().unwrap_or(0);
                busy += began.elapsed();
                // As in the gateway: leaves gather for a while, unless more wait already.
                if taken < FULL {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            busy
        })
    };
    let began = Instant::now();
    let (mut next, mut lag) = (first, 0);
    for n in 0..seconds * COMMITS {
        store.commit_blocking(some(next..next + RATE / COMMITS))?;
        next += RATE / COMMITS;
        lag = lag.max(next - ledger.head().size);
        let due = Duration::from_micros((n + 1) * 1_000_000 / COMMITS);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let took = began.elapsed();
    done.store(true, Ordering::SeqCst);
    let busy = taker.join().map_err(|_panicked| "the ledger stumbled")?;
    take_all(ledger)?;
    println!(
        "{:.0} leaves/s offered for {:.0} s in {COMMITS} commits/s: the head lags at most {lag} leaves ({:.2} s) behind, taking in for {:.0} % of the time",
        (next - first) as f64 / took.as_secs_f64(),
        took.as_secs_f64(),
        lag as f64 / RATE as f64,
        100.0 * busy.as_secs_f64() / took.as_secs_f64()
    );
    Ok(())
}

fn some(numbers: std::ops::Range<u64>) -> Batch {
    let mut batch = Batch::default();
    numbers.for_each(|n| append(&mut batch, &Commitment::of("bench", &[7; 32], &n.to_be_bytes())));
    batch
}

fn take_all(ledger: &Ledger) -> Result<(), pforte::ledger::Error> {
    while ledger.take_in()? > 0 {}
    Ok(())
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!("{what}: {:.3} ms p50, {:.3} ms p99", at(50), at(99));
}

fn size(folder: &std::path::Path) -> std::io::Result<u64> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// Memory of this process, in bytes.
fn rss() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok(pages * 4096)
}
