//! Storage limitation (GDPR Art. 5(1)(e)): what is over goes on its own.
//!
//! What it is for: once a day, and after every start, everything is looked through. Events go when every purpose that they were let
//! through for is over; what a duty keeps goes after its last day; and people of whom nothing is left to be kept are let go as if they had
//! been erased: identifiers, links, decisions, the list of who had received something, and their keys.
//!
//! It **promises**
//! - nobody is let go of whom something may still be needed: an event, a grant or a refusal that is remembered, a consent that may have
//!   to be proven, a recipient who may still hold something, an open request, an event that waits to be sent;
//! - nothing of people whose processing is restricted goes (Art. 18(1)(b) and (c));
//! - a run that was cut off is completed by the next; each step can be done again.
//!
//! It **refuses to know** what was decided or what events say: it asks the rooms below until when.

pub mod http;
mod overview;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::{DAY_MS, Millis};
use crate::consent::{self, Consents, Memorable};
use crate::forward::{recipients, waiting};
use crate::id::SubjectId;
use crate::identity::{self, Directory};
use crate::policy::{self, Policy};
use crate::preferences::{self, Preferences};
use crate::profile::{self, ORPHANED_DAYS, Profiles};
use crate::rights::{self, Rights};
use crate::store::{self, Batch, Store};
use crate::vault::{self, Class, Vault};
pub use record::Run;
use record::{Latest, RUNS};

/// How many people are looked at before others get their turn.
const PAGE: usize = 1024;
/// How many people are let go before it is looked again who waits.
const LOAD: usize = 4096;
/// How many people go in one commit.
const COMMIT: usize = 64;
/// How many keys of a duty are shredded at a time.
const ENDED_AT_ONCE: usize = 1024;

