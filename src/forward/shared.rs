//! How far each destination is, for all workers: what everybody has dealt with is dropped from the outbox.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::record::{CURSORS, Cursor, Name, Place};
use crate::outbox;
use crate::policy::Policy;
use crate::store::{self, Batch, Store};

/// How many chunks one commit drops at most.
const DROPS_MAX: u64 = 512;
/// How many chunks before the present a destination starts that was switched on. Older entries were not accepted for it, so
/// nothing is sent that should not be; but entries that were accepted for it while it was being switched on are found.
const LOOK_BACK: u64 = 64;

/// How far one destination is.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// The first chunk that it durably needs.
    durable: u64,
    /// The first chunk that it has yet to deal with.
    present: u64,
}

/// How far all destinations are.
#[derive(Debug)]
pub(super) struct Shared {
    reach: Mutex<HashMap<String, Reach>>,
    /// The first chunk that may still be there.
    floor: Mutex<u64>,
}

impl Shared {
    pub(super) fn open(store: &Store) -> Result<Self, store::Error> {
        let oldest = store.chunks(outbox::STREAM, 0, 1)?.first().map(|c| c.id);
        let floor = oldest.unwrap_or_else(|| *store.watch(outbox::STREAM).borrow() + 1);
        Ok(Self { reach: Mutex::default(), floor: Mutex::new(floor) })
    }

    /// Takes up a destination where it was, or at the present if it is new. From now on its chunks are kept.
    pub(super) fn enter(&self, store: &Store, id: &str) -> Result<Cursor, store::Error> {
        let mut reach = self.reach.lock();
        let cursor = CURSORS.get(store, &Name(id.to_owned()))?.unwrap_or_else(|| {
            let newest = *store.watch(outbox::STREAM).borrow();
            Cursor { next: Place { chunk: (newest + 1).saturating_sub(LOOK_BACK), slot: 0 }, ..Cursor::default() }
        });
        reach.insert(id.to_owned(), Reach { durable: cursor.next.chunk, present: cursor.next.chunk });
        Ok(cursor)
    }

    /// The destination needs nothing any more.
    pub(super) fn leave(&self, id: &str) {
        self.reach.lock().remove(id);
    }

    /// The first chunk that a destination has yet to deal with.
    pub(super) fn reached(&self, id: &str) -> u64 {
        self.reach.lock().get(id).map_or(u64::MAX, |r| r.present)
    }

    /// The destination has come so far, though that is not stored.
    pub(super) fn passed(&self, id: &str, chunk: u64) {
        if let Some(reach) = self.reach.lock().get_mut(id) {
            reach.present = chunk;
        }
    }

    /// The destination has durably come so far; chunks below `dropped` are gone.
    pub(super) fn moved(&self, id: &str, chunk: u64, dropped: u64) {
        if let Some(reach) = self.reach.lock().get_mut(id) {
            *reach = Reach { durable: chunk, present: chunk };
        }
        let mut floor = self.floor.lock();
        *floor = dropped.max(*floor);
    }

    /// Adds to a commit, which moves a destination to `chunk`, the dropping of what nobody needs then. Says up to where.
    pub(super) fn drop_passed(&self, policy: &Policy, id: &str, chunk: u64, batch: &mut Batch) -> u64 {
        let reach = self.reach.lock();
        let floor = *self.floor.lock();
        let mut needed = chunk;
        for destination in policy.destinations.iter().filter(|d| d.is_on() && d.id != id) {
            // A destination that is on and has not been taken up yet may need everything.
            needed = needed.min(reach.get(&destination.id).map_or(0, |r| r.durable));
        }
        drop(reach);
        let end = needed.min(floor.saturating_add(DROPS_MAX));
        (floor..end).for_each(|chunk| batch.drop_chunk(outbox::STREAM, chunk));
        end.max(floor)
    }
}
