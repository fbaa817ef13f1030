//! Restriction (GDPR Art. 18): what is known of somebody is stored and nothing else is done with it.

use super::record::{STANDING, SubjectKey, aad};
use super::{Consents, Error, TRIES_MAX};
use crate::id::SubjectId;
use crate::policy::Policy;
use crate::store::{self, Batch};
use crate::vault::Sealed;

impl Consents {
    /// Restricts the processing of a subject's data, or ends that (GDPR Art. 18). It holds from the moment in which this returns, and
    /// is durable then; nothing of the subject is on its way any more.
    ///
    /// # Errors
    /// What store and vault say; [`crate::vault::Error::Shredded`] if the subject was erased.
    pub async fn restrict(&self, subject: SubjectId, restricted: bool, policy: &Policy) -> Result<(), Error> {
        let at = SubjectKey(subject);
        let mut tries = 0;
        loop {
            let (key, mut batch) = (self.vault.key(subject)?, Batch::default());
            self.vault.check_unchanged(subject, &mut batch)?;
            let mut record = self.standing_of(&key, subject, &mut batch)?;
            record.restricted = restricted;
            let sealed = key.seal(&aad(b"standing", subject, 0), &serde_json::to_vec(&record)?)?;
            STANDING.put(&mut batch, &at, &Sealed(sealed));
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.learn(&[(subject, record)], policy);
                    if restricted {
                        self.fence_people(&[subject]).await;
                    }
                    return Ok(());
                }
                Err(store::Error::Conflict) if tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a subject's data may only be stored (Art. 18).
    #[must_use]
    pub fn is_restricted(&self, subject: SubjectId) -> bool {
        self.directory.find(subject).is_some_and(|known| self.memory.read().is_restricted(known))
    }

    /// Everybody whose data may only be stored; few.
    #[must_use]
    pub fn restricted(&self) -> Vec<SubjectId> {
        let all: Vec<_> = self.memory.read().restricted().collect();
        all.into_iter().map(|known| self.directory.subject(known)).collect()
    }
}
