//! Who was shredded, in the order in which it was done: a list beside the keys, so that data from before do not bring anybody back.
//!
//! A record is `subject ‖ class ‖ CRC-32`. It names nobody: a subject ID is random, and whose it was has been forgotten. It is written
//! before anything is shredded; the store says how many records it has heard of, and what comes behind is done again at open.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::keys;
use super::{Class, Error};
use crate::id::SubjectId;

const RECORD_BYTES: usize = 21;

/// A record as it stands on disk.
pub(super) type Tomb = [u8; RECORD_BYTES];

/// The open list.
pub(super) struct Tombs {
    path: PathBuf,
    state: Mutex<(File, u64)>,
}

impl Tombs {
    /// Opens the list, making it if there is none; what a crash left half-written goes. Gives the records from `known` on.
    pub(super) fn open(path: &Path, known: u64) -> Result<(Self, Vec<(SubjectId, Class)>), Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(path);
        keys::make_folder(folder).map_err(io)?;
        let bytes = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => {
                keys::only_ours(path)?;
                read.map_err(io)?
            }
        };
        let (records, half) = bytes.as_chunks::<RECORD_BYTES>();
        let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(io)?;
        if !half.is_empty() {
            file.set_len((records.len() * RECORD_BYTES) as u64).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        keys::sync_folder(folder).map_err(io)?;
        let fresh = records.iter().skip(usize::try_from(known).unwrap_or(usize::MAX));
        let fresh = fresh.map(parse).collect::<Option<Vec<_>>>().ok_or_else(|| Error::NotAKey { path: path.to_owned() })?;
        Ok((Self { path: path.to_owned(), state: Mutex::new((file, records.len() as u64)) }, fresh))
    }

    /// Adds records, and returns how many there are when they are on the disk.
    pub(super) fn add<'a>(&self, keys: impl Iterator<Item = (&'a SubjectId, &'a Class)>) -> Result<u64, Error> {
        let mut bytes = Vec::new();
        for (subject, class) in keys {
            let from = bytes.len();
            bytes.extend_from_slice(&subject.0);
            bytes.push(class.0);
            let sum = crc32fast::hash(bytes.get(from..).unwrap_or_default());
            bytes.extend_from_slice(&sum.to_be_bytes());
        }
        let mut state = self.state.lock();
        let (file, count) = &mut *state;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if let Err(source) = written {
            // Half a record would make all behind it unreadable.
            _ = file.set_len(*count * RECORD_BYTES as u64);
            return Err(Error::Io { path: self.path.clone(), source });
        }
        *count += (bytes.len() / RECORD_BYTES) as u64;
        Ok(*count)
    }

    /// How many records there are.
    pub(super) fn count(&self) -> u64 {
        self.state.lock().1
    }
}

/// All records of a list; half a record at its end is none. `None` if one is damaged.
pub(super) fn parse_all(bytes: &[u8]) -> Option<Vec<Tomb>> {
    let (records, _half) = bytes.as_chunks::<RECORD_BYTES>();
    records.iter().all(|record| parse(record).is_some()).then(|| records.to_vec())
}

fn parse(record: &Tomb) -> Option<(SubjectId, Class)> {
    let (said, sum) = record.split_last_chunk::<4>()?;
    let (subject, class) = said.split_first_chunk::<16>()?;
    (crc32fast::hash(said).to_be_bytes() == *sum).then_some((SubjectId(*subject), Class(*class.first()?)))
}
