//! What happened to events, in numbers. Counters are all that is kept of an event before consent.

use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;

/// One line of the counters: which source, which destination (empty before the gate), what happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The source's ID.
    pub source: String,
    /// The destination's ID, or nothing where the event never reached the gate.
    pub destination: String,
    /// `accepted`, `duplicate`, `rejected`, or the reason code for which it was withheld.
    pub outcome: &'static str,
}

/// A line by borrowed names. Invariant: the same fields in the same order, or it is not found again.
#[derive(Hash)]
struct Named<'a> {
    source: &'a str,
    destination: &'a str,
    outcome: &'static str,
}

impl Equivalent<Line> for Named<'_> {
    fn equivalent(&self, line: &Line) -> bool {
        (self.source, self.destination, self.outcome) == (line.source.as_str(), line.destination.as_str(), line.outcome)
    }
}

impl Named<'_> {
    fn to_line(&self) -> Line {
        Line { source: self.source.to_owned(), destination: self.destination.to_owned(), outcome: self.outcome }
    }
}

/// The counters of a process. They start at zero with it.
#[derive(Default)]
pub struct Counters(Mutex<HashMap<Line, u64>>);

impl Counters {
    /// Adds up what one request of a source brought, by destination and outcome.
    pub fn add<'a>(&self, source: &str, brought: impl IntoIterator<Item = ((&'a str, &'static str), u64)>) {
        let mut lines = self.0.lock();
        for ((destination, outcome), n) in brought {
            let line = Named { source, destination, outcome };
            if let Some(count) = lines.get_mut(&line) {
                *count += n;
            } else {
                lines.insert(line.to_line(), n);
            }
        }
    }

    /// All lines, sorted.
    pub fn lines(&self) -> Vec<(Line, u64)> {
        let mut lines: Vec<_> = self.0.lock().iter().map(|(line, n)| (line.clone(), *n)).collect();
        lines.sort();
        lines
    }
}

/// How often each of a few things happened; so few that a list is quicker than a map.
#[derive(Clone, Debug)]
pub(super) struct Tally<K>(Vec<(K, u64)>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Tally<K> {
    /// Counts one.
    pub(super) fn one(&mut self, what: K) {
        match self.0.iter_mut().find(|(counted, _)| *counted == what) {
            Some((_, n)) => *n += 1,
            None => self.0.push((what, 1)),
        }
    }
}

impl<K> IntoIterator for Tally<K> {
    type Item = (K, u64);
    type IntoIter = std::vec::IntoIter<(K, u64)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_requests_bring_is_added_up_by_line() {
        let counters = Counters::default();
        for _ in 0..2 {
            let mut tally = Tally::default();
            [("archive", "accepted"), ("", "duplicate"), ("archive", "accepted")].into_iter().for_each(|what| tally.one(what));
            counters.add("web", tally);
        }
        counters.add("web", []);
        counters.add("app", [(("archive", "accepted"), 7)]);
        let lines: Vec<_> = counters.lines().into_iter().map(|(l, n)| (l.source, l.destination, l.outcome, n)).collect();
        let line = |source: &str, destination: &str, outcome, n| (source.to_owned(), destination.to_owned(), outcome, n);
        let expected =
            [line("app", "archive", "accepted", 7), line("web", "", "duplicate", 2), line("web", "archive", "accepted", 4)];
        assert_eq!(lines, expected);
    }
}
