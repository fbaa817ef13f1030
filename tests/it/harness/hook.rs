//! A recipient's server: it keeps what it gets, and answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// As a status: says nothing until it is told another status, or the caller hangs up.
pub(crate) const HANGS: u16 = 0;

/// Tells what in this process came first; no clock is asked.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// The next moment: whatever came before in this process has an earlier one.
pub(crate) fn tick() -> u64 {
    TICKS.fetch_add(1, Ordering::SeqCst)
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// How it was answered; [`HANGS`] while it is not.
    pub(crate) status: u16,
    /// When the first of it came.
    pub(crate) began: u64,
    /// The caller hung up before there was an answer.
    pub(crate) cut: bool,
}

pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    status: Arc<AtomicU16>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Hook {
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let hook =
            Self { address: listener.local_addr().unwrap(), status: Arc::new(AtomicU16::new(status)), calls: Arc::default() };
        let (status, calls) = (Arc::clone(&hook.status), Arc::clone(&hook.calls));
        // It ends with the test's process; it listens on loopback only.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, calls) = (Arc::clone(&status), Arc::clone(&calls));
                std::thread::spawn(move || while let Some(()) = answer(&stream, &status, &calls) {});
            }
        });
        hook
    }

    pub(crate) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What came to this path.
    pub(crate) fn calls(&self, path: &str) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.path == path).cloned().collect()
    }
}

/// A recipient needs a while before it has understood what it got: what is on the wire is so for a time that can be seen.
#[expect(clippy::disallowed_methods, reason = "this plays a slow recipient; nobody waits for it to be over")]
fn take_time() {
    std::thread::sleep(Duration::from_millis(15));
}

fn answer(mut stream: &TcpStream, status: &AtomicU16, calls: &Mutex<Vec<Call>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
    let began = tick();
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    take_time();
    let said = status.load(Ordering::SeqCst);
    let at = {
        let mut calls = calls.lock().unwrap();
        calls.push(Call { path, headers, body, status: said, began, cut: false });
        calls.len() - 1
    };
    let said = if said == HANGS { hang(stream, status) } else { Some(said) };
    {
        let call = &mut calls.lock().unwrap()[at];
        call.status = said.unwrap_or(HANGS);
        call.cut = said.is_none();
    }
    write!(stream, "HTTP/1.1 {} Answer\r\nContent-Length: 0\r\n\r\n", said?).ok()
}

/// Says nothing until there is another status to answer with; nothing if the caller hangs up first.
fn hang(stream: &TcpStream, status: &AtomicU16) -> Option<u16> {
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    loop {
        match stream.peek(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(_) | Err(_) => return None,
        }
        let said = status.load(Ordering::SeqCst);
        if said != HANGS {
            stream.set_read_timeout(None).unwrap();
            return Some(said);
        }
    }
}
