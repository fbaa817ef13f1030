//! Whatever is committed while a copy is taken: put together again, it is the state at its end.

use proptest::prelude::*;

use super::super::memory::Memory;
use super::super::{Batch, Store, Stream};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Commit {
        writes: Vec<(u8, Option<u8>)>,
        appends: Vec<(u8, u16)>,
    },
    Drop(u8, prop::sample::Index),
    /// So many pieces are taken.
    Take(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = (
        proptest::collection::vec((0..40_u8, proptest::option::of(any::<u8>())), 0..6),
        proptest::collection::vec((0..6_u8, 0..20_000_u16), 0..4),
    )
        .prop_map(|(writes, appends)| Step::Commit { writes, appends });
    let drop = (0..6_u8, any::<prop::sample::Index>()).prop_map(|(stream, which)| Step::Drop(stream, which));
    let step = prop_oneof![4 => commit, 2 => drop, 2 => (1..4_u8).prop_map(Step::Take)];
    proptest::collection::vec(step, 0..60)
}

/// Everything that a reader can see.
/// Values by length and checksum, so that a failure can be read.
type Seen = (Vec<(Vec<u8>, usize, u32)>, Vec<(u8, u64, Vec<(u64, usize, u32)>)>);

fn seen(engine: &dyn Engine) -> Seen {
    let mut keys = engine.scan(&[], None, usize::MAX).unwrap();
    keys.retain(|(key, _)| key[0] != OWN);
    let mut streams = Vec::new();
    for (stream, head) in engine.heads().unwrap() {
        let chunks = engine.chunks(stream, 0, usize::MAX).unwrap();
        streams.push((
            stream,
            head,
            chunks.into_iter().map(|(chunk, bytes)| bytes.map(|b| (chunk, b.len(), crc32fast::hash(&b))).unwrap()).collect(),
        ));
    }
    streams.retain(|(_, head, _)| *head > 0);
    streams.sort();
    let keys = keys.into_iter().map(|(key, value)| (key, value.len(), crc32fast::hash(&value))).collect();
    (keys, streams)
}

fn commit(store: &Store, writes: &[(u8, Option<u8>)], appends: &[(u8, u16)]) {
    let mut batch = Batch::default();
    for (key, value) in writes {
        match value {
            // Large enough that keys fill several pages.
            Some(value) => batch.put(vec![b't', *key], vec![*value; 3_000]),
            None => batch.delete(vec![b't', *key]),
        }
    }
    for (stream, length) in appends {
        batch.append(Stream(b'a' + stream), &vec![*stream; usize::from(*length)]);
    }
    store.commit_blocking(batch).unwrap();
}

fn step(store: &Store, step: &Step) {
    match step {
        Step::Commit { writes, appends } => commit(store, writes, appends),
        Step::Drop(stream, which) => {
            let chunks = store.chunks(Stream(b'a' + stream), 0, usize::MAX).unwrap();
            if !chunks.is_empty() {
                let mut batch = Batch::default();
                batch.drop_chunk(Stream(b'a' + stream), chunks[which.index(chunks.len())].id);
                store.commit_blocking(batch).unwrap();
            }
        }
        Step::Take(_) => {}
    }
}

/// Takes a piece, and says what there was to see when the end was set.
fn take(snapshot: &mut Snapshot, engine: &dyn Engine, pieces: &mut Vec<Piece>, end: &mut Option<Seen>) -> bool {
    let Some(piece) = snapshot.piece().unwrap() else { return false };
    if matches!(snapshot.stage, Stage::Rest | Stage::Over) && end.is_none() {
        *end = Some(seen(engine));
    }
    pieces.push(piece);
    true
}

fn rebuild(mut rebuild: Rebuild, pieces: Vec<Piece>) {
    for piece in &pieces {
        if let Piece::Chunks(stream, chunks) = piece {
            chunks.iter().for_each(|(chunk, bytes)| rebuild.chunk(*stream, *chunk, Arc::clone(bytes)).unwrap());
        }
    }
    for piece in pieces {
        match piece {
            Piece::Chunks(..) => {}
            Piece::Keys(pairs) => pairs.into_iter().for_each(|(key, framed)| rebuild.key(key, Some(framed)).unwrap()),
            Piece::Group(group) => {
                group.appends.into_iter().for_each(|a| rebuild.chunk(a.stream, a.chunk, a.bytes).unwrap());
                group.drops.into_iter().for_each(|(stream, chunk)| rebuild.drop_chunk(stream, chunk));
                group.writes.into_iter().for_each(|(key, framed)| rebuild.key(key, framed).unwrap());
            }
            Piece::End(heads) => return rebuild.finish(&heads).unwrap(),
        }
    }
    panic!("it had no end");
}

fn options() -> Options {
    Options { cache_bytes: 8 << 20, log_file_bytes: 60_000, ..Options::default() }
}

