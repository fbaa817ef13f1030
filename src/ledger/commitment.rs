//! What stands in a leaf: a hash over a random salt and a record. The room that owns the record keeps both, sealed.

use ring::digest::{Context, SHA256};

/// How long a salt is: 256 bits, so that nobody who guesses the record can confirm it.
pub const SALT_BYTES: usize = 32;

/// A commitment to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// SHA-256("pforte/v1/commitment/" ‖ kind ‖ 0 ‖ salt ‖ record). `kind` says what the record is about, so that a record of one
    /// kind is never taken for one of another. Invariant: a kind holds no NUL.
    #[must_use]
    pub fn of(kind: &str, salt: &[u8; SALT_BYTES], record: &[u8]) -> Self {
        let mut digest = Context::new(&SHA256);
        for part in [b"pforte/v1/commitment/", kind.as_bytes(), &[0], salt, record] {
            digest.update(part);
        }
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}
