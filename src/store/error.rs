//! Why a store refuses.

use std::path::PathBuf;

/// Why a store refuses. Facts without content: never a key's or a value's bytes.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A check did not hold; nothing was written.
    #[error("somebody else wrote the same thing first")]
    Conflict,
    /// Too much waits for the disk.
    #[error("more waits to be written than fits into memory")]
    Busy,
    /// The store was closed, or had to stop.
    #[error("the store is closed")]
    Closed,
    /// A key, value or entry is over the limit.
    #[error("{bytes} bytes are over the limit of {limit}")]
    TooLarge {
        /// How large it was.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// Another process has the folder.
    #[error("{} is in use by another pforte; stop that one, or choose another folder with --data", .0.display())]
    Locked(PathBuf),
    /// The disk has no room.
    #[error("the disk that holds the data is full; free some space and it goes on")]
    Full,
    /// Something on disk is not what was written.
    #[error("the store is damaged ({what}); restore the data folder from a backup")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// The folder was not made by this version.
    #[error("{} was not made by this version of pforte ({why}); choose another folder with --data", .dir.display())]
    ForeignFormat {
        /// The folder.
        dir: PathBuf,
        /// What is different.
        why: String,
    },
    /// A restore was cut off here.
    #[error("a restore into {} was cut off; do it again: it begins anew", .0.display())]
    HalfRestored(PathBuf),
    /// Something is there already where a store shall be restored.
    #[error("{} is not empty; restore into an empty folder", .0.display())]
    NotEmpty(PathBuf),
    /// A copy of the store is being taken already.
    #[error("a backup is being made already")]
    SnapshotTaken,
    /// A copy of the store was taken more slowly than commits came in.
    #[error("the backup could not keep up with what came in; write it to a faster place, or when less is going on")]
    SnapshotTooSlow,
    /// The operating system refused.
    #[error("the disk refused: {0}")]
    Io(String),
}

impl Error {
    /// Whether somebody else is taking a copy.
    #[must_use]
    pub const fn is_snapshot_taken(&self) -> bool {
        matches!(self, Self::SnapshotTaken)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull { Self::Full } else { Self::Io(error.to_string()) }
    }
}
