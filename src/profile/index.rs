//! Where the events of a subject are, in memory: one linked list per subject, threaded through the order of all events.
//!
//! Memory: 4 bytes per event, 40 to 60 per subject (the map of heads), 32 per chunk of about a hundred events. It is derived
//! and rebuilt from the headers at open.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use crate::clock::Millis;
use crate::id::SubjectId;

/// The place of an event in the stream.
pub(super) type Place = (u64, u32);

/// One chunk of the stream, as the index knows it.
#[derive(Debug)]
pub(super) struct Span {
    /// The chunk's number.
    pub(super) chunk: u64,
    /// When its newest event was received.
    pub(super) newest: Millis,
    /// The number of its first event.
    first: u64,
    /// Which set of purposes its events were used for, all together.
    purposes: u16,
    /// Dropped from the store, but not yet from here, because it is not the oldest.
    gone: bool,
}

/// The index. Events are numbered in the order in which they were appended.
#[derive(Default)]
pub(super) struct Index {
    /// The number of the event at the front of `back`.
    front: u64,
    /// For each event: how many events back the subject's one before it is; 0 if there is none.
    back: VecDeque<u32>,
    spans: VecDeque<Span>,
    heads: HashMap<SubjectId, u64>,
    /// The sets of purposes that chunks have; there are few different ones.
    sets: Vec<Vec<u32>>,
}

impl Index {
    /// Learns the events of a whole chunk: the subject of each, in order.
    pub(super) fn learn(&mut self, chunk: u64, newest: Millis, purposes: &[u32], subjects: &[SubjectId]) {
        if self.spans.back().is_some_and(|last| last.chunk >= chunk) {
            return;
        }
        let purposes = self.set(purposes);
        let first = self.next();
        self.spans.push_back(Span { chunk, newest, first, purposes, gone: false });
        for subject in subjects {
            let number = self.next();
            let before = self.heads.insert(*subject, number);
            let back = before.and_then(|b| u32::try_from(number.checked_sub(b)?).ok()).unwrap_or(0);
            self.back.push_back(back);
        }
    }

    fn next(&self) -> u64 {
        self.front + self.back.len() as u64
    }

    fn set(&mut self, purposes: &[u32]) -> u16 {
        let found = self.sets.iter().position(|s| s == purposes);
        let at = found.unwrap_or_else(|| {
            self.sets.push(purposes.to_vec());
            self.sets.len() - 1
        });
        // A chunk of an unknown set would never be dropped; with 65 535 sets that is the safe side.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// How many events there are.
    pub(super) fn events(&self) -> usize {
        self.back.len()
    }

    /// The newest chunk, 0 if there is none.
    pub(super) fn newest_chunk(&self) -> u64 {
        self.spans.back().map_or(0, |s| s.chunk)
    }

    /// Whether the subject has events that were not dropped.
    pub(super) fn knows(&self, subject: SubjectId) -> bool {
        self.timeline(&[subject]).any(|number| self.place(number).is_some())
    }

    /// Forgets where the events of a subject are.
    pub(super) fn forget_subject(&mut self, subject: SubjectId) {
        self.heads.remove(&subject);
    }

    /// The place of an event; `None` if it has been dropped.
    pub(super) fn place(&self, number: u64) -> Option<Place> {
        let at = self.spans.partition_point(|s| s.first <= number).checked_sub(1)?;
        let span = self.spans.get(at).filter(|s| !s.gone)?;
        Some((span.chunk, u32::try_from(number.checked_sub(span.first)?).ok()?))
    }

    /// The events of several subjects together, newest first.
    pub(super) fn timeline(&self, subjects: &[SubjectId]) -> Timeline<'_> {
        let heads = subjects.iter().filter_map(|s| self.heads.get(s).copied()).filter(|n| *n >= self.front).collect();
        Timeline { index: self, heads }
    }

    fn before(&self, number: u64) -> Option<u64> {
        let at = usize::try_from(number.checked_sub(self.front)?).ok()?;
        let back = *self.back.get(at)?;
        (back != 0).then(|| number.checked_sub(u64::from(back))).flatten().filter(|n| *n >= self.front)
    }

    /// The chunks in which events of these subjects lie.
    pub(super) fn chunks_of(&self, subjects: &[SubjectId]) -> HashSet<u64> {
        self.timeline(subjects).filter_map(|number| self.place(number)).map(|(chunk, _)| chunk).collect()
    }

