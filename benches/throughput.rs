//! What an event costs: the gateway against the bare floor, in one run.
//!
//! The floor is actix-web that reads the same JSON with borrowed strings and answers. Server on one core, load on the other.
//! `cargo bench --bench throughput` (1 M subjects; `-- --subjects 100000 --seconds 5` for a quick look). Nothing is asserted:
//! machines are noisy; read the ratios, and CPU per event before wall time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::value::RawValue;

const KEY: &str = "Basic d2tfd2ViOg=="; // wk_web:
const CONNECTIONS: usize = 64;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("floor") => floor(),
        Some("load") => load_process(&args),
        _ => compare(&args),
    }
}

fn number(args: &[String], name: &str, default: u64) -> u64 {
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).and_then(|v| v.parse().ok()).unwrap_or(default)
}

// ---- the floor -----------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Track<'a> {
    #[serde(borrow, rename = "type")]
    _kind: &'a str,
    #[serde(borrow, rename = "messageId")]
    _message_id: &'a str,
    #[serde(borrow, rename = "anonymousId")]
    _anonymous_id: &'a str,
    #[serde(borrow)]
    _event: &'a str,
    #[serde(borrow, rename = "properties")]
    _properties: &'a RawValue,
    #[serde(borrow, rename = "context")]
    _context: &'a RawValue,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch: Vec<Track<'a>>,
}

