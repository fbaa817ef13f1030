//! What people decided, and what stands now.
//!
//! Promises: a refusal is recorded with the same care as a grant; times are the server's; two decisions at one moment lose
//! none; a decision holds from the moment in which it is acknowledged, and is durable then (P7); when a withdrawal is acknowledged
//! nothing that relied on the grant is on its way any more, whoever recorded it (P2; `fence.rs`); a grant counts only for the
//! identifiers that it was given with, a refusal for everything that is known to belong together (P1, P8; see
//! `docs/decisions/0003`). It serves GDPR Art. 7(1) and (3). It knows neither events nor destinations.

mod decide;
mod fence;
pub mod http;
pub mod import;
mod join;
mod leave;
mod links;
mod opt_in;
mod rates;
mod receipt;
mod record;
mod shown;
pub mod signal;
mod standing;
mod stands;
mod statement;
mod terms;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::clock::{Chance, Millis};
use crate::id::{NodeId, SubjectId};
use crate::identity::{self, Admission, Directory, Identifier, NodeRef, Resolved, SubjectRef};
use crate::ledger::{self, SALT_BYTES};
use crate::policy::Policy;
use crate::store::{self, Batch, Store, Stream};
use crate::vault::{self, DataKey, Sealed, Vault};
use fence::Fence;
pub use fence::{CUT, Reliance, Relied};
pub use import::Evidence;
pub use leave::Memorable;
pub use links::KeptBack;
pub use opt_in::{Ask, Confirmed, DeadEnd, OptIn, WAIT_DAYS, Wish, needs_confirmation};
pub use rates::{ByPurpose, Counts, Rates};
pub use receipt::{Doubt, Handle, Proven, RECEIPT, Receipt, Stated, Told};
use record::{DECISIONS, DecisionKey, STANDING, Stand, StandingRecord, SubjectKey, aad};
pub use record::{Decision, Handed, Method, NoticeShown, Signal, State};
pub use shown::{Shown, asks};
use standing::Memory;
pub use standing::Standing;
pub use stands::Standpoint;
pub use statement::{DECISION, StatedOptIn, Statement};
use terms::{Stored, TERMS, Tag};
use token::Purse;
pub use token::{Handout, Refusal, Ticket, Token};

/// How often a commit is tried again when somebody else decided for the same person at the same moment.
const TRIES_MAX: u32 = 64;
/// How long to wait for somebody's erasure to be over before their identifiers count as a new person's.
const ERASED_PAUSE: Duration = Duration::from_millis(5);
/// How many records are read at a time.
const PAGE: usize = 512;

/// Why a decision could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The purpose rests on a contract or a law: nobody is asked.
    #[error("purpose {purpose} does not rest on consent")]
    NotAsked {
        /// Its ID.
        purpose: String,
    },
    /// The policy has no such notice, or not in this language.
    #[error("there is no such notice")]
    NoNotice,
    /// The notice does not ask for it, so nobody can have agreed to it there.
    #[error("the notice {notice} does not ask for {purpose}")]
    NotInNotice {
        /// The purpose's ID.
        purpose: String,
        /// The notice's.
        notice: String,
    },
    /// What was shown is not the notice in force.
    #[error("version {version} of the notice {notice} is in force")]
    NoticeOutdated {
        /// Its ID.
        notice: String,
        /// The version in force.
        version: u32,
    },
    /// The token that the decision came with does not count.
    #[error(transparent)]
    Token(#[from] Refusal),
    /// An imported record says nothing that is newer than what stands.
    #[error("nothing of it is newer than what stands")]
    NothingNew,
    /// No identifier was stated.
    #[error("nobody is named")]
    Nobody,
    /// The person asked not to be brought back by a source that takes data over.
    #[error("they asked not to be brought back by a source that takes data over")]
    Suppressed,
    /// Identifiers could not be resolved.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A sealed record is of no known form.
    #[error("a record of decisions is of no known form")]
    Form(#[from] serde_json::Error),
    /// What memory holds is not what the decisions come to.
    #[error("standing differs from its decisions")]
    Drift,
    /// A link in a letter leads nowhere.
    #[error(transparent)]
    Link(#[from] DeadEnd),
    /// Too many letters that ask for a confirmation; everybody has to wait.
    #[error("too many letters are being sent")]
    TooMany,
    /// The letter that asks for a confirmation could not be written.
    #[error("the letter that asks for a confirmation could not be written")]
    Letter,
}

impl Error {
    /// Whether somebody who is concerned was erased meanwhile.
    #[must_use]
    pub const fn is_shredded(&self) -> bool {
        match self {
            Self::Vault(vault::Error::Shredded) => true,
            Self::Identity(error) => error.is_shredded(),
            Self::NotAsked { .. }
            | Self::NoNotice
            | Self::NotInNotice { .. }
            | Self::NoticeOutdated { .. }
            | Self::Token(_)
            | Self::NothingNew
            | Self::Nobody
            | Self::Suppressed
            | Self::Store(_)
            | Self::Vault(_)
            | Self::Form(_)
            | Self::Drift
            | Self::Link(_)
            | Self::TooMany
            | Self::Letter => false,
        }
    }

    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store::Error::Busy))
    }
}

