//! The records that bind a store to its keys: a fingerprint of each key, sealed under the master key.

use std::path::Path;

use super::{DOMAIN_NAME_BYTES_MAX, DataKey, Domain, Error, Secret, Vault};
use crate::store::{self, Batch, Store};

/// `M ‖ this` → the fingerprint of the index key.
const INDEX: &[u8] = b"Mvault/index";
/// What the keys of all binding records begin with.
const BOUND: &[u8] = b"Mvault/";
/// `M ‖ this ‖ name` → the fingerprint of a domain's key.
const DOMAIN: &[u8] = b"Mvault/domain/";
/// How many records are read at a time.
const PAGE: usize = 256;

/// Whether the store was ever bound to keys.
pub(super) fn is_there(store: &Store) -> Result<bool, Error> {
    Ok(store.get(INDEX)?.is_some())
}

/// A key that does not belong to the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Misfit {
    Master,
    Index,
}

/// The key that does not fit the store, if one does not.
pub(super) fn fits(store: &Store, check: &DataKey, index: &Secret) -> Result<Option<Misfit>, Error> {
    let Some(sealed) = store.get(INDEX)? else { return Ok(None) };
    match check.open(INDEX, &sealed) {
        Ok(stored) if stored == fingerprint(index)?.bytes() => Ok(None),
        Ok(_) => Ok(Some(Misfit::Index)),
        Err(Error::Unreadable) => Ok(Some(Misfit::Master)),
        Err(error) => Err(error),
    }
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

impl Vault {
    /// Binds a new store to its keys.
    pub(super) fn bind(&self, index: &Secret) -> Result<(), Error> {
        if !is_there(&self.store)? {
            self.put_check(INDEX, index)?;
        }
        self.bind_domains()
    }

    /// Every domain that ever had customer IDs must still have its key, or they could not be traced back.
    fn bind_domains(&self) -> Result<(), Error> {
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

    /// Reads a domain's key and checks that it is the right one, or makes it.
    pub(super) fn new_domain(&self, name: &str) -> Result<Domain, Error> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > DOMAIN_NAME_BYTES_MAX || !name.bytes().all(allowed) {
            return Err(Error::DomainName);
        }
        let file = format!("domains/{name}.key");
        let record = [DOMAIN, name.as_bytes()].concat();
        let bound = self.store.get(&record)?;
        let secret = match self.folder.read(&file)? {
            Some(secret) => secret,
            None if bound.is_some() => return Err(Error::KeyMissing { path: self.folder.path(&file) }),
            None => self.folder.create(&file, &self.chance)?,
        };
        match bound {
            None => self.put_check(&record, &secret)?,
            Some(sealed) => {
                if self.check.open(&record, &sealed)? != fingerprint(&secret)?.bytes() {
                    return Err(Error::OtherKeys { path: self.folder.path(&file) });
                }
            }
        }
        Domain::new(&secret)
    }

    fn put_check(&self, record: &[u8], secret: &Secret) -> Result<(), Error> {
        let sealed = self.check.seal(record, fingerprint(secret)?.bytes())?;
        let mut batch = Batch::default();
        batch.check_absent(record.to_vec());
        batch.put(record.to_vec(), sealed);
        // On a thread of its own: a domain can be asked for first by a request, and a runtime's thread must not block in
        // the store's own wait.
        std::thread::scope(|scope| scope.spawn(|| self.store.commit_blocking(batch)).join())
            .unwrap_or(Err(store::Error::Conflict))?;
        Ok(())
    }
}

fn fingerprint(secret: &Secret) -> Result<Secret, Error> {
    secret.derive("pforte/v1/fingerprint")
}
