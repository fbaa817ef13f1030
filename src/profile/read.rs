//! Reading a profile: newest first, opened, and filtered by purpose, retention and what is allowed now.

use std::borrow::Cow;
use std::collections::hash_map::Entry as Unread;
use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use super::correct::Corrections;
use super::index::Place;
use super::record::{EVENTS, Entry, Inside};
use super::{EVENTS_OPENED_MAX, Error, Profiles, is_past, purpose_tag};
use crate::clock::Millis;
use crate::id::{NodeId, SubjectId};
use crate::policy::Purpose;
use crate::store::Chunk;
use crate::vault;

/// What is asked for.
pub struct Query<'a> {
    /// What the data will be used for.
    pub purpose: &'a Purpose,
    /// The subjects that share the customer ID.
    pub subjects: &'a [SubjectId],
    /// Whether an event that stated the identifiers of these names may be used for the purpose now.
    pub may: &'a dyn Fn(&[NodeId]) -> bool,
    /// How many events of the timeline.
    pub limit: usize,
    /// Only events before this place of the timeline, as [`Profile::next`] gave it.
    pub before: Option<Before>,
    /// Now.
    pub at: Millis,
}

/// A place in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before(Place);

impl Before {
    /// Reads what [`Profile::next`] gave; `None` if it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (chunk, slot) = text.split_once('-')?;
        Some(Self((u64::from_str_radix(chunk, 16).ok()?, u32::from_str_radix(slot, 16).ok()?)))
    }
}

/// A channel through which the customer was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The ID of the source.
    pub source: String,
    /// How many events came through it.
    pub events: usize,
    /// When the first and the last of these were received.
    pub first: Millis,
    /// The last one.
    pub last: Millis,
}

/// What the purpose may know.
#[derive(Debug, Default)]
pub struct Profile {
    /// Traits as `identify` events stated them; newer values win.
    pub traits: BTreeMap<String, Box<RawValue>>,
    /// Identifiers in the form of the destination; newer values win.
    pub identifiers: BTreeMap<String, Box<RawValue>>,
    /// Channels, by source.
    pub channels: Vec<Channel>,
    /// The timeline, newest first.
    pub events: Vec<Box<RawValue>>,
    /// Where the timeline goes on.
    pub next: Option<String>,
    /// Whether everything was looked at. If not, older events than the newest [`EVENTS_OPENED_MAX`] were left out.
    pub complete: bool,
    /// The place of the last event in `events`.
    last: Option<Place>,
}

/// The parts of a shaped event that a profile is made of.
#[derive(serde::Deserialize)]
struct Shaped<'a> {
    #[serde(rename = "type", default)]
    kind: &'a str,
    #[serde(borrow, default)]
    traits: Option<&'a RawValue>,
    #[serde(borrow, default)]
    identifiers: Option<&'a RawValue>,
}

/// One pass over a timeline.
struct Pass<'a> {
    query: &'a Query<'a>,
    tag: u32,
    /// What was corrected of whom.
    corrections: HashMap<SubjectId, Corrections>,
    answers: HashMap<Vec<NodeId>, bool>,
    profile: Profile,
}

impl Profiles {
    /// Whether anything was ever stored of one of the subjects.
    #[must_use]
    pub fn knows(&self, subjects: &[SubjectId]) -> bool {
        let index = self.index.read();
        subjects.iter().any(|s| index.knows(*s))
    }

    /// Reads a profile. Reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// When store or vault fail.
    pub fn read(&self, query: &Query<'_>) -> Result<Profile, Error> {
        let (places, complete) = self.places(query.subjects);
        let mut pass = Pass {
            query,
            tag: purpose_tag(&query.purpose.id),
            corrections: HashMap::new(),
            answers: HashMap::new(),
            profile: Profile::default(),
        };
        let mut chunk: Option<Chunk> = None;
        for place in places {
            if chunk.as_ref().is_none_or(|c| c.id != place.0) {
                chunk = self.store.chunks(EVENTS, place.0, 1)?.pop().filter(|c| c.id == place.0);
            }
            let entry = usize::try_from(place.1).ok().and_then(|slot| chunk.as_ref()?.entries.iter().nth(slot));
            if let Some(entry) = entry.and_then(Entry::decode) {
                self.take(&entry, place, &mut pass)?;
            }
        }
        let mut profile = pass.profile;
        profile.complete = complete;
        profile.channels.sort_by(|a, b| a.source.cmp(&b.source));
        Ok(profile)
    }

