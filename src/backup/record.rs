//! What stands in a backup of the data, one record behind the other inside the sealed file.
//!
//! A record is a tag, then its fields; lengths and numbers are big endian. Chunks that were read are told apart from those that were
//! appended meanwhile, because a restore takes the former first.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use crate::store::Piece;
use crate::vault::archive::{Flaw, Opener};

const KEY: u8 = b'k';
const REMOVED: u8 = b'r';
const CHUNK: u8 = b'c';
const APPENDED: u8 = b'a';
const DROPPED: u8 = b'd';
const FILE: u8 = b'f';
const END: u8 = b'e';

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A value as it stands on disk, or that there is none any more.
    Key(Vec<u8>, Option<Vec<u8>>),
    /// A chunk of a stream.
    Chunk { stream: u8, chunk: u64, bytes: Vec<u8>, appended: bool },
    /// A chunk that is gone.
    Dropped(u8, u64),
    /// A small file beside the store, by its path in the data folder.
    File(String, Vec<u8>),
    /// The end: the newest chunk of each stream.
    End(Vec<(u8, u64)>),
}

/// Writes a piece of the store.
pub(super) fn write(piece: Piece, out: &mut impl Write) -> io::Result<()> {
    match piece {
        Piece::Keys(pairs) => pairs.into_iter().try_for_each(|(key, value)| Record::Key(key, Some(value)).write(out)),
        Piece::Chunks(stream, chunks) => chunks.into_iter().try_for_each(|(chunk, bytes)| {
            Record::Chunk { stream, chunk, bytes: Arc::unwrap_or_clone(bytes), appended: false }.write(out)
        }),
        Piece::Group(group) => {
            for append in group.appends {
                let (stream, chunk, bytes) = (append.stream, append.chunk, Arc::unwrap_or_clone(append.bytes));
                Record::Chunk { stream, chunk, bytes, appended: true }.write(out)?;
            }
            group.drops.into_iter().try_for_each(|(stream, chunk)| Record::Dropped(stream, chunk).write(out))?;
            group.writes.into_iter().try_for_each(|(key, value)| Record::Key(key, value).write(out))
        }
        Piece::End(heads) => Record::End(heads).write(out),
    }
}

impl Record {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Key(key, Some(value)) => {
                out.write_all(&[KEY])?;
                bytes(out, key)?;
                bytes(out, value)
            }
            Self::Key(key, None) => {
                out.write_all(&[REMOVED])?;
                bytes(out, key)
            }
            Self::Chunk { stream, chunk, bytes: held, appended } => {
                out.write_all(&[if *appended { APPENDED } else { CHUNK }, *stream])?;
                out.write_all(&chunk.to_be_bytes())?;
                bytes(out, held)
            }
            Self::Dropped(stream, chunk) => {
                out.write_all(&[DROPPED, *stream])?;
                out.write_all(&chunk.to_be_bytes())
            }
            Self::File(name, held) => {
                out.write_all(&[FILE])?;
                bytes(out, name.as_bytes())?;
                bytes(out, held)
            }
            Self::End(heads) => {
                out.write_all(&[END, u8::try_from(heads.len()).map_err(|_many| too_large())?])?;
                heads.iter().try_for_each(|(stream, head)| {
                    out.write_all(&[*stream])?;
                    out.write_all(&head.to_be_bytes())
                })
            }
        }
    }
}

fn bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_large| too_large())?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(bytes)
}

fn too_large() -> io::Error {
    io::Error::from(io::ErrorKind::FileTooLarge)
}

/// Reads records. What it gives out was checked.
pub(super) struct Reader<R> {
    opener: Opener<R>,
    held: Vec<u8>,
    /// How much of `held` has been read.
    at: usize,
}

impl<R: BufRead> Reader<R> {
    pub(super) const fn new(opener: Opener<R>) -> Self {
        Self { opener, held: Vec::new(), at: 0 }
    }

    /// The next record. After [`Record::End`] nothing may come.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn record(&mut self) -> Result<Record, Flaw> {
        let [tag] = self.array()?;
        Ok(match tag {
            KEY => Record::Key(self.bytes()?, Some(self.bytes()?)),
            REMOVED => Record::Key(self.bytes()?, None),
            CHUNK | APPENDED => {
                let [stream] = self.array()?;
                let chunk = u64::from_be_bytes(self.array()?);
                Record::Chunk { stream, chunk, bytes: self.bytes()?, appended: tag == APPENDED }
            }
            DROPPED => {
                let [stream] = self.array()?;
                Record::Dropped(stream, u64::from_be_bytes(self.array()?))
            }
            FILE => {
                let name = String::from_utf8(self.bytes()?).map_err(|_foreign| Flaw::Unknown)?;
                Record::File(name, self.bytes()?)
            }
            END => {
                let [count] = self.array()?;
                let mut heads = Vec::new();
                for _ in 0..count {
                    let [stream] = self.array()?;
                    heads.push((stream, u64::from_be_bytes(self.array()?)));
                }
                Record::End(heads)
            }
            _ => return Err(Flaw::Unknown),
        })
    }

    /// Refuses anything that comes behind the end.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn finish(mut self) -> Result<(), Flaw> {
        while self.at == self.held.len() {
            let Some(part) = self.opener.part()? else { return Ok(()) };
            (self.held, self.at) = (part, 0);
        }
        Err(Flaw::Unknown)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Flaw> {
        let length = u32::from_be_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_large| Flaw::Unknown)?;
        let mut out = Vec::new();
        while out.len() < length {
            self.refill()?;
            let rest = self.held.get(self.at..).unwrap_or_default();
            let (now, _) = rest.split_at(rest.len().min(length - out.len()));
            out.extend_from_slice(now);
            self.at += now.len();
        }
        Ok(out)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let mut out = [0; N];
        for place in &mut out {
            self.refill()?;
            *place = self.held.get(self.at).copied().unwrap_or_default();
            self.at += 1;
        }
        Ok(out)
    }

    /// Sees to it that there is something to read.
    fn refill(&mut self) -> Result<(), Flaw> {
        while self.at == self.held.len() {
            let part = self.opener.part()?.ok_or(Flaw::Unknown)?;
            (self.held, self.at) = (part, 0);
        }
        Ok(())
    }
}
