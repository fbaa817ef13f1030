//! What an erasure leaves (GDPR Art. 17(3)(b)), and of whom something is asked for.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Error, Rights};
use crate::id::SubjectId;
use crate::identity;

/// What is kept after an erasure, because a law says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Kept {
    /// The duty's ID.
    pub duty: String,
    /// The law.
    pub law: String,
    /// How many records.
    pub records: u64,
    /// The last day; then they go on their own.
    pub until: String,
}

impl Rights {
    /// What duties keep of these subjects.
    pub(super) fn kept(&self, subjects: &[SubjectId]) -> Result<Vec<Kept>, Error> {
        let policy = self.deps.policy.current();
        let language = &policy.controller.language;
        let kept = self.deps.profiles.kept_counts(subjects)?.into_iter();
        Ok(kept
            .map(|(term, records)| Kept {
                law: term.law.get(language).or_else(|| term.law.values().next()).cloned().unwrap_or_default(),
                duty: term.duty,
                records,
                until: term.until.to_string(),
            })
            .collect())
    }

    /// Everybody whom a request concerns that is not over, or whose package can still be fetched.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn concerned(&self) -> Result<HashSet<SubjectId>, Error> {
        let policy = self.deps.policy.current();
        let mut all = HashSet::new();
        for (_, request) in self.list(None)? {
            all.extend(request.subjects.iter().filter_map(|hex| super::erase::subject(hex)));
            for (kind, value) in &request.identifiers {
                let Ok(read) = identity::parse(&policy, &self.deps.vault, kind, value) else { continue };
                all.extend(self.deps.directory.owner(&read).map(|owner| self.deps.directory.subject(owner)));
            }
        }
        Ok(all)
    }
}
