use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_bundle::FluentResource;
use jiff::civil::date;

use super::*;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The keys of a catalogue, and for each the names of what is put in.
fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for file in language.files() {
        let resource = FluentResource::try_new((*file).to_owned()).map_err(|(_, errors)| errors).unwrap();
        drop(resource);
        let (mut key, mut put_in): (Option<String>, BTreeSet<String>) = (None, BTreeSet::new());
        for line in file.lines().chain(["end ="]) {
            let begins = line.chars().next().is_some_and(|c| c.is_ascii_lowercase());
            let name = line.split_once('=').filter(|_| begins).map(|(name, _)| name.trim().to_owned());
            if let Some(before) = name.and_then(|name| key.replace(name)) {
                assert!(all.insert(before.clone(), std::mem::take(&mut put_in)).is_none(), "{before} is there twice");
            }
            put_in.extend(line.split('$').skip(1).map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase()).collect()));
        }
    }
    all
}

fn files(dir: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, into);
        } else if path.extension().is_some_and(|e| e == ending) {
            into.push(path);
        }
    }
}

/// Every key that code and templates name, as a whole (`t.say("key")`, `says("key")`) or by its beginning (`text_key("kind-", …)`).
fn used() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut paths = Vec::new();
    files(&root().join("src"), "rs", &mut paths);
    files(&root().join("templates"), "html", &mut paths);
    files(&root().join("templates"), "txt", &mut paths);
    let (mut whole, mut begun) = (BTreeSet::new(), BTreeSet::new());
    for path in paths.iter().filter(|path| !path.ends_with("texts/tests.rs")) {
        let text = std::fs::read_to_string(path).unwrap();
        // A call may be broken over lines.
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("( \"", "(\"");
        let named = |call: &str| -> Vec<String> {
            joined.split(call).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
        };
        // What is said in two languages at once, on older pages, is no key.
        let is_key = |name: &String| name.contains('-') && !name.contains(' ');
        whole.extend([".say(\"", ".of(\"", ".all(\"", " says(\"", "(says(\""].into_iter().flat_map(named).filter(is_key));
        begun.extend(named("text_key(\""));
    }
    (whole, begun)
}

#[test]
fn every_language_says_everything_and_puts_in_the_same() {
    let (german, english) = (keys(Language::German), keys(Language::English));
    for (key, put_in) in &german {
        assert_eq!(english.get(key), Some(put_in), "{key} in English");
    }
    for key in english.keys() {
        assert!(german.contains_key(key), "{key} in German");
    }
    assert!(german.len() > 40, "the test no longer recognises keys");
}

#[test]
fn every_text_that_is_asked_for_is_there_and_every_text_that_is_there_is_asked_for() {
    let keys = keys(Language::German);
    let (whole, begun) = used();
    for key in &whole {
        assert!(keys.contains_key(key), "{key} is in no catalogue");
    }
    for begin in &begun {
        assert!(keys.keys().any(|key| key.starts_with(begin.as_str())), "{begin}… is in no catalogue");
    }
    for key in keys.keys() {
        let is_used = ["day", "month", "moment"].contains(&key.as_str())
            || whole.contains(key)
            || begun.iter().any(|begin| key.starts_with(begin.as_str()));
        assert!(is_used, "nobody asks for {key}");
    }
}

#[test]
fn no_text_holds_markup() {
    for language in Language::ALL {
        for file in language.files() {
            assert!(!file.contains('<') && !file.contains("&nbsp;") && !file.contains("http"), "{}", language.code());
        }
    }
}

#[test]
fn days_and_moments_are_written_as_the_language_writes_them() {
    let (german, english) = (Words(Language::German), Words(Language::English));
    let day = date(2026, 3, 1);
    assert_eq!((german.day(day), english.day(day)), (String::from("1. März 2026"), String::from("1 March 2026")));
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    // 2026-11-25T23:30:00Z is the next day in Mainz.
    assert_eq!(german.moment(1_795_649_400_000, &zone), "26. November 2026, 00:30 Uhr");
    assert_eq!(english.moment(1_795_649_400_000, &zone), "26 November 2026, 00:30");
}

#[test]
fn languages_are_known_by_their_tags() {
    assert_eq!(Language::parse("DE"), Some(Language::German));
    assert_eq!(Language::parse("en"), Some(Language::English));
    assert_eq!(Language::parse("fr"), None);
}
