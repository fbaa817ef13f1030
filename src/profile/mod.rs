//! The embedded profile store: what is known of a customer, for a stated purpose.
//!
//! What it is for: a till, a website or a service desk asks for the profile of a customer ID *for a purpose*, and gets the
//! traits, channels and timeline that this purpose may see.
//!
//! It **promises**
//! - an event is in an answer only if it was let through for the purpose that is asked for, *and* the identifiers that it stated
//!   may be used for that purpose now: a withdrawal hides what came before it at once (P2);
//! - an event is stored exactly once: it is written in the same commit as the cursor of the worker that brought it;
//! - everything personal is sealed under the subject's data key; what is in the clear is whose an event is, when it came,
//!   and for which purposes;
//! - an event past the retention of the purpose that is asked for is not in an answer, and chunks whose events are all past
//!   every retention are dropped (Art. 5(1)(e) GDPR).
//!
//! It **refuses to know** how events got here, and plain identifiers: it holds the gate's form of them.
//!
//! Limits: the index takes 4 bytes of memory per event, about 50 per subject, 32 per chunk; one read opens at most
//! [`EVENTS_OPENED_MAX`] events. A purpose that the policy no longer has keeps its events for [`ORPHANED_DAYS`] days.

mod correct;
mod export;
pub mod http;
mod index;
mod kept;
mod people;
mod read;
mod record;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::clock::{DAY_MS, Millis};
use crate::id::{NodeId, SubjectId};
use crate::policy::{Destination, DestinationKind, Policy};
use crate::store::{self, Batch, Position, Store};
use crate::vault::{self, Class, Vault};
use index::Index;
use kept::Keeping;
use record::{ChunkId, EVENTS, Entry, HEADERS, Header, Inside};

pub use correct::{Change, Corrected, Corrections};
pub use export::Exported;
pub use kept::{Kept, Term};
pub use people::{Customer, Gathering};
pub use read::{Channel, Profile, Query};

/// How many events one read opens at most, newest first.
pub const EVENTS_OPENED_MAX: usize = 1000;
/// How long events are kept whose purpose the policy no longer has, in days: time to notice that it went by mistake.
pub const ORPHANED_DAYS: u32 = 30;
/// How many headers are read at a time.
const PAGE: usize = 256;
/// How many chunks one commit of a sweep drops.
const DROPS_MAX: usize = 512;

/// Why the profile store cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

/// An event that the gate let through.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Whose it is.
    pub subject: SubjectId,
    /// When the gateway received it.
    pub received_at: Millis,
    /// The ID of the source that sent it.
    pub source: &'a str,
    /// Tags of the purposes that it is used for.
    pub purposes: &'a [u32],
    /// The names of the identifiers that it stated.
    pub names: &'a [NodeId],
    /// The event in the gate's form, a JSON object.
    pub event: &'a [u8],
    /// Why a copy of it must be kept, if a law says so.
    pub kept: Option<&'a Term>,
}

/// A purpose as a stored event names it.
#[must_use]
pub fn purpose_tag(id: &str) -> u32 {
    crc32fast::hash(id.as_bytes())
}

/// The destination that this room is in a policy; there is one at most.
#[must_use]
pub fn destination(policy: &Policy) -> Option<(usize, &Destination)> {
    policy.destinations.iter().enumerate().find(|(_, d)| d.kind == DestinationKind::Profile)
}

/// Entries that were put into a commit and are not known to be durable.
#[derive(Debug, Default)]
pub struct Staged {
    entries: Vec<Vec<u8>>,
    terms: BTreeMap<Class, Term>,
}

/// The profile store.
pub struct Profiles {
    store: Store,
    vault: Arc<Vault>,
    index: RwLock<Index>,
    /// What the classes are in which something is kept for a duty.
    terms: RwLock<BTreeMap<Class, Term>>,
    /// Headers of chunks that are durable, to be written with the next commit. A header is derived: what is missing at open is
    /// read from the chunks themselves.
    headers: Mutex<Vec<(u64, Header)>>,
    /// Held from filling a commit to learning of it, so that the index learns in the order of the stream.
    writing: tokio::sync::Mutex<()>,
}

impl Profiles {
    /// Takes over that a subject is gone. What the store still holds of its events is sealed under a key that is no more, and goes
    /// with its chunk.
    pub fn forgotten(&self, subject: SubjectId) {
        self.index.write().forget_subject(subject);
    }

