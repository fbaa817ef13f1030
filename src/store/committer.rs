//! One thread writes. It takes everything that waits, writes it as one batch, syncs once, and answers all.
//!
//! There is no artificial delay: while one group is on its way to the disk, the next one gathers. Only who is about to commit on the same
//! core goes first: otherwise this thread, woken by the disk, would take over at once and write groups of a few commits each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use super::engine::{self, Append, Engine};
use super::snapshot::Tap;
use super::{Batch, Check, Error, Position, Stream, VALUE_BYTES_MAX, frame};

/// What the length of an entry takes in a chunk.
pub(super) const ENTRY_OVERHEAD: usize = 4;
/// The most commits in one group.
const GROUP_COMMITS_MAX: usize = 1024;
/// How often others go first, as long as commits come of it.
const YIELDS_MAX: u32 = 4;
/// A group is closed when it holds so many bytes.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Who is told what a commit came to, on the thread that writes.
pub(super) type Answer = Box<dyn FnOnce(Result<Vec<Position>, Error>) + Send>;

struct Job {
    batch: Batch,
    bytes: usize,
    answer: Answer,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    closing: bool,
    /// Set when the thread has ended; says why.
    ended: Option<Result<(), Error>>,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    ended: Condvar,
    heads: Mutex<HashMap<u8, watch::Sender<u64>>>,
    /// Where groups are handed over to as well. Held while one is applied.
    tap: Mutex<Option<Arc<Tap>>>,
    bytes_max: usize,
}

/// The way to the one thread that writes.
pub(super) struct Committer(Arc<Shared>);

impl Committer {
    /// Starts the thread. `heads` says the newest chunk of each stream.
    pub(super) fn start(engine: Arc<dyn Engine>, heads: BTreeMap<u8, u64>, bytes_max: usize) -> Self {
        let watched = heads.iter().map(|(stream, head)| (*stream, watch::Sender::new(*head))).collect();
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            heads: Mutex::new(watched),
            tap: Mutex::default(),
            bytes_max,
        });
        let writer = Writer { engine, heads, shared: Arc::clone(&shared) };
        let spawned = std::thread::Builder::new().name(String::from("committer")).spawn(move || writer.run());
        if spawned.is_err() {
            shared.queue.lock().ended = Some(Err(Error::Closed));
        }
        Self(shared)
    }

    pub(super) fn submit(&self, batch: Batch, answer: Answer) -> Result<(), Error> {
        let bytes = batch.bytes();
        let mut queue = self.0.queue.lock();
        if let Some(Err(error)) = &queue.ended {
            return Err(error.clone());
        }
        if queue.closing || queue.ended.is_some() {
            return Err(Error::Closed);
        }
        if queue.bytes + bytes > self.0.bytes_max && !queue.jobs.is_empty() {
            return Err(Error::Busy);
        }
        queue.bytes += bytes;
        queue.jobs.push_back(Job { batch, bytes, answer });
        drop(queue);
        self.0.work.notify_one();
        Ok(())
    }

    pub(super) fn watch(&self, stream: Stream) -> watch::Receiver<u64> {
        self.0.heads.lock().entry(stream.0).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// From now on every group is handed over to `tap` as well; `at` sees what stands before the first of them.
    pub(super) fn tap<T>(&self, tap: &Arc<Tap>, at: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let mut place = self.0.tap.lock();
        if place.is_some() {
            return Err(Error::SnapshotTaken);
        }
        let seen = at()?;
        *place = Some(Arc::clone(tap));
        Ok(seen)
    }

    /// Ends that; `at` sees what stands after the last of them.
    pub(super) fn untap<T>(&self, tap: &Arc<Tap>, at: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let mut place = self.0.tap.lock();
        if place.as_ref().is_some_and(|there| Arc::ptr_eq(there, tap)) {
            *place = None;
        }
        at()
    }

    pub(super) fn is_open(&self) -> bool {
        let queue = self.0.queue.lock();
        !queue.closing && queue.ended.is_none()
    }

    /// Takes nothing more, finishes what is queued, and waits for the thread to end.
    pub(super) fn close(&self) -> Result<(), Error> {
        let mut queue = self.0.queue.lock();
        queue.closing = true;
        self.0.work.notify_one();
        loop {
            if let Some(ended) = &queue.ended {
                return ended.clone();
            }
            self.0.ended.wait(&mut queue);
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.0.queue.lock().closing = true;
        self.0.work.notify_one();
    }
}

struct Writer {
    engine: Arc<dyn Engine>,
    heads: BTreeMap<u8, u64>,
    shared: Arc<Shared>,
}

/// Tells the waiters when the thread ends, also by a panic of the engine.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.ended.get_or_insert(Err(Error::Closed));
        queue.jobs.clear();
        self.0.ended.notify_all();
    }
}

