//! From the bytes of a request to events, leniently where the SDKs differ and strictly where data would be lost or misread.
//!
//! A body must be one valid JSON document; inside it each event stands for itself. What is refused names a field of the
//! protocol: keys and values of the sender's own can be personal data and are never repeated.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::wire::{self, Fields, Wire};
use super::{Event, EventType, Object, json, merge, time};
use crate::clock::Millis;
pub use crate::limit::{BATCH_EVENTS_MAX, EVENT_BYTES_MAX, EVENT_MEMBERS_MAX as PROPERTIES_MAX, MESSAGE_ID_CHARS_MAX};

/// The deepest nesting of one event, itself included.
pub const DEPTH_MAX: usize = 32;
/// The longest of the other IDs, in characters.
pub const ID_CHARS_MAX: usize = 512;
/// What a batch's own context may come to when each of its events gets a copy: otherwise 500 kB of request become 80 MB.
pub const SHARED_CONTEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// SDKs seldom send more events at a time.
const BATCH_EVENTS_USUAL: usize = 100;

/// Under which message IDs are made for events that have none.
const MESSAGE_IDS: Uuid = Uuid::from_u128(0x6b1d_3f0a_52c9_4f7e_9a64_0d8e_71b2_c530);

/// Why an event, or a whole body, was refused. The code is one of the table in `error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Rejected {
    /// Which.
    pub code: &'static str,
    /// The field of the protocol that it is about.
    pub field: String,
    /// What is wrong. Invariant: never a value or key that was sent.
    pub message: String,
}

impl Rejected {
    pub(super) fn new(code: &'static str, field: &str, message: &str) -> Self {
        Self { code, field: field.to_owned(), message: message.to_owned() }
    }

    /// A field with a value that is not allowed.
    pub(super) fn invalid(field: &str, message: &str) -> Self {
        Self::new("invalid_field", field, message)
    }

    /// A field that is not there.
    pub(super) fn missing(field: &str, message: &str) -> Self {
        Self::new("missing_field", field, message)
    }
}

/// A request body: its events, not looked at yet, and what it says for all of them.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The write key of the root, else that of the first event.
    pub write_key: Option<Cow<'a, str>>,
    /// The fields of its events, as they stand in the body.
    pub(super) items: Vec<Wire<'a>>,
    /// When the sender sent it, by its own clock. One that cannot be read counts as absent, for the events' sake.
    sent_at: Option<Millis>,
    /// A context for all events.
    context: Option<&'a RawValue>,
    /// Integration switches for all events.
    integrations: Option<&'a RawValue>,
    body: &'a [u8],
}

/// The events of a body, each parsed or refused by itself.
#[derive(Debug, Default)]
pub struct Events<'a> {
    /// Those that were parsed, in their order.
    pub good: Vec<Event<'a>>,
    /// The place of each of them in the body, from 0.
    pub places: Vec<usize>,
    /// The place of each of the others, and why it was refused, in their order.
    pub rejected: Vec<(usize, Rejected)>,
}

impl Events<'_> {
    /// How many there are, those that were refused included.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.good.len() + self.rejected.len()
    }
}

impl<'a> Envelope<'a> {
    /// All events.
    #[must_use]
    pub fn events(&self, kind: Option<EventType>, received_at: Millis, header_sent_at: Option<Millis>) -> Events<'a> {
        let mut when = Received {
            at: received_at,
            sent_at: self.sent_at,
            header_sent_at,
            context: self.context,
            integrations: self.integrations,
            index: 0,
            body: self.body,
            digest: OnceCell::new(),
        };
        let mut events = Events { good: Vec::with_capacity(self.items.len()), ..Events::default() };
        events.places.reserve(self.items.len());
        for (index, wire) in self.items.iter().enumerate() {
            when.index = index;
            match event(wire, kind, &when) {
                Ok(event) => {
                    events.good.push(event);
                    events.places.push(index);
                }
                Err(rejected) => events.rejected.push((index, rejected)),
            }
        }
        events
    }
}

