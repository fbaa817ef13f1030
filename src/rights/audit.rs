//! Who did what and who looked at what, when and why (GDPR Art. 5(2), 32): entries are added and read, never changed.
//!
//! An entry is added in the commit of the act that it is about, or before what was asked for is shown: nothing is done or seen without
//! it. Entries are numbered without gaps, and each commit checks which number is next. What an entry says is sealed under a key of its
//! calendar month; when the month is too old, its entries go and the key is shredded.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, KEPT_DAYS, RequestId, Rights};
use crate::clock::{DAY_MS, Millis};
use crate::id::SubjectId;
use crate::store::{Batch, Key, Record, Table};
use crate::vault::{self, Class};

/// The entries. Number 0 is no entry; it says which number was given out last.
const AUDIT: Table<Number, Line> = Table::new(b'A', "audit of rights");
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
    /// Who: the ID of a key, or `operator`.
    pub who: String,
    /// What, as a code: a step, `received`, `shown`, `searched`, `package`, `certificate`.
    pub what: String,
    /// Which request it is about; a search is about none.
    pub request: Option<String>,
    /// Why, in the words of who did it.
    pub why: Option<String>,
}

impl Entry {
    /// About a request.
    pub(super) fn about(id: RequestId, at: Millis, who: &str, what: &str, why: Option<&str>) -> Self {
        let (who, what, why) = (who.to_owned(), what.to_owned(), why.map(str::to_owned));
        Self { at, who, what, request: Some(id.to_string()), why }
    }
}

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Those about this request alone.
    pub request: Option<RequestId>,
    /// Those of this key alone.
    pub who: Option<String>,
    /// Those before this number alone.
    pub before: Option<u64>,
    /// How many.
    pub limit: usize,
}

impl Rights {
    /// Commits something together with the entry that says so.
    pub(super) async fn commit_noted(&self, mut batch: Batch, entry: &Entry) -> Result<(), Error> {
        let _one_at_a_time = self.auditing.lock().await;
        let last = AUDIT.get(&self.deps.store, &LAST)?;
        let next = Number(last.as_ref().map_or(0, |line| line.at.unsigned_abs()) + 1);
        match &last {
            None => batch.check_absent(AUDIT.key(&LAST)),
            Some(line) => batch.check_equals(AUDIT.key(&LAST), AUDIT.value(line)),
        }
        batch.check_absent(AUDIT.key(&next));
        let holder = holder(&month(entry.at));
        let key = match self.deps.vault.key(holder) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => self.deps.vault.create(holder, &mut batch)?,
            Err(error) => return Err(error.into()),
        };
        let sealed = key.seal(&aad(next, entry.at), &serde_json::to_vec(entry)?)?;
        AUDIT.put(&mut batch, &next, &Line { at: entry.at, sealed });
        AUDIT.put(&mut batch, &LAST, &Line { at: Millis::try_from(next.0).unwrap_or(Millis::MAX), sealed: Vec::new() });
        self.deps.store.commit(batch).await?;
        Ok(())
    }

    /// Notes that somebody is about to see something. It is durable when this returns.
    ///
    /// # Errors
    /// What store and vault say; then nothing may be shown.
    pub async fn note_look(&self, id: RequestId, who: &str, what: &str, why: Option<&str>) -> Result<(), Error> {
        self.commit_noted(Batch::default(), &Entry::about(id, self.deps.clock.now(), who, what, why)).await
    }

    /// Notes that somebody looks for the requests of somebody.
    pub(super) async fn note_search(&self, who: &str, why: &str) -> Result<(), Error> {
        let (at, who, what, why) = (self.deps.clock.now(), who.to_owned(), String::from("searched"), Some(why.to_owned()));
        self.commit_noted(Batch::default(), &Entry { at, who, what, request: None, why }).await
    }

    /// Entries with their numbers, newest first. It reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn audit(&self, question: &Question) -> Result<Vec<(u64, Entry)>, Error> {
        let last = AUDIT.get(&self.deps.store, &LAST)?.map_or(0, |line| line.at.unsigned_abs());
        let mut before = question.before.map_or(last + 1, |before| before.min(last + 1));
        let request = question.request.map(|id| id.to_string());
        let mut found = Vec::new();
        while before > 1 && found.len() < question.limit {
            let from = before.saturating_sub(PAGE as u64).max(1);
            let page = AUDIT.scan(&self.deps.store, &[], Some(&Number(from - 1)), PAGE)?;
            let wanted: Vec<_> = page.into_iter().filter(|(number, _)| number.0 < before).collect();
            if wanted.is_empty() {
                break;
            }
            for (number, line) in wanted.into_iter().rev() {
                let Some(entry) = self.open_entry(number, &line)? else { continue };
                let fits = request.is_none() || entry.request == request;
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
        let key = match self.deps.vault.key(holder(&month(line.at))) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let plain = key.open(&aad(number, line.at), &line.sealed)?;
        Ok(Some(Entry { at: line.at, ..serde_json::from_slice(&plain)? }))
    }

    /// Shreds the keys of months that are over for [`KEPT_DAYS`], and drops what was sealed under them.
    pub(super) async fn tidy_audit(&self, at: Millis) -> Result<(), Error> {
        let oldest_kept = month(at - KEPT_DAYS * DAY_MS);
        loop {
            let page = AUDIT.scan(&self.deps.store, &[], Some(&LAST), PAGE)?;
            let old: Vec<_> = page.iter().take_while(|(_, line)| month(line.at) < oldest_kept).collect();
            if old.is_empty() {
                return Ok(());
            }
            let mut months: Vec<String> = old.iter().map(|(_, line)| month(line.at)).collect();
            months.dedup();
            self.shred(months.iter().map(|month| (holder(month), Class::STANDARD)).collect()).await?;
            let mut batch = Batch::default();
            old.iter().for_each(|(number, _)| AUDIT.delete(&mut batch, number));
            self.deps.store.commit(batch).await?;
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
