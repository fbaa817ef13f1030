//! The master key: where it comes from, and changing it.
//!
//! It seals the root of the key tree and the records that bind the store to its keys, and nothing else: changing it writes a few
//! kilobytes, however much is stored. It can be held outside (a file elsewhere, an environment variable, a command that asks a KMS or a
//! PKCS#11 token), so that whoever has the disk has nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use zeroize::Zeroizing;

use super::keys::{self, Folder, Secret};
use super::{DataKey, Error, check, tree};
use crate::clock::Chance;
use crate::store::Store;

const FILE: &str = "master.key";
/// While the master key is changed, the one that is to come.
const NEXT: &str = "master.next.key";

/// Where the master key comes from. Everywhere it is written as 64 hexadecimal digits.
#[derive(Clone, Debug, Default)]
pub enum Master {
    /// The key folder; made when it is first needed.
    #[default]
    Folder,
    /// A file elsewhere that nobody else may read.
    File(PathBuf),
    /// What the command prints: a KMS, a PKCS#11 token, a secret store.
    Command(String),
    /// The digits themselves.
    Digits(Digits),
}

/// A key in digits, or a passphrase; it has no debug form.
#[derive(Clone)]
pub struct Digits(pub(super) Zeroizing<String>);

impl Digits {
    /// Takes the digits.
    #[must_use]
    pub fn new(digits: String) -> Self {
        Self(Zeroizing::new(digits))
    }
}

impl From<&str> for Digits {
    fn from(digits: &str) -> Self {
        Self::new(digits.to_owned())
    }
}

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digits(…)")
    }
}

impl Master {
    /// How it is named in messages.
    pub(super) fn name(&self, folder: &Folder) -> PathBuf {
        match self {
            Self::Folder => folder.path(FILE),
            Self::File(path) => path.clone(),
            Self::Command(_) => PathBuf::from("the key of --master-key-command"),
            Self::Digits(_) => PathBuf::from("PFORTE_MASTER_KEY"),
        }
    }

    /// Reads it; from the folder, `None` if it is not there.
    pub(super) fn read(&self, folder: &Folder) -> Result<Option<Secret>, Error> {
        let not_a_key = || Error::NotAKey { path: self.name(folder) };
        match self {
            Self::Folder if folder.path(NEXT).exists() => Err(Error::RotationCutOff),
            Self::Folder => folder.read(FILE),
            Self::File(path) => keys::read(path)?.map(Some).ok_or_else(|| Error::KeyMissing { path: path.clone() }),
            Self::Digits(Digits(digits)) => keys::parse(digits.as_bytes()).map(Some).ok_or_else(not_a_key),
            Self::Command(command) => {
                let io = |source| Error::Io { path: self.name(folder), source };
                let output = Command::new("sh").args(["-c", command]).output().map_err(io)?;
                let digits = Zeroizing::new(output.stdout);
                if !output.status.success() {
                    return Err(io(std::io::Error::other("the command failed")));
                }
                keys::parse(&digits).map(Some).ok_or_else(not_a_key)
            }
        }
    }

    /// Reads it, or makes it if nothing was ever sealed.
    pub(super) fn read_or_new(&self, folder: &Folder, known: bool, chance: &Chance) -> Result<Secret, Error> {
        match self.read(folder)? {
            Some(secret) => Ok(secret),
            None if known => Err(Error::KeyMissing { path: self.name(folder) }),
            None => folder.create(FILE, chance),
        }
    }
}

/// Puts another master key in the place of the present one. `new` as [`Master::Folder`] is made now. The gateway must not be running.
/// What a crash cuts off is completed by doing it again.
///
/// # Errors
/// [`Error::OtherKeys`] if `old` is not the present key, and what the disk says.
pub fn rotate(keys: &Path, store: &Store, chance: &Chance, (old, new): (&Master, &Master)) -> Result<(), Error> {
    let folder = Folder::open(keys)?;
    let missing = || Error::KeyMissing { path: old.name(&folder) };
    let present = match old {
        Master::Folder => folder.read(FILE)?,
        Master::File(_) | Master::Command(_) | Master::Digits(_) => old.read(&folder)?,
    };
    let present = present.ok_or_else(missing)?;
    let key = |secret: &Secret, label| Ok::<_, Error>(DataKey::new(secret.derive(label)?));
    let coming = match new {
        Master::Folder => match folder.read(NEXT)? {
            Some(begun) => begun,
            // Nothing is begun with a key that is not the present one.
            None if !check::belongs(store, &key(&present, CHECK)?)? => return Err(Error::OtherKeys { path: old.name(&folder) }),
            None => folder.create(NEXT, chance)?,
        },
        Master::File(_) | Master::Command(_) | Master::Digits(_) => new.read(&folder)?.ok_or_else(missing)?,
    };
    tree::reseal(store, &folder.path("roots"), (&key(&present, ROOT)?, &key(&coming, ROOT)?))?;
    check::reseal(store, (&key(&present, CHECK)?, &key(&coming, CHECK)?), &old.name(&folder))?;
    match new {
        Master::Folder => folder.rename(NEXT, FILE),
        Master::File(_) | Master::Command(_) | Master::Digits(_) => folder.remove(FILE),
    }
}

/// What the key that seals the root is derived for.
pub(super) const ROOT: &str = "pforte/v1/root";
/// What the key that seals the binding records is derived for.
pub(super) const CHECK: &str = "pforte/v1/check";
