//! What people state about themselves in the portal: kept, shown with what it is used for, changed on the state that was shown, forgotten.

use serde_json::{Value, json};

use super::{Browser, is_guarded, known};
use crate::harness::people::{Person, policy_where};
use crate::harness::{Answer, CANARY, Gateway};

const PAGE: &str = "/portal/preferences";
/// Everything that the form of the shipped policy asks for, and the value that says nothing.
const ASKED: [&str; 6] = ["favourite_colour", "occasions", "bottle_budget", "dislikes", "birthday", "channels.email"];

/// Which state a page shows.
fn version(page: &Answer) -> String {
    let found = page.text.split("name=\"version\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    found.unwrap_or_else(|| panic!("nothing can be changed on {}", page.text)).to_owned()
}

/// Sends the whole form as a browser does: what is not filled in is empty. Gives the page that one ends up on.
fn fill_in(browser: &mut Browser<'_>, version: &str, said: &[(&str, &str)]) -> Answer {
    let names: Vec<String> = said.iter().map(|(about, _)| format!("s-{about}")).collect();
    let mut fields: Vec<(&str, &str)> = ASKED.iter().map(|about| ("asked", *about)).collect();
    fields.extend(names.iter().map(String::as_str).zip(said.iter().map(|(_, value)| *value)));
    fields.push(("version", version));
    browser.submit(PAGE, PAGE, &fields)
}

fn says(browser: &mut Browser<'_>, said: &[(&str, &str)]) -> Answer {
    let version = version(&browser.get(PAGE));
    let page = fill_in(browser, &version, said);
    assert!(page.status == 200 && page.text.contains("<p>Gespeichert.</p>"), "{}", page.text);
    page
}

/// What stands on the card of something that can be stated.
fn card<'a>(page: &'a Answer, about: &str) -> &'a str {
    let after = page.text.split(&format!("id=\"c-{about}\"")).nth(1).unwrap_or_else(|| panic!("no {about}: {}", page.text));
    // Lists stand in cards, so their own end is that of the next card or of all.
    let end = after.find("<li class=\"card\"").or_else(|| after.find("</form>")).unwrap_or(after.len());
    &after[..end]
}

