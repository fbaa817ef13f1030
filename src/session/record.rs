//! What is stored of sessions and tickets: keyed digests of their tokens, times, and what only the token opens.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::store::{Key, Record, Table};

/// Who is signed in.
pub(super) const SESSIONS: Table<Digest, Stored> = Table::new(b'q', "sessions");
/// What works once.
pub(super) const TICKETS: Table<Digest, Ticket> = Table::new(b'x', "tickets");

/// The keyed digest of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Digest(pub(super) [u8; 16]);

impl Key for Digest {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) kind: Kind,
    /// Whose it is, if that is known.
    #[serde(with = "maybe_holder")]
    pub(super) holder: Option<SubjectId>,
    pub(super) began_at: Millis,
    /// When it was last used, within [`super::SEEN_EVERY_MS`].
    pub(super) seen_at: Millis,
    /// The language that was chosen.
    pub(super) language: Option<String>,
    /// What it holds besides, sealed under the key of its token.
    #[serde(with = "hex::serde")]
    pub(super) sealed: Vec<u8>,
}

/// Something that works once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) until: Millis,
    pub(super) is_used: bool,
    /// The random ID of what was sent with it.
    #[serde(with = "hex::serde")]
    pub(super) about: [u8; 16],
    /// What it holds, sealed under the key of its token; nothing once it was used.
    #[serde(with = "hex::serde")]
    pub(super) sealed: Vec<u8>,
}

macro_rules! json_record {
    ($type:ty) => {
        impl Record for $type {
            const VERSION: u8 = 1;

            fn encode(&self, out: &mut Vec<u8>) {
                // It is made of texts and numbers alone.
                out.extend_from_slice(&serde_json::to_vec(self).unwrap_or_default());
            }

            fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
                json(bytes).filter(|_| version == Self::VERSION)
            }
        }
    };
}

json_record!(Stored);
json_record!(Ticket);

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

mod maybe_holder {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::id::SubjectId;

    #[expect(clippy::ref_option, reason = "serde asks for this form")]
    pub(super) fn serialize<S: Serializer>(holder: &Option<SubjectId>, to: S) -> Result<S::Ok, S::Error> {
        match holder {
            Some(holder) => to.serialize_some(&hex::encode(holder.0)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SubjectId>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_no_id| D::Error::custom("not an ID"))?;
        Ok(Some(SubjectId(bytes)))
    }
}
