//! The data keys of subjects: made, found, remembered.

use super::place::{self, Place, Places};
use super::{Class, DataKey, DataKeys, Error, Secret, Vault};
use crate::id::SubjectId;
use crate::store::Batch;

impl Vault {
    /// Makes the first data key of a new subject, [`Class::STANDARD`]; where it lies goes into the caller's batch, which conflicts
    /// if the subject has one already. What the caller seals with it must be in the same batch or a later one.
    ///
    /// # Errors
    /// [`Error::Chance`] without randomness, and what the store says when new keys have to be made.
    pub fn create(&self, subject: SubjectId, batch: &mut Batch) -> Result<DataKey, Error> {
        let (place, secret) = self.tree.take()?;
        place::put_new(batch, subject, Class::STANDARD, place);
        // Not into the cache: whether it will be durable is not known yet.
        data_key(&secret, subject, Class::STANDARD)
    }

    /// Remembers a key that [`Vault::create`] made and that is durable now, so that the subject's first event need not look for it.
    /// What was shredded meanwhile is not remembered; an ID that was shredded is never used again.
    pub fn learn(&self, subject: SubjectId, key: &DataKey) {
        self.tree.while_it_stands(|| {
            let places = Places::find(&self.store, subject).ok().flatten();
            if places.is_some_and(|places| places.get(Class::STANDARD).is_some()) {
                self.cache.insert(subject, key);
            }
        });
    }

    /// The data keys of a subject for further classes, in their order, made where they are not there; the batch then conflicts if
    /// anything about the subject's keys changes at the same time. Once per subject and batch.
    ///
    /// # Errors
    /// [`Error::Shredded`] if the subject was erased, and as for [`Vault::create`].
    pub fn create_classes(&self, subject: SubjectId, classes: &[Class], batch: &mut Batch) -> Result<Vec<DataKey>, Error> {
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
    pub fn key(&self, subject: SubjectId) -> Result<DataKey, Error> {
        if let Some(key) = self.cache.find(subject) {
            return Ok(key);
        }
        self.find_key(subject, Class::STANDARD, |key| self.cache.insert(subject, key))
    }

    /// Those of several subjects that are at hand already; [`Vault::key`] has to look for the others.
    #[must_use]
    pub fn keys_at_hand(&self, subjects: &[Option<SubjectId>]) -> DataKeys {
        self.cache.find_all(subjects)
    }

    /// The same without keeping it at hand: for work that passes over everybody.
    ///
    /// # Errors
    /// As for [`Vault::key`].
    pub fn key_once(&self, subject: SubjectId) -> Result<DataKey, Error> {
        self.cache.find(subject).map_or_else(|| self.find_key(subject, Class::STANDARD, |_| {}), Ok)
    }

    /// The data key of a subject for what is kept for this class.
    ///
    /// # Errors
    /// As for [`Vault::key`].
    pub fn class_key(&self, subject: SubjectId, class: Class) -> Result<DataKey, Error> {
        if class == Class::STANDARD { self.key(subject) } else { self.find_key(subject, class, |_| {}) }
    }

    fn find_key(&self, subject: SubjectId, class: Class, found: impl Fn(&DataKey)) -> Result<DataKey, Error> {
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
}

/// The key that lies in a place, bound to its holder: in anybody else's hands the same place gives another key.
fn data_key(secret: &Secret, subject: SubjectId, class: Class) -> Result<DataKey, Error> {
    Ok(DataKey::new(secret.derive_for(&[b"pforte/v1/data-key", &subject.0, &[class.0]])?))
}
