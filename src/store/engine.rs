//! What an engine must do. Everything else (grouping, checks, checksums of values, packing) is done once, above it.

use std::sync::Arc;

use super::Error;

/// Keys and values as they stand on disk.
pub type Pair = (Vec<u8>, Vec<u8>);
/// A write: `None` removes.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// A chunk's entries, packed. Whoever reads them shares them.
pub type Bytes = Arc<Vec<u8>>;

/// A chunk on its way to the end of a stream.
#[derive(Clone, Debug)]
pub struct Append {
    /// The stream's tag.
    pub stream: u8,
    /// The chunk's number. Invariant: one more than the newest of the stream.
    pub chunk: u64,
    /// Its entries.
    pub bytes: Bytes,
}

/// What one group commit changes: all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Values that are written or removed. Invariant: a key stands here once.
    pub writes: Vec<Write>,
    /// Chunks that are appended, in order.
    pub appends: Vec<Append>,
    /// Chunks that are removed: stream and number.
    pub drops: Vec<(u8, u64)>,
}

/// A chunk as it was read: its number, and its bytes unless they are damaged.
pub type Read = (u64, Option<Bytes>);

/// An ordered map and numbered streams, with atomic, durable groups. One caller writes at a time; many may read.
pub trait Engine: Send + Sync {
    /// The value under `key`, as of the last group that was applied.
    ///
    /// # Errors
    /// When the engine cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Up to `limit` pairs whose keys begin with `prefix`, ascending, strictly after `after`.
    ///
    /// # Errors
    /// When the engine cannot be read.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error>;

    /// Applies the whole group or nothing of it. When it returns `Ok` it survives a power cut.
    ///
    /// # Errors
    /// When the engine cannot be written. [`Error::Full`] leaves it usable; after anything else it is not.
    fn apply(&self, group: Group) -> Result<(), Error>;

    /// Lets a stream that never had a chunk begin with this number, as if all before had been dropped. For restoring.
    ///
    /// # Errors
    /// When the engine cannot be written.
    fn begin(&self, stream: u8, chunk: u64) -> Result<(), Error>;

    /// The number of the newest chunk of each stream that ever had one. A number is never used twice, even when all chunks
    /// have been dropped, because cursors point at them.
    ///
    /// # Errors
    /// When the engine cannot be read.
    fn heads(&self) -> Result<Vec<(u8, u64)>, Error>;

    /// Up to `limit` chunks of a stream, ascending, from number `from` on.
    ///
    /// # Errors
    /// When the engine cannot be read.
    fn chunks(&self, stream: u8, from: u64, limit: usize) -> Result<Vec<Read>, Error>;

    /// An empty buffer in which a chunk of so many bytes can be packed.
    fn buffer(&self, bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    /// What it takes on disk, in bytes.
    fn size_on_disk(&self) -> u64;
}
