use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha256;
use tlog_tiles::{Hash, record_hash};

use super::edge::{Edge, Grown};
use super::verify::{Copy, Doubt as CopyDoubt};
use super::*;
use crate::clock::Chance;

/// Known answers of RFC 6962 from another implementation.
fn known() -> Value {
    serde_json::from_str(include_str!("../../tests/it/fixtures/rfc6962_kat.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn commitment(n: u64) -> Commitment {
    Commitment::of("test", &[7; SALT_BYTES], &n.to_be_bytes())
}

/// A log on folders of its own.
struct House {
    folder: tempfile::TempDir,
    store: Store,
    vault: Arc<Vault>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::memory();
        let vault = Arc::new(Vault::open(&folder.path().join("keys"), &store, &Chance::system()).unwrap());
        Self { folder, store, vault }
    }

    fn try_open(&self) -> Result<Ledger, Error> {
        Ledger::open(&self.store, &self.vault, &self.folder.path().join("ledger"))
    }

    fn open(&self) -> Ledger {
        self.try_open().unwrap()
    }

    /// Appends the commitments with these numbers, so many in one commit.
    fn append(&self, numbers: std::ops::Range<u64>, at_once: usize) {
        let numbers: Vec<u64> = numbers.collect();
        for some in numbers.chunks(at_once.max(1)) {
            let mut batch = Batch::default();
            some.iter().for_each(|n| super::append(&mut batch, &commitment(*n)));
            self.store.commit_blocking(batch).unwrap();
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("ledger").join(name)
    }
}

fn take_all(ledger: &Ledger) {
    while ledger.take_in().unwrap() > 0 {}
}

/// The same leaves in a tree that is not ours.
fn tree_of(count: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..count).for_each(|n| tree.push(commitment(n).0.to_vec()));
    tree
}

fn digests(proof: &Proof) -> Vec<sha2::digest::Output<Sha256>> {
    proof.hashes.iter().map(|hash| sha2::digest::Output::<Sha256>::from(hash.0)).collect()
}

#[test]
fn the_tree_is_that_of_the_standard() {
    let known = known();
    let (mut edge, mut grown) = (Edge::default(), Grown::default());
    let roots = known["root_hex_by_size"].as_array().unwrap();
    assert_eq!(edge.root().unwrap().0.to_vec(), bytes(&roots[0]));
    for (leaf, root) in known["leaf_inputs_hex"].as_array().unwrap().iter().zip(&roots[1..]) {
        edge.add(record_hash(&bytes(leaf)), &mut grown);
        assert_eq!(edge.root().unwrap().0.to_vec(), bytes(root), "at size {}", edge.size());
    }
    let leaves: Vec<u8> = known["node_hex_by_level"][0].as_array().unwrap().iter().flat_map(bytes).collect();
    assert_eq!(grown.levels[0], leaves);
}

#[test]
fn notes_are_those_of_the_standard() {
    let example = &known()["signed_note_example"];
    let (note, key) = (example["note"].as_str().unwrap(), example["vkey"].as_str().unwrap());
    let verifier = signed_note::StandardVerifier::new(key).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    signed_note::Note::from_bytes(note.as_bytes()).unwrap().verify(&known).unwrap();
    // It is signed, but says nothing about a log.
    assert_eq!(verify_note(note, key), Err(Doubt::Form));
}

#[test]
fn a_head_holds_with_the_logs_key_alone() {
    let (ours, theirs) = (House::new(), House::new());
    ours.append(0..3, 2);
    let (ledger, other) = (ours.open(), theirs.open());
    assert_eq!(verify_note(&ledger.head().note, &ledger.key()).unwrap().size, 0);
    take_all(&ledger);
    let head = ledger.head();
    assert_eq!(verify_note(&head.note, &ledger.key()).unwrap(), *head);
    assert_eq!(verify_note(&head.note, &other.key()), Err(Doubt::Signature));
    assert_eq!(verify_note(&head.note.replacen("\n3\n", "\n4\n", 1), &ledger.key()), Err(Doubt::Signature));
    assert_eq!(verify_note(&head.note, "nonsense"), Err(Doubt::Key));
    for length in 0..head.note.len() {
        let Some(cut) = head.note.get(..length) else { continue };
        assert!(verify_note(cut, &ledger.key()).is_err(), "cut to {length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn another_implementation_accepts_every_proof(count in 1_u64..1200, at_once in 1_usize..90, picks in prop::collection::vec(any::<(u64, u64)>(), 12)) {
        let house = House::new();
        let ledger = house.open();
        house.append(0..count, at_once);
        take_all(&ledger);
        let other = tree_of(count);
        prop_assert_eq!(ledger.head().size, count);
        prop_assert_eq!(ledger.head().root.0.to_vec(), other.root().as_bytes().to_vec());
        for (a, b) in picks {
            let size = a % count + 1;
            let index = b % size;
            let smaller = tree_of(size).root();
            let (leaf, proof) = ledger.prove(index, Some(size)).unwrap();
            prop_assert_eq!(leaf, record_hash(&commitment(index).0));
            let theirs = InclusionProof::<Sha256>::from_digests(digests(&proof).iter());
            smaller.verify_inclusion(&commitment(index).0.to_vec(), index, &theirs).unwrap();
            let (before, growth) = ledger.prove_growth(size, None).unwrap();
            prop_assert_eq!(before.0.to_vec(), smaller.as_bytes().to_vec());
            let theirs = ConsistencyProof::<Sha256>::from_digests(digests(&growth).iter());
            other.root().verify_consistency(&smaller, &theirs).unwrap();
        }
    }

    #[test]
    fn one_size_has_one_tree_whatever_crashes_when(steps in prop::collection::vec((1_u64..400, 0_u8..6), 1..8)) {
        let house = House::new();
        let mut ledger = house.open();
        let (mut appended, mut seen) = (0, Vec::<Head>::new());
        for (more, accident) in steps {
            house.append(appended..appended + more, 7);
            appended += more;
            if accident != 5 {
                take_all(&ledger);
            }
            seen.push((*ledger.head()).clone());
            drop(ledger);
            // What a crash or a disk may do to the files; what was signed is in the store.
            let cut = |name: &str, bytes: u64| {
                if let Ok(file) = std::fs::OpenOptions::new().write(true).open(house.file(name)) {
                    file.set_len(file.metadata().unwrap().len().saturating_sub(bytes)).unwrap();
                }
            };
            match accident {
                0 => cut("level-0", 33),
                1 => cut("entries", 40),
                2 => drop(std::fs::remove_dir_all(house.file(""))),
                3 => drop(std::fs::write(house.file("level-0"), [9; 20])),
                _ => {}
            }
            ledger = house.open();
            prop_assert_eq!(&*ledger.head(), seen.last().unwrap());
        }
        take_all(&ledger);
        let head = ledger.head();
        prop_assert_eq!(head.size, appended);
        prop_assert_eq!(head.root.0.to_vec(), tree_of(appended).root().as_bytes().to_vec());
        for earlier in seen.iter().filter(|earlier| earlier.size > 0) {
            prop_assert!(earlier.size <= head.size);
            prop_assert_eq!(ledger.prove_growth(earlier.size, None).unwrap().0, earlier.root);
        }
        let copy = Folder::of(&ledger);
        verify::verify(&copy, &ledger.key(), &[]).unwrap();
    }

    #[test]
    fn no_path_of_a_tile_hurts(path in "[0-9xenti./pdat]{0,24}|(entries|[0-9]{1,3})/(x[0-9]{3}/){0,5}[0-9]{3}(\\.p/[0-9]{0,3})?") {
        if let Some(tile) = Tile::parse(&path) {
            prop_assert_eq!(tile.path(), format!("tile/{path}"));
            prop_assert!(tile.width() > 0 && tile.width() <= 256);
            let _in = tile.is_in(u64::MAX >> 8);
        }
    }
}

#[test]
fn no_proof_comes_out_of_a_damaged_tile_and_a_new_start_without_the_files_heals_it() {
    let house = House::new();
    let ledger = house.open();
    house.append(0..700, 50);
    take_all(&ledger);
    let mut level = std::fs::read(house.file("level-0")).unwrap();
    level[32 * 5] ^= 1;
    std::fs::write(house.file("level-0"), level).unwrap();
    let damaged = house.open();
    assert!(matches!(damaged.prove(4, None), Err(Error::Tree(_))));
    assert!(verify::verify(&Folder::of(&damaged), &damaged.key(), &[]).is_err());
    drop(damaged);
    std::fs::remove_dir_all(house.file("")).unwrap();
    let healed = house.open();
    healed.prove(4, None).unwrap();
    verify::verify(&Folder::of(&healed), &healed.key(), &[]).unwrap();
    assert_eq!(healed.head(), ledger.head());
}

/// A copy in memory that can be tampered with.
#[derive(Clone)]
struct Folder(RefCell<BTreeMap<String, Vec<u8>>>);

impl Folder {
    fn of(ledger: &Ledger) -> Self {
        let head = ledger.head();
        let mut files: BTreeMap<String, Vec<u8>> =
            Tile::all(head.size).map(|tile| (tile.path(), ledger.tile(&tile).unwrap().unwrap())).collect();
        files.insert(String::from("checkpoint"), head.note.clone().into_bytes());
        Self(RefCell::new(files))
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let changed = self.clone();
        change(changed.0.borrow_mut().get_mut(path).unwrap());
        changed
    }
}

impl Copy for Folder {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(path).cloned())
    }
}

