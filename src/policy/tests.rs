//! Each rule, tried on the shipped policy with one thing broken.

mod again;
mod change;

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            {
                std::fs::copy(&path, &target).unwrap();
            }
        }
    }
}

/// The shipped policy with one piece of one file replaced.
fn broken(file: &str, from: &str, to: &str) -> (Option<Policy>, Vec<Finding>) {
    let folder = tempfile::tempdir().unwrap();
    copy(&shipped(), folder.path());
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} no longer holds {from:?}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    examine(folder.path(), &[])
}

#[test]
fn the_shipped_policy_has_no_findings_and_the_promised_names() {
    let (policy, findings) = examine(&shipped(), &[]);
    assert_eq!(findings, [], "{findings:?}");
    let policy = policy.unwrap();
    let purposes: Vec<&str> = policy.purposes.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(purposes, ["necessary", "analytics", "personalization", "marketing_email", "ads_sharing", "identity_linking"]);
    let keys: Vec<&str> = policy.sources.iter().map(|s| s.write_key.as_str()).collect();
    assert_eq!(keys, ["wk_web", "wk_app", "wk_newsletter", "wk_till", "wk_service", "wk_import"]);
    let destinations: Vec<&str> = policy.destinations.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(destinations, ["profile", "archive", "partner"]);
    assert_eq!(policy.without_consent, Purposes::one(0));
    assert_eq!(policy.linking, Some(5));
    assert!(!policy.destinations[2].is_on());
}

/// Two types whose IDs have the same checksum.
const TWINS: &str = r#"[[identifier]]
id = "plumless"
kind = "custom"
paths = ["traits.plumless"]

[[identifier]]
id = "buckeroo"
kind = "custom"
paths = ["traits.buckeroo"]

[[identifier]]
id = "device""#;