/// What an event gets from the request that brought it.
struct Received<'a> {
    /// When the gateway received it, by the gateway's clock.
    at: Millis,
    /// `sentAt` of the envelope.
    sent_at: Option<Millis>,
    /// The `SentAt` header of `RudderStack`'s browser SDK.
    header_sent_at: Option<Millis>,
    /// The context of the envelope.
    context: Option<&'a RawValue>,
    /// The integration switches of the envelope.
    integrations: Option<&'a RawValue>,
    /// The event's place in the batch.
    index: usize,
    body: &'a [u8],
    digest: OnceCell<[u8; 32]>,
}

impl Received<'_> {
    /// An ID for an event that has none: the same for a retry of the same bytes, so that it is still told apart from a new one.
    fn message_id(&self) -> String {
        let digest = self.digest.get_or_init(|| {
            let mut out = [0; 32];
            out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, self.body).as_ref());
            out
        });
        let mut name = digest.to_vec();
        name.extend_from_slice(&self.index.to_be_bytes());
        Uuid::new_v5(&MESSAGE_IDS, &name).to_string()
    }
}

/// Reads one event that came alone, at this moment.
///
/// # Errors
/// [`Rejected`] with the field that is wrong. That it names nobody is no error here: the only identifier may stand deeper.
pub fn alone(item: &RawValue, received_at: Millis) -> Result<Event<'_>, Rejected> {
    let when = Received {
        at: received_at,
        sent_at: None,
        header_sent_at: None,
        context: None,
        integrations: None,
        index: 0,
        body: item.get().as_bytes(),
        digest: OnceCell::new(),
    };
    event(&Wire::read_odd(item), None, &when)
}

/// Reads a body that is one flat event.
///
/// # Errors
/// [`Rejected`] if it is not valid JSON.
pub fn single(body: &[u8]) -> Result<Envelope<'_>, Rejected> {
    let text = text(body)?;
    let wire = match Wire::read(text) {
        Ok(wire) => wire,
        Err(_told_below) => Wire::read_odd(serde_json::from_str(text).map_err(|error| not_json(&error))?),
    };
    let write_key = wire.write_key.and_then(json::string);
    Ok(Envelope { write_key, items: vec![wire], sent_at: None, context: None, integrations: None, body })
}

/// A batch as it stands on the wire, with its events in one form or the other.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Root<'a, T> {
    #[serde(borrow, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
    #[serde(borrow, rename = "sentAt")]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    integrations: Option<&'a RawValue>,
    batch: Option<T>,
}

/// The events of a batch in which every one is an object with keys that are text, read in one pass.
struct Objects<'a>(Vec<Wire<'a>>);

impl<'de> Deserialize<'de> for Objects<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Objects<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Objects<'de>, A::Error> {
                // One more, which turns out to be the end: growing for that would copy all of them.
                let mut items = Vec::with_capacity(BATCH_EVENTS_USUAL + 1);
                while elements.next_element_seed(Fields(items.push_mut(Wire::default())))?.is_some() {
                    // In memory an event is larger than its text can be.
                    if items.len() > BATCH_EVENTS_MAX {
                        return Err(A::Error::custom("too many events"));
                    }
                }
                items.pop();
                Ok(Objects(items))
            }
        }

        deserializer.deserialize_seq(All)
    }
}

