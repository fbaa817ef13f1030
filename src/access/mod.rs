//! "May this person's data be used for this purpose?", asked by other systems: `OpenID` AuthZEN Authorization API 1.0.
//!
//! A subject is one of the policy's identifier types with a value, or `customer` with a customer ID of any domain; the action is `use`;
//! the resource is a `purpose`. It **promises** that the answer is what the gate would say of an event that states the same, at that
//! moment (P1, P2); that every answer has a reason, as a code and as sentences (P9); and that somebody unknown and somebody who never
//! decided get the same answer for everything that rests on consent. Whoever is unknown gets no for everything: there is nothing to use.
//!
//! It keeps nothing, and refuses to know who asks.

pub mod http;
mod reason;

use crate::clock::Millis;
use crate::consent::{Consents, Standing};
use crate::events::consent_object::Narrowing;
use crate::gate;
use crate::id::CustomerId;
use crate::identity::{self, Directory, Identifier, Known, Refusal, Resolved};
use crate::policy::{LegalBasis, Policy, Purposes};
use crate::vault::{self, Vault};
pub use reason::Reason;

/// The subject type of a customer ID.
pub const CUSTOMER: &str = "customer";
/// The one action.
pub const USE: &str = "use";
/// The one resource type.
pub const PURPOSE: &str = "purpose";

/// Whose data.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Of whoever has this identifier.
    Identified(Identifier),
    /// Of the customer with this ID, in whichever domain.
    Customer(CustomerId),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes or no.
    pub decision: bool,
    /// Why.
    pub reason: Reason,
}

impl Verdict {
    /// No.
    #[must_use]
    pub const fn no(reason: Reason) -> Self {
        Self { decision: false, reason }
    }
}

/// Where the answers come from.
pub struct Access<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// For identifiers and customer IDs.
    pub vault: &'a Vault,
    /// Who is known.
    pub directory: &'a Directory,
    /// What stands.
    pub consents: &'a Consents,
    /// When.
    pub at: Millis,
}

impl Access<'_> {
    /// Reads a subject; `None` if the policy has no such type.
    ///
    /// # Errors
    /// Why the value is none of its type.
    pub fn subject(&self, kind: &str, id: &str) -> Result<Option<Subject>, Refusal> {
        if kind == CUSTOMER {
            return CustomerId::parse(id).map(Subject::Customer).map(Some).ok_or(Refusal::Form);
        }
        match identity::parse(self.policy, self.vault, kind, id) {
            Err(Refusal::Type) => Ok(None),
            parsed => parsed.map(Subject::Identified).map(Some),
        }
    }

    /// The purpose with this ID, if people can be asked about it or the law carries it.
    #[must_use]
    pub fn purpose(&self, id: &str) -> Option<usize> {
        // A purpose without retention is one that the policy gave up; nothing may be done for it.
        self.policy.purpose(id).filter(|index| self.policy.purposes.get(*index).is_some_and(|p| p.retention_days > 0))
    }

    /// Whether somebody's data may be used for a purpose.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn may(&self, subject: &Subject, purpose: usize) -> Result<Verdict, vault::Error> {
        let resolved = match subject {
            Subject::Identified(identifier) => self.directory.resolve(std::slice::from_ref(identifier)),
            Subject::Customer(id) => self.resolve(*id)?,
        };
        if resolved.nodes.is_empty() {
            return Ok(Verdict::no(Reason::NoDecision));
        }
        Ok(self.judge(&self.consents.standing(&resolved, self.at), purpose))
    }

    /// Everything by which a customer is known.
    fn resolve(&self, id: CustomerId) -> Result<Resolved, vault::Error> {
        let mut domains: Vec<&str> = self.policy.destinations.iter().map(|d| d.domain.as_str()).collect();
        domains.sort_unstable();
        domains.dedup();
        for name in domains {
            let domain = self.vault.domain(name)?;
            if let Some(owner) = domain.subjects(id).find_map(|subject| self.directory.find(subject)) {
                // Types do not matter for what stands.
                let known = |node| Known { kind: usize::MAX, node, owner };
                let nodes = self.directory.nodes_of(owner).into_iter().map(known).collect();
                return Ok(Resolved { nodes, unknown: Vec::new(), linked: self.directory.linked_to(owner) });
            }
        }
        Ok(Resolved::default())
    }

    fn judge(&self, standing: &Standing, purpose: usize) -> Verdict {
        let is = |set: Purposes| set.has(purpose);
        let by_law = is(self.policy.without_consent);
        if is(gate::allowed(self.policy, standing, &Narrowing::Unsaid)) {
            let basis = self.policy.purposes.get(purpose).map_or(LegalBasis::Consent, |p| p.basis);
            return Verdict { decision: true, reason: if by_law { Reason::OtherBasis(basis) } else { Reason::Granted } };
        }
        // In the gate's order: what the person said comes before what others said, and that before what nobody said.
        let reason = if standing.restricted {
            Reason::Restricted
        } else if by_law {
            Reason::Objected
        } else if is(standing.denied) {
            Reason::Denied
        } else if is(standing.denied_by_link) {
            Reason::DeniedByLink
        } else if is(standing.outdated) {
            Reason::TermsChanged
        } else if is(standing.pending) {
            Reason::Unconfirmed
        } else if is(standing.expired) {
            Reason::Expired
        } else {
            Reason::NoDecision
        };
        Verdict::no(reason)
    }
}
