//! Tokens that may hide text or a hash: hex, base64 and base64url.

use super::find;

/// The shortest token that is looked into: four bytes in base64.
const SHORTEST: usize = 6;

/// The shortest hash that is looked for: MD5 in base64.
pub(super) const HASH_LEAST: usize = 22;

/// Calls `f` with the places of every token: from its start and from behind every `+`, `/`, `-` and `_`, to its end, to the next
/// of them, and to the next that is no digit of the same alphabet. All four are separators in words; `+` and `/` are digits in
/// base64, `-` and `_` in base64url.
pub(super) fn each(text: &str, mut f: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if value(*byte) == NONE {
            if at - start >= SHORTEST {
                starts(bytes, start, at, &mut f);
            }
            start = at + 1;
        }
    }
    if bytes.len().saturating_sub(start) >= SHORTEST {
        starts(bytes, start, bytes.len(), &mut f);
    }
}

fn starts(bytes: &[u8], start: usize, end: usize, f: &mut impl FnMut(usize, usize)) {
    let mut at = start;
    // Kept from start to start, so that a text of nothing but separators stays cheap.
    let (mut standard, mut url_safe) = (start, start);
    while end.saturating_sub(at) >= SHORTEST {
        // The most common token that is neither a word nor hides one.
        if find::is_uuid(bytes, at) {
            at += 37;
            continue;
        }
        let next = at + run(bytes, at, |b| value(b) < 62);
        f(at, end);
        if next < end {
            if standard <= at {
                standard = at + run(bytes, at, |b| value(b) != NONE && !matches!(b, b'-' | b'_'));
            }
            if url_safe <= at {
                url_safe = at + run(bytes, at, |b| value(b) != NONE && !matches!(b, b'+' | b'/'));
            }
            for stop in [next, standard, url_safe] {
                if stop < end && stop >= at + SHORTEST {
                    f(at, stop);
                }
            }
        }
        at = next + 1;
    }
}

/// Whether a token is worth a closer look: few words are.
pub(super) fn is_suspect(token: &str) -> bool {
    let hex = token.len() >= 8 && token.len().is_multiple_of(2) && token.bytes().take(4).all(|b| b.is_ascii_hexdigit());
    hex || matches!(token.len(), 22 | 27 | 43) || may_be_text(token.as_bytes())
}

fn run(bytes: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes.get(at..).map_or(0, |rest| rest.iter().take_while(|b| fits(**b)).count())
}

/// The bytes of the token if it looks like an MD5, SHA-1 or SHA-256 hash, in hex or base64.
pub(super) fn hash(token: &str) -> Option<Vec<u8>> {
    match token.len() {
        32 | 40 | 64 => hex::decode(token).ok(),
        // Of hashes in base64, one in a hundred thousand is without capitals or without small letters; of UUIDs, all are.
        22 | 27 | 43 => {
            let has = |fits: fn(&u8) -> bool| token.as_bytes().iter().any(fits);
            (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)).then(|| decoded(token).collect())
        }
        _ => None,
    }
}

/// What hex stands for, where that is text.
pub(super) fn hex_text(token: &str) -> Option<String> {
    if is_texty_hex(token) { String::from_utf8(hex::decode(token).ok()?).ok() } else { None }
}

/// What base64 stands for, as far as that is text, and how many characters of the token that took.
pub(super) fn base64_text(token: &str) -> Option<(String, usize)> {
    if !may_be_text(token.as_bytes()) {
        return None;
    }
    let length = texty_bytes(token);
    let whole = token.len() % 4 != 1 && length == token.len() * 3 / 4;
    // A few bytes are text by chance.
    if length < if whole { 4 } else { 6 } {
        return None;
    }
    let text = String::from_utf8(decoded(token).take(length).collect()).ok()?;
    Some((text, (length * 4).div_ceil(3)))
}

/// Whether the first three bytes in base64 can begin a text. It says no to nineteen words of twenty.
pub(super) fn may_be_text(token: &[u8]) -> bool {
    let Some([a, b, c, d]) = token.first_chunk::<4>() else { return false };
    let (a, b, c, d) = (value(*a), value(*b), value(*c), value(*d));
    let [first, second, third] = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    match first {
        9 | 10 | 13 | 32..=126 => is_start(second) && (is_start(third) || (second >= 0xC2 && third >= 0x80)),
        0xC2..=0xF4 => (0x80..0xC0).contains(&second),
        _ => false,
    }
}

const fn is_start(byte: u8) -> bool {
    matches!(byte, 9 | 10 | 13 | 32..=126 | 0xC2..=0xF4)
}

fn is_texty_hex(token: &str) -> bool {
    token.len().is_multiple_of(2)
        && token.len() >= 8
        && token.bytes().all(|b| b.is_ascii_hexdigit())
        && token.bytes().step_by(2).all(|high| !matches!(high, b'0' | b'1'))
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
