//! A real gateway for tests: the binary itself, on a loopback port and folders of its own, and people who use it.

pub(crate) mod hook;
pub(crate) mod mail;
pub(crate) mod officers;
pub(crate) mod people;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pforte::store::{Options, Store};
use serde_json::Value;

use mail::Mail;

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Text that stands in every test person's data and may appear nowhere in files, logs or errors.
pub(crate) const CANARY: &str = "kanarienvogel";

pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn field(&self) -> String {
        self.json().get("field").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|l| l.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// The gateway as a process. Dropping it proves that it left no plain identifier behind.
pub(crate) struct Gateway {
    folder: tempfile::TempDir,
    policies: PathBuf,
    /// Options besides the usual ones.
    options: Vec<String>,
    child: Option<Child>,
    address: SocketAddr,
    /// Everything that was ever answered with an error.
    errors: std::sync::Mutex<String>,
}

impl Gateway {
    /// Starts on the shipped policy.
    pub(crate) fn start() -> Self {
        Self::with_policies(&project().join("policies"))
    }

    /// Starts on a policy of the test's own.
    pub(crate) fn with_policies(policies: &Path) -> Self {
        Self::with_options(policies, &[])
    }

    /// Starts with further options of `pforte serve`.
    pub(crate) fn with_options(policies: &Path, options: &[&str]) -> Self {
        let mut gateway = Self::idle(policies, options);
        gateway.run();
        gateway
    }

    /// Starts on the shipped policy, after something was put into its folder.
    pub(crate) fn after(past: impl FnOnce(&Path)) -> Self {
        let mut gateway = Self::idle(&project().join("policies"), &[]);
        past(gateway.folder.path());
        gateway.run();
        gateway
    }

    /// One that does not run yet: its folders are still to be made.
    pub(crate) fn idle(policies: &Path, options: &[&str]) -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("pforte-it").tempdir().unwrap(),
            policies: policies.to_path_buf(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            child: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            errors: std::sync::Mutex::default(),
        }
    }

    pub(crate) fn run(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_pforte"))
            .current_dir(self.folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "debug", "--policies"])
            .arg(&self.policies)
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(first)) = lines.next() else {
            drop(child.wait());
            panic!("the gateway did not start:\n{}", std::fs::read_to_string(self.path("log")).unwrap_or_default());
        };
        self.address = first.rsplit('/').next().unwrap().parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends the process as an operator would, and waits for it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let done = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
            assert!(done.success());
            let status = child.wait().unwrap();
            assert!(status.success(), "the gateway ended with {status}");
        }
    }

    /// Starts again after it ended.
    pub(crate) fn again(&mut self) {
        self.run();
    }

    /// Looks into the store of a gateway that does not run.
    pub(crate) fn with_store<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        let store = Store::open(&self.path("data"), &Options::default()).unwrap();
        let found = look(&store);
        store.close().unwrap();
        found
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    pub(crate) fn crash(&mut self) {
        self.kill();
        self.run();
    }

    /// Runs another command of the binary on the same folders.
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Output {
        self.prepare(args).output().unwrap()
    }

    /// Begins another command, to be ended in its middle.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        self.prepare(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn prepare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pforte"));
        command.current_dir(self.folder.path()).args(args).stdin(Stdio::null());
        command
    }

    /// The token that commands on this machine use.
    pub(crate) fn operator(&self) -> String {
        let note: Value = serde_json::from_slice(&std::fs::read(self.path("data/operator.json")).unwrap()).unwrap();
        note["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn post(&self, path: &str, authorization: &str, body: &[u8]) -> Answer {
        self.request("POST", path, &[("Authorization", authorization), ("Content-Type", "application/json")], body)
    }

    pub(crate) fn get(&self, path: &str, authorization: &str) -> Answer {
        self.request("GET", path, &[("Authorization", authorization)], b"")
    }

    /// One request on a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // A refused body may be cut off while it is still being sent; the answer counts.
        drop(stream.write_all(body));
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunk(body) } else { body.to_owned() };
        if status >= 400 {
            self.errors.lock().unwrap().push_str(&body);
        }
        Answer { status, headers: head.to_owned(), text: body }
    }

    /// Everything that has arrived in the file destination.
    pub(crate) fn archive(&self) -> Vec<Value> {
        let Ok(files) = std::fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
        paths.sort();
        paths
            .iter()
            .flat_map(|path| {
                let text = std::fs::read_to_string(path).unwrap();
                // A line that is still being written is not there yet.
                let whole = text.rfind('\n').map_or("", |end| &text[..end]);
                whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
            })
            .collect()
    }

    /// Waits until the outbox is empty: everything that may leave has left.
    pub(crate) fn drain(&self) {
        self.wait_for("the outbox to be empty", || {
            let metrics = self.get("/metrics", "").text;
            let backlog: Vec<f64> = metrics
                .lines()
                .filter(|l| l.starts_with("pforte_backlog_chunks{"))
                .filter_map(|l| l.rsplit(' ').next()?.parse().ok())
                .collect();
            (!backlog.is_empty() && backlog.iter().all(|n| *n == 0.0)).then_some(())
        });
    }

    /// Looks again and again until there is something, at most [`PATIENCE`].
    #[expect(
        clippy::disallowed_methods,
        reason = "it looks again until there is something; no test relies on how long that takes"
    )]
    pub(crate) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// Everything on disk and in error bodies, where a plain identifier must not stand. The one exception are the mails that are written
    /// to `data/mail` because there is no mail server: files called `<32 hex>-<32 hex>.eml` right there (`.tmp` while they are written),
    /// and nothing else.
    pub(crate) fn remains(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, into);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    into.push((path, bytes));
                }
            }
        }
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files.retain(|(path, _)| !self.is_mail(path, &["eml", "tmp"]));
        files.push((PathBuf::from("error bodies"), self.errors.lock().unwrap().clone().into_bytes()));
        files
    }

    fn is_mail(&self, path: &Path, endings: &[&str]) -> bool {
        let hex = |part: &str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let ends = path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e));
        let name = path.file_stem().and_then(|name| name.to_str()).filter(|_| ends);
        let named = name.and_then(|name| name.split_once('-')).is_some_and(|(about, own)| hex(about) && hex(own));
        named && path.parent() == Some(&self.path("data/mail"))
    }

    /// The mails in the folder, oldest first.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let files = std::fs::read_dir(self.path("data/mail")).into_iter().flatten().flatten();
        let files = files.map(|file| file.path()).filter(|path| self.is_mail(path, &["eml"]));
        // One that is taken away while we look is none.
        let mut mails: Vec<Mail> = files.filter_map(|path| std::fs::read(path).ok()).map(|bytes| Mail::read(&bytes)).collect();
        mails.sort_by_key(|mail| mail.at);
        mails
    }

    /// Waits for the newest mail to this address with these words in its subject.
    pub(crate) fn mail_to(&self, address: &str, subject: &str) -> Mail {
        let found = |mail: &Mail| mail.to == address && mail.subject.contains(subject);
        self.wait_for(&format!("a mail: {subject}"), || self.mails().into_iter().rev().find(found))
    }

    /// Fails if `needle` stands anywhere, in any case.
    pub(crate) fn assert_nowhere(&self, needle: &str) {
        let needle = needle.to_lowercase().into_bytes();
        for (path, bytes) in self.remains() {
            let lower = bytes.to_ascii_lowercase();
            let found = lower.windows(needle.len()).any(|w| w == needle);
            assert!(!found, "a plain identifier stands in {}", path.display());
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.kill();
            eprintln!("--- log of the gateway\n{}", std::fs::read_to_string(self.path("log")).unwrap_or_default());
            return;
        }
        self.assert_nowhere(CANARY);
        if self.child.is_some() {
            let ledger = self.command(&["ledger", "verify", &format!("http://{}/ledger", self.address)]);
            assert!(ledger.status.success(), "the ledger does not verify: {}", String::from_utf8_lossy(&ledger.stderr));
            self.stop();
        }
        self.assert_nowhere(CANARY);
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        assert!(!log.contains("panicked"), "something panicked:\n{log}");
        let report = self.command(&["store", "verify"]);
        assert!(report.status.success(), "the store does not verify: {}", String::from_utf8_lossy(&report.stdout));
    }
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = rest.get(..size) else { break };
        if size == 0 {
            break;
        }
        out.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    out
}
