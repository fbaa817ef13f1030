//! What happened to events, in numbers. Counters are all that is kept of an event before consent.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// One line of the counters: which source, which destination (empty before the gate), what happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The source's ID.
    pub source: String,
    /// The destination's ID, or nothing where the event never reached the gate.
    pub destination: String,
    /// `accepted`, `duplicate`, `rejected`, or the reason code for which it was withheld.
    pub outcome: &'static str,
}

/// The counters of a process. They start at zero with it.
#[derive(Default)]
pub struct Counters(Mutex<BTreeMap<Line, u64>>);

impl Counters {
    /// Adds up what one request brought.
    pub fn add(&self, tally: &Tally<'_>) {
        if tally.0.is_empty() {
            return;
        }
        let mut lines = self.0.lock();
        for ((source, destination, outcome), n) in &tally.0 {
            let line = Line { source: (*source).to_owned(), destination: (*destination).to_owned(), outcome };
            *lines.entry(line).or_default() += n;
        }
    }

    /// All lines.
    pub fn lines(&self) -> Vec<(Line, u64)> {
        self.0.lock().iter().map(|(line, n)| (line.clone(), *n)).collect()
    }
}

/// What one request brings; small, so a list is quicker than a map.
#[derive(Default)]
pub struct Tally<'a>(Vec<((&'a str, &'a str, &'static str), u64)>);

impl<'a> Tally<'a> {
    /// Counts one.
    pub fn one(&mut self, source: &'a str, destination: &'a str, outcome: &'static str) {
        self.add(source, destination, outcome, 1);
    }

    /// Counts several.
    pub fn add(&mut self, source: &'a str, destination: &'a str, outcome: &'static str, count: u64) {
        let key = (source, destination, outcome);
        if let Some((_, n)) = self.0.iter_mut().find(|(k, _)| *k == key) {
            *n += count;
        } else {
            self.0.push((key, count));
        }
    }
}
