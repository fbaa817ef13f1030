//! What stands for identifiers, for whoever asks.

use std::collections::BTreeMap;

use super::record::{STANDING, Stand, SubjectKey};
use super::{Consents, Error, Standpoint, open_standing};
use crate::identity::Identifier;

impl Consents {
    /// What stands for one identifier, purpose by purpose, with the server's times. Nothing if it is not known.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn stands(&self, identifiers: &[Identifier]) -> Result<BTreeMap<String, Standpoint>, Error> {
        let mut all = BTreeMap::new();
        for (name, known) in identifiers.iter().filter_map(|identifier| self.directory.known(identifier)) {
            let owner = self.directory.subject(known);
            let Some(sealed) = STANDING.get(&self.store, &SubjectKey(owner))? else { continue };
            let record = open_standing(&*self.vault.key(owner)?, owner, &sealed)?;
            let stands = record.identifiers.get(&name).cloned().unwrap_or_default();
            all.extend(stands.into_iter().map(|(purpose, Stand(state, at, expires, _))| (purpose, (state, at, expires))));
        }
        Ok(all)
    }
}
