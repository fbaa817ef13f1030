//! Builds what leaves: one JSON object per event and destination.
//!
//! The raw `userId`, `anonymousId`, `previousId` and `groupId` are never part of it; `customerId`, the pseudonym in the
//! destination's domain, stands for all of them.

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::events::{Event, EventType};
use crate::gate::consent;
use crate::gate::decide::needed;
use crate::gate::fields::Fields;
use crate::gate::form;
use crate::gate::redact::{Redactor, Stated};
use crate::gate::transcode::Transcoder;
use crate::gate::walk::write_text;
use crate::id::CustomerId;
use crate::identity::Identifier;
use crate::policy::{ConsentForm, Destination, IdentifierForm, IdentifierKind, Policy, Purposes, Route};
use crate::vault::Domain;

/// What is shaped besides the policy: one event on its way to one destination.
pub struct Parcel<'a> {
    /// The event.
    pub event: &'a Event<'a>,
    /// What was recognised in it, strongest first.
    pub identifiers: &'a [Identifier],
    /// The customer's pseudonym in the destination's domain.
    pub customer: CustomerId,
    /// The destination's domain.
    pub domain: &'a Domain,
    /// The source's ID.
    pub source: &'a str,
    /// When it arrived.
    pub received_at: Millis,
    /// The purposes that are allowed for the event, as [`super::allowed`] computes them.
    pub allowed: Purposes,
    /// What the person stated about themselves, as far as it may be used for anything. Empty where the destination takes none of it.
    pub preferences: &'a [Preferred<'a>],
}

/// Something that the person stated.
#[derive(Clone, Copy, Debug)]
pub struct Preferred<'a> {
    /// The preference.
    pub id: &'a str,
    /// What it may be used for now: what the policy ties it to, and the identifiers that it was stated with allow.
    pub purposes: Purposes,
    /// The value.
    pub value: &'a RawValue,
}

/// Why nothing was shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The caller did not ask the gate, or the standing has changed since.
    #[error("the route needs a purpose that is not allowed for this event")]
    NotAllowed,
    /// The route belongs to another destination.
    #[error("the route does not lead to this destination")]
    ForeignRoute,
}

/// One JSON object, without a line break at its end.
///
/// # Errors
/// [`ShapeError`] if the event may not leave on this route; nothing is shaped then.
pub fn shape(policy: &Policy, dest: &Destination, route: &Route, parcel: &Parcel<'_>) -> Result<Vec<u8>, ShapeError> {
    if policy.destinations.get(route.destination).is_none_or(|d| d.id != dest.id) {
        return Err(ShapeError::ForeignRoute);
    }
    let needed = needed(policy, route);
    if needed.is_empty() || !needed.without(parcel.allowed).is_empty() {
        return Err(ShapeError::NotAllowed);
    }
    let event = parcel.event;
    let redactor = Redactor::new(Stated::of(policy, event, parcel.identifiers), &dest.url_parameters);
    let fields = Fields::of(dest, route);
    let mut out = Vec::with_capacity(1024);
    head(&mut out, parcel, fields, &redactor);
    identifiers(&mut out, policy, dest, parcel);
    let mut transcoder = Transcoder {
        fields,
        redactor: &redactor,
        identifiers: &policy.identifiers,
        truncated_ip: dest.truncated_ip,
        out: &mut out,
        path: String::with_capacity(64),
        key_at: 0,
    };
    for (name, raw) in [("properties", &event.properties), ("context", &event.context), ("traits", &event.traits)] {
        let mark = transcoder.out.len();
        if let Some(raw) = raw {
            transcoder.member(name, raw.get());
        }
        if name == "context" {
            consent::in_context(transcoder.out, mark, dest.consent, (policy, parcel.allowed));
        }
    }
    if let Some(stated) = preferences(policy, needed, parcel.preferences) {
        transcoder.member("preferences", &stated);
    }
    if dest.consent == ConsentForm::Plain {
        consent::plain(&mut out, policy, needed, parcel.allowed);
    }
    out.push(b'}');
    Ok(out)
}

/// What was stated and may be used for everything that the destination does, as one object; the fields that it may have come later.
fn preferences(policy: &Policy, needed: Purposes, stated: &[Preferred<'_>]) -> Option<String> {
    let may = |one: &&Preferred<'_>| {
        let tied = policy.preference(one.id).map(|(_, preference)| preference.purposes);
        tied.is_some_and(|tied| needed.without(tied.and(one.purposes)).is_empty())
    };
    let mut object = Vec::new();
    for one in stated.iter().filter(may) {
        object.push(if object.is_empty() { b'{' } else { b',' });
        write_text(&mut object, one.id);
        object.push(b':');
        object.extend_from_slice(one.value.get().as_bytes());
    }
    object.push(b'}');
    String::from_utf8(object).ok().filter(|object| object.len() > 1)
}

