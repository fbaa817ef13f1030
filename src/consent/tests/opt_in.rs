//! Double opt-in: what waits grants nothing, the link grants once and in time, and a refusal ends it.

use std::sync::Mutex;

use proptest::prelude::*;

use super::{D, House, NOON, wait};
use crate::clock::{DAY_MS, Millis};
use crate::consent::{Ask, Confirmed, DeadEnd, Error, OptIn, Recorded, State};
use crate::policy::Purposes;

const MAIL: &str = "marketing_email";
const E: &[(&str, &str)] = &[("email", "erika@muster.de")];
const DE: &[(&str, &str)] = &[("email", "erika@muster.de"), ("device", "laptop")];
const LETTER: &str = "000102030405060708090a0b0c0d0e0f";

impl House {
    /// Asks for the newsletter; gives the link's own part of the address.
    fn asks(&self, who: &[(&str, &str)], at: Millis) -> String {
        let token = Mutex::new(String::new());
        let queue = |link: &str, until: Millis, _: &mut crate::store::Batch| {
            assert_eq!(until, at + 7 * DAY_MS);
            link.clone_into(&mut token.lock().unwrap());
            Ok(())
        };
        let ask = Ask { letter: LETTER.to_owned(), queue: &queue };
        let recorded = wait(self.consents.record_asking(self.order(who, &[(MAIL, true)], at), &ask)).unwrap();
        assert_eq!(recorded.decision.states[MAIL], State::Pending);
        assert!(recorded.decision.expires.is_empty());
        token.into_inner().unwrap()
    }

    /// Asks without a letter: by import, or because the address has got enough.
    fn asks_silently(&self, who: &[(&str, &str)], at: Millis) {
        wait(self.consents.record(self.order(who, &[(MAIL, true)], at))).unwrap();
    }

    fn follows(&self, token: &str, at: Millis) -> Result<Recorded, Error> {
        wait(self.consents.confirm(token, Some(NOON + 5), &self.policy, at))
    }
}

