//! A small HTTP server on loopback that answers as the test says.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::Value;

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status(u16),
    /// With `Retry-After` in seconds.
    Later(u16, u32),
    /// Says nothing until the caller hangs up.
    Hang,
    /// Hangs up in the middle of the answer.
    Drop,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Value,
    pub(super) reply: Reply,
}

impl Call {
    pub(super) fn taken(&self) -> bool {
        matches!(self.reply, Reply::Status(200..=299))
    }

    /// The number of the event.
    pub(super) fn n(&self) -> u64 {
        self.body["properties"]["n"].as_u64().unwrap()
    }
}

type Script = dyn Fn(&Value, usize) -> Reply + Send + Sync;

struct State {
    /// What to answer, by the body and how often it came before.
    script: Mutex<Arc<Script>>,
    calls: Mutex<Vec<Call>>,
    seen: Mutex<HashMap<String, usize>>,
    closed: AtomicBool,
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    state: Arc<State>,
}

impl Server {
    pub(super) fn start(script: impl Fn(&Value, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let state = Arc::new(State {
            script: Mutex::new(Arc::new(script)),
            calls: Mutex::default(),
            seen: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { url, state }
    }

    pub(super) fn script(&self, script: impl Fn(&Value, usize) -> Reply + Send + Sync + 'static) {
        *self.state.script.lock() = Arc::new(script);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().clone()
    }

    pub(super) fn taken(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::taken).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if Arc::strong_count(&self.state) == 2 {
            self.state.closed.store(true, Ordering::SeqCst);
            drop(TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/hook")));
        }
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let mut headers = HashMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
                let Some((name, value)) = line.trim_end().split_once(':') else { break };
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            let mut body = vec![0; headers["content-length"].parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            let body: Value = serde_json::from_slice(&body).unwrap();
            let id = headers["idempotency-key"].clone();
            let times = {
                let mut seen = self.seen.lock();
                let times = seen.entry(id).or_default();
                *times += 1;
                *times - 1
            };
            let script = Arc::clone(&self.script.lock());
            let reply = script(&body, times);
            self.calls.lock().push(Call { headers, body, reply });
            match reply {
                Reply::Status(status) => write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok").ok()?,
                Reply::Later(status, s) => {
                    write!(writer, "HTTP/1.1 {status} X\r\nRetry-After: {s}\r\nContent-Length: 0\r\n\r\n").ok()?;
                }
                Reply::Hang => return reader.read_line(&mut String::new()).ok().map(drop),
                Reply::Drop => return write!(writer, "HTTP/1.1 200").ok(),
            }
        }
    }
}
