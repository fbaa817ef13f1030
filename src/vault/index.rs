//! The index key, by which identifiers are found. It lives in epochs: what was found by a key that is no more is noise.

use super::mac::MacKey;
use super::turn::{Found, Turn};
use super::{Error, Secret};
use crate::clock::Millis;
use crate::id::Blind;

/// The blind forms of an identifier at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blinds {
    /// Under the key of this epoch it is found by `now`.
    pub epoch: u32,
    /// Under the present key.
    pub now: Blind,
    /// Under the key of the epoch before, while identifiers are moved.
    pub before: Option<Blind>,
}

/// How the index stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u32,
    /// When its key was made.
    pub since: Millis,
    /// Identifiers may still stand under the key of the epoch before.
    pub moving: bool,
    /// A key that some stand under is no more: they cannot be found before they are moved.
    pub lost: bool,
}

/// The keys.
pub(super) struct Index {
    pub(super) turn: Turn,
    now: MacKey,
    before: Option<MacKey>,
    lost: bool,
}

impl Index {
    pub(super) fn new(found: Found) -> Result<Self, Error> {
        let Found { turn, now, before, lost } = found;
        Ok(Self { turn, now: key(&now)?, before: before.as_ref().map(key).transpose()?, lost })
    }

    /// The same after a change has begun.
    pub(super) fn begun(&self, turn: Turn, next: &Secret) -> Result<Self, Error> {
        Ok(Self { turn, now: key(next)?, before: Some(self.now.clone()), lost: false })
    }

    /// The same after it has ended.
    pub(super) fn ended(&self, turn: Turn) -> Self {
        Self { turn, now: self.now.clone(), before: None, lost: false }
    }

    pub(super) const fn epoch(&self) -> Epoch {
        let (number, since) = (self.turn.number(), self.turn.since());
        Epoch { number, since, moving: self.turn.overlaps(), lost: self.lost }
    }

    /// HMAC-SHA-256(index key, type ‖ value), cut to 128 bits.
    pub(super) fn blind(&self, kind: u32, value: &str) -> Blinds {
        let digest = |key: &MacKey| Blind(key.short([kind.to_be_bytes().as_slice(), value.as_bytes()]));
        Blinds { epoch: self.turn.number(), now: digest(&self.now), before: self.before.as_ref().map(digest) }
    }
}

fn key(secret: &Secret) -> Result<MacKey, Error> {
    Ok(secret.derive("pforte/v1/blind")?.mac())
}
