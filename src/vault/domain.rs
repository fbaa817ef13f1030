//! What one pseudonymisation domain sees instead of subject IDs and identifiers.
//!
//! Its key can be changed. From then on everything is made with the new key; as long as the two overlap the one before still leads
//! back from customer IDs, and still signs.

use std::sync::Arc;

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::mac::MacKey;
use super::turn::{Found, Turn};
use super::{Error, Secret, Vault, check};
use crate::clock::Millis;
use crate::id::{CustomerId, SubjectId};

/// The keys of a pseudonymisation domain (EDPB Guidelines 01/2025): without them nobody can tell whose pseudonyms these are,
/// nor match them with those of another domain.
pub struct Domain {
    now: Keys,
    before: Option<Keys>,
    turn: Turn,
}

#[derive(Clone)]
struct Keys {
    permutation: Aes256,
    keyed: MacKey,
}

/// How the key of a domain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainKey {
    /// The name of the domain.
    pub name: String,
    /// How often the key was changed, from 1.
    pub turn: u32,
    /// When the present key came.
    pub since: Millis,
    /// Whether the key before is still there.
    pub overlaps: bool,
}

impl Keys {
    fn new(secret: &Secret) -> Result<Self, Error> {
        Ok(Self { permutation: Aes256::new(&Array::from(*secret.bytes())), keyed: secret.derive("pforte/v1/keyed")?.mac() })
    }

    fn customer(&self, s: SubjectId) -> CustomerId {
        let mut block = Array::from(s.0);
        self.permutation.encrypt_block(&mut block);
        CustomerId(block.into())
    }

    fn subject(&self, c: CustomerId) -> SubjectId {
        let mut block = Array::from(c.0);
        self.permutation.decrypt_block(&mut block);
        SubjectId(block.into())
    }

    fn keyed(&self, kind: &str, value: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.keyed.whole([kind.as_bytes(), &[0], value.as_bytes()]))
    }
}

impl Domain {
    pub(super) fn new(found: Found) -> Result<Self, Error> {
        let before = found.before.as_ref().map(Keys::new).transpose()?;
        Ok(Self { now: Keys::new(&found.now)?, before, turn: found.turn })
    }

    /// The present key, then the one before.
    fn all(&self) -> impl Iterator<Item = &Keys> {
        std::iter::once(&self.now).chain(&self.before)
    }

    /// The customer ID of a subject: AES-256 of the one block that a subject ID is, so no two subjects ever share one.
    #[must_use]
    pub fn customer(&self, s: SubjectId) -> CustomerId {
        self.now.customer(s)
    }

    /// All customer IDs under which a recipient may know a subject, the present one first.
    pub fn customers(&self, s: SubjectId) -> impl Iterator<Item = CustomerId> {
        self.all().map(move |keys| keys.customer(s))
    }

    /// The subject that a customer ID of this domain stands for. Any 16 bytes give *a* subject ID; whether it is one that
    /// is known must be looked up.
    #[must_use]
    pub fn subject(&self, c: CustomerId) -> SubjectId {
        self.now.subject(c)
    }

    /// The subjects that a customer ID may stand for: by the present key, then by the one before. One of them at most is known.
    pub fn subjects(&self, c: CustomerId) -> impl Iterator<Item = SubjectId> {
        self.all().map(move |keys| keys.subject(c))
    }

    /// The form in which an identifier leaves: HMAC-SHA-256(domain, kind ‖ 0 ‖ value), base64url without padding.
    #[must_use]
    pub fn keyed(&self, kind: &str, value: &str) -> String {
        self.now.keyed(kind, value)
    }

    /// The same under all keys that hold, the present one first.
    pub fn keyed_all(&self, kind: &str, value: &str) -> impl Iterator<Item = String> {
        self.all().map(move |keys| keys.keyed(kind, value))
    }

    fn state(&self, name: &str) -> DomainKey {
        let Self { turn, .. } = self;
        DomainKey { name: name.to_owned(), turn: turn.number(), since: turn.since(), overlaps: turn.overlaps() }
    }
}

impl Vault {
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

    /// How the keys of all domains stand.
    #[must_use]
    pub fn domain_keys(&self) -> Vec<DomainKey> {
        let mut all: Vec<DomainKey> = self.domains.read().iter().map(|(name, domain)| domain.state(name)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Makes a new key for a domain. From then on everything is made with it; the one before stays until [`Vault::retire_domain`].
    /// Blocks.
    ///
    /// # Errors
    /// [`Error::NoDomain`] if there is no such domain, [`Error::Overlaps`] if the key before is still there; what disk and store say.
    pub fn rotate_domain(&self, name: &str, at: Millis) -> Result<DomainKey, Error> {
        let _one_at_a_time = self.making.lock();
        let domain = self.domains.read().get(name).map(Arc::clone).ok_or(Error::NoDomain)?;
        if domain.turn.overlaps() {
            return Err(Error::Overlaps);
        }
        let (turn, next) = self.desk().begin(&domain.turn, at)?;
        let turned = Domain { now: Keys::new(&next)?, before: Some(domain.now.clone()), turn: turn.clone() };
        let state = turned.state(name);
        self.domains.write().insert(name.to_owned(), Arc::new(turned));
        self.desk().name_files(&turn)?;
        Ok(state)
    }

    /// Destroys the key before of a domain: what was made with it leads nowhere any more. Blocks.
    ///
    /// # Errors
    /// [`Error::NoDomain`] if there is no such domain, [`Error::NoOverlap`] if it has one key alone; what disk and store say.
    pub fn retire_domain(&self, name: &str) -> Result<DomainKey, Error> {
        let _one_at_a_time = self.making.lock();
        let domain = self.domains.read().get(name).map(Arc::clone).ok_or(Error::NoDomain)?;
        if !domain.turn.overlaps() {
            return Err(Error::NoOverlap);
        }
        let turn = self.desk().unbind(&domain.turn)?;
        let ended = Domain { now: domain.now.clone(), before: None, turn: turn.clone() };
        let state = ended.state(name);
        self.domains.write().insert(name.to_owned(), Arc::new(ended));
        self.desk().destroy(&turn)?;
        Ok(state)
    }

    /// Reads a domain's keys and checks that they are the right ones, or makes the first.
    fn new_domain(&self, name: &str) -> Result<Domain, Error> {
        let mut found = self.desk().open(&check::domain(name)?, &format!("domains/{name}"), self.opened_at)?;
        if found.before.is_none() && found.turn.overlaps() {
            // The data come from a copy: what the key before made leads nowhere already.
            found.turn = self.desk().unbind(&found.turn)?;
        }
        Domain::new(found)
    }
}
