//! The index of identifiers as memory holds it.
//!
//! An identifier takes 44 bytes, its places in the two tables 6 to 12 each; a subject 20 and one place. While identifiers are moved to
//! another index key there is a third table, of those that were not moved yet.

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;

use super::record::{Entry, Link, Owner};
use super::{Figures, Fresh};
use crate::id::{Blind, NodeId, SubjectId};
use crate::vault::Blinds;

/// The end of a list of nodes.
const END: u32 = u32::MAX;

struct Node {
    name: NodeId,
    blind: Blind,
    owner: u32,
    /// The next identifier of the same owner.
    next: u32,
    /// CRC-32 of the type's ID.
    tag: u32,
}

struct Subject {
    id: SubjectId,
    /// The first of its identifiers.
    first: u32,
}

/// Everything that is known about who identifiers belong to.
#[derive(Default)]
pub(super) struct Memory {
    /// The epoch of the index key that identifiers are moved to, or stand under.
    epoch: u32,
    nodes: Vec<Node>,
    subjects: Vec<Subject>,
    by_name: HashTable<u32>,
    by_blind: HashTable<u32>,
    /// Those that stand under the key of the epoch before. Invariant: each node is in one of the two.
    by_former: HashTable<u32>,
    by_id: HashTable<u32>,
    links: HashMap<u32, Vec<u32>>,
    /// The other way round: who is linked to a subject.
    linkers: HashMap<u32, Vec<u32>>,
    /// Identifiers and people that are kept apart; few.
    parted: HashSet<(u32, u32)>,
    /// Subjects that were forgotten since the start: what was under way for them then must not bring them back.
    gone: HashSet<SubjectId>,
    /// Where identifiers stand that were admitted for them at the very last moment: they have to go, too.
    late: Vec<(SubjectId, Entry)>,
}

/// Names, blind forms and subject IDs are random or keyed digests already, so eight of their bytes are the hash.
fn hash(bytes: &[u8; 16]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b))
}

const fn at(number: u32) -> usize {
    number as usize
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(END)
}

fn insert(table: &mut HashTable<u32>, nodes: &[Node], node: u32, key: impl Fn(&Node) -> [u8; 16]) {
    let hashed = |i: &u32| nodes.get(at(*i)).map_or(0, |n| hash(&key(n)));
    table.insert_unique(hashed(&node), node, hashed);
}

/// Takes a node out of a table; says whether it was there.
fn take(table: &mut HashTable<u32>, key: &[u8; 16], node: u32) -> bool {
    table.find_entry(hash(key), |i| *i == node).map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
}

