//! Backups of everything that is stored, made while the gateway runs, and data folders made from them again.
//!
//! **Promises**
//! - A backup is the state of one moment: everything that was acknowledged before it ends is in it, nothing by halves.
//! - Nobody who sends waits for it: what cannot keep up is the backup, and then it fails with words.
//! - It is sealed under the master key and holds no key: what was erased is noise in it as soon as the root of the key tree has moved on.
//! - It is checked as a whole before anything is restored, and a restore that was cut off does not open.
//! - A restore brings nobody back who stands on a list of the shredded ([`crate::vault::bundle`]).
//!
//! It knows no table: records are copied as they stand. Art. 32(1)(b) and (c) of the GDPR.

pub mod http;
mod record;
mod restore;
#[cfg(test)]
mod tests;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::clock::{Chance, Millis};
use crate::store::{self, Batch, Piece, Store, Table};
use crate::vault::archive::{Closed, FileKey, Flaw, Kind, Sealer, SealingKey};
use crate::vault::bundle::{HEAD_KEY, Needs};
use crate::vault::{self, Vault};
use record::{Reader, Record};
pub use restore::{Order, Restored, restore};

/// When the last backup was made.
const LATEST: Table<Latest, Moment> = Table::new(b'b', "backups");
/// How large a checksum in front of a stored value is: what the store puts there.
const FRAME_BYTES: usize = store::FRAME_BYTES;
/// The largest file beside the store, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What can go wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Keys or lists do not fit.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The file does not open.
    #[error(transparent)]
    Flaw(#[from] Flaw),
    /// It cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(io::Error),
    /// A file cannot be read or written.
    #[error("{path:?}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds keys.
    #[error("this is a backup of keys: it goes to --keys-from")]
    NotData,
}

/// What a backup is made of.
pub struct Source {
    /// The store.
    pub store: Store,
    /// The data folder.
    pub data: PathBuf,
    /// Folders in there whose files belong to it.
    pub beside: &'static [&'static str],
}

/// What is in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When it was begun.
    pub at: Millis,
    /// Values, as often as they were written.
    pub values: u64,
    /// Chunks of streams.
    pub chunks: u64,
    /// Files beside the store.
    pub files: u64,
    /// Bytes in clear.
    pub bytes: u64,
    /// Which keys it needs; nothing if nothing was ever sealed.
    pub needs: Option<Needs>,
}

/// Backups of a running gateway.
pub struct Backups {
    source: Source,
    vault: Arc<Vault>,
    chance: Chance,
}

impl Backups {
    /// Nothing is done before somebody asks.
    #[must_use]
    pub const fn new(source: Source, vault: Arc<Vault>, chance: Chance) -> Self {
        Self { source, vault, chance }
    }

    /// Writes a backup. Blocks as long as it takes.
    ///
    /// # Errors
    /// What store and `out` say; then what was written is of no use.
    pub fn write(&self, at: Millis, out: &mut impl Write) -> Result<(), Error> {
        write(&self.source, self.vault.files(), (&self.chance, at), out)
    }

    /// How long ago the last one was made, in seconds.
    ///
    /// # Errors
    /// What the store says.
    pub fn age_s(&self, now: Millis) -> Result<Option<u64>, Error> {
        let latest = LATEST.get(&self.source.store, &Latest)?;
        Ok(latest.map(|Moment(at)| u64::try_from(now.saturating_sub(at) / 1000).unwrap_or(0)))
    }
}

/// Writes a backup of a store, and notes that it was made.
///
/// # Errors
/// As for [`Backups::write`].
pub fn write(source: &Source, key: FileKey, (chance, at): (&Chance, Millis), out: &mut impl Write) -> Result<(), Error> {
    let mut sealer = Sealer::begin(&SealingKey::Master(key), (Kind::Data, at), chance, out)?;
    let mut snapshot = source.store.snapshot()?;
    while let Some(piece) = snapshot.piece()? {
        if matches!(piece, Piece::End(_)) {
            for (name, bytes) in source.files()? {
                Record::File(name, bytes).write(&mut sealer).map_err(Error::Write)?;
            }
        }
        record::write(piece, &mut sealer).map_err(Error::Write)?;
    }
    drop(snapshot);
    sealer.finish().map_err(Error::Write)?;
    let mut batch = Batch::default();
    LATEST.put(&mut batch, &Latest, &Moment(at));
    source.store.commit_blocking(batch)?;
    Ok(())
}

impl Source {
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut files = Vec::new();
        for folder in self.beside {
            let path = self.data.join(folder);
            let io = |source| Error::Io { path: path.clone(), source };
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(io)?,
            };
            for entry in entries {
                let entry = entry.map_err(io)?;
                let named = entry.file_name().into_string().ok().filter(|name| name.ends_with(".json"));
                let small = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX);
                if let (Some(name), true) = (named, small) {
                    files.push((format!("{folder}/{name}"), fs::read(entry.path()).map_err(io)?));
                }
            }
        }
        Ok(files)
    }
}

/// Reads a whole backup and checks it.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check(input: impl BufRead, key: &SealingKey) -> Result<Summary, Error> {
    let closed = Closed::read(input)?;
    if closed.header.kind != Kind::Data {
        return Err(Error::NotData);
    }
    let mut summary = Summary { at: closed.header.at, ..Summary::default() };
    let mut head = None;
    each(closed, key, |record| {
        match record {
            Record::Key(key, value) => {
                summary.values += 1;
                summary.bytes += (key.len() + value.as_ref().map_or(0, Vec::len)) as u64;
                if key == HEAD_KEY {
                    head = value;
                }
            }
            Record::Chunk { bytes, .. } => {
                summary.chunks += 1;
                summary.bytes += bytes.len() as u64;
            }
            Record::File(_, bytes) => {
                summary.files += 1;
                summary.bytes += bytes.len() as u64;
            }
            Record::Dropped(..) | Record::End(_) => {}
        }
        Ok(())
    })?;
    summary.needs = head.map(|framed| Needs::read(framed.get(FRAME_BYTES..).unwrap_or_default())).transpose()?;
    Ok(summary)
}

/// Goes through all records, and makes sure that nothing comes behind the end.
fn each<R: BufRead>(closed: Closed<R>, key: &SealingKey, mut take: impl FnMut(Record) -> Result<(), Error>) -> Result<(), Error> {
    let mut reader = Reader::new(closed.open(key)?);
    loop {
        let record = reader.record()?;
        let is_end = matches!(record, Record::End(_));
        take(record)?;
        if is_end {
            return Ok(reader.finish()?);
        }
    }
}

/// Opens a file for reading.
fn open(path: &Path) -> Result<io::BufReader<fs::File>, Error> {
    let file = fs::File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Ok(io::BufReader::with_capacity(1 << 18, file))
}

/// The one key of the table.
struct Latest;

impl store::Key for Latest {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(Self)
    }
}

struct Moment(Millis);

impl store::Record for Moment {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.try_into().ok().filter(|_| version == Self::VERSION)?;
        Some(Self(Millis::from_be_bytes(bytes)))
    }
}