#[test]
fn a_copy_is_checked_byte_by_byte() {
    let house = House::new();
    let ledger = house.open();
    house.append(0..700, 50);
    take_all(&ledger);
    let (copy, key) = (Folder::of(&ledger), ledger.key());
    let names: Vec<String> = copy.0.borrow().keys().cloned().collect();
    assert_eq!(
        names,
        ["checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"]
            .into_iter()
            .chain(["tile/entries/000", "tile/entries/001", "tile/entries/002.p/188"])
            .map(str::to_owned)
            .collect::<Vec<String>>()
    );
    let report = verify::verify(&copy, &key, &[]).unwrap();
    assert_eq!((report.head.size, report.files), (700, 7));
    for name in &names {
        let length = copy.0.borrow()[name].len();
        for at in [0, length / 3, length / 2, length - 2] {
            let flipped = copy.change(name, |bytes| bytes[at] ^= 1);
            assert!(verify::verify(&flipped, &key, &[]).is_err(), "a bit flipped at {at} of {name}");
        }
        let gone = copy.clone();
        gone.0.borrow_mut().remove(name);
        assert!(matches!(verify::verify(&gone, &key, &[]), Err(CopyDoubt::Missing { .. })), "{name} removed");
        let cut = copy.change(name, |bytes| bytes.truncate(length - 34));
        assert!(verify::verify(&cut, &key, &[]).is_err(), "{name} cut off");
    }
}

