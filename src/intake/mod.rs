//! Check → resolve → gate → outbox: what happens to events between the door and the outbox.
//!
//! Promises: an event that may go nowhere leaves nothing behind but a count (P1); a message is kept once (same commit as
//! its deduplication key); an answer is given only after the commit (P7); one bad event harms no neighbour (P10).
//! It does not know destinations: what leaves, and in which form, is decided again when the outbox is emptied.

mod count;
mod dedupe;
pub mod http;
mod keep;

use std::sync::Arc;

use count::Tally;
pub use count::{Counters, Line};
use dedupe::{Claim, Claims, Dedupe};
use keep::Looked;
pub use keep::Sender;
use tokio::sync::oneshot;

use crate::clock::{Chance, Clock, Millis};
use crate::consent::signal::Visit;
use crate::consent::{self, Besides, Consents, KeptBack, Method, Order, Recorded, Signal};
use crate::error::{Code, Problem};
use crate::events::Event;
use crate::events::consent_object;
use crate::events::parse::{Events, Rejected};
use crate::gate::explain::{Asked, LinkExplanation};
use crate::gate::{self, Explanation, Question};
use crate::identity::{self, Directory, Found, Identifier, Resolved};
use crate::policy::{Policy, Purposes};
use crate::store::{self, Store};
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

impl Answer {
    fn add(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.withheld += more.withheld;
        self.duplicates += more.duplicates;
        self.rejected.extend(more.rejected);
    }
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
    /// Whether somebody who is concerned was erased meanwhile.
    #[must_use]
    pub const fn is_shredded(&self) -> bool {
        match self {
            Self::Vault(vault::Error::Shredded) => true,
            Self::Identity(error) => error.is_shredded(),
            Self::Consent(error) => error.is_shredded(),
            Self::Vault(_) | Self::Store(_) => false,
        }
    }

    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        match self {
            Self::Store(store::Error::Busy) => true,
            Self::Consent(error) => error.is_busy(),
            Self::Store(_) | Self::Vault(_) | Self::Identity(_) => false,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.is_busy() {
            return Self::new(Code::Overloaded).retry_after(1);
        }
        tracing::error!(%error, "events could not be taken");
        Self::new(Code::Unavailable).retry_after(5)
    }
}

/// What the intake works with.
pub struct Intake {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    chance: Chance,
    dedupe: Arc<Dedupe>,
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
            dedupe: Arc::new(Dedupe::open(store, clock.now())?),
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

    /// Takes the events of one request. What is answered is durable, and what relied on a grant that a decision among them ended is not
    /// on its way any more.
    ///
    /// # Errors
    /// When the store cannot take more; then nothing is kept of the events since the last commit, and the sender may retry
    /// the whole request: what had been kept is recognised.
    pub async fn accept(&self, sender: Sender<'_>, events: Events<'_>) -> Result<Answer, Error> {
        let Events { good, places, rejected } = events;
        let (mut answer, mut decided) = (Answer { rejected, ..Answer::default() }, Vec::new());
        // A decision in the middle of a request decides what comes after it, so each begins a stretch of its own.
        let mut begin = 0;
        for (at, event) in good.iter().enumerate().filter(|(_, event)| consent_object::is_preference_update(event)) {
            self.keep_all(sender, good.get(begin..at).unwrap_or_default(), &mut answer).await?;
            begin = at;
            match self.record_decisions(sender, event).await? {
                Ok(recorded) => decided.extend(recorded),
                Err(rejected) => {
                    answer.rejected.push((places.get(at).copied().unwrap_or_default(), rejected));
                    begin = at + 1;
                }
            }
        }
        self.keep_all(sender, good.get(begin..).unwrap_or_default(), &mut answer).await?;
        self.consents.fence(&decided).await;
        answer.rejected.sort_by_key(|(index, _)| *index);
        self.count_rejected(sender, &answer);
        Ok(answer)
    }

