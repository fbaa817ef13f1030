//! Who an identifier belongs to, and who it was seen together with.
//!
//! Promises: an identifier has one owner, whatever happens at the same moment; people with an ID of the company's own are
//! never merged; a device, which several people may share, belongs to nobody but is linked; a link can be taken back, and then no
//! event makes it again (P8). It refuses to know what was
//! decided: what a link may do is the gate's and consent's business (`docs/decisions/0003`). Values are kept only sealed;
//! identifiers are found by their blind form (HMAC under the index key of an epoch) and named, in every record, by random bits that
//! have nothing to do with the value (`docs/decisions/0009`). It serves GDPR Art. 4(5) and 25.

mod admit;
mod directory;
mod extract;
mod memory;
mod normalise;
mod part;
mod record;
mod rectify;
mod reindex;
mod suppress;
#[cfg(test)]
mod tests;

pub use directory::{Directory, Figures};
pub use extract::{extract, parse};
pub use normalise::{Refusal, VALUE_CHARS_MAX};
pub use part::{Linked, Pair, Parted, Tie};
pub use record::Suppressed;
pub use rectify::{Corrected, Correction, Hindrance};
pub use reindex::Progress;

use crate::clock::{Chance, Millis, NoChance};
use crate::id::{NodeId, SubjectId};
use crate::policy::Policy;
use crate::store;
use crate::vault::{self, Blinds, DataKey, Vault};
use record::Link;

/// Why identifiers could not be resolved or admitted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// There was no randomness for a new subject ID.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// No identifier was stated.
    #[error("nobody is named")]
    Nobody,
}

impl Error {
    /// Whether somebody else changed the same at the same moment.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(store::Error::Conflict) | Self::Vault(vault::Error::Store(store::Error::Conflict)))
    }

    /// Whether somebody who is concerned was erased meanwhile.
    #[must_use]
    pub const fn is_shredded(&self) -> bool {
        matches!(self, Self::Vault(vault::Error::Shredded))
    }
}

/// A typed value that points to a subject. Two are equal if type and value are.
#[derive(Clone)]
pub struct Identifier {
    /// The type's index in the policy. Smaller is stronger.
    pub kind: usize,
    /// CRC-32 of the type's ID: its place in the policy may change.
    pub tag: u32,
    /// The normalised value. Never logged.
    pub value: String,
    /// Its blind forms at the moment in which it was read.
    pub blinds: Blinds,
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && self.value == other.value
    }
}

impl Eq for Identifier {}

impl std::fmt::Debug for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({}, …)", self.kind)
    }
}

/// What an event states about whose it is.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// Strongest first, each once.
    pub identifiers: Vec<Identifier>,
    /// Values that are no identifiers: the path, and why.
    pub refused: Vec<(String, Refusal)>,
}

/// An identifier in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeRef(pub u32);

/// A subject in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectRef(pub u32);

/// A stated identifier that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The type's index in the policy.
    pub kind: usize,
    /// The identifier.
    pub node: NodeRef,
    /// Whose it is.
    pub owner: SubjectRef,
}

/// What is known about stated identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Those that are known, in the order in which they were stated.
    pub nodes: Vec<Known>,
    /// The places of those that are not.
    pub unknown: Vec<usize>,
    /// Everybody whom one of them was ever stated together with, and who does not own it.
    pub linked: Vec<SubjectRef>,
}

/// What is known about the identifiers of one event of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The identifiers.
    pub resolved: Resolved,
    /// Whose the event is, if there is nothing to be admitted for it: it states one identifier, and that is known.
    pub whose: Option<SubjectId>,
}

/// What admitting needs.
pub struct Admission<'a> {
    /// For new data keys.
    pub vault: &'a Vault,
    /// For limits.
    pub policy: &'a Policy,
    /// For new subject IDs.
    pub chance: &'a Chance,
    /// When.
    pub at: Millis,
}

/// An identifier that becomes known.
struct Fresh {
    name: NodeId,
    blinds: Blinds,
    tag: u32,
    owner: SubjectId,
}

/// What memory must learn when a commit is durable.
#[derive(Default)]
pub struct Plan {
    /// The owner of the strongest stated identifier: whose event it is.
    pub subject: SubjectId,
    owners: Vec<SubjectId>,
    names: Vec<NodeId>,
    nodes: Vec<Fresh>,
    links: Vec<Link>,
    keys: Vec<(SubjectId, DataKey)>,
}

impl Plan {
    /// The owner of each stated identifier, in their order.
    #[must_use]
    pub fn owners(&self) -> &[SubjectId] {
        &self.owners
    }

    /// The name of each stated identifier, in their order.
    #[must_use]
    pub fn names(&self) -> &[NodeId] {
        &self.names
    }

    /// The data key of a subject that this plan makes; the vault knows it only when the commit is durable.
    #[must_use]
    pub fn data_key(&self, subject: SubjectId) -> Option<DataKey> {
        self.keys.iter().find(|(s, _)| *s == subject).map(|(_, key)| key.again())
    }

    /// The data keys that this plan makes, for the vault to learn.
    #[must_use]
    pub fn keys(&self) -> &[(SubjectId, DataKey)] {
        &self.keys
    }

    /// Whether there is nothing to write and nothing to learn.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.links.is_empty()
    }
}
