//! What is allowed, and changing it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Error, Person, Portal};
use crate::clock::Millis;
use crate::consent::{Besides, Method, Order, Recorded, State, Told};
use crate::policy::{LegalBasis, Policy, Purpose};
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
}

impl Held {
    /// Whether data may be used for it.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Unasked | Self::Unobjected | Self::Granted(..))
    }
}

impl Portal {
    /// What holds for each purpose of the policy, with what the person proved.
    ///
    /// # Errors
    /// When what stands cannot be read.
    pub fn choices(&self, person: &Person, at: Millis) -> Result<Vec<Choice>, Error> {
        let policy = self.policy();
        let mut stands: BTreeMap<String, (State, Millis, Option<Millis>)> = BTreeMap::new();
        for identifier in &person.identifiers {
            for (purpose, stand) in self.rooms.consents.stands(std::slice::from_ref(identifier), at)? {
                let newest = stands.entry(purpose).or_insert(stand);
                if stand.1 >= newest.1 {
                    *newest = stand;
                }
            }
        }
        // What was decided with something that was not proven is nobody's to see here.
        let resolved = self.rooms.directory.resolve(&person.identifiers);
        let refused = if person.is_whole {
            self.rooms.consents.standing(&resolved, at).denied_by_link
        } else {
            crate::policy::Purposes::NONE
        };
        let used = policy.purposes.iter().enumerate().filter(|(_, purpose)| purpose.retention_days > 0);
        let choice = |(index, purpose): (usize, &Purpose)| {
            let held = held(purpose, stands.get(&purpose.id).copied(), at);
            let held = match held {
                Held::Granted(since, _) if refused.has(index) => Held::Outweighed(since),
                Held::Unasked
                | Held::Unobjected
                | Held::Undecided
                | Held::Granted(..)
                | Held::Outweighed(_)
                | Held::Pending(_)
                | Held::Denied(_)
                | Held::Withdrawn(_)
                | Held::Expired(_) => held,
            };
            Choice { index, held }
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
    /// has then arrived or failed.
    ///
    /// # Errors
    /// [`Error::NoPurpose`] if nobody is asked for it; what consent says.
    pub async fn decide(&self, person: &Person, purpose: &str, granted: bool, words: Words) -> Result<Recorded, Error> {
        let policy = self.policy();
        let index = policy.purpose(purpose).filter(|index| may_decide(&policy, *index, granted)).ok_or(Error::NoPurpose)?;
        let notice = policy.notice(NOTICE).filter(|notice| notice.purposes.has(index));
        let order = Order {
            identifiers: person.identifiers.clone(),
            decisions: vec![(index, granted)],
            notice: notice.map(|notice| notice.id.clone()),
            language: Some(words.0.code().to_owned()),
            method: Method::Portal,
            // It came through no source.
            source: usize::MAX,
            actor: None,
            at: self.rooms.clock.now(),
            policy: Arc::clone(&policy),
            mark: None,
            besides: Besides::default(),
        };
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

fn held(purpose: &Purpose, stand: Option<(State, Millis, Option<Millis>)>, at: Millis) -> Held {
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
