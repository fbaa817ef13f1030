//! What a decision's leaf in the ledger commits to, in a form that never changes: a receipt shows the same bytes years later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Error;
use super::import::Evidence;
use super::opt_in::OptIn;
use super::record::{Decision, DecisionKey, Method, NoticeShown, Signal, State, aad};
use crate::clock::rfc3339;
use crate::id::SubjectId;
use crate::ledger::{Commitment, SALT_BYTES};
use crate::vault::{DataKey, Error as VaultError};

/// What kind of record the leaves of decisions commit to.
pub const DECISION: &str = "decision";

/// A decision as it is stated to others. Canonical JSON (RFC 8785) of it is what the leaf commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// When it was taken, by the server's clock.
    pub at: String,
    /// Purpose to what was decided.
    pub decisions: BTreeMap<String, State>,
    /// Purpose to when a grant ends.
    pub expires: BTreeMap<String, String>,
    /// The notice that was shown, with its hash.
    pub notice: Option<NoticeShown>,
    /// How.
    pub method: Method,
    /// The source's ID.
    pub source: String,
    /// Who recorded it, as the source calls them.
    pub actor: Option<String>,
    /// The policy version that was in force.
    pub policy: String,
    /// The tag of the terms that were in force: of what was agreed to, apart from the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// The signal that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// What another tool says of it, if it was taken over from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
    /// Where a purpose needs one: how far the double opt-in was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub double_opt_in: Option<StatedOptIn>,
    /// The person, under a name of this one statement: the company can show whose it is, and nobody else can join two of them.
    pub person: String,
}

/// How far a double opt-in was: what waits has an end, what was confirmed has the times before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DoubleOptIn)]
pub struct StatedOptIn {
    /// Until when the confirmation is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<String>,
    /// When the mail with the link was handed over, if that was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailed_at: Option<String>,
}

impl StatedOptIn {
    /// From what is recorded.
    #[must_use]
    pub fn of(opt_in: &OptIn) -> Self {
        match opt_in {
            OptIn::Asked(asked) => Self { until: Some(rfc3339(asked.until)), asked_at: None, mailed_at: None },
            OptIn::Confirmed(confirmed) => {
                Self { until: None, asked_at: Some(rfc3339(confirmed.asked_at)), mailed_at: confirmed.mailed_at.map(rfc3339) }
            }
        }
    }
}

impl Statement {
    /// The statement of a decision, its salt, and the commitment to it. The salt is derived from the person's data key, so that it goes
    /// when the key is shredded.
    ///
    /// # Errors
    /// [`Error::Form`] if it is no JSON.
    pub(super) fn of(
        key: &DataKey,
        place: DecisionKey,
        decision: &Decision,
    ) -> Result<(Self, [u8; SALT_BYTES], Commitment), Error> {
        let salt = key.salt(&aad(DECISION.as_bytes(), place.subject, place.number))?;
        let statement = Self {
            at: rfc3339(decision.at),
            decisions: decision.states.clone(),
            expires: decision.expires.iter().map(|(purpose, at)| (purpose.clone(), rfc3339(*at))).collect(),
            notice: decision.notice.clone(),
            method: decision.method,
            source: decision.source.clone(),
            actor: decision.actor.clone(),
            policy: decision.policy.clone(),
            terms: decision.terms.map(|tag| format!("{tag:016x}")),
            signal: decision.signal,
            evidence: decision.evidence.clone(),
            double_opt_in: decision.double_opt_in.as_ref().map(StatedOptIn::of),
            person: person(&salt, place.subject),
        };
        let commitment = statement.commitment(&salt).ok_or(VaultError::Unreadable)?;
        Ok((statement, salt, commitment))
    }

    /// The commitment to it under a salt; none if it is no JSON.
    #[must_use]
    pub fn commitment(&self, salt: &[u8; SALT_BYTES]) -> Option<Commitment> {
        let canonical = serde_json_canonicalizer::to_vec(self).ok()?;
        Some(Commitment::of(DECISION, salt, &canonical))
    }
}

fn person(salt: &[u8; SALT_BYTES], subject: SubjectId) -> String {
    let Commitment(bytes) = Commitment::of("person", salt, &subject.0);
    hex::encode(bytes).get(..32).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from the definition by hand and by another program. Should it ever differ, no receipt of earlier days could be checked.
    #[test]
    fn what_a_decision_commits_to_never_changes() {
        let statement: Statement = serde_json::from_str(
            r#"{"at":"2026-11-25T10:00:00.000Z","decisions":{"analytics":"granted","ads":"denied"},
                "expires":{"analytics":"2027-11-25T10:00:00.000Z"},
                "notice":{"id":"main","version":3,"language":"de","hash":"ab"},
                "method":"banner","source":"web","actor":null,"policy":"cd","person":"00"}"#,
        )
        .unwrap();
        let Commitment(bytes) = statement.commitment(&[7; SALT_BYTES]).unwrap();
        assert_eq!(hex::encode(bytes), "647e830004428ac76cc0320eef9fb5e955fbbfe99ec2fa7342a522db9871d712");
    }
}
