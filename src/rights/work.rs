//! What was approved is done: here at once, at recipients beside it, so that one that does not answer holds up nobody.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Error, Kind, Rights, State};
use crate::clock::Millis;

/// How long work rests at most when nothing is due, in milliseconds.
const PAUSE_MAX_MS: Millis = 3_600_000;
/// How long work rests that has failed.
const FAILED_PAUSE: Duration = Duration::from_secs(30);
/// How many requests' recipients are told at the same time.
const TOLD_AT_ONCE: usize = 16;

impl Rights {
    /// Does what was approved, for as long as the process runs. What fails is tried again.
    pub async fn run(&self) {
        tokio::join!(self.run_here(), self.run_telling(), self.run_calling());
    }

    async fn run_here(&self) {
        loop {
            let done = self.work().await;
            // Perhaps somebody is to be told now.
            self.telling.notify_one();
            let pause = self.pause(done.map(|()| None));
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn run_telling(&self) {
        loop {
            let pause = self.pause(self.tell_all().await);
            tokio::select! {
                () = self.telling.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn run_calling(&self) {
        loop {
            let pause = self.pause(self.call_back().await);
            tokio::select! {
                () = self.calling.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn pause(&self, done: Result<Option<Millis>, Error>) -> Duration {
        match done {
            Ok(due) => {
                let wait = due.map_or(PAUSE_MAX_MS, |due| (due - self.deps.clock.now()).clamp(0, PAUSE_MAX_MS));
                Duration::from_millis(u64::try_from(wait).unwrap_or(0))
            }
            Err(error) => {
                tracing::error!(%error, "requests of people wait; they are tried again");
                FAILED_PAUSE
            }
        }
    }

    /// Does what can be done here now.
    ///
    /// # Errors
    /// The first failure; what comes after it was done all the same.
    pub async fn work(&self) -> Result<(), Error> {
        let mut failed = Ok(());
        for (id, request) in self.list(Some(State::Running))? {
            let done = match request.kind {
                Kind::Erasure => self.erase(id).await,
                Kind::Objection => self.object(id).await,
                Kind::Restriction => self.restrict(id).await,
                Kind::Rectification => self.rectify(id).await,
                Kind::Access | Kind::Portability => self.make_available(id).await,
            };
            failed = failed.and(done);
        }
        failed
    }

    /// Tells whoever is due, and says when the next is.
    ///
    /// # Errors
    /// The first failure; the others were told all the same.
    pub async fn tell_all(&self) -> Result<Option<Millis>, Error> {
        let running = self.list(Some(State::Running))?;
        let waiting = running.iter().filter(|(_, request)| request.next_telling().is_some());
        let told = futures_util::stream::iter(waiting).map(|(id, _)| self.tell(*id)).buffer_unordered(TOLD_AT_ONCE);
        let told: Vec<Result<Option<Millis>, Error>> = told.collect().await;
        let mut due: Option<Millis> = None;
        for next in told {
            due = due.into_iter().chain(next?).min();
        }
        Ok(due)
    }
}
