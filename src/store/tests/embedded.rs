//! What only the embedded engine can get wrong: crashes between its files, damage in them, room that is given back.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::*;

fn log_file(folder: &Path, stream: u8, first: u64) -> std::path::PathBuf {
    folder.join(format!("streams/{stream:02x}/{first:016x}.log"))
}

/// Commits that all wait in the journal, each to two streams and a key.
fn waiting(folder: &Path, commits: u8) {
    let store = Store::open(folder, &small()).unwrap();
    for i in 0..commits {
        let mut batch = one(i, 1000);
        batch.append(Stream(b'q'), &[i; 500]);
        batch.put(vec![b't'], vec![i]);
        store.commit_blocking(batch).unwrap();
    }
    store.close().unwrap();
}

/// Whether the store holds so many of these commits, whole.
fn holds(folder: &Path, commits: u8) -> bool {
    let store = Store::open(folder, &small()).unwrap();
    let lengths = [b'p', b'q'].map(|stream| store.chunks(Stream(stream), 0, 99).unwrap().len());
    let key = store.get(b"t").unwrap();
    assert!(store.verify().unwrap().is_sound());
    store.close().unwrap();
    lengths == [usize::from(commits); 2] && key == commits.checked_sub(1).map(|last| vec![last])
}

/// Makes a checkpoint due, and lets it happen.
fn checkpoint(store: &Store) {
    for _ in 0..2 {
        store.commit_blocking(one_of(b'z', 0, 40_000)).unwrap();
        store.commit_blocking(one_of(b'z', 0, 40_000)).unwrap();
    }
}

#[test]
fn a_group_that_was_cut_off_anywhere_is_gone_everywhere_and_its_elders_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    waiting(folder.path(), 2);
    let elders = written(&path);
    drop(folder);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    waiting(folder.path(), 3);
    let whole = written(&path);
    for cut in [elders, elders + 1, elders + 17, elders + 700, whole - 1] {
        let folder = tempfile::tempdir().unwrap();
        waiting(folder.path(), 3);
        OpenOptionsForTest::open(&folder.path().join("journal")).set_len(cut).unwrap();
        assert!(holds(folder.path(), 2), "cut off at {cut} of {whole}");
    }
    assert!(holds(folder.path(), 3));
}

/// How much of the journal is more than zeros.
fn written(journal: &Path) -> u64 {
    let bytes = std::fs::read(journal).unwrap();
    bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last as u64 + 1)
}

#[test]
fn a_checkpoint_that_was_cut_off_anywhere_is_made_again() {
    for (chunks, torn) in [(0_u8, 0_usize), (0, 7), (1, 0), (2, 100), (3, 0), (3, 1500), (4, 0)] {
        let folder = tempfile::tempdir().unwrap();
        waiting(folder.path(), 4);
        // What a crash leaves behind: some chunks in their log, and part of the next one.
        let path = folder.path().join("streams/70");
        let log = log::Log::open(&path, 100_000, 1, std::collections::BTreeSet::new()).unwrap();
        let packed = |i: u8| [1000_u32.to_le_bytes().as_slice(), &vec![i; 1000]].concat();
        let payloads: Vec<Vec<u8>> = (0..4).map(packed).collect();
        let pairs: Vec<(u64, &[u8])> = (1..).zip(payloads.iter().map(Vec::as_slice)).collect();
        log.append(&pairs[..usize::from(chunks)]).unwrap();
        drop(log);
        let mut file = OpenOptionsForTest::open(&log_file(folder.path(), b'p', 1));
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(&vec![b'p'; torn]).unwrap();
        assert!(holds(folder.path(), 4), "{chunks} chunks and {torn} bytes were there");
        let store = Store::open(folder.path(), &small()).unwrap();
        checkpoint(&store);
        store.close().unwrap();
        drop(store);
        assert!(holds(folder.path(), 4));
        let found = log::Log::open(&path, 100_000, 1, std::collections::BTreeSet::new()).unwrap().chunks(1, 99).unwrap();
        assert!(
            found == (1..).zip(payloads.into_iter().map(|payload| Some(payload.into()))).collect::<Vec<Read>>(),
            "the log holds each chunk once"
        );
    }
}

#[test]
fn a_log_that_lost_what_was_checkpointed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    waiting(folder.path(), 3);
    let store = Store::open(folder.path(), &small()).unwrap();
    checkpoint(&store);
    store.close().unwrap();
    drop(store);
    let path = log_file(folder.path(), b'p', 1);
    let whole = std::fs::read(&path).unwrap();
    for keep in [0, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..keep]).unwrap();
        assert!(matches!(Store::open(folder.path(), &small()), Err(Error::Damaged { .. })), "{keep} bytes are left");
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(holds(folder.path(), 3));
}

