//! The contract, held against every engine; and what only sled can get wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

mod embedded;
mod packing;

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
fn an_entry_that_could_not_be_written_leaves_nothing_in_the_commit() {
    let store = Store::memory();
    let mut batch = Batch::default();
    batch.append(Stream(b'p'), b"first");
    let mut write = |entry: &[u8], outcome| {
        batch.append_with(Stream(b'p'), |out| {
            out.extend_from_slice(entry);
            outcome
        })
    };
    assert_eq!(write(b"half", Err(7)), Err(7));
    assert_eq!(write(b"second", Ok(())), Ok(()));
    store.commit_blocking(batch).unwrap();
    let chunks = store.chunks(Stream(b'p'), 0, 9).unwrap();
    assert_eq!(chunks[0].entries.iter().collect::<Vec<_>>(), [b"first".as_slice(), b"second"]);
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
    fn begin(&self, stream: u8, chunk: u64) -> Result<(), Error> {
        self.inner.begin(stream, chunk)
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
