//! The key that the ledger's checkpoints are signed with: Ed25519, in a file of its own, because a log is known by its key.

use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::keys::Folder;
use super::{DataKey, Error};
use crate::clock::Chance;

const FILE: &str = "ledger.key";

/// Signs heads of the ledger.
pub struct LogKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
    handles: DataKey,
}

impl LogKey {
    /// Reads the key, or makes it when it is missing.
    pub(super) fn open(folder: &Folder, chance: &Chance) -> Result<Self, Error> {
        let secret = match folder.read(FILE)? {
            Some(secret) => secret,
            None => folder.create(FILE, chance)?,
        };
        let seed = secret.derive("pforte/v1/ledger")?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.bytes()).map_err(|_rejected| Error::Unreadable)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_other_length| Error::Unreadable)?;
        let handles = DataKey::new(secret.derive("pforte/v1/handles")?);
        Ok(Self { pair, public, handles })
    }

    /// The signature over a message: 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// Seals what is handed out to find an entry's record again: it lives as long as the log.
    #[must_use]
    pub const fn handles(&self) -> &DataKey {
        &self.handles
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }
}
