//! What a law obliges to keep (GDPR Art. 17(3)(b)): a copy of its own, under a key of its own, for nothing else.
//!
//! An event that a duty of the policy names is stored twice, in one commit: once as any other, for its purposes; and once here, sealed
//! under the subject's key for a *class*. A class is one duty and one last day. So an erasure leaves exactly what the duty asks for,
//! and when the day is over the keys of the class are shredded and nothing else is. No profile, no timeline and no purpose sees this
//! copy, and it does not hold the identifiers that the event stated.
//!
//! A class keeps the day that it was made with. A policy that changes a duty changes what comes, never what is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::record::Inside;
use super::{Arrival, Error, Profiles};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::policy::{Controller, Duty, Texts};
use crate::store::{self, Batch, Key, Record, Table};
use crate::vault::{self, Class, Sealed};

/// What is kept, sealed under the key of subject and class.
const KEPT: Table<KeptKey, Sealed> = Table::new(b'B', "kept records");
/// Of whom something is kept in a class.
const HELD: Table<HeldKey, Nothing> = Table::new(b'h', "people with kept records");
/// What the classes are.
const TERMS: Table<ClassKey, Term> = Table::new(b'Y', "retention classes");
/// How many records are read at a time.
const PAGE: usize = 256;

/// Why something is kept, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The duty's ID.
    pub duty: String,
    /// The law.
    pub law: Texts,
    /// The last day.
    #[serde(with = "day")]
    pub until: Date,
}

impl Term {
    /// What a duty means for an event.
    #[must_use]
    pub fn of(duty: &Duty, controller: &Controller, received_at: Millis) -> Self {
        let until = controller.end_of_year_after(received_at, duty.keep_years);
        Self { duty: duty.id.clone(), law: duty.law.clone(), until }
    }

    fn is_class_of(&self, other: &Self) -> bool {
        self.duty == other.duty && self.until == other.until
    }
}

/// A record that is kept.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    /// Why, and until when.
    pub term: &'a Term,
    /// When the gateway received the event.
    pub received_at: Millis,
    /// The ID of the source that sent it.
    pub source: &'a str,
    /// The event as the profile store had it, a JSON object.
    pub event: &'a str,
}

/// The records of a commit that are to be kept, by whose they are.
#[derive(Default)]
pub(super) struct Keeping<'a> {
    wanted: BTreeMap<SubjectId, Vec<(Class, &'a Arrival<'a>)>>,
    /// Classes that are new with this commit, or whose law is written otherwise now.
    pub(super) terms: BTreeMap<Class, Term>,
}

impl<'a> Keeping<'a> {
    /// Takes an event that has been staged, if a duty is about it.
    pub(super) fn take(&mut self, profiles: &Profiles, arrival: &'a Arrival<'a>) {
        let Some(term) = arrival.kept else { return };
        let known = profiles.terms.read();
        let all = || known.iter().chain(&self.terms);
        let found = all().find(|(_, other)| other.is_class_of(term)).map(|(class, _)| *class);
        let free = || (1..=u8::MAX).map(Class).find(|class| all().all(|(taken, _)| taken != class));
        let Some(class) = found.or_else(free) else {
            tracing::error!(duty = term.duty, "all retention classes are taken; something that must be kept is not");
            return;
        };
        if known.get(&class).or_else(|| self.terms.get(&class)) != Some(term) {
            self.terms.insert(class, term.clone());
        }
        self.wanted.entry(arrival.subject).or_default().push((class, arrival));
    }

    /// Puts everything into the batch.
    pub(super) fn put(&self, profiles: &Profiles, batch: &mut Batch) -> Result<(), Error> {
        for (subject, records) in &self.wanted {
            let mut classes: Vec<Class> = records.iter().map(|(class, _)| *class).collect();
            classes.sort_unstable();
            classes.dedup();
            let keys = match profiles.vault.create_classes(*subject, &classes, batch) {
                Ok(keys) => keys,
                Err(vault::Error::Shredded) => continue,
                Err(error) => return Err(error.into()),
            };
            for (class, key) in classes.into_iter().zip(keys) {
                HELD.put(batch, &HeldKey { class, subject: *subject }, &Nothing);
                for (_, arrival) in records.iter().filter(|(of, _)| *of == class) {
                    let digest = profiles.vault.mac("kept", arrival.event);
                    let at = KeptKey { subject: *subject, class, received_at: arrival.received_at, digest };
                    let sealed = key.seal(&at.aad(), &Inside::encode(&[], arrival.source, arrival.event))?;
                    KEPT.put(batch, &at, &Sealed(sealed));
                }
            }
        }
        self.terms.iter().for_each(|(class, term)| TERMS.put(batch, &ClassKey(*class), term));
        Ok(())
    }
}

impl Profiles {
    pub(super) fn read_terms(store: &store::Store) -> Result<BTreeMap<Class, Term>, store::Error> {
        Ok(TERMS.scan(store, &[], None, PAGE)?.into_iter().map(|(ClassKey(class), term)| (class, term)).collect())
    }

    /// The classes in which something is kept.
    #[must_use]
    pub fn terms(&self) -> Vec<(Class, Term)> {
        self.terms.read().iter().map(|(class, term)| (*class, term.clone())).collect()
    }

