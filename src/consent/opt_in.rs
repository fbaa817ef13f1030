//! Double opt-in: a grant that needs an address counts only once whoever reads its mails has said so (UWG §7(2) no. 2, GDPR Art. 7(1)).
//!
//! What is asked for is recorded at once, as [`State::Pending`], and changes nothing that stands: a refusal stays a refusal, and a grant
//! that was confirmed before stays one. The letter that asks is queued in the same commit. Its link carries where the record lies, sealed:
//! nothing about links is stored, and whoever was erased has none that leads anywhere. A confirmation is a decision of its own, with the
//! notice and the source of what it confirms.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::record::{DECISIONS, Decision, DecisionKey, Method, STANDING, StandingRecord, State, SubjectKey, aad};
use super::{Consents, Error, Handle, Order, Recorded, TRIES_MAX, decide, open_standing};
use crate::clock::{DAY_MS, Millis};
use crate::id::{NodeId, SubjectId};
use crate::policy::{IdentifierKind, Policy};
use crate::store::{self, Batch};
use crate::vault::{self, Sealed, Vault};

/// How long a confirmation is waited for, in days.
pub const WAIT_DAYS: i64 = 7;
/// How many wishes of one person wait at most; the oldest gives way.
const WAITING_MAX: usize = 16;

/// How far a double opt-in was when a decision was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptIn {
    /// It was asked for, and waits.
    Asked(Asked),
    /// It was confirmed; the decision's own time says when.
    Confirmed(Confirmed),
}

/// A grant that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Until when; afterwards it is as if it had never been asked for.
    pub until: Millis,
    /// The random ID of the letter that asks, in hexadecimal digits. None if no address was stated, or it has got enough letters.
    pub letter: Option<String>,
    /// The same wish in the records of whoever else owns one of the identifiers that were stated with it: subject and number.
    pub(super) others: Vec<(String, u32)>,
}

/// How a grant was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// When it was asked for.
    pub asked_at: Millis,
    /// When the letter was handed to the mail server, if that was noted.
    pub mailed_at: Option<Millis>,
    /// The number of the record that it confirms, in the same subject's.
    pub(super) wish: Option<u32>,
}

/// What of a wish stands: which record, for which purpose and identifiers, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    #[serde(rename = "p")]
    pub(super) purpose: String,
    #[serde(rename = "n")]
    pub(super) number: u32,
    #[serde(rename = "a")]
    pub(super) at: Millis,
    #[serde(rename = "u")]
    pub(super) until: Millis,
    /// Whether a letter asks.
    #[serde(rename = "l")]
    letter: bool,
    #[serde(rename = "i", with = "super::record::names")]
    pub(super) names: Vec<NodeId>,
}

/// Why a link in a letter leads nowhere. None says anything about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadEnd {
    /// There is no such link, or nobody whom it is about.
    #[error("there is no such link")]
    Unknown,
    /// It was used.
    #[error("the link was used")]
    Used,
    /// Its time is over, a later one took its place, or the person has refused since.
    #[error("the link is not good any more")]
    Over,
}

/// A letter that is to ask for a confirmation.
pub struct Ask<'a> {
    /// Its random ID.
    pub letter: String,
    /// Queues it in the commit of what it asks about: with the link's own part of the address, and until when it holds.
    pub queue: &'a (dyn Fn(&str, Millis, &mut Batch) -> Result<(), Error> + Send + Sync),
}

/// What a link leads to.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The decision that waits.
    pub decision: Decision,
    /// What is to be granted by it, still.
    pub purposes: Vec<String>,
    /// The random ID of the letter.
    pub letter: Option<String>,
    place: DecisionKey,
}

/// Whether a decision about these needs the mails of an address to be read.
#[must_use]
pub fn needs_confirmation(order: &Order) -> bool {
    let needs = |(index, granted): &(usize, bool)| *granted && order.policy.purposes.get(*index).is_some_and(|p| p.double_opt_in);
    order.decisions.iter().any(needs)
}

