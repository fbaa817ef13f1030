//! What is sealed stays sealed: wrong keys, wrong places, tampering; pseudonyms; keys on disk.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

struct House {
    folder: tempfile::TempDir,
    store: Store,
    vault: Vault,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::memory();
        let vault = Vault::open(&folder.path().join("keys"), &store, &Chance::system()).unwrap();
        Self { folder, store, vault }
    }

    fn subject(&self, n: u8) -> (SubjectId, DataKey) {
        let subject = SubjectId([n; 16]);
        let mut batch = Batch::default();
        let key = self.vault.create(subject, &mut batch).unwrap();
        self.store.commit_blocking(batch).unwrap();
        (subject, key)
    }

    fn keys(&self) -> std::path::PathBuf {
        self.folder.path().join("keys")
    }

    fn again(&self) -> Result<Vault, Error> {
        Vault::open(&self.keys(), &self.store, &Chance::system())
    }
}

#[test]
fn what_was_sealed_opens_after_a_restart() {
    let house = House::new();
    let (subject, key) = house.subject(1);
    let sealed = key.seal(b"place", b"Erika").unwrap();
    let vault = house.again().unwrap();
    assert_eq!(vault.key(subject).unwrap().open(b"place", &sealed).unwrap(), b"Erika");
}

#[test]
fn a_fresh_key_is_remembered_and_one_that_was_shredded_meanwhile_is_not() {
    let house = House::new();
    let (kept, key) = house.subject(1);
    house.vault.learn(kept, &key);
    assert!(house.vault.cache.find(kept).is_some(), "found without a look at the tree");
    let (gone, key) = house.subject(2);
    house.vault.shred(&[(gone, Class::STANDARD)]).unwrap();
    house.vault.learn(gone, &key);
    assert!(matches!(house.vault.key(gone), Err(Error::Shredded)));
}

#[test]
fn nothing_opens_in_another_place_or_under_another_key() {
    let house = House::new();
    let ((_, mine), (_, theirs)) = (house.subject(1), house.subject(2));
    let sealed = mine.seal(b"place", b"Erika").unwrap();
    assert!(mine.open(b"other place", &sealed).is_err());
    assert!(theirs.open(b"place", &sealed).is_err());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(mine.open(b"place", &changed).is_err(), "byte {at} may be changed unnoticed");
        assert!(mine.open(b"place", &sealed[..at]).is_err(), "it may be cut at {at}");
    }
}

#[test]
fn equal_texts_seal_differently() {
    let (_, key) = House::new().subject(1);
    let all: BTreeSet<Vec<u8>> = (0..100).map(|_| key.seal(b"", b"same").unwrap()).collect();
    assert_eq!(all.len(), 100);
}

#[test]
fn a_place_in_the_key_tree_cannot_be_given_to_somebody_else() {
    let house = House::new();
    let ((a, mine), (b, theirs_key)) = (house.subject(1), house.subject(2));
    let place = |s: SubjectId| [&[b'K'][..], &s.0].concat();
    let theirs = house.store.get(&place(b)).unwrap().unwrap();
    let mut batch = Batch::default();
    batch.put(place(a), theirs);
    house.store.commit_blocking(batch).unwrap();
    let stolen = house.again().unwrap().key(a).unwrap();
    for key in [mine, theirs_key] {
        assert!(stolen.open(b"", &key.seal(b"", b"Erika").unwrap()).is_err(), "the key of another holder was handed out");
    }
}

#[test]
fn who_has_no_key_has_nothing_to_read() {
    let house = House::new();
    assert!(matches!(house.vault.key(SubjectId([9; 16])), Err(Error::Shredded)));
    house.subject(1);
    let mut batch = Batch::default();
    house.vault.create(SubjectId([1; 16]), &mut batch).unwrap();
    assert!(matches!(house.store.commit_blocking(batch), Err(store::Error::Conflict)), "a subject has one key, ever");
}

#[test]
fn keys_are_for_their_owner_alone() {
    let house = House::new();
    house.vault.domain("shop").unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&house.keys()), 0o700);
    for name in ["master.key", "index.key", "digest.key", "domains/shop.key"] {
        assert_eq!(mode(&house.keys().join(name)), 0o600, "{name}");
    }
    std::fs::set_permissions(house.keys().join("master.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let Err(error) = house.again() else { panic!("a key that others may read was used") };
    assert!(error.to_string().contains("chmod") || error.to_string().contains("600"), "{error}");
}

#[test]
fn data_and_keys_that_do_not_belong_together_are_refused() {
    let house = House::new();
    house.subject(1);
    for name in ["master.key", "index.key", "digest.key"] {
        let path = house.keys().join(name);
        let right = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(house.again().is_err(), "{name} is missing, and a new one was made over sealed data");
        let other = House::new();
        std::fs::copy(other.keys().join(name), &path).unwrap();
        assert!(house.again().is_err(), "{name} of another gateway was taken");
        std::fs::write(&path, right).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        house.again().unwrap();
    }
}

#[test]
fn domain_names_cannot_leave_the_folder() {
    let house = House::new();
    for name in ["", "..", "../x", "a/b", "a\u{0}b", "A b"] {
        assert!(house.vault.domain(name).is_err(), "{name:?}");
    }
}

#[test]
fn blind_forms_are_keyed_and_labels_keep_them_apart() {
    let (a, b) = (House::new(), House::new());
    assert_eq!(a.vault.blind(1, "x@y.de"), a.again().unwrap().blind(1, "x@y.de"));
    assert_ne!(a.vault.blind(1, "x@y.de").now, b.vault.blind(1, "x@y.de").now);
    assert_ne!(a.vault.blind(1, "4711").now, a.vault.blind(2, "4711").now);
    assert_ne!(a.vault.mac("a", b"4711"), a.vault.mac("b", b"4711"));
}

proptest! {
    #[test]
    fn customer_ids_lead_back_here_and_join_nowhere_else(bytes in any::<[u8; 16]>()) {
        let house = House::new();
        let (shop, partner) = (house.vault.domain("shop").unwrap(), house.vault.domain("partner").unwrap());
        let subject = SubjectId(bytes);
        let (here, there) = (shop.customer(subject), partner.customer(subject));
        prop_assert_eq!(shop.subject(here), subject);
        prop_assert_ne!(here, there);
        prop_assert_ne!(partner.subject(here), subject);
        prop_assert_ne!(here.0, bytes);
        prop_assert_ne!(shop.keyed("email", "x@y.de"), partner.keyed("email", "x@y.de"));
        let again = house.again().unwrap();
        prop_assert_eq!(again.domain("shop").unwrap().customer(subject), here);
    }
}

/// AES-256 of FIPS 197, appendix C.3: the permutation is the standard's and no other.
#[test]
fn the_permutation_is_the_standard_one() {
    use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
    let key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let plain: [u8; 16] = std::array::from_fn(|i| u8::try_from(i * 0x11).unwrap());
    let mut block = plain.into();
    aes::Aes256::new(&key.into()).encrypt_block(&mut block);
    assert_eq!(hex::encode(block), "8ea2b7ca516745bfeafc49904b496089");
}
