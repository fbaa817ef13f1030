//! Tokens that may hide text or a hash: hex, base64 and base64url.

/// The shortest token that is looked into: four bytes in base64.
const SHORTEST: usize = 6;

/// Calls `f` with the places of every token: from its start and from behind every `+`, `/`, `-` and `_` to its end, and up to the
/// next of them. All four are separators in words and digits in base64.
pub(super) fn each(text: &str, mut f: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + run(bytes, at, |b| value(b) != NONE);
        while end.saturating_sub(at) >= SHORTEST {
            f(at, end);
            let part = run(bytes, at, |b| value(b) < 62);
            if part >= SHORTEST && at + part < end {
                f(at, at + part);
            }
            at += part + 1;
        }
        at = at.max(end + 1);
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

/// What hex stands for, where that is text.
pub(super) fn hex_text(token: &str) -> Option<String> {
    if is_texty_hex(token) { String::from_utf8(hex::decode(token).ok()?).ok() } else { None }
}

/// What base64 stands for, as far as that is text, and how many characters of the token that took.
pub(super) fn base64_text(token: &str) -> Option<(String, usize)> {
    let length = texty_bytes(token);
    let whole = token.len() % 4 != 1 && length == token.len() * 3 / 4;
    // A few bytes are text by chance.
    if length < if whole { 4 } else { 6 } {
        return None;
    }
    let text = String::from_utf8(decoded(token).take(length).collect()).ok()?;
    Some((text, (length * 4).div_ceil(3)))
}

fn is_texty_hex(token: &str) -> bool {
    token.len().is_multiple_of(2)
        && token.len() >= 8
        && token.bytes().step_by(2).all(|high| high.is_ascii_hexdigit() && !matches!(high, b'0' | b'1'))
        && token.bytes().all(|b| b.is_ascii_hexdigit())
}

/// How many of the first bytes in base64 are UTF-8 without control characters. The first bytes decide for nearly every word, and
/// nothing is allocated, so that words cost little.
fn texty_bytes(token: &str) -> usize {
    let mut pending = 0_u8;
    let (mut length, mut whole) = (0, 0);
    for byte in decoded(token) {
        let (fits, next) = match byte {
            9 | 10 | 13 | 32..=126 => (pending == 0, 0),
            0x80..=0xBF => (pending > 0, pending.saturating_sub(1)),
            0xC2..=0xDF => (pending == 0, 1),
            0xE0..=0xEF => (pending == 0, 2),
            0xF0..=0xF4 => (pending == 0, 3),
            _ => (false, 0),
        };
        if !fits {
            break;
        }
        pending = next;
        length += 1;
        if pending == 0 {
            whole = length;
        }
    }
    whole
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
