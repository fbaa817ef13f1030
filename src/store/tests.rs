//! The contract, held against every engine; and what only sled can get wrong.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};

use proptest::prelude::*;

use super::*;

fn small() -> Options {
    Options { cache_bytes: 8 << 20, log_file_bytes: 100_000, journal_bytes: 50_000, ..Options::default() }
}

/// A store that can be closed and opened again: the way in which engines differ.
enum Kind {
    Memory(Arc<memory::Memory>),
    Embedded(tempfile::TempDir),
}

impl Kind {
    fn all() -> [Self; 2] {
        [Self::Memory(Arc::default()), Self::Embedded(tempfile::tempdir().unwrap())]
    }

    fn open(&self) -> Store {
        match self {
            Self::Memory(engine) => Store::over(Arc::clone(engine) as Arc<dyn Engine>, 1 << 20).unwrap(),
            Self::Embedded(folder) => Store::open(folder.path(), &small()).unwrap(),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit { checks: Vec<(u8, Option<u8>)>, writes: Vec<(u8, Option<u8>)>, appends: Vec<(u8, u16)> },
    DropOldest(u8),
    DropAny(u8, prop::sample::Index),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..6_u8;
    let commit = (
        proptest::collection::vec((key.clone(), proptest::option::of(0..3_u8)), 0..2),
        proptest::collection::vec((key, proptest::option::of(0..3_u8)), 0..5),
        proptest::collection::vec((0..2_u8, 0..40_000_u16), 0..4),
    )
        .prop_map(|(checks, writes, appends)| Step::Commit { checks, writes, appends });
    proptest::collection::vec(
        prop_oneof![8 => commit, 1 => (0..2_u8).prop_map(Step::DropOldest), 2 => (0..2_u8, any::<prop::sample::Index>()).prop_map(|(s, i)| Step::DropAny(s, i)), 1 => Just(Step::Reopen)],
        1..30,
    )
}

/// The simplest thing that keeps the contract.
#[derive(Default)]
struct Model {
    map: BTreeMap<u8, u8>,
    streams: [Vec<(Position, Vec<u8>)>; 2],
    heads: [u64; 2],
}

fn stream(i: u8) -> Stream {
    Stream(b'p' + i)
}

fn run(kind: &Kind, steps: &[Step]) {
    let mut store = kind.open();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit { checks, writes, appends } => commit(&store, &mut model, checks, writes, appends),
            Step::DropOldest(i) => drop_chunk(&store, &mut model, *i, |_| 0),
            Step::DropAny(i, which) => drop_chunk(&store, &mut model, *i, |count| which.index(count)),
            Step::Reopen => {
                store.close().unwrap();
                drop(store);
                store = kind.open();
            }
        }
        compare(&store, &model);
    }
    assert!(store.verify().unwrap().is_sound());
    store.close().unwrap();
}

fn drop_chunk(store: &Store, model: &mut Model, i: u8, which: impl Fn(usize) -> usize) {
    let entries = &mut model.streams[usize::from(i)];
    let mut chunks: Vec<u64> = entries.iter().map(|(p, _)| p.chunk).collect();
    chunks.dedup();
    if !chunks.is_empty() {
        let chunk = chunks[which(chunks.len())];
        let mut batch = Batch::default();
        batch.drop_chunk(stream(i), chunk);
        store.commit_blocking(batch).unwrap();
        entries.retain(|(p, _)| p.chunk != chunk);
    }
}

