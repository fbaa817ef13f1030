//! What stands now, in memory: a few bits per identifier and per subject, read for every event.

use std::collections::{HashMap, HashSet};

use super::record::{Stand, StandingRecord, Stands, State};
use super::terms::{Book, Counting, Given};
use crate::clock::Millis;
use crate::id::NodeId;
use crate::identity::{Known, NodeRef, Resolved, SubjectRef};
use crate::policy::{Policy, Purposes};

/// What holds for an event, from everything that is known about whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Granted, and not past, by an identifier that the event states.
    pub granted: Purposes,
    /// Denied by an identifier that the event states.
    pub denied: Purposes,
    /// Denied by an owner, or by somebody that a stated identifier is linked to.
    pub denied_by_link: Purposes,
    /// Granted once, and past.
    pub expired: Purposes,
    /// Granted under terms that have been widened since.
    pub outdated: Purposes,
    /// Destinations, as bits, that were no recipients when something of this was granted.
    pub strangers: u64,
    /// Asked for by an identifier that the event states, and not confirmed yet. It allows nothing.
    pub pending: Purposes,
    /// The processing is restricted for an owner, or for somebody that a stated identifier is linked to (Art. 18): nothing may be
    /// done but to store.
    pub restricted: bool,
    /// The event comes from a source that takes data over, and somebody it is about asked not to be brought back.
    pub suppressed: bool,
}

impl Standing {
    /// Whether a destination, by its index, was no recipient when something of this was granted.
    #[must_use]
    pub const fn is_stranger(&self, destination: usize) -> bool {
        self.strangers >> (destination & 63) & 1 == 1
    }

    /// What may be done now on the ground of consent.
    #[must_use]
    pub const fn allowed(&self) -> Purposes {
        if self.restricted || self.suppressed {
            Purposes::NONE
        } else {
            self.granted.without(self.denied).without(self.denied_by_link)
        }
    }
}

/// The bits of one identifier, or of one subject as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) granted: Purposes,
    pub(super) denied: Purposes,
    /// When the first of the grants ends. Until then the bits are exact.
    until: Millis,
}

impl Cell {
    const EMPTY: Self = Self { granted: Purposes::NONE, denied: Purposes::NONE, until: Millis::MAX };

    /// From what stands. A denial does not expire: only a new decision ends it.
    fn of(stands: &Stands, policy: &Policy) -> Self {
        let mut cell = Self::EMPTY;
        for (purpose, Stand(state, _, expires, _)) in stands {
            let Some(bit) = policy.purpose(purpose).map(Purposes::one) else { continue };
            match state {
                State::Granted => {
                    cell.granted = cell.granted.or(bit);
                    cell.until = cell.until.min(expires.unwrap_or(Millis::MAX));
                }
                State::Denied | State::Withdrawn => cell.denied = cell.denied.or(bit),
                State::Pending => {}
            }
        }
        cell
    }
}

/// Grants that end at different times: which, and when each does.
type Ends = Vec<(Purposes, Millis)>;

/// All standing. Invariant: it holds what is durable, and of each subject the newest.
#[derive(Default)]
pub(super) struct Memory {
    nodes: Vec<Cell>,
    subjects: Vec<Cell>,
    /// How many decisions of a subject the cells fold: an older record never replaces a newer one.
    folded: Vec<u32>,
    /// Subjects whose data may only be stored; few.
    restricted: HashSet<u32>,
    /// Where grants end at different times, for the exact answer once the first has ended.
    node_ends: HashMap<u32, Ends>,
    subject_ends: HashMap<u32, Ends>,
    /// The terms under which grants were given, and what they still allow.
    pub(super) book: Book,
    /// Grants under other terms than those in force at the start.
    node_given: HashMap<u32, Given>,
    subject_given: HashMap<u32, Given>,
    /// What waits for a confirmation, by identifier, until when; only to say why something stays.
    waiting: HashMap<u32, Ends>,
}

fn ends(stands: &Stands, policy: &Policy) -> Ends {
    let grants = stands.iter().filter(|(_, Stand(state, ..))| *state == State::Granted);
    grants
        .filter_map(|(p, Stand(_, _, expires, _))| Some((Purposes::one(policy.purpose(p)?), expires.as_ref().copied()?)))
        .collect()
}

fn put(cells: &mut Vec<Cell>, at: usize, cell: Cell) {
    if cells.len() <= at {
        cells.resize(at + 1, Cell::EMPTY);
    }
    if let Some(slot) = cells.get_mut(at) {
        *slot = cell;
    }
}

