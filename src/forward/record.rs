//! What dispatch keeps: how far each destination is (C), what waits for a second try (P), what was given up (X),
//! and who received what of whom (R).

use super::WINDOW_MAX;
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::outbox;
use crate::store::{Key, Record, Table};

/// How far each destination has come, by its ID.
pub(super) const CURSORS: Table<Name, Cursor> = Table::new(b'C', "forward cursors");
/// Events that a destination would not take while it took others: per destination and subject, in their order.
pub(super) const PARKED: Table<ParkedKey, Parked> = Table::new(b'P', "parked events");
/// Events that were given up.
pub(super) const DEAD: Table<DeadId, Dead> = Table::new(b'X', "dead letters");

/// Who received something of whom: what GDPR Art. 15(1)(c), 17(2) and 19 ask for.
pub(super) const RECIPIENTS: Table<ReceivedKey, Received> = Table::new(b'R', "recipients");

/// A subject and the ID of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReceivedKey {
    pub(super) subject: SubjectId,
    pub(super) destination: String,
}

impl Key for ReceivedKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(self.destination.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (subject, destination) = bytes.split_first_chunk::<16>()?;
        Some(Self { subject: SubjectId(*subject), destination: String::from_utf8(destination.to_vec()).ok()? })
    }
}

/// What a destination received of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many events it confirmed. After a crash a webhook may have got some of them twice; they count once.
    pub events: u64,
    /// When it confirmed the first, or may have received it.
    pub first_at: Millis,
    /// When it confirmed the latest; if none, as `first_at`.
    pub last_at: Millis,
    /// When something was last sent to it of which nobody knows whether it arrived: no answer came, or a withdrawal cut it off.
    pub unclear_at: Option<Millis>,
}

impl Received {
    /// When it received the latest, or may have.
    #[must_use]
    pub fn latest_at(&self) -> Millis {
        self.unclear_at.map_or(self.last_at, |unclear_at| unclear_at.max(self.last_at))
    }
}

impl Record for Received {
    /// Version 1 knew nothing of what is unclear.
    const VERSION: u8 = 2;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.events.to_be_bytes());
        out.extend_from_slice(&self.first_at.to_be_bytes());
        out.extend_from_slice(&self.last_at.to_be_bytes());
        out.extend(self.unclear_at.iter().flat_map(|at| at.to_be_bytes()));
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (events, rest) = bytes.split_first_chunk::<8>().filter(|_| (1..=Self::VERSION).contains(&version))?;
        let (first_at, rest) = millis(rest)?;
        let (last_at, rest) = millis(rest)?;
        let unclear_at = match rest {
            [] => None,
            rest => Some(Millis::from_be_bytes(rest.try_into().ok()?)),
        };
        Some(Self { events: u64::from_be_bytes(*events), first_at, last_at, unclear_at })
    }
}

/// A place in the outbox: a chunk, and an entry in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) chunk: u64,
    pub(super) slot: u32,
}

/// The ID of a destination as a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

impl Key for Name {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

/// How far a destination is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The first entry that is not dealt with.
    pub(super) next: Place,
    /// Entries behind it that are dealt with all the same: while others fail, they are not sent again after a restart.
    pub(super) ahead: Vec<Place>,
    /// What the kind of destination has to remember in the same commit (files: their lengths).
    pub(super) memo: Vec<u8>,
}

impl Record for Cursor {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        put_place(out, self.next);
        let ahead = self.ahead.get(..WINDOW_MAX).unwrap_or(&self.ahead);
        out.extend_from_slice(&u16::try_from(ahead.len()).unwrap_or(0).to_be_bytes());
        ahead.iter().for_each(|place| put_place(out, *place));
        out.extend_from_slice(&self.memo);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (next, rest) = place(bytes).filter(|_| version == Self::VERSION)?;
        let (count, mut rest) = rest.split_first_chunk::<2>()?;
        let mut ahead = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (one, tail) = place(rest)?;
            ahead.push(one);
            rest = tail;
        }
        Some(Self { next, ahead, memo: rest.to_vec() })
    }
}

/// Where a parked event waits. The order of keys is the order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ParkedKey {
    pub(super) tag: u32,
    pub(super) subject: SubjectId,
    pub(super) place: Place,
}

impl ParkedKey {
    /// What the keys of one destination begin with, or of one subject there.
    pub(super) fn prefix(tag: u32, subject: Option<SubjectId>) -> Vec<u8> {
        let mut prefix = tag.to_be_bytes().to_vec();
        if let Some(subject) = subject {
            prefix.extend_from_slice(&subject.0);
        }
        prefix
    }
}

