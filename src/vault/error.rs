//! What can go wrong in the vault.

use std::path::PathBuf;

use super::archive;
use crate::clock::NoChance;
use crate::store;

/// What can go wrong in the vault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The subject has no data key (any more): what was sealed under it is noise.
    #[error("the subject has no data key; what was sealed under it is gone")]
    Shredded,
    /// Sealed bytes do not open: changed, or sealed under another key or for another place.
    #[error("sealed bytes do not open: they were changed, or sealed with another key or for another place")]
    Unreadable,
    /// The store was sealed with other keys than those in the folder.
    #[error("these data were sealed with other keys than {path:?}; put the key folder back that belongs to them")]
    OtherKeys {
        /// The key file that does not fit.
        path: PathBuf,
    },
    /// The store holds data, and a key is not there.
    #[error(
        "these data were sealed with other keys: {path:?} is missing; restore it from its copy, or start with an empty data folder"
    )]
    KeyMissing {
        /// The key file that is missing.
        path: PathBuf,
    },
    /// The store holds sealed data but not the record that binds it to its keys.
    #[error("the store holds sealed data but no record of its keys: it is damaged")]
    CheckMissing,
    /// The root of the key tree has moved on since these data were written.
    #[error(
        "these data are older than {path:?}: somebody was erased since they were copied; restore data and key folder from the same backup"
    )]
    RootGone {
        /// The root.
        path: PathBuf,
    },
    /// A key file or the key folder can be read by others.
    #[error("{path:?} is open to other users (mode {mode:o}); close it with: chmod {cure:o} {path:?}")]
    OpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        cure: u32,
    },
    /// A file in the key folder holds no key.
    #[error("{path:?} does not hold a key (32 bytes in hex); restore it from its copy")]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// The master key was being changed when the process ended.
    #[error("a change of the master key was cut off; complete it with: pforte keys rotate master")]
    RotationCutOff,
    /// Key and certificate of the `OpenDSR` processor do not belong together, or are none.
    #[error("{path:?} {reason}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A passphrase that is guessed too easily.
    #[error("the passphrase needs at least {characters} characters")]
    PassphraseShort {
        /// How many it needs.
        characters: usize,
    },
    /// A backup does not open.
    #[error(transparent)]
    Archive(#[from] archive::Flaw),
    /// The backup has another key than the folder.
    #[error("{path:?} is another one than in the backup of the keys; restore them into an empty folder")]
    KeyDiffers {
        /// The file.
        path: PathBuf,
    },
    /// Data and root do not belong together.
    #[error(
        "these keys are from {}, somebody was erased in between: take the backup of the keys that was made together with these data",
        if *.later { "after these data were copied" } else { "before these data were copied" }
    )]
    KeysOfAnotherTime {
        /// Whether the keys are the later ones.
        later: bool,
    },
    /// The list of the shredded ends before the data do.
    #[error("the list of the shredded in {path:?} is older than the data; a later one is needed")]
    ListTooShort {
        /// The list.
        path: PathBuf,
    },
    /// A domain's name cannot be the name of a file.
    #[error("a domain's name has 1 to 40 of a-z, 0-9, '-' and '_'")]
    DomainName,
    /// There is no such domain.
    #[error("there is no domain of this name")]
    NoDomain,
    /// A domain has at most two keys.
    #[error("the key before is still there; it has to be retired first")]
    Overlaps,
    /// There is nothing to be retired.
    #[error("there is no key before")]
    NoOverlap,
    /// The key folder could not be read or written.
    #[error("{path:?}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No randomness.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}
