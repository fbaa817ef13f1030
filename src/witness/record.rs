//! What is stored: the newest head that enough witnesses have cosigned.

use crate::store::{Key, Record, Table};

/// The head, as a signed note. Not personal.
pub(super) const WITNESSED: Table<Only, Witnessed> = Table::new(b'y', "witnessed head");

/// There is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Only;

impl Key for Only {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(Self)
    }
}

/// The note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Witnessed(pub(super) String);

impl Record for Witnessed {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        if version == Self::VERSION { String::from_utf8(bytes.to_vec()).ok().map(Self) } else { None }
    }
}