fn dead(outcome: Result<impl std::fmt::Debug, Error>) -> DeadEnd {
    match outcome {
        Err(Error::Link(dead)) => dead,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_waits_grants_nothing_and_its_link_grants_for_everything_that_was_stated() {
    let mut house = House::new();
    let token = house.asks(DE, NOON);
    assert!(token.len() < 80 && !token.contains(['+', '/', '=']), "{token}");
    for _ in 0..2 {
        for who in [D, E, DE] {
            let standing = house.standing(who, NOON + 1);
            assert_eq!((standing.allowed(), standing.pending), (Purposes::NONE, house.bit(MAIL)));
            let (state, at, until) = house.consents.stands(&house.identifiers(who), NOON + 1).unwrap()[MAIL];
            assert_eq!((state, at, until), (State::Pending, NOON, Some(NOON + 7 * DAY_MS)));
        }
        // Looking changes nothing.
        let wish = house.consents.wish(&token, NOON + 1).unwrap();
        assert_eq!((wish.purposes, wish.letter.as_deref()), (vec![MAIL.to_owned()], Some(LETTER)));
        house.consents.fold_check(&house.policy).unwrap();
        house.restart();
    }
    let used = NOON + DAY_MS;
    let recorded = house.follows(&token, used).unwrap();
    assert_eq!((recorded.decision.states[MAIL], recorded.decision.at), (State::Granted, used));
    assert_eq!(recorded.decision.expires[MAIL], used + 730 * DAY_MS, "it holds from the confirmation on");
    let Some(OptIn::Confirmed(Confirmed { asked_at, mailed_at, .. })) = &recorded.decision.double_opt_in else { panic!() };
    assert_eq!((*asked_at, *mailed_at), (NOON, Some(NOON + 5)));
    let notice = recorded.decision.notice.as_ref().unwrap();
    assert_eq!(notice.hash, house.policy.notice("web-banner").unwrap().languages["de"].hash);
    for _ in 0..2 {
        for who in [D, E, DE] {
            assert!(house.allows(who, MAIL, used + 1));
            assert!(house.standing(who, used + 1).pending.is_empty());
        }
        assert_eq!(dead(house.follows(&token, used + 1)), DeadEnd::Used);
        house.consents.fold_check(&house.policy).unwrap();
        house.restart();
    }
}

#[test]
fn what_is_not_confirmed_in_time_is_as_if_it_had_never_been_asked_for() {
    let house = House::new();
    let token = house.asks(DE, NOON);
    let end = NOON + 7 * DAY_MS;
    let subject = house.consents.directory.subject(house.directory.owner(&house.identifiers(E)[0]).unwrap());
    assert_eq!(house.consents.memorable(subject, &house.policy).unwrap().until, end, "then nothing is left of them");
    assert!(house.consents.wish(&token, end - 1).is_ok());
    assert_eq!(dead(house.consents.wish(&token, end)), DeadEnd::Over);
    assert_eq!(dead(house.follows(&token, end)), DeadEnd::Over);
    assert!(house.standing(DE, end).pending.is_empty() && house.consents.stands(&house.identifiers(E), end).unwrap().is_empty());
    // Confirmed a moment before, it would have held.
    house.follows(&token, end - 1).unwrap();
    assert!(house.allows(E, MAIL, end));
}

#[test]
fn a_refusal_ends_what_waits_and_a_later_link_takes_the_place_of_an_earlier_one() {
    let house = House::new();
    let refused = house.asks(DE, NOON);
    assert_eq!(
        house.decide(D, &[(MAIL, false)], NOON + 1).states[MAIL],
        State::Denied,
        "nothing was granted that could be withdrawn"
    );
    // The device refused, the address did not: its own wish waits, and would not help the device.
    house.follows(&refused, NOON + 2).unwrap();
    assert!(!house.allows(DE, MAIL, NOON + 3) && !house.allows(D, MAIL, NOON + 3));

    let house = House::new();
    let refused = house.asks(DE, NOON);
    house.decide(E, &[(MAIL, false)], NOON + 1);
    assert_eq!(dead(house.follows(&refused, NOON + 2)), DeadEnd::Over);
    let first = house.asks(E, NOON + 3);
    assert!(!house.allows(E, MAIL, NOON + 4), "the refusal stands until it is confirmed");
    let second = house.asks(E, NOON + 4);
    assert_eq!(dead(house.follows(&first, NOON + 5)), DeadEnd::Over);
    // A wish for which no letter was sent leaves the letter that was sent alone.
    house.asks_silently(E, NOON + 5);
    house.follows(&second, NOON + 6).unwrap();
    assert!(house.allows(E, MAIL, NOON + 7));
    // Asking again takes nothing away from what was confirmed.
    let third = house.asks(E, NOON + 7);
    assert!(house.allows(E, MAIL, NOON + 8));
    assert_eq!(house.consents.stands(&house.identifiers(E), NOON + 8).unwrap()[MAIL].0, State::Granted);
    assert_eq!(house.decide(E, &[(MAIL, false)], NOON + 9).states[MAIL], State::Withdrawn);
    assert_eq!(dead(house.follows(&third, NOON + 10)), DeadEnd::Over);
    assert!(!house.allows(E, MAIL, NOON + 11));
}

#[test]
fn links_that_nobody_was_sent_lead_nowhere() {
    let house = House::new();
    let token = house.asks(E, NOON);
    let receipt = house.decide(D, &[("analytics", true)], NOON);
    assert!(receipt.double_opt_in.is_none());
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let forged = [
        String::new(),
        String::from("x"),
        "A".repeat(66),
        format!("{}{last}", &token[..token.len() - 1]),
        format!("{token}A"),
        format!("{token}="),
        token[1..].to_owned(),
    ];
    for forged in forged {
        assert_eq!(dead(house.consents.wish(&forged, NOON)), DeadEnd::Unknown, "{forged}");
        assert_eq!(dead(house.follows(&forged, NOON)), DeadEnd::Unknown, "{forged}");
    }
    assert!(house.consents.wish(&token, NOON).is_ok());
    // Whoever was erased has no link.
    let subject = house.directory.subject(house.directory.owner(&house.identifiers(E)[0]).unwrap());
    house.vault.shred(&[(subject, crate::vault::Class::STANDARD)]).unwrap();
    assert_eq!(dead(house.follows(&token, NOON)), DeadEnd::Unknown);
}

#[test]
fn of_two_who_press_at_once_one_grants() {
    let house = House::new();
    let token = house.asks(DE, NOON);
    let done: Vec<bool> = std::thread::scope(|scope| {
        let presses: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let (house, token) = (&house, &token);
                    move || house.follows(token, NOON + 1 + n).is_ok()
                })
            })
            .collect();
        presses.into_iter().map(|press| press.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|granted| **granted).count(), 1);
    house.consents.fold_check(&house.policy).unwrap();
}

#[derive(Clone, Debug)]
enum Act {
    Ask,
    AskSilently,
    Refuse,
    Follow(usize),
    Pass(i64),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Ask),
        1 => Just(Act::AskSilently),
        2 => Just(Act::Refuse),
        4 => (0..4_usize).prop_map(Act::Follow),
        2 => (1..9_i64).prop_map(Act::Pass),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn in_any_story_only_a_link_that_is_good_grants(acts in proptest::collection::vec(act(), 1..24)) {
        let mut house = House::new();
        let (mut at, mut links, mut granted) = (NOON, Vec::<String>::new(), false);
        // The link that is good, and until when.
        let mut good: Option<(usize, Millis)> = None;
        for act in acts {
            at += 1;
            match act {
                Act::Ask => {
                    links.push(house.asks(DE, at));
                    good = Some((links.len() - 1, at + 7 * DAY_MS));
                }
                Act::AskSilently => {
                    house.asks_silently(DE, at);
                    good = good.filter(|(_, until)| *until > at);
                }
                Act::Refuse => {
                    house.decide(DE, &[(MAIL, false)], at);
                    (granted, good) = (false, None);
                }
                Act::Follow(back) => {
                    let Some(which) = links.len().checked_sub(back + 1) else { continue };
                    let holds = good.is_some_and(|(link, until)| link == which && until > at);
                    prop_assert_eq!(house.follows(&links[which], at).is_ok(), holds);
                    if holds {
                        (granted, good) = (true, None);
                    }
                }
                Act::Pass(days) => at += days * DAY_MS,
                Act::Restart => house.restart(),
            }
            for who in [D, E, DE] {
                prop_assert_eq!(house.allows(who, MAIL, at), granted);
            }
            house.consents.fold_check(&house.policy).unwrap();
        }
    }
}
