//! What a signal of a browser refuses: each rule as a row, then generated stories against a naive model, under both policies.

use super::*;
use crate::consent::signal::{Visit, heard};
use crate::policy::Conflict;

const ADS: &str = "ads_sharing";
const GPC: Option<Signal> = Some(Signal::Gpc);
const BOTH: [Conflict; 2] = [Conflict::Signal, Conflict::Grant];

/// What a decision that may have come with a signal led to.
struct Heeded {
    said: Option<Recorded>,
    refused: Option<Recorded>,
}

type Who = &'static [(&'static str, &'static str)];

impl House {
    fn under(conflict: Conflict) -> Self {
        let mut house = Self::new();
        house.change(|policy| policy.signals.gpc.as_mut().unwrap().conflict = conflict);
        house
    }

    fn change(&mut self, change: impl FnOnce(&mut Policy)) {
        let mut policy = (*self.policy).clone();
        change(&mut policy);
        self.policy = Arc::new(policy);
    }

    /// Decides on a banner, in a browser that sends a signal or not.
    fn decide_with(&self, who: Who, decisions: &[(&str, bool)], signal: Option<Signal>, at: Millis) -> Heeded {
        let mut order = self.order(who, decisions, at);
        let refused = signal.and_then(|signal| wait(self.consents.heed_with(signal, &mut order)).unwrap());
        let said = (!order.decisions.is_empty()).then(|| wait(self.consents.record(order)).unwrap());
        Heeded { said, refused }
    }

    /// Comes by with a browser that sends the signal; says what was recorded.
    fn visit(&self, who: Who, at: Millis) -> Option<Decision> {
        let identifiers = self.identifiers(who);
        let standing = self.standing(who, at);
        let refused = self.consents.refused_by_signal(&identifiers, &standing, &self.policy, at).unwrap();
        let visit = Visit { identifiers, source: 0, policy: &self.policy, at };
        (!refused.is_empty()).then(|| wait(self.consents.heed(Signal::Gpc, refused, visit)).unwrap().decision)
    }

    fn granted(&self, who: Who, purpose: &str, at: Millis) -> bool {
        !self.standing(who, at).granted.and(self.bit(purpose)).is_empty()
    }

    fn count(&self, who: Who) -> usize {
        let owner = self.directory.owner(&self.identifiers(who)[0]);
        owner.map_or(0, |owner| self.consents.history(self.directory.subject(owner)).unwrap().len())
    }
}

#[test]
fn only_the_exact_value_is_a_signal_and_only_if_the_policy_heeds_it() {
    let mut house = House::new();
    let rows: &[(&[&[u8]], bool)] = &[
        (&[], false),
        (&[b"1"], true),
        (&[b"0"], false),
        (&[b""], false),
        (&[b"1 "], false),
        (&[b"01"], false),
        (&[b"true"], false),
        (&[b"\xff"], false),
        (&[b"0", b"1"], true),
        (&[b"1", b"0"], true),
        (&[b"1, 1"], false),
    ];
    for (values, is_set) in rows {
        assert_eq!(heard(&house.policy, values.iter().copied()).is_some(), *is_set, "{values:?}");
    }
    house.change(|policy| policy.signals.gpc.as_mut().unwrap().purposes = Purposes::NONE);
    assert_eq!(heard(&house.policy, [b"1".as_slice()].into_iter()), None);
    house.change(|policy| policy.signals.gpc = None);
    assert_eq!(heard(&house.policy, [b"1".as_slice()].into_iter()), None);
    house.decide(D, &[(ADS, true)], NOON);
    assert_eq!(house.visit(D, NOON + 1), None);
}

#[test]
fn whoever_never_granted_does_not_become_known_for_refusing() {
    for conflict in BOTH {
        let house = House::under(conflict);
        assert_eq!(house.visit(D, NOON), None);
        assert_eq!(house.directory.figures().subjects, 0);
        house.decide(D, &[("analytics", true)], NOON + 1);
        assert_eq!(house.visit(D, NOON + 2), None, "what it does not refuse stays");
        assert!(house.allows(D, "analytics", NOON + 3));
    }
}

