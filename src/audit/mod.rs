//! Who did what and who looked at what, when and why (GDPR Art. 5(2), 32): entries are added and read, never changed.
//!
//! It **promises**
//! - an entry is added in the commit of the act that it is about, or before what was asked for is shown: nothing is done or seen without
//!   it;
//! - entries are numbered without gaps, and each commit checks which number is next;
//! - what an entry says is sealed under a key of its calendar month; when the month is too old, its entries go and the key is shredded.
//!
//! It **refuses to know** what a request or an officer is: it keeps who, what, about which request and why, as it is told.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::clock::{DAY_MS, Millis};
use crate::id::SubjectId;
use crate::store::{self, Batch, Key, Record, Store, Table};
use crate::vault::{self, Class, Vault};

/// How long entries are kept, in days: as long as somebody could still bring a claim (three years, counted from the end of the year).
pub const KEPT_DAYS: i64 = 4 * 366;
/// The entries. Number 0 is no entry; it says which number was given out last.
const AUDIT: Table<Number, Line> = Table::new(b'A', "audit");
/// Where the last number stands.
const LAST: Number = Number(0);
/// How many entries are read, or dropped, at a time.
const PAGE: usize = 256;

/// The number of an entry. Invariant: counts up from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u64);

impl Key for Number {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self)
    }
}

/// When something happened, and the rest sealed.
#[derive(Clone, Debug)]
struct Line {
    at: Millis,
    sealed: Vec<u8>,
}

impl Record for Line {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.at.to_be_bytes());
        out.extend_from_slice(&self.sealed);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (at, sealed) = bytes.split_first_chunk::<8>().filter(|_| version == Self::VERSION)?;
        Some(Self { at: Millis::from_be_bytes(*at), sealed: sealed.to_vec() })
    }
}

/// What somebody did or looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    #[serde(skip)]
    pub at: Millis,
    /// Who: the ID of a key, `operator`, or an officer as `officer:<name>`.
    pub who: String,
    /// What, as a code: a step, `received`, `shown`, `searched`, `package`; what officers do.
    pub what: String,
    /// Which request it is about; a search is about none.
    pub request: Option<String>,
    /// Why, in the words of who did it.
    pub why: Option<String>,
}

impl Entry {
    /// About no request.
    #[must_use]
    pub fn new(at: Millis, who: &str, what: &str, why: Option<&str>) -> Self {
        Self { at, who: who.to_owned(), what: what.to_owned(), request: None, why: why.map(str::to_owned) }
    }
}

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Those about this request alone.
    pub request: Option<String>,
    /// Those of this key or officer alone.
    pub who: Option<String>,
    /// Those before this number alone.
    pub before: Option<u64>,
    /// How many.
    pub limit: usize,
}

/// Why an entry cannot be added or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A sealed entry is of no known form.
    #[error("an entry of the audit is of no known form")]
    Form(#[from] serde_json::Error),
}

/// All entries.
pub struct Audit {
    store: Store,
    vault: Arc<Vault>,
    /// Entries are numbered one at a time.
    turn: Mutex<()>,
}

impl Audit {
    /// Opens the room.
    #[must_use]
    pub fn new(store: Store, vault: Arc<Vault>) -> Self {
        Self { store, vault, turn: Mutex::default() }
    }

    /// Commits something together with the entry that says so.
    ///
    /// # Errors
    /// What store and vault say; then nothing was written.
    pub async fn commit(&self, mut batch: Batch, entry: &Entry) -> Result<(), Error> {
        let _one_at_a_time = self.turn.lock().await;
        let last = AUDIT.get(&self.store, &LAST)?;
        let next = Number(last.as_ref().map_or(0, |line| line.at.unsigned_abs()) + 1);
        match &last {
            None => batch.check_absent(AUDIT.key(&LAST)),
            Some(line) => batch.check_equals(AUDIT.key(&LAST), AUDIT.value(line)),
        }
        batch.check_absent(AUDIT.key(&next));
        let holder = holder(&month(entry.at));
        let key = match self.vault.key(holder) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => self.vault.create(holder, &mut batch)?,
            Err(error) => return Err(error.into()),
        };
        let sealed = key.seal(&aad(next, entry.at), &serde_json::to_vec(entry)?)?;
        AUDIT.put(&mut batch, &next, &Line { at: entry.at, sealed });
        AUDIT.put(&mut batch, &LAST, &Line { at: Millis::try_from(next.0).unwrap_or(Millis::MAX), sealed: Vec::new() });
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Notes what somebody is about to see. It is durable when this returns.
    ///
    /// # Errors
    /// What store and vault say; then nothing may be shown.
    pub async fn note(&self, entry: &Entry) -> Result<(), Error> {
        self.commit(Batch::default(), entry).await
    }

