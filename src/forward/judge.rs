//! Decides again, right before sending: policy and consent may have changed since intake.

use super::record::about;
use super::{Core, Fault};
use crate::clock::Millis;
use crate::consent::Reliance;
use crate::events::{Event, consent_object};
use crate::gate::{self, Parcel, Preferred, Question};
use crate::id::{NodeId, SubjectId};
use crate::identity;
use crate::outbox;
use crate::policy::{Destination, DestinationKind, Policy};
use crate::preferences::Usable;
use crate::profile::{self, Gathering};
use crate::vault;

/// An event in the form of its destination.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) subject: SubjectId,
    pub(super) received_at: Millis,
    pub(super) source: String,
    /// Tags of the purposes that it is forwarded for.
    pub(super) purposes: Vec<u32>,
    /// The names of the identifiers that it stated.
    pub(super) names: Vec<NodeId>,
    /// The same for every try of this event at this destination, and for nothing else.
    pub(super) delivery: String,
    /// One JSON object.
    pub(super) body: Vec<u8>,
    /// Why the profile store must keep a copy, if a law says so.
    pub(super) kept: Option<profile::Term>,
    /// Holds the acknowledgement of a withdrawal up until this has left.
    pub(super) reliance: Reliance,
}

/// What is to be done with an entry.
#[derive(Debug)]
pub(super) enum Judged {
    /// It may leave, like this.
    Send(Box<Ready>),
    /// It may not leave any more, for this reason.
    Withheld(&'static str),
    /// Its subject was erased: nobody can read it.
    Gone,
    /// It cannot be sent as it is; a person has to look.
    Broken(&'static str),
}

/// A destination as its worker sees it, under the policy of the moment.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) policy: &'a Policy,
    pub(super) index: usize,
    pub(super) destination: &'a Destination,
    /// When the step began.
    pub(super) at: Millis,
}

/// Why an entry's source says nothing any more.
const NO_SOURCE: &str = "no_source";
/// Why nobody's decision can hold for an entry.
const NO_IDENTIFIER: &str = "no_identifier";

/// Opens an entry, decides, and shapes what may leave.
pub(super) fn judge(core: &Core, target: Target<'_>, bytes: &[u8], at: Millis) -> Result<Judged, Fault> {
    let Ok(entry) = outbox::Entry::decode(bytes) else { return Ok(Judged::Broken("unreadable")) };
    let key = match core.vault.key(entry.subject) {
        Ok(key) => key,
        Err(vault::Error::Shredded) => return Ok(Judged::Gone),
        Err(error) => return Err(error.into()),
    };
    let plain = match entry.open(&key) {
        Ok(plain) => plain,
        Err(vault::Error::Unreadable) => return Ok(Judged::Broken("unreadable")),
        Err(error) => return Err(error.into()),
    };
    match Event::read_stored(&plain) {
        Ok(event) => decide(core, target, &entry, &event, at),
        Err(_) => Ok(Judged::Broken("unreadable")),
    }
}

fn decide(core: &Core, target: Target<'_>, entry: &outbox::Entry<'_>, event: &Event<'_>, at: Millis) -> Result<Judged, Fault> {
    let Target { policy, index, destination, .. } = target;
    let Some((source, _)) = policy.source(entry.source) else { return Ok(Judged::Withheld(NO_SOURCE)) };
    let stated = identity::extract(event, policy, &core.vault);
    let relied = core.consents.rely(&stated.identifiers, entry.subject, policy, at);
    let standing = relied.standing;
    let narrowing = consent_object::narrowing(event, policy);
    let question =
        Question { source, event, standing: &standing, narrowing: &narrowing, has_identifier: !stated.identifiers.is_empty() };
    let verdict = gate::decide_for(policy, &question, index);
    let used = match verdict.outcome {
        Ok(used) => used,
        Err(withheld) => return Ok(Judged::Withheld(withheld.reason.code())),
    };
    let Some(route) = policy.routes.get(verdict.route) else { return Ok(Judged::Broken("shape")) };
    let Some(customer) = relied.customer else { return Ok(Judged::Withheld(NO_IDENTIFIER)) };
    relied.reliance.only_for(policy, used.or(relied.linking));
    let domain = core.vault.domain(&destination.domain)?;
    let usable = usable(core, target, customer, at)?;
    let preferences: Vec<Preferred<'_>> =
        usable.iter().map(|one| Preferred { id: &one.id, purposes: one.purposes, value: &one.value }).collect();
    let parcel = Parcel {
        event,
        identifiers: &stated.identifiers,
        customer: domain.customer(customer),
        domain: &domain,
        source: entry.source,
        received_at: entry.received_at,
        allowed: gate::allowed(policy, &standing, &narrowing),
        preferences: &preferences,
    };
    let Ok(body) = gate::shape(policy, destination, route, &parcel) else { return Ok(Judged::Broken("shape")) };
    let delivery = delivery_id(core, &destination.id, &entry.dedup);
    Ok(Judged::Send(Box::new(Ready {
        subject: entry.subject,
        received_at: entry.received_at,
        source: entry.source.to_owned(),
        purposes: policy.names(used).into_iter().map(profile::purpose_tag).collect(),
        names: core.directory.names_stored(&core.store, &stated.identifiers)?,
        body: with_delivery(body, &delivery),
        delivery,
        kept: kept(target, event, entry.received_at),
        reliance: relied.reliance,
    })))
}

/// What the customer stated about themselves and may be used now, if the destination may have any of it.
fn usable(core: &Core, target: Target<'_>, customer: SubjectId, at: Millis) -> Result<Vec<Usable>, Fault> {
    if !target.destination.takes_preferences() {
        return Ok(Vec::new());
    }
    let (vault, directory, consents) = (&*core.vault, &*core.directory, &*core.consents);
    let gathering = Gathering { policy: target.policy, vault, directory, consents, at };
    let subjects = gathering.gathered(Some(customer));
    Ok(core.preferences.usable(&subjects, &gathering).map_err(profile::Error::from)?)
}

/// The duty to keep an event, if it is the profile store's and there is one.
fn kept(target: Target<'_>, event: &Event<'_>, received_at: Millis) -> Option<profile::Term> {
    let name = event.event.as_deref().filter(|_| target.destination.kind == DestinationKind::Profile)?;
    target.policy.duty(name).map(|duty| profile::Term::of(duty, &target.policy.controller, received_at))
}

/// The idempotency key of a message at a destination.
fn delivery_id(core: &Core, destination: &str, dedup: &[u8; 16]) -> String {
    format!("dlv_{}", hex::encode(core.vault.mac("delivery", &about(destination, dedup))))
}

/// Adds the idempotency key as the last member of the object.
fn with_delivery(mut body: Vec<u8>, delivery: &str) -> Vec<u8> {
    if body.pop() == Some(b'}') {
        body.extend_from_slice(if body.len() > 1 { b",\"deliveryId\":\"" } else { b"\"deliveryId\":\"" });
        body.extend_from_slice(delivery.as_bytes());
        body.extend_from_slice(b"\"}");
    }
    body
}
