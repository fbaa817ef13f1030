//! A copy of everything while it is written to, and a store put together again from such a copy.
//!
//! What stands there is read page by page while commits go on; the groups that are committed meanwhile are handed over as well, each
//! behind every page that was read before it happened. Applied in the order in which they were given they make exactly the state at
//! the moment of [`Piece::End`]: a page may show a group too early, but then that group comes once more. Nobody who commits waits: if
//! the copy is taken too slowly it fails with [`Error::SnapshotTooSlow`], and memory stays bounded.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::committer::Committer;
use super::embedded::Embedded;
use super::engine::{Append, Bytes, Engine, Group, Pair};
use super::{Error, OWN, Options, frame};

/// How many keys are read at a time.
const KEYS: usize = if cfg!(test) { 16 } else { 256 };
/// How many chunks are read at a time.
const CHUNKS: usize = if cfg!(test) { 3 } else { 16 };
/// How much may wait to be taken over, in bytes.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Put together again in groups of about this size, in bytes.
const GROUP_BYTES: usize = 4 << 20;
/// How many streams are put together in one group: an engine may not take any number.
const STREAMS_AT_ONCE: usize = 4;
/// Stands in a folder as long as it is being restored; no store opens there.
const MARKER: &str = "RESTORING";
/// What a file system of its own has in its empty root.
const NOT_OURS: &str = "lost+found";

/// A part of the copy.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Keys and values as they stand on disk.
    Keys(Vec<Pair>),
    /// Chunks of a stream: number and bytes.
    Chunks(u8, Vec<(u64, Bytes)>),
    /// What was committed meanwhile.
    Group(Group),
    /// The end: the number of the newest chunk of each stream.
    End(Vec<(u8, u64)>),
}

/// Groups on their way from the committer to a snapshot.
#[derive(Default)]
pub(super) struct Tap(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    groups: VecDeque<Group>,
    bytes: usize,
    overflown: bool,
}

impl Tap {
    /// Takes a group over. Never waits.
    pub(super) fn push(&self, group: Group) {
        let mut waiting = self.0.lock();
        waiting.bytes += bytes(&group);
        waiting.overflown |= waiting.bytes > WAITING_BYTES_MAX;
        if waiting.overflown {
            waiting.groups = VecDeque::new();
        } else {
            waiting.groups.push_back(group);
        }
    }

    /// Whether groups are still of use to it.
    pub(super) fn is_live(&self) -> bool {
        !self.0.lock().overflown
    }

    /// How many wait.
    fn count(&self) -> Result<usize, Error> {
        let waiting = self.0.lock();
        if waiting.overflown { Err(Error::SnapshotTooSlow) } else { Ok(waiting.groups.len()) }
    }

    fn pop(&self) -> Option<Group> {
        let mut waiting = self.0.lock();
        let group = waiting.groups.pop_front()?;
        waiting.bytes = waiting.bytes.saturating_sub(bytes(&group));
        Some(group)
    }
}

fn bytes(group: &Group) -> usize {
    let writes: usize = group.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len) + 64).sum();
    writes + group.appends.iter().map(|append| append.bytes.len() + 64).sum::<usize>() + group.drops.len() * 16
}

/// A copy that is being taken.
pub struct Snapshot {
    engine: Arc<dyn Engine>,
    committer: Arc<Committer>,
    tap: Arc<Tap>,
    /// Streams that are not read yet: tag, the first chunk to read, the last one.
    streams: Vec<(u8, u64, u64)>,
    /// The last key that was read.
    after: Option<Vec<u8>>,
    stage: Stage,
    /// How many groups are handed over before the next page.
    due: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Streams,
    Keys,
    /// Everything is read; these groups are the last ones.
    Rest,
    Over,
}

impl Snapshot {
    /// Begins now. Blocks while a group is on its way to the disk.
    pub(super) fn begin(engine: &Arc<dyn Engine>, committer: &Arc<Committer>) -> Result<Self, Error> {
        let tap = Arc::new(Tap::default());
        let heads = committer.tap(&tap, || engine.heads())?;
        let streams = heads.into_iter().map(|(stream, head)| (stream, 0, head)).collect();
        let (engine, committer) = (Arc::clone(engine), Arc::clone(committer));
        Ok(Self { engine, committer, tap, streams, after: None, stage: Stage::Streams, due: 0 })
    }

