//! Decides a stretch of events and keeps those that may leave, in one commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::dedupe::{self, Claim, Claims, Dedupe};
use super::{Answer, Error, Intake, TRIES_MAX};
use crate::clock::Millis;
use crate::consent::{Signal, Standing};
use crate::events::Event;
use crate::events::consent_object;
use crate::gate::{self, Question, Reason, Verdict};
use crate::id::SubjectId;
use crate::identity::{self, Admission, Found, Identifier, Plan, Stated};
use crate::intake::count::Tally;
use crate::outbox;
use crate::policy::{Policy, Purposes};
use crate::store::{self, Batch, Position, Stream};
use crate::vault::{DataKey, LentKey};

/// Where events wait for their destinations.
const OUTBOX: Stream = outbox::STREAM;

/// Who sent the events, when, and under which policy.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The policy.
    pub policy: &'a Arc<Policy>,
    /// The source's index.
    pub source: usize,
    /// When they came.
    pub received_at: Millis,
    /// What the browser says with every request, if the policy heeds it.
    pub signal: Option<Signal>,
}

impl<'a> Sender<'a> {
    pub(super) fn source_id(self) -> &'a str {
        self.policy.sources.get(self.source).map_or("", |s| s.id.as_str())
    }
}

/// What one try to keep events came to.
struct Attempt {
    batch: Batch,
    plans: Vec<Plan>,
    claims: Claims,
    /// Identifiers that this attempt makes known: who meets one of them again has to wait for the commit.
    fresh: Vec<Identifier>,
    /// How many events went to a destination, or were kept back from it for a reason.
    counts: Tally<(usize, Option<Reason>)>,
    /// Tags of the destinations of one event after the other.
    tags: Vec<u32>,
    /// What there is to say of these events, once it is durable.
    answer: Answer,
    writes: bool,
    /// What the signal refuses of the event that is looked at is recorded already.
    heeded: bool,
}

/// What is known about whose an event is and what holds for it.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) stated: Stated,
    pub(super) found: Found,
    pub(super) standing: Standing,
}

/// What the gate says about an event.
struct Decided<'v> {
    /// One per destination of the policy.
    verdicts: &'v [Verdict],
    /// By which its message is recognised, and whose that is, if the event may go anywhere.
    message: Option<(dedupe::Key, Claim)>,
}

/// What is to be done with one event next.
enum Step {
    /// It is dealt with.
    Done,
    /// It can be dealt with only after what stands before it has been committed.
    CommitFirst,
    /// The same message is being taken by another request.
    Busy(dedupe::Key),
    /// The browser's signal refuses something of what stands for these: that comes first.
    Refused(Purposes, Vec<Identifier>),
}

/// About what an event takes besides itself, sealed in the outbox and remembered.
const ENTRY_BYTES: usize = 140;
/// So many events are looked up together at most. Few enough that a batch which is cut up is not looked up over and over.
const LOOKED_AT_ONCE: usize = 64;
/// How long to wait, longer each time, for memory to learn what another request has just made durable: until then every try conflicts.
const CONFLICT_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
/// How long to wait for somebody's erasure to be over.
const ERASED_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

