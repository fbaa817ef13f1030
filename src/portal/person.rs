//! Who is signed in, and what of what is stored is theirs to see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Error, Portal};
use crate::clock::Millis;
use crate::forward::recipients;
use crate::id::{NodeId, SubjectId};
use crate::identity::{self, Identifier, SubjectRef};
use crate::policy::{IdentifierKind, Policy};
use crate::rights::{self, Parting, Proven};
use crate::session::Session;
use crate::vault;

/// How it was proven who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// They read the mails of the address.
    Mail,
    /// A website vouches for it, where they are signed in.
    Website {
        /// The ID of the source.
        source: String,
    },
}

/// What a session holds: what was proven at sign-in, as types and normalised values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Proof {
    pub(super) identifiers: Vec<(String, String)>,
    pub(super) way: Way,
}

/// Somebody who is signed in. Only a session makes one.
#[derive(Clone, Debug)]
pub struct Person {
    /// What was proven, as types and values.
    pub proven: Vec<(String, String)>,
    /// How.
    pub way: Way,
    /// The same as identifiers.
    pub(super) identifiers: Vec<Identifier>,
    /// The lasting names of those that are known.
    pub(super) names: Vec<NodeId>,
    /// Whose they are.
    pub(super) owners: Vec<SubjectId>,
    /// Whether their profiles hold no identifier that was not proven, devices apart. Only then everything in them is shown.
    pub is_whole: bool,
}

/// A browser or app that was used by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its lasting name; random.
    pub name: NodeId,
    /// The end of its ID, enough to tell it from another.
    pub tail: String,
    /// Whether others use it as well.
    pub is_shared: bool,
}

/// Who has received something of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The destination's ID.
    pub destination: String,
    /// How many events.
    pub events: u64,
    /// When the first.
    pub first_at: Millis,
    /// When the latest, or what it may have received last.
    pub last_at: Millis,
}

impl Person {
    /// As requests know them.
    #[must_use]
    pub fn as_proven(&self) -> Proven<'_> {
        Proven { identifiers: &self.proven, names: &self.names }
    }

    /// Whether anything is known of them.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !self.owners.is_empty()
    }
}

impl Portal {
    /// The identifiers that were proven.
    pub(super) fn read(&self, proof: &Proof) -> Result<Vec<Identifier>, Error> {
        let policy = self.policy();
        let read = |(kind, value): &(String, String)| identity::parse(&policy, &self.rooms.vault, kind, value).ok();
        // What the policy knows no more proves nothing any more.
        let mut identifiers: Vec<Identifier> = proof.identifiers.iter().filter_map(read).collect();
        identifiers.sort_by(|a, b| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
        identifiers.dedup();
        Ok(identifiers)
    }

    /// Whose the strongest of these is.
    pub(super) fn owner(&self, identifiers: &[Identifier]) -> Option<SubjectId> {
        let directory = &self.rooms.directory;
        identifiers.iter().find_map(|identifier| directory.owner(identifier)).map(|owner| directory.subject(owner))
    }

    /// Whose session it is. `None`, and it is over, if what was proven leads to somebody else now: they were erased, or it was corrected.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn person(&self, session: &Session) -> Result<Option<Person>, Error> {
        let proof: Proof = serde_json::from_slice(&session.inside)?;
        let identifiers = self.read(&proof)?;
        match (session.holder, self.owner(&identifiers)) {
            (None, Some(owner)) => self.sessions.bind(session.id, owner).await?,
            (before, now) if before != now || identifiers.is_empty() => {
                self.sessions.end(session.id).await?;
                return Ok(None);
            }
            (_, _) => {}
        }
        let directory = &self.rooms.directory;
        let known = identifiers.iter().filter_map(|identifier| directory.known(identifier));
        let (names, subjects): (Vec<_>, Vec<_>) = known.map(|(name, owner)| (name, directory.subject(owner))).unzip();
        let mut owners: Vec<SubjectId> = subjects;
        owners.sort_unstable();
        owners.dedup();
        let (proven, way) = (proof.identifiers, proof.way);
        let mut person = Person { proven, way, identifiers, names, owners, is_whole: false };
        person.is_whole = self.is_whole(&person)?;
        Ok(Some(person))
    }

