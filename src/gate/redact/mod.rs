//! Finds identifiers in text that is about to leave, however they are written, and cuts them out.
//!
//! What is cut, in every string and every key at any depth:
//! - **e-mail addresses**, in any case and script, also with spaces around the `@`, quoted, or spelled `(at)`/`[dot]`;
//! - **phone numbers** that look like one: `+…` or `00…` and a country code; `0…` with at least nine digits and separators as in
//!   `0151 / 123 45 67`; bare German mobile numbers (`015…`, `016…`, `017…`, 11 or 12 digits); any number under a key that says
//!   phone;
//! - **what this event states about its person**: every identifier, in its raw and its normalised form, without its separators,
//!   numbers in any grouping, unkeyed MD5, SHA-1 and SHA-256 hashes of them, and the names in its traits, as whole words;
//! - in **URLs** the user part, the fragment, session parameters of the path and all query parameters that are not listed.
//!
//! All of that is also looked for behind percent-encoding, HTML entities, JSON and JavaScript escapes, quoted-printable, hex,
//! base64 and base64url, in each other up to five deep; behind full-width and other compatibility characters, zero-width and
//! bidi characters, soft hyphens, combining marks, and Cyrillic and Greek look-alikes. What shows only after decoding takes
//! the whole string (in a URL: the path segment or parameter) with it, and what is still encoded after five rounds goes
//! entirely.
//!
//! What is kept on purpose: JSON numbers, unless they equal a stated identifier; prices, decimals, dates, timestamps, UUIDs;
//! digits without a `+`, `00` or `0` in front; national numbers under keys of article and order numbers (see [`Hint::of`]);
//! `picture@2x.png`.
//!
//! What is **not** detected: names, street addresses and numbers of people that this event does not state; identifiers of fewer
//! than four characters inside longer text (three: only as a whole value; fewer: never); national numbers without a leading zero
//! (`151 1234567`, `(650) 555-1212`) unless stated; addresses without a dot in the domain (`erika@intranet`) unless stated; a
//! value that is split over several fields; encryption, compression, ROT13, reversal, UTF-16, base64 that does not start where
//! its token starts; salted or partner-specific hashes; pictures of text. Against a sender who wants to smuggle, the allow-list
//! is the wall; this is the net behind it.

use std::cell::Cell;

mod disguise;
mod find;
mod hash;
mod stated;
mod token;
mod url;

pub use find::Hint;
pub use stated::Stated;

/// How many bytes are looked at behind disguises, for each byte of a text and at least. Honest text needs a small part of it;
/// what costs more was made to cost, and goes as a whole.
const EFFORT: usize = 24;
const EFFORT_LEAST: usize = 4096;

/// How many encodings are taken off before what is left is cut as a whole.
const DEPTH: u8 = 5;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// Another identifier that the event states.
    Id,
    /// A name that the event states.
    Name,
    /// A URL whose parameters cannot be told apart.
    Url,
    /// Text that is encoded so often that nobody means well.
    Encoded,
}

impl Found {
    /// What stands in its place afterwards.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Email => "[email]",
            Self::Phone => "[phone]",
            Self::Id => "[id]",
            Self::Name => "[name]",
            Self::Url => "[url]",
            Self::Encoded => "[encoded]",
        }
    }
}

/// A part of a text that is cut.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    found: Found,
}

/// Cuts identifiers out of the texts of one event on its way to one destination.
#[derive(Debug)]
pub struct Redactor<'a> {
    stated: Stated,
    parameters: &'a [String],
    /// How many bytes may still be looked at behind disguises of the text at hand.
    effort: Cell<usize>,
}

impl<'a> Redactor<'a> {
    /// A redactor that knows what the event states, and which URL parameters may stay.
    #[must_use]
    pub const fn new(stated: Stated, parameters: &'a [String]) -> Self {
        Self { stated, parameters, effort: Cell::new(0) }
    }

    /// What `text` becomes; `None` if it may leave as it is. `key` is the key that it stands under.
    #[must_use]
    pub fn text(&self, text: &str, key: &str) -> Option<String> {
        self.effort.set(text.len().saturating_mul(EFFORT).saturating_add(EFFORT_LEAST));
        self.clean(text, key, DEPTH)
    }

