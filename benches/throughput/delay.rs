//! How long it takes from the acknowledgement of an event until it can be read in the profile store.
//!
//! At a rate that does not depend on the answers (open loop), so that a slow spell is not left out of the figures. Some of the
//! events are probes: their customer's profile is read again and again until the event is in it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load;
use crate::server::Server;

/// Events a second; every so manieth of them is a probe.
const RATE: u64 = 500;
const PROBE_EVERY: u64 = 25;
/// The pause between two reads of a probe: the error of what is measured, besides what a read takes.
const PAUSE: Duration = Duration::from_millis(2);

/// Starts the process that measures, and words what it found.
pub(crate) fn measure(server: &Server, folder: &Path, (subjects, seconds): (u64, u64)) -> String {
    let mut create = Command::new(env!("CARGO_BIN_EXE_pforte"));
    create.current_dir(folder).args(["key", "create", "--source", "till"]);
    let output = create.output().unwrap();
    let secret = String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned();
    let mut probe = crate::pinned(1, &std::env::current_exe().unwrap());
    probe.args(["delay", &server.address.to_string(), &secret, &subjects.to_string(), &seconds.to_string()]);
    let output = probe.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What the process does: `delay ADDRESS SECRET SUBJECTS SECONDS`.
pub(crate) fn run(args: &[String]) {
    let address: SocketAddr = args[2].parse().unwrap();
    let (secret, subjects, seconds) = (&args[3], args[4].parse::<u64>().unwrap(), args[5].parse::<u64>().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut acknowledged, mut readable) = runtime.block_on(drive(address, secret, subjects, RATE * seconds));
    let quantile = |all: &mut Vec<u64>, q: f64| {
        all.sort_unstable();
        all.get(((all.len() as f64 - 1.0) * q) as usize).map_or(0.0, |us| *us as f64 / 1000.0)
    };
    println!(
        "delay at {RATE} ev/s             acknowledged p50 {:.1} ms  p99 {:.1} ms  readable after that p50 {:.1} ms  p99 {:.1} ms  \
         max {:.1} ms ({} probes)",
        quantile(&mut acknowledged, 0.5),
        quantile(&mut acknowledged, 0.99),
        quantile(&mut readable, 0.5),
        quantile(&mut readable, 0.99),
        quantile(&mut readable, 1.0),
        readable.len(),
    );
}

async fn drive(address: SocketAddr, secret: &str, subjects: u64, events: u64) -> (Vec<u64>, Vec<u64>) {
    let salt = 90_000_000_000;
    let mut customers = Vec::new();
    for n in (0..events).step_by(PROBE_EVERY as usize) {
        let customer = customer(address, secret, n % subjects).await;
        let before = channels(address, secret, &customer).await;
        customers.push((customer, before));
    }
    let set = tokio::task::LocalSet::new();
    let secret = secret.to_owned();
    set.run_until(async move {
        let began = Instant::now();
        let mut runs = Vec::new();
        for n in 0..events {
            let due = began + Duration::from_micros(n * 1_000_000 / RATE);
            tokio::time::sleep_until(due.into()).await;
            let probe = (n % PROBE_EVERY == 0).then(|| customers[(n / PROBE_EVERY) as usize].clone());
            let secret = secret.clone();
            runs.push(tokio::task::spawn_local(async move {
                let mut body = Vec::new();
                load::track(&mut body, n % subjects, salt + n);
                let head = format!("POST /v1/track HTTP/1.1\r\nAuthorization: {}\r\n", load::KEY);
                let answer = call(address, head, &body).await;
                assert!(answer.contains("200 OK"), "{answer}");
                let acknowledged = due.elapsed().as_micros() as u64;
                let Some(customer) = probe else { return (acknowledged, None) };
                (acknowledged, Some(until_readable(address, &secret, &customer).await))
            }));
        }
        let mut delays = (Vec::new(), Vec::new());
        for run in runs {
            let (acknowledged, readable) = run.await.unwrap();
            delays.0.push(acknowledged);
            delays.1.extend(readable);
        }
        delays
    })
    .await
}

async fn customer(address: SocketAddr, secret: &str, who: u64) -> String {
    let body = format!(r#"{{"identifiers":{{"device":"{}"}},"purpose":"personalization"}}"#, load::visitor(who));
    let head = format!("POST /v1/profiles/lookup HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n");
    // Not faster than a secret key may ask.
    tokio::time::sleep(Duration::from_millis(3)).await;
    let answer = call(address, head, body.as_bytes()).await;
    let id = answer.split_once("\"customerId\":\"").and_then(|(_, rest)| rest.split('"').next());
    id.unwrap_or_else(|| panic!("no customer in {answer}")).to_owned()
}

/// Reads the profile until its channels count one more event than before; in microseconds.
async fn until_readable(address: SocketAddr, secret: &str, (customer, before): &(String, String)) -> u64 {
    let acknowledged = Instant::now();
    while channels(address, secret, customer).await == *before {
        assert!(acknowledged.elapsed() < Duration::from_secs(10), "not readable after ten seconds");
        tokio::time::sleep(PAUSE).await;
    }
    acknowledged.elapsed().as_micros() as u64
}

/// Where the customer was met and how often, as the profile has it.
async fn channels(address: SocketAddr, secret: &str, customer: &str) -> String {
    let head =
        format!("GET /v1/profiles/{customer}?purpose=personalization&limit=1 HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n");
    let answer = call(address, head, b"").await;
    let channels = answer.split_once("\"channels\":").and_then(|(_, rest)| rest.split(']').next());
    channels.unwrap_or_else(|| panic!("no profile in {answer}")).to_owned()
}

async fn call(address: SocketAddr, head: String, body: &[u8]) -> String {
    let mut request = head.into_bytes();
    write!(
        request,
        "Host: bench\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    request.extend_from_slice(body);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}
