//! A server process, and what the kernel says about it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

/// In what Linux counts time for programs (`USER_HZ`, proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What the load says who it is, if that is not the public key of the app.
    pub(crate) authorization: Option<String>,
    /// Whether it is waited for until everything has been delivered.
    pub(crate) delivers: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.rsplit(['/', ' ']).next().unwrap().trim().parse().unwrap_or_else(|_| panic!("no address in {line:?}"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, authorization: None, delivers: false }
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// CPU time used so far, in seconds, to two hundredths. The sum over the threads that are there would be finer, but a thread that ends takes
    /// its time with it, and what it did before would be missing from whatever is measured then.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = self.proc("stat");
        // The name of the program, in parentheses, is the only field that may hold a space. Behind it: user and system time are the 12th and 13th.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_S
    }

    pub(crate) fn figure(&self, file: &str, name: &str) -> f64 {
        let text = self.proc(file);
        let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|v| v.parse().ok()).unwrap_or(0.0)
    }

    /// The body of what it answers.
    pub(crate) fn ask(&self, path: &str) -> String {
        let answer = call(self.address, &format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"));
        answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
    }

    /// Whether no destination has anything left to get.
    pub(crate) fn is_delivered(&self) -> bool {
        let metrics = self.ask("/metrics");
        metrics.lines().filter(|line| line.starts_with("pforte_backlog_chunks{")).all(|line| line.ends_with(" 0"))
    }

    /// Makes it read its policy again.
    pub(crate) fn hang_up(&self) {
        assert!(Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap().success());
    }
}

/// Sends a whole request that closes its connection, and reads the whole answer.
pub(crate) fn call(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