    fn is_whole(&self, person: &Person) -> Result<bool, Error> {
        let policy = self.policy();
        for owner in &person.owners {
            let values = self.values(*owner, &policy)?;
            if values.iter().any(|named| !is_device(&policy, &named.0) && !person.proven.contains(named)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn values(&self, subject: SubjectId, policy: &Policy) -> Result<Vec<(String, String)>, Error> {
        match self.rooms.directory.values(&self.rooms.store, &self.rooms.vault, subject, policy) {
            // Erased at this moment.
            Err(identity::Error::Vault(vault::Error::Shredded)) => Ok(Vec::new()),
            values => Ok(values?),
        }
    }

    /// The devices on which somebody was seen; none unless all of their profile was proven.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn devices(&self, person: &Person) -> Result<Vec<Device>, Error> {
        let (policy, directory) = (self.policy(), &self.rooms.directory);
        let mut devices = Vec::new();
        for owner in person.owners.iter().filter(|_| person.is_whole).filter_map(|owner| directory.find(*owner)) {
            for other in directory.linkers_of(owner) {
                let subject = directory.subject(other);
                if person.owners.contains(&subject) {
                    continue;
                }
                let Some(name) = self.linked_name(owner, other) else { continue };
                let is_shared = directory.linked_to(other).iter().any(|who| !person.owners.contains(&directory.subject(*who)));
                let values = self.values(subject, &policy)?.into_iter().filter(|(kind, _)| is_device(&policy, kind));
                devices.extend(values.map(|(_, value)| Device { name, tail: tail(&value), is_shared }));
            }
        }
        devices.sort_by(|a, b| a.tail.cmp(&b.tail));
        devices.dedup();
        Ok(devices)
    }

    /// By what a device is linked to a person.
    fn linked_name(&self, person: SubjectRef, device: SubjectRef) -> Option<NodeId> {
        let directory = &self.rooms.directory;
        let linked = self.rights.linked(directory.subject(person)).into_iter().map(|linked| linked.pair.name);
        linked.into_iter().find(|name| directory.node(*name).is_some_and(|node| directory.owner_of(node) == device))
    }

    /// Takes back that a device is the person's, by its name in hexadecimal digits. When this returns no event links the two again, and
    /// what was on its way under a joined name has arrived or failed.
    ///
    /// # Errors
    /// [`rights::Error::NotFound`] if it is not linked to them; what store and vault say.
    pub async fn unlink(&self, person: &Person, device: &str) -> Result<(), Error> {
        for owner in person.owners.iter().filter(|_| person.is_whole) {
            let linked = self.rights.linked(*owner).into_iter().find(|linked| hex::encode(linked.pair.name.0) == device);
            if let Some(linked) = linked {
                self.rights.part(linked.pair, Parting::Apart, "portal", "asked for by the person").await?;
                return Ok(());
            }
        }
        Err(rights::Error::NotFound.into())
    }

    /// Who has received something of somebody; nothing unless all of their profile was proven.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reached(&self, person: &Person) -> Result<Vec<Reached>, Error> {
        let mut all: BTreeMap<String, recipients::Sum> = BTreeMap::new();
        for owner in person.owners.iter().filter(|_| person.is_whole) {
            for (destination, received) in recipients::of(&self.rooms.store, *owner)? {
                all.entry(destination).or_default().add(received);
            }
        }
        let reached = all.into_iter().filter_map(|(destination, sum)| {
            let received = sum.received()?;
            Some(Reached { destination, events: received.events, first_at: received.first_at, last_at: received.latest_at() })
        });
        Ok(reached.collect())
    }
}

pub(super) fn is_device(policy: &Policy, kind: &str) -> bool {
    policy.identifier(kind).is_some_and(|(_, typed)| typed.kind == IdentifierKind::Device)
}

/// The last four characters of something that is shown as its end only.
fn tail(value: &str) -> String {
    let from = value.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    value.get(from..).unwrap_or_default().to_owned()
}
