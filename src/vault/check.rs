//! The records that bind a store to its keys: for each key its fingerprint, sealed under the master key.

use std::path::Path;

use super::turn::Desk;
use super::{DataKey, Error, Vault};
use crate::store::{Batch, Store};

/// `M ‖ this` → the index key.
pub(super) const INDEX: &[u8] = b"Mvault/index";
/// `M ‖ this` → the key of other digests.
pub(super) const DIGEST: &[u8] = b"Mvault/digest";
/// What the keys of all binding records begin with.
const BOUND: &[u8] = b"Mvault/";
/// `M ‖ this ‖ name` → a domain's key.
const DOMAIN: &[u8] = b"Mvault/domain/";
/// The longest name of a domain.
const DOMAIN_NAME_BYTES_MAX: usize = 40;
/// How many records are read at a time.
const PAGE: usize = 256;

/// Whether the store was ever bound to keys.
pub(super) fn is_there(store: &Store) -> Result<bool, Error> {
    Ok(store.get(INDEX)?.is_some())
}

/// Whether the store is bound to keys that this one seals. A store that is bound to none is.
pub(super) fn belongs(store: &Store, check: &DataKey) -> Result<bool, Error> {
    Ok(store.get(INDEX)?.is_none_or(|sealed| check.open(INDEX, &sealed).is_ok()))
}

/// Seals all binding records under another key, in one commit. What was sealed under it already stays.
pub(super) fn reseal(store: &Store, (old, new): (&DataKey, &DataKey), path: &Path) -> Result<(), Error> {
    let mut batch = Batch::default();
    for (record, sealed) in store.scan(BOUND, None, usize::MAX)? {
        if new.open(&record, &sealed).is_ok() {
            continue;
        }
        let plain = old.open(&record, &sealed).map_err(|_foreign| Error::OtherKeys { path: path.to_owned() })?;
        batch.put(record.clone(), new.seal(&record, &plain)?);
    }
    if !batch.is_empty() {
        store.commit_blocking(batch)?;
    }
    Ok(())
}

/// The record of a domain.
pub(super) fn domain(name: &str) -> Result<Vec<u8>, Error> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > DOMAIN_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(Error::DomainName);
    }
    Ok([DOMAIN, name.as_bytes()].concat())
}

impl Vault {
    pub(super) const fn desk(&self) -> Desk<'_> {
        Desk { store: &self.store, folder: &self.folder, check: &self.check, chance: &self.chance }
    }

    /// Every domain that ever had customer IDs must still have its key, or they could not be traced back.
    pub(super) fn bind_domains(&self) -> Result<(), Error> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(DOMAIN, after.as_deref(), PAGE)?;
            for (key, _) in &page {
                let name = key.strip_prefix(DOMAIN).and_then(|name| std::str::from_utf8(name).ok()).ok_or(Error::DomainName)?;
                self.domain(name)?;
            }
            match page.into_iter().next_back() {
                None => return Ok(()),
                Some((key, _)) => after = Some(key),
            }
        }
    }
}
