//! Secret keys: one small file each in `keys.d/` in the data folder, holding an argon2id hash, never the secret.
//!
//! Files, because the store is locked while the gateway runs and keys must be made and revoked then too: the command writes
//! the file, the gateway reads it when the key is first used and again whenever the file has changed. So a revoked key is
//! refused from its next use on.
//!
//! A key is proven by argon2id once; after that, a keyed digest of the secret is kept in memory, and comparing it costs a
//! microsecond. The digest's key is random and never leaves the process.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use hashbrown::HashMap;
use parking_lot::Mutex;
use ring::hmac;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Scope;
use crate::clock::{Chance, Millis, NoChance};
use crate::{limit, password, private};

/// The folder in the data folder.
pub const FOLDER: &str = "keys.d";
/// How a secret key begins: `sk_<id>_<secret>`.
const PREFIX: &str = "sk_";
/// The longest label.
pub const LABEL_CHARS_MAX: usize = 80;

/// A secret key as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The form of this file.
    version: u8,
    /// The key's ID: 16 hexadecimal digits. Invariant: the file's name.
    pub id: String,
    /// The source that it speaks for; operators' keys speak for none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// What it may do. Never empty.
    pub scopes: Vec<Scope>,
    /// What people call it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub label: String,
    /// When it was made.
    pub created_at: Millis,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked_at: Option<Millis>,
    /// The secret's argon2id hash, as a PHC string.
    hash: String,
}

/// What can go wrong with the folder of keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or a file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not a key.
    #[error("{path} does not hold a key: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no such key.
    #[error("there is no key {0}; `pforte key list` shows all")]
    NoSuchKey(String),
    /// The operating system has no randomness.
    #[error(transparent)]
    NoChance(#[from] NoChance),
    /// The hash could not be computed.
    #[error(transparent)]
    Hash(#[from] password::Unhashed),
}

/// Why a presented key was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Unknown, wrong or revoked; which of them is not said.
    Unknown,
    /// Too many keys are being checked.
    Busy,
}

/// What a new key shall be.
pub struct Order {
    /// The source that it speaks for.
    pub source: Option<String>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What people call it.
    pub label: String,
    /// The time.
    pub at: Millis,
}

/// What identifies one version of a file: a rename puts another inode there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

struct Proven {
    stamp: Stamp,
    digest: hmac::Tag,
    record: Arc<Record>,
}

/// The keys that work, as the running gateway sees them.
pub struct Keys {
    folder: PathBuf,
    digest_key: hmac::Key,
    proven: Mutex<HashMap<String, Proven>>,
    slots: Semaphore,
    /// Verified in place of the hash of a key that does not exist.
    nobody: Arc<str>,
}

impl Keys {
    /// Opens the folder of keys; makes it if there is none.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(data: &Path, chance: &Chance) -> Result<Self, Error> {
        let folder = folder(data)?;
        Ok(Self {
            folder,
            digest_key: hmac::Key::new(hmac::HMAC_SHA256, &chance.bytes::<32>()?),
            proven: Mutex::default(),
            slots: Semaphore::new(limit::GUESSES_AT_ONCE),
            nobody: password::hash(&hex::encode(chance.bytes::<32>()?), &chance.bytes()?)?.into(),
        })
    }

    /// The key's record, if it was proven before and has not changed since.
    #[must_use]
    pub fn proven(&self, presented: &str) -> Option<Arc<Record>> {
        let (id, secret) = split(presented)?;
        let stamp = stamp(&self.path(id))?;
        let proven = self.proven.lock();
        let known = proven.get(id).filter(|known| known.stamp == stamp)?;
        hmac::verify(&self.digest_key, secret.as_bytes(), known.digest.as_ref()).ok()?;
        Some(Arc::clone(&known.record))
    }

    /// Proves a key by its hash.
    ///
    /// # Errors
    /// When it is not right, after the same work whatever is wrong with it; when too many are waiting.
    pub async fn prove(&self, presented: &str) -> Result<Arc<Record>, Refused> {
        // The form of a key is no secret, so what is not one is refused at once.
        let (id, secret) = split(presented).ok_or(Refused::Unknown)?;
        let wait = tokio::time::timeout(Duration::from_millis(limit::GUESS_WAIT_MS), self.slots.acquire());
        let Ok(Ok(slot)) = wait.await else { return Err(Refused::Busy) };
        let path = self.path(id);
        // Taken before the file is read: a change in between is seen at the next use.
        let stamp = stamp(&path);
        let (nobody, tried) = (Arc::clone(&self.nobody), secret.to_owned());
        let outcome = actix_web::web::block(move || {
            let record = read(&path).ok();
            let right = password::is(&tried, record.as_ref().map_or(&nobody, |record| &record.hash));
            record.filter(|record| right && record.revoked_at.is_none())
        });
        let record = outcome.await.unwrap_or(None);
        drop(slot);
        let record = Arc::new(record.ok_or(Refused::Unknown)?);
        if let Some(stamp) = stamp {
            let digest = hmac::sign(&self.digest_key, secret.as_bytes());
            let mut proven = self.proven.lock();
            if proven.len() >= limit::PROVEN_KEYS_MAX {
                proven.clear();
            }
            proven.insert(id.to_owned(), Proven { stamp, digest, record: Arc::clone(&record) });
        }
        Ok(record)
    }

    fn path(&self, id: &str) -> PathBuf {
        file(&self.folder, id)
    }
}

