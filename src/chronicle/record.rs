//! What is stored: which policy came into force when, and texts under their hashes. Nothing of it is about a person.

use crate::clock::Millis;
use crate::store::{Key, Record, Table};

/// Which policy came into force when.
pub(super) const REIGNS: Table<Number, Reign> = Table::new(b'e', "policies in force");
/// Canonical texts, in pieces, under the SHA-256 of the whole.
pub(super) const TEXTS: Table<Place, Piece> = Table::new(b'k', "texts by hash");
/// How long a piece is: what a value may take, less what stands around it.
pub(super) const PIECE_BYTES: usize = 40 * 1024;

/// How many policies came into force before, and one. Invariant: without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u32);

impl Key for Number {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u32::from_be_bytes).map(Self)
    }
}

/// The SHA-256 of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) [u8; 32]);

impl Digest {
    /// Reads the hash as policies and notices write it.
    pub(super) fn parse(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(super) fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// That a policy came into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reign {
    pub(super) version: Digest,
    /// Invariant: no earlier than that of the one before.
    pub(super) since: Millis,
}

impl Record for Reign {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.0);
        out.extend_from_slice(&self.since.to_be_bytes());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (digest, since) = bytes.split_first_chunk::<32>().filter(|_| version == Self::VERSION)?;
        Some(Self { version: Digest(*digest), since: Millis::from_be_bytes(since.try_into().ok()?) })
    }
}

/// Where a piece of a text lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) of: Digest,
    pub(super) piece: u32,
}

impl Key for Place {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.of.0);
        out.extend_from_slice(&self.piece.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (of, piece) = bytes.split_first_chunk::<32>()?;
        Some(Self { of: Digest(*of), piece: u32::from_be_bytes(piece.try_into().ok()?) })
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece(pub(super) Vec<u8>);

impl Record for Piece {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION).then(|| Self(bytes.to_vec()))
    }
}