fn commit(store: &Store, model: &mut Model, checks: &[(u8, Option<u8>)], writes: &[(u8, Option<u8>)], appends: &[(u8, u16)]) {
    let mut batch = Batch::default();
    for (key, value) in checks {
        match value {
            None => batch.check_absent(vec![b't', *key]),
            Some(value) => batch.check_equals(vec![b't', *key], vec![*value]),
        }
    }
    for (key, value) in writes {
        match value {
            None => batch.delete(vec![b't', *key]),
            Some(value) => batch.put(vec![b't', *key], vec![*value]),
        }
    }
    let entries: Vec<(u8, Vec<u8>)> = appends.iter().map(|(s, n)| (*s, vec![*s; usize::from(*n)])).collect();
    for (s, entry) in &entries {
        batch.append(stream(*s), entry);
    }
    let holds = checks.iter().all(|(key, value)| model.map.get(key) == value.as_ref());
    match store.commit_blocking(batch) {
        Ok(positions) => {
            assert!(holds, "a commit went through although a check did not hold");
            for (key, value) in writes {
                match value {
                    None => drop(model.map.remove(key)),
                    Some(value) => drop(model.map.insert(*key, *value)),
                }
            }
            assert_eq!(positions.len(), entries.len());
            for (position, (s, entry)) in positions.iter().zip(entries) {
                let (list, head) = (&mut model.streams[usize::from(s)], &mut model.heads[usize::from(s)]);
                assert!(position.chunk == *head || position.chunk == *head + 1, "chunks are numbered without gaps");
                *head = position.chunk;
                list.push((*position, entry));
            }
        }
        Err(Error::Conflict) => assert!(!holds, "a commit was refused although all checks held"),
        Err(error) => panic!("{error}"),
    }
}

