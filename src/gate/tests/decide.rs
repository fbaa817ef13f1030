//! The decision: a table over everything that can be said about three purposes, and properties that no case may break.

use proptest::prelude::*;
use serde_json::json;

use super::{ADS, ANALYTICS, NECESSARY, PERSONAL, SECURITY, event, policy, route};
use crate::consent::Standing;
use crate::events::Event;
use crate::events::consent_object::Narrowing;
use crate::gate::{NO_ROUTE, Question, Reason, Verdict, allowed, decide_for, decide_into};
use crate::policy::{DestinationKind, Policy, Purposes};

#[expect(clippy::too_many_arguments, reason = "the six things that a decision depends on")]
fn decide(
    policy: &Policy,
    source: usize,
    event: &Event<'_>,
    standing: &Standing,
    narrowing: &Narrowing,
    has_identifier: bool,
) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    decide_into(policy, &Question { source, event, standing, narrowing, has_identifier }, &mut verdicts);
    verdicts
}

fn standing(granted: u64, denied: u64, by_link: u64, expired: u64) -> Standing {
    Standing {
        granted: Purposes(granted),
        denied: Purposes(denied),
        denied_by_link: Purposes(by_link),
        expired: Purposes(expired),
        ..Standing::default()
    }
}

fn verdict(policy: &Policy, standing: &Standing, narrowing: &Narrowing) -> Verdict {
    let event = event(&json!({ "type": "track", "event": "Added", "userId": "u" }));
    let verdicts = decide(policy, 0, &event, standing, narrowing, true);
    assert_eq!(verdicts.len(), policy.destinations.len());
    let asked = Question { source: 0, event: &event, standing, narrowing, has_identifier: true };
    assert_eq!(verdicts[0], decide_for(policy, &asked, 0), "dispatch asks the same question and gets the same answer");
    let suppressed = Standing { suppressed: true, ..*standing };
    for verdict in decide(policy, 0, &event, &suppressed, narrowing, true) {
        assert!(verdict.outcome.is_err(), "whatever was decided, nobody is brought back who asked not to be");
    }
    let strange = Standing { strangers: 1, ..*standing };
    assert!(decide_for(policy, &Question { standing: &strange, ..asked }, 0).outcome.is_err(), "agreed to for others");
    let restricted = Standing { restricted: true, ..*standing };
    for verdict in decide(policy, 0, &event, &restricted, narrowing, true) {
        assert!(verdict.outcome.is_err(), "whatever was decided, restricted data are only stored (Art. 18)");
    }
    verdicts[0]
}

/// What the rule says, written the slow way: for every purpose on its own.
fn expected(policy: &Policy, needed: Purposes, standing: &Standing, narrowing: &Narrowing) -> bool {
    !needed.is_empty()
        && needed.indexes().all(|p| {
            let denied = standing.denied.has(p) || standing.denied_by_link.has(p);
            match policy.purposes.get(p).map(|purpose| purpose.basis) {
                None => false,
                Some(crate::policy::LegalBasis::Consent) => {
                    let within = match narrowing {
                        Narrowing::Unsaid => true,
                        Narrowing::Only(set) => set.has(p),
                        Narrowing::Malformed => false,
                    };
                    standing.granted.has(p) && !denied && within
                }
                Some(crate::policy::LegalBasis::LegitimateInterest) => !denied,
                Some(crate::policy::LegalBasis::Contract | crate::policy::LegalBasis::LegalObligation) => true,
            }
        })
}

#[test]
fn every_combination_over_three_purposes_follows_the_rule() {
    // Two by consent, one by legitimate interest; 8 × 8 × 8 standings, 8 needs, 10 narrowings.
    let spread = |bits: u64| (bits & 0b11) | (bits >> 2 << SECURITY);
    let narrowings: Vec<Narrowing> =
        (0..8).map(|bits| Narrowing::Only(Purposes(spread(bits)))).chain([Narrowing::Unsaid, Narrowing::Malformed]).collect();
    let mut policy = policy();
    for needed in (0..8).map(spread) {
        policy.destinations[0].purposes = Purposes(needed);
        for (granted, denied, by_link) in (0..512).map(|i| (spread(i & 7), spread(i >> 3 & 7), spread(i >> 6))) {
            for narrowing in &narrowings {
                let standing = standing(granted, denied, by_link, 0);
                let verdict = verdict(&policy, &standing, narrowing);
                let goes = expected(&policy, Purposes(needed), &standing, narrowing);
                assert_eq!(verdict.outcome.is_ok(), goes, "{needed:b} {standing:?} {narrowing:?}");
                if goes {
                    assert_eq!(verdict.outcome, Ok(Purposes(needed)));
                }
            }
        }
    }
}

