//! Who received what of whom, and forgetting it.

use std::collections::{BTreeMap, HashSet};

use super::record::{DEAD, RECIPIENTS, Received, ReceivedKey, entry};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::store::{self, Batch, Store};

/// How many records are read at a time.
const PAGE: usize = 256;

/// What each destination has received of a subject, by the destination's ID. Destinations that the policy no longer has are named
/// as well.
///
/// # Errors
/// When the store cannot be read.
pub fn of(store: &Store, subject: SubjectId) -> Result<BTreeMap<String, Received>, store::Error> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let page = RECIPIENTS.scan(store, &subject.0, after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = Some(last.clone());
        all.extend(page.into_iter().map(|(key, received)| (key.destination, received)));
    }
}

/// Of how many people one of these destinations has received something before that time.
pub(super) fn known_before(store: &Store, destinations: &[&str], time: Millis) -> Result<u64, store::Error> {
    let (mut known, mut newest, mut after) = (0, None, None);
    loop {
        let page = RECIPIENTS.scan(store, &[], after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(known) };
        after = Some(last.clone());
        for (key, received) in page {
            let counts = received.first_at < time && destinations.contains(&key.destination.as_str());
            // Whoever several of them know stands together.
            if counts && newest != Some(key.subject) {
                newest = Some(key.subject);
                known += 1;
            }
        }
    }
}

/// What a step reached of somebody at a destination.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    /// How many events it confirmed.
    pub(super) events: u64,
    /// Whether something was sent of which nobody knows if it arrived.
    pub(super) unclear: bool,
}

/// What one destination received of several subjects together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(Option<Received>);

impl Sum {
    /// Adds what it received of one more.
    pub fn add(&mut self, more: Received) {
        let Some(sum) = &mut self.0 else {
            self.0 = Some(more);
            return;
        };
        sum.events += more.events;
        sum.unclear_at = sum.unclear_at.max(more.unclear_at);
        sum.first_at = sum.first_at.min(more.first_at);
        sum.last_at = sum.last_at.max(more.last_at);
    }

    /// What it comes to; `None` if nothing was added.
    #[must_use]
    pub const fn received(self) -> Option<Received> {
        self.0
    }
}

/// Puts into the batch that nothing of these subjects waits any more as a dead letter. Other events that wait go by themselves: they
/// do not open any more.
///
/// # Errors
/// When the store cannot be read.
pub fn forget_dead(store: &Store, subjects: &[SubjectId], batch: &mut Batch) -> Result<(), store::Error> {
    let subjects: HashSet<&SubjectId> = subjects.iter().collect();
    let mut after = None;
    loop {
        let page = DEAD.scan(store, &[], after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(*last);
        for (id, dead) in &page {
            if entry(&dead.entry).is_some_and(|entry| subjects.contains(&entry.subject)) {
                DEAD.delete(batch, id);
            }
        }
    }
}

/// Puts into the batch that nobody received anything of these subjects.
///
/// # Errors
/// When the store cannot be read.
pub fn forget_received(store: &Store, subjects: &[SubjectId], batch: &mut Batch) -> Result<(), store::Error> {
    for subject in subjects {
        for destination in of(store, *subject)?.into_keys() {
            RECIPIENTS.delete(batch, &ReceivedKey { subject: *subject, destination });
        }
    }
    Ok(())
}

/// Counts events that a destination confirmed, and notes what it may have received, in the commit that moves its cursor.
pub(super) fn count(
    store: &Store,
    batch: &mut Batch,
    destination: &str,
    reached: BTreeMap<SubjectId, Reach>,
    at: Millis,
) -> Result<(), store::Error> {
    for (subject, Reach { events, unclear }) in reached {
        let key = ReceivedKey { subject, destination: destination.to_owned() };
        let first = Received { events: 0, first_at: at, last_at: at, unclear_at: None };
        let mut received = RECIPIENTS.get(store, &key)?.unwrap_or(first);
        received.events += events;
        received.last_at = if events > 0 { at } else { received.last_at };
        received.unclear_at = if unclear { Some(at) } else { received.unclear_at };
        RECIPIENTS.put(batch, &key, &received);
    }
    Ok(())
}

/// Stores that a destination may have received something. Durable when it returns.
pub(super) async fn may_have(store: &Store, destination: &str, subject: SubjectId, at: Millis) -> Result<(), store::Error> {
    let mut batch = Batch::default();
    let reached = BTreeMap::from([(subject, Reach { events: 0, unclear: true })]);
    count(store, &mut batch, destination, reached, at)?;
    store.commit(batch).await.map(drop)
}
