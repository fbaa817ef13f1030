//! Copies the JSON of an event to what leaves, field by field: the allow-list decides what, the redactor how.

use crate::gate::agent;
use crate::gate::fields::{Fields, Reach};
use crate::gate::redact::Redactor;
use crate::gate::walk::{Cursor, Value, plain_text, write_text};
use crate::policy::{IdentifierKind, IdentifierType};

/// Deeper objects are not copied.
const DEPTH_MAX: u8 = 32;

/// Longer numbers are not copied: readers of JSON cannot hold them.
const NUMBER_CHARS_MAX: usize = 60;

/// Copies fields of one event for one destination.
pub(super) struct Transcoder<'a> {
    /// What may leave.
    pub(super) fields: Fields<'a>,
    /// What is cut from it.
    pub(super) redactor: &'a Redactor<'a>,
    /// Whose paths never leave as they are.
    pub(super) identifiers: &'a [IdentifierType],
    /// Whether the network of an IP address may leave.
    pub(super) truncated_ip: bool,
    /// Where the copy goes.
    pub(super) out: &'a mut Vec<u8>,
    /// Where in the event we are.
    pub(super) path: String,
    /// Where in `path` the last key begins.
    pub(super) key_at: usize,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    reach: Reach,
    role: Role,
    depth: u8,
}

/// What a key says about its value, before any list is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An ID that never leaves, or the client's own word about consent.
    Never,
    /// An IP address.
    Ip,
    /// A user agent.
    Agent,
    /// The details of a user agent (client hints).
    AgentData,
    /// Nothing special.
    Other,
}

impl Role {
    fn of(key: &str) -> Self {
        // Long keys are none of these, and most keys start with another letter.
        if key.len() > 20 || !matches!(key.bytes().next().map(|b| b | 32), Some(b'a' | b'c' | b'g' | b'i' | b'p' | b'r' | b'u')) {
            return Self::Other;
        }
        let mut plain = [0_u8; 20];
        let mut length = 0;
        for (to, from) in plain.iter_mut().zip(key.bytes().filter(|b| !matches!(b, b'_' | b'-'))) {
            *to = from.to_ascii_lowercase();
            length += 1;
        }
        match plain.get(..length).unwrap_or_default() {
            b"userid" | b"anonymousid" | b"previousid" | b"groupid" | b"advertisingid" | b"adtrackingid" | b"idfa" | b"idfv"
            | b"gaid" | b"aaid" | b"consent" | b"consentmanagement" => Self::Never,
            b"ip" | b"ipaddress" | b"clientip" | b"remoteaddr" | b"remoteaddress" => Self::Ip,
            b"useragent" => Self::Agent,
            b"useragentdata" => Self::AgentData,
            _ => Self::Other,
        }
    }
}

