//! A link is taken back: an identifier and a person are kept apart from then on, whatever is stated (P8; GDPR Art. 5(1)(d)).
//!
//! Links are made by whoever states two identifiers together, and a public key is enough for that. So a link may be wrong: a tablet in a
//! shop window, a laptop that was sold, the mailbox of a couple. Taking it back is a word of the person or of the company, and outlasts
//! what events say: the pair is remembered, and no event links it again. It says nothing about other identifiers of either.
//!
//! A link only ever kept something back, or joined names where both ends had agreed. So without it nothing is granted to anybody; what one
//! end refused no longer binds the other, which is what was asked for.

use super::directory::Directory;
use super::memory::Memory;
use super::record::{LINKS, Link, Nothing, PARTED};
use super::{Identifier, NodeRef, SubjectRef};
use crate::id::{NodeId, SubjectId};
use crate::policy::Policy;
use crate::store::Batch;

/// An identifier and a person that are not to be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The identifier.
    pub name: NodeId,
    /// The person.
    pub subject: SubjectId,
}

/// What ties two identifiers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// One of them is not known: there is nothing to keep apart.
    Unknown,
    /// They are one person's. That is no link; a rectification takes away what is not theirs.
    OnePerson,
    /// They are, or could be, linked.
    Pair(Pair),
}

/// An identifier of somebody else that is linked to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// What takes the link back.
    pub pair: Pair,
    /// The ID of its type; `other` if the policy has it no more.
    pub kind: String,
}

/// What memory must learn when it is durable that a pair is kept apart, or is no more.
#[derive(Clone, Debug)]
pub struct Parted {
    /// Links that are no more.
    links: Vec<Link>,
    pair: Link,
    apart: bool,
}

impl Parted {
    /// Whether there was a link.
    #[must_use]
    pub const fn was_linked(&self) -> bool {
        !self.links.is_empty()
    }
}

impl Directory {
    /// What ties two identifiers together. Of a pair the weaker is kept apart from whoever has the stronger, as links go.
    #[must_use]
    pub fn tie(&self, one: &Identifier, other: &Identifier, policy: &Policy) -> Tie {
        let (Some((name, owner)), Some((other_name, other_owner))) = (self.known(one), self.known(other)) else {
            return Tie::Unknown;
        };
        if owner == other_owner {
            return Tie::OnePerson;
        }
        let weaker = super::admit::rank(one, policy) >= super::admit::rank(other, policy);
        let (name, person) = if weaker { (name, other_owner) } else { (other_name, owner) };
        Tie::Pair(Pair { name, subject: self.subject(person) })
    }

    /// Everything of others that is linked to a person: devices that they were seen on, addresses that they stated and others have.
    #[must_use]
    pub fn linked(&self, subject: SubjectId, policy: &Policy) -> Vec<Linked> {
        let memory = self.memory.read();
        let Some(known) = memory.subject(subject) else { return Vec::new() };
        let linked =
            |node: &u32| Some(Linked { pair: Pair { name: memory.name(*node)?, subject }, kind: kind(&memory, *node, policy) });
        memory.linkers(known).iter().filter_map(linked).collect()
    }

    /// Puts into the batch that a pair is kept apart, and that what links the two goes. Gives what memory must learn; `None` if one of them
    /// is not known (any more).
    #[must_use]
    pub fn part(&self, pair: Pair, batch: &mut Batch) -> Option<Parted> {
        let memory = self.memory.read();
        let (node, subject) = (memory.node(pair.name)?, memory.subject(pair.subject)?);
        let owner = memory.owner(node);
        let forth = Link { name: pair.name, subject: pair.subject };
        let mut links: Vec<Link> = memory.links(node).contains(&subject).then_some(forth).into_iter().collect();
        // If nothing that its owner has may be linked to the person, then what links the person to the owner goes as well.
        if memory.nodes_of(owner).all(|own| own == node || memory.is_parted(own, subject)) {
            let back = memory.nodes_of(subject).filter(|own| memory.links(*own).contains(&owner));
            links.extend(back.filter_map(|own| Some(Link { name: memory.name(own)?, subject: memory.id(owner) })));
        }
        links.iter().for_each(|link| LINKS.delete(batch, link));
        // Memory may not have learnt of it yet.
        LINKS.delete(batch, &forth);
        PARTED.put(batch, &forth, &Nothing);
        Some(Parted { links, pair: forth, apart: true })
    }

    /// Puts into the batch that a pair is not kept apart any more: the next event that states both links them again. `None` if it is not.
    #[must_use]
    pub fn rejoin(&self, pair: Pair, batch: &mut Batch) -> Option<Parted> {
        let memory = self.memory.read();
        let (node, subject) = (memory.node(pair.name)?, memory.subject(pair.subject)?);
        let pair = Link { name: pair.name, subject: pair.subject };
        PARTED.delete(batch, &pair);
        memory.is_parted(node, subject).then_some(Parted { links: Vec::new(), pair, apart: false })
    }

    /// Takes over what is durable. Doing so twice changes nothing.
    pub fn parted(&self, parted: &Parted) {
        let mut memory = self.memory.write();
        if parted.apart {
            memory.part(parted.pair);
            parted.links.iter().for_each(|link| memory.remove_link(*link));
        } else {
            memory.rejoin(parted.pair);
        }
    }

    /// Who is linked to an identifier, and which types of identifiers they have.
    #[must_use]
    pub fn links_of(&self, node: NodeRef, policy: &Policy) -> Vec<(SubjectRef, Vec<String>)> {
        let memory = self.memory.read();
        memory.links(node.0).iter().map(|subject| (SubjectRef(*subject), kinds(&memory, *subject, policy))).collect()
    }

    /// Which types of identifiers somebody has, each once.
    #[must_use]
    pub fn kinds_of(&self, subject: SubjectRef, policy: &Policy) -> Vec<String> {
        kinds(&self.memory.read(), subject.0, policy)
    }
}

fn kinds(memory: &Memory, subject: u32, policy: &Policy) -> Vec<String> {
    let mut kinds: Vec<String> = memory.nodes_of(subject).map(|node| kind(memory, node, policy)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn kind(memory: &Memory, node: u32, policy: &Policy) -> String {
    let tagged = memory.tag(node);
    let typed = policy.identifiers.iter().find(|typed| super::directory::tag(&typed.id) == tagged);
    typed.map_or_else(|| String::from("other"), |typed| typed.id.clone())
}
