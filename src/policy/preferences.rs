//! What people may state about themselves, and by which channels they may be written to: `preferences.toml`.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::finding::Findings;
use super::lint::{ids, known, purpose_ids, texts};
use super::model::{Policy, Purpose, Purposes, Texts};
use super::raw::{Parsed, Raw, Text};

/// The most preferences that one policy can have. Whatever somebody states must fit into one stored record.
pub const PREFERENCES_MAX: usize = 32;
/// What all values of one person may take at most, in bytes.
const VALUES_BYTES_MAX: usize = 8 * 1024;
/// The longest text that can be allowed, in characters.
const TEXT_CHARS_MAX: usize = 1_000;
/// The most options of one preference.
const OPTIONS_MAX: usize = 64;
/// The largest number: what every reader of JSON can hold.
const NUMBER_MAX: i64 = 1 << 53;

/// Something that people may state about themselves.
#[derive(Clone, Debug)]
pub struct Preference {
    /// Its ID in the API and in fields, such as `favourite_colour`.
    pub id: String,
    /// What is asked.
    pub title: Texts,
    /// What it may be used for, each only while that purpose is allowed.
    pub purposes: Purposes,
    /// What can be answered.
    pub kind: PreferenceKind,
}

/// What can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreferenceKind {
    /// One of these.
    Choice(Vec<Choice>),
    /// Some of these, but not more than so many.
    MultiChoice(Vec<Choice>, usize),
    /// A whole number between two.
    Number(i64, i64),
    /// Text of at most so many characters.
    Text(usize),
    /// A day, not before the first and not after the second.
    Date(Option<Date>, Option<Date>),
}

/// One possible answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its ID.
    pub id: String,
    /// What people read.
    pub title: Texts,
}

/// How somebody can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// By e-mail.
    Email,
    /// By text message.
    Sms,
    /// By letter.
    Post,
    /// By phone.
    Phone,
}

/// How often at most; rarer is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Every day.
    Daily,
    /// Once a week.
    Weekly,
    /// Once a month.
    Monthly,
    /// Once in three months.
    Quarterly,
}

/// A channel by which people may be written to.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Which; there is one of each.
    pub kind: ChannelKind,
    /// What people read.
    pub title: Texts,
    /// What it is used for; all of them must be allowed.
    pub purposes: Purposes,
    /// Whether consent to its purposes speaks of this very channel, so that nothing more need be said.
    pub implied: bool,
    /// How often people may choose.
    pub frequencies: Vec<Frequency>,
}

impl ChannelKind {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Post => "post",
            Self::Phone => "phone",
        }
    }
}

impl Frequency {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
        }
    }
}

impl PreferenceKind {
    /// As it is written.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Choice(_) => "choice",
            Self::MultiChoice(..) => "multi_choice",
            Self::Number(..) => "number",
            Self::Text(_) => "text",
            Self::Date(..) => "date",
        }
    }
}

impl Policy {
    /// The preference with this ID, with its index.
    #[must_use]
    pub fn preference(&self, id: &str) -> Option<(usize, &Preference)> {
        self.preferences.iter().enumerate().find(|(_, preference)| preference.id == id)
    }

    /// The channel of this kind.
    #[must_use]
    pub fn channel(&self, kind: ChannelKind) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.kind == kind)
    }
}

