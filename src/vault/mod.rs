//! The vault: the only room that sees a plaintext key.
//!
//! Every personal byte is stored sealed (AES-256-GCM) under a random data key of its subject, one per retention class; data keys
//! lie in a tree whose root is overwritten when one of them is shredded. The vault also makes the blind form of
//! identifiers, which cannot be reversed or guessed without the index key of its epoch, and the customer IDs of each pseudonymisation
//! domain (EDPB Guidelines 01/2025; pairwise pseudonymous identifiers, `OpenID` Connect Core 8.1).
//!
//! **Promises**
//! - What was sealed for one subject and place opens for no other: the caller's associated data binds it.
//! - Data and keys that do not belong together are refused at start, not found out later.
//! - What was sealed under a shredded key is noise: in the store, in what the disk keeps of older versions, and in every copy of
//!   the data folder, even for somebody who has all of today's keys.
//! - A key is in the cache only if it is stored; key bytes are wiped on drop and have no debug form. What `ring` and `aes`
//!   keep of the few keys that live as long as the process is outside of that.
//! - Nonces come from the operating system alone, never from seeded chance; in whole files they are counted, under a key per file.
//!
//! It knows nothing of what is sealed, nor of consent.

pub mod archive;
pub mod bundle;
mod cache;
mod certified;
mod check;
mod domain;
mod error;
pub mod http;
mod index;
mod keys;
mod log;
mod mac;
mod master;
mod place;
mod seal;
mod shred;
mod sign;
mod subjects;
mod suppression;
mod token;
mod tombs;
mod tree;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

pub use certified::Certified;
pub use domain::{Domain, DomainKey};
pub use error::Error;
pub use index::{Blinds, Epoch};
pub use log::LogKey;
pub use master::{Digits, Master, rotate};
pub use seal::{DataKey, DataKeys, LentKey, OVERHEAD, Sealed};
pub use sign::{Doubt, Pin, Signer, rotate_signing, verify, verify_pinned};
pub use suppression::Suppression;

use crate::clock::{Chance, Millis};
use crate::id::SubjectId;
use crate::store::{self, Batch, Store};
use archive::FileKey;
use cache::Cache;
use index::Index;
use keys::{Folder, Secret};
use mac::MacKey;
use tombs::Tombs;
use tree::Tree;
use turn::Desk;

/// How many unwrapped data keys stay in memory: about 100 MB if all places are taken.
pub const CACHED_KEYS_MAX: usize = 1_000_000;
/// Why something is kept: what a duty keeps has another key than the rest, so that the rest can be erased without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class(pub u8);

impl Class {
    /// Kept for the purposes that people agreed to; erased when they ask.
    pub const STANDARD: Self = Self(0);
}

/// How a vault is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the master key comes from.
    pub master: Master,
    /// How many unwrapped data keys stay in memory.
    pub cached_keys: usize,
    /// When the vault is opened: keys that are made now are dated so.
    pub at: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        Self { master: Master::default(), cached_keys: CACHED_KEYS_MAX, at: 0 }
    }
}

/// Keys, and what is done with them.
pub struct Vault {
    store: Store,
    chance: Chance,
    folder: Folder,
    tree: Arc<Tree>,
    tombs: Tombs,
    /// Who was shredded before and was there again at open.
    returned: Vec<SubjectId>,
    signer: Signer,
    log_key: LogKey,
    certified: Option<Certified>,
    /// Seals the records that bind the store to its keys.
    check: DataKey,
    /// Seals whole files.
    files: FileKey,
    index: RwLock<Index>,
    mac: MacKey,
    opened_at: Millis,
    domains: RwLock<HashMap<String, Arc<Domain>>>,
    /// Held while a domain's key is made, so that it is made once.
    making: Mutex<()>,
    /// Held while keys are shredded: the store hears of the list in its order.
    shredding: Mutex<()>,
    cache: Cache,
}

impl Vault {
    /// Opens the vault. If the store is new, missing keys are made; otherwise they must be the ones that it was sealed with.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] and [`Error::OtherKeys`] if data and keys do not belong together, [`Error::OpenToOthers`] if
    /// somebody else may read them, and what the disk says.
    pub fn open(keys: &Path, store: &Store, chance: &Chance) -> Result<Self, Error> {
        Self::open_with(keys, store, chance, &Settings::default())
    }