fn compare(store: &Store, model: &Model) {
    let found: BTreeMap<u8, u8> = store.scan(b"t", None, 100).unwrap().into_iter().map(|(k, v)| (k[1], v[0])).collect();
    assert_eq!(found, model.map);
    for (i, expected) in model.streams.iter().enumerate() {
        let s = stream(u8::try_from(i).unwrap());
        let chunks = store.chunks(s, 0, 10_000).unwrap();
        let mut found = Vec::new();
        for chunk in &chunks {
            for (slot, entry) in chunk.entries.iter().enumerate() {
                found.push((Position { chunk: chunk.id, slot: u32::try_from(slot).unwrap() }, entry.to_vec()));
            }
        }
        assert!(found == *expected, "stream {i} differs");
        assert_eq!(*store.watch(s).borrow(), model.heads[i]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_engine_keeps_the_contract(steps in steps()) {
        for kind in Kind::all() {
            run(&kind, &steps);
        }
    }
}

#[test]
fn scans_are_ordered_and_go_on_after_a_key() {
    for kind in Kind::all() {
        let store = kind.open();
        let mut batch = Batch::default();
        for i in [3_u8, 1, 2, 0] {
            batch.put(vec![b'a', i], vec![i]);
        }
        batch.put(b"b".to_vec(), b"other".to_vec());
        store.commit_blocking(batch).unwrap();
        let keys = |found: Vec<(Vec<u8>, Vec<u8>)>| found.into_iter().map(|(k, _)| k[1]).collect::<Vec<u8>>();
        assert_eq!(keys(store.scan(b"a", None, 3).unwrap()), [0, 1, 2]);
        assert_eq!(keys(store.scan(b"a", Some(&[b'a', 1]), 3).unwrap()), [2, 3]);
        store.close().unwrap();
    }
}

#[test]
fn many_threads_counting_together_lose_no_step() {
    for kind in Kind::all() {
        let store = kind.open();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        loop {
                            let current = store.get(b"n").unwrap();
                            let mut batch = Batch::default();
                            match &current {
                                None => batch.check_absent(b"n".to_vec()),
                                Some(value) => batch.check_equals(b"n".to_vec(), value.clone()),
                            }
                            let next = current.map_or(0, |v| v[0]) + 1;
                            batch.put(b"n".to_vec(), vec![next]);
                            match store.commit_blocking(batch) {
                                Ok(_) => break,
                                Err(Error::Conflict) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(store.get(b"n").unwrap(), Some(vec![200]));
        store.close().unwrap();
    }
}

#[test]
fn what_is_too_large_is_refused_and_harms_nothing() {
    let store = Store::memory();
    let mut batch = Batch::default();
    batch.put(b"k".to_vec(), vec![0; VALUE_BYTES_MAX]);
    assert!(matches!(store.commit_blocking(batch), Err(Error::TooLarge { .. })));
    let mut batch = Batch::default();
    batch.append(Stream(b'p'), &vec![0; ENTRY_BYTES_MAX + 1]);
    assert!(matches!(store.commit_blocking(batch), Err(Error::TooLarge { .. })));
    let mut batch = Batch::default();
    batch.append(Stream(b'p'), &vec![7; ENTRY_BYTES_MAX]);
    assert!(store.commit_blocking(batch).is_ok());
}

#[test]
fn a_closed_store_takes_nothing_and_says_so() {
    let store = Store::memory();
    store.close().unwrap();
    assert!(matches!(store.commit_blocking(Batch::default()), Err(Error::Closed)));
    assert!(!store.is_open());
}

/// An engine whose disk is slow, full or broken at will.
struct Moody {
    inner: memory::Memory,
    gate: parking_lot::Mutex<()>,
    mood: parking_lot::Mutex<Option<Error>>,
}

impl Engine for Moody {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.inner.get(key)
    }
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<engine::Pair>, Error> {
        self.inner.scan(prefix, after, limit)
    }
    fn apply(&self, group: Group) -> Result<(), Error> {
        drop(self.gate.lock());
        match self.mood.lock().clone() {
            Some(error) => Err(error),
            None => self.inner.apply(group),
        }
    }
    fn heads(&self) -> Result<Vec<(u8, u64)>, Error> {
        self.inner.heads()
    }
    fn chunks(&self, stream: u8, from: u64, limit: usize) -> Result<Vec<Read>, Error> {
        self.inner.chunks(stream, from, limit)
    }
    fn size_on_disk(&self) -> u64 {
        0
    }
}

fn moody() -> Arc<Moody> {
    Arc::new(Moody { inner: memory::Memory::default(), gate: parking_lot::Mutex::default(), mood: parking_lot::Mutex::default() })
}

fn one(byte: u8, bytes: usize) -> Batch {
    one_of(b'p', byte, bytes)
}

fn one_of(stream: u8, byte: u8, bytes: usize) -> Batch {
    let mut batch = Batch::default();
    batch.append(Stream(stream), &vec![byte; bytes]);
    batch
}

#[test]
fn a_slow_disk_makes_senders_wait_and_memory_stays_flat() {
    let engine = moody();
    let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>, 100_000).unwrap();
    let closed = engine.gate.lock();
    let mut pending = Vec::new();
    let refused = (0..100).find_map(|i| match store.submit(one(i, 20_000)) {
        Ok(taken) => {
            pending.push(taken);
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(Error::Busy)));
    assert!(pending.len() < 12, "{} commits of 20 kB fit into 100 kB", pending.len());
    drop(closed);
    for taken in pending {
        assert!(taken.0.blocking_recv().unwrap().is_ok());
    }
}

#[test]
fn a_full_disk_is_said_and_it_goes_on_when_there_is_room() {
    let engine = moody();
    let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>, 100_000).unwrap();
    assert_eq!(store.commit_blocking(one(1, 10)).unwrap()[0].chunk, 1);
    *engine.mood.lock() = Some(Error::Full);
    assert!(matches!(store.commit_blocking(one(2, 10)), Err(Error::Full)));
    *engine.mood.lock() = None;
    assert_eq!(store.commit_blocking(one(3, 10)).unwrap()[0].chunk, 2, "a failed group uses up no chunk number");
}

#[test]
fn a_broken_disk_stops_the_store_instead_of_guessing() {
    let engine = moody();
    let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>, 100_000).unwrap();
    *engine.mood.lock() = Some(Error::Io(String::from("broken")));
    assert!(matches!(store.commit_blocking(one(1, 10)), Err(Error::Io(_))));
    *engine.mood.lock() = None;
    assert!(matches!(store.commit_blocking(one(2, 10)), Err(Error::Io(_) | Error::Closed)));
    assert!(!store.is_open());
}

#[test]
fn chunk_numbers_are_not_used_again_after_all_chunks_were_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &small()).unwrap();
    store.commit_blocking(one(1, 10)).unwrap();
    let mut batch = Batch::default();
    batch.drop_chunk(Stream(b'p'), 1);
    store.commit_blocking(batch).unwrap();
    store.close().unwrap();
    drop(store);
    let store = Store::open(folder.path(), &small()).unwrap();
    assert_eq!(store.commit_blocking(one(2, 10)).unwrap()[0].chunk, 2);
    store.close().unwrap();
}