    /// The next piece; `None` after [`Piece::End`].
    ///
    /// # Errors
    /// [`Error::Damaged`] if something does not match its checksum, [`Error::SnapshotTooSlow`], and what the engine says.
    pub fn piece(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            if self.due > 0 {
                self.due -= 1;
                let group = self.tap.pop().ok_or(Error::SnapshotTooSlow)?;
                return Ok(Some(Piece::Group(group)));
            }
            let page = match self.stage {
                Stage::Streams => self.chunks()?,
                Stage::Keys => self.keys()?,
                Stage::Rest => {
                    self.stage = Stage::Over;
                    return Ok(Some(Piece::End(self.streams.iter().map(|(stream, _, head)| (*stream, *head)).collect())));
                }
                Stage::Over => return Ok(None),
            };
            // What waits by now comes behind this page, and no more than that, so that there is a next page.
            if self.stage != Stage::Rest {
                self.due = self.tap.count()?;
            }
            if page.is_some() {
                return Ok(page);
            }
        }
    }

    fn chunks(&mut self) -> Result<Option<Piece>, Error> {
        let Some((stream, from, head)) = self.streams.last_mut() else {
            self.stage = Stage::Keys;
            return Ok(None);
        };
        let mut found = self.engine.chunks(*stream, *from, CHUNKS)?;
        found.retain(|(chunk, _)| chunk <= head);
        let Some((last, _)) = found.last() else {
            self.streams.pop();
            return Ok(None);
        };
        *from = last + 1;
        let damaged =
            || Error::Damaged { what: format!("a chunk of stream {:?} does not match its checksum", char::from(*stream)) };
        let sound = found.into_iter().map(|(chunk, bytes)| Ok((chunk, bytes.ok_or_else(damaged)?)));
        Ok(Some(Piece::Chunks(*stream, sound.collect::<Result<_, Error>>()?)))
    }

    fn keys(&mut self) -> Result<Option<Piece>, Error> {
        let mut found = self.engine.scan(&[], self.after.as_deref(), KEYS)?;
        let Some((last, _)) = found.last() else {
            // From here on nothing is added: what was committed up to now is the end.
            let heads = self.committer.untap(&self.tap, || self.engine.heads())?;
            self.streams = heads.into_iter().map(|(stream, head)| (stream, 0, head)).collect();
            self.due = self.tap.count()?;
            self.stage = Stage::Rest;
            return Ok(None);
        };
        self.after = Some(last.clone());
        // The engine's own are of this folder and no other.
        found.retain(|(key, _)| key.first() != Some(&OWN));
        for (key, framed) in &found {
            frame::open(key, framed.clone())?;
        }
        Ok(Some(Piece::Keys(found)))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        drop(self.committer.untap(&self.tap, || Ok(())));
    }
}

/// A store that is put together from a copy: first all chunks that were read, then the keys that were read and what groups did, in their order.
pub struct Rebuild {
    engine: Arc<dyn Engine>,
    heads: BTreeMap<u8, u64>,
    writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    appends: Vec<Append>,
    streams: BTreeSet<u8>,
    /// Applied after the appends: numbers are never used twice.
    drops: Vec<(u8, u64)>,
    bytes: usize,
    site: Option<Site>,
}

/// The folder in which it is put together.
struct Site {
    dir: PathBuf,
    /// Held, so that nobody else begins here.
    marker: File,
}

impl Rebuild {
    /// Begins in an empty folder, or over again in one where it was cut off. Until [`Rebuild::finish`] no store opens there.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] if something else is there, [`Error::Locked`] if somebody restores there, and what the disk says.
    pub fn begin(dir: &Path, options: &Options) -> Result<Self, Error> {
        fs::create_dir_all(dir)?;
        let there: Vec<PathBuf> = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Error>>()?;
        let marker = dir.join(MARKER);
        if !marker.exists() && there.iter().any(|path| !path.ends_with(NOT_OURS)) {
            return Err(Error::NotEmpty(dir.to_path_buf()));
        }
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&marker)?;
        file.try_lock().map_err(|_held| Error::Locked(dir.to_path_buf()))?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        for path in there.iter().filter(|path| **path != marker && !path.ends_with(NOT_OURS)) {
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        let engine = Arc::new(Embedded::open(dir, options)?);
        Ok(Self { site: Some(Site { dir: dir.to_path_buf(), marker: file }), ..Self::over(engine) })
    }

