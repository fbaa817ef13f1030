//! Whatever happens while the index moves to another key: every identifier leads to its owner, and to one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::id::SubjectId;
use crate::identity::{Admission, Identifier, Plan, parse};
use crate::policy::{self, Policy};
use crate::vault::{Class, Vault};

const NOW: Millis = 1_800_000_000_000;

struct House {
    keys: tempfile::TempDir,
    store: Store,
    vault: Arc<Vault>,
    policy: Policy,
    chance: Chance,
    directory: Directory,
}

impl House {
    fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let (store, chance) = (Store::memory(), Chance::system());
        let vault = Arc::new(Vault::open(&keys.path().join("keys"), &store, &chance).unwrap());
        let policy = policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap();
        let directory = Directory::open(&store, &vault).unwrap();
        Self { keys, store, vault, policy, chance, directory }
    }

    /// As after a crash: everything in memory is gone.
    fn restart(&mut self) {
        self.vault = Arc::new(Vault::open(&self.keys.path().join("keys"), &self.store, &self.chance).unwrap());
        self.directory = Directory::open(&self.store, &self.vault).unwrap();
    }

    fn key_file(&self, name: &str) -> std::path::PathBuf {
        self.keys.path().join("keys").join(name)
    }

    fn card(&self, n: usize) -> Identifier {
        parse(&self.policy, &self.vault, "loyalty_card", &format!("K{n}")).unwrap()
    }

    fn plan(&self, stated: &[Identifier], batch: &mut Batch) -> Result<Plan, Error> {
        let context = Admission { vault: &self.vault, policy: &self.policy, chance: &self.chance, at: NOW };
        self.directory.admit(stated, &context, batch)
    }

    /// Admits, as often as it takes.
    fn admit(&self, stated: &[Identifier]) -> Vec<SubjectId> {
        for _ in 0..1_000_000 {
            let mut batch = Batch::default();
            let plan = match self.plan(stated, &mut batch) {
                Ok(plan) => plan,
                // Somebody is being erased, or the key has just changed.
                Err(error) if error.is_conflict() || error.is_shredded() => {
                    std::thread::yield_now();
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            match self.store.commit_blocking(batch) {
                Ok(_) => {
                    self.directory.learn(&plan);
                    return plan.owners().to_vec();
                }
                Err(store::Error::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("never admitted");
    }

    /// Forgets somebody; `between` happens after it was written down what goes and before it goes.
    fn erase(&self, subject: SubjectId, between: impl Fn()) {
        for _ in 0..1_000_000 {
            let mut batch = Batch::default();
            match self.directory.forget(&self.store, subject, &mut batch) {
                Ok(()) => {}
                // An identifier is being moved right now.
                Err(error) if error.is_conflict() => {
                    std::thread::yield_now();
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            between();
            match self.store.commit_blocking(batch) {
                Ok(_) => {
                    self.directory.forgotten(subject);
                    self.vault.shred(&[(subject, Class::STANDARD)]).unwrap();
                    return;
                }
                Err(store::Error::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("never erased");
    }

    fn move_some(&self) -> bool {
        self.directory.move_some(&self.store, &self.chance).unwrap()
    }

    fn move_all(&self) {
        while self.move_some() {}
    }

    fn owner(&self, identifier: &Identifier) -> Option<SubjectId> {
        self.directory.owner(identifier).map(|owner| self.directory.subject(owner))
    }

    fn index(&self) -> Vec<(Entry, Owner)> {
        INDEX.scan(&self.store, &[], None, usize::MAX).unwrap()
    }
}

#[test]
fn after_a_change_everybody_is_found_by_the_new_key_and_the_old_one_is_gone() {
    let mut house = House::new();
    let people: Vec<(Identifier, SubjectId)> = (0..20).map(|n| (house.card(n), house.admit(&[house.card(n)])[0])).collect();
    let (before, old_key) = (house.index(), std::fs::read(house.key_file("index.key")).unwrap());
    assert!(house.directory.turn_over(NOW).unwrap().moving);
    assert!(house.directory.turn_over(NOW).unwrap().epoch == 2, "while one change is under way another one does not begin");
    assert_eq!(
        std::fs::read(house.key_file("index.before.key")).unwrap(),
        old_key,
        "it is needed as long as somebody stands under it"
    );
    house.move_all();
    let progress = house.directory.progress();
    assert_eq!((progress.epoch, progress.moving, progress.total, progress.moved), (2, false, 20, 20));
    assert_ne!(std::fs::read(house.key_file("index.key")).unwrap(), old_key);
    assert!(!house.key_file("index.before.key").exists() && !house.key_file("index.next.key").exists());
    let after = house.index();
    let blinds: BTreeSet<Blind> = before.iter().map(|(entry, _)| entry.blind).collect();
    assert!(after.iter().all(|(entry, _)| entry.epoch == 2 && !blinds.contains(&entry.blind)));
    for restart in [false, true] {
        if restart {
            house.restart();
        }
        for (n, (read_before, subject)) in people.iter().enumerate() {
            assert_eq!(house.owner(read_before), Some(*subject), "read under the old key");
            assert_eq!(house.owner(&house.card(n)), Some(*subject), "read under the new one");
        }
    }
}

#[test]
fn an_attacker_with_all_old_records_and_the_keys_of_today_confirms_nobody_who_was_erased() {
    let house = House::new();
    let erased = house.admit(&[house.card(1)])[0];
    let stays = house.admit(&[house.card(2)])[0];
    let mut ever: Vec<Entry> = house.index().iter().map(|(entry, _)| *entry).collect();
    let confirms = |ever: &[Entry], n: usize| {
        let blinds = house.card(n).blinds;
        ever.iter().any(|entry| entry.blind == blinds.now || Some(entry.blind) == blinds.before)
    };
    house.erase(erased, || {});
    assert!(confirms(&ever, 1), "before the change the residue of an erased entry can be confirmed with the key of today");
    house.directory.turn_over(NOW).unwrap();
    house.move_all();
    ever.extend(house.index().iter().map(|(entry, _)| *entry));
    assert!(!confirms(&ever, 1), "a digest of somebody who was erased has a meaning still");
    assert!(confirms(&ever, 2) && house.owner(&house.card(2)) == Some(stays));
    let names = std::fs::read_dir(house.keys.path().join("keys")).unwrap().map(|f| f.unwrap().file_name());
    let names: BTreeSet<String> =
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.contains("index")).collect();
    assert_eq!(names, BTreeSet::from([String::from("index.key")]), "keys of the index");
}

#[test]
fn what_memory_learns_late_does_not_undo_a_move() {
    let house = House::new();
    let subject = house.admit(&[house.card(1)])[0];
    let (was, owner) = house.index()[0];
    house.directory.turn_over(NOW).unwrap();
    house.move_all();
    house.directory.memory.write().moved(was, &owner);
    assert_eq!(house.owner(&house.card(1)), Some(subject));
}

#[test]
fn a_key_that_is_too_old_is_changed_on_its_own_and_never_if_so_told() {
    let house = House::new();
    house.admit(&[house.card(1)]);
    let step = |at: Millis, days: u32| {
        while house.directory.step(&house.store, at, days).unwrap() {}
        house.directory.progress().epoch
    };
    assert_eq!(step(400 * DAY_MS, 0), 1);
    assert_eq!(step(30 * DAY_MS - 1, 30), 1);
    assert_eq!(step(30 * DAY_MS, 30), 2);
    assert_eq!(step(60 * DAY_MS - 1, 30), 2);
    assert_eq!((step(60 * DAY_MS, 30), house.directory.progress().since), (3, 60 * DAY_MS));
    assert!(house.owner(&house.card(1)).is_some());
}

#[test]
fn data_from_before_a_change_are_moved_when_they_are_opened() {
    let mut house = House::new();
    let people: Vec<SubjectId> = (0..10).map(|n| house.admit(&[house.card(n)])[0]).collect();
    let copy = house.store.scan(&[], None, usize::MAX).unwrap();
    for at in 1..=2 {
        house.directory.turn_over(NOW + at).unwrap();
        house.move_all();
    }
    // The data come from a copy; what lies in the key folder is as it is.
    let store = Store::memory();
    let mut batch = Batch::default();
    copy.into_iter().for_each(|(key, value)| batch.put(key, value));
    store.commit_blocking(batch).unwrap();
    house.store = store;
    house.restart();
    for (n, subject) in people.iter().enumerate() {
        assert_eq!(house.owner(&house.card(n)), Some(*subject));
    }
    assert!(!house.directory.progress().moving);
    house.restart();
    assert_eq!(house.owner(&house.card(3)), Some(people[3]));
}

#[test]
fn threads_that_admit_and_erase_while_the_index_moves_never_make_two_owners() {
    let house = House::new();
    (0..200).for_each(|n| drop(house.admit(&[house.card(n)])));
    let seen: Mutex<BTreeMap<usize, BTreeSet<SubjectId>>> = Mutex::default();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (house, seen) = (&house, &seen);
            scope.spawn(move || {
                for n in 0..300 {
                    let n = (n * 7 + thread) % 300;
                    let owner = house.admit(&[house.card(n)])[0];
                    if n < 250 {
                        seen.lock().unwrap().entry(n).or_default().insert(owner);
                    }
                    if n >= 250 && thread == 0 {
                        house.erase(owner, || {});
                    }
                }
            });
        }
        let house = &house;
        scope.spawn(move || {
            for at in 0..5 {
                house.directory.turn_over(NOW + at).unwrap();
                house.move_all();
            }
        });
    });
    assert!(seen.lock().unwrap().values().all(|owners| owners.len() == 1), "an identifier had two owners");
    let index = house.index();
    let names: BTreeSet<_> = index.iter().map(|(_, owner)| owner.name).collect();
    assert_eq!(names.len(), index.len(), "an identifier stands twice in the index");
    assert!(index.iter().all(|(entry, _)| entry.epoch == 6), "something was left behind");
    assert!(index.iter().all(|(_, owner)| house.vault.key(owner.subject).is_ok()), "somebody who was erased stands in the index");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Admit(usize),
    Erase(usize),
    TurnOver,
    Move,
    Crash,
    /// An admission that was begun before the index key changes, and is committed after.
    AdmitAcrossTurn(usize),
    /// An erasure that was begun before some are moved, and is committed after.
    EraseAcrossMove(usize),
    /// Keys are shredded before the identifiers go, as after a restored copy.
    ShredFirst(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let n = 0..12_usize;
    let act = prop_oneof![
        6 => n.clone().prop_map(Act::Admit),
        2 => n.clone().prop_map(Act::Erase),
        2 => Just(Act::TurnOver),
        4 => Just(Act::Move),
        1 => Just(Act::Crash),
        2 => n.clone().prop_map(Act::AdmitAcrossTurn),
        2 => n.clone().prop_map(Act::EraseAcrossMove),
        1 => n.prop_map(Act::ShredFirst),
    ];
    proptest::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn in_any_story_an_identifier_leads_to_its_owner_and_to_nobody_else(acts in acts()) {
        let mut house = House::new();
        let early: Vec<Identifier> = (0..12).map(|n| house.card(n)).collect();
        let mut model: BTreeMap<usize, SubjectId> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Admit(n) => {
                    let owner = house.admit(&[house.card(n)])[0];
                    prop_assert_eq!(*model.entry(n).or_insert(owner), owner);
                }
                Act::Erase(n) => {
                    if let Some(owner) = model.remove(&n) {
                        house.erase(owner, || {});
                    }
                }
                Act::TurnOver => {
                    house.directory.turn_over(NOW).unwrap();
                }
                Act::Move => {
                    house.move_some();
                }
                Act::Crash => house.restart(),
                Act::AdmitAcrossTurn(n) => {
                    let mut batch = Batch::default();
                    let plan = house.plan(&[house.card(n)], &mut batch).unwrap();
                    let turned = !house.directory.progress().moving;
                    house.directory.turn_over(NOW).unwrap();
                    let outcome = house.store.commit_blocking(batch);
                    prop_assert_eq!(outcome.is_err(), turned && !model.contains_key(&n), "who was not found by the old key");
                    if outcome.is_ok() {
                        house.move_some();
                        house.directory.learn(&plan);
                        model.insert(n, plan.subject);
                    }
                }
                Act::EraseAcrossMove(n) => {
                    if let Some(owner) = model.remove(&n) {
                        house.erase(owner, || {
                            house.move_some();
                        });
                    }
                }
                Act::ShredFirst(n) => {
                    if let Some(owner) = model.remove(&n) {
                        house.vault.shred(&[(owner, Class::STANDARD)]).unwrap();
                        house.move_some();
                        house.erase(owner, || {});
                    }
                }
            }
            for (n, early) in early.iter().enumerate() {
                prop_assert_eq!(house.owner(&house.card(n)), model.get(&n).copied());
                prop_assert_eq!(house.owner(early), model.get(&n).copied(), "read at the beginning");
            }
            prop_assert_eq!(house.index().len(), model.len(), "the index holds each known identifier once");
            prop_assert_eq!(house.directory.progress().total, model.len());
        }
        house.directory.turn_over(NOW).unwrap();
        house.move_all();
        let epoch = house.directory.progress().epoch;
        prop_assert!(house.index().iter().all(|(entry, _)| entry.epoch == epoch));
        house.restart();
        for n in 0..12 {
            prop_assert_eq!(house.owner(&house.card(n)), model.get(&n).copied());
        }
    }
}
