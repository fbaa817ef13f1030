//! The key tree: data keys in shards of 128, shard keys in branches of 128, branch keys in pages under one root key that is
//! overwritten where it lies (Reardon, Ritzdorf, Basin, Capkun: Secure Data Deletion from Persistent Media, CCS 2013).
//!
//! To erase a key is to write its shard without it under a fresh key, the branch with that key under a fresh key, the pages with
//! *that* key under a fresh root, and to overwrite the old root. Whatever the disk still has of old nodes leads up to a root that
//! is nowhere any more; all other keys stay what they are.
//!
//! **Promises**
//! - A crash at any step leaves the tree as it was or as it should be; the next open completes or takes back what was begun.
//! - A new key costs no write: shards are filled ahead with random keys, and one is given out.
//! - Memory: about 40 bytes per shard, that is 3 MB for ten million keys.
//!
//! It knows no subjects: [`super::place`] does.

mod ahead;
mod node;
mod root;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use parking_lot::{Mutex, RwLock};

use super::keys::Secret;
use super::place::Place;
use super::{DataKey, Error};
use crate::clock::Chance;
use crate::store::{self, Batch, Store};
use node::Node;
use root::RootFile;
pub(super) use root::{generations, is_at_rest};

/// Keys of a shard, and shards of a branch.
const FAN: u32 = 128;
/// Branch keys of a page.
const PAGE_FAN: u32 = 512;
/// Tag of the table: `N ‖ kind ‖ number` → a node, sealed under the key that its parent holds; `N ‖ 0` → [`Head`], plain.
const TAG: u8 = b'N';
/// How many nodes are read at a time when the tree is opened.
const PAGE: usize = 256;

/// What kind of node a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page = 1,
    Branch = 2,
    Shard = 3,
}

impl Kind {
    const fn places(self) -> usize {
        match self {
            Self::Page => PAGE_FAN as usize,
            Self::Branch | Self::Shard => FAN as usize,
        }
    }
}

/// What the store says about the tree in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// Names the root's file, so that two stores can share a key folder.
    tree: [u8; 16],
    /// Which root the pages are sealed under.
    generation: u64,
    /// Shards below were filled once. Invariant: numbers are never used again.
    next_shard: u32,
    /// How many records of the list of the shredded it has heard of.
    buried: u64,
}

impl Head {
    const KEY: [u8; 2] = [TAG, 0];

    fn find(store: &Store) -> Result<Option<Self>, Error> {
        store.get(&Self::KEY)?.map(|bytes| Self::parse(&bytes)).transpose()
    }

    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (tree, rest) = bytes.split_first_chunk().ok_or(Error::Unreadable)?;
        let (generation, rest) = rest.split_first_chunk().ok_or(Error::Unreadable)?;
        let (next_shard, rest) = rest.split_first_chunk().ok_or(Error::Unreadable)?;
        let buried = rest.try_into().map_err(|std::array::TryFromSliceError { .. }| Error::Unreadable)?;
        let (generation, next_shard) = (u64::from_be_bytes(*generation), u32::from_be_bytes(*next_shard));
        Ok(Self { tree: *tree, generation, next_shard, buried: u64::from_be_bytes(buried) })
    }

    fn put(self, batch: &mut Batch) {
        batch.put(Self::KEY.to_vec(), self.bytes());
    }

    fn bytes(self) -> Vec<u8> {
        [self.tree.as_slice(), &self.generation.to_be_bytes(), &self.next_shard.to_be_bytes(), &self.buried.to_be_bytes()]
            .concat()
    }
}

/// Where the store says which root it needs.
pub const HEAD_KEY: [u8; 2] = Head::KEY;

/// What stands there: the tree, the generation of its root, and how many records of the list of the shredded the store has heard of.
pub(super) fn facts(head: &[u8]) -> Result<([u8; 16], u64, u64), Error> {
    Head::parse(head).map(|head| (head.tree, head.generation, head.buried))
}

/// A branch: its own key, and those of its shards.
struct Branch {
    key: Secret,
    shards: Node,
}

/// The upper floors, which are kept in memory.
struct Crown {
    head: Head,
    root: Secret,
    branches: BTreeMap<u32, Branch>,
    /// Whether the first slot of the file may still hold an older root.
    unsettled: bool,
    /// Whether it is not known which root the store has.
    uncertain: bool,
}

/// The tree.
pub(super) struct Tree {
    store: Store,
    chance: Chance,
    /// Seals the root.
    wrap: DataKey,
    file: RootFile,
    crown: RwLock<Crown>,
    /// Held by whoever changes the tree, from reading what it changes to having changed memory.
    changing: Mutex<()>,
    ahead: ahead::Ahead,
    /// Called between the steps of a change.
    #[cfg(test)]
    between: Mutex<Option<tests::Between>>,
}