/// A decision to be recorded.
pub struct Order {
    /// Who decides: the identifiers that are stated with it.
    pub identifiers: Vec<Identifier>,
    /// Purpose index to yes or no.
    pub decisions: Vec<(usize, bool)>,
    /// The notice that was shown; none means the source's.
    pub notice: Option<String>,
    /// The language in which it was shown; none means the policy's default.
    pub language: Option<String>,
    /// How the decision was taken.
    pub method: Method,
    /// The source's index.
    pub source: usize,
    /// Who recorded it, as the source calls them.
    pub actor: Option<String>,
    /// When, by the server's clock.
    pub at: Millis,
    /// The policy that it is taken under.
    pub policy: Arc<Policy>,
    /// An entry that is appended in the same commit: that the message which brought the decision was seen.
    pub mark: Option<(Stream, Vec<u8>)>,
    /// What else is known of it.
    pub besides: Besides,
}

/// What is known of a decision besides the order.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// The signal of the browser that had to do with it.
    pub signal: Option<Signal>,
    /// What was shown.
    pub shown: Shown,
    /// What another tool says of it.
    pub evidence: Option<Box<Evidence>>,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The decision.
    pub decision: Decision,
    /// Where its receipt is fetched: that of whoever has the strongest of the stated identifiers.
    pub receipt: Handle,
    /// Who decided.
    people: Vec<SubjectId>,
}

impl Recorded {
    /// Whether anything was refused: what relied on a grant, on somebody else's that a link keeps back from here on, or on another legal
    /// basis, may be on its way.
    fn refuses(&self) -> bool {
        self.decision.states.values().any(|state| state.is_no())
    }
}

/// All decisions and what stands.
pub struct Consents {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    chance: Chance,
    purse: Purse,
    memory: RwLock<Memory>,
    /// How often what was decided.
    pub rates: Rates,
    /// What is on its way because of what stands.
    fence: Arc<Fence>,
    /// How long a withdrawal waits for what is on the wire.
    cut: Duration,
    /// Who was closed before the start and is not gone yet.
    closed: Mutex<Vec<SubjectId>>,
}