impl Memory {
    /// Nothing yet, in this epoch.
    pub(super) fn of(epoch: u32) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Everything stands under the key of the epoch before from now on.
    pub(super) fn turn_over(&mut self, epoch: u32) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.by_former = std::mem::take(&mut self.by_blind);
        }
    }

    /// How many identifiers are known.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// How many stand under the key of the epoch before.
    pub(super) fn left(&self) -> usize {
        self.by_former.len()
    }

    /// The table of those that stand under the key of the epoch before gives its memory back.
    pub(super) fn all_moved(&mut self) {
        self.by_former = HashTable::new();
    }

    pub(super) fn find(&self, blinds: &Blinds) -> Option<u32> {
        let find = |table: &HashTable<u32>, blind: Blind| {
            table.find(hash(&blind.0), |i| self.nodes.get(at(*i)).is_some_and(|n| n.blind == blind)).copied()
        };
        find(&self.by_blind, blinds.now).or_else(|| find(&self.by_former, blinds.before?))
    }

    /// The same for several. The table is looked at for all of them before any of the nodes that it names, so that what each look
    /// waits for is on its way at the same time.
    pub(super) fn find_all(&self, all: &[Blinds]) -> Vec<Option<u32>> {
        let likely = |blinds: &Blinds| self.by_blind.find(hash(&blinds.now.0), |_| true).copied();
        let likely: Vec<Option<u32>> = all.iter().map(likely).collect();
        let is_it = |blinds: &Blinds, node: u32| self.nodes.get(at(node)).is_some_and(|n| n.blind == blinds.now);
        let found =
            |(blinds, likely): (&Blinds, Option<u32>)| likely.filter(|node| is_it(blinds, *node)).or_else(|| self.find(blinds));
        all.iter().zip(likely).map(found).collect()
    }

    pub(super) fn node(&self, name: NodeId) -> Option<u32> {
        self.by_name.find(hash(&name.0), |i| self.nodes.get(at(*i)).is_some_and(|n| n.name == name)).copied()
    }

    pub(super) fn subject(&self, id: SubjectId) -> Option<u32> {
        let found = self.by_id.find(hash(&id.0), |i| self.subjects.get(at(*i)).is_some_and(|s| s.id == id));
        found.copied()
    }

    pub(super) fn owner(&self, node: u32) -> u32 {
        self.nodes.get(at(node)).map_or(END, |n| n.owner)
    }

    pub(super) fn name(&self, node: u32) -> Option<NodeId> {
        self.nodes.get(at(node)).map(|n| n.name)
    }

    pub(super) fn tag(&self, node: u32) -> u32 {
        self.nodes.get(at(node)).map_or(0, |n| n.tag)
    }

    /// Where a node stands in the index.
    pub(super) fn entry(&self, node: u32) -> Option<Entry> {
        let blind = self.nodes.get(at(node))?.blind;
        let moved = self.by_former.find(hash(&blind.0), |i| *i == node).is_none();
        Some(Entry { epoch: if moved { self.epoch } else { self.epoch.saturating_sub(1) }, blind })
    }

    pub(super) fn id(&self, subject: u32) -> SubjectId {
        self.subjects.get(at(subject)).map_or(SubjectId([0; 16]), |s| s.id)
    }

    pub(super) fn links(&self, node: u32) -> &[u32] {
        self.links.get(&node).map_or(&[], Vec::as_slice)
    }

    /// The identifiers that are linked to a subject.
    pub(super) fn linkers(&self, subject: u32) -> &[u32] {
        self.linkers.get(&subject).map_or(&[], Vec::as_slice)
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
    pub(super) fn count(&self, subject: u32, tag: u32) -> usize {
        self.nodes_of(subject).filter(|n| self.tag(*n) == tag).count()
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

    /// Takes over what stands in the index, if it is not known.
    pub(super) fn add(&mut self, entry: Entry, owner: &Owner) {
        if self.node(owner.name).is_some() {
            return;
        }
        if self.gone.contains(&owner.subject) {
            self.late.push((owner.subject, entry));
            return;
        }
        let subject = self.add_subject(owner.subject);
        let new = number(self.nodes.len());
        let Some(held) = self.subjects.get_mut(at(subject)) else { return };
        self.nodes.push(Node { name: owner.name, blind: entry.blind, owner: subject, next: held.first, tag: owner.tag });
        held.first = new;
        insert(&mut self.by_name, &self.nodes, new, |n| n.name.0);
        let table = if entry.epoch == self.epoch { &mut self.by_blind } else { &mut self.by_former };
        insert(table, &self.nodes, new, |n| n.blind.0);
    }

    pub(super) fn add_fresh(&mut self, fresh: &Fresh) {
        let Fresh { name, blinds, tag, owner } = *fresh;
        self.add(Entry::of(&blinds), &Owner { name, subject: owner, tag, day: 0 });
    }

    /// Takes over that an identifier stands elsewhere in the index; one that was not known is then.
    pub(super) fn moved(&mut self, entry: Entry, owner: &Owner) {
        let Some(node) = self.node(owner.name) else { return self.add(entry, owner) };
        let Some(was) = self.nodes.get(at(node)).map(|n| n.blind) else { return };
        let present = entry.epoch == self.epoch;
        // Who tells of the epoch before comes late: the identifier may have been moved on since.
        if take(&mut self.by_former, &was.0, node) || (present && take(&mut self.by_blind, &was.0, node)) {
            if let Some(held) = self.nodes.get_mut(at(node)) {
                held.blind = entry.blind;
            }
            let table = if present { &mut self.by_blind } else { &mut self.by_former };
            insert(table, &self.nodes, node, |n| n.blind.0);
        }
    }

    /// Forgets a subject and its identifiers. Their numbers are not given out again before the next start.
    pub(super) fn remove(&mut self, id: SubjectId) {
        self.gone.insert(id);
        self.late.retain(|(subject, _)| *subject != id);
        let Some(subject) = self.subject(id) else { return };
        let nodes: Vec<u32> = self.nodes_of(subject).collect();
        for node in nodes {
            let Some(Node { name, blind, .. }) = self.nodes.get(at(node)) else { continue };
            take(&mut self.by_name, &name.0, node);
            if !take(&mut self.by_blind, &blind.0, node) {
                take(&mut self.by_former, &blind.0, node);
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
        self.parted.retain(|(node, other)| *other != subject && self.nodes.get(at(*node)).is_none_or(|n| n.owner != subject));
        if let Ok(entry) = self.by_id.find_entry(hash(&id.0), |i| *i == subject) {
            entry.remove();
        }
        if let Some(slot) = self.subjects.get_mut(at(subject)) {
            *slot = Subject { id: SubjectId([0; 16]), first: END };
        }
    }

    /// Where identifiers stand that were admitted for somebody who was gone already.
    pub(super) fn late(&self, id: SubjectId) -> impl Iterator<Item = Entry> {
        self.late.iter().filter(move |(subject, _)| *subject == id).map(|(_, entry)| *entry)
    }

    /// Subjects from a place on, and the place where the next are; the same place if there are none.
    pub(super) fn page(&self, from: usize, limit: usize) -> (Vec<SubjectId>, usize) {
        let some = self.subjects.get(from..).unwrap_or_default();
        let some = some.get(..limit).unwrap_or(some);
        let known = some.iter().map(|subject| subject.id).filter(|id| *id != SubjectId([0; 16]));
        (known.collect(), from + some.len())
    }

    /// Takes over a link, unless the two are kept apart: who has learnt of it earlier may tell of it late.
    pub(super) fn add_link(&mut self, link: Link) {
        let (Some(node), Some(subject)) = (self.node(link.name), self.subject(link.subject)) else { return };
        if self.is_parted(node, subject) || self.is_parted_wholly(subject, self.owner(node)) {
            return;
        }
        let links = self.links.entry(node).or_default();
        if !links.contains(&subject) {
            links.push(subject);
            self.linkers.entry(subject).or_default().push(node);
        }
    }

    /// A link is no more.
    pub(super) fn remove_link(&mut self, link: Link) {
        let (Some(node), Some(subject)) = (self.node(link.name), self.subject(link.subject)) else { return };
        if let Some(links) = self.links.get_mut(&node) {
            links.retain(|other| *other != subject);
        }
        if let Some(linkers) = self.linkers.get_mut(&subject) {
            linkers.retain(|other| *other != node);
        }
    }

    /// Takes over that an identifier and a person are kept apart.
    pub(super) fn part(&mut self, pair: Link) {
        if let (Some(node), Some(subject)) = (self.node(pair.name), self.subject(pair.subject)) {
            self.parted.insert((node, subject));
        }
    }

    /// Takes over that they are not any more.
    pub(super) fn rejoin(&mut self, pair: Link) {
        if let (Some(node), Some(subject)) = (self.node(pair.name), self.subject(pair.subject)) {
            self.parted.remove(&(node, subject));
        }
    }

    /// Whether an identifier and a person are kept apart.
    pub(super) fn is_parted(&self, node: u32, subject: u32) -> bool {
        !self.parted.is_empty() && self.parted.contains(&(node, subject))
    }

    /// Whether everything that a subject has is kept apart from another.
    fn is_parted_wholly(&self, subject: u32, other: u32) -> bool {
        !self.parted.is_empty()
            && self.nodes_of(subject).next().is_some()
            && self.nodes_of(subject).all(|node| self.is_parted(node, other))
    }

    /// What is kept apart from a subject, or of it.
    pub(super) fn parted_of(&self, subject: u32) -> impl Iterator<Item = Link> {
        let of = move |(node, other): &&(u32, u32)| *other == subject || self.owner(*node) == subject;
        self.parted.iter().filter(of).filter_map(|(node, other)| Some(Link { name: self.name(*node)?, subject: self.id(*other) }))
    }

    pub(super) fn figures(&self) -> Figures {
        let by = [&self.by_name, &self.by_blind, &self.by_former, &self.by_id];
        let tables: usize = by.iter().map(|table| table.allocation_size()).sum();
        let lists = self.nodes.capacity() * size_of::<Node>() + self.subjects.capacity() * size_of::<Subject>();
        let links: usize = self.links.values().map(Vec::len).sum();
        Figures { subjects: self.by_id.len(), identifiers: self.by_name.len(), links, memory_bytes: tables + lists + links * 64 }
    }
}
