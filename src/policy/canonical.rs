//! Texts in their one form (RFC 8785), and the name that it gives them: what was hashed can be kept, and checked by anybody.

use ring::digest::{SHA256, digest};
use serde::Serialize;

/// The one form of something that is made of texts, whole numbers and lists.
pub(super) fn canonical(value: &impl Serialize) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// SHA-256 of a text's bytes, in hex. Of a canonical form it is the version of a policy, or the hash of a notice.
#[must_use]
pub fn hash(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}
