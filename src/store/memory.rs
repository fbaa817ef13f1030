//! The engine that forgets: a `BTreeMap`. It keeps the whole contract but durability.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::Error;
use super::engine::{Engine, Pair, Write};

#[derive(Default)]
pub(super) struct Memory(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Error> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let map = self.0.read();
        let found = map.range::<[u8], _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), Error> {
        let mut map = self.0.write();
        for (key, value) in writes {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        Ok(())
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}
