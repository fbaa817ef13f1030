//! The entries of the outbox that a worker has before it.

use std::collections::{HashSet, VecDeque};

use super::record::{Place, entry};
use super::{Fault, WINDOW_MAX};
use crate::clock::{DAY_MS, Millis};
use crate::id::SubjectId;
use crate::outbox;
use crate::store::Store;

/// How many chunks are read at a time.
const CHUNKS_AT_ONCE: usize = 4;

/// An entry on its way to one destination.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) subject: SubjectId,
    /// When the gateway received it.
    pub(super) received_at: Millis,
    /// The outbox entry.
    pub(super) entry: Vec<u8>,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// How often the destination asked to wait instead of taking it.
    pub(super) waits: u32,
    /// Since when it fails.
    pub(super) first_at: Option<Millis>,
    /// Why it was not taken when it was tried last.
    pub(super) reason: &'static str,
    /// Delivered, withheld, parked or given up.
    pub(super) done: bool,
}

impl Item {
    pub(super) fn new(place: Place, subject: SubjectId, received_at: Millis, entry: Vec<u8>) -> Self {
        Self { place, subject, received_at, entry, attempts: 0, waits: 0, first_at: None, reason: "", done: false }
    }

    /// Notes a try that failed.
    pub(super) fn failed(&mut self, reason: &'static str, at: Millis) {
        self.attempts += 1;
        self.reason = reason;
        self.first_at.get_or_insert(at);
    }

    /// Whether it has waited for so long that it is given up if it fails now.
    pub(super) fn is_too_old(&self, retry_days: u32, at: Millis) -> bool {
        self.received_at.saturating_add(Millis::from(retry_days) * DAY_MS) < at
    }
}

/// The entries that a worker has before it: up to [`WINDOW_MAX`] from its cursor on.
#[derive(Debug)]
pub(super) struct Window {
    items: VecDeque<Item>,
    /// Where reading goes on.
    read: Place,
    /// Entries that were dealt with before the start.
    ahead: HashSet<Place>,
}

impl Window {
    pub(super) fn at(place: Place, ahead: &[Place]) -> Self {
        Self { items: VecDeque::new(), read: place, ahead: ahead.iter().copied().collect() }
    }

    /// The place before which everything is done.
    pub(super) fn front(&self) -> Place {
        self.items.front().map_or(self.read, |item| item.place)
    }

    /// The place before which everything would be done if these items were, and what would be done behind it.
    pub(super) fn front_after(&self, done: &[usize]) -> (Place, Vec<Place>) {
        let done: HashSet<usize> = done.iter().copied().collect();
        let is_done = |at: usize, item: &Item| item.done || done.contains(&at);
        let Some(front) = self.items.iter().enumerate().position(|(at, item)| !is_done(at, item)) else {
            return (self.read, Vec::new());
        };
        let place = self.items.get(front).map_or(self.read, |item| item.place);
        let behind = self.items.iter().enumerate().skip(front).filter(|(at, item)| is_done(*at, item));
        (place, behind.map(|(_, item)| item.place).collect())
    }

    pub(super) fn item(&mut self, at: usize) -> Option<&mut Item> {
        self.items.get_mut(at)
    }

    /// The items that are not done, with their places in the window.
    pub(super) fn pending(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.items.iter().enumerate().filter(|(_, item)| !item.done)
    }

    /// Marks items as done and forgets those at the front.
    pub(super) fn settle(&mut self, done: &[usize]) {
        for at in done {
            if let Some(item) = self.items.get_mut(*at) {
                item.done = true;
                item.entry = Vec::new();
            }
        }
        while self.items.front().is_some_and(|item| item.done) {
            self.items.pop_front();
        }
    }

    /// Reads on until the window is full or the outbox is empty. Entries for other destinations are passed over.
    /// Says whether that was in vain: something was read, and the window is empty.
    pub(super) fn fill(&mut self, store: &Store, tag: u32) -> Result<bool, Fault> {
        let before = self.read;
        self.read_on(store, tag)?;
        Ok(self.items.is_empty() && self.read != before)
    }

    fn read_on(&mut self, store: &Store, tag: u32) -> Result<(), Fault> {
        // Asked for first: what is not there after that will never be.
        let newest = *store.watch(outbox::STREAM).borrow();
        while self.items.len() < WINDOW_MAX {
            let chunks = store.chunks(outbox::STREAM, self.read.chunk, CHUNKS_AT_ONCE)?;
            if chunks.is_empty() {
                if self.read.chunk <= newest {
                    self.read = Place { chunk: newest + 1, slot: 0 };
                }
                return Ok(());
            }
            for chunk in chunks {
                if chunk.id > self.read.chunk {
                    self.read = Place { chunk: chunk.id, slot: 0 };
                }
                if !self.take(&chunk, tag)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes what a chunk holds for the destination; `false` if the window is full before its end.
    fn take(&mut self, chunk: &crate::store::Chunk, tag: u32) -> Result<bool, Fault> {
        let from = self.read.slot;
        for (slot, bytes) in (0_u32..).zip(chunk.entries.iter()).skip_while(|(slot, _)| *slot < from) {
            let found = entry(bytes).ok_or(Fault::Unreadable)?;
            if found.is_for(tag) {
                if self.items.len() >= WINDOW_MAX {
                    return Ok(false);
                }
                let place = Place { chunk: chunk.id, slot };
                let mut item = Item::new(place, found.subject, found.received_at, bytes.to_vec());
                item.done = self.ahead.remove(&place);
                self.items.push_back(item);
            }
            self.read.slot = slot + 1;
        }
        self.read = Place { chunk: chunk.id + 1, slot: 0 };
        Ok(true)
    }
}
