//! The other company as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Gateway, PATIENCE, project};

pub(super) struct Company {
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    child: Child,
}

impl Company {
    pub(super) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pforte-company").tempdir().unwrap();
        let mut child = Command::new("python3")
            .arg(project().join("tests/opendsr/company.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { folder, port: line.trim().parse().expect("the company has started"), child }
    }

    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(("localhost", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// What it does from now on.
    pub(super) fn set(&self, what: &Value) {
        self.ask("POST", "/_set", &what.to_string());
    }

    /// What has come to it.
    pub(super) fn seen(&self, what: &str) -> Vec<Value> {
        let all = self.ask("GET", "/_seen", "").as_array().cloned().unwrap();
        all.into_iter().filter(|seen| seen["what"] == what).map(|seen| seen["content"].clone()).collect()
    }

    /// Calls back; `with` says what is wrong with it. What was answered.
    pub(super) fn calls_back(&self, gateway: &Gateway, id: &str, status: &str, with: &Value) -> u16 {
        let mut wish = with.clone();
        wish["id"] = json!(id);
        wish["status"] = json!(status);
        wish["gateway"] = json!(gateway.address().to_string());
        let answer = self.ask("POST", "/_call", &wish.to_string());
        u16::try_from(answer["status"].as_u64().unwrap()).unwrap()
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        // It ends with its standard input; this is for one that hangs.
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
