//! From the bytes of a request to events, leniently where the SDKs differ and strictly where data would be lost or misread.
//!
//! A body must be one valid JSON document; inside it each event stands for itself. What is refused names a field of the
//! protocol: keys and values of the sender's own can be personal data and are never repeated.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::wire::Wire;
use super::{Event, EventType, Object, json, merge, time};
use crate::clock::Millis;
pub use crate::limit::{BATCH_EVENTS_MAX, EVENT_BYTES_MAX, EVENT_MEMBERS_MAX as PROPERTIES_MAX, MESSAGE_ID_CHARS_MAX};

/// The deepest nesting of one event, itself included.
pub const DEPTH_MAX: usize = 32;
/// The longest of the other IDs, in characters.
pub const ID_CHARS_MAX: usize = 512;
/// What a batch's own context may come to when each of its events gets a copy: otherwise 500 kB of request become 80 MB.
pub const SHARED_CONTEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

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
    /// The events.
    pub items: Vec<&'a RawValue>,
    /// When the sender sent it, by its own clock. One that cannot be read counts as absent, for the events' sake.
    pub sent_at: Option<Millis>,
    /// A context for all events.
    pub context: Option<&'a RawValue>,
    /// Integration switches for all events.
    pub integrations: Option<&'a RawValue>,
    body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// What parsing an event needs to know of the request. Set [`Received::index`] to the event's place before each.
    #[must_use]
    pub const fn received(&self, received_at: Millis, header_sent_at: Option<Millis>) -> Received<'a> {
        Received {
            at: received_at,
            sent_at: self.sent_at,
            header_sent_at,
            context: self.context,
            integrations: self.integrations,
            index: 0,
            body: self.body,
            digest: OnceCell::new(),
        }
    }

    /// All events, each parsed or refused by itself.
    #[must_use]
    pub fn events(
        &self,
        kind: Option<EventType>,
        received_at: Millis,
        header_sent_at: Option<Millis>,
    ) -> Vec<Result<Event<'a>, Rejected>> {
        let mut when = self.received(received_at, header_sent_at);
        let mut out = Vec::with_capacity(self.items.len());
        for (index, item) in self.items.iter().enumerate() {
            when.index = index;
            out.push(event(item, kind, &when));
        }
        out
    }
}

/// What an event gets from the request that brought it.
#[derive(Debug)]
pub struct Received<'a> {
    /// When the gateway received it, by the gateway's clock.
    pub at: Millis,
    /// `sentAt` of the envelope.
    pub sent_at: Option<Millis>,
    /// The `SentAt` header of `RudderStack`'s browser SDK.
    pub header_sent_at: Option<Millis>,
    /// The context of the envelope.
    pub context: Option<&'a RawValue>,
    /// The integration switches of the envelope.
    pub integrations: Option<&'a RawValue>,
    /// The event's place in the batch.
    pub index: usize,
    body: &'a [u8],
    digest: OnceCell<[u8; 32]>,
}

impl Received<'_> {
    /// An event that came alone, at this moment.
    #[must_use]
    pub const fn at(at: Millis) -> Self {
        Self {
            at,
            sent_at: None,
            header_sent_at: None,
            context: None,
            integrations: None,
            index: 0,
            body: &[],
            digest: OnceCell::new(),
        }
    }

    /// An ID for an event that has none: the same for a retry of the same bytes, so that it is still told apart from a new one.
    fn message_id(&self, item: &RawValue) -> String {
        let digest = self.digest.get_or_init(|| {
            let bytes = if self.body.is_empty() { item.get().as_bytes() } else { self.body };
            let mut out = [0; 32];
            out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
            out
        });
        let mut name = digest.to_vec();
        name.extend_from_slice(&self.index.to_be_bytes());
        Uuid::new_v5(&MESSAGE_IDS, &name).to_string()
    }
}

/// Reads a body that is one flat event.
///
/// # Errors
/// [`Rejected`] if it is not valid JSON.
pub fn single(body: &[u8]) -> Result<Envelope<'_>, Rejected> {
    let item: &RawValue = serde_json::from_str(text(body)?).map_err(|error| not_json(&error))?;
    let write_key = json::find(item.get(), "writeKey").and_then(json::string);
    Ok(Envelope { write_key, items: vec![item], sent_at: None, context: None, integrations: None, body })
}

#[derive(Deserialize)]
struct Root<'a> {
    #[serde(borrow, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
    #[serde(borrow, rename = "sentAt")]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    integrations: Option<&'a RawValue>,
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
}

