//! What is allowed, and changing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::signal::{NO_SOURCE, sways};
use super::{Error, Person, Portal};
use crate::clock::Millis;
use crate::consent::{Besides, Method, Order, Recorded, Signal, Standing, Standpoint, State, Told};
use crate::policy::{Conflict, LegalBasis, Policy, Purpose, Purposes};
use crate::texts::Words;
use crate::vault;

/// The notice of the policy that is shown here, if it has one.
pub(super) const NOTICE: &str = "portal";

/// What holds for a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It rests on something else than a decision.
    Unasked,
    /// It is allowed unless somebody objects, and nobody has.
    Unobjected,
    /// Nothing was decided.
    Undecided,
    /// Yes, since and until when.
    Granted(Millis, Option<Millis>),
    /// Yes, since then, but for less than what would be done now: it counts for nothing until it is said again.
    Outdated(Millis),
    /// Yes, but something else that is known to be the person's carries a No, and that counts.
    Outweighed(Millis),
    /// Yes, if the link in a mail is used; asked for then.
    Pending(Millis),
    /// No, since when.
    Denied(Millis),
    /// Yes before, no since then.
    Withdrawn(Millis),
    /// Yes before, over since then.
    Expired(Millis),
}

/// A purpose, and what holds for it.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its place in the policy.
    pub index: usize,
    /// What holds.
    pub held: Held,
    /// Recipients, by their indexes, that have come since the Yes and get nothing on the ground of it.
    pub left_out: Vec<usize>,
    /// Whether saying Yes once more would let these have it.
    pub may_widen: bool,
    /// If the browser's signal refuses it: which of the two prevails if it is allowed here.
    pub signal: Option<Conflict>,
}

/// What somebody says about a purpose.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The purpose's ID.
    pub purpose: String,
    /// Yes or no.
    pub granted: bool,
    /// The signal that their browser sends with it.
    pub signal: Option<Signal>,
    /// In which language they were asked.
    pub words: Words,
}

impl Held {
    /// Whether data may be used for it.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Unasked | Self::Unobjected | Self::Granted(..))
    }
}

impl Portal {
    /// What holds for each purpose of the policy, with what the person proved, and what the signal of their browser does to it.
    ///
    /// # Errors
    /// When what stands cannot be read.
    pub fn choices(&self, person: &Person, signal: Option<Signal>, at: Millis) -> Result<Vec<Choice>, Error> {
        let (policy, consents) = (self.policy(), &self.rooms.consents);
        let mut stands: BTreeMap<String, Standpoint> = BTreeMap::new();
        for identifier in &person.identifiers {
            for (purpose, stand) in consents.stands(std::slice::from_ref(identifier), at)? {
                let newest = stands.entry(purpose).or_insert(stand);
                if stand.1 >= newest.1 {
                    *newest = stand;
                }
            }
        }
        let mut standing = consents.standing(&self.rooms.directory.resolve(&person.identifiers), at);
        if !person.is_whole {
            // What was decided with something that was not proven is nobody's to see here.
            standing.denied_by_link = Purposes::NONE;
        }
        // A Yes that was said again and waits for its link does not show beside the old one.
        let again = !standing.outdated.and(standing.pending).is_empty();
        let waits = if again { consents.waits(&person.identifiers, at)? } else { BTreeMap::new() };
        let widened = if standing.strangers == 0 { Purposes::NONE } else { consents.outdated(&person.identifiers, &policy)?.1 };
        let used = policy.purposes.iter().enumerate().filter(|(_, purpose)| purpose.retention_days > 0);
        let choice = |(index, purpose): (usize, &Purpose)| {
            let said = held(purpose, stands.get(&purpose.id).copied(), at);
            let held = counting(said, index, &standing, waits.get(&purpose.id).map(|(since, _)| *since));
            let left_out = if matches!(held, Held::Granted(..)) { left_out(&policy, index, &standing) } else { Vec::new() };
            let may_widen = !left_out.is_empty() && widened.has(index) && !standing.pending.has(index);
            Choice { index, held, left_out, may_widen, signal: sways(&policy, signal, index) }
        };
        Ok(used.map(choice).collect())
    }

    /// Whether everything of the person is only stored (Art. 18).
    #[must_use]
    pub fn is_restricted(&self, person: &Person, at: Millis) -> bool {
        let resolved = self.rooms.directory.resolve(&person.identifiers);
        person.is_whole && self.rooms.consents.standing(&resolved, at).restricted
    }