fn floor() {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| {
            App::new()
                .app_data(web::PayloadConfig::new(1 << 20))
                .route(
                    "/v1/track",
                    web::post().to(|body: web::Bytes| async move {
                        let ok = serde_json::from_slice::<Track<'_>>(&body).is_ok();
                        HttpResponse::Ok().content_type("application/json").body(if ok { r#"{"success":true}"# } else { "{}" })
                    }),
                )
                .route(
                    "/v1/batch",
                    web::post().to(|body: web::Bytes| async move {
                        let n = serde_json::from_slice::<Batch<'_>>(&body).map_or(0, |b| b.batch.len());
                        HttpResponse::Ok().content_type("application/json").body(format!(r#"{{"success":true,"n":{n}}}"#))
                    }),
                )
        })
        .workers(1)
        .bind(("127.0.0.1", 0))
        .unwrap();
        println!("listening {}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}

// ---- load ----------------------------------------------------------------------------------------------------------

fn visitor(i: u64) -> String {
    let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", mixed >> 32, (mixed >> 16) & 0xffff, mixed & 0xfff, i & 0xfff, i)
}

fn track(out: &mut Vec<u8>, who: u64, message: u64) {
    write!(
        out,
        r#"{{"type":"track","messageId":"bench-{message:020}","anonymousId":"{}","event":"Product Viewed","timestamp":"2026-11-24T10:00:00.000Z","sentAt":"2026-11-24T10:00:00.100Z","properties":{{"product_id":"4001234567890","name":"Spätburgunder trocken","category":"Rotwein","price":12.9,"currency":"EUR","quantity":1,"position":3,"list":"Empfehlungen"}},"context":{{"locale":"de-DE","ip":"203.0.113.77","userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/147.0 Safari/537.36","page":{{"path":"/rotwein","url":"https://shop.example.de/rotwein","title":"Rotwein"}},"library":{{"name":"analytics.js","version":"2.1"}}}}}}"#,
        visitor(who)
    )
    .unwrap();
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Single,
    Batch,
    Consent,
}

struct Plan {
    address: SocketAddr,
    kind: Kind,
    seconds: f64,
    subjects: u64,
    /// Consent only: stop after each subject has decided once.
    once: bool,
    salt: u64,
}

fn load_process(args: &[String]) {
    let plan = Plan {
        address: args[2].parse().unwrap(),
        kind: match args[3].as_str() {
            "single" => Kind::Single,
            "batch" => Kind::Batch,
            _ => Kind::Consent,
        },
        seconds: args[4].parse().unwrap(),
        subjects: args[5].parse().unwrap(),
        once: args[3] == "consent",
        salt: args[6].parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (requests, mut latencies, errors, elapsed) = runtime.block_on(drive(&plan));
    latencies.sort_unstable();
    let at = |q: f64| latencies.get(((latencies.len() as f64 - 1.0) * q) as usize).copied().unwrap_or(0);
    println!("{requests} {errors} {elapsed} {} {}", at(0.5), at(0.99));
}

async fn drive(plan: &Plan) -> (u64, Vec<u32>, u64, f64) {
    let began = Instant::now();
    let next = std::cell::Cell::new(0_u64);
    let connections = if plan.kind == Kind::Batch { 16 } else { CONNECTIONS };
    let runs = (0..connections).map(|_| connection(plan, &next, began));
    let done = futures_util::future::join_all(runs).await;
    let elapsed = began.elapsed().as_secs_f64();
    let mut all = Vec::new();
    let (mut requests, mut errors) = (0, 0);
    for (latencies, bad) in done {
        requests += latencies.len() as u64;
        errors += bad;
        all.extend(latencies);
    }
    (requests, all, errors, elapsed)
}

async fn connection(plan: &Plan, next: &std::cell::Cell<u64>, began: Instant) -> (Vec<u32>, u64) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(plan.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut body, mut request, mut answer) = (Vec::new(), Vec::new(), vec![0_u8; 65536]);
    let (mut latencies, mut errors) = (Vec::new(), 0);
    loop {
        let n = next.get();
        next.set(n + 1);
        if (plan.once && n >= plan.subjects) || (!plan.once && began.elapsed().as_secs_f64() > plan.seconds) {
            return (latencies, errors);
        }
        body.clear();
        let path = match plan.kind {
            Kind::Single => {
                track(&mut body, (n * 7919) % plan.subjects, plan.salt + n);
                "/v1/track"
            }
            Kind::Batch => {
                body.extend_from_slice(b"{\"batch\":[");
                for i in 0..100 {
                    if i > 0 {
                        body.push(b',');
                    }
                    let m = n * 100 + i;
                    track(&mut body, (m * 7919) % plan.subjects, plan.salt + m);
                }
                body.extend_from_slice(b"],\"sentAt\":\"2026-11-24T10:00:00.100Z\"}");
                "/v1/batch"
            }
            Kind::Consent => {
                write!(body, r#"{{"anonymousId":"{}","method":"banner","language":"de","decisions":{{"analytics":"granted","personalization":"granted"}}}}"#, visitor(n)).unwrap();
                "/v1/consents"
            }
        };
        request.clear();
        write!(request, "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
        request.extend_from_slice(&body);
        let sent = Instant::now();
        stream.write_all(&request).await.unwrap();
        let ok = read_answer(&mut stream, &mut answer).await;
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        errors += u64::from(!ok);
        async fn read_answer(stream: &mut tokio::net::TcpStream, answer: &mut [u8]) -> bool {
            let mut have = 0;
            loop {
                let n = stream.read(&mut answer[have..]).await.unwrap();
                assert!(n > 0, "the server hung up");
                have += n;
                let text = &answer[..have];
                let Some(head) = text.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                let head_text = String::from_utf8_lossy(&text[..head]).to_ascii_lowercase();
                let length: usize = head_text
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|v| v.split("\r\n").next())
                    .and_then(|v| v.trim().parse().ok())
                    .unwrap_or(0);
                if have >= head + 4 + length {
                    return text.starts_with(b"HTTP/1.1 20");
                }
            }
        }
    }
}

// ---- comparison ----------------------------------------------------------------------------------------------------

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.rsplit(['/', ' ']).next().unwrap().trim().parse().unwrap_or_else(|_| panic!("no address in {line:?}"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// CPU time used so far, in seconds (clock ticks are 1/100 s on Linux).
    fn cpu_s(&self) -> f64 {
        let stat = self.proc("stat");
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<f64> = rest.split(' ').map(|f| f.parse().unwrap_or(0.0)).collect();
        (fields[11] + fields[12]) / 100.0
    }

    fn figure(&self, file: &str, name: &str) -> f64 {
        let text = self.proc(file);
        let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|v| v.parse().ok()).unwrap_or(0.0)
    }
}

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

fn drive_server(server: &Server, kind: &str, seconds: u64, subjects: u64, salt: u64) -> Outcome {
    let per = if kind == "batch" { 100.0 } else { 1.0 };
    let (cpu, io) = (server.cpu_s(), server.figure("io", "write_bytes"));
    let mut load = pinned(1, &std::env::current_exe().unwrap());
    load.args(["load", &server.address.to_string(), kind, &seconds.to_string(), &subjects.to_string(), &salt.to_string()]);
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
        if now - last < 0.02 {
            return;
        }
        last = now;
    }
    println!("  !! still busy after two minutes");
}

fn print(name: &str, o: &Outcome, floor: Option<&Outcome>) {
    let ratio = |a: f64, b: f64| if b > 0.0 { format!("{:.2}", a / b) } else { String::from("-") };
    println!(
        "{name:<22} {:>9.0} ev/s  p50 {:>7.2} ms  p99 {:>7.2} ms  cpu {:>6.2} us/ev  written {:>6.0} B/ev{}",
        o.events_s,
        o.p50_us / 1000.0,
        o.p99_us / 1000.0,
        o.cpu_us,
        o.written,
        floor.map_or(String::new(), |f| format!(
            "  rate/floor {}  cpu floor/ours {}",
            ratio(o.events_s, f.events_s),
            ratio(f.cpu_us, o.cpu_us)
        )),
    );
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

fn compare(args: &[String]) {
    let subjects = number(args, "--subjects", 1_000_000);
    let seconds = number(args, "--seconds", 10);
    let me = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut bare = pinned(0, &me);
    bare.arg("floor");
    let floor = Server::start(bare);
    let mut body = Vec::new();
    track(&mut body, 1, 1);
    println!("event of {} bytes, {subjects} subjects, {seconds} s each; server on core 0, load on core 1", body.len());
    let floor_single = drive_server(&floor, "single", seconds, subjects, 0);
    let floor_batch = drive_server(&floor, "batch", seconds, subjects, 0);
    drop(floor);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ours = pinned(0, Path::new(env!("CARGO_BIN_EXE_pforte")));
    ours.current_dir(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "error", "--policies"])
        .arg(root.join("policies"));
    let gate = Server::start(ours);
    let rss_empty = gate.figure("status", "VmRSS");
    let consent = drive_server(&gate, "consent", 3600, subjects, 0);
    let rss_loaded = gate.figure("status", "VmRSS");
    let single = drive_server(&gate, "single", seconds, subjects, 10_000_000_000);
    let batch = drive_server(&gate, "batch", seconds, subjects, 20_000_000_000);
    print("floor, single", &floor_single, None);
    print("pforte, single", &single, Some(&floor_single));
    print("floor, batch of 100", &floor_batch, None);
    print("pforte, batch of 100", &batch, Some(&floor_batch));
    print("pforte, decisions", &consent, None);
    println!(
        "bytes written per payload byte: single {:.2}, batch {:.2}",
        single.written / body.len() as f64,
        batch.written / body.len() as f64
    );
    println!(
        "memory: {:.0} MB empty, {:.0} MB with {subjects} subjects ({:.0} B each), {:.0} MB at the end, peak {:.0} MB",
        rss_empty / 1024.0,
        rss_loaded / 1024.0,
        (rss_loaded - rss_empty) * 1024.0 / subjects as f64,
        gate.figure("status", "VmRSS") / 1024.0,
        gate.figure("status", "VmHWM") / 1024.0,
    );
    let metrics = ask(gate.address, "/metrics");
    for line in metrics.lines().filter(|l| l.contains("backlog") || l.contains("delivered")) {
        println!("  {line}");
    }
}
