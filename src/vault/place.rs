//! Where in the key tree a subject's keys lie. The record holds no secret: who reads it learns two numbers.

use super::{Class, Error};
use crate::id::SubjectId;
use crate::store::{Batch, Store};

/// Tag of the table: `K ‖ subject` → per retention class: class, shard, place in the shard.
const TAG: u8 = b'K';
/// Class (1), shard (4), place (1).
const ENTRY_BYTES: usize = 6;

/// A place in the key tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) shard: u32,
    pub(super) slot: u8,
}

/// The places of a subject's keys as they are stored, and the bytes that said so.
pub(super) struct Places {
    stored: Vec<u8>,
    entries: Vec<(Class, Place)>,
}

impl Places {
    /// The places of a subject; `None` if it has no key.
    pub(super) fn find(store: &Store, subject: SubjectId) -> Result<Option<Self>, Error> {
        let Some(stored) = store.get(&key(subject))? else { return Ok(None) };
        let (entries, rest) = stored.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(Error::Unreadable);
        }
        let entry = |[class, a, b, c, d, slot]: &[u8; ENTRY_BYTES]| {
            (Class(*class), Place { shard: u32::from_be_bytes([*a, *b, *c, *d]), slot: *slot })
        };
        let entries = entries.iter().map(entry).collect();
        Ok(Some(Self { stored, entries }))
    }

    pub(super) fn get(&self, class: Class) -> Option<Place> {
        self.entries.iter().find(|(held, _)| *held == class).map(|(_, place)| *place)
    }

    pub(super) fn remove(&mut self, class: Class) {
        self.entries.retain(|(held, _)| *held != class);
    }

    pub(super) fn add(&mut self, class: Class, place: Place) {
        self.entries.push((class, place));
    }

    /// The batch conflicts if the record does not stand any more as it was read.
    pub(super) fn check(self, batch: &mut Batch, subject: SubjectId) {
        batch.check_equals(key(subject), self.stored);
    }

    /// Writes the record if it still stands as it was read.
    pub(super) fn put(self, batch: &mut Batch, subject: SubjectId) {
        batch.check_equals(key(subject), self.stored);
        if self.entries.is_empty() {
            batch.delete(key(subject));
        } else {
            batch.put(key(subject), encode(&self.entries));
        }
    }
}

/// Gives a new subject its first place. The batch conflicts if it has any.
pub(super) fn put_new(batch: &mut Batch, subject: SubjectId, class: Class, place: Place) {
    batch.check_absent(key(subject));
    batch.put(key(subject), encode(&[(class, place)]));
}

/// Whether anybody has a key, that is, anything is sealed.
pub(super) fn any(store: &Store) -> Result<bool, Error> {
    Ok(!store.scan(&[TAG], None, 1)?.is_empty())
}

fn encode(entries: &[(Class, Place)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for (class, place) in entries {
        out.push(class.0);
        out.extend_from_slice(&place.shard.to_be_bytes());
        out.push(place.slot);
    }
    out
}

fn key(subject: SubjectId) -> Vec<u8> {
    let mut out = Vec::with_capacity(17);
    out.push(TAG);
    out.extend_from_slice(&subject.0);
    out
}
