//! Reads JSON that was already checked, as slices: nothing is copied and numbers keep their digits.
//!
//! On text that is not JSON after all, everything here ends early and never panics.

use std::borrow::Cow;

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// The start of a value.
pub(super) enum Value<'a> {
    /// `{`; members follow.
    Object,
    /// `[`; elements follow.
    Array,
    /// The inside of a string, escapes still in it, and whether there are any.
    Text(&'a str, bool),
    /// A number, `true`, `false` or `null`.
    Plain(&'a str),
}

impl<'a> Cursor<'a> {
    /// At the start of the text.
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Steps over `byte` if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads a string, or the start of any other value.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'{' => {
                self.at += 1;
                Some(Value::Object)
            }
            b'[' => {
                self.at += 1;
                Some(Value::Array)
            }
            b'"' => self.string().map(|(text, escaped)| Value::Text(text, escaped)),
            _ => self.plain().map(Value::Plain),
        }
    }

    fn plain(&mut self) -> Option<&'a str> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..)?;
        self.at += rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')).count();
        self.text.get(start..self.at).filter(|plain| !plain.is_empty())
    }

    /// Reads the inside of a string, and whether it has escapes.
    pub(super) fn string(&mut self) -> Option<(&'a str, bool)> {
        if !self.eat(b'"') {
            return None;
        }
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            at += quiet(bytes.get(at..)?);
            if *bytes.get(at)? == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        Some((self.text.get(start..at)?, escaped))
    }

    /// Reads a key and its colon.
    pub(super) fn key(&mut self) -> Option<Cow<'a, str>> {
        let (raw, escaped) = self.string()?;
        self.eat(b':').then(|| plain_text(raw, escaped))
    }

    /// Steps over a value, however deep it is, and returns it.
    pub(super) fn skip(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                b'"' => {
                    self.string()?;
                }
                _ => {
                    self.plain()?;
                }
            }
            if depth == 0 {
                return self.text.get(start..self.at);
            }
        }
    }
}

/// How many bytes come before the next `"` or `\`, eight at a time.
fn quiet(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([128; 8]);
    // The lowest bit that is set marks the first byte that is zero (Mycroft).
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ u64::from_ne_bytes([b'"'; 8])) | zeros(word ^ u64::from_ne_bytes([b'\\'; 8]));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + tail.iter().take_while(|b| !matches!(b, b'"' | b'\\')).count()
}

/// The members of an object: key, and value as text.
pub(super) struct Members<'a>(Option<Cursor<'a>>);

impl<'a> Members<'a> {
    /// Of the object that `text` is; nothing if it is none.
    pub(super) fn of(text: &'a str) -> Self {
        let mut cursor = Cursor::new(text);
        Self(cursor.eat(b'{').then_some(cursor))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.0.as_mut()?;
        let key = cursor.key()?;
        let value = cursor.skip()?;
        cursor.eat(b',');
        Some((key, value))
    }
}

/// The string that a value is; `None` if it is no string.
pub(super) fn text_of(value: &str) -> Option<Cow<'_, str>> {
    let (raw, escaped) = Cursor::new(value).string()?;
    Some(plain_text(raw, escaped))
}

/// The string or number that a value is.
pub(super) fn scalar_of(value: &str) -> Option<Cow<'_, str>> {
    let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if is_number { Some(Cow::Borrowed(value)) } else { text_of(value) }
}

/// The text that the inside of a string stands for.
pub(super) fn plain_text(raw: &str, escaped: bool) -> Cow<'_, str> {
    if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
}

/// Lone surrogates, which Rust has no place for, become U+FFFD.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (c, length) = code_point(chars.as_str());
                out.push(c);
                rest = chars.as_str().get(length..).unwrap_or_default();
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character after `\u`, and how many bytes it took.
fn code_point(text: &str) -> (char, usize) {
    let unit = |from: usize| text.get(from..from + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 0) };
    if let Some(c) = char::from_u32(first) {
        return (c, 4);
    }
    let second = if text.get(4..6) == Some("\\u") { unit(6) } else { None };
    match second.filter(|s| first < 0xDC00 && (0xDC00..0xE000).contains(s)) {
        Some(second) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10)
        }
        None => (char::REPLACEMENT_CHARACTER, 4),
    }
}

/// Writes a JSON string, quotes and escapes included.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Without an early exit, the compiler checks many bytes at once.
    if !text.bytes().fold(false, |found, b| found | (b < 32) | (b == b'"') | (b == b'\\')) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let mut clean_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=31 => b"",
            _ => continue,
        };
        out.extend_from_slice(text.as_bytes().get(clean_from..at).unwrap_or_default());
        clean_from = at + 1;
        if escape.is_empty() {
            out.extend_from_slice(b"\\u00");
            for nibble in [byte >> 4, byte & 15] {
                out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
            }
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(text.as_bytes().get(clean_from..).unwrap_or_default());
    out.push(b'"');
}
