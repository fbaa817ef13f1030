//! The outbox: events that may leave and are not yet confirmed by every destination.
//!
//! What it is for: the one form in which an accepted event waits between intake and dispatch. An entry is appended to
//! [`STREAM`] in the same commit that remembers its message, so an acknowledged event is in the outbox or was a duplicate.
//!
//! It **promises** that everything personal in an entry is sealed under its subject's data key, and that the seal binds the
//! subject, the message and the time of receipt: an entry cannot be given to somebody else or be passed off as another.
//!
//! It **refuses to know** destinations (a tag is all it has), decisions, and who reads it.

mod record;

#[cfg(test)]
mod tests;

use crate::clock::Millis;
use crate::events::Event;
use crate::id::SubjectId;
use crate::store::Stream;
use crate::vault::{self, DataKey, LentKey};

pub use record::Entry;

/// Where events wait for their destinations.
pub const STREAM: Stream = Stream(b'O');
/// To how many destinations one event can go.
pub const DESTINATIONS_MAX: usize = 255;
/// How long the ID of a source can be.
pub const SOURCE_BYTES_MAX: usize = 255;

/// Why an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an outbox entry is damaged or of another version")]
pub struct Damaged;

/// A destination as an entry names it: short, and stable as long as its ID is.
#[must_use]
pub fn destination_tag(id: &str) -> u32 {
    crc32fast::hash(id.as_bytes())
}

/// An entry before it is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Whose it is.
    pub subject: SubjectId,
    /// The keyed hash of source and message ID.
    pub dedup: [u8; 16],
    /// When the gateway took it.
    pub received_at: Millis,
    /// The ID of the source that sent it.
    pub source: &'a str,
    /// Tags of the destinations that it was accepted for.
    pub destinations: &'a [u32],
}

impl Draft<'_> {
    /// Seals the event under its subject's key to the end of `out`: the bytes to be appended to [`STREAM`].
    ///
    /// # Errors
    /// When the vault has no randomness.
    pub fn seal_onto(&self, out: &mut Vec<u8>, key: LentKey<'_>, event: &Event<'_>) -> Result<(), vault::Error> {
        record::head(self, vault::OVERHEAD + event.stored_bytes(), out);
        key.seal_onto(out, &aad(self.subject, &self.dedup, self.received_at), |out| event.write_stored(out))
    }
}

impl Entry<'_> {
    /// Opens the event: bytes for [`Event::read_stored`].
    ///
    /// # Errors
    /// When the bytes were changed, or belong to somebody or something else.
    pub fn open(&self, key: &DataKey) -> Result<Vec<u8>, vault::Error> {
        key.open(&aad(self.subject, &self.dedup, self.received_at), self.sealed)
    }
}

/// What the seal binds: "event" ‖ subject ‖ dedup ‖ `received_at`.
fn aad(subject: SubjectId, dedup: &[u8; 16], received_at: Millis) -> [u8; 45] {
    let mut out = [0; 45];
    let mut rest = out.as_mut_slice();
    let parts: [&[u8]; 4] = [b"event", &subject.0, dedup, &received_at.to_be_bytes()];
    for part in parts {
        if let Some(slot) = rest.split_off_mut(..part.len()) {
            slot.copy_from_slice(part);
        }
    }
    out
}
