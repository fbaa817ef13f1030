//! The types of identifiers, and where they stand in events: compiled, so that an event is asked for all of them at once.

use std::ops::Deref;

use aho_corasick::packed::{Config, Searcher};

use super::model::IdentifierType;

/// The identifier types of a policy, strongest first.
#[derive(Clone, Debug, Default)]
pub struct Identifiers {
    types: Vec<IdentifierType>,
    /// Invariant: made of the paths of `types`.
    places: Places,
}

impl Identifiers {
    /// Where they stand.
    #[must_use]
    pub const fn places(&self) -> &Places {
        &self.places
    }
}

impl From<Vec<IdentifierType>> for Identifiers {
    fn from(types: Vec<IdentifierType>) -> Self {
        let places = Places::of(types.iter().flat_map(|typed| &typed.paths).map(String::as_str));
        Self { types, places }
    }
}

impl Deref for Identifiers {
    type Target = [IdentifierType];

    fn deref(&self) -> &[IdentifierType] {
        &self.types
    }
}

/// Paths in events, numbered in their order.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Per path, how it is followed.
    pub paths: Vec<Place>,
    /// The paths that begin with `properties.`
    pub properties: Branches,
    /// The paths that begin with `traits.`
    pub traits: Branches,
    /// The paths that begin with `context.`
    pub context: Branches,
}

/// How a path is followed.
#[derive(Clone, Debug)]
pub enum Place {
    /// Together with all others that lead into the same object.
    Below,
    /// It is a field of the event itself.
    Own(String),
    /// By itself: it begins where no policy looks.
    Single(String),
}

impl Places {
    /// Compiles paths such as `userId` and `context.traits.email`.
    pub fn of<'p>(paths: impl Iterator<Item = &'p str>) -> Self {
        let mut places = Self::default();
        for (number, path) in paths.enumerate() {
            let (head, tail) = path.split_once('.').unwrap_or((path, ""));
            let branches = match head {
                "properties" if head != path => &mut places.properties,
                "traits" if head != path => &mut places.traits,
                "context" if head != path => &mut places.context,
                _ => {
                    let place = if path.contains('.') { Place::Single } else { Place::Own };
                    places.paths.push(place(path.to_owned()));
                    continue;
                }
            };
            branches.grow(tail, number);
            places.paths.push(Place::Below);
        }
        for branches in [&mut places.properties, &mut places.traits, &mut places.context] {
            branches.filter = branches.searcher();
        }
        places
    }
}

/// The paths that lead into one object.
#[derive(Clone, Debug, Default)]
pub struct Branches {
    /// Per key of the object that a path names, what is looked for there. Invariant: each key once.
    pub twigs: Vec<Twig>,
    /// Finds the end of any of the keys. Where there is none, no text is told to be without them.
    filter: Option<Searcher>,
}

/// What is looked for at one key.
#[derive(Clone, Debug, Default)]
pub struct Twig {
    /// The key.
    pub key: String,
    /// The numbers of the paths that end here.
    pub ends: Vec<usize>,
    /// The keys below, for the paths that lead further.
    pub below: Vec<Self>,
}

impl Branches {
    /// Whether the text of an object can have one of the keys. A no is certain, and costs one pass over the text for all of them.
    #[must_use]
    pub fn may_stand_in(&self, object: &str) -> bool {
        if self.twigs.is_empty() {
            return false;
        }
        let Some(filter) = &self.filter else {
            return true;
        };
        // A key can be written with escapes.
        filter.find(object).is_some() || memchr::memchr(b'\\', object.as_bytes()).is_some()
    }

    fn grow(&mut self, path: &str, number: usize) {
        let (mut twigs, mut keys) = (&mut self.twigs, path.split('.').peekable());
        while let Some(key) = keys.next() {
            let at = twigs.iter().position(|twig| twig.key == key).unwrap_or_else(|| {
                twigs.push(Twig { key: key.to_owned(), ..Twig::default() });
                twigs.len() - 1
            });
            let Some(twig) = twigs.get_mut(at) else { return };
            if keys.peek().is_none() {
                twig.ends.push(number);
            }
            twigs = &mut twig.below;
        }
    }

    /// With the quote that ends a key, and without the one that begins it: the first letters of a needle tell most.
    fn searcher(&self) -> Option<Searcher> {
        Config::new().builder().extend(self.twigs.iter().map(|twig| format!("{}\"", twig.key))).build()
    }
}
