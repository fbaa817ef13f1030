//! What was stated goes: with an erasure, and when it is over.

use super::merge::ends;
use super::record::{Entry, HISTORY, STATED, Whose};
use super::{Error, HISTORY_MAX, Preferences, sealed};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::policy::Policy;
use crate::store::{self, Batch};
use crate::vault::Sealed;

/// How many records are read at a time.
const PAGE: usize = 256;

impl Preferences {
    /// Puts into the batch that everything a subject stated goes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forget(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), store::Error> {
        // Most people state nothing: an erasure writes no more than it has to.
        if STATED.get(&self.store, &Whose(subject))?.is_none() {
            return Ok(());
        }
        STATED.delete(batch, &Whose(subject));
        let most = usize::try_from(HISTORY_MAX).unwrap_or(usize::MAX);
        HISTORY.scan(&self.store, &subject.0, None, most)?.iter().for_each(|(entry, _)| HISTORY.delete(batch, entry));
        Ok(())
    }

    /// The same if nothing is left to be kept; the batch conflicts if something is stated meanwhile.
    ///
    /// # Errors
    /// A conflict if something is left; what store and vault say.
    pub fn close(&self, subject: SubjectId, policy: &Policy, at: Millis, batch: &mut Batch) -> Result<(), Error> {
        if self.kept_until(subject, policy)? > at {
            return Err(store::Error::Conflict.into());
        }
        match STATED.get(&self.store, &Whose(subject))? {
            None => batch.check_absent(STATED.key(&Whose(subject))),
            Some(stored) => batch.check_equals(STATED.key(&Whose(subject)), STATED.value(&stored)),
        }
        Ok(self.forget(subject, batch)?)
    }

    /// Until when something that a subject stated is kept.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn kept_until(&self, subject: SubjectId, policy: &Policy) -> Result<Millis, Error> {
        let Some(Sealed(bytes)) = STATED.get(&self.store, &Whose(subject))? else { return Ok(Millis::MIN) };
        let record = self.open(subject, &bytes)?.unwrap_or_default();
        Ok(record.said.iter().map(|(about, said)| ends(policy, about, said.at)).max().unwrap_or(Millis::MIN))
    }

    /// Takes away what is over, its history included. Of people whose processing is restricted nothing goes (Art. 18). Says of how many
    /// people something went.
    ///
    /// # Errors
    /// What store and vault say; the next run goes on.
    pub async fn sweep(&self, policy: &Policy, at: Millis) -> Result<usize, Error> {
        let (mut after, mut swept) = (None, 0);
        loop {
            let page = STATED.scan(&self.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(swept) };
            after = Some(*last);
            for (Whose(subject), stored) in &page {
                if self.consents.is_restricted(*subject) {
                    continue;
                }
                match self.sweep_one((*subject, stored), policy, at).await {
                    Ok(went) => swept += usize::from(went),
                    // They state something, or are erased, at this moment.
                    Err(error) if error.is_passing() => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    async fn sweep_one(&self, (subject, stored): (SubjectId, &Sealed), policy: &Policy, at: Millis) -> Result<bool, Error> {
        let Some(mut record) = self.open(subject, &stored.0)? else { return Ok(false) };
        let count = record.said.len();
        record.said.retain(|about, said| ends(policy, about, said.at) > at);
        if record.said.len() == count {
            return Ok(false);
        }
        let (mut batch, key) = (Batch::default(), self.vault.key(subject)?);
        self.vault.check_unchanged(subject, &mut batch)?;
        batch.check_equals(STATED.key(&Whose(subject)), STATED.value(stored));
        if record.said.is_empty() {
            STATED.delete(&mut batch, &Whose(subject));
        } else {
            STATED.put(&mut batch, &Whose(subject), &sealed(&key, b"preferences", (subject, 0), &record)?);
        }
        for (number, mut noted) in self.noted(subject)? {
            let entry = Entry { subject, number };
            let count = noted.changes.len();
            noted.changes.retain(|about, _| ends(policy, about, noted.at) > at);
            if noted.changes.is_empty() {
                HISTORY.delete(&mut batch, &entry);
            } else if noted.changes.len() < count {
                HISTORY.put(&mut batch, &entry, &sealed(&key, b"preferences past", (subject, number), &noted)?);
            }
        }
        self.store.commit(batch).await?;
        Ok(true)
    }
}

impl From<Error> for crate::profile::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => Self::Store(error),
            Error::Vault(error) => Self::Vault(error),
            Error::Value { .. }
            | Error::Changed
            | Error::Nobody
            | Error::Suppressed
            | Error::Identity(_)
            | Error::Consent(_)
            | Error::Form(_) => Self::Store(store::Error::Damaged { what: String::from("what somebody stated cannot be read") }),
        }
    }
}
