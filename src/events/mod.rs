//! The wire form of events, as Segment's and `RudderStack`'s SDKs send them.
//!
//! What it is for: turning the bytes of a request into [`Event`]s that borrow from it, naming what is wrong with those that
//! are none ([`parse`]), reading the consent that an SDK states with an event ([`consent_object`]), and keeping an event until
//! it is sent ([`Event::write_stored`]).
//!
//! It promises: one malformed event costs its neighbours nothing; no input panics; a refusal names a field of the protocol and
//! never repeats a value or a key of the sender's own; what an SDK says about consent can only narrow.
//!
//! It refuses to know who an event belongs to, whether it may go anywhere, and what time it is.

use std::borrow::Cow;

use crate::clock::Millis;

pub mod consent_object;
mod find;
mod json;
mod merge;
mod object;
pub mod parse;
mod stored;
pub mod time;
mod wire;

#[cfg(test)]
mod tests;

pub use find::Found;
pub use object::Object;

/// The six calls of the tracking API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Somebody did something.
    Track,
    /// Who somebody is.
    Identify,
    /// A page was seen.
    Page,
    /// A screen was seen.
    Screen,
    /// Somebody belongs to a group.
    Group,
    /// Two IDs are the same person.
    Alias,
}

impl EventType {
    /// All six, in the order of their stored form.
    pub const ALL: [Self; 6] = [Self::Track, Self::Identify, Self::Page, Self::Screen, Self::Group, Self::Alias];

    /// The name in `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }

    /// Reads the name in `type`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One event that passed the checks of the wire form. It borrows from the request body.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Which call.
    pub kind: EventType,
    /// The client's ID of the event, or one made from the request's bytes. Invariant: 1 to 100 characters.
    pub message_id: Cow<'a, str>,
    /// The company's ID of a signed-in customer. Never empty.
    pub user_id: Option<Cow<'a, str>>,
    /// The browser's or app's ID. Never empty.
    pub anonymous_id: Option<Cow<'a, str>>,
    /// The ID that an alias replaces.
    pub previous_id: Option<Cow<'a, str>>,
    /// The group.
    pub group_id: Option<Cow<'a, str>>,
    /// The name of a track event.
    pub event: Option<Cow<'a, str>>,
    /// The name of a page or screen.
    pub name: Option<Cow<'a, str>>,
    /// `properties`.
    pub properties: Option<Object<'a>>,
    /// `traits`.
    pub traits: Option<Object<'a>>,
    /// `context`; what a batch says for all its events is merged in.
    pub context: Option<Object<'a>>,
    /// Top-level fields that the protocol does not name (`category`, `channel`, …), as one object.
    pub rest: Option<Object<'a>>,
    /// When it happened by the sender's clock; `None` if the sender did not say.
    pub original_at: Option<Millis>,
    /// When it happened, corrected by the sender's clock skew.
    pub at: Millis,
}

impl Event<'_> {
    /// The text or number at a path such as `userId`, `traits.email` or `context.traits.email`; `None` if there is nothing,
    /// or something else. Of a key that an object states twice, the last counts, as in every common JSON reader.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<Cow<'_, str>> {
        let Some((head, tail)) = path.split_once('.') else {
            return self.own(path);
        };
        let object = match head {
            "properties" => self.properties.as_ref(),
            "traits" => self.traits.as_ref(),
            "context" => self.context.as_ref(),
            _ => return json::text(tail.split('.').try_fold(json::find(self.rest.as_ref()?.get(), head)?, json::find)?),
        };
        json::text(tail.split('.').try_fold(object?.get(), json::find)?)
    }

    /// The same for a path without a dot.
    fn own(&self, name: &str) -> Option<Cow<'_, str>> {
        let field = match name {
            "type" => return Some(Cow::Borrowed(self.kind.as_str())),
            "messageId" => return Some(Cow::Borrowed(&self.message_id)),
            "userId" => &self.user_id,
            "anonymousId" => &self.anonymous_id,
            "previousId" => &self.previous_id,
            "groupId" => &self.group_id,
            "event" => &self.event,
            "name" => &self.name,
            _ => return json::text(json::find(self.rest.as_ref()?.get(), name)?),
        };
        field.as_deref().map(Cow::Borrowed)
    }
}
