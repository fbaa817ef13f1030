//! Shredding: at every step a crash harms nobody, and afterwards nothing on any disk leads to the key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::id::SubjectId;
use crate::store::Options;
use crate::vault::place::Places;
use crate::vault::{Class, Digits, Master, Settings, Vault, rotate};

/// Looks at the disk between two steps.
pub(super) type Between = Box<dyn Fn(&'static str) + Send>;

const LATER: Class = Class(7);

/// A store on a disk, its keys, and what was sealed for whom.
struct House {
    folder: PathBuf,
    store: Store,
    vault: Vault,
    sealed: BTreeMap<(u16, u8), Vec<u8>>,
}

impl House {
    fn open(folder: &Path) -> Result<Self, Error> {
        let store = Store::open(&folder.join("data"), &Options { cache_bytes: 1 << 20, ..Options::default() })?;
        // Closing gives the folder free again, whoever still holds on to the store.
        let vault = Vault::open(&folder.join("keys"), &store, &Chance::system()).inspect_err(|_| store.close().unwrap())?;
        Ok(Self { folder: folder.to_owned(), store, vault, sealed: BTreeMap::new() })
    }

    fn again(self) -> Self {
        let Self { folder, store, vault, sealed } = self;
        drop(vault);
        store.close().unwrap();
        drop(store);
        Self { sealed, ..Self::open(&folder).unwrap() }
    }

    fn add(&mut self, n: u16) {
        let mut batch = Batch::default();
        let key = self.vault.create(subject(n), &mut batch).unwrap();
        self.store.commit_blocking(batch).unwrap();
        self.sealed.insert((n, Class::STANDARD.0), key.seal(b"", &text(n)).unwrap());
    }

    fn add_class(&mut self, n: u16, class: Class) {
        let mut batch = Batch::default();
        let key = self.vault.create_classes(subject(n), &[class], &mut batch).unwrap().remove(0);
        self.store.commit_blocking(batch).unwrap();
        self.sealed.insert((n, class.0), key.seal(b"", &text(n)).unwrap());
    }

    /// Whether what was sealed can be read. Anything but "read" and "shredded" is a failure.
    fn reads(&self, n: u16, class: Class, sealed: &[u8]) -> bool {
        match self.vault.class_key(subject(n), class) {
            Ok(key) => {
                assert_eq!(key.open(b"", sealed).unwrap(), text(n));
                true
            }
            Err(Error::Shredded) => false,
            Err(error) => panic!("{n} {class:?}: {error}"),
        }
    }

    fn check(&self, gone: &BTreeSet<(u16, u8)>) {
        for ((n, class), sealed) in &self.sealed {
            assert_eq!(self.reads(*n, Class(*class), sealed), !gone.contains(&(*n, *class)), "{n} {class}");
        }
    }

    fn nodes(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.store.scan(&[TAG], None, usize::MAX).unwrap()
    }
}

fn subject(n: u16) -> SubjectId {
    let mut bytes = [0x5A; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    SubjectId(bytes)
}

fn text(n: u16) -> Vec<u8> {
    format!("what {n} said").into_bytes()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
}

fn root_file(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder.join("keys/roots")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_crash_at_any_step_is_completed_at_the_next_open() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(&temp.path().join("0")).unwrap();
    (0..300).for_each(|n| house.add(n));
    house.add_class(3, LATER);
    let (from, to) = (house.folder.clone(), temp.path().to_owned());
    let copies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&copies);
    *house.vault.tree.between.lock() = Some(Box::new(move |step| {
        for torn in [None, Some(0), Some(1)] {
            let folder = to.join(format!("{step} {torn:?}"));
            copy(&from, &folder);
            seen.lock().push((step, torn, folder));
        }
    }));
    assert_eq!(house.vault.shred(&[(subject(3), Class::STANDARD), (subject(200), Class::STANDARD)]).unwrap(), 2);
    let gone = BTreeSet::from([(3, 0), (200, 0)]);
    house.check(&gone);
    let copies = copies.lock();
    assert_eq!(copies.len(), 9);
    for (step, torn, folder) in &*copies {
        if let Some(slot) = torn {
            // A slot that was being written when the power went.
            let path = root_file(folder);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[slot * 4096 + 40..(slot + 1) * 4096].fill(0xAA);
            std::fs::write(&path, bytes).unwrap();
        }
        // The other slot is the only one that fits while the first is older or the second is newer than the store.
        let needed = match *step {
            "the second slot is written" => Some(0),
            "the store has committed" => Some(1),
            _ => None,
        };
        let opened = House::open(folder);
        if needed.is_some() && needed == *torn {
            assert!(matches!(opened, Err(Error::RootGone { .. })), "{step} {torn:?}");
            continue;
        }
        let mut copied = opened.unwrap_or_else(|error| panic!("{step} {torn:?}: {error}"));
        copied.sealed = house.sealed.clone();
        copied.check(&gone);
        let slots = copied.vault.tree.file.read(&copied.vault.tree.wrap).unwrap();
        let generations: Vec<_> = slots.iter().map(|slot| slot.as_ref().unwrap().0).collect();
        assert_eq!(generations, vec![2; 2], "{step} {torn:?}: both slots hold what the store has");
        copied.vault.shred(&[(subject(3), Class::STANDARD), (subject(200), Class::STANDARD)]).unwrap();
        copied.add(900);
        copied.again().check(&gone);
    }
}

/// Every key that somebody gets who has all nodes that ever were, and starts with one root.
fn all_keys_from(root: [u8; 32], nodes: &[(Vec<u8>, Vec<u8>)]) -> BTreeSet<[u8; 32]> {
    let mut known = BTreeSet::from([root]);
    let mut fresh = vec![root];
    while let Some(key) = fresh.pop() {
        for (name, sealed) in nodes {
            let kind = match name.get(1) {
                Some(1) => Kind::Page,
                Some(2) => Kind::Branch,
                Some(3) => Kind::Shard,
                _ => continue,
            };
            for generation in 0..20 {
                let aad = aad(kind, number_of(name).unwrap(), generation);
                let Ok(node) = Node::open(kind.places(), &DataKey::new(Secret::new(key)), &aad, sealed) else { continue };
                fresh.extend(node.keys().map(|(_, key)| *key.bytes()).filter(|key| known.insert(*key)));
            }
        }
    }
    known
}

#[test]
fn with_all_old_nodes_and_the_key_of_today_a_shredded_key_is_out_of_reach() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(temp.path()).unwrap();
    (0..140).for_each(|n| house.add(n));
    house.add_class(3, LATER);
    let secret = |house: &House, n: u16, class: Class| {
        let place = Places::find(&house.store, subject(n)).unwrap().unwrap().get(class).unwrap();
        house.vault.tree.with(place, |secret| *secret.bytes()).unwrap()
    };
    let root = |house: &House| *house.vault.tree.crown.read().root.bytes();
    let (victim, kept, neighbour, far) = (
        secret(&house, 3, Class::STANDARD),
        secret(&house, 3, LATER),
        secret(&house, 4, Class::STANDARD),
        secret(&house, 139, Class::STANDARD),
    );
    let mut ever = house.nodes();
    let first_root = root(&house);
    assert!(all_keys_from(first_root, &ever).contains(&victim), "the test can find a key that is there");
    for n in [50, 3, 51, 139] {
        house.vault.shred(&[(subject(n), Class::STANDARD)]).unwrap();
        ever.extend(house.nodes());
        ever.sort_unstable();
        ever.dedup();
    }
    let found = all_keys_from(root(&house), &ever);
    assert!(found.contains(&neighbour) && found.contains(&kept));
    assert!(!found.contains(&victim) && !found.contains(&far));
    // And the roots of before are nowhere in the key folder.
    let bytes = std::fs::read(root_file(temp.path())).unwrap();
    assert_eq!(bytes.len(), 2 * 4096);
    for (generation, key) in house.vault.tree.file.read(&house.vault.tree.wrap).unwrap().into_iter().flatten() {
        assert_eq!((generation, *key.bytes()), (5, root(&house)));
    }
    assert_ne!(first_root, root(&house));
}

