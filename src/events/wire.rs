//! The fields of one event, as they stand on the wire.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::parse::Rejected;
use super::{Object, json, merge};

/// What a field that names no field of the protocol is called in a refusal.
const WHOLE: &str = "event";

macro_rules! fields {
    ($($variant:ident $field:ident = $name:literal;)*) => {
        /// The fields that the protocol names, as raw JSON, and what else there is. `null` is nothing.
        #[derive(Default)]
        pub(super) struct Wire<'a> {
            $(pub(super) $field: Option<&'a str>,)*
            seen: u32,
            twice: Option<&'static str>,
            others: Vec<(Cow<'a, str>, &'a str)>,
            /// How many objects and arrays the event has, itself included.
            pub(super) openings: usize,
        }

        #[derive(Clone, Copy)]
        enum Field { $($variant,)* Ignored }

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
            fn put(&mut self, field: Field, value: Option<&'a str>) {
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
    /// Reads the fields of an event. That it is valid JSON is known, so its members are walked and not parsed again.
    ///
    /// A field that is stated twice is refused: what a reader makes of it depends on the reader, and the gateway must not decide
    /// on one of the two and hand on the other.
    pub(super) fn read(item: &'a RawValue) -> Result<Self, Rejected> {
        let none = || Rejected::invalid(WHOLE, "must be an object");
        if !item.get().starts_with('{') {
            return Err(none());
        }
        let mut wire = Self::default();
        let mut members = json::members(item.get());
        for (key, value) in &mut members {
            let field = match json::between_quotes(key).and_then(Field::named) {
                Some(field) => field,
                None => {
                    // It may be written with escapes.
                    let key = json::string(key).ok_or_else(none)?;
                    let Some(field) = Field::named(&key) else {
                        wire.others.push((key, value));
                        continue;
                    };
                    field
                }
            };
            wire.put(field, Some(value).filter(|value| *value != "null"));
        }
        wire.openings = 1 + members.openings();
        match wire.twice {
            Some(field) => Err(Rejected::invalid(field, "is stated twice")),
            None => Ok(wire),
        }
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
