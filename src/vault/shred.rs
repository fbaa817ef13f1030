//! Shredding: what was sealed under a key is noise from then on.

use std::collections::HashMap;

use super::place::{Place, Places};
use super::{Class, Error, Vault};
use crate::id::SubjectId;
use crate::store::{self, Batch};

/// How many subjects are shredded in one commit.
const SHRED_AT_ONCE: usize = 256;
/// How often shredding starts over because somebody gave the subject another key meanwhile.
const SHRED_TRIES: usize = 8;

impl Vault {
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
    pub(super) fn shred_again(&self, keys: &[(SubjectId, Class)]) -> Result<Vec<SubjectId>, Error> {
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
