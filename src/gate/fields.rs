//! The allow-list: which fields of an event a destination may get.
//!
//! A path such as `properties.sku` names one field: a scalar, or a list of scalars. `properties.*` is everything below
//! `properties`. Lists are transparent: `properties.products.sku` is the `sku` of every product. An object under a path that
//! names it without `.*` does not leave: what is not named stays.

use crate::policy::{Destination, Route};

/// How much of what stands at a path may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everything at the path and below.
    pub whole: bool,
    /// The scalar at the path.
    pub leaf: bool,
    /// Something below may.
    pub deeper: bool,
}

impl Reach {
    /// Nothing at all.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.whole && !self.leaf && !self.deeper
    }
}

/// The fields of one destination on one route.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    allow: &'a [String],
    drop: &'a [String],
}

impl<'a> Fields<'a> {
    /// The destination's fields without what the route withholds.
    #[must_use]
    pub fn of(destination: &'a Destination, route: &'a Route) -> Self {
        Self { allow: &destination.fields, drop: &route.drop }
    }

    /// What may leave at `path`; `above` is the answer for the object that it stands in.
    #[must_use]
    pub fn reach(&self, above: Reach, path: &str) -> Reach {
        if self.dropped(path) {
            return Reach::default();
        }
        if above.whole {
            return above;
        }
        if above.is_none() { above } else { self.allowed(path) }
    }

    /// What the allow-list alone says about `path`.
    #[must_use]
    pub fn allowed(&self, path: &str) -> Reach {
        let mut reach = Reach::default();
        for pattern in self.allow {
            match pattern.strip_suffix('*') {
                Some("") => reach.whole = true,
                Some(base) => {
                    let base = base.strip_suffix('.').unwrap_or(base);
                    if base == path || is_below(path, base) {
                        reach.whole = true;
                    } else if is_below(base, path) {
                        reach.deeper = true;
                    }
                }
                None if pattern == path => reach.leaf = true,
                None => reach.deeper |= is_below(pattern, path),
            }
        }
        reach
    }

    /// Whether the route withholds `path`.
    #[must_use]
    pub fn dropped(&self, path: &str) -> bool {
        self.drop.iter().any(|pattern| {
            let base = pattern.strip_suffix(".*").unwrap_or(pattern);
            base == path || is_below(path, base)
        })
    }
}

/// Whether `path` stands somewhere below `base`.
fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.starts_with('.'))
}
