//! Restriction of processing (GDPR Art. 18): what is there is stored, and nothing else is done with it, until it is lifted.

use super::request::{Request, RequestId, State};
use super::{Error, Rights};
use crate::consent;
use crate::vault;

/// How the note is called that says that it is in force.
const IN_FORCE: &str = "restricted";

impl Rights {
    /// Puts an approved restriction in force, or ends one that was lifted. What was on the wire when it begins has arrived or failed when
    /// it is noted.
    pub(super) async fn restrict(&self, id: RequestId) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        if request.state != State::Running {
            return Ok(());
        }
        let in_force = request.acts.iter().any(|act| act.what == IN_FORCE);
        if in_force && !request.lifted {
            return Ok(());
        }
        self.set_restricted(&request).await?;
        let at = self.deps.clock.now();
        if request.lifted {
            request.close(State::Done);
            request.note(at, "gateway", "done", None);
        } else {
            self.deps.forwarder.fence().await;
            request.note(at, "gateway", IN_FORCE, None);
        }
        self.save(id, &request).await
    }

    async fn set_restricted(&self, request: &Request) -> Result<(), Error> {
        let policy = self.deps.policy.current();
        // Somebody may have asked for it twice; it ends when the last of them is lifted.
        let others: Vec<Request> = self
            .list(Some(State::Running))?
            .into_iter()
            .map(|(_, other)| other)
            .filter(|other| other.kind == request.kind && !other.lifted && request.lifted)
            .collect();
        for hex in &request.subjects {
            let kept = others.iter().any(|other| other.subjects.contains(hex));
            let Some(subject) = super::erase::subject(hex) else { continue };
            match self.deps.consents.restrict(subject, kept || !request.lifted, &policy).await {
                // Erased meanwhile: there is nothing left to restrict.
                Ok(()) | Err(consent::Error::Vault(vault::Error::Shredded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
