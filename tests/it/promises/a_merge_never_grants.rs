//! P8: linking identifiers never makes anything allowed that was not allowed for each of them, and a link can be taken back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::erasure_is_provable::{asked, bearer};
use crate::harness::people::{Person, arrived, id, send};
use crate::harness::{Answer, Gateway};

/// What one of a handful of people and devices may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Device(usize),
    User(usize),
    Email(usize),
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![(0_usize..3).prop_map(Who::Device), (0_usize..2).prop_map(Who::User), (0_usize..3).prop_map(Who::Email)]
}

#[derive(Clone, Debug)]
enum Act {
    /// Says yes or no, with these identifiers stated together.
    Decide(Vec<Who>, bool),
    /// States them together, in one of the ways that there are.
    Link(Vec<Who>, usize),
    Unlink(Who, Who),
}

fn act() -> impl Strategy<Value = Act> {
    let some = || proptest::collection::btree_set(who(), 1..4).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    prop_oneof![
        4 => (some(), any::<bool>()).prop_map(|(who, yes)| Act::Decide(who, yes)),
        6 => (some(), 0_usize..4).prop_map(|(who, way)| Act::Link(who, way)),
        2 => (who(), who()).prop_map(|(one, other)| Act::Unlink(one, other)),
    ]
}

/// Everything of one story: nobody of another one is in it.
struct Story<'a> {
    gateway: &'a Gateway,
    people: Vec<Person>,
    /// What each last said itself; nothing if it said nothing.
    said: BTreeMap<Who, bool>,
}

impl Story<'_> {
    fn value(&self, who: Who) -> (&'static str, String) {
        match who {
            Who::Device(n) => ("device", self.people[n].device.clone()),
            Who::User(n) => ("user_id", self.people[n].user_id.clone()),
            Who::Email(n) => ("email", self.people[n].email.clone()),
        }
    }

    fn identifiers(&self, who: &[Who]) -> Map<String, Value> {
        who.iter().map(|who| self.value(*who)).map(|(kind, value)| (kind.to_owned(), json!(value))).collect()
    }

    /// Of each type one.
    fn stated(who: &[Who]) -> Vec<Who> {
        let last = |same: fn(&Who) -> bool| who.iter().rev().find(|who| same(who)).copied();
        let all =
            [last(|w| matches!(w, Who::Device(_))), last(|w| matches!(w, Who::User(_))), last(|w| matches!(w, Who::Email(_)))];
        all.into_iter().flatten().collect()
    }

    /// An event that states these, as an SDK sends it.
    fn event(&self, kind: &str, who: &[Who]) -> Value {
        let mut event = json!({"type": kind, "messageId": uuid::Uuid::new_v4().to_string(), "event": "Product Viewed",
            "properties": {"product_id": "4001234567890"}, "traits": {}, "groupId": "g"});
        for who in Self::stated(who) {
            match (who, self.value(who).1) {
                (Who::Device(_), value) => event["anonymousId"] = json!(value),
                (Who::User(_), value) => event["userId"] = json!(value),
                (Who::Email(_), value) => event["traits"]["email"] = json!(value),
            }
        }
        event
    }

    fn link(&self, who: &[Who], way: usize) {
        let has_user = who.iter().any(|who| matches!(who, Who::User(_)));
        let event = match way {
            0 => self.event("track", who),
            1 if has_user => {
                let mut event = self.event("alias", who);
                let device = Self::stated(who).into_iter().find(|who| matches!(who, Who::Device(_)));
                event["previousId"] = json!(device.map_or_else(|| self.people[0].device.clone(), |device| self.value(device).1));
                event
            }
            _ => self.event("identify", who),
        };
        if event["userId"].is_null() && event["anonymousId"].is_null() {
            return;
        }
        send(self.gateway, "wk_web", &[event]);
    }

    fn decide(&mut self, who: &[Who], yes: bool) {
        let stated = Self::stated(who);
        let who = json!({"identifiers": self.identifiers(&stated), "method": "portal"});
        self.people[0].decides_as(self.gateway, "wk_web", &who, &[("analytics", if yes { "granted" } else { "denied" })]);
        self.said.extend(stated.into_iter().map(|who| (who, yes)));
    }

    fn unlink(&self, one: Who, other: Who) {
        let answer = unlink(self.gateway, "unlink", &self.value(one), &self.value(other));
        assert!(matches!(answer.status, 200 | 404 | 409), "{}", answer.text);
    }

    /// Whether an event that states exactly these would go for the purpose.
    fn goes(&self, who: &[Who]) -> bool {
        let event = self.event("track", who);
        let asks = json!({"source": "web", "event": event}).to_string();
        let answer = self.gateway.post("/v1/explain", &bearer(self.gateway), asks.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text);
        let all = answer.json()["destinations"].as_array().unwrap().clone();
        all.iter().any(|one| one["destination"] == "archive" && one["outcome"] == "forward")
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let (devices, emails) = ((0..3).map(Who::Device), (0..3).map(Who::Email));
        let alone: Vec<Vec<Who>> = devices.chain((0..2).map(Who::User)).chain(emails).map(|who| vec![who]).collect();
        let pairs = [[Who::Device(0), Who::User(0)], [Who::Device(1), Who::Email(0)], [Who::User(1), Who::Email(2)]];
        for who in alone.into_iter().chain(pairs.map(|pair| pair.to_vec())) {
            let goes = self.goes(&who);
            let granted = who.iter().any(|who| self.said.get(who) == Some(&true));
            let refused = who.iter().any(|who| self.said.get(who) == Some(&false));
            prop_assert!(!goes || granted, "{:?} goes by somebody else's yes; said: {:?}", who, self.said);
            prop_assert!(!goes || !refused, "{:?} goes against its own no; said: {:?}", who, self.said);
        }
        Ok(())
    }
}

