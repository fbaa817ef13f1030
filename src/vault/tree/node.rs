//! The nodes of the key tree: many keys, sealed together under the node's own key.
//!
//! Plain: a bitmap of the places that hold a key (bit 0 of byte 0 is place 0), then these keys, 32 bytes each, in order.

use zeroize::Zeroizing;

use super::super::keys::Secret;
use super::super::{DataKey, Error};

const KEY_BYTES: usize = 32;

/// Keys in numbered places, some of them empty.
pub(super) struct Node(Vec<Option<Secret>>);

impl Node {
    /// A node of so many empty places; a multiple of eight.
    pub(super) fn empty(places: usize) -> Self {
        Self((0..places).map(|_| None).collect())
    }

    pub(super) fn get(&self, place: usize) -> Option<&Secret> {
        self.0.get(place)?.as_ref()
    }

    /// Puts a key into a place, or empties it. A place that the node does not have stays what it is: nothing.
    pub(super) fn set(&mut self, place: usize, key: Option<Secret>) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = key;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The keys with their places, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = (usize, &Secret)> {
        self.0.iter().enumerate().filter_map(|(place, key)| Some((place, key.as_ref()?)))
    }

    /// The node as it is stored. `aad` says which node it is.
    ///
    /// # Errors
    /// Without randomness.
    pub(super) fn seal(&self, key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, Error> {
        let held = self.0.iter().flatten().count();
        let mut plain = Zeroizing::new(Vec::with_capacity(self.0.len() / 8 + held * KEY_BYTES));
        for eight in self.0.chunks(8) {
            plain.push(eight.iter().enumerate().fold(0_u8, |bits, (bit, key)| bits | u8::from(key.is_some()) << bit));
        }
        self.0.iter().flatten().for_each(|key| plain.extend_from_slice(key.bytes()));
        key.seal(aad, &plain)
    }

    /// Opens what [`Node::seal`] made for the same `aad`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is sealed with another key or for another place, or is not a node of so many places.
    pub(super) fn open(places: usize, key: &DataKey, aad: &[u8], sealed: &[u8]) -> Result<Self, Error> {
        let plain = Zeroizing::new(key.open(aad, sealed)?);
        let (bits, keys) = plain.split_at_checked(places / 8).ok_or(Error::Unreadable)?;
        let (keys, rest) = keys.as_chunks::<KEY_BYTES>();
        let mut keys = keys.iter();
        let mut node = Self::empty(places);
        for (place, slot) in node.0.iter_mut().enumerate() {
            if bits.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1) {
                *slot = Some(Secret::new(*keys.next().ok_or(Error::Unreadable)?));
            }
        }
        if keys.next().is_none() && rest.is_empty() { Ok(node) } else { Err(Error::Unreadable) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_the_same(held in proptest::collection::btree_map(0_usize..128, any::<[u8; 32]>(), 0..=128), cut in any::<usize>()) {
            let key = || DataKey::new(Secret::new([7; 32]));
            let mut node = Node::empty(128);
            held.iter().for_each(|(place, bytes)| node.set(*place, Some(Secret::new(*bytes))));
            let sealed = node.seal(&key(), b"here").unwrap();
            let opened = Node::open(128, &key(), b"here", &sealed).unwrap();
            let found: std::collections::BTreeMap<usize, [u8; 32]> = opened.keys().map(|(place, key)| (place, *key.bytes())).collect();
            prop_assert_eq!(&found, &held);
            prop_assert_eq!(opened.is_empty(), held.is_empty());
            prop_assert!(Node::open(128, &key(), b"there", &sealed).is_err());
            prop_assert!(Node::open(128, &key(), b"here", &sealed[..cut % sealed.len()]).is_err());
        }
    }
}
