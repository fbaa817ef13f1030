//! Check → resolve → gate → outbox: what happens to events between the door and the outbox.
//!
//! Promises: an event that may go nowhere leaves nothing behind but a count (P1); a message is kept once (same commit as
//! its deduplication key); an answer is given only after the commit (P7); one bad event harms no neighbour (P10).
//! It does not know destinations: what leaves, and in which form, is decided again when the outbox is emptied.

pub mod body;
pub mod cors;
mod count;
mod dedupe;
pub mod http;
pub mod settings;
pub mod wire;

use std::sync::Arc;

pub use count::{Counters, Line};
use count::Tally;
use dedupe::{Claim, Dedupe};

use crate::clock::{Chance, Clock, Millis};
use crate::consent::{self, Consents, Method, Order, Standing};
use crate::events::consent_object::{self, Narrowing};
use crate::events::parse::Rejected;
use crate::events::Event;
use crate::gate::{self, Verdict};
use crate::identity::{self, Admission, Directory, Plan, Resolved, Stated};
use crate::outbox;
use crate::policy::Policy;
use crate::store::{self, Batch, Store};
use crate::vault::{self, Vault};

/// How often a commit is tried again when somebody else met the same person at the same moment.
const TRIES_MAX: u32 = 8;

/// What a request's events came to.
#[derive(Debug, Default)]
pub struct Answer {
    /// Events that are in the outbox of at least one destination now.
    pub accepted: usize,
    /// Events that consent (or policy) kept back from every destination.
    pub withheld: usize,
    /// Events that had been taken before.
    pub duplicates: usize,
    /// Events that were not in order: index, and why.
    pub rejected: Vec<(usize, Rejected)>,
}

/// Why a request's events could not be taken. Nothing was kept of those that were not answered for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// Identifiers could not be resolved.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// A decision could not be recorded.
    #[error(transparent)]
    Consent(#[from] consent::Error),
}

impl Error {
    /// Whether trying again at once may work, because somebody else wrote the same thing first.
    const fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(store::Error::Conflict))
    }

    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store::Error::Busy) | Self::Consent(consent::Error::Store(store::Error::Busy)))
    }
}

/// What the intake works with.
pub struct Intake {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    chance: Chance,
    dedupe: Dedupe,
    counters: Counters,
}

impl Intake {
    /// Opens the intake over the rooms below.
    ///
    /// # Errors
    /// When what was seen before cannot be read.
    pub fn open(
        store: &Store,
        vault: &Arc<Vault>,
        directory: &Arc<Directory>,
        consents: &Arc<Consents>,
        clock: &Clock,
    ) -> Result<Self, store::Error> {
        Ok(Self {
            dedupe: Dedupe::open(store, clock.now())?,
            store: store.clone(),
            vault: Arc::clone(vault),
            directory: Arc::clone(directory),
            consents: Arc::clone(consents),
            chance: Chance::system(),
            counters: Counters::default(),
        })
    }

    /// What has happened since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many messages are remembered for deduplication.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.dedupe.len()
    }

    /// Forgets messages that are too old to be sent again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn tidy(&self, at: Millis) -> Result<(), store::Error> {
        self.dedupe.tidy(&self.store, at).await
    }

    /// Takes the events of one request. What is answered is durable.
    ///
    /// # Errors
    /// When the store cannot take more; then nothing is kept of the events since the last commit, and the sender may retry
    /// the whole request: what had been kept is recognised.
    pub async fn accept(
        &self,
        policy: &Arc<Policy>,
        source: usize,
        events: Vec<Result<Event<'_>, Rejected>>,
        received_at: Millis,
    ) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        let mut good = Vec::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            match event {
                Ok(event) => good.push(event),
                Err(rejected) => answer.rejected.push((index, rejected)),
            }
        }
        if let (false, Some(source)) = (answer.rejected.is_empty(), policy.sources.get(source)) {
            let mut tally = Tally::default();
            for (_, rejected) in &answer.rejected {
                tally.one(&source.id, "", rejected.code);
            }
            self.counters.add(&tally);
        }
        let mut rest = good.as_slice();
        while let Some(first) = rest.first() {
            let decided = self.record_decisions(policy, source, first, received_at).await?;
            // A later decision in the same request must find what came before it decided, so it begins a stretch of its own.
            let end = 1 + rest.iter().skip(1).take_while(|e| !consent_object::is_preference_update(e)).count();
            let (mut stretch, later) = rest.split_at(end);
            while !stretch.is_empty() {
                let covered = self.keep(policy, source, stretch, received_at, &mut answer).await?;
                stretch = stretch.get(covered..).unwrap_or_default();
            }
            rest = later;
        }
        Ok(answer)
    }
}
