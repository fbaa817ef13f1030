//! The embedded engine: keys in sled, streams in log files, one group atomic over both.
//!
//! A group first goes to the log files of the streams that it touches, and these are synced; if it writes keys as well, it goes
//! to sled then, together with its own number. It has happened if every file that it names holds it whole and, when it is
//! keyed, sled knows its number. Only the last group can be there in part, because the next one begins when it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::engine::{Append, Engine, Group, Pair, Read, Write};
use super::log::{Drops, Log, Mark, STREAMS_MAX};
use super::sled::Sled;
use super::{Error, OWN, Options, frame};

/// The number of the last group that wrote keys and appended.
const GROUP_KEY: [u8; 2] = [OWN, b'g'];
/// `OWN f stream` → the first chunk that is not dropped.
const FLOOR: [u8; 2] = [OWN, b'f'];
/// `OWN d stream chunk`: a chunk behind the floor that is dropped.
const DROPPED: [u8; 2] = [OWN, b'd'];
/// How many keys are read at a time.
const PAGE: usize = 1024;

pub(super) struct Embedded {
    keys: Sled,
    folder: PathBuf,
    file_bytes: u64,
    logs: RwLock<BTreeMap<u8, Arc<Log>>>,
    /// The number of the last group.
    group: Mutex<u64>,
}

/// The chunks of a group for one stream, and where they go.
struct Part {
    log: Arc<Log>,
    appends: Vec<Append>,
}

impl Embedded {
    pub(super) fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        let keys = Sled::open(dir, options)?;
        let folder = dir.join("streams");
        std::fs::create_dir_all(&folder)?;
        File::open(dir)?.sync_all()?;
        let floors = numbers(&keys, &FLOOR)?;
        let mut logs = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let Some(stream) = name.to_str().and_then(|n| u8::from_str_radix(n, 16).ok()) else { continue };
            let floor = floors.get(&stream).copied().unwrap_or(1);
            logs.insert(
                stream,
                Arc::new(Log::open(&folder.join(&name), options.log_file_bytes, floor, dropped(&keys, stream)?)?),
            );
        }
        let applied = match keys.get(&GROUP_KEY)? {
            Some(framed) => number(&frame::open(&GROUP_KEY, framed)?).unwrap_or(0),
            None => 0,
        };
        let last = logs.values().filter_map(|log| log.last()).map(|mark| mark.group).max().unwrap_or(0);
        let group = settle(&logs, last, applied)?;
        Ok(Self { keys, folder, file_bytes: options.log_file_bytes, logs: RwLock::new(logs), group: Mutex::new(group) })
    }

    /// The log of a stream, which is made when it is first needed.
    fn log(&self, stream: u8) -> Result<Arc<Log>, Error> {
        if let Some(log) = self.logs.read().get(&stream) {
            return Ok(Arc::clone(log));
        }
        let log = Arc::new(Log::open(&self.folder.join(format!("{stream:02x}")), self.file_bytes, 1, BTreeSet::new())?);
        File::open(&self.folder)?.sync_all()?;
        self.logs.write().insert(stream, Arc::clone(&log));
        Ok(log)
    }

    fn parts(&self, appends: Vec<Append>) -> Result<Vec<Part>, Error> {
        let mut by_stream: BTreeMap<u8, Vec<Append>> = BTreeMap::new();
        for append in appends {
            by_stream.entry(append.stream).or_default().push(append);
        }
        if by_stream.len() > STREAMS_MAX {
            return Err(Error::Io(format!("a group touches more than {STREAMS_MAX} streams")));
        }
        by_stream.into_iter().map(|(stream, appends)| Ok(Part { log: self.log(stream)?, appends })).collect()
    }

    /// Turns drops into what is remembered of them.
    fn plan(&self, drops: Vec<(u8, u64)>, writes: &mut Vec<Write>) -> Result<Vec<(Arc<Log>, Drops)>, Error> {
        let mut by_stream: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for (stream, chunk) in drops {
            by_stream.entry(stream).or_default().push(chunk);
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

    /// Writes the chunks and makes them durable; then the keys, if there are any.
    fn write(&self, parts: &[Part], mark: Mark, writes: Vec<Write>) -> Result<(), Error> {
        let mut written = Vec::with_capacity(parts.len());
        let outcome = parts
            .iter()
            .try_for_each(|part| {
                written.push(None);
                let done = part.log.write(mark, &part.appends)?;
                if let Some(place) = written.last_mut() {
                    *place = Some(done);
                }
                Ok(())
            })
            .and_then(|()| parts.iter().try_for_each(|part| part.log.sync()))
            .and_then(|()| if writes.is_empty() { Ok(()) } else { self.keys.apply(writes) });
        if let Err(error) = outcome {
            // What cannot be taken back makes the store stop; the next start settles it.
            for part in parts.iter().take(written.len()) {
                part.log.undo()?;
            }
            return Err(error);
        }
        for (part, written) in parts.iter().zip(written) {
            written.into_iter().for_each(|written| part.log.publish(written));
        }
        Ok(())
    }
}

impl Engine for Embedded {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.keys.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error> {
        self.keys.scan(prefix, after, limit)
    }

    fn apply(&self, group: Group) -> Result<(), Error> {
        self.keys.refuse_if_full()?;
        let Group { mut writes, appends, drops } = group;
        let planned = self.plan(drops, &mut writes)?;
        let parts = self.parts(appends)?;
        let mut number = self.group.lock();
        *number += 1;
        let mut streams = [0; STREAMS_MAX];
        for (place, part) in streams.iter_mut().zip(&parts) {
            *place = part.appends.first().map_or(0, |a| a.stream);
        }
        let mark = Mark { group: *number, keyed: !writes.is_empty(), streams };
        if mark.keyed && !parts.is_empty() {
            writes.push(sealed(GROUP_KEY.to_vec(), &number.to_be_bytes()));
        }
        self.write(&parts, mark, writes)?;
        planned.into_iter().try_for_each(|(log, drops)| log.drop_chunks(drops))
    }

    fn heads(&self) -> Result<Vec<(u8, u64)>, Error> {
        Ok(self.logs.read().iter().map(|(stream, log)| (*stream, log.head())).collect())
    }

    fn chunks(&self, stream: u8, from: u64, limit: usize) -> Result<Vec<Read>, Error> {
        let log = self.logs.read().get(&stream).map(Arc::clone);
        log.map_or_else(|| Ok(Vec::new()), |log| log.chunks(from, limit))
    }

    fn size_on_disk(&self) -> u64 {
        self.keys.size_on_disk() + self.logs.read().values().map(|log| log.bytes()).sum::<u64>()
    }
}

/// Keeps the last group only if it is whole everywhere. Says which group is the last one then.
fn settle(logs: &BTreeMap<u8, Arc<Log>>, last: u64, applied: u64) -> Result<u64, Error> {
    if applied > last {
        return Err(Error::Damaged { what: String::from("the log files are older than the keys") });
    }
    let holders: Vec<(&Arc<Log>, Mark)> =
        logs.values().filter_map(|log| Some((log, log.last()?))).filter(|(_, mark)| mark.group == last).collect();
    let named: BTreeSet<u8> = holders.iter().flat_map(|(_, mark)| mark.streams).filter(|stream| *stream != 0).collect();
    let is_keyed = holders.iter().any(|(_, mark)| mark.keyed);
    if named.len() != holders.len() || (is_keyed && applied < last) {
        for (log, _) in holders {
            log.undo_last()?;
        }
    }
    Ok(last)
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