    /// Opens the profile store and builds its index.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &Store, vault: &Arc<Vault>) -> Result<Self, Error> {
        let mut index = Index::default();
        let mut after = None;
        loop {
            let page = HEADERS.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (chunk, header) in &page {
                index.learn(chunk.0, header.newest, &header.purposes, &header.subjects);
            }
        }
        let headers = Self::read_rest(store, &mut index)?;
        Ok(Self {
            store: store.clone(),
            vault: Arc::clone(vault),
            index: RwLock::new(index),
            terms: RwLock::new(Self::read_terms(store)?),
            headers: Mutex::new(headers),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// Reads the chunks whose headers were not written any more.
    fn read_rest(store: &Store, index: &mut Index) -> Result<Vec<(u64, Header)>, Error> {
        let mut headers = Vec::new();
        loop {
            let chunks = store.chunks(EVENTS, index.newest_chunk() + 1, 16)?;
            if chunks.is_empty() {
                return Ok(headers);
            }
            for chunk in chunks {
                let mut header = Header::default();
                for bytes in chunk.entries.iter() {
                    let damaged =
                        || store::Error::Damaged { what: String::from("an entry of the profile store is of no known form") };
                    header.add(&Entry::decode(bytes).ok_or_else(damaged)?);
                }
                index.learn(chunk.id, header.newest, &header.purposes, &header.subjects);
                headers.push((chunk.id, header));
            }
        }
    }

    /// Puts events into a batch. Hold [`Profiles::turn`] until [`Profiles::learn`].
    ///
    /// Events of a subject whose key is gone are left out: nobody could read them. The answer says which were too large
    /// to be stored, by their place in `arrivals`.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn stage(&self, arrivals: &[Arrival<'_>], batch: &mut Batch) -> Result<(Staged, Vec<usize>), Error> {
        let mut staged = Staged::default();
        let (mut too_large, mut keeping) = (Vec::new(), Keeping::default());
        for (at, arrival) in arrivals.iter().enumerate() {
            let key = match self.vault.key(arrival.subject) {
                Ok(key) => key,
                Err(vault::Error::Shredded) => continue,
                Err(error) => return Err(error.into()),
            };
            let inside = Inside::encode(arrival.names, arrival.source, arrival.event);
            let aad = Entry::aad(arrival.subject, arrival.received_at, arrival.purposes.iter().copied());
            let sealed = key.seal(&aad, &inside)?;
            let entry = Entry::encode(arrival.subject, arrival.received_at, arrival.purposes, &sealed);
            if entry.len() > store::ENTRY_BYTES_MAX {
                too_large.push(at);
                continue;
            }
            batch.append(EVENTS, &entry);
            staged.entries.push(entry);
            keeping.take(self, arrival);
        }
        keeping.put(self, batch)?;
        staged.terms = keeping.terms;
        for (chunk, header) in self.headers.lock().iter() {
            HEADERS.put(batch, &ChunkId(*chunk), header);
        }
        Ok((staged, too_large))
    }

    /// Waits for the turn to write.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Learns what is durable now. `positions` are those of the commit's appends; there must be no others in it.
    pub fn learn(&self, staged: &Staged, positions: &[Position]) {
        let mut fresh: Vec<(u64, Header)> = Vec::new();
        for (entry, position) in staged.entries.iter().zip(positions) {
            let Some(entry) = Entry::decode(entry) else { continue };
            if fresh.last().is_none_or(|(chunk, _)| *chunk != position.chunk) {
                fresh.push((position.chunk, Header::default()));
            }
            if let Some((_, header)) = fresh.last_mut() {
                header.add(&entry);
            }
        }
        if !staged.terms.is_empty() {
            self.terms.write().extend(staged.terms.clone());
        }
        let mut index = self.index.write();
        for (chunk, header) in &fresh {
            index.learn(*chunk, header.newest, &header.purposes, &header.subjects);
        }
        drop(index);
        *self.headers.lock() = fresh;
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> usize {
        self.index.read().events()
    }

    /// How many events go in which month, if nothing is added.
    #[must_use]
    pub fn schedule(&self, policy: &Policy) -> BTreeMap<String, u64> {
        let mut months = BTreeMap::new();
        self.index.read().each_chunk(|newest, purposes, events| {
            let last = newest.saturating_add(Millis::from(longest(policy, purposes)) * DAY_MS);
            *months.entry(policy.controller.day(last).strftime("%Y-%m").to_string()).or_default() += events;
        });
        months
    }

    /// Drops chunks whose events are all past every retention. Where events of `held` lie, nothing goes (Art. 18).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn sweep(&self, policy: &Policy, held: &[SubjectId], at: Millis) -> Result<usize, Error> {
        let over = |newest: Millis, purposes: &[u32]| is_past(newest, longest(policy, purposes), at);
        let mut dropped = 0;
        loop {
            let turn = self.turn().await;
            let chunks = {
                let index = self.index.read();
                index.past(DROPS_MAX, &index.chunks_of(held), over)
            };
            if chunks.is_empty() {
                return Ok(dropped);
            }
            let mut batch = Batch::default();
            for chunk in &chunks {
                batch.drop_chunk(EVENTS, *chunk);
                HEADERS.delete(&mut batch, &ChunkId(*chunk));
            }
            self.store.commit(batch).await?;
            self.headers.lock().retain(|(chunk, _)| !chunks.contains(chunk));
            self.index.write().forget(&chunks);
            dropped += chunks.len();
            drop(turn);
        }
    }
}

/// For how many days an event is kept: as long as the longest of its purposes asks.
fn longest(policy: &Policy, purposes: &[u32]) -> u32 {
    let days = |tag: &u32| {
        // A purpose that was taken out of the policy stays in its place, with a retention of no days.
        let purpose = policy.purposes.iter().find(|p| purpose_tag(&p.id) == *tag && p.retention_days > 0);
        purpose.map_or(ORPHANED_DAYS, |p| p.retention_days)
    };
    purposes.iter().map(days).max().unwrap_or(ORPHANED_DAYS)
}

/// Whether what was received then may not be kept any more.
fn is_past(received_at: Millis, days: u32, at: Millis) -> bool {
    received_at.saturating_add(Millis::from(days) * DAY_MS) <= at
}
