//! The operator's token: new at every start, for commands on this machine.
//!
//! The running gateway writes its address and the token into `operator.json` in the data folder, readable by its own user
//! alone, and takes the file away when it ends. Who can read that file could read the data as well.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::clock::{Chance, NoChance};
use crate::private;

/// The file in the data folder.
const FILE: &str = "operator.json";
/// How the token begins.
const PREFIX: &str = "op_";

/// The token of this run.
pub struct Operator {
    token: String,
    /// Tokens are compared by a keyed digest, so that the time it takes tells nothing.
    key: hmac::Key,
    digest: hmac::Tag,
}

/// What the running gateway left for commands.
#[derive(Deserialize, Serialize)]
pub struct Note {
    /// Where it answers.
    pub url: String,
    /// The token of this run.
    pub token: String,
}

/// The note as long as the gateway runs.
pub struct Posted(PathBuf);

impl Operator {
    /// A new token.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn fresh(chance: &Chance) -> Result<Self, NoChance> {
        let token = format!("{PREFIX}{}", hex::encode(chance.bytes::<32>()?));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &chance.bytes::<32>()?);
        let digest = hmac::sign(&key, token.as_bytes());
        Ok(Self { token, key, digest })
    }

    /// Whether this is the token.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        presented.starts_with(PREFIX) && hmac::verify(&self.key, presented.as_bytes(), self.digest.as_ref()).is_ok()
    }

    /// Leaves the note for commands on this machine.
    ///
    /// # Errors
    /// When the data folder cannot be written.
    pub fn announce(data: &Path, address: SocketAddr, operator: &Self) -> io::Result<Posted> {
        let path = data.join(FILE);
        let note = Note { url: format!("http://{}", reachable(address)), token: operator.token.clone() };
        private::write(&path, serde_json::to_string(&note)?.as_bytes())?;
        Ok(Posted(path))
    }

    /// The note of the gateway that runs on this data folder.
    #[must_use]
    pub fn read(data: &Path) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(data.join(FILE)).ok()?).ok()
    }
}

impl Posted {
    /// Takes the note away.
    pub fn withdraw(self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, "the operator's note could not be removed");
        }
    }
}

/// An address that a client on this machine can connect to.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port())),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address,
    }
}
