//! What of a grant counts when the policy changes: against a model that remembers every grant with its terms.

use super::*;
use crate::policy::{Terms, Widening};

/// The shipped policy with one piece of one file replaced.
fn variant(edits: &[(&str, &str, &str)]) -> Arc<Policy> {
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"), tempfile::tempdir().unwrap());
    std::fs::create_dir(to.path().join("notices")).unwrap();
    for inner in ["", "notices"] {
        for entry in std::fs::read_dir(from.join(inner)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), to.path().join(inner).join(entry.file_name())).unwrap();
        }
    }
    for (file, from, with) in edits {
        let path = to.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        std::fs::write(path, text.replacen(from, with, 1)).unwrap();
    }
    Arc::new(policy::load(to.path()).unwrap())
}

fn variants() -> Vec<Arc<Policy>> {
    let typo = ("purposes.toml", "We count which pages", "We count, which pages");
    let data = ("purposes.toml", "\"usage data\", \"device data\"", "\"usage data\", \"device data\", \"location\"");
    let partner = ("destinations.toml", "purposes = [\"ads_sharing\"]", "purposes = [\"ads_sharing\", \"analytics\"]");
    let on = ("destinations.toml", "url = \"\"", "url = \"https://partner.example\"");
    [&[][..], &[typo], &[data], &[partner, on], &[data, partner, on], &[on]].into_iter().map(variant).collect()
}

impl House {
    fn reload(&mut self, policy: &Arc<Policy>) {
        self.consents.enforce(policy);
        self.policy = Arc::clone(policy);
    }
}

const ASKED: [&str; 2] = ["analytics", "ads_sharing"];

#[test]
fn a_typo_changes_nothing_and_more_waits_until_somebody_agrees_again() {
    let [shipped, typo, data, partner, ..] = <[_; 6]>::try_from(variants()).unwrap();
    let mut house = House::new();
    house.decide(D, &[("analytics", true), ("personalization", true)], NOON);
    let (analytics, partners) = (house.bit("analytics"), 1 << shipped.destination("partner").unwrap().0);
    for round in 0..2 {
        house.reload(&typo);
        assert_eq!((house.standing(D, NOON + 1).outdated, house.standing(D, NOON + 1).strangers), (Purposes::NONE, 0));
        house.reload(&data);
        let standing = house.standing(D, NOON + 1);
        assert_eq!((standing.outdated, standing.granted), (analytics, house.bit("personalization")), "round {round}");
        assert_eq!(house.consents.outdated(&house.identifiers(D), &data).unwrap(), (analytics, Purposes::NONE));
        house.reload(&partner);
        let standing = house.standing(D, NOON + 1);
        assert_eq!((standing.outdated, standing.strangers), (Purposes::NONE, partners), "the other recipients go on");
        assert_eq!(house.consents.outdated(&house.identifiers(D), &partner).unwrap(), (Purposes::NONE, analytics));
        assert_eq!(house.consents.refused_less(&house.identifiers(D), &partner).unwrap(), Purposes::NONE);
        house.reload(&shipped);
        assert!(house.allows(D, "analytics", NOON + 1), "and what was taken back counts as it did");
        house.consents.fold_check(&house.policy).unwrap();
        house.restart();
    }
    house.reload(&data);
    house.decide(D, &[("analytics", true)], NOON + 2);
    assert!(house.allows(D, "analytics", NOON + 3));
    house.restart();
    assert!(house.allows(D, "analytics", NOON + 3));
}

/// Whether whoever refused this is asked again: by what the gateway knows of them, and by what a browser alone remembers.
fn asked_again(house: &House, who: &[(&str, &str)], purpose: &str, tag: u64) -> [bool; 2] {
    let bit = house.bit(purpose);
    let known = house.consents.refused_less(&house.identifiers(who), &house.policy).unwrap();
    [known.and(bit) == bit, house.consents.still_refused(bit, tag).is_empty()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_grant_counts_for_what_it_was_given_for(acts in prop::collection::vec((0..3_usize, 0..6_usize, 0..2_usize, any::<bool>()), 1..16)) {
        let variants = variants();
        let mut house = House::new();
        let who: [&[(&str, &str)]; 2] = [D, U];
        let mut given: BTreeMap<(usize, usize), (bool, Terms)> = BTreeMap::new();
        let mut tags: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (at, (act, policy, person, yes)) in acts.into_iter().enumerate() {
            let at = NOON + i64::try_from(at).unwrap();
            match act {
                0 => house.reload(&variants[policy]),
                1 => house.restart(),
                _ => {
                    let purpose = policy % ASKED.len();
                    house.decide(who[person], &[(ASKED[purpose], yes)], at);
                    tags.insert((person, purpose), house.policy.terms.tag);
                    given.insert((person, purpose), (yes, house.policy.terms.of[ASKED[purpose]].clone()));
                }
            }
            for ((person, purpose), (yes, then)) in &given {
                let standing = house.standing(who[*person], at + 1);
                let wider = then.widened_by(&house.policy.terms.of[ASKED[*purpose]]);
                let again = asked_again(&house, who[*person], ASKED[*purpose], tags[&(*person, *purpose)]);
                prop_assert_eq!(again, [!wider.is_empty() && !yes, !wider.is_empty()], "{:?}", wider);
                let counts = *yes && wider.iter().all(|widening| widening.recipient().is_some());
                prop_assert_eq!(!standing.granted.and(house.bit(ASKED[*purpose])).is_empty(), counts, "{:?}", wider);
                for stranger in wider.iter().filter(|_| counts).filter_map(Widening::recipient) {
                    prop_assert!(standing.is_stranger(house.policy.destination(stranger).unwrap().0));
                }
            }
            house.consents.fold_check(&house.policy).unwrap();
        }
    }
}
