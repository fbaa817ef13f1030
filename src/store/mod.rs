//! One ordered map of keys to values, written by atomic, conditional commits that are durable when they return.
//!
//! It promises: what a commit acknowledged survives `kill -9` and a power cut (P7); a commit happens whole or not at all;
//! a record that was damaged on disk is noticed when it is read. It knows no word of the domain: rooms bring their own
//! tables, told apart by the first byte of the key. The engine is behind [`engine::Engine`]; the embedded default keeps keys in
//! `sled` and streams in log files, behind a journal.

mod committer;
mod embedded;
mod engine;
mod error;
mod frame;
mod journal;
mod log;
mod memory;
mod pieces;
mod recent;
mod sled;
mod snapshot;
mod spare;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{oneshot, watch};

use committer::Committer;
pub use engine::{Append, Bytes, Engine, Group, Pair, Read, Write};
pub use error::Error;
pub use snapshot::{Piece, Rebuild, Snapshot};
pub use table::{Key, Record, Table};
pub use verify::Report;

/// The largest stored value, its frame included. Larger ones would reach sled's blob files, which nobody syncs.
pub const VALUE_BYTES_MAX: usize = 48 * 1024;
/// The largest entry that fits into a chunk of its own.
pub const ENTRY_BYTES_MAX: usize = VALUE_BYTES_MAX - frame::OVERHEAD - committer::ENTRY_OVERHEAD;
/// What stands in front of a value on disk: its checksum.
pub const FRAME_BYTES: usize = frame::OVERHEAD;
/// The longest key.
pub const KEY_BYTES_MAX: usize = 256;
/// Keys that begin with this byte are the store's own.
const OWN: u8 = 0;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for the engine's cache. It is a target, not a cap: budget about three times as much.
    pub cache_bytes: u64,
    /// How much may wait for the disk before new commits are refused as [`Error::Busy`].
    pub queue_bytes_max: usize,
    /// Commits are refused as [`Error::Full`] when less is free on the disk.
    pub free_bytes_min: u64,
    /// A log file of a stream that is larger gets no further chunks. At most 1 GiB.
    pub log_file_bytes: u64,
    /// When the journal is so long, what it holds is brought to its place. That much is kept in memory, too, in buffers that
    /// are at most twice as large, and as much again for the next round.
    pub journal_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            queue_bytes_max: 64 << 20,
            free_bytes_min: 64 << 20,
            log_file_bytes: 64 << 20,
            journal_bytes: 8 << 20,
        }
    }
}

/// A sequence of entries. Entries that are appended in one group commit are packed into chunks of up to 48 kB, because one
/// record per entry costs an engine several times as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream(pub u8);

/// Where an appended entry ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The chunk. Invariant: counts up from 1 without gaps, also over restarts.
    pub chunk: u64,
    /// The place in the chunk, from 0.
    pub slot: u32,
}

/// Entries of a stream that are stored as one value.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its number.
    pub id: u64,
    /// What was appended, in order.
    pub entries: Entries,
}

/// The entries of a chunk, in one buffer that all readers share.
#[derive(Clone, Debug)]
pub struct Entries(Bytes);

impl Entries {
    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (entry, tail) = tail.split_at_checked(length)?;
            rest = tail;
            Some(entry)
        })
    }
}

/// What must be true for a commit to happen.
#[derive(Clone, Debug)]
enum Check {
    Absent(Vec<u8>),
    Equals(Vec<u8>, Vec<u8>),
}

/// A commit in the making.
#[derive(Debug, Default)]
pub struct Batch {
    checks: Vec<Check>,
    writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    appended: Vec<u8>,
    appends: Vec<(Stream, usize)>,
    drops: Vec<(u8, u64)>,
}

impl Batch {
    /// The commit happens only if there is nothing under the key.
    pub fn check_absent(&mut self, key: Vec<u8>) {
        self.checks.push(Check::Absent(key));
    }

    /// The commit happens only if exactly this value stands under the key.
    pub fn check_equals(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.checks.push(Check::Equals(key, value));
    }

    /// Writes a value.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.push((key, Some(value)));
    }

    /// Removes a value. Nothing happens if there is none.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.writes.push((key, None));
    }

    /// Adds an entry at the end of a stream.
    pub fn append(&mut self, stream: Stream, entry: &[u8]) {
        self.appended.extend_from_slice(entry);
        self.appends.push((stream, entry.len()));
    }

    /// Makes room for entries of so many bytes together, which would else be copied whenever there is no more.
    pub fn expect_appends(&mut self, bytes: usize) {
        self.appended.reserve(bytes);
    }

    /// Appends an entry that `write` puts to the end of the buffer, so that it need not be copied. If that fails nothing is added.
    ///
    /// # Errors
    /// What `write` says.
    pub fn append_with<E>(&mut self, stream: Stream, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let begin = self.appended.len();
        let outcome = write(&mut self.appended);
        if outcome.is_err() {
            self.appended.truncate(begin);
        } else {
            self.appends.push((stream, self.appended.len().saturating_sub(begin)));
        }
        outcome
    }

    /// Removes a whole chunk of a stream.
    pub fn drop_chunk(&mut self, stream: Stream, id: u64) {
        self.drops.push((stream.0, id));
    }

    /// Whether it would change nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.appends.is_empty() && self.drops.is_empty()
    }

    fn bytes(&self) -> usize {
        let writes: usize = self.writes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
        writes + self.appended.len() + 64
    }

    fn refuse_too_large(&self) -> Result<(), Error> {
        for (key, value) in &self.writes {
            let value_bytes = value.as_ref().map_or(0, Vec::len) + frame::OVERHEAD;
            if key.len() > KEY_BYTES_MAX || value_bytes > VALUE_BYTES_MAX {
                return Err(Error::TooLarge { bytes: key.len().max(value_bytes), limit: VALUE_BYTES_MAX });
            }
        }
        match self.appends.iter().map(|(_, bytes)| *bytes).max() {
            Some(bytes) if bytes > ENTRY_BYTES_MAX => Err(Error::TooLarge { bytes, limit: ENTRY_BYTES_MAX }),
            _ => Ok(()),
        }
    }
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
    committer: Arc<Committer>,
}

