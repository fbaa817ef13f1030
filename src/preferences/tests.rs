//! What may be stated, how it is merged, who may use it, when it goes; and that nobody's change is lost.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::clock::DAY_MS;
use crate::consent::{Besides, Method, Order as Decision};
use crate::policy::{self, Frequency, Purposes};

const NOON: Millis = 1_800_000_000_000;

struct House {
    store: Store,
    vault: Arc<Vault>,
    policy: Arc<Policy>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    preferences: Preferences,
    _keys: tempfile::TempDir,
}

fn shipped() -> Arc<Policy> {
    Arc::new(policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap())
}

impl House {
    fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let store = Store::memory();
        let vault = Arc::new(Vault::open(&keys.path().join("keys"), &store, &Chance::system()).unwrap());
        let policy = shipped();
        let directory = Arc::new(Directory::open(&store, &vault).unwrap());
        let consents = Arc::new(Consents::open(&store, &vault, &directory, &policy).unwrap());
        let preferences = Preferences::new(&store, &vault, &directory, &consents, &Chance::system());
        Self { store, vault, policy, directory, consents, preferences, _keys: keys }
    }

    fn at(&self, at: Millis) -> Gathering<'_> {
        Gathering { policy: &self.policy, vault: &self.vault, directory: &self.directory, consents: &self.consents, at }
    }

    fn identifiers(&self, who: &[(&str, &str)]) -> Vec<Identifier> {
        who.iter().map(|(kind, value)| identity::parse(&self.policy, &self.vault, kind, value).unwrap()).collect()
    }

    fn order(&self, who: &[(&str, &str)], said: &Value) -> Order {
        let map = |name: &str| said.get(name).and_then(Value::as_object).cloned().unwrap_or_default().into_iter().collect();
        Order {
            who: Who::Stated(self.identifiers(who)),
            preferences: map("preferences"),
            channels: map("channels"),
            is_whole: false,
            forgets: false,
            basis: Basis::Any,
            source: String::from("service"),
            actor: None,
        }
    }

    fn says(&self, who: &[(&str, &str)], said: &Value, at: Millis) -> Standing {
        wait(self.preferences.change(&self.order(who, said), &self.at(at))).unwrap()
    }

    fn decides(&self, who: &[(&str, &str)], decisions: &[(&str, bool)], at: Millis) {
        let order = Decision {
            identifiers: self.identifiers(who),
            decisions: decisions.iter().map(|(purpose, yes)| (self.policy.purpose(purpose).unwrap(), *yes)).collect(),
            notice: None,
            language: None,
            method: Method::Portal,
            source: 0,
            actor: None,
            at,
            policy: Arc::clone(&self.policy),
            mark: None,
            besides: Besides::default(),
        };
        wait(self.consents.record_confirmed(order, at)).unwrap();
    }

    fn known_for(&self, who: &[(&str, &str)], purpose: &str, at: Millis) -> Vec<String> {
        let gathering = self.at(at);
        let subjects = gathering.gather(&self.identifiers(who));
        let known = self.preferences.known_for(&subjects, self.policy.purpose(purpose).unwrap(), &gathering).unwrap();
        known.into_keys().collect()
    }

    fn subject(&self, who: &[(&str, &str)]) -> SubjectId {
        self.directory.subject(self.directory.owner(&self.identifiers(who)[0]).unwrap())
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

const D: &[(&str, &str)] = &[("device", "laptop")];
const U: &[(&str, &str)] = &[("user_id", "u1")];
const DU: &[(&str, &str)] = &[("user_id", "u1"), ("device", "laptop")];

#[test]
fn a_value_is_one_of_the_schema_or_is_refused_in_words_that_do_not_repeat_it() {
    let policy = shipped();
    let check = |id: &str, value: Value| value::check(&policy.preference(id).unwrap().1.kind, &value);
    for (id, value, spelling) in [
        ("favourite_colour", json!("red"), json!("red")),
        ("occasions", json!(["gift", "everyday"]), json!(["everyday", "gift"])),
        ("occasions", json!([]), json!([])),
        ("bottle_budget", json!(3), json!(3)),
        ("bottle_budget", json!(500), json!(500)),
        ("dislikes", json!("  Barrique,\nsüße Weine "), json!("Barrique,\nsüße Weine")),
        ("dislikes", json!("ß".repeat(200)), json!("ß".repeat(200))),
        ("birthday", json!("1980-02-29"), json!("1980-02-29")),
    ] {
        assert_eq!(check(id, value), Ok(spelling), "{id}");
    }
    for (id, value) in [
        ("favourite_colour", json!("kanarienvogel")),
        ("favourite_colour", json!(["red"])),
        ("favourite_colour", json!(true)),
        ("occasions", json!("gift")),
        ("occasions", json!(["gift", "gift"])),
        ("occasions", json!(["gift", "kanarienvogel"])),
        ("occasions", json!(["everyday", "dinner", "gift", "party"])),
        ("bottle_budget", json!(2)),
        ("bottle_budget", json!(501)),
        ("bottle_budget", json!(12.5)),
        ("bottle_budget", json!("15")),
        ("bottle_budget", json!(u64::MAX)),
        ("dislikes", json!("")),
        ("dislikes", json!(" \n ")),
        ("dislikes", json!("ß".repeat(201))),
        ("dislikes", json!("kanarienvogel\u{0}")),
        ("dislikes", json!({"kanarienvogel": 1})),
        ("birthday", json!("1980-02-30")),
        ("birthday", json!("29.02.1980")),
        ("birthday", json!("19800229")),
        ("birthday", json!("1980-02-29T00:00")),
        ("birthday", json!("1899-12-31")),
        ("birthday", json!(19_800_229)),
    ] {
        let words = check(id, value).unwrap_err();
        assert!(words.contains("must") || words.contains("control"), "{id}: {words}");
        assert!(!words.contains("kanari"), "{words}");
    }
    let email = policy.channel(ChannelKind::Email).unwrap();
    let limited = Wish { allowed: true, at_most: Some(Frequency::Weekly) };
    assert_eq!(value::wish(email, &json!({"allowed": true, "atMost": "weekly"})), Ok(limited));
    assert_eq!(value::wish(email, &json!({"allowed": false, "atMost": null})), Ok(Wish { allowed: false, at_most: None }));
    for wrong in [
        json!(true),
        json!({}),
        json!({"allowed": "yes"}),
        json!({"allowed": true, "atMost": "daily"}),
        json!({"allowed": true, "atMost": 7}),
        json!({"allowed": true, "often": "weekly"}),
    ] {
        assert!(value::wish(email, &wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_statement_is_used_for_its_purposes_and_only_while_those_who_stated_it_allow_them() {
    let house = House::new();
    house.says(U, &json!({"preferences": {"favourite_colour": "red", "occasions": ["gift"], "birthday": "1980-02-29"}}), NOON);
    assert!(house.known_for(U, "personalization", NOON + 1).is_empty(), "nobody has agreed to anything");
    house.decides(U, &[("personalization", true), ("analytics", true)], NOON + 1);
    assert_eq!(house.known_for(U, "personalization", NOON + 2), ["favourite_colour", "occasions"]);
    assert!(house.known_for(U, "analytics", NOON + 2).is_empty(), "allowed, and nothing is tied to it");
    assert!(house.known_for(U, "marketing_email", NOON + 2).is_empty());
    // It was stated with the account; a grant of another identifier of the same person does not help.
    house.decides(&[("loyalty_card", "c1")], &[("marketing_email", true)], NOON + 2);
    assert!(house.known_for(U, "marketing_email", NOON + 3).is_empty());
    house.decides(U, &[("personalization", false), ("marketing_email", true)], NOON + 3);
    assert!(house.known_for(U, "personalization", NOON + 4).is_empty(), "at once");
    assert_eq!(house.known_for(U, "marketing_email", NOON + 4), ["birthday", "occasions"]);
    // Somebody who is linked refuses.
    house.says(DU, &json!({"preferences": {"occasions": ["party"]}}), NOON + 5);
    assert_eq!(house.known_for(U, "marketing_email", NOON + 6), ["birthday", "occasions"]);
    house.decides(D, &[("marketing_email", false)], NOON + 6);
    assert_eq!(house.known_for(U, "marketing_email", NOON + 7), ["birthday"], "what the device stated with it is kept back");
}

#[test]
fn joined_people_share_what_they_state_as_long_as_both_allow_to_be_joined() {
    let house = House::new();
    house.says(D, &json!({"preferences": {"favourite_colour": "red", "bottle_budget": 9}}), NOON);
    house.says(DU, &json!({"preferences": {"favourite_colour": "white"}}), NOON + 1);
    let all = [("personalization", true), ("identity_linking", true)];
    house.decides(U, &all, NOON + 2);
    assert_eq!(house.known_for(U, "personalization", NOON + 3), ["favourite_colour"], "only one end has agreed");
    house.decides(D, &all, NOON + 3);
    assert_eq!(house.known_for(U, "personalization", NOON + 4), ["bottle_budget", "favourite_colour"]);
    let gathering = house.at(NOON + 4);
    let standing = house.preferences.standing(&gathering.gather(&house.identifiers(D)), &house.policy, NOON + 4).unwrap();
    assert_eq!(standing.preferences["favourite_colour"].value, "white", "the newest counts");
    // The customer takes the budget away; it does not come back from the device.
    let who = Who::Customer(gathering.gather(&house.identifiers(U)));
    let order = Order { who, ..house.order(U, &json!({"preferences": {"bottle_budget": null}})) };
    let standing = wait(house.preferences.change(&order, &house.at(NOON + 5))).unwrap();
    assert_eq!(standing.preferences.keys().collect::<Vec<_>>(), ["favourite_colour"]);
    house.decides(U, &[("identity_linking", false)], NOON + 6);
    assert_eq!(house.known_for(D, "personalization", NOON + 7), ["bottle_budget", "favourite_colour"], "each has its own again");
}

#[test]
fn a_channel_may_be_used_if_consent_speaks_of_it_or_the_person_chose_it_and_nobody_said_no() {
    let house = House::new();
    let may = |who: &[(&str, &str)], at| {
        let who = Who::Stated(house.identifiers(who));
        let contact = house.preferences.contact(&who, ChannelKind::Email, &house.at(at)).unwrap();
        (contact.answer, contact.at_most)
    };
    assert_eq!(may(U, NOON), (Answer::PurposeNotAllowed, None), "nobody is known");
    house.decides(U, &[("marketing_email", true)], NOON);
    assert_eq!(may(U, NOON + 1), (Answer::Allowed, None), "consent speaks of e-mail");
    let post = house.preferences.contact(&Who::Stated(house.identifiers(U)), ChannelKind::Post, &house.at(NOON + 1)).unwrap();
    assert_eq!(post.answer, Answer::ChannelNotChosen);
    house.says(U, &json!({"channels": {"email": {"allowed": true, "atMost": "monthly"}}}), NOON + 2);
    assert_eq!(may(U, NOON + 3), (Answer::Allowed, Some(Frequency::Monthly)));
    house.says(U, &json!({"channels": {"email": {"allowed": false}}}), NOON + 4);
    assert_eq!(may(U, NOON + 5), (Answer::ChannelRefused, None));
    house.says(U, &json!({"channels": {"email": null}}), NOON + 6);
    assert_eq!(may(U, NOON + 7), (Answer::Allowed, None));
    house.decides(U, &[("marketing_email", false)], NOON + 8);
    assert_eq!(may(U, NOON + 9), (Answer::PurposeNotAllowed, None));
    // A shared device says no and is joined later: its no stands, until the customer says otherwise.
    house.decides(DU, &[("marketing_email", true), ("identity_linking", true)], NOON + 10);
    house.says(D, &json!({"channels": {"email": {"allowed": false}}}), NOON + 11);
    house.says(U, &json!({"channels": {"email": {"allowed": true}}}), NOON + 12);
    assert_eq!(may(U, NOON + 13), (Answer::ChannelRefused, None));
    let who = Who::Customer(house.at(NOON + 13).gather(&house.identifiers(U)));
    let order = Order { who, ..house.order(U, &json!({"channels": {"email": {"allowed": true, "atMost": "weekly"}}})) };
    wait(house.preferences.change(&order, &house.at(NOON + 14))).unwrap();
    assert_eq!(may(U, NOON + 15), (Answer::Allowed, Some(Frequency::Weekly)));
}

#[test]
fn of_those_who_change_the_same_state_at_once_one_does_and_who_names_no_state_loses_nothing() {
    let house = House::new();
    let first = house.says(U, &json!({"preferences": {"bottle_budget": 10}}), NOON);
    let done: Vec<bool> = std::thread::scope(|scope| {
        let changes: Vec<_> = (0..8)
            .map(|n| {
                let basis = Basis::Versions(vec![first.version.clone()]);
                let order = Order { basis, ..house.order(U, &json!({"preferences": {"bottle_budget": 20 + n}})) };
                let house = &house;
                scope.spawn(move || wait(house.preferences.change(&order, &house.at(NOON + 1))).is_ok())
            })
            .collect();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|changed| **changed).count(), 1);
    std::thread::scope(|scope| {
        for said in [
            json!({"favourite_colour": "red"}),
            json!({"dislikes": "Kork"}),
            json!({"occasions": ["gift"]}),
            json!({"birthday": "1980-01-01"}),
        ] {
            let house = &house;
            scope.spawn(move || house.says(U, &json!({"preferences": said}), NOON + 2));
        }
    });
    let standing = house.says(U, &json!({"preferences": {}}), NOON + 3);
    assert_eq!(standing.preferences.len(), 5, "{:?}", standing.preferences.keys());
    // Whoever replaces everything takes away what they do not name.
    let whole = |basis| Order { is_whole: true, basis, ..house.order(U, &json!({"preferences": {"favourite_colour": "rose"}})) };
    for stale in [Basis::Nothing, Basis::Versions(vec![first.version.clone()]), Basis::Versions(Vec::new())] {
        assert!(matches!(wait(house.preferences.change(&whole(stale), &house.at(NOON + 4))), Err(Error::Changed)));
    }
    let replaced = wait(house.preferences.change(&whole(Basis::Versions(vec![standing.version])), &house.at(NOON + 4))).unwrap();
    assert_eq!(replaced.preferences.keys().collect::<Vec<_>>(), ["favourite_colour"]);
    assert_eq!(house.preferences.history(&[house.subject(U)]).unwrap().len(), 7);
}

#[test]
fn the_history_says_who_stated_what_when_and_has_an_end() {
    let house = House::new();
    let order =
        Order { actor: Some(String::from("till 3")), ..house.order(U, &json!({"preferences": {"dislikes": "kanarienvogel"}})) };
    wait(house.preferences.change(&order, &house.at(NOON))).unwrap();
    let same = wait(house.preferences.change(&order, &house.at(NOON + 1))).unwrap();
    assert_eq!(same.preferences["dislikes"].at, NOON, "the same again changes nothing");
    let subject = house.subject(U);
    let [past] = house.preferences.history(&[subject]).unwrap().try_into().unwrap();
    assert_eq!((past.at, past.source.as_str(), past.actor.as_deref()), (NOON, "service", Some("till 3")));
    assert_eq!(past.changes["dislikes"], "kanarienvogel");
    for n in 0..120 {
        house.says(U, &json!({"preferences": {"bottle_budget": 3 + n}}), NOON + 2 + n);
    }
    let history = house.preferences.history(&[subject]).unwrap();
    assert_eq!(
        (history.len(), &history[99].changes["bottle_budget"], &history[0].changes["bottle_budget"]),
        (100, &json!(122), &json!(23))
    );
    for (key, value) in house.store.scan(&[], None, 10_000).unwrap() {
        for bytes in [key, value] {
            assert!(!bytes.windows(6).any(|w| w == b"kanari" || w == b"bottle" || w == b"till 3"), "readable");
        }
    }
}

#[test]
fn what_is_to_be_forgotten_goes_from_everybody_who_is_the_customer_and_from_nobody_else() {
    let house = House::new();
    house.decides(DU, &[("personalization", true), ("identity_linking", true)], NOON);
    house.says(D, &json!({"preferences": {"dislikes": "Kork", "bottle_budget": 9}}), NOON + 1);
    house.says(U, &json!({"preferences": {"dislikes": "Barrique"}, "channels": {"email": {"allowed": true}}}), NOON + 2);
    house.says(U, &json!({"preferences": {"dislikes": "Harz", "favourite_colour": "red"}}), NOON + 3);
    house.says(&[("user_id", "u2")], &json!({"preferences": {"dislikes": "Kork"}}), NOON + 3);
    let customer = house.at(NOON + 4).gather(&house.identifiers(U));
    assert_eq!(customer.len(), 2);
    let who = Who::Customer(customer.clone());
    let forgets = |who: Who, said: Value, at: Millis| {
        let order = Order { who, forgets: true, ..house.order(U, &said) };
        wait(house.preferences.change(&order, &house.at(at))).unwrap()
    };
    let left = forgets(who.clone(), json!({"preferences": {"dislikes": null}, "channels": {"email": null}}), NOON + 5);
    assert_eq!(left.preferences.keys().collect::<Vec<_>>(), ["bottle_budget", "favourite_colour"]);
    assert!(left.channels.is_empty());
    let past = |subjects: &[SubjectId]| -> Vec<(Millis, Vec<String>)> {
        let history = house.preferences.history(subjects).unwrap();
        history.into_iter().map(|past| (past.at - NOON, past.changes.into_keys().collect())).collect()
    };
    let gone = (5, vec![String::from("channels.email"), String::from("dislikes")]);
    let stays = |at, about: &str| (at, vec![about.to_owned()]);
    assert_eq!(past(&customer), [stays(1, "bottle_budget"), stays(3, "favourite_colour"), gone], "that it was forgotten stays");
    // Also when the device is joined no more.
    let device = house.subject(D);
    assert_eq!(house.preferences.standing(&[device], &house.policy, NOON + 6).unwrap().preferences.len(), 1);
    assert_eq!(past(&[house.subject(&[("user_id", "u2")])]), [stays(3, "dislikes")], "somebody else's");
    assert_eq!(forgets(who, json!({"preferences": {"dislikes": null}}), NOON + 7).version, left.version, "it is gone already");
}

#[test]
fn of_what_others_stated_nothing_is_shown_to_who_proved_something_else() {
    let house = House::new();
    let (both, email) = ([("user_id", "u1"), ("email", "e@example.org")], &[("email", "e@example.org")][..]);
    house.says(U, &json!({"preferences": {"favourite_colour": "red"}, "channels": {"email": {"allowed": false}}}), NOON);
    house.says(&both, &json!({"preferences": {"bottle_budget": 9}}), NOON + 1);
    house.says(email, &json!({"preferences": {"dislikes": "Kork"}}), NOON + 2);
    let subjects = [house.subject(U)];
    assert_eq!(house.subject(email), subjects[0], "one profile");
    let all = house.preferences.standing(&subjects, &house.policy, NOON + 3).unwrap();
    let names = house.directory.names(&house.identifiers(email));
    let seen = house.preferences.standing_with((&subjects, &names), &house.policy, NOON + 3).unwrap();
    assert_eq!(seen.preferences.keys().collect::<Vec<_>>(), ["bottle_budget", "dislikes"]);
    assert_eq!((seen.channels.len(), all.preferences.len(), seen.version), (0, 3, all.version));
}

#[test]
fn what_is_over_goes_with_its_history_and_the_person_stays_as_long_as_something_is_left() {
    let house = House::new();
    // Kept for 395 days, and for 730.
    house.says(U, &json!({"preferences": {"favourite_colour": "red", "occasions": ["gift"]}}), NOON);
    let subject = house.subject(U);
    assert_eq!(house.preferences.kept_until(subject, &house.policy).unwrap(), NOON + 730 * DAY_MS);
    let (short, long) = (NOON + 395 * DAY_MS, NOON + 730 * DAY_MS);
    let stands = |at| house.preferences.standing(&[subject], &house.policy, at).unwrap().preferences.len();
    assert_eq!((stands(short - 1), stands(short), stands(long)), (2, 1, 0), "also before it has gone");
    assert_eq!(wait(house.preferences.sweep(&house.policy, short - 1)).unwrap(), 0);
    assert_eq!(wait(house.preferences.sweep(&house.policy, short)).unwrap(), 1);
    let history = house.preferences.history(&[subject]).unwrap();
    assert_eq!(history[0].changes.keys().collect::<Vec<_>>(), ["occasions"]);
    let mut batch = Batch::default();
    let left = house.preferences.close(subject, &house.policy, long - 1, &mut batch);
    assert!(matches!(left, Err(Error::Store(store::Error::Conflict))));
    // Whoever states something at the moment at which they are let go is not let go.
    house.preferences.close(subject, &house.policy, long, &mut batch).unwrap();
    house.says(U, &json!({"preferences": {"favourite_colour": "rose"}}), long);
    assert!(matches!(house.store.commit_blocking(batch), Err(store::Error::Conflict)));
    let mut batch = Batch::default();
    house.preferences.forget(subject, &mut batch).unwrap();
    house.store.commit_blocking(batch).unwrap();
    assert!(house.store.scan(b"p", None, 9).unwrap().is_empty() && house.store.scan(b"d", None, 999).unwrap().is_empty());
}

#[test]
fn whoever_is_let_go_at_this_moment_is_a_new_person_when_they_state_something() {
    let house = House::new();
    house.says(U, &json!({"preferences": {"favourite_colour": "red"}}), NOON);
    let subject = house.subject(U);
    house.decides(U, &[("personalization", false)], NOON + 1);
    let memorable = house.consents.memorable(subject, &house.policy).unwrap();
    let mut batch = Batch::default();
    house.consents.close(subject, &memorable, &mut batch).unwrap();
    house.store.commit_blocking(batch).unwrap();
    let mut batch = Batch::default();
    assert!(house.consents.check_open(subject, &mut batch).unwrap_err().is_shredded());
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,30}".prop_map(Value::from),
        prop_oneof![Just("red"), Just("gift"), Just("party"), Just("1980-02-29"), Just("9999-12-31")].prop_map(Value::from),
        (0_i64..600).prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_sent_is_refused_or_has_one_spelling_that_is_small(value in anything(), which in 0..5_usize) {
        let policy = shipped();
        if let Ok(spelling) = value::check(&policy.preferences[which].kind, &value) {
            prop_assert_eq!(value::check(&policy.preferences[which].kind, &spelling), Ok(spelling.clone()));
            prop_assert!(spelling.to_string().len() <= 1_000);
        }
    }
}

fn record() -> impl Strategy<Value = Record> {
    let channel = (any::<bool>(), proptest::option::of(0..3_usize)).prop_map(|(allowed, most)| {
        let at_most = most.map(|most| [Frequency::Weekly, Frequency::Monthly, Frequency::Quarterly][most]);
        serde_json::to_value(Wish { allowed, at_most }).unwrap()
    });
    let colour = prop_oneof![Just(json!("red")), Just(json!("white")), Just(Value::Null)];
    let said = |value: Value, at: i64| Said { value, at: NOON + at, source: String::new(), names: Vec::new() };
    let one = (proptest::option::of((colour, 0..9_i64)), proptest::option::of((channel, 0..9_i64)));
    one.prop_map(move |(colour, channel)| {
        let mut record = Record::default();
        record.said.extend(colour.map(|(value, at)| (String::from("favourite_colour"), said(value, at))));
        record.said.extend(channel.map(|(value, at)| (String::from("channels.email"), said(value, at))));
        record
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn joining_never_lets_anybody_be_written_to_and_the_newest_statement_counts(
        records in proptest::collection::vec(record(), 1..5), more in record()
    ) {
        let policy = shipped();
        let (before, channels) = merge::all(records.iter(), &policy, NOON + 100);
        let newest = records.iter().filter_map(|r| r.said.get("favourite_colour")).max_by_key(|said| said.at);
        if let Some(newest) = newest {
            let of_that_moment = records.iter().filter_map(|r| r.said.get("favourite_colour")).filter(|s| s.at == newest.at);
            let stands = before.get("favourite_colour").map_or(Value::Null, |statement| statement.value.clone());
            prop_assert!(of_that_moment.into_iter().any(|said| said.value == stands));
        }
        let with_more: Vec<Record> = records.iter().cloned().chain([more]).collect();
        let (_, joined) = merge::all(with_more.iter(), &policy, NOON + 100);
        if let Some((wish, _)) = channels.get(&ChannelKind::Email) {
            let (strict, _) = &joined[&ChannelKind::Email];
            prop_assert!(wish.allowed || !strict.allowed);
            prop_assert!(strict.at_most >= wish.at_most);
        }
        let no = with_more.iter().filter_map(|r| r.said.get("channels.email")).any(|said| said.value["allowed"] == json!(false));
        prop_assert!(!no || !joined[&ChannelKind::Email].0.allowed);
    }
}

/// All purposes that anything may be used for come from what the policy ties to it.
#[test]
fn nothing_is_usable_for_more_than_the_policy_ties_it_to() {
    let house = House::new();
    house.says(U, &json!({"preferences": {"favourite_colour": "red", "birthday": "1980-02-29", "occasions": ["gift"]}}), NOON);
    let all: Vec<(&str, bool)> =
        ["analytics", "personalization", "marketing_email", "ads_sharing", "identity_linking"].map(|p| (p, true)).to_vec();
    house.decides(U, &all, NOON + 1);
    let usable = house.preferences.usable(&[house.subject(U)], &house.at(NOON + 2)).unwrap();
    assert_eq!(usable.len(), 3);
    for one in usable {
        let tied = house.policy.preference(&one.id).unwrap().1.purposes;
        assert_eq!(one.purposes, tied, "{}", one.id);
        assert!(one.purposes.without(tied) == Purposes::NONE);
    }
}
