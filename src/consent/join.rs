//! Under whose name an event goes: several devices and channels are joined only where both ends agreed (P8).

use super::Consents;
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::identity::{Resolved, SubjectRef};
use crate::policy::Policy;

/// How far joining follows links.
const HOPS_MAX: usize = 4;

impl Consents {
    /// The subject whose customer ID an event with these identifiers carries: the owner of the strongest one, joined with
    /// somebody else only if both ends granted the policy's linking purpose.
    #[must_use]
    pub fn customer(&self, resolved: &Resolved, policy: &Policy, at: Millis) -> Option<SubjectId> {
        self.chain(resolved, policy, at).last().map(|subject| self.directory.subject(*subject))
    }

    /// The subject that a subject is joined to; itself if to none.
    #[must_use]
    pub fn joined(&self, subject: SubjectRef, policy: &Policy, at: Millis) -> SubjectRef {
        self.joined_over(subject, policy, at).last().copied().unwrap_or(subject)
    }

    /// From the owner of the strongest identifier to whom it is joined.
    pub(super) fn chain(&self, resolved: &Resolved, policy: &Policy, at: Millis) -> Vec<SubjectRef> {
        let strongest = resolved.nodes.iter().min_by_key(|known| strength(policy, known.kind));
        strongest.map(|known| self.joined_over(known.owner, policy, at)).unwrap_or_default()
    }

    /// A subject, and those over whom it is joined; the last is whom it is joined to.
    fn joined_over(&self, subject: SubjectRef, policy: &Policy, at: Millis) -> Vec<SubjectRef> {
        let Some(linking) = policy.linking else { return vec![subject] };
        let memory = self.memory.read();
        let mut current = subject;
        let mut passed = vec![subject];
        for _ in 0..HOPS_MAX {
            // Whoever has an ID of the company's own is somebody already, and is joined to nobody.
            if self.directory.has_user_id(current, policy) || !memory.subject_allows(current, linking, at) {
                break;
            }
            let linked = self.directory.linked_to(current);
            let [next] = linked.as_slice() else { break };
            if passed.contains(next) || !memory.subject_allows(*next, linking, at) {
                break;
            }
            current = *next;
            passed.push(current);
        }
        passed
    }
}

/// Smaller is stronger: the policy's order, with devices, which may be shared, behind everything else.
fn strength(policy: &Policy, kind: usize) -> (bool, usize) {
    let device = policy.identifiers.get(kind).is_some_and(|t| t.kind == crate::policy::IdentifierKind::Device);
    (device, kind)
}