#[test]
fn a_second_start_on_the_same_folder_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path(), &small()).unwrap();
    let Err(second) = Store::open(folder.path(), &small()) else { panic!("two stores in one folder") };
    assert!(matches!(second, Error::Locked(_)));
    assert!(second.to_string().contains("another pforte"), "{second}");
    first.close().unwrap();
}

#[test]
fn a_snapshot_that_was_never_published_does_not_block_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &small()).unwrap();
    store.commit_blocking(one(1, 100)).unwrap();
    store.close().unwrap();
    drop(store);
    std::fs::write(folder.path().join("store/snap.0000000000FFFFFF.generating"), b"").unwrap();
    let store = Store::open(folder.path(), &small()).unwrap();
    assert_eq!(store.chunks(Stream(b'p'), 0, 10).unwrap().len(), 1);
    store.close().unwrap();
}

#[test]
fn a_folder_of_another_make_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path(), &small()).unwrap().close().unwrap();
    std::fs::write(folder.path().join("FORMAT"), "something else\n").unwrap();
    assert!(matches!(Store::open(folder.path(), &small()), Err(Error::ForeignFormat { .. })));
}

#[test]
fn a_truncated_file_of_keys_gives_an_error_or_what_was_whole_and_never_a_panic() {
    for keep in [0, 1, 100, 4096, 8 << 20, (8 << 20) + 777] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &small()).unwrap();
        for i in 0..20 {
            let mut batch = Batch::default();
            batch.put(vec![b't', i], vec![i; 30_000]);
            store.commit_blocking(batch).unwrap();
        }
        store.close().unwrap();
        drop(store);
        let file = OpenOptionsForTest::open(&folder.path().join("store/db"));
        file.set_len(keep).unwrap();
        match Store::open(folder.path(), &small()) {
            Ok(store) => {
                for (key, value) in store.scan(b"t", None, 100).unwrap() {
                    assert!(value.len() == 30_000 && value.iter().all(|b| *b == key[1]));
                }
            }
            Err(error) => assert!(matches!(error, Error::Damaged { .. } | Error::Io(_)), "{error}"),
        }
    }
}

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
        assert!(found == (1..).zip(payloads.into_iter().map(Some)).collect::<Vec<Read>>(), "the log holds each chunk once");
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

struct OpenOptionsForTest;
impl OpenOptionsForTest {
    fn open(path: &Path) -> std::fs::File {
        std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
    }
}

#[test]
fn a_flipped_byte_is_found_by_verify() {
    let engine = Arc::new(memory::Memory::default());
    let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>, 1 << 20).unwrap();
    let mut batch = Batch::default();
    batch.put(b"tkey".to_vec(), b"value".to_vec());
    store.commit_blocking(batch).unwrap();
    assert!(store.verify().unwrap().is_sound());
    let mut framed = engine.get(b"tkey").unwrap().unwrap();
    *framed.last_mut().unwrap() ^= 1;
    engine.apply(Group { writes: vec![(b"tkey".to_vec(), Some(framed))], ..Group::default() }).unwrap();
    assert!(matches!(store.get(b"tkey"), Err(Error::Damaged { .. })));
    let report = store.verify().unwrap();
    assert_eq!(report.damaged.get(&'t'), Some(&1));
    assert!(report.to_string().contains("DAMAGED"));
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
