//! An event as bytes that stand for themselves, for the time between its acceptance and its dispatch.
//!
//! `version ‖ kind ‖ flags ‖ [original_at] ‖ at ‖` then seven texts and four objects, each with its length plus one in front
//! (zero: there is none). The objects stay the text that was sent.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::parse::Rejected;
use super::{Event, EventType, Object};
use crate::clock::Millis;

const VERSION: u8 = 1;
/// Version, kind, flags and two moments.
const HEAD: usize = 3 + 2 * 8;

impl Event<'_> {
    /// Appends the event to `out`, in a form that needs nothing else to be read.
    pub fn write_stored(&self, out: &mut Vec<u8>) {
        let kind = EventType::ALL.iter().position(|kind| *kind == self.kind).unwrap_or_default();
        out.extend([VERSION, u8::try_from(kind).unwrap_or_default(), u8::from(self.original_at.is_some())]);
        out.extend(self.original_at.unwrap_or_default().to_le_bytes());
        out.extend(self.at.to_le_bytes());
        put(out, Some(&self.message_id));
        for text in [&self.user_id, &self.anonymous_id, &self.previous_id, &self.group_id, &self.event, &self.name] {
            put(out, text.as_deref());
        }
        for object in [&self.properties, &self.traits, &self.context, &self.rest] {
            put(out, object.as_ref().map(Object::get));
        }
    }
}

impl Event<'_> {
    /// About how long [`Event::write_stored`] makes it, for those who make room.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        let texts = [&self.user_id, &self.anonymous_id, &self.previous_id, &self.group_id, &self.event, &self.name];
        let objects = [&self.properties, &self.traits, &self.context, &self.rest];
        let texts = texts.into_iter().flatten().map(|text| text.len());
        let lengths = texts.chain(objects.into_iter().flatten().map(|object| object.get().len()));
        // Each with a length of one or two bytes in front, and the head.
        HEAD + 12 * 2 + self.message_id.len() + lengths.sum::<usize>()
    }
}

impl<'a> Event<'a> {
    /// Reads what [`Event::write_stored`] wrote.
    ///
    /// # Errors
    /// [`Rejected`] if it wrote something else.
    pub fn read_stored(bytes: &'a [u8]) -> Result<Self, Rejected> {
        read(bytes).ok_or_else(|| Rejected::new("damaged", "stored", "is not an event in its stored form"))
    }
}

fn read(bytes: &[u8]) -> Option<Event<'_>> {
    let mut rest = bytes;
    let [version, kind, has_original] = *rest.split_off(..3)? else {
        return None;
    };
    let original_at = millis(&mut rest)?;
    let event = Event {
        kind: *EventType::ALL.get(usize::from(kind)).filter(|_| version == VERSION)?,
        original_at: (has_original == 1).then_some(original_at),
        at: millis(&mut rest)?,
        message_id: take(&mut rest)?.filter(|id| !id.is_empty()).map(Cow::Borrowed)?,
        user_id: take(&mut rest)?.map(Cow::Borrowed),
        anonymous_id: take(&mut rest)?.map(Cow::Borrowed),
        previous_id: take(&mut rest)?.map(Cow::Borrowed),
        group_id: take(&mut rest)?.map(Cow::Borrowed),
        event: take(&mut rest)?.map(Cow::Borrowed),
        name: take(&mut rest)?.map(Cow::Borrowed),
        properties: object(&mut rest)?,
        traits: object(&mut rest)?,
        context: object(&mut rest)?,
        rest: object(&mut rest)?,
    };
    rest.is_empty().then_some(event)
}

fn put(out: &mut Vec<u8>, text: Option<&str>) {
    let mut length = text.map_or(0, |text| text.len() + 1);
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7F).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend(text.unwrap_or_default().as_bytes());
}

fn millis(rest: &mut &[u8]) -> Option<Millis> {
    Some(Millis::from_le_bytes(rest.split_off(..8)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a str>> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *rest.split_off_first()?;
        length |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            let Some(length) = length.checked_sub(1) else {
                return Some(None);
            };
            return std::str::from_utf8(rest.split_off(..length)?).ok().map(Some);
        }
    }
    None
}

#[expect(clippy::option_option, reason = "the outer one says that the bytes are no object, the inner one that there is none")]
fn object<'a>(rest: &mut &'a [u8]) -> Option<Option<Object<'a>>> {
    let Some(text) = take(rest)? else {
        return Some(None);
    };
    serde_json::from_str::<&RawValue>(text).ok().map(|raw| Some(raw.into()))
}