/// Turns grants that need a confirmation into wishes that wait for one. What is taken over with its evidence was confirmed elsewhere.
pub(super) fn wait(mut decision: Decision, policy: &Policy) -> Decision {
    if decision.evidence.is_some() {
        return decision;
    }
    let needs = |purpose: &String| policy.purpose(purpose).and_then(|i| policy.purposes.get(i)).is_some_and(|p| p.double_opt_in);
    let mut waits = false;
    for (purpose, state) in decision.states.iter_mut().filter(|(purpose, state)| **state == State::Granted && needs(purpose)) {
        *state = State::Pending;
        decision.expires.remove(purpose);
        waits = true;
    }
    if waits {
        let until = decision.at.saturating_add(WAIT_DAYS * DAY_MS);
        decision.double_opt_in = Some(OptIn::Asked(Asked { until, letter: None, others: Vec::new() }));
    }
    decision
}

/// The owner of the address that is written to: the first that the order states.
pub(super) fn addressee(order: &Order, owners: &[SubjectId]) -> Option<SubjectId> {
    let is_address = |kind: usize| order.policy.identifiers.get(kind).is_some_and(|t| t.kind == IdentifierKind::Email);
    order.identifiers.iter().zip(owners).find(|(identifier, _)| is_address(identifier.kind)).map(|(_, owner)| *owner)
}

impl Decision {
    /// Says which letter asks, and, in the record of whoever is written to, what else waits for it.
    pub(super) fn asked_by(&mut self, letter: &str, others: &[(SubjectId, StandingRecord)]) {
        if let Some(OptIn::Asked(asked)) = &mut self.double_opt_in {
            asked.letter = Some(letter.to_owned());
            asked.others = others.iter().map(|(owner, record)| (hex::encode(owner.0), record.decisions - 1)).collect();
        }
    }
}

impl StandingRecord {
    /// Adds a wish. A later one for the same identifiers takes the place of an earlier one, unless a letter asks only about that.
    pub(super) fn wait_for(&mut self, purpose: &str, number: u32, decision: &Decision) {
        let Some(OptIn::Asked(asked)) = &decision.double_opt_in else { return };
        self.pending.retain(|waiting| waiting.until > decision.at);
        let same = |waiting: &Waiting| waiting.purpose == purpose && waiting.names == decision.identifiers;
        if asked.letter.is_none() && self.pending.iter().any(|waiting| same(waiting) && waiting.letter) {
            return;
        }
        self.pending.retain(|waiting| !same(waiting));
        if self.pending.len() >= WAITING_MAX {
            self.pending.remove(0);
        }
        self.pending.push(Waiting {
            purpose: purpose.to_owned(),
            number,
            at: decision.at,
            until: asked.until,
            letter: asked.letter.is_some(),
            names: decision.identifiers.clone(),
        });
    }

    /// Ends what waited for this: a refusal ends all, a grant what was about one of its identifiers.
    pub(super) fn wait_no_more(&mut self, purpose: &str, state: State, names: &[NodeId]) {
        let over = |waiting: &Waiting| {
            waiting.purpose == purpose && (state != State::Granted || waiting.names.iter().any(|name| names.contains(name)))
        };
        self.pending.retain(|waiting| !over(waiting));
    }

    /// What still waits of the record with this number.
    fn waits(&self, number: u32, at: Millis) -> Vec<String> {
        let open = self.pending.iter().filter(|waiting| waiting.number == number && waiting.until > at);
        open.map(|waiting| waiting.purpose.clone()).collect()
    }
}

const LINK_AAD: &[u8] = b"double opt-in";

/// What stands in the address of a link. Nobody can guess one or make one, and it says nothing.
pub(super) fn link(vault: &Vault, place: DecisionKey) -> Result<String, vault::Error> {
    let plain = [place.subject.0.as_slice(), &place.number.to_be_bytes()].concat();
    Ok(URL_SAFE_NO_PAD.encode(vault.log_key().handles().seal(LINK_AAD, &plain)?))
}

