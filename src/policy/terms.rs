//! The terms of a purpose: what somebody agrees to when they agree to it, apart from the words.
//!
//! The rule: **a grant covers what it was given for.** It counts as long as everything that is done now lies within the terms that were
//! in force when it was given. Fewer recipients, fewer data, a shorter retention: it counts. More: the person is asked again, and until
//! then the grant does not count for what is new. A recipient that is new gets nothing on the ground of it, and the others go on; with
//! any other widening the whole purpose waits. Words can be put right without asking anybody; if they change what people agree to, the
//! purpose's `version` says so.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::{Destination, IdentifierForm, LegalBasis, Policy};
use crate::texts::{Saying, says};

/// The terms of all purposes, by ID, under a name of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermsSet {
    /// The first eight bytes of the SHA-256 over their canonical form (RFC 8785).
    pub tag: u64,
    /// The terms of each purpose.
    pub of: BTreeMap<String, Terms>,
}

/// What somebody agrees to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Counts up when the words begin to mean something else.
    pub version: u32,
    /// Who answers for the processing.
    pub controller: String,
    /// The legal basis.
    pub basis: LegalBasis,
    /// The categories of personal data.
    pub data: BTreeSet<String>,
    /// How long data is kept.
    pub retention_days: u32,
    /// Who receives data, and what of it identifies people there.
    pub recipients: BTreeMap<String, BTreeSet<Reach>>,
}

/// What identifies people beyond the pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// An e-mail address as an unkeyed hash.
    Email,
    /// A phone number as an unkeyed hash.
    Phone,
    /// A part of the network address.
    Address,
}

/// A way in which terms have become wider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Widening {
    /// The words mean something else.
    Version(u32),
    /// Somebody else answers.
    Controller(String),
    /// Another legal basis.
    Basis,
    /// These data as well.
    Data(Vec<String>),
    /// Kept longer.
    Retention {
        /// For how many days before.
        from: u32,
        /// For how many now.
        to: u32,
    },
    /// This recipient as well.
    Recipient(String),
    /// This recipient can tell who people are in a way that it could not.
    Identifies(String),
}

impl Terms {
    /// In which ways `now` goes beyond these terms. Nothing: whoever agreed to these has agreed to `now`.
    #[must_use]
    pub fn widened_by(&self, now: &Self) -> Vec<Widening> {
        let mut found = Vec::new();
        if now.version != self.version {
            found.push(Widening::Version(now.version));
        }
        if now.controller != self.controller {
            found.push(Widening::Controller(now.controller.clone()));
        }
        if now.basis != self.basis {
            found.push(Widening::Basis);
        }
        let more: Vec<String> = now.data.difference(&self.data).cloned().collect();
        if !more.is_empty() {
            found.push(Widening::Data(more));
        }
        if now.retention_days > self.retention_days {
            found.push(Widening::Retention { from: self.retention_days, to: now.retention_days });
        }
        found.extend(now.recipients.iter().filter_map(|(id, reach)| match self.recipients.get(id) {
            None => Some(Widening::Recipient(id.clone())),
            Some(before) if !reach.is_subset(before) => Some(Widening::Identifies(id.clone())),
            Some(_) => None,
        }));
        found
    }
}

impl Widening {
    /// What of the terms is wider.
    #[must_use]
    pub fn says(&self) -> Saying {
        match self {
            Self::Version(version) => says("policy-wider-version").with("version", version.to_string()),
            Self::Controller(name) => says("policy-wider-controller").with("name", name),
            Self::Basis => says("policy-wider-basis"),
            Self::Data(more) => says("policy-wider-data").with("data", more.join(", ")),
            Self::Retention { from, to } => {
                says("policy-wider-retention").with("from", from.to_string()).with("to", to.to_string())
            }
            Self::Recipient(id) => says("policy-wider-recipient").with("recipient", id),
            Self::Identifies(id) => says("policy-wider-identifies").with("recipient", id),
        }
    }

    /// The recipient that it is about, if it is about one alone: then the others may go on.
    #[must_use]
    pub fn recipient(&self) -> Option<&str> {
        match self {
            Self::Recipient(id) | Self::Identifies(id) => Some(id),
            Self::Version(_) | Self::Controller(_) | Self::Basis | Self::Data(_) | Self::Retention { .. } => None,
        }
    }
}

