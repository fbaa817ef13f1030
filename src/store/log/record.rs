//! One chunk as it stands in a log file: a header, and the bytes.

/// The length of a header.
pub(super) const HEADER: usize = 20;
/// What every record begins with; the last byte is the version of the layout.
const MAGIC: [u8; 4] = *b"pfL2";
/// Where the checksum ends: it covers what comes behind it.
const SUMMED: usize = 8;

/// The header: magic, CRC-32 (IEEE) of the rest, chunk, length; little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The chunk's number.
    pub(super) chunk: u64,
    /// How many bytes follow.
    pub(super) length: u32,
}

/// Writes a chunk to the end of `out`.
pub(super) fn write(chunk: u64, payload: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&chunk.to_le_bytes());
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(payload);
    let sum = crc32fast::hash(out.get(begin + SUMMED..).unwrap_or_default()).to_le_bytes();
    if let Some(place) = out.get_mut(begin + MAGIC.len()..begin + SUMMED) {
        place.copy_from_slice(&sum);
    }
}

impl Header {
    /// Reads a header, without a look at the payload.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?.get(4..)?;
        let (chunk, rest) = rest.split_first_chunk()?;
        let length = rest.first_chunk()?;
        Some(Self { chunk: u64::from_le_bytes(*chunk), length: u32::from_le_bytes(*length) })
    }

    /// The first record of `bytes`, if it is whole and sound.
    pub(super) fn check(bytes: &[u8]) -> Option<Self> {
        let header = Self::read(bytes)?;
        let end = HEADER.checked_add(usize::try_from(header.length).ok()?)?;
        let sum: [u8; 4] = *bytes.get(MAGIC.len()..)?.first_chunk()?;
        let whole = bytes.get(SUMMED..end)?;
        (crc32fast::hash(whole) == u32::from_le_bytes(sum)).then_some(header)
    }

    /// How much the record takes in the file.
    pub(super) fn record_bytes(&self) -> u64 {
        HEADER as u64 + u64::from(self.length)
    }
}
