//! What an access package costs: the memory of the gateway and the time, for somebody with very many events.
//!
//! `cargo bench --bench package [-- --events 1000000]`. The floor is how long it takes to read as many bytes from a file.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark measures with the machine's clock, prints, and may fall over"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;

// What the gateway uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 1_000;

struct Gateway {
    child: Child,
    address: String,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pforte"))
            .current_dir(folder)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--policies"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: first.rsplit('/').next().unwrap().to_owned() }
    }

    /// One request; the answer's body goes to `take` in pieces.
    fn call(&self, head: &str, authorization: &str, body: &[u8], mut take: impl FnMut(&[u8])) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(stream, "{head} HTTP/1.0\r\nAuthorization: {authorization}\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains(" 20"), "{head}: {line}");
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let mut piece = vec![0; 1 << 16];
        loop {
            match reader.read(&mut piece).unwrap() {
                0 => return,
                count => take(&piece[..count]),
            }
        }
    }

    fn text(&self, head: &str, authorization: &str, body: &[u8]) -> String {
        let mut all = Vec::new();
        self.call(head, authorization, body, |piece| all.extend_from_slice(piece));
        String::from_utf8(all).unwrap()
    }

    /// Resident memory now and at its highest, in MB.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        };
        (of("VmRSS"), of("VmHWM"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--events");
    let events: u64 = arguments.nth(1).map_or(1_000_000, |value| value.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(folder.path());
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("wk_app:"));
    let decision = br#"{"anonymousId":"one","method":"banner","decisions":{"analytics":"granted","personalization":"granted"}}"#;
    gateway.text("POST /v1/consents", &basic, decision);
    for first in (0..events).step_by(usize::try_from(BATCH).unwrap()) {
        let mut body = String::from("{\"batch\":[");
        for n in first..(first + BATCH).min(events) {
            let comma = if n == first { "" } else { "," };
            write!(
                body,
                r#"{comma}{{"type":"track","event":"Product Viewed","anonymousId":"one","messageId":"m-{n}","properties":{{"product_id":"{n}","price":12.9,"category":"Rotwein","name":"Riesling trocken"}}}}"#
            )
            .unwrap();
        }
        body.push_str("]}");
        gateway.text("POST /v1/batch", &basic, body.as_bytes());
    }
    let began = Instant::now();
    while !gateway.text("GET /metrics", "", b"").contains(&format!("pforte_delivered_total{{destination=\"profile\"}} {events}"))
    {
        assert!(began.elapsed() < Duration::from_secs(600), "the events do not arrive");
        std::thread::sleep(Duration::from_millis(100));
    }
    let note: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("data/operator.json")).unwrap()).unwrap();
    let bearer = format!("Bearer {}", note["token"].as_str().unwrap());
    let filed =
        gateway.text("POST /v1/requests", &bearer, br#"{"kind":"access","identified":true,"identifiers":{"device":"one"}}"#);
    let filed: serde_json::Value = serde_json::from_str(&filed).unwrap();
    let id = filed["id"].as_str().unwrap();
    gateway.text(&format!("POST /v1/requests/{id}/approve"), &bearer, b"{}");
    while !gateway.text(&format!("GET /v1/requests/{id}"), &bearer, b"").contains("availableUntil") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (before, _) = gateway.memory();
    println!("{events} events of one person; the gateway has {before} MB");
    for format in ["json", "csv", "html"] {
        let (mut bytes, mut first) = (0_u64, None);
        let began = Instant::now();
        gateway.call(&format!("GET /v1/requests/{id}/package?format={format}"), &bearer, b"", |piece| {
            first.get_or_insert_with(|| began.elapsed());
            bytes += piece.len() as u64;
        });
        let (took, (now, peak)) = (began.elapsed().as_secs_f64(), gateway.memory());
        println!(
            "{format}: {:.0} MB in {took:.1} s ({:.1} us per event), first bytes after {:.2} s; memory {now} MB, peak {peak} MB",
            bytes as f64 / 1e6,
            took * 1e6 / events as f64,
            first.unwrap_or_default().as_secs_f64()
        );
    }
    let file = folder.path().join("floor");
    std::fs::write(&file, vec![b' '; usize::try_from(events * 500).unwrap()]).unwrap();
    let began = Instant::now();
    std::io::copy(&mut std::fs::File::open(&file).unwrap(), &mut std::io::sink()).unwrap();
    println!("floor: as many bytes from a file in {:.2} s", began.elapsed().as_secs_f64());
}
