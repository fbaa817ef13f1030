//! An identifier of somebody is corrected (GDPR Art. 16): the old value leads to nobody any more, and the new one, if there is one, to
//! them.
//!
//! It is still the same identifier of the same person, under the same lasting name: what was stored and decided under it holds, grants
//! and refusals alike (`docs/decisions/0003` says why that is no link). An identifier that is simply not theirs, or whose right value
//! they have already, stands in the index under random bits from then on, which no value leads to.

use super::directory::Directory;
use super::record::{Entry, INDEX, Owner, VALUES, ValueKey, value_aad};
use super::{Admission, Error, Identifier};
use crate::id::{Blind, SubjectId};
use crate::store::{self, Batch, Store};
use crate::vault::Sealed;

/// What is to be corrected.
#[derive(Clone, Copy, Debug)]
pub struct Correction<'a> {
    /// The value that is wrong.
    pub old: &'a Identifier,
    /// The right one; `None` if the old one is simply not theirs.
    pub new: Option<&'a Identifier>,
}

/// Why an identifier cannot be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The old value does not lead to them.
    NotTheirs,
    /// The new value leads to somebody else. People are never merged.
    Taken,
}

/// What memory must learn when a correction is durable.
pub struct Corrected {
    to: Entry,
    owner: Owner,
}

impl Directory {
    /// Whose identifier this is, if it is one of these people's and can be corrected.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn correctable(&self, correction: Correction<'_>, people: &[SubjectId]) -> Result<SubjectId, Hindrance> {
        let owner = |identifier: &Identifier| self.owner(identifier).map(|owner| self.subject(owner));
        let subject = owner(correction.old).filter(|owner| people.contains(owner)).ok_or(Hindrance::NotTheirs)?;
        let other = correction.new.and_then(owner);
        if other.is_some_and(|other| other != subject) { Err(Hindrance::Taken) } else { Ok(subject) }
    }

    /// Puts a correction into the batch, which conflicts if one of the identifiers changes hands meanwhile. The caller has asked
    /// [`Directory::correctable`].
    ///
    /// # Errors
    /// A conflict if the identifiers have changed since; what store, vault and chance say.
    pub fn correct(
        &self,
        store: &Store,
        context: &Admission<'_>,
        (subject, correction): (SubjectId, Correction<'_>),
        batch: &mut Batch,
    ) -> Result<Corrected, Error> {
        let memory = self.memory.read();
        let blinds = self.blinds(correction.old);
        let changed = || Error::Store(store::Error::Conflict);
        let node = memory.find(&blinds).filter(|node| memory.id(memory.owner(*node)) == subject).ok_or_else(changed)?;
        let entry = memory.entry(node).ok_or_else(changed)?;
        let owner = INDEX.get(store, &entry)?.ok_or_else(changed)?;
        context.vault.check_index(blinds.epoch, batch)?;
        batch.check_equals(INDEX.key(&entry), INDEX.value(&owner));
        INDEX.delete(batch, &entry);
        let place = ValueKey { subject, name: owner.name };
        let new = correction.new.map(|new| (new, self.blinds(new)));
        let to = match new.map(|(new, blinds)| (new, blinds, memory.find(&blinds))) {
            Some((new, blinds, None)) => {
                batch.check_absent(INDEX.key(&Entry::of(&blinds)));
                if let Some(former) = Entry::before(&blinds) {
                    batch.check_absent(INDEX.key(&former));
                }
                context.vault.check_unchanged(subject, batch)?;
                let sealed = context.vault.key(subject)?.seal(&value_aad(&place), new.value.as_bytes())?;
                VALUES.put(batch, &place, &Sealed(sealed));
                Entry::of(&blinds)
            }
            Some((.., Some(there))) if memory.id(memory.owner(there)) != subject => return Err(changed()),
            Some(_) | None => {
                VALUES.delete(batch, &place);
                Entry { epoch: blinds.epoch, blind: Blind(context.chance.bytes()?) }
            }
        };
        INDEX.put(batch, &to, &owner);
        Ok(Corrected { to, owner })
    }

    /// Takes over a correction that has become durable. Doing so twice changes nothing.
    pub fn corrected(&self, corrected: &Corrected) {
        self.memory.write().moved(corrected.to, &corrected.owner);
    }
}
