//! AES-256-GCM with a random nonce in front: `version ‖ nonce ‖ ciphertext ‖ tag`.

use std::cell::RefCell;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::{Error, Secret};
use crate::store::Record;

/// The first byte of everything sealed; a new layout gets a new one.
const VERSION: u8 = 1;
/// Version and nonce.
const HEAD: usize = 1 + NONCE_LEN;
/// How many bytes sealing adds: version, nonce and tag.
pub const OVERHEAD: usize = HEAD + 16;
/// Nonces are fetched from the operating system so many at a time: one system call for all of them.
const NONCES_AT_ONCE: usize = 64;

/// A key that seals and opens. Its bytes are wiped when it is dropped, and it has no debug form.
pub struct DataKey(Secret);

impl DataKey {
    pub(super) const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// The same key once more. Spelt out, because every copy is one more to be wiped.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.again())
    }

    /// Seals `plain`. `aad` is what the bytes belong to (table, subject, record); the same is needed to open them.
    ///
    /// # Errors
    /// [`Error::Chance`] without randomness, [`Error::Unreadable`] if `plain` is larger than the cipher allows (64 GiB).
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(OVERHEAD + plain.len());
        self.lend().seal_onto(&mut out, aad, |out| out.extend_from_slice(plain))?;
        Ok(out)
    }

    /// The key, without a copy of it.
    #[must_use]
    pub fn lend(&self) -> LentKey<'_> {
        LentKey(self.0.bytes())
    }

    /// Opens what [`DataKey::seal`] made under the same `aad`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it was changed, sealed under another key, or for another place.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (head, body) = sealed.split_at_checked(HEAD).ok_or(Error::Unreadable)?;
        let (version, nonce) = head.split_first().ok_or(Error::Unreadable)?;
        if *version != VERSION {
            return Err(Error::Unreadable);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|ring::error::Unspecified| Error::Unreadable)?;
        let mut out = body.to_vec();
        let opened = self
            .lend()
            .cipher()?
            .open_in_place(nonce, Aad::from(aad), &mut out)
            .map_err(|ring::error::Unspecified| Error::Unreadable)?;
        let length = opened.len();
        out.truncate(length);
        Ok(out)
    }

    /// A salt for one use: nobody can know it who has not the key, and it is gone when the key is. Invariant: `label` is used for
    /// nothing else that this key makes.
    ///
    /// # Errors
    /// [`Error::Unreadable`], which does not happen.
    pub fn salt(&self, label: &[u8]) -> Result<[u8; 32], Error> {
        Ok(*self.0.derive_for(&[b"pforte/v1/salt/", label])?.bytes())
    }
}

/// A data key that is only lent: who seals with it has nothing to wipe.
#[derive(Clone, Copy)]
pub struct LentKey<'a>(pub(super) &'a [u8; 32]);

impl LentKey<'_> {
    /// Seals what `write` puts to the end of `out`, where it stands: it is copied nowhere. If that fails it is taken away again.
    ///
    /// # Errors
    /// As for [`DataKey::seal`].
    pub fn seal_onto(self, out: &mut Vec<u8>, aad: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let (begin, nonce) = (out.len(), nonce()?);
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        write(out);
        let body = out.get_mut(begin + HEAD..).unwrap_or_default();
        let sealed = self.cipher().and_then(|cipher| {
            let sealed = cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body);
            sealed.map_err(|ring::error::Unspecified| Error::Unreadable)
        });
        // What failed must not stand there in the clear.
        sealed.map(|tag| out.extend_from_slice(tag.as_ref())).inspect_err(|_| out.truncate(begin))
    }

    /// Set up anew each time: 0.1 µs, and 32 bytes in memory instead of 550 with the cipher's tables.
    fn cipher(self) -> Result<LessSafeKey, Error> {
        let key = UnboundKey::new(&AES_256_GCM, self.0).map_err(|ring::error::Unspecified| Error::Unreadable)?;
        Ok(LessSafeKey::new(key))
    }
}

/// Data keys of several subjects side by side, in one piece of memory that is wiped when it is dropped.
pub struct DataKeys {
    is_there: Vec<bool>,
    /// Not a `Vec`, which is wiped once for what it holds and once for what it could.
    bytes: Zeroizing<Box<[[u8; 32]]>>,
}

impl DataKeys {
    /// Copies those that are there.
    pub(super) fn copies_of<'a>(keys: impl ExactSizeIterator<Item = Option<&'a [u8; 32]>>) -> Self {
        let bytes = vec![[0; 32]; keys.len()].into_boxed_slice();
        let mut copies = Self { is_there: Vec::with_capacity(keys.len()), bytes: Zeroizing::new(bytes) };
        for (key, place) in keys.zip(copies.bytes.iter_mut()) {
            copies.is_there.push(key.is_some());
            if let Some(key) = key {
                place.copy_from_slice(key);
            }
        }
        copies
    }

    /// One after the other, and whether it is there.
    pub fn iter(&self) -> impl Iterator<Item = Option<LentKey<'_>>> {
        self.is_there.iter().zip(self.bytes.iter()).map(|(is_there, bytes)| is_there.then_some(LentKey(bytes)))
    }
}

/// Bytes that only the vault can read, as a record of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl Record for Sealed {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION).then(|| Self(bytes.to_vec()))
    }
}

struct Nonces {
    bytes: [u8; NONCE_LEN * NONCES_AT_ONCE],
    next: usize,
}

thread_local! {
    static NONCES: RefCell<Nonces> =
        const { RefCell::new(Nonces { bytes: [0; NONCE_LEN * NONCES_AT_ONCE], next: NONCES_AT_ONCE }) };
}

/// A fresh random nonce. Never from seeded chance: a nonce that comes twice under one key gives both texts away.
fn nonce() -> Result<[u8; NONCE_LEN], Error> {
    NONCES.with_borrow_mut(|nonces| {
        if nonces.next >= NONCES_AT_ONCE {
            SystemRandom::new().fill(&mut nonces.bytes).map_err(|ring::error::Unspecified| crate::clock::NoChance)?;
            nonces.next = 0;
        }
        let at = nonces.next * NONCE_LEN;
        nonces.next += 1;
        nonces.bytes.get(at..at + NONCE_LEN).and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Unreadable)
    })
}
