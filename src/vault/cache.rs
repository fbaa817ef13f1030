//! Unwrapped data keys that were needed lately, in bounded memory.
//!
//! A subject has its place in one set of [`WAYS`], so a look touches two or three lines of memory and follows no pointer: with a million
//! people each of them is in no cache of the processor. What a set has no room for goes to the one beside it; when that is full, too, what
//! was not used lately leaves, by second chance.

use parking_lot::{Mutex, MutexGuard};
use zeroize::Zeroize as _;

use super::{DataKey, DataKeys, Secret};
use crate::id::SubjectId;

/// How many shards there are; each has a lock of its own. Not more than a `u64` has bits.
const SHARDS: usize = 64;
/// How many keys a set holds.
const WAYS: usize = 8;
/// How many a set holds on the average at most: with four of eight, 1 key in 50 finds its set full, and hardly any the next one too.
const LOAD_MAX: usize = 4;

/// A bounded cache. A place takes 50 bytes, and half of them or more are taken once it has grown: 100 to 200 bytes a key. Keys that leave
/// are wiped.
pub(super) struct Cache {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    /// A power of two of them, or none.
    sets: Vec<Set>,
    sets_max: usize,
    count: usize,
}

/// Where a key is in a shard.
#[derive(Clone, Copy)]
struct Place {
    set: usize,
    way: usize,
}

#[derive(Default)]
struct Set {
    /// Which places are taken, and which were looked at since the hand came by; a bit each.
    taken: u8,
    used: u8,
    hand: u8,
    /// One byte of each subject: a look reads these, and then the one place that it wants.
    marks: [u8; WAYS],
    held: [Held; WAYS],
}

/// Side by side, so that whoever has found the subject has the key as well.
#[derive(Default)]
struct Held {
    subject: [u8; 16],
    key: [u8; 32],
}

impl Drop for Held {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Cache {
    /// A cache that holds `entries` keys, or a few more.
    pub(super) fn new(entries: usize) -> Self {
        let sets_max = entries.div_ceil(SHARDS * LOAD_MAX).clamp(1, 1 << 26).next_power_of_two();
        Self { shards: (0..SHARDS).map(|_| Mutex::new(Shard { sets_max, ..Shard::default() })).collect() }
    }

    pub(super) fn find(&self, subject: SubjectId) -> Option<DataKey> {
        self.shard(subject)?.lock().find(subject)
    }

    /// The same for several. All shards are locked before the first look: a lock between two looks would make the second wait for what
    /// the first one fetches from memory.
    pub(super) fn find_all(&self, subjects: &[Option<SubjectId>]) -> DataKeys {
        let wanted = subjects.iter().flatten().fold(0_u64, |all, subject| all | 1 << shard(*subject));
        // In their order, as everybody who locks more than one.
        let mut locked: Vec<Option<MutexGuard<'_, Shard>>> = Vec::with_capacity(SHARDS);
        locked.extend(
            self.shards.iter().enumerate().map(|(at, shard)| if wanted >> at & 1 == 1 { Some(shard.lock()) } else { None }),
        );
        // All places before the first key: they are fetched from memory together.
        let mut place = |subject: SubjectId| Some((shard(subject), locked.get_mut(shard(subject))?.as_mut()?.place(subject)?));
        let places: Vec<Option<(usize, Place)>> = subjects.iter().map(|subject| subject.and_then(&mut place)).collect();
        let key = |(shard, place): (usize, Place)| locked.get(shard)?.as_ref()?.key(place);
        DataKeys::copies_of(places.into_iter().map(|place| place.and_then(key)))
    }

    pub(super) fn insert(&self, subject: SubjectId, key: &DataKey) {
        if let Some(shard) = self.shard(subject) {
            shard.lock().insert(subject, key.bytes());
        }
    }

    /// Forgets a key.
    pub(super) fn remove(&self, subject: SubjectId) {
        if let Some(shard) = self.shard(subject) {
            shard.lock().remove(subject);
        }
    }

