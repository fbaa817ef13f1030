//! Restriction of processing (GDPR Art. 18): what is there is stored, and nothing else is done with it, until it is lifted.

use super::request::{Request, RequestId, State};
use super::{Error, Rights};
use crate::consent;
use crate::id::SubjectId;
use crate::vault;

/// How the notes are called that say that it is in force, and that it is so no more.
const IN_FORCE: &str = "restricted";
/// See [`IN_FORCE`].
const LIFTED: &str = "unrestricted";

impl Rights {
    /// Puts an approved restriction in force, or ends one that was lifted. What was on the wire when it begins has arrived or failed when
    /// it is noted; then recipients are told.
    pub(super) async fn restrict(&self, id: RequestId) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        if request.state != State::Running {
            return Ok(());
        }
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        if self.are_erased(&request)? {
            // There is nothing left to be restricted, and recipients were told to erase it.
            request.close(State::Done);
            request.note(at, "gateway", "erased", None);
            return self.save(id, &request).await;
        }
        if request.has(LIFTED) {
            return self.settle(id, request).await;
        }
        if !request.has(IN_FORCE) {
            self.set_restricted(&request.concerned(), true).await?;
            self.deps.forwarder.fence().await;
            let recipients = self.recipients(&request.concerned())?;
            request.begin_telling(recipients, &policy, at);
            request.note(at, "gateway", IN_FORCE, None);
            let to = self.addressee(&request);
            self.save_and_tell(id, &mut request, to).await?;
        }
        if !request.lifted {
            return Ok(());
        }
        let over = self.not_restricted_otherwise(&request)?;
        self.set_restricted(&over, false).await?;
        // Whoever was told that it begins is told that it ends, unless another request still restricts it.
        let recipients = if over.is_empty() { Vec::new() } else { std::mem::take(&mut request.recipients) };
        request.begin_telling(recipients, &policy, at);
        request.note(at, "gateway", LIFTED, None);
        self.save(id, &request).await?;
        self.settle(id, request).await
    }

    async fn set_restricted(&self, subjects: &[SubjectId], restricted: bool) -> Result<(), Error> {
        let policy = self.deps.policy.current();
        for subject in subjects {
            match self.deps.consents.restrict(*subject, restricted, &policy).await {
                // Erased meanwhile: there is nothing left to restrict.
                Ok(()) | Err(consent::Error::Vault(vault::Error::Shredded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Those whom no other request restricts. Somebody may have asked twice; then it ends with the last.
    fn not_restricted_otherwise(&self, request: &Request) -> Result<Vec<SubjectId>, Error> {
        let mut over = request.concerned();
        for (_, other) in self.running()? {
            if other.kind == request.kind && !other.lifted {
                let held = other.concerned();
                over.retain(|subject| !held.contains(subject));
            }
        }
        Ok(over)
    }

    /// Whether everybody whom the request was about has been erased since.
    fn are_erased(&self, request: &Request) -> Result<bool, Error> {
        let subjects = request.concerned();
        for subject in &subjects {
            match self.deps.vault.key(*subject) {
                Err(vault::Error::Shredded) => {}
                Ok(_) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(!subjects.is_empty())
    }
}
