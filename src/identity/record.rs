//! What is stored of identifiers: by what they are found and who owns which, who was stated with whom, and the values, sealed.

use crate::clock::Millis;
use crate::id::{Blind, NodeId, SubjectId};
use crate::store::{Key, Record, Table};
use crate::vault::{Blinds, Sealed};

/// The index: by its blind form an identifier is found. Nothing else refers to blind forms.
pub(super) const INDEX: Table<Entry, Owner> = Table::new(b'I', "identifiers");
/// Identifiers that were stated together with somebody else.
pub(super) const LINKS: Table<Link, Nothing> = Table::new(b'L', "links");
/// Identifiers and people that are kept apart, whatever is stated.
pub(super) const PARTED: Table<Link, Nothing> = Table::new(b'g', "links that were taken back");
/// The values of identifiers, under their owner's data key.
pub(super) const VALUES: Table<ValueKey, Sealed> = Table::new(b'V', "identifier values");

/// A blind form under the index key of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) epoch: u32,
    pub(super) blind: Blind,
}

impl Entry {
    /// Where an identifier stands under the present key.
    pub(super) const fn of(blinds: &Blinds) -> Self {
        Self { epoch: blinds.epoch, blind: blinds.now }
    }

    /// Where it stands if it was not moved yet.
    pub(super) fn before(blinds: &Blinds) -> Option<Self> {
        Some(Self { epoch: blinds.epoch.checked_sub(1)?, blind: blinds.before? })
    }
}

impl Key for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.blind.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, blind) = bytes.split_first_chunk::<4>()?;
        Some(Self { epoch: u32::from_be_bytes(*epoch), blind: Blind(blind.try_into().ok()?) })
    }
}

/// An identifier and its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Its lasting name.
    pub(super) name: NodeId,
    pub(super) subject: SubjectId,
    /// CRC-32 of the type's ID.
    pub(super) tag: u32,
    /// The day on which it was first stated, counted from 1970-01-01.
    pub(super) day: u32,
}

impl Record for Owner {
    const VERSION: u8 = 2;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name.0);
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.tag.to_be_bytes());
        out.extend_from_slice(&self.day.to_be_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (name, rest) = bytes.split_first_chunk::<16>().filter(|_| version == Self::VERSION)?;
        let (subject, rest) = rest.split_first_chunk::<16>()?;
        let (tag, rest) = rest.split_first_chunk::<4>()?;
        let day = u32::from_be_bytes(rest.try_into().ok()?);
        Some(Self { name: NodeId(*name), subject: SubjectId(*subject), tag: u32::from_be_bytes(*tag), day })
    }
}

/// An identifier and somebody it was stated together with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) name: NodeId,
    pub(super) subject: SubjectId,
}

impl Key for Link {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name.0);
        out.extend_from_slice(&self.subject.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (name, subject) = bytes.split_first_chunk::<16>()?;
        Some(Self { name: NodeId(*name), subject: SubjectId(subject.try_into().ok()?) })
    }
}

/// The key says it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nothing;

impl Record for Nothing {
    const VERSION: u8 = 1;

    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION && bytes.is_empty()).then_some(Self)
    }
}

/// Whose value, of which identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueKey {
    pub(super) subject: SubjectId,
    pub(super) name: NodeId,
}

impl Key for ValueKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.name.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (subject, name) = bytes.split_first_chunk::<16>()?;
        Some(Self { subject: SubjectId(*subject), name: NodeId(name.try_into().ok()?) })
    }
}

/// The associated data that binds a sealed value to its place.
pub(super) fn value_aad(key: &ValueKey) -> Vec<u8> {
    [b"identifier".as_slice(), &key.subject.0, &key.name.0].concat()
}

/// Identifiers of people who are not to be brought back.
pub(super) const SUPPRESSED: Table<Suppressed, LastAt> = Table::new(b's', "suppressed identifiers");

/// An identifier on the list, as its digest under the key of the year in which it was put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suppressed {
    pub(super) year: i16,
    pub(super) digest: [u8; 16],
}

impl Key for Suppressed {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.year.to_be_bytes());
        out.extend_from_slice(&self.digest);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (year, digest) = bytes.split_first_chunk::<2>()?;
        Some(Self { year: i16::from_be_bytes(*year), digest: digest.try_into().ok()? })
    }
}

/// Until when it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastAt(pub(super) Millis);

impl Record for LastAt {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION).then_some(Self(Millis::from_be_bytes(bytes.try_into().ok()?)))
    }
}
