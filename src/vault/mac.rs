//! Keyed digests: HMAC-SHA-256 (RFC 2104, FIPS 180-4).
//!
//! By `hmac` and `sha2`, not by `ring`: each event takes two or three of a block or two, for which `ring` 0.17 takes 200 ns and these 150,
//! and they wipe their keys.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use super::Secret;

/// A key that digests, made ready once. It is wiped when it is dropped, and has no debug form.
#[derive(Clone)]
pub(super) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(super) fn new(secret: &Secret) -> Self {
        // As long as a block of SHA-256, to which HMAC fills up what is shorter: no key has another length.
        let mut block = zeroize::Zeroizing::new([0; 64]);
        block.iter_mut().zip(secret.bytes()).for_each(|(place, byte)| *place = *byte);
        Self(Hmac::new((&*block).into()))
    }

    /// The digest of these, one behind the other.
    pub(super) fn whole<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
        self.of(pieces).finalize().into_bytes().into()
    }

    /// The same cut to 128 bits (RFC 2104, section 5), for what is looked up by it.
    pub(super) fn short<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
        self.whole(pieces).first_chunk().copied().unwrap_or_default()
    }

    /// Whether this is the digest. Takes as long whatever it is.
    pub(super) fn verify(&self, said: &[u8], digest: &[u8; 32]) -> bool {
        self.of([said]).verify(digest.into()).is_ok()
    }

    fn of<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        pieces.into_iter().for_each(|piece| mac.update(piece));
        mac
    }
}

#[cfg(test)]
mod tests {
    use hmac::digest::block_api::EagerHash;
    use proptest::prelude::*;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    /// Compiles only if the two crates are built so that they wipe: what a key has become in them is two states of the digest.
    const _: fn() = || {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<<Sha256 as EagerHash>::Core>();
    };

    proptest! {
        /// What an earlier version has stored is found by it, and other implementations agree with ours.
        #[test]
        fn it_is_the_digest_that_others_make(key: [u8; 32], pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4), flip: proptest::sample::Index) {
            let (ours, theirs) = (MacKey::new(&Secret::new(key)), ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key));
            let said = pieces.concat();
            let expected = ring::hmac::sign(&theirs, &said);
            let mut digest = ours.whole(pieces.iter().map(Vec::as_slice));
            prop_assert_eq!(digest.as_slice(), expected.as_ref());
            prop_assert_eq!(ours.short(pieces.iter().map(Vec::as_slice)), *digest.first_chunk::<16>().unwrap());
            prop_assert!(ours.verify(&said, &digest));
            digest[flip.index(32)] ^= 1;
            prop_assert!(!ours.verify(&said, &digest));
        }
    }
}
