//! Which events have been taken already: a retry of the same message is answered, and kept once.
//!
//! A key is a keyed hash of (source, messageId), so nothing of the sender's IDs is kept. Keys are appended in the same
//! commit as the event they belong to, and dropped after [`WINDOW_MS`]; SDKs give up long before (12 h).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Millis;
use crate::store::{self, Batch, Store, Stream};

/// The stream of keys of events that were taken.
const SEEN: Stream = Stream(b'E');
/// How long a key is remembered at least.
pub(super) const WINDOW_MS: Millis = 48 * 3_600_000;
/// How many keys one half of the memory holds at most: 16 bytes each plus a ninth, so both halves stay under 120 MB.
pub(super) const KEYS_MAX: usize = 2_000_000;

/// The keyed hash of (source, messageId).
pub(super) type Key = [u8; 16];

/// What became of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody has it: it is ours until [`Dedupe::settle`].
    Ours,
    /// It was taken before, durably.
    Seen,
    /// Somebody is taking it right now.
    Busy,
}

/// Keys that are ours. They are free again when this is dropped, unless it was settled.
pub(super) struct Claims {
    dedupe: Arc<Dedupe>,
    keys: Vec<Key>,
}

impl Claims {
    pub(super) const fn new(dedupe: Arc<Dedupe>, keys: Vec<Key>) -> Self {
        Self { dedupe, keys }
    }

    /// The commit is durable: the keys are remembered.
    pub(super) fn settle(mut self) {
        self.dedupe.settle(&std::mem::take(&mut self.keys), true);
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.dedupe.settle(&self.keys, false);
    }
}

/// The memory of keys. Two generations: when the younger is old or full, the elder goes.
pub(super) struct Dedupe {
    inner: Mutex<Generations>,
    settled: Notify,
    waiting: AtomicUsize,
}

struct Generations {
    young: HashSet<Key>,
    old: HashSet<Key>,
    /// When the young generation began, and with which chunk.
    began_at: Millis,
    began_chunk: u64,
    old_chunk: u64,
    claimed: HashMap<Key, ()>,
}

impl Dedupe {
    /// Reads what is remembered.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn open(store: &Store, at: Millis) -> Result<Self, store::Error> {
        let mut generations = Generations {
            young: HashSet::new(),
            old: HashSet::new(),
            began_at: at,
            began_chunk: 0,
            old_chunk: 0,
            claimed: HashMap::new(),
        };
        let mut from = 0;
        loop {
            let chunks = store.chunks(SEEN, from, 64)?;
            let Some(last) = chunks.last() else { break };
            from = last.id + 1;
            for chunk in &chunks {
                for entry in chunk.entries.iter() {
                    generations.reload(entry, chunk.id);
                }
            }
        }
        Ok(Self { inner: Mutex::new(generations), settled: Notify::new(), waiting: AtomicUsize::new(0) })
    }

    /// Tries to take the key for an event that is about to be kept.
    pub(super) fn claim(&self, key: Key) -> Claim {
        let mut inner = self.inner.lock();
        if inner.young.contains(&key) || inner.old.contains(&key) {
            return Claim::Seen;
        }
        if inner.claimed.insert(key, ()).is_some() { Claim::Busy } else { Claim::Ours }
    }

    /// Waits until somebody's claim has been settled since the call began.
    pub(super) async fn changed(&self, key: Key) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let notified = self.settled.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let still = self.inner.lock().claimed.contains_key(&key);
        if still {
            notified.await;
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// The entry that remembers a key, to be appended in the commit that keeps its event.
    pub(super) fn entry(key: Key, at: Millis) -> (Stream, Vec<u8>) {
        let mut entry = Vec::with_capacity(24);
        entry.extend_from_slice(&at.to_be_bytes());
        entry.extend_from_slice(&key);
        (SEEN, entry)
    }

    /// Ends claims: remembered if the commit was durable, free again if it was not.
    pub(super) fn settle(&self, keys: &[Key], durable: bool) {
        if keys.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        for key in keys {
            inner.claimed.remove(key);
            if durable {
                inner.young.insert(*key);
            }
        }
        drop(inner);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.settled.notify_waiters();
        }
    }

    /// Forgets the elder generation when the younger is old or full enough, and drops its chunks.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) async fn tidy(&self, store: &Store, at: Millis) -> Result<(), store::Error> {
        let newest = *store.watch(SEEN).borrow();
        let drop_range = {
            let mut inner = self.inner.lock();
            if inner.young.len() < KEYS_MAX && at - inner.began_at < WINDOW_MS {
                return Ok(());
            }
            let range = inner.old_chunk..inner.began_chunk;
            inner.old = std::mem::take(&mut inner.young);
            inner.old_chunk = inner.began_chunk;
            inner.began_chunk = newest + 1;
            inner.began_at = at;
            range
        };
        let ids: Vec<u64> = drop_range.collect();
        for some in ids.chunks(512) {
            let mut batch = Batch::default();
            for id in some {
                batch.drop_chunk(SEEN, *id);
            }
            store.commit(batch).await?;
        }
        Ok(())
    }

    /// How many keys are remembered.
    pub(super) fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.young.len() + inner.old.len()
    }
}

impl Generations {
    fn reload(&mut self, entry: &[u8], chunk: u64) {
        let Some((at, key)) = entry.split_first_chunk::<8>() else { return };
        let Ok(key) = Key::try_from(key) else { return };
        let at = Millis::from_be_bytes(*at);
        if self.young.is_empty() && self.old.is_empty() {
            self.began_at = at;
            self.began_chunk = chunk;
            self.old_chunk = chunk;
        }
        if self.young.len() >= KEYS_MAX || at - self.began_at >= WINDOW_MS {
            self.old = std::mem::take(&mut self.young);
            self.old_chunk = self.began_chunk;
            self.began_chunk = chunk;
            self.began_at = at;
        }
        self.young.insert(key);
    }
}