/// Reads a body that is a batch.
///
/// # Errors
/// [`Rejected`] if it is not valid JSON, is no batch, has too many events, or says something for all events that no event may say.
pub fn batch(body: &[u8]) -> Result<Envelope<'_>, Rejected> {
    let text = text(body)?;
    let Root { write_key, sent_at, context, integrations, batch } = match serde_json::from_str::<Root<'_, Objects<'_>>>(text) {
        Ok(Root { write_key, sent_at, context, integrations, batch }) => {
            let (mut batch, escapes) = (batch.map(|objects| objects.0), json::has_escape(text));
            batch.iter_mut().flatten().for_each(|wire| wire.note_escapes(escapes));
            Root { write_key, sent_at, context, integrations, batch }
        }
        Err(_told_below) => one_by_one(text)?,
    };
    let items = batch.ok_or_else(|| Rejected::missing("batch", "is required: an array of events"))?;
    let context = shared("context", context, items.len())?;
    let integrations = shared("integrations", integrations, items.len())?;
    let own_key = || json::string(items.first()?.write_key?);
    let write_key = write_key.and_then(|raw| json::string(raw.get())).or_else(own_key);
    let sent_at = sent_at.and_then(|raw| time::parse(&json::string(raw.get())?));
    Ok(Envelope { write_key, items, sent_at, context, integrations, body })
}

/// Reads a batch that has something that is no event, so that it costs its neighbours nothing.
fn one_by_one(text: &str) -> Result<Root<'_, Vec<Wire<'_>>>, Rejected> {
    let root: Root<'_, Vec<&RawValue>> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            return Rejected::invalid("batch", "must be an array in an object that states no field twice");
        }
        not_json(&error)
    })?;
    let Root { write_key, sent_at, context, integrations, batch } = root;
    if batch.as_ref().is_some_and(|batch| batch.len() > BATCH_EVENTS_MAX) {
        return Err(Rejected::new("too_many_events", "batch", "has more than 2500 events"));
    }
    let batch = batch.map(|batch| batch.into_iter().map(Wire::read_odd).collect());
    Ok(Root { write_key, sent_at, context, integrations, batch })
}

/// Checks what a batch says for all its events.
fn shared<'a>(field: &'static str, raw: Option<&'a RawValue>, events: usize) -> Result<Option<&'a RawValue>, Rejected> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    object(field, Some(raw.get()))?;
    if raw.get().len().saturating_mul(events) > SHARED_CONTEXT_BYTES_MAX {
        return Err(Rejected::invalid(field, "is too large to stand for so many events"));
    }
    wire::sound(field, raw.get())?;
    Ok(Some(raw))
}

/// The body as text. A byte-order mark, which some tools put in front, is passed over.
fn text(body: &[u8]) -> Result<&str, Rejected> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    std::str::from_utf8(body)
        .map_err(|error| Rejected::new("invalid_json", "body", &format!("is not UTF-8 from byte {} on", error.valid_up_to())))
}

/// Says where the JSON breaks, in our words: those of the parser can quote what was sent.
fn not_json(error: &serde_json::Error) -> Rejected {
    let message = format!("is not valid JSON at line {}, column {}", error.line(), error.column());
    Rejected::new("invalid_json", "body", &message)
}

/// Reads one event. `kind` is what the path says; it wins over the event's own `type`.
fn event<'a>(wire: &Wire<'a>, kind: Option<EventType>, when: &Received<'a>) -> Result<Event<'a>, Rejected> {
    wire.check()?;
    let (original_at, at) = times(wire, when)?;
    let event = Event {
        kind: kind.map_or_else(|| type_of(wire), Ok)?,
        message_id: message_id(wire, || when.message_id())?,
        user_id: id(wire, "userId", wire.user_id)?,
        anonymous_id: id(wire, "anonymousId", wire.anonymous_id)?,
        previous_id: id(wire, "previousId", wire.previous_id)?,
        group_id: id(wire, "groupId", wire.group_id)?,
        event: string(wire, "event", wire.event)?,
        name: string(wire, "name", wire.name)?,
        properties: object("properties", wire.properties)?.map(Object::part),
        traits: object("traits", wire.traits)?.map(Object::part),
        context: merge::under(object("context", wire.context)?, when.context.map(RawValue::get)),
        rest: wire.rest(when.integrations.map(RawValue::get))?,
        original_at,
        at,
    };
    complete(&event)?;
    Ok(event)
}