impl Tree {
    /// Opens the tree of this store, or makes it. `folder` is where roots lie.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] without the root, [`Error::RootGone`] if the root has moved on since these data were written.
    pub(super) fn open(store: &Store, folder: &Path, wrap: DataKey, chance: &Chance) -> Result<Self, Error> {
        let head = match Head::find(store)? {
            Some(head) => head,
            None => {
                let head = Head { tree: chance.bytes()?, generation: 1, next_shard: 0, buried: 0 };
                let mut batch = Batch::default();
                batch.check_absent(Head::KEY.to_vec());
                head.put(&mut batch);
                commit(store, batch)?;
                head
            }
        };
        let path = folder.join(format!("{}.root", hex::encode(head.tree)));
        let file = match RootFile::open(&path, head.tree)? {
            Some(file) => file,
            // Its making was cut off; nothing was ever sealed under it.
            None if head.next_shard == 0 => RootFile::create(&path, head.tree, &wrap, head.generation, &Secret::random(chance)?)?,
            None => return Err(Error::KeyMissing { path }),
        };
        let root = settle(&file, &wrap, head.generation)?;
        let branches = read_branches(store, &root, head.generation)?;
        Ok(Self {
            store: store.clone(),
            chance: chance.clone(),
            wrap,
            file,
            crown: RwLock::new(Crown { head, root, branches, unsettled: false, uncertain: false }),
            changing: Mutex::default(),
            ahead: ahead::Ahead::default(),
            #[cfg(test)]
            between: Mutex::default(),
        })
    }

    /// The key in a place, given to `found` before anybody can erase it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if there is none: the records do not fit the tree.
    pub(super) fn with<T>(&self, place: Place, found: impl Fn(&Secret) -> T) -> Result<T, Error> {
        match self.try_with(place, &found) {
            Err(Error::Unreadable) => {
                // Perhaps the shard was just written under a fresh key that memory does not have yet.
                let _changed = self.changing.lock();
                self.try_with(place, &found)
            }
            done => done,
        }
    }

    /// Does something before anybody whose erasure is under way can be forgotten in memory. What the store says by then holds, or is
    /// taken back by the `forget` of [`Tree::erase`] afterwards.
    pub(super) fn while_it_stands(&self, then: impl FnOnce()) {
        let _crown = self.crown.read();
        then();
    }

    fn try_with<T>(&self, place: Place, found: &impl Fn(&Secret) -> T) -> Result<T, Error> {
        let crown = self.crown.read();
        let shard = self.read_shard(&crown, place.shard)?;
        let secret = shard.get(usize::from(place.slot)).ok_or(Error::Unreadable)?;
        Ok(found(secret))
    }

    fn read_shard(&self, crown: &Crown, shard: u32) -> Result<Node, Error> {
        let (branch, place) = branch_of(shard);
        let key = crown.branches.get(&branch).and_then(|b| b.shards.get(place)).ok_or(Error::Unreadable)?;
        let sealed = self.store.get(&record(Kind::Shard, shard))?.ok_or(Error::Unreadable)?;
        Node::open(FAN as usize, &DataKey::new(key.again()), &aad(Kind::Shard, shard, 0), &sealed)
    }

    /// Erases the keys in these places for good, and lets `also` happen in the same commit; `buried`, if given, is how many records of
    /// the list of the shredded this completes. When this returns, nothing on the
    /// disk leads to them any more.
    ///
    /// # Errors
    /// What the disk says, and [`store::Error::Conflict`] if `also` conflicts; then nothing was erased. After [`Error::Io`] the
    /// store has committed, and the next call completes the change.
    pub(super) fn erase(&self, places: &[Place], buried: Option<u64>, also: Batch, forget: impl FnOnce()) -> Result<(), Error> {
        let _changing = self.changing.lock();
        self.settle_if_needed()?;
        let mut batch = also;
        let next = self.without(places, buried, &mut batch)?;
        self.file.write(1, &self.wrap, next.head.generation, &next.root)?;
        self.step("the second slot is written");
        if let Err(error) = commit(&self.store, batch) {
            self.take_back(&error)?;
            return Err(error);
        }
        self.step("the store has committed");
        self.take_over(next);
        forget();
        self.settle_if_needed()?;
        self.step("the first slot is written");
        Ok(())
    }

    /// Nothing was committed: the second slot forgets the root that was to come. If that is not certain, only the next open can
    /// tell, and until then both roots are needed.
    fn take_back(&self, error: &Error) -> Result<(), Error> {
        let mut crown = self.crown.write();
        let refused = matches!(
            error,
            Error::Store(store::Error::Conflict | store::Error::Busy | store::Error::Full | store::Error::TooLarge { .. })
        );
        crown.uncertain = !refused || Head::find(&self.store)? != Some(crown.head);
        if crown.uncertain { Ok(()) } else { self.file.write(1, &self.wrap, crown.head.generation, &crown.root) }
    }

