//! What one event states about its person: the values that must not leave in any field.

use std::cell::OnceCell;

use super::{Found, Span, disguise, hash};
use crate::events::Event;
use crate::gate::walk::{self, Members};
use crate::identity::Identifier;
use crate::policy::{IdentifierKind, Policy};

/// The shortest value that is looked for inside longer text.
const SHORTEST: usize = 4;
/// From here on a value is found without word boundaries around it.
const LONG: usize = 8;
/// How many digits make a number worth looking for in other groupings.
const NUMBER: usize = 7;
/// How many of a phone number's last digits identify it, however its country and area are written.
const SUBSCRIBER: usize = 8;

/// The identifiers and names that one event states, ready to be looked for.
#[derive(Debug)]
pub struct Stated {
    needles: Vec<Needle>,
    grams: Grams,
    numbers: Vec<(Vec<u8>, Found)>,
    short: Vec<String>,
    values: Vec<String>,
    /// MD5, SHA-1 and SHA-256, computed when a text first looks like one of them.
    hashes: [OnceCell<Vec<Vec<u8>>>; 3],
}

#[derive(Debug)]
struct Needle {
    /// Invariant: lower case as far as ASCII goes, and at least three bytes long.
    text: String,
    found: Found,
    whole_words: bool,
}

impl Stated {
    /// Collects what the event states: its top-level IDs, the identifiers that were recognised, whatever stands at the paths of
    /// the policy's identifier types (recognised or refused), its IP address, and names.
    #[must_use]
    pub fn of(policy: &Policy, event: &Event<'_>, identifiers: &[Identifier]) -> Self {
        let mut stated = Self::nothing();
        let ids = [&event.user_id, &event.anonymous_id, &event.previous_id, &event.group_id];
        for id in ids.into_iter().flatten() {
            stated.identifier(id, Found::Id);
        }
        for identifier in identifiers {
            let kind = policy.identifiers.get(identifier.kind).map_or(IdentifierKind::Custom, |t| t.kind);
            stated.identifier(&identifier.value, label(kind));
        }
        stated.objects(policy, event);
        stated.learn();
        stated
    }

    /// Nothing is stated: only what points to a person by its form is found.
    #[must_use]
    pub fn none() -> Self {
        let mut stated = Self::nothing();
        stated.learn();
        stated
    }

    /// Knows nothing yet.
    fn nothing() -> Self {
        Self {
            needles: Vec::new(),
            grams: Grams::default(),
            numbers: Vec::new(),
            short: Vec::new(),
            values: Vec::new(),
            hashes: Default::default(),
        }
    }

    fn identifier(&mut self, value: &str, found: Found) {
        let value = value.trim();
        if value.is_empty() || self.values.iter().any(|known| known == value) {
            return;
        }
        self.values.push(value.to_owned());
        if value.chars().count() < SHORTEST {
            self.short.push(value.to_lowercase());
            return;
        }
        self.needle(value, found, value.len() < LONG);
        let bare: String = value.chars().filter(|c| c.is_alphanumeric()).collect();
        if bare.len() >= LONG && bare.len() < value.len() {
            self.needle(&bare, found, false);
        }
        self.number_of(&bare, found);
    }

    fn number_of(&mut self, bare: &str, found: Found) {
        if bare.len() < NUMBER || !bare.bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        let significant = bare.trim_start_matches('0');
        let skip = if found == Found::Phone { significant.len().saturating_sub(SUBSCRIBER) } else { 0 };
        if let Some(number) = significant.as_bytes().get(skip..).filter(|n| n.len() >= NUMBER - 1) {
            self.numbers.push((number.to_vec(), found));
        }
    }

