//! What stands for stated identifiers, as it is shown to whoever has them.

use std::collections::BTreeMap;

use super::record::{Stand, State};
use super::{Consents, Error};
use crate::clock::Millis;
use crate::identity::Identifier;

/// What stands for one purpose: the state, since when, and when a grant or the waiting for a confirmation ends.
pub type Standpoint = (State, Millis, Option<Millis>);

impl Consents {
    /// What stands for one identifier, purpose by purpose, with the server's times. Nothing if it is not known. A wish that waits for its
    /// confirmation is shown unless the purpose is granted already.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn stands(&self, identifiers: &[Identifier], at: Millis) -> Result<BTreeMap<String, Standpoint>, Error> {
        let mut all = BTreeMap::new();
        self.each_owner(identifiers, |name, record| {
            let stands = record.identifiers.get(&name).cloned().unwrap_or_default();
            all.extend(stands.into_iter().map(|(purpose, Stand(state, at, expires, _))| (purpose, (state, at, expires))));
            for waiting in record.pending.iter().filter(|waiting| waiting.until > at && waiting.names.contains(&name)) {
                let granted = |(state, _, end): &Standpoint| *state == State::Granted && end.is_none_or(|end| end > at);
                if !all.get(&waiting.purpose).is_some_and(granted) {
                    all.insert(waiting.purpose.clone(), (State::Pending, waiting.at, Some(waiting.until)));
                }
            }
        })?;
        Ok(all)
    }

    /// What waits for a confirmation, whatever else stands: since when, and until when.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn waits(&self, identifiers: &[Identifier], at: Millis) -> Result<BTreeMap<String, (Millis, Millis)>, Error> {
        let mut all = BTreeMap::new();
        for (name, known) in identifiers.iter().filter_map(|identifier| self.directory.known(identifier)) {
            let record = self.standing_record(self.directory.subject(known))?;
            let waiting = record.pending.into_iter().filter(|waiting| waiting.until > at && waiting.names.contains(&name));
            all.extend(waiting.map(|waiting| (waiting.purpose, (waiting.at, waiting.until))));
        }
        Ok(all)
    }
}
