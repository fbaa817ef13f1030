//! The embedded engine: keys in sled, streams in log files, and a journal before both.
//!
//! A group is written to the journal and is durable with one sync; memory holds what it changed. When the journal is full
//! enough, a checkpoint brings everything to its place: chunks to the log files of their streams, keys to sled, last of all the
//! number of the group up to which that is done. A crash on the way changes nothing: the journal is read again, and what is
//! there already is written the same once more. A chunk that was dropped before the checkpoint is never written a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::engine::{Engine, Group, Pair, Read, Write};
use super::journal::Journal;
use super::log::{Drops, Log};
use super::recent::Recent;
use super::sled::Sled;
use super::spare::Spare;
use super::{Error, OWN, Options, frame};

/// The number of the last group that was checkpointed, and the newest chunk of every stream then.
const CHECKPOINT: [u8; 2] = [OWN, b'c'];
/// `OWN f stream` → the first chunk that is not dropped.
const FLOOR: [u8; 2] = [OWN, b'f'];
/// `OWN d stream chunk`: a chunk behind the floor that is dropped.
const DROPPED: [u8; 2] = [OWN, b'd'];
/// How many keys are read at a time.
const PAGE: usize = 1024;
/// So many keys make a checkpoint due, however short they are: it should take no longer than a few slow writes.
const KEYS_MAX: usize = 8192;

pub(super) struct Embedded {
    keys: Sled,
    folder: PathBuf,
    file_bytes: u64,
    journal_bytes: u64,
    logs: RwLock<BTreeMap<u8, Arc<Log>>>,
    /// Held by whoever writes.
    journal: Mutex<Journal>,
    recent: RwLock<Recent>,
    spare: Spare,
}

impl Embedded {
    pub(super) fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        let keys = Sled::open(dir, options)?;
        let folder = dir.join("streams");
        std::fs::create_dir_all(&folder)?;
        let (applied, known) = checkpointed(&keys)?;
        let (journal, groups) = Journal::open(&dir.join("journal"), applied)?;
        File::open(dir)?.sync_all()?;
        let floors = numbers(&keys, &FLOOR)?;
        let mut logs = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let Some(stream) = name.to_str().and_then(|n| u8::from_str_radix(n, 16).ok()) else { continue };
            let floor = floors.get(&stream).copied().unwrap_or(1);
            let log = Log::open(&folder.join(&name), options.log_file_bytes, floor, dropped(&keys, stream)?)?;
            logs.insert(stream, Arc::new(log));
        }
        let heads = known.keys().chain(logs.keys()).map(|stream| (*stream, logs.get(stream).map_or(0, |log| log.head())));
        let spare = Spare::default();
        let mut recent = Recent { heads: heads.collect(), ..Recent::default() };
        refuse_gaps(&recent.heads, &known, &groups)?;
        groups.into_iter().for_each(|group| recent.take(group, &spare));
        for (stream, log) in &logs {
            // A checkpoint that was cut off had brought more to the log than the journal's first groups say.
            let head = recent.heads.entry(*stream).or_default();
            *head = log.head().max(*head);
        }
        Ok(Self {
            keys,
            folder,
            file_bytes: options.log_file_bytes,
            journal_bytes: options.journal_bytes,
            logs: RwLock::new(logs),
            journal: Mutex::new(journal),
            recent: RwLock::new(recent),
            spare,
        })
    }

    /// The log of a stream, which is made when it is first needed.
    fn log(&self, stream: u8) -> Result<Arc<Log>, Error> {
        if let Some(log) = self.logs.read().get(&stream) {
            return Ok(Arc::clone(log));
        }
        self.log_from(stream, 1)
    }

    fn log_from(&self, stream: u8, first: u64) -> Result<Arc<Log>, Error> {
        let folder = self.folder.join(format!("{stream:02x}"));
        let log = Arc::new(Log::open(&folder, self.file_bytes, first, BTreeSet::new())?);
        File::open(&self.folder)?.sync_all()?;
        self.logs.write().insert(stream, Arc::clone(&log));
        Ok(log)
    }

    /// Brings to its place what only the journal has. Everything is durable before the journal is written over.
    fn checkpoint(&self, journal: &mut Journal) -> Result<(), Error> {
        let recent = self.recent.read();
        if !recent.is_empty() {
            self.write_chunks(&recent)?;
            let mut drops = Vec::new();
            let planned = self.plan(&recent.drops, &mut drops)?;
            let writes = recent.writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
            self.keys.apply(writes.chain(drops.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))))?;
            let done = sealed(CHECKPOINT.to_vec(), &encode(journal.group(), &recent.heads));
            self.keys.apply(std::iter::once((done.0.as_slice(), done.1.as_deref())))?;
            planned.into_iter().try_for_each(|(log, drops)| log.drop_chunks(drops))?;
        }
        drop(recent);
        let chunks = self.recent.write().clear();
        self.spare.renew(chunks);
        journal.restart();
        Ok(())
    }

    fn write_chunks(&self, recent: &Recent) -> Result<(), Error> {
        let mut by_stream: BTreeMap<u8, Vec<(u64, &[u8])>> = BTreeMap::new();
        for ((stream, chunk), bytes) in &recent.chunks {
            by_stream.entry(*stream).or_default().push((*chunk, bytes.as_slice()));
        }
        by_stream.into_iter().try_for_each(|(stream, chunks)| self.log(stream)?.append(&chunks))
    }

    /// Turns drops into what is remembered of them: the writes are added to `writes`.
    fn plan(&self, drops: &BTreeSet<(u8, u64)>, writes: &mut Vec<Write>) -> Result<Vec<(Arc<Log>, Drops)>, Error> {
        let mut by_stream: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for (stream, chunk) in drops {
            by_stream.entry(*stream).or_default().push(*chunk);
        }
        let mut planned = Vec::with_capacity(by_stream.len());
        for (stream, chunks) in by_stream {
            let log = self.log(stream)?;
            let drops = log.plan(&chunks);
            writes.extend(drops.forget.iter().map(|chunk| (dropped_key(stream, *chunk), None)));
            writes.extend(drops.remember.iter().map(|chunk| sealed(dropped_key(stream, *chunk), &[])));
            writes.push(sealed(floor_key(stream), &drops.floor.to_be_bytes()));
            planned.push((log, drops));
        }
        Ok(planned)
    }
}