#[test]
fn a_removed_leaf_and_a_fork_are_found() {
    let (house, liar) = (House::new(), House::new());
    let ledger = house.open();
    house.append(0..300, 50);
    take_all(&ledger);
    let earlier = (String::from("earlier"), ledger.head().note.clone());
    house.append(300..400, 50);
    take_all(&ledger);
    let key = ledger.key();
    assert_eq!(verify::verify(&Folder::of(&ledger), &key, std::slice::from_ref(&earlier)).unwrap().since, 1);
    // The same key signs a tree without the tenth leaf.
    let forked = Ledger::open(&liar.store, &house.vault, &liar.folder.path().join("ledger")).unwrap();
    liar.append(0..10, 50);
    liar.append(11..401, 50);
    take_all(&forked);
    verify::verify(&Folder::of(&forked), &key, &[]).unwrap();
    let found = verify::verify(&Folder::of(&forked), &key, std::slice::from_ref(&earlier));
    assert!(matches!(found, Err(CopyDoubt::Fork { size: 300 })), "{found:?}");
    // And one that is shorter than what was signed.
    let short = House::new();
    let shorter = Ledger::open(&short.store, &house.vault, &short.folder.path().join("ledger")).unwrap();
    short.append(0..299, 50);
    take_all(&shorter);
    let found = verify::verify(&Folder::of(&shorter), &key, &[earlier]);
    assert!(matches!(found, Err(CopyDoubt::Shorter { then: 300, now: 299 })), "{found:?}");
}

#[test]
fn a_stream_that_does_not_give_what_was_signed_makes_the_start_fail() {
    let (house, liar) = (House::new(), House::new());
    let ledger = house.open();
    house.append(0..300, 50);
    take_all(&ledger);
    liar.append(1..301, 50);
    let state = STATE.get(&house.store, &record::Only).unwrap().unwrap();
    let mut batch = Batch::default();
    STATE.put(&mut batch, &record::Only, &state);
    liar.store.commit_blocking(batch).unwrap();
    assert!(matches!(liar.try_open(), Err(Error::Forked { size: 300 })));
}

#[test]
fn a_leaf_is_found_by_its_commitment_and_not_without_the_salt() {
    let house = House::new();
    let ledger = house.open();
    house.append(0..600, 1);
    take_all(&ledger);
    for n in [0, 1, 255, 256, 599] {
        assert_eq!(ledger.find(&commitment(n)).unwrap(), Some(n));
    }
    assert_eq!(ledger.find(&commitment(600)).unwrap(), None);
    assert_eq!(ledger.find(&Commitment::of("test", &[8; SALT_BYTES], &1_u64.to_be_bytes())).unwrap(), None);
    assert_eq!(ledger.find(&Commitment::of("other", &[7; SALT_BYTES], &1_u64.to_be_bytes())).unwrap(), None);
    assert!(matches!(ledger.prove(600, None), Err(Error::NoLeaf)));
    assert!(matches!(ledger.prove(0, Some(601)), Err(Error::NoSize)));
    assert!(matches!(ledger.prove_growth(0, None), Err(Error::NoSize)));
    let (_, proof) = ledger.prove(255, None).unwrap();
    let head = ledger.head();
    assert_eq!(verify_record(&head, 255, &commitment(255).0, &proof.hashes), Ok(()));
    assert_eq!(verify_record(&head, 255, &commitment(254).0, &proof.hashes), Err(Doubt::Proof));
    assert_eq!(verify_record(&head, 254, &commitment(255).0, &proof.hashes), Err(Doubt::Proof));
    assert_eq!(verify_record(&head, 600, &commitment(255).0, &proof.hashes), Err(Doubt::Proof));
    let _hash: Hash = proof.root;
}

#[test]
fn an_entry_is_not_found_before_the_head_over_it_is_shown() {
    let house = House::new();
    let ledger = house.open();
    house.append(0..3, 3);
    ledger.take_in().unwrap();
    // Where a step is between its commit and the head.
    let mut batch = Batch::default();
    record::FOUND.put(&mut batch, &Find::of(&commitment(3)), &Leaf(3));
    house.store.commit_blocking(batch).unwrap();
    assert_eq!((ledger.find(&commitment(2)).unwrap(), ledger.find(&commitment(3)).unwrap()), (Some(2), None));
    house.append(3..4, 1);
    assert_eq!(ledger.evidence(&commitment(3)).unwrap().index, 3);
}