const fn index(number: u32) -> usize {
    number as usize
}

impl Memory {
    /// Takes over what stands for a subject, if it is newer than what is there.
    pub(super) fn learn(&mut self, subject: SubjectRef, nodes: &[(NodeId, NodeRef)], record: &StandingRecord, policy: &Policy) {
        let at = index(subject.0);
        if self.folded.len() <= at {
            self.folded.resize(at + 1, 0);
        }
        match self.folded.get_mut(at) {
            Some(folded) if *folded <= record.decisions => *folded = record.decisions,
            Some(_) | None => return,
        }
        if record.restricted {
            self.restricted.insert(subject.0);
        } else {
            self.restricted.remove(&subject.0);
        }
        put(&mut self.subjects, at, Cell::of(&record.subject, policy));
        note(&mut self.subject_ends, subject.0, &record.subject, policy);
        set(&mut self.subject_given, subject.0, self.book.given(&record.subject, policy));
        for (name, node) in nodes {
            let waits = record.pending.iter().filter(|waiting| waiting.names.contains(name));
            let waits: Ends = waits.filter_map(|w| Some((Purposes::one(policy.purpose(&w.purpose)?), w.until))).collect();
            if waits.is_empty() {
                self.waiting.remove(&node.0);
            } else {
                self.waiting.insert(node.0, waits);
            }
            let Some(stands) = record.identifiers.get(name) else { continue };
            put(&mut self.nodes, index(node.0), Cell::of(stands, policy));
            note(&mut self.node_ends, node.0, stands, policy);
            set(&mut self.node_given, node.0, self.book.given(stands, policy));
        }
    }

    /// Whether a subject's data may only be stored.
    pub(super) fn is_restricted(&self, subject: SubjectRef) -> bool {
        self.restricted.contains(&subject.0)
    }

    /// Everybody whose data may only be stored.
    pub(super) fn restricted(&self) -> impl Iterator<Item = SubjectRef> {
        self.restricted.iter().copied().map(SubjectRef)
    }

    /// What a subject as a whole has refused.
    pub(super) fn refused(&self, subject: SubjectRef) -> Purposes {
        self.subject_cell(subject).denied
    }

    /// What was refused with an identifier.
    pub(super) fn refused_with(&self, node: NodeRef) -> Purposes {
        self.node_cell(node).denied
    }

    /// Forgets what stands for a subject and its identifiers.
    pub(super) fn remove(&mut self, subject: SubjectRef, nodes: &[NodeRef]) {
        put(&mut self.subjects, index(subject.0), Cell::EMPTY);
        self.subject_ends.remove(&subject.0);
        self.subject_given.remove(&subject.0);
        self.restricted.remove(&subject.0);
        for node in nodes {
            put(&mut self.nodes, index(node.0), Cell::EMPTY);
            self.node_ends.remove(&node.0);
            self.node_given.remove(&node.0);
            self.waiting.remove(&node.0);
        }
    }

