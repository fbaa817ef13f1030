//! Everything that can happen to a file is found.

use super::*;

fn key(n: u8) -> SealingKey {
    SealingKey::Master(FileKey(Secret::new([n; 32])))
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::begin(&key(1), (Kind::Data, 7), &Chance::system(), Vec::new()).unwrap();
    // In pieces of all sizes.
    let (mut rest, mut size) = (plain, 1);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        sealer.write_all(now).unwrap();
        (rest, size) = (later, size * 3 % 70_001);
    }
    sealer.finish().unwrap()
}

fn opened(file: &[u8], key: &SealingKey) -> Result<Vec<u8>, Flaw> {
    let mut opener = Closed::read(file)?.open(key)?;
    let mut plain = Vec::new();
    while let Some(part) = opener.part()? {
        plain.extend_from_slice(&part);
    }
    Ok(plain)
}

fn plain(length: usize) -> Vec<u8> {
    (0..=255).cycle().take(251).chain([7, 7, 7]).cycle().take(length).collect()
}

#[test]
fn what_is_sealed_comes_back_at_every_length_around_a_segment() {
    for length in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES + 5] {
        let file = sealed(&plain(length));
        assert_eq!(opened(&file, &key(1)).unwrap(), plain(length), "{length}");
        assert!(matches!(opened(&file, &key(2)), Err(Flaw::OtherKey("master key"))));
    }
    assert_ne!(sealed(b"same"), sealed(b"same"));
}

/// A file of three full segments and some more, and where it begins to be sealed.
fn long() -> (Vec<u8>, usize) {
    let file = sealed(&plain(3 * SEGMENT_BYTES + 100));
    let head = file.len() - 3 * (SEGMENT_BYTES + TAG_BYTES) - 100 - TAG_BYTES;
    (file, head)
}

/// Where a segment lies.
fn segment(head: usize, n: usize) -> std::ops::Range<usize> {
    head + n * (SEGMENT_BYTES + TAG_BYTES)..head + (n + 1) * (SEGMENT_BYTES + TAG_BYTES)
}

#[test]
fn every_cut_is_found_and_named() {
    let (file, head) = long();
    let borders = [segment(head, 0).end, segment(head, 1).end, segment(head, 2).end - 1, segment(head, 2).end, file.len() - 1];
    for cut in (0..head + 40).chain(borders) {
        let flaw = opened(&file[..cut], &key(1)).unwrap_err();
        let short = matches!(flaw, Flaw::CutOff(_)) || (cut < MAGIC.len() + 2 && matches!(flaw, Flaw::Foreign));
        assert!(short, "cut to {cut}: {flaw}");
    }
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let (file, head) = long();
    for place in (0..head).chain((head..file.len()).step_by(997)).chain([file.len() - 1]) {
        let mut changed = file.clone();
        changed[place] ^= 1;
        let flaw = opened(&changed, &key(1)).unwrap_err();
        let named = match flaw {
            Flaw::Changed { from, to } => (from..to).contains(&(place as u64)),
            Flaw::CutOff(_) => place >= segment(head, 2).end || place < head,
            Flaw::Foreign | Flaw::Version | Flaw::OtherKey(_) | Flaw::Appended(_) | Flaw::Unknown | Flaw::Io(_) => place < head,
        };
        assert!(named, "byte {place}: {flaw}");
    }
}

#[test]
fn segments_that_are_swapped_doubled_left_out_appended_or_of_another_file_are_found() {
    let (file, head) = long();
    let at = |n: usize| segment(head, n);
    let swapped = [&file[..head], &file[at(1)], &file[at(0)], &file[at(2).start..]].concat();
    let twice = [&file[..at(0).end], &file[at(0).start..]].concat();
    let left_out = [&file[..at(0).end], &file[at(2).start..]].concat();
    let others = [&file[..head], &sealed(&plain(SEGMENT_BYTES))[head..]].concat();
    for wrong in [swapped, twice, left_out, others] {
        assert!(matches!(opened(&wrong, &key(1)), Err(Flaw::Changed { .. })));
    }
    let appended = [sealed(&plain(SEGMENT_BYTES)).as_slice(), b"more"].concat();
    assert!(matches!(opened(&appended, &key(1)), Err(Flaw::Appended(_))));
    assert!(matches!(opened(b"pforte backup 2\n and so on and so on", &key(1)), Err(Flaw::Version)));
    assert!(matches!(opened(b"something else, quite long", &key(1)), Err(Flaw::Foreign)));
}

#[test]
fn a_passphrase_opens_what_it_sealed_and_the_header_cannot_ask_for_any_amount_of_work() {
    let phrase = |text: &str| SealingKey::Passphrase(Passphrase::new(&Digits::from(text)).unwrap());
    let ours = phrase("  correct horse battery\n");
    let mut sealer = Sealer::begin(&ours, (Kind::Keys, 7), &Chance::system(), Vec::new()).unwrap();
    sealer.write_all(b"keys").unwrap();
    let file = sealer.finish().unwrap();
    assert_eq!(opened(&file, &phrase("correct horse battery")).unwrap(), b"keys");
    assert!(matches!(opened(&file, &phrase("correct horse batterie")), Err(Flaw::OtherKey("passphrase"))));
    assert!(matches!(opened(&file, &key(1)), Err(Flaw::OtherKey(_))));
    assert!(Passphrase::new(&Digits::from("too short")).is_err());
    let text = String::from_utf8_lossy(&file).into_owned();
    let at = text.find("\"passes\":3").unwrap() + 9;
    let mut greedy = file;
    greedy[at] = b'x';
    assert!(matches!(opened(&greedy, &ours), Err(Flaw::Version)));
}