    /// The places of the subjects' newest events, and whether these are all.
    fn places(&self, subjects: &[SubjectId]) -> (Vec<Place>, bool) {
        let index = self.index.read();
        let mut places: Vec<Place> =
            index.timeline(subjects).filter_map(|n| index.place(n)).take(EVENTS_OPENED_MAX + 1).collect();
        let complete = places.len() <= EVENTS_OPENED_MAX;
        places.truncate(EVENTS_OPENED_MAX);
        (places, complete)
    }

    fn take(&self, entry: &Entry<'_>, place: Place, pass: &mut Pass<'_>) -> Result<(), Error> {
        let query = pass.query;
        if !entry.purposes().any(|t| t == pass.tag) || is_past(entry.received_at, query.purpose.retention_days, query.at) {
            return Ok(());
        }
        let key = match self.vault.key(entry.subject) {
            Ok(key) => key,
            // Erased: what is left of the event is noise.
            Err(vault::Error::Shredded) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let plain = key.open(&Entry::aad(entry.subject, entry.received_at, entry.purposes()), entry.sealed)?;
        if let Unread::Vacant(place) = pass.corrections.entry(entry.subject) {
            place.insert(self.corrections(entry.subject)?);
        }
        if let Some(inside) = Inside::decode(&plain).filter(|inside| pass.may(inside.names())) {
            let corrections = pass.corrections.get(&entry.subject);
            pass.profile.add(query, (place, entry.received_at), &inside, corrections);
        }
        Ok(())
    }
}

impl Pass<'_> {
    fn may(&mut self, names: Vec<NodeId>) -> bool {
        let ask = self.query.may;
        match self.answers.get(&names) {
            Some(known) => *known,
            None => {
                let answer = ask(&names);
                self.answers.insert(names, answer);
                answer
            }
        }
    }
}

impl Profile {
    /// Adds an event that is older than all that were added before.
    fn add(
        &mut self,
        query: &Query<'_>,
        (place, received_at): (Place, Millis),
        inside: &Inside<'_>,
        corrections: Option<&Corrections>,
    ) {
        let Ok(text) = std::str::from_utf8(inside.event) else { return };
        if let Ok(shaped) = serde_json::from_str::<Shaped<'_>>(text) {
            if shaped.kind == "identify" {
                older(&mut self.traits, shaped.traits, |name, stated| {
                    let right = corrections.and_then(|corrections| corrections.of_trait(name, &stated, received_at));
                    Some(right.map_or_else(|| stated.clone(), ToOwned::to_owned))
                });
            }
            older(&mut self.identifiers, shaped.identifiers, |kind, stated| right_form(kind, stated, corrections));
        }
        match self.channels.iter_mut().find(|c| c.source == inside.source) {
            Some(channel) => {
                channel.events += 1;
                channel.first = received_at.min(channel.first);
                channel.last = received_at.max(channel.last);
            }
            None => {
                let source = inside.source.to_owned();
                self.channels.push(Channel { source, events: 1, first: received_at, last: received_at });
            }
        }
        if query.before.is_some_and(|before| place >= before.0) {
            return;
        }
        if self.events.len() >= query.limit {
            // There is one more: the timeline goes on behind the last that was taken.
            self.next = self.last.map(|last| format!("{:x}-{:x}", last.0, last.1));
        } else if let Ok(event) = RawValue::from_string(text.to_owned()) {
            self.events.push(event);
            self.last = Some(place);
        }
    }
}

/// An identifier in the form of this destination.
#[derive(serde::Serialize, serde::Deserialize)]
struct Form<'a> {
    #[serde(borrow)]
    form: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

/// What stands in place of an identifier that was found wrong; `None` if nothing does.
fn right_form(kind: &str, stated: Box<RawValue>, corrections: Option<&Corrections>) -> Option<Box<RawValue>> {
    let right = {
        let form: Option<Form<'_>> = serde_json::from_str(stated.get()).ok();
        let Some((form, corrections)) = form.zip(corrections) else { return Some(stated) };
        match corrections.of_form(kind, &form.value) {
            None => None,
            Some(None) => return None,
            Some(Some(value)) => serde_json::value::to_raw_value(&Form { value: Cow::Borrowed(value), ..form }).ok(),
        }
    };
    right.or(Some(stated))
}

/// Adds the members of an object where nothing newer is known, as `right` has them.
fn older(
    known: &mut BTreeMap<String, Box<RawValue>>,
    object: Option<&RawValue>,
    right: impl Fn(&str, Box<RawValue>) -> Option<Box<RawValue>>,
) {
    let members = object.and_then(|o| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(o.get()).ok());
    for (name, value) in members.into_iter().flatten() {
        if known.contains_key(&name) {
            continue;
        }
        if let Some(value) = right(&name, value) {
            known.insert(name, value);
        }
    }
}
