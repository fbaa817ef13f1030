//! Typed tables over the store: a room declares `const OWNERS: Table<Blind, Owner> = Table::new(b'I', "identifiers")`.

use std::marker::PhantomData;

use super::{Batch, Error, Store};

/// How a key is written behind its table's tag. The order of bytes is the order of scans.
pub trait Key: Sized {
    /// Writes the key.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads it back; `None` if the bytes are no key.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// How a value is written behind its version byte.
pub trait Record: Sized {
    /// The version that [`Record::encode`] writes.
    const VERSION: u8;
    /// Writes the value.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads a value of the given version; `None` if it is none.
    fn decode(version: u8, bytes: &[u8]) -> Option<Self>;
}

/// A table: a tag that no other table has, and the types of its keys and values.
pub struct Table<K, V> {
    tag: u8,
    name: &'static str,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Record> Table<K, V> {
    /// A table with a tag of its own.
    #[must_use]
    pub const fn new(tag: u8, name: &'static str) -> Self {
        Self { tag, name, types: PhantomData }
    }

    /// What it is called in messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The bytes of a key.
    #[must_use]
    pub fn key(&self, key: &K) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        bytes.push(self.tag);
        key.encode(&mut bytes);
        bytes
    }

    /// The bytes of a value.
    #[must_use]
    pub fn value(&self, value: &V) -> Vec<u8> {
        let mut bytes = vec![V::VERSION];
        value.encode(&mut bytes);
        bytes
    }

    /// The value under a key.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not of the table's type.
    pub fn get(&self, store: &Store, key: &K) -> Result<Option<V>, Error> {
        store.get(&self.key(key))?.map(|bytes| self.read(&bytes)).transpose()
    }

    /// Writes a value.
    pub fn put(&self, batch: &mut Batch, key: &K, value: &V) {
        batch.put(self.key(key), self.value(value));
    }

    /// Removes a value.
    pub fn delete(&self, batch: &mut Batch, key: &K) {
        batch.delete(self.key(key));
    }

    /// Up to `limit` records whose keys begin with `prefix` (behind the tag), strictly after `after`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a record is not of the table's types.
    pub fn scan(&self, store: &Store, prefix: &[u8], after: Option<&K>, limit: usize) -> Result<Vec<(K, V)>, Error> {
        let mut begin = vec![self.tag];
        begin.extend_from_slice(prefix);
        let after = after.map(|key| self.key(key));
        let found = store.scan(&begin, after.as_deref(), limit)?;
        found
            .into_iter()
            .map(|(key, value)| {
                let key = key.get(1..).and_then(K::decode).ok_or_else(|| self.strange())?;
                Ok((key, self.read(&value)?))
            })
            .collect()
    }

    fn read(&self, bytes: &[u8]) -> Result<V, Error> {
        let (version, rest) = bytes.split_first().ok_or_else(|| self.strange())?;
        V::decode(*version, rest).ok_or_else(|| self.strange())
    }

    fn strange(&self) -> Error {
        Error::Damaged { what: format!("a record of table {} is of no known form", self.name) }
    }
}