/// What each call cannot do without.
fn complete(event: &Event<'_>) -> Result<(), Rejected> {
    let need = |field: &str, there: bool| {
        if there { Ok(()) } else { Err(Rejected::missing(field, "is required for this type of event")) }
    };
    match event.kind {
        EventType::Track => need("event", event.event.as_ref().is_some_and(|name| !name.is_empty())),
        EventType::Group => need("groupId", event.group_id.is_some()),
        EventType::Alias => {
            need("previousId", event.previous_id.is_some())?;
            need("userId", event.user_id.is_some())
        }
        EventType::Identify | EventType::Page | EventType::Screen => Ok(()),
    }
}

fn type_of(wire: &Wire<'_>) -> Result<EventType, Rejected> {
    let raw = wire.kind.ok_or_else(|| Rejected::missing("type", "is required in a batch"))?;
    let kind = wire.string(raw).and_then(|name| EventType::parse(&name));
    kind.ok_or_else(|| Rejected::invalid("type", "must be track, identify, page, screen, group or alias"))
}

/// When it happened by the sender's clock, and corrected.
fn times(wire: &Wire<'_>, when: &Received<'_>) -> Result<(Option<Millis>, Millis), Rejected> {
    // RudderStack's SDKs write the first, Segment's the second.
    let (field, raw) = match wire.original_timestamp {
        Some(raw) => ("originalTimestamp", Some(raw)),
        None => ("timestamp", wire.timestamp),
    };
    let original = moment(wire, field, raw)?;
    let sent_at = moment(wire, "sentAt", wire.sent_at)?.or(when.sent_at).or(when.header_sent_at);
    let at = time::happened(original, sent_at, when.at)
        .ok_or_else(|| Rejected::invalid(field, "lies before the year 2000 or more than a day in the future"))?;
    Ok((original, at))
}

fn moment<'a>(wire: &Wire<'a>, field: &str, raw: Option<&'a str>) -> Result<Option<Millis>, Rejected> {
    let Some(text) = string(wire, field, raw)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    time::parse(&text).map(Some).ok_or_else(|| Rejected::invalid(field, "must be a time in RFC 3339"))
}

fn message_id<'a>(wire: &Wire<'a>, made: impl FnOnce() -> String) -> Result<Cow<'a, str>, Rejected> {
    let stated = id_within(wire, ("messageId", MESSAGE_ID_CHARS_MAX), wire.message_id)?;
    Ok(stated.unwrap_or_else(|| Cow::Owned(made())))
}

fn id<'a>(wire: &Wire<'a>, field: &str, raw: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Rejected> {
    id_within(wire, (field, ID_CHARS_MAX), raw)
}

/// An ID: a string, or a number, which is taken as it is written. Nothing and the empty string are no ID.
fn id_within<'a>(
    wire: &Wire<'a>,
    (field, chars_max): (&str, usize),
    raw: Option<&'a str>,
) -> Result<Option<Cow<'a, str>>, Rejected> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let value = wire.text(raw).ok_or_else(|| Rejected::invalid(field, "must be a string or a number"))?;
    if value.len() > chars_max && value.chars().count() > chars_max {
        return Err(Rejected::invalid(field, &format!("has more than {chars_max} characters")));
    }
    // Without a way out on the way, many bytes are looked at together.
    let is_plain = value.bytes().fold(true, |so_far, byte| so_far & matches!(byte, b' '..=b'~'));
    if !is_plain && value.chars().any(unseen) {
        return Err(Rejected::invalid(field, "has control or direction-changing characters"));
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Characters that make two different IDs look the same to a person.
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn string<'a>(wire: &Wire<'a>, field: &str, raw: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Rejected> {
    let read = |raw: &'a str| wire.string(raw).ok_or_else(|| Rejected::invalid(field, "must be a string"));
    raw.map(read).transpose()
}

fn object<'a>(field: &str, raw: Option<&'a str>) -> Result<Option<&'a str>, Rejected> {
    match raw {
        Some(raw) if !raw.starts_with('{') => Err(Rejected::invalid(field, "must be an object")),
        _ => Ok(raw),
    }
}
