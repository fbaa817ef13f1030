//! What is kept of a policy is the policy.

use super::*;

fn is_kept(policy: &Policy) {
    assert_eq!(hash(&policy.written), policy.version);
    let again = read_again(&policy.written).unwrap();
    assert_eq!((&again.version, &again.terms), (&policy.version, &policy.terms));
    assert_eq!((diff(policy, &again), diff(&again, policy)), (vec![], vec![]));
    assert_eq!(format!("{again:?}"), format!("{policy:?}"), "in everything that it says");
    for (language, text) in policy.notices.iter().flat_map(|notice| &notice.languages) {
        assert_eq!(hash(&text.shown), text.hash);
        let wording = Original::read(&text.shown).unwrap();
        assert_eq!((&wording.title, &wording.body, &wording.language), (&text.title, &text.body, language));
        assert!(!wording.purposes.is_empty() && wording.purposes.iter().all(|purpose| purpose.text.is_some()));
    }
}

#[test]
fn a_policy_that_was_kept_is_read_as_it_was() {
    let shipped = load(&super::shipped()).unwrap();
    is_kept(&shipped);
    for (file, from, to, ..) in change::EDITS {
        is_kept(&broken(file, from, to).0.unwrap());
    }
    for text in ["", "{}", "[]", "null", "{\"notices\":{}}", &shipped.notices[0].languages["de"].shown] {
        assert!(read_again(text).is_none(), "{text}");
        assert!(Original::read(text).is_none_or(|wording| !wording.title.is_empty()), "{text}");
    }
    let later = shipped.written.replacen("\"linking\"", "\"linking_of_tomorrow\"", 1);
    assert!(read_again(&later).is_none(), "what this program does not know is not left out in silence");
    assert!(read_again(&shipped.written.replacen(':', ": ", 1)).is_none(), "nor another form of the same");
}

#[test]
fn files_that_may_be_missing_may_be_missing() {
    for file in ["signals.toml", "preferences.toml"] {
        let folder = tempfile::tempdir().unwrap();
        copy(&super::shipped(), folder.path());
        std::fs::remove_file(folder.path().join(file)).unwrap();
        is_kept(&examine(folder.path(), &[]).0.unwrap());
    }
}
