//! What e-mail addresses and phone numbers look like.

use super::stated::Stated;
use super::{Found, Span};

/// Marks every e-mail address.
pub(super) fn emails(text: &str, spans: &mut Vec<Span>) {
    for (at, _) in text.match_indices('@') {
        let (Some(left), Some(right)) = (text.get(..at), text.get(at + 1..)) else { continue };
        let Some(start) = local_start(left) else { continue };
        let Some(length) = domain_length(right) else { continue };
        spans.push(Span { start, end: at + 1 + length, found: Found::Email });
    }
}

/// Where the part before the `@` begins.
fn local_start(left: &str) -> Option<usize> {
    let trimmed = left.trim_end_matches(' ');
    if left.len() - trimmed.len() > 2 {
        return None;
    }
    if let Some(inner) = trimmed.strip_suffix('"') {
        return inner.rfind('"');
    }
    trimmed.char_indices().rev().take_while(|(_, c)| is_local(*c)).last().map(|(index, _)| index)
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | '~' | '!' | '#' | '$' | '*' | '^' | '`' | '|' | '}' | '{')
}

/// How long the domain after the `@` is, the spaces before it included; `None` if there is none.
fn domain_length(right: &str) -> Option<usize> {
    let trimmed = right.trim_start_matches(' ');
    let spaces = right.len() - trimmed.len();
    if spaces > 2 {
        return None;
    }
    if let Some(literal) = trimmed.strip_prefix('[') {
        let end = literal.find(']')?;
        let is_address = literal.get(..end)?.trim_start_matches("IPv6:").parse::<std::net::IpAddr>().is_ok();
        return is_address.then_some(spaces + end + 2);
    }
    let length = trimmed.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))).unwrap_or(trimmed.len());
    let domain = trimmed.get(..length)?.trim_end_matches(['.', '-']);
    let mut labels = domain.split('.');
    let first = labels.next().filter(|label| !label.is_empty())?;
    // A top-level domain starts with letters; `library@3.1.0` has none.
    let has_tld = labels.any(|label| label.chars().take_while(|c| c.is_alphabetic()).count() >= 2);
    let is_picture = matches!(first.as_bytes(), [b'1'..=b'9', b'x'])
        && domain.rsplit('.').next().is_some_and(|end| matches!(end, "png" | "jpg" | "jpeg" | "webp" | "gif" | "svg" | "avif"));
    (has_tld && !is_picture).then_some(spaces + domain.len())
}

/// What the key of a text says about digits in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    None,
    /// They are a phone number.
    Phone,
    /// They are an article, order or invoice number: a national phone number is not looked for.
    Code,
}

impl Hint {
    /// Reads a key, without regard to case and separators.
    #[must_use]
    pub fn of(key: &str) -> Self {
        if key.len() < 3 {
            return Self::None;
        }
        let plain: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let phone = ["phone", "telefon", "mobile", "mobil", "handy", "whatsapp", "telefax", "msisdn"];
        if plain == "tel" || plain == "fax" || phone.iter().any(|word| plain.contains(word)) {
            return Self::Phone;
        }
        match plain.as_str() {
            "ean" | "gtin" | "upc" | "isbn" | "sku" | "barcode" | "orderid" | "ordernumber" | "productid" | "checkoutid"
            | "cartid" | "invoiceid" | "invoicenumber" | "receiptid" | "articlenumber" | "variantid" => Self::Code,
            _ => Self::None,
        }
    }
}

/// Marks every phone number, and every run of digits that is a number which the event states.
pub(super) fn phones(text: &str, key: &str, stated: &Stated, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let fresh = at.checked_sub(1).and_then(|i| bytes.get(i)).is_none_or(|b| !b.is_ascii_alphanumeric());
        if fresh && byte.is_ascii_hexdigit() && is_uuid(bytes, at) {
            at += 36;
            continue;
        }
        let starts = byte.is_ascii_digit()
            || (matches!(byte, b'+' | b'(') && bytes.get(at + 1).is_some_and(|b| b.is_ascii_digit() || matches!(b, b' ' | b'(')));
        if !starts {
            at += 1;
            continue;
        }
        if let Some(end) = date_end(bytes, at).filter(|_| fresh) {
            at = end;
            continue;
        }
        let run = Run::read(bytes, at);
        if run.digits.len() >= 6
            && let Some(found) = stated.number_in(&run.digits).or_else(|| run.is_phone(bytes, key).then_some(Found::Phone))
        {
            spans.push(Span { start: run.start, end: run.end, found });
        }
        at = run.end.max(at + 1);
    }
}

