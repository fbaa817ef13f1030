//! The fields of one event, as they stand on the wire.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::parse::{DEPTH_MAX, EVENT_BYTES_MAX, PROPERTIES_MAX, Rejected};
use super::{Object, json, merge};

/// What a field that names no field of the protocol is called in a refusal.
const WHOLE: &str = "event";

macro_rules! fields {
    ($($variant:ident $field:ident = $name:literal;)*) => {
        /// The fields that the protocol names, as raw JSON, and what else there is. `null` is nothing.
        #[derive(Debug, Default)]
        pub(super) struct Wire<'a> {
            $(pub(super) $field: Option<&'a str>,)*
            /// Who may send it, if the body says so here.
            pub(super) write_key: Option<&'a str>,
            seen: u32,
            /// Why it is none, whatever its fields say.
            fault: Option<Fault>,
            others: Vec<(Cow<'a, str>, &'a str)>,
            size: Size,
        }

        #[derive(Clone, Copy)]
        enum Field { $($variant,)* WriteKey, Ignored }

        impl Field {
            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    "writeKey" => Some(Self::WriteKey),
                    // What the SDK tells its own server about itself, and what only the gateway may say.
                    "_metadata" | "receivedAt" => Some(Self::Ignored),
                    _ => None,
                }
            }

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::WriteKey | Self::Ignored => WHOLE }
            }
        }

        impl<'a> Wire<'a> {
            fn put(&mut self, field: Field, value: Option<&'a str>) {
                match field {
                    $(Field::$variant => self.$field = value,)*
                    Field::WriteKey => {
                        self.write_key = value;
                        return;
                    }
                    Field::Ignored => return,
                }
                let bit = 1_u32 << field as u32;
                if self.seen & bit != 0 {
                    self.fault = Some(Fault::Twice(field.name()));
                }
                self.seen |= bit;
            }

            /// What it says, by the field of the protocol that says it.
            fn values(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
                let fields = [$((Field::$variant.name(), self.$field)),*].into_iter();
                let named = fields.filter_map(|(name, value)| Some((name, value?)));
                named.chain(self.others.iter().map(|(_, value)| (WHOLE, *value)))
            }
        }
    };
}

fields! {
    Kind kind = "type";
    MessageId message_id = "messageId";
    UserId user_id = "userId";
    AnonymousId anonymous_id = "anonymousId";
    PreviousId previous_id = "previousId";
    GroupId group_id = "groupId";
    Event event = "event";
    Name name = "name";
    Properties properties = "properties";
    Traits traits = "traits";
    Context context = "context";
    Integrations integrations = "integrations";
    Timestamp timestamp = "timestamp";
    OriginalTimestamp original_timestamp = "originalTimestamp";
    SentAt sent_at = "sentAt";
}

/// Why something is no event.
#[derive(Clone, Copy, Debug)]
enum Fault {
    NoObject,
    /// One of its keys is no text: it has half of a surrogate pair.
    OddKey,
    /// It states this field twice. What a reader makes of that depends on the reader, and the gateway must not decide on one of the two and
    /// hand on the other.
    Twice(&'static str),
}

/// How much an event is. Each figure is an upper bound, and costs next to nothing: nearly every event is cleared of all suspicion by them.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// How long it is, without white space between its fields.
    bytes: usize,
    /// How many objects and arrays its fields have; what looks like one in a string counts as well.
    openings: usize,
    /// Whether anything in it may be written with an escape.
    escapes: bool,
}

impl Size {
    fn add(&mut self, key: &str, value: &str) {
        // Two quotes, a colon and a comma.
        self.bytes += key.len() + value.len() + 4;
        if value.starts_with(['{', '[']) {
            self.openings += json::openings(value);
        }
    }
}

/// Reads the fields of an event into the place where they stay: three hundred bytes are not copied for nothing.
pub(super) struct Fields<'w, 'a>(pub(super) &'w mut Wire<'a>);

impl<'de> DeserializeSeed<'de> for Fields<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// Text that is borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Fields<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(wire) = self;
        while let Some(Key(key)) = members.next_key()? {
            let value = members.next_value::<&RawValue>()?.get();
            wire.size.add(&key, value);
            match Field::named(&key) {
                Some(field) => wire.put(field, Some(value).filter(|value| *value != "null")),
                None => wire.others.push((key, value)),
            }
        }
        Ok(())
    }
}

impl<'a> Wire<'a> {
    /// Reads the fields of an event that is all of a text.
    ///
    /// # Errors
    /// When the text is no event, or no JSON.
    pub(super) fn read(text: &'a str) -> serde_json::Result<Self> {
        let mut wire = Self::default();
        let mut parser = serde_json::Deserializer::from_str(text);
        Fields(&mut wire).deserialize(&mut parser)?;
        parser.end()?;
        wire.note_escapes(json::has_escape(text));
        Ok(wire)
    }

