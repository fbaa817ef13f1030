//! Changing a key: cut off anywhere it is completed, and nothing but the present key and the one that is still needed is left.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::id::{CustomerId, SubjectId};
use crate::vault::{Vault, check};

const ERIKA: SubjectId = SubjectId([5; 16]);

struct House {
    folder: tempfile::TempDir,
    store: Store,
    vault: Vault,
}

impl House {
    fn new() -> Self {
        let (folder, store) = (tempfile::tempdir().unwrap(), Store::memory());
        let vault = Vault::open(&folder.path().join("keys"), &store, &Chance::system()).unwrap();
        vault.domain("shop").unwrap();
        Self { folder, store, vault }
    }

    fn again(&mut self) {
        self.vault = Vault::open(&self.folder.path().join("keys"), &self.store, &Chance::system()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("keys").join(name)
    }

    fn turn(&self, record: &[u8], name: &str) -> Turn {
        let (bound, stored) = self.vault.desk().bound(record).unwrap().unwrap();
        Turn { record: record.to_vec(), name: name.to_owned(), bound, stored }
    }

    /// The first steps of changing a key and of ending that, as if the process ended after them.
    fn steps(&self, record: &[u8], name: &str, count: usize) {
        let desk = self.vault.desk();
        let files = Files::of(name);
        let turn = || self.turn(record, name);
        let steps: [&dyn Fn(); 8] = [
            &|| drop(desk.prepare(&turn()).unwrap()),
            &|| drop(desk.begin(&turn(), 7).unwrap()),
            &|| desk.folder.rename(&files.now, &files.before).unwrap(),
            &|| desk.name_files(&turn()).unwrap(),
            &|| drop(desk.unbind(&turn()).unwrap()),
            &|| desk.retire(name, &print(&desk.folder.read(&files.before).unwrap().unwrap()).unwrap()).unwrap(),
            &|| std::fs::write(self.file(&files.before), [0; 140]).unwrap(),
            &|| desk.destroy(&turn()).unwrap(),
        ];
        steps.iter().take(count).for_each(|step| step());
    }

    fn customer(&self) -> CustomerId {
        self.vault.domain("shop").unwrap().customer(ERIKA)
    }

    fn leads_back(&self, customer: CustomerId) -> bool {
        self.vault.domain("shop").unwrap().subjects(customer).any(|subject| subject == ERIKA)
    }

    /// The store as it was: a copy of its records.
    fn copy(&self) -> Store {
        let copy = Store::memory();
        let mut batch = Batch::default();
        self.store.scan(&[], None, usize::MAX).unwrap().into_iter().for_each(|(key, value)| batch.put(key, value));
        copy.commit_blocking(batch).unwrap();
        copy
    }
}

#[test]
fn a_change_of_a_domains_key_that_is_cut_off_is_completed() {
    for count in 0..=8 {
        let mut house = House::new();
        let old = house.customer();
        house.steps(&check::domain("shop").unwrap(), "domains/shop", count);
        for _ in 0..2 {
            house.again();
            let begun = count >= 2;
            let ended = count >= 5;
            assert_eq!(house.customer() == old, !begun, "after {count} steps");
            assert_eq!(house.leads_back(old), !ended, "after {count} steps");
            assert!(house.leads_back(house.customer()));
            assert_eq!(house.vault.domain_keys()[0].overlaps, begun && !ended);
            assert_eq!(house.file("domains/shop.before.key").exists(), begun && !ended, "after {count} steps");
        }
        // It goes on from there, to the end.
        let begun = house.vault.domain_keys()[0].overlaps || house.vault.rotate_domain("shop", 9).is_ok();
        assert!(begun && house.vault.retire_domain("shop").is_ok());
        assert!(!house.leads_back(old));
        let left: BTreeSet<String> = std::fs::read_dir(house.file("domains"))
            .unwrap()
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(left, BTreeSet::from([String::from("shop.key")]), "after {count} steps");
    }
}

#[test]
fn a_change_of_the_index_key_that_is_cut_off_is_completed() {
    for count in 0..=8 {
        let mut house = House::new();
        let old = house.vault.blind(1, "erika").now;
        house.steps(check::INDEX, "index", count);
        for _ in 0..2 {
            house.again();
            let (begun, ended) = (count >= 2, count >= 5);
            let (blinds, epoch) = (house.vault.blind(1, "erika"), house.vault.epoch());
            assert_eq!((epoch.number, epoch.moving, epoch.lost), (1 + u32::from(begun), begun && !ended, false));
            assert_eq!(blinds.now == old, !begun, "after {count} steps");
            assert_eq!(blinds.before, (begun && !ended).then_some(old), "after {count} steps");
            assert_eq!(house.file("index.before.key").exists(), begun && !ended, "after {count} steps");
        }
    }
}

#[test]
fn what_is_done_in_the_wrong_order_changes_nothing() {
    let house = House::new();
    assert!(matches!(house.vault.rotate_domain("nobody", 1), Err(Error::NoDomain)));
    assert!(matches!(house.vault.retire_domain("nobody"), Err(Error::NoDomain)));
    assert!(matches!(house.vault.retire_domain("shop"), Err(Error::NoOverlap)));
    let first = house.customer();
    assert_eq!(house.vault.rotate_domain("shop", 1).unwrap().turn, 2);
    let second = house.customer();
    assert!(matches!(house.vault.rotate_domain("shop", 2), Err(Error::Overlaps)));
    assert_eq!((house.customer(), house.leads_back(first)), (second, true));
    let both: Vec<CustomerId> = house.vault.domain("shop").unwrap().customers(ERIKA).collect();
    assert_eq!(both, [second, first]);
}

#[test]
fn the_key_that_was_retired_is_overwritten_where_it_lay() {
    let house = House::new();
    house.vault.rotate_domain("shop", 1).unwrap();
    let path = house.file("domains/shop.before.key");
    let still_open = std::fs::File::open(&path).unwrap();
    house.vault.retire_domain("shop").unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &still_open, &mut bytes).unwrap();
    assert!(!path.exists() && !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0), "the old key is still on the disk");
}

#[test]
fn data_from_a_copy_follow_the_keys_and_foreign_keys_are_refused() {
    let mut house = House::new();
    let (first, before) = (house.customer(), house.copy());
    house.vault.rotate_domain("shop", 1).unwrap();
    let (second, during) = (house.customer(), house.copy());
    let today = std::mem::replace(&mut house.store, before);
    house.again();
    assert_eq!((house.customer(), house.leads_back(first)), (second, true), "from before, while both keys are there");
    house.store = today;
    house.again();
    house.vault.retire_domain("shop").unwrap();
    house.store = during;
    house.again();
    assert_eq!(
        (house.customer(), house.leads_back(first)),
        (second, false),
        "from when both were there, now that one is no more"
    );
    assert!(!house.vault.domain_keys()[0].overlaps);
    let foreign = House::new();
    for name in ["domains/shop.key", "index.key"] {
        let right = std::fs::read(house.file(name)).unwrap();
        std::fs::copy(foreign.file(name), house.file(name)).unwrap();
        let opened = Vault::open(&house.file(""), &house.store, &Chance::system());
        assert!(matches!(opened, Err(Error::OtherKeys { .. })), "{name} of another gateway was taken");
        std::fs::write(house.file(name), right).unwrap();
    }
    house.again();
}