#[test]
fn data_from_before_an_erasure_do_not_open_with_the_keys_of_after() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(&temp.path().join("now")).unwrap();
    (0..3).for_each(|n| house.add(n));
    house = house.again();
    copy(&house.folder.join("data"), &temp.path().join("old/data"));
    house.vault.shred(&[(subject(1), Class::STANDARD)]).unwrap();
    copy(&house.folder.join("keys"), &temp.path().join("old/keys"));
    let Err(error) = House::open(&temp.path().join("old")) else { panic!("an old copy opens") };
    assert!(matches!(error, Error::RootGone { .. }), "{error}");
    std::fs::remove_file(root_file(&temp.path().join("old"))).unwrap();
    let Err(error) = House::open(&temp.path().join("old")) else { panic!("a new root was made over sealed data") };
    assert!(matches!(error, Error::KeyMissing { .. }), "{error}");
}

#[test]
fn a_whole_backup_from_before_does_not_bring_anybody_back() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(&temp.path().join("now")).unwrap();
    (0..300).for_each(|n| house.add(n));
    house.add_class(5, LATER);
    house.vault.shred(&[(subject(1), Class::STANDARD)]).unwrap();
    house = house.again();
    let old = temp.path().join("old");
    copy(&house.folder, &old);
    let (first, second) =
        ((2..290).map(|n| (subject(n), Class::STANDARD)).collect::<Vec<_>>(), [(subject(290), Class::STANDARD)]);
    house.vault.shred(&first).unwrap();
    house.vault.shred(&second).unwrap();
    copy(&house.folder.join("keys/shredded"), &old.join("keys/shredded"));
    let mut restored = House::open(&old).unwrap();
    restored.sealed = house.sealed.clone();
    assert_eq!(restored.vault.returned().len(), 289);
    let gone = (1..=290).map(|n| (n, Class::STANDARD.0)).collect();
    restored.check(&gone);
    let restored = restored.again();
    assert!(restored.vault.returned().is_empty(), "it is done once");
    restored.check(&gone);
    // A list that was cut off in the middle of a record.
    let list = std::fs::read_dir(old.join("keys/shredded")).unwrap().next().unwrap().unwrap().path();
    let House { folder, store, vault, sealed } = restored;
    drop(vault);
    store.close().unwrap();
    drop(store);
    std::fs::OpenOptions::new()
        .append(true)
        .open(list)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"half"))
        .unwrap();
    let again = House { sealed, ..House::open(&folder).unwrap() };
    again.check(&gone);
}