    /// Notes whether there is an escape anywhere in the text that it was read from. Whoever has read it must say so; where many are read from
    /// one text, one look at that is enough.
    pub(super) const fn note_escapes(&mut self, anywhere: bool) {
        self.size.escapes = anywhere;
    }

    /// The text of a string that one of its fields holds. `None` if it is something else.
    pub(super) fn string(&self, raw: &'a str) -> Option<Cow<'a, str>> {
        if self.size.escapes { json::string(raw) } else { json::between_quotes(raw).map(Cow::Borrowed) }
    }

    /// The same, or a number as it is written.
    pub(super) fn text(&self, raw: &'a str) -> Option<Cow<'a, str>> {
        if self.size.escapes || !raw.starts_with('"') { json::text(raw) } else { self.string(raw) }
    }

    /// Reads what should be an event and is JSON at least. What is wrong with it is told by [`Wire::check`].
    pub(super) fn read_odd(item: &'a RawValue) -> Self {
        let is_object = item.get().starts_with('{');
        let odd = |_unread| Self { fault: Some(if is_object { Fault::OddKey } else { Fault::NoObject }), ..Self::default() };
        Self::read(item.get()).unwrap_or_else(odd)
    }

    /// Checks what the JSON grammar lets through and later readers would stumble over.
    pub(super) fn check(&self) -> Result<(), Rejected> {
        if self.size.bytes > EVENT_BYTES_MAX {
            return Err(Rejected::new("body_too_large", WHOLE, "has more than 32 KB"));
        }
        if self.size.openings >= DEPTH_MAX || self.size.bytes > PROPERTIES_MAX {
            self.check_nesting()?;
        }
        if self.size.escapes {
            self.check_escapes()?;
        }
        match self.fault {
            None => Ok(()),
            Some(Fault::NoObject) => Err(Rejected::invalid(WHOLE, "must be an object")),
            Some(Fault::OddKey) => Err(Rejected::invalid(WHOLE, json::BadEscape::LoneSurrogate.message())),
            Some(Fault::Twice(field)) => Err(Rejected::invalid(field, "is stated twice")),
        }
    }

    fn check_nesting(&self) -> Result<(), Rejected> {
        let mut members = 0;
        for (field, value) in self.values() {
            members += 1 + members_of(field, value)?;
        }
        if members > PROPERTIES_MAX { Err(too_many(WHOLE)) } else { Ok(()) }
    }

    fn check_escapes(&self) -> Result<(), Rejected> {
        if self.others.iter().any(|(key, _)| key.contains('\0')) {
            return Err(Rejected::invalid(WHOLE, json::BadEscape::Nul.message()));
        }
        self.values().try_for_each(|(field, value)| without_bad_escape(field, value))
    }

    /// What the protocol does not name, and integration switches if there are any, as one object.
    pub(super) fn rest(&self, shared: Option<&'a str>) -> Result<Option<Object<'a>>, Rejected> {
        let own = self.integrations.filter(|raw| *raw != "{}");
        if own.is_none() && shared.is_none() && self.others.is_empty() {
            return Ok(None);
        }
        if own.is_some_and(|raw| !raw.starts_with('{')) {
            return Err(Rejected::invalid("integrations", "must be an object"));
        }
        let integrations = merge::under(own, shared);
        let first = integrations.as_ref().map(|raw| (Cow::Borrowed("integrations"), raw.get()));
        let others = self.others.iter().map(|(key, raw)| (Cow::Borrowed(&**key), *raw));
        Ok(merge::object(first.into_iter().chain(others)))
    }
}

/// Checks what a batch says for all its events as each of them would be.
pub(super) fn sound(field: &'static str, value: &str) -> Result<(), Rejected> {
    if members_of(field, value)? > PROPERTIES_MAX {
        return Err(too_many(field));
    }
    without_bad_escape(field, value)
}

/// How many members the objects of a field's value have together.
fn members_of(field: &'static str, value: &str) -> Result<usize, Rejected> {
    // The event itself is one level more.
    let nesting = json::Nesting::of(value, DEPTH_MAX - 1);
    if nesting.depth >= DEPTH_MAX { Err(Rejected::invalid(field, "is nested too deep")) } else { Ok(nesting.members) }
}

fn without_bad_escape(field: &'static str, value: &str) -> Result<(), Rejected> {
    json::bad_escape(value).map_or(Ok(()), |bad| Err(Rejected::invalid(field, bad.message())))
}

fn too_many(field: &'static str) -> Rejected {
    Rejected::invalid(field, "has more than 10000 properties")
}
