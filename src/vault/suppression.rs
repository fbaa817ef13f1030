//! The keys of the list of people who are not to be brought back: one for each calendar year.
//!
//! An entry of that list is a keyed digest and nothing else: there is no value that could be digested anew under another key. So keys are
//! not rotated but follow each other: what is noted in a year is noted under that year's key, and when the last entry of a year is over
//! its key is overwritten and removed. Then residues of the entries say nothing any more.

use super::mac::MacKey;
use super::{Error, Vault};

/// What digests identifiers of one year. Cheap to clone.
#[derive(Clone)]
pub struct Suppression(MacKey);

impl Suppression {
    /// The digest of an identifier: HMAC-SHA-256(key, tag of its type ‖ value), cut to 128 bits.
    #[must_use]
    pub fn digest(&self, tag: u32, normalised: &str) -> [u8; 16] {
        self.0.short([tag.to_be_bytes().as_slice(), normalised.as_bytes()])
    }
}

fn name(year: i16) -> String {
    format!("suppression/{year}.key")
}

impl Vault {
    /// The key of a year.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] if it is not there.
    pub fn suppression(&self, year: i16) -> Result<Suppression, Error> {
        let secret = self.folder.read(&name(year))?.ok_or_else(|| Error::KeyMissing { path: self.folder.path(&name(year)) })?;
        Ok(Suppression(secret.derive("pforte/v1/suppression")?.mac()))
    }

    /// The key of a year; made if it is not there.
    ///
    /// # Errors
    /// What the disk says.
    pub fn suppression_or_new(&self, year: i16) -> Result<Suppression, Error> {
        if self.folder.read(&name(year))?.is_none() {
            self.folder.create(&name(year), &self.chance)?;
        }
        self.suppression(year)
    }

    /// Overwrites and removes the key of a year.
    ///
    /// # Errors
    /// What the disk says.
    pub fn end_suppression(&self, year: i16) -> Result<(), Error> {
        self.folder.destroy(&name(year))
    }
}