    pub(super) fn over(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            heads: BTreeMap::new(),
            writes: HashMap::new(),
            appends: Vec::new(),
            streams: BTreeSet::new(),
            drops: Vec::new(),
            bytes: 0,
            site: None,
        }
    }

    /// Adds a chunk. Those of one stream come in the order of their numbers; what is missing in between was dropped.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is out of order, and what the engine says.
    pub fn chunk(&mut self, stream: u8, chunk: u64, bytes: impl Into<Bytes>) -> Result<(), Error> {
        if self.streams.len() == STREAMS_AT_ONCE && !self.streams.contains(&stream) {
            self.flush()?;
        }
        if !self.heads.contains_key(&stream) {
            self.engine.begin(stream, chunk)?;
            self.heads.insert(stream, chunk.saturating_sub(1));
        }
        let head = self.heads.get(&stream).copied().unwrap_or_default();
        if chunk <= head {
            return Err(Error::Damaged { what: String::from("chunks of a copy are out of order") });
        }
        for gone in head + 1..chunk {
            self.append(stream, gone, Bytes::default())?;
            self.drops.push((stream, gone));
        }
        self.append(stream, chunk, bytes.into())
    }

    fn append(&mut self, stream: u8, chunk: u64, bytes: Bytes) -> Result<(), Error> {
        self.heads.insert(stream, chunk);
        self.streams.insert(stream);
        self.bytes += bytes.len() + 64;
        self.appends.push(Append { stream, chunk, bytes });
        self.flush_if_large()
    }

    /// Writes a value as it stands on disk, or removes it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn key(&mut self, key: Vec<u8>, framed: Option<Vec<u8>>) -> Result<(), Error> {
        self.bytes += key.len() + framed.as_ref().map_or(0, Vec::len) + 64;
        self.writes.insert(key, framed);
        self.flush_if_large()
    }

    /// Drops a chunk. What was dropped before it was read has no place here.
    pub fn drop_chunk(&mut self, stream: u8, chunk: u64) {
        if self.heads.get(&stream).is_some_and(|head| chunk <= *head) {
            self.drops.push((stream, chunk));
        }
    }

    /// Brings the streams to where they were, and lets the store be opened.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a stream is longer than it was, and what the disk says.
    pub fn finish(mut self, heads: &[(u8, u64)]) -> Result<(), Error> {
        for (stream, head) in heads {
            match self.heads.get(stream).copied() {
                None if *head > 0 => self.engine.begin(*stream, head + 1)?,
                Some(reached) if reached > *head => {
                    return Err(Error::Damaged { what: String::from("a copy has more chunks than there were") });
                }
                Some(reached) if reached < *head => {
                    self.chunk(*stream, *head, Bytes::default())?;
                    self.drops.push((*stream, *head));
                }
                None | Some(_) => {}
            }
        }
        self.flush()?;
        let Self { engine, site, .. } = self;
        drop(engine);
        let Some(Site { dir, marker }) = site else { return Ok(()) };
        File::open(&dir)?.sync_all()?;
        fs::remove_file(dir.join(MARKER))?;
        File::open(&dir)?.sync_all()?;
        drop(marker);
        Ok(())
    }

    fn flush_if_large(&mut self) -> Result<(), Error> {
        if self.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let (writes, appends) = (std::mem::take(&mut self.writes), std::mem::take(&mut self.appends));
        if !writes.is_empty() || !appends.is_empty() {
            self.engine.apply(Group { writes: writes.into_iter().collect(), appends, drops: Vec::new() })?;
        }
        let drops = std::mem::take(&mut self.drops);
        if !drops.is_empty() {
            self.engine.apply(Group { drops, ..Group::default() })?;
        }
        self.streams.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Refuses a folder in which a restore was cut off.
pub(super) fn refuse_half(dir: &Path) -> Result<(), Error> {
    if dir.join(MARKER).exists() { Err(Error::HalfRestored(dir.to_path_buf())) } else { Ok(()) }
}