#[test]
fn what_was_dropped_before_its_checkpoint_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &small()).unwrap();
    for i in 1..=4_u8 {
        store.commit_blocking(one(i, 5_000)).unwrap();
        let mut batch = Batch::default();
        batch.drop_chunk(Stream(b'p'), u64::from(i));
        store.commit_blocking(batch).unwrap();
    }
    checkpoint(&store);
    assert!(std::fs::metadata(log_file(folder.path(), b'p', 1)).unwrap().len() < 200);
    assert!(store.chunks(Stream(b'p'), 0, 9).unwrap().is_empty());
    assert_eq!(store.commit_blocking(one(9, 10)).unwrap()[0].chunk, 5);
    store.close().unwrap();
}

#[test]
fn a_scan_sees_what_is_in_the_journal_and_not_what_was_removed_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &small()).unwrap();
    let write = |keys: &[u8], value: Option<u8>| {
        let mut batch = Batch::default();
        keys.iter().for_each(|key| match value {
            Some(value) => batch.put(vec![b't', *key], vec![value]),
            None => batch.delete(vec![b't', *key]),
        });
        store.commit_blocking(batch).unwrap();
    };
    write(&[1, 2, 3, 4, 5, 6, 7, 8], Some(1));
    checkpoint(&store);
    write(&[2, 3, 4, 8], None);
    write(&[0, 4, 5, 9], Some(2));
    let expected = [(0, 2), (1, 1), (4, 2), (5, 2), (6, 1), (7, 1), (9, 2)];
    for limit in 1..9 {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = store.scan(b"t", after.as_deref(), limit).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(key, value)| (key[1], value[0])));
        }
        assert_eq!(found, expected, "in pages of {limit}");
    }
    store.close().unwrap();
}

#[test]
fn a_log_cut_off_at_any_byte_keeps_every_whole_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let open = || log::Log::open(folder.path(), 100_000, 1, std::collections::BTreeSet::new()).unwrap();
    let payload = [7; 60];
    open().append(&[(1, &payload), (2, &payload), (3, &payload), (4, &payload)]).unwrap();
    let path = folder.path().join(format!("{:016x}.log", 1));
    let bytes = std::fs::read(&path).unwrap();
    let each = bytes.len() / 4;
    for keep in (0..=bytes.len()).rev() {
        // A page that never came is zeros, or the file ends there.
        let mut torn = bytes.clone();
        torn[keep..].fill(0);
        for left in [&bytes[..keep], &torn] {
            std::fs::write(&path, left).unwrap();
            assert_eq!(open().head(), (keep / each) as u64, "{keep} bytes are left");
        }
    }
}

#[test]
fn room_is_given_back_when_chunks_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &small()).unwrap();
    for i in 0..60 {
        store.commit_blocking(one(i, 20_000)).unwrap();
    }
    checkpoint(&store);
    let taken = || {
        let files = std::fs::read_dir(folder.path().join("streams/70")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let full = taken();
    let drop_range = |range: std::ops::Range<u64>| {
        let mut batch = Batch::default();
        range.for_each(|chunk| batch.drop_chunk(Stream(b'p'), chunk));
        store.commit_blocking(batch).unwrap();
        checkpoint(&store);
    };
    drop_range(20..40);
    assert!(full - taken() > 200_000, "files in the middle");
    drop_range(1..20);
    assert!(full - taken() > 600_000, "files at the front");
    assert_eq!(store.chunks(Stream(b'p'), 0, 100).unwrap().len(), 21);
    store.close().unwrap();
    drop(store);
    let store = Store::open(folder.path(), &small()).unwrap();
    let left: Vec<u64> = store.chunks(Stream(b'p'), 0, 100).unwrap().iter().map(|c| c.id).collect();
    assert_eq!(left, (40..=60).collect::<Vec<u64>>());
    assert!(store.scan(&[OWN, b'd'], None, 99).unwrap().is_empty(), "nothing is remembered of what is gone");
}

#[test]
fn a_byte_flipped_on_disk_is_noticed() {
    // In a file that is full, and in the journal, but not in its last group: that looks like one that was cut off.
    for chunks in [2_u8, 20] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &small()).unwrap();
        for i in 0..chunks {
            store.commit_blocking(one(i, 20_000)).unwrap();
        }
        store.close().unwrap();
        drop(store);
        let log = log_file(folder.path(), b'p', 1);
        let mut file = OpenOptionsForTest::open(&if log.exists() { log } else { folder.path().join("journal") });
        file.seek(SeekFrom::Start(100)).unwrap();
        file.write_all(&[77]).unwrap();
        let sound = Store::open(folder.path(), &small()).and_then(|store| store.verify());
        assert!(!matches!(sound, Ok(report) if report.is_sound()), "the flipped byte went unnoticed");
    }
}
