//! What an engine must do. Everything else (grouping, checks, checksums, chunks) is done once, above it.

use super::Error;

/// Keys and values as they stand on disk.
pub type Pair = (Vec<u8>, Vec<u8>);
/// A write: `None` removes.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// An ordered map with atomic, durable batches. One caller writes at a time; many may read.
pub trait Engine: Send + Sync {
    /// The value under `key`, as of the last batch that was applied.
    ///
    /// # Errors
    /// When the engine cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Up to `limit` pairs whose keys begin with `prefix`, ascending, strictly after `after`.
    ///
    /// # Errors
    /// When the engine cannot be read.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error>;

    /// Applies all writes or none. When it returns `Ok` they survive a power cut.
    ///
    /// # Errors
    /// When the engine cannot be written. [`Error::Full`] leaves it usable; after anything else it is not.
    fn apply(&self, writes: Vec<Write>) -> Result<(), Error>;

    /// What it takes on disk, in bytes.
    fn size_on_disk(&self) -> u64;
}