#[test]
fn the_most_telling_reason_is_given() {
    let mut policy = policy();
    policy.destinations[0].purposes = Purposes::one(ANALYTICS).or(Purposes::one(PERSONAL));
    let only_analytics = Narrowing::Only(Purposes::one(ANALYTICS));
    for (standing, narrowing, reason, about) in [
        (standing(0, 0, 0, 0), &Narrowing::Unsaid, Reason::NoDecision, 0b11),
        (standing(1, 0, 0, 0), &Narrowing::Unsaid, Reason::NoDecision, 0b10),
        (standing(1, 2, 0, 0), &Narrowing::Unsaid, Reason::Denied, 0b10),
        (standing(3, 2, 1, 0), &Narrowing::Unsaid, Reason::Denied, 0b10),
        (standing(3, 0, 1, 0), &Narrowing::Unsaid, Reason::DeniedByLink, 0b01),
        (standing(1, 0, 0, 2), &Narrowing::Unsaid, Reason::Expired, 0b10),
        (standing(3, 0, 0, 0), &only_analytics, Reason::NarrowedByEvent, 0b10),
        (standing(3, 0, 0, 0), &Narrowing::Only(Purposes::NONE), Reason::NarrowedByEvent, 0b11),
        (standing(3, 0, 0, 0), &Narrowing::Malformed, Reason::ConsentObjectMalformed, 0b11),
        (standing(3, 3, 0, 0), &Narrowing::Malformed, Reason::Denied, 0b11),
        (standing(0, 0, 0, 0), &Narrowing::Malformed, Reason::NoDecision, 0b11),
    ] {
        let withheld = verdict(&policy, &standing, narrowing).outcome.unwrap_err();
        assert_eq!((withheld.reason, withheld.purposes), (reason, Purposes(about)), "{standing:?} {narrowing:?}");
    }
}

#[test]
fn an_objection_stops_legitimate_interest_and_nothing_stops_a_contract() {
    let mut policy = policy();
    policy.destinations[0].purposes = Purposes::one(SECURITY);
    assert!(verdict(&policy, &standing(0, 0, 0, 0), &Narrowing::Malformed).outcome.is_ok());
    for (denied, by_link) in [(1 << SECURITY, 0), (0, 1 << SECURITY)] {
        let withheld = verdict(&policy, &standing(u64::MAX, denied, by_link, 0), &Narrowing::Unsaid).outcome.unwrap_err();
        assert_eq!(withheld.reason, Reason::Objected);
    }
    policy.destinations[0].purposes = Purposes::one(NECESSARY);
    assert!(verdict(&policy, &standing(0, u64::MAX, 0, 0), &Narrowing::Malformed).outcome.is_ok());
}

#[test]
fn without_an_identifier_nothing_leaves_not_even_by_contract() {
    let mut policy = policy();
    policy.destinations[0].purposes = Purposes::one(NECESSARY);
    let event = event(&json!({ "type": "track", "event": "E" }));
    let verdicts = decide(&policy, 0, &event, &standing(u64::MAX, 0, 0, 0), &Narrowing::Unsaid, false);
    assert_eq!(verdicts[0].outcome.unwrap_err().reason, Reason::NoIdentifier);
}

#[test]
fn no_purpose_is_no_permission() {
    let mut policy = policy();
    policy.destinations[0].purposes = Purposes::NONE;
    let withheld = verdict(&policy, &standing(u64::MAX, 0, 0, 0), &Narrowing::Unsaid).outcome.unwrap_err();
    assert_eq!(withheld.reason, Reason::NoPurpose);
}

#[test]
fn a_purpose_that_the_policy_does_not_have_is_never_allowed() {
    let mut policy = policy();
    policy.destinations[0].purposes = Purposes::one(40);
    assert!(verdict(&policy, &standing(u64::MAX, 0, 0, 0), &Narrowing::Unsaid).outcome.is_err());
}

#[test]
fn a_destination_without_an_address_gets_nothing() {
    let mut policy = policy();
    policy.destinations[0].kind = DestinationKind::Webhook { url: None, allow_private: false, timeout_ms: 1 };
    let withheld = verdict(&policy, &standing(u64::MAX, 0, 0, 0), &Narrowing::Unsaid).outcome.unwrap_err();
    assert_eq!(withheld.reason, Reason::DestinationOff);
}

