//! URLs: the user part, the fragment, session parameters and all query parameters that are not listed are cut.

use super::{Redactor, disguise};

/// Cuts every URL in a text; `None` if nothing had to be cut.
pub(super) fn cut(redactor: &Redactor<'_>, text: &str, depth: u8) -> Option<String> {
    let mut out = String::new();
    let mut changed = false;
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(ends_word).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(length)?;
        match clean(redactor, word, depth) {
            Some(cleaned) => {
                changed = true;
                out.push_str(&cleaned);
            }
            None => out.push_str(word),
        }
        let mut chars = after.chars();
        if let Some(separator) = chars.next() {
            out.push(separator);
        }
        rest = chars.as_str();
    }
    changed.then_some(out)
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// Whether a text that was hidden has a URL with anything that would be cut from it.
pub(super) fn has_secrets(view: &str) -> bool {
    view.split(ends_word).any(|word| has_scheme(word) && word.contains(['?', '#', '@', ';']))
}

/// One URL, absolute or relative; `None` if the word is none, or nothing has to be cut.
fn clean(redactor: &Redactor<'_>, word: &str, depth: u8) -> Option<String> {
    if let Some(label) = opaque(word) {
        return Some(label.to_owned());
    }
    let has_query = word.find('?').is_some_and(|mark| word.get(mark..).is_some_and(|query| query.contains('=')));
    let is_url = has_scheme(word) || has_query || (word.starts_with('/') && word.contains(['?', '#']));
    if !is_url {
        return None;
    }
    let before_fragment = word.split('#').next().unwrap_or(word);
    let (address, query) = match before_fragment.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (before_fragment, None),
    };
    let mut out = String::with_capacity(word.len());
    path(redactor, address, depth, &mut out);
    if let Some(query) = query {
        parameters(redactor, query, depth, &mut out);
    }
    (out != word).then_some(out)
}

/// Whether `://` is in the word. Looking for one character is what the machine is good at.
pub(super) fn has_scheme(word: &str) -> bool {
    word.match_indices(':').any(|(at, _)| word.get(at..).is_some_and(|rest| rest.starts_with("://")))
}

/// Schemes whose whole content is an address.
fn opaque(word: &str) -> Option<&'static str> {
    let (scheme, _) = word.split_once(':')?;
    match scheme.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "mailto" => Some("[email]"),
        "tel" | "sms" | "callto" | "facetime" if word.bytes().any(|b| b.is_ascii_digit()) => Some("[phone]"),
        _ => None,
    }
}

/// Scheme, host and path without the user part and path parameters, every segment cleaned.
fn path(redactor: &Redactor<'_>, address: &str, depth: u8, out: &mut String) {
    let (scheme, rest) = match address.find("//") {
        Some(at) => address.split_at_checked(at + 2).unwrap_or((address, "")),
        None => ("", address),
    };
    out.push_str(scheme);
    // Most addresses have nothing to cut, and looking once is cheaper than looking at every segment.
    if !rest.contains(['@', ';']) && redactor.piece(rest, "", depth).is_none() {
        out.push_str(rest);
        return;
    }
    for (index, segment) in rest.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        let mut segment = segment.split(';').next().unwrap_or_default();
        if index == 0 && !scheme.is_empty() {
            segment = segment.rsplit('@').next().unwrap_or_default();
        }
        match redactor.piece(segment, "", depth) {
            Some(cleaned) => out.push_str(&cleaned),
            None => out.push_str(segment),
        }
    }
}

/// The listed parameters, cleaned.
fn parameters(redactor: &Redactor<'_>, query: &str, depth: u8, out: &mut String) {
    let mut separator = '?';
    for parameter in query.split(['&', ';', '?']) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !redactor.parameters.iter().any(|listed| listed == name) {
            continue;
        }
        out.push(separator);
        separator = '&';
        out.push_str(name);
        out.push('=');
        let plain = value.replace('+', " ");
        let plain = disguise::percent(&plain).unwrap_or(plain);
        if hides_url(&plain) {
            // A page inside a parameter has parameters of its own, and nobody listed those.
            out.push_str("[url]");
            continue;
        }
        match redactor.piece(value, name, depth).or_else(|| redactor.piece(&plain, name, depth)) {
            Some(cleaned) => out.push_str(&cleaned.replace(' ', "+")),
            None => out.push_str(value),
        }
    }
}

fn hides_url(plain: &str) -> bool {
    has_scheme(plain) || plain.contains(['?', '#'])
}
