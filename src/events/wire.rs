//! The fields of one event, as they stand on the wire.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::parse::Rejected;
use super::{json, merge};

/// What a field that names no field of the protocol is called in a refusal.
const WHOLE: &str = "event";

macro_rules! fields {
    ($($variant:ident $field:ident = $name:literal;)*) => {
        /// The fields that the protocol names, as raw JSON, and what else there is. `null` is nothing.
        #[derive(Default)]
        pub(super) struct Wire<'a> {
            $(pub(super) $field: Option<&'a RawValue>,)*
            seen: u32,
            twice: Option<&'static str>,
            others: Vec<(Cow<'a, str>, &'a RawValue)>,
        }

        #[derive(Clone, Copy)]
        enum Field { $($variant,)* Ignored }

        enum Key<'a> { Known(Field), Other(Cow<'a, str>) }

        impl Field {
            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    // What the SDK tells its own server about itself, and what only the gateway may say.
                    "_metadata" | "writeKey" | "receivedAt" => Some(Self::Ignored),
                    _ => None,
                }
            }

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Ignored => WHOLE }
            }
        }

        impl<'a> Wire<'a> {
            fn put(&mut self, field: Field, value: Option<&'a RawValue>) {
                match field {
                    $(Field::$variant => self.$field = value,)*
                    Field::Ignored => return,
                }
                let bit = 1_u32 << field as u32;
                if self.seen & bit != 0 {
                    self.twice = Some(field.name());
                }
                self.seen |= bit;
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

impl<'a> Wire<'a> {
    /// Reads the fields of an event.
    ///
    /// A field that is stated twice is refused: what a reader makes of it depends on the reader, and the gateway must not decide
    /// on one of the two and hand on the other.
    pub(super) fn read(item: &'a RawValue) -> Result<Self, Rejected> {
        let wire: Self =
            serde_json::from_str(item.get()).map_err(|_syntax_is_fine| Rejected::invalid(WHOLE, "must be an object"))?;
        match wire.twice {
            Some(field) => Err(Rejected::invalid(field, "is stated twice")),
            None => Ok(wire),
        }
    }

    /// What the protocol does not name, and integration switches if there are any, as one object.
    pub(super) fn rest(&self, shared: Option<&'a RawValue>) -> Result<Option<Cow<'a, RawValue>>, Rejected> {
        let own = self.integrations.filter(|raw| raw.get() != "{}");
        if own.is_none() && shared.is_none() && self.others.is_empty() {
            return Ok(None);
        }
        if own.is_some_and(|raw| !raw.get().starts_with('{')) {
            return Err(Rejected::invalid("integrations", "must be an object"));
        }
        let integrations = merge::under(own, shared);
        let first = integrations.as_deref().map(|raw| (Cow::Borrowed("integrations"), raw.get()));
        let others = self.others.iter().map(|(key, raw)| (Cow::Borrowed(&**key), raw.get()));
        Ok(merge::object(first.into_iter().chain(others)))
    }

    /// The field of the protocol in which this place of an event's text lies.
    pub(super) fn field_at(raw: &str, at: usize) -> &'static str {
        let mut members = json::members(raw);
        while let Some((key, _)) = members.next() {
            if members.position() >= at {
                let key = json::string(key).unwrap_or_default();
                return Field::named(&key).map_or(WHOLE, Field::name);
            }
        }
        WHOLE
    }
}

impl<'de> Deserialize<'de> for Wire<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WireVisitor)
    }
}

struct WireVisitor;

impl<'de> Visitor<'de> for WireVisitor {
    type Value = Wire<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wire<'de>, A::Error> {
        let mut wire = Wire::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key {
                Key::Known(field) => wire.put(field, map.next_value()?),
                Key::Other(key) => wire.others.push((key, map.next_value()?)),
            }
        }
        Ok(wire)
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Key<'de>, E> {
        Ok(Field::named(name).map_or(Key::Other(Cow::Borrowed(name)), Key::Known))
    }

    fn visit_str<E>(self, name: &str) -> Result<Key<'de>, E> {
        Ok(Field::named(name).map_or_else(|| Key::Other(Cow::Owned(name.to_owned())), Key::Known))
    }
}
