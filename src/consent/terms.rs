//! Which terms were in force when somebody decided, what of a grant still counts under the policy in force, and whether who refused must be
//! asked again.

use std::collections::{BTreeSet, HashMap};

use super::record::{Stand, Stands, State};
use super::{Consents, Error, PAGE};
use crate::identity::Identifier;
use crate::policy::{Policy, Purposes, Terms, TermsSet};
use crate::store::{Key, Record, Table};

/// Terms under which decisions were taken, by their tags.
pub(super) const TERMS: Table<Tag, Stored> = Table::new(b't', "terms of decisions");

/// The tag of a set of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u64);

impl Key for Tag {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self)
    }
}

/// A set of terms as it is stored. It holds nothing of anybody.
pub(super) struct Stored(pub(super) TermsSet);

impl Record for Stored {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(serde_json::to_vec(&self.0.of).unwrap_or_default());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let of = serde_json::from_slice(bytes).ok().filter(|_| version == Self::VERSION)?;
        Some(Self(TermsSet::new(of)))
    }
}

/// Destinations, as bits.
pub(super) type Recipients = u64;

/// Which of a number of sets of terms; [`Book::UNKNOWN`] is none of them.
pub(super) type Number = u32;

/// The grants of one identifier or subject, by the terms under which they were given.
pub(super) type Given = Vec<(Purposes, Number)>;

/// All terms under which decisions were taken, and what each set still allows.
#[derive(Clone)]
pub(super) struct Book {
    sets: Vec<Known>,
    numbers: HashMap<u64, Number>,
    /// Which are stored.
    stored: BTreeSet<u64>,
    /// The set under which most grants were given: those in force at the start. Grants under it are not noted one by one.
    base: Number,
}

#[derive(Clone, Default)]
struct Known {
    terms: TermsSet,
    /// Purposes for which a grant under these terms no longer counts.
    lost: Purposes,
    /// Per purpose the recipients that were none then.
    strangers: Vec<(Purposes, Recipients)>,
}

impl Default for Book {
    fn default() -> Self {
        let unknown = Known { lost: Purposes::ALL, ..Known::default() };
        Self { sets: vec![unknown], numbers: HashMap::new(), stored: BTreeSet::new(), base: Self::UNKNOWN }
    }
}

/// What of a grant counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counting {
    /// What counts.
    pub(super) granted: Purposes,
    /// What was granted under terms that have been widened since.
    pub(super) outdated: Purposes,
    /// What counts, but not for all recipients of today.
    pub(super) widened: Purposes,
    /// Recipients that get nothing on the ground of it.
    pub(super) strangers: Recipients,
}

impl Book {
    /// Terms that nobody recorded: a grant under them counts for nothing.
    const UNKNOWN: Number = 0;

    /// Learns terms that are stored.
    pub(super) fn learn(&mut self, terms: &TermsSet, policy: &Policy) {
        self.stored.insert(terms.tag);
        self.number(terms, policy);
    }

    /// Whether terms must be stored with the decision that is taken under them.
    pub(super) fn lacks(&self, tag: u64) -> bool {
        !self.stored.contains(&tag)
    }

    /// The number of a set of terms. It is learnt if it is new.
    fn number(&mut self, terms: &TermsSet, policy: &Policy) -> Number {
        if let Some(number) = self.numbers.get(&terms.tag) {
            return *number;
        }
        let number = Number::try_from(self.sets.len()).unwrap_or(Self::UNKNOWN);
        self.sets.push(Known::under(terms.clone(), policy));
        self.numbers.insert(terms.tag, number);
        number
    }

    /// The policy in force is this one from now on. What each set still allows is worked out; nobody is looked at.
    pub(super) fn enforce(&mut self, policy: &Policy) {
        for known in self.sets.iter_mut().skip(1) {
            *known = Known::under(std::mem::take(&mut known.terms), policy);
        }
        let number = self.number(&policy.terms, policy);
        if self.base == Self::UNKNOWN {
            self.base = number;
        }
    }

    /// The grants that must be noted: nothing if all were given under the base.
    pub(super) fn given(&self, stands: &Stands, policy: &Policy) -> Option<Given> {
        let mut given: Given = Vec::new();
        for (purpose, Stand(state, _, _, tag)) in stands {
            let Some(bit) = policy.purpose(purpose).map(Purposes::one).filter(|_| *state == State::Granted) else { continue };
            let number = tag.and_then(|tag| self.numbers.get(&tag)).copied().unwrap_or(Self::UNKNOWN);
            match given.iter_mut().find(|(_, known)| *known == number) {
                Some((bits, _)) => *bits = bits.or(bit),
                None => given.push((bit, number)),
            }
        }
        if given.iter().all(|(_, number)| *number == self.base) { None } else { Some(given) }
    }

    /// Which of these were refused with less in view than what would be done now. A refusal of which nobody knows what it was said to stands.
    fn refused_less(&self, stands: &Stands, policy: &Policy) -> Purposes {
        let mut less = Purposes::NONE;
        for (purpose, Stand(state, _, _, tag)) in stands {
            let number = tag.and_then(|tag| self.numbers.get(&tag)).filter(|_| state.is_no());
            let (Some(bit), Some(number)) = (policy.purpose(purpose).map(Purposes::one), number) else { continue };
            less = less.or(bit.without(self.unchanged(bit, *number)));
        }
        less
    }