fn call(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Value {
    let key = format!("Bearer {}", gateway.operator());
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    let answer = gateway.request(method, path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn stands(gateway: &Gateway, who: &Value) -> Value {
    call(gateway, "POST", "/v1/preferences/lookup", &json!({"identifiers": who}))
}

fn desk(gateway: &Gateway, who: &Value, preferences: &Value) {
    call(gateway, "PATCH", "/v1/preferences", &json!({"identifiers": who, "preferences": preferences}));
}

const ALL: [(&str, &str); 7] = [
    ("favourite_colour", "red"),
    ("occasions", "gift"),
    ("occasions", "dinner"),
    ("bottle_budget", "15"),
    ("dislikes", "Barrique,\r\nKork und kanarienvogel"),
    ("birthday", "1980-02-29"),
    ("channels.email", "weekly"),
];

#[test]
fn what_somebody_states_is_kept_and_shown_with_what_it_is_used_for() {
    let mut gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("personalization", "granted"), ("marketing_email", "denied")]);
    let who = json!({"email": erika.email});
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let empty = browser.get(PAGE);
    is_guarded(&empty);
    assert!(card(&empty, "favourite_colour").contains("erlaubt, würde dafür verwendet"), "{}", empty.text);
    assert!(!empty.text.contains("Gespeichert ist") && !empty.text.contains("Was Sie wann gesagt haben"), "{}", empty.text);
    let page = says(&mut browser, &ALL);
    for (about, words) in [
        ("favourite_colour", "Rotwein"),
        ("occasions", "zum Essen mit Gästen, zum Verschenken"),
        ("bottle_budget", "<strong class=\"said\">15</strong>"),
        ("dislikes", "Barrique,\nKork und kanarienvogel</strong>"),
        ("birthday", "29. Februar 1980"),
        ("channels.email", "ja, höchstens einmal in der Woche</strong>"),
        ("favourite_colour", "Personalisierung</a>: <span class=\"on\">wird dafür verwendet"),
        ("birthday", "Newsletter</a>: <span>nicht erlaubt, wird dafür nicht verwendet"),
        ("channels.email", "Sie erlauben es nicht"),
        ("favourite_colour", "hier im Portal, aufbewahrt bis"),
    ] {
        assert!(card(&page, about).contains(words), "{about}: {words}: {}", page.text);
    }
    let api = stands(&gateway, &who);
    assert_eq!(api["preferences"]["occasions"]["value"], json!(["dinner", "gift"]));
    assert_eq!(api["preferences"]["dislikes"]["value"], "Barrique,\nKork und kanarienvogel");
    assert_eq!(
        (&api["preferences"]["favourite_colour"]["usableFor"], &api["preferences"]["birthday"]["usableFor"]),
        (&json!(["personalization"]), &json!([]))
    );
    assert_eq!((&api["channels"]["email"]["atMost"], &api["channels"]["email"]["source"]), (&json!("weekly"), &json!("portal")));
    gateway.crash();
    // What does not change is not said again, and what is emptied is taken back.
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let changed: Vec<_> =
        ALL.iter().map(|(about, value)| if *value == "15" { (*about, "20") } else { (*about, *value) }).collect();
    let changed: Vec<_> = changed.into_iter().filter(|(about, _)| *about != "birthday").collect();
    let page = says(&mut browser, &changed);
    let past = call(&gateway, "POST", "/v1/preferences/history", &json!({"identifiers": who}));
    assert_eq!(past["changes"][1]["changes"], json!({"bottle_budget": 20, "birthday": null}), "{past}");
    let history = page.text.split("Was Sie wann gesagt haben").nth(1).unwrap();
    assert!(history.contains("zurückgenommen") && history.find("20<") < history.find("15<"), "{history}");
    // Without the permission it stays where it is.
    browser.submit("/portal", "/portal/decisions", &[("purpose", "personalization"), ("decision", "denied")]);
    let page = browser.get(PAGE);
    let words = card(&page, "favourite_colour");
    assert!(words.contains("Rotwein") && words.contains("nicht erlaubt, wird dafür nicht verwendet"), "{words}");
}

#[test]
fn what_somebody_wants_to_be_forgotten_is_gone_from_the_history_too() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("personalization", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    says(&mut browser, &[("dislikes", "Barrique"), ("favourite_colour", "red"), ("channels.email", "no")]);
    says(&mut browser, &[("dislikes", "Bitterstoffe"), ("favourite_colour", "red"), ("channels.email", "no")]);
    let mut forget = |about: &str| {
        let version = version(&browser.get(PAGE));
        browser.submit(PAGE, "/portal/preferences/forget", &[("about", about), ("version", &version)])
    };
    let page = forget("dislikes");
    assert!(page.text.contains("Vergessen, auch im Verlauf"), "{}", page.text);
    assert!(!page.text.contains("Barrique") && !page.text.contains("Bitterstoffe") && page.text.contains("Rotwein"));
    assert!(page.text.split("Was Sie wann gesagt haben").nth(1).unwrap().contains("zurückgenommen"), "{}", page.text);
    let page = forget("channels.email");
    assert!(!card(&page, "channels.email").contains("Gespeichert ist"), "{}", page.text);
    let past = call(&gateway, "POST", "/v1/preferences/history", &json!({"identifiers": {"email": erika.email}})).to_string();
    assert!(!past.contains("Barrique") && !past.contains("Bitterstoffe") && past.contains("red"), "{past}");
    assert_eq!(forget("nothing").status, 422);
}

/// Calls as well, which nobody has agreed to by agreeing to something else.
const CALLS: &str = "[[channel]]\nkind = \"phone\"\npurposes = [\"marketing_email\"]\nimplied = false\nfrequencies = [\"monthly\"]\n\
                     [channel.title]\nde = \"Per Telefon\"\nen = \"By phone\"\n\n# How people";

#[test]
fn a_channel_says_whether_it_is_open_and_what_is_missing() {
    let policies = policy_where("preferences.toml", "# How people", CALLS);
    let gateway = Gateway::with_policies(policies.path());
    let erika = known(&gateway, "erika", &[("personalization", "granted")]);
    let mut browser = Browser::new(&gateway).english().sign_in(&erika.email);
    assert!(card(&browser.get(PAGE), "channels.email").contains("you do not allow it"));
    browser.submit("/portal", "/portal/decisions", &[("purpose", "marketing_email"), ("decision", "granted")]);
    let page = browser.get(PAGE);
    let words = card(&page, "channels.email");
    assert!(words.contains("first open the link in our mail") && words.contains("not confirmed yet"), "{words}");
    let link = gateway.mail_to(&erika.email, "confirm").link();
    assert_eq!(gateway.post(&link, "", b"").status, 200);
    let page = browser.get(PAGE);
    assert!(card(&page, "channels.email").contains("At the moment we may send you advertising this way."), "{}", page.text);
    assert!(card(&page, "channels.phone").contains("you have not chosen it"), "{}", page.text);
    let calls = [("asked", "channels.phone"), ("s-channels.phone", "monthly"), ("version", "0")];
    let page = browser.submit(PAGE, PAGE, &calls);
    let words = card(&page, "channels.phone");
    assert!(words.contains("we may send you advertising this way") && words.contains("once a month at most</strong>"), "{words}");
    let version = version(&page);
    let no = fill_in(&mut browser, &version, &[("channels.email", "no")]);
    assert!(card(&no, "channels.email").contains("you said No"), "{}", no.text);
    assert!(card(&no, "channels.phone").contains("once a month at most</strong>"), "what is not asked for stays: {}", no.text);
}

#[test]
fn wrong_answers_are_named_beside_their_fields_and_nothing_is_recorded() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("personalization", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let long = "Wermut".repeat(40);
    for (about, value, words) in [
        ("bottle_budget", "1000000001", "Bitte schreiben Sie eine ganze Zahl von 3 bis 500."),
        ("bottle_budget", "zwölfeinhalb", "Bitte schreiben Sie eine ganze Zahl von 3 bis 500."),
        ("favourite_colour", "Blau", "Bitte wählen Sie eine der Möglichkeiten."),
        ("occasions", "Beerdigung", "Bitte wählen Sie höchstens 3 davon."),
        ("dislikes", long.as_str(), "Bitte schreiben Sie höchstens 200 Zeichen"),
        ("birthday", "30.02.1980", "frühestens den 1. Januar 1900"),
        ("channels.email", "stündlich", "Bitte wählen Sie eine der Möglichkeiten."),
    ] {
        let good = if about == "dislikes" { ("bottle_budget", "44") } else { ("dislikes", "Lakritz") };
        let version = version(&browser.get(PAGE));
        let page = fill_in(&mut browser, &version, &[(about, value), good]);
        is_guarded(&page);
        assert!(page.status == 422 && card(&page, about).contains(words), "{about}: {}", page.text);
        assert!(page.text.contains("Eine Angabe passt nicht") && page.text.contains(&format!("href=\"#f-{about}\"")));
        let (marked, is_set) = (card(&page, about).contains("aria-invalid=\"true\""), about == "occasions");
        assert!((marked || is_set) && !page.text.contains(value), "{about}: {}", page.text);
        assert!(card(&page, good.0).contains(good.1), "what fits stays filled in: {}", page.text);
    }
    let many: Vec<(&str, &str)> = ["everyday", "dinner", "gift", "party"].map(|one| ("occasions", one)).to_vec();
    let version = version(&browser.get(PAGE));
    assert_eq!(fill_in(&mut browser, &version, &many).status, 422);
    assert_eq!(stands(&gateway, &json!({"email": erika.email}))["preferences"], json!({}));
}

#[test]
fn of_two_who_change_the_same_the_second_sees_what_the_first_has_said() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("personalization", "granted")]);
    let who = json!({"email": erika.email});
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let before = version(&says(&mut browser, &[("favourite_colour", "red")]));
    desk(&gateway, &who, &json!({"favourite_colour": "white"}));
    let page = fill_in(&mut browser, &before, &[("favourite_colour", "rose")]);
    assert!(page.status == 412 && page.text.contains("Inzwischen wurde etwas geändert"), "{}", page.text);
    let words = card(&page, "favourite_colour");
    assert!(words.contains("value=\"rose\" selected") && words.contains("Weißwein</strong><br>Gesagt am"), "{words}");
    assert!(words.contains("bei uns im Haus"), "{words}");
    assert_eq!(stands(&gateway, &who)["preferences"]["favourite_colour"]["value"], "white");
    let forgotten = browser.submit(PAGE, "/portal/preferences/forget", &[("about", "favourite_colour"), ("version", &before)]);
    assert_eq!(forgotten.status, 412, "what was not seen is not forgotten");
    let page = fill_in(&mut browser, &version(&page), &[("favourite_colour", "rose")]);
    assert_eq!((page.status, &stands(&gateway, &who)["preferences"]["favourite_colour"]["value"]), (200, &json!("rose")));
}

