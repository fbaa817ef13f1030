//! Reads a policy again that was kept in its canonical form. Nothing is linted: it was in force, whatever is thought of it today.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::compile;
use super::finding::Findings;
use super::load::parse;
use super::model::Policy;
use super::raw::{NoticeFile, Parsed, Raw, Text};

/// The policy that was written down as [`Policy::written`]; none if this program does not know all that it says.
#[must_use]
pub fn read_again(written: &str) -> Option<Policy> {
    let files: Map<String, Value> = serde_json::from_str(written).ok()?;
    let raw = Raw {
        controller: file(&files, "controller")?,
        purposes: file(&files, "purposes")?,
        identifiers: file(&files, "identifiers")?,
        sources: file(&files, "sources")?,
        destinations: file(&files, "destinations")?,
        routes: file(&files, "routes")?,
        signals: optional(&files, "signals")?,
        preferences: optional(&files, "preferences")?,
        notices: notices(files.get("notices")?.as_object()?)?,
    };
    let policy = compile::policy(&raw, &[]);
    // Whatever this program leaves out or adds would make it another policy.
    (policy.written == written).then_some(policy)
}

fn notices(all: &Map<String, Value>) -> Option<Vec<(String, String, Parsed<NoticeFile>)>> {
    let one = |name: &String| {
        let (id, language) = name.split_once('.')?;
        Some((id.to_owned(), language.to_owned(), file(all, name)?))
    };
    all.keys().map(one).collect()
}

fn optional<T: DeserializeOwned>(files: &Map<String, Value>, name: &str) -> Option<Option<Parsed<T>>> {
    if files.get(name).is_none_or(Value::is_null) { Some(None) } else { file(files, name).map(Some) }
}

/// A file as if somebody had written it in this form: what reads files also reads it.
fn file<T: DeserializeOwned>(files: &Map<String, Value>, name: &str) -> Option<Parsed<T>> {
    let text = toml::to_string(&toml::Value::try_from(files.get(name)?).ok()?).ok()?;
    parse(Text { name: name.to_owned(), text }, &mut Findings::default())
}
