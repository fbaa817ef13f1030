//! Who stands behind a customer ID, and whether what they stated may be used.

use crate::clock::Millis;
use crate::consent::Consents;
use crate::events::consent_object::Narrowing;
use crate::gate;
use crate::id::{Blind, CustomerId, SubjectId};
use crate::identity::{Directory, Identifier, Known, Resolved, SubjectRef};
use crate::policy::Policy;
use crate::vault::{self, Vault};

/// How many subjects one customer can be joined of.
pub const SUBJECTS_MAX: usize = 64;

/// A customer in the domain of the profile store.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The pseudonym, as it is now: an older one of somebody who has been recognised since leads to the newer one.
    pub id: CustomerId,
    /// Everything of these is the customer's, as long as they may be joined.
    pub subjects: Vec<SubjectId>,
}

/// What is needed to tell who belongs together at a moment.
#[derive(Clone, Copy)]
pub struct Gathering<'a> {
    /// The policy that holds.
    pub policy: &'a Policy,
    /// Keys.
    pub vault: &'a Vault,
    /// Who identifiers belong to.
    pub directory: &'a Directory,
    /// What people decided.
    pub consents: &'a Consents,
    /// The moment.
    pub at: Millis,
}

impl Gathering<'_> {
    /// The customer with this ID in a domain; `None` if there is none, or no longer.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn customer(&self, domain: &str, id: CustomerId) -> Result<Option<Customer>, vault::Error> {
        let domain = self.vault.domain(domain)?;
        let subject = domain.subject(id);
        let Some(known) = self.directory.find(subject) else { return Ok(None) };
        match self.vault.key(subject) {
            Ok(_) => {}
            Err(vault::Error::Shredded) => return Ok(None),
            Err(error) => return Err(error),
        }
        let head = self.head(known).unwrap_or(subject);
        Ok(Some(Customer { id: domain.customer(head), subjects: self.joined(head) }))
    }

    /// The customer ID in a domain of whoever states these identifiers; `None` if none of them is known.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn lookup(&self, domain: &str, stated: &[Identifier]) -> Result<Option<CustomerId>, vault::Error> {
        let resolved = self.directory.resolve(stated);
        let Some(subject) = self.consents.customer(&resolved, self.directory, self.policy, self.at) else { return Ok(None) };
        Ok(Some(self.vault.domain(domain)?.customer(subject)))
    }

    /// Whether what stated these identifiers may be used for a purpose now.
    #[must_use]
    pub fn may(&self, blinds: &[Blind], purpose: usize) -> bool {
        // Only the blind form is looked up; type and value are not known here, and not needed.
        let stated: Vec<Identifier> = blinds.iter().map(|b| Identifier { kind: usize::MAX, value: String::new(), blind: *b }).collect();
        self.allows(&self.directory.resolve(&stated), purpose)
    }

    /// Whether any identifier of the customer may be used for a purpose now.
    #[must_use]
    pub fn may_any(&self, customer: &Customer, purpose: usize) -> bool {
        let known = customer.subjects.iter().filter_map(|s| self.directory.find(*s));
        known.flat_map(|s| self.each(s)).any(|resolved| self.allows(&resolved, purpose))
    }

    fn allows(&self, resolved: &Resolved, purpose: usize) -> bool {
        let standing = self.consents.standing(resolved, self.policy, self.at);
        gate::allowed(self.policy, &standing, &Narrowing::Unsaid).has(purpose)
    }

    /// stand-in until identity is there
    fn head(&self, _: SubjectRef) -> Option<SubjectId> { None }
    fn joined(&self, head: SubjectId) -> Vec<SubjectId> { vec![head] }
    fn each(&self, subject: SubjectRef) -> Vec<Resolved> {
        self.directory.nodes_of(subject).into_iter().map(|node| Resolved { nodes: vec![Known { kind: 0, node, owner: subject }], unknown: Vec::new(), linked: Vec::new() }).collect()
    }
}
