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

/// What stands before a chunk.
pub(super) fn header(chunk: u64, payload: &[u8]) -> [u8; HEADER] {
    let (number, length) = (chunk.to_le_bytes(), u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    [number.as_slice(), &length, payload].into_iter().for_each(|part| sum.update(part));
    let sum = sum.finalize().to_le_bytes();
    let mut out = [0; HEADER];
    for (slot, byte) in out.iter_mut().zip([MAGIC.as_slice(), &sum, &number, &length].into_iter().flatten()) {
        *slot = *byte;
    }
    out
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
