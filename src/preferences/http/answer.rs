//! What is answered.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::{Contact, Past, Standing};
use crate::clock::rfc3339;
use crate::policy::{Choice, Policy, PreferenceKind, Texts};
use crate::profile::Gathering;

/// What somebody stated, as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Preferences)]
pub struct PreferencesAnswer {
    /// Preferences by their IDs.
    preferences: BTreeMap<String, Stated>,
    /// What was said about channels.
    channels: BTreeMap<&'static str, StatedChannel>,
    /// The policy in force.
    policy_version: String,
}

/// A statement.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stated {
    /// The value.
    value: Value,
    /// When it was stated, by the server's clock.
    at: String,
    /// Through which source.
    source: String,
    /// For which purposes it may be used now. Whoever shows people their own preferences need not heed this; everybody else must.
    usable_for: Vec<String>,
}

/// What was said about a channel.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatedChannel {
    /// Whether it may be used, as far as the person said. `POST /v1/preferences/contact` says whether they may be written to.
    allowed: bool,
    /// How often at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<&'static str>,
    /// When that was said, by the server's clock.
    at: String,
    /// Through which source.
    source: String,
}

impl PreferencesAnswer {
    pub(super) fn of(standing: &Standing, gathering: &Gathering<'_>) -> Self {
        let policy = gathering.policy;
        let names = |id: &str, statement: &super::super::Statement| -> Vec<String> {
            let preference = policy.preference(id).map(|(_, preference)| preference);
            let set = preference.map(|preference| statement.usable_for(preference, gathering)).unwrap_or_default();
            policy.names(set).into_iter().map(str::to_owned).collect()
        };
        let preferences = standing.preferences.iter().map(|(id, statement)| {
            let (value, at, source) = (statement.value.clone(), rfc3339(statement.at), statement.source.clone());
            (id.clone(), Stated { value, at, source, usable_for: names(id, statement) })
        });
        let channels = standing.channels.iter().map(|(kind, (wish, statement))| {
            let at_most = wish.at_most.map(crate::policy::Frequency::as_str);
            let (at, source) = (rfc3339(statement.at), statement.source.clone());
            (kind.as_str(), StatedChannel { allowed: wish.allowed, at_most, at, source })
        });
        Self { preferences: preferences.collect(), channels: channels.collect(), policy_version: policy.version.clone() }
    }
}

/// What was stated when, oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PreferencesHistory)]
pub struct HistoryAnswer {
    /// At most a hundred changes of each device or person that is the customer.
    changes: Vec<Changed>,
}

/// One change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PreferencesChanged)]
struct Changed {
    /// When, by the server's clock.
    at: String,
    /// Through which source.
    source: String,
    /// Who recorded it, as the source calls them.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// What it was about, and the new value; `null` if it was taken away. Channels are `channels.email` and so on.
    changes: BTreeMap<String, Value>,
}

impl HistoryAnswer {
    pub(super) fn of(history: Vec<Past>) -> Self {
        let one = |Past { at, source, actor, changes }: Past| Changed { at: rfc3339(at), source, actor, changes };
        Self { changes: history.into_iter().map(one).collect() }
    }
}

/// Whether somebody may be written to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MayContact)]
pub struct ContactAnswer {
    /// Yes or no.
    may: bool,
    /// Why.
    reason: super::super::Answer,
    /// How often at most; whoever writes counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<&'static str>,
}

impl ContactAnswer {
    pub(super) fn of(contact: Contact) -> Self {
        let may = contact.answer == super::super::Answer::Allowed;
        Self { may, reason: contact.answer, at_most: contact.at_most.map(crate::policy::Frequency::as_str) }
    }
}

/// What can be stated, for whoever draws a form.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreferencesSchema)]
pub struct SchemaAnswer {
    /// Preferences, in the order of the policy.
    preferences: Vec<Question>,
    /// Channels.
    channels: Vec<ChannelQuestion>,
    /// The policy in force.
    policy_version: String,
}

/// A preference that can be stated.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Question {
    /// Its ID.
    id: String,
    /// `choice`, `multi_choice`, `number`, `text` or `date`.
    kind: &'static str,
    /// What is asked, per language.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    title: Texts,
    /// What it may be used for.
    purposes: Vec<String>,
    /// Possible answers of a choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<OptionAnswer>,
    /// How many of them at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<usize>,
    /// The least number, or the first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    min: Option<Value>,
    /// The largest number, or the last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    max: Option<Value>,
    /// The longest text, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    chars_max: Option<usize>,
}

/// A possible answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PreferenceOption)]
struct OptionAnswer {
    /// Its ID.
    id: String,
    /// What people read, per language.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    title: Texts,
}

/// A channel that something can be said about.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ChannelSchema)]
struct ChannelQuestion {
    /// Which.
    channel: &'static str,
    /// What people read, per language.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    title: Texts,
    /// What it is used for.
    purposes: Vec<String>,
    /// Whether consent to its purposes is enough.
    implied: bool,
    /// What `atMost` can be.
    frequencies: Vec<&'static str>,
}

impl SchemaAnswer {
    pub(super) fn of(policy: &Policy) -> Self {
        let names = |set| policy.names(set).into_iter().map(str::to_owned).collect();
        let preferences = policy.preferences.iter().map(|preference| {
            let (options, most, min, max, chars_max) = limits(&preference.kind);
            let (id, title, purposes) = (preference.id.clone(), preference.title.clone(), names(preference.purposes));
            Question { id, kind: preference.kind.as_str(), title, purposes, options, most, min, max, chars_max }
        });
        let channels = policy.channels.iter().map(|channel| ChannelQuestion {
            channel: channel.kind.as_str(),
            title: channel.title.clone(),
            purposes: names(channel.purposes),
            implied: channel.implied,
            frequencies: channel.frequencies.iter().map(|frequency| frequency.as_str()).collect(),
        });
        Self { preferences: preferences.collect(), channels: channels.collect(), policy_version: policy.version.clone() }
    }
}

type Limits = (Vec<OptionAnswer>, Option<usize>, Option<Value>, Option<Value>, Option<usize>);

fn limits(kind: &PreferenceKind) -> Limits {
    let options = |all: &[Choice]| -> Vec<OptionAnswer> {
        all.iter().map(|option| OptionAnswer { id: option.id.clone(), title: option.title.clone() }).collect()
    };
    match kind {
        PreferenceKind::Choice(all) => (options(all), None, None, None, None),
        PreferenceKind::MultiChoice(all, most) => (options(all), Some(*most), None, None, None),
        PreferenceKind::Number(min, max) => (Vec::new(), None, Some(Value::from(*min)), Some(Value::from(*max)), None),
        PreferenceKind::Text(chars_max) => (Vec::new(), None, None, None, Some(*chars_max)),
        PreferenceKind::Date(first, last) => {
            let day = |day: &Option<jiff::civil::Date>| day.map(|day| Value::from(day.to_string()));
            (Vec::new(), None, day(first), day(last), None)
        }
    }
}
