//! Which events have been taken already: a retry of the same message is answered, and kept once.
//!
//! A key is a keyed hash of (source, messageId), so nothing of the sender's IDs is kept. Keys are appended in the same
//! commit as the event they belong to, and dropped after [`WINDOW_MS`]; SDKs give up long before (12 h).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::clock::Millis;
use crate::store::{self, Batch, Store, Stream};

/// The stream of keys of events that were taken.
const SEEN: Stream = Stream(b'E');
/// How long a key is remembered at least.
pub(super) const WINDOW_MS: Millis = 48 * 3_600_000;
/// How many keys one half of the memory holds at most: as many as a table of 2 097 152 places takes, 17 bytes each, before it would
/// double. Both halves are 72 MB.
pub(super) const KEYS_MAX: usize = 7 << 18;

/// The keyed hash of (source, messageId).
pub(super) type Key = [u8; 16];

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody has it: it is ours for as long as [`Claims`] hold it.
    Ours,
    /// It was taken before, durably.
    Seen,
    /// Somebody is taking it right now.
    Busy,
}

/// Keys that are ours. However the work on them ends, a panic included, they are free again when this is dropped, unless it was settled:
/// who meets a key that is being taken waits for that.
pub(super) struct Claims {
    dedupe: Arc<Dedupe>,
    keys: Vec<Key>,
}

impl Claims {
    pub(super) const fn new(dedupe: Arc<Dedupe>) -> Self {
        Self { dedupe, keys: Vec::new() }
    }

    /// Tries to take a key for an event that is about to be kept.
    pub(super) fn claim(&mut self, key: Key, at: Millis) -> Claim {
        self.claim_all(&[key], at).pop().unwrap_or(Claim::Busy)
    }

