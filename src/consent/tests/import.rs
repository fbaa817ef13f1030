//! What is taken over from other tools: the rules as rows, then generated files against a naive model.

use super::*;
use crate::consent::import::Evidence;

const NEWS: &str = "marketing_email";
const DAY: Millis = DAY_MS;

type Who = &'static [(&'static str, &'static str)];

impl House {
    fn record_of(&self, key: &str, (who, yes): (Who, bool), claimed: Option<Millis>, at: Millis) -> Order {
        let evidence = Evidence {
            key: key.to_owned(),
            obtained_at: claimed.map(crate::clock::rfc3339),
            tool: Some(String::from("tool")),
            r#where: Some(String::from("form")),
            text: None,
            proof: None,
        };
        let besides = Besides { evidence: Some(Box::new(evidence)), ..Besides::default() };
        Order { method: Method::Import, besides, ..self.order(who, &[(NEWS, yes)], at) }
    }

    /// Brings a record; says whether it was news.
    fn bring(&self, order: Order) -> bool {
        let expected = self.consents.is_news(&order).unwrap();
        match wait(self.consents.record(order)) {
            Ok(_) => assert!(expected, "the dry run said that it was no news"),
            Err(Error::NothingNew) => assert!(!expected, "the dry run said that it was news"),
            Err(error) => panic!("{error}"),
        }
        expected
    }

    fn state(&self, who: Who) -> Option<State> {
        self.consents.stands(&self.identifiers(who), NOON).unwrap().get(NEWS).map(|(state, ..)| *state)
    }
}

#[test]
fn a_record_is_kept_with_its_evidence_and_holds_from_the_time_that_it_claims() {
    let mut house = House::new();
    assert!(house.bring(house.record_of("1", (E, true), Some(NOON - 700 * DAY), NOON)));
    let owner = house.directory.subject(house.directory.owner(&house.identifiers(E)[0]).unwrap());
    let history = house.consents.history(owner).unwrap();
    let [decision] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!((decision.at, decision.method, decision.notice.as_ref()), (NOON, Method::Import, None));
    assert_eq!(decision.evidence.as_ref().unwrap().claimed(), Some(NOON - 700 * DAY));
    assert_eq!(decision.expires[NEWS], NOON + 30 * DAY, "730 days from when it was given");
    assert!(house.allows(E, NEWS, NOON + 29 * DAY) && !house.allows(E, NEWS, NOON + 30 * DAY));
    house.restart();
    house.consents.fold_check(&house.policy).unwrap();
}

#[test]
fn the_same_record_counts_once_also_after_somebody_has_changed_their_mind_here() {
    let house = House::new();
    for claimed in [Some(NOON - DAY), None] {
        let who: Who = if claimed.is_some() { E } else { U };
        let record = |at| house.record_of("1", (who, false), claimed, at);
        assert!(house.bring(record(NOON)));
        assert!(!house.bring(record(NOON + 1)));
        house.decide(who, &[(NEWS, true)], NOON + 2);
        assert!(!house.bring(record(NOON + 3)), "{claimed:?}");
        assert_eq!(house.state(who), Some(State::Granted));
    }
}

#[test]
fn later_wins_and_a_refusal_wins_a_tie() {
    // What was there: here or brought, yes or no, when. What is brought: yes or no, claiming when. What stands then.
    let (yes, no) = (true, false);
    let rows = [
        ((true, yes, 0), (no, Some(-1)), State::Granted),
        ((true, no, 0), (yes, Some(-1)), State::Denied),
        ((true, yes, 0), (no, None), State::Withdrawn),
        ((true, yes, -2), (no, Some(-1)), State::Withdrawn),
        ((true, no, -2), (yes, Some(-1)), State::Granted),
        ((true, yes, -1), (no, Some(-1)), State::Withdrawn),
        ((true, no, -1), (yes, Some(-1)), State::Denied),
        ((false, yes, -3), (no, Some(-4)), State::Granted),
        ((false, yes, -3), (no, Some(-2)), State::Withdrawn),
        ((false, no, -3), (yes, Some(-2)), State::Granted),
        ((false, yes, -3), (no, Some(-3)), State::Withdrawn),
        ((false, no, -3), (yes, Some(-3)), State::Denied),
    ];
    for (number, ((here, first, when), (second, claimed), stands)) in rows.into_iter().enumerate() {
        let house = House::new();
        if here {
            house.decide(E, &[(NEWS, first)], NOON + when);
        } else {
            house.bring(house.record_of("a", (E, first), Some(NOON + when), NOON));
        }
        house.bring(house.record_of("b", (E, second), claimed.map(|claimed| NOON + claimed), NOON + 1));
        assert_eq!(house.state(E), Some(stands), "row {number}");
    }
}

#[test]
fn of_several_people_only_those_get_a_record_to_whom_it_is_news() {
    let house = House::new();
    house.decide(U, &[(NEWS, false)], NOON);
    let both: Who = &[("user_id", "u1"), ("device", "laptop")];
    assert!(house.bring(house.record_of("1", (both, true), Some(NOON - DAY), NOON + 1)));
    assert_eq!((house.state(U), house.state(D)), (Some(State::Denied), Some(State::Granted)));
    assert!(!house.allows(both, NEWS, NOON + 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn in_whatever_order_records_come_the_latest_word_stands(
        here in proptest::collection::vec((1..50_i64, any::<bool>()), 0..3),
        brought in proptest::collection::vec((-20..20_i64, any::<bool>()), 1..6),
        again: bool,
    ) {
        let mut house = House::new();
        let (mut words, mut at) = (Vec::new(), NOON + 100);
        for (after, yes) in &here {
            // Decisions here come in the order of the clock.
            at += after;
            house.decide(E, &[(NEWS, *yes)], at);
            words.push((at, *yes));
        }
        let import_at = at + 100;
        for (number, (claimed, yes)) in brought.iter().enumerate() {
            let claimed = NOON + 100 + claimed;
            house.bring(house.record_of(&number.to_string(), (E, *yes), Some(claimed), import_at));
            words.push((claimed, *yes));
            if again {
                house.bring(house.record_of(&number.to_string(), (E, *yes), Some(claimed), import_at + 1));
                house.restart();
            }
        }
        let latest = words.iter().map(|(at, _)| *at).max().unwrap();
        let granted = words.iter().filter(|(at, _)| *at == latest).all(|(_, yes)| *yes);
        prop_assert_eq!(house.state(E) == Some(State::Granted), granted, "{:?}", words);
        house.consents.fold_check(&house.policy).unwrap();
    }
}
