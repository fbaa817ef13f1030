//! Tokens that may hide text or a hash: hex, base64 and base64url.

/// The shortest token that is looked into: four bytes in base64.
const SHORTEST: usize = 6;

/// Calls `f` with every token, and with the parts of tokens that separators divide.
pub(super) fn each(text: &str, mut f: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let length = run(bytes, at, |b| value(b) != NONE);
        if length >= SHORTEST {
            f(at, at + length);
            parts(bytes, at, at + length, &mut f);
        }
        at += length + 1;
    }
}

/// The parts of a token between `+`, `/`, `-` and `_`; all four are separators in words and digits in base64.
fn parts(bytes: &[u8], start: usize, end: usize, f: &mut impl FnMut(usize, usize)) {
    let mut at = start;
    while at < end {
        let length = run(bytes, at, |b| value(b) < 62).min(end - at);
        if length >= SHORTEST && length < end - start {
            f(at, at + length);
        }
        at += length + 1;
    }
}

fn run(bytes: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes.get(at..).map_or(0, |rest| rest.iter().take_while(|b| fits(**b)).count())
}

/// Whether the token is as long as an MD5, SHA-1 or SHA-256 hash in hex or base64.
pub(super) fn may_be_hash(token: &str) -> bool {
    matches!(token.len(), 22 | 27 | 32 | 40 | 43 | 64)
}

/// What the token stands for, as bytes.
pub(super) fn bytes(token: &str) -> impl Iterator<Item = Vec<u8>> {
    let from_base64 = if token.len() % 4 == 1 { None } else { Some(decoded(token).collect()) };
    hex::decode(token).ok().into_iter().chain(from_base64)
}

/// What the token stands for, where that is text of at least four bytes.
pub(super) fn texts(token: &str) -> impl Iterator<Item = String> {
    let from_hex = if is_texty_hex(token) { hex::decode(token).ok() } else { None };
    let from_base64 = if is_texty_base64(token) { Some(decoded(token).collect()) } else { None };
    from_hex.into_iter().chain(from_base64).filter_map(|bytes| String::from_utf8(bytes).ok())
}

fn is_texty_hex(token: &str) -> bool {
    token.len().is_multiple_of(2)
        && token.len() >= 8
        && token.bytes().step_by(2).all(|high| high.is_ascii_hexdigit() && !matches!(high, b'0' | b'1'))
        && token.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the token decodes to UTF-8 without control characters. The first bytes decide for nearly every word, and nothing is
/// allocated, so that words cost little.
fn is_texty_base64(token: &str) -> bool {
    let mut pending = 0_u8;
    token.len() % 4 != 1
        && decoded(token).all(|byte| {
            let (fits, next) = match byte {
                9 | 10 | 13 | 32..=126 => (pending == 0, 0),
                0x80..=0xBF => (pending > 0, pending.saturating_sub(1)),
                0xC2..=0xDF => (pending == 0, 1),
                0xE0..=0xEF => (pending == 0, 2),
                0xF0..=0xF4 => (pending == 0, 3),
                _ => (false, 0),
            };
            pending = next;
            fits
        })
        && pending == 0
}

/// The bytes of base64 or base64url without its padding. Every character is one of [`VALUES`].
fn decoded(token: &str) -> impl Iterator<Item = u8> {
    let mut buffer = 0_u32;
    let mut bits = 0_u32;
    token.bytes().filter_map(move |byte| {
        buffer = ((buffer << 6) | u32::from(value(byte) & 63)) & 0xFFFF;
        bits += 6;
        if bits < 8 {
            return None;
        }
        bits -= 8;
        u8::try_from((buffer >> bits) & 0xFF).ok()
    })
}

const NONE: u8 = 255;

const VALUES: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiling; the index is below 256")]
        #[expect(clippy::cast_possible_truncation, reason = "evaluated when compiling; the index is below 256")]
        {
            let b = byte as u8;
            table[byte] = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => NONE,
            };
        }
        byte += 1;
    }
    table
};

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NONE)
}