    /// Of whom something is kept in a class, from `after` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn held(&self, class: Class, after: Option<SubjectId>, limit: usize) -> Result<Vec<SubjectId>, Error> {
        let after = after.map(|subject| HeldKey { class, subject });
        let page = HELD.scan(&self.store, &[class.0], after.as_ref(), limit)?;
        Ok(page.into_iter().map(|(key, _)| key.subject).collect())
    }

    /// How many people something is kept of in a class.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn held_count(&self, class: Class) -> Result<usize, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.held(class, after, PAGE)?;
            let Some(last) = page.last() else { return Ok(count) };
            count += page.len();
            after = Some(*last);
        }
    }

    /// Gives what is kept of these subjects to `take`, until that says no.
    ///
    /// # Errors
    /// When store or vault fail.
    pub fn kept(&self, subjects: &[SubjectId], mut take: impl FnMut(&Kept<'_>) -> bool) -> Result<(), Error> {
        let mut more = true;
        for subject in subjects {
            for class in self.terms().into_iter().map(|(class, _)| class) {
                if more {
                    self.kept_in(*subject, class, |kept| {
                        more = take(kept);
                        more
                    })?;
                }
            }
        }
        Ok(())
    }

    /// The same for one class of one subject.
    ///
    /// # Errors
    /// When store or vault fail.
    pub fn kept_in(&self, subject: SubjectId, class: Class, mut take: impl FnMut(&Kept<'_>) -> bool) -> Result<(), Error> {
        let Some(term) = self.terms.read().get(&class).cloned() else { return Ok(()) };
        let key = match self.vault.class_key(subject, class) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (prefix, mut after) = ([subject.0.as_slice(), &[class.0]].concat(), None);
        loop {
            let page = KEPT.scan(&self.store, &prefix, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (at, Sealed(sealed)) in &page {
                let plain = key.open(&at.aad(), sealed)?;
                let Some(inside) = Inside::decode(&plain) else { continue };
                let Ok(event) = std::str::from_utf8(inside.event) else { continue };
                if !take(&Kept { term: &term, received_at: at.received_at, source: inside.source, event }) {
                    return Ok(());
                }
            }
        }
    }

    /// How many records are kept of these subjects, by why and until when.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn kept_counts(&self, subjects: &[SubjectId]) -> Result<Vec<(Term, u64)>, Error> {
        let mut counts: BTreeMap<Class, u64> = BTreeMap::new();
        for subject in subjects {
            let mut after: Option<KeptKey> = None;
            loop {
                let page = KEPT.scan(&self.store, &subject.0, after.as_ref(), PAGE)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                page.iter().for_each(|(at, _)| *counts.entry(at.class).or_default() += 1);
            }
        }
        let terms = self.terms.read();
        let mut found: Vec<(Term, u64)> =
            counts.into_iter().filter_map(|(class, count)| Some((terms.get(&class)?.clone(), count))).collect();
        found.sort_by(|(a, _), (b, _)| (&a.duty, a.until).cmp(&(&b.duty, b.until)));
        Ok(found)
    }

    /// Ends the keeping for some people in a class: the keys are shredded, then what was sealed under them goes. Doing it again
    /// completes it.
    ///
    /// # Errors
    /// What vault and store say.
    pub async fn end(&self, class: Class, subjects: &[SubjectId]) -> Result<(), Error> {
        let keys: Vec<(SubjectId, Class)> = subjects.iter().map(|subject| (*subject, class)).collect();
        let vault = Arc::clone(&self.vault);
        // Beside the runtime: it waits for the disk.
        let shredded = tokio::task::spawn_blocking(move || vault.shred(&keys)).await;
        shredded.map_err(|_panicked| store::Error::Closed)??;
        for subject in subjects {
            let prefix: Vec<u8> = [subject.0.as_slice(), &[class.0]].concat();
            loop {
                let page = KEPT.scan(&self.store, &prefix, None, PAGE)?;
                let mut batch = Batch::default();
                page.iter().for_each(|(key, _)| KEPT.delete(&mut batch, key));
                if page.len() < PAGE {
                    HELD.delete(&mut batch, &HeldKey { class, subject: *subject });
                }
                self.store.commit(batch).await?;
                if page.len() < PAGE {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Gives the number of a class free in which nothing is kept any more. Says whether that is so.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(&self, class: Class) -> Result<bool, Error> {
        let _turn = self.turn().await;
        if !self.held(class, None, 1)?.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        TERMS.delete(&mut batch, &ClassKey(class));
        self.store.commit(batch).await?;
        self.terms.write().remove(&class);
        Ok(true)
    }
}

/// Whose record, why, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeptKey {
    subject: SubjectId,
    class: Class,
    received_at: Millis,
    /// Keyed digest of the event: the same record is kept once.
    digest: [u8; 16],
}

impl KeptKey {
    fn aad(&self) -> Vec<u8> {
        let mut out = b"kept".to_vec();
        self.encode(&mut out);
        out
    }
}

impl Key for KeptKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.push(self.class.0);
        out.extend_from_slice(&self.received_at.to_be_bytes());
        out.extend_from_slice(&self.digest);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (subject, rest) = bytes.split_first_chunk::<16>()?;
        let (class, rest) = rest.split_first()?;
        let (received_at, digest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            subject: SubjectId(*subject),
            class: Class(*class),
            received_at: Millis::from_be_bytes(*received_at),
            digest: digest.try_into().ok()?,
        })
    }
}

/// A class and somebody of whom something is kept in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeldKey {
    class: Class,
    subject: SubjectId,
}

impl Key for HeldKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.class.0);
        out.extend_from_slice(&self.subject.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (class, subject) = bytes.split_first()?;
        Some(Self { class: Class(*class), subject: SubjectId(subject.try_into().ok()?) })
    }
}

/// The key says it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nothing;

impl Record for Nothing {
    const VERSION: u8 = 1;

    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION && bytes.is_empty()).then_some(Self)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClassKey(Class);

impl Key for ClassKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let [class] = bytes else { return None };
        Some(Self(Class(*class)))
    }
}

impl Record for Term {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&serde_json::to_vec(self).unwrap_or_default());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|_| version == Self::VERSION)
    }
}

mod day {
    use jiff::civil::Date;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(day: &Date, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
