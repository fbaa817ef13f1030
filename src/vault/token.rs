//! What seals something for whoever brings a token: random bits that are given out once and stored nowhere.

use super::keys::Secret;
use super::{DataKey, Error, Vault};

impl Vault {
    /// The key of a token. It takes the token *and* the gateway's keys: what is sealed under it is noise for whoever has everything that
    /// is stored, and as good as shredded when the token is forgotten.
    ///
    /// # Errors
    /// [`Error::Unreadable`], which does not happen.
    pub fn token_key(&self, token: &[u8; 32]) -> Result<DataKey, Error> {
        let bound = self.mac.whole([b"token\0".as_slice(), token]);
        Ok(DataKey::new(Secret::new(bound).derive("pforte/v1/token")?))
    }
}
