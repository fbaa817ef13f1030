//! How long what somebody decided is remembered, and how they are let go when that is over.
//!
//! A grant is remembered as long as it holds, and then as long as it may have to be proven (GDPR Art. 7(1), 5(2)); a refusal as long as
//! a grant would hold, so that nobody is asked again at once. Where a grant would hold until it is withdrawn, a refusal and an
//! objection are remembered until an erasure.
//!
//! Letting go takes two steps. *Closing* replaces what stands by a mark, only if it still stands as it was seen: a decision at the same
//! moment either keeps the person here or becomes a new person's. What is closed is durable, so that it is completed after a crash.

use super::record::{DECISIONS, STANDING, Stand, StandingRecord, State, SubjectKey, aad};
use super::{Consents, Error, PAGE, open_standing};
use crate::clock::{DAY_MS, Millis};
use crate::id::SubjectId;
use crate::policy::Policy;
use crate::store::Batch;
use crate::vault::{DataKey, Sealed};

/// What is remembered of what somebody decided.
#[derive(Clone, Debug)]
pub struct Memorable {
    /// Until when; the end of time if it is until an erasure.
    pub until: Millis,
    /// Whether everything is only stored (Art. 18): then nothing goes.
    pub restricted: bool,
    /// What stood when it was looked at.
    seen: Option<Sealed>,
}

/// Until when what stands is remembered.
pub(super) fn remembered_until(record: &StandingRecord, policy: &Policy) -> Millis {
    let stands = record.subject.iter().chain(record.identifiers.values().flatten());
    let waits = record.pending.iter().map(|waiting| waiting.until);
    stands.map(|(purpose, stand)| one(purpose, *stand, policy)).chain(waits).max().unwrap_or(Millis::MIN)
}

fn one(purpose: &str, Stand(state, at, expires, _): Stand, policy: &Policy) -> Millis {
    let proof = |ended| policy.controller.after(policy.controller.end_of_year_after(ended, policy.proof_years));
    // A purpose that the policy gave up asks for nothing.
    let known = policy.purpose(purpose).and_then(|index| policy.purposes.get(index)).filter(|known| known.retention_days > 0);
    let refusal = known.map_or(Millis::MIN, |known| {
        known.consent_days.map_or(Millis::MAX, |days| at.saturating_add(Millis::from(days) * DAY_MS))
    });
    match (state, expires) {
        (State::Granted, Some(end)) => proof(end),
        (State::Granted, None) => known.map_or_else(|| proof(at), |_| Millis::MAX),
        (State::Withdrawn, _) => refusal.max(proof(at)),
        (State::Denied, _) => refusal,
        (State::Pending, end) => end.unwrap_or(at),
    }
}

impl Consents {
    /// What is remembered of a subject's decisions.
    ///
    /// # Errors
    /// What store and vault say; [`crate::vault::Error::Shredded`] if the subject was erased.
    pub fn memorable(&self, subject: SubjectId, policy: &Policy) -> Result<Memorable, Error> {
        let Some(seen) = STANDING.get(&self.store, &SubjectKey(subject))? else {
            return Ok(Memorable { until: Millis::MIN, restricted: false, seen: None });
        };
        let record = open_standing(&self.vault.key(subject)?, subject, &seen)?;
        let until = remembered_until(&record, policy);
        Ok(Memorable { until, restricted: record.restricted, seen: Some(seen) })
    }

    /// Puts into the batch that everything a subject decided goes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forget(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), Error> {
        // Deletes of what is not there cost a durable commit all the same.
        if STANDING.get(&self.store, &SubjectKey(subject))?.is_some() {
            STANDING.delete(batch, &SubjectKey(subject));
        }
        let mut after = None;
        loop {
            let page = DECISIONS.scan(&self.store, &subject.0, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            page.iter().for_each(|(key, _)| DECISIONS.delete(batch, key));
        }
    }

    /// Takes over that a subject's decisions are gone. Invariant: the directory still knows the subject.
    pub fn forgotten(&self, subject: SubjectId) {
        if let Some(reference) = self.directory.find(subject) {
            let nodes = self.directory.nodes_of(reference);
            self.memory.write().remove(reference, &nodes);
        }
    }

    /// Puts into the batch that what a subject decided goes, and that the subject itself is about to. The batch conflicts if something
    /// was decided since it was looked at, or the subject's keys changed.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn close(&self, subject: SubjectId, memorable: &Memorable, batch: &mut Batch) -> Result<(), Error> {
        let at = SubjectKey(subject);
        self.vault.check_unchanged(subject, batch)?;
        match &memorable.seen {
            None => batch.check_absent(STANDING.key(&at)),
            Some(seen) => batch.check_equals(STANDING.key(&at), STANDING.value(seen)),
        }
        self.forget(subject, batch)?;
        let sealed = mark(&self.vault.key(subject)?, subject)?;
        STANDING.put(batch, &at, &Sealed(sealed));
        Ok(())
    }

    /// Makes the batch conflict if a subject is let go meanwhile, or decides something.
    ///
    /// # Errors
    /// [`crate::vault::Error::Shredded`] if they are gone, or about to be; what the store says.
    pub fn check_open(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), Error> {
        let at = SubjectKey(subject);
        match STANDING.get(&self.store, &at)? {
            None => batch.check_absent(STANDING.key(&at)),
            Some(seen) => {
                open_standing(&self.vault.key(subject)?, subject, &seen)?.refuse_closed()?;
                batch.check_equals(STANDING.key(&at), STANDING.value(&seen));
            }
        }
        Ok(())
    }

    /// Who was closed and is not gone yet, as the store says at the start: the work was cut off.
    #[must_use]
    pub fn closed(&self) -> Vec<SubjectId> {
        std::mem::take(&mut self.closed.lock())
    }

    /// Puts into the batch that the mark of a closed subject goes, too. Its key must be gone.
    pub fn gone(&self, subject: SubjectId, batch: &mut Batch) {
        STANDING.delete(batch, &SubjectKey(subject));
    }
}

fn mark(key: &DataKey, subject: SubjectId) -> Result<Vec<u8>, Error> {
    let record = StandingRecord { closed: true, ..StandingRecord::default() };
    Ok(key.seal(&aad(b"standing", subject, 0), &serde_json::to_vec(&record)?)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy;

    fn at(text: &str) -> Millis {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn grants_are_remembered_for_their_proof_and_refusals_as_long_as_a_grant_would_hold() {
        let policy = policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap();
        let begun = at("2026-01-10T10:00:00Z");
        let days = |n: Millis| begun + n * DAY_MS;
        for (purpose, state, expires, until) in [
            // It ends in February 2027, so its proof at the end of 2030.
            ("analytics", State::Granted, Some(days(395)), at("2030-12-31T23:00:00Z")),
            ("analytics", State::Granted, None, Millis::MAX),
            ("analytics", State::Withdrawn, None, at("2029-12-31T23:00:00Z")),
            ("analytics", State::Denied, None, days(395)),
            ("marketing_email", State::Denied, None, days(730)),
            ("given-up", State::Granted, None, at("2029-12-31T23:00:00Z")),
            ("given-up", State::Denied, None, Millis::MIN),
        ] {
            let mut record = StandingRecord::default();
            record.subject.insert(purpose.to_owned(), Stand(state, begun, expires, None));
            assert_eq!(remembered_until(&record, &policy), until, "{purpose} {state:?}");
        }
        assert_eq!(remembered_until(&StandingRecord::default(), &policy), Millis::MIN);
    }
}
