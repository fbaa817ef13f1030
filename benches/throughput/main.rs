//! What an event costs: the gateway against the bare floor, in one run.
//!
//! The floor is actix-web that reads the same JSON with borrowed strings and answers. Server on one core, load on the other; the floor before
//! and after each of ours, which takes three turns (`-- --turns 1`).
//! `cargo bench --bench throughput` (1 M subjects; `-- --subjects 100000 --seconds 5` for a quick look). Measured are
//! - the **way in**: until an event is decided, sealed, durable, in the outbox and acknowledged. The destinations are down;
//! - **all the way**: the same, and both destinations of the shipped policy, the profile store and files, get everything;
//! - the **delay** from an acknowledgement until the event can be read in the profile store.
//!
//! `-- --way-in` leaves out the others. `-- --decisions` measures decisions instead, with 16, 64 and 256 clients; `-- --signals` what a browser's
//! signal, a consent object and preferences cost each event. Nothing is asserted: machines are noisy; read the ratios, and CPU before wall time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::let_underscore_must_use,
    clippy::disallowed_methods,
    reason = "a benchmark measures with the machine's clock, prints, and may fall over"
)]

mod decisions;
mod delay;
mod floor;
mod load;
mod server;
mod signals;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use server::Server;

/// One event a request, and a hundred.
const KINDS: [&str; 2] = ["single", "batch"];
/// The room between the messages of two loads.
const MESSAGES: u64 = 10_000_000_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("floor") => floor::run(),
        Some("load") => load::run(&args),
        Some("delay") => delay::run(&args),
        _ if args.iter().any(|arg| arg == "--decisions") => decisions::run(&args),
        _ if args.iter().any(|arg| arg == "--signals") => signals::run(&args),
        _ => compare(&args),
    }
}

fn number(args: &[String], name: &str, default: u64) -> u64 {
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// How one kind of load went.
struct Outcome {
    events_s: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    written: f64,
}

fn pinned(core: u32, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

fn drive(server: &Server, kind: &str, seconds: u64, who: (u64, u64)) -> Outcome {
    drive_with(server, kind, seconds, who, load::connections(kind))
}

fn drive_with(server: &Server, kind: &str, seconds: u64, (subjects, salt): (u64, u64), connections: usize) -> Outcome {
    let per = if load::is_batch(kind) { 100.0 } else { 1.0 };
    let (cpu, io) = (server.cpu_s(), server.figure("io", "write_bytes"));
    let mut load = pinned(1, &std::env::current_exe().unwrap());
    load.args(["load", &server.address.to_string(), kind, &seconds.to_string(), &subjects.to_string(), &salt.to_string()]);
    load.arg(connections.to_string()).args(&server.authorization);
    let output = load.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<f64> = text.split_whitespace().map(|f| f.parse().unwrap()).collect();
    let [requests, errors, elapsed, p50_us, p99_us] = fields[..] else {
        panic!("load said {text:?} {}", String::from_utf8_lossy(&output.stderr))
    };
    if errors > 0.0 {
        println!("  !! {errors} of {requests} requests were not answered with 2xx");
    }
    settle(server);
    let events = requests * per;
    Outcome {
        events_s: events / elapsed,
        cpu_us: (server.cpu_s() - cpu) * 1e6 / events,
        p50_us,
        p99_us,
        written: (server.figure("io", "write_bytes") - io) / events,
    }
}

/// Waits until the server has nothing to do any more, so that work done after the answer is counted too.
fn settle(server: &Server) {
    let mut last = server.cpu_s();
    for _ in 0..240 {
        std::thread::sleep(Duration::from_millis(500));
        let now = server.cpu_s();
        if now - last < 0.02 && (!server.delivers || server.is_delivered()) {
            return;
        }
        last = now;
    }
    println!("  !! still busy after two minutes");
}

fn print(name: &str, o: &Outcome, payload_bytes: usize, floor: Option<&Outcome>) {
    let ratio = |a: f64, b: f64| if b > 0.0 { format!("{:.2}", a / b) } else { String::from("-") };
    println!(
        "{name:<28} {:>9.0} ev/s  p50 {:>7.2} ms  p99 {:>7.2} ms  cpu {:>6.2} us/ev{}",
        o.events_s,
        o.p50_us / 1000.0,
        o.p99_us / 1000.0,
        o.cpu_us,
        floor.map_or(String::new(), |f| format!(
            "  rate/floor {}  cpu floor/ours {}  written/payload {:.2}",
            ratio(o.events_s, f.events_s),
            ratio(f.cpu_us, o.cpu_us),
            o.written / payload_bytes as f64,
        )),
    );
}

/// The shipped policy in a folder of the benchmark's own.
fn copy_policies(to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
    to.join("policies")
}

/// Replaces the destinations by ones that nobody answers for, and waits until the server has learned it. What is accepted for
/// them stays in the outbox.
fn take_destinations_down(server: &Server, policies: &Path) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = |id: &str, purpose: &str| {
        format!(
            "[[destination]]\nid = \"{id}\"\nkind = \"webhook\"\nurl = \"http://{closed}/\"\nallow_private = true\n\
             domain = \"{id}\"\npurposes = [\"{purpose}\"]\nfields = [\"properties.*\"]\nemail = \"keyed\"\nphone = \"keyed\"\n"
        )
    };
    let text = [down("profile", "personalization"), down("archive", "analytics"), down("partner", "ads_sharing")].concat();
    put_in_force(server, policies, &text);
}

/// Replaces the destinations, and waits until the server has learned it.
fn put_in_force(server: &Server, policies: &Path, destinations: &str) {
    let before = server.ask("/readyz");
    std::fs::write(policies.join("destinations.toml"), destinations).unwrap();
    server.hang_up();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        if server.ask("/readyz") != before {
            return;
        }
    }
    panic!("the policy of the benchmark was not taken over; see pforte policy check");
}

