//! What the browser of somebody who is signed in says on its own. The rules are those of a banner (`docs/signals.md`); whom the request
//! states is whoever was proven.

use super::{Error, Person, Portal};
use crate::clock::Millis;
use crate::consent::signal::Visit;
use crate::consent::{Recorded, Signal};
use crate::policy::{Conflict, Policy};

/// In decisions that come through no source.
pub(super) const NO_SOURCE: usize = usize::MAX;

/// What a signal does to a purpose: nothing, or which of the two prevails if somebody allows it while the signal is set.
pub(super) fn sways(policy: &Policy, signal: Option<Signal>, purpose: usize) -> Option<Conflict> {
    let gpc = policy.signals.gpc.as_ref().filter(|gpc| signal.is_some() && gpc.purposes.has(purpose))?;
    Some(gpc.conflict)
}

impl Portal {
    /// Heeds the signal that somebody's browser sends: what it refuses ends, for everything that was proven, and is durable when this
    /// returns. Nothing is recorded if nothing changes.
    ///
    /// # Errors
    /// What consent says.
    pub async fn heed(&self, person: &Person, signal: Signal, at: Millis) -> Result<Option<Recorded>, Error> {
        let (policy, consents) = (self.policy(), &self.rooms.consents);
        let standing = consents.standing(&self.rooms.directory.resolve(&person.identifiers), at);
        let refused = consents.refused_by_signal(&person.identifiers, &standing, &policy, at)?;
        if refused.is_empty() {
            return Ok(None);
        }
        let identifiers = person.identifiers.clone();
        let visit = Visit { identifiers, source: NO_SOURCE, policy: &policy, at };
        Ok(Some(consents.heed(signal, refused, visit).await?))
    }
}
