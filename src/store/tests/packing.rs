//! Entries are found where they are said to be, however commits and their entries are packed.

use super::*;

/// Commits: to which stream each entry goes, and how long it is. All but the first are in one group.
fn commits() -> impl Strategy<Value = Vec<Vec<(u8, usize)>>> {
    let bytes = prop_oneof![4 => 0..300_usize, 2 => 10_000..30_000_usize, 1 => Just(ENTRY_BYTES_MAX), 1 => Just(0_usize)];
    proptest::collection::vec(proptest::collection::vec((0..2_u8, bytes), 0..9), 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_entry_is_where_its_commit_says_and_in_order(commits in commits()) {
        let engine = moody();
        let store = Store::over(Arc::clone(&engine) as Arc<dyn Engine>, 64 << 20).unwrap();
        let gate = engine.gate.lock();
        let mut number = 0_u32;
        let mut sent = Vec::new();
        for entries in commits {
            let (mut batch, mut expected) = (Batch::default(), Vec::new());
            for (to, length) in entries {
                number += 1;
                let entry: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(length).collect();
                batch.append(stream(to), &entry);
                expected.push((to, entry));
            }
            sent.push((store.submit(batch).unwrap(), expected));
        }
        drop(gate);
        let mut there: [Vec<(Position, Vec<u8>)>; 2] = Default::default();
        for (pending, entries) in sent {
            let positions = pending.0.blocking_recv().unwrap().unwrap();
            prop_assert_eq!(positions.len(), entries.len());
            positions.into_iter().zip(entries).for_each(|(position, (to, entry))| there[usize::from(to)].push((position, entry)));
        }
        for (to, expected) in (0_u8..).zip(there) {
            let chunks = store.chunks(stream(to), 0, 10_000).unwrap();
            let numbers: Vec<u64> = chunks.iter().map(|chunk| chunk.id).collect();
            prop_assert_eq!(&numbers, &(1..=chunks.len() as u64).collect::<Vec<u64>>());
            let mut found = Vec::new();
            for chunk in &chunks {
                let slots = (0..).zip(chunk.entries.iter());
                found.extend(slots.map(|(slot, entry)| (Position { chunk: chunk.id, slot }, entry.to_vec())));
                let bytes: usize = chunk.entries.iter().map(|entry| entry.len() + 4).sum();
                prop_assert!(bytes <= VALUE_BYTES_MAX - FRAME_BYTES && chunk.entries.iter().count() > 0);
            }
            // In the order of the commits, and in each in the order in which they were appended.
            prop_assert!(found == expected);
        }
    }
}