    /// The same for several, one after the other.
    pub(super) fn claim_all(&mut self, keys: &[Key], at: Millis) -> Vec<Claim> {
        let claims = self.dedupe.claim_all(keys, at);
        let ours = keys.iter().zip(&claims).filter(|(_, claim)| **claim == Claim::Ours);
        self.keys.extend(ours.map(|(key, _)| *key));
        claims
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// These of ours are free again: nothing is done about their events now.
    pub(super) fn give_back(&mut self, keys: &[Key]) {
        self.keys.retain(|key| !keys.contains(key));
        self.dedupe.settle(keys, false);
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
    /// The newest chunk of keys.
    newest: watch::Receiver<u64>,
    settled: Notify,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Generations {
    young: HashSet<Key>,
    old: HashSet<Key>,
    /// Those of either generation that are not durable yet.
    claimed: HashSet<Key>,
    /// How many the younger may hold.
    keys_max: usize,
    /// When the young generation began, and with which chunk.
    began_at: Millis,
    began_chunk: u64,
    /// The first chunk of the elder generation, and the first that is not dropped. Invariant: `kept_from <= old_chunk <= began_chunk`.
    old_chunk: u64,
    kept_from: u64,
}

impl Dedupe {
    /// Reads what is remembered.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn open(store: &Store, at: Millis) -> Result<Self, store::Error> {
        Self::with_room(store, at, KEYS_MAX)
    }

    fn with_room(store: &Store, at: Millis, keys_max: usize) -> Result<Self, store::Error> {
        let mut generations = Generations { began_at: at, keys_max, ..Generations::default() };
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
        let (settled, waiting) = (Notify::new(), AtomicUsize::new(0));
        Ok(Self { inner: Mutex::new(generations), newest: store.watch(SEEN), settled, waiting })
    }

    /// Tries to take keys, one after the other. They are all looked for before the first is taken: looks that do not wait for one another
    /// wait for memory together.
    fn claim_all(&self, keys: &[Key], at: Millis) -> Vec<Claim> {
        let mut inner = self.inner.lock();
        if inner.young.len() + keys.len() > inner.keys_max {
            let next = *self.newest.borrow() + 1;
            inner.turn(at, next);
        }
        let Generations { young, old, claimed, .. } = &mut *inner;
        let known: Vec<bool> = keys.iter().map(|key| young.contains(key) | old.contains(key)).collect();
        let claim = |(key, known): (&Key, bool)| {
            if claimed.contains(key) {
                return Claim::Busy;
            }
            if known {
                return Claim::Seen;
            }
            young.insert(*key);
            claimed.insert(*key);
            Claim::Ours
        };
        keys.iter().zip(known).map(claim).collect()
    }

    /// Waits until somebody's claim has been settled since the call began.
    pub(super) async fn changed(&self, key: Key) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let notified = self.settled.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let still = self.inner.lock().claimed.contains(&key);
        if still {
            notified.await;
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// The entry that remembers a key, to be appended in the commit that keeps its event.
    pub(super) fn entry(key: Key, at: Millis) -> (Stream, [u8; 24]) {
        let mut entry = [0; 24];
        let (when, what) = entry.split_at_mut(8);
        when.copy_from_slice(&at.to_be_bytes());
        what.copy_from_slice(&key);
        (SEEN, entry)
    }

    /// Ends claims: remembered if the commit was durable, free again if it was not.
    fn settle(&self, keys: &[Key], durable: bool) {
        if keys.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        for key in keys {
            inner.claimed.remove(key);
            // The younger may have become the elder meanwhile.
            if !durable && !inner.young.remove(key) {
                inner.old.remove(key);
            }
        }
        drop(inner);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.settled.notify_waiters();
        }
    }

    /// Forgets the elder generation when the younger is old enough, and drops the chunks of what is forgotten.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) async fn tidy(&self, store: &Store, at: Millis) -> Result<(), store::Error> {
        let gone = {
            let mut inner = self.inner.lock();
            if at - inner.began_at >= WINDOW_MS {
                let next = *self.newest.borrow() + 1;
                inner.turn(at, next);
            }
            inner.kept_from..inner.old_chunk
        };
        let ids: Vec<u64> = gone.collect();
        for some in ids.chunks(512) {
            let mut batch = Batch::default();
            for id in some {
                batch.drop_chunk(SEEN, *id);
            }
            store.commit(batch).await?;
            self.inner.lock().kept_from += some.len() as u64;
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
    /// The younger becomes the elder, whose memory is used again. There will be as many again: a table that grows is copied, and its memory
    /// cleared by the system, over and over.
    fn turn(&mut self, at: Millis, next_chunk: u64) {
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.young.reserve(self.old.len());
        self.old_chunk = self.began_chunk;
        self.began_chunk = next_chunk;
        self.began_at = at;
    }

    fn reload(&mut self, entry: &[u8], chunk: u64) {
        let Some((at, key)) = entry.split_first_chunk::<8>() else { return };
        let Ok(key) = Key::try_from(key) else { return };
        let at = Millis::from_be_bytes(*at);
        if self.young.is_empty() && self.old.is_empty() {
            self.began_at = at;
            (self.began_chunk, self.old_chunk, self.kept_from) = (chunk, chunk, chunk);
        }
        if self.young.len() >= self.keys_max || at - self.began_at >= WINDOW_MS {
            self.turn(at, chunk);
        }
        self.young.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use proptest::prelude::*;

    use super::*;

    /// What one half holds at most.
    const ROOM: usize = 20;
    /// How many messages come at once, and how many can be under way together.
    const AT_ONCE: usize = 3;
    const TOGETHER: usize = 4 * AT_ONCE;

    #[derive(Clone, Debug)]
    enum Deed {
        /// Messages come in one request, and their commits succeed or fail after so many more requests have come.
        Take {
            messages: Vec<u8>,
            durable: bool,
            after: usize,
        },
        Wait(Millis),
        Tidy,
        Restart,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            8 => (proptest::collection::vec(0..90_u8, 1..=AT_ONCE), any::<bool>(), 0..4_usize)
                .prop_map(|(messages, durable, after)| Deed::Take { messages, durable, after }),
            1 => prop_oneof![Just(WINDOW_MS), Just(WINDOW_MS / 2), Just(1)].prop_map(Deed::Wait),
            1 => Just(Deed::Tidy),
            1 => Just(Deed::Restart),
        ]
    }

    /// When a message came, and how many had been taken before.
    type Came = (Millis, usize);

    struct World {
        store: Store,
        dedupe: Dedupe,
        at: Millis,
        /// How many were taken.
        taken: usize,
        /// What is being taken: the message, what becomes of it, how many must still come first, and when it came.
        under_way: Vec<(u8, bool, usize, Came)>,
        kept: HashMap<u8, Came>,
    }

    impl World {
        fn new() -> Self {
            let store = Store::memory();
            let dedupe = Dedupe::with_room(&store, 1, ROOM).unwrap();
            Self { store, dedupe, at: 1, taken: 0, under_way: Vec::new(), kept: HashMap::new() }
        }

        fn settle(&mut self, first: usize) {
            let (message, durable, _, came) = self.under_way.remove(first);
            let key = [message; 16];
            if durable {
                let (stream, entry) = Dedupe::entry(key, came.0);
                let mut batch = Batch::default();
                batch.append(stream, &entry);
                self.store.commit_blocking(batch).unwrap();
                self.kept.insert(message, came);
            }
            self.dedupe.settle(&[key], durable);
        }

        /// Those that must be known. Of what is under way together, a restart finds first what was durable first.
        fn remembered(&self) -> BTreeSet<u8> {
            let is_young = |(at, before): Came| self.at - at < WINDOW_MS && self.taken - before <= ROOM - TOGETHER;
            self.kept.iter().filter(|(_, kept)| is_young(**kept)).map(|(message, _)| *message).collect()
        }

        fn take(&mut self, messages: &[u8], durable: bool, after: usize) {
            let must_be_known = self.remembered();
            let keys: Vec<Key> = messages.iter().map(|message| [*message; 16]).collect();
            for (message, claim) in messages.iter().zip(self.dedupe.claim_all(&keys, self.at)) {
                let is_busy = self.under_way.iter().any(|(m, ..)| m == message);
                match claim {
                    Claim::Busy => assert!(is_busy, "nobody takes it"),
                    Claim::Seen => assert!(self.kept.contains_key(message) && !is_busy, "it was not kept, or is not yet"),
                    Claim::Ours => {
                        assert!(!is_busy && !must_be_known.contains(message), "it is kept twice");
                        self.under_way.push((*message, durable, after, (self.at, self.taken)));
                        self.taken += 1;
                    }
                }
            }
            let due = self.under_way.iter_mut().map(|(_, _, left, _)| std::mem::replace(left, left.saturating_sub(1)) == 0);
            let due: Vec<usize> = due.enumerate().filter_map(|(at, is_due)| is_due.then_some(at)).collect();
            due.into_iter().rev().for_each(|at| self.settle(at));
            let inner = self.dedupe.inner.lock();
            assert!(inner.young.len() <= ROOM && inner.old.len() <= ROOM, "memory is bounded");
            assert_eq!(inner.claimed.len(), self.under_way.len());
        }

        fn act(&mut self, deed: &Deed) {
            match deed {
                Deed::Take { messages, durable, after } => self.take(messages, *durable, *after),
                Deed::Wait(time) => self.at += time,
                Deed::Tidy => {
                    tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap()
                        .block_on(self.dedupe.tidy(&self.store, self.at))
                        .unwrap();
                    let inner = self.dedupe.inner.lock();
                    let first = self.store.chunks(SEEN, 0, 1).unwrap().first().map(|chunk| chunk.id);
                    assert_eq!(inner.kept_from, inner.old_chunk);
                    assert!(first.is_none_or(|first| first >= inner.old_chunk), "what is forgotten is dropped");
                }
                Deed::Restart => {
                    while !self.under_way.is_empty() {
                        self.settle(0);
                    }
                    self.dedupe = Dedupe::with_room(&self.store, self.at, ROOM).unwrap();
                }
            }
            // Asking changes nothing for what is known.
            for message in self.remembered() {
                let is_busy = self.under_way.iter().any(|(m, ..)| *m == message);
                let inner = self.dedupe.inner.lock();
                assert!(
                    is_busy || inner.young.contains(&[message; 16]) || inner.old.contains(&[message; 16]),
                    "{message} is lost"
                );
            }
        }
    }

    /// A minute is far more than it takes, and the end of a test that waits for nothing.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    #[tokio::test]
    async fn work_that_panics_leaves_no_message_behind_that_others_wait_for() {
        let (store, key, other) = (Store::memory(), [1; 16], [2; 16]);
        let dedupe = Arc::new(Dedupe::open(&store, 1).unwrap());
        let mut claims = Claims::new(Arc::clone(&dedupe));
        assert_eq!(claims.claim_all(&[key, other], 1), [Claim::Ours, Claim::Ours]);
        assert_eq!(Claims::new(Arc::clone(&dedupe)).claim(key, 1), Claim::Busy, "it is being taken");
        let work = std::thread::spawn(move || {
            let _ours = claims;
            std::panic::resume_unwind(Box::new("something is wrong"));
        });
        tokio::time::timeout(PATIENCE, dedupe.changed(key)).await.expect("who waits is told");
        assert!(work.join().is_err());
        let mut next = Claims::new(Arc::clone(&dedupe));
        assert_eq!(next.claim_all(&[key, other], 1), [Claim::Ours, Claim::Ours]);
        next.give_back(&[other]);
        assert!(next.contains(&key) && !next.contains(&other));
        next.settle();
        assert_eq!(Claims::new(Arc::clone(&dedupe)).claim_all(&[key, other], 1), [Claim::Seen, Claim::Ours]);
        assert_eq!(dedupe.len(), 1, "what was not settled is not remembered");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
        #[test]
        fn a_message_is_kept_once_for_as_long_as_it_is_remembered(deeds in proptest::collection::vec(deed(), 1..60)) {
            let mut world = World::new();
            deeds.iter().for_each(|deed| world.act(deed));
        }
    }
}
