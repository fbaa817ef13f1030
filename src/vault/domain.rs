//! What one pseudonymisation domain sees instead of subject IDs and identifiers.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{Error, Secret};
use crate::id::{CustomerId, SubjectId};

/// The key of a pseudonymisation domain (EDPB Guidelines 01/2025): without it nobody can tell whose pseudonyms these are,
/// nor match them with those of another domain.
pub struct Domain {
    permutation: Aes256,
    keyed: hmac::Key,
}

impl Domain {
    pub(super) fn new(secret: &Secret) -> Result<Self, Error> {
        Ok(Self { permutation: Aes256::new(&Array::from(*secret.bytes())), keyed: secret.derive("pforte/v1/keyed")?.hmac() })
    }

    /// The customer ID of a subject: AES-256 of the one block that a subject ID is, so no two subjects ever share one.
    #[must_use]
    pub fn customer(&self, s: SubjectId) -> CustomerId {
        let mut block = Array::from(s.0);
        self.permutation.encrypt_block(&mut block);
        CustomerId(block.into())
    }

    /// The subject that a customer ID of this domain stands for. Any 16 bytes give *a* subject ID; whether it is one that
    /// is known must be looked up.
    #[must_use]
    pub fn subject(&self, c: CustomerId) -> SubjectId {
        let mut block = Array::from(c.0);
        self.permutation.decrypt_block(&mut block);
        SubjectId(block.into())
    }

    /// The form in which an identifier leaves: HMAC-SHA-256(domain, kind ‖ 0 ‖ value), base64url without padding.
    #[must_use]
    pub fn keyed(&self, kind: &str, value: &str) -> String {
        let mut mac = hmac::Context::with_key(&self.keyed);
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.sign())
    }
}
