//! Reads everything and checks it: damage in old data is not noticed by the engine itself.

use std::collections::BTreeMap;
use std::fmt;

use super::engine::Engine;
use super::{Error, frame};

/// How many records are read at a time.
const PAGE: usize = 1024;
/// How many chunks are read at a time.
const CHUNKS: usize = 64;

/// What a full read found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Their bytes, keys included.
    pub bytes: u64,
    /// Damaged records per table tag.
    pub damaged: BTreeMap<char, u64>,
}

impl Report {
    /// Whether everything is as it was written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, {} bytes read: ", self.records, self.bytes)?;
        if self.is_sound() {
            return f.write_str("all sound");
        }
        let tables: Vec<String> = self.damaged.iter().map(|(tag, n)| format!("{n} in table {tag:?}")).collect();
        write!(f, "DAMAGED: {}. Restore the data folder from a backup.", tables.join(", "))
    }
}

pub(super) fn all(engine: &dyn Engine) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = engine.scan(&[], after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, framed) in page {
            report.records += 1;
            report.bytes += (key.len() + framed.len()) as u64;
            if frame::open(&key, framed).is_err() {
                let tag = key.first().map_or('?', |tag| char::from(*tag));
                *report.damaged.entry(tag).or_default() += 1;
            }
        }
    }
    for (stream, _) in engine.heads()? {
        read_stream(engine, stream, &mut report)?;
    }
    Ok(report)
}

fn read_stream(engine: &dyn Engine, stream: u8, report: &mut Report) -> Result<(), Error> {
    let mut from = 0;
    loop {
        let page = engine.chunks(stream, from, CHUNKS)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = last + 1;
        for (_, bytes) in page {
            report.records += 1;
            match bytes {
                Some(bytes) => report.bytes += bytes.len() as u64,
                None => *report.damaged.entry(char::from(stream)).or_default() += 1,
            }
        }
    }
}