/// What events are compared with. It is measured again beside each of them, because the machine's own speed changes by half within minutes.
struct Floor {
    server: Server,
    seconds: u64,
    subjects: u64,
    last: [Outcome; 2],
}

impl Floor {
    fn start((subjects, seconds): (u64, u64)) -> Self {
        let mut bare = pinned(0, &std::env::current_exe().unwrap());
        bare.arg("floor");
        let server = Server::start(bare);
        let last = KINDS.map(|kind| drive(&server, kind, seconds, (subjects, 0)));
        KINDS.iter().zip(&last).for_each(|(kind, outcome)| print(&format!("floor, {kind}"), outcome, 1, None));
        Self { server, seconds, subjects, last }
    }

    /// The mean of before and after.
    fn around(&mut self, kind: &str) -> Outcome {
        let now = drive(&self.server, kind, self.seconds, (self.subjects, 0));
        print(&format!("  floor, {kind}"), &now, 1, None);
        let last = &mut self.last[usize::from(kind == KINDS[1])];
        let before = std::mem::replace(last, now);
        let mean = |of: fn(&Outcome) -> f64| f64::midpoint(of(&before), of(last));
        Outcome { events_s: mean(|o| o.events_s), cpu_us: mean(|o| o.cpu_us), ..before }
    }
}

fn compare(args: &[String]) {
    let subjects = number(args, "--subjects", 1_000_000);
    let seconds = number(args, "--seconds", 10);
    let turns = number(args, "--turns", 3);
    let all = !args.iter().any(|a| a == "--way-in");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut body = Vec::new();
    load::track(&mut body, 1, 1);
    println!("event of {} bytes, {subjects} subjects, {seconds} s each; server on core 0, load on core 1", body.len());
    let bytes = body.len();
    let mut floor = Floor::start((subjects, seconds));

    let policies = copy_policies(folder.path());
    let mut ours = pinned(0, Path::new(env!("CARGO_BIN_EXE_pforte")));
    ours.current_dir(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "error"]);
    let gate = Server::start(ours);
    let rss_empty = gate.figure("status", "VmRSS");
    let consent = drive(&gate, "consent", 3600, (subjects, 0));
    let rss_loaded = gate.figure("status", "VmRSS");
    print("decisions", &consent, bytes, None);
    let mut salt = 0;
    let mut pair = |name: &str| {
        KINDS.map(|kind| {
            salt += MESSAGES;
            let outcome = drive(&gate, kind, seconds, (subjects, salt));
            let beside = floor.around(kind);
            print(&format!("{name}, {kind}"), &outcome, bytes, Some(&beside));
            beside.cpu_us / outcome.cpu_us
        })
    };
    if all {
        pair("all the way");
        println!("{}", delay::measure(&gate, folder.path(), (subjects, seconds)));
    }
    take_destinations_down(&gate, &policies);
    let ratios: Vec<[f64; 2]> = (0..turns).map(|_| pair("way in")).collect();
    let mean = |kind: usize| ratios.iter().map(|turn| turn[kind]).sum::<f64>() / ratios.len() as f64;
    println!("way in, mean of {turns} turns: cpu floor/ours {:.3} single, {:.3} batch", mean(0), mean(1));
    println!(
        "memory: {:.0} MB empty, {:.0} MB with {subjects} subjects ({:.0} B each), {:.0} MB at the end, peak {:.0} MB",
        rss_empty / 1024.0,
        rss_loaded / 1024.0,
        (rss_loaded - rss_empty) * 1024.0 / subjects as f64,
        gate.figure("status", "VmRSS") / 1024.0,
        gate.figure("status", "VmHWM") / 1024.0,
    );
    let metrics = gate.ask("/metrics");
    for line in metrics.lines().filter(|l| l.contains("backlog") || l.contains("delivered")) {
        println!("  {line}");
    }
}