/// Digits with what people put between them.
struct Run {
    start: usize,
    end: usize,
    plus: bool,
    separators: usize,
    digits: Vec<u8>,
}

impl Run {
    fn read(bytes: &[u8], start: usize) -> Self {
        let plus = bytes.get(start) == Some(&b'+');
        let mut run = Self { start, end: start, plus, separators: 0, digits: Vec::new() };
        // Most digits belong to no long number, and a list costs more than they do.
        let reach = bytes.get(start..).unwrap_or_default().iter().take(32);
        if reach.take_while(|b| b.is_ascii_digit() || b" -/.()+".contains(b)).filter(|b| b.is_ascii_digit()).take(6).count() < 6 {
            run.end = bytes.get(start + 1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count() + start + 1;
            return run;
        }
        let mut gap = 0;
        let mut at = if plus { start + 1 } else { start };
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    run.separators += usize::from(gap > 0 && !run.digits.is_empty());
                    run.digits.push(*byte);
                    gap = 0;
                    run.end = at + 1;
                }
                b' ' | b'-' | b'/' | b'.' | b'(' | b')' if gap < 3 => gap += 1,
                _ => break,
            }
            at += 1;
        }
        run
    }

    fn is_phone(&self, bytes: &[u8], key: &str) -> bool {
        let before = self.start.checked_sub(1).and_then(|i| bytes.get(i));
        let earlier = self.start.checked_sub(2).and_then(|i| bytes.get(i));
        // `06:34:04.949123456` is a time.
        let in_time = before == Some(&b':') && earlier.is_some_and(u8::is_ascii_digit);
        let left = before.is_none_or(|b| !b.is_ascii_alphanumeric()) && !in_time;
        let right = bytes.get(self.end).is_none_or(|b| !b.is_ascii_alphanumeric());
        let count = self.digits.len();
        if self.plus {
            return (7..=30).contains(&count) && (left || count >= 10);
        }
        let hint = Hint::of(key);
        if hint == Hint::Phone {
            return true;
        }
        if !left || !right {
            return false;
        }
        match self.digits.as_slice() {
            [b'0', b'0', b'1'..=b'9', ..] => (10..=32).contains(&count),
            [b'0', b'1', b'5'..=b'7', ..] if self.separators == 0 => hint != Hint::Code && (11..=12).contains(&count),
            [b'0', b'1'..=b'9', ..] => hint != Hint::Code && count >= 9 && self.separators > 0 && !self.is_decimal(bytes),
            _ => false,
        }
    }

    /// `0.123456789` is a number.
    fn is_decimal(&self, bytes: &[u8]) -> bool {
        bytes.get(self.start) == Some(&b'0') && bytes.get(self.start + 1) == Some(&b'.') && self.separators == 1
    }
}

/// Whether a UUID stands at `at`.
pub(super) fn is_uuid(bytes: &[u8], at: usize) -> bool {
    if bytes.get(at + 8) != Some(&b'-') || bytes.get(at + 13) != Some(&b'-') {
        return false;
    }
    let Some(text) = bytes.get(at..at + 36) else { return false };
    text.iter().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() })
        && bytes.get(at + 36).is_none_or(|b| !b.is_ascii_alphanumeric())
}

/// Where a date as in `05.06.2026`, `5/6/26` or `05-06-2026` ends.
fn date_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (day, next) = small(bytes, at)?;
    let separator = *bytes.get(next).filter(|b| matches!(b, b'.' | b'/' | b'-'))?;
    let (month, next) = small(bytes, next + 1)?;
    if bytes.get(next) != Some(&separator) || !plausible(day, month) {
        return None;
    }
    let digits = bytes.get(next + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
    let end = next + 1 + digits;
    let goes_on = matches!(bytes.get(end), Some(b'.' | b'/' | b'-')) && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    (matches!(digits, 2 | 4) && !goes_on).then_some(end)
}

const fn plausible(a: u8, b: u8) -> bool {
    (a >= 1 && a <= 31 && b >= 1 && b <= 12) || (a >= 1 && a <= 12 && b >= 1 && b <= 31)
}

/// One or two digits.
fn small(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = bytes.get(at).filter(|b| b.is_ascii_digit())? - b'0';
    match bytes.get(at + 1).filter(|b| b.is_ascii_digit()) {
        Some(second) => Some((first * 10 + (second - b'0'), at + 2)),
        None => Some((first, at + 1)),
    }
}