    /// Records what the person decides for a purpose, with what they proved. It holds when this returns; what relied on a grant that ends
    /// has then arrived or failed. Where the signal of their browser prevails over a Yes, what is recorded is the signal's No.
    ///
    /// # Errors
    /// [`Error::NoPurpose`] if nobody is asked for it; what consent says.
    pub async fn decide(&self, person: &Person, answer: &Answer) -> Result<Recorded, Error> {
        let (policy, granted) = (self.policy(), answer.granted);
        let index = policy.purpose(&answer.purpose).filter(|index| may_decide(&policy, *index, granted));
        let index = index.ok_or(Error::NoPurpose)?;
        let notice = policy.notice(NOTICE).filter(|notice| notice.purposes.has(index));
        let mut order = Order {
            identifiers: person.identifiers.clone(),
            decisions: vec![(index, granted)],
            notice: notice.map(|notice| notice.id.clone()),
            language: Some(answer.words.0.code().to_owned()),
            method: Method::Portal,
            source: NO_SOURCE,
            actor: None,
            at: self.rooms.clock.now(),
            policy: Arc::clone(&policy),
            mark: None,
            besides: Besides::default(),
        };
        if let Some(signal) = answer.signal {
            let refused = self.rooms.consents.heed_with(signal, &mut order).await?;
            if let Some(refused) = refused.filter(|_| order.decisions.is_empty()) {
                return Ok(refused);
            }
        }
        Ok(self.confirmations.record(order).await?)
    }

    /// What the person decided, the newest first: everything if all of their profile was proven, else what was stated with what was.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn history(&self, person: &Person) -> Result<Vec<Told>, Error> {
        let mut all = Vec::new();
        for owner in &person.owners {
            match self.rooms.consents.told(*owner) {
                Ok(told) => all.extend(told.into_iter().filter(|told| sees(person, &told.decision.identifiers))),
                // Erased at this moment.
                Err(crate::consent::Error::Vault(vault::Error::Shredded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        all.sort_by_key(|told| std::cmp::Reverse(told.decision.at));
        Ok(all)
    }

    /// Whether a receipt is of a decision that the person may see.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn is_theirs(&self, person: &Person, receipt: &str) -> Result<bool, Error> {
        let found = self.rooms.consents.behind(receipt)?;
        Ok(found.is_some_and(|(subject, decision)| person.owners.contains(&subject) && sees(person, &decision.identifiers)))
    }
}

fn sees(person: &Person, stated: &[crate::id::NodeId]) -> bool {
    person.is_whole || stated.iter().any(|name| person.names.contains(name))
}

/// Whether people are asked: for consent, both ways; for a legitimate interest, whether they object.
fn may_decide(policy: &Policy, index: usize, granted: bool) -> bool {
    let purpose = policy.purposes.get(index).filter(|purpose| purpose.retention_days > 0);
    match purpose.map(|purpose| purpose.basis) {
        Some(LegalBasis::Consent) => true,
        Some(LegalBasis::LegitimateInterest) => !granted,
        Some(LegalBasis::Contract | LegalBasis::LegalObligation) | None => false,
    }
}

fn held(purpose: &Purpose, stand: Option<Standpoint>, at: Millis) -> Held {
    match (purpose.basis, stand) {
        (LegalBasis::Contract | LegalBasis::LegalObligation, _) => Held::Unasked,
        (LegalBasis::LegitimateInterest, None) => Held::Unobjected,
        (LegalBasis::Consent, None) => Held::Undecided,
        (_, Some((State::Granted, since, Some(until)))) if until <= at => Held::Expired(until.max(since)),
        (_, Some((State::Granted, since, until))) => Held::Granted(since, until),
        (_, Some((State::Pending, since, _))) => Held::Pending(since),
        (_, Some((State::Denied, since, _))) => Held::Denied(since),
        (_, Some((State::Withdrawn, since, _))) => Held::Withdrawn(since),
    }
}

/// What of a Yes counts.
fn counting(said: Held, index: usize, standing: &Standing, asked_again: Option<Millis>) -> Held {
    let Held::Granted(since, _) = said else { return said };
    if standing.outdated.has(index) {
        return asked_again.map_or(Held::Outdated(since), Held::Pending);
    }
    if standing.denied_by_link.has(index) { Held::Outweighed(since) } else { said }
}

/// Recipients of a purpose that were none when what stands was granted.
fn left_out(policy: &Policy, index: usize, standing: &Standing) -> Vec<usize> {
    let recipients = policy.recipients(index).map(|(destination, _)| destination);
    recipients.filter(|destination| standing.is_stranger(*destination)).collect()
}
