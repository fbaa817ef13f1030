//! The journal: every group is written here first, one behind the other, and is durable with one sync of one file.
//!
//! The file is written over from its beginning after each checkpoint, so in the long run its blocks are there already and a sync
//! writes data only. A record says which group it is; reading ends at the first that is not whole or not the next one.

use std::fs::{File, OpenOptions};
use std::io::IoSlice;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::engine::{Append, Group};
use super::{Error, pieces};

/// What every record begins with; the last byte is the version of the layout.
const MAGIC: [u8; 4] = *b"pfJ1";
/// Magic, CRC-32 (IEEE) of what follows it, group, length of the rest; little endian.
const HEADER: usize = 20;
/// Where the checksum ends.
const SUMMED: usize = 8;
/// The file grows in steps of so many zeros.
const STEP: u64 = 256 * 1024;
const PAGE: usize = 4096;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const APPEND: u8 = 3;
const DROP: u8 = 4;

/// The file, and where the next group goes.
pub(super) struct Journal {
    file: File,
    /// Where the next record begins.
    end: u64,
    /// How long the file is.
    length: u64,
    /// The number of the last group.
    group: u64,
    draft: Draft,
}

/// A record in the making: all of it but the bytes of its chunks, which are written from where they are.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    /// Where in `bytes` the chunks come. Invariant: ascending, one for each append of the group.
    cuts: Vec<usize>,
}

impl Journal {
    /// Opens the file, making it if it is new, and reads the groups behind number `applied`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if more than a last group is unreadable, or if groups are missing.
    pub(super) fn open(path: &Path, applied: u64) -> Result<(Self, Vec<Group>), Error> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        file.sync_all()?;
        let bytes = std::fs::read(path)?;
        let (mut groups, mut end, mut last) = (Vec::new(), 0, applied);
        while let Some((number, payload, rest)) = record(bytes.get(end..).unwrap_or_default()) {
            if number > last + 1 {
                return Err(Error::Damaged { what: String::from("the keys are older than the journal") });
            }
            if number <= last {
                // What is left of an earlier round, or all of this one has been checkpointed.
                break;
            }
            groups.push(read(payload).ok_or_else(damaged)?);
            last = number;
            end = bytes.len() - rest.len();
        }
        let behind = bytes.get(end..).unwrap_or_default();
        // One group can be cut off. What is sound behind it was acknowledged once.
        let number_at = |at: usize| record(behind.get(at..)?).map(|(number, ..)| number);
        if memchr::memmem::find_iter(behind, &MAGIC).filter_map(number_at).any(|number| number > last) {
            return Err(damaged());
        }
        let journal = Self { file, end: end as u64, length: bytes.len() as u64, group: last, draft: Draft::default() };
        Ok((journal, groups))
    }

    /// Writes a group; when this returns it is durable.
    ///
    /// # Errors
    /// [`Error::Full`] leaves the journal usable; after anything else it is not.
    pub(super) fn write(&mut self, group: &Group) -> Result<(), Error> {
        let number = self.group + 1;
        self.draft.write(number, group);
        let mut record = self.draft.pieces(group);
        let end = self.end + record.iter().map(|piece| piece.len() as u64).sum::<u64>();
        // First, because only this can fail for want of room.
        grow(&self.file, &mut self.length, end)?;
        pieces::write_all_at(&self.file, &mut record, self.end).and_then(|()| self.file.sync_data()).map_err(lasting)?;
        (self.group, self.end) = (number, end);
        Ok(())
    }

    /// All groups are elsewhere: the next one begins the file anew.
    pub(super) const fn restart(&mut self) {
        self.end = 0;
    }

    /// The number of the last group.
    pub(super) const fn group(&self) -> u64 {
        self.group
    }

    /// What it takes on disk.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// How much is written since the last checkpoint.
    pub(super) const fn bytes(&self) -> u64 {
        self.end
    }
}

fn grow(file: &File, length: &mut u64, end: u64) -> Result<(), Error> {
    // Page by page: what is written in one piece is one piece in the page cache, and would be dirty as a whole for ever after.
    while *length < end.next_multiple_of(STEP) {
        file.write_all_at(&[0; PAGE], *length)?;
        *length += PAGE as u64;
    }
    Ok(())
}

fn damaged() -> Error {
    Error::Damaged { what: String::from("the journal does not match its checksums") }
}

/// What failed half-way cannot be told from what was done: the store stops, and the next start settles it.
#[expect(clippy::needless_pass_by_value, reason = "the form of `map_err`")]
fn lasting(error: std::io::Error) -> Error {
    Error::Io(error.to_string())
}

impl Draft {
    fn write(&mut self, number: u64, group: &Group) {
        let Self { bytes: out, cuts } = self;
        out.clear();
        cuts.clear();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for (key, value) in &group.writes {
            out.push(if value.is_some() { PUT } else { DELETE });
            put(out, key);
            if let Some(value) = value {
                put(out, value);
            }
        }
        for Append { stream, chunk, bytes } in &group.appends {
            out.extend_from_slice(&[APPEND, *stream]);
            out.extend_from_slice(&chunk.to_le_bytes());
            out.extend_from_slice(&length(bytes.len()));
            cuts.push(out.len());
        }
        for (stream, chunk) in &group.drops {
            out.extend_from_slice(&[DROP, *stream]);
            out.extend_from_slice(&chunk.to_le_bytes());
        }
        let chunks: usize = group.appends.iter().map(|append| append.bytes.len()).sum();
        let rest = length(out.len() - HEADER + chunks);
        fill(out, HEADER - rest.len(), rest);
        let mut sum = crc32fast::Hasher::new();
        let mut before = SUMMED;
        for piece in self.pieces(group) {
            sum.update(piece.get(before..).unwrap_or_default());
            before = 0;
        }
        fill(&mut self.bytes, MAGIC.len(), sum.finalize().to_le_bytes());
    }