impl Engine for Embedded {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if let Some(value) = self.recent.read().writes.get(key) {
            return Ok(value.clone());
        }
        self.keys.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error> {
        let mut found: Vec<Pair> = Vec::new();
        let mut after = after.map(<[u8]>::to_vec);
        while found.len() < limit {
            let from = after.as_deref().map_or(Bound::Included(prefix), Bound::Excluded);
            let recent = self.recent.read().changes(prefix, from, limit);
            let stored = self.keys.scan(prefix, after.as_deref(), limit)?;
            let ends = [recent.len(), stored.len()].map(|count| count < limit);
            // Behind the end of a full page there may be more of its kind: only up to there are both complete.
            let bounds = [recent.last().map(|(key, _)| key.clone()), stored.last().map(|(key, _)| key.clone())];
            let bound = bounds.into_iter().zip(ends).filter_map(|(key, is_end)| key.filter(|_| !is_end)).min();
            let mut merged: BTreeMap<Vec<u8>, Option<Vec<u8>>> = stored.into_iter().map(|(k, v)| (k, Some(v))).collect();
            merged.extend(recent);
            if let Some(bound) = &bound {
                merged.retain(|key, _| key <= bound);
            }
            let room = limit - found.len();
            found.extend(merged.into_iter().filter_map(|(key, value)| Some((key, value?))).take(room));
            match bound {
                None => break,
                Some(bound) => after = Some(bound),
            }
        }
        Ok(found)
    }

    fn apply(&self, group: Group) -> Result<(), Error> {
        self.keys.refuse_if_full()?;
        let mut journal = self.journal.lock();
        if journal.bytes() >= self.journal_bytes || self.recent.read().writes.len() >= KEYS_MAX {
            self.checkpoint(&mut journal)?;
        }
        journal.write(&group)?;
        self.recent.write().take(group, &self.spare);
        Ok(())
    }

    fn begin(&self, stream: u8, chunk: u64) -> Result<(), Error> {
        let (key, floor) = sealed(floor_key(stream), &chunk.to_be_bytes());
        self.keys.apply(std::iter::once((key.as_slice(), floor.as_deref())))?;
        self.log_from(stream, chunk)?;
        self.recent.write().heads.insert(stream, chunk.saturating_sub(1));
        Ok(())
    }

    fn heads(&self) -> Result<Vec<(u8, u64)>, Error> {
        Ok(self.recent.read().heads.iter().map(|(stream, head)| (*stream, *head)).collect())
    }

