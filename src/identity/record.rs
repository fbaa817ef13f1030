//! What is stored of identifiers: who owns which, who was stated with whom, and the values, sealed.

use crate::id::{Blind, SubjectId};
use crate::store::{Key, Record, Table};
use crate::vault::Sealed;

/// Who owns an identifier.
pub(super) const OWNERS: Table<Blind, Owner> = Table::new(b'I', "identifiers");
/// Identifiers that were stated together with somebody else.
pub(super) const LINKS: Table<Link, Nothing> = Table::new(b'L', "links");
/// The values of identifiers, under their owner's data key.
pub(super) const VALUES: Table<ValueKey, Sealed> = Table::new(b'V', "identifier values");

/// The owner of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) subject: SubjectId,
    /// CRC-32 of the type's ID.
    pub(super) kind: u32,
    /// The day on which it was first stated, counted from 1970-01-01.
    pub(super) day: u32,
}

impl Record for Owner {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&self.day.to_be_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (subject, rest) = bytes.split_first_chunk::<16>()?;
        let (kind, day) = rest.split_first_chunk::<4>()?;
        let day = u32::from_be_bytes(day.try_into().ok()?);
        (version == Self::VERSION).then_some(Self { subject: SubjectId(*subject), kind: u32::from_be_bytes(*kind), day })
    }
}

impl Key for Blind {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

/// An identifier and somebody it was stated together with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) blind: Blind,
    pub(super) subject: SubjectId,
}

impl Key for Link {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.blind.0);
        out.extend_from_slice(&self.subject.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (blind, subject) = bytes.split_first_chunk::<16>()?;
        Some(Self { blind: Blind(*blind), subject: SubjectId(subject.try_into().ok()?) })
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
    pub(super) blind: Blind,
}

impl Key for ValueKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.blind.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (subject, blind) = bytes.split_first_chunk::<16>()?;
        Some(Self { subject: SubjectId(*subject), blind: Blind(blind.try_into().ok()?) })
    }
}

/// The associated data that binds a sealed value to its place.
pub(super) fn value_aad(key: &ValueKey) -> Vec<u8> {
    [b"identifier".as_slice(), &key.subject.0, &key.blind.0].concat()
}
