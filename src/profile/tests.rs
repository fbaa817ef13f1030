use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::read::Before;
use super::{Arrival, Gathering, Profile, Profiles, Query, purpose_tag};
use crate::clock::{Chance, DAY_MS, Millis};
use crate::consent::{Besides, Consents, Method, Order};
use crate::id::{CustomerId, NodeId, SubjectId};
use crate::identity::{self, Admission, Directory, Identifier};
use crate::policy::{self, Policy, Purpose};
use crate::store::{Batch, Store};
use crate::vault::Vault;

const START: Millis = 1_795_000_000_000;

struct House {
    store: Store,
    vault: Arc<Vault>,
    profiles: Profiles,
    policy: Policy,
    _keys: tempfile::TempDir,
}

fn shipped() -> Policy {
    policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

impl House {
    fn new() -> Self {
        let (store, keys) = (Store::memory(), tempfile::tempdir().unwrap());
        let vault = Arc::new(Vault::open(keys.path(), &store, &Chance::system()).unwrap());
        let profiles = Profiles::open(&store, &vault).unwrap();
        Self { store, vault, profiles, policy: shipped(), _keys: keys }
    }

    fn reopened(self) -> Self {
        Self { profiles: Profiles::open(&self.store, &self.vault).unwrap(), ..self }
    }

    async fn subject(&self, n: u8) -> SubjectId {
        let (subject, mut batch) = (SubjectId([n; 16]), Batch::default());
        drop(self.vault.create(subject, &mut batch).unwrap());
        self.store.commit(batch).await.unwrap();
        subject
    }

    /// Stores events as dispatch does: (subject, number, purpose).
    async fn add(&self, events: &[(SubjectId, u64, &str)]) {
        let bodies: Vec<String> = events
            .iter()
            .map(|(_, n, _)| {
                json!({"type": "identify", "n": n, "traits": {"last": n, format!("t{n}"): true}, "identifiers": {}}).to_string()
            })
            .collect();
        let tags: Vec<[u32; 1]> = events.iter().map(|(.., purpose)| [purpose_tag(purpose)]).collect();
        let arrivals: Vec<Arrival<'_>> = events
            .iter()
            .zip(bodies.iter().zip(&tags))
            .map(|((subject, n, _), (body, tags))| Arrival {
                subject: *subject,
                received_at: START + i64::try_from(*n).unwrap(),
                source: if n % 2 == 0 { "web" } else { "till" },
                purposes: tags,
                names: &[NodeId([7; 16])],
                event: body.as_bytes(),
                kept: None,
            })
            .collect();
        let mut batch = Batch::default();
        let turn = self.profiles.turn().await;
        let (staged, too_large) = self.profiles.stage(&arrivals, &mut batch).unwrap();
        assert!(too_large.is_empty());
        let positions = self.store.commit(batch).await.unwrap();
        self.profiles.learn(&staged, &positions);
        drop(turn);
    }

    fn purpose(&self, id: &str) -> &Purpose {
        &self.policy.purposes[self.policy.purpose(id).unwrap()]
    }

    fn read(&self, subjects: &[SubjectId], purpose: &str, may: bool, page: (usize, Option<&str>)) -> Profile {
        let (limit, before) = page;
        let before = before.map(|b| Before::parse(b).unwrap());
        let query = Query { purpose: self.purpose(purpose), subjects, may: &|_| may, limit, before, at: START + 1000 };
        self.profiles.read(&query).unwrap()
    }
}

fn numbers(profile: &Profile) -> Vec<u64> {
    profile.events.iter().map(|e| serde_json::from_str::<serde_json::Value>(e.get()).unwrap()["n"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn an_event_is_answered_only_for_its_purpose_and_only_while_that_is_allowed() {
    let house = House::new();
    let erika = house.subject(1).await;
    house.add(&[(erika, 1, "personalization"), (erika, 2, "analytics"), (erika, 3, "personalization")]).await;
    assert_eq!(numbers(&house.read(&[erika], "personalization", true, (50, None))), [3, 1]);
    assert_eq!(numbers(&house.read(&[erika], "analytics", true, (50, None))), [2]);
    let none = house.read(&[erika], "personalization", false, (50, None));
    assert!(none.events.is_empty() && none.traits.is_empty() && none.channels.is_empty());
}

#[tokio::test]
async fn a_profile_joins_its_subjects_newest_first_and_newer_traits_win() {
    let house = House::new();
    let (laptop, erika) = (house.subject(1).await, house.subject(2).await);
    for n in 1..=6 {
        house.add(&[(if n % 3 == 0 { laptop } else { erika }, n, "personalization")]).await;
    }
    let profile = house.read(&[erika, laptop], "personalization", true, (50, None));
    assert_eq!(numbers(&profile), [6, 5, 4, 3, 2, 1]);
    assert_eq!(profile.traits["last"].get(), "6");
    assert_eq!(profile.traits.len(), 7);
    let channels: Vec<(&str, usize, Millis, Millis)> =
        profile.channels.iter().map(|c| (c.source.as_str(), c.events, c.first - START, c.last - START)).collect();
    assert_eq!(channels, [("till", 3, 1, 5), ("web", 3, 2, 6)]);
    assert_eq!(numbers(&house.read(&[laptop], "personalization", true, (50, None))), [6, 3]);
}

#[tokio::test]
async fn a_long_timeline_is_read_page_by_page_and_its_channels_are_whole_on_each() {
    let house = House::new();
    let erika = house.subject(1).await;
    let events: Vec<(SubjectId, u64, &str)> = (1..=7).map(|n| (erika, n, "personalization")).collect();
    house.add(&events[..4]).await;
    house.add(&events[4..]).await;
    let (mut all, mut before) = (Vec::new(), None::<String>);
    loop {
        let page = house.read(&[erika], "personalization", true, (3, before.as_deref()));
        assert_eq!(page.channels.iter().map(|c| c.events).sum::<usize>(), 7);
        all.extend(numbers(&page));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(all, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(Before::parse("nonsense"), None);
}

#[tokio::test]
async fn a_reopened_store_knows_the_same_with_and_without_headers() {
    let mut house = House::new();
    let (erika, otto) = (house.subject(1).await, house.subject(2).await);
    for n in 1..=5 {
        house.add(&[(erika, n, "personalization"), (otto, n + 10, "personalization")]).await;
        house = house.reopened();
    }
    // Headers are derived: without them the chunks themselves are read.
    for (key, _) in house.store.scan(b"H", None, 100).unwrap() {
        let mut batch = Batch::default();
        batch.delete(key);
        house.store.commit(batch).await.unwrap();
    }
    house = house.reopened();
    house.add(&[(erika, 6, "personalization")]).await;
    house.add(&[(erika, 7, "personalization")]).await;
    assert_eq!(house.store.scan(b"H", None, 100).unwrap().len(), 6, "missing headers are written again");
    house = house.reopened();
    assert_eq!(numbers(&house.read(&[erika], "personalization", true, (50, None))), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(numbers(&house.read(&[otto], "personalization", true, (50, None))), [15, 14, 13, 12, 11]);
}

#[tokio::test]
async fn what_is_past_its_retention_is_not_answered_and_goes_with_its_chunk() {
    let house = House::new();
    let erika = house.subject(1).await;
    house.add(&[(erika, 1, "personalization"), (erika, 2, "analytics")]).await;
    house.add(&[(erika, 3, "personalization")]).await;
    house.add(&[(erika, 4, "no longer in the policy")]).await;
    let days = |id: &str| Millis::from(house.purpose(id).retention_days) * DAY_MS;
    let subjects = [erika];
    let query = |at| Query {
        purpose: house.purpose("personalization"),
        subjects: &subjects,
        may: &|_| true,
        limit: 50,
        before: None,
        at,
    };
    let over = START + days("personalization") + 2;
    assert_eq!(numbers(&house.profiles.read(&query(over)).unwrap()), [3]);
    assert_eq!(house.profiles.sweep(&house.policy, &[], START + 29 * DAY_MS).await.unwrap(), 0);
    assert_eq!(house.profiles.sweep(&house.policy, &[], START + 31 * DAY_MS).await.unwrap(), 1);
    let longest = days("personalization").max(days("analytics"));
    assert_eq!(house.profiles.sweep(&house.policy, &[], START + longest + 10).await.unwrap(), 2);
    assert_eq!(house.profiles.events(), 0);
    assert!(!house.profiles.knows(&[erika]));
    assert!(house.store.scan(b"T", None, 10).unwrap().is_empty() && house.store.scan(b"H", None, 10).unwrap().is_empty());
}

#[tokio::test]
async fn nothing_personal_stands_in_the_clear_and_an_erased_subject_has_no_events() {
    let house = House::new();
    let erika = house.subject(1).await;
    house.add(&[(erika, 1, "personalization")]).await;
    for (_, value) in house.store.scan(b"T", None, 10).unwrap() {
        assert!(!String::from_utf8_lossy(&value).contains("traits"));
    }
    let mut batch = Batch::default();
    house.store.scan(b"K", None, 10).unwrap().into_iter().for_each(|(key, _)| batch.delete(key));
    house.store.commit(batch).await.unwrap();
    let vault = Arc::new(Vault::open(house._keys.path(), &house.store, &Chance::system()).unwrap());
    let house = House { profiles: Profiles::open(&house.store, &vault).unwrap(), vault, ..house };
    assert!(house.read(&[erika], "personalization", true, (50, None)).events.is_empty());
}

/// People and devices over the shipped policy.
struct Town {
    house: House,
    directory: Arc<Directory>,
    consents: Consents,
}

impl Town {
    fn new() -> Self {
        let house = House::new();
        let directory = Arc::new(Directory::open(&house.store, &house.vault).unwrap());
        let consents = Consents::open(&house.store, &house.vault, &directory, &house.policy).unwrap();
        Self { house, directory, consents }
    }

    fn named(&self, kind: &str, value: &str) -> Identifier {
        identity::parse(&self.house.policy, &self.house.vault, kind, value).unwrap()
    }

    async fn decide(&self, identifiers: Vec<Identifier>, decisions: &[(&str, bool)]) {
        let policy = Arc::new(shipped());
        let decisions = decisions.iter().map(|(p, yes)| (policy.purpose(p).unwrap(), *yes)).collect();
        let (source, _) = policy.source("till").unwrap();
        let order = Order {
            identifiers,
            decisions,
            notice: None,
            language: None,
            method: Method::Spoken,
            source,
            actor: None,
            at: START,
            policy,
            mark: None,
            besides: Besides::default(),
        };
        self.consents.record(order).await.unwrap();
    }

    async fn meet(&self, identifiers: &[Identifier]) {
        let mut batch = Batch::default();
        let Self { house, directory, .. } = self;
        let context = Admission { vault: &house.vault, policy: &house.policy, chance: &Chance::system(), at: START };
        let plan = directory.admit(identifiers, &context, &mut batch).unwrap();
        house.store.commit(batch).await.unwrap();
        directory.learn(&plan);
    }

    fn gathering(&self) -> Gathering<'_> {
        let Self { house, directory, consents } = self;
        Gathering { policy: &house.policy, vault: &house.vault, directory, consents, at: START }
    }

    fn may(&self, stated: &[&Identifier]) -> bool {
        let stated: Vec<Identifier> = stated.iter().map(|i| (*i).clone()).collect();
        let names = self.directory.names(&stated);
        self.gathering().may(&names, self.house.policy.purpose("personalization").unwrap())
    }
}

const YES: &[(&str, bool)] = &[("personalization", true), ("identity_linking", true)];

#[tokio::test]
async fn a_device_and_its_person_are_one_customer_only_while_both_allow_it() {
    let town = Town::new();
    let (laptop, card) = (town.named("device", "laptop-1"), town.named("loyalty_card", "DE-4001123456789"));
    town.decide(vec![laptop.clone()], YES).await;
    town.decide(vec![card.clone()], &[("personalization", true)]).await;
    town.meet(&[card.clone(), laptop.clone()]).await;
    let ids = |town: &Town| {
        let gathering = town.gathering();
        let id = |i: &Identifier| gathering.lookup("shop", std::slice::from_ref(i)).unwrap().unwrap();
        (id(&laptop), id(&card))
    };
    let (device, person) = ids(&town);
    assert_ne!(device, person, "one of the two did not agree to be recognised");
    assert_eq!(town.gathering().customer("shop", person).unwrap().unwrap().subjects.len(), 1);
    town.decide(vec![card.clone()], &[("identity_linking", true)]).await;
    assert_eq!(ids(&town), (person, person));
    let joined = town.gathering().customer("shop", device).unwrap().unwrap();
    assert_eq!((joined.id, joined.subjects.len()), (person, 2));
    town.decide(vec![laptop.clone()], &[("identity_linking", false)]).await;
    assert_eq!(ids(&town), (device, person));
}

#[tokio::test]
async fn an_id_of_another_domain_or_of_nobody_is_no_customer() {
    let town = Town::new();
    let card = town.named("loyalty_card", "DE-4001123456789");
    town.decide(vec![card.clone()], YES).await;
    let gathering = town.gathering();
    let foreign = gathering.lookup("archive", std::slice::from_ref(&card)).unwrap().unwrap();
    assert!(gathering.customer("shop", foreign).unwrap().is_none());
    assert!(gathering.customer("shop", CustomerId([0; 16])).unwrap().is_none());
    let unknown = town.named("loyalty_card", "DE-4001999999999");
    assert!(gathering.lookup("shop", std::slice::from_ref(&unknown)).unwrap().is_none());
    assert!(town.may(&[&card]) && !town.may(&[&unknown]) && !town.may(&[]));
}

#[tokio::test]
async fn a_withdrawal_of_the_person_hides_what_the_linked_device_did() {
    let town = Town::new();
    let (laptop, card) = (town.named("device", "laptop-1"), town.named("loyalty_card", "DE-4001123456789"));
    town.decide(vec![laptop.clone()], YES).await;
    town.decide(vec![card.clone()], YES).await;
    town.meet(&[card.clone(), laptop.clone()]).await;
    let customer = |town: &Town| {
        let id = town.gathering().lookup("shop", std::slice::from_ref(&card)).unwrap().unwrap();
        town.gathering().customer("shop", id).unwrap().unwrap()
    };
    let purpose = town.house.policy.purpose("personalization").unwrap();
    assert!(town.may(&[&laptop]) && town.may(&[&card]) && town.gathering().may_any(&customer(&town), purpose));
    town.decide(vec![card.clone()], &[("personalization", false)]).await;
    assert!(!town.may(&[&laptop]) && !town.may(&[&card]) && !town.gathering().may_any(&customer(&town), purpose));
}