#[test]
fn a_grant_from_before_ends_once_and_its_end_says_why() {
    for conflict in BOTH {
        let mut house = House::under(conflict);
        house.decide(D, &[(ADS, true), ("analytics", true)], NOON);
        let ended = house.visit(D, NOON + 1).unwrap();
        assert_eq!((ended.method, ended.signal), (Method::Signal, GPC));
        assert_eq!(ended.states, BTreeMap::from([(String::from(ADS), State::Withdrawn)]));
        assert_eq!(ended.notice, None, "nobody was shown anything");
        for round in 2..5 {
            assert_eq!(house.visit(D, NOON + round), None, "once, not once per visit");
            house.restart();
        }
        assert_eq!(house.count(D), 2);
        assert!(!house.allows(D, ADS, NOON + 5) && house.allows(D, "analytics", NOON + 5));
        // A visit without the signal does not bring it back; a new grant without it does.
        assert!(!house.allows(D, ADS, NOON + 6));
        house.decide_with(D, &[(ADS, true)], None, NOON + 7);
        assert!(house.allows(D, ADS, NOON + 8));
        house.consents.fold_check(&house.policy).unwrap();
    }
}

#[test]
fn a_grant_that_comes_with_the_signal_is_not_taken_unless_the_policy_says_so() {
    let house = House::under(Conflict::Signal);
    let Heeded { said, refused } = house.decide_with(D, &[(ADS, true), ("analytics", true)], GPC, NOON);
    assert_eq!(said.unwrap().decision.states, BTreeMap::from([(String::from("analytics"), State::Granted)]));
    let refused = refused.unwrap().decision;
    assert_eq!((refused.states[ADS], refused.method), (State::Denied, Method::Signal));
    let Heeded { said, refused } = house.decide_with(U, &[(ADS, true)], GPC, NOON);
    assert!(said.is_none() && refused.is_some(), "the signal alone is recorded");
    assert!(!house.allows(D, ADS, NOON + 1) && !house.allows(U, ADS, NOON + 1) && house.allows(D, "analytics", NOON + 1));

    let mut house = House::under(Conflict::Grant);
    let Heeded { said, refused } = house.decide_with(D, &[(ADS, true)], GPC, NOON);
    assert!(refused.is_none());
    assert_eq!(said.unwrap().decision.signal, GPC, "the record says that the signal was known");
    for round in 1..4 {
        assert_eq!(house.visit(D, NOON + round), None);
        assert!(house.allows(D, ADS, NOON + round));
        house.restart();
    }
    // The same purpose, granted again without the signal, is a grant like any other.
    house.decide_with(D, &[(ADS, true)], None, NOON + 5);
    assert!(house.visit(D, NOON + 6).is_some());
    assert!(!house.allows(D, ADS, NOON + 7));
}

#[test]
fn a_grant_in_spite_of_the_signal_holds_for_whom_it_was_given_with() {
    let house = House::under(Conflict::Grant);
    house.decide_with(D, &[(ADS, true)], GPC, NOON);
    house.decide(U, &[(ADS, true)], NOON + 1);
    let ended = house.visit(DU, NOON + 2).expect("the account's grant is from elsewhere");
    assert_eq!(ended.states[ADS], State::Withdrawn);
    assert!(!house.allows(D, ADS, NOON + 3) && !house.allows(U, ADS, NOON + 3));
}

#[test]
fn refusals_and_the_signal_never_conflict() {
    for conflict in BOTH {
        let house = House::under(conflict);
        let Heeded { said, refused } = house.decide_with(D, &[(ADS, false)], GPC, NOON);
        assert!(said.is_some() && refused.is_none(), "what the person says is recorded as what they say");
        house.decide_with(U, &[(ADS, true)], None, NOON + 1);
        let Heeded { said, refused } = house.decide_with(U, &[("analytics", false)], GPC, NOON + 2);
        assert_eq!(said.unwrap().decision.states.len(), 1);
        assert_eq!(refused.unwrap().decision.states[ADS], State::Withdrawn, "what else stands ends with it");
    }
}