/// Why a run was cut off. The next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The profile store refused.
    #[error(transparent)]
    Profile(#[from] profile::Error),
    /// What was decided could not be read or changed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// Who has what could not be read or changed.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// What people stated could not be read or changed.
    #[error(transparent)]
    Preferences(#[from] preferences::Error),
    /// Requests could not be read.
    #[error(transparent)]
    Rights(#[from] rights::Error),
}

impl Error {
    /// Whether somebody else changed the same at the same moment.
    #[must_use]
    const fn is_conflict(&self) -> bool {
        match self {
            Self::Store(store::Error::Conflict) => true,
            Self::Identity(error) => error.is_conflict(),
            Self::Preferences(error) => error.is_conflict(),
            Self::Store(_) | Self::Vault(_) | Self::Profile(_) | Self::Consent(_) | Self::Rights(_) => false,
        }
    }
}

/// What this room needs.
pub struct Deps {
    /// What is stored.
    pub store: Store,
    /// Keys.
    pub vault: Arc<Vault>,
    /// Who identifiers belong to.
    pub directory: Arc<Directory>,
    /// What people decided.
    pub consents: Arc<Consents>,
    /// The embedded profile store.
    pub profiles: Arc<Profiles>,
    /// What people state about themselves.
    pub preferences: Arc<Preferences>,
    /// What people ask for.
    pub rights: Arc<Rights>,
    /// What the policy is.
    pub policy: policy::Handle,
}

/// The schedule.
pub struct Retention {
    deps: Arc<Deps>,
    /// Who was closed and is not gone yet.
    closed: Mutex<Vec<SubjectId>>,
    latest: Mutex<Option<Run>>,
    /// One run at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Retention {
    /// Opens the room. Nothing is done before [`Retention::run`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(deps: Deps) -> Result<Self, store::Error> {
        let latest = Mutex::new(RUNS.get(&deps.store, &Latest)?);
        let closed = Mutex::new(deps.consents.closed());
        Ok(Self { deps: Arc::new(deps), closed, latest, turn: tokio::sync::Mutex::default() })
    }

    /// The latest run; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<Run> {
        self.latest.lock().clone()
    }

    /// Drops events that are over, completes what was cut off, and once a day looks through everybody.
    ///
    /// # Errors
    /// The first failure; the next run goes on.
    pub async fn run(&self, at: Millis) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let policy = self.deps.policy.current();
        self.deps.profiles.sweep(&policy, &self.deps.consents.restricted(), at).await?;
        let begun: Vec<SubjectId> = self.closed.lock().clone();
        for some in begun.chunks(LOAD) {
            self.finish(some).await?;
        }
        let today = policy.controller.day(at);
        let done = |run: &Run| run.ended_at.is_some_and(|ended| policy.controller.day(ended) >= today);
        if self.latest.lock().as_ref().is_some_and(done) {
            return Ok(());
        }
        self.run_all(&policy, Run { begun_at: at, ..Run::default() }).await
    }

    async fn run_all(&self, policy: &Arc<Policy>, mut run: Run) -> Result<(), Error> {
        let at = run.begun_at;
        let (deps, year) = (&self.deps, policy.controller.day(at).year());
        deps.directory.tidy_suppressions(&deps.store, year, at).await?;
        self.end_duties(policy, &mut run).await?;
        deps.preferences.sweep(policy, at).await?;
        let (mut from, mut load) = (0, Vec::new());
        loop {
            let (page, next) = self.deps.directory.page(from, PAGE);
            let over = next == from;
            load.extend(self.blocking(policy, move |deps, policy| deps.left(policy, page, at)).await?);
            if load.len() >= LOAD || (over && !load.is_empty()) {
                self.let_go(policy, std::mem::take(&mut load), &mut run).await?;
            }
            if over {
                break;
            }
            from = next;
        }
        run.ended_at = Some(at);
        self.note(&run).await?;
        let Run { people, duties_ended, duties_held, .. } = run;
        tracing::info!(people, duties_ended, duties_held, "what was over is gone");
        Ok(())
    }

    async fn note(&self, run: &Run) -> Result<(), Error> {
        let mut batch = Batch::default();
        RUNS.put(&mut batch, &Latest, run);
        self.deps.store.commit(batch).await?;
        *self.latest.lock() = Some(run.clone());
        Ok(())
    }

    /// Ends what duties keep whose last day is over.
    async fn end_duties(&self, policy: &Arc<Policy>, run: &mut Run) -> Result<(), Error> {
        for (class, term) in self.deps.profiles.terms() {
            if !policy.controller.is_over(term.until, run.begun_at) {
                run.duties_held += self.deps.profiles.held_count(class)? as u64;
                continue;
            }
            let mut after = None;
            loop {
                let page = self.deps.profiles.held(class, after, ENDED_AT_ONCE)?;
                let Some(last) = page.last() else { break };
                after = Some(*last);
                let over: Vec<SubjectId> =
                    page.into_iter().filter(|subject| !self.deps.consents.is_restricted(*subject)).collect();
                self.deps.profiles.end(class, &over).await?;
                run.duties_ended += over.len() as u64;
            }
            if !self.deps.profiles.close(class).await? {
                run.duties_held += self.deps.profiles.held_count(class)? as u64;
            }
        }
        Ok(())
    }

    /// Lets people go. Whoever has come back meanwhile stays.
    async fn let_go(&self, policy: &Arc<Policy>, load: Vec<SubjectId>, run: &mut Run) -> Result<(), Error> {
        let at = run.begun_at;
        let going = self.blocking(policy, move |deps, policy| deps.still_left(policy, load, at)).await?;
        let mut gone = Vec::with_capacity(going.len());
        for some in going.chunks(COMMIT) {
            match self.close(some, policy, at).await {
                Ok(()) => gone.extend(some.iter().map(|(subject, _)| *subject)),
                // One of them has decided something at this moment. The others go by themselves.
                Err(error) if error.is_conflict() => {
                    for one in some.chunks(1) {
                        match self.close(one, policy, at).await {
                            Ok(()) => gone.extend(one.iter().map(|(subject, _)| *subject)),
                            Err(error) if error.is_conflict() => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        run.people += gone.len() as u64;
        // What was submitted before is durable when this is, so whoever waits is seen.
        self.note(run).await?;
        self.finish(&gone).await
    }

    /// Makes everything go that is found by who they are, and remembers that the rest is to go.
    async fn close(&self, some: &[(SubjectId, Memorable)], policy: &Policy, at: Millis) -> Result<(), Error> {
        let deps = &self.deps;
        let mut batch = Batch::default();
        for (subject, memorable) in some {
            deps.directory.forget(&deps.store, *subject, &mut batch)?;
            deps.consents.close(*subject, memorable, &mut batch)?;
            deps.preferences.close(*subject, policy, at, &mut batch)?;
            self.deps.profiles.forget_corrections(*subject, &mut batch)?;
        }
        deps.store.commit(batch).await?;
        for (subject, _) in some {
            deps.consents.forgotten(*subject);
            deps.directory.forgotten(*subject);
            deps.profiles.forgotten(*subject);
            self.closed.lock().push(*subject);
        }
        Ok(())
    }

    /// Shreds the keys of people who were closed, and removes what is left. Of whom an event came in at the last moment keeps the key
    /// until it was sent.
    async fn finish(&self, closed: &[SubjectId]) -> Result<(), Error> {
        if closed.is_empty() {
            return Ok(());
        }
        let policy = self.deps.policy.current();
        let waits = self.blocking(&policy, |deps, _| Ok(waiting::subjects(&deps.store)?)).await?;
        let over: Vec<SubjectId> = closed.iter().copied().filter(|subject| !waits.contains(subject)).collect();
        let keys: Vec<(SubjectId, Class)> = over.iter().map(|subject| (*subject, Class::STANDARD)).collect();
        self.blocking(&policy, move |deps, _| Ok(deps.vault.shred(&keys)?)).await?;
        for some in over.chunks(COMMIT) {
            let mut batch = Batch::default();
            recipients::forget_received(&self.deps.store, some, &mut batch)?;
            for subject in some {
                self.deps.directory.forget(&self.deps.store, *subject, &mut batch)?;
                self.deps.consents.gone(*subject, &mut batch);
            }
            self.deps.store.commit(batch).await?;
            some.iter().for_each(|subject| self.deps.directory.forgotten(*subject));
        }
        let over: HashSet<SubjectId> = over.into_iter().collect();
        self.closed.lock().retain(|subject| !over.contains(subject));
        Ok(())
    }

    /// Does something beside the runtime: it reads a lot, or waits for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        policy: &Arc<Policy>,
        work: impl FnOnce(&Deps, &Policy) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (deps, policy) = (Arc::clone(&self.deps), Arc::clone(policy));
        let done = tokio::task::spawn_blocking(move || work(&deps, &policy)).await;
        done.map_err(|_panicked| store::Error::Closed)?
    }
}

impl Deps {
    /// Those of whom nothing is left to be kept, as far as can be seen from who they are.
    fn left(&self, policy: &Policy, some: Vec<SubjectId>, at: Millis) -> Result<Vec<SubjectId>, Error> {
        let mut found = Vec::new();
        for subject in some {
            if self.is_left(policy, subject, at)?.is_some() {
                found.push(subject);
            }
        }
        Ok(found)
    }

    /// The same after it was looked who waits and who has asked for something: what waited then and does not any more has left its
    /// traces by now.
    fn still_left(&self, policy: &Policy, some: Vec<SubjectId>, at: Millis) -> Result<Vec<(SubjectId, Memorable)>, Error> {
        let (waits, concerned) = (waiting::subjects(&self.store)?, self.rights.concerned()?);
        let mut found = Vec::new();
        for subject in some.into_iter().filter(|subject| !waits.contains(subject) && !concerned.contains(subject)) {
            found.extend(self.is_left(policy, subject, at)?.map(|memorable| (subject, memorable)));
        }
        Ok(found)
    }

    fn is_left(&self, policy: &Policy, subject: SubjectId, at: Millis) -> Result<Option<Memorable>, Error> {
        if self.profiles.knows(&[subject]) {
            return Ok(None);
        }
        let memorable = match self.consents.memorable(subject, policy) {
            Ok(memorable) => memorable,
            // Somebody else is erasing them.
            Err(error) if error.is_shredded() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if memorable.restricted || memorable.until > at || self.preferences.kept_until(subject, policy)? > at {
            return Ok(None);
        }
        let received = recipients::of(&self.store, subject)?;
        let over = |(id, received): (&String, &crate::forward::Received)| {
            received.latest_at().saturating_add(Millis::from(held_for(policy, id)) * DAY_MS) <= at
        };
        Ok(received.iter().all(over).then_some(memorable))
    }
}

/// For how many days a recipient may hold what it got, and has to be named: the longest retention of its purposes.
fn held_for(policy: &Policy, destination: &str) -> u32 {
    let Some((_, known)) = policy.destination(destination) else { return ORPHANED_DAYS };
    let purposes = policy.purposes.iter().enumerate().filter(|(index, _)| known.purposes.has(*index));
    purposes.map(|(_, purpose)| purpose.retention_days).max().unwrap_or(0).max(ORPHANED_DAYS)
}
