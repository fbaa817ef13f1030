//! What decisions cost: people who were not known decide, people change their mind, people look at what they decided; with few and
//! many clients, next to what the disk can do by itself.
//!
//! Gateway and load share both cores. A national consent register asks for 16 700 encrypted, durable writes and 83 000 reads a second
//! from five data centres, which is the highest public bar that we know.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::{Outcome, drive, drive_with, number};

/// How many clients there are at once.
const CLIENTS: [usize; 3] = [16, 64, 256];
/// How long the disk is probed.
const PROBE: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &[String]) {
    let (subjects, seconds) = (number(args, "--subjects", 100_000), number(args, "--seconds", 10));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let policies = crate::copy_policies(folder.path());
    let mut ours = Command::new(env!("CARGO_BIN_EXE_pforte"));
    ours.current_dir(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--policies"]).arg(policies);
    let gate = Server::start(ours);
    println!("{subjects} people who have decided, {seconds} s each; gateway and load share both cores");
    println!("{}", probe(folder.path()));
    print("filling", 64, &drive(&gate, "consent", 3600, (subjects, 0)));
    let mut salt = subjects;
    for clients in CLIENTS {
        for (name, kind) in [("new people decide", "decide"), ("people change their mind", "change"), ("people look", "look")] {
            let outcome = drive_with(&gate, kind, seconds, (subjects, salt), clients);
            print(name, clients, &outcome);
            // Nobody of the next round is known.
            salt += 100_000_000;
        }
    }
    println!("{}", probe(folder.path()));
}

fn print(name: &str, clients: usize, o: &Outcome) {
    println!(
        "{name:<26} {clients:>4} clients {:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  cpu {:>6.1} us",
        o.events_s,
        o.p50_us / 1000.0,
        o.p99_us / 1000.0,
        o.cpu_us
    );
}

/// Appends 4 kB and makes it durable, again and again.
fn probe(folder: &Path) -> String {
    let mut file = std::fs::File::create(folder.join("probe")).unwrap();
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < PROBE {
        let one = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        times.push(one.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    format!(
        "the disk alone: {:.0} durable appends of 4 kB/s, p50 {:.2} ms, p99 {:.2} ms",
        times.len() as f64 / PROBE.as_secs_f64(),
        at(50),
        at(99)
    )
}