/// Makes a key. The second value is the key itself: it is nowhere else.
///
/// # Errors
/// When the folder cannot be written.
pub fn create(data: &Path, chance: &Chance, order: Order) -> Result<(Record, String), Error> {
    let folder = folder(data)?;
    let id = hex::encode(chance.bytes::<8>()?);
    let secret = hex::encode(chance.bytes::<32>()?);
    let record = Record {
        version: 1,
        id: id.clone(),
        source: order.source,
        scopes: order.scopes,
        label: order.label,
        created_at: order.at,
        revoked_at: None,
        hash: password::hash(&secret, &chance.bytes()?)?,
    };
    write(&folder, &record)?;
    Ok((record, format!("{PREFIX}{id}_{secret}")))
}

/// All keys, the oldest first; a file that holds none is reported in its place.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(data: &Path) -> Result<Vec<Result<Record, Error>>, Error> {
    let folder = data.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Io { path: folder, source }),
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| Error::Io { path: folder.clone(), source })?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            records.push(read(&path));
        }
    }
    records.sort_by_key(|record| record.as_ref().map_or((0, String::new()), |r| (r.created_at, r.id.clone())));
    Ok(records)
}

/// Revokes a key. It stays listed. Revoking twice changes nothing.
///
/// # Errors
/// When there is no such key, or the folder cannot be written.
pub fn revoke(data: &Path, id: &str, at: Millis) -> Result<Record, Error> {
    if !is_id(id) {
        return Err(Error::NoSuchKey(id.to_owned()));
    }
    let folder = data.join(FOLDER);
    let path = file(&folder, id);
    if !path.exists() {
        return Err(Error::NoSuchKey(id.to_owned()));
    }
    let mut record = read(&path)?;
    if record.revoked_at.is_none() {
        record.revoked_at = Some(at);
        write(&folder, &record)?;
    }
    Ok(record)
}

fn folder(data: &Path) -> Result<PathBuf, Error> {
    let folder = data.join(FOLDER);
    private::folder(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    Ok(folder)
}

fn file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

fn write(folder: &Path, record: &Record) -> Result<(), Error> {
    let path = file(folder, &record.id);
    let text = serde_json::to_string_pretty(record).map_err(|error| damaged(&path, &error))?;
    private::write(&path, text.as_bytes()).map_err(|source| Error::Io { path, source })
}

fn read(path: &Path) -> Result<Record, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| damaged(path, &error))?;
    if record.version != 1 {
        return Err(damaged(path, &format!("version {} is not known here", record.version)));
    }
    if path.file_stem().is_none_or(|stem| stem != record.id.as_str()) {
        return Err(damaged(path, &"its ID is not its name"));
    }
    Ok(record)
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Damaged { path: path.to_path_buf(), reason: reason.to_string() }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some(Stamp { inode: meta.ino(), modified: (meta.mtime(), meta.mtime_nsec()), bytes: meta.len() })
}

/// ID and secret of a presented key. The ID becomes a file's name, so nothing but hexadecimal digits may pass.
fn split(presented: &str) -> Option<(&str, &str)> {
    let (id, secret) = presented.strip_prefix(PREFIX)?.split_once('_')?;
    (is_id(id) && secret.len() == 64 && is_hex(secret)).then_some((id, secret))
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
