//! The index of identifiers, in memory: read for every event, changed only by what is durable.

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;
use parking_lot::RwLock;

use super::record::{LINKS, Link, OWNERS, VALUES, value_aad};
use super::{Error, Identifier, Known, NodeRef, Plan, Resolved, SubjectRef};
use crate::id::{Blind, SubjectId};
use crate::policy::{IdentifierKind, Policy};
use crate::store::{Batch, Store};
use crate::vault::{Sealed, Vault};

/// How many records are read at a time.
const PAGE: usize = 2048;
/// The end of a list of nodes.
const END: u32 = u32::MAX;

struct Node {
    blind: Blind,
    owner: u32,
    /// The next identifier of the same owner.
    next: u32,
    /// CRC-32 of the type's ID.
    kind: u32,
}

struct Subject {
    id: SubjectId,
    /// The first of its identifiers.
    first: u32,
}

/// Everything that is known about who identifiers belong to.
#[derive(Default)]
pub(super) struct Memory {
    nodes: Vec<Node>,
    subjects: Vec<Subject>,
    by_blind: HashTable<u32>,
    by_id: HashTable<u32>,
    links: HashMap<u32, Vec<u32>>,
    /// The other way round: who is linked to a subject.
    linkers: HashMap<u32, Vec<u32>>,
    /// Subjects that were forgotten since the start: what was under way for them then must not bring them back.
    gone: HashSet<SubjectId>,
}

/// How large the directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Subjects.
    pub subjects: usize,
    /// Identifiers.
    pub identifiers: usize,
    /// Links.
    pub links: usize,
    /// What they take in memory, in bytes.
    pub memory_bytes: usize,
}

/// Both kinds of keys are random or keyed digests already, so eight of their bytes are the hash.
fn hash(bytes: &[u8; 16]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b))
}

/// The tag under which a type is stored: its place in the policy may change.
pub(super) fn tag(id: &str) -> u32 {
    crc32fast::hash(id.as_bytes())
}

const fn at(number: u32) -> usize {
    number as usize
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(END)
}

impl Memory {
    pub(super) fn node(&self, blind: Blind) -> Option<u32> {
        let found = self.by_blind.find(hash(&blind.0), |i| self.nodes.get(at(*i)).is_some_and(|n| n.blind == blind));
        found.copied()
    }

    pub(super) fn subject(&self, id: SubjectId) -> Option<u32> {
        let found = self.by_id.find(hash(&id.0), |i| self.subjects.get(at(*i)).is_some_and(|s| s.id == id));
        found.copied()
    }

    pub(super) fn owner(&self, node: u32) -> u32 {
        self.nodes.get(at(node)).map_or(END, |n| n.owner)
    }

    pub(super) fn id(&self, subject: u32) -> SubjectId {
        self.subjects.get(at(subject)).map_or(SubjectId([0; 16]), |s| s.id)
    }

