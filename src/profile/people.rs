//! Who stands behind a customer ID, and whether what they stated may be used.

use crate::clock::Millis;
use crate::consent::Consents;
use crate::events::consent_object::Narrowing;
use crate::gate;
use crate::id::{CustomerId, NodeId, SubjectId};
use crate::identity::{Directory, Identifier, Known, Resolved, SubjectRef};
use crate::policy::{Policy, Purposes};
use crate::vault::{self, Vault};

/// How many subjects one customer is gathered from at most.
const SUBJECTS_MAX: usize = 64;

/// A customer in the domain of the profile store.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The pseudonym as it is now: an older one, of a device that was recognised since or of the domain's key before, leads to the
    /// newer one.
    pub id: CustomerId,
    /// What was stored for these is the customer's, as long as both ends allow to join them. The first is the person.
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
    /// The customer with this ID in a domain; `None` if there is none, or no longer. Any ID of another domain stands for
    /// nobody in this one.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn customer(&self, domain: &str, id: CustomerId) -> Result<Option<Customer>, vault::Error> {
        let domain = self.vault.domain(domain)?;
        let found = domain.subjects(id).find_map(|subject| Some((subject, self.directory.find(subject)?)));
        let Some((subject, known)) = found else { return Ok(None) };
        match self.vault.key(subject) {
            Ok(_) => {}
            Err(vault::Error::Shredded) => return Ok(None),
            Err(error) => return Err(error),
        }
        let head = self.consents.joined(known, self.policy, self.at);
        let subjects = self.joined_to(head);
        Ok(Some(Customer { id: domain.customer(self.directory.subject(head)), subjects }))
    }

    /// The customer ID in a domain of whoever states these identifiers; `None` if none of them is known.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn lookup(&self, domain: &str, stated: &[Identifier]) -> Result<Option<CustomerId>, vault::Error> {
        let resolved = self.directory.resolve(stated);
        let Some(subject) = self.consents.customer(&resolved, self.policy, self.at) else { return Ok(None) };
        Ok(Some(self.vault.domain(domain)?.customer(subject)))
    }

    /// Whether what stated the identifiers of these names may be used for a purpose now.
    #[must_use]
    pub fn may(&self, names: &[NodeId], purpose: usize) -> bool {
        self.allows(&self.directory.resolve_named(names), purpose)
    }

    /// For what something that stated the identifiers of these names may be used now.
    #[must_use]
    pub fn allowed(&self, names: &[NodeId]) -> Purposes {
        self.allows_at_all(&self.directory.resolve_named(names))
    }

    /// For what something that states these identifiers may be used now.
    #[must_use]
    pub fn allowed_stated(&self, stated: &[Identifier]) -> Purposes {
        self.allows_at_all(&self.directory.resolve(stated))
    }

    /// Everybody who is one customer with whoever states these identifiers; the first is the person. Nobody if none of them is known.
    #[must_use]
    pub fn gather(&self, stated: &[Identifier]) -> Vec<SubjectId> {
        let customer = self.consents.customer(&self.directory.resolve(stated), self.policy, self.at);
        self.gathered(customer)
    }

    /// Everybody who is one customer with this subject, which nobody is joined behind.
    #[must_use]
    pub fn gathered(&self, customer: Option<SubjectId>) -> Vec<SubjectId> {
        customer.and_then(|customer| self.directory.find(customer)).map(|head| self.joined_to(head)).unwrap_or_default()
    }

    /// Whether anything that the customer may state by itself may be used for a purpose now.
    #[must_use]
    pub fn may_any(&self, customer: &Customer, purpose: usize) -> bool {
        let known = customer.subjects.iter().filter_map(|s| self.directory.find(*s));
        known.flat_map(|subject| self.each_alone(subject)).any(|resolved| self.allows(&resolved, purpose))
    }

    /// Each identifier of a subject as if it were stated alone. Everybody whom *any* of them is linked to counts for all: a link
    /// only keeps back.
    fn each_alone(&self, subject: SubjectRef) -> Vec<Resolved> {
        let linked = self.directory.linked_to(subject);
        let nodes = self.directory.nodes_of(subject).into_iter();
        nodes
            .map(|node| Resolved {
                nodes: vec![Known { kind: usize::MAX, node, owner: subject }],
                unknown: Vec::new(),
                linked: linked.clone(),
            })
            .collect()
    }

    fn allows(&self, resolved: &Resolved, purpose: usize) -> bool {
        self.allows_at_all(resolved).has(purpose)
    }

    fn allows_at_all(&self, resolved: &Resolved) -> Purposes {
        let standing = self.consents.standing(resolved, self.at);
        gate::allowed(self.policy, &standing, &Narrowing::Unsaid)
    }

    /// A subject and all who are joined to it now, directly or over others.
    fn joined_to(&self, head: SubjectRef) -> Vec<SubjectId> {
        let mut found = vec![head];
        let mut next = 0;
        while let Some(subject) = found.get(next).copied() {
            next += 1;
            for other in self.directory.linkers_of(subject) {
                if found.len() < SUBJECTS_MAX
                    && !found.contains(&other)
                    && self.consents.joined(other, self.policy, self.at) == head
                {
                    found.push(other);
                }
            }
        }
        found.into_iter().map(|s| self.directory.subject(s)).collect()
    }
}
