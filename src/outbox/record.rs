//! The stored form of an entry:
//! `version ‖ subject 16 ‖ dedup 16 ‖ received_at 8 ‖ n ‖ source n ‖ m ‖ m tags of 4 ‖ sealed`.

use super::{DESTINATIONS_MAX, Damaged, Draft, SOURCE_BYTES_MAX};
use crate::clock::Millis;
use crate::id::SubjectId;

const VERSION: u8 = 1;

/// An entry, borrowed from the chunk that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose it is.
    pub subject: SubjectId,
    /// The keyed hash of source and message ID.
    pub dedup: [u8; 16],
    /// When the gateway took it.
    pub received_at: Millis,
    /// The ID of the source that sent it.
    pub source: &'a str,
    /// Tags of the destinations, four bytes each.
    tags: &'a [u8],
    /// The sealed event.
    pub sealed: &'a [u8],
}

/// Adds everything before the sealed event, and makes room for so many bytes of that.
pub(super) fn head(draft: &Draft<'_>, sealed_bytes: usize, out: &mut Vec<u8>) {
    let source = draft.source.as_bytes();
    let source = source.get(..SOURCE_BYTES_MAX).unwrap_or(source);
    let tags = draft.destinations.get(..DESTINATIONS_MAX).unwrap_or(draft.destinations);
    out.reserve(43 + source.len() + 4 * tags.len() + sealed_bytes);
    out.push(VERSION);
    out.extend_from_slice(&draft.subject.0);
    out.extend_from_slice(&draft.dedup);
    out.extend_from_slice(&draft.received_at.to_be_bytes());
    out.push(u8::try_from(source.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(source);
    out.push(u8::try_from(tags.len()).unwrap_or(u8::MAX));
    tags.iter().for_each(|tag| out.extend_from_slice(&tag.to_be_bytes()));
}

impl<'a> Entry<'a> {
    /// Reads an entry without copying it.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are no entry of this version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Damaged> {
        read(bytes).ok_or(Damaged)
    }

    /// Whether it was accepted for the destination with this tag.
    #[must_use]
    pub fn is_for(&self, tag: u32) -> bool {
        let tag = tag.to_be_bytes();
        self.tags.chunks_exact(4).any(|t| t == tag)
    }

    /// The destinations that it was accepted for.
    #[must_use]
    pub fn destinations(&self) -> Vec<u32> {
        self.tags.as_chunks::<4>().0.iter().map(|t| u32::from_be_bytes(*t)).collect()
    }
}

fn read(bytes: &[u8]) -> Option<Entry<'_>> {
    let (&version, rest) = bytes.split_first()?;
    if version != VERSION {
        return None;
    }
    let (subject, rest) = rest.split_first_chunk::<16>()?;
    let (dedup, rest) = rest.split_first_chunk::<16>()?;
    let (received_at, rest) = rest.split_first_chunk::<8>()?;
    let (&length, rest) = rest.split_first()?;
    let (source, rest) = rest.split_at_checked(usize::from(length))?;
    let (&count, rest) = rest.split_first()?;
    let (tags, sealed) = rest.split_at_checked(4 * usize::from(count))?;
    Some(Entry {
        subject: SubjectId(*subject),
        dedup: *dedup,
        received_at: Millis::from_be_bytes(*received_at),
        source: std::str::from_utf8(source).ok()?,
        tags,
        sealed,
    })
}
