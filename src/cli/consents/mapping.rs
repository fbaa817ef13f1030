//! What the columns of another tool's export mean: a TOML file beside the export.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// Comma-separated values, with names in the first line.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// One list of JSON objects.
    Json,
}

/// A mapping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    pub(super) format: Format,
    /// What stands between the values of a CSV file.
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    /// What the tool is called; it is kept as evidence.
    tool: Option<String>,
    /// The columns that name a record in the tool.
    key: Vec<String>,
    /// Identifier type to column.
    identifiers: BTreeMap<String, String>,
    /// When it was decided.
    #[serde(default)]
    obtained_at: When,
    #[serde(default)]
    evidence: BTreeMap<Point, Said>,
    decision: Vec<Choice>,
}

const fn comma() -> char {
    ','
}

/// What can be said in evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Point {
    Where,
    Text,
    Proof,
}

/// Where a text comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    /// A column.
    Column(String),
    /// The same for all records.
    Value(String),
}

/// How times are written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    /// The first of these that is not empty.
    #[serde(default)]
    columns: Vec<String>,
    /// `rfc3339` (the default), `unix_s`, `unix_ms`, or a pattern such as `%d.%m.%Y %H:%M`.
    format: Option<String>,
    /// Where the clock hangs, for patterns without an offset. UTC if it is left out.
    zone: Option<String>,
}

/// What a column says about a purpose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    purpose: String,
    /// The column that says it.
    column: Option<String>,
    /// Its values that mean a grant.
    #[serde(default)]
    granted: Vec<String>,
    /// Its values that mean a refusal.
    #[serde(default)]
    denied: Vec<String>,
    /// Its values that mean nothing.
    #[serde(default)]
    ignored: Vec<String>,
    /// In place of a column: what every record of the file says.
    always: Option<Always>,
    /// When this was decided, if not when everything was.
    obtained_at: Option<When>,
    /// Evidence for this alone.
    #[serde(default)]
    evidence: BTreeMap<Point, Said>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Always {
    Granted,
    Denied,
}

/// What is wrong with a row: the column, and the reason. Never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) column: String,
    pub(super) reason: String,
}

/// The values of one row, whatever the file is written in.
pub(super) trait Row {
    /// The value in a column; empty if there is none.
    fn value(&self, column: &str) -> String;
}

/// A record that is ready to be sent, and which columns its fields came from.
pub(super) struct Ready {
    pub(super) record: Value,
    columns: Vec<(String, String)>,
}

