//! Who is not to be brought back: people who were erased and asked that no import makes them known again.
//!
//! An entry is a keyed digest of one identifier and its last day, and nothing else: not under anybody's data key, with no link to what
//! was erased. It can answer one question: is this one on the list? Sources that take data over ask it; what people do themselves does
//! not, and a grant that they give takes their identifiers off the list.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use super::directory::{Directory, tag};
use super::record::{LastAt, SUPPRESSED, Suppressed};
use super::{Error, Identifier};
use crate::clock::{DAY_MS, Millis};
use crate::policy::{IdentifierKind, IdentifierType, Policy};
use crate::store::{Batch, Store};
use crate::vault::{Suppression, Vault};

/// How many records are read at a time.
const PAGE: usize = 2048;

/// The list in memory. It is short: people who were erased and asked for it.
#[derive(Default)]
pub(super) struct List {
    entries: RwLock<BTreeMap<Suppressed, Millis>>,
    keys: RwLock<BTreeMap<i16, Suppression>>,
}

impl List {
    /// Reads the list from the store.
    ///
    /// # Errors
    /// When it cannot be read, or a key is missing.
    pub(super) fn open(store: &Store, vault: &Vault) -> Result<Self, Error> {
        let (mut entries, mut keys, mut after) = (BTreeMap::new(), BTreeMap::new(), None);
        loop {
            let page = SUPPRESSED.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (entry, LastAt(last_at)) in page {
                if let std::collections::btree_map::Entry::Vacant(place) = keys.entry(entry.year) {
                    place.insert(vault.suppression(entry.year)?);
                }
                entries.insert(entry, last_at);
            }
        }
        Ok(Self { entries: RwLock::new(entries), keys: RwLock::new(keys) })
    }

    /// What entries of these would be, under the keys of all years.
    fn entries_of(&self, stated: &[Identifier]) -> Vec<Suppressed> {
        let keys = self.keys.read();
        let of = |i: &Identifier| -> Vec<Suppressed> {
            keys.iter().map(|(year, key)| Suppressed { year: *year, digest: key.digest(i.tag, &i.value) }).collect()
        };
        stated.iter().flat_map(of).collect()
    }
}

impl Directory {
    /// How many identifiers are on the list.
    #[must_use]
    pub fn suppressed(&self) -> usize {
        self.list.entries.read().len()
    }

    /// Whether one of these is on the list.
    #[must_use]
    pub fn is_suppressed(&self, stated: &[Identifier], at: Millis) -> bool {
        let entries = self.list.entries.read();
        let listed = |entry: &Suppressed| entries.get(entry).is_some_and(|last_at| *last_at > at);
        !entries.is_empty() && self.list.entries_of(stated).iter().any(listed)
    }

    /// Puts these on the list, given as types and values in their normalised form; devices are left out, others may use them. Durable
    /// when it returns. Says how many there were.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn suppress(
        &self,
        store: &Store,
        policy: &Policy,
        values: &[(String, String)],
        at: Millis,
    ) -> Result<usize, Error> {
        let year = policy.controller.day(at).year();
        let key = self.vault.suppression_or_new(year)?;
        let last_at = at.saturating_add(Millis::from(policy.suppression_days) * DAY_MS);
        let typed = |kind: &str| policy.identifier(kind).map(|(_, typed)| typed).filter(|typed| is_personal(typed));
        let entry =
            |(kind, value): &(String, String)| Some(Suppressed { year, digest: key.digest(tag(&typed(kind)?.id), value) });
        let mut entries: Vec<Suppressed> = values.iter().filter_map(entry).collect();
        entries.sort_unstable();
        entries.dedup();
        let mut batch = Batch::default();
        entries.iter().for_each(|entry| SUPPRESSED.put(&mut batch, entry, &LastAt(last_at)));
        if !entries.is_empty() {
            store.commit(batch).await?;
        }
        self.list.keys.write().insert(year, key);
        let count = entries.len();
        self.list.entries.write().extend(entries.into_iter().map(|entry| (entry, last_at)));
        Ok(count)
    }

    /// Puts into the batch that these come off the list: their owner has come back. What came off must be given to
    /// [`Directory::unlisted`] when that is durable.
    #[must_use]
    pub fn unlist(&self, stated: &[Identifier], batch: &mut Batch) -> Vec<Suppressed> {
        let entries = self.list.entries.read();
        if entries.is_empty() {
            return Vec::new();
        }
        let mut found = self.list.entries_of(stated);
        found.retain(|entry| entries.contains_key(entry));
        found.iter().for_each(|entry| SUPPRESSED.delete(batch, entry));
        found
    }

    /// Takes over that these have come off the list.
    pub fn unlisted(&self, entries: &[Suppressed]) {
        if !entries.is_empty() {
            self.list.entries.write().retain(|entry, _| !entries.contains(entry));
        }
    }

    /// Takes entries off whose last day is over, and removes the keys of years that have none any more.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn tidy_suppressions(&self, store: &Store, this_year: i16, at: Millis) -> Result<usize, Error> {
        let over: Vec<Suppressed> =
            self.list.entries.read().iter().filter(|(_, last_at)| **last_at <= at).map(|(entry, _)| *entry).collect();
        for some in over.chunks(PAGE) {
            let mut batch = Batch::default();
            some.iter().for_each(|entry| SUPPRESSED.delete(&mut batch, entry));
            store.commit(batch).await?;
            self.unlisted(some);
        }
        let years: Vec<i16> = self.list.keys.read().keys().copied().collect();
        let empty = |year: &i16| !self.list.entries.read().keys().any(|entry| entry.year == *year);
        for year in years.into_iter().filter(|year| *year < this_year).filter(empty) {
            self.vault.end_suppression(year)?;
            self.list.keys.write().remove(&year);
        }
        Ok(over.len())
    }
}

/// Devices may be others' as well.
fn is_personal(typed: &IdentifierType) -> bool {
    typed.kind != IdentifierKind::Device
}
