//! Takes disguises off: encodings and characters that look or behave like others.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// The text with one layer of every known disguise taken off; `None` if it wears none. Every step shortens the text or ends in
/// a form that it leaves alone, so repeating it comes to an end.
pub(super) fn lift(text: &str) -> Option<String> {
    let mut now = Cow::Borrowed(text);
    for step in [fold, percent, entities, escapes, quoted_printable, spelled, fold] {
        if let Some(next) = step(&now) {
            now = Cow::Owned(next);
        }
    }
    match now {
        Cow::Owned(lifted) if lifted != text => Some(lifted),
        Cow::Owned(_) | Cow::Borrowed(_) => None,
    }
}

/// `%40`.
pub(super) fn percent(text: &str) -> Option<String> {
    hex_pairs(text, '%')
}

/// `=40`, and only where an `@` is hidden that way: `a=40` is common otherwise.
fn quoted_printable(text: &str) -> Option<String> {
    if text.contains("=40") { hex_pairs(text, '=') } else { None }
}

fn hex_pairs(text: &str, mark: char) -> Option<String> {
    if !text.contains(mark) {
        return None;
    }
    let mut parts = text.split(mark);
    let mut out = parts.next()?.as_bytes().to_vec();
    let mut changed = false;
    for part in parts {
        let byte = part.get(..2).and_then(|pair| hex::decode(pair).ok());
        match byte {
            Some(byte) => {
                changed = true;
                out.extend_from_slice(&byte);
                out.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                out.extend_from_slice(mark.encode_utf8(&mut [0; 4]).as_bytes());
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    changed.then(|| String::from_utf8_lossy(&out).into_owned())
}

/// `&#64;`, `&#x40;`, `&commat;`, with or without the semicolon.
fn entities(text: &str) -> Option<String> {
    if !text.contains('&') {
        return None;
    }
    let mut parts = text.split('&');
    let mut out = String::with_capacity(text.len());
    out.push_str(parts.next()?);
    let mut changed = false;
    for part in parts {
        if let Some((c, rest)) = entity(part) {
            changed = true;
            out.push(c);
            out.push_str(rest);
        } else {
            out.push('&');
            out.push_str(part);
        }
    }
    changed.then_some(out)
}

const NAMED: [(&str, char); 17] = [
    ("commat", '@'),
    ("period", '.'),
    ("plus", '+'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("lowbar", '_'),
    ("num", '#'),
    ("sol", '/'),
    ("colon", ':'),
    ("lpar", '('),
    ("rpar", ')'),
    ("amp", '&'),
    ("quot", '"'),
    ("lt", '<'),
    ("gt", '>'),
    ("nbsp", ' '),
    ("shy", '\u{ad}'),
];

fn entity(part: &str) -> Option<(char, &str)> {
    let (c, rest) = if let Some(number) = part.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let code = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
        (char::from_u32(code)?, digits.get(length..)?)
    } else {
        let (word, rest) = part.split_once(';')?;
        (NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?.1, rest)
    };
    Some((c, rest.strip_prefix(';').unwrap_or(rest)))
}

/// `\u0040`, `\u{40}`, `\x40`, `\/`, `\"`: what is left of JSON and JavaScript in a string.
fn escapes(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut parts = text.split('\\');
    let mut out = String::with_capacity(text.len());
    out.push_str(parts.next()?);
    for part in parts {
        if let Some((c, rest)) = escape(part) {
            out.push(c);
            out.push_str(rest);
        } else {
            // Whatever else follows, the backslash itself means nothing.
            out.push_str(part);
        }
    }
    Some(out)
}

fn escape(part: &str) -> Option<(char, &str)> {
    let (kind, rest) = part.split_at_checked(1)?;
    let long =
        rest.strip_prefix("000").and_then(|tail| tail.get(..5)).is_some_and(|tail| tail.bytes().all(|b| b.is_ascii_hexdigit()));
    let (digits, rest) = match (kind, rest.strip_prefix('{')) {
        ("u" | "U", Some(braced)) => braced.split_once('}')?,
        ("U", None) if long => rest.split_at_checked(8)?,
        ("u" | "U", None) => rest.split_at_checked(4)?,
        ("x" | "X", None) => rest.split_at_checked(2)?,
        ("n" | "r" | "t", _) => return Some((' ', rest)),
        _ => return None,
    };
    Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, rest))
}

/// `(at)`, `[dot]` and their like.
fn spelled(text: &str) -> Option<String> {
    if !text.contains(['(', '[', '{', '<']) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut changed = false;
    while let Some(open) = rest.find(['(', '[', '{', '<']) {
        let (before, after) = rest.split_at_checked(open)?;
        let inner = after.get(1..)?;
        let close = inner.char_indices().take(12).find(|(_, c)| matches!(c, ')' | ']' | '}' | '>')).map_or(0, |(index, _)| index);
        let word = inner.get(..close)?;
        let sign = match word.trim().to_ascii_lowercase().as_str() {
            "at" | "ät" | "@" => Some('@'),
            "dot" | "punkt" | "." => Some('.'),
            _ => None,
        };
        match (sign, inner.get(word.len() + 1..)) {
            (Some(sign), Some(tail)) => {
                changed = true;
                out.push_str(before.trim_end());
                out.push(sign);
                rest = tail.trim_start();
            }
            _ => {
                out.push_str(before);
                out.push_str(after.get(..1)?);
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// Whether a text has characters that [`fold`] would change.
pub(super) fn is_foreign(text: &str) -> bool {
    !text.chars().all(is_plain)
}

/// Brings look-alikes to the characters that they look like, and drops what is not seen at all.
pub(super) fn fold(text: &str) -> Option<String> {
    if !is_foreign(text) {
        return None;
    }
    let folded: String = text.chars().filter(|c| !is_invisible(*c)).nfkc().filter(|c| !is_invisible(*c)).map(look).collect();
    (folded != text).then_some(folded)
}

/// What stands in ordinary German, English and French text and folds to itself.
const fn is_plain(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{c0}'..='\u{131}' | '\u{134}'..='\u{13e}' | '\u{141}'..='\u{148}' | '\u{14a}'..='\u{17e}'
        | '§' | '©' | '«' | '®' | '°' | '»' | '„' | '“' | '”' | '‚' | '‘' | '’' | '•' | '€')
}

/// Characters that are not seen: controls, joiners, directions, variation selectors, tags, fillers, and stacked marks.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The character that it looks like. NFKC has dealt with full-width, styled, circled and small forms already.
fn look(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' => '-',
        '\u{3002}' | '\u{2024}' | '\u{fe52}' | '\u{ff61}' | '\u{b7}' | '\u{2219}' | '\u{22c5}' => '.',
        '\u{2044}' | '\u{2215}' => '/',
        'а' | 'α' => 'a',
        'А' | 'Α' => 'A',
        'В' | 'Β' => 'B',
        'с' | 'ϲ' => 'c',
        'С' | 'Ϲ' => 'C',
        'ԁ' => 'd',
        'е' | 'ε' | 'є' => 'e',
        'Е' | 'Ε' => 'E',
        'ɡ' => 'g',
        'һ' => 'h',
        'Н' | 'Η' => 'H',
        'і' | 'ι' | 'ı' => 'i',
        'І' | 'Ι' | 'Ӏ' => 'I',
        'ј' => 'j',
        'Ј' => 'J',
        'к' | 'κ' => 'k',
        'К' | 'Κ' => 'K',
        'м' => 'm',
        'М' | 'Μ' => 'M',
        'Ν' => 'N',
        'о' | 'ο' => 'o',
        'О' | 'Ο' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' => 'P',
        'ѕ' => 's',
        'Ѕ' => 'S',
        'Т' | 'Τ' | 'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'Х' | 'Χ' => 'X',
        'у' | 'γ' => 'y',
        'У' | 'Υ' => 'Y',
        'Ζ' => 'Z',
        _ => digit(c).unwrap_or(c),
    }
}

/// Decimal digits of other scripts.
fn digit(c: char) -> Option<char> {
    const ZEROS: [u32; 12] = [0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xE50, 0xED0];
    let code = u32::from(c);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}