    /// Pays for looking at hidden text; `false` if all effort is spent.
    fn pay(&self, bytes: usize) -> bool {
        let left = self.effort.get().checked_sub(bytes);
        self.effort.set(left.unwrap_or(0));
        left.is_some()
    }

    /// What a JSON number becomes; `None` if it may leave as it is.
    #[must_use]
    pub fn number(&self, digits: &str) -> Option<&'static str> {
        self.stated.number(digits).map(Found::label)
    }

    fn clean(&self, text: &str, key: &str, depth: u8) -> Option<String> {
        let seen = Seen::of(text);
        match if seen.has(Seen::URL) { url::cut(self, text, depth) } else { None } {
            Some(cut) => self.piece(&cut, key, depth).or(Some(cut)),
            None => self.seen_piece(text, seen, key, depth),
        }
    }

    /// A text that is no URL, or a part of one.
    fn piece(&self, text: &str, key: &str, depth: u8) -> Option<String> {
        self.seen_piece(text, Seen::of(text), key, depth)
    }

    fn seen_piece(&self, text: &str, seen: Seen, key: &str, depth: u8) -> Option<String> {
        if text.len() < 3 {
            return None;
        }
        if self.stated.is_whole(text) {
            return Some(Found::Id.label().to_owned());
        }
        let mut out = None;
        let mut spans = Vec::new();
        self.spans(text, seen, key, depth, &mut spans);
        if !spans.is_empty() {
            out = Some(replace(text, &mut spans));
        }
        let is_disguised = seen.has(Seen::DISGUISE)
            || (seen.has(Seen::FOREIGN) && disguise::is_foreign(text))
            || (seen.has(Seen::EQUALS) && text.contains("=40"));
        if is_disguised && let Some(found) = self.disguised(out.as_deref().unwrap_or(text), key, depth) {
            return Some(found.label().to_owned());
        }
        out
    }

    /// What shows in the text as it stands.
    #[expect(clippy::too_many_arguments, reason = "a list that is filled, so that clean text costs no allocation")]
    fn spans(&self, text: &str, seen: Seen, key: &str, depth: u8, spans: &mut Vec<Span>) {
        if seen.has(Seen::AT) {
            find::emails(text, spans);
        }
        if seen.digits >= 6 {
            find::phones(text, key, &self.stated, spans);
        }
        self.stated.find(text, spans);
        if seen.tokens {
            self.tokens(text, depth, spans);
        }
    }

    /// Marks the tokens that hide something: a hash of something stated, or text in hex or base64.
    fn tokens(&self, text: &str, depth: u8, spans: &mut Vec<Span>) {
        let mut read = 0..0;
        token::each(text, |start, end| {
            let Some(token) = text.get(start..end).filter(|token| token::is_suspect(token)) else { return };
            if token::hash(token).is_some_and(|bytes| self.stated.is_hash(&bytes)) {
                spans.push(Span { start, end, found: Found::Id });
            }
            if let Some(found) = token::hex_text(token).and_then(|hidden| self.hidden(&hidden, depth)) {
                spans.push(Span { start, end, found });
            }
            // The rest of a token that was read says nothing new.
            if read.contains(&start) && (start - read.start).is_multiple_of(4) {
                return;
            }
            if let Some((hidden, length)) = token::base64_text(token) {
                read = start..start + length;
                if !self.pay(length) {
                    spans.push(Span { start, end, found: Found::Encoded });
                    return;
                }
                if let Some(found) = self.hidden(&hidden, depth) {
                    spans.push(Span { start, end: start + length, found });
                }
            }
        });
    }

    /// What shows in a text that was hidden in a token.
    fn hidden(&self, text: &str, depth: u8) -> Option<Found> {
        if depth == 0 {
            return (text.len() > 8).then_some(Found::Encoded);
        }
        self.finds(text, "", depth - 1).or_else(|| self.disguised(text, "", depth - 1))
    }

    /// What shows in a text, in whichever way; for texts that do not leave themselves.
    fn finds(&self, text: &str, key: &str, depth: u8) -> Option<Found> {
        if !self.pay(text.len()) {
            return Some(Found::Encoded);
        }
        let mut spans = Vec::new();
        let seen = Seen::of(text);
        self.spans(text, seen, key, depth, &mut spans);
        if self.stated.is_whole(text) {
            return Some(Found::Id);
        }
        spans.first().map(|span| span.found)
    }

    /// What shows only when the text's disguises are taken off.
    fn disguised(&self, text: &str, key: &str, depth: u8) -> Option<Found> {
        let mut view = disguise::lift(text)?;
        let hides_url = !url::has_scheme(text);
        for _ in 0..depth {
            if let Some(found) = self.finds(&view, key, depth.saturating_sub(1)) {
                return Some(found);
            }
            if hides_url && url::has_secrets(&view) {
                return Some(Found::Url);
            }
            view = disguise::lift(&view)?;
        }
        Some(Found::Encoded)
    }
}

