//! What pages say, in the languages that they speak: catalogues in Fluent (Project Fluent, Mozilla), one folder per language.
//!
//! It **promises**: no sentence of a page stands in code or in a template; plurals and dates are written as the language writes them;
//! every language says everything that another one says (tests), so nobody meets a gap.
//!
//! It **refuses to know** what is said to whom. What is put into a sentence is text, never markup: whoever renders it escapes it.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Millis;

/// A language that pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Deutsch.
    German,
    /// English.
    English,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::German, Self::English];

    /// The language of a tag such as `de` or `en`.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| tag.eq_ignore_ascii_case(language.code()))
    }

    /// Its tag.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }

    /// What it calls itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::German => "Deutsch",
            Self::English => "English",
        }
    }

    /// The files of its catalogue.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::German => &[
                include_str!("../assets/texts/de/frame.ftl"),
                include_str!("../assets/texts/de/portal.ftl"),
                include_str!("../assets/texts/de/console.ftl"),
                include_str!("../assets/texts/de/policy.ftl"),
            ],
            Self::English => &[
                include_str!("../assets/texts/en/frame.ftl"),
                include_str!("../assets/texts/en/portal.ftl"),
                include_str!("../assets/texts/en/console.ftl"),
                include_str!("../assets/texts/en/policy.ftl"),
            ],
        }
    }

    fn bundle(self) -> &'static Bundle {
        static GERMAN: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::German));
        static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::English));
        match self {
            Self::German => &GERMAN,
            Self::English => &ENGLISH,
        }
    }
}

type Bundle = FluentBundle<FluentResource>;

/// What can be read of a language's files. That all of them can is what tests show.
fn bundle(language: Language) -> Bundle {
    let mut bundle = FluentBundle::new_concurrent(language.code().parse().into_iter().collect());
    // Marks around what is put in would end up in titles, files and comparisons.
    bundle.set_use_isolating(false);
    for file in language.files() {
        let resource = FluentResource::try_new((*file).to_owned()).unwrap_or_else(|(readable, _errors)| readable);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// Says things in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub Language);

impl Words {
    /// What stands under a key.
    #[must_use]
    pub fn say(self, key: impl AsRef<str>) -> String {
        self.with(key.as_ref(), &FluentArgs::new())
    }

    /// The same with one value in it.
    #[must_use]
    pub fn of<'a>(self, key: &str, name: &'a str, value: impl Into<FluentValue<'a>>) -> String {
        let mut args = FluentArgs::with_capacity(1);
        args.set(name, value);
        self.with(key, &args)
    }

    /// The same with several values in it.
    #[must_use]
    pub fn all<'a, const N: usize>(self, key: &str, values: [(&'a str, FluentValue<'a>); N]) -> String {
        let mut args = FluentArgs::with_capacity(N);
        for (name, value) in values {
            args.set(name, value);
        }
        self.with(key, &args)
    }

    /// What was to be said.
    #[must_use]
    pub fn repeat(self, saying: &Saying) -> String {
        let values = saying.values.iter().map(|(name, value)| (*name, value.as_str()));
        self.with(saying.key, &values.collect())
    }

    fn with(self, key: &str, args: &FluentArgs<'_>) -> String {
        let bundle = self.0.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, "a text is missing in a catalogue");
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let said = bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(key, "a text of a catalogue lacks a value");
        }
        said
    }

    /// A day as people write it.
    #[must_use]
    pub fn day(self, date: Date) -> String {
        let month = self.of("month", "number", i32::from(date.month()));
        self.all("day", [("day", date.day().into()), ("month", month.into()), ("year", date.year().to_string().into())])
    }

    /// A moment as people write it, by the clock of a place.
    #[must_use]
    pub fn moment(self, at: Millis, zone: &TimeZone) -> String {
        let Ok(timestamp) = jiff::Timestamp::from_millisecond(at) else { return String::new() };
        let local = zone.to_datetime(timestamp);
        let time = local.strftime("%H:%M").to_string();
        self.all("moment", [("day", self.day(local.date()).into()), ("time", time.into())])
    }
}

/// Something that can be said in every language: the key of a text, and what is put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    key: &'static str,
    values: Vec<(&'static str, String)>,
}

/// What stands under a key, to be said later in whatever language.
#[must_use]
pub const fn says(key: &'static str) -> Saying {
    Saying { key, values: Vec::new() }
}

impl Saying {
    /// The same with a value in it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

/// The key of a text of a family, such as that of a kind of request: what is said of each of them begins alike.
#[must_use]
pub fn text_key(family: &str, member: &str) -> String {
    [family, member].concat()
}
