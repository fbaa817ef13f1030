use proptest::prelude::*;

use super::{Damaged, Draft, Entry, record};
use crate::id::SubjectId;

fn encode(draft: &Draft<'_>, sealed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    record::head(draft, sealed.len(), &mut bytes);
    bytes.extend_from_slice(sealed);
    bytes
}

fn draft<'a>(source: &'a str, destinations: &'a [u32]) -> Draft<'a> {
    Draft { subject: SubjectId([7; 16]), dedup: [9; 16], received_at: 1_764_000_000_000, source, destinations }
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    let bytes = encode(&draft("web", &[1, u32::MAX]), b"sealed");
    let entry = Entry::decode(&bytes).unwrap();
    assert_eq!((entry.subject, entry.dedup, entry.source), (SubjectId([7; 16]), [9; 16], "web"));
    assert_eq!((entry.received_at, entry.sealed), (1_764_000_000_000, b"sealed".as_slice()));
    assert!(entry.is_for(1) && entry.is_for(u32::MAX) && !entry.is_for(2));
    assert_eq!(entry.destinations(), [1, u32::MAX]);
}

#[test]
fn another_version_and_a_cut_head_are_damaged() {
    let mut bytes = encode(&draft("web", &[1]), b"");
    for length in 0..bytes.len() {
        assert_eq!(Entry::decode(&bytes[..length]), Err(Damaged));
    }
    bytes[0] = 2;
    assert_eq!(Entry::decode(&bytes), Err(Damaged));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_fall(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(entry) = Entry::decode(&bytes) {
            let tags = entry.destinations();
            let draft = Draft {
                subject: entry.subject,
                dedup: entry.dedup,
                received_at: entry.received_at,
                source: entry.source,
                destinations: &tags,
            };
            prop_assert_eq!(encode(&draft, entry.sealed), bytes);
        }
    }
}