/// File, what to replace, by what, the rule that must speak, the line on which it must.
const BROKEN: &[(&str, &str, &str, &str, usize)] = &[
    ("controller.toml", "name = \"Weinhaus Muster GmbH\"", "name = \"\"", "controller", 6),
    ("controller.toml", "\"DE\"", "\"Germany\"", "country", 6),
    ("controller.toml", "country = \"DE\"", "four_eyes = [\"all\"]\ncountry = \"DE\"", "four_eyes", 6),
    ("controller.toml", "language = \"de\"", "language = \"fr\"", "language", 6),
    ("purposes.toml", "id = \"analytics\"", "id = \"Analytics!\"", "id", 24),
    ("purposes.toml", "id = \"analytics\"", "id = \"necessary\"", "duplicate", 24),
    ("purposes.toml", "en = \"Statistics\"", "", "text-missing", 30),
    ("purposes.toml", "retention_days = 365", "retention_days = 0", "retention", 13),
    ("purposes.toml", "basis = \"contract\"", "basis = \"contract\"\nconsent_days = 3", "consent-days", 13),
    ("purposes.toml", "consent_days = 395\n", "", "consent-days", 24),
    ("purposes.toml", "\"Advertising\"", "\"Analytics\"", "category", 67),
    ("purposes.toml", "linking = \"identity_linking\"", "linking = \"necessary\"", "reference", 4),
    ("purposes.toml", "basis = \"contract\"", "basis = \"contract\"\ndouble_opt_in = true", "double-opt-in", 13),
    ("purposes.toml", "keep_years = 8", "keep_years = 80", "duty", 98),
    ("purposes.toml", "events = [\"Order Completed\", \"Order Refunded\"]", "events = []", "duty", 99),
    ("identifiers.toml", "paths = [\"userId\"]", "paths = []", "paths", 5),
    ("identifiers.toml", "paths = [\"userId\"]", "paths = [\"user\"]", "path", 7),
    ("identifiers.toml", "[[identifier]]\nid = \"device\"", TWINS, "tag", 37),
    ("sources.toml", "\"wk_app\"", "\"wk_web\"", "duplicate", 23),
    ("sources.toml", "\"wk_app\"", "\"secret key\"", "write-key", 23),
    ("sources.toml", "\"wk_app\"", "\"short\"", "write-key", 23),
    ("sources.toml", "\"http://localhost:*\"", "\"http://localhost:*/shop\"", "origin", 9),
    ("sources.toml", "\"http://localhost:*\"", "\"*\"", "origin", 9),
    ("sources.toml", "notice = \"web-banner\"", "notice = \"other\"", "reference", 15),
    ("sources.toml", "records_decisions = true", "records_decisions = true\nheeds_suppression = true", "suppression", 6),
    ("sources.toml", "rate_per_s = 50000", "rate_per_s = 0", "rate", 18),
    ("destinations.toml", "purposes = [\"personalization\"]", "purposes = []", "purposes", 8),
    ("destinations.toml", "purposes = [\"personalization\"]", "purposes = [\"fun\"]", "reference", 8),
    ("destinations.toml", "domain = \"archive\"", "erasure_url = \"https://a.example/\"\ndomain = \"archive\"", "erasure", 18),
    ("destinations.toml", "domain = \"shop\"", "domain = \"Shop 1\"", "domain", 7),
    ("destinations.toml", "\"context.locale\"", "\"userId\"", "field", 9),
    ("destinations.toml", "path = \"out\"", "", "kind", 16),
    ("destinations.toml", "url = \"\"", "url = \"http://partner.example\"", "url", 30),
    ("destinations.toml", "purposes = [\"ads_sharing\"]", "purposes = [\"necessary\"]", "partner-form", 34),
    ("destinations.toml", "kind = \"file\"\npath = \"out\"", "kind = \"profile\"", "one-profile", 1),
    ("routes.toml", "destination = \"profile\"", "destination = \"profil\"", "reference", 5),
    ("routes.toml", "\"track\"", "\"trace\"", "reference", 15),
    ("routes.toml", "sources = [\"web\", \"app\"]", "drop = [\"email\"]", "field", 14),
    ("routes.toml", "[[route]]\nid = \"all-to-archive\"\ndestination = \"archive\"\n", "", "unused", 15),
    ("notices/web-banner.de.toml", "\"analytics\"", "\"necessary\", \"analytics\"", "asks-needlessly", 2),
    ("notices/web-banner.de.toml", "version = 1", "version = 2", "notice-languages", 1),
    ("signals.toml", "purposes = [\"ads_sharing\"]", "purposes = [\"ads\"]", "reference", 5),
    ("signals.toml", "purposes = [\"ads_sharing\"]", "purposes = [\"necessary\"]", "signal", 5),
    ("signals.toml", "purposes = [\"ads_sharing\"]", "purposes = []", "signal", 5),
    ("signals.toml", "\"2026-11-26\"", "\"today\"", "signal", 9),
    ("signals.toml", "conflict = \"signal\"", "conflict = \"banner\"", "syntax", 7),
    ("signals.toml", "ad_user_data = [\"ads_sharing\"]", "ad_user_data = [\"necessary\"]", "consent-mode", 14),
    ("signals.toml", "ad_user_data", "ad_userdata", "syntax", 14),
    ("notices/web-banner.en.toml", "title = \"May we use your data?\"", "title = \"\"", "text-missing", 4),
    ("notices/web-banner.en.toml", "informs = [\"necessary\"]", "informs = [\"analytics\"]", "informs", 3),
    ("notices/web-banner.de.toml", "version = 1\nbuttons", "version = 2\nbuttons", "notice-languages", 1),
    ("notices/web-banner.de.toml", "preselected = []", "preselected = [\"analytics\"]", "preselected", 14),
    ("controller.toml", "https://www.weinhaus", "http://www.weinhaus", "url", 6),
    ("notices/web-banner.de.toml", "\"refuse_all\", ", "", "refuse-first-layer", 13),
    ("notices/web-banner.de.toml", ", \"choose\"", "", "bundled", 13),
    ("notices/web-banner.de.toml", "\"refuse_all\", \"choose\"", "\"choose\", \"refuse_all\"", "side-by-side", 13),
    ("notices/web-banner.de.toml", "\"accept_all\", \"refuse_all\"", "\"accept_all\", \"accept_all\"", "layout", 11),
    (
        "notices/till-spoken.de.toml",
        "purposes = [\"a",
        "purposes = [\"analytics\", \"analytics\", \"analytics\", \"analytics\", \"analytics\", \"a",
        "overloading",
        1,
    ),
    ("notices/web-banner.en.toml", "at any time, with as many clicks as now", "later", "withdrawal", 5),
    ("sources.toml", "records_decisions = true", "records_decisions = false", "withdrawal", 6),
    ("notices/web-banner.de.toml", "Daten verwenden?", "Daten verwenden? Das wäre schade", "stirring", 4),
    ("notices/web-banner.de.toml", "Daten verwenden?", "Daten verwenden!", "stirring", 4),
    ("purposes.toml", "to improve the shop.", "to improve your experience.", "vague", 33),
    ("notices/web-banner.en.toml", "You can refuse everything and still buy.", "By continuing you agree.", "conditional", 7),
    (
        "notices/till-spoken.en.toml",
        "You can say no",
        "So that you know it and do not have to ask us about it again and again while others wait behind you at the till you can say no",
        "plain-language",
        7,
    ),
    ("notices/till-spoken.de.toml", "Statistik zählen", "Einwilligungsverwaltungsplattform zählen", "plain-language", 6),
    ("sources.toml", "records_decisions", "record_decisions", "syntax", 10),
    ("routes.toml", "[[route]]", "[[route", "syntax", 3),
    ("preferences.toml", "id = \"occasions\"", "id = \"favourite_colour\"", "duplicate", 20),
    ("preferences.toml", "purposes = [\"personalization\"]", "purposes = []", "purposes", 8),
    ("preferences.toml", "purposes = [\"personalization\"]", "purposes = [\"fun\"]", "reference", 8),
    ("preferences.toml", "en = \"What do you like best?\"", "", "text-missing", 15),
    ("preferences.toml", "id = \"white\"", "id = \"red\"", "duplicate", 11),
    ("preferences.toml", "most = 3", "most = 9", "preference", 23),
    ("preferences.toml", "most = 3", "min = 3", "preference", 21),
    ("preferences.toml", "chars_max = 200", "", "preference", 47),
    ("preferences.toml", "chars_max = 200", "chars_max = 2000", "preference", 49),
    ("preferences.toml", "max = 500", "max = 3", "preference", 39),
    ("preferences.toml", "\"1900-01-01\"", "\"01.01.1900\"", "preference", 58),
    ("preferences.toml", "kind = \"date\"", "kind = \"day\"", "syntax", 56),
    ("preferences.toml", "implied = true", "implicit = true", "syntax", 68),
    ("destinations.toml", "\"context.locale\"", "\"preferences.colour\"", "reference", 9),
    ("destinations.toml", "\"context.locale\"", "\"preferences.birthday\"", "preference-purpose", 9),
];

