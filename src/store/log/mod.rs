//! The chunks of one stream, one behind the other in files that are only ever appended to.
//!
//! A stream inside the ordered map would be written several times over: the map's nodes are rewritten as they fill. Here a
//! byte is written once, many chunks cost one sync, and dropping what is old removes a file.
//!
//! A log knows nothing of groups: [`super::embedded`] appends what its journal has made durable before, and knows how far a log
//! must reach. What a crash has torn behind that is written again.

mod record;
mod segment;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;

use super::engine::Read;
use super::{Error, pieces};
use segment::Segment;

/// The files of one stream.
pub(super) struct Log {
    folder: PathBuf,
    /// A file that is larger gets no further chunk.
    file_bytes: u64,
    state: RwLock<State>,
}

struct State {
    /// Files that are full. Invariant: ascending, and without gaps up to `tail`.
    full: Vec<Segment>,
    tail: Tail,
    /// Chunks below are dropped.
    floor: u64,
    /// Chunks from `floor` on that are dropped.
    dropped: BTreeSet<u64>,
    /// Dropped chunks whose file has been emptied: nobody needs to remember them.
    stale: Vec<u64>,
}

/// The file that is written.
struct Tail {
    first: u64,
    file: File,
    places: Vec<u32>,
    bytes: u64,
}

/// What is to be remembered of drops.
#[derive(Default)]
pub(super) struct Drops {
    /// All chunks below are gone.
    pub(super) floor: u64,
    /// Chunks to remember one by one.
    pub(super) remember: Vec<u64>,
    /// Chunks that need not be remembered any more.
    pub(super) forget: Vec<u64>,
}