/// `preferences.toml`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreferencesFile {
    #[serde(default)]
    preference: Vec<RawPreference>,
    #[serde(default)]
    channel: Vec<RawChannel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawKind {
    Choice,
    MultiChoice,
    Number,
    Text,
    Date,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPreference {
    id: Spanned<String>,
    kind: Spanned<RawKind>,
    title: Spanned<Texts>,
    purposes: Spanned<Vec<Spanned<String>>>,
    options: Option<Spanned<Vec<RawOption>>>,
    most: Option<Spanned<usize>>,
    min: Option<Spanned<i64>>,
    max: Option<Spanned<i64>>,
    chars_max: Option<Spanned<usize>>,
    earliest: Option<Spanned<String>>,
    latest: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOption {
    id: Spanned<String>,
    title: Spanned<Texts>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    kind: Spanned<ChannelKind>,
    title: Spanned<Texts>,
    purposes: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    implied: bool,
    #[serde(default)]
    frequencies: Vec<Frequency>,
}

/// What a preference of each kind says besides.
const KEYS: [(RawKind, &[&str]); 5] = [
    (RawKind::Choice, &["options"]),
    (RawKind::MultiChoice, &["options", "most"]),
    (RawKind::Number, &["min", "max"]),
    (RawKind::Text, &["chars_max"]),
    (RawKind::Date, &["earliest", "latest"]),
];

impl RawPreference {
    fn keys(&self) -> Vec<&'static str> {
        let all = [
            ("options", self.options.is_some()),
            ("most", self.most.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("chars_max", self.chars_max.is_some()),
            ("earliest", self.earliest.is_some()),
            ("latest", self.latest.is_some()),
        ];
        all.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect()
    }

    /// What one value takes at most, in bytes. Quotes and backslashes are written as two, other characters take up to four.
    fn bytes_max(&self) -> usize {
        let options = || self.options.iter().flat_map(|options| options.as_ref()).map(|option| option.id.as_ref().len() + 3);
        match self.kind.as_ref() {
            RawKind::Choice => options().max().unwrap_or(0),
            RawKind::MultiChoice => options().sum::<usize>() + 2,
            RawKind::Number => 20,
            RawKind::Text => self.chars_max.as_ref().map_or(0, |chars| *chars.as_ref()).saturating_mul(4),
            RawKind::Date => 12,
        }
    }
}

/// Checks what is written about preferences and channels.
pub(super) fn lint(raw: &Raw, findings: &mut Findings) {
    let Some(Parsed { from, value }) = &raw.preferences else { return };
    ids(from, value.preference.iter().map(|preference| &preference.id), findings);
    if let Some(extra) = value.preference.get(PREFERENCES_MAX) {
        let words = (format!("more than {PREFERENCES_MAX} preferences"), "ask for less (GDPR Art. 5(1)(c))");
        findings.error(from, extra.id.span(), "too-many", words);
    }
    let mut bytes = 0_usize;
    for preference in &value.preference {
        texts(raw, from, &preference.title, findings);
        purposes(raw, (from, &preference.purposes), findings);
        keys(from, preference, findings);
        options(raw, (from, preference), findings);
        limits(from, preference, findings);
        bytes = bytes.saturating_add(preference.bytes_max());
        if bytes > VALUES_BYTES_MAX && bytes - preference.bytes_max() <= VALUES_BYTES_MAX {
            let words = (format!("all values together may take more than {VALUES_BYTES_MAX} bytes"), "allow shorter texts");
            findings.error(from, preference.id.span(), "preference", words);
        }
    }
    let mut seen = BTreeSet::new();
    for channel in &value.channel {
        texts(raw, from, &channel.title, findings);
        purposes(raw, (from, &channel.purposes), findings);
        if !seen.insert(*channel.kind.as_ref()) {
            findings.error(from, channel.kind.span(), "duplicate", ("this channel is there twice", "remove one"));
        }
    }
    fields(raw, value, findings);
}

fn purposes(raw: &Raw, (from, named): (&Text, &Spanned<Vec<Spanned<String>>>), findings: &mut Findings) {
    if named.as_ref().is_empty() {
        let words =
            ("something is asked for and used for nothing", "name the purposes that it may be used for (GDPR Art. 5(1)(b))");
        findings.error(from, named.span(), "purposes", words);
    }
    let all = purpose_ids(raw);
    named.as_ref().iter().for_each(|purpose| known(from, purpose, "purpose", &all, findings));
}

/// Each kind has keys of its own, and no others.
fn keys(from: &Text, preference: &RawPreference, findings: &mut Findings) {
    let kind = *preference.kind.as_ref();
    let own = KEYS.iter().find(|(of, _)| *of == kind).map_or(&[] as &[&str], |(_, keys)| keys);
    let there = preference.keys();
    if let Some(foreign) = there.iter().find(|key| !own.contains(key)) {
        let words = (format!("`{foreign}` does not belong to this kind"), format!("it has: {}", own.join(", ")));
        findings.error(from, preference.kind.span(), "preference", words);
    }
    let optional = ["most", "earliest", "latest"];
    if let Some(missing) = own.iter().find(|key| !there.contains(key) && !optional.contains(key)) {
        let words = (format!("`{missing}` is missing"), "say what can be answered");
        findings.error(from, preference.kind.span(), "preference", words);
    }
}

fn options(raw: &Raw, (from, preference): (&Text, &RawPreference), findings: &mut Findings) {
    let Some(options) = &preference.options else { return };
    ids(from, options.as_ref().iter().map(|option| &option.id), findings);
    options.as_ref().iter().for_each(|option| texts(raw, from, &option.title, findings));
    if !(2..=OPTIONS_MAX).contains(&options.as_ref().len()) {
        let words = (format!("a choice has 2 to {OPTIONS_MAX} options"), "add or remove some");
        findings.error(from, options.span(), "preference", words);
    }
    if let Some(most) = preference.most.as_ref().filter(|most| !(1..=options.as_ref().len()).contains(most.as_ref())) {
        findings.error(from, most.span(), "preference", ("`most` is 1 to the number of options", "correct or remove it"));
    }
}

fn limits(from: &Text, preference: &RawPreference, findings: &mut Findings) {
    if let (Some(min), Some(max)) = (&preference.min, &preference.max)
        && !(-NUMBER_MAX <= *min.as_ref() && min.as_ref() < max.as_ref() && *max.as_ref() <= NUMBER_MAX)
    {
        findings.error(from, min.span(), "preference", ("no number lies between `min` and `max`", "min is less than max"));
    }
    if let Some(chars) = preference.chars_max.as_ref().filter(|chars| !(1..=TEXT_CHARS_MAX).contains(chars.as_ref())) {
        let words = (format!("a text has 1 to {TEXT_CHARS_MAX} characters"), "correct chars_max");
        findings.error(from, chars.span(), "preference", words);
    }
    let days = [&preference.earliest, &preference.latest].map(|day| day.as_ref().map(|day| (day.span(), date(day.as_ref()))));
    for (span, day) in days.iter().flatten() {
        if day.is_none() {
            findings.error(from, span.clone(), "preference", ("not a date", "write it like \"1900-12-31\""));
        }
    }
    if let [Some((span, Some(earliest))), Some((_, Some(latest)))] = days
        && earliest > latest
    {
        findings.error(from, span, "preference", ("no day lies between `earliest` and `latest`", "exchange them"));
    }
}

/// A destination may get what is stated only for purposes that it may be used for.
fn fields(raw: &Raw, value: &PreferencesFile, findings: &mut Findings) {
    let from = &raw.destinations.from;
    for destination in &raw.destinations.value.destination {
        for field in &destination.fields {
            let Some(id) = field.as_ref().strip_prefix("preferences.").filter(|id| *id != "*") else { continue };
            let Some(preference) = value.preference.iter().find(|preference| preference.id.as_ref() == id) else {
                let list: Vec<&str> = value.preference.iter().map(|preference| preference.id.as_ref().as_str()).collect();
                let words = (format!("there is no preference `{id}`"), format!("use one of: {}", list.join(", ")));
                findings.error(from, field.span(), "reference", words);
                continue;
            };
            let may = |purpose: &Spanned<String>| preference.purposes.as_ref().iter().any(|own| own.as_ref() == purpose.as_ref());
            if let Some(other) = destination.purposes.as_ref().iter().find(|purpose| !may(purpose)) {
                let words = (
                    format!("`{id}` may not be used for `{}`, which is what this recipient does", other.as_ref()),
                    "remove the field, or name the purpose in preferences.toml (GDPR Art. 5(1)(b))",
                );
                findings.error(from, field.span(), "preference-purpose", words);
            }
        }
    }
}

/// A day as it is written, in its one spelling.
#[must_use]
pub fn date(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().filter(|day| day.to_string() == text)
}

/// Compiles what lint found no error in.
pub(super) fn compile(raw: &Raw, all: &[Purpose]) -> (Vec<Preference>, Vec<Channel>) {
    let Some(Parsed { value, .. }) = &raw.preferences else { return (Vec::new(), Vec::new()) };
    let set = |named: &Spanned<Vec<Spanned<String>>>| {
        let indexes = named.as_ref().iter().filter_map(|id| all.iter().position(|purpose| purpose.id == *id.as_ref()));
        indexes.fold(Purposes::NONE, |set, index| set.or(Purposes::one(index)))
    };
    let preferences = value.preference.iter().map(|preference| Preference {
        id: preference.id.as_ref().clone(),
        title: preference.title.as_ref().clone(),
        purposes: set(&preference.purposes),
        kind: preference.compiled(),
    });
    let channels = value.channel.iter().map(|channel| Channel {
        kind: *channel.kind.as_ref(),
        title: channel.title.as_ref().clone(),
        purposes: set(&channel.purposes),
        implied: channel.implied,
        frequencies: channel.frequencies.clone(),
    });
    (preferences.collect(), channels.collect())
}

impl RawPreference {
    fn compiled(&self) -> PreferenceKind {
        let options = || -> Vec<Choice> {
            let all = self.options.iter().flat_map(|options| options.as_ref());
            all.map(|option| Choice { id: option.id.as_ref().clone(), title: option.title.as_ref().clone() }).collect()
        };
        let number = |of: &Option<Spanned<i64>>| of.as_ref().map_or(0, |number| *number.as_ref());
        let day = |of: &Option<Spanned<String>>| of.as_ref().and_then(|day| date(day.as_ref()));
        match self.kind.as_ref() {
            RawKind::Choice => PreferenceKind::Choice(options()),
            RawKind::MultiChoice => {
                let options = options();
                let most = self.most.as_ref().map_or(options.len(), |most| *most.as_ref());
                PreferenceKind::MultiChoice(options, most)
            }
            RawKind::Number => PreferenceKind::Number(number(&self.min), number(&self.max)),
            RawKind::Text => PreferenceKind::Text(self.chars_max.as_ref().map_or(0, |chars| *chars.as_ref())),
            RawKind::Date => PreferenceKind::Date(day(&self.earliest), day(&self.latest)),
        }
    }
}
