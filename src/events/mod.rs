//! The wire form of events, as Segment's and `RudderStack`'s SDKs send them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::clock::Millis;

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

/// One event that passed the checks of the wire form. It borrows from the request body.
#[derive(Debug)]
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
    /// `properties`, an object.
    pub properties: Option<Cow<'a, RawValue>>,
    /// `traits`, an object.
    pub traits: Option<Cow<'a, RawValue>>,
    /// `context`, an object; what a batch says for all its events is merged in.
    pub context: Option<Cow<'a, RawValue>>,
    /// When it happened by the sender's clock; `None` if the sender did not say.
    pub original_at: Option<Millis>,
    /// When it happened, corrected by the sender's clock skew.
    pub at: Millis,
}