#[test]
fn what_rests_on_legitimate_interest_is_objected_to() {
    for conflict in BOTH {
        let mut house = House::under(conflict);
        house.change(|policy| {
            let ads = policy.purpose(ADS).unwrap();
            policy.purposes[ads].basis = LegalBasis::LegitimateInterest;
            policy.without_consent = policy.without_consent.or(Purposes::one(ads));
            policy.objectable = Purposes::one(ads);
        });
        let objected = house.visit(D, NOON).expect("without it the purpose would be allowed");
        assert_eq!((objected.states[ADS], objected.method), (State::Denied, Method::Signal));
        assert_eq!(house.visit(D, NOON + 1), None);
        let view = house.consents.view(&house.identifiers(D), None, &house.policy, NOON + 2).unwrap();
        assert!(view.allowed.and(house.bit(ADS)).is_empty() && view.refuses.is_empty());
    }
}

#[test]
fn what_a_visitor_is_shown_is_what_would_be_allowed() {
    let house = House::under(Conflict::Grant);
    let view = |who, signal| house.consents.view(&house.identifiers(who), signal, &house.policy, NOON + 9).unwrap();
    assert_eq!(view(D, None).allowed, house.bit("necessary"));
    assert_eq!(view(D, GPC).refuses, house.bit(ADS));
    house.decide(D, &[(ADS, true), ("analytics", true)], NOON);
    assert_eq!(view(D, GPC).allowed, house.bit("necessary").or(house.bit("analytics")), "before anything is recorded");
    house.decide_with(D, &[(ADS, true)], GPC, NOON + 1);
    assert_eq!(view(D, GPC).refuses, Purposes::NONE);
    assert_eq!(view(D, GPC).allowed, view(D, None).allowed);
    let reference = house.directory.owner(&house.identifiers(D)[0]).unwrap();
    wait(house.consents.restrict(house.directory.subject(reference), true, &house.policy)).unwrap();
    assert_eq!(view(D, None).allowed, Purposes::NONE);
}

/// What a model remembers of one identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Naive {
    #[default]
    Unset,
    Granted {
        despite: bool,
    },
    Denied,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn in_any_story_the_signal_refuses_exactly_what_the_policy_says(
        strict: bool,
        acts in proptest::collection::vec((0..3_usize, 0..4_usize, any::<bool>()), 1..20),
    ) {
        let who: [(Who, &[usize]); 3] = [(D, &[0]), (U, &[1]), (DU, &[0, 1])];
        let mut house = House::under(if strict { Conflict::Signal } else { Conflict::Grant });
        let mut model = [Naive::Unset; 2];
        for (at, (which, act, signal)) in acts.into_iter().enumerate() {
            let at = NOON + 10 * i64::try_from(at).unwrap();
            let (stated, places) = who[which];
            let with = signal.then_some(Signal::Gpc);
            match act {
                0 => {
                    house.decide_with(stated, &[(ADS, true)], with, at);
                    let comes = if signal && strict { Naive::Denied } else { Naive::Granted { despite: signal } };
                    places.iter().for_each(|place| model[*place] = comes);
                }
                1 => {
                    house.decide_with(stated, &[(ADS, false)], with, at);
                    places.iter().for_each(|place| model[*place] = Naive::Denied);
                }
                2 => {
                    let ends = |n: Naive| matches!(n, Naive::Granted { despite } if strict || !despite);
                    let expected = signal && places.iter().any(|place| ends(model[*place]));
                    let recorded = signal && house.visit(stated, at).is_some();
                    prop_assert_eq!(recorded, expected);
                    if expected {
                        places.iter().for_each(|place| model[*place] = Naive::Denied);
                    }
                }
                _ => house.restart(),
            }
            for (place, one) in [D, U].into_iter().enumerate() {
                prop_assert_eq!(house.granted(one, ADS, at + 1), matches!(model[place], Naive::Granted { .. }));
                let view = house.consents.view(&house.identifiers(one), Some(Signal::Gpc), &house.policy, at + 1).unwrap();
                let kept = matches!(model[place], Naive::Granted { despite: true }) && !strict;
                prop_assert!(view.allowed.and(house.bit(ADS)).is_empty() || kept, "the signal was shown as no refusal");
            }
            house.consents.fold_check(&house.policy).unwrap();
        }
    }
}