impl Key for ParkedKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::prefix(self.tag, Some(self.subject)));
        put_place(out, self.place);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first_chunk::<4>()?;
        let (subject, rest) = rest.split_first_chunk::<16>()?;
        let (place, []) = place(rest)? else { return None };
        Some(Self { tag: u32::from_be_bytes(*tag), subject: SubjectId(*subject), place })
    }
}

/// A parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parked {
    /// How often it was tried.
    pub(super) attempts: u32,
    /// Since when it fails.
    pub(super) first_at: Millis,
    /// When it was tried last.
    pub(super) last_at: Millis,
    /// Not before then again.
    pub(super) due_at: Millis,
    /// The outbox entry.
    pub(super) entry: Vec<u8>,
}

impl Record for Parked {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.attempts.to_be_bytes());
        for at in [self.first_at, self.last_at, self.due_at] {
            out.extend_from_slice(&at.to_be_bytes());
        }
        out.extend_from_slice(&self.entry);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (attempts, rest) = bytes.split_first_chunk::<4>().filter(|_| version == Self::VERSION)?;
        let (first_at, rest) = millis(rest)?;
        let (last_at, rest) = millis(rest)?;
        let (due_at, entry) = millis(rest)?;
        Some(Self { attempts: u32::from_be_bytes(*attempts), first_at, last_at, due_at, entry: entry.to_vec() })
    }
}

/// Names a dead letter: a keyed hash of destination and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeadId(pub(super) [u8; 16]);

impl Key for DeadId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    /// The destination's ID.
    pub(super) destination: String,
    /// Why, as a code.
    pub(super) reason: String,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// When it failed first.
    pub(super) first_at: Millis,
    /// When it failed last.
    pub(super) last_at: Millis,
    /// Where it stood in the outbox.
    pub(super) place: Place,
    /// The outbox entry.
    pub(super) entry: Vec<u8>,
}

impl Record for Dead {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        for text in [&self.destination, &self.reason] {
            let bytes = text.as_bytes().get(..255).unwrap_or(text.as_bytes());
            out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(&self.attempts.to_be_bytes());
        out.extend_from_slice(&self.first_at.to_be_bytes());
        out.extend_from_slice(&self.last_at.to_be_bytes());
        put_place(out, self.place);
        out.extend_from_slice(&self.entry);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (destination, rest) = text(bytes).filter(|_| version == Self::VERSION)?;
        let (reason, rest) = text(rest)?;
        let (attempts, rest) = rest.split_first_chunk::<4>()?;
        let (first_at, rest) = millis(rest)?;
        let (last_at, rest) = millis(rest)?;
        let (place, entry) = place(rest)?;
        Some(Self {
            destination,
            reason,
            attempts: u32::from_be_bytes(*attempts),
            first_at,
            last_at,
            place,
            entry: entry.to_vec(),
        })
    }
}

impl Dead {
    /// Its ID: the same message dies once per destination.
    pub(super) fn id(vault: &crate::vault::Vault, destination: &str, dedup: &[u8; 16]) -> DeadId {
        DeadId(vault.mac("dead-letter", &about(destination, dedup)))
    }
}

/// A message at a destination, as bytes to be hashed.
pub(super) fn about(destination: &str, dedup: &[u8; 16]) -> Vec<u8> {
    let mut bytes = dedup.to_vec();
    bytes.extend_from_slice(destination.as_bytes());
    bytes
}

/// The outbox entry in a record, if it is sound.
pub(super) fn entry(bytes: &[u8]) -> Option<outbox::Entry<'_>> {
    outbox::Entry::decode(bytes).ok()
}

fn put_place(out: &mut Vec<u8>, place: Place) {
    out.extend_from_slice(&place.chunk.to_be_bytes());
    out.extend_from_slice(&place.slot.to_be_bytes());
}

fn place(bytes: &[u8]) -> Option<(Place, &[u8])> {
    let (chunk, rest) = bytes.split_first_chunk::<8>()?;
    let (slot, rest) = rest.split_first_chunk::<4>()?;
    Some((Place { chunk: u64::from_be_bytes(*chunk), slot: u32::from_be_bytes(*slot) }, rest))
}

fn millis(bytes: &[u8]) -> Option<(Millis, &[u8])> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    Some((Millis::from_be_bytes(*at), rest))
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}