    /// The whole record.
    fn pieces<'a>(&'a self, group: &'a Group) -> Vec<IoSlice<'a>> {
        let mut found = Vec::with_capacity(2 * self.cuts.len() + 1);
        let mut begin = 0;
        for (cut, append) in self.cuts.iter().zip(&group.appends) {
            found.push(IoSlice::new(self.bytes.get(begin..*cut).unwrap_or_default()));
            found.push(IoSlice::new(&append.bytes));
            begin = *cut;
        }
        found.push(IoSlice::new(self.bytes.get(begin..).unwrap_or_default()));
        found
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn fill(out: &mut [u8], at: usize, bytes: [u8; 4]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(&bytes);
    }
}

/// The record at the beginning of `bytes`, if it is whole and sound: its number, its payload, and what lies behind it.
fn record(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    let whole = bytes.get(SUMMED..HEADER + length)?;
    (crc32fast::hash(whole) == u32::from_le_bytes(*sum)).then_some((u64::from_le_bytes(*number), payload, rest))
}

fn read(mut payload: &[u8]) -> Option<Group> {
    let mut group = Group::default();
    while let Some(kind) = payload.split_off_first() {
        match *kind {
            PUT => group.writes.push((take(&mut payload)?, Some(take(&mut payload)?))),
            DELETE => group.writes.push((take(&mut payload)?, None)),
            APPEND => {
                let (stream, chunk) = place(&mut payload)?;
                group.appends.push(Append { stream, chunk, bytes: take(&mut payload)?.into() });
            }
            DROP => group.drops.push(place(&mut payload)?),
            _ => return None,
        }
    }
    Some(group)
}

fn place(rest: &mut &[u8]) -> Option<(u8, u64)> {
    let stream = *rest.split_off_first()?;
    let chunk = rest.split_off(..8)?.try_into().ok()?;
    Some((stream, u64::from_le_bytes(chunk)))
}

fn take(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?);
    Some(rest.split_off(..usize::try_from(length).ok()?)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(n: u8) -> Group {
        Group {
            writes: vec![(vec![b't', n], Some(vec![n; 9])), (vec![b'u', n], None)],
            appends: vec![Append { stream: b'p', chunk: u64::from(n), bytes: vec![n; usize::from(n) * 30].into() }],
            drops: vec![(b'q', u64::from(n))],
        }
    }

    fn same(found: &[Group], expected: std::ops::RangeInclusive<u8>) -> bool {
        let text = |groups: &[Group]| format!("{groups:?}");
        text(found) == text(&expected.map(group).collect::<Vec<Group>>())
    }

    #[test]
    fn a_journal_cut_off_at_any_byte_keeps_every_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, found) = Journal::open(&path, 0).unwrap();
        assert!(found.is_empty());
        let mut ends = Vec::new();
        for n in 1..=4 {
            journal.write(&group(n)).unwrap();
            ends.push(usize::try_from(journal.bytes()).unwrap());
        }
        let whole = std::fs::read(&path).unwrap();
        for keep in ends[2]..=ends[3] {
            // The file ends there, or a page that never came is zeros.
            let mut torn = whole.clone();
            torn[keep..].fill(0);
            for bytes in [&whole[..keep], &torn] {
                let count = if bytes.starts_with(&whole[..ends[3]]) { 4 } else { 3 };
                std::fs::write(&path, bytes).unwrap();
                let (mut journal, found) = Journal::open(&path, 0).unwrap();
                assert!(same(&found, 1..=count), "{keep} bytes are left");
                journal.write(&group(count + 1)).unwrap();
                assert!(same(&Journal::open(&path, 0).unwrap().1, 1..=count + 1));
            }
        }
    }

    #[test]
    fn what_is_checkpointed_is_not_read_again_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path, 0).unwrap();
        for n in 1..=5 {
            journal.write(&group(n)).unwrap();
        }
        assert!(Journal::open(&path, 5).unwrap().1.is_empty(), "a crash right after the checkpoint");
        journal.restart();
        for n in 6..=7 {
            journal.write(&group(n)).unwrap();
        }
        assert!(same(&Journal::open(&path, 5).unwrap().1, 6..=7));
        assert_eq!(Journal::open(&path, 7).unwrap().0.group(), 7);
    }

    #[test]
    fn a_flipped_byte_before_the_last_group_and_lost_keys_are_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path, 9).unwrap();
        let mut last = 0;
        for n in 1..=3 {
            last = usize::try_from(journal.bytes()).unwrap();
            journal.write(&group(n)).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert!(matches!(Journal::open(&path, 8), Err(Error::Damaged { .. })), "keys that were put back");
        for at in 0..last {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            assert!(matches!(Journal::open(&path, 9), Err(Error::Damaged { .. })), "byte {at}");
        }
    }
}