    /// For which of these purposes nothing is done now that these terms do not say.
    fn unchanged(&self, purposes: Purposes, number: Number) -> Purposes {
        let mut counting = Counting::default();
        self.count(purposes, number, &mut counting);
        counting.granted.without(counting.widened)
    }

    /// What of these grants counts. `given` says under which terms, if not all under the base.
    pub(super) fn counting(&self, granted: Purposes, given: Option<&Given>) -> Counting {
        let mut counting = Counting::default();
        let Some(given) = given else {
            self.count(granted, self.base, &mut counting);
            return counting;
        };
        given.iter().for_each(|(bits, number)| self.count(granted.and(*bits), *number, &mut counting));
        counting
    }

    fn count(&self, granted: Purposes, number: Number, into: &mut Counting) {
        let index = usize::try_from(number).unwrap_or_default();
        let Some(known) = self.sets.get(index) else { return };
        into.granted = into.granted.or(granted.without(known.lost));
        into.outdated = into.outdated.or(granted.and(known.lost));
        for (bit, recipients) in known.strangers.iter().filter(|(bit, _)| !granted.and(*bit).is_empty()) {
            into.strangers |= recipients;
            into.widened = into.widened.or(*bit);
        }
    }
}

impl Known {
    fn under(terms: TermsSet, policy: &Policy) -> Self {
        let (mut lost, mut strangers) = (Purposes::NONE, Vec::new());
        if terms.tag == policy.terms.tag {
            return Self { terms, lost, strangers };
        }
        for (index, purpose) in policy.purposes.iter().enumerate() {
            let bit = Purposes::one(index);
            let (Some(then), Some(now)) = (terms.of.get(&purpose.id), policy.terms.of.get(&purpose.id)) else {
                lost = lost.or(bit);
                continue;
            };
            match widened(then, now) {
                None => lost = lost.or(bit),
                Some(names) if names.is_empty() => {}
                Some(names) => {
                    let new = policy.recipients(index).filter(|(_, recipient)| names.contains(&recipient.id));
                    strangers.push((bit, new.fold(0, |all, (at, _)| all | bit_of(at))));
                }
            }
        }
        Self { terms, lost, strangers }
    }
}

/// The recipients that are new; none if more than that is.
fn widened(then: &Terms, now: &Terms) -> Option<Vec<String>> {
    then.widened_by(now).iter().map(|widening| widening.recipient().map(str::to_owned)).collect()
}

impl Consents {
    /// Reads the terms that are stored, and puts those of the policy in force.
    pub(super) fn learn_terms(&self, policy: &Policy) -> Result<(), Error> {
        let (mut after, book) = (None, &mut self.memory.write().book);
        loop {
            let page = TERMS.scan(&self.store, &[], after.as_ref(), PAGE)?;
            page.iter().for_each(|(_, Stored(terms))| book.learn(terms, policy));
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
        }
        book.enforce(policy);
        Ok(())
    }

    /// What grants allow is measured by this policy from now on: where its terms are wider than those that somebody agreed to, the grant
    /// no longer counts for what is new. Comes before the policy is put in force.
    pub fn enforce(&self, policy: &Policy) {
        self.memory.write().book.enforce(policy);
    }

    /// For which purposes identifiers granted something under terms that were widened since: those for which the grant no longer counts,
    /// and those for which it counts with its own recipients only.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn outdated(&self, identifiers: &[Identifier], policy: &Policy) -> Result<(Purposes, Purposes), Error> {
        let (mut outdated, mut widened) = (Purposes::NONE, Purposes::NONE);
        self.each_owner(identifiers, |name, record| {
            let Some(stands) = record.identifiers.get(&name) else { return };
            let counting = self.memory.read().terms_of(stands, policy);
            outdated = outdated.or(counting.outdated);
            widened = widened.or(counting.widened);
        })?;
        Ok((outdated, widened))
    }

    /// Which purposes identifiers have refused under terms that were widened since. Nobody may take that for a grant; they are asked again.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn refused_less(&self, identifiers: &[Identifier], policy: &Policy) -> Result<Purposes, Error> {
        let mut less = Purposes::NONE;
        self.each_owner(identifiers, |name, record| {
            let Some(stands) = record.identifiers.get(&name) else { return };
            less = less.or(self.memory.read().book.refused_less(stands, policy));
        })?;
        Ok(less)
    }

    /// Which of these purposes are still refused by a browser that remembers no more than that it has refused them, and under which terms:
    /// those whose terms were not widened since. None if nobody has decided under terms of this tag.
    #[must_use]
    pub fn still_refused(&self, purposes: Purposes, terms: u64) -> Purposes {
        let memory = self.memory.read();
        memory.book.unchanged(purposes, memory.book.numbers.get(&terms).copied().unwrap_or(Book::UNKNOWN))
    }
}

/// A destination as a bit. A policy has no more of them than there are bits.
const fn bit_of(destination: usize) -> Recipients {
    1 << (destination & 63)
}