/// A commit that is under way. It is durable when this resolves to `Ok`; it happens whether or not anybody waits.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Vec<Position>, Error>>);

impl Future for Pending {
    type Output = Result<Vec<Position>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}

impl Store {
    /// Opens the embedded store in `dir`, making it if it is new.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it, [`Error::Damaged`] if it cannot be read, [`Error::ForeignFormat`] if it
    /// is of another make, [`Error::HalfRestored`] if a restore was cut off there.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        snapshot::refuse_half(dir)?;
        let engine = embedded::Embedded::open(dir, options)?;
        Self::over(Arc::new(engine), options.queue_bytes_max)
    }

    /// A store that forgets everything when it goes. For tests and policy cases.
    #[must_use]
    pub fn memory() -> Self {
        let engine: Arc<dyn Engine> = Arc::new(memory::Memory::default());
        let committer = Arc::new(Committer::start(
            Arc::clone(&engine),
            std::collections::BTreeMap::new(),
            Options::default().queue_bytes_max,
        ));
        Self { engine, committer }
    }

    /// A store over any engine that keeps the contract.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn over(engine: Arc<dyn Engine>, queue_bytes_max: usize) -> Result<Self, Error> {
        let heads = engine.heads()?.into_iter().collect();
        let committer = Arc::new(Committer::start(Arc::clone(&engine), heads, queue_bytes_max));
        Ok(Self { engine, committer })
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it does not match its checksum.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.engine.get(key)?.map(|framed| frame::open(key, framed)).transpose()
    }

    /// Up to `limit` keys that begin with `prefix`, ascending, strictly after `after`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a value does not match its checksum.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error> {
        let found = self.engine.scan(prefix, after, limit)?;
        found.into_iter().map(|(key, framed)| frame::open(&key, framed).map(|value| (key, value))).collect()
    }

    /// Queues a commit. Commits of one caller happen in the order of the calls.
    ///
    /// # Errors
    /// [`Error::Busy`] if too much waits for the disk already, [`Error::TooLarge`], [`Error::Closed`].
    pub fn submit(&self, batch: Batch) -> Result<Pending, Error> {
        let (answer, receiver) = oneshot::channel();
        // Whoever does not wait any more has given up on the answer, not on the commit.
        self.submit_then(batch, Box::new(move |outcome| drop(answer.send(outcome))))?;
        Ok(Pending(receiver))
    }

    /// Queues a commit, and calls `then` with what it came to, whether or not anybody waits. That happens on the thread that
    /// writes: `then` must be quick, must not commit, and must not wait for anybody who does. It is dropped when the store ends.
    ///
    /// # Errors
    /// As for [`Store::submit`]; then it is not called.
    pub fn submit_then(&self, batch: Batch, then: Box<dyn FnOnce(Result<Vec<Position>, Error>) + Send>) -> Result<(), Error> {
        batch.refuse_too_large()?;
        self.committer.submit(batch, then)
    }

    /// Commits, and waits until it is durable. The positions are those of the appended entries, in order.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a check did not hold; then nothing was written. Otherwise as [`Store::submit`].
    pub async fn commit(&self, batch: Batch) -> Result<Vec<Position>, Error> {
        self.submit(batch)?.await
    }

    /// The same for threads that may block.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_blocking(&self, batch: Batch) -> Result<Vec<Position>, Error> {
        self.submit(batch)?.0.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    /// Up to `limit` chunks of a stream, from `from` on.
    ///
    /// # Errors
    /// [`Error::Damaged`] if one does not match its checksum.
    pub fn chunks(&self, stream: Stream, from: u64, limit: usize) -> Result<Vec<Chunk>, Error> {
        let found = self.engine.chunks(stream.0, from, limit)?;
        let damaged =
            || Error::Damaged { what: format!("a chunk of stream {:?} does not match its checksum", char::from(stream.0)) };
        found.into_iter().map(|(id, bytes)| Ok(Chunk { id, entries: Entries(bytes.ok_or_else(damaged)?) })).collect()
    }

    /// The number of the newest durable chunk of a stream, as it grows; 0 before the first.
    #[must_use]
    pub fn watch(&self, stream: Stream) -> watch::Receiver<u64> {
        self.committer.watch(stream)
    }

    /// Reads every record and checks it.
    ///
    /// # Errors
    /// When the engine cannot be read at all.
    pub fn verify(&self) -> Result<Report, Error> {
        verify::all(self.engine.as_ref())
    }

    /// Begins a copy of everything; commits go on meanwhile. One at a time. Blocks while a group is on its way to the disk.
    ///
    /// # Errors
    /// [`Error::SnapshotTaken`] if one is being taken, and what the engine says.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::begin(&self.engine, &self.committer)
    }

    /// What the store takes on disk, in bytes.
    #[must_use]
    pub fn size_on_disk(&self) -> u64 {
        self.engine.size_on_disk()
    }

    /// Whether commits can still be made.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.committer.is_open()
    }

    /// Finishes what is queued and takes nothing more.
    ///
    /// # Errors
    /// When the last commits could not be written.
    pub fn close(&self) -> Result<(), Error> {
        self.committer.close()
    }
}
