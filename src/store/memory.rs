//! The engine that forgets: a `BTreeMap`. It keeps the whole contract but durability.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::Error;
use super::engine::{Bytes, Engine, Group, Pair, Read};

#[derive(Default)]
pub(super) struct Memory(RwLock<State>);

#[derive(Default)]
struct State {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    streams: BTreeMap<(u8, u64), Bytes>,
    heads: BTreeMap<u8, u64>,
}

impl Engine for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.read().map.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let state = self.0.read();
        let found = state.map.range::<[u8], _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn apply(&self, group: Group) -> Result<(), Error> {
        let mut state = self.0.write();
        for (key, value) in group.writes {
            match value {
                Some(value) => drop(state.map.insert(key, value)),
                None => drop(state.map.remove(&key)),
            }
        }
        for append in group.appends {
            state.heads.insert(append.stream, append.chunk);
            state.streams.insert((append.stream, append.chunk), append.bytes);
        }
        for dropped in group.drops {
            state.streams.remove(&dropped);
        }
        Ok(())
    }

    fn begin(&self, stream: u8, chunk: u64) -> Result<(), Error> {
        self.0.write().heads.insert(stream, chunk.saturating_sub(1));
        Ok(())
    }

    fn heads(&self) -> Result<Vec<(u8, u64)>, Error> {
        Ok(self.0.read().heads.iter().map(|(stream, head)| (*stream, *head)).collect())
    }

    fn chunks(&self, stream: u8, from: u64, limit: usize) -> Result<Vec<Read>, Error> {
        let state = self.0.read();
        let found = state.streams.range((stream, from)..=(stream, u64::MAX)).take(limit);
        Ok(found.map(|((_, chunk), bytes)| (*chunk, Some(Bytes::clone(bytes)))).collect())
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}
