//! What somebody stated about themselves, for their package (Art. 15, 20).

use serde::Serialize;
use serde_json::Value;

use super::{Error, Rights};
use crate::clock::{Millis, rfc3339};
use crate::id::SubjectId;
use crate::policy::{Choice, Policy, PreferenceKind, Texts};
use crate::preferences::Wish;
use crate::profile;

/// Something that the person stated.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    /// The preference; `channels.email` and so on for channels.
    id: String,
    /// What was asked.
    pub(super) title: String,
    /// The value.
    value: Value,
    /// The value as people read it.
    #[serde(skip)]
    pub(super) words: String,
    /// When it was stated.
    pub(super) at: String,
    /// Through which source.
    pub(super) source: String,
}

impl Rights {
    /// What people who are looked up together stated, as it stands.
    pub(super) fn said(
        &self,
        subjects: &[SubjectId],
        policy: &Policy,
        (language, at): (&str, Millis),
    ) -> Result<Vec<Said>, Error> {
        let standing = self.deps.preferences.standing(subjects, policy, at).map_err(profile::Error::from)?;
        let text = |texts: &Texts| {
            let found = texts.get(language).or_else(|| texts.get(&policy.controller.language));
            found.or_else(|| texts.values().next()).cloned().unwrap_or_default()
        };
        let mut all = Vec::with_capacity(standing.preferences.len() + standing.channels.len());
        for (id, statement) in standing.preferences {
            let Some((_, preference)) = policy.preference(&id) else { continue };
            let words = words(&preference.kind, &statement.value, text);
            let (value, at, source) = (statement.value, rfc3339(statement.at), statement.source);
            all.push(Said { id, title: text(&preference.title), value, words, at, source });
        }
        for (kind, (wish, statement)) in standing.channels {
            let title = policy.channel(kind).map(|channel| text(&channel.title)).unwrap_or_default();
            let (id, words) = (format!("channels.{}", kind.as_str()), wished(wish, language == "de"));
            let value = serde_json::to_value(wish)?;
            all.push(Said { id, title, value, words, at: rfc3339(statement.at), source: statement.source });
        }
        Ok(all)
    }
}

/// A value as people read it: options by their titles.
fn words(kind: &PreferenceKind, value: &Value, text: impl Fn(&Texts) -> String) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let option = |options: &[Choice], value: &Value| {
        let found = options.iter().find(|option| value.as_str() == Some(&option.id));
        found.map_or_else(|| plain(value), |option| text(&option.title))
    };
    match (kind, value) {
        (PreferenceKind::Choice(options), value) => option(options, value),
        (PreferenceKind::MultiChoice(options, _), Value::Array(list)) => {
            list.iter().map(|one| option(options, one)).collect::<Vec<String>>().join(", ")
        }
        (
            PreferenceKind::MultiChoice(..) | PreferenceKind::Number(..) | PreferenceKind::Text(_) | PreferenceKind::Date(..),
            value,
        ) => plain(value),
    }
}

fn wished(wish: Wish, german: bool) -> String {
    use crate::policy::Frequency::{Daily, Monthly, Quarterly, Weekly};
    let say = |de: &'static str, en: &'static str| if german { de } else { en };
    if !wish.allowed {
        return say("nein", "no").to_owned();
    }
    let most = match wish.at_most {
        None => return say("ja", "yes").to_owned(),
        Some(Daily) => say("höchstens täglich", "daily at most"),
        Some(Weekly) => say("höchstens wöchentlich", "weekly at most"),
        Some(Monthly) => say("höchstens monatlich", "monthly at most"),
        Some(Quarterly) => say("höchstens vierteljährlich", "quarterly at most"),
    };
    format!("{}, {most}", say("ja", "yes"))
}
