//! Finds or creates the owners of identifiers that were stated together, and remembers who was stated with whom.

use super::directory::{Directory, tag};
use super::memory::Memory;
use super::record::{Entry, INDEX, LINKS, Link, Nothing, Owner, PARTED, VALUES, ValueKey, value_aad};
use super::{Admission, Error, Fresh, Identifier, Plan};
use crate::clock::DAY_MS;
use crate::id::{NodeId, SubjectId};
use crate::policy::{IdentifierKind, IdentifierType, Policy};
use crate::store::Batch;
use crate::vault::{Blinds, Sealed};

/// How many others an identifier is linked to at most. A shared tablet in a shop window must not grow without end; the
/// oldest links stay, and every link that is left out would only have kept more back.
const LINKS_MAX: usize = 50;

/// An owner that is being found: known, or made now.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Holder {
    id: SubjectId,
    /// Its place in memory, if it is known.
    known: Option<u32>,
}

/// An identifier that is being found: known, or made now.
#[derive(Clone, Copy)]
struct Held {
    name: NodeId,
    /// Its place in memory, if it is known.
    node: Option<u32>,
    holder: Holder,
}

impl Held {
    fn known(memory: &Memory, node: u32) -> Option<Self> {
        let owner = memory.owner(node);
        Some(Self { name: memory.name(node)?, node: Some(node), holder: Holder { id: memory.id(owner), known: Some(owner) } })
    }
}

impl Directory {
    /// Adds to the batch what is missing: owners of identifiers that are not known, and links. What is there already adds
    /// nothing. The batch conflicts if somebody else makes one of the identifiers known first, or the index key changes.
    ///
    /// # Errors
    /// [`Error::Nobody`] if no identifier is stated; what vault and chance say.
    pub fn admit(&self, stated: &[Identifier], context: &Admission<'_>, batch: &mut Batch) -> Result<Plan, Error> {
        let memory = self.memory.read();
        let mut plan = Plan::default();
        let blinds: Vec<Blinds> = stated.iter().map(|identifier| self.blinds(identifier)).collect();
        let mut held: Vec<Option<Held>> =
            blinds.iter().map(|blinds| memory.find(blinds).and_then(|node| Held::known(&memory, node))).collect();
        let mut person = strongest_person(stated, &held, context.policy);
        for (place, (identifier, blinds)) in stated.iter().zip(&blinds).enumerate() {
            if held.get(place).is_some_and(Option::is_some) {
                continue;
            }
            // The same may be stated twice.
            let twice = plan.nodes.iter().find(|fresh| fresh.blinds == *blinds);
            let found = if let Some(Fresh { name, owner, .. }) = twice {
                Held { name: *name, node: None, holder: Holder { id: *owner, known: memory.subject(*owner) } }
            } else {
                let Some(typed) = context.policy.identifiers.get(identifier.kind) else { continue };
                let shared = typed.kind == IdentifierKind::Device;
                let holder = match person {
                    Some(holder) if !shared && has_room(&memory, &plan, holder, typed) => holder,
                    Some(_) | None => new_subject(context, &mut plan, batch)?,
                };
                if !shared && person.is_none() {
                    person = Some(holder);
                }
                let name = own(context, &mut plan, batch, (identifier, *blinds, holder.id))?;
                Held { name, node: None, holder }
            };
            if let Some(slot) = held.get_mut(place) {
                *slot = Some(found);
            }
        }
        if let Some(fresh) = plan.nodes.first() {
            context.vault.check_index(fresh.blinds.epoch, batch)?;
        }
        let held: Vec<Held> = held.into_iter().flatten().collect();
        link(&memory, &mut plan, batch, (stated, &held), context.policy);
        plan.owners = held.iter().map(|h| h.holder.id).collect();
        plan.names = held.iter().map(|h| h.name).collect();
        let strongest = stated.iter().zip(&held).min_by_key(|(i, _)| rank(i, context.policy));
        plan.subject = strongest.map(|(_, held)| held.holder.id).ok_or(Error::Nobody)?;
        Ok(plan)
    }

    /// Links between identifiers and subjects that are known already, and nothing else: so that a refusal can be honoured
    /// although the event that says so is not kept. `None` if there is nothing new.
    pub fn admit_links_only(&self, stated: &[Identifier], policy: &Policy, batch: &mut Batch) -> Option<Plan> {
        let memory = self.memory.read();
        let known: Vec<(Identifier, Held)> =
            stated.iter().filter_map(|i| Some((i.clone(), Held::known(&memory, memory.find(&self.blinds(i))?)?))).collect();
        if known.len() < 2 {
            return None;
        }
        let (identifiers, held): (Vec<Identifier>, Vec<Held>) = known.into_iter().unzip();
        let mut plan = Plan::default();
        link(&memory, &mut plan, batch, (&identifiers, &held), policy);
        (!plan.links.is_empty()).then_some(plan)
    }
}