#[test]
fn of_a_profile_that_was_proven_in_part_only_that_part_is_shown_and_nothing_is_changed() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let who = json!({"userId": erika.user_id, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &who, &[("personalization", "granted")]);
    // Somebody who knows Erika's customer number states their own address with it: the write key is public.
    let mallory = Person::new("mallory");
    let linked = json!({"identifiers": {"email": mallory.email, "user_id": erika.user_id}, "method": "portal"});
    mallory.decides_as(&gateway, "wk_web", &linked, &[("personalization", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&mallory.email);
    let csrf = browser.csrf("/portal");
    let sent = [("csrf", csrf.as_str()), ("version", "0"), ("asked", "favourite_colour"), ("s-favourite_colour", "white")];
    assert_eq!(browser.post(PAGE, &sent).status, 403, "also while nothing was stated");
    desk(&gateway, &json!({"user_id": erika.user_id}), &json!({"favourite_colour": "red", "dislikes": CANARY}));
    let page = browser.get(PAGE);
    assert!(page.text.contains("können hier nichts ändern") && !page.text.contains("name=\"version\""), "{}", page.text);
    for needle in ["Rotwein", CANARY, "Was Sie wann gesagt haben", "Vergessen", "Im Moment"] {
        assert!(!page.text.contains(needle), "{needle}: {}", page.text);
    }
    for version in ["", "0", "x"] {
        let sent = [("csrf", csrf.as_str()), ("version", version), ("asked", "dislikes"), ("about", "favourite_colour")];
        assert!(matches!(browser.post(PAGE, &sent).status, 403 | 412), "{version}");
        assert_eq!(browser.post("/portal/preferences/forget", &sent).status, 403, "{version}");
    }
    assert_eq!(stands(&gateway, &json!({"user_id": erika.user_id}))["preferences"]["favourite_colour"]["value"], "red");
    // What was stated with what they proved is theirs to see.
    desk(&gateway, &json!({"email": mallory.email}), &json!({"bottle_budget": 77}));
    let page = browser.get(PAGE);
    assert!(card(&page, "bottle_budget").contains(">77</strong>") && !page.text.contains("Rotwein"), "{}", page.text);
}

#[test]
fn whom_nobody_knows_can_state_something_and_then_it_is_theirs() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    assert_eq!(version(&browser.get(PAGE)), "0");
    says(&mut browser, &[("favourite_colour", "sparkling")]);
    assert_eq!(stands(&gateway, &json!({"email": erika.email}))["preferences"]["favourite_colour"]["value"], "sparkling");
    let page = browser.get(PAGE);
    assert!(card(&page, "favourite_colour").contains("Schaumwein</strong>"), "{}", page.text);
}
