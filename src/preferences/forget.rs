//! What somebody wants to be forgotten of what they stated: the values go, wherever they stand; that something was forgotten stays.

use std::collections::BTreeMap;

use serde_json::Value;

use super::record::{Entry, HISTORY, STATED, Whose};
use super::{Error, Preferences, Read, sealed};
use crate::id::SubjectId;
use crate::store::Batch;

impl Preferences {
    /// Puts into the batch that nothing of what is taken away is left in the history of these people, nor with anybody but `own`, where
    /// it stands that it was taken away. Invariant: the batch conflicts if one of them changes.
    pub(super) fn forget_past(
        &self,
        own: SubjectId,
        said: &BTreeMap<String, Value>,
        read: &mut Read,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let goes = |about: &String| said.get(about).is_some_and(Value::is_null);
        for (subject, _, record) in read.0.iter_mut().filter(|(_, stored, _)| stored.is_some()) {
            self.vault.check_unchanged(*subject, batch)?;
            let key = self.vault.key(*subject)?;
            if *subject != own && record.said.keys().any(goes) {
                record.said.retain(|about, _| !goes(about));
                record.number += 1;
                STATED.put(batch, &Whose(*subject), &sealed(&key, b"preferences", (*subject, 0), record)?);
            }
            for (number, mut noted) in self.noted(*subject)? {
                let count = noted.changes.len();
                noted.changes.retain(|about, _| !goes(about));
                let entry = Entry { subject: *subject, number };
                if noted.changes.is_empty() {
                    HISTORY.delete(batch, &entry);
                } else if noted.changes.len() < count {
                    HISTORY.put(batch, &entry, &sealed(&key, b"preferences past", (*subject, number), &noted)?);
                }
            }
        }
        Ok(())
    }
}
