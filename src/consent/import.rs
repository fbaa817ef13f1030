//! What another tool has recorded, taken over with its evidence (GDPR Art. 7(1)).
//!
//! The rules, each with a test:
//! - The time that the record claims is kept beside the server's, and orders it: whatever was decided later stands, be it here or in
//!   another record. If both are of one moment, the refusal counts.
//! - A grant needs the time at which it was obtained and something that proves it; it holds from that time on, not from the import.
//! - A refusal always counts: it needs neither, and without a time it is as new as the import.
//! - The same record counts once, however often it is brought.

use serde::{Deserialize, Serialize};

use super::record::Decision;
use super::{Consents, Error, Order, State, decide};
use crate::clock::Millis;
use crate::id::SubjectId;

/// What another tool says of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The record's own key there.
    pub key: String,
    /// When it was decided, as the record claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obtained_at: Option<String>,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Where: a form, a page, a shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#where: Option<String>,
    /// The text that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where further proof lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

impl Evidence {
    /// When it was decided, as the record claims.
    #[must_use]
    pub fn claimed(&self) -> Option<Millis> {
        self.obtained_at.as_ref()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
    }

    /// All of it in one line, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let parts = [&self.tool, &self.obtained_at, &self.r#where, &self.text, &self.proof];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Whether it proves anything besides that a record exists.
    #[must_use]
    pub const fn proves(&self) -> bool {
        self.r#where.is_some() || self.text.is_some() || self.proof.is_some()
    }
}

/// The moment that orders a decision among others.
fn moment(decision: &Decision) -> Millis {
    decision.evidence.as_ref().and_then(|evidence| evidence.claimed()).unwrap_or(decision.at)
}

/// What of a record is news after everything that was decided before; nothing if nothing is.
pub(super) fn news(history: &[Decision], mut record: Decision) -> Option<Decision> {
    let at = moment(&record);
    record.states.retain(|purpose, state| {
        history.iter().all(|before| {
            let Some(was) = before.states.get(purpose) else { return true };
            let (yes_now, yes_before) = (*state == State::Granted, *was == State::Granted);
            let is_later = moment(before) < at || (moment(before) == at && yes_before && !yes_now);
            is_later && !(yes_now == yes_before && is_same(before, &record.source, record.evidence.as_deref()))
        })
    });
    let states = &record.states;
    record.expires.retain(|purpose, _| states.contains_key(purpose));
    (!record.states.is_empty()).then_some(record)
}

/// Whether an earlier decision is the same record of the same source.
fn is_same(before: &Decision, source: &str, evidence: Option<&Evidence>) -> bool {
    let of = |evidence: &Evidence| (evidence.key.clone(), evidence.claimed());
    before.source == source && before.evidence.is_some() && before.evidence.as_deref().map(of) == evidence.map(of)
}

impl Consents {
    /// Whether recording an order with evidence would change anything.
    ///
    /// # Errors
    /// When what was decided cannot be read.
    pub fn is_news(&self, order: &Order) -> Result<bool, Error> {
        let decided = decide::decision(order)?;
        for identifier in &order.identifiers {
            let Some(owner) = self.directory.owner(identifier) else { return Ok(true) };
            if self.news_for(self.directory.subject(owner), decided.clone())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What of a record is news for one subject.
    pub(super) fn news_for(&self, owner: SubjectId, record: Decision) -> Result<Option<Decision>, Error> {
        if record.evidence.is_none() {
            return Ok(Some(record));
        }
        Ok(news(&self.history(owner)?, record))
    }
}
