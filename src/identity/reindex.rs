//! Moving all identifiers to another index key, while the gateway runs.
//!
//! A new key begins an epoch. From then on whoever is admitted stands under it, and whoever is looked up is looked for under both. Then
//! the index is moved record by record: the value, sealed under its owner's key, gives the new blind form. What is left is simply what
//! stands under a lower epoch, so that this goes on where a crash has cut it off. When nothing is left, the old key is destroyed, and
//! with it the meaning of every blind form that a disk or a copy still has.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::directory::Directory;
use super::record::{Entry, INDEX, Owner, VALUES, ValueKey, value_aad};
use crate::clock::{Chance, Clock, DAY_MS, Millis};
use crate::id::Blind;
use crate::store::{self, Batch, Store};
use crate::vault::{self, Sealed};

/// How many identifiers are moved in one commit.
const MOVED_AT_ONCE: usize = if cfg!(test) { 3 } else { 256 };
/// How often is looked whether the key is too old.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// How long moving rests after a failure.
const FAILED_PAUSE: Duration = Duration::from_secs(30);

/// How far a change of the index key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of the epoch, from 1.
    pub epoch: u32,
    /// When its key was made.
    pub since: Millis,
    /// Whether identifiers are being moved to it.
    pub moving: bool,
    /// How many identifiers there are.
    pub total: usize,
    /// How many of them stand under its key.
    pub moved: usize,
}

impl Directory {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let memory = self.memory.read();
        let (epoch, total) = (self.vault.epoch(), memory.len());
        let moved = total.saturating_sub(memory.left());
        Progress { epoch: epoch.number, since: epoch.since, moving: epoch.moving, total, moved }
    }

    /// Begins another epoch, if none is being moved to. Blocks until that is durable. [`Directory::run`] moves what there is.
    ///
    /// # Errors
    /// What vault and store say.
    pub fn turn_over(&self, at: Millis) -> Result<Progress, Error> {
        {
            // Nobody is admitted or looked up between the store's word and the vault's.
            let mut memory = self.memory.write();
            if !self.vault.epoch().moving {
                let begun = self.vault.begin_index(at);
                memory.turn_over(self.vault.epoch().number);
                begun?;
            }
        }
        self.wake.notify_one();
        Ok(self.progress())
    }

    /// Moves some identifiers, or ends the epoch before if all are. Says whether there is more to do. Blocks.
    ///
    /// # Errors
    /// What vault and store say.
    pub fn move_some(&self, store: &Store, chance: &Chance) -> Result<bool, Error> {
        let epoch = self.vault.epoch();
        if !epoch.moving {
            return Ok(false);
        }
        // Lower epochs stand in front.
        let mut page = INDEX.scan(store, &[], None, MOVED_AT_ONCE)?;
        page.retain(|(entry, _)| entry.epoch < epoch.number);
        if page.is_empty() {
            let mut memory = self.memory.write();
            let ended = self.vault.end_index();
            memory.all_moved();
            ended?;
            return Ok(false);
        }
        let mut batch = Batch::default();
        let mut moved = Vec::with_capacity(page.len());
        for (from, owner) in page {
            let to = Entry { epoch: epoch.number, blind: self.blind_now(store, chance, &owner)? };
            batch.check_equals(INDEX.key(&from), INDEX.value(&owner));
            batch.check_absent(INDEX.key(&to));
            INDEX.delete(&mut batch, &from);
            INDEX.put(&mut batch, &to, &owner);
            moved.push((to, owner));
        }
        match store.commit_blocking(batch) {
            Ok(_) => {}
            // Somebody was forgotten meanwhile.
            Err(store::Error::Conflict) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let mut memory = self.memory.write();
        moved.iter().for_each(|(to, owner)| memory.moved(*to, owner));
        Ok(true)
    }

    /// The blind form of an identifier under the present key. Who is being erased is found no more, and forgotten by whoever erases.
    fn blind_now(&self, store: &Store, chance: &Chance, owner: &Owner) -> Result<Blind, Error> {
        let key = match self.vault.key_once(owner.subject) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(Blind(chance.bytes()?)),
            Err(error) => return Err(error.into()),
        };
        let place = ValueKey { subject: owner.subject, name: owner.name };
        let Some(Sealed(sealed)) = VALUES.get(store, &place)? else {
            // It went with the index record, which a moment ago was there.
            return Ok(Blind(chance.bytes()?));
        };
        let value = match key.open(&value_aad(&place), &sealed) {
            Err(vault::Error::Unreadable) if self.vault.key_once(owner.subject).is_err() => return Ok(Blind(chance.bytes()?)),
            opened => zeroize::Zeroizing::new(opened?),
        };
        let damaged = |_| store::Error::Damaged { what: String::from("the value of an identifier is no text") };
        Ok(self.vault.blind(owner.tag, std::str::from_utf8(&value).map_err(damaged)?).now)
    }

    /// Moves everything. Before the doors open: without the key before, nobody who was not moved can be found.
    pub(super) fn move_all(&self, store: &Store, chance: &Chance) -> Result<(), Error> {
        // On a thread of its own: a runtime's thread must not block in the store's own wait.
        let all = || {
            while self.move_some(store, chance)? {}
            Ok(())
        };
        std::thread::scope(|scope| scope.spawn(all).join()).unwrap_or(Err(Error::Store(store::Error::Closed)))
    }

    /// Moves what is to be moved, and begins another epoch when the key is older than so many days (0: never), as long as the process
    /// runs. What fails is tried again.
    pub async fn run(self: Arc<Self>, store: Store, clock: Clock, days: u32) {
        loop {
            let (directory, store, at) = (Arc::clone(&self), store.clone(), clock.now());
            let step = tokio::task::spawn_blocking(move || directory.step(&store, at, days)).await;
            let failure = match step {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_panicked) => Some(String::from("it stumbled over an error of ours")),
            };
            let pause = if failure.is_some() { FAILED_PAUSE } else { LOOK_EVERY };
            if let Some(error) = failure {
                tracing::error!(error, "identifiers are not moved to the new index key; it is tried again");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn step(&self, store: &Store, at: Millis, days: u32) -> Result<bool, Error> {
        if self.is_due(days, at) {
            self.turn_over(at)?;
        }
        self.move_some(store, &Chance::system())
    }

    fn is_due(&self, days: u32, at: Millis) -> bool {
        let epoch = self.vault.epoch();
        days > 0 && !epoch.moving && epoch.since.saturating_add(Millis::from(days) * DAY_MS) <= at
    }
}