impl Intake {
    /// Keeps as many of `events` as one commit can hold and says how many those were; at least one.
    pub(super) async fn keep(&self, sender: Sender<'_>, events: &[Event<'_>], answer: &mut Answer) -> Result<usize, Error> {
        let (mut tries, mut heeded) = (0, false);
        loop {
            let mut attempt = Attempt::new(Claims::new(Arc::clone(&self.dedupe)));
            attempt.heeded = heeded;
            let covered = match self.attempt(sender, events, &mut attempt) {
                Ok((0, Step::Busy(key))) => {
                    self.dedupe.changed(key).await;
                    continue;
                }
                Ok((0, Step::Refused(refused, identifiers))) => {
                    heeded = true;
                    let Some(signal) = sender.signal else { continue };
                    self.heed(sender, signal, (refused, identifiers)).await?;
                    continue;
                }
                Ok((covered, Step::Done | Step::CommitFirst | Step::Busy(_) | Step::Refused(..))) => covered,
                Err(error) => {
                    // Who is waited for may wait for these messages.
                    drop(attempt);
                    if !error.is_shredded() || tries >= TRIES_MAX {
                        return Err(error);
                    }
                    // Somebody is being erased at this moment; who stated these identifiers is a new person from here on.
                    tries += 1;
                    tokio::time::sleep(ERASED_PAUSE).await;
                    continue;
                }
            };
            match self.conclude(sender, attempt).await {
                Ok(concluded) => {
                    answer.add(concluded);
                    return Ok(covered);
                }
                Err(store::Error::Conflict) if tries < TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(CONFLICT_PAUSE * tries).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes events of several requests as far as they need nothing but a commit, and says how many of the first those are; that is durable
    /// then. The others are as if they had not come.
    pub(super) async fn accept_at_once(&self, sender: Sender<'_>, events: &[Event<'_>]) -> usize {
        let mut attempt = Attempt::new(Claims::new(Arc::clone(&self.dedupe)));
        let Ok((covered, _next)) = self.attempt(sender, events, &mut attempt) else { return 0 };
        // Why it failed is for the request to find out that comes by itself.
        if self.conclude(sender, attempt).await.is_ok() { covered } else { 0 }
    }

    /// Commits what an attempt came to, counts it, and says what there is to say of it.
    async fn conclude(&self, sender: Sender<'_>, attempt: Attempt) -> Result<Answer, store::Error> {
        let Attempt { batch, plans, claims, counts, answer, writes, .. } = attempt;
        if writes {
            self.commit(batch, plans, claims).await?;
        }
        let in_words = |((destination, reason), n): ((usize, Option<Reason>), u64)| {
            let destination = sender.policy.destinations.get(destination).map_or("", |d| d.id.as_str());
            ((destination, reason.map_or("accepted", Reason::code)), n)
        };
        self.counters.add(sender.source_id(), counts.into_iter().map(in_words));
        Ok(answer)
    }

    /// Commits, and lets memory learn what is durable now, also if the client hangs up meanwhile: otherwise memory would stay behind
    /// the store.
    async fn commit(&self, batch: Batch, plans: Vec<Plan>, claims: Claims) -> Result<(), store::Error> {
        if plans.is_empty() {
            return self.commit_known(batch, claims).await;
        }
        let pending = self.store.submit(batch)?;
        let (directory, vault) = (Arc::clone(&self.directory), Arc::clone(&self.vault));
        // A task of its own, because the directory must not be waited for on the thread that writes.
        let task = actix_web::rt::spawn(async move {
            pending.await?;
            for plan in plans {
                directory.learn(&plan);
                plan.keys().iter().for_each(|(subject, key)| vault.learn(*subject, key));
            }
            claims.settle();
            Ok(())
        });
        task.await.unwrap_or(Err(store::Error::Closed))
    }

    /// The same for events of people who are known, as nearly all are: only the claims are to be settled.
    async fn commit_known(&self, batch: Batch, claims: Claims) -> Result<(), store::Error> {
        let (answer, decided) = oneshot::channel();
        let then = move |outcome: Result<Vec<Position>, store::Error>| {
            if outcome.is_ok() {
                claims.settle();
            }
            // Nobody may wait any more.
            drop(answer.send(outcome.map(drop)));
        };
        self.store.submit_then(batch, Box::new(then))?;
        decided.await.unwrap_or(Err(store::Error::Closed))
    }

    /// Deals with events until one cannot be dealt with yet. Says how many those were, and what is to be done with the next.
    fn attempt(&self, sender: Sender<'_>, events: &[Event<'_>], attempt: &mut Attempt) -> Result<(usize, Step), Error> {
        let mut index = 0;
        attempt.batch.expect_appends(events.iter().map(|event| event.stored_bytes() + ENTRY_BYTES).sum());
        let mut verdicts = Vec::new();
        // In equal parts: a small rest would cost nearly what a whole part does.
        let parts = events.len().div_ceil(LOOKED_AT_ONCE).max(1);
        for some in events.chunks(events.len().div_ceil(parts).max(1)) {
            let looked = self.look(sender.policy, (sender.source, sender.received_at), some);
            let whose: Vec<Option<SubjectId>> = looked.iter().map(|looked| looked.found.whose).collect();
            let keys = self.vault.keys_at_hand(&whose);
            let decided = self.decide(sender, (some, &looked), &mut verdicts, attempt);
            let mut all = some.iter().zip(&looked).zip(keys.iter()).zip(decided);
            while let Some((((event, looked), key), decided)) = all.next() {
                let message = decided.message;
                match self.step(sender, event, (looked, key, decided), attempt)? {
                    Step::Done => attempt.heeded = false,
                    next @ (Step::CommitFirst | Step::Busy(_) | Step::Refused(..)) => {
                        let left = std::iter::once(message).chain(all.map(|(_, decided)| decided.message)).flatten();
                        let ours: Vec<_> = left.filter(|(_, claim)| *claim == Claim::Ours).map(|(key, _)| key).collect();
                        attempt.claims.give_back(&ours);
                        return Ok((index, next));
                    }
                }
                index += 1;
            }
        }
        Ok((index, Step::Done))
    }

    /// Looks up whose events of a source are, and what holds for them. Whoever asked for it is not brought back by a source that takes
    /// data over.
    pub(super) fn look(&self, policy: &Policy, (source, at): (usize, Millis), events: &[Event<'_>]) -> Vec<Looked> {
        let stated: Vec<Stated> = events.iter().map(|event| identity::extract(event, policy, &self.vault)).collect();
        let found = self.directory.resolve_all(stated.iter().map(|stated| stated.identifiers.as_slice()));
        let mut standings = self.consents.standings(found.iter().map(|found| &found.resolved), at);
        if policy.sources.get(source).is_some_and(|source| source.heeds_suppression) {
            for (standing, stated) in standings.iter_mut().zip(&stated) {
                standing.suppressed = self.directory.is_suppressed(&stated.identifiers, at);
            }
        }
        let all = stated.into_iter().zip(found).zip(standings);
        all.map(|((stated, found), standing)| Looked { stated, found, standing }).collect()
    }

    /// What the gate says about events. The messages of those that may leave are claimed.
    fn decide<'v>(
        &self,
        sender: Sender<'_>,
        (events, looked): (&[Event<'_>], &[Looked]),
        verdicts: &'v mut Vec<Verdict>,
        attempt: &mut Attempt,
    ) -> Vec<Decided<'v>> {
        let Sender { policy, source, received_at, .. } = sender;
        verdicts.clear();
        verdicts.reserve(events.len() * policy.destinations.len());
        for (event, Looked { stated, standing, .. }) in events.iter().zip(looked) {
            let narrowing = consent_object::narrowing(event, policy);
            let has_identifier = !stated.identifiers.is_empty();
            gate::decide_into(policy, &Question { source, event, standing, narrowing: &narrowing, has_identifier }, verdicts);
        }
        let verdicts_of = |number: usize| {
            let begin = number * policy.destinations.len();
            verdicts.get(begin..begin + policy.destinations.len()).unwrap_or_default()
        };
        let message = |(number, event): (usize, &Event<'_>)| {
            verdicts_of(number).iter().any(|verdict| verdict.outcome.is_ok()).then(|| self.message_key(sender, event))
        };
        let messages: Vec<Option<dedupe::Key>> = events.iter().enumerate().map(message).collect();
        let keys: Vec<dedupe::Key> = messages.iter().flatten().copied().collect();
        let mut claims = attempt.claims.claim_all(&keys, received_at).into_iter();
        let decided = |(number, message): (usize, Option<dedupe::Key>)| Decided {
            verdicts: verdicts_of(number),
            message: message.and_then(|key| Some((key, claims.next()?))),
        };
        messages.into_iter().enumerate().map(decided).collect()
    }

    fn step(
        &self,
        sender: Sender<'_>,
        event: &Event<'_>,
        (looked, at_hand, decided): (&Looked, Option<LentKey<'_>>, Decided<'_>),
        attempt: &mut Attempt,
    ) -> Result<Step, Error> {
        let Sender { policy, received_at, .. } = sender;
        let Looked { stated, found, standing, .. } = looked;
        let Decided { verdicts, message } = decided;
        if stated.identifiers.iter().any(|i| attempt.fresh.contains(i)) {
            return Ok(Step::CommitFirst);
        }
        if sender.signal.is_some() && !attempt.heeded {
            let refused = self.consents.refused_by_signal(&stated.identifiers, standing, policy, received_at)?;
            if !refused.is_empty() {
                return Ok(Step::Refused(refused, stated.identifiers.clone()));
            }
        }
        let Some((key, claim)) = message else {
            attempt.count(verdicts);
            attempt.answer.withheld += 1;
            // Whoever is not to be brought back is not even linked.
            let known: &[_] = if standing.suppressed { &[] } else { &stated.identifiers };
            if let Some(plan) = self.directory.admit_links_only(known, policy, &mut attempt.batch) {
                attempt.plans.push(plan);
                attempt.writes = true;
            }
            return Ok(Step::Done);
        };
        match claim {
            Claim::Ours => {}
            Claim::Busy if !attempt.claims.contains(&key) => return Ok(Step::Busy(key)),
            Claim::Seen | Claim::Busy => {
                attempt.answer.duplicates += 1;
                return Ok(Step::Done);
            }
        }
        attempt.count(verdicts);
        attempt.fresh.extend(found.resolved.unknown.iter().filter_map(|i| stated.identifiers.get(*i)).cloned());
        self.put(sender, (event, looked, at_hand), (key, verdicts), attempt)?;
        Ok(Step::Done)
    }

    /// Puts one event that may leave into the commit: who it belongs to, what it says, and that it was seen.
    fn put(
        &self,
        sender: Sender<'_>,
        (event, looked, at_hand): (&Event<'_>, &Looked, Option<LentKey<'_>>),
        (key, verdicts): (dedupe::Key, &[Verdict]),
        attempt: &mut Attempt,
    ) -> Result<(), Error> {
        let fetched;
        let (subject, data_key) = match (looked.found.whose, at_hand) {
            (Some(known), Some(at_hand)) => (known, at_hand),
            (Some(known), None) => {
                fetched = self.vault.key(known)?;
                (known, fetched.lend())
            }
            (None, _) => {
                let (admitted, data_key) = self.admit(sender, &looked.stated, attempt)?;
                fetched = data_key;
                (admitted, fetched.lend())
            }
        };
        let source = sender.source_id();
        attempt.tags.clear();
        let may_leave = verdicts.iter().filter(|verdict| verdict.outcome.is_ok());
        let destinations = may_leave.filter_map(|verdict| sender.policy.destinations.get(verdict.destination));
        attempt.tags.extend(destinations.map(|destination| outbox::destination_tag(&destination.id)));
        let entry = outbox::Draft { subject, dedup: key, received_at: sender.received_at, source, destinations: &attempt.tags };
        attempt.batch.append_with(OUTBOX, |out| entry.seal_onto(out, data_key, event))?;
        let (seen, entry) = Dedupe::entry(key, sender.received_at);
        attempt.batch.append(seen, &entry);
        attempt.answer.accepted += 1;
        attempt.writes = true;
        Ok(())
    }

    /// Whose an event is, whether or not it was known before.
    fn admit(&self, sender: Sender<'_>, stated: &Stated, attempt: &mut Attempt) -> Result<(SubjectId, DataKey), Error> {
        let context = Admission { vault: &self.vault, policy: sender.policy, chance: &self.chance, at: sender.received_at };
        let plan = self.directory.admit(&stated.identifiers, &context, &mut attempt.batch)?;
        let subject = plan.subject;
        let data_key = match plan.data_key(subject) {
            Some(fresh) => fresh,
            None => self.vault.key(subject)?,
        };
        if !plan.is_empty() {
            attempt.plans.push(plan);
        }
        Ok((subject, data_key))
    }

    /// The keyed hash under which a message is recognised when it comes again.
    fn message_key(&self, sender: Sender<'_>, event: &Event<'_>) -> dedupe::Key {
        self.keyed("message", sender, event)
    }

    /// The same for the decision that a message brings: it is recorded once, whether or not the message itself may be kept.
    pub(super) fn decision_key(&self, sender: Sender<'_>, event: &Event<'_>) -> dedupe::Key {
        self.keyed("decision", sender, event)
    }

    fn keyed(&self, label: &str, sender: Sender<'_>, event: &Event<'_>) -> dedupe::Key {
        let source = sender.source_id();
        self.vault.mac_of(label, [source.as_bytes(), &[0], event.message_id.as_bytes()])
    }
}

impl Attempt {
    fn new(claims: Claims) -> Self {
        Self {
            batch: Batch::default(),
            plans: Vec::new(),
            claims,
            fresh: Vec::new(),
            counts: Tally::default(),
            tags: Vec::new(),
            answer: Answer::default(),
            writes: false,
            heeded: false,
        }
    }

    fn count(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            self.counts.one((verdict.destination, verdict.outcome.as_ref().err().map(|withheld| withheld.reason)));
        }
    }
}
