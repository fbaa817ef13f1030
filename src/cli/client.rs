//! How commands talk to the running gateway.

use anyhow::Context;
use serde_json::Value;

use crate::auth::Operator;
use crate::config::Remote;
use crate::egress;

/// A gateway that is running, and the key to ask it.
pub struct Gateway {
    /// Its address, without a trailing slash.
    pub url: String,
    key: String,
    http: egress::Local,
}

impl Gateway {
    /// Finds the running gateway.
    ///
    /// # Errors
    /// When there is neither an address and a key nor a running gateway's note in the data folder.
    pub fn find(remote: &Remote) -> anyhow::Result<Self> {
        let note = Operator::read(&remote.data);
        let url = match (&remote.url, &note) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(note)) => note.url.clone(),
            (None, None) => anyhow::bail!(
                "no gateway seems to run on {}: start one with `pforte serve`, or name it with --url and --key",
                remote.data.display()
            ),
        };
        let key = match (&remote.key, note) {
            (Some(key), _) => key.clone(),
            (None, Some(note)) => note.token,
            (None, None) => String::new(),
        };
        Ok(Self { url, key, http: egress::Local::new()? })
    }

    /// Asks with the secret key.
    ///
    /// # Errors
    /// When the gateway does not answer, or answers with a problem.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(method, path, body, &format!("Bearer {}", self.key))
    }

    /// The same for an answer that is text.
    ///
    /// # Errors
    /// When the gateway does not answer, or answers with a problem.
    pub fn ask_text(&self, method: &str, path: &str) -> anyhow::Result<String> {
        self.text(method, path, None, &format!("Bearer {}", self.key))
    }

    /// Asks for something large and hands it over as it comes.
    ///
    /// # Errors
    /// When the gateway does not answer, refuses or breaks off, and what `take` says.
    pub fn fetch(&self, method: &str, path: &str, take: impl FnMut(&[u8]) -> std::io::Result<()>) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.url);
        let (status, text) = self
            .http
            .take((method, &url), &format!("Bearer {}", self.key), take)
            .with_context(|| format!("the gateway at {} broke off", self.url))?;
        if status >= 400 {
            let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let message = value.get("message").and_then(Value::as_str).unwrap_or("no reason given");
            anyhow::bail!("{method} {path}: {status}: {message}");
        }
        Ok(())
    }

    /// Sends as a source does, with its write key.
    ///
    /// # Errors
    /// When the gateway does not answer, or answers with a problem.
    pub fn send(&self, write_key: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Some(body), &basic(write_key))
    }

    /// Reads as a source does, with its write key.
    ///
    /// # Errors
    /// When the gateway does not answer, or answers with a problem.
    pub fn read(&self, write_key: &str, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, None, &basic(write_key))
    }

    /// Waits a little before the next look.
    pub fn pause(&self, milliseconds: u64) {
        self.http.pause(std::time::Duration::from_millis(milliseconds));
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>, authorization: &str) -> anyhow::Result<Value> {
        let text = self.text(method, path, body, authorization)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn text(&self, method: &str, path: &str, body: Option<&Value>, authorization: &str) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.url);
        let body = body.map(serde_json::to_vec).transpose()?;
        let (status, text) = self
            .http
            .call(method, &url, authorization, body)
            .with_context(|| format!("the gateway at {} does not answer", self.url))?;
        if status >= 400 {
            let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let message = value.get("message").and_then(Value::as_str).unwrap_or("no reason given");
            anyhow::bail!("{method} {path}: {status}: {message}");
        }
        Ok(text)
    }
}

/// The `Authorization` of a public write key.
fn basic(write_key: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{write_key}:")))
}
