//! How often what was decided, per day and purpose: numbers alone, of nobody.
//!
//! They are counted in memory and written once in a while, so that a decision costs no further record. What was counted since then is
//! lost by a crash: these are figures for people who look at trends, and the decisions themselves are the proof.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::State;
use crate::store::{self, Batch, Key, Record, Store, Table};

/// For how many days figures are kept.
const KEPT_DAYS: i32 = 400;
/// One record a day.
const RATES: Table<Day, Tally> = Table::new(b'v', "consent rates");
/// How many records are read at a time.
const PAGE: usize = 512;

/// A day, where the company is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day(Date);

impl Key for Day {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok().map(Self)
    }
}

/// How often a purpose was agreed to, denied and withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Yes.
    pub granted: u64,
    /// No.
    pub denied: u64,
    /// Yes before, no now.
    pub withdrawn: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.granted += other.granted;
        self.denied += other.denied;
        self.withdrawn += other.withdrawn;
    }
}

/// Purpose to its counts.
pub type ByPurpose = BTreeMap<String, Counts>;

/// What was decided on a day. Invariant: as many as the policy ever had, which is bounded by what a record takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally(ByPurpose);

impl Record for Tally {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        // It is made of texts and numbers alone.
        out.extend_from_slice(&serde_json::to_vec(self).unwrap_or_default());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|_| version == Self::VERSION)
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(purpose, counts)| self.0.entry(purpose.clone()).or_default().add(*counts));
    }
}

/// All figures.
pub struct Rates {
    store: Store,
    fresh: Mutex<BTreeMap<Day, Tally>>,
    turn: tokio::sync::Mutex<()>,
}

impl Rates {
    pub(super) fn new(store: &Store) -> Self {
        Self { store: store.clone(), fresh: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    pub(super) fn count(&self, day: Date, states: &BTreeMap<String, State>) {
        let mut fresh = self.fresh.lock();
        let tally = fresh.entry(Day(day)).or_default();
        for (purpose, state) in states {
            let counts = tally.0.entry(purpose.clone()).or_default();
            match state {
                State::Granted => counts.granted += 1,
                State::Denied => counts.denied += 1,
                State::Withdrawn => counts.withdrawn += 1,
                // It counts when it is confirmed.
                State::Pending => {}
            }
        }
    }

    /// Writes what was counted, and drops days that are too old.
    ///
    /// # Errors
    /// What the store says; then it is counted for the next time.
    pub async fn write(&self, today: Date) -> Result<(), store::Error> {
        let _turn = self.turn.lock().await;
        let fresh = std::mem::take(&mut *self.fresh.lock());
        let outcome = self.try_write(&fresh, today).await;
        if outcome.is_err() {
            let mut kept = self.fresh.lock();
            fresh.iter().for_each(|(day, tally)| kept.entry(*day).or_default().add(tally));
        }
        outcome
    }

    async fn try_write(&self, fresh: &BTreeMap<Day, Tally>, today: Date) -> Result<(), store::Error> {
        let mut batch = Batch::default();
        for (day, tally) in fresh {
            let mut sum = RATES.get(&self.store, day)?.unwrap_or_default();
            sum.add(tally);
            RATES.put(&mut batch, day, &sum);
        }
        let oldest = today.saturating_sub(KEPT_DAYS.days());
        let stored = RATES.scan(&self.store, &[], None, PAGE)?;
        stored.iter().filter(|(day, _)| day.0 < oldest).for_each(|(day, _)| RATES.delete(&mut batch, day));
        if !batch.is_empty() {
            self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Per day and purpose what was decided, the oldest first, what is not written yet included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read(&self, from: Date) -> Result<Vec<(Date, ByPurpose)>, store::Error> {
        let fresh = self.fresh.lock().clone();
        let mut all: BTreeMap<Day, Tally> = RATES.scan(&self.store, &[], None, PAGE)?.into_iter().collect();
        fresh.iter().for_each(|(day, tally)| all.entry(*day).or_default().add(tally));
        Ok(all.into_iter().filter(|(day, _)| day.0 >= from).map(|(day, tally)| (day.0, tally.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn states(all: &[(&str, State)]) -> BTreeMap<String, State> {
        all.iter().map(|(purpose, state)| ((*purpose).to_owned(), *state)).collect()
    }

    #[tokio::test]
    async fn counts_add_up_over_writing_and_old_days_go() {
        let store = Store::memory();
        let rates = Rates::new(&store);
        let (first, second) = (date(2026, 11, 25), date(2026, 11, 26));
        rates.count(first, &states(&[("ads", State::Granted), ("analytics", State::Denied)]));
        rates.write(first).await.unwrap();
        rates.count(first, &states(&[("ads", State::Withdrawn)]));
        rates.count(second, &states(&[("ads", State::Granted)]));
        let expected = rates.read(first).unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!(expected[0].1["ads"], Counts { granted: 1, denied: 0, withdrawn: 1 });
        rates.write(second).await.unwrap();
        assert_eq!(Rates::new(&store).read(first).unwrap(), expected, "what is written is what was counted");
        assert_eq!(rates.read(second).unwrap().len(), 1);
        rates.write(date(2028, 1, 1)).await.unwrap();
        assert!(rates.read(first).unwrap().is_empty());
        store.close().unwrap();
        rates.count(second, &states(&[("ads", State::Granted)]));
        assert!(rates.write(second).await.is_err());
        assert_eq!(rates.read(second).unwrap().len(), 1, "what could not be written is still counted");
    }
}