/// Reads a body that is a batch.
///
/// # Errors
/// [`Rejected`] if it is not valid JSON, is no batch, has too many events, or says something for all events that no event may say.
pub fn batch(body: &[u8]) -> Result<Envelope<'_>, Rejected> {
    let root: Root<'_> = serde_json::from_str(text(body)?).map_err(|error| {
        if error.is_data() {
            return Rejected::invalid("batch", "must be an array in an object that states no field twice");
        }
        not_json(&error)
    })?;
    let items = root.batch.ok_or_else(|| Rejected::missing("batch", "is required: an array of events"))?;
    if items.len() > BATCH_EVENTS_MAX {
        return Err(Rejected::new("too_many_events", "batch", "has more than 2500 events"));
    }
    let context = shared("context", root.context, items.len())?;
    let integrations = shared("integrations", root.integrations, items.len())?;
    let own_key = || items.first().and_then(|item| json::find(item.get(), "writeKey")).and_then(json::string);
    let write_key = root.write_key.and_then(|raw| json::string(raw.get())).or_else(own_key);
    let sent_at = root.sent_at.and_then(|raw| time::parse(&json::string(raw.get())?));
    Ok(Envelope { write_key, items, sent_at, context, integrations, body })
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
    sound(raw.get(), Some(field))?;
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
///
/// # Errors
/// [`Rejected`] with the field that is wrong. That it names nobody is no error here: the only identifier may stand deeper.
pub fn event<'a>(item: &'a RawValue, kind: Option<EventType>, when: &Received<'a>) -> Result<Event<'a>, Rejected> {
    if item.get().len() > EVENT_BYTES_MAX {
        return Err(Rejected::new("body_too_large", "event", "has more than 32 KB"));
    }
    let read = Wire::read(item);
    // What is wrong with its text comes before what is wrong with its fields.
    if read.as_ref().map_or(true, |wire| wire.openings > DEPTH_MAX) || is_suspicious(item.get()) {
        sound(item.get(), None)?;
    }
    let wire = read?;
    let (original_at, at) = times(&wire, when)?;
    let event = Event {
        kind: kind.map_or_else(|| type_of(wire.kind), Ok)?,
        message_id: message_id(wire.message_id, || when.message_id(item))?,
        user_id: id("userId", wire.user_id)?,
        anonymous_id: id("anonymousId", wire.anonymous_id)?,
        previous_id: id("previousId", wire.previous_id)?,
        group_id: id("groupId", wire.group_id)?,
        event: string("event", wire.event)?,
        name: string("name", wire.name)?,
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

fn type_of(raw: Option<&str>) -> Result<EventType, Rejected> {
    let raw = raw.ok_or_else(|| Rejected::missing("type", "is required in a batch"))?;
    let kind = json::string(raw).and_then(|name| EventType::parse(&name));
    kind.ok_or_else(|| Rejected::invalid("type", "must be track, identify, page, screen, group or alias"))
}

/// When it happened by the sender's clock, and corrected.
fn times(wire: &Wire<'_>, when: &Received<'_>) -> Result<(Option<Millis>, Millis), Rejected> {
    // RudderStack's SDKs write the first, Segment's the second.
    let (field, raw) = match wire.original_timestamp {
        Some(raw) => ("originalTimestamp", Some(raw)),
        None => ("timestamp", wire.timestamp),
    };
    let original = moment(field, raw)?;
    let sent_at = moment("sentAt", wire.sent_at)?.or(when.sent_at).or(when.header_sent_at);
    let at = time::happened(original, sent_at, when.at)
        .ok_or_else(|| Rejected::invalid(field, "lies before the year 2000 or more than a day in the future"))?;
    Ok((original, at))
}

fn moment(field: &str, raw: Option<&str>) -> Result<Option<Millis>, Rejected> {
    let Some(text) = string(field, raw)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    time::parse(&text).map(Some).ok_or_else(|| Rejected::invalid(field, "must be a time in RFC 3339"))
}

fn message_id<'a>(raw: Option<&'a str>, made: impl FnOnce() -> String) -> Result<Cow<'a, str>, Rejected> {
    let stated = id_within("messageId", raw, MESSAGE_ID_CHARS_MAX)?;
    Ok(stated.unwrap_or_else(|| Cow::Owned(made())))
}

fn id<'a>(field: &str, raw: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Rejected> {
    id_within(field, raw, ID_CHARS_MAX)
}

/// An ID: a string, or a number, which is taken as it is written. Nothing and the empty string are no ID.
fn id_within<'a>(field: &str, raw: Option<&'a str>, chars_max: usize) -> Result<Option<Cow<'a, str>>, Rejected> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let value = json::text(raw).ok_or_else(|| Rejected::invalid(field, "must be a string or a number"))?;
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

fn string<'a>(field: &str, raw: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Rejected> {
    let read = |raw: &'a str| json::string(raw).ok_or_else(|| Rejected::invalid(field, "must be a string"));
    raw.map(read).transpose()
}

fn object<'a>(field: &str, raw: Option<&'a str>) -> Result<Option<&'a str>, Rejected> {
    match raw {
        Some(raw) if !raw.starts_with('{') => Err(Rejected::invalid(field, "must be an object")),
        _ => Ok(raw),
    }
}

/// Whether a closer look at an event's text may find something, however it is nested.
fn is_suspicious(raw: &str) -> bool {
    raw.len() > PROPERTIES_MAX || json::has_escape(raw)
}

/// Checks what the JSON grammar lets through and later readers would stumble over.
fn sound(raw: &str, field: Option<&'static str>) -> Result<(), Rejected> {
    let (openings, backslashes) = json::tally(raw);
    if openings > DEPTH_MAX || raw.len() > PROPERTIES_MAX {
        let nesting = json::Nesting::walk(raw.as_bytes(), 0, DEPTH_MAX);
        if nesting.depth > DEPTH_MAX {
            return Err(Rejected::invalid(field.unwrap_or_else(|| Wire::field_at(raw, nesting.end)), "is nested too deep"));
        }
        if nesting.members > PROPERTIES_MAX {
            return Err(Rejected::invalid(field.unwrap_or("event"), "has more than 10000 properties"));
        }
    }
    if backslashes == 0 {
        return Ok(());
    }
    let Some((at, bad)) = json::bad_escape(raw) else {
        return Ok(());
    };
    let message = match bad {
        json::BadEscape::Nul => "has a NUL character",
        json::BadEscape::LoneSurrogate => "has half of a surrogate pair",
    };
    Err(Rejected::invalid(field.unwrap_or_else(|| Wire::field_at(raw, at)), message))
}
