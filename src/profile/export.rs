//! Everything that the profile store holds of somebody, for the person themself (GDPR Art. 15 and 20): whatever purpose it is for, and
//! whether or not it may still be used.

use super::index::Place;
use super::record::{EVENTS, Entry, Inside};
use super::{Error, Kept, Profiles, Term, purpose_tag};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::policy::Policy;
use crate::store::Chunk;
use crate::vault;

/// A stored event.
#[derive(Clone, Debug)]
pub struct Exported<'a> {
    /// When the gateway received it.
    pub received_at: Millis,
    /// The ID of the source that sent it.
    pub source: &'a str,
    /// The IDs of the purposes that it is used for. Those that the policy no longer has are not named.
    pub purposes: Vec<&'a str>,
    /// The event as it is stored, a JSON object.
    pub event: &'a str,
    /// Why it is kept, if it is a copy that a law asks for.
    pub kept: Option<&'a Term>,
}

impl<'a> Exported<'a> {
    /// A copy that is kept because a law says so.
    #[must_use]
    pub const fn of_kept(kept: &Kept<'a>) -> Self {
        let Kept { term, received_at, source, event } = *kept;
        Self { received_at, source, purposes: Vec::new(), event, kept: Some(term) }
    }
}

impl Profiles {
    /// Gives all events of these subjects, newest first, to `take`, until that says no. Reads from the store, so not on a thread that
    /// must not block. Takes 16 bytes of memory per event.
    ///
    /// # Errors
    /// When store or vault fail.
    pub fn export(
        &self,
        subjects: &[SubjectId],
        policy: &Policy,
        mut take: impl FnMut(&Exported<'_>) -> bool,
    ) -> Result<(), Error> {
        let mut chunk: Option<Chunk> = None;
        for place in self.all_places(subjects) {
            if chunk.as_ref().is_none_or(|c| c.id != place.0) {
                chunk = self.store.chunks(EVENTS, place.0, 1)?.pop().filter(|c| c.id == place.0);
            }
            let entry = usize::try_from(place.1).ok().and_then(|slot| chunk.as_ref()?.entries.iter().nth(slot));
            let Some(entry) = entry.and_then(Entry::decode) else { continue };
            let key = match self.vault.key(entry.subject) {
                Ok(key) => key,
                Err(vault::Error::Shredded) => continue,
                Err(error) => return Err(error.into()),
            };
            let plain = key.open(&Entry::aad(entry.subject, entry.received_at, entry.purposes()), entry.sealed)?;
            let Some(inside) = Inside::decode(&plain) else { continue };
            let Ok(event) = std::str::from_utf8(inside.event) else { continue };
            let named = |tag: u32| policy.purposes.iter().find(|purpose| purpose_tag(&purpose.id) == tag).map(|p| p.id.as_str());
            let purposes = entry.purposes().filter_map(named).collect();
            if !take(&Exported { received_at: entry.received_at, source: inside.source, purposes, event, kept: None }) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many events are stored of these subjects.
    #[must_use]
    pub fn count(&self, subjects: &[SubjectId]) -> u64 {
        self.all_places(subjects).len() as u64
    }

    fn all_places(&self, subjects: &[SubjectId]) -> Vec<Place> {
        let index = self.index.read();
        index.timeline(subjects).filter_map(|number| index.place(number)).collect()
    }
}