    /// Entries with their numbers, newest first. It reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn list(&self, question: &Question) -> Result<Vec<(u64, Entry)>, Error> {
        let last = AUDIT.get(&self.store, &LAST)?.map_or(0, |line| line.at.unsigned_abs());
        let mut before = question.before.map_or(last + 1, |before| before.min(last + 1));
        let mut found = Vec::new();
        while before > 1 && found.len() < question.limit {
            let from = before.saturating_sub(PAGE as u64).max(1);
            let page = AUDIT.scan(&self.store, &[], Some(&Number(from - 1)), PAGE)?;
            let wanted: Vec<_> = page.into_iter().filter(|(number, _)| number.0 < before).collect();
            if wanted.is_empty() {
                break;
            }
            for (number, line) in wanted.into_iter().rev() {
                let Some(entry) = self.open_entry(number, &line)? else { continue };
                let fits = question.request.is_none() || entry.request == question.request;
                if fits && question.who.as_ref().is_none_or(|who| *who == entry.who) && found.len() < question.limit {
                    found.push((number.0, entry));
                }
            }
            before = from;
        }
        Ok(found)
    }

    /// `None` if its time is over.
    fn open_entry(&self, number: Number, line: &Line) -> Result<Option<Entry>, Error> {
        let key = match self.vault.key(holder(&month(line.at))) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let plain = key.open(&aad(number, line.at), &line.sealed)?;
        Ok(Some(Entry { at: line.at, ..serde_json::from_slice(&plain)? }))
    }

    /// Shreds the keys of months that are over for [`KEPT_DAYS`], and drops what was sealed under them.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn tidy(&self, at: Millis) -> Result<(), Error> {
        let oldest_kept = month(at - KEPT_DAYS * DAY_MS);
        loop {
            let page = AUDIT.scan(&self.store, &[], Some(&LAST), PAGE)?;
            let old: Vec<_> = page.iter().take_while(|(_, line)| month(line.at) < oldest_kept).collect();
            if old.is_empty() {
                return Ok(());
            }
            let mut months: Vec<String> = old.iter().map(|(_, line)| month(line.at)).collect();
            months.dedup();
            let keys: Vec<_> = months.iter().map(|month| (holder(month), Class::STANDARD)).collect();
            let vault = Arc::clone(&self.vault);
            // Beside the runtime: it waits for the disk.
            let shredded = tokio::task::spawn_blocking(move || vault.shred(&keys)).await;
            shredded.map_err(|_panicked| store::Error::Closed)??;
            let mut batch = Batch::default();
            old.iter().for_each(|(number, _)| AUDIT.delete(&mut batch, number));
            self.store.commit(batch).await?;
        }
    }
}

/// The calendar month in UTC, such as `2026-11`; its order is that of time.
fn month(at: Millis) -> String {
    let time = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m").to_string()
}

/// Whose data key seals the entries of a month. Subjects' IDs are random: none is ever like this.
fn holder(month: &str) -> SubjectId {
    let mut bytes = *b"audit-0000-00\0\0\0";
    bytes.iter_mut().skip(6).zip(month.bytes().take(7)).for_each(|(to, from)| *to = from);
    SubjectId(bytes)
}

fn aad(number: Number, at: Millis) -> Vec<u8> {
    [b"audit".as_slice(), &number.0.to_be_bytes(), &at.to_be_bytes()].concat()
}