fn is_device(policy: &Policy, kind: usize) -> bool {
    policy.identifiers.get(kind).is_some_and(|t| t.kind == IdentifierKind::Device)
}

/// The owner of the strongest identifier that is known and not a device.
fn strongest_person(stated: &[Identifier], held: &[Option<Held>], policy: &Policy) -> Option<Holder> {
    let people = stated.iter().zip(held).filter(|(i, _)| !is_device(policy, i.kind));
    people.filter_map(|(i, h)| h.map(|h| (i.kind, h.holder))).min_by_key(|(kind, _)| *kind).map(|(_, h)| h)
}

/// Whether the limit of the type lets the subject have one more.
fn has_room(memory: &Memory, plan: &Plan, holder: Holder, typed: &IdentifierType) -> bool {
    let tag = tag(&typed.id);
    let there = holder.known.map_or(0, |subject| memory.count(subject, tag));
    let planned = plan.nodes.iter().filter(|fresh| fresh.tag == tag && fresh.owner == holder.id).count();
    there + planned < usize::from(typed.limit)
}

fn new_subject(context: &Admission<'_>, plan: &mut Plan, batch: &mut Batch) -> Result<Holder, Error> {
    let id = SubjectId(context.chance.bytes()?);
    let key = context.vault.create(id, batch)?;
    plan.keys.push((id, key));
    Ok(Holder { id, known: None })
}

/// Puts the ownership of a new identifier into the batch, with its value sealed for the owner. Gives the name that it gets.
fn own(
    context: &Admission<'_>,
    plan: &mut Plan,
    batch: &mut Batch,
    (identifier, blinds, subject): (&Identifier, Blinds, SubjectId),
) -> Result<NodeId, Error> {
    let (name, tag) = (NodeId(context.chance.bytes()?), identifier.tag);
    let day = u32::try_from(context.at / DAY_MS).unwrap_or(0);
    let entry = Entry::of(&blinds);
    batch.check_absent(INDEX.key(&entry));
    if let Some(former) = Entry::before(&blinds) {
        batch.check_absent(INDEX.key(&former));
    }
    INDEX.put(batch, &entry, &Owner { name, subject, tag, day });
    let key = match plan.data_key(subject) {
        Some(fresh) => fresh,
        None => {
            context.vault.check_unchanged(subject, batch)?;
            context.vault.key(subject)?
        }
    };
    let place = ValueKey { subject, name };
    let sealed = key.seal(&value_aad(&place), identifier.value.as_bytes())?;
    VALUES.put(batch, &place, &Sealed(sealed));
    plan.nodes.push(Fresh { name, blinds, tag, owner: subject });
    Ok(name)
}

/// How strong an identifier is: smaller is stronger, and devices, which may be shared, are weaker than everything else.
pub(super) fn rank(identifier: &Identifier, policy: &Policy) -> (bool, usize) {
    (is_device(policy, identifier.kind), identifier.kind)
}

/// Links every identifier to the owners of those that are stated with it and not weaker, unless they are kept apart. So a device is
/// linked to its users and an address to who signed in with it, and not the other way round: what a device's visitor refuses binds the
/// device, not everything else that its users do.
fn link(memory: &Memory, plan: &mut Plan, batch: &mut Batch, (stated, held): (&[Identifier], &[Held]), policy: &Policy) {
    for (weak, own) in stated.iter().zip(held) {
        let mut count = own.node.map_or(0, |n| memory.links(n).len());
        for (strong, other) in stated.iter().zip(held) {
            if other.holder.id == own.holder.id || rank(strong, policy) > rank(weak, policy) || count >= LINKS_MAX {
                continue;
            }
            let link = Link { name: own.name, subject: other.holder.id };
            let there = own.node.zip(other.holder.known).is_some_and(|(n, s)| memory.links(n).contains(&s));
            if !there && !plan.links.contains(&link) && may_link(memory, batch, (own, other)) {
                LINKS.put(batch, &link, &Nothing);
                plan.links.push(link);
                count += 1;
            }
        }
    }
}

/// Whether two may be linked. The batch conflicts if that changes meanwhile.
fn may_link(memory: &Memory, batch: &mut Batch, (own, other): (&Held, &Held)) -> bool {
    for (one, holder) in [(own, other.holder), (other, own.holder)] {
        // Who was not known before was never kept apart from anybody.
        let (Some(node), Some(subject)) = (one.node, holder.known) else { continue };
        if memory.is_parted(node, subject) {
            return false;
        }
        batch.check_absent(PARTED.key(&Link { name: one.name, subject: holder.id }));
    }
    true
}
