//! A recipient's server: it keeps what it gets, and answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// How it was answered.
    pub(crate) status: u16,
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
    std::thread::sleep(std::time::Duration::from_millis(15));
}

fn answer(mut stream: &TcpStream, status: &AtomicU16, calls: &Mutex<Vec<Call>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
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
    let status = status.load(Ordering::SeqCst);
    calls.lock().unwrap().push(Call { path, headers, body, status });
    write!(stream, "HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\n\r\n").ok()
}
