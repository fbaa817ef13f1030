//! One thread writes. It takes everything that waits, writes it as one batch, syncs once, and answers all.
//!
//! There is no artificial delay: while one group is on its way to the disk, the next one gathers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::engine::{self, Append, Engine};
use super::snapshot::Tap;
use super::{Batch, Check, Error, Position, Stream, VALUE_BYTES_MAX, frame};

/// What the length of an entry takes in a chunk.
pub(super) const ENTRY_OVERHEAD: usize = 4;
/// The most commits in one group.
const GROUP_COMMITS_MAX: usize = 1024;
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
    pub(super) fn start(engine: Arc<dyn Engine>, heads: HashMap<u8, u64>, bytes_max: usize) -> Self {
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
    heads: HashMap<u8, u64>,
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
        let mut group = Group { coming: appended(&jobs), ..Group::default() };
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            match self.admit(job.batch, &mut group) {
                Ok(positions) => answers.push((job.answer, positions)),
                Err(error) => (job.answer)(Err(error)),
            }
        }
        let touched: Vec<u8> = group.packs.keys().copied().collect();
        let before: Vec<(u8, u64)> = touched.iter().map(|s| (*s, self.heads.get(s).copied().unwrap_or(0))).collect();
        for stream in &touched {
            self.seal_pack(*stream, &mut group);
        }
        let Group { writes, appends, drops, .. } = group;
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
            for (stream, head) in before {
                self.heads.insert(stream, head);
            }
            for (answer, _) in answers {
                answer(Err(error.clone()));
            }
            return if matches!(error, Error::Full) { Ok(()) } else { Err(error) };
        }
        self.announce(&touched);
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
    fn admit(&mut self, batch: Batch, group: &mut Group) -> Result<Vec<Position>, Error> {
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
            positions.push(self.append(stream.0, entry, group));
        }
        Ok(positions)
    }

    fn append(&mut self, stream: u8, entry: &[u8], group: &mut Group) -> Position {
        let room = VALUE_BYTES_MAX - frame::OVERHEAD;
        if group.packs.get(&stream).is_some_and(|p| p.bytes.len() + ENTRY_OVERHEAD + entry.len() > room) {
            self.seal_pack(stream, group);
        }
        let head = self.heads.get(&stream).copied().unwrap_or(0);
        let pack = group.packs.entry(stream).or_default();
        if pack.entries == 0 {
            // Growing step by step would copy each entry twice, into memory that the kernel has to clear first.
            let coming = group.coming.entry(stream).or_insert(0);
            let taken = (*coming).min(room);
            *coming -= taken;
            pack.bytes.reserve_exact(taken);
        }
        let slot = pack.entries;
        pack.bytes.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_le_bytes());
        pack.bytes.extend_from_slice(entry);
        pack.entries += 1;
        Position { chunk: head + 1, slot }
    }

    /// Makes a chunk of what is packed for a stream.
    fn seal_pack(&mut self, stream: u8, group: &mut Group) {
        let Some(pack) = group.packs.get_mut(&stream).filter(|p| p.entries > 0) else { return };
        let pack = std::mem::take(pack);
        let head = self.heads.entry(stream).or_insert(0);
        *head += 1;
        group.appends.push(Append { stream, chunk: *head, bytes: pack.bytes });
    }

    fn announce(&self, streams: &[u8]) {
        let mut watched = self.shared.heads.lock();
        for stream in streams {
            let head = self.heads.get(stream).copied().unwrap_or(0);
            watched.entry(*stream).or_insert_with(|| watch::Sender::new(0)).send_replace(head);
        }
    }
}

/// How much these append to each stream.
fn appended(jobs: &[Job]) -> HashMap<u8, usize> {
    let mut bytes = HashMap::new();
    for (stream, length) in jobs.iter().flat_map(|job| &job.batch.appends) {
        *bytes.entry(stream.0).or_insert(0) += ENTRY_OVERHEAD + length;
    }
    bytes
}

/// What one group writes. The map is also the overlay that later checks of the group see.
#[derive(Default)]
struct Group {
    writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    packs: HashMap<u8, Pack>,
    /// How many bytes may still be packed for each stream, at most.
    coming: HashMap<u8, usize>,
    appends: Vec<Append>,
    drops: Vec<(u8, u64)>,
}

#[derive(Default)]
struct Pack {
    bytes: Vec<u8>,
    entries: u32,
}
