//! What is wrong with a policy: where, by which rule, and the cure.

use std::fmt;
use std::ops::Range;

use super::raw::Text;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It loads, and somebody should look.
    Warning,
    /// It does not load.
    Error,
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was named on the command line.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// Which rule; `docs/policy.md` explains it.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub cure: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let Self { file, line, column, rule, message, cure, .. } = self;
        write!(f, "{file}:{line}:{column}: {word}[{rule}]: {message} ({cure})")
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn error(
        &mut self,
        text: &Text,
        span: Range<usize>,
        rule: &'static str,
        words: (impl Into<String>, impl Into<String>),
    ) {
        self.add(Severity::Error, text, span, rule, words);
    }

    pub(super) fn warning(
        &mut self,
        text: &Text,
        span: Range<usize>,
        rule: &'static str,
        words: (impl Into<String>, impl Into<String>),
    ) {
        self.add(Severity::Warning, text, span, rule, words);
    }

    fn add(
        &mut self,
        severity: Severity,
        text: &Text,
        span: Range<usize>,
        rule: &'static str,
        (message, cure): (impl Into<String>, impl Into<String>),
    ) {
        let before = text.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.0.push(Finding {
            file: text.name.clone(),
            line,
            column,
            rule,
            message: message.into(),
            cure: cure.into(),
            severity,
        });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(|f| f.severity == Severity::Error)
    }
}