    /// Overwrites an older root that a change has left in the file.
    fn settle_if_needed(&self) -> Result<(), Error> {
        let mut crown = self.crown.write();
        if crown.uncertain {
            return Err(Error::Store(store::Error::Closed));
        }
        if crown.unsettled {
            self.file.write(0, &self.wrap, crown.head.generation, &crown.root)?;
            crown.unsettled = false;
        }
        Ok(())
    }

    /// Names the tree, as its files are named.
    pub(super) fn name(&self) -> String {
        hex::encode(self.crown.read().head.tree)
    }

    /// How many records of the list of the shredded the store has heard of.
    pub(super) fn buried(&self) -> u64 {
        self.crown.read().head.buried
    }

    /// Completes a change that could not be completed when it was made.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn finish(&self) -> Result<(), Error> {
        let _changing = self.changing.lock();
        self.settle_if_needed()
    }

    /// What the tree would be without the keys in these places; the nodes go into the batch.
    fn without(&self, places: &[Place], buried: Option<u64>, batch: &mut Batch) -> Result<Change, Error> {
        let crown = self.crown.read();
        let mut by_shard: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
        places.iter().for_each(|place| _ = by_shard.entry(place.shard).or_default().insert(place.slot));
        let mut shards: BTreeMap<u32, Option<Secret>> = BTreeMap::new();
        for (number, slots) in by_shard {
            let mut shard = self.read_shard(&crown, number)?;
            slots.iter().for_each(|slot| shard.set(usize::from(*slot), None));
            if shard.is_empty() {
                batch.delete(record(Kind::Shard, number));
                shards.insert(number, None);
            } else {
                let key = Secret::random(&self.chance)?;
                put_node(batch, (Kind::Shard, number), 0, &shard, &key)?;
                shards.insert(number, Some(key));
            }
        }
        let branches: BTreeSet<u32> = shards.keys().map(|shard| branch_of(*shard).0).collect();
        let buried = buried.unwrap_or(crown.head.buried);
        let head = Head { generation: crown.head.generation + 1, buried, ..crown.head };
        let mut change = Change { head, root: Secret::random(&self.chance)?, branches: BTreeMap::new() };
        for number in branches {
            let mut node = Node::empty(FAN as usize);
            let old = crown.branches.get(&number).ok_or(Error::Unreadable)?;
            old.shards.keys().for_each(|(place, key)| node.set(place, Some(key.again())));
            let first = number.saturating_mul(FAN);
            let range = first..=first.saturating_add(FAN - 1);
            for (shard, key) in shards.range(range) {
                node.set(branch_of(*shard).1, key.as_ref().map(Secret::again));
            }
            let key = Secret::random(&self.chance)?;
            let branch = (!node.is_empty()).then_some(Branch { key, shards: node });
            change.branches.insert(number, branch);
        }
        change.put(&crown, batch, true)?;
        Ok(change)
    }

    /// Memory learns what the store has.
    fn take_over(&self, change: Change) {
        let mut crown = self.crown.write();
        crown.unsettled |= change.head.generation != crown.head.generation;
        crown.head = change.head;
        crown.root = change.root;
        for (number, branch) in change.branches {
            match branch {
                Some(branch) => _ = crown.branches.insert(number, branch),
                None => _ = crown.branches.remove(&number),
            }
        }
    }

    #[cfg(test)]
    fn step(&self, done: &'static str) {
        if let Some(between) = &*self.between.lock() {
            between(done);
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests look between the steps")]
    const fn step(&self, _done: &'static str) {}
}

/// What changes in the upper floors.
struct Change {
    head: Head,
    root: Secret,
    /// The branches that change; `None` for those that are empty now.
    branches: BTreeMap<u32, Option<Branch>>,
}

impl Change {
    /// Puts the branches, the pages and the head into the batch: all pages if the root is another one, otherwise those of the
    /// branches.
    fn put(&self, crown: &Crown, batch: &mut Batch, all_pages: bool) -> Result<(), Error> {
        for (number, branch) in &self.branches {
            match branch {
                Some(branch) => put_node(batch, (Kind::Branch, *number), 0, &branch.shards, &branch.key)?,
                None => batch.delete(record(Kind::Branch, *number)),
            }
        }
        let page_of = |branch: &u32| branch / PAGE_FAN;
        let mut pages: BTreeSet<u32> = self.branches.keys().map(page_of).collect();
        if all_pages {
            pages.extend(crown.branches.keys().map(page_of));
        }
        for number in pages {
            let first = number.saturating_mul(PAGE_FAN);
            let mut page = Node::empty(PAGE_FAN as usize);
            for place in 0..PAGE_FAN {
                let branch = first.saturating_add(place);
                let held = self.branches.get(&branch).map_or_else(|| crown.branches.get(&branch), Option::as_ref);
                page.set(place as usize, held.map(|branch| branch.key.again()));
            }
            if page.is_empty() {
                batch.delete(record(Kind::Page, number));
            } else {
                put_node(batch, (Kind::Page, number), self.head.generation, &page, &self.root)?;
            }
        }
        // Nobody else may have changed the tree since memory learned it.
        batch.check_equals(Head::KEY.to_vec(), crown.head.bytes());
        self.head.put(batch);
        Ok(())
    }
}

/// Seals the root under another master key. What was sealed under it already stays.
pub(super) fn reseal(store: &Store, folder: &Path, (old, new): (&DataKey, &DataKey)) -> Result<(), Error> {
    let Some(head) = Head::find(store)? else { return Ok(()) };
    let path = folder.join(format!("{}.root", hex::encode(head.tree)));
    let file = RootFile::open(&path, head.tree)?.ok_or(Error::KeyMissing { path })?;
    file.reseal(old, new)
}

/// Makes both slots hold the root that the store's pages are sealed under, and returns it.
fn settle(file: &RootFile, wrap: &DataKey, generation: u64) -> Result<Secret, Error> {
    let slots = file.read(wrap)?;
    if slots.iter().all(Option::is_none) {
        return Err(Error::NotAKey { path: file.path().to_owned() });
    }
    let fits = |slot: &Option<(u64, Secret)>| slot.as_ref().is_some_and(|(held, _)| *held == generation);
    let root = slots.iter().find(|slot| fits(slot)).and_then(|slot| slot.as_ref().map(|(_, root)| root.again()));
    let root = root.ok_or_else(|| Error::RootGone { path: file.path().to_owned() })?;
    for (number, slot) in slots.iter().enumerate() {
        if !fits(slot) {
            file.write(number, wrap, generation, &root)?;
        }
    }
    Ok(root)
}

fn read_branches(store: &Store, root: &Secret, generation: u64) -> Result<BTreeMap<u32, Branch>, Error> {
    let mut branches = BTreeMap::new();
    let root = DataKey::new(root.again());
    let mut after: Option<Vec<u8>> = None;
    loop {
        let stored = store.scan(&[TAG, Kind::Page as u8], after.as_deref(), PAGE)?;
        for (key, sealed) in &stored {
            let number = number_of(key)?;
            let page = Node::open(Kind::Page.places(), &root, &aad(Kind::Page, number, generation), sealed)?;
            for (place, key) in page.keys() {
                let place = u32::try_from(place).map_err(|_too_many| Error::Unreadable)?;
                let number = number.saturating_mul(PAGE_FAN).saturating_add(place);
                let sealed = store.get(&record(Kind::Branch, number))?.ok_or(Error::Unreadable)?;
                let shards = Node::open(FAN as usize, &DataKey::new(key.again()), &aad(Kind::Branch, number, 0), &sealed)?;
                branches.insert(number, Branch { key: key.again(), shards });
            }
        }
        match stored.into_iter().next_back() {
            None => return Ok(branches),
            Some((key, _)) => after = Some(key),
        }
    }
}

fn put_node(batch: &mut Batch, (kind, number): (Kind, u32), generation: u64, node: &Node, key: &Secret) -> Result<(), Error> {
    let sealed = node.seal(&DataKey::new(key.again()), &aad(kind, number, generation))?;
    batch.put(record(kind, number), sealed);
    Ok(())
}

/// The branch of a shard, and its place in there.
const fn branch_of(shard: u32) -> (u32, usize) {
    (shard / FAN, (shard % FAN) as usize)
}

fn record(kind: Kind, number: u32) -> Vec<u8> {
    let mut out = vec![TAG, kind as u8];
    out.extend_from_slice(&number.to_be_bytes());
    out
}

fn number_of(record: &[u8]) -> Result<u32, Error> {
    record.last_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Error::Unreadable)
}

fn aad(kind: Kind, number: u32, generation: u64) -> [u8; 17] {
    let mut out = [0; 17];
    let (tag, rest) = out.split_at_mut(5);
    tag.copy_from_slice(match kind {
        Kind::Page => b"page\0",
        Kind::Branch => b"brnch",
        Kind::Shard => b"shard",
    });
    let (first, second) = rest.split_at_mut(4);
    first.copy_from_slice(&number.to_be_bytes());
    second.copy_from_slice(&generation.to_be_bytes());
    out
}

/// Commits on a thread of its own: a request may be the first to need a shard, and a runtime's thread must not block in the
/// store's own wait.
fn commit(store: &Store, batch: Batch) -> Result<(), Error> {
    std::thread::scope(|scope| scope.spawn(|| store.commit_blocking(batch)).join())
        .unwrap_or(Err(store::Error::Closed))
        .map(drop)
        .map_err(Error::Store)
}