    fn shard(&self, subject: SubjectId) -> Option<&Mutex<Shard>> {
        self.shards.get(shard(subject))
    }
}

/// By the last byte; the set by the first eight. Subject IDs are random already.
fn shard(subject: SubjectId) -> usize {
    let [.., last] = subject.0;
    usize::from(last) % SHARDS
}

/// A byte that tells neither shard nor set.
fn mark(subject: SubjectId) -> u8 {
    let [.., mark, _] = subject.0;
    mark
}

impl Shard {
    /// The sets that a subject can have its place in: its own, and the one beside it for when that is full.
    fn sets_of(&self, subject: SubjectId) -> Option<[usize; 2]> {
        let [a, b, c, d, e, f, g, h, ..] = subject.0;
        let mask = self.sets.len().checked_sub(1)?;
        let own = usize::from_le_bytes([a, b, c, d, e, f, g, h]);
        Some([own & mask, (own ^ 1) & mask])
    }

    fn find(&mut self, subject: SubjectId) -> Option<DataKey> {
        let place = self.place(subject)?;
        self.key(place).map(|key| DataKey::new(Secret::copy_of(key)))
    }

    /// Where the key of a subject is, which is being used.
    fn place(&mut self, subject: SubjectId) -> Option<Place> {
        let place = self.sets_of(subject)?.into_iter().find_map(|set| {
            let way = self.sets.get(set)?.way(subject)?;
            Some(Place { set, way })
        })?;
        let set = self.sets.get_mut(place.set)?;
        // What is not changed need not be written back to memory.
        if set.used >> place.way & 1 == 0 {
            set.used |= 1 << place.way;
        }
        Some(place)
    }

    fn key(&self, place: Place) -> Option<&[u8; 32]> {
        self.sets.get(place.set)?.held.get(place.way).map(|held| &held.key)
    }

    fn insert(&mut self, subject: SubjectId, key: &[u8; 32]) {
        if self.place(subject).is_some() {
            return;
        }
        if self.count >= self.sets.len() * LOAD_MAX && self.sets.len() < self.sets_max {
            self.grow();
        }
        if self.put(subject, key) {
            self.count += 1;
        }
    }

    /// Takes in a key that is not there; says whether there was a free place for it.
    fn put(&mut self, subject: SubjectId, key: &[u8; 32]) -> bool {
        let Some(sets @ [own, _]) = self.sets_of(subject) else { return false };
        let has_room = |number: &usize| self.sets.get(*number).is_some_and(Set::has_room);
        let set = sets.into_iter().find(has_room).unwrap_or(own);
        self.sets.get_mut(set).is_some_and(|set| set.put(subject, key))
    }

    fn remove(&mut self, subject: SubjectId) {
        let Some(place) = self.place(subject) else { return };
        let Some(set) = self.sets.get_mut(place.set) else { return };
        set.taken &= !(1 << place.way);
        if let Some(held) = set.held.get_mut(place.way) {
            held.key.zeroize();
        }
        self.count -= 1;
    }

    /// Twice as many sets: two for what was in each, so nearly all find room. The old ones are wiped.
    fn grow(&mut self) {
        let count = (self.sets.len() * 2).max(1);
        let old = std::mem::replace(&mut self.sets, std::iter::repeat_with(Set::default).take(count).collect());
        self.count = 0;
        for set in &old {
            for (way, Held { subject, key }) in set.held.iter().enumerate() {
                if set.taken >> way & 1 == 1 && self.put(SubjectId(*subject), key) {
                    self.count += 1;
                }
            }
        }
    }
}

impl Set {
    fn way(&self, subject: SubjectId) -> Option<usize> {
        // All marks, without a way out on the way: which it is cannot be foretold, and a wrong guess waits for memory.
        let wanted = mark(subject);
        let mut marked = self.marks.iter().rev().fold(0, |found: u8, held| found << 1 | u8::from(*held == wanted)) & self.taken;
        while marked != 0 {
            // Nearly always it is the first.
            let way = marked.trailing_zeros() as usize;
            if self.held.get(way).is_some_and(|held| held.subject == subject.0) {
                return Some(way);
            }
            marked &= marked - 1;
        }
        None
    }

    fn has_room(&self) -> bool {
        self.taken.count_ones() as usize != WAYS
    }

