//! The consent that an SDK states with an event.
//!
//! It **never widens**: what it allows is an upper bound on what the recorded decisions allow. What cannot be read allows
//! nothing. In particular `RudderStack`'s `resolutionStrategy: "or"` is not followed, text that looks like `true` is not true,
//! and an empty object means no to everything, where other products deliver.

use super::parse::Rejected;
use super::{Event, EventType, Object, json};
use crate::policy::{LegalBasis, Policy, Purpose, Purposes};

/// The event by which a Segment consent banner reports a choice.
pub const PREFERENCE_UPDATED: &str = "Segment Consent Preference Updated";

const CATEGORIES: &str = "context.consent.categoryPreferences";

/// What the SDK's consent object allows at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowing {
    /// It has none.
    Unsaid,
    /// These. Purposes that rest on another legal basis than consent are always among them.
    Only(Purposes),
    /// It cannot be read, so it allows nothing that rests on consent.
    Malformed,
}

/// Something that is there but cannot be read.
struct Unreadable;

/// What the event's consent object allows at most. Several statements count together: what one of them leaves out is out.
#[must_use]
pub fn narrowing(event: &Event<'_>, policy: &Policy) -> Narrowing {
    let Some(context) = event.context.as_ref().map(Object::get) else {
        return Narrowing::Unsaid;
    };
    if !context.contains("onsent") && !json::has_escape(context) {
        return Narrowing::Unsaid;
    }
    let mut allowed = None;
    for (key, value) in json::members(context) {
        let one = if json::key_is(key, "consent") {
            segment(value, policy)
        } else if json::key_is(key, "consentManagement") {
            rudderstack(value, policy)
        } else {
            continue;
        };
        match one {
            Ok(one) => allowed = Some(allowed.map_or(one, |all: Purposes| all.and(one))),
            Err(Unreadable) => return Narrowing::Malformed,
        }
    }
    allowed.map_or(Narrowing::Unsaid, |allowed| Narrowing::Only(allowed.or(other_bases(policy))))
}

/// The decisions that a consent banner reports by this event, as index of the purpose and whether it is granted. `None` if it is
/// another event. Categories that the policy does not know are passed over, as are purposes that nobody decides about.
#[must_use]
pub fn preference_update(event: &Event<'_>, policy: &Policy) -> Option<Result<Vec<(usize, bool)>, Rejected>> {
    is_preference_update(event).then(|| decisions(event, policy))
}

/// Whether this is the event by which a consent banner reports a choice.
#[must_use]
pub fn is_preference_update(event: &Event<'_>) -> bool {
    event.kind == EventType::Track && event.event.as_deref() == Some(PREFERENCE_UPDATED)
}

fn decisions(event: &Event<'_>, policy: &Policy) -> Result<Vec<(usize, bool)>, Rejected> {
    let context = event.context.as_ref().map_or("{}", Object::get);
    let mut statements = Statements::default();
    let mut found = false;
    for object in named(context, "consent") {
        for preferences in named(object, "categoryPreferences") {
            found = true;
            if !preferences.starts_with('{') {
                return Err(Rejected::invalid(CATEGORIES, "must be an object"));
            }
            for (category, value) in json::members(preferences) {
                match value {
                    "true" => statements.say(category, true, policy),
                    "false" => statements.say(category, false, policy),
                    _ => return Err(Rejected::invalid(CATEGORIES, "must hold only true and false")),
                }
            }
        }
    }
    if !found {
        return Err(Rejected::missing(CATEGORIES, "is required for this event"));
    }
    let stated = |index: &usize| statements.yes.or(statements.no).has(*index) && is_decided(policy.purposes.get(*index));
    Ok((0..policy.purposes.len()).filter(stated).map(|index| (index, !statements.no.has(index))).collect())
}

/// Whether people decide about the purpose: they grant it, or object to it.
fn is_decided(purpose: Option<&Purpose>) -> bool {
    purpose.is_some_and(|purpose| matches!(purpose.basis, LegalBasis::Consent | LegalBasis::LegitimateInterest))
}

/// What was said for purposes and against them.
#[derive(Default)]
struct Statements {
    yes: Purposes,
    no: Purposes,
}

impl Statements {
    /// One category can stand for several purposes, and several for one.
    fn say(&mut self, category: &str, granted: bool, policy: &Policy) {
        let Some(category) = json::string(category) else {
            return;
        };
        let side = if granted { &mut self.yes } else { &mut self.no };
        for (index, purpose) in policy.purposes.iter().enumerate() {
            if purpose.categories.iter().any(|name| name.eq_ignore_ascii_case(&category)) {
                *side = side.or(Purposes::one(index));
            }
        }
    }

    const fn allowed(&self) -> Purposes {
        self.yes.without(self.no)
    }
}

/// `{"categoryPreferences": {"Advertising": true}}`
fn segment(object: &str, policy: &Policy) -> Result<Purposes, Unreadable> {
    let mut allowed = None;
    for preferences in named(object, "categoryPreferences") {
        if !preferences.starts_with('{') {
            return Err(Unreadable);
        }
        let mut statements = Statements::default();
        for (category, value) in json::members(preferences) {
            statements.say(category, value == "true", policy);
        }
        allowed = Some(allowed.map_or(statements.allowed(), |all: Purposes| all.and(statements.allowed())));
    }
    allowed.ok_or(Unreadable)
}

/// `{"allowedConsentIds": ["a"], "deniedConsentIds": ["b"]}`; some providers write the first as an object of true and false.
fn rudderstack(object: &str, policy: &Policy) -> Result<Purposes, Unreadable> {
    if !object.starts_with('{') {
        return Err(Unreadable);
    }
    let mut statements = Statements::default();
    let mut stated = false;
    for ids in named(object, "allowedConsentIds") {
        stated = true;
        say_all(ids, true, policy, &mut statements)?;
    }
    for ids in named(object, "deniedConsentIds") {
        stated = true;
        say_all(ids, false, policy, &mut statements)?;
    }
    if stated { Ok(statements.allowed()) } else { Err(Unreadable) }
}

fn say_all(ids: &str, granted: bool, policy: &Policy, statements: &mut Statements) -> Result<(), Unreadable> {
    match ids.as_bytes().first() {
        Some(b'[') => {
            for id in json::elements(ids) {
                if !id.starts_with('"') {
                    return Err(Unreadable);
                }
                statements.say(id, granted, policy);
            }
        }
        Some(b'{') => {
            for (id, value) in json::members(ids) {
                match value {
                    "true" => statements.say(id, granted, policy),
                    // Neither list can be used to say the opposite of its name, other than against.
                    "false" if granted => statements.say(id, false, policy),
                    "false" => {}
                    _ => return Err(Unreadable),
                }
            }
        }
        _ => return Err(Unreadable),
    }
    Ok(())
}

/// The values of all members with this name: a key can stand twice.
fn named<'a>(object: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    json::members(object).filter(move |(key, _)| json::key_is(key, name)).map(|(_, value)| value)
}

/// The purposes that rest on something else than consent. No consent object speaks about them.
fn other_bases(policy: &Policy) -> Purposes {
    let other = policy.purposes.iter().enumerate().filter(|(_, purpose)| purpose.basis != LegalBasis::Consent);
    other.fold(Purposes::NONE, |all, (index, _)| all.or(Purposes::one(index)))
}
