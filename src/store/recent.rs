//! What the journal holds, in memory: groups that have not been checkpointed yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::engine::{Bytes, Group, Read};
use super::spare::Spare;

/// Writes, chunks and drops since the last checkpoint. They hide what keys and log files say.
#[derive(Default)]
pub(super) struct Recent {
    /// The newest chunk of every stream, wherever it is.
    pub(super) heads: BTreeMap<u8, u64>,
    /// Values as they stand on disk; `None` stands for a removed one.
    pub(super) writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// By stream and number. What was dropped meanwhile is empty.
    pub(super) chunks: BTreeMap<(u8, u64), Bytes>,
    pub(super) drops: BTreeSet<(u8, u64)>,
}

/// A key, and its value if it was not removed.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

impl Recent {
    /// Takes a group in. The memory of what it drops goes to `spare`.
    pub(super) fn take(&mut self, group: Group, spare: &Spare) {
        self.writes.extend(group.writes);
        for append in group.appends {
            self.heads.insert(append.stream, append.chunk);
            self.chunks.insert((append.stream, append.chunk), append.bytes);
        }
        for (stream, chunk) in group.drops {
            if self.heads.get(&stream).is_none_or(|head| chunk > *head) {
                continue;
            }
            if let Some(bytes) = self.chunks.get_mut(&(stream, chunk)) {
                spare.give(std::mem::take(bytes));
            }
            self.drops.insert((stream, chunk));
        }
    }

    /// Forgets everything but the heads. Gives the chunks back.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        self.writes.clear();
        self.drops.clear();
        std::mem::take(&mut self.chunks).into_values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.chunks.is_empty() && self.drops.is_empty()
    }

    /// Up to `limit` changes of keys that begin with `prefix`, ascending, from `from` on.
    pub(super) fn changes(&self, prefix: &[u8], from: Bound<&[u8]>, limit: usize) -> Vec<Change> {
        let found = self.writes.range::<[u8], _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Up to `limit` chunks of a stream that are not dropped, from `from` on.
    pub(super) fn chunks(&self, stream: u8, from: u64, limit: usize) -> Vec<Read> {
        let found = self.chunks.range((stream, from)..=(stream, u64::MAX)).filter(|(place, _)| !self.drops.contains(place));
        found.take(limit).map(|((_, chunk), bytes)| (*chunk, Some(Bytes::clone(bytes)))).collect()
    }

    /// The chunks of a stream up to `head` that are dropped.
    pub(super) fn dropped(&self, stream: u8, from: u64, head: u64) -> BTreeSet<u64> {
        if from > head {
            return BTreeSet::new();
        }
        self.drops.range((stream, from)..=(stream, head)).map(|(_, chunk)| *chunk).collect()
    }
}
