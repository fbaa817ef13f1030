//! Requests that still concern somebody, so that not all that were ever filed are opened for each look.

use std::collections::HashSet;

use super::{Error, Request, RequestId, Rights};
use crate::clock::{DAY_MS, Millis};
use crate::vault;

/// Which requests may. None that does is missing: one is added before it is stored, and goes only when what is stored is settled, which
/// it stays. What could not be stored remains until the next start.
#[derive(Default)]
pub(super) struct Live {
    /// Whether the store was looked through.
    known: bool,
    ids: HashSet<RequestId>,
    /// When what is old was deleted last.
    swept_at: Option<Millis>,
}

impl Live {
    /// Whether a day has passed since what is old was deleted.
    pub(super) fn is_sweep_due(&self, at: Millis) -> bool {
        self.swept_at.is_none_or(|last| last.saturating_add(DAY_MS) <= at)
    }

    pub(super) const fn swept(&mut self, at: Millis) {
        self.swept_at = Some(at);
    }
}

impl Rights {
    /// Takes over that a request is about to be stored.
    pub(super) fn note_live(&self, id: RequestId) {
        self.live.lock().ids.insert(id);
    }

    /// Takes over that a request concerns nobody any more.
    pub(super) fn note_settled(&self, id: RequestId) {
        self.live.lock().ids.remove(&id);
    }

    /// The requests that are open, and those that still know whom they are about because something can be fetched; oldest first. It reads
    /// from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn live(&self) -> Result<Vec<(RequestId, Request)>, Error> {
        self.know_live()?;
        let ids: Vec<RequestId> = self.live.lock().ids.iter().copied().collect();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            match self.get(id) {
                Ok(request) if request.is_settled() => self.note_settled(id),
                Ok(request) => found.push((id, request)),
                // Not stored yet, or it is being deleted at this moment.
                Err(Error::NotFound | Error::Vault(vault::Error::Shredded)) => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_by_key(|(id, request)| (request.received_at, *id));
        Ok(found)
    }

    /// Looks through the store once.
    fn know_live(&self) -> Result<(), Error> {
        if !self.live.lock().known {
            let all = self.list(None)?;
            let mut live = self.live.lock();
            live.ids.extend(all.iter().filter(|(_, request)| !request.is_settled()).map(|(id, _)| *id));
            live.known = true;
        }
        Ok(())
    }
}

impl Request {
    /// Whether it is over and has forgotten whom it was about. It never leaves this state.
    pub(super) fn is_settled(&self) -> bool {
        self.state.is_over() && self.subjects.is_empty() && self.asked_by.is_empty() && !self.names_somebody()
    }
}
