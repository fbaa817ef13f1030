//! One chunk as it stands in a log file: a header that says which group it belongs to, and the bytes.

/// The length of a header.
pub(super) const HEADER: usize = 40;
/// How many streams one group can append to.
pub(crate) const STREAMS_MAX: usize = 7;
/// What every record begins with; the last byte is the version of the layout.
const MAGIC: [u8; 4] = *b"pfL1";
/// Where the checksum ends: it covers what comes behind it.
const SUMMED: usize = 8;

/// The header: magic, CRC-32 (IEEE) of the rest, group, chunk, length, rest, keyed, streams; little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The group commit. Invariant: counts up over all streams.
    pub(super) group: u64,
    /// The chunk's number.
    pub(super) chunk: u64,
    /// How many bytes follow.
    pub(super) length: u32,
    /// How many records of the same group follow in this file.
    pub(super) rest: u32,
    /// Whether the group also writes keys, and happened only if those say so.
    pub(super) keyed: bool,
    /// The streams that the group appends to, filled up with zeros.
    pub(super) streams: [u8; STREAMS_MAX],
}

impl Header {
    /// Writes header and payload to the end of `out`.
    pub(super) fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.group.to_le_bytes());
        out.extend_from_slice(&self.chunk.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.rest.to_le_bytes());
        out.push(u8::from(self.keyed));
        out.extend_from_slice(&self.streams);
        out.extend_from_slice(payload);
        let sum = crc32fast::hash(out.get(begin + SUMMED..).unwrap_or_default()).to_le_bytes();
        if let Some(place) = out.get_mut(begin + MAGIC.len()..begin + SUMMED) {
            place.copy_from_slice(&sum);
        }
    }

    /// Reads a header, without a look at the payload.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?.get(4..)?;
        let (group, rest) = rest.split_first_chunk()?;
        let (chunk, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (follow, rest) = rest.split_first_chunk()?;
        let (keyed, rest) = rest.split_first()?;
        Some(Self {
            group: u64::from_le_bytes(*group),
            chunk: u64::from_le_bytes(*chunk),
            length: u32::from_le_bytes(*length),
            rest: u32::from_le_bytes(*follow),
            keyed: *keyed != 0,
            streams: *rest.first_chunk()?,
        })
    }

    /// The first record of `bytes` and how long it is, if it is whole and sound.
    pub(super) fn check(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let header = Self::read(bytes)?;
        let end = HEADER.checked_add(usize::try_from(header.length).ok()?)?;
        let sum: [u8; 4] = *bytes.get(MAGIC.len()..)?.first_chunk()?;
        let whole = bytes.get(SUMMED..end)?;
        (crc32fast::hash(whole) == u32::from_le_bytes(sum)).then_some(())?;
        Some((header, bytes.get(HEADER..end)?))
    }

    /// How much the record takes in the file.
    pub(super) fn record_bytes(&self) -> u64 {
        HEADER as u64 + u64::from(self.length)
    }
}

/// The groups of sound records anywhere in `bytes`: what lies behind a place where reading had to stop.
pub(super) fn groups_behind(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memchr::memmem::find_iter(bytes, &MAGIC).filter_map(|at| Header::check(bytes.get(at..)?).map(|(header, _)| header.group))
}
