use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

fn shipped() -> Policy {
    policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

/// A policy of its own for each number, with a notice of its own.
fn numbered(number: usize) -> Policy {
    let mut policy = shipped();
    policy.written = policy.written.replace("Dürfen wir Ihre Daten verwenden?", &format!("Dürfen wir {number}?"));
    policy.version = policy::hash(&policy.written);
    for text in policy.notices.iter_mut().flat_map(|notice| notice.languages.values_mut()) {
        text.shown = text.shown.replace("\"version\":1", &format!("\"version\":{}", number + 1));
        text.hash = policy::hash(&text.shown);
    }
    policy
}

static NUMBERED: LazyLock<Vec<Policy>> = LazyLock::new(|| (0..4).map(numbered).collect());

#[test]
fn what_was_in_force_can_be_shown_with_its_words_whatever_is_in_force_now() {
    let store = Store::memory();
    let chronicle = Chronicle::open(&store).unwrap();
    assert_eq!(chronicle.periods(None, 9).unwrap(), []);
    let (first, second) = (shipped(), numbered(7));
    chronicle.turn().keep(&first, 1_000).unwrap();
    chronicle.turn().keep(&second, 2_000).unwrap();
    // The clock steps back, and the first one comes back.
    chronicle.turn().keep(&first, 500).unwrap();
    let again = Chronicle::open(&store).unwrap();
    for chronicle in [&chronicle, &again] {
        let periods = chronicle.periods(None, 9).unwrap();
        let seen: Vec<_> = periods.iter().map(|p| (p.number, p.version.as_str(), p.since, p.until)).collect();
        let (a, b) = (first.version.as_str(), second.version.as_str());
        assert_eq!(seen, [(3, a, 2_000, None), (2, b, 2_000, Some(2_000)), (1, a, 1_000, Some(2_000))]);
        assert_eq!(chronicle.periods(Some(2), 9).unwrap(), periods[2..]);
        assert_eq!(chronicle.periods(None, 1).unwrap(), periods[..1]);
        assert!(chronicle.periods(Some(0), 9).unwrap().is_empty() && chronicle.periods(Some(u32::MAX), 9).unwrap() == periods);
    }
    assert_eq!(again.policy(&first.version).unwrap().version, first.version);
    let banner = &first.notice("web-banner").unwrap().languages["de"];
    let wording = again.wording(&banner.hash).unwrap().unwrap();
    assert_eq!((wording.title, wording.body), (banner.title.clone(), banner.body.clone()));
    for hash in ["", "zz", &"0".repeat(64), &banner.hash[1..]] {
        assert!(matches!(again.text(hash), Err(Error::Unknown)), "{hash}");
        assert_eq!(again.wording(hash).unwrap(), None);
    }
}

#[test]
fn what_is_in_force_already_is_not_written_again() {
    let store = Store::memory();
    let keep = |at| Chronicle::open(&store).unwrap().turn().keep(&shipped(), at);
    keep(1_000).unwrap();
    store.close().unwrap();
    keep(2_000).unwrap();
    let chronicle = Chronicle::open(&store).unwrap();
    assert!(chronicle.turn().keep(&numbered(1), 3_000).is_err(), "and what cannot be kept is not said to be");
    let versions: Vec<String> = chronicle.periods(None, 9).unwrap().into_iter().map(|period| period.version).collect();
    assert_eq!(versions, [shipped().version]);
}

#[test]
fn other_words_under_a_hash_are_found_out() {
    let store = Store::memory();
    let chronicle = Chronicle::open(&store).unwrap();
    let policy = shipped();
    chronicle.turn().keep(&policy, 1_000).unwrap();
    let hash = &policy.notice("web-banner").unwrap().languages["de"].hash;
    let place = Place { of: Digest::parse(hash).unwrap(), piece: 0 };
    let Piece(mut bytes) = TEXTS.get(&store, &place).unwrap().unwrap();
    bytes[40] ^= 1;
    let mut batch = Batch::default();
    TEXTS.put(&mut batch, &place, &Piece(bytes));
    store.commit_blocking(batch).unwrap();
    assert!(matches!(chronicle.wording(hash), Err(Error::Store(store::Error::Damaged { .. }))));
}

#[test]
fn a_policy_that_is_longer_than_a_value_is_kept_whole() {
    let store = Store::memory();
    let chronicle = Chronicle::open(&store).unwrap();
    let mut policy = shipped();
    policy.written.push_str(&"ä".repeat(3 * PIECE_BYTES));
    policy.version = policy::hash(&policy.written);
    chronicle.turn().keep(&policy, 1_000).unwrap();
    assert_eq!(chronicle.text(&policy.version).unwrap(), policy.written);
    assert!(
        matches!(chronicle.policy(&policy.version), Err(Error::Unreadable)),
        "it is no policy any more, and is shown all the same"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn periods_are_the_changes_and_nothing_else(steps in prop::collection::vec((0_usize..4, 0_i64..50, any::<bool>()), 1..24)) {
        let store = Store::memory();
        let mut chronicle = Chronicle::open(&store).unwrap();
        let mut expected: Vec<(String, Millis)> = Vec::new();
        for (which, at, reopen) in steps {
            let policy = &NUMBERED[which];
            chronicle.turn().keep(policy, at).unwrap();
            if expected.last().is_none_or(|(version, _)| *version != policy.version) {
                let since = expected.last().map_or(at, |(_, before)| at.max(*before));
                expected.push((policy.version.clone(), since));
            }
            if reopen {
                chronicle = Chronicle::open(&store).unwrap();
            }
        }
        let mut periods = chronicle.periods(None, 99).unwrap();
        periods.reverse();
        let seen: Vec<(String, Millis)> = periods.iter().map(|period| (period.version.clone(), period.since)).collect();
        prop_assert_eq!(&seen, &expected);
        for (period, next) in periods.iter().zip(periods.iter().skip(1).map(Some).chain([None])) {
            prop_assert_eq!(period.until, next.map(|next| next.since));
            prop_assert_eq!(policy::hash(&chronicle.text(&period.version).unwrap()), period.version.clone());
        }
    }
}
