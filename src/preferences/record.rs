//! What is stored of what people state: what stands now, and a bounded history, both sealed under the subject's data key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Millis;
use crate::id::{NodeId, SubjectId};
use crate::store::{Key, Table};
use crate::vault::Sealed;

/// What a subject stated, as it stands.
pub(super) const STATED: Table<Whose, Sealed> = Table::new(b'p', "preferences");
/// What was stated when, from where.
pub(super) const HISTORY: Table<Entry, Sealed> = Table::new(b'd', "history of preferences");

/// How many changes of one subject are remembered.
pub(super) const HISTORY_MAX: u32 = 100;
/// How many identifiers are remembered with a statement.
pub(super) const NAMES_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whose(pub(super) SubjectId);

impl Key for Whose {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(SubjectId(bytes.try_into().ok()?)))
    }
}

/// The key of a change. Invariant: numbers count up within a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) subject: SubjectId,
    pub(super) number: u32,
}

impl Key for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.number.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (subject, number) = bytes.split_first_chunk::<16>()?;
        Some(Self { subject: SubjectId(*subject), number: u32::from_be_bytes(number.try_into().ok()?) })
    }
}

/// What a sealed record belongs to.
pub(super) fn aad(table: &[u8], subject: SubjectId, number: u32) -> Vec<u8> {
    [table, &subject.0, &number.to_be_bytes()].concat()
}

/// Something that somebody stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// The value; `null` if it was taken away, so that an older one somewhere else does not count again.
    #[serde(rename = "v")]
    pub(super) value: Value,
    /// When, by the server's clock.
    #[serde(rename = "t")]
    pub(super) at: Millis,
    /// Through which source.
    #[serde(rename = "s")]
    pub(super) source: String,
    /// The identifiers that it was stated with: it may be used as far as what they allow.
    #[serde(rename = "n", with = "names")]
    pub(super) names: Vec<NodeId>,
}

/// What a subject stated, by what it is about: a preference's ID, or a channel's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// How often it was changed.
    #[serde(rename = "r")]
    pub(super) number: u32,
    #[serde(rename = "a")]
    pub(super) said: BTreeMap<String, Said>,
}

/// One change, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(rename = "t")]
    pub(super) at: Millis,
    #[serde(rename = "s")]
    pub(super) source: String,
    /// Who recorded it, as the source calls them.
    #[serde(rename = "w")]
    pub(super) actor: Option<String>,
    /// What it was about, and the new value; `null` if it was taken away.
    #[serde(rename = "c")]
    pub(super) changes: BTreeMap<String, Value>,
}

mod names {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::id::NodeId;

    pub(super) fn serialize<S: Serializer>(list: &[NodeId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|name| hex::encode(name.0)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<NodeId>, D::Error> {
        let read = |text: &String| {
            let mut bytes = [0; 16];
            hex::decode_to_slice(text, &mut bytes).map(|()| NodeId(bytes)).map_err(D::Error::custom)
        };
        Vec::<String>::deserialize(from)?.iter().map(read).collect()
    }
}
