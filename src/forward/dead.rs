//! Events that were given up: listed without anything personal, put back on demand, dropped after a while.

use std::collections::BTreeMap;
use std::future::Future;

use super::record::{DEAD, Dead, DeadId, PARKED, Parked, ParkedKey, entry};
use super::{Core, DEAD_LETTER_DAYS};
use crate::clock::{DAY_MS, Millis};
use crate::id::SubjectId;
use crate::outbox;
use crate::store::{self, Batch, Key as _, Store};

/// How many records are read at a time.
const PAGE: usize = 64;

/// A dead letter as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its ID: 32 hexadecimal digits.
    pub id: String,
    /// The destination's ID.
    pub destination: String,
    /// Why it was given up, as a code.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed first.
    pub first_at: Millis,
    /// When it failed last.
    pub last_at: Millis,
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many were put back.
    pub replayed: usize,
    /// How many stay, because their destination is off or gone.
    pub skipped: usize,
}

pub(super) fn list(
    store: &Store,
    destination: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<DeadLetter>, store::Error> {
    let mut after = after.and_then(parse);
    let mut found = Vec::new();
    loop {
        let page = DEAD.scan(store, &[], after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(*last);
        for (id, dead) in page {
            if destination.is_some_and(|d| d != dead.destination) {
                continue;
            }
            if found.len() == limit {
                return Ok(found);
            }
            found.push(DeadLetter {
                id: hex::encode(id.0),
                destination: dead.destination,
                reason: dead.reason,
                attempts: dead.attempts,
                first_at: dead.first_at,
                last_at: dead.last_at,
            });
        }
    }
}

fn parse(id: &str) -> Option<DeadId> {
    DeadId::decode(&hex::decode(id).ok()?)
}

/// Puts dead letters into the queue of their subject; `tell` lets the worker know.
pub(super) fn replay(
    core: &Core,
    destination: Option<&str>,
    id: Option<&str>,
    at: Millis,
    tell: impl Fn(&str, Vec<SubjectId>),
) -> impl Future<Output = Result<Replayed, store::Error>> {
    let one = id.map(parse);
    async move {
        let mut replayed = Replayed::default();
        let mut after = None;
        loop {
            let page = match one {
                None => DEAD.scan(&core.store, &[], after.as_ref(), PAGE)?,
                // One that cannot be an ID is one that is not there.
                Some(None) => Vec::new(),
                Some(Some(_)) if after.is_some() => Vec::new(),
                Some(Some(id)) => DEAD.get(&core.store, &id)?.map(|dead| (id, dead)).into_iter().collect(),
            };
            let Some((last, _)) = page.last() else { return Ok(replayed) };
            after = Some(*last);
            let policy = core.policy.current();
            let mut batch = Batch::default();
            let mut told: BTreeMap<String, Vec<SubjectId>> = BTreeMap::new();
            for (id, dead) in page.into_iter().filter(|(_, dead)| destination.is_none_or(|d| d == dead.destination)) {
                let on = policy.destination(&dead.destination).is_some_and(|(_, d)| d.is_on());
                let Some(subject) = entry(&dead.entry).map(|e| e.subject).filter(|_| on) else {
                    replayed.skipped += 1;
                    continue;
                };
                let key = ParkedKey { tag: outbox::destination_tag(&dead.destination), subject, place: dead.place };
                DEAD.delete(&mut batch, &id);
                PARKED.put(&mut batch, &key, &Parked { attempts: 0, first_at: at, last_at: at, due_at: at, entry: dead.entry });
                told.entry(dead.destination).or_default().push(subject);
                replayed.replayed += 1;
            }
            if !batch.is_empty() {
                core.store.commit(batch).await?;
            }
            told.into_iter().for_each(|(destination, subjects)| tell(&destination, subjects));
        }
    }
}

/// Drops dead letters that nobody asked for.
pub(super) async fn expire(store: &Store, at: Millis) -> Result<usize, store::Error> {
    let (mut dropped, mut after) = (0, None);
    loop {
        let page = DEAD.scan(store, &[], after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(dropped) };
        after = Some(*last);
        let mut batch = Batch::default();
        for (id, _) in page.iter().filter(|(_, dead)| dead.last_at + Millis::from(DEAD_LETTER_DAYS) * DAY_MS < at) {
            DEAD.delete(&mut batch, id);
            dropped += 1;
        }
        if !batch.is_empty() {
            store.commit(batch).await?;
        }
    }
}

/// Everything that is parked for a destination that is off becomes a dead letter: nobody would come for it.
pub(super) fn bury(core: &Core, destination: &str, at: Millis) -> Result<(), store::Error> {
    let prefix = ParkedKey::prefix(outbox::destination_tag(destination), None);
    loop {
        let page = PARKED.scan(&core.store, &prefix, None, PAGE)?;
        if page.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (key, parked) in page {
            PARKED.delete(&mut batch, &key);
            let Some(id) = entry(&parked.entry).map(|e| Dead::id(&core.vault, destination, &e.dedup)) else { continue };
            let dead = Dead {
                destination: destination.to_owned(),
                reason: String::from("destination_off"),
                attempts: parked.attempts,
                first_at: parked.first_at,
                last_at: at,
                place: key.place,
                entry: parked.entry,
            };
            DEAD.put(&mut batch, &id, &dead);
        }
        core.store.commit_blocking(batch)?;
    }
}