    /// Every chunk: newest receipt, purposes, how many events.
    pub(super) fn each_chunk(&self, mut take: impl FnMut(Millis, &[u32], u64)) {
        let firsts = self.spans.iter().skip(1).map(|span| span.first).chain([self.next()]);
        for (span, end) in self.spans.iter().zip(firsts).filter(|(span, _)| !span.gone) {
            let purposes = self.sets.get(usize::from(span.purposes)).map_or(&[][..], Vec::as_slice);
            take(span.newest, purposes, end - span.first);
        }
    }

    /// The chunks for which `past` says that all their events may go: newest receipt, purposes. Those that are held stay.
    pub(super) fn past(&self, limit: usize, held: &HashSet<u64>, past: impl Fn(Millis, &[u32]) -> bool) -> Vec<u64> {
        let purposes = |s: &Span| self.sets.get(usize::from(s.purposes));
        let over = |s: &&Span| !s.gone && !held.contains(&s.chunk) && purposes(s).is_some_and(|p| past(s.newest, p));
        self.spans.iter().filter(over).map(|s| s.chunk).take(limit).collect()
    }

    /// Forgets chunks that were dropped.
    pub(super) fn forget(&mut self, chunks: &[u64]) {
        for chunk in chunks {
            let at = self.spans.partition_point(|s| s.chunk < *chunk);
            if let Some(span) = self.spans.get_mut(at).filter(|s| s.chunk == *chunk) {
                span.gone = true;
            }
        }
        let mut moved = false;
        while self.spans.front().is_some_and(|s| s.gone) {
            self.spans.pop_front();
            let first = self.spans.front().map_or_else(|| self.next(), |s| s.first);
            while self.front < first {
                self.back.pop_front();
                self.front += 1;
            }
            moved = true;
        }
        if moved {
            let front = self.front;
            self.heads.retain(|_, head| *head >= front);
        }
    }
}

/// Numbers of events, newest first.
pub(super) struct Timeline<'a> {
    index: &'a Index,
    heads: Vec<u64>,
}

impl Iterator for Timeline<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let (at, newest) = self.heads.iter().copied().enumerate().max_by_key(|(_, n)| *n)?;
        match self.index.before(newest) {
            Some(before) => self.heads.get_mut(at).map(|head| *head = before)?,
            None => drop(self.heads.swap_remove(at)),
        }
        Some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subject(n: u8) -> SubjectId {
        SubjectId([n; 16])
    }

    proptest! {
        #[test]
        fn a_timeline_is_what_a_plain_list_would_give(
            chunks in proptest::collection::vec((proptest::collection::vec(0_u8..5, 1..9), any::<bool>()), 1..30),
            asked in proptest::collection::btree_set(0_u8..6, 1..4),
        ) {
            let mut index = Index::default();
            let mut plain = Vec::new();
            for (at, (subjects, _)) in chunks.iter().enumerate() {
                let chunk = at as u64 + 1;
                let subjects: Vec<SubjectId> = subjects.iter().map(|n| subject(*n)).collect();
                plain.extend(subjects.iter().enumerate().map(|(slot, s)| (*s, (chunk, u32::try_from(slot).unwrap_or(0)))));
                index.learn(chunk, 0, &[], &subjects);
            }
            let gone: Vec<u64> = chunks.iter().enumerate().filter(|(_, (_, gone))| *gone).map(|(at, _)| at as u64 + 1).collect();
            index.forget(&gone);
            let asked: Vec<SubjectId> = asked.into_iter().map(subject).collect();
            let found: Vec<Place> = index.timeline(&asked).filter_map(|n| index.place(n)).collect();
            let mut expected: Vec<Place> =
                plain.iter().filter(|(s, p)| asked.contains(s) && !gone.contains(&p.0)).map(|(_, p)| *p).collect();
            expected.reverse();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn a_subject_whose_events_are_all_dropped_is_not_known_any_more() {
        let mut index = Index::default();
        index.learn(1, 10, &[1], &[subject(1), subject(2)]);
        index.learn(2, 20, &[1, 2], &[subject(2)]);
        assert_eq!(index.past(9, &HashSet::new(), |newest, purposes| newest < 15 && purposes == [1]), [1]);
        index.forget(&[1]);
        assert!(!index.knows(subject(1)) && index.knows(subject(2)));
        assert_eq!(index.events(), 1);
        index.learn(3, 20, &[1], &[subject(3)]);
        index.learn(4, 20, &[2], &[subject(2)]);
        index.forget(&[3]);
        assert!(!index.knows(subject(3)), "its chunk is gone, although an older one is there");
    }
}