#[test]
fn the_master_key_can_be_changed_and_held_outside_and_a_cut_off_change_is_completed() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(&temp.path().join("house")).unwrap();
    (0..3).for_each(|n| house.add(n));
    house.vault.domain("shop").unwrap();
    house.vault.shred(&[(subject(1), Class::STANDARD)]).unwrap();
    let House { folder, store, vault, sealed } = house;
    drop(vault);
    let keys = folder.join("keys");
    let outside = || Master::Digits(Digits::new("ab".repeat(32)));
    let reads = |master: Master| {
        let vault = Vault::open_with(&keys, &store, &Chance::system(), &Settings { master, ..Settings::default() })?;
        assert_eq!(vault.key(subject(0)).unwrap().open(b"", &sealed[&(0, 0)]).unwrap(), text(0));
        assert!(matches!(vault.key(subject(1)), Err(Error::Shredded)));
        vault.domain("shop").map(drop)
    };
    let change = |old: Master, new: Master| rotate(&keys, &store, &Chance::system(), (&old, &new));
    reads(Master::Folder).unwrap();
    let old = std::fs::read(keys.join("master.key")).unwrap();
    change(Master::Folder, Master::Folder).unwrap();
    assert_ne!(std::fs::read(keys.join("master.key")).unwrap(), old);
    reads(Master::Folder).unwrap();
    let before: Vec<u8> = std::fs::read(root_file(&folder)).unwrap();
    change(Master::Folder, outside()).unwrap();
    assert!(!keys.join("master.key").exists(), "whoever has the disk has nothing");
    reads(outside()).unwrap();
    assert!(matches!(reads(Master::Digits(Digits::new("cd".repeat(32)))), Err(Error::OtherKeys { .. })));
    assert!(matches!(change(Master::Digits(Digits::new("cd".repeat(32))), Master::Folder), Err(Error::OtherKeys { .. })));
    assert!(!keys.join("master.next.key").exists(), "nothing was begun");
    // As after a crash in which only one slot was sealed anew.
    let mut half: Vec<u8> = std::fs::read(root_file(&folder)).unwrap();
    change(outside(), Master::Folder).unwrap();
    half[..4096].copy_from_slice(&std::fs::read(root_file(&folder)).unwrap()[..4096]);
    std::fs::write(root_file(&folder), &half).unwrap();
    std::fs::rename(keys.join("master.key"), keys.join("master.next.key")).unwrap();
    assert!(matches!(reads(Master::Folder), Err(Error::RotationCutOff)));
    change(outside(), Master::Folder).unwrap();
    reads(Master::Folder).unwrap();
    assert_ne!(before, std::fs::read(root_file(&folder)).unwrap());
    let command = format!("grep -v '#' {}", keys.join("master.key").display());
    reads(Master::Command(command)).unwrap();
    assert!(matches!(reads(Master::Command(String::from("false"))), Err(Error::Io { .. })));
    store.close().unwrap();
}

