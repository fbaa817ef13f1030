//! How a statement is drawn: its field, what stands, what it is used for.

use serde_json::Value;

use super::super::{Held, STATED_HERE};
use super::Visit;
use super::preferences::{Found, Sent};
use crate::clock::{DAY_MS, Millis};
use crate::policy::{self, Channel, ChannelKind, Preference, PreferenceKind, Purposes, SourceKind};
use crate::preferences::{Answer, Past, Statement, Wish};
use crate::texts::text_key;

/// Something that can be stated.
#[derive(Default)]
pub(super) struct Card {
    /// What it is about: a preference's ID, or a channel's key.
    pub(super) about: String,
    /// The name of its field.
    pub(super) name: String,
    pub(super) title: String,
    /// What kind of field it is.
    pub(super) kind: &'static str,
    /// Possible answers: value, words, whether it is chosen.
    pub(super) options: Vec<(String, String, bool)>,
    /// What stands in the field.
    pub(super) value: String,
    /// The first and the last day.
    pub(super) days: (String, String),
    /// The longest text, in characters.
    pub(super) chars_max: usize,
    pub(super) hint: Option<String>,
    pub(super) error: Option<String>,
    /// What stands, and when and where it was said.
    pub(super) stands: Option<(String, String)>,
    /// Whether somebody may be written to, and why not.
    pub(super) contact: Option<String>,
    pub(super) uses: Vec<Use>,
}

impl Card {
    /// Whether something beside the field says more about it.
    pub(super) const fn is_described(&self) -> bool {
        self.hint.is_some() || self.error.is_some()
    }
}

/// What a statement is for.
pub(super) struct Use {
    pub(super) purpose: String,
    pub(super) title: String,
    /// Whether it is used for that now.
    pub(super) words: String,
    pub(super) is_good: bool,
}

/// A change that was made.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) how: String,
    /// What it was about, and what was said.
    pub(super) changes: Vec<(String, String)>,
}

/// The key of a channel among all statements.
pub(super) fn about(kind: ChannelKind) -> String {
    format!("channels.{}", kind.as_str())
}

/// The name of the field of something that can be stated.
pub(super) fn field(about: &str) -> String {
    format!("s-{about}")
}

/// A preference.
pub(super) fn preference(visit: &Visit, preference: &Preference, found: &Found, sent: &Sent) -> Card {
    let said = found.stated.standing.preferences.get(&preference.id);
    let (id, kind, words) = (&preference.id, preference.kind.as_str(), visit.words);
    let (name, is_wrong) = (field(id), sent.wrong.contains(id));
    let used = said.map(|_| found.stated.used.get(id).copied().unwrap_or_default());
    let mut card = Card {
        title: visit.policy_text(&preference.title).to_owned(),
        kind,
        error: is_wrong.then(|| wrong(visit, &preference.kind)),
        hint: hint(visit, &preference.kind),
        stands: said.map(|said| stands(visit, said, preference.purposes, spoken(visit, &preference.kind, &said.value))),
        uses: uses(visit, preference.purposes, found, used),
        about: id.clone(),
        ..Card::default()
    };
    // What was filled in stays in the field, unless it cannot be taken.
    let filled = sent.fields.as_ref().filter(|fields| !is_wrong && fields.every("asked").contains(id)).map(|f| f.every(&name));
    let mut chosen = filled.unwrap_or_else(|| said.map(|said| values(&said.value)).unwrap_or_default());
    chosen.retain(|value| !value.is_empty());
    match &preference.kind {
        PreferenceKind::Choice(options) | PreferenceKind::MultiChoice(options, _) => {
            let option =
                |one: &policy::Choice| (one.id.clone(), visit.policy_text(&one.title).to_owned(), chosen.contains(&one.id));
            card.options = options.iter().map(option).collect();
            if kind == "choice" {
                card.options.insert(0, (String::new(), words.say("preferences-nothing"), chosen.is_empty()));
            }
        }
        PreferenceKind::Number(..) => {}
        PreferenceKind::Text(most) => card.chars_max = *most,
        PreferenceKind::Date(first, last) => {
            let day = |day: &Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
            card.days = (day(first), day(last));
        }
    }
    card.value = chosen.into_iter().next().unwrap_or_default();
    card.name = name;
    card
}