fn place(vault: &Vault, token: &str) -> Option<DecisionKey> {
    // Decoded strictly: each link has one spelling.
    let plain = vault.log_key().handles().open(LINK_AAD, &URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (subject, number) = plain.split_first_chunk::<16>()?;
    Some(DecisionKey { subject: SubjectId(*subject), number: u32::from_be_bytes(number.try_into().ok()?) })
}

fn other((subject, number): &(String, u32)) -> Option<DecisionKey> {
    let mut id = [0; 16];
    hex::decode_to_slice(subject, &mut id).ok()?;
    Some(DecisionKey { subject: SubjectId(id), number: *number })
}

impl Consents {
    /// Records a decision of which a part waits for its confirmation, and has the letter queued in the same commit.
    ///
    /// # Errors
    /// As for [`Consents::record`], and what queueing the letter says.
    pub async fn record_asking(&self, order: Order, ask: &Ask<'_>) -> Result<Recorded, Error> {
        let decided = wait(decide::decision(&order)?, &order.policy);
        let recorded = self.record_decided(order, decided, Some(ask)).await?;
        self.fence(std::slice::from_ref(&recorded)).await;
        Ok(recorded)
    }

    /// Records a decision of which every grant was confirmed. For tests that are about something else.
    ///
    /// # Errors
    /// As for [`Consents::record`].
    #[cfg(test)]
    pub(crate) async fn record_confirmed(&self, order: Order, asked_at: Millis) -> Result<Recorded, Error> {
        let mut decided = decide::decision(&order)?;
        decided.double_opt_in = Some(OptIn::Confirmed(Confirmed { asked_at, mailed_at: None, wish: None }));
        self.record_decided(order, decided, None).await
    }

    /// What a link in a letter leads to. Looking changes nothing: programs that check mails look, too.
    ///
    /// # Errors
    /// [`Error::Link`] if it leads nowhere.
    pub fn wish(&self, token: &str, at: Millis) -> Result<Wish, Error> {
        let place = place(&self.vault, token).ok_or(Error::Link(DeadEnd::Unknown))?;
        let unknown = |error: Error| if error.is_shredded() { Error::Link(DeadEnd::Unknown) } else { error };
        let decision = self.at_place(place).map_err(unknown)?.ok_or(Error::Link(DeadEnd::Unknown))?;
        let record = self.standing_record(place.subject).map_err(unknown)?;
        let purposes = record.waits(place.number, at);
        if purposes.is_empty() {
            let confirms =
                |later: &Decision| matches!(&later.double_opt_in, Some(OptIn::Confirmed(c)) if c.wish == Some(place.number));
            let used = self.history(place.subject).map_err(unknown)?.iter().any(confirms);
            return Err(Error::Link(if used { DeadEnd::Used } else { DeadEnd::Over }));
        }
        let letter = match &decision.double_opt_in {
            Some(OptIn::Asked(asked)) => asked.letter.clone(),
            Some(OptIn::Confirmed(_)) | None => None,
        };
        Ok(Wish { decision, purposes, letter, place })
    }

    /// Grants what waits behind a link: for everybody whose identifiers were stated with it, in one commit.
    ///
    /// # Errors
    /// [`Error::Link`] if there is nothing (any more).
    pub async fn confirm(&self, token: &str, mailed_at: Option<Millis>, policy: &Policy, at: Millis) -> Result<Recorded, Error> {
        let mut tries = 0;
        loop {
            let wish = self.wish(token, at)?;
            match self.try_confirm(&wish, mailed_at, policy, at).await {
                Err(Error::Store(store::Error::Conflict)) if tries < TRIES_MAX => tries += 1,
                // They are being erased at this moment.
                Err(error) if error.is_shredded() => return Err(Error::Link(DeadEnd::Unknown)),
                done => return done,
            }
        }
    }

    async fn try_confirm(&self, wish: &Wish, mailed_at: Option<Millis>, policy: &Policy, at: Millis) -> Result<Recorded, Error> {
        let mut batch = Batch::default();
        let others: Vec<DecisionKey> = match &wish.decision.double_opt_in {
            Some(OptIn::Asked(asked)) => asked.others.iter().filter_map(other).collect(),
            Some(OptIn::Confirmed(_)) | None => Vec::new(),
        };
        let mut folded = Vec::with_capacity(others.len() + 1);
        let mut receipt = None;
        for place in std::iter::once(wish.place).chain(others) {
            let is_main = place == wish.place;
            let key = match self.vault.key(place.subject) {
                // Of the others somebody may be gone.
                Err(vault::Error::Shredded) if !is_main => continue,
                key => key?,
            };
            self.vault.check_unchanged(place.subject, &mut batch)?;
            let record = self.standing_of(&key, place.subject, &mut batch)?;
            let purposes = record.waits(place.number, at);
            let Some(asked) = self.at_place(place)?.filter(|_| !purposes.is_empty()) else {
                if is_main {
                    return Err(Error::Store(store::Error::Conflict));
                }
                continue;
            };
            let granted = asked.granted(&purposes, (place.number, mailed_at), policy, at);
            let (decision, record) = self.fold_onto(&key, place.subject, (granted, record), &mut batch)?;
            if is_main {
                let number = record.decisions - 1;
                receipt = Some((decision, Handle::of(&self.vault, DecisionKey { number, ..place })?));
            }
            folded.push((place.subject, record));
        }
        self.store.commit(batch).await?;
        self.learn(&folded, policy);
        let (decision, receipt) = receipt.ok_or(Error::Link(DeadEnd::Over))?;
        self.rates.count(policy.controller.day(at), &decision.states);
        let people = folded.into_iter().map(|(owner, _)| owner).collect();
        Ok(Recorded { decision, receipt, people })
    }

    /// One decision; none if there is none.
    fn at_place(&self, place: DecisionKey) -> Result<Option<Decision>, Error> {
        let Some(Sealed(sealed)) = DECISIONS.get(&self.store, &place)? else { return Ok(None) };
        let plain = self.vault.key(place.subject)?.open(&aad(b"decision", place.subject, place.number), &sealed)?;
        Ok(Some(serde_json::from_slice(&plain)?))
    }

    pub(super) fn standing_record(&self, subject: SubjectId) -> Result<StandingRecord, Error> {
        let Some(sealed) = STANDING.get(&self.store, &SubjectKey(subject))? else { return Ok(StandingRecord::default()) };
        open_standing(&self.vault.key(subject)?, subject, &sealed)
    }
}

impl Decision {
    /// The decision that confirms these purposes of a wish.
    fn granted(self, purposes: &[String], (wish, mailed_at): (u32, Option<Millis>), policy: &Policy, at: Millis) -> Self {
        let known = |purpose: &String| policy.purpose(purpose).and_then(|index| policy.purposes.get(index));
        let ends = |purpose: &String| {
            let days = known(purpose)?.consent_days?;
            Some((purpose.clone(), at.saturating_add(Millis::from(days) * DAY_MS)))
        };
        Self {
            at,
            states: purposes.iter().map(|purpose| (purpose.clone(), State::Granted)).collect(),
            expires: purposes.iter().filter_map(ends).collect(),
            double_opt_in: Some(OptIn::Confirmed(Confirmed { asked_at: self.at, mailed_at, wish: Some(wish) })),
            ..self
        }
    }

    /// Whether it lets something be done: then whoever decides is here by their own will.
    pub(super) fn agrees(&self) -> bool {
        self.method != Method::Import && self.states.values().any(|state| *state == State::Granted)
    }
}
