//! Unwrapped data keys that were needed lately, in bounded memory.

use std::sync::Arc;

use hashbrown::HashTable;
use parking_lot::Mutex;

use super::DataKey;
use crate::id::SubjectId;

/// How many shards there are; each has a lock of its own.
const SHARDS: usize = 64;

/// A bounded cache with second-chance eviction. An entry takes about 90 bytes (32 in the slot, 48 for the shared key, up to
/// 12 in the table); evicted keys are wiped when the last who holds them lets go.
pub(super) struct Cache {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    /// Subject → place in `slots`.
    table: HashTable<u32>,
    slots: Vec<Slot>,
    hand: usize,
    room: usize,
}

struct Slot {
    subject: SubjectId,
    key: Arc<DataKey>,
    used: bool,
}

impl Cache {
    /// A cache that holds `entries` keys, or a few more.
    pub(super) fn new(entries: usize) -> Self {
        let room = entries.div_ceil(SHARDS).clamp(1, 1 << 30);
        Self { shards: (0..SHARDS).map(|_| Mutex::new(Shard { room, ..Shard::default() })).collect() }
    }

    pub(super) fn find(&self, subject: SubjectId) -> Option<Arc<DataKey>> {
        self.shard(subject)?.lock().find(subject)
    }

    pub(super) fn insert(&self, subject: SubjectId, key: Arc<DataKey>) {
        if let Some(shard) = self.shard(subject) {
            shard.lock().insert(subject, key);
        }
    }

    /// Forgets a key.
    pub(super) fn remove(&self, subject: SubjectId) {
        if let Some(shard) = self.shard(subject) {
            shard.lock().remove(subject);
        }
    }

    /// By the last byte; the table inside hashes by the first eight.
    fn shard(&self, subject: SubjectId) -> Option<&Mutex<Shard>> {
        let [.., last] = subject.0;
        self.shards.get(usize::from(last) % SHARDS)
    }
}

impl Shard {
    fn place(&self, subject: SubjectId) -> Option<usize> {
        let slots = &self.slots;
        let same = |&at: &u32| slot(slots, at).is_some_and(|s| s.subject == subject);
        self.table.find(hash(subject), same).map(|&at| at as usize)
    }

    fn find(&mut self, subject: SubjectId) -> Option<Arc<DataKey>> {
        let at = self.place(subject)?;
        let slot = self.slots.get_mut(at)?;
        slot.used = true;
        Some(Arc::clone(&slot.key))
    }

    fn insert(&mut self, subject: SubjectId, key: Arc<DataKey>) {
        if self.place(subject).is_some() {
            return;
        }
        let fresh = Slot { subject, key, used: false };
        let at = if self.slots.len() < self.room {
            self.slots.push(fresh);
            self.slots.len() - 1
        } else {
            let at = self.victim();
            if let Some(old) = self.slots.get_mut(at) {
                let gone = std::mem::replace(old, fresh);
                if let Ok(entry) = self.table.find_entry(hash(gone.subject), |&other| other as usize == at) {
                    entry.remove();
                }
            }
            at
        };
        let Ok(at) = u32::try_from(at) else { return };
        let slots = &self.slots;
        self.table.insert_unique(hash(subject), at, |&at| slot(slots, at).map_or(0, |s| hash(s.subject)));
    }

    fn remove(&mut self, subject: SubjectId) {
        let Some(at) = self.place(subject) else { return };
        if let Ok(entry) = self.table.find_entry(hash(subject), |&other| other as usize == at) {
            entry.remove();
        }
        self.slots.swap_remove(at);
        // The last slot has moved here.
        let moved = self.slots.len();
        if let (Some(slot), Ok(now)) = (self.slots.get(at), u32::try_from(at))
            && let Some(place) = self.table.find_mut(hash(slot.subject), |&other| other as usize == moved)
        {
            *place = now;
        }
        if self.hand >= self.slots.len() {
            self.hand = 0;
        }
    }

    /// The next slot that was not used since the hand came by last.
    fn victim(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = if at + 1 < self.slots.len() { at + 1 } else { 0 };
            match self.slots.get_mut(at) {
                Some(slot) if slot.used => slot.used = false,
                Some(_) | None => return at,
            }
        }
    }
}

fn slot(slots: &[Slot], at: u32) -> Option<&Slot> {
    slots.get(at as usize)
}

/// Subject IDs are random already.
fn hash(subject: SubjectId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = subject.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
