//! What was approved is done: here at once, at recipients beside it, so that one that does not answer holds up nobody.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Error, Kind, Request, RequestId, Rights, State};
use crate::clock::Millis;

/// How long work rests at most when nothing is due, in milliseconds.
const PAUSE_MAX_MS: Millis = 3_600_000;
/// How long work rests that has failed.
const FAILED_PAUSE: Duration = Duration::from_secs(30);
/// How many requests' recipients are told at the same time.
const TOLD_AT_ONCE: usize = 16;

/// Which requests run, so that not all that were ever filed are looked through for each act.
#[derive(Default)]
pub(super) struct Running {
    /// Whether the store was looked through.
    known: bool,
    /// Those that run or may soon, each with whom it is about to erase. None that runs is missing.
    requests: HashMap<RequestId, Vec<String>>,
}

impl Rights {
    /// Takes over that a request is about to be stored like this.
    pub(super) fn note_running(&self, id: RequestId, request: &Request) {
        if request.state == State::Running {
            self.running.lock().requests.insert(id, about_to_erase(request));
        }
    }

    /// The requests that run, oldest first.
    ///
    /// # Errors
    /// What store and vault say.
    pub(super) fn running(&self) -> Result<Vec<(RequestId, Request)>, Error> {
        self.know_running()?;
        let ids: Vec<RequestId> = self.running.lock().requests.keys().copied().collect();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            match self.get(id) {
                Ok(request) if request.state == State::Running => found.push((id, request)),
                // What is over never runs again; what is not may have been approved a moment ago.
                Ok(request) if !request.state.is_over() => {}
                Ok(_) | Err(Error::NotFound) => _ = self.running.lock().requests.remove(&id),
                Err(error) => return Err(error),
            }
        }
        found.sort_by_key(|(id, request)| (request.received_at, *id));
        Ok(found)
    }

    /// Looks through the store once.
    fn know_running(&self) -> Result<(), Error> {
        if !self.running.lock().known {
            let all = self.live()?;
            let mut running = self.running.lock();
            let those = all.iter().filter(|(_, request)| request.state == State::Running);
            running.requests.extend(those.map(|(id, request)| (*id, about_to_erase(request))));
            running.known = true;
        }
        Ok(())
    }

    /// What somebody is about to be erased from takes nothing else: it would be about nothing a moment later.
    pub(super) fn not_being_erased(&self, request: &Request) -> Result<(), Error> {
        self.know_running()?;
        let running = self.running.lock();
        let erased = |subjects: &Vec<String>| subjects.iter().any(|subject| request.subjects.contains(subject));
        let by: Vec<RequestId> = running.requests.iter().filter(|(_, subjects)| erased(subjects)).map(|(id, _)| *id).collect();
        drop(running);
        for id in by {
            let other = self.get(id)?;
            if other.state == State::Running && !about_to_erase(&other).is_empty() {
                return Err(Error::Underway);
            }
        }
        Ok(())
    }

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
        let running = self.running()?;
        let erasures: Vec<RequestId> =
            running.iter().filter(|(_, request)| request.kind == Kind::Erasure).map(|(id, _)| *id).collect();
        let mut failed = self.erase_all(&erasures).await;
        for (id, request) in running {
            let done = match request.kind {
                Kind::Erasure => Ok(()),
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
        let running = self.running()?;
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

/// Whom a request is about to erase.
fn about_to_erase(request: &Request) -> Vec<String> {
    if request.kind == Kind::Erasure && request.shredded.is_none() { request.subjects.clone() } else { Vec::new() }
}
