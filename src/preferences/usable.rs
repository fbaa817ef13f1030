//! What may be used of what somebody stated, and for what.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Error, Preferences, Statement};
use crate::clock::{DAY_MS, Millis};
use crate::id::SubjectId;
use crate::policy::{Preference, Purposes};
use crate::profile::Gathering;

/// A preference that may be used for something now.
#[derive(Debug)]
pub struct Usable {
    /// Its ID.
    pub id: String,
    /// For what it may be used; not empty.
    pub purposes: Purposes,
    /// The value.
    pub value: Box<RawValue>,
}

impl Preferences {
    /// What may be used now of what people who are one customer stated.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn usable(&self, subjects: &[SubjectId], gathering: &Gathering<'_>) -> Result<Vec<Usable>, Error> {
        let standing = self.standing(subjects, gathering.policy, gathering.at)?;
        let mut found = Vec::with_capacity(standing.preferences.len());
        for (id, statement) in standing.preferences {
            let Some((_, preference)) = gathering.policy.preference(&id) else { continue };
            let purposes = statement.usable_for(preference, gathering);
            if !purposes.is_empty() {
                found.push(Usable { id, purposes, value: serde_json::value::to_raw_value(&statement.value)? });
            }
        }
        Ok(found)
    }

    /// What a purpose may know, for a profile.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn known_for(
        &self,
        subjects: &[SubjectId],
        purpose: usize,
        gathering: &Gathering<'_>,
    ) -> Result<BTreeMap<String, Value>, Error> {
        let standing = self.standing(subjects, gathering.policy, gathering.at)?;
        let known = standing.preferences.into_iter().filter(|(id, statement)| {
            gathering
                .policy
                .preference(id)
                .is_some_and(|(_, preference)| statement.usable_for(preference, gathering).has(purpose))
        });
        Ok(known.map(|(id, statement)| (id, statement.value)).collect())
    }
}

impl Statement {
    /// For what it may be used now: what the policy ties the preference to, what the identifiers allow that it was stated with, and what
    /// it is not too old for.
    #[must_use]
    pub fn usable_for(&self, preference: &Preference, gathering: &Gathering<'_>) -> Purposes {
        let by_consent = preference.purposes.and(gathering.allowed(&self.names));
        let is_fresh = |index: &usize| {
            let days = gathering.policy.purposes.get(*index).map_or(0, |purpose| purpose.retention_days);
            self.at.saturating_add(Millis::from(days) * DAY_MS) > gathering.at
        };
        by_consent.indexes().filter(is_fresh).fold(Purposes::NONE, |all, index| all.or(Purposes::one(index)))
    }
}