    /// The same with settings of the caller's.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub fn open_with(keys: &Path, store: &Store, chance: &Chance, settings: &Settings) -> Result<Self, Error> {
        let folder = Folder::open(keys)?;
        let known = check::is_there(store)?;
        if !known && place::any(store)? {
            return Err(Error::CheckMissing);
        }
        let master = settings.master.read_or_new(&folder, known, chance)?;
        let check = DataKey::new(master.derive(master::CHECK)?);
        if !check::belongs(store, &check)? {
            return Err(Error::OtherKeys { path: settings.master.name(&folder) });
        }
        let desk = Desk { store, folder: &folder, check: &check, chance };
        let index = Index::new(desk.open(check::INDEX, "index", settings.at)?)?;
        let digest = desk.open(check::DIGEST, "digest", settings.at)?.now;
        let wrap = DataKey::new(master.derive(master::ROOT)?);
        let tree = Arc::new(Tree::open(store, &folder.path("roots"), wrap, chance)?);
        let (tombs, since) = Tombs::open(&folder.path(&format!("shredded/{}.list", tree.name())), tree.buried())?;
        let mut vault = Self {
            tree,
            tombs,
            returned: Vec::new(),
            signer: Signer::open(&folder, chance)?,
            log_key: LogKey::open(&folder, chance)?,
            certified: Certified::open(&folder)?,
            check,
            files: FileKey::of(&master)?,
            index: RwLock::new(index),
            mac: digest.derive("pforte/v1/mac")?.mac(),
            opened_at: settings.at,
            store: store.clone(),
            chance: chance.clone(),
            folder,
            domains: RwLock::default(),
            making: Mutex::default(),
            shredding: Mutex::default(),
            cache: Cache::new(settings.cached_keys),
        };
        vault.bind_domains()?;
        vault.returned = vault.shred_again(&since)?;
        Ok(vault)
    }

    /// Who had been shredded since these data were written, and was there again at open: the data come from a copy. Their keys are
    /// gone again; what other rooms have of them has to go, too.
    #[must_use]
    pub fn returned(&self) -> &[SubjectId] {
        &self.returned
    }

    /// What seals backups of the data.
    #[must_use]
    pub fn files(&self) -> FileKey {
        self.files.again()
    }

    /// What signs statements that outsiders can check. Its key is made when it is missing: what was signed with another one is
    /// checked with that one's public key.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What signs the heads of the ledger. Its key is made when it is missing; then the log has another name.
    #[must_use]
    pub const fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// What signs as `OpenDSR` processor, if the operator has put a key and its certificate into the key folder.
    #[must_use]
    pub const fn certified(&self) -> Option<&Certified> {
        self.certified.as_ref()
    }

    /// The blind forms of an identifier by which it is found now.
    #[must_use]
    pub fn blind(&self, kind: u32, normalised: &str) -> Blinds {
        self.index.read().blind(kind, normalised)
    }

    /// How the index stands.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.index.read().epoch()
    }

    /// Makes the batch conflict if the index has another key than in this epoch when it is committed: who was not found by a key that
    /// is no more would be admitted twice.
    ///
    /// # Errors
    /// A conflict if it has another one now.
    pub fn check_index(&self, epoch: u32, batch: &mut Batch) -> Result<(), Error> {
        let index = self.index.read();
        if index.epoch().number != epoch {
            return Err(Error::Store(store::Error::Conflict));
        }
        index.turn.check(batch);
        Ok(())
    }

    /// Puts another index key in the place of the present one, which stays until [`Vault::end_index`]. Blocks.
    ///
    /// # Errors
    /// What disk and store say. The epoch tells whether it has begun all the same.
    pub fn begin_index(&self, at: Millis) -> Result<(), Error> {
        let turn = self.index.read().turn.clone();
        let (turn, next) = self.desk().begin(&turn, at)?;
        let begun = self.index.read().begun(turn.clone(), &next)?;
        *self.index.write() = begun;
        self.desk().name_files(&turn)
    }

    /// Destroys the index key of the epoch before. Invariant: nothing stands under it any more. Blocks.
    ///
    /// # Errors
    /// What disk and store say; what is left to be done is done at the next open.
    pub fn end_index(&self) -> Result<(), Error> {
        let turn = self.index.read().turn.clone();
        let turn = self.desk().unbind(&turn)?;
        let ended = self.index.read().ended(turn.clone());
        *self.index.write() = ended;
        self.desk().destroy(&turn)
    }

    /// A keyed digest for lookups such as deduplication; digests under different labels have nothing in common.
    /// Invariant: a label holds no NUL.
    #[must_use]
    pub fn mac(&self, label: &str, bytes: &[u8]) -> [u8; 16] {
        self.mac_of(label, [bytes])
    }

    /// The same of several pieces, one after the other.
    #[must_use]
    pub fn mac_of<const N: usize>(&self, label: &str, pieces: [&[u8]; N]) -> [u8; 16] {
        self.mac.short([label.as_bytes(), &[0]].into_iter().chain(pieces))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.tree.rest();
    }
}