impl Ready {
    /// The column that a field of the record came from.
    pub(super) fn column<'a>(&'a self, field: &'a str) -> &'a str {
        self.columns.iter().find(|(name, _)| name == field).map_or(field, |(_, column)| column)
    }
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mapping: Self = toml::from_str(text)?;
        anyhow::ensure!(!mapping.key.is_empty(), "`key` names the columns that name a record in the other tool");
        anyhow::ensure!(!mapping.identifiers.is_empty(), "`identifiers` says which column holds whose consent it is");
        anyhow::ensure!(!mapping.decision.is_empty(), "there is no `[[decision]]`");
        anyhow::ensure!(mapping.delimiter.is_ascii(), "`delimiter` is one ASCII character");
        for choice in &mapping.decision {
            let both = choice.column.is_some() && choice.always.is_some();
            anyhow::ensure!(
                !both && (choice.column.is_some() || choice.always.is_some()),
                "the decision about `{}` needs either `column` or `always`",
                choice.purpose
            );
            let said: Vec<&String> = choice.granted.iter().chain(&choice.denied).chain(&choice.ignored).collect();
            let twice =
                said.iter().enumerate().find(|(at, value)| said.iter().take(*at).any(|other| other.eq_ignore_ascii_case(value)));
            anyhow::ensure!(twice.is_none(), "a value of the decision about `{}` is there twice", choice.purpose);
            anyhow::ensure!(
                choice.always.is_some() || !(choice.granted.is_empty() && choice.denied.is_empty()),
                "the decision about `{}` names no value that grants or denies",
                choice.purpose
            );
        }
        for when in std::iter::once(&mapping.obtained_at).chain(mapping.decision.iter().filter_map(|c| c.obtained_at.as_ref())) {
            let zone = when.zone.as_deref().unwrap_or("UTC");
            anyhow::ensure!(TimeZone::get(zone).is_ok(), "`{zone}` is no zone of the IANA time zone database");
        }
        Ok(mapping)
    }

    /// Every column that is named, for a look whether the file has it.
    pub(super) fn columns(&self) -> Vec<&str> {
        let when = std::iter::once(&self.obtained_at).chain(self.decision.iter().filter_map(|c| c.obtained_at.as_ref()));
        let said = self.evidence.values().chain(self.decision.iter().flat_map(|c| c.evidence.values()));
        let said = said.filter_map(|said| match said {
            Said::Column(column) => Some(column),
            Said::Value(_) => None,
        });
        let all = self.key.iter().chain(self.identifiers.values()).chain(when.flat_map(|when| &when.columns)).chain(said);
        let mut all: Vec<&str> = all.chain(self.decision.iter().filter_map(|c| c.column.as_ref())).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What a row says: a record per purpose, or what is wrong. Rows that say nothing give nothing.
    pub(super) fn read(&self, row: &dyn Row) -> Vec<Result<Ready, Wrong>> {
        self.decision.iter().filter_map(|choice| self.one(choice, row).transpose()).collect()
    }

    fn one(&self, choice: &Choice, row: &dyn Row) -> Result<Option<Ready>, Wrong> {
        let Some(granted) = choice.read(row)? else { return Ok(None) };
        let keys: Vec<String> = self.key.iter().map(|column| row.value(column)).collect();
        if keys.iter().all(String::is_empty) {
            return Err(Wrong { column: self.key.join(", "), reason: String::from("is empty, and names the record") });
        }
        let mut columns = vec![(String::from("key"), self.key.join(", "))];
        let mut identifiers = Map::new();
        for (kind, column) in &self.identifiers {
            let value = row.value(column);
            columns.push((format!("identifiers.{kind}"), column.clone()));
            if !value.is_empty() {
                identifiers.insert(kind.clone(), Value::String(value));
            }
        }
        if identifiers.is_empty() {
            let column = self.identifiers.values().cloned().collect::<Vec<_>>().join(", ");
            return Err(Wrong { column, reason: String::from("is empty, and says whose consent it is") });
        }
        let mut evidence = Map::new();
        let when = choice.obtained_at.as_ref().unwrap_or(&self.obtained_at);
        columns.push((String::from("evidence.obtainedAt"), when.columns.join(", ")));
        if let Some(time) = when.read(row)? {
            evidence.insert(String::from("obtainedAt"), Value::String(time));
        }
        if let Some(tool) = &self.tool {
            evidence.insert(String::from("tool"), Value::String(tool.clone()));
        }
        let mut said = self.evidence.clone();
        said.extend(choice.evidence.clone());
        for (point, said) in &said {
            let (column, value) = match said {
                Said::Column(column) => (column.clone(), row.value(column)),
                Said::Value(value) => (String::from("the mapping"), value.clone()),
            };
            columns.push((format!("evidence.{}", point.as_str()), column));
            if !value.is_empty() {
                evidence.insert(point.as_str().to_owned(), Value::String(value));
            }
        }
        let column = choice.column.clone().unwrap_or_else(|| String::from("the mapping"));
        columns.push((format!("decisions.{}", choice.purpose), column));
        let decision = json!({choice.purpose.as_str(): if granted { "granted" } else { "denied" }});
        let key = format!("{}/{}", keys.join("|"), choice.purpose);
        let record = json!({"key": key, "identifiers": identifiers, "decisions": decision, "evidence": evidence});
        Ok(Some(Ready { record, columns }))
    }
}

impl Point {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Where => "where",
            Self::Text => "text",
            Self::Proof => "proof",
        }
    }
}

impl Choice {
    /// Whether it is granted; nothing if the row says nothing about it.
    fn read(&self, row: &dyn Row) -> Result<Option<bool>, Wrong> {
        let Some(column) = &self.column else {
            return Ok(self.always.map(|always| matches!(always, Always::Granted)));
        };
        let value = row.value(column);
        let among = |values: &[String]| values.iter().any(|known| known.eq_ignore_ascii_case(&value));
        if among(&self.granted) {
            Ok(Some(true))
        } else if among(&self.denied) {
            Ok(Some(false))
        } else if value.is_empty() || among(&self.ignored) {
            Ok(None)
        } else {
            let reason = String::from("has a value that the mapping neither grants, denies nor ignores");
            Err(Wrong { column: column.clone(), reason })
        }
    }
}

impl When {
    /// The time in RFC 3339; nothing if the row has none.
    fn read(&self, row: &dyn Row) -> Result<Option<String>, Wrong> {
        let found = self.columns.iter().map(|column| (column, row.value(column))).find(|(_, value)| !value.is_empty());
        let Some((column, value)) = found else { return Ok(None) };
        let time = self.parse(&value).ok_or_else(|| Wrong {
            column: column.clone(),
            reason: format!("is no time as `{}` says", self.format.as_deref().unwrap_or("rfc3339")),
        })?;
        Ok(Some(time.to_string()))
    }

