//! Records come back as they were written, and nothing else is taken for one.

use proptest::prelude::*;

use super::*;
use crate::vault::Digits;
use crate::vault::archive::Passphrase;

fn records() -> impl Strategy<Value = Vec<Record>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    let record = prop_oneof![
        (bytes(), proptest::option::of(bytes())).prop_map(|(key, value)| Record::Key(key, value)),
        (any::<u8>(), any::<u64>(), bytes(), any::<bool>()).prop_map(|(stream, chunk, bytes, appended)| Record::Chunk {
            stream,
            chunk,
            bytes,
            appended
        }),
        (any::<u8>(), any::<u64>()).prop_map(|(stream, chunk)| Record::Dropped(stream, chunk)),
        ("[a-z/]{1,20}", bytes()).prop_map(|(name, bytes)| Record::File(name, bytes)),
    ];
    proptest::collection::vec(record, 0..20)
}

fn key() -> SealingKey {
    let vault = tempfile::tempdir().unwrap();
    let vault = Vault::open(&vault.path().join("keys"), &Store::memory(), &Chance::system()).unwrap();
    SealingKey::Master(vault.files())
}

fn sealed(key: &SealingKey, write: impl FnOnce(&mut Sealer<Vec<u8>>)) -> Vec<u8> {
    let mut sealer = Sealer::begin(key, (Kind::Data, 7), &Chance::system(), Vec::new()).unwrap();
    write(&mut sealer);
    sealer.finish().unwrap()
}

fn read(file: &[u8], key: &SealingKey) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    each(Closed::read(file)?, key, |record| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_as_they_were_written(mut records in records(), heads in proptest::collection::vec((any::<u8>(), any::<u64>()), 0..5)) {
        let key = key();
        records.push(Record::End(heads));
        let file = sealed(&key, |out| records.iter().for_each(|record| record.write(out).unwrap()));
        prop_assert_eq!(read(&file, &key).unwrap(), records);
    }

    #[test]
    fn bytes_that_are_no_records_give_words_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let key = key();
        let file = sealed(&key, |out| out.write_all(&bytes).unwrap());
        if let Err(error) = check(file.as_slice(), &key) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn nothing_may_come_behind_the_end_and_an_end_must_come() {
    let key = key();
    let behind = sealed(&key, |out| {
        Record::End(Vec::new()).write(out).unwrap();
        Record::Dropped(1, 1).write(out).unwrap();
    });
    assert!(matches!(check(behind.as_slice(), &key), Err(Error::Flaw(Flaw::Unknown))));
    let endless = sealed(&key, |out| Record::Dropped(1, 1).write(out).unwrap());
    assert!(matches!(check(endless.as_slice(), &key), Err(Error::Flaw(Flaw::Unknown))));
}

#[test]
fn a_backup_of_keys_is_not_taken_for_one_of_data_nor_the_other_way_round() {
    let key = key();
    let file = Sealer::begin(&key, (Kind::Keys, 7), &Chance::system(), Vec::new()).unwrap().finish().unwrap();
    assert!(matches!(check(file.as_slice(), &key), Err(Error::NotData)));
    let file = sealed(&key, |out| Record::End(Vec::new()).write(out).unwrap());
    assert!(vault::bundle::Bundle::open(Closed::read(file.as_slice()).unwrap(), &key).is_err());
    let phrase = SealingKey::Passphrase(Passphrase::new(&Digits::from("twelve letters")).unwrap());
    assert!(matches!(check(file.as_slice(), &phrase), Err(Error::Flaw(Flaw::OtherKey(_)))));
}

/// Somebody who reads what is written breaks off.
struct Gone(usize);

impl Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_backup_that_nobody_fetches_to_its_end_does_not_count_and_another_can_begin() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::memory();
    let vault = Arc::new(Vault::open(&folder.path().join("keys"), &store, &Chance::system()).unwrap());
    let source = Source { store: store.clone(), data: folder.path().to_path_buf(), beside: &["none"] };
    let backups = Backups::new(source, vault, Chance::system());
    let mut batch = Batch::default();
    (0..9).for_each(|n| batch.put(vec![b't', n], vec![n; 40_000]));
    store.commit_blocking(batch).unwrap();
    assert!(matches!(backups.write(5_000, &mut Gone(100_000)), Err(Error::Write(_))));
    assert_eq!(backups.age_s(9_000).unwrap(), None);
    let mut whole = Vec::new();
    backups.write(5_000, &mut whole).unwrap();
    assert_eq!(backups.age_s(9_000).unwrap(), Some(4));
    let summary = check(whole.as_slice(), &SealingKey::Master(backups.vault.files())).unwrap();
    assert!(summary.bytes > 360_000 && summary.needs.is_some());
}