impl Writer {
    fn run(self) {
        let shared = Arc::clone(&self.shared);
        let ending = Ending(Arc::clone(&shared));
        // The engine goes before anybody is told, so that its folder is free when `close` returns.
        let outcome = self.write_all();
        if let Err(error) = &outcome {
            tracing::error!(%error, "the store stops: what is on disk stays as it was acknowledged");
        }
        shared.queue.lock().ended = Some(outcome);
        drop(ending);
    }

    fn write_all(mut self) -> Result<(), Error> {
        while let Some(jobs) = self.next_group() {
            self.write(jobs)?;
        }
        Ok(())
    }

    /// Everything that waits, up to the limits of a group; `None` when the store closes.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut queue = self.shared.queue.lock();
        while queue.jobs.is_empty() {
            if queue.closing {
                return None;
            }
            self.shared.work.wait(&mut queue);
        }
        for _ in 0..YIELDS_MAX {
            let before = queue.jobs.len();
            MutexGuard::unlocked(&mut queue, std::thread::yield_now);
            if queue.jobs.len() == before {
                break;
            }
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while jobs.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
            let Some(job) = queue.jobs.pop_front() else { break };
            bytes += job.bytes;
            jobs.push(job);
        }
        queue.bytes = queue.bytes.saturating_sub(bytes);
        Some(jobs)
    }

    /// Writes one group. `Err` only if nothing can be written any more.
    fn write(&mut self, jobs: Vec<Job>) -> Result<(), Error> {
        let mut group = Group { packs: self.packs(&jobs), ..Group::default() };
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            match self.admit(job.batch, &mut group) {
                Ok(positions) => answers.push((job.answer, positions)),
                Err(error) => (job.answer)(Err(error)),
            }
        }
        let Group { writes, mut packs, mut appends, drops } = group;
        packs.iter_mut().for_each(|pack| appends.extend(pack.seal()));
        let writes = writes
            .into_iter()
            .map(|(key, value)| {
                let framed = value.map(|v| frame::seal(&key, &v));
                (key, framed)
            })
            .collect();
        let group = engine::Group { writes, appends, drops };
        let is_empty = group.writes.is_empty() && group.appends.is_empty() && group.drops.is_empty();
        let outcome = if is_empty { Ok(()) } else { self.apply(group) };
        if let Err(error) = outcome {
            for (answer, _) in answers {
                answer(Err(error.clone()));
            }
            return if matches!(error, Error::Full) { Ok(()) } else { Err(error) };
        }
        self.announce(&packs);
        for (answer, positions) in answers {
            answer(Ok(positions));
        }
        Ok(())
    }

    /// Applies a group, and hands it over to a snapshot that is being taken.
    fn apply(&self, group: engine::Group) -> Result<(), Error> {
        let tap = self.shared.tap.lock();
        let Some(tap) = tap.as_ref().filter(|tap| tap.is_live()) else { return self.engine.apply(group) };
        let copy = group.clone();
        self.engine.apply(group)?;
        tap.push(copy);
        Ok(())
    }

    /// Checks one commit against the store and the group so far, and adds its writes.
    fn admit(&self, batch: Batch, group: &mut Group) -> Result<Vec<Position>, Error> {
        for check in &batch.checks {
            let (key, expected) = match check {
                Check::Absent(key) => (key, None),
                Check::Equals(key, value) => (key, Some(value)),
            };
            let current = match group.writes.get(key) {
                Some(written) => written.clone(),
                None => self.engine.get(key)?.map(|framed| frame::open(key, framed)).transpose()?,
            };
            if current.as_ref() != expected {
                return Err(Error::Conflict);
            }
        }
        group.writes.extend(batch.writes);
        group.drops.extend(batch.drops);
        let mut positions = Vec::with_capacity(batch.appends.len());
        let mut rest = batch.appended.as_slice();
        for (stream, length) in batch.appends {
            let Some((entry, tail)) = rest.split_at_checked(length) else { break };
            rest = tail;
            let Some(pack) = group.packs.iter_mut().find(|pack| pack.stream == stream.0) else { break };
            if pack.is_full_for(entry) {
                group.appends.extend(pack.seal());
            }
            positions.push(pack.add(entry, self.engine.as_ref()));
        }
        Ok(positions)
    }

    /// One for each stream that these append to.
    fn packs(&self, jobs: &[Job]) -> Vec<Pack> {
        let mut packs: Vec<Pack> = Vec::new();
        for (stream, length) in jobs.iter().flat_map(|job| &job.batch.appends) {
            let bytes = ENTRY_OVERHEAD + length;
            match packs.iter_mut().find(|pack| pack.stream == stream.0) {
                Some(pack) => pack.coming += bytes,
                None => {
                    packs.push(Pack { stream: stream.0, head: self.head(stream.0), coming: bytes, bytes: Vec::new(), entries: 0 })
                }
            }
        }
        packs
    }

    fn head(&self, stream: u8) -> u64 {
        self.heads.get(&stream).copied().unwrap_or(0)
    }

    /// Chunks are durable: from here on they count, and whoever waits for them is told.
    fn announce(&mut self, packs: &[Pack]) {
        let mut watched = self.shared.heads.lock();
        for Pack { stream, head, .. } in packs {
            if self.heads.insert(*stream, *head) != Some(*head) {
                watched.entry(*stream).or_insert_with(|| watch::Sender::new(0)).send_replace(*head);
            }
        }
    }
}