    fn parse(&self, value: &str) -> Option<Timestamp> {
        match self.format.as_deref() {
            None | Some("rfc3339") => value.parse().ok(),
            Some("unix_s") => Timestamp::from_second(value.parse().ok()?).ok(),
            Some("unix_ms") => Timestamp::from_millisecond(value.parse().ok()?).ok(),
            Some(pattern) => {
                let parsed = strtime::parse(pattern, value).ok()?;
                if let Ok(time) = parsed.to_timestamp() {
                    return Some(time);
                }
                let zone = TimeZone::get(self.zone.as_deref().unwrap_or("UTC")).ok()?;
                let local = parsed.to_datetime().or_else(|_no_time| parsed.to_date().map(DateTime::from)).ok()?;
                zone.to_timestamp(local).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped mappings, and a row of each export.
    const MAILCHIMP: &str = include_str!("../../../docs/import/mailchimp-subscribed.toml");
    const MPARTICLE: &str = include_str!("../../../docs/import/mparticle.toml");
    const GENERIC: &str = include_str!("../../../docs/import/generic.toml");

    impl Row for Value {
        fn value(&self, column: &str) -> String {
            super::super::rows::json_value(self, column)
        }
    }

    fn records(mapping: &str, row: &Value) -> Vec<Result<Value, Wrong>> {
        Mapping::parse(mapping).unwrap().read(row).into_iter().map(|ready| ready.map(|ready| ready.record)).collect()
    }

    #[test]
    fn the_shipped_mappings_read_rows_of_their_exports() {
        let row = json!({"Email Address": "erika@muster.example", "OPTIN_TIME": "2025-03-01 09:30:00",
            "CONFIRM_TIME": "2025-03-01 09:31:12", "LEID": "77", "EUID": "ab12"});
        let expected = json!({"key": "ab12/marketing_email", "identifiers": {"email": "erika@muster.example"},
            "decisions": {"marketing_email": "granted"}, "evidence": {"obtainedAt": "2025-03-01T09:31:12Z", "tool": "Mailchimp",
                "proof": "audience export, LEID and CONFIRM_TIME"}});
        assert_eq!(records(MAILCHIMP, &row), [Ok(expected)]);
        let row = json!({"mpid": "42", "user_identities": {"customer_id": "k-1", "email": "erika@muster.example"},
            "consent_state": {"gdpr": {"analytics": {"consented": true, "timestamp_unixtime_ms": 1_740_821_400_000_i64,
                "document": "v3", "location": "17 Cherry Tree Lane"}, "advertising": {"consented": false}}}});
        let read = records(MPARTICLE, &row);
        let read: Vec<&Value> = read.iter().map(|one| one.as_ref().unwrap()).collect();
        assert_eq!(
            read[0]["evidence"],
            json!({"obtainedAt": "2025-03-01T09:30:00Z", "tool": "mParticle", "text": "v3", "where": "17 Cherry Tree Lane"})
        );
        assert_eq!(read[1]["decisions"], json!({"ads_sharing": "denied"}));
        assert!(read[1]["evidence"].get("obtainedAt").is_none());
        let row = json!({"id": "1", "email": "erika@muster.example", "consent": "ja", "date": "01.03.2025 10:30", "form": "Messe", "text": "Ja."});
        let read = records(GENERIC, &row);
        assert_eq!(read[0].as_ref().unwrap()["evidence"]["obtainedAt"], "2025-03-01T09:30:00Z", "the clock hangs in Berlin");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_column_and_never_by_its_value() {
        let row = |change: &str, value: &str| {
            let mut row =
                json!({"id": "1", "email": "erika@muster.example", "consent": "ja", "date": "01.03.2025 10:30", "form": "f"});
            row[change] = json!(value);
            row
        };
        for (change, value, column) in
            [("consent", "geheim", "consent"), ("date", "geheim", "date"), ("email", "", "email"), ("id", " ", "id")]
        {
            let read = records(GENERIC, &row(change, value));
            let wrong = read[0].as_ref().unwrap_err();
            assert_eq!(wrong.column, column);
            assert!(!wrong.reason.contains("geheim"));
        }
        assert!(records(GENERIC, &row("consent", "")).is_empty(), "a row that says nothing is no mistake");
        assert!(records(GENERIC, &row("consent", "offen")).is_empty());
    }

    #[test]
    fn a_mapping_that_cannot_be_meant_is_refused() {
        for (from, to) in [
            ("key = [\"id\"]", "key = []"),
            ("column = \"consent\"", ""),
            ("column = \"consent\"", "column = \"consent\"\nalways = \"granted\""),
            ("denied = [\"nein\"", "denied = [\"ja\""),
            ("Europe/Berlin", "Europe/Mainz"),
            ("format = \"csv\"", "format = \"xls\""),
            ("[identifiers]", "[identifier]"),
        ] {
            assert!(GENERIC.contains(from), "{from}");
            assert!(Mapping::parse(&GENERIC.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