#[test]
fn every_rule_speaks_with_file_line_and_cure() {
    let mut wrong: Vec<String> = Vec::new();
    for (file, from, to, rule, line) in BROKEN {
        let (policy, findings) = broken(file, from, to);
        let finding =
            findings.iter().find(|f| f.rule == *rule).unwrap_or_else(|| panic!("{rule} is silent about {to:?}: {findings:?}"));
        let of_this_file = if *rule == "unused" { "destinations.toml" } else { file };
        assert!(finding.file.ends_with(of_this_file), "{finding}");
        if finding.line != *line {
            wrong.push(format!("{} {rule} {to:?}: {}", finding.line, line));
        }
        assert!(!finding.cure.is_empty());
        assert_eq!(policy.is_none(), findings.iter().any(|f| f.severity == Severity::Error));
    }
    assert!(wrong.is_empty(), "found on the line, expected on the line:\n{}", wrong.join("\n"));
}

#[test]
fn a_misspelt_key_is_answered_with_the_right_one() {
    let (_, findings) = broken("sources.toml", "records_decisions", "record_decisions");
    assert!(findings[0].cure.contains("did you mean `records_decisions`?"), "{}", findings[0]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let (_, findings) = examine(Path::new("no such folder"), &[]);
    assert_eq!(findings[0].rule, "folder");
    let folder = tempfile::tempdir().unwrap();
    copy(&shipped(), folder.path());
    std::fs::write(folder.path().join("routes.toml"), [0xff, 0xfe]).unwrap();
    std::fs::remove_file(folder.path().join("sources.toml")).unwrap();
    std::fs::write(folder.path().join("notices/banner.toml"), "").unwrap();
    let (_, findings) = examine(folder.path(), &[]);
    let rules: Vec<&str> = findings.iter().map(|f| f.rule).collect();
    assert!(["encoding", "file", "file-name"].iter().all(|rule| rules.contains(rule)), "{rules:?}");
}

#[test]
fn the_version_changes_with_the_meaning_alone() {
    let version = |file: &str, from: &str, to: &str| broken(file, from, to).0.unwrap().version;
    let shipped = load(&shipped()).unwrap().version;
    assert_eq!(version("routes.toml", "# Which events", "# What"), shipped);
    assert_eq!(version("controller.toml", "country = \"DE\"", "country     =    \"DE\""), shipped);
    assert_ne!(version("routes.toml", "\"Order Completed\"", "\"Order Paid\""), shipped);
    assert_ne!(version("notices/web-banner.de.toml", "Dürfen wir", "Können wir"), shipped);
}

#[test]
fn a_notice_hash_covers_what_was_shown_in_that_language() {
    let hash = |p: &Policy, l: &str| p.notice("web-banner").unwrap().languages[l].hash.clone();
    let shipped = load(&shipped()).unwrap();
    let changed = broken("purposes.toml", "We count which pages", "We record which pages").0.unwrap();
    assert_eq!(hash(&shipped, "de"), hash(&changed, "de"));
    assert_ne!(hash(&shipped, "en"), hash(&changed, "en"));
    assert_ne!(hash(&shipped, "de"), hash(&shipped, "en"));
}

#[test]
fn purposes_keep_their_bits_over_a_reload() {
    let order: Vec<String> = ["gone", "identity_linking", "analytics"].map(String::from).to_vec();
    let policy = load_after(&shipped(), &order).unwrap();
    assert_eq!(policy.purpose("analytics"), Some(2));
    assert_eq!(policy.purpose("identity_linking"), Some(1));
    assert_eq!(policy.linking, Some(1));
    assert!(!policy.without_consent.has(0), "a retired purpose allows nothing");
    assert_eq!(policy.purpose_by_category("gone"), None);
    let archive = policy.destination("archive").unwrap().1;
    assert_eq!(archive.purposes, Purposes::one(2));
}

#[test]
fn the_reference_names_every_key_and_every_rule() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md")).unwrap();
    for (_, _, _, rule, _) in BROKEN {
        assert!(text.contains(&format!("`{rule}`")), "docs/policy.md does not explain the rule {rule}");
    }
    let raw = include_str!("raw.rs").split("/// A file that was read").next().unwrap();
    for line in raw.lines().filter_map(|l| l.trim().strip_prefix("pub(super) ")).filter(|l| l.ends_with(',')) {
        let key = line.split(':').next().unwrap();
        assert!(text.contains(&format!("`{key}`")), "docs/policy.md does not explain the key {key}");
    }
}

