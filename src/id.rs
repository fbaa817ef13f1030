//! The identifiers of the gateway's own making.

use std::fmt;

/// 128 random bits that name a person inside the gateway. It never leaves: what others see is a [`CustomerId`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectId(pub [u8; 16]);

/// The lasting name of an identifier: 128 random bits, drawn when it is first admitted. Records refer to it, and it says nothing about
/// the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub [u8; 16]);

/// The blind form by which an identifier is found: HMAC-SHA-256(index key of an epoch, type ‖ normalised value), cut to 128 bits. No
/// record but the index holds it, so that it can change.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Blind(pub [u8; 16]);

/// The pseudonym of a subject in one domain (pairwise pseudonymous identifier, `OpenID` Connect Core 8.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(pub [u8; 16]);

impl CustomerId {
    /// The written form starts with this, so that a reader sees what it is.
    pub const PREFIX: &'static str = "cus_";

    /// Reads the written form; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let mut bytes = [0_u8; 16];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// None of these may reach a log, so their debug form says nothing.
impl fmt::Debug for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectId(…)")
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeId(…)")
    }
}

impl fmt::Debug for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blind(…)")
    }
}
