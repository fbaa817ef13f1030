//! What changed, and who is asked again because of it.

use super::*;
use crate::texts::{Language, Words};

/// File, what to replace, by what, about whom something is said, and whether it asks again.
pub(super) const EDITS: &[(&str, &str, &str, &str, bool)] = &[
    ("purposes.toml", "We count which pages", "We count, which pages", "analytics", false),
    ("purposes.toml", "de = \"Personalisierung\"", "de = \"Empfehlungen\"", "personalization", false),
    ("purposes.toml", "consent_days = 730", "consent_days = 365", "marketing_email", false),
    ("purposes.toml", "\"e-mail address\", ", "", "marketing_email", false),
    ("purposes.toml", "retention_days = 90", "retention_days = 60", "ads_sharing", false),
    ("purposes.toml", "\"Cross-Device\"", "\"Devices\"", "identity_linking", false),
    ("purposes.toml", "\"order data\"", "\"order data\", \"usage data\"", "necessary", false),
    (
        "destinations.toml",
        "fields = [\"properties.*\", \"context.locale\", ",
        "fields = [\"properties.*\", \"context.timezone\", ",
        "profile",
        false,
    ),
    ("routes.toml", "\"Order Completed\"", "\"Order Completed\", \"Order Refunded\"", "orders-to-partner", false),
    ("notices/till-spoken.de.toml", "Dürfen wir Ihren Einkauf", "Dürfen wir den Einkauf", "till-spoken", false),
    ("sources.toml", "token = \"required\"", "token = \"off\"", "web", false),
    ("purposes.toml", "\"usage data\", \"device data\"", "\"usage data\", \"device data\", \"location\"", "analytics", true),
    ("purposes.toml", "retention_days = 730", "retention_days = 731", "marketing_email", true),
    ("purposes.toml", "id = \"identity_linking\"", "id = \"identity_linking\"\nversion = 2", "identity_linking", true),
    (
        "destinations.toml",
        "purposes = [\"personalization\"]",
        "truncated_ip = true\npurposes = [\"personalization\"]",
        "personalization",
        true,
    ),
    ("destinations.toml", "url = \"\"", "url = \"https://partner.example\"", "ads_sharing", true),
];

fn changed(edits: &[&(&str, &str, &str, &str, bool)]) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    copy(&shipped(), folder.path());
    for (file, from, to, ..) in edits {
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} no longer holds {from:?}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
    load(folder.path()).unwrap()
}

#[test]
fn a_typo_asks_nobody_and_more_of_anything_asks_again() {
    let old = load(&shipped()).unwrap();
    assert_eq!(diff(&old, &old), []);
    for edit in EDITS {
        let (_, _, to, about, asks) = edit;
        let new = changed(&[edit]);
        let found = diff(&old, &new);
        assert_eq!(found.iter().any(|change| change.asks_again), *asks, "{to}: {found:?}");
        let of = |change: &&Change| change.id == *about && change.asks_again == *asks;
        assert!(found.iter().any(|change| of(&change)), "{to}: {found:?}");
        for said in found.iter().flat_map(|change| Language::ALL.map(|language| change.words(Words(language)))) {
            assert!(!said.contains("policy-") && !said.contains('$'), "{said}");
        }
        assert_eq!(old.terms.tag == new.terms.tag, old.terms == new.terms);
        // The other way round, what was more is less.
        if *asks && !to.contains("version") {
            assert!(!diff(&new, &old).iter().any(|change| change.asks_again), "{to}");
        }
    }
    let name = ("controller.toml", "name = \"Weinhaus Muster GmbH\"", "name = \"Weinhaus Anders GmbH\"", "", true);
    let asked = diff(&old, &changed(&[&name])).into_iter().filter(|change| change.asks_again).count();
    assert_eq!(asked, 5, "with another controller all five purposes on consent are asked for again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn changes_ask_again_if_one_of_them_does(chosen in prop::collection::btree_set(0..EDITS.len(), 0..6)) {
        let edits: Vec<_> = chosen.iter().filter_map(|index| EDITS.get(*index)).collect();
        let (old, new) = (load(&shipped()).unwrap(), changed(&edits));
        let found = diff(&old, &new);
        prop_assert_eq!(found.iter().any(|change| change.asks_again), edits.iter().any(|edit| edit.4), "{:?}", found);
        let asked: std::collections::BTreeSet<&str> = found.iter().filter(|change| change.asks_again).map(|change| change.id.as_str()).collect();
        let expected: std::collections::BTreeSet<&str> = edits.iter().filter(|edit| edit.4).map(|edit| edit.3).collect();
        prop_assert_eq!(asked, expected);
    }
}