fn unlink(gateway: &Gateway, step: &str, one: &(&str, String), other: &(&str, String)) -> Answer {
    let body = json!({"identifier": {one.0: &one.1}, "from": {other.0: &other.1}, "reason": "it was sold in spring"});
    asked(gateway, &format!("/v1/identity/{step}"), &body)
}

#[test]
fn in_any_story_of_links_and_decisions_no_grant_travels() {
    let gateway = Gateway::start();
    let config = Config { cases: 24, max_shrink_iters: 30, failure_persistence: None, ..Config::default() };
    let play = |acts: Vec<Act>| {
        let people = (0..3).map(|n| Person::new(&format!("p{n}"))).collect();
        let mut story = Story { gateway: &gateway, people, said: BTreeMap::new() };
        for act in acts {
            match act {
                Act::Decide(who, yes) => story.decide(&who, yes),
                Act::Link(who, way) => story.link(&who, way),
                Act::Unlink(one, other) => {
                    story.unlink(one, other);
                    story.check()?;
                }
            }
        }
        story.check()
    };
    TestRunner::new(config).run(&proptest::collection::vec(act(), 4..16), play).unwrap();
}

/// Whether an event of the device alone goes to the archive, and what links are named.
fn explained(gateway: &Gateway, person: &Person) -> (String, Value) {
    let asks = json!({"source": "web", "event": person.does("Product Viewed")}).to_string();
    let answer = gateway.post("/v1/explain", &bearer(gateway), asks.as_bytes()).json();
    let all = answer["destinations"].as_array().unwrap();
    let archive = all.iter().find(|one| one["destination"] == "archive").unwrap();
    (archive["reason"].as_str().unwrap_or("goes").to_owned(), answer["links"].clone())
}

fn signs_in(person: &Person) -> Value {
    json!({"type": "identify", "anonymousId": person.device, "userId": person.user_id, "messageId": uuid::Uuid::new_v4().to_string()})
}