    async fn keep_all(&self, sender: Sender<'_>, mut rest: &[Event<'_>], answer: &mut Answer) -> Result<(), Error> {
        while !rest.is_empty() {
            let covered = self.keep(sender, rest, answer).await?;
            rest = rest.get(covered..).unwrap_or_default();
        }
        Ok(())
    }

    fn count_rejected(&self, sender: Sender<'_>, answer: &Answer) {
        let mut tally = Tally::default();
        for (_, rejected) in &answer.rejected {
            tally.one(("", rejected.code));
        }
        self.counters.add(sender.source_id(), tally);
    }

    /// Records what a consent banner reports by an event, if the source is trusted with it. From others it changes nothing.
    /// A repetition of the message is not recorded again: it would undo what was decided since. What is recorded is in force, and still
    /// to be fenced.
    async fn record_decisions(&self, sender: Sender<'_>, event: &Event<'_>) -> Result<Result<Option<Recorded>, Rejected>, Error> {
        let Sender { policy, source, received_at, signal } = sender;
        if !policy.sources.get(source).is_some_and(|s| s.trusted_consent_events) {
            return Ok(Ok(None));
        }
        let decisions = match consent_object::preference_update(event, policy) {
            None => return Ok(Ok(None)),
            Some(Err(rejected)) => return Ok(Err(rejected)),
            Some(Ok(decisions)) => decisions,
        };
        let identifiers = identity::extract(event, policy, &self.vault).identifiers;
        if decisions.is_empty() || identifiers.is_empty() {
            return Ok(Ok(None));
        }
        let key = self.decision_key(sender, event);
        let mut claims = Claims::new(Arc::clone(&self.dedupe));
        loop {
            match claims.claim(key, received_at) {
                Claim::Seen => return Ok(Ok(None)),
                Claim::Busy => self.dedupe.changed(key).await,
                Claim::Ours => break,
            }
        }
        let (stream, entry) = Dedupe::entry(key, received_at);
        let mut order = Order {
            identifiers,
            decisions,
            notice: None,
            language: None,
            method: Method::Event,
            source,
            actor: None,
            at: received_at,
            policy: Arc::clone(policy),
            mark: Some((stream, entry.to_vec())),
            besides: Besides::default(),
        };
        let consents = Arc::clone(&self.consents);
        let (tell, told) = oneshot::channel();
        // A task of its own: a client that hangs up must not leave memory behind the store.
        actix_web::rt::spawn(async move {
            let outcome = async {
                if let Some(signal) = signal {
                    consents.heed_with(signal, &mut order).await?;
                }
                if order.decisions.is_empty() { Ok(None) } else { consents.decide(order).await.map(Some) }
            };
            let outcome: Result<Option<Recorded>, consent::Error> = outcome.await;
            let (is_kept, recorded) = (outcome.is_ok(), outcome.as_ref().ok().cloned().flatten());
            // Nobody may wait any more.
            drop(tell.send(outcome));
            // As long as this takes, a repetition of the message waits as well: to answer it acknowledges the same.
            consents.fence(recorded.as_slice()).await;
            if is_kept {
                claims.settle();
            }
        });
        match told.await {
            Ok(Ok(recorded)) => Ok(Ok(recorded)),
            Ok(Err(consent::Error::Suppressed)) => Ok(Ok(None)),
            Ok(Err(error)) => Err(error.into()),
            Err(_ended) => Err(store::Error::Closed.into()),
        }
    }

    /// Records what the signal of a browser refuses of what stands for whoever its event states; what relied on that is not on its way any
    /// more.
    async fn heed(
        &self,
        sender: Sender<'_>,
        signal: Signal,
        (refused, identifiers): (Purposes, Vec<Identifier>),
    ) -> Result<(), Error> {
        let Sender { source, received_at: at, .. } = sender;
        let (consents, policy) = (Arc::clone(&self.consents), Arc::clone(sender.policy));
        // A task of its own: a client that hangs up must not leave memory behind the store.
        let task = actix_web::rt::spawn(async move {
            consents.heed(signal, refused, Visit { identifiers, source, policy: &policy, at }).await
        });
        match task.await {
            Ok(Ok(_) | Err(consent::Error::Suppressed)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_ended) => Err(store::Error::Closed.into()),
        }
    }

    /// Says where an event would go and why, without keeping anything.
    #[must_use]
    pub fn explain(&self, policy: &Policy, (source, event): (usize, &Event<'_>), language: &str, at: Millis) -> Explanation {
        let looked = self.look(policy, (source, at), std::slice::from_ref(event)).pop().unwrap_or_default();
        let Looked { stated, found: Found { resolved, .. }, standing, .. } = looked;
        let customer = self.consents.customer(&resolved, policy, at);
        let narrowing = consent_object::narrowing(event, policy);
        let question = Question {
            source,
            event,
            standing: &standing,
            narrowing: &narrowing,
            has_identifier: !stated.identifiers.is_empty(),
        };
        let links = self.links(policy, &resolved);
        let asked = Asked { identifiers: &stated.identifiers, links, lang: language, received_at: at };
        gate::explain(policy, &question, &asked, |destination| {
            let domain = self.vault.domain(&destination.domain).ok()?;
            Some((domain.customer(customer?), domain))
        })
    }

    fn links(&self, policy: &Policy, resolved: &Resolved) -> Vec<LinkExplanation> {
        let kept_back = self.consents.kept_back_by(resolved, policy).into_iter();
        let link = |by: KeptBack| LinkExplanation {
            identifier: policy.identifiers.get(by.kind).map(|typed| typed.id.clone()).unwrap_or_default(),
            over: if by.linked { "link" } else { "person" },
            linked_to: by.others,
            purposes: policy.names(by.purposes).into_iter().map(str::to_owned).collect(),
        };
        kept_back.map(link).collect()
    }
}
