//! Reading single members of JSON text that a [`serde_json::value::RawValue`] has already proved valid, without a tree.
//!
//! Nothing here checks grammar. On text that is not JSON it finds nothing or nonsense, and never panics.

use std::borrow::Cow;

/// The members of an object, in order: the key as it is written, quotes included, and the value. Nothing if it is no object.
pub(super) struct Members<'a> {
    text: &'a str,
    /// Where the next member begins, its comma or brace included.
    at: usize,
}

pub(super) fn members(raw: &str) -> Members<'_> {
    let at = if raw.starts_with('{') { 0 } else { raw.len() };
    Members { text: raw, at }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let key_at = past_space(bytes, self.at + 1);
        if bytes.get(key_at) != Some(&b'"') {
            self.at = bytes.len();
            return None;
        }
        let key_end = string_end(bytes, key_at);
        let value_at = past_space(bytes, past_space(bytes, key_end) + 1);
        let value_end = value_end(bytes, value_at);
        self.at = past_space(bytes, value_end);
        Some((self.text.get(key_at..key_end)?, self.text.get(value_at..value_end)?))
    }
}

/// The elements of an array, in order. Nothing if it is no array.
pub(super) fn elements(raw: &str) -> impl Iterator<Item = &str> {
    let bytes = raw.as_bytes();
    let mut at = if raw.starts_with('[') { 0 } else { bytes.len() };
    std::iter::from_fn(move || {
        let start = past_space(bytes, at + 1);
        if matches!(bytes.get(start), None | Some(b']')) {
            at = bytes.len();
            return None;
        }
        let end = value_end(bytes, start);
        at = past_space(bytes, end);
        raw.get(start..end)
    })
}

/// The value of the last member with this name.
pub(super) fn find<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    // Most look-ups find nothing, and this says so ten times faster than walking the members. A key can be written with
    // escapes, so text that has any is walked.
    if memchr::memmem::find(raw.as_bytes(), name.as_bytes()).is_none() && !has_escape(raw) {
        return None;
    }
    members(raw).filter(|(key, _)| key_is(key, name)).last().map(|(_, value)| value)
}

/// Whether a key, as it is written, means this name.
pub(super) fn key_is(key: &str, name: &str) -> bool {
    let plain = name.len() + 2;
    if key.len() == plain {
        return key.get(1..=name.len()) == Some(name);
    }
    // Escapes only make it longer.
    key.len() > plain && has_escape(key) && string(key).is_some_and(|key| key == name)
}

pub(super) fn has_escape(raw: &str) -> bool {
    memchr::memchr(b'\\', raw.as_bytes()).is_some()
}

/// A JSON string as it is written, without its quotes. `None` if it is something else.
pub(super) fn between_quotes(raw: &str) -> Option<&str> {
    if matches!(raw.as_bytes(), [b'"', .., b'"']) { raw.get(1..raw.len() - 1) } else { None }
}

/// The text of a JSON string. `None` if it is something else, or no text (a lone surrogate).
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = between_quotes(raw)?;
    if has_escape(inner) { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The text of a JSON string, or a number as it is written.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => string(raw),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

fn past_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Just after the closing quote of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        // Eight bytes at a time: skipping strings is nearly all that is done here.
        while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes) {
            let found = marks(eight, b'"') | marks(eight, b'\\');
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// The top bit of each byte that is `byte`; right up to the first, which is all that is asked.
const fn marks(eight: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zero_where_equal = eight ^ (ONES * byte as u64);
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & (ONES << 7)
}

/// Just after the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        Some(b'{' | b'[') => Nesting::walk(bytes, at, usize::MAX).end,
        _ => {
            let tail = bytes.get(at..).unwrap_or_default();
            let length = tail.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
            length.map_or(bytes.len(), |length| at + length)
        }
    }
}

/// How an object or array is built.
pub(super) struct Nesting {
    /// Just after its end, or where it became too deep.
    pub(super) end: usize,
    /// How many objects and arrays stand inside each other at the deepest place.
    pub(super) depth: usize,
    /// How many members its objects have together.
    pub(super) members: usize,
}

impl Nesting {
    /// How a value is built, down to where it is deeper than `depth_max`.
    pub(super) fn of(value: &str, depth_max: usize) -> Self {
        if value.starts_with(['{', '[']) {
            return Self::walk(value.as_bytes(), 0, depth_max);
        }
        Self { end: value.len(), depth: 0, members: 0 }
    }

    /// Walks the object or array that begins at `at` to its end, or to where it is deeper than `depth_max`.
    pub(super) fn walk(bytes: &[u8], mut at: usize, depth_max: usize) -> Self {
        let mut now = 0_usize;
        let mut seen = Self { end: bytes.len(), depth: 0, members: 0 };
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    at = string_end(bytes, at);
                    continue;
                }
                b'{' | b'[' => {
                    now += 1;
                    seen.depth = seen.depth.max(now);
                }
                b'}' | b']' => now = now.saturating_sub(1),
                b':' => seen.members += 1,
                _ => {}
            }
            at += 1;
            if now == 0 || now > depth_max {
                seen.end = at;
                break;
            }
        }
        seen
    }
}

/// How often an object or array opens in the text. Strings count as well, so this is an upper bound of what the grammar sees; it costs next
/// to nothing, and clears nearly every event of all suspicion.
pub(super) fn openings(raw: &str) -> usize {
    // In pieces that a byte can count, which lets the compiler count sixteen at a time.
    let of_piece = |piece: &[u8]| piece.iter().fold(0_u8, |sum, byte| sum.wrapping_add(u8::from(byte | 0x20 == b'{')));
    raw.as_bytes().chunks(255).map(|piece| usize::from(of_piece(piece))).sum()
}

/// An escape that no text can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadEscape {
    /// U+0000.
    Nul,
    /// Half of a surrogate pair.
    LoneSurrogate,
}

impl BadEscape {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Nul => "has a NUL character",
            Self::LoneSurrogate => "has half of a surrogate pair",
        }
    }
}

/// The first escape that no text can hold. The JSON grammar allows both, and what comes later would stumble.
pub(super) fn bad_escape(raw: &str) -> Option<BadEscape> {
    let bytes = raw.as_bytes();
    let mut from = 0;
    while let Some(found) = raw.get(from..).and_then(|tail| tail.find('\\')) {
        let at = from + found;
        from = at + 2;
        if bytes.get(at + 1) != Some(&b'u') {
            continue;
        }
        match hex4(bytes, at + 2) {
            Some(0) => return Some(BadEscape::Nul),
            Some(0xD800..=0xDBFF) if is_low_surrogate(bytes, at + 6) => from = at + 12,
            Some(0xD800..=0xDFFF) => return Some(BadEscape::LoneSurrogate),
            _ => from = at + 6,
        }
    }
    None
}

fn is_low_surrogate(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + 2) == Some(b"\\u") && matches!(hex4(bytes, at + 2), Some(0xDC00..=0xDFFF))
}

fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}