    fn chunks(&self, stream: u8, from: u64, limit: usize) -> Result<Vec<Read>, Error> {
        let (recent, dropped, log, head) = {
            let recent = self.recent.read();
            let log = self.logs.read().get(&stream).map(Arc::clone);
            let head = log.as_ref().map_or(0, |log| log.head());
            let chunks = recent.chunks(stream, from.max(head + 1), limit);
            (chunks, recent.dropped(stream, from, head), log, head)
        };
        let (mut found, mut next) = (Vec::new(), from);
        while let Some(log) = log.as_ref().filter(|_| found.len() < limit && next <= head) {
            let page = log.chunks(next, limit - found.len())?;
            let Some((last, _)) = page.last() else { break };
            next = last + 1;
            found.extend(page.into_iter().filter(|(chunk, _)| *chunk <= head && !dropped.contains(chunk)));
        }
        let room = limit - found.len();
        found.extend(recent.into_iter().take(room));
        Ok(found)
    }

    fn buffer(&self, bytes: usize) -> Vec<u8> {
        self.spare.take(bytes)
    }

    fn size_on_disk(&self) -> u64 {
        // One lock after the other: a checkpoint, which holds the journal, may want to add a log.
        let journal = self.journal.lock().length();
        let logs: u64 = self.logs.read().values().map(|log| log.bytes()).sum();
        self.keys.size_on_disk() + logs + journal
    }
}

/// Whatever was checkpointed must be in the logs, and what the journal has must follow without a gap.
fn refuse_gaps(heads: &BTreeMap<u8, u64>, known: &BTreeMap<u8, u64>, groups: &[Group]) -> Result<(), Error> {
    let head = |stream: &u8| heads.get(stream).copied().unwrap_or(0);
    let first = |stream: &u8| {
        let appends = groups.iter().flat_map(|group| &group.appends).filter(|append| append.stream == *stream);
        appends.map(|append| append.chunk).min()
    };
    let streams: BTreeSet<u8> = groups.iter().flat_map(|group| &group.appends).map(|append| append.stream).collect();
    let lost = known.iter().any(|(stream, chunk)| head(stream) < *chunk);
    if lost || streams.iter().any(|stream| first(stream).is_some_and(|chunk| chunk > head(stream) + 1)) {
        return Err(Error::Damaged { what: String::from("a log file lacks chunks that were there") });
    }
    Ok(())
}

/// Up to which group everything is in its place, and which chunks the streams had then.
fn checkpointed(keys: &Sled) -> Result<(u64, BTreeMap<u8, u64>), Error> {
    let Some(framed) = keys.get(&CHECKPOINT)? else { return Ok((0, BTreeMap::new())) };
    let bytes = frame::open(&CHECKPOINT, framed)?;
    let damaged = || Error::Damaged { what: String::from("the record of the last checkpoint is of no known form") };
    let (group, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    let (entries, _) = rest.as_chunks::<9>();
    let entry = |[stream, head @ ..]: &[u8; 9]| (*stream, u64::from_be_bytes(*head));
    Ok((u64::from_be_bytes(*group), entries.iter().map(entry).collect()))
}

fn encode(group: u64, heads: &BTreeMap<u8, u64>) -> Vec<u8> {
    let mut out = group.to_be_bytes().to_vec();
    for (stream, head) in heads {
        out.push(*stream);
        out.extend_from_slice(&head.to_be_bytes());
    }
    out
}

fn sealed(key: Vec<u8>, value: &[u8]) -> Write {
    let framed = frame::seal(&key, value);
    (key, Some(framed))
}

fn floor_key(stream: u8) -> Vec<u8> {
    [FLOOR.as_slice(), &[stream]].concat()
}

fn dropped_key(stream: u8, chunk: u64) -> Vec<u8> {
    [DROPPED.as_slice(), &[stream], &chunk.to_be_bytes()].concat()
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The numbers under a prefix, by the stream behind it.
fn numbers(keys: &Sled, prefix: &[u8]) -> Result<BTreeMap<u8, u64>, Error> {
    let mut found = BTreeMap::new();
    for (key, framed) in keys.scan(prefix, None, 256)? {
        let value = frame::open(&key, framed)?;
        if let (Some(stream), Some(number)) = (key.get(prefix.len()), number(&value)) {
            found.insert(*stream, number);
        }
    }
    Ok(found)
}

/// The dropped chunks of a stream that are remembered one by one.
fn dropped(keys: &Sled, stream: u8) -> Result<BTreeSet<u64>, Error> {
    let prefix = [DROPPED.as_slice(), &[stream]].concat();
    let (mut found, mut after) = (BTreeSet::new(), None::<Vec<u8>>);
    loop {
        let page = keys.scan(&prefix, after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        found.extend(page.iter().filter_map(|(key, _)| number(key.get(prefix.len()..)?)));
    }
}