#[test]
fn a_route_takes_only_the_events_that_it_names() {
    let mut policy = policy();
    policy.routes[0].sources = vec![0];
    policy.routes[0].types = vec![String::from("track")];
    policy.routes[0].events = vec![String::from("Added")];
    let standing = standing(u64::MAX, 0, 0, 0);
    for (json, source, goes) in [
        (json!({ "type": "track", "event": "Added" }), 0, true),
        (json!({ "type": "track", "event": "Added" }), 1, false),
        (json!({ "type": "track", "event": "Removed" }), 0, false),
        (json!({ "type": "track" }), 0, false),
        (json!({ "type": "page", "name": "Added" }), 0, false),
    ] {
        let verdict = decide(&policy, source, &event(&json), &standing, &Narrowing::Unsaid, true)[0];
        assert_eq!(verdict.outcome.is_ok(), goes, "{json}");
        if !goes {
            assert_eq!((verdict.route, verdict.outcome.unwrap_err().reason), (NO_ROUTE, Reason::NoRoute));
        }
    }
}

#[test]
fn a_second_route_can_carry_what_the_first_may_not() {
    let mut policy = policy();
    policy.destinations[0].purposes = Purposes::NONE;
    policy.routes = vec![route("strict", 0), route("loose", 0)];
    policy.routes[0].purposes = Purposes::one(ADS).or(Purposes::one(PERSONAL));
    policy.routes[1].purposes = Purposes::one(ANALYTICS);
    let verdict_of = |granted| verdict(&policy, &standing(granted, 0, 0, 0), &Narrowing::Unsaid);
    assert_eq!(verdict_of(0b001).route, 1);
    assert_eq!(verdict_of(0b111).route, 0);
    assert_eq!((verdict_of(0).route, verdict_of(0).outcome.is_err()), (1, true), "the route that lacks least explains");
}

prop_compose! {
    fn any_policy()(needs in prop::collection::vec((0..32_u64, 0..32_u64), 1..5)) -> Policy {
        let mut policy = policy();
        let spare = policy.destinations[0].clone();
        policy.destinations = needs.iter().map(|(destination, _)| {
            let mut next = spare.clone();
            next.purposes = Purposes(*destination);
            next
        }).collect();
        policy.routes = needs.iter().enumerate().map(|(index, (_, extra))| {
            let mut next = route("r", index);
            next.purposes = Purposes(*extra);
            next
        }).collect();
        policy
    }
}

fn forwarded(policy: &Policy, standing: &Standing, narrowing: &Narrowing) -> u64 {
    let event = event(&json!({ "type": "track", "event": "E" }));
    let verdicts = decide(policy, 0, &event, standing, narrowing, true);
    verdicts.iter().filter(|v| v.outcome.is_ok()).map(|v| 1 << v.destination).sum()
}

proptest! {
    #[test]
    fn more_denials_fewer_grants_and_narrower_objects_never_forward_more(
        policy in any_policy(), bits in any::<[u64; 4]>(), more in any::<[u64; 3]>(), first in any::<u64>(),
    ) {
        let [granted, denied, by_link, expired] = bits;
        let before = standing(granted, denied, by_link, expired);
        let after = standing(granted & more[0], denied | more[1], by_link | more[2], expired);
        let wide = Narrowing::Only(Purposes(first));
        let narrow = Narrowing::Only(Purposes(first & more[0]));
        for (wider, narrower) in [(&Narrowing::Unsaid, &wide), (&wide, &narrow), (&narrow, &Narrowing::Malformed), (&wide, &wide)] {
            let (much, little) = (forwarded(&policy, &before, wider), forwarded(&policy, &after, narrower));
            prop_assert_eq!(little & !much, 0, "{:?} {:?} → {:?} {:?}", before, wider, after, narrower);
            prop_assert!(allowed(&policy, &after, narrower).without(allowed(&policy, &before, wider)).is_empty());
        }
    }

    #[test]
    fn every_withheld_event_has_a_reason_about_purposes_that_are_really_missing(policy in any_policy(), bits in any::<[u64; 4]>()) {
        let standing = standing(bits[0], bits[1], bits[2], bits[3]);
        let event = event(&json!({ "type": "track", "event": "E" }));
        for verdict in decide(&policy, 0, &event, &standing, &Narrowing::Unsaid, true) {
            match verdict.outcome {
                Ok(used) => prop_assert!(used.without(allowed(&policy, &standing, &Narrowing::Unsaid)).is_empty()),
                Err(withheld) => {
                    let missing = Purposes::ALL.without(allowed(&policy, &standing, &Narrowing::Unsaid));
                    prop_assert!(withheld.purposes.without(missing).is_empty());
                }
            }
        }
    }
}