    /// Takes a key in; says whether there was a free place for it.
    fn put(&mut self, subject: SubjectId, key: &[u8; 32]) -> bool {
        let free = self.taken.trailing_ones() as usize;
        let way = if free < WAYS { free } else { self.victim() };
        if let (Some(marked), Some(held)) = (self.marks.get_mut(way), self.held.get_mut(way)) {
            *marked = mark(subject);
            held.subject = subject.0;
            held.key.copy_from_slice(key);
        }
        self.taken |= 1 << way;
        self.used &= !(1 << way);
        free < WAYS
    }

    /// The next place that was not looked at since the hand came by last.
    fn victim(&mut self) -> usize {
        loop {
            let way = usize::from(self.hand);
            self.hand = u8::try_from((way + 1) % WAYS).unwrap_or_default();
            if self.used >> way & 1 == 0 {
                return way;
            }
            self.used &= !(1 << way);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(of: u8) -> DataKey {
        DataKey::new(Secret::new([of; 32]))
    }

    /// All share a shard, which the last byte says, and many a set: the first eight bytes say which, and are the same for eight.
    fn subject(n: u8) -> SubjectId {
        let mut id = [n / 8; 16];
        (id[12], id[15]) = (n, 0);
        SubjectId(id)
    }

    fn found(cache: &Cache, subject: SubjectId) -> Option<[u8; 32]> {
        cache.find(subject).map(|key| *key.bytes())
    }

    proptest! {
        /// Whatever is found is the key that was put there last and not taken out; what was not evicted is found.
        #[test]
        fn it_never_gives_another_key(steps in proptest::collection::vec((0_u8..3, 0_u8..=255), 0..600), room in 1_usize..4000) {
            let (cache, mut there) = (Cache::new(room), HashMap::new());
            for (step, n) in steps {
                match step {
                    0 => cache.remove(subject(n)),
                    1 => cache.insert(subject(n), &key(n)),
                    _ => {}
                }
                match step {
                    0 => drop(there.remove(&n)),
                    1 => drop(there.insert(n, n)),
                    _ => {}
                }
                let other = found(&cache, subject(n.wrapping_add(8)));
                let found = found(&cache, subject(n));
                let asked = [Some(subject(n)), None, Some(subject(n.wrapping_add(8))), Some(subject(n))];
                let all: Vec<Option<[u8; 32]>> = cache.find_all(&asked).iter().map(|key| key.map(|key| *key.0)).collect();
                prop_assert_eq!(all, [found, None, other, found]);
                prop_assert!(found.is_none_or(|bytes| there.get(&n).is_some_and(|of| bytes == [*of; 32])));
                prop_assert!(step != 1 || found.is_some(), "what has just come is there");
            }
        }
    }

    #[test]
    fn as_many_as_were_asked_for_find_room_and_memory_is_bounded() {
        let cache = Cache::new(100_000);
        let subject = |n: u32| {
            let mut id = [0; 16];
            // As random as real ones, and the same in every run.
            let mixed = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            id.copy_from_slice(&(mixed ^ mixed >> 61).to_le_bytes());
            SubjectId(id)
        };
        for n in 0..100_000 {
            cache.insert(subject(n), &key(1));
        }
        let kept = (0..100_000).filter(|n| cache.find(subject(*n)).is_some()).count();
        assert!(kept >= 99_800, "{kept}");
        for n in 100_000..400_000 {
            cache.insert(subject(n), &key(1));
        }
        let places: usize = cache.shards.iter().map(|shard| shard.lock().sets.len() * WAYS).sum();
        assert!(places <= 2 * 131_072 * 2, "{places}");
        assert!(cache.find(subject(399_999)).is_some());
    }

    #[test]
    fn what_is_looked_at_stays_longest() {
        let cache = Cache::new(1);
        let same_set = |n: u8| {
            let mut id = [0; 16];
            id[12] = n;
            SubjectId(id)
        };
        for n in 0..8 {
            cache.insert(same_set(n), &key(n));
        }
        for n in 8..15 {
            assert!(cache.find(same_set(3)).is_some());
            cache.insert(same_set(n), &key(n));
        }
        assert_eq!(found(&cache, same_set(3)), Some([3; 32]));
        assert_eq!((0..8).filter(|n| cache.find(same_set(*n)).is_some()).count(), 1, "seven of eight have gone");
    }
}
