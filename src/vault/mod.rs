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
pub mod http;
mod index;
mod keys;
mod log;
mod master;
mod place;
mod seal;
mod sign;
mod suppression;
mod token;
mod tombs;
mod tree;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use ring::hmac;

pub use certified::Certified;
pub use domain::{Domain, DomainKey};
pub use index::{Blinds, Epoch};
pub use log::LogKey;
pub use master::{Digits, Master, rotate};
pub use seal::{DataKey, OVERHEAD, Sealed};
pub use sign::{Doubt, Pin, Signer, rotate_signing, verify, verify_pinned};
pub use suppression::Suppression;

use crate::clock::{Chance, Millis, NoChance};
use crate::id::SubjectId;
use crate::store::{self, Batch, Store};
use archive::FileKey;
use cache::Cache;
use index::Index;
use keys::{Folder, Secret};
use place::{Place, Places};
use tombs::Tombs;
use tree::Tree;
use turn::Desk;

/// How many unwrapped data keys stay in memory: about 90 MB if all places are taken.
pub const CACHED_KEYS_MAX: usize = 1_000_000;
/// How many subjects are shredded in one commit.
const SHRED_AT_ONCE: usize = 256;
/// How often shredding starts over because somebody gave the subject another key meanwhile.
const SHRED_TRIES: usize = 8;

/// Why something is kept: what a duty keeps has another key than the rest, so that the rest can be erased without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class(pub u8);

