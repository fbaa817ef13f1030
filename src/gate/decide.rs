//! Which destinations get an event, and why the others do not.

use crate::consent::Standing;
use crate::events::Event;
use crate::events::consent_object::Narrowing;
use crate::gate::reason::Reason;
use crate::policy::{Policy, Purposes, Route};

/// What [`Verdict::route`] says when no route matched.
pub const NO_ROUTE: usize = usize::MAX;

/// Everything that a decision depends on besides the policy.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The source, as an index of the policy.
    pub source: usize,
    /// The event.
    pub event: &'a Event<'a>,
    /// What holds for the identifiers that the event states.
    pub standing: &'a Standing,
    /// What the event's own consent object allows at most.
    pub narrowing: &'a Narrowing,
    /// Whether the event states an identifier at all.
    pub has_identifier: bool,
}

/// What is done with an event at one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The route that decided, as an index of the policy; [`NO_ROUTE`] if none matched.
    pub route: usize,
    /// The destination, as an index of the policy.
    pub destination: usize,
    /// The purposes that the event is forwarded for, or why it stays.
    pub outcome: Result<Purposes, Withheld>,
}

/// Why an event stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The most telling reason.
    pub reason: Reason,
    /// The purposes that the reason is about; empty if it is about none.
    pub purposes: Purposes,
}

/// The purposes that are allowed: consent purposes that are granted, not denied by anyone and not narrowed away, and purposes
/// with another legal basis unless they were objected to. While the processing is restricted (Art. 18), none.
#[must_use]
pub fn allowed(policy: &Policy, standing: &Standing, narrowing: &Narrowing) -> Purposes {
    if standing.restricted || standing.suppressed {
        return Purposes::NONE;
    }
    let denied = standing.denied.or(standing.denied_by_link);
    let most = match narrowing {
        Narrowing::Unsaid => Purposes::ALL,
        Narrowing::Only(set) => *set,
        Narrowing::Malformed => Purposes::NONE,
    };
    let by_consent = standing.granted.without(denied).and(most).without(policy.without_consent);
    let by_law = policy.without_consent.without(policy.objectable.and(denied));
    by_consent.or(by_law).and(known(policy))
}

/// The purposes that the policy has at all. Bits above are never allowed.
fn known(policy: &Policy) -> Purposes {
    match u32::try_from(policy.purposes.len()) {
        Ok(count) if count < 64 => Purposes((1 << count) - 1),
        _ => Purposes::ALL,
    }
}

/// What must be allowed for a route: its own purposes and those of its destination.
#[must_use]
pub fn needed(policy: &Policy, route: &Route) -> Purposes {
    policy.destinations.get(route.destination).map_or(route.purposes, |d| d.purposes.or(route.purposes))
}

/// One verdict per destination of the policy, in its order, to the end of a list that the caller keeps.
pub fn decide_into(policy: &Policy, question: &Question<'_>, verdicts: &mut Vec<Verdict>) {
    let allowed = allowed(policy, question.standing, question.narrowing);
    verdicts.extend((0..policy.destinations.len()).map(|destination| best(policy, question, allowed, destination)));
}

/// The verdict for one destination: what dispatch asks again before it sends.
#[must_use]
pub fn decide_for(policy: &Policy, question: &Question<'_>, destination: usize) -> Verdict {
    best(policy, question, allowed(policy, question.standing, question.narrowing), destination)
}

/// The first matching route that lets the event through; else the one that lacks the fewest purposes.
fn best(policy: &Policy, question: &Question<'_>, allowed: Purposes, destination: usize) -> Verdict {
    let none = Withheld { reason: Reason::NoRoute, purposes: Purposes::NONE };
    let mut found = Verdict { route: NO_ROUTE, destination, outcome: Err(none) };
    let mut fewest = u32::MAX;
    for (index, route) in policy.routes.iter().enumerate() {
        if route.destination != destination || !matches(route, question) {
            continue;
        }
        let needed = needed(policy, route);
        let outcome = judge(policy, question, allowed, destination, needed);
        if outcome.is_ok() {
            return Verdict { route: index, destination, outcome };
        }
        let missing = needed.without(allowed).0.count_ones();
        if missing < fewest {
            fewest = missing;
            found = Verdict { route: index, destination, outcome };
        }
    }
    found
}

fn matches(route: &Route, question: &Question<'_>) -> bool {
    (route.sources.is_empty() || route.sources.contains(&question.source))
        && (route.types.is_empty() || route.types.iter().any(|t| t == question.event.kind.as_str()))
        && (route.events.is_empty() || question.event.event.as_ref().is_some_and(|name| route.events.iter().any(|e| e == name)))
}

fn judge(
    policy: &Policy,
    question: &Question<'_>,
    allowed: Purposes,
    destination: usize,
    needed: Purposes,
) -> Result<Purposes, Withheld> {
    let plain = |reason| Err(Withheld { reason, purposes: Purposes::NONE });
    if !policy.destinations.get(destination).is_some_and(crate::policy::Destination::is_on) {
        return plain(Reason::DestinationOff);
    }
    if !question.has_identifier {
        return plain(Reason::NoIdentifier);
    }
    // "All of nothing" is true, and would forward without any legal basis.
    if needed.is_empty() {
        return plain(Reason::NoPurpose);
    }
    let missing = needed.without(allowed);
    if !missing.is_empty() {
        return Err(why(policy, question, missing));
    }
    // Whoever agreed did so before this recipient was one.
    if question.standing.is_stranger(destination) {
        return Err(Withheld { reason: Reason::TermsChanged, purposes: needed.without(policy.without_consent) });
    }
    Ok(needed)
}

/// The most telling reason: what the person said comes before what others said, and that before what nobody said.
fn why(policy: &Policy, question: &Question<'_>, missing: Purposes) -> Withheld {
    let standing = question.standing;
    if standing.restricted {
        return Withheld { reason: Reason::Restricted, purposes: missing };
    }
    if standing.suppressed {
        return Withheld { reason: Reason::Suppressed, purposes: missing };
    }
    let consent = missing.without(policy.without_consent);
    let granted = consent.and(standing.granted).without(standing.denied).without(standing.denied_by_link);
    let by_event = match question.narrowing {
        Narrowing::Malformed => Reason::ConsentObjectMalformed,
        Narrowing::Unsaid | Narrowing::Only(_) => Reason::NarrowedByEvent,
    };
    let ladder = [
        (Reason::Denied, consent.and(standing.denied)),
        (Reason::Objected, missing.and(policy.without_consent)),
        (Reason::DeniedByLink, consent.and(standing.denied_by_link)),
        (by_event, granted),
        (Reason::TermsChanged, consent.and(standing.outdated)),
        (Reason::Unconfirmed, consent.and(standing.pending)),
        (Reason::Expired, consent.and(standing.expired)),
    ];
    let telling = ladder.iter().find(|(_, purposes)| !purposes.is_empty());
    telling.map_or(Withheld { reason: Reason::NoDecision, purposes: missing }, |(reason, purposes)| Withheld {
        reason: *reason,
        purposes: *purposes,
    })
}
