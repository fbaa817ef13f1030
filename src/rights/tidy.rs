//! Requests whose time is over go.

use super::request::REQUESTS;
use super::{Error, KEPT_DAYS, Request, RequestId, Rights, State, opendsr};
use crate::clock::{DAY_MS, Millis};
use crate::store::Batch;
use crate::vault::Class;

impl Rights {
    /// Forgets requests that have been over for [`KEPT_DAYS`].
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn tidy(&self, at: Millis) -> Result<usize, Error> {
        let turn = self.turn.lock().await;
        for (id, mut request) in self.live()? {
            if Self::is_unconfirmed(&request, at) {
                request.close(State::Cancelled);
                request.note(at, "gateway", "never_confirmed", None);
                self.save(id, &request).await?;
            }
            if request.available_until.is_some_and(|until| until < at) && !request.subjects.is_empty() {
                request.close(State::Done);
                self.save(id, &request).await?;
            }
        }
        drop(turn);
        let gone = self.delete_old(at).await?;
        self.progress.lock().retain(|id, _| self.package_is_there(*id).is_ok());
        self.deps.audit.tidy(at).await?;
        self.tidy_links(at).await?;
        Ok(gone)
    }

    /// Deletes what has been over for long enough. It opens all that were ever filed, so it is done once a day.
    async fn delete_old(&self, at: Millis) -> Result<usize, Error> {
        if !self.live.lock().is_sweep_due(at) {
            return Ok(0);
        }
        let (mut gone, mut page) = (0, self.behind(None)?);
        while let Some((last, _)) = page.last() {
            let next = self.behind(Some(*last))?;
            for (id, request) in page {
                let ended = request.acts.last().map_or(request.received_at, |act| act.at);
                if request.state.is_over() && ended.saturating_add(KEPT_DAYS * DAY_MS) < at {
                    self.delete(id, &request).await?;
                    gone += 1;
                }
            }
            page = next;
            tokio::task::yield_now().await;
        }
        self.live.lock().swept(at);
        Ok(gone)
    }

    async fn delete(&self, id: RequestId, request: &Request) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut batch = Batch::default();
        REQUESTS.delete(&mut batch, &id);
        request.origin.iter().for_each(|origin| opendsr::FILED.delete(&mut batch, &origin.key()));
        let mut keys = self.deps.mails.forget(id.0, &mut batch)?;
        keys.push((id.holder(), Class::STANDARD));
        self.deps.store.commit(batch).await?;
        self.note_settled(id);
        self.shred(keys).await
    }
}
