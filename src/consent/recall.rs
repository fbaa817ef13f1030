//! What stands, read from the store: for one person, or for everybody into memory; and whether it is what all decisions come to.

use super::record::{STANDING, StandingRecord, SubjectKey, aad};
use super::{Consents, Error, PAGE};
use crate::id::{NodeId, SubjectId};
use crate::identity::{Identifier, NodeRef};
use crate::policy::Policy;
use crate::store::Batch;
use crate::vault::{self, DataKey, Sealed};

/// Opens what stands for a subject.
pub(super) fn open_standing(key: &DataKey, subject: SubjectId, Sealed(sealed): &Sealed) -> Result<StandingRecord, Error> {
    Ok(serde_json::from_slice(&key.open(&aad(b"standing", subject, 0), sealed)?)?)
}

impl Consents {
    /// What stands for everybody; nothing for those whose key is gone.
    pub(super) fn each_record(
        &self,
        mut take: impl FnMut(SubjectId, Option<&StandingRecord>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = STANDING.scan(&self.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (SubjectKey(subject), sealed) in &page {
                let key = match self.vault.key(*subject) {
                    Ok(key) => key,
                    Err(vault::Error::Shredded) => {
                        take(*subject, None)?;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                take(*subject, Some(&open_standing(&key, *subject, sealed)?))?;
            }
        }
    }

    /// The identifiers about which a record says anything.
    pub(super) fn nodes(&self, record: &StandingRecord) -> Vec<(NodeId, NodeRef)> {
        let waiting = record.pending.iter().flat_map(|waiting| &waiting.names);
        let waiting = waiting.filter(|name| !record.identifiers.contains_key(*name));
        record.identifiers.keys().chain(waiting).filter_map(|name| Some((*name, self.directory.node(*name)?))).collect()
    }

    /// What stands for one owner. The batch conflicts if that changes.
    pub(super) fn standing_of(&self, key: &DataKey, owner: SubjectId, batch: &mut Batch) -> Result<StandingRecord, Error> {
        let at = SubjectKey(owner);
        let mut record = StandingRecord::default();
        match STANDING.get(&self.store, &at)? {
            None => batch.check_absent(STANDING.key(&at)),
            Some(sealed) => {
                record = open_standing(key, owner, &sealed)?;
                // Whoever it was is being let go at this moment; from here on it is a new person who decides.
                record.refuse_closed()?;
                batch.check_equals(STANDING.key(&at), STANDING.value(&sealed));
            }
        }
        Ok(record)
    }

    /// What stands for whoever owns these identifiers, one by one, those left out that nobody knows.
    pub(super) fn each_owner(
        &self,
        identifiers: &[Identifier],
        mut take: impl FnMut(NodeId, &StandingRecord),
    ) -> Result<(), Error> {
        for (name, known) in identifiers.iter().filter_map(|identifier| self.directory.known(identifier)) {
            let owner = self.directory.subject(known);
            let Some(sealed) = STANDING.get(&self.store, &SubjectKey(owner))? else { continue };
            take(name, &open_standing(&self.vault.key(owner)?, owner, &sealed)?);
        }
        Ok(())
    }

    /// Memory learns what is durable.
    pub(super) fn learn(&self, folded: &[(SubjectId, StandingRecord)], policy: &Policy) {
        for (owner, record) in folded {
            if let Some(reference) = self.directory.find(*owner) {
                let nodes = self.nodes(record);
                self.memory.write().learn(reference, &nodes, record, policy);
            }
        }
    }

    /// Whether what stands, on disk and in memory, is what all decisions come to.
    ///
    /// # Errors
    /// [`Error::Drift`] if it is not.
    pub fn fold_check(&self, policy: &Policy) -> Result<(), Error> {
        let mut fresh = self.memory.read().empty();
        let mut seen = Vec::new();
        self.each_record(|subject, record| {
            let Some(record) = record.filter(|record| !record.closed) else { return Ok(()) };
            let mut folded = StandingRecord { restricted: record.restricted, ..StandingRecord::default() };
            self.history(subject)?.iter().for_each(|decision| folded.fold(decision));
            if folded != *record {
                return Err(Error::Drift);
            }
            if let Some(reference) = self.directory.find(subject) {
                let nodes = self.nodes(record);
                fresh.learn(reference, &nodes, record, policy);
                seen.push((reference, nodes));
            }
            Ok(())
        })?;
        let memory = self.memory.read();
        if seen.iter().all(|(subject, nodes)| memory.agrees(&fresh, *subject, nodes)) { Ok(()) } else { Err(Error::Drift) }
    }
}
