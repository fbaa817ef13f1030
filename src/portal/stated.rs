//! What somebody states about themselves, and how they want to be reached.
//!
//! Who proved all of their profile speaks as the customer: it is stated with all that the profile is known by, and holds for the devices
//! that are joined with it. Of a profile that holds something which was not proven only what was stated with the proven is shown, and
//! nothing is changed: there is one statement about each thing, and it may be somebody else's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::person::is_device;
use super::{Error, Person, Portal};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::policy::{ChannelKind, Policy, Purposes};
use crate::preferences::{Basis, Contact, Order, Past, Standing, Who};
use crate::profile::Gathering;

/// Through what a statement came.
pub const SOURCE: &str = "portal";

/// What somebody stated, as far as it is theirs to see.
#[derive(Debug)]
pub struct Stated {
    /// What stands, and which state that is.
    pub standing: Standing,
    /// For which purposes each preference that stands is used now.
    pub used: BTreeMap<String, Purposes>,
    /// Whether they may be written to now, by each channel of the policy, and why not.
    pub contacts: BTreeMap<ChannelKind, Contact>,
    /// What was stated when, the newest first; nothing unless all of the profile was proven.
    pub history: Vec<Past>,
}

/// What somebody wants to change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Preferences and their new values; `null` takes one away.
    pub preferences: BTreeMap<String, Value>,
    /// The same of channels.
    pub channels: BTreeMap<String, Value>,
    /// Whether what is taken away is forgotten, its history included.
    pub forgets: bool,
    /// The version of the state that they were shown.
    pub version: String,
}

impl Portal {
    fn gathering<'a>(&'a self, policy: &'a Policy, at: Millis) -> Gathering<'a> {
        let rooms = &self.rooms;
        Gathering { policy, vault: &rooms.vault, directory: &rooms.directory, consents: &rooms.consents, at }
    }

    /// What somebody stated; `on` are the purposes that they are shown as allowed.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn stated(&self, person: &Person, on: Purposes, at: Millis) -> Result<Stated, Error> {
        let (policy, room) = (self.policy(), &self.rooms.preferences);
        let gathering = self.gathering(&policy, at);
        if !person.is_whole {
            let theirs = gathering.gather(&person.identifiers);
            let standing = room.standing_with((&theirs, &person.names), &policy, at)?;
            // Whether more than they are shown keeps something from being used is nobody's to see here.
            let used = used(&standing, &policy, |_, all| all.and(on));
            return Ok(Stated { standing, used, contacts: BTreeMap::new(), history: Vec::new() });
        }
        let who = self.speaker(person, &gathering)?;
        let subjects = if let Who::Customer(subjects) = &who { subjects.as_slice() } else { &[] };
        let standing = room.standing(subjects, &policy, at)?;
        let used = used(&standing, &policy, |id, _| {
            let preference = policy.preference(id).zip(standing.preferences.get(id));
            preference.map_or(Purposes::NONE, |((_, preference), said)| said.usable_for(preference, &gathering))
        });
        let mut contacts = BTreeMap::new();
        for channel in &policy.channels {
            contacts.insert(channel.kind, room.contact(&who, channel.kind, &gathering)?);
        }
        let mut history = room.history(subjects)?;
        history.reverse();
        Ok(Stated { standing, used, contacts, history })
    }

    /// Records what somebody states. It is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Part`] if not all of their profile was proven; [`crate::preferences::Error::Changed`] if it was changed since they looked.
    pub async fn state(&self, person: &Person, change: Change) -> Result<(), Error> {
        if !person.is_whole {
            return Err(Error::Part);
        }
        let (policy, at) = (self.policy(), self.rooms.clock.now());
        let gathering = self.gathering(&policy, at);
        let Change { preferences, channels, forgets, version } = change;
        let order = Order {
            who: self.speaker(person, &gathering)?,
            preferences,
            channels,
            is_whole: false,
            forgets,
            basis: Basis::Versions(vec![version]),
            source: SOURCE.to_owned(),
            actor: None,
        };
        self.rooms.preferences.change(&order, &gathering).await?;
        Ok(())
    }

    /// As whom somebody speaks who proved all of their profile. Who is known states it as the customer, for themselves and for devices that
    /// are joined with them; for nobody else.
    fn speaker(&self, person: &Person, gathering: &Gathering<'_>) -> Result<Who, Error> {
        let Some(own) = self.owner(&person.identifiers) else { return Ok(Who::Stated(person.identifiers.clone())) };
        let mut subjects = vec![own];
        for other in person.owners.iter().copied().chain(gathering.gather(&person.identifiers)) {
            if !subjects.contains(&other) && (person.owners.contains(&other) || self.is_only_devices(other, gathering.policy)?) {
                subjects.push(other);
            }
        }
        Ok(Who::Customer(subjects))
    }

    fn is_only_devices(&self, subject: SubjectId, policy: &Policy) -> Result<bool, Error> {
        Ok(self.values(subject, policy)?.iter().all(|(kind, _)| is_device(policy, kind)))
    }
}

/// For what each preference that stands is used, among what the policy ties it to.
fn used(standing: &Standing, policy: &Policy, of: impl Fn(&str, Purposes) -> Purposes) -> BTreeMap<String, Purposes> {
    let known = standing.preferences.keys().filter_map(|id| policy.preference(id));
    known.map(|(_, preference)| (preference.id.clone(), of(&preference.id, preference.purposes))).collect()
}
