//! One file of a stream: records one behind the other.

use std::fs::{File, OpenOptions};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Advice, fadvise};

use super::record::{HEADER, Header};
use crate::store::Error;
use crate::store::engine::{Bytes, Read};

/// What the system keeps of a file, it keeps in pages of so many bytes.
const PAGE: u64 = 4096;

/// A file that is not written any more. Where its records begin is found out when it is first read.
pub(super) struct Segment {
    /// The number of its first chunk.
    pub(super) first: u64,
    /// How many chunks were written to it.
    pub(super) count: u64,
    /// How many of them have not been dropped.
    pub(super) live: u64,
    path: PathBuf,
    places: OnceLock<Vec<u32>>,
}

/// What a full read of a file found: where sound records begin, and where the last one ends.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) places: Vec<u32>,
    pub(super) end: u64,
}

impl Segment {
    pub(super) fn new(folder: &Path, first: u64, count: u64) -> Self {
        Self { first, count, live: count, path: path(folder, first), places: OnceLock::new() }
    }

    pub(super) fn with_places(folder: &Path, first: u64, places: Vec<u32>) -> Self {
        let segment = Self::new(folder, first, places.len() as u64);
        segment.places.get_or_init(|| places);
        segment
    }

    /// The number behind its last chunk.
    pub(super) const fn end(&self) -> u64 {
        self.first + self.count
    }

    /// Whether nothing is left in it.
    pub(super) fn is_emptied(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|file| file.len() == 0)
    }

    /// Gives its room back but leaves its name, so that the numbers before and behind it stay known.
    pub(super) fn empty(&self) -> Result<(), Error> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(0)?;
        Ok(file.sync_all()?)
    }

    pub(super) fn remove(&self) -> Result<(), Error> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The wanted chunks: `None` stands for what is damaged.
    pub(super) fn read(&self, wanted: &[u64]) -> Result<Vec<Read>, Error> {
        let file = File::open(&self.path)?;
        let places = match self.places.get() {
            Some(places) => places,
            None => {
                let found = walk(&file)?;
                self.places.get_or_init(|| found)
            }
        };
        wanted
            .iter()
            .map(|chunk| {
                let place = usize::try_from(chunk - self.first).ok().and_then(|at| places.get(at));
                Ok((*chunk, place.map(|place| read(&file, u64::from(*place), *chunk)).transpose()?.flatten()))
            })
            .collect()
    }
}

/// Where the file lies whose first chunk is this.
pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:016x}.log"))
}

/// Opens a file for writing, making it if it is new.
pub(super) fn open(folder: &Path, first: u64) -> Result<File, Error> {
    let path = path(folder, first);
    Ok(OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?)
}

/// One record, if it is sound and the one that was asked for.
pub(super) fn read(file: &File, place: u64, chunk: u64) -> Result<Option<Bytes>, Error> {
    let mut header = [0; HEADER];
    if !read_exact(file, &mut header, place)? {
        return Ok(None);
    }
    let Some(known) = Header::read(&header).filter(|h| h.chunk == chunk) else { return Ok(None) };
    let Some(length) = usize::try_from(known.record_bytes()).ok().filter(|n| *n <= RECORD_BYTES_MAX) else { return Ok(None) };
    let mut record = vec![0; length];
    if !read_exact(file, &mut record, place)? || Header::check(&record).is_none() {
        return Ok(None);
    }
    record.drain(..HEADER);
    Ok(Some(Bytes::new(record)))
}

/// The largest record; what says to be larger is damaged.
const RECORD_BYTES_MAX: usize = HEADER + crate::store::VALUE_BYTES_MAX;

/// Fills the buffer; `false` if the file ends before.
fn read_exact(file: &File, buffer: &mut [u8], place: u64) -> Result<bool, Error> {
    match file.read_exact_at(buffer, place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What stands there is on the disk, and need not take the system's memory: who follows closely has read it already, and memory that
/// the next records can have at once is cheaper to write to than memory that has to be found for them.
pub(super) fn forget(file: &File, begin: u64, end: u64) {
    // The page that the first of them share with what stood before is whole now. One that is not whole stays.
    let begin = begin - begin % PAGE;
    let advised = fadvise(file, begin, NonZeroU64::new(end - begin), Advice::DontNeed);
    if let Err(error) = advised {
        tracing::debug!(%error, "the system keeps in memory what was written");
    }
}

/// Where records begin, from one header to the next.
fn walk(file: &File) -> Result<Vec<u32>, Error> {
    let (mut places, mut place) = (Vec::new(), 0_u64);
    let mut header = [0; HEADER];
    while read_exact(file, &mut header, place)? {
        let (Some(known), Ok(at)) = (Header::read(&header), u32::try_from(place)) else { break };
        places.push(at);
        place += known.record_bytes();
    }
    Ok(places)
}

/// Reads the file that was written last, up to the first record that is not sound: how much of it must be is not known here.
pub(super) fn scan(folder: &Path, first: u64) -> Result<Scan, Error> {
    let bytes = std::fs::read(path(folder, first))?;
    let mut found = Scan::default();
    let mut rest = bytes.as_slice();
    while let Some(header) = Header::check(rest) {
        let (expected, Ok(at)) = (first + found.places.len() as u64, u32::try_from(found.end)) else { break };
        if header.chunk != expected {
            break;
        }
        found.places.push(at);
        found.end += header.record_bytes();
        rest = usize::try_from(header.record_bytes()).ok().and_then(|n| rest.get(n..)).unwrap_or_default();
    }
    Ok(found)
}