/// A channel.
pub(super) fn channel(visit: &Visit, channel: &Channel, found: &Found, sent: &Sent) -> Card {
    let (words, about) = (visit.words, about(channel.kind));
    let (name, is_wrong) = (field(&about), sent.wrong.contains(&about));
    let said = found.stated.standing.channels.get(&channel.kind);
    let filled = sent.fields.as_ref().filter(|fields| !is_wrong && fields.every("asked").contains(&about));
    let chosen = filled.map(|fields| fields.get(&name).unwrap_or_default().to_owned());
    let chosen = chosen.unwrap_or_else(|| said.map(|(wish, _)| coded(*wish).to_owned()).unwrap_or_default());
    let unsaid = if channel.implied { words.say("preferences-wish-implied") } else { words.say("preferences-wish-none") };
    let codes = ["yes"].into_iter().chain(channel.frequencies.iter().map(|often| often.as_str())).chain(["no"]);
    let mut options = vec![(String::new(), unsaid, chosen.is_empty())];
    options.extend(codes.map(|code| (code.to_owned(), words.say(text_key("wish-", code)), code == chosen)));
    Card {
        title: visit.policy_text(&channel.title).to_owned(),
        kind: "choice",
        options,
        error: is_wrong.then(|| words.say("preferences-wrong-choice")),
        stands: said.map(|(wish, said)| stands(visit, said, channel.purposes, words.say(text_key("wish-", coded(*wish))))),
        contact: contact(visit, channel, found),
        uses: uses(visit, channel.purposes, found, None),
        about,
        name,
        ..Card::default()
    }
}

/// A change that was made.
pub(super) fn line(visit: &Visit, past: &Past) -> Line {
    let change = |(about, value): (&String, &Value)| {
        let kind = about.strip_prefix("channels.");
        let channel = kind.and_then(|kind| visit.policy.channels.iter().find(|channel| channel.kind.as_str() == kind));
        let preference = visit.policy.preference(about).map(|(_, preference)| preference);
        let texts = channel.map(|channel| &channel.title).or_else(|| preference.map(|preference| &preference.title));
        let title = texts.map_or(about.as_str(), |texts| visit.policy_text(texts)).to_owned();
        if value.is_null() {
            return (title, visit.words.say("preferences-gone"));
        }
        let wish = channel.and_then(|_| serde_json::from_value::<Wish>(value.clone()).ok());
        let wish = wish.map(|wish| visit.words.say(text_key("wish-", coded(wish))));
        let said = || preference.map(|preference| spoken(visit, &preference.kind, value));
        (title, wish.or_else(said).unwrap_or_else(|| values(value).join(", ")))
    };
    Line { at: visit.moment(past.at), how: place(visit, &past.source), changes: past.changes.iter().map(change).collect() }
}

/// What stands, in words, with when and where it was said and until when it is kept.
fn stands(visit: &Visit, said: &Statement, purposes: Purposes, words: String) -> (String, String) {
    let days =
        purposes.indexes().filter_map(|index| visit.policy.purposes.get(index)).map(|purpose| purpose.retention_days).max();
    let until = said.at.saturating_add(Millis::from(days.unwrap_or_default()) * DAY_MS);
    let facts =
        [("day", visit.day(said.at).into()), ("place", place(visit, &said.source).into()), ("until", visit.day(until).into())];
    (words, visit.words.all("preferences-said", facts))
}

/// For what something is used: `used` says for what now, if it was stated.
fn uses(visit: &Visit, purposes: Purposes, found: &Found, used: Option<Purposes>) -> Vec<Use> {
    let theirs = found.choices.iter().filter(|choice| purposes.has(choice.index));
    let one = |choice: &super::super::Choice| {
        let purpose = visit.policy.purposes.get(choice.index)?;
        let is_on = choice.held.is_on();
        let how = match used {
            _ if matches!(choice.held, Held::Pending(_)) => "pending",
            _ if !is_on => "off",
            None => "on",
            Some(used) if used.has(choice.index) => "now",
            Some(_) => "elsewhere",
        };
        let words = visit.words.say(text_key("use-", how));
        let title = visit.policy_text(&purpose.title).to_owned();
        Some(Use { purpose: purpose.id.clone(), title, words, is_good: matches!(how, "now" | "on") })
    };
    theirs.filter_map(one).collect()
}

