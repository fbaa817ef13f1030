//! What a decision about a request would concern, before it is taken: how much, at whom; nothing of it in clear.

use super::{Error, Request, Rights};
use crate::forward::recipients::{self, Sum};
use crate::id::SubjectId;
use crate::policy::Way;

/// What is known here of whoever a request names.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// How many people and devices.
    pub concerned: usize,
    /// Devices and addresses that others use as well; they would be left alone.
    pub shared: usize,
    /// How many events the embedded profile store has.
    pub events: u64,
    /// How many decisions they took.
    pub decisions: usize,
    /// Who has received something: the destination, how many events, and whether a person would have to see to an erasure there.
    pub recipients: Vec<(String, u64, bool)>,
    /// What a law obliges to keep: which law, and how many records.
    pub kept: Vec<(String, u64)>,
}

impl Rights {
    /// What an open request would concern. Reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn outlook(&self, request: &Request) -> Result<Outlook, Error> {
        let policy = self.deps.policy.current();
        let mut resolved = request.clone();
        if request.subjects.is_empty() {
            resolved.shared_devices = 0;
            self.resolve(&mut resolved, &policy)?;
        }
        let subjects = resolved.concerned();
        let mut decisions = 0;
        let mut sums: std::collections::BTreeMap<String, Sum> = std::collections::BTreeMap::new();
        for subject in &subjects {
            decisions += self.decided(*subject)?;
            for (id, received) in recipients::of(&self.deps.store, *subject)? {
                sums.entry(id).or_default().add(received);
            }
        }
        let by_hand =
            |id: &str| policy.destination(id).is_none_or(|(_, d)| matches!(d.erasure.way, Way::Manual | Way::Unsupported));
        let received = sums.into_iter().filter_map(|(id, sum)| sum.received().map(|received| (id, received.events)));
        let kept = self.deps.profiles.kept_counts(&subjects)?;
        Ok(Outlook {
            concerned: subjects.len(),
            shared: resolved.shared_devices,
            events: self.deps.profiles.count(&subjects),
            decisions,
            recipients: received.map(|(id, events)| (id.clone(), events, by_hand(&id))).collect(),
            kept: kept.into_iter().map(|(term, records)| (term.duty, records)).collect(),
        })
    }

    /// How many decisions somebody took; none if they are gone.
    fn decided(&self, subject: SubjectId) -> Result<usize, Error> {
        match self.deps.consents.history(subject) {
            Ok(history) => Ok(history.len()),
            Err(error) if error.is_shredded() => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