#[test]
fn the_shipped_cases_can_be_read() {
    assert!(cases::load(&shipped()).unwrap().len() >= 12);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_mangled_policy_is_refused_or_loaded_but_never_a_panic(file in 0..8_usize, at in any::<prop::sample::Index>(), with in "[ -~\\n]{0,6}", cut in 0..8_usize) {
        let files = ["controller.toml", "purposes.toml", "identifiers.toml", "sources.toml", "destinations.toml", "routes.toml", "notices/web-banner.de.toml", "notices/till-spoken.en.toml"];
        let folder = tempfile::tempdir().unwrap();
        copy(&shipped(), folder.path());
        let path = folder.path().join(files[file]);
        let mut chars: Vec<char> = std::fs::read_to_string(&path).unwrap().chars().collect();
        let at = at.index(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, with.chars());
        std::fs::write(&path, chars.into_iter().collect::<String>()).unwrap();
        let (policy, findings) = examine(folder.path(), &[]);
        prop_assert_eq!(policy.is_none(), findings.iter().any(|f| f.severity == Severity::Error));
    }
}

/// The partner of the shipped policy with a table of its own, and what it comes to.
fn told(table: &str) -> (Option<Way>, Vec<&'static str>) {
    let (policy, findings) = broken("destinations.toml", "phone = \"none\"", &format!("phone = \"none\"\n{table}"));
    let way = policy.map(|policy| policy.destinations.into_iter().last().unwrap().erasure.way);
    (way, findings.iter().map(|finding| finding.rule).collect())
}

