//! What is stored of the ledger: the commitments in their order, how far the tree has come, and where a commitment stands.

use tlog_tiles::Hash;

use super::commitment::Commitment;
use crate::store::{Key, Record, Stream, Table};

/// All commitments, in the order of the tree.
pub(super) const COMMITMENTS: Stream = Stream(b'G');
/// How far the tree has come.
pub(super) const STATE: Table<Only, State> = Table::new(b'J', "ledger");
/// Where a commitment stands.
pub(super) const FOUND: Table<Find, Leaf> = Table::new(b'F', "leaves");

/// The key of a table with one record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Only;

impl Key for Only {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(Self)
    }
}

/// What was signed last.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// How many leaves.
    pub(super) size: u64,
    /// The first chunk of the stream that is not in the tree.
    pub(super) chunk: u64,
    /// The root.
    pub(super) root: Hash,
}

impl Default for State {
    fn default() -> Self {
        Self { size: 0, chunk: 1, root: tlog_tiles::EMPTY_HASH }
    }
}

impl Record for State {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.chunk.to_be_bytes());
        out.extend_from_slice(&self.root.0);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        if version != Self::VERSION {
            return None;
        }
        let (size, bytes) = bytes.split_first_chunk::<8>()?;
        let (chunk, root) = bytes.split_first_chunk::<8>()?;
        Some(Self { size: u64::from_be_bytes(*size), chunk: u64::from_be_bytes(*chunk), root: Hash(root.try_into().ok()?) })
    }
}

/// The first half of a commitment: enough to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Find([u8; 16]);

impl Find {
    pub(super) fn of(commitment: &Commitment) -> Self {
        let [half @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = commitment.0;
        Self(half)
    }
}

impl Key for Find {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

/// The index of a leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf(pub(super) u64);

impl Record for Leaf {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION).then_some(())?;
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}