impl Consents {
    /// Opens the room and reads what stands into memory.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn open(store: &Store, vault: &Arc<Vault>, directory: &Arc<Directory>, policy: &Policy) -> Result<Self, Error> {
        let consents = Self {
            store: store.clone(),
            vault: Arc::clone(vault),
            directory: Arc::clone(directory),
            chance: Chance::system(),
            purse: Purse::default(),
            memory: RwLock::default(),
            rates: Rates::new(store),
            fence: Arc::default(),
            cut: CUT,
            closed: Mutex::default(),
        };
        consents.learn_terms(policy)?;
        consents.each_record(|subject, record| {
            if record.is_none_or(|record| record.closed) {
                consents.closed.lock().push(subject);
            }
            let Some(record) = record else { return Ok(()) };
            if let Some(reference) = consents.directory.find(subject) {
                let nodes = consents.nodes(reference, record);
                consents.memory.write().learn(reference, &nodes, record, policy);
            }
            Ok(())
        })?;
        Ok(consents)
    }

    /// What stands for everybody; nothing for those whose key is gone.
    fn each_record(&self, mut take: impl FnMut(SubjectId, Option<&StandingRecord>) -> Result<(), Error>) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = STANDING.scan(&self.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (SubjectKey(subject), sealed) in &page {
                let key = match self.vault.key(*subject) {
                    Ok(key) => key,
                    Err(vault::Error::Shredded) => {
                        take(*subject, None)?;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                take(*subject, Some(&open_standing(&key, *subject, sealed)?))?;
            }
        }
    }

    fn nodes(&self, _subject: SubjectRef, record: &StandingRecord) -> Vec<(NodeId, NodeRef)> {
        let waiting = record.pending.iter().flat_map(|waiting| &waiting.names);
        let waiting = waiting.filter(|name| !record.identifiers.contains_key(*name));
        record.identifiers.keys().chain(waiting).filter_map(|name| Some((*name, self.directory.node(*name)?))).collect()
    }

    /// What holds for an event with these identifiers. Reads memory only.
    #[must_use]
    pub fn standing(&self, resolved: &Resolved, at: Millis) -> Standing {
        self.memory.read().combine(resolved, at)
    }

    /// Records a decision. When this returns it is durable, every event from now on is decided by it, and what relied on a grant that it
    /// ended has left, failed or was cut.
    ///
    /// # Errors
    /// [`Error::NotAsked`], [`Error::NoNotice`], [`Error::NoticeOutdated`], [`Error::NotInNotice`], [`Error::Token`], [`Error::Nobody`]; then
    /// nothing was recorded.
    pub async fn record(&self, order: Order) -> Result<Recorded, Error> {
        let recorded = self.decide(order).await?;
        self.fence(std::slice::from_ref(&recorded)).await;
        Ok(recorded)
    }

    /// The same without the wait for what is on its way: whoever calls this calls [`Consents::fence`] with what it gives, before anybody
    /// is told.
    ///
    /// # Errors
    /// As [`Consents::record`].
    pub async fn decide(&self, order: Order) -> Result<Recorded, Error> {
        let decided = opt_in::wait(decide::decision(&order)?, &order.policy);
        self.record_decided(order, decided, None).await
    }

    async fn record_decided(&self, order: Order, decided: Decision, ask: Option<&Ask<'_>>) -> Result<Recorded, Error> {
        if order.identifiers.is_empty() {
            return Err(Error::Nobody);
        }
        let mut tries = 0;
        loop {
            match self.try_record(&order, &decided, ask).await {
                Err(Error::Store(store::Error::Conflict)) if tries < TRIES_MAX => {}
                // Whoever it was is being erased at this moment; from here on it is a new person who decides.
                Err(error) if error.is_shredded() && tries < TRIES_MAX => tokio::time::sleep(ERASED_PAUSE).await,
                done => return done,
            }
            tries += 1;
        }
    }

    async fn try_record(&self, order: &Order, decided: &Decision, ask: Option<&Ask<'_>>) -> Result<Recorded, Error> {
        let heeds = order.policy.sources.get(order.source).is_some_and(|source| source.heeds_suppression);
        if heeds && self.directory.is_suppressed(&order.identifiers, order.at) {
            return Err(Error::Suppressed);
        }
        let mut batch = Batch::default();
        let token = order.besides.shown.token.as_ref();
        let swept = token.map_or(Ok(None), |token| self.purse.spend(&self.store, token, order.at, &mut batch))?;
        let context = Admission { vault: &self.vault, policy: &order.policy, chance: &self.chance, at: order.at };
        let plan = self.directory.admit(&order.identifiers, &context, &mut batch)?;
        let mut owners: Vec<SubjectId> = plan.owners().to_vec();
        let strongest = owners.first().copied().ok_or(Error::Nobody)?;
        let by_owner: Vec<(SubjectId, NodeId)> = owners.iter().copied().zip(plan.names().iter().copied()).collect();
        let asked = ask.zip(opt_in::addressee(order, &owners));
        // Whoever is written to comes last: their record says what else waits for the answer.
        owners.sort_unstable_by_key(|owner| (asked.is_some_and(|(_, whom)| whom == *owner), *owner));
        owners.dedup();
        let mut folded: Vec<(SubjectId, StandingRecord)> = Vec::with_capacity(owners.len());
        let mut recorded = Decision { states: BTreeMap::new(), ..decided.clone() };
        for owner in owners {
            let own: Vec<NodeId> = by_owner.iter().filter(|(o, _)| *o == owner).map(|(_, name)| *name).collect();
            let key = match plan.data_key(owner) {
                Some(fresh) => fresh,
                None => {
                    self.vault.check_unchanged(owner, &mut batch)?;
                    self.vault.key(owner)?
                }
            };
            let mut decision = Decision { identifiers: own, ..decided.clone() };
            let mine = asked.filter(|(_, whom)| *whom == owner).map(|(ask, _)| ask);
            if let Some((ask, _)) = asked {
                decision.asked_by(&ask.letter, if mine.is_some() { &folded } else { &[] });
            }
            let Some((decision, record)) = self.fold(&key, owner, decision, &mut batch)? else { continue };
            if let (Some(ask), Some(OptIn::Asked(wish))) = (mine, &decision.double_opt_in) {
                let place = DecisionKey { subject: owner, number: record.decisions - 1 };
                (ask.queue)(&opt_in::link(&self.vault, place)?, wish.until, &mut batch)?;
            }
            recorded.states.extend(decision.states);
            folded.push((owner, record));
        }
        if let Some((stream, entry)) = &order.mark {
            batch.append(*stream, entry);
        }
        let terms = &order.policy.terms;
        if self.memory.read().book.lacks(terms.tag) {
            TERMS.put(&mut batch, &Tag(terms.tag), &Stored(terms.clone()));
        }
        let whose = folded.iter().find(|(owner, _)| *owner == strongest).or_else(|| folded.first());
        let (subject, record) = whose.ok_or(Error::NothingNew)?;
        let receipt = Handle::of(&self.vault, DecisionKey { subject: *subject, number: record.decisions - 1 })?;
        // Whoever agrees to something is here by their own will.
        let unlisted = if decided.agrees() { self.directory.unlist(&order.identifiers, &mut batch) } else { Vec::new() };
        self.store.commit(batch).await?;
        self.purse.swept(swept);
        self.directory.unlisted(&unlisted);
        self.directory.learn(&plan);
        plan.keys().iter().for_each(|(subject, key)| self.vault.learn(*subject, key));
        self.memory.write().book.learn(terms, &order.policy);
        self.learn(&folded, &order.policy);
        self.rates.count(order.policy.controller.day(order.at), &recorded.states);
        let people = folded.into_iter().map(|(owner, _)| owner).collect();
        Ok(Recorded { decision: recorded, receipt, people })
    }

    /// Adds a decision to what stands for one owner, and puts both into the batch; nothing if it says nothing new. Whoever else decides for the same
    /// person in the meantime makes the batch fail.
    fn fold(
        &self,
        key: &DataKey,
        owner: SubjectId,
        decision: Decision,
        batch: &mut Batch,
    ) -> Result<Option<(Decision, StandingRecord)>, Error> {
        let record = self.standing_of(key, owner, batch)?;
        let mut decision = decision;
        // Read after what stands: if another decision comes between the two, the batch conflicts.
        if record.decisions > 0 {
            let Some(news) = self.news_for(owner, decision)? else { return Ok(None) };
            decision = news;
        }
        Ok(Some(self.fold_onto(key, owner, (decision, record), batch)?))
    }

    /// What stands for one owner. The batch conflicts if that changes.
    fn standing_of(&self, key: &DataKey, owner: SubjectId, batch: &mut Batch) -> Result<StandingRecord, Error> {
        let at = SubjectKey(owner);
        let mut record = StandingRecord::default();
        match STANDING.get(&self.store, &at)? {
            None => batch.check_absent(STANDING.key(&at)),
            Some(sealed) => {
                record = open_standing(key, owner, &sealed)?;
                // Whoever it was is being let go at this moment; from here on it is a new person who decides.
                record.refuse_closed()?;
                batch.check_equals(STANDING.key(&at), STANDING.value(&sealed));
            }
        }
        Ok(record)
    }

    fn fold_onto(
        &self,
        key: &DataKey,
        owner: SubjectId,
        (mut decision, mut record): (Decision, StandingRecord),
        batch: &mut Batch,
    ) -> Result<(Decision, StandingRecord), Error> {
        for (purpose, state) in &mut decision.states {
            let before = record.subject.get(purpose).map(|Stand(state, ..)| *state);
            if *state == State::Denied && matches!(before, Some(State::Granted | State::Withdrawn)) {
                *state = State::Withdrawn;
            }
        }
        let place = DecisionKey { subject: owner, number: record.decisions };
        record.fold(&decision);
        let sealed = key.seal(&aad(b"decision", owner, place.number), &serde_json::to_vec(&decision)?)?;
        DECISIONS.put(batch, &place, &Sealed(sealed));
        let (_, _, commitment) = Statement::of(key, place, &decision)?;
        ledger::append(batch, &commitment);
        let sealed = key.seal(&aad(b"standing", owner, 0), &serde_json::to_vec(&record)?)?;
        STANDING.put(batch, &SubjectKey(owner), &Sealed(sealed));
        Ok((decision, record))
    }

    /// Restricts the processing of a subject's data, or ends that (GDPR Art. 18). It holds from the moment in which this returns, and
    /// is durable then; nothing of the subject is on its way any more.
    ///
    /// # Errors
    /// What store and vault say; [`vault::Error::Shredded`] if the subject was erased.
    pub async fn restrict(&self, subject: SubjectId, restricted: bool, policy: &Policy) -> Result<(), Error> {
        let at = SubjectKey(subject);
        let mut tries = 0;
        loop {
            let (key, mut batch) = (self.vault.key(subject)?, Batch::default());
            self.vault.check_unchanged(subject, &mut batch)?;
            let mut record = StandingRecord::default();
            match STANDING.get(&self.store, &at)? {
                None => batch.check_absent(STANDING.key(&at)),
                Some(sealed) => {
                    record = open_standing(&key, subject, &sealed)?;
                    record.refuse_closed()?;
                    batch.check_equals(STANDING.key(&at), STANDING.value(&sealed));
                }
            }
            record.restricted = restricted;
            let sealed = key.seal(&aad(b"standing", subject, 0), &serde_json::to_vec(&record)?)?;
            STANDING.put(&mut batch, &at, &Sealed(sealed));
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.learn(&[(subject, record)], policy);
                    if restricted {
                        self.fence_people(&[subject]).await;
                    }
                    return Ok(());
                }
                Err(store::Error::Conflict) if tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn learn(&self, folded: &[(SubjectId, StandingRecord)], policy: &Policy) {
        for (owner, record) in folded {
            if let Some(reference) = self.directory.find(*owner) {
                let nodes = self.nodes(reference, record);
                self.memory.write().learn(reference, &nodes, record, policy);
            }
        }
    }

    /// Hands out a token for a page that shows a notice.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn hand_out(&self, handout: &Handout<'_>, at: Millis) -> Result<Ticket, Error> {
        Token::issue(&self.vault, &self.chance, handout, at)
    }

    /// Reads the token that a decision came with. Whether it was spent shows when the decision is recorded.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::Expired`].
    pub fn read_token(&self, text: &str, at: Millis) -> Result<Token, Refusal> {
        Token::read(&self.vault, text, at)
    }

    /// All decisions of a subject, oldest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn history(&self, subject: SubjectId) -> Result<Vec<Decision>, Error> {
        Ok(self.numbered(subject)?.into_iter().map(|(_, decision)| decision).collect())
    }

    /// Puts into the batch that everything a subject decided goes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forget(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), Error> {
        // Deletes of what is not there cost a durable commit all the same.
        if STANDING.get(&self.store, &SubjectKey(subject))?.is_some() {
            STANDING.delete(batch, &SubjectKey(subject));
        }
        let mut after = None;
        loop {
            let page = DECISIONS.scan(&self.store, &subject.0, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            page.iter().for_each(|(key, _)| DECISIONS.delete(batch, key));
        }
    }

    /// Takes over that a subject's decisions are gone. Invariant: the directory still knows the subject.
    pub fn forgotten(&self, subject: SubjectId) {
        if let Some(reference) = self.directory.find(subject) {
            let nodes = self.directory.nodes_of(reference);
            self.memory.write().remove(reference, &nodes);
        }
    }

    /// Whether what stands, on disk and in memory, is what all decisions come to.
    ///
    /// # Errors
    /// [`Error::Drift`] if it is not.
    pub fn fold_check(&self, policy: &Policy) -> Result<(), Error> {
        let mut fresh = self.memory.read().empty();
        let mut seen = Vec::new();
        self.each_record(|subject, record| {
            let Some(record) = record.filter(|record| !record.closed) else { return Ok(()) };
            let mut folded = StandingRecord { restricted: record.restricted, ..StandingRecord::default() };
            self.history(subject)?.iter().for_each(|decision| folded.fold(decision));
            if folded != *record {
                return Err(Error::Drift);
            }
            if let Some(reference) = self.directory.find(subject) {
                let nodes = self.nodes(reference, record);
                fresh.learn(reference, &nodes, record, policy);
                seen.push((reference, nodes));
            }
            Ok(())
        })?;
        let memory = self.memory.read();
        if seen.iter().all(|(subject, nodes)| memory.agrees(&fresh, *subject, nodes)) { Ok(()) } else { Err(Error::Drift) }
    }

    /// How much memory standing takes, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory.read().bytes()
    }
}

fn open_standing(key: &DataKey, subject: SubjectId, Sealed(sealed): &Sealed) -> Result<StandingRecord, Error> {
    Ok(serde_json::from_slice(&key.open(&aad(b"standing", subject, 0), sealed)?)?)
}