#[test]
fn how_a_recipient_is_told_of_an_erasure_is_one_table() {
    let url = String::from("https://dsr.partner.example/v2");
    let (token_file, ca_file) = (Some(String::from("keys/partner.token")), None);
    let table = "[destination.erasure]\nkind =";
    for (text, way) in [
        (String::new(), Way::Manual),
        (
            String::from("erasure_url = \"https://p.example/erase\""),
            Way::Message { url: String::from("https://p.example/erase") },
        ),
        (format!("{table} \"message\"\nurl = \"{url}\""), Way::Message { url: url.clone() }),
        (
            format!("{table} \"opendsr\"\nurl = \"{url}/\"\ntoken_file = \"keys/partner.token\""),
            Way::OpenDsr { url: url.clone(), token_file, ca_file },
        ),
        (
            format!("{table} \"segment\"\nurl = \"{url}\"\ntoken_file = \"t\""),
            Way::Segment { url, token_file: String::from("t") },
        ),
        (format!("{table} \"manual\""), Way::Manual),
        (format!("{table} \"none\""), Way::Unsupported),
    ] {
        assert_eq!(told(&text), (Some(way), Vec::new()), "{text}");
    }
}

#[test]
fn a_table_that_cannot_work_does_not_load() {
    let table = "[destination.erasure]\nkind =";
    for text in [
        format!("{table} \"message\""),
        format!("{table} \"opendsr\"\nurl = \"\""),
        format!("{table} \"manual\"\nurl = \"https://p.example\""),
        format!("{table} \"none\"\nurl = \"https://p.example\""),
        format!("{table} \"segment\"\nurl = \"https://p.example\""),
        format!("{table} \"message\"\nurl = \"https://p.example\"\ntoken_file = \"t\""),
        format!("{table} \"segment\"\nurl = \"https://p.example\"\ntoken_file = \"t\"\nca_file = \"c\""),
        format!("erasure_url = \"https://p.example\"\n{table} \"manual\""),
    ] {
        assert_eq!(told(&text), (None, vec!["erasure"]), "{text}");
    }
    assert_eq!(told(&format!("{table} \"message\"\nurl = \"http://p.example\"")), (None, vec!["url"]));
    assert_eq!(told(&format!("{table} \"pigeon\"")), (None, vec!["syntax"]));
    let own = broken("destinations.toml", "phone = \"keyed\"", &format!("phone = \"keyed\"\n{table} \"manual\""));
    assert_eq!(own.1.iter().map(|f| f.rule).collect::<Vec<_>>(), ["erasure"], "the embedded store forgets by itself");
}

#[test]
fn an_event_is_kept_for_one_duty_and_a_duty_says_its_law() {
    let second = "[[duty]]\nid = \"again\"\nkeep_years = 1\nevents = [\"Order Completed\"]\n[duty.law]\nde = \"x\"\n\n[[duty]]\nid = \"invoices\"";
    let (policy, findings) = broken("purposes.toml", "[[duty]]\nid = \"invoices\"", second);
    assert!(policy.is_none());
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["text-missing", "duty"], "{findings:?}");
    let invoices = load(&shipped()).unwrap();
    let duty = invoices.duty("Order Completed").unwrap();
    assert_eq!((duty.id.as_str(), duty.keep_years), ("invoices", 8));
    assert!(duty.law["de"].contains("§ 147") && duty.law["en"].contains("HGB"));
    assert!(invoices.duty("Product Viewed").is_none());
}
