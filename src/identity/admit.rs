//! Finds or creates the owners of identifiers that were stated together, and remembers who was stated with whom.

use super::directory::{Directory, Memory, tag};
use super::record::{LINKS, Link, Nothing, OWNERS, Owner, VALUES, ValueKey, value_aad};
use super::{Admission, Error, Identifier, Plan};
use crate::clock::DAY_MS;
use crate::id::SubjectId;
use crate::policy::{IdentifierKind, IdentifierType, Policy};
use crate::store::Batch;
use crate::vault::Sealed;

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

impl Directory {
    /// Adds to the batch what is missing: owners of identifiers that are not known, and links. What is there already adds
    /// nothing. The batch conflicts if somebody else makes one of the identifiers known first.
    ///
    /// # Errors
    /// [`Error::Nobody`] if no identifier is stated; what vault and chance say.
    pub fn admit(&self, stated: &[Identifier], context: &Admission<'_>, batch: &mut Batch) -> Result<Plan, Error> {
        let memory = self.memory.read();
        let mut plan = Plan::default();
        let mut holders = Vec::with_capacity(stated.len());
        for identifier in stated {
            let node = memory.node(identifier.blind);
            holders.push(node.map(|n| memory.owner(n)).map(|o| Holder { id: memory.id(o), known: Some(o) }));
        }
        let mut person = strongest_person(stated, &holders, context.policy);
        for (place, identifier) in stated.iter().enumerate() {
            if holders.get(place).is_some_and(Option::is_some) {
                continue;
            }
            let Some(typed) = context.policy.identifiers.get(identifier.kind) else { continue };
            let shared = typed.kind == IdentifierKind::Device;
            let holder = match person {
                Some(holder) if !shared && has_room(&memory, &plan, holder, typed) => holder,
                Some(_) | None => new_subject(context, &mut plan, batch)?,
            };
            if !shared && person.is_none() {
                person = Some(holder);
            }
            own(context, &mut plan, batch, (identifier, holder))?;
            if let Some(slot) = holders.get_mut(place) {
                *slot = Some(holder);
            }
        }
        let holders: Vec<Holder> = holders.into_iter().flatten().collect();
        link(&memory, &mut plan, batch, (stated, &holders), context.policy);
        plan.owners = holders.iter().map(|h| h.id).collect();
        let strongest = stated.iter().zip(&holders).min_by_key(|(i, _)| (is_device(context.policy, i.kind), i.kind));
        plan.subject = strongest.map(|(_, holder)| holder.id).ok_or(Error::Nobody)?;
        Ok(plan)
    }

    /// Links between identifiers and subjects that are known already, and nothing else: so that a refusal can be honoured
    /// although the event that says so is not kept. `None` if there is nothing new.
    pub fn admit_links_only(&self, stated: &[Identifier], policy: &Policy, batch: &mut Batch) -> Option<Plan> {
        let memory = self.memory.read();
        let known: Vec<(Identifier, Holder)> = stated
            .iter()
            .filter_map(|i| {
                let owner = memory.owner(memory.node(i.blind)?);
                Some((i.clone(), Holder { id: memory.id(owner), known: Some(owner) }))
            })
            .collect();
        if known.len() < 2 {
            return None;
        }
        let (identifiers, holders): (Vec<Identifier>, Vec<Holder>) = known.into_iter().unzip();
        let mut plan = Plan::default();
        link(&memory, &mut plan, batch, (&identifiers, &holders), policy);
        (!plan.links.is_empty()).then_some(plan)
    }
}

fn is_device(policy: &Policy, kind: usize) -> bool {
    policy.identifiers.get(kind).is_some_and(|t| t.kind == IdentifierKind::Device)
}

/// The owner of the strongest identifier that is known and not a device.
fn strongest_person(stated: &[Identifier], holders: &[Option<Holder>], policy: &Policy) -> Option<Holder> {
    let people = stated.iter().zip(holders).filter(|(i, _)| !is_device(policy, i.kind));
    people.filter_map(|(i, h)| h.map(|h| (i.kind, h))).min_by_key(|(kind, _)| *kind).map(|(_, h)| h)
}

/// Whether the limit of the type lets the subject have one more.
fn has_room(memory: &Memory, plan: &Plan, holder: Holder, typed: &IdentifierType) -> bool {
    let kind = tag(&typed.id);
    let there = holder.known.map_or(0, |subject| memory.count(subject, kind));
    let planned = plan.nodes.iter().filter(|(_, k, owner)| *k == kind && *owner == holder.id).count();
    there + planned < usize::from(typed.limit)
}

fn new_subject(context: &Admission<'_>, plan: &mut Plan, batch: &mut Batch) -> Result<Holder, Error> {
    let id = SubjectId(context.chance.bytes()?);
    let key = context.vault.create(id, batch)?;
    plan.keys.push((id, key));
    Ok(Holder { id, known: None })
}

/// Puts the ownership of a new identifier into the batch, with its value sealed for the owner.
fn own(
    context: &Admission<'_>,
    plan: &mut Plan,
    batch: &mut Batch,
    (identifier, holder): (&Identifier, Holder),
) -> Result<(), Error> {
    let kind = context.policy.identifiers.get(identifier.kind).map_or(0, |t| tag(&t.id));
    let day = u32::try_from(context.at / DAY_MS).unwrap_or(0);
    batch.check_absent(OWNERS.key(&identifier.blind));
    OWNERS.put(batch, &identifier.blind, &Owner { subject: holder.id, kind, day });
    let key = match plan.data_key(holder.id) {
        Some(fresh) => fresh,
        None => {
            context.vault.check_unchanged(holder.id, batch)?;
            context.vault.key(holder.id)?
        }
    };
    let place = ValueKey { subject: holder.id, blind: identifier.blind };
    let sealed = key.seal(&value_aad(&place), identifier.value.as_bytes())?;
    VALUES.put(batch, &place, &Sealed(sealed));
    plan.nodes.push((identifier.blind, kind, holder.id));
    Ok(())
}

/// Links every identifier to the owners of those that are stated with it and not weaker. So a device is linked to its users
/// and an address to who signed in with it, and not the other way round: what a device's visitor refuses binds the device,
/// not everything else that its users do.
fn link(memory: &Memory, plan: &mut Plan, batch: &mut Batch, (stated, holders): (&[Identifier], &[Holder]), policy: &Policy) {
    for (weak, own) in stated.iter().zip(holders) {
        let node = memory.node(weak.blind);
        let mut count = node.map_or(0, |n| memory.links(n).len());
        for (strong, other) in stated.iter().zip(holders) {
            let rank = |i: &Identifier| (is_device(policy, i.kind), i.kind);
            if other.id == own.id || rank(strong) > rank(weak) || count >= LINKS_MAX {
                continue;
            }
            let link = Link { blind: weak.blind, subject: other.id };
            let there = node.zip(other.known).is_some_and(|(n, s)| memory.links(n).contains(&s));
            if !there && !plan.links.contains(&link) {
                LINKS.put(batch, &link, &Nothing);
                plan.links.push(link);
                count += 1;
            }
        }
    }
}