impl Class {
    /// Kept for the purposes that people agreed to; erased when they ask.
    pub const STANDARD: Self = Self(0);
}

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
    mac: hmac::Key,
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
            mac: digest.derive("pforte/v1/mac")?.hmac(),
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
        let mut mac = hmac::Context::with_key(&self.mac);
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac.update(bytes);
        cut(&mac.sign())
    }

    /// Makes the first data key of a new subject, [`Class::STANDARD`]; where it lies goes into the caller's batch, which conflicts
    /// if the subject has one already. What the caller seals with it must be in the same batch or a later one.
    ///
    /// # Errors
    /// [`Error::Chance`] without randomness, and what the store says when new keys have to be made.
    pub fn create(&self, subject: SubjectId, batch: &mut Batch) -> Result<Arc<DataKey>, Error> {
        let (place, secret) = self.tree.take()?;
        place::put_new(batch, subject, Class::STANDARD, place);
        // Not into the cache: whether it will be durable is not known yet.
        data_key(&secret, subject, Class::STANDARD)
    }

    /// Remembers a key that [`Vault::create`] made and that is durable now, so that the subject's first event need not look for it.
    /// What was shredded meanwhile is not remembered; an ID that was shredded is never used again.
    pub fn learn(&self, subject: SubjectId, key: &Arc<DataKey>) {
        self.tree.while_it_stands(|| {
            let places = Places::find(&self.store, subject).ok().flatten();
            if places.is_some_and(|places| places.get(Class::STANDARD).is_some()) {
                self.cache.insert(subject, Arc::clone(key));
            }
        });
    }

    /// The data keys of a subject for further classes, in their order, made where they are not there; the batch then conflicts if
    /// anything about the subject's keys changes at the same time. Once per subject and batch.
    ///
    /// # Errors
    /// [`Error::Shredded`] if the subject was erased, and as for [`Vault::create`].
    pub fn create_classes(&self, subject: SubjectId, classes: &[Class], batch: &mut Batch) -> Result<Vec<Arc<DataKey>>, Error> {
        let mut places = Places::find(&self.store, subject)?.ok_or(Error::Shredded)?;
        places.get(Class::STANDARD).ok_or(Error::Shredded)?;
        let (mut keys, mut made) = (Vec::with_capacity(classes.len()), false);
        for class in classes {
            keys.push(match places.get(*class) {
                Some(place) => self.tree.with(place, |secret| data_key(secret, subject, *class))??,
                None => {
                    let (place, secret) = self.tree.take()?;
                    places.add(*class, place);
                    made = true;
                    data_key(&secret, subject, *class)?
                }
            });
        }
        if made {
            places.put(batch, subject);
        } else {
            places.check(batch, subject);
        }
        Ok(keys)
    }

    /// The data key of a subject, [`Class::STANDARD`].
    ///
    /// # Errors
    /// [`Error::Shredded`] if there is none (any more), [`Error::Unreadable`] if the tree was tampered with.
    pub fn key(&self, subject: SubjectId) -> Result<Arc<DataKey>, Error> {
        if let Some(key) = self.cache.find(subject) {
            return Ok(key);
        }
        self.find_key(subject, Class::STANDARD, |key| self.cache.insert(subject, Arc::clone(key)))
    }

    /// The same without keeping it at hand: for work that passes over everybody.
    ///
    /// # Errors
    /// As for [`Vault::key`].
    pub fn key_once(&self, subject: SubjectId) -> Result<Arc<DataKey>, Error> {
        self.cache.find(subject).map_or_else(|| self.find_key(subject, Class::STANDARD, |_| {}), Ok)
    }

    /// The data key of a subject for what is kept for this class.
    ///
    /// # Errors
    /// As for [`Vault::key`].
    pub fn class_key(&self, subject: SubjectId, class: Class) -> Result<Arc<DataKey>, Error> {
        if class == Class::STANDARD { self.key(subject) } else { self.find_key(subject, class, |_| {}) }
    }

    fn find_key(&self, subject: SubjectId, class: Class, found: impl Fn(&Arc<DataKey>)) -> Result<Arc<DataKey>, Error> {
        let place = || Ok::<_, Error>(Places::find(&self.store, subject)?.and_then(|places| places.get(class)));
        let open = |place: Place| {
            // `found` is called while the tree cannot forget the key: what is shredded is never cached afterwards.
            self.tree.with(place, |secret| data_key(secret, subject, class).inspect(&found))?
        };
        match open(place()?.ok_or(Error::Shredded)?) {
            // It was shredded between the two looks.
            Err(Error::Unreadable) if place()?.is_none() => Err(Error::Shredded),
            opened => opened,
        }
    }

    /// Makes the batch conflict if the subject's keys change before it is committed: what is sealed for somebody must not come
    /// after they were erased.
    ///
    /// # Errors
    /// [`Error::Shredded`] if the subject has no key.
    pub fn check_unchanged(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), Error> {
        Places::find(&self.store, subject)?.ok_or(Error::Shredded)?.check(batch, subject);
        Ok(())
    }

    /// Shreds data keys: afterwards nobody can read what was sealed under them, not even with all keys of today and all copies of
    /// the data folder. Keys that are not there are passed over. Takes milliseconds; blocks.
    ///
    /// # Errors
    /// What the disk says. Keys before the failure are shredded; calling it again completes the rest.
    pub fn shred(&self, keys: &[(SubjectId, Class)]) -> Result<usize, Error> {
        self.tree.finish()?;
        let _one_at_a_time = self.shredding.lock();
        let wanted = self.placed(keys)?;
        if wanted.is_empty() {
            return Ok(0);
        }
        let buried = self.tombs.add(wanted.iter().map(|(_, subject, class)| (subject, class)))?;
        self.shred_all(&wanted, buried)?;
        Ok(wanted.len())
    }

    /// Shreds what was shredded before and is there again.
    fn shred_again(&self, keys: &[(SubjectId, Class)]) -> Result<Vec<SubjectId>, Error> {
        let wanted = self.placed(keys)?;
        self.shred_all(&wanted, self.tombs.count())?;
        // Where only what a duty had kept was shredded, the person is not gone.
        let erased = wanted.into_iter().filter(|(_, _, class)| *class == Class::STANDARD);
        let mut returned: Vec<SubjectId> = erased.map(|(_, subject, _)| subject).collect();
        returned.sort_unstable();
        returned.dedup();
        Ok(returned)
    }

    /// Those of the keys that are there, with where they lie; neighbours in one shard stand together.
    fn placed(&self, keys: &[(SubjectId, Class)]) -> Result<Vec<(Place, SubjectId, Class)>, Error> {
        let mut wanted = Vec::with_capacity(keys.len());
        for (subject, class) in keys {
            let place = Places::find(&self.store, *subject)?.and_then(|places| places.get(*class));
            wanted.extend(place.map(|place| (place, *subject, *class)));
        }
        wanted.sort_unstable();
        wanted.dedup();
        Ok(wanted)
    }

    /// Shreds in commits of bounded size; the last one says that all was done.
    fn shred_all(&self, keys: &[(Place, SubjectId, Class)], buried: u64) -> Result<(), Error> {
        let mut commits = keys.chunks(SHRED_AT_ONCE).peekable();
        while let Some(some) = commits.next() {
            self.shred_some(some, commits.peek().is_none().then_some(buried))?;
        }
        Ok(())
    }

    fn shred_some(&self, keys: &[(Place, SubjectId, Class)], buried: Option<u64>) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match self.try_shred(keys, buried) {
                Err(Error::Store(store::Error::Conflict)) if tries < SHRED_TRIES => tries += 1,
                done => return done,
            }
        }
    }

    fn try_shred(&self, keys: &[(Place, SubjectId, Class)], buried: Option<u64>) -> Result<(), Error> {
        let mut records: HashMap<SubjectId, Places> = HashMap::new();
        let mut places = Vec::with_capacity(keys.len());
        for (_, subject, class) in keys {
            let held = match records.remove(subject) {
                Some(held) => Some(held),
                None => Places::find(&self.store, *subject)?,
            };
            let Some(mut held) = held else { continue };
            places.extend(held.get(*class));
            held.remove(*class);
            records.insert(*subject, held);
        }
        let mut batch = Batch::default();
        let gone: Vec<SubjectId> = records.keys().copied().collect();
        records.into_iter().for_each(|(subject, held)| held.put(&mut batch, subject));
        self.tree.erase(&places, buried, batch, || gone.iter().for_each(|subject| self.cache.remove(*subject)))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.tree.rest();
    }
}

/// The key that lies in a place, bound to its holder: in anybody else's hands the same place gives another key.
fn data_key(secret: &Secret, subject: SubjectId, class: Class) -> Result<Arc<DataKey>, Error> {
    Ok(Arc::new(DataKey::new(secret.derive_for(&[b"pforte/v1/data-key", &subject.0, &[class.0]])?)))
}

fn cut(tag: &hmac::Tag) -> [u8; 16] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}
