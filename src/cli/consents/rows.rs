//! Reads an export row by row, with little memory however long it is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context as _;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::Value;

use super::mapping::{Format, Mapping, Row};

/// The longest line of NDJSON that is read; longer ones are wrong.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What becomes of rows: their place in the file from 1, and the row or why it cannot be read.
pub(super) trait Take: FnMut(u64, Result<&dyn Row, &str>) -> anyhow::Result<()> {}
impl<F: FnMut(u64, Result<&dyn Row, &str>) -> anyhow::Result<()>> Take for F {}

struct Csv<'a> {
    names: &'a [String],
    values: &'a csv::StringRecord,
}

impl Row for Csv<'_> {
    fn value(&self, column: &str) -> String {
        let at = self.names.iter().position(|name| name == column);
        at.and_then(|at| self.values.get(at)).unwrap_or_default().trim().to_owned()
    }
}

struct Json(Value);

impl Row for Json {
    fn value(&self, column: &str) -> String {
        json_value(&self.0, column)
    }
}

/// The value at a path such as `consent.analytics.at`; a member whose name holds dots is found by its whole name first.
pub(super) fn json_value(value: &Value, path: &str) -> String {
    let found = value.get(path).or_else(|| path.split('.').try_fold(value, |inner, part| inner.get(part)));
    match found {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// Hands over every row of a file.
///
/// # Errors
/// When the file cannot be read as a whole, lacks a column of the mapping, and what `take` says.
pub(super) fn each(path: &Path, mapping: &Mapping, mut take: impl Take) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    match mapping.format {
        Format::Csv => each_csv(file, mapping, &mut take),
        Format::Ndjson => each_line(BufReader::new(file), &mut take),
        Format::Json => each_element(BufReader::new(file), &mut take),
    }
}

fn each_csv(file: File, mapping: &Mapping, take: &mut impl Take) -> anyhow::Result<()> {
    let delimiter = u8::try_from(mapping.delimiter)?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
    let names: Vec<String> = reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    for column in mapping.columns() {
        anyhow::ensure!(
            names.iter().any(|name| name == column),
            "the file has no column `{column}`; it has: {}",
            names.join(", ")
        );
    }
    let mut row = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) if row.len() == names.len() => {
                let at = row.position().map_or(line, csv::Position::line);
                take(at, Ok(&Csv { names: &names, values: &row }))?;
            }
            Ok(true) => {
                take(row.position().map_or(line, csv::Position::line), Err("has more or fewer columns than the first line"))?
            }
            Err(error) => {
                let csv::ErrorKind::Utf8 { pos, .. } = error.kind() else { return Err(error.into()) };
                take(pos.as_ref().map_or(line, csv::Position::line), Err("is not UTF-8"))?;
            }
        }
    }
}

fn each_line(mut file: impl BufRead, take: &mut impl Take) -> anyhow::Result<()> {
    let (mut number, mut line) = (0, Vec::new());
    loop {
        line.clear();
        number += 1;
        if file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && u64::try_from(line.len())? == LINE_BYTES_MAX {
            file.skip_until(b'\n')?;
            take(number, Err("is longer than a MiB"))?;
        } else if !line.trim_ascii().is_empty() {
            match serde_json::from_slice::<Value>(&line) {
                Ok(row @ Value::Object(_)) => take(number, Ok(&Json(row)))?,
                Ok(_) | Err(_) => take(number, Err("is no JSON object"))?,
            }
        }
    }
}

fn each_element(file: impl Read, take: &mut impl Take) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    let mut reader = serde_json::Deserializer::from_reader(file);
    let read = Elements { take, outcome: &mut outcome }.deserialize(&mut reader);
    outcome?;
    match read? {
        ControlFlow::Continue(()) => Ok(reader.end()?),
        ControlFlow::Break(()) => Ok(()),
    }
}

/// Reads a list element by element, without holding it.
struct Elements<'a, F> {
    take: &'a mut F,
    outcome: &'a mut anyhow::Result<()>,
}

impl<'de, F: Take> DeserializeSeed<'de> for Elements<'_, F> {
    type Value = ControlFlow<()>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, F: Take> Visitor<'de> for Elements<'_, F> {
    type Value = ControlFlow<()>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut number = 0;
        while let Some(row) = list.next_element::<Value>()? {
            number += 1;
            let taken =
                if row.is_object() { (self.take)(number, Ok(&Json(row))) } else { (self.take)(number, Err("is no JSON object")) };
            if taken.is_err() {
                *self.outcome = taken;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
