//! What an event states at many paths, found together.

use std::borrow::Cow;

use super::{Event, Object, json};
use crate::policy::{Branches, Place, Places, Twig};

/// What an event states at the places of a policy.
pub struct Found<'e> {
    event: &'e Event<'e>,
    places: &'e Places,
    /// Per path that leads into an object, the value as it is written. Empty if there is none at all.
    below: Vec<Option<&'e str>>,
}

impl<'e> Event<'e> {
    /// Looks at all places at once. Nearly all events state nothing below their own fields: for those it is a search in their text.
    #[must_use]
    pub fn find(&'e self, places: &'e Places) -> Found<'e> {
        let mut found = Found { event: self, places, below: Vec::new() };
        for (branches, object) in
            [(&places.properties, &self.properties), (&places.traits, &self.traits), (&places.context, &self.context)]
        {
            if let Some(object) = object {
                found.look(branches, object);
            }
        }
        found
    }
}

impl<'e> Found<'e> {
    /// What [`Event::lookup`] finds at the path with this number.
    #[must_use]
    pub fn at(&self, number: usize) -> Option<Cow<'e, str>> {
        match self.places.paths.get(number)? {
            Place::Below => json::text((*self.below.get(number)?)?),
            Place::Own(name) => self.event.own(name),
            Place::Single(path) => self.event.lookup(path),
        }
    }

    fn look(&mut self, branches: &Branches, object: &'e Object<'_>) {
        if branches.may_stand_in(object.get()) {
            self.below.resize(self.places.paths.len(), None);
            follow(&branches.twigs, object.get(), &mut self.below);
        }
    }
}

/// Notes the value at the end of each path. Of a key that an object states twice, the last counts.
fn follow<'e>(twigs: &[Twig], object: &'e str, below: &mut [Option<&'e str>]) {
    let mut values = vec![None; twigs.len()];
    for (key, value) in json::members(object) {
        for (twig, last) in twigs.iter().zip(&mut values) {
            if json::key_is(key, &twig.key) {
                *last = Some(value);
            }
        }
    }
    for (twig, value) in twigs.iter().zip(values) {
        let Some(value) = value else { continue };
        for end in &twig.ends {
            if let Some(place) = below.get_mut(*end) {
                *place = Some(value);
            }
        }
        if !twig.below.is_empty() {
            follow(&twig.below, value, below);
        }
    }
}