    pub(super) fn links(&self, node: u32) -> &[u32] {
        self.links.get(&node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn nodes_of(&self, subject: u32) -> impl Iterator<Item = u32> {
        let mut next = self.subjects.get(at(subject)).map_or(END, |s| s.first);
        std::iter::from_fn(move || {
            let node = self.nodes.get(at(next))?;
            let this = next;
            next = node.next;
            Some(this)
        })
    }

    /// How many identifiers of a type a subject has.
    pub(super) fn count(&self, subject: u32, kind: u32) -> usize {
        self.nodes_of(subject).filter(|n| self.nodes.get(at(*n)).is_some_and(|n| n.kind == kind)).count()
    }

    fn add_subject(&mut self, id: SubjectId) -> u32 {
        if let Some(known) = self.subject(id) {
            return known;
        }
        let new = number(self.subjects.len());
        self.subjects.push(Subject { id, first: END });
        let subjects = &self.subjects;
        self.by_id.insert_unique(hash(&id.0), new, |i| subjects.get(at(*i)).map_or(0, |s| hash(&s.id.0)));
        new
    }

    fn add_node(&mut self, blind: Blind, kind: u32, owner: SubjectId) {
        if self.node(blind).is_some() || self.gone.contains(&owner) {
            return;
        }
        let owner = self.add_subject(owner);
        let new = number(self.nodes.len());
        let Some(subject) = self.subjects.get_mut(at(owner)) else { return };
        self.nodes.push(Node { blind, owner, next: subject.first, kind });
        subject.first = new;
        let nodes = &self.nodes;
        self.by_blind.insert_unique(hash(&blind.0), new, |i| nodes.get(at(*i)).map_or(0, |n| hash(&n.blind.0)));
    }

    /// Forgets a subject and its identifiers. Their numbers are not given out again before the next start.
    fn remove(&mut self, id: SubjectId) {
        self.gone.insert(id);
        let Some(subject) = self.subject(id) else { return };
        let nodes: Vec<u32> = self.nodes_of(subject).collect();
        for node in nodes {
            let Some(blind) = self.nodes.get(at(node)).map(|n| n.blind) else { continue };
            if let Ok(entry) = self.by_blind.find_entry(hash(&blind.0), |i| *i == node) {
                entry.remove();
            }
            for other in self.links.remove(&node).unwrap_or_default() {
                if let Some(linkers) = self.linkers.get_mut(&other) {
                    linkers.retain(|n| *n != node);
                }
            }
        }
        for node in self.linkers.remove(&subject).unwrap_or_default() {
            if let Some(links) = self.links.get_mut(&node) {
                links.retain(|s| *s != subject);
            }
        }
        if let Ok(entry) = self.by_id.find_entry(hash(&id.0), |i| *i == subject) {
            entry.remove();
        }
        if let Some(slot) = self.subjects.get_mut(at(subject)) {
            *slot = Subject { id: SubjectId([0; 16]), first: END };
        }
    }

    fn add_link(&mut self, link: Link) {
        let (Some(node), Some(subject)) = (self.node(link.blind), self.subject(link.subject)) else { return };
        let links = self.links.entry(node).or_default();
        if !links.contains(&subject) {
            links.push(subject);
            self.linkers.entry(subject).or_default().push(node);
        }
    }
}

/// Who identifiers belong to. Cheap to read from many threads.
#[derive(Default)]
pub struct Directory {
    pub(super) memory: RwLock<Memory>,
}

impl Directory {
    /// Reads the index from the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(store: &Store) -> Result<Self, Error> {
        let mut memory = Memory::default();
        let mut after = None;
        loop {
            let page = OWNERS.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (blind, owner) in page {
                memory.add_node(blind, owner.kind, owner.subject);
            }
        }
        let mut after = None;
        loop {
            let page = LINKS.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            page.iter().for_each(|(link, _)| memory.add_link(*link));
        }
        Ok(Self { memory: RwLock::new(memory) })
    }

    /// What is known about stated identifiers.
    #[must_use]
    pub fn resolve(&self, stated: &[Identifier]) -> Resolved {
        self.resolve_each(stated.iter().map(|i| (i.kind, i.blind)))
    }

    /// The same for identifiers of which only the blind form is known. Their types are not, so they count as the weakest.
    #[must_use]
    pub fn resolve_blinds(&self, blinds: &[Blind]) -> Resolved {
        self.resolve_each(blinds.iter().map(|b| (usize::MAX, *b)))
    }

    fn resolve_each(&self, stated: impl Iterator<Item = (usize, Blind)>) -> Resolved {
        let memory = self.memory.read();
        let mut resolved = Resolved::default();
        for (place, (kind, blind)) in stated.enumerate() {
            let Some(node) = memory.node(blind) else {
                resolved.unknown.push(place);
                continue;
            };
            resolved.nodes.push(Known { kind, node: NodeRef(node), owner: SubjectRef(memory.owner(node)) });
            for subject in memory.links(node) {
                if !resolved.linked.contains(&SubjectRef(*subject)) {
                    resolved.linked.push(SubjectRef(*subject));
                }
            }
        }
        resolved
    }

    /// The subject's ID.
    #[must_use]
    pub fn subject(&self, subject: SubjectRef) -> SubjectId {
        self.memory.read().id(subject.0)
    }

    /// The subject with this ID.
    #[must_use]
    pub fn find(&self, id: SubjectId) -> Option<SubjectRef> {
        self.memory.read().subject(id).map(SubjectRef)
    }

    /// The identifier with this blind form.
    #[must_use]
    pub fn node(&self, blind: Blind) -> Option<NodeRef> {
        self.memory.read().node(blind).map(NodeRef)
    }

    /// Who owns the identifier with this blind form.
    #[must_use]
    pub fn owner(&self, blind: Blind) -> Option<SubjectRef> {
        let memory = self.memory.read();
        memory.node(blind).map(|node| SubjectRef(memory.owner(node)))
    }

    /// The identifiers of a subject.
    #[must_use]
    pub fn nodes_of(&self, subject: SubjectRef) -> Vec<NodeRef> {
        self.memory.read().nodes_of(subject.0).map(NodeRef).collect()
    }

    /// Whether the company itself gave the subject an ID.
    #[must_use]
    pub fn has_user_id(&self, subject: SubjectRef, policy: &Policy) -> bool {
        let memory = self.memory.read();
        let types = policy.identifiers.iter().filter(|t| t.kind == IdentifierKind::UserId);
        types.map(|t| tag(&t.id)).any(|kind| memory.count(subject.0, kind) > 0)
    }

    /// Everybody else whom the subject's identifiers were stated together with.
    #[must_use]
    pub fn linked_to(&self, subject: SubjectRef) -> Vec<SubjectRef> {
        let memory = self.memory.read();
        let mut linked: Vec<SubjectRef> = memory
            .nodes_of(subject.0)
            .flat_map(|node| memory.links(node).iter().copied())
            .filter(|other| *other != subject.0)
            .map(SubjectRef)
            .collect();
        linked.sort_unstable();
        linked.dedup();
        linked
    }

    /// Everybody whose identifiers were stated together with the subject: the other direction of [`Directory::linked_to`].
    #[must_use]
    pub fn linkers_of(&self, subject: SubjectRef) -> Vec<SubjectRef> {
        let memory = self.memory.read();
        let nodes = memory.linkers.get(&subject.0).map_or(&[][..], Vec::as_slice);
        let mut owners: Vec<SubjectRef> = nodes.iter().map(|node| SubjectRef(memory.owner(*node))).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// Takes over what has become durable. Doing so twice changes nothing.
    pub fn learn(&self, plan: &Plan) {
        if plan.is_empty() {
            return;
        }
        let mut memory = self.memory.write();
        for (blind, kind, owner) in &plan.nodes {
            memory.add_node(*blind, *kind, *owner);
        }
        for link in &plan.links {
            memory.add_link(*link);
        }
    }

    /// Puts into the batch that everything about a subject goes: its identifiers, their values, and links from and to them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forget(&self, store: &Store, subject: SubjectId, batch: &mut Batch) -> Result<(), Error> {
        {
            let memory = self.memory.read();
            if let Some(known) = memory.subject(subject) {
                for node in memory.nodes_of(known) {
                    let Some(blind) = memory.nodes.get(at(node)).map(|n| n.blind) else { continue };
                    OWNERS.delete(batch, &blind);
                    memory.links(node).iter().for_each(|s| LINKS.delete(batch, &Link { blind, subject: memory.id(*s) }));
                }
                for node in memory.linkers.get(&known).map_or(&[][..], Vec::as_slice) {
                    let Some(blind) = memory.nodes.get(at(*node)).map(|n| n.blind) else { continue };
                    LINKS.delete(batch, &Link { blind, subject });
                }
            }
        }
        let mut after = None;
        loop {
            let page = VALUES.scan(store, &subject.0, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            page.iter().for_each(|(key, _)| VALUES.delete(batch, key));
        }
    }

    /// The identifiers of a subject in plain words, for the person themself: the ID of the type, and the value.
    ///
    /// # Errors
    /// When store or vault cannot be read.
    pub fn values(
        &self,
        store: &Store,
        vault: &Vault,
        subject: SubjectId,
        policy: &Policy,
    ) -> Result<Vec<(String, String)>, Error> {
        let key = vault.key(subject)?;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = VALUES.scan(store, &subject.0, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(*last);
            for (place, Sealed(sealed)) in &page {
                let plain = key.open(&value_aad(place), sealed)?;
                let owner = OWNERS.get(store, &place.blind)?;
                let typed = owner.and_then(|owner| policy.identifiers.iter().find(|t| tag(&t.id) == owner.kind));
                let kind = typed.map_or_else(|| String::from("other"), |t| t.id.clone());
                all.push((kind, String::from_utf8_lossy(&plain).into_owned()));
            }
        }
    }

    /// Takes over that a subject is gone for good.
    pub fn forgotten(&self, subject: SubjectId) {
        self.memory.write().remove(subject);
    }

    /// How large it is.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let memory = self.memory.read();
        let tables = memory.by_blind.allocation_size() + memory.by_id.allocation_size();
        let lists = memory.nodes.capacity() * size_of::<Node>() + memory.subjects.capacity() * size_of::<Subject>();
        let links: usize = memory.links.values().map(Vec::len).sum();
        Figures {
            subjects: memory.by_id.len(),
            identifiers: memory.by_blind.len(),
            links,
            memory_bytes: tables + lists + links * 64,
        }
    }
}
