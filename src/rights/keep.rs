//! What an erasure leaves (GDPR Art. 17(3)(b)), and of whom something is asked for.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Deps, Error, Kind, Request, Rights};
use crate::id::SubjectId;
use crate::identity;
use crate::vault;

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

/// Whether somebody is not to be brought back: with an erasure, and only if it is noted what they said.
pub(super) fn suppress(kind: Kind, wanted: bool, why: Option<&str>) -> Result<bool, Error> {
    if wanted && (kind != Kind::Erasure || why.is_none_or(str::is_empty)) {
        return Err(Error::Suppress);
    }
    Ok(wanted)
}

impl Rights {
    /// Puts everything by which these people are known on the list of those who are not to be brought back, if they asked for it. Before
    /// it is forgotten; doing it again changes nothing.
    pub(super) async fn keep_away(&self, request: &mut Request, subjects: &[SubjectId]) -> Result<(), Error> {
        if !request.suppress {
            return Ok(());
        }
        let Deps { store, vault, directory, .. } = &self.deps;
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        let mut values = request.identifiers.clone();
        for subject in subjects {
            match directory.values(store, vault, *subject, &policy) {
                Ok(more) => values.extend(more),
                // It was done, and the keys are gone already.
                Err(identity::Error::Vault(vault::Error::Shredded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        directory.suppress(store, &policy, &values, at).await?;
        if !request.acts.iter().any(|act| act.what == "suppressed") {
            request.note(at, "gateway", "suppressed", None);
        }
        Ok(())
    }

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
        for (_, request) in self.live()? {
            all.extend(request.subjects.iter().filter_map(|hex| super::erase::subject(hex)));
            for (kind, value) in &request.identifiers {
                let Ok(read) = identity::parse(&policy, &self.deps.vault, kind, value) else { continue };
                all.extend(self.deps.directory.owner(&read).map(|owner| self.deps.directory.subject(owner)));
            }
        }
        Ok(all)
    }
}
