//! Cases that say, in TOML, which event with which decisions goes where and in which form. `pforte policy test` runs them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// One file of `policies/cases/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The cases.
    pub case: Vec<Case>,
}

/// One case: what was decided, what is sent, what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence that says what is shown.
    pub name: String,
    /// The source that sends, by ID.
    pub source: String,
    /// The event, in its wire form.
    pub event: serde_json::Value,
    /// What was decided before, in this order.
    #[serde(default)]
    pub decided: Vec<Decided>,
    /// Events that were sent before, in their wire form: they tell who belongs together.
    #[serde(default)]
    pub before: Vec<serde_json::Value>,
    /// Per destination what must come of it. Every destination that the case does not name must not get the event.
    #[serde(default)]
    pub expect: BTreeMap<String, Expectation>,
}

/// A decision that was taken before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Whose: identifier type to value, such as `device = "laptop"`.
    pub by: BTreeMap<String, String>,
    /// Purpose to `granted` or `denied`.
    pub decisions: BTreeMap<String, Answer>,
    /// How many days ago.
    #[serde(default)]
    pub days_ago: u32,
}

/// What somebody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Granted,
    /// No, or no longer.
    Denied,
}

/// What must come of an event at one destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The reason code for which it must be withheld. Without one it must be forwarded.
    pub withheld: Option<String>,
    /// Fields that must stand in what leaves, as JSON pointers without the first slash, with their values.
    #[serde(default)]
    pub has: BTreeMap<String, serde_json::Value>,
    /// Fields that must stand in what leaves, whatever their value.
    #[serde(default)]
    pub present: Vec<String>,
    /// Text that must not stand anywhere in what leaves.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// Reads all cases of a policy, with the file each stands in.
///
/// # Errors
/// One line per file that cannot be read.
pub fn load(dir: &Path) -> Result<Vec<(String, Case)>, Vec<String>> {
    let mut paths: Vec<_> = std::fs::read_dir(dir.join("cases"))
        .map(|entries| {
            entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "toml")).collect()
        })
        .unwrap_or_default();
    paths.sort();
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        let parsed = std::fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| toml::from_str::<CaseFile>(&text).map_err(|error| error.to_string()));
        match parsed {
            Ok(file) => cases.extend(file.case.into_iter().map(|case| (name.clone(), case))),
            Err(error) => errors.push(format!("{name}: {error}")),
        }
    }
    if errors.is_empty() { Ok(cases) } else { Err(errors) }
}
