//! The package as one page for people, which loads nothing.

use std::collections::BTreeMap;

use askama::Template;
use jiff::tz::TimeZone;
use serde_json::value::RawValue;

use super::{Package, Shaped};
use crate::clock::rfc3339;
use crate::consent::State as Decided;
use crate::profile::Exported;

/// An event on the page.
pub(super) struct Row {
    pub(super) at: String,
    pub(super) origin: String,
    pub(super) what: String,
    pub(super) purposes: Vec<String>,
    pub(super) details: String,
}

#[derive(Template)]
#[template(path = "package.html")]
pub(super) struct Page<'a> {
    pub(super) german: bool,
    pub(super) zone: TimeZone,
    pub(super) titles: BTreeMap<String, String>,
    pub(super) package: &'a Package,
    pub(super) rows: Vec<Row>,
    pub(super) more: bool,
}

impl Page<'_> {
    /// A time as people write it, where the company is.
    fn when(&self, time: &str) -> String {
        let Ok(time) = time.parse::<jiff::Timestamp>() else { return time.to_owned() };
        let form = if self.german { "%d.%m.%Y, %H:%M" } else { "%-d %B %Y, %H:%M" };
        self.zone.to_datetime(time).strftime(form).to_string()
    }

    /// What a purpose is called.
    fn purpose<'a>(&'a self, id: &'a str) -> &'a str {
        self.titles.get(id).map_or(id, String::as_str)
    }

    /// It stands in the page itself: the page loads nothing.
    const STYLE: &'static str = include_str!("../../../assets/pforte.css");

    /// A value as people write it: text without its quotes.
    fn plain(&self, value: &RawValue) -> String {
        match serde_json::from_str(value.get()) {
            Ok(serde_json::Value::Bool(yes)) => {
                String::from(self.say(if yes { "ja" } else { "nein" }, if yes { "yes" } else { "no" }))
            }
            Ok(serde_json::Value::String(text)) => text,
            Ok(_) | Err(_) => value.get().to_owned(),
        }
    }

    fn say<'a>(&self, german: &'a str, english: &'a str) -> &'a str {
        if self.german { german } else { english }
    }

    fn decided(&self, state: &Decided) -> &'static str {
        match (state, self.german) {
            (Decided::Granted, true) => "ja",
            (Decided::Granted, false) => "yes",
            (Decided::Denied, true) => "nein",
            (Decided::Denied, false) => "no",
            (Decided::Withdrawn, true) => "widerrufen",
            (Decided::Withdrawn, false) => "withdrawn",
            (Decided::Pending, true) => "noch nicht bestätigt",
            (Decided::Pending, false) => "not confirmed yet",
        }
    }
}

impl Row {
    pub(super) fn of(exported: &Exported<'_>, language: &str) -> Self {
        let law = exported.kept.map(|term| {
            let law = term.law.get(language).or_else(|| term.law.values().next()).map(String::as_str).unwrap_or_default();
            if language == "de" {
                format!("{law}: aufbewahrt bis {}", term.until.strftime("%d.%m.%Y"))
            } else {
                format!("{law}: kept until {}", term.until.strftime("%-d %B %Y"))
            }
        });
        let shaped = Shaped::read(exported.event);
        Self {
            at: rfc3339(exported.received_at),
            origin: exported.source.to_owned(),
            what: if shaped.name.is_empty() { shaped.kind } else { format!("{}: {}", shaped.kind, shaped.name) },
            purposes: exported.purposes.iter().map(|purpose| (*purpose).to_owned()).chain(law).collect(),
            details: shaped.properties,
        }
    }
}
