//! What a withdrawal costs, through HTTP and durable: how long its acknowledgement takes while events of the same people are on their way
//! to a recipient, one that answers and one that hangs; and what many withdrawals cost everybody else's events.
//!
//! `cargo bench --bench withdrawal [-- --people 2000 --seconds 5 --cut-ms 200]`. The peer in the same run is a grant: the same call and the
//! same commit, and nothing to wait for. Nothing is asserted; the goals are 20 ms p99 with a healthy recipient, and the cut with one that
//! hangs. Gateway, recipient and load share the machine's cores.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::let_underscore_must_use,
    reason = "a benchmark measures with the machine's clock, prints, and may fall over"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// `wk_web:` and `wk_app:`, as Basic authentication has them. Events come from the website; people decide in the app, which shows them a
/// notice of its own and needs no token for it.
const WEB: &str = "Basic d2tfd2ViOg==";
const APP: &str = "Basic d2tfYXBwOg==";
/// Events of one request.
const BATCH: u64 = 20;

fn argument(name: &str, otherwise: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(otherwise, |value| value.parse().unwrap())
}

/// The recipient: it counts, and answers unless it hangs.
#[derive(Default)]
struct Recipient {
    hangs: AtomicBool,
    taken: AtomicU64,
}

impl Recipient {
    fn start(self: &Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, this) = (listener.local_addr().unwrap(), Arc::clone(self));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = Arc::clone(&this);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    while read_message(&mut reader).is_some() {
                        this.taken.fetch_add(1, Ordering::Relaxed);
                        while this.hangs.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        if (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }
}

/// Reads one request or answer to its end, and gives its first line.
fn read_message(reader: &mut impl std::io::BufRead) -> Option<String> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    Some(first)
}

/// A caller with a connection of its own.
struct Caller(BufReader<TcpStream>);

impl Caller {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn post(&mut self, (path, key): (&str, &str), body: &str) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let answer = read_message(&mut self.0).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    fn decide(&mut self, person: u64, what: &str) -> Duration {
        let begun = Instant::now();
        let body = format!(r#"{{"anonymousId":"visitor-{person}","method":"banner","decisions":{{"ads_sharing":"{what}"}}}}"#);
        self.post(("/v1/consents", APP), &body);
        begun.elapsed()
    }

    fn events(&mut self, first: u64, people: u64) {
        let event = |n: u64| {
            let person = n.wrapping_mul(7919) % people;
            format!(
                r#"{{"type":"track","event":"Order Completed","messageId":"m-{n}","anonymousId":"visitor-{person}","properties":{{"total":{n}}}}}"#
            )
        };
        let events: Vec<String> = (first..first + BATCH).map(event).collect();
        self.post(("/v1/batch", WEB), &format!(r#"{{"batch":[{}]}}"#, events.join(",")));
    }
}

struct Gateway(Child, SocketAddr);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Gateway {
    fn start(folder: &Path, recipient: SocketAddr, cut_ms: u64) -> Self {
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        assert!(Command::new("cp").arg("-r").arg(policies).arg(folder).status().unwrap().success());
        let file = folder.join("policies/destinations.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let url = format!("url = \"http://{recipient}/events\"\nallow_private = true");
        std::fs::write(&file, text.replace("url = \"\"", &url)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pforte"));
        command.current_dir(folder).args(["serve", "--listen", "127.0.0.1:0", "--log", "error"]);
        command.args(["--withdrawal-cut-ms", &cut_ms.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap().rsplit('/').next().unwrap().parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address)
    }
}

fn print(name: &str, mut all: Vec<Duration>, more: &str) {
    all.sort_unstable();
    let at = |q: f64| all.get(((all.len() as f64 - 1.0) * q) as usize).map_or(0.0, |one| one.as_secs_f64() * 1000.0);
    println!("{name:<44} {:>6} p50 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms  {more}", all.len(), at(0.5), at(0.99), at(1.0));
}

/// Sends events of everybody until it is told to stop.
fn keep_sending(address: SocketAddr, people: u64, numbers: &AtomicU64, stop: &AtomicBool) {
    let mut caller = Caller::new(address);
    while !stop.load(Ordering::Relaxed) {
        caller.events(numbers.fetch_add(BATCH, Ordering::Relaxed), people);
    }
}

/// People decide one after the other on each of some connections, for so long: how long grants and withdrawals took.
fn decide(address: SocketAddr, (callers, people): (u64, u64), seconds: u64) -> (Vec<Duration>, Vec<Duration>) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let one = |number: u64| {
        let (mut caller, mut grants, mut withdrawals) = (Caller::new(address), Vec::new(), Vec::new());
        for person in (0..).map(|n| (n * callers + number) % people) {
            withdrawals.push(caller.decide(person, "denied"));
            grants.push(caller.decide(person, "granted"));
            if Instant::now() > until {
                break;
            }
        }
        (grants, withdrawals)
    };
    std::thread::scope(|scope| {
        let one = &one;
        let runs: Vec<_> = (0..callers).map(|number| scope.spawn(move || one(number))).collect();
        let mut all = (Vec::new(), Vec::new());
        for run in runs {
            let (grants, withdrawals) = run.join().unwrap();
            all.0.extend(grants);
            all.1.extend(withdrawals);
        }
        all
    })
}

fn main() {
    let (people, seconds, cut_ms) = (argument("--people", 2000), argument("--seconds", 5), argument("--cut-ms", 200));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let recipient = Arc::new(Recipient::default());
    let gateway = Gateway::start(folder.path(), recipient.start(), cut_ms);
    let address = gateway.1;
    let mut caller = Caller::new(address);
    for person in 0..people {
        caller.decide(person, "granted");
    }
    let (numbers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| keep_sending(address, people, &numbers, &stop));
        let taken = || recipient.taken.load(Ordering::Relaxed);
        let before = taken();
        std::thread::sleep(Duration::from_secs(seconds));
        let alone = (taken() - before) as f64 / seconds as f64;
        println!("{people} people; the recipient takes {alone:.0} events/s while nobody decides");
        for callers in [1, 8] {
            let before = taken();
            let (grants, withdrawals) = decide(address, (callers, people), seconds);
            let beside = (taken() - before) as f64 / seconds as f64;
            let rate = withdrawals.len() as f64 / seconds as f64;
            let more = format!("{rate:.0} withdrawals/s, {beside:.0} events/s taken beside");
            print(&format!("grants, {callers} at a time"), grants, "");
            print(&format!("withdrawals, {callers} at a time, it answers"), withdrawals, &more);
        }
        recipient.hangs.store(true, Ordering::Relaxed);
        for callers in [1, 8] {
            let (_, withdrawals) = decide(address, (callers, people), seconds);
            let held_up = withdrawals.iter().filter(|one| **one >= Duration::from_millis(cut_ms)).count();
            let more = format!("cut {cut_ms} ms; {held_up} were held up");
            print(&format!("withdrawals, {callers} at a time, it hangs"), withdrawals, &more);
        }
        recipient.hangs.store(false, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
    });
}
