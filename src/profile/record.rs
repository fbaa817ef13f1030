//! What the profile store keeps: events in stream T, and per chunk of it a header in table H.

use crate::clock::Millis;
use crate::id::{NodeId, SubjectId};
use crate::store::{Key, Record, Stream, Table};

/// The events. An entry is `version ‖ subject 16 ‖ received_at 8 ‖ n ‖ n purposes of 4 ‖ sealed`.
pub(super) const EVENTS: Stream = Stream(b'T');
/// Per chunk of [`EVENTS`]: whose events it holds, so that opening need not read them.
pub(super) const HEADERS: Table<ChunkId, Header> = Table::new(b'H', "profile headers");

const VERSION: u8 = 1;

/// The number of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkId(pub(super) u64);

impl Key for ChunkId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes).map(Self)
    }
}

/// What the index needs of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// When its newest event was received.
    pub(super) newest: Millis,
    /// Tags of all purposes that its events were used for.
    pub(super) purposes: Vec<u32>,
    /// Whose each of its events is, in order.
    pub(super) subjects: Vec<SubjectId>,
}

impl Header {
    /// Adds the next event of the chunk.
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        self.newest = self.newest.max(entry.received_at);
        for tag in entry.purposes() {
            if let Err(at) = self.purposes.binary_search(&tag) {
                self.purposes.insert(at, tag);
            }
        }
        self.subjects.push(entry.subject);
    }
}

impl Record for Header {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.newest.to_be_bytes());
        out.push(u8::try_from(self.purposes.len()).unwrap_or(u8::MAX));
        self.purposes.iter().for_each(|tag| out.extend_from_slice(&tag.to_be_bytes()));
        self.subjects.iter().for_each(|subject| out.extend_from_slice(&subject.0));
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (newest, rest) = bytes.split_first_chunk::<8>().filter(|_| version == Self::VERSION)?;
        let (&count, rest) = rest.split_first()?;
        let (tags, rest) = rest.split_at_checked(4 * usize::from(count))?;
        let (subjects, []) = rest.as_chunks::<16>() else { return None };
        Some(Self {
            newest: Millis::from_be_bytes(*newest),
            purposes: tags.as_chunks::<4>().0.iter().map(|t| u32::from_be_bytes(*t)).collect(),
            subjects: subjects.iter().map(|s| SubjectId(*s)).collect(),
        })
    }
}

/// A stored event, borrowed from its chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// Whose it is.
    pub(super) subject: SubjectId,
    /// When the gateway received it.
    pub(super) received_at: Millis,
    tags: &'a [u8],
    /// Sealed under the subject's data key: an [`Inside`].
    pub(super) sealed: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Tags of the purposes that it was used for.
    pub(super) fn purposes(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.tags.as_chunks::<4>().0.iter().map(|t| u32::from_be_bytes(*t))
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (subject, rest) = rest.split_first_chunk::<16>().filter(|_| version == VERSION)?;
        let (received_at, rest) = rest.split_first_chunk::<8>()?;
        let (&count, rest) = rest.split_first()?;
        let (tags, sealed) = rest.split_at_checked(4 * usize::from(count))?;
        Some(Self { subject: SubjectId(*subject), received_at: Millis::from_be_bytes(*received_at), tags, sealed })
    }

    pub(super) fn encode(subject: SubjectId, received_at: Millis, purposes: &[u32], sealed: &[u8]) -> Vec<u8> {
        let purposes = purposes.get(..255).unwrap_or(purposes);
        let mut out = Vec::with_capacity(26 + 4 * purposes.len() + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&subject.0);
        out.extend_from_slice(&received_at.to_be_bytes());
        out.push(u8::try_from(purposes.len()).unwrap_or(u8::MAX));
        purposes.iter().for_each(|tag| out.extend_from_slice(&tag.to_be_bytes()));
        out.extend_from_slice(sealed);
        out
    }

    /// What the seal binds: "profile" ‖ subject ‖ `received_at` ‖ purposes.
    pub(super) fn aad(subject: SubjectId, received_at: Millis, purposes: impl Iterator<Item = u32>) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(b"profile");
        out.extend_from_slice(&subject.0);
        out.extend_from_slice(&received_at.to_be_bytes());
        purposes.for_each(|tag| out.extend_from_slice(&tag.to_be_bytes()));
        out
    }
}

/// What is sealed: `n ‖ n names of identifiers of 16 ‖ m ‖ source m ‖ the shaped event`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside<'a> {
    names: &'a [u8],
    /// The ID of the source that sent it.
    pub(super) source: &'a str,
    /// The event as the gate shaped it, a JSON object.
    pub(super) event: &'a [u8],
}

impl<'a> Inside<'a> {
    /// The identifiers that the event stated: by them it is decided again at every read.
    pub(super) fn names(&self) -> Vec<NodeId> {
        self.names.as_chunks::<16>().0.iter().map(|name| NodeId(*name)).collect()
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&count, rest) = bytes.split_first()?;
        let (names, rest) = rest.split_at_checked(16 * usize::from(count))?;
        let (&length, rest) = rest.split_first()?;
        let (source, event) = rest.split_at_checked(usize::from(length))?;
        Some(Self { names, source: std::str::from_utf8(source).ok()?, event })
    }

    pub(super) fn encode(names: &[NodeId], source: &str, event: &[u8]) -> Vec<u8> {
        let names = names.get(..255).unwrap_or(names);
        let source = source.as_bytes().get(..255).unwrap_or(source.as_bytes());
        let mut out = Vec::with_capacity(2 + 16 * names.len() + source.len() + event.len());
        out.push(u8::try_from(names.len()).unwrap_or(u8::MAX));
        names.iter().for_each(|name| out.extend_from_slice(&name.0));
        out.push(u8::try_from(source.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(source);
        out.extend_from_slice(event);
        out
    }
}
