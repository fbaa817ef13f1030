//! Every stored value carries a checksum over its key and itself: a flipped bit, or a value under the wrong key, is noticed.

use super::Error;

/// The layout of a frame: this byte, CRC-32 (IEEE, little endian), payload.
const LAYOUT: u8 = 1;
/// How much a frame adds to a value.
pub(super) const OVERHEAD: usize = 5;

/// Frames a value for its key.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(OVERHEAD + payload.len());
    framed.push(LAYOUT);
    framed.extend_from_slice(&checksum(key, payload).to_le_bytes());
    framed.extend_from_slice(payload);
    framed
}

/// The value of a frame.
pub(super) fn open(key: &[u8], mut framed: Vec<u8>) -> Result<Vec<u8>, Error> {
    let sound = match framed.split_first_chunk::<OVERHEAD>() {
        Some((&[LAYOUT, a, b, c, d], payload)) => checksum(key, payload) == u32::from_le_bytes([a, b, c, d]),
        _ => false,
    };
    if !sound {
        let table = key.first().map_or('?', |tag| char::from(*tag));
        return Err(Error::Damaged { what: format!("a record of table {table:?} does not match its checksum") });
    }
    framed.drain(..OVERHEAD);
    Ok(framed)
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}