/// Who, what and when.
fn head(out: &mut Vec<u8>, parcel: &Parcel<'_>, fields: Fields<'_>, redactor: &Redactor<'_>) {
    let event = parcel.event;
    out.extend_from_slice(b"{\"messageId\":");
    match redactor.text(&event.message_id, "") {
        // It must stay different for different events, or the destination takes them for one.
        Some(_) => write_text(out, &parcel.domain.keyed("message_id", &event.message_id)),
        None => write_text(out, &event.message_id),
    }
    text_member(out, "type", event.kind.as_str());
    let (name, value) = match event.kind {
        EventType::Track => ("event", &event.event),
        EventType::Page | EventType::Screen | EventType::Identify | EventType::Group | EventType::Alias => ("name", &event.name),
    };
    if let Some(value) = value.as_ref().filter(|_| !fields.dropped(name)) {
        text_member(out, name, redactor.text(value, name).as_deref().unwrap_or(value));
    }
    customer(out, parcel.customer);
    text_member(out, "source", parcel.source);
    time_member(out, "timestamp", event.at);
    if let Some(at) = event.original_at {
        time_member(out, "originalTimestamp", at);
    }
    time_member(out, "receivedAt", parcel.received_at);
}

/// As [`CustomerId`] displays itself, without the machinery of formatting.
fn customer(out: &mut Vec<u8>, id: CustomerId) {
    let mut digits = [0_u8; 32];
    // The lengths fit, so this cannot fail.
    hex::encode_to_slice(id.0, &mut digits).unwrap_or_default();
    out.extend_from_slice(b",\"customerId\":\"");
    out.extend_from_slice(CustomerId::PREFIX.as_bytes());
    out.extend_from_slice(&digits);
    out.push(b'"');
}

/// Addresses in the forms that the destination's contract names. Of several of one type the strongest leaves.
fn identifiers(out: &mut Vec<u8>, policy: &Policy, dest: &Destination, parcel: &Parcel<'_>) {
    out.extend_from_slice(b",\"identifiers\":{");
    let mut written: Vec<usize> = Vec::new();
    for identifier in parcel.identifiers {
        let Some(kind) = policy.identifiers.get(identifier.kind).filter(|_| !written.contains(&identifier.kind)) else {
            continue;
        };
        let form = match kind.kind {
            IdentifierKind::Email => dest.email,
            IdentifierKind::Phone => dest.phone,
            IdentifierKind::UserId | IdentifierKind::LoyaltyCard | IdentifierKind::Device | IdentifierKind::Custom => {
                IdentifierForm::None
            }
        };
        if matches!(form, IdentifierForm::Partner(_)) && !may_identify(policy, dest, parcel.allowed) {
            continue;
        }
        let Some((word, value)) = form::write(form, kind.kind, &kind.id, &identifier.value, parcel.domain) else { continue };
        if !written.is_empty() {
            out.push(b',');
        }
        written.push(identifier.kind);
        write_text(out, &kind.id);
        out.extend_from_slice(b":{\"form\":");
        write_text(out, word);
        text_member(out, "value", &value);
        out.push(b'}');
    }
    out.push(b'}');
}

/// A partner's hash identifies the person, so it needs consent; a purpose with another legal basis does not carry it.
fn may_identify(policy: &Policy, dest: &Destination, allowed: Purposes) -> bool {
    let by_consent = dest.purposes.without(policy.without_consent);
    !by_consent.is_empty() && by_consent.without(allowed).is_empty()
}

fn text_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b',');
    write_text(out, name);
    out.push(b':');
    write_text(out, value);
}

fn time_member(out: &mut Vec<u8>, name: &str, at: Millis) {
    out.push(b',');
    write_text(out, name);
    out.extend_from_slice(b":\"");
    write_time(out, at);
    out.push(b'"');
}

/// RFC 3339 as [`crate::clock::rfc3339`] writes it, without its allocation; years that need no sign.
pub(super) fn write_time(out: &mut Vec<u8>, at: Millis) {
    const DAY_MS: i64 = crate::clock::DAY_MS;
    let (day, ms) = (at.div_euclid(DAY_MS), at.rem_euclid(DAY_MS));
    if !(-719_528..2_932_897).contains(&day) {
        out.extend_from_slice(crate::clock::rfc3339(at).as_bytes());
        return;
    }
    // Days since 0000-03-01 in eras of 400 years (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day_of_month, 2, b'T'),
        (ms / 3_600_000, 2, b':'),
        (ms / 60_000 % 60, 2, b':'),
        (ms / 1_000 % 60, 2, b'.'),
        (ms % 1_000, 3, b'Z'),
    ];
    for (value, width, after) in parts {
        let mut unit = 10_i64.pow(width - 1);
        while unit > 0 {
            out.push(b'0' + u8::try_from(value / unit % 10).unwrap_or_default());
            unit /= 10;
        }
        out.push(after);
    }
}