    /// Adds the text to look for, in the writings that comparing without ASCII case does not cover.
    fn needle(&mut self, text: &str, found: Found, whole_words: bool) {
        let mut add = |text: String| {
            if !self.needles.iter().any(|known| known.text == text) {
                self.needles.push(Needle { text, found, whole_words });
            }
        };
        add(text.to_ascii_lowercase());
        if text.is_ascii() {
            return;
        }
        let lower = text.to_lowercase();
        add(text.to_uppercase().to_ascii_lowercase());
        add(disguise::fold(&lower).unwrap_or_default());
        add(lower.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue").replace('ß', "ss"));
        add(lower.replace('ä', "a").replace('ö', "o").replace('ü', "u").replace('ß', "s"));
        add(lower);
        self.needles.retain(|needle| needle.text.len() >= 3);
    }

    /// Walks the objects of the event once, for the paths of identifiers and for names.
    fn objects(&mut self, policy: &Policy, event: &Event<'_>) {
        for (head, raw) in [("traits", &event.traits), ("properties", &event.properties)] {
            if let Some(raw) = raw {
                self.members(policy, event, head, raw.get());
            }
        }
        if let Some(raw) = &event.rest {
            for (key, value) in Members::of(raw.get()) {
                self.member(policy, event, ("", &key), value);
            }
        }
        // What matters is rare below `context`, and a search in bytes costs less than a walk.
        let Some(context) = event.context.as_ref().map(|raw| raw.get()) else { return };
        let extra = policy
            .identifiers
            .iter()
            .flat_map(|kind| &kind.paths)
            .any(|path| path.strip_prefix("context.").is_some_and(|rest| !rest.starts_with("traits.")));
        if extra || context.contains("\"traits\"") || context.contains('\\') {
            self.members(policy, event, "context", context);
        }
        for (at, mark) in context.match_indices("\"ip\"") {
            let after = context.get(at + mark.len()..).and_then(|rest| rest.trim_start().strip_prefix(':'));
            if let Some(ip) = after.and_then(walk::text_of).filter(|ip| ip.len() >= SHORTEST) {
                self.needle(&ip, Found::Id, true);
            }
        }
    }

    fn members(&mut self, policy: &Policy, event: &Event<'_>, head: &str, object: &str) {
        for (key, value) in Members::of(object) {
            match (head, &*key) {
                ("context", "traits") => self.members(policy, event, "context.traits", value),
                _ => {
                    if let Some(name) = is_name(&key, head).then(|| walk::text_of(value)).flatten() {
                        self.name(&name);
                    }
                    self.member(policy, event, (head, &key), value);
                }
            }
        }
    }

    /// Learns the value of a key below `head` if the policy finds identifiers there or deeper.
    fn member(&mut self, policy: &Policy, event: &Event<'_>, (head, key): (&str, &str), value: &str) {
        for kind in policy.identifiers.iter() {
            for wanted in &kind.paths {
                // Comparing lengths first spares nearly all comparisons of text.
                let length = if head.is_empty() { key.len() } else { head.len() + 1 + key.len() };
                if !matches!(wanted.as_bytes().get(length), None | Some(b'.')) || wanted.len() < length {
                    continue;
                }
                let below_head = if head.is_empty() {
                    Some(wanted.as_str())
                } else {
                    wanted.strip_prefix(head).and_then(|w| w.strip_prefix('.'))
                };
                match below_head.and_then(|path| path.strip_prefix(key)) {
                    Some("") => {
                        if let Some(value) = walk::scalar_of(value) {
                            self.identifier(&value, label(kind.kind));
                        }
                    }
                    Some(below) if below.starts_with('.') => {
                        if let Some(value) = event.lookup(wanted) {
                            self.identifier(&value, label(kind.kind));
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn name(&mut self, name: &str) {
        let name = disguise::fold(name).unwrap_or_else(|| name.to_owned());
        for word in name.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| word.chars().count() >= 3) {
            if !PARTICLES.contains(&word.to_lowercase().as_str()) {
                self.needle(word, Found::Name, true);
            }
        }
    }

    /// Prepares the filter that lets most texts pass without a closer look.
    fn learn(&mut self) {
        self.grams = Grams::of(&self.needles);
    }

    /// Whether the text is, as a whole, one of the values that are too short to be looked for inside of others.
    pub(super) fn is_whole(&self, text: &str) -> bool {
        !self.short.is_empty() && text.len() <= 12 && {
            let text = text.trim().to_lowercase();
            text.chars().count() == 3 && self.short.contains(&text)
        }
    }

    /// What a run of digits holds, if it is a number that the event states.
    pub(super) fn number_in(&self, digits: &[u8]) -> Option<Found> {
        self.numbers
            .iter()
            .find(|(number, _)| digits.windows(number.len()).any(|window| window == number))
            .map(|(_, found)| *found)
    }

    /// What a JSON number is, if the event states it as an identifier.
    pub(super) fn number(&self, digits: &str) -> Option<Found> {
        if digits.len() < SHORTEST || (self.needles.is_empty() && self.numbers.is_empty()) {
            return None;
        }
        let whole = if digits.contains(['.', 'e', 'E']) { integral(digits)? } else { digits.to_owned() };
        let plain = whole.trim_start_matches('-');
        if let Some(needle) = self.needles.iter().find(|needle| needle.text == plain) {
            return Some(needle.found);
        }
        self.number_in(plain.as_bytes())
    }

    /// Whether the bytes are an unkeyed hash of something that the event states.
    pub(super) fn is_hash(&self, bytes: &[u8]) -> bool {
        let cell = match bytes.len() {
            16 => &self.hashes[0],
            20 => &self.hashes[1],
            32 => &self.hashes[2],
            _ => return false,
        };
        let all =
            || self.values.iter().flat_map(|value| writings(value)).map(|text| hash::of_length(bytes.len(), &text)).collect();
        cell.get_or_init(all).iter().any(|hash| hash == bytes)
    }

    /// Marks every place where the text holds something that the event states.
    pub(super) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        if !self.grams.may_hold(text.as_bytes()) {
            return;
        }
        for needle in &self.needles {
            let mut from = 0;
            while let Some(start) = position(text.as_bytes(), needle.text.as_bytes(), from) {
                let end = start + needle.text.len();
                if !needle.whole_words || is_word(text, start, end) {
                    spans.push(Span { start, end, found: needle.found });
                }
                from = start + 1;
            }
        }
    }
}

/// Whether a key says that its value is a person's name. `properties.name` is a product's more often.
fn is_name(key: &str, head: &str) -> bool {
    let ends = key.len() >= 4 && key.as_bytes().last_chunk::<3>().is_some_and(|end| end.eq_ignore_ascii_case(b"ame"));
    if !ends {
        return false;
    }
    let plain: String = key.chars().filter(|c| *c != '_' && *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "name" | "username" | "displayname" | "nickname" => head.ends_with("traits"),
        "firstname" | "lastname" | "middlename" | "fullname" | "givenname" | "familyname" | "surname" | "nachname"
        | "vorname" | "birthname" | "maidenname" => true,
        _ => false,
    }
}

/// What stands between names and names nobody.
const PARTICLES: [&str; 14] =
    ["von", "van", "der", "den", "dem", "des", "zur", "zum", "und", "and", "frau", "herr", "the", "les"];

const fn label(kind: IdentifierKind) -> Found {
    match kind {
        IdentifierKind::Email => Found::Email,
        IdentifierKind::Phone => Found::Phone,
        IdentifierKind::UserId | IdentifierKind::LoyaltyCard | IdentifierKind::Device | IdentifierKind::Custom => Found::Id,
    }
}

/// The ways in which a value is commonly written before it is hashed.
fn writings(value: &str) -> Vec<String> {
    let lower = value.to_lowercase();
    let mut all = vec![value.to_owned(), value.to_uppercase()];
    if let Some((local, domain)) = lower.split_once('@') {
        let bare = local.split('+').next().unwrap_or(local);
        all.push(format!("{bare}@{domain}"));
        all.push(format!("{}@{domain}", bare.replace('.', "")));
    }
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= NUMBER {
        all.push(format!("+{digits}"));
        all.push(format!("00{digits}"));
        all.push(digits);
    }
    all.push(lower);
    all
}

/// The integer that a JSON number with a point or an exponent stands for.
fn integral(number: &str) -> Option<String> {
    let value: f64 = number.parse().ok()?;
    let is_integer = value.fract() == 0.0 && value.abs() < 9.0e15;
    is_integer.then(|| format!("{value:.0}"))
}

fn is_word(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// The first place at or after `from` where `needle` stands, without regard to ASCII case.
fn position(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let last = text.len().checked_sub(needle.len())?;
    (from..=last).find(|start| {
        text.get(*start).is_some_and(|b| b.eq_ignore_ascii_case(&first))
            && text.get(*start..start + needle.len()).is_some_and(|window| window.eq_ignore_ascii_case(needle))
    })
}

/// A filter over pairs of bytes. The first `step + 1` bytes of each needle are `step` overlapping pairs, and any window of that
/// length holds exactly one of the pairs that are looked at when every `step`-th is.
#[derive(Debug)]
struct Grams {
    bits: [u64; 64],
    step: usize,
}

impl Default for Grams {
    fn default() -> Self {
        Self { bits: [0; 64], step: 0 }
    }
}

impl Grams {
    fn of(needles: &[Needle]) -> Self {
        let mut grams = Self::default();
        let Some(shortest) = needles.iter().map(|needle| needle.text.len()).min() else { return grams };
        grams.step = shortest.saturating_sub(1);
        for needle in needles {
            for pair in needle.text.as_bytes().windows(2).take(grams.step) {
                if let [a, b] = pair {
                    let place = Self::place(*a, *b);
                    if let Some(word) = grams.bits.get_mut(place / 64) {
                        *word |= 1 << (place % 64);
                    }
                }
            }
        }
        grams
    }

    /// Letters fall on the same place in either case.
    fn place(a: u8, b: u8) -> usize {
        ((usize::from(a | 32) << 5) ^ usize::from(b | 32)) & 4095
    }

    fn may_hold(&self, text: &[u8]) -> bool {
        if self.step == 0 || text.len() <= self.step {
            return false;
        }
        let mut at = 0;
        while let (Some(a), Some(b)) = (text.get(at), text.get(at + 1)) {
            let place = Self::place(*a, *b);
            if self.bits.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0) {
                return true;
            }
            at += self.step;
        }
        false
    }
}
