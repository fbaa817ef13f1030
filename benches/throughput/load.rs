//! The load: a process of its own, on a core of its own, that sends as fast as it is answered.
//!
//! It never sleeps while it waits. Who wakes a sleeping client on the same machine pays for it in the call that sends the answer, in a virtual
//! machine 2 us and more; clients of a real gateway are elsewhere. With the floor, which keeps its load busy, that would hardly count.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

/// The anonymous ID of a visitor.
pub(crate) fn visitor(i: u64) -> String {
    let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", mixed >> 32, (mixed >> 16) & 0xffff, mixed & 0xfff, i & 0xfff, i)
}

/// One event, as a browser sends it.
pub(crate) fn track(out: &mut Vec<u8>, who: u64, message: u64) {
    event(out, who, message, "");
}

/// What a tool for consent adds to the context of an event: as much as the visitors have agreed to.
const OBJECT: &str = r#""consent":{"categoryPreferences":{"Analytics":true,"Functional":true,"Advertising":false}},"#;

/// The same, with something more in its context.
fn event(out: &mut Vec<u8>, who: u64, message: u64, said: &str) {
    write!(
        out,
        r#"{{"type":"track","messageId":"bench-{message:020}","anonymousId":"{}","event":"Product Viewed","timestamp":"2026-11-24T10:00:00.000Z","sentAt":"2026-11-24T10:00:00.100Z","properties":{{"product_id":"4001234567890","name":"Spätburgunder trocken","category":"Rotwein","price":12.9,"currency":"EUR","quantity":1,"position":3,"list":"Empfehlungen"}},"context":{{{said}"locale":"de-DE","ip":"203.0.113.77","userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/147.0 Safari/537.36","page":{{"path":"/rotwein","url":"https://shop.example.de/rotwein","title":"Rotwein"}},"library":{{"name":"analytics.js","version":"2.1"}}}}}}"#,
        visitor(who)
    )
    .unwrap();
}

/// `wk_app:`, as Basic authentication has it: apps need no token to decide.
pub(crate) const KEY: &str = "Basic d2tfYXBwOg==";

/// How many connections send events.
pub(crate) const fn connections(kind: &str) -> usize {
    if is_batch(kind) { 16 } else { 64 }
}

/// Whether a hundred events come at a time.
pub(crate) const fn is_batch(kind: &str) -> bool {
    matches!(kind.as_bytes(), [b'b', b'a', b't', b'c', b'h', ..])
}

/// How many tasks are polled until the runtime looks again for what has arrived.
const TURNS_BETWEEN_LOOKS: u32 = 4;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Single,
    Batch,
    /// People who were not known decide.
    Consent,
    /// People who have decided change their mind.
    Change,
    /// People look at what they decided.
    Look,
    /// People state what they like.
    Prefer,
}

/// What somebody decides, as a banner sends it, and where to.
fn decide(body: &mut Vec<u8>, who: u64, said: &str) -> &'static str {
    let who = visitor(who);
    write!(body, r#"{{"anonymousId":"{who}","method":"banner","language":"de","decisions":{{"analytics":"granted","personalization":"{said}"}}}}"#).unwrap();
    "/v1/consents"
}

struct Plan {
    address: SocketAddr,
    kind: Kind,
    seconds: f64,
    subjects: u64,
    /// Consent only: stop after each subject has decided once.
    once: bool,
    salt: u64,
    connections: usize,
    authorization: String,
    /// Whether the browser sends Global Privacy Control.
    signals: bool,
    /// What stands in the context of each event besides.
    said: &'static str,
}

