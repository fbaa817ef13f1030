//! Keys that wait for subjects: shards are filled before they are needed.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::{Change, FAN, Head, Kind, Node, Tree, branch_of, commit, put_node};
use crate::store::Batch;
use crate::vault::Error;
use crate::vault::keys::Secret;
use crate::vault::place::Place;

/// Shards that are filled the first time; each time after that it is twice as many. What was filled and not given out when the
/// process ends stays unused for good, so a process that needs little must not fill much.
const SHARDS_MIN: u32 = 2;
/// The most shards of one filling: 8192 keys, 270 kB.
const SHARDS_MAX: u32 = 64;
/// With fewer keys than this the next shards are filled, while these are given out.
const LOW: usize = FAN as usize / 2;
/// The last place of a shard.
const LAST_SLOT: u8 = 127;

/// What is ready, and who fills.
#[derive(Default)]
pub(super) struct Ahead(Mutex<State>);

#[derive(Default)]
struct State {
    ready: Vec<(Place, Secret)>,
    shards: u32,
    filling: Option<JoinHandle<()>>,
}

impl Tree {
    /// A place with a key that nobody has had. It is the caller's from now on, used or not.
    ///
    /// # Errors
    /// What the store says, if nothing is ready and nothing can be filled.
    pub(in crate::vault) fn take(self: &Arc<Self>) -> Result<(Place, Secret), Error> {
        loop {
            {
                let mut state = self.ahead.0.lock();
                if let Some(taken) = state.ready.pop() {
                    let idle = state.filling.as_ref().is_none_or(JoinHandle::is_finished);
                    // Not before somebody has needed more than the first filling had.
                    if state.ready.len() < LOW && idle {
                        let tree = Arc::clone(self);
                        let fill = move || {
                            if let Err(error) = tree.fill(LOW) {
                                tracing::warn!(%error, "no keys could be made ahead");
                            }
                        };
                        state.filling = std::thread::Builder::new().name(String::from("keys-ahead")).spawn(fill).ok();
                    }
                    return Ok(taken);
                }
            }
            self.fill(1)?;
        }
    }

    /// Fills shards, unless there are already so many keys.
    fn fill(&self, enough: usize) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let shards = {
            let state = self.ahead.0.lock();
            if state.ready.len() >= enough {
                return Ok(());
            }
            (state.shards * 2).clamp(SHARDS_MIN, SHARDS_MAX)
        };
        let mut batch = Batch::default();
        let mut ready = Vec::new();
        let change = self.with_more(shards, &mut batch, &mut ready)?;
        commit(&self.store, batch)?;
        self.take_over(change);
        let mut state = self.ahead.0.lock();
        state.shards = shards;
        // The last is given out first; places are given out in order.
        ready.reverse();
        ready.append(&mut state.ready);
        state.ready = ready;
        Ok(())
    }

    /// What the tree would be with so many more shards, all full.
    fn with_more(&self, shards: u32, batch: &mut Batch, ready: &mut Vec<(Place, Secret)>) -> Result<Change, Error> {
        let crown = self.crown.read();
        let first = crown.head.next_shard;
        let next_shard = first.checked_add(shards).ok_or(Error::Unreadable)?;
        let head = Head { next_shard, ..crown.head };
        let mut change = Change { head, root: crown.root.again(), branches: std::collections::BTreeMap::new() };
        for number in first..next_shard {
            let mut shard = Node::empty(FAN as usize);
            for slot in 0..=LAST_SLOT {
                let secret = Secret::random(&self.chance)?;
                shard.set(usize::from(slot), Some(secret.again()));
                ready.push((Place { shard: number, slot }, secret));
            }
            let key = Secret::random(&self.chance)?;
            put_node(batch, (Kind::Shard, number), 0, &shard, &key)?;
            let (branch, place) = branch_of(number);
            let entry = match change.branches.entry(branch) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Some(self.grown(&crown, branch)?)),
            };
            if let Some(entry) = entry {
                entry.shards.set(place, Some(key));
            }
        }
        change.put(&crown, batch, false)?;
        Ok(change)
    }

    /// The branch as it is, or a new one. A key that is only joined by others need not be another one.
    fn grown(&self, crown: &super::Crown, number: u32) -> Result<super::Branch, Error> {
        let mut shards = Node::empty(FAN as usize);
        let Some(old) = crown.branches.get(&number) else {
            return Ok(super::Branch { key: Secret::random(&self.chance)?, shards });
        };
        old.shards.keys().for_each(|(place, key)| shards.set(place, Some(key.again())));
        Ok(super::Branch { key: old.key.again(), shards })
    }

    /// Waits until nobody fills any more.
    pub(in crate::vault) fn rest(&self) {
        let filling = self.ahead.0.lock().filling.take();
        if let Some(filling) = filling {
            // A panic in there was reported by itself.
            _ = filling.join();
        }
    }
}
