//! The index of identifiers, in memory: read for every event, changed only by what is durable.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::memory::Memory;
use super::record::{Entry, INDEX, LINKS, Link, PARTED, VALUES, value_aad};
use super::suppress::List;
use super::{Error, Found, Identifier, Known, NodeRef, Plan, Resolved, SubjectRef};
use crate::clock::Chance;
use crate::id::{NodeId, SubjectId};
use crate::policy::{IdentifierKind, Policy};
use crate::store::{self, Batch, Store};
use crate::vault::{Blinds, Sealed, Vault};

/// How many records are read at a time.
const PAGE: usize = 2048;

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

/// The tag under which a type is stored: its place in the policy may change.
pub(super) fn tag(id: &str) -> u32 {
    crc32fast::hash(id.as_bytes())
}

/// Who identifiers belong to. Cheap to read from many threads.
pub struct Directory {
    pub(super) vault: Arc<Vault>,
    pub(super) memory: RwLock<Memory>,
    /// Who is not to be brought back.
    pub(super) list: List,
    /// Another epoch of the index key has begun.
    pub(super) wake: Notify,
}

impl Directory {
    /// Reads the index from the store. Data from before a change of the index key are moved to the present one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(store: &Store, vault: &Arc<Vault>) -> Result<Self, Error> {
        let epoch = vault.epoch();
        let directory = Self {
            vault: Arc::clone(vault),
            memory: RwLock::new(Memory::of(epoch.number)),
            list: List::open(store, vault)?,
            wake: Notify::default(),
        };
        if epoch.lost {
            tracing::warn!("these data are from before a change of the index key: all identifiers are moved to the present one");
            directory.move_all(store, &Chance::system())?;
        }
        let mut memory = directory.memory.write();
        let mut after = None;
        loop {
            let page = INDEX.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            page.iter().for_each(|(entry, owner)| memory.add(*entry, owner));
        }
        let mut after = None;
        loop {
            let page = PARTED.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            page.iter().for_each(|(pair, _)| memory.part(*pair));
        }
        let mut after = None;
        loop {
            let page = LINKS.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            page.iter().for_each(|(link, _)| memory.add_link(*link));
        }
        drop(memory);
        Ok(directory)
    }

    /// What is known about stated identifiers.
    #[must_use]
    pub fn resolve(&self, stated: &[Identifier]) -> Resolved {
        self.resolve_all(std::iter::once(stated)).pop().unwrap_or_default().resolved
    }

    /// The same for several events at once, each with its own stated identifiers: look-ups that do not wait for one another wait for
    /// memory together.
    #[must_use]
    pub fn resolve_all<'a>(&self, events: impl Iterator<Item = &'a [Identifier]> + Clone) -> Vec<Found> {
        let memory = self.memory.read();
        let blinds: Vec<Blinds> = events.clone().flatten().map(|identifier| self.blinds(identifier)).collect();
        let nodes = memory.find_all(&blinds);
        let known: Vec<_> = nodes.into_iter().map(|node| (node, node.map(|node| memory.id(memory.owner(node))))).collect();
        let mut rest = known.as_slice();
        let found = |stated: &[Identifier]| {
            let own = rest.split_off(..stated.len()).unwrap_or_default();
            let whose = if let [(_, whose)] = own { *whose } else { None };
            Found { resolved: resolve(&memory, stated.iter().zip(own).map(|(i, (node, _))| (i.kind, *node))), whose }
        };
        events.map(found).collect()
    }

    /// The same for identifiers of which only the names are known. Their types are not, so they count as the weakest.
    #[must_use]
    pub fn resolve_named(&self, names: &[NodeId]) -> Resolved {
        let memory = self.memory.read();
        resolve(&memory, names.iter().map(|name| (usize::MAX, memory.node(*name))))
    }

    /// The blind forms of an identifier now: the index key may have changed since it was read. Invariant: memory is locked, so that it
    /// does not change right now.
    pub(super) fn blinds(&self, identifier: &Identifier) -> Blinds {
        if identifier.blinds.epoch == self.vault.epoch().number {
            return identifier.blinds;
        }
        self.vault.blind(identifier.tag, &identifier.value)
    }

    /// The names of those of the stated identifiers that are known.
    #[must_use]
    pub fn names(&self, stated: &[Identifier]) -> Vec<NodeId> {
        let memory = self.memory.read();
        stated.iter().filter_map(|i| memory.name(memory.find(&self.blinds(i))?)).collect()
    }

    /// The same for what was stored together with the identifiers: memory may not have learnt of them yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn names_stored(&self, store: &Store, stated: &[Identifier]) -> Result<Vec<NodeId>, store::Error> {
        let mut names = Vec::with_capacity(stated.len());
        let mut unknown: Vec<Blinds> = Vec::new();
        {
            let memory = self.memory.read();
            for identifier in stated {
                let blinds = self.blinds(identifier);
                match memory.find(&blinds).and_then(|node| memory.name(node)) {
                    Some(name) => names.push(name),
                    None => unknown.push(blinds),
                }
            }
        }
        for blinds in unknown {
            for entry in [Entry::before(&blinds), Some(Entry::of(&blinds))].into_iter().flatten() {
                names.extend(INDEX.get(store, &entry)?.map(|owner| owner.name));
            }
        }
        Ok(names)
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

    /// The identifier with this name.
    #[must_use]
    pub fn node(&self, name: NodeId) -> Option<NodeRef> {
        self.memory.read().node(name).map(NodeRef)
    }

    /// Who owns an identifier that is known.
    #[must_use]
    pub fn owner_of(&self, node: NodeRef) -> SubjectRef {
        SubjectRef(self.memory.read().owner(node.0))
    }

    /// The name and the owner of an identifier, if it is known.
    #[must_use]
    pub fn known(&self, identifier: &Identifier) -> Option<(NodeId, SubjectRef)> {
        let memory = self.memory.read();
        let node = memory.find(&self.blinds(identifier))?;
        Some((memory.name(node)?, SubjectRef(memory.owner(node))))
    }

    /// Who owns an identifier.
    #[must_use]
    pub fn owner(&self, identifier: &Identifier) -> Option<SubjectRef> {
        self.known(identifier).map(|(_, owner)| owner)
    }

    /// The identifiers of a subject.
    #[must_use]
    pub fn nodes_of(&self, subject: SubjectRef) -> Vec<NodeRef> {
        self.memory.read().nodes_of(subject.0).map(NodeRef).collect()
    }

    /// The names of a subject's identifiers.
    #[must_use]
    pub fn names_of(&self, subject: SubjectRef) -> Vec<NodeId> {
        let memory = self.memory.read();
        memory.nodes_of(subject.0).filter_map(|node| memory.name(node)).collect()
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
        let mut owners: Vec<SubjectRef> = memory.linkers(subject.0).iter().map(|node| SubjectRef(memory.owner(*node))).collect();
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
        plan.nodes.iter().for_each(|fresh| memory.add_fresh(fresh));
        for link in &plan.links {
            memory.add_link(*link);
        }
    }

    /// Puts into the batch that everything about a subject goes: its identifiers, their values, and links from and to them. The batch
    /// conflicts if one of the identifiers is moved to another index key meanwhile; then this must be done again.
    ///
    /// # Errors
    /// When the store cannot be read; a conflict if an identifier is being moved right now.
    pub fn forget(&self, store: &Store, subject: SubjectId, batch: &mut Batch) -> Result<(), Error> {
        {
            let memory = self.memory.read();
            for entry in memory.late(subject) {
                INDEX.delete(batch, &entry);
            }
            if let Some(known) = memory.subject(subject) {
                for node in memory.nodes_of(known) {
                    let (Some(entry), Some(name)) = (memory.entry(node), memory.name(node)) else { continue };
                    let stored = INDEX.get(store, &entry)?.ok_or(store::Error::Conflict)?;
                    batch.check_equals(INDEX.key(&entry), INDEX.value(&stored));
                    INDEX.delete(batch, &entry);
                    memory.links(node).iter().for_each(|s| LINKS.delete(batch, &Link { name, subject: memory.id(*s) }));
                }
                for node in memory.linkers(known) {
                    let Some(name) = memory.name(*node) else { continue };
                    LINKS.delete(batch, &Link { name, subject });
                }
                memory.parted_of(known).for_each(|pair| PARTED.delete(batch, &pair));
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

    /// Subjects from a place on, and the place where the next are; the same place if there are none.
    #[must_use]
    pub fn page(&self, from: usize, limit: usize) -> (Vec<SubjectId>, usize) {
        self.memory.read().page(from, limit)
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
                let tagged = {
                    let memory = self.memory.read();
                    memory.node(place.name).map(|node| memory.tag(node))
                };
                let typed = tagged.and_then(|tagged| policy.identifiers.iter().find(|t| tag(&t.id) == tagged));
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
        self.memory.read().figures()
    }
}

fn resolve(memory: &Memory, stated: impl Iterator<Item = (usize, Option<u32>)>) -> Resolved {
    let mut resolved = Resolved::default();
    for (place, (kind, node)) in stated.enumerate() {
        let Some(node) = node else {
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