/// What one group writes. The map is also the overlay that later checks of the group see.
#[derive(Default)]
struct Group {
    writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// They are few: a search from one to the next is quicker than a map.
    packs: Vec<Pack>,
    appends: Vec<Append>,
    drops: Vec<(u8, u64)>,
}

/// What a group appends to one stream, and is not a chunk yet.
struct Pack {
    stream: u8,
    /// The newest chunk of the stream, those of this group included.
    head: u64,
    /// How many bytes are still to be packed, at most.
    coming: usize,
    bytes: Vec<u8>,
    entries: u32,
}

impl Pack {
    /// The most that a chunk holds.
    const ROOM: usize = VALUE_BYTES_MAX - frame::OVERHEAD;

    const fn is_full_for(&self, entry: &[u8]) -> bool {
        self.bytes.len() + ENTRY_OVERHEAD + entry.len() > Self::ROOM
    }

    fn add(&mut self, entry: &[u8], engine: &dyn Engine) -> Position {
        if self.entries == 0 {
            // Growing step by step would copy each entry twice.
            self.bytes = engine.buffer(self.coming.min(Self::ROOM));
        }
        self.coming = self.coming.saturating_sub(ENTRY_OVERHEAD + entry.len());
        let slot = self.entries;
        self.bytes.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(entry);
        self.entries += 1;
        Position { chunk: self.head + 1, slot }
    }

    /// Makes a chunk of what is packed.
    fn seal(&mut self) -> Option<Append> {
        if self.entries == 0 {
            return None;
        }
        self.entries = 0;
        self.head += 1;
        Some(Append { stream: self.stream, chunk: self.head, bytes: std::mem::take(&mut self.bytes).into() })
    }
}
