//! Reads `policies/`. Everything that is wrong is found at once, with its place.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::compile;
use super::finding::{Finding, Findings, Severity};
use super::lint;
use super::model::Policy;
use super::raw::{Parsed, Raw, Text};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads, lints and compiles the policy in a folder.
///
/// # Errors
/// All findings, if one of them is an error.
pub fn load(dir: &Path) -> Result<Policy, Vec<Finding>> {
    load_after(dir, &[])
}

/// The same, for a gateway that is running: purposes keep the bits that they had, because standing in memory uses them.
/// A purpose that is gone keeps its place, retired, so that its bit means nothing else until the next start.
///
/// # Errors
/// As [`load`].
pub fn load_after(dir: &Path, purposes: &[String]) -> Result<Policy, Vec<Finding>> {
    let (policy, findings) = examine(dir, purposes);
    policy.ok_or(findings)
}

/// The policy, if it is free of errors, and all findings, warnings included.
#[must_use]
pub fn examine(dir: &Path, purposes: &[String]) -> (Option<Policy>, Vec<Finding>) {
    let mut findings = Findings::default();
    let raw = read(dir, &mut findings);
    let policy = raw.and_then(|raw| {
        lint::all(&raw, &mut findings);
        if findings.has_errors() { None } else { Some(compile::policy(&raw, purposes)) }
    });
    findings.0.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    (policy, findings.0)
}

fn read(dir: &Path, findings: &mut Findings) -> Option<Raw> {
    if !dir.is_dir() {
        findings.0.push(Finding {
            file: dir.display().to_string(),
            line: 1,
            column: 1,
            rule: "folder",
            message: String::from("there is no such folder"),
            cure: String::from("name the folder with --policies, or start where `policies/` is"),
            severity: Severity::Error,
        });
        return None;
    }
    let controller = file(dir, "controller.toml", findings);
    let purposes = file(dir, "purposes.toml", findings);
    let identifiers = file(dir, "identifiers.toml", findings);
    let sources = file(dir, "sources.toml", findings);
    let destinations = file(dir, "destinations.toml", findings);
    let routes = file(dir, "routes.toml", findings);
    let signals = optional(dir, "signals.toml", findings);
    let preferences = optional(dir, "preferences.toml", findings);
    let mut notices = Vec::new();
    for name in notice_files(dir) {
        let parts: Vec<&str> = name.split('.').collect();
        let [id, language, "toml"] = parts.as_slice() else {
            let text = Text { name: format!("{}/notices/{name}", dir.display()), text: String::new() };
            findings.error(
                &text,
                0..0,
                "file-name",
                ("a notice is one file per language", "call it notices/<id>.<language>.toml"),
            );
            continue;
        };
        if let Some(parsed) = file(dir, &format!("notices/{name}"), findings) {
            notices.push(((*id).to_owned(), (*language).to_owned(), parsed));
        }
    }
    Some(Raw {
        controller: controller?,
        purposes: purposes?,
        identifiers: identifiers?,
        sources: sources?,
        destinations: destinations?,
        routes: routes?,
        signals: signals?,
        preferences: preferences?,
        notices,
    })
}

fn notice_files(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("notices")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    names
}

/// A file that a policy need not have.
fn optional<T: DeserializeOwned>(dir: &Path, name: &str, findings: &mut Findings) -> Option<Option<Parsed<T>>> {
    if dir.join(name).exists() { file(dir, name, findings).map(Some) } else { Some(None) }
}

fn file<T: DeserializeOwned>(dir: &Path, name: &str, findings: &mut Findings) -> Option<Parsed<T>> {
    let path = dir.join(name);
    let mut text = Text { name: path.display().to_string(), text: String::new() };
    let size = std::fs::metadata(&path).map(|m| m.len());
    match size
        .and_then(|size| if size > FILE_BYTES_MAX { Err(std::io::ErrorKind::FileTooLarge.into()) } else { std::fs::read(&path) })
    {
        Err(error) => {
            findings.error(
                &text,
                0..0,
                "file",
                (format!("the file cannot be read: {error}"), "a policy has all six files; each at most 1 MiB"),
            );
            None
        }
        Ok(bytes) => match String::from_utf8(bytes) {
            Err(_not_utf8) => {
                findings.error(&text, 0..0, "encoding", ("the file is not UTF-8", "save it as UTF-8"));
                None
            }
            Ok(content) => {
                text.text = content;
                parse(text, findings)
            }
        },
    }
}

pub(super) fn parse<T: DeserializeOwned>(text: Text, findings: &mut Findings) -> Option<Parsed<T>> {
    match toml::from_str(&text.text) {
        Ok(value) => Some(Parsed { from: text, value }),
        Err(error) => {
            let message = error.message().lines().next().unwrap_or("not valid TOML").to_owned();
            let cure = suggestion(&message).unwrap_or_else(|| String::from("see docs/policy.md for what may stand here"));
            findings.error(&text, error.span().unwrap_or(0..0), "syntax", (message, cure));
            None
        }
    }
}

/// For an unknown key: the known one that is closest.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let wrong = quoted.next().filter(|_| message.starts_with("unknown field"))?;
    let best = quoted.min_by_key(|known| distance(wrong, known))?;
    (distance(wrong, best) <= 3).then(|| format!("did you mean `{best}`?"))
}

/// Levenshtein's distance; keys are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let change = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = change.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
