//! What is kept of letters: those that wait, sealed, and what became of each, without a word of them.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::clock::Millis;
use crate::id::SubjectId;
use crate::store::{Key, Record, Table};

/// Letters that wait to be sent.
pub(super) const WAITING: Table<LetterId, Waiting> = Table::new(b'm', "letters that wait");
/// What became of letters.
pub(super) const TRACES: Table<LetterId, Trace> = Table::new(b'w', "what became of letters");

/// Names a letter: what it is about, and random bits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LetterId {
    /// The random ID of what it is about.
    pub(super) about: [u8; 16],
    /// Its own.
    pub(super) own: [u8; 16],
}

impl LetterId {
    /// Whose key seals it: its own, shredded when it is sent.
    pub(super) const fn holder(self) -> SubjectId {
        SubjectId(self.own)
    }

    /// What it is sealed for.
    pub(super) fn aad(self) -> Vec<u8> {
        [b"letter".as_slice(), &self.about, &self.own].concat()
    }

    /// What its file is called.
    pub(super) fn name(self) -> String {
        format!("{}-{}", hex::encode(self.about), hex::encode(self.own))
    }

    /// Reads the name back.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (about, own) = name.split_once('-')?;
        let mut id = Self { about: [0; 16], own: [0; 16] };
        hex::decode_to_slice(about, &mut id.about).ok()?;
        hex::decode_to_slice(own, &mut id.own).ok()?;
        Some(id)
    }
}

impl Key for LetterId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.about);
        out.extend_from_slice(&self.own);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (about, own) = bytes.split_first_chunk()?;
        Some(Self { about: *about, own: own.try_into().ok()? })
    }
}

/// A letter that waits. Nothing in the head is personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// What is known without opening it.
    pub(super) head: Head,
    /// The letter, sealed; empty when it has ended and only its key is left to be shredded.
    pub(super) sealed: Vec<u8>,
}

/// What is known of a letter without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// What kind of letter it is, as a code.
    pub(super) kind: String,
    /// When it was queued.
    pub(super) queued_at: Millis,
    /// When it is given up.
    pub(super) until: Millis,
    /// Whether it is the last one about this.
    pub(super) is_last: bool,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// When it is due.
    pub(super) next_at: Millis,
    /// Why it was not sent yet, as a code.
    pub(super) reason: Option<String>,
}

impl Record for Waiting {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        // It is made of texts and numbers alone.
        let head = serde_json::to_vec(&self.head).unwrap_or_default();
        out.extend_from_slice(&u32::try_from(head.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.sealed);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>().filter(|_| version == Self::VERSION)?;
        let (head, sealed) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        Some(Self { head: json(head)?, sealed: sealed.to_vec() })
    }
}

/// Where a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = MailState)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits; if it was tried before, `reason` says why it was not taken.
    Waiting,
    /// The mail server has taken it.
    Sent,
    /// It lies in the folder of mails, because there is no mail server.
    Written,
    /// It was not and will not be sent.
    Failed,
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What kind of letter it is, as a code.
    pub kind: String,
    /// Where it is.
    pub state: State,
    /// When that was so.
    pub at: Millis,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not sent, as a code.
    pub reason: Option<String>,
}

impl Record for Trace {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        // The same.
        out.extend_from_slice(&serde_json::to_vec(self).unwrap_or_default());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        json(bytes).filter(|_| version == Self::VERSION)
    }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let id = LetterId { about: [7; 16], own: [9; 16] };
        assert_eq!(LetterId::parse(&id.name()), Some(id));
        assert_eq!(LetterId::parse("../x"), None);
        let mut bytes = Vec::new();
        id.encode(&mut bytes);
        assert_eq!(LetterId::decode(&bytes), Some(id));
        let kind = String::from("received");
        let head = Head { kind, queued_at: 1, until: 9, is_last: true, attempts: 2, next_at: 5, reason: None };
        let waiting = Waiting { head, sealed: vec![0, 1, 255] };
        bytes.clear();
        waiting.encode(&mut bytes);
        assert_eq!(Waiting::decode(1, &bytes), Some(waiting));
        assert_eq!(Waiting::decode(2, &bytes), None);
        assert_eq!(Waiting::decode(1, &bytes[..9]), None);
    }
}