impl Log {
    /// Opens the files of a stream. Chunks below `floor`, and those in `dropped`, are gone. The last file is cut off where it
    /// cannot be read any more.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn open(folder: &Path, file_bytes: u64, floor: u64, mut dropped: BTreeSet<u64>) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        let mut firsts = firsts(folder)?;
        let first = firsts.pop().unwrap_or_else(|| floor.max(1));
        let tail_scan =
            if segment::path(folder, first).exists() { segment::scan(folder, first)? } else { segment::Scan::default() };
        let file = segment::open(folder, first)?;
        file.set_len(tail_scan.end)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        let ends = firsts.iter().skip(1).copied().chain([first]);
        let mut full: Vec<Segment> =
            firsts.iter().zip(ends).map(|(begin, end)| Segment::new(folder, *begin, end - begin)).collect();
        let mut stale = Vec::new();
        for segment in &mut full {
            let gone: Vec<u64> = dropped.range(segment.first..segment.end()).copied().collect();
            let below = floor.clamp(segment.first, segment.end()) - segment.first;
            segment.live = segment.count.saturating_sub(below + gone.len() as u64);
            if segment.is_emptied() {
                segment.live = 0;
                dropped.retain(|chunk| !(segment.first..segment.end()).contains(chunk));
                stale.extend(gone);
            }
        }
        let tail = Tail { first, file, places: tail_scan.places, bytes: tail_scan.end };
        let state = State { full, tail, floor: floor.max(1), dropped, stale };
        let log = Self { folder: folder.to_path_buf(), file_bytes, state: RwLock::new(state) };
        log.clear()?;
        Ok(log)
    }

    /// The number of the newest chunk, 0 before the first.
    pub(super) fn head(&self) -> u64 {
        self.state.read().head()
    }

    /// Writes chunks behind the last one, and makes them durable. Those that are there already are passed over.
    ///
    /// # Errors
    /// What the disk says. Then nobody sees what was not durable, and it can be tried again.
    pub(super) fn append(&self, chunks: &[(u64, &[u8])]) -> Result<(), Error> {
        let head = self.head();
        let mut rest = chunks.get(chunks.partition_point(|(chunk, _)| *chunk <= head)..).unwrap_or_default();
        while !rest.is_empty() {
            let room = self.file_bytes.saturating_sub(self.turn_over()?);
            let mut bytes = 0;
            let fits = |(_, payload): &&(u64, &[u8])| {
                let is_open = bytes < room;
                bytes += (record::HEADER + payload.len()) as u64;
                is_open
            };
            let (some, later) = rest.split_at(rest.iter().take_while(fits).count());
            self.write(some)?;
            rest = later;
        }
        Ok(())
    }

    /// Writes chunks to the end of the present file.
    fn write(&self, chunks: &[(u64, &[u8])]) -> Result<(), Error> {
        let state = self.state.read();
        let (mut end, mut places) = (state.tail.bytes, Vec::with_capacity(chunks.len()));
        let headers: Vec<_> = chunks.iter().map(|(chunk, payload)| record::header(*chunk, payload)).collect();
        let mut pieces = Vec::with_capacity(2 * chunks.len());
        for (header, (_, payload)) in headers.iter().zip(chunks) {
            places.push(u32::try_from(end).unwrap_or(u32::MAX));
            end += (header.len() + payload.len()) as u64;
            pieces.extend([IoSlice::new(header), IoSlice::new(payload)]);
        }
        pieces::write_all_at(&state.tail.file, &mut pieces, state.tail.bytes)?;
        state.tail.file.sync_data()?;
        segment::forget(&state.tail.file, state.tail.bytes, end);
        drop(state);
        let mut state = self.state.write();
        state.tail.bytes = end;
        state.tail.places.extend(places);
        Ok(())
    }

    /// Begins a new file if this one is full. Says how long the one is that will be written.
    fn turn_over(&self) -> Result<u64, Error> {
        let bytes = self.state.read().tail.bytes;
        if bytes < self.file_bytes {
            return Ok(bytes);
        }
        let first = self.head() + 1;
        let file = segment::open(&self.folder, first)?;
        File::open(&self.folder)?.sync_all()?;
        let mut state = self.state.write();
        let full = std::mem::replace(&mut state.tail, Tail { first, file, places: Vec::new(), bytes: 0 });
        let mut segment = Segment::with_places(&self.folder, full.first, full.places);
        let below = state.floor.clamp(segment.first, segment.end()) - segment.first;
        segment.live = segment.count - below - state.dropped.range(segment.first..segment.end()).count() as u64;
        state.full.push(segment);
        Ok(0)
    }

    /// What has to be remembered if these chunks are dropped.
    pub(super) fn plan(&self, chunks: &[u64]) -> Drops {
        let state = self.state.read();
        let mut gone: BTreeSet<u64> = chunks.iter().copied().filter(|c| *c >= state.floor && *c <= state.head()).collect();
        let fresh = gone.clone();
        gone.extend(&state.dropped);
        let mut drops = Drops { floor: state.floor, remember: Vec::new(), forget: state.stale.clone() };
        let emptied = |chunk: u64| state.full.iter().any(|s| s.live == 0 && (s.first..s.end()).contains(&chunk));
        while gone.remove(&drops.floor) || (drops.floor <= state.head() && emptied(drops.floor)) {
            if state.dropped.contains(&drops.floor) {
                drops.forget.push(drops.floor);
            }
            drops.floor += 1;
        }
        drops.remember = fresh.into_iter().filter(|chunk| *chunk >= drops.floor).collect();
        drops
    }

    /// Drops chunks after that has been remembered.
    pub(super) fn drop_chunks(&self, drops: Drops) -> Result<(), Error> {
        let mut state = self.state.write();
        let State { full, floor, dropped, stale, .. } = &mut *state;
        *floor = drops.floor;
        dropped.extend(drops.remember);
        *dropped = dropped.split_off(floor);
        stale.clear();
        for segment in full {
            if segment.live == 0 {
                continue;
            }
            let below = (*floor).clamp(segment.first, segment.end()) - segment.first;
            let one_by_one = dropped.range((*floor).max(segment.first)..segment.end().max(*floor)).count() as u64;
            segment.live = segment.count.saturating_sub(below + one_by_one);
        }
        drop(state);
        self.clear()
    }

    /// Gives room back: files below the floor go, others in which nothing is left are emptied.
    fn clear(&self) -> Result<(), Error> {
        let mut state = self.state.write();
        let State { full, floor, dropped, stale, .. } = &mut *state;
        let mut keep = Vec::with_capacity(full.len());
        for segment in full.drain(..) {
            if segment.end() <= *floor && keep.is_empty() {
                segment.remove()?;
                continue;
            }
            if segment.live == 0 && !segment.is_emptied() {
                segment.empty()?;
                let gone: Vec<u64> = dropped.range(segment.first..segment.end()).copied().collect();
                dropped.retain(|chunk| !(segment.first..segment.end()).contains(chunk));
                stale.extend(gone);
            }
            keep.push(segment);
        }
        *full = keep;
        Ok(())
    }

    /// Up to `limit` chunks from `from` on.
    pub(super) fn chunks(&self, from: u64, limit: usize) -> Result<Vec<Read>, Error> {
        let state = self.state.read();
        let mut found = Vec::new();
        let is_live = |chunk: &u64| !state.dropped.contains(chunk);
        for segment in state.full.iter().filter(|s| s.live > 0) {
            let begin = from.max(state.floor).max(segment.first);
            if found.len() < limit && begin < segment.end() {
                let wanted: Vec<u64> = (begin..segment.end()).filter(is_live).take(limit - found.len()).collect();
                found.extend(segment.read(&wanted)?);
            }
        }
        let begin = from.max(state.floor).max(state.tail.first);
        for chunk in (begin..=state.head()).filter(is_live).take(limit - found.len()) {
            let place = usize::try_from(chunk - state.tail.first).ok().and_then(|at| state.tail.places.get(at));
            let bytes = place.map(|place| segment::read(&state.tail.file, u64::from(*place), chunk)).transpose()?.flatten();
            found.push((chunk, bytes));
        }
        Ok(found)
    }

    /// What it takes on disk.
    pub(super) fn bytes(&self) -> u64 {
        let state = self.state.read();
        let full = state.full.iter().map(|s| std::fs::metadata(segment::path(&self.folder, s.first)).map_or(0, |m| m.len()));
        full.sum::<u64>() + state.tail.bytes
    }
}

impl State {
    fn head(&self) -> u64 {
        self.tail.first + self.tail.places.len() as u64 - 1
    }
}

/// The numbers of the first chunks of all files, ascending.
fn firsts(folder: &Path) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let first = name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| u64::from_str_radix(n, 16).ok());
        found.extend(first);
    }
    found.sort_unstable();
    Ok(found)
}