/// What the process does: `load ADDRESS KIND SECONDS SUBJECTS SALT CONNECTIONS [AUTHORIZATION]`. A kind may say what comes with its
/// events: `batch+gpc`, `single+object`.
pub(crate) fn run(args: &[String]) {
    let (kind, besides) = args[3].split_once('+').unwrap_or((args[3].as_str(), ""));
    let plan = Plan {
        address: args[2].parse().unwrap(),
        kind: match kind {
            "single" => Kind::Single,
            "batch" => Kind::Batch,
            "change" => Kind::Change,
            "look" => Kind::Look,
            "prefer" => Kind::Prefer,
            _ => Kind::Consent,
        },
        seconds: args[4].parse().unwrap(),
        subjects: args[5].parse().unwrap(),
        once: matches!(kind, "consent" | "prefer"),
        salt: args[6].parse().unwrap(),
        connections: args[7].parse().unwrap(),
        authorization: args.get(8).map_or(KEY, String::as_str).to_owned(),
        signals: besides == "gpc",
        said: if besides == "object" { OBJECT } else { "" },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(TURNS_BETWEEN_LOOKS).build().unwrap();
    runtime.spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let (requests, mut latencies, errors, elapsed) = runtime.block_on(drive(&plan));
    latencies.sort_unstable();
    let at = |q: f64| latencies.get(((latencies.len() as f64 - 1.0) * q) as usize).copied().unwrap_or(0);
    println!("{requests} {errors} {elapsed} {} {}", at(0.5), at(0.99));
}

async fn drive(plan: &Plan) -> (u64, Vec<u32>, u64, f64) {
    let began = Instant::now();
    let next = std::cell::Cell::new(0_u64);
    let runs = (0..plan.connections).map(|_| connection(plan, &next, began));
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

impl Plan {
    /// What the request of this number says, and where to.
    fn body(&self, n: u64, body: &mut Vec<u8>) -> &'static str {
        body.clear();
        match self.kind {
            Kind::Single => {
                event(body, (n * 7919) % self.subjects, self.salt + n, self.said);
                "/v1/track"
            }
            Kind::Batch => {
                body.extend_from_slice(b"{\"batch\":[");
                for i in 0..100 {
                    if i > 0 {
                        body.push(b',');
                    }
                    let m = n * 100 + i;
                    event(body, (m * 7919) % self.subjects, self.salt + m, self.said);
                }
                body.extend_from_slice(b"],\"sentAt\":\"2026-11-24T10:00:00.100Z\"}");
                "/v1/batch"
            }
            Kind::Consent => decide(body, self.salt + n, "granted"),
            // Some say yes and some say no; each of them has said yes before.
            Kind::Change => decide(body, (n * 7919) % self.subjects, if n.is_multiple_of(2) { "denied" } else { "granted" }),
            Kind::Look => "/v1/consents",
            Kind::Prefer => {
                let who = visitor(n);
                write!(
                    body,
                    r#"{{"identifiers":{{"device":"{who}"}},"preferences":{{"favourite_colour":"red","bottle_budget":15}}}}"#
                )
                .unwrap();
                "/v1/preferences"
            }
        }
    }

    fn request(&self, n: u64, path: &str, (body, request): (&[u8], &mut Vec<u8>)) {
        request.clear();
        if self.kind == Kind::Look {
            let who = visitor((n * 7919) % self.subjects);
            write!(request, "GET {path}?anonymousId={who} HTTP/1.1\r\nHost: bench\r\nAuthorization: {KEY}\r\n\r\n").unwrap();
        } else {
            let method = if self.kind == Kind::Prefer { "PATCH" } else { "POST" };
            let (key, signal) = (&self.authorization, if self.signals { "Sec-GPC: 1\r\n" } else { "" });
            write!(request, "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {key}\r\n{signal}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
        }
        request.extend_from_slice(body);
    }
}

async fn connection(plan: &Plan, next: &std::cell::Cell<u64>, began: Instant) -> (Vec<u32>, u64) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(plan.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut body, mut request, mut answer) = (Vec::new(), Vec::new(), vec![0_u8; 65536]);
    let (mut latencies, mut errors, mut again) = (Vec::new(), 0, None);
    loop {
        let n = again.take().unwrap_or_else(|| next.replace(next.get() + 1));
        if (plan.once && n >= plan.subjects) || (!plan.once && began.elapsed().as_secs_f64() > plan.seconds) {
            return (latencies, errors);
        }
        let path = plan.body(n, &mut body);
        plan.request(n, path, (&body, &mut request));
        let sent = Instant::now();
        stream.write_all(&request).await.unwrap();
        let ok = read_answer(&mut stream, &mut answer).await;
        if !ok && plan.kind == Kind::Prefer {
            // A key may say only so much in a second.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            again = Some(n);
            continue;
        }
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
