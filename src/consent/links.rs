//! Which link keeps an event back, for whoever asks why.

use super::Consents;
use crate::identity::{Resolved, SubjectRef};
use crate::policy::{Policy, Purposes};

/// A refusal of somebody else that an event is kept back by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBack {
    /// The type of the stated identifier, as an index of the policy.
    pub kind: usize,
    /// Whether it is linked to whoever refused; otherwise it is theirs, and they refused with another identifier.
    pub linked: bool,
    /// The types of identifiers that they have. Never a value.
    pub others: Vec<String>,
    /// What they refused.
    pub purposes: Purposes,
}

impl Consents {
    /// Whose refusals, besides those of the stated identifiers themselves, hold for an event, and over which link.
    #[must_use]
    pub fn kept_back_by(&self, resolved: &Resolved, policy: &Policy) -> Vec<KeptBack> {
        let refused = |subject: SubjectRef| self.memory.read().refused(subject);
        let mut found = Vec::new();
        for known in &resolved.nodes {
            let own = self.memory.read().refused_with(known.node);
            let mut take = |linked: bool, subject: SubjectRef, others: Vec<String>| {
                let purposes = refused(subject).without(own);
                if !purposes.is_empty() {
                    found.push(KeptBack { kind: known.kind, linked, others, purposes });
                }
            };
            take(false, known.owner, self.directory.kinds_of(known.owner, policy));
            for (subject, others) in self.directory.links_of(known.node, policy) {
                take(true, subject, others);
            }
        }
        found
    }
}