/// Puts the labels in place of the spans. Spans that touch become one.
fn replace(text: &str, spans: &mut [Span]) -> String {
    spans.sort_unstable_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out = String::with_capacity(text.len() + 8);
    let mut at = 0;
    for span in spans.iter() {
        if span.end <= at {
            continue;
        }
        if span.start >= at {
            out.push_str(text.get(at..span.start).unwrap_or_default());
            out.push_str(span.found.label());
        }
        at = span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// What kinds of characters a text has: one pass that lets plain text skip everything else.
#[derive(Clone, Copy, Debug)]
struct Seen {
    classes: u8,
    digits: usize,
    /// Whether a token may hide something; few words look like that.
    tokens: bool,
}

impl Seen {
    const AT: u8 = 1;
    const DISGUISE: u8 = 2;
    const URL: u8 = 4;
    const FOREIGN: u8 = 8;
    const DIGIT: u8 = 16;
    const EQUALS: u8 = 32;
    const WORD: u8 = 64;
    const JOIN: u8 = 128;

    const CLASSES: [u8; 256] = {
        let mut table = [0_u8; 256];
        let mut byte = 0_usize;
        while byte < 256 {
            #[expect(clippy::indexing_slicing, reason = "evaluated when compiling; the index is below 256")]
            #[expect(clippy::cast_possible_truncation, reason = "evaluated when compiling; the index is below 256")]
            {
                table[byte] = match byte as u8 {
                    b'@' => Self::AT,
                    b'%' | b'&' | b'\\' | b'(' | b'[' | b'{' | b'<' => Self::DISGUISE,
                    b'=' => Self::EQUALS,
                    0..=8 | 11 | 12 | 14..=31 | 127 => Self::DISGUISE,
                    b':' | b'?' | b'#' => Self::URL,
                    b'0'..=b'9' => Self::DIGIT | Self::WORD,
                    b'A'..=b'Z' | b'a'..=b'z' => Self::WORD,
                    b'+' | b'/' | b'-' | b'_' => Self::JOIN,
                    128..=255 => Self::FOREIGN,
                    _ => 0,
                };
            }
            byte += 1;
        }
        table
    };

    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut seen = Self { classes: 0, digits: 0, tokens: false };
        let (mut token, mut word) = (0, 0);
        for (at, byte) in bytes.iter().enumerate() {
            let class = Self::CLASSES.get(usize::from(*byte)).copied().unwrap_or_default();
            seen.classes |= class;
            seen.digits += usize::from(class & Self::DIGIT != 0);
            if class & (Self::WORD | Self::JOIN) == 0 {
                (token, word) = (0, 0);
                continue;
            }
            token += 1;
            word = if class & Self::JOIN == 0 { word + 1 } else { 0 };
            seen.tokens |= token == token::HASH_LEAST;
            seen.tokens |= match word {
                1 => token::may_be_text(bytes.get(at..).unwrap_or_default()),
                8 => bytes.get(at - 7..=at).is_some_and(|word| word.iter().all(u8::is_ascii_hexdigit)),
                _ => false,
            };
        }
        seen
    }

    const fn has(self, class: u8) -> bool {
        self.classes & class != 0
    }
}

/// MD5, for tests that have no other one.
#[cfg(test)]
pub(super) fn md5_for_tests(text: &str) -> [u8; 16] {
    hash::md5(text.as_bytes())
}