/// The engine that is copied is the one that it is put together in.
fn run(before: &[Step], during: &[Step], engine: &Arc<dyn Engine>, on_disk: bool) {
    let store = Store::over(Arc::clone(engine), 1 << 20).unwrap();
    before.iter().for_each(|s| step(&store, s));
    let (mut pieces, mut end) = (Vec::new(), None);
    let mut snapshot = store.snapshot().unwrap();
    assert!(matches!(store.snapshot(), Err(Error::SnapshotTaken)));
    for next in during {
        step(&store, next);
        if let Step::Take(count) = next {
            (0..*count).for_each(|_| _ = take(&mut snapshot, engine.as_ref(), &mut pieces, &mut end));
        }
    }
    while take(&mut snapshot, engine.as_ref(), &mut pieces, &mut end) {}
    assert!(snapshot.piece().unwrap().is_none());
    drop(snapshot);
    store.snapshot().unwrap();
    store.close().unwrap();
    let end = end.unwrap();

    if !on_disk {
        let memory: Arc<dyn Engine> = Arc::new(Memory::default());
        rebuild(Rebuild::over(Arc::clone(&memory)), pieces);
        assert_eq!(seen(memory.as_ref()), end);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    rebuild(Rebuild::begin(folder.path(), &options()).unwrap(), pieces);
    let opened = Embedded::open(folder.path(), &options()).unwrap();
    assert_eq!(seen(&opened), end);
    // It goes on where the other one was.
    let store = Store::over(Arc::new(opened), 1 << 20).unwrap();
    for (stream, head, _) in end.1 {
        let mut batch = Batch::default();
        batch.append(Stream(stream), b"next");
        assert_eq!(store.commit_blocking(batch).unwrap()[0].chunk, head + 1);
    }
    assert!(store.verify().unwrap().is_sound());
    store.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_taken_while_anything_happens_is_the_state_at_its_end(before in steps(), during in steps()) {
        run(&before, &during, &(Arc::new(Memory::default()) as Arc<dyn Engine>), false);
    }
}

proptest! {
    // Every commit waits for the disk.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn so_it_is_on_disk(before in steps(), during in steps()) {
        let folder = tempfile::tempdir().unwrap();
        run(&before, &during, &(Arc::new(Embedded::open(folder.path(), &options()).unwrap()) as Arc<dyn Engine>), true);
    }
}

#[test]
fn a_copy_that_is_taken_too_slowly_fails_and_nobody_else_notices() {
    let store = Store::memory();
    commit(&store, &[(1, Some(1))], &[(0, 100)]);
    let mut snapshot = store.snapshot().unwrap();
    for _ in 0..(WAITING_BYTES_MAX / 4_000_000 + 2) {
        let mut batch = Batch::default();
        (0..100).for_each(|_| batch.append(Stream(b'a'), &[7; 40_000]));
        store.commit_blocking(batch).unwrap();
    }
    assert!(snapshot.tap.0.lock().groups.is_empty(), "what cannot be used any more takes no memory");
    let outcome = std::iter::from_fn(|| snapshot.piece().transpose()).find_map(Result::err);
    assert!(matches!(outcome, Some(Error::SnapshotTooSlow)), "{outcome:?}");
    drop(snapshot);
    assert!(store.snapshot().is_ok(), "another one can begin");
}

#[test]
fn what_is_damaged_is_not_copied() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::default());
    let store = Store::over(Arc::clone(&engine), 1 << 20).unwrap();
    commit(&store, &[(1, Some(1))], &[]);
    engine.apply(Group { writes: vec![(vec![b't', 1], Some(vec![1, 2, 3, 4, 5, 6]))], ..Group::default() }).unwrap();
    let mut snapshot = store.snapshot().unwrap();
    assert!(matches!(snapshot.piece(), Err(Error::Damaged { .. })));
}

#[test]
fn a_restore_that_was_cut_off_does_not_open_and_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut begun = Rebuild::begin(folder.path(), &options()).unwrap();
    begun.key(vec![b't', 1], Some(frame::seal(&[b't', 1], b"half"))).unwrap();
    begun.flush().unwrap();
    assert!(matches!(Rebuild::begin(folder.path(), &options()), Err(Error::Locked(_))), "somebody is at it");
    drop(begun);
    let refused = Store::open(folder.path(), &options()).err().unwrap();
    assert!(matches!(refused, Error::HalfRestored(_)) && refused.to_string().contains("do it again"), "{refused}");
    let mut anew = Rebuild::begin(folder.path(), &options()).unwrap();
    anew.key(vec![b't', 2], Some(frame::seal(&[b't', 2], b"whole"))).unwrap();
    anew.finish(&[(b'a', 7)]).unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    assert_eq!(store.scan(b"t", None, 9).unwrap(), [(vec![b't', 2], b"whole".to_vec())]);
    commit(&store, &[], &[(0, 10)]);
    assert_eq!(store.chunks(Stream(b'a'), 0, 9).unwrap()[0].id, 8);
    store.close().unwrap();
    assert!(matches!(Rebuild::begin(folder.path(), &options()), Err(Error::NotEmpty(_))));
}
