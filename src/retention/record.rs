//! What is kept of the runs: figures, nothing personal.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::store::{Key, Record, Table};

/// The latest run.
pub(super) const RUNS: Table<Latest, Run> = Table::new(b'Z', "retention runs");

/// There is one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Latest;

impl Key for Latest {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(Self)
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub begun_at: Millis,
    /// When it ended; `None` while it is under way.
    pub ended_at: Option<Millis>,
    /// How many people were let go because nothing was left to be kept of them.
    pub people: u64,
    /// Of how many people what a duty had kept went, because its last day was over.
    pub duties_ended: u64,
    /// Of how many people something is still kept for a duty; who is kept for two counts twice.
    pub duties_held: u64,
}

impl Record for Run {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&serde_json::to_vec(self).unwrap_or_default());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|_| version == Self::VERSION)
    }
}