impl Transcoder<'_> {
    /// Copies `json`, which stands at `name` of the event, as the member `"name":…` with a comma before it. Writes nothing if
    /// nothing of it may leave.
    pub(super) fn member(&mut self, name: &str, json: &str) {
        let reach = if self.fields.dropped(name) { Reach::default() } else { self.fields.allowed(name) };
        // `context.ip` leaves by a word of its own, not by the list of fields.
        let by_ip = name == "context" && self.truncated_ip && !self.fields.dropped(name);
        let mut cursor = Cursor::new(json);
        if (reach.is_none() && !by_ip) || cursor.peek() != Some(b'{') {
            return;
        }
        let reach = Reach { deeper: reach.deeper || by_ip, ..reach };
        self.path.clear();
        self.path.push_str(name);
        let mark = self.out.len();
        self.out.push(b',');
        write_text(self.out, name);
        self.out.push(b':');
        let start = self.out.len();
        let place = Place { reach, role: Role::Other, depth: 0 };
        if !self.value(&mut cursor, place) || self.out.get(start..) == Some(b"{}".as_slice()) {
            self.out.truncate(mark);
        }
    }

    /// Copies the next value; `false` if nothing of it may leave. The cursor stands behind the value afterwards.
    fn value(&mut self, cursor: &mut Cursor<'_>, place: Place) -> bool {
        let Place { reach, role, depth } = place;
        let scalar = reach.whole || reach.leaf;
        match cursor.peek() {
            Some(b'{') if depth < DEPTH_MAX && (reach.whole || reach.deeper) => self.object(cursor, place),
            Some(b'[') if depth < DEPTH_MAX => self.array(cursor, place),
            Some(b'{' | b'[') | None => {
                cursor.skip();
                false
            }
            Some(_) => match cursor.value() {
                Some(Value::Text(raw, escaped)) => (scalar || role == Role::Ip) && self.text(raw, escaped, role),
                Some(Value::Plain(plain)) => scalar && self.plain(plain),
                _ => false,
            },
        }
    }

    fn object(&mut self, cursor: &mut Cursor<'_>, place: Place) -> bool {
        cursor.eat(b'{');
        self.out.push(b'{');
        let (above, key_above) = (self.path.len(), self.key_at);
        let mut first = true;
        while let Some(key) = cursor.key() {
            let is_detail =
                place.role == Role::AgentData && !matches!(&*key, "brands" | "brand" | "version" | "mobile" | "platform");
            self.path.push('.');
            self.path.push_str(&key);
            self.key_at = above + 1;
            let mark = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if is_detail {
                cursor.skip();
                self.out.truncate(mark);
            } else if self.member_value(cursor, &key, place) {
                first = false;
            } else {
                self.out.truncate(mark);
            }
            self.path.truncate(above);
            if !cursor.eat(b',') {
                break;
            }
        }
        self.key_at = key_above;
        cursor.eat(b'}');
        self.out.push(b'}');
        true
    }

    /// Copies one member of an object, its key included.
    fn member_value(&mut self, cursor: &mut Cursor<'_>, key: &str, above: Place) -> bool {
        let role = Role::of(key);
        let reach = match role {
            Role::Never => Reach::default(),
            Role::Ip if !self.truncated_ip || self.fields.dropped(&self.path) => Reach::default(),
            Role::Ip if self.path == "context.ip" => Reach { leaf: true, ..Reach::default() },
            Role::Ip | Role::Agent | Role::AgentData | Role::Other => self.fields.reach(above.reach, &self.path),
        };
        if reach.is_none() {
            cursor.skip();
            return false;
        }
        match self.redactor.text(key, "") {
            Some(cut) => write_text(self.out, &cut),
            None => write_text(self.out, key),
        }
        self.out.push(b':');
        if let Some(label) = self.stated_here() {
            cursor.skip();
            write_text(self.out, label);
            return true;
        }
        self.value(cursor, Place { reach, role, depth: above.depth + 1 })
    }

    /// The label for a path at which the policy finds identifiers: they leave under `identifiers` or not at all.
    fn stated_here(&self) -> Option<&'static str> {
        let kind = self.identifiers.iter().find(|kind| kind.paths.contains(&self.path))?;
        Some(match kind.kind {
            IdentifierKind::Email => "[email]",
            IdentifierKind::Phone => "[phone]",
            IdentifierKind::UserId | IdentifierKind::LoyaltyCard | IdentifierKind::Device | IdentifierKind::Custom => "[id]",
        })
    }

    fn array(&mut self, cursor: &mut Cursor<'_>, place: Place) -> bool {
        cursor.eat(b'[');
        self.out.push(b'[');
        let mut first = true;
        while !matches!(cursor.peek(), Some(b']') | None) {
            let mark = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if self.value(cursor, Place { depth: place.depth + 1, ..place }) {
                first = false;
            } else {
                self.out.truncate(mark);
            }
            if !cursor.eat(b',') {
                break;
            }
        }
        cursor.eat(b']');
        self.out.push(b']');
        true
    }

    fn text(&mut self, raw: &str, escaped: bool, role: Role) -> bool {
        let text = plain_text(raw, escaped);
        match role {
            Role::Ip => {
                let Some(network) = agent::truncate_ip(&text).filter(|_| self.truncated_ip) else { return false };
                write_text(self.out, &network);
                return true;
            }
            Role::Agent => {
                write_text(self.out, &agent::reduce_agent(&text));
                return true;
            }
            Role::Never | Role::AgentData | Role::Other => {}
        }
        let key = self.path.get(self.key_at..).unwrap_or_default();
        match self.redactor.text(&text, key) {
            Some(cut) => write_text(self.out, &cut),
            None if escaped => write_text(self.out, &text),
            None => {
                self.out.push(b'"');
                self.out.extend_from_slice(raw.as_bytes());
                self.out.push(b'"');
            }
        }
        true
    }

    fn plain(&mut self, plain: &str) -> bool {
        let is_number = plain.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if !is_number {
            let known = matches!(plain, "true" | "false" | "null");
            self.out.extend_from_slice(if known { plain.as_bytes() } else { b"null" });
            return true;
        }
        if let Some(label) = self.redactor.number(plain) {
            write_text(self.out, label);
        } else if plain.len() > NUMBER_CHARS_MAX || plain.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.out.extend_from_slice(b"null");
        } else {
            self.out.extend_from_slice(plain.as_bytes());
        }
        true
    }
}