#[test]
fn two_stores_may_share_a_key_folder() {
    let temp = tempfile::tempdir().unwrap();
    let (one, two) = (Store::memory(), Store::memory());
    let vault = |store: &Store| Vault::open(temp.path(), store, &Chance::system()).unwrap();
    let sealed: Vec<_> = [&one, &two]
        .map(|store| {
            let mut batch = Batch::default();
            let sealed = vault(store).create(subject(1), &mut batch).unwrap().seal(b"", b"Erika").unwrap();
            store.commit_blocking(batch).unwrap();
            sealed
        })
        .into();
    assert_eq!(vault(&one).shred(&[(subject(1), Class::STANDARD)]).unwrap(), 1);
    assert!(matches!(vault(&one).key(subject(1)), Err(Error::Shredded)));
    assert_eq!(vault(&two).key(subject(1)).unwrap().open(b"", &sealed[1]).unwrap(), b"Erika");
}

#[test]
fn an_empty_shard_gives_its_room_back() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(temp.path()).unwrap();
    (0..600).for_each(|n| house.add(n));
    house = house.again();
    let shards = |house: &House| house.nodes().iter().filter(|(name, _)| name.get(1) == Some(&(Kind::Shard as u8))).count();
    let before = shards(&house);
    let all: Vec<_> = (0..600).map(|n| (subject(n), Class::STANDARD)).collect();
    assert_eq!(house.vault.shred(&all).unwrap(), 600);
    assert_eq!(house.vault.shred(&all).unwrap(), 0, "what is gone is passed over");
    assert_eq!(before - shards(&house), 600 / FAN as usize);
    house.check(&house.sealed.keys().copied().collect());
}

#[test]
fn neighbours_are_read_while_keys_are_shredded() {
    let temp = tempfile::tempdir().unwrap();
    let mut house = House::open(temp.path()).unwrap();
    (0..256).for_each(|n| house.add(n));
    // A new vault has an empty cache, and room for next to nothing in it.
    let House { store, vault, sealed, .. } = house;
    drop(vault);
    let vault = Vault::open_with(
        &temp.path().join("keys"),
        &store,
        &Chance::system(),
        &Settings { cached_keys: 1, ..Settings::default() },
    )
    .unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut read = 0_usize;
                    while !done.load(Ordering::SeqCst) {
                        for n in (1..256).step_by(2) {
                            assert_eq!(vault.key(subject(n)).unwrap().open(b"", &sealed[&(n, 0)]).unwrap(), text(n));
                            read += 1;
                        }
                    }
                    read
                })
            })
            .collect();
        for n in (0..256).step_by(2) {
            vault.shred(&[(subject(n), Class::STANDARD)]).unwrap();
            assert!(matches!(vault.key(subject(n)), Err(Error::Shredded)));
        }
        done.store(true, Ordering::SeqCst);
        assert!(readers.into_iter().map(|r| r.join().unwrap()).sum::<usize>() > 0);
    });
}

#[derive(Clone, Debug)]
enum Act {
    Add(u16),
    AddClass(u16),
    Shred(Vec<(u16, bool)>),
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let n = 0_u16..12;
    let act = prop_oneof![
        4 => n.clone().prop_map(Act::Add),
        2 => n.clone().prop_map(Act::AddClass),
        3 => proptest::collection::vec((n, any::<bool>()), 0..5).prop_map(Act::Shred),
        1 => Just(Act::Restart),
    ];
    proptest::collection::vec(act, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn only_what_was_shredded_is_gone(acts in acts()) {
        let temp = tempfile::tempdir().unwrap();
        let mut house = House::open(temp.path()).unwrap();
        let mut gone = BTreeSet::new();
        for act in acts {
            let live = |house: &House, gone: &BTreeSet<_>, n, class: Class| house.sealed.contains_key(&(n, class.0)) && !gone.contains(&(n, class.0));
            match act {
                Act::Add(n) if !house.sealed.keys().any(|(m, _)| *m == n) => house.add(n),
                Act::AddClass(n) if live(&house, &gone, n, Class::STANDARD) && !gone.contains(&(n, LATER.0)) => house.add_class(n, LATER),
                Act::Add(_) | Act::AddClass(_) => {}
                Act::Shred(whom) => {
                    let keys: Vec<_> = whom.iter().map(|(n, later)| (*n, if *later { LATER } else { Class::STANDARD })).collect();
                    let expected: BTreeSet<_> = keys.iter().filter(|(n, class)| live(&house, &gone, *n, *class)).map(|(n, class)| (*n, class.0)).collect();
                    let asked: Vec<_> = keys.iter().map(|(n, class)| (subject(*n), *class)).collect();
                    prop_assert_eq!(house.vault.shred(&asked).unwrap(), expected.len());
                    gone.extend(expected);
                }
                Act::Restart => house = house.again(),
            }
            house.check(&gone);
        }
        house.again().check(&gone);
    }
}