/// Whether somebody may be written to by a channel, in one sentence.
fn contact(visit: &Visit, channel: &Channel, found: &Found) -> Option<String> {
    let contact = found.stated.contacts.get(&channel.kind)?;
    let waits = || found.choices.iter().any(|c| channel.purposes.has(c.index) && matches!(c.held, Held::Pending(_)));
    let how = match contact.answer {
        Answer::Allowed => "allowed",
        Answer::ChannelRefused => "refused",
        Answer::ChannelNotChosen => "not_chosen",
        Answer::PurposeNotAllowed if waits() => "pending",
        Answer::PurposeNotAllowed => "purpose",
    };
    Some(visit.words.say(text_key("contact-", how)))
}

/// A value as people read it.
fn spoken(visit: &Visit, kind: &PreferenceKind, value: &Value) -> String {
    let titles = |options: &[policy::Choice]| -> Vec<String> {
        let title = |id: &String| {
            let found = options.iter().find(|option| option.id == *id);
            found.map_or_else(|| id.clone(), |option| visit.policy_text(&option.title).to_owned())
        };
        values(value).iter().map(title).collect()
    };
    match kind {
        PreferenceKind::Choice(options) | PreferenceKind::MultiChoice(options, _) => {
            let titles = titles(options);
            if titles.is_empty() { visit.words.say("preferences-none") } else { titles.join(", ") }
        }
        PreferenceKind::Date(..) => {
            let text = values(value).concat();
            policy::date(&text).map_or(text, |day| visit.words.day(day))
        }
        PreferenceKind::Number(..) | PreferenceKind::Text(_) => values(value).concat(),
    }
}

/// A value as fields hold it.
fn values(value: &Value) -> Vec<String> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![plain(value)],
    }
}

/// A wish as its field holds it, and as the keys of texts end.
const fn coded(wish: Wish) -> &'static str {
    match (wish.allowed, wish.at_most) {
        (false, _) => "no",
        (true, None) => "yes",
        (true, Some(often)) => often.as_str(),
    }
}

/// Through what something was said.
fn place(visit: &Visit, source: &str) -> String {
    let kind = match visit.policy.source(source).map(|(_, source)| source.kind) {
        _ if source == STATED_HERE => "portal",
        Some(SourceKind::Website) => "website",
        Some(SourceKind::App) => "app",
        Some(SourceKind::Newsletter) => "newsletter",
        Some(SourceKind::Till) => "till",
        Some(SourceKind::Service) => "service",
        Some(SourceKind::Import) => "import",
        None => "company",
    };
    visit.words.say(text_key("place-", kind))
}

/// What can be answered, if that needs to be said.
fn hint(visit: &Visit, kind: &PreferenceKind) -> Option<String> {
    let key = text_key("preferences-hint-", kind.as_str());
    match kind {
        PreferenceKind::Choice(_) | PreferenceKind::Date(..) => None,
        PreferenceKind::MultiChoice(_, most) | PreferenceKind::Text(most) => Some(visit.words.of(&key, "most", *most)),
        PreferenceKind::Number(min, max) => Some(visit.words.all(&key, [("min", (*min).into()), ("max", (*max).into())])),
    }
}

/// Why an answer is not taken, in words that repeat nothing of it.
fn wrong(visit: &Visit, kind: &PreferenceKind) -> String {
    let (words, key) = (visit.words, |member: &str| text_key("preferences-wrong-", member));
    match kind {
        PreferenceKind::Choice(_) => words.say(key("choice")),
        PreferenceKind::MultiChoice(_, most) => words.of(&key("multi_choice"), "most", *most),
        PreferenceKind::Text(most) => words.of(&key("text"), "most", *most),
        PreferenceKind::Number(min, max) => words.all(&key("number"), [("min", (*min).into()), ("max", (*max).into())]),
        PreferenceKind::Date(None, None) => words.say(key("date")),
        PreferenceKind::Date(Some(first), None) => words.of(&key("date_from"), "first", words.day(*first)),
        PreferenceKind::Date(None, Some(last)) => words.of(&key("date_until"), "last", words.day(*last)),
        PreferenceKind::Date(Some(first), Some(last)) => {
            let days = [("first", words.day(*first).into()), ("last", words.day(*last).into())];
            words.all(&key("date_between"), days)
        }
    }
}