impl TermsSet {
    /// Under the name that they have.
    #[must_use]
    pub fn new(of: BTreeMap<String, Terms>) -> Self {
        let canonical = serde_json_canonicalizer::to_vec(&of).unwrap_or_default();
        let digest = ring::digest::digest(&ring::digest::SHA256, &canonical);
        let tag = digest.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        Self { tag, of }
    }

    /// The tag as it is shown: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:016x}", self.tag)
    }

    /// The terms of a policy.
    pub(super) fn of(policy: &Policy, version: impl Fn(&str) -> u32) -> Self {
        let known = policy.purposes.iter().enumerate().filter(|(_, purpose)| purpose.retention_days > 0);
        Self::new(
            known
                .map(|(index, purpose)| {
                    let terms = Terms {
                        version: version(&purpose.id),
                        controller: policy.controller.name.clone(),
                        basis: purpose.basis,
                        data: purpose.data.iter().cloned().collect(),
                        retention_days: purpose.retention_days,
                        recipients: policy
                            .recipients(index)
                            .map(|(_, destination)| (destination.id.clone(), reach(destination)))
                            .collect(),
                    };
                    (purpose.id.clone(), terms)
                })
                .collect(),
        )
    }
}

impl Policy {
    /// Who receives data for the purpose at `index`, with their own indexes: whoever uses events for it and is on.
    pub fn recipients(&self, index: usize) -> impl Iterator<Item = (usize, &Destination)> {
        let by_route = move |at| self.routes.iter().any(|route| route.destination == at && route.purposes.has(index));
        let all = self.destinations.iter().enumerate();
        all.filter(move |(at, destination)| destination.is_on() && (destination.purposes.has(index) || by_route(*at)))
    }
}

fn reach(destination: &Destination) -> BTreeSet<Reach> {
    let unkeyed = |form| matches!(form, IdentifierForm::Partner(_));
    let all = [
        (Reach::Email, unkeyed(destination.email)),
        (Reach::Phone, unkeyed(destination.phone)),
        (Reach::Address, destination.truncated_ip),
    ];
    all.into_iter().filter(|(_, yes)| *yes).map(|(reach, _)| reach).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_terms() -> impl Strategy<Value = Terms> {
        let reach = prop::collection::btree_set(prop_oneof![Just(Reach::Email), Just(Reach::Phone), Just(Reach::Address)], 0..3);
        let recipients = prop::collection::btree_map("[abc]", reach, 0..4);
        let data = prop::collection::btree_set("[abcd]", 0..4);
        (1..3_u32, "[xy]", data, 1..4_u32, recipients).prop_map(|(version, controller, data, retention_days, recipients)| Terms {
            version,
            controller,
            basis: LegalBasis::Consent,
            data,
            retention_days,
            recipients,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
        #[test]
        fn a_grant_covers_the_same_and_everything_narrower(terms in any_terms(), other in any_terms()) {
            prop_assert_eq!(terms.widened_by(&terms), []);
            // What both have in common is covered by each of them, if they are about the same thing.
            let mut common = terms.clone();
            common.data = terms.data.intersection(&other.data).cloned().collect();
            common.retention_days = terms.retention_days.min(other.retention_days);
            common.recipients = terms.recipients.iter().filter_map(|(id, reach)| {
                Some((id.clone(), other.recipients.get(id)?.intersection(reach).copied().collect()))
            }).collect();
            prop_assert_eq!(terms.widened_by(&common), []);
        }

        #[test]
        fn covering_is_an_order(a in any_terms(), b in any_terms(), c in any_terms()) {
            let covers = |x: &Terms, y: &Terms| x.widened_by(y).is_empty();
            if covers(&a, &b) && covers(&b, &c) {
                prop_assert!(covers(&a, &c));
            }
            if covers(&a, &b) && covers(&b, &a) {
                prop_assert_eq!(&a, &b);
            }
        }

        #[test]
        fn whatever_is_new_is_named(old in any_terms(), new in any_terms()) {
            let found = old.widened_by(&new);
            let named: Vec<&str> = found.iter().filter_map(Widening::recipient).collect();
            for (id, reach) in &new.recipients {
                let agreed = old.recipients.get(id).is_some_and(|before| reach.is_subset(before));
                prop_assert_eq!(named.contains(&id.as_str()), !agreed);
            }
            let others = found.iter().any(|widening| widening.recipient().is_none());
            let more = !new.data.is_subset(&old.data) || new.retention_days > old.retention_days;
            prop_assert_eq!(others, more || new.version != old.version || new.controller != old.controller);
        }
    }
}