    /// What holds for events with these identifiers. All cells are read before the first is looked at: looks that do not wait for one another
    /// wait for memory together.
    pub(super) fn combine<'a>(&self, events: impl Iterator<Item = &'a Resolved> + Clone, at: Millis) -> Vec<Standing> {
        let cells = |known: &Known| (self.node_cell(known.node), self.subject_cell(known.owner));
        let cells: Vec<(Cell, Cell)> = events.clone().flat_map(|resolved| &resolved.nodes).map(cells).collect();
        let mut rest = cells.as_slice();
        let own = |resolved: &'a Resolved| (resolved, rest.split_off(..resolved.nodes.len()).unwrap_or_default());
        events.map(own).map(|(resolved, cells)| self.combine_one(resolved, cells, at)).collect()
    }

    fn combine_one(&self, resolved: &Resolved, cells: &[(Cell, Cell)], at: Millis) -> Standing {
        let mut standing = Standing::default();
        let mut by_link = Purposes::NONE;
        for (known, (node, owner)) in resolved.nodes.iter().zip(cells) {
            let (counting, denied, expired) = self.counting(known.node, *node, at);
            standing.granted = standing.granted.or(counting.granted);
            standing.outdated = standing.outdated.or(counting.outdated);
            standing.strangers |= counting.strangers;
            standing.denied = standing.denied.or(denied);
            standing.expired = standing.expired.or(expired);
            by_link = by_link.or(owner.denied);
        }
        for linked in &resolved.linked {
            by_link = by_link.or(self.subject_cell(*linked).denied);
        }
        if !self.waiting.is_empty() {
            let waits = resolved.nodes.iter().filter_map(|known| self.waiting.get(&known.node.0)).flatten();
            standing.pending = waits.filter(|(_, until)| *until > at).fold(Purposes::NONE, |all, (bit, _)| all.or(*bit));
        }
        if !self.restricted.is_empty() {
            let mut concerned = resolved.nodes.iter().map(|known| known.owner).chain(resolved.linked.iter().copied());
            standing.restricted = concerned.any(|subject| self.restricted.contains(&subject.0));
        }
        standing.denied_by_link = by_link.without(standing.denied);
        standing.expired = standing.expired.without(standing.granted);
        standing.outdated = standing.outdated.without(standing.granted);
        standing
    }

    fn subject_cell(&self, subject: SubjectRef) -> Cell {
        self.subjects.get(index(subject.0)).copied().unwrap_or(Cell::EMPTY)
    }

    /// Whether a purpose is granted by a subject as a whole: its latest decision says so, and is not past.
    pub(super) fn subject_allows(&self, subject: SubjectRef, purpose: usize, at: Millis) -> bool {
        let cell = self.subject_cell(subject);
        let (granted, _) = exact(cell, at, self.subject_ends.get(&subject.0));
        let counting = self.book.counting(granted, self.subject_given.get(&subject.0));
        counting.granted.has(purpose) && !cell.denied.has(purpose)
    }

    fn node_cell(&self, node: NodeRef) -> Cell {
        self.nodes.get(index(node.0)).copied().unwrap_or(Cell::EMPTY)
    }

    fn counting(&self, node: NodeRef, cell: Cell, at: Millis) -> (Counting, Purposes, Purposes) {
        let (granted, expired) = exact(cell, at, self.node_ends.get(&node.0));
        (self.book.counting(granted, self.node_given.get(&node.0)), cell.denied, expired)
    }

    /// Whether the cells of a subject and its identifiers are the same here and there.
    pub(super) fn agrees(&self, other: &Self, subject: SubjectRef, nodes: &[(NodeId, NodeRef)]) -> bool {
        self.subject_cell(subject) == other.subject_cell(subject)
            && self.subject_given.get(&subject.0) == other.subject_given.get(&subject.0)
            && nodes.iter().all(|(_, node)| self.node_given.get(&node.0) == other.node_given.get(&node.0))
            && nodes.iter().all(|(_, node)| self.node_cell(*node) == other.node_cell(*node))
    }

    /// Nothing but the terms, to compare with.
    pub(super) fn empty(&self) -> Self {
        Self { book: self.book.clone(), ..Self::default() }
    }

    /// What the terms leave of what was granted for these purposes.
    pub(super) fn terms_of(&self, stands: &Stands, policy: &Policy) -> Counting {
        let granted = Cell::of(stands, policy).granted;
        self.book.counting(granted, self.book.given(stands, policy).as_ref())
    }

    /// How much memory the cells take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        (self.nodes.capacity() + self.subjects.capacity()) * size_of::<Cell>() + self.folded.capacity() * 4
    }
}

fn set(map: &mut HashMap<u32, Given>, of: u32, given: Option<Given>) {
    match given {
        Some(given) => map.insert(of, given),
        None => map.remove(&of),
    };
}

/// Remembers when grants end, if they do not all end together.
fn note(map: &mut HashMap<u32, Ends>, of: u32, stands: &Stands, policy: &Policy) {
    let ends = ends(stands, policy);
    let together = ends.windows(2).all(|w| matches!(w, [(_, a), (_, b)] if a == b));
    let all = stands.iter().filter(|(p, Stand(state, ..))| *state == State::Granted && policy.purpose(p).is_some()).count()
        == ends.len();
    if together && all {
        map.remove(&of);
    } else {
        map.insert(of, ends);
    }
}

/// Grants that hold and grants that are past.
fn exact(cell: Cell, at: Millis, ends: Option<&Ends>) -> (Purposes, Purposes) {
    if at < cell.until {
        return (cell.granted, Purposes::NONE);
    }
    let past = ends.map_or(cell.granted, |ends| {
        ends.iter().filter(|(_, end)| *end <= at).fold(Purposes::NONE, |all, (bit, _)| all.or(*bit))
    });
    (cell.granted.without(past), past)
}
