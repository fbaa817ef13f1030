//! The vault: the only room that sees a plaintext key.
//!
//! Every personal byte is stored sealed (AES-256-GCM) under the random data key of its subject; data keys are stored
//! wrapped by the master key, which lies in the key folder and nowhere else. The vault also makes the blind form of
//! identifiers, which cannot be reversed or guessed without the index key, and the customer IDs of each pseudonymisation
//! domain (EDPB Guidelines 01/2025; pairwise pseudonymous identifiers, `OpenID` Connect Core 8.1).
//!
//! **Promises**
//! - What was sealed for one subject and place opens for no other: the caller's associated data binds it.
//! - Data and keys that do not belong together are refused at start, not found out later.
//! - A key is in the cache only if it is stored; key bytes are wiped on drop and have no debug form. What `ring` and `aes`
//!   keep of the few keys that live as long as the process is outside of that.
//! - Nonces come from the operating system alone, never from seeded chance.
//!
//! It knows nothing of what is sealed, nor of consent.

mod cache;
mod check;
mod domain;
mod keys;
mod seal;
mod wrapped;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use ring::hmac;

pub use domain::Domain;
pub use seal::{DataKey, OVERHEAD};

use crate::clock::{Chance, NoChance};
use crate::id::{Blind, SubjectId};
use crate::store::{self, Batch, Store};
use cache::Cache;
use keys::{Folder, Secret};

/// How many unwrapped data keys stay in memory: about 90 MB if all places are taken.
pub const CACHED_KEYS_MAX: usize = 1_000_000;
/// The longest name of a domain.
const DOMAIN_NAME_BYTES_MAX: usize = 40;

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
    /// A domain's name cannot be the name of a file.
    #[error("a domain's name has 1 to 40 of a-z, 0-9, '-' and '_'")]
    DomainName,
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

/// Keys, and what is done with them.
pub struct Vault {
    store: Store,
    chance: Chance,
    folder: Folder,
    /// Wraps data keys.
    wrap: DataKey,
    /// Seals the records that bind the store to its keys.
    check: DataKey,
    blind: hmac::Key,
    mac: hmac::Key,
    domains: RwLock<HashMap<String, Arc<Domain>>>,
    /// Held while a domain's key is made, so that it is made once.
    making: Mutex<()>,
    cache: Cache,
}

impl Vault {
    /// Opens the vault. If the store is new, missing keys are made; otherwise they must be the ones that it was sealed with.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] and [`Error::OtherKeys`] if data and keys do not belong together, [`Error::OpenToOthers`] if
    /// somebody else may read them, and what the disk says.
    pub fn open(keys: &Path, store: &Store, chance: &Chance) -> Result<Self, Error> {
        Self::open_with_room(keys, store, chance, CACHED_KEYS_MAX)
    }

    /// The same with room for `cached_keys` unwrapped data keys.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub fn open_with_room(keys: &Path, store: &Store, chance: &Chance, cached_keys: usize) -> Result<Self, Error> {
        let folder = Folder::open(keys)?;
        let known = check::is_there(store)?;
        if !known && wrapped::any(store)? {
            return Err(Error::CheckMissing);
        }
        let master = key_or_new(&folder, "master.key", known, chance)?;
        let index = key_or_new(&folder, "index.key", known, chance)?;
        let vault = Self {
            wrap: DataKey::new(master.derive("pforte/v1/data-keys")?),
            check: DataKey::new(master.derive("pforte/v1/check")?),
            blind: index.derive("pforte/v1/blind")?.hmac(),
            mac: index.derive("pforte/v1/mac")?.hmac(),
            store: store.clone(),
            chance: chance.clone(),
            folder,
            domains: RwLock::default(),
            making: Mutex::default(),
            cache: Cache::new(cached_keys),
        };
        vault.bind(&index)?;
        Ok(vault)
    }

    /// The blind form of an identifier: HMAC-SHA-256(index key, kind ‖ 0 ‖ value), cut to 128 bits.
    #[must_use]
    pub fn blind(&self, kind: &str, normalised: &str) -> Blind {
        let mut mac = hmac::Context::with_key(&self.blind);
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(normalised.as_bytes());
        Blind(cut(&mac.sign()))
    }

    /// A keyed digest for lookups such as deduplication; digests under different labels have nothing in common.
    /// Invariant: a label holds no NUL.
    #[must_use]
    pub fn mac(&self, label: &str, bytes: &[u8]) -> [u8; 16] {
        let mut mac = hmac::Context::with_key(&self.mac);
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac.update(bytes);
        cut(&mac.sign())
    }

    /// Makes the data key of a new subject; its wrapped form goes into the caller's batch, which conflicts if the subject
    /// has one already. What the caller seals with it must be in the same batch or a later one.
    ///
    /// # Errors
    /// [`Error::Chance`] without randomness.
    pub fn create(&self, subject: SubjectId, batch: &mut Batch) -> Result<Arc<DataKey>, Error> {
        let secret = Secret::random(&self.chance)?;
        let sealed = self.wrap.seal(&wrap_aad(subject), secret.bytes())?;
        wrapped::put(batch, subject, sealed);
        // Not into the cache: whether it will be durable is not known yet.
        Ok(Arc::new(DataKey::new(secret)))
    }

    /// The data key of a subject.
    ///
    /// # Errors
    /// [`Error::Shredded`] if there is none, [`Error::Unreadable`] if the wrapped key was tampered with.
    pub fn key(&self, subject: SubjectId) -> Result<Arc<DataKey>, Error> {
        if let Some(key) = self.cache.find(subject) {
            return Ok(key);
        }
        let sealed = wrapped::find(&self.store, subject)?.ok_or(Error::Shredded)?;
        let bytes = zeroize::Zeroizing::new(self.wrap.open(&wrap_aad(subject), &sealed)?);
        let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|std::array::TryFromSliceError { .. }| Error::Unreadable)?;
        let key = Arc::new(DataKey::new(Secret::new(*bytes)));
        self.cache.insert(subject, Arc::clone(&key));
        Ok(key)
    }

    /// The pseudonymisation domain with this name; its key is made when it is first asked for.
    ///
    /// # Errors
    /// [`Error::DomainName`] if no file can be named so, and what the disk says.
    pub fn domain(&self, name: &str) -> Result<Arc<Domain>, Error> {
        if let Some(domain) = self.domains.read().get(name) {
            return Ok(Arc::clone(domain));
        }
        let _one_at_a_time = self.making.lock();
        if let Some(domain) = self.domains.read().get(name) {
            return Ok(Arc::clone(domain));
        }
        let domain = Arc::new(self.new_domain(name)?);
        self.domains.write().insert(name.to_owned(), Arc::clone(&domain));
        Ok(domain)
    }
}

fn key_or_new(folder: &Folder, name: &str, known: bool, chance: &Chance) -> Result<Secret, Error> {
    match folder.read(name)? {
        Some(secret) => Ok(secret),
        None if known => Err(Error::KeyMissing { path: folder.path(name) }),
        None => folder.create(name, chance),
    }
}

fn wrap_aad(subject: SubjectId) -> [u8; 24] {
    let mut out = *b"data-key\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let (_, tail) = out.split_at_mut(8);
    tail.copy_from_slice(&subject.0);
    out
}

fn cut(tag: &hmac::Tag) -> [u8; 16] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}