#[test]
fn a_link_is_named_taken_back_for_good_and_allowed_again() {
    let mut gateway = Gateway::start();
    let erika = Person::new("erika");
    erika.decides(&gateway, &[("analytics", "granted")]);
    let account = json!({"userId": erika.user_id, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &account, &[("analytics", "denied")]);
    let (device, user) = (("device", erika.device.clone()), ("user_id", erika.user_id.clone()));
    send(&gateway, "wk_web", &[signs_in(&erika)]);
    let (reason, links) = explained(&gateway, &erika);
    assert_eq!(reason, "denied_by_link");
    assert_eq!(links, json!([{"identifier": "device", "over": "link", "linked_to": ["user_id"], "purposes": ["analytics"]}]));

    // In whichever order they are named.
    let answer = unlink(&gateway, "unlink", &user, &device);
    assert_eq!((answer.status, answer.json()["changed"].clone()), (200, json!(true)), "{}", answer.text);
    for again in ["at once", "after a crash", "after a restart"] {
        send(&gateway, "wk_web", &[signs_in(&erika)]);
        assert_eq!(explained(&gateway, &erika).0, "goes", "{again}: an event has linked them again");
        let event = erika.does("Product Viewed");
        send(&gateway, "wk_web", std::slice::from_ref(&event));
        assert!(arrived(&gateway).contains(&id(&event)), "{again}");
        match again {
            "at once" => gateway.crash(),
            _ => gateway.restart(),
        }
    }
    let both = json!({"source": "web", "event": signs_in(&erika)}).to_string();
    let answer = gateway.post("/v1/explain", &bearer(&gateway), both.as_bytes()).text;
    assert!(!answer.contains("\"forward\""), "what states the account itself stays: {answer}");

    assert_eq!(unlink(&gateway, "unlink", &device, &user).json()["changed"], false);
    assert_eq!(unlink(&gateway, "relink", &device, &user).json()["changed"], true);
    assert_eq!(unlink(&gateway, "relink", &device, &user).json()["changed"], false);
    assert_eq!(explained(&gateway, &erika).0, "goes", "nothing has stated both since");
    send(&gateway, "wk_web", &[signs_in(&erika)]);
    assert_eq!(explained(&gateway, &erika).0, "denied_by_link");
    let audit = gateway.get("/v1/audit", &bearer(&gateway)).json();
    let acts: Vec<&Value> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["what"]).collect();
    assert_eq!(acts, ["relinked", "unlinked", "unlinked"]);
    assert_eq!(audit["entries"][0]["why"], "it was sold in spring");
}

#[test]
fn histories_that_were_joined_part_again() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let yes = [("analytics", "granted"), ("identity_linking", "granted")];
    erika.decides(&gateway, &yes);
    let address = json!({"identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &address, &yes);
    send(
        &gateway,
        "wk_web",
        &[json!({"type": "identify", "anonymousId": erika.device, "traits": {"email": erika.email},
        "messageId": uuid::Uuid::new_v4().to_string()})],
    );
    // Under which name the archive gets what this device does, and what is stated with the address alone.
    let names = || {
        let of_device = erika.does("Product Viewed");
        let of_address = json!({"type": "track", "event": "Newsletter Opened", "traits": {"email": erika.email},
            "userId": "", "context": {"traits": {"email": erika.email}}, "messageId": uuid::Uuid::new_v4().to_string()});
        send(&gateway, "wk_web", std::slice::from_ref(&of_device));
        send(&gateway, "wk_newsletter", std::slice::from_ref(&of_address));
        gateway.drain();
        let archive = gateway.archive();
        let name = |event: &Value| {
            archive.iter().find(|line| line["messageId"] == event["messageId"]).map(|line| line["customerId"].clone())
        };
        (name(&of_device).unwrap(), name(&of_address).unwrap())
    };
    let (device, address) = names();
    assert_eq!(device, address, "both ends have agreed");
    let answer = unlink(&gateway, "unlink", &("device", erika.device.clone()), &("email", erika.email.clone()));
    assert_eq!(answer.json()["changed"], true, "{}", answer.text);
    let (device, still) = names();
    assert_ne!(device, address);
    assert_eq!(still, address);
}

#[test]
fn what_cannot_be_kept_apart_is_refused_by_name() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let one = json!({"userId": erika.user_id, "identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &one, &[("analytics", "granted")]);
    let (user, email) = (("user_id", erika.user_id.clone()), ("email", erika.email.clone()));
    let answer = unlink(&gateway, "unlink", &user, &email);
    assert_eq!((answer.status, answer.field()), (409, String::from("from")), "{}", answer.text);
    let answer = unlink(&gateway, "unlink", &user, &("device", erika.device.clone()));
    assert_eq!(answer.status, 404, "{}", answer.text);
    let good = json!({"identifier": {"device": "d"}, "from": {"user_id": "u"}, "reason": "r"});
    for (field, value, status) in [
        ("identifier", json!("d"), 422),
        ("identifier", json!({"device": ["a", "b"]}), 422),
        ("from", json!({}), 422),
        ("reason", json!(" "), 422),
        ("reason", json!(7), 422),
        ("other", json!(1), 422),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = asked(&gateway, "/v1/identity/unlink", &body);
        let expected = if field == "other" { "body" } else { field };
        assert_eq!((answer.status, answer.field().as_str()), (status, expected), "{}", answer.text);
    }
    let mut body = good;
    body["from"] = json!({"nonsense": "u"});
    assert_eq!(asked(&gateway, "/v1/identity/unlink", &body).field(), "identifiers");
}
