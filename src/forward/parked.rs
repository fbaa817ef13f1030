//! Subjects whose events wait in table P, in memory: how many, and when the first of them is due.

use std::collections::{BTreeSet, HashMap};

use super::record::{PARKED, ParkedKey};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::store::{self, Store};

/// How many records are read at a time.
const PAGE: usize = 256;

/// The parked subjects of one destination.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    subjects: HashMap<SubjectId, (usize, Millis)>,
    due: BTreeSet<(Millis, SubjectId)>,
    events: usize,
}

impl Waiting {
    /// Reads who waits.
    pub(super) fn open(store: &Store, tag: u32) -> Result<Self, store::Error> {
        let mut waiting = Self::default();
        let prefix = ParkedKey::prefix(tag, None);
        let mut after = None;
        loop {
            let page = PARKED.scan(store, &prefix, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(waiting) };
            after = Some(*last);
            for (key, parked) in &page {
                let first = !waiting.has(key.subject);
                let due_at = if first { parked.due_at } else { Millis::MAX };
                waiting.add(key.subject, 1, due_at);
            }
        }
    }

    pub(super) fn has(&self, subject: SubjectId) -> bool {
        self.subjects.contains_key(&subject)
    }

    /// How many events wait.
    pub(super) const fn events(&self) -> usize {
        self.events
    }

    /// More events of a subject wait. They are due when the first of them is.
    pub(super) fn add(&mut self, subject: SubjectId, events: usize, due_at: Millis) {
        let (count, due) = self.subjects.get(&subject).copied().unwrap_or((0, Millis::MAX));
        self.set(subject, count + events, due.min(due_at));
    }

    /// So many events of a subject wait, the first of them until then.
    pub(super) fn set(&mut self, subject: SubjectId, events: usize, due_at: Millis) {
        if let Some((count, due)) = self.subjects.remove(&subject) {
            self.due.remove(&(due, subject));
            self.events -= count;
        }
        if events > 0 {
            self.subjects.insert(subject, (events, due_at));
            self.due.insert((due_at, subject));
            self.events += events;
        }
    }

    /// Some events of a subject wait no more.
    pub(super) fn took(&mut self, subject: SubjectId, events: usize, due_at: Millis) {
        let count = self.subjects.get(&subject).map_or(0, |(count, _)| *count);
        self.set(subject, count.saturating_sub(events), due_at);
    }

    /// Who is due, the longest due first.
    pub(super) fn due(&self, at: Millis, limit: usize) -> Vec<SubjectId> {
        self.due.iter().take_while(|(due, _)| *due <= at).take(limit).map(|(_, subject)| *subject).collect()
    }

    /// When somebody is due next.
    pub(super) fn next(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_due_in_order_and_gone_when_nothing_is_left() {
        let (a, b) = (SubjectId([1; 16]), SubjectId([2; 16]));
        let mut waiting = Waiting::default();
        waiting.add(a, 2, 50);
        waiting.add(b, 1, 10);
        waiting.add(a, 1, 70);
        assert_eq!((waiting.due(50, 9), waiting.next(), waiting.events()), (vec![b, a], Some(10), 4));
        waiting.took(b, 1, 0);
        waiting.took(a, 1, 90);
        assert_eq!((waiting.due(50, 9), waiting.next(), waiting.events()), (vec![], Some(90), 2));
        assert!(!waiting.has(b) && waiting.has(a));
    }
}
