use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use crate::app::App;
use crate::clock::{Clock, DAY_MS, Millis};
use crate::config::Config;
use crate::consent::{self, Besides, Method, Order};
use crate::id::SubjectId;
use crate::identity::{self, Admission, Identifier};
use crate::profile::{Arrival, Exported, Term, purpose_tag};
use crate::rights::{Kind, Step, Submission, Wrong};
use crate::store::{self, Batch, Store};
use crate::vault::{self, Class};

/// 10 January 2026, in the morning.
const START: Millis = 1_768_035_600_000;

/// The real gateway over a store in memory, and a clock that only the test moves.
struct House {
    app: Arc<App>,
    store: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn at(text: &str) -> Millis {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn opened(folder: &Path, clock: &Clock, store: &Store) -> Arc<App> {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: folder.join("data"),
        keys: folder.join("keys"),
        policies: Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"),
        out: folder.to_path_buf(),
        log: String::from("off"),
        workers: 1,
        cache_mib: 1,
        trusted_proxies: Vec::new(),
        withdrawal_cut_ms: 1000,
        index_key_days: 0,
        master: crate::config::MasterKey::default(),
        public_url: None,
        demo: None,
        mail: crate::config::Mail::default(),
        witnesses: None,
    };
    App::open_with(config, clock.clone(), Some(store.clone())).unwrap()
}

impl House {
    fn new() -> Self {
        let (store, clock, folder) = (Store::memory(), Clock::manual(START), tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self { app: opened(folder.path(), &clock, &store), store, clock, folder }
    }

    /// As after a crash: everything but the store is new.
    async fn restarted(self) -> Self {
        self.app.forwarder.stop().await;
        Self { app: opened(self.folder.path(), &self.clock, &self.store), ..self }
    }

    fn device(&self, name: &str) -> Identifier {
        identity::parse(&self.app.policy.current(), &self.app.vault, "device", name).unwrap()
    }

    fn find(&self, name: &str) -> Option<SubjectId> {
        self.app.directory.owner(&self.device(name)).map(|owner| self.app.directory.subject(owner))
    }

    async fn meet(&self, name: &str) -> SubjectId {
        let (policy, mut batch) = (self.app.policy.current(), Batch::default());
        let context = Admission { vault: &self.app.vault, policy: &policy, chance: &self.app.chance, at: self.clock.now() };
        let plan = self.app.directory.admit(&[self.device(name)], &context, &mut batch).unwrap();
        self.store.commit(batch).await.unwrap();
        self.app.directory.learn(&plan);
        plan.subject
    }

    async fn decide(&self, name: &str, purpose: &str, granted: bool) -> Result<(), consent::Error> {
        let policy = self.app.policy.current();
        let order = Order {
            identifiers: vec![self.device(name)],
            decisions: vec![(policy.purpose(purpose).unwrap(), granted)],
            notice: None,
            language: None,
            method: Method::Banner,
            source: 0,
            actor: None,
            at: self.clock.now(),
            policy,
            mark: None,
            besides: Besides::default(),
        };
        // What needs a confirmation was confirmed elsewhere.
        let at = order.at;
        let recorded = if consent::needs_confirmation(&order) {
            self.app.consents.record_confirmed(order, at).await
        } else {
            self.app.consents.record(order).await
        };
        recorded.map(drop)
    }

    /// Stores an event as dispatch does.
    async fn event(&self, subject: SubjectId, name: &str, purpose: &str) {
        let policy = self.app.policy.current();
        let kept = policy.duty(name).map(|duty| Term::of(duty, &policy.controller, self.clock.now()));
        let body = json!({"type": "track", "event": name, "n": self.clock.now()}).to_string();
        let arrival = Arrival {
            subject,
            received_at: self.clock.now(),
            source: "web",
            purposes: &[purpose_tag(purpose)],
            names: &[],
            event: body.as_bytes(),
            kept: kept.as_ref(),
        };
        let mut batch = Batch::default();
        let turn = self.app.profiles.turn().await;
        let (staged, _) = self.app.profiles.stage(&[arrival], &mut batch).unwrap();
        let positions = self.store.commit(batch).await.unwrap();
        self.app.profiles.learn(&staged, &positions);
        drop(turn);
    }

    async fn run_at(&self, at: Millis) {
        self.clock.pass(at - self.clock.now());
        self.app.retention.run(at).await.unwrap();
    }

    fn rows(&self, table: u8) -> usize {
        self.store.scan(&[table], None, 10_000).unwrap().len()
    }

    /// What a duty keeps of somebody, and until when.
    fn kept(&self, subject: SubjectId) -> Vec<String> {
        let mut found = Vec::new();
        let take = |kept: &crate::profile::Kept<'_>| {
            found.push(format!(
                "{} {}",
                kept.term.until,
                serde_json::from_str::<serde_json::Value>(kept.event).unwrap()["event"]
            ));
            true
        };
        self.app.profiles.kept(&[subject], take).unwrap();
        found
    }

    /// Everything that the profile store can still read of somebody for a purpose or for the person.
    fn readable(&self, subject: SubjectId) -> usize {
        let mut count = 0;
        let take = |_: &Exported<'_>| {
            count += 1;
            true
        };
        self.app.profiles.export(&[subject], &self.app.policy.current(), take).unwrap();
        count
    }

    async fn ask(&self, kind: Kind, name: &str) -> crate::rights::RequestId {
        let submission = Submission {
            kind,
            identifiers: vec![(String::from("device"), name.to_owned())],
            purposes: None,
            wrong: Wrong::default(),
            identified: true,
            suppress: false,
            language: None,
            who: String::from("test"),
            why: None,
        };
        let id = self.app.rights.submit(submission).await.unwrap();
        self.app.rights.act(id, Step::Approve, "test", None).await.unwrap();
        self.app.rights.work().await.unwrap();
        id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_leaves_what_a_duty_keeps_and_that_goes_after_its_last_day() {
    let house = House::new();
    house.decide("erika", "personalization", true).await.unwrap();
    let erika = house.find("erika").unwrap();
    house.event(erika, "Product Viewed", "personalization").await;
    house.event(erika, "Order Completed", "personalization").await;
    house.clock.pass(360 * DAY_MS);
    house.event(erika, "Order Completed", "personalization").await;
    assert_eq!((house.readable(erika), house.kept(erika).len()), (3, 2));

    let id = house.ask(Kind::Erasure, "erika").await;
    assert_eq!((house.find("erika"), house.readable(erika)), (None, 0));
    assert_eq!(house.kept(erika), ["2034-12-31 \"Order Completed\"", "2035-12-31 \"Order Completed\""]);
    assert!(matches!(house.app.vault.key(erika), Err(vault::Error::Shredded)));
    let request = house.app.rights.get(id).unwrap();
    let kept: Vec<(&str, u64, &str)> = request.kept.iter().map(|k| (k.duty.as_str(), k.records, k.until.as_str())).collect();
    assert_eq!(kept, [("invoices", 1, "2034-12-31"), ("invoices", 1, "2035-12-31")]);
    assert!(request.kept.iter().all(|k| k.law.contains("§ 147")));

    // The last day is over where the company is, not in UTC.
    house.run_at(at("2034-12-31T22:59:00Z")).await;
    assert_eq!(house.kept(erika).len(), 2);
    house.run_at(at("2034-12-31T23:00:00Z")).await;
    assert_eq!(house.kept(erika), ["2035-12-31 \"Order Completed\""]);
    assert!(house.app.vault.class_key(erika, Class(2)).is_ok());
    let house = house.restarted().await;
    assert_eq!(house.kept(erika).len(), 1);
    house.run_at(at("2036-01-01T12:00:00Z")).await;
    assert!(house.kept(erika).is_empty());
    assert_eq!((house.rows(b'B'), house.rows(b'h'), house.rows(b'Y')), (0, 0, 0));
    assert!(matches!(house.app.vault.class_key(erika, Class(2)), Err(vault::Error::Shredded)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_that_the_policy_changes_or_drops_changes_nothing_of_what_is_kept() {
    let house = House::new();
    let erika = house.meet("erika").await;
    house.event(erika, "Order Completed", "personalization").await;
    let mut policy = (*house.app.policy.current()).clone();
    policy.duties[0].keep_years = 10;
    house.app.policy.replace(policy.clone());
    house.event(erika, "Order Completed", "personalization").await;
    assert_eq!(house.kept(erika), ["2034-12-31 \"Order Completed\"", "2036-12-31 \"Order Completed\""]);
    policy.duties.clear();
    house.app.policy.replace(policy);
    house.event(erika, "Order Completed", "personalization").await;
    house.run_at(at("2034-06-01T12:00:00Z")).await;
    assert_eq!(house.kept(erika).len(), 2, "until its day, as it was kept");
    house.run_at(at("2035-01-01T12:00:00Z")).await;
    assert_eq!(house.kept(erika), ["2036-12-31 \"Order Completed\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_while_processing_is_restricted() {
    let house = House::new();
    house.decide("erika", "personalization", true).await.unwrap();
    let erika = house.find("erika").unwrap();
    house.event(erika, "Order Completed", "personalization").await;
    let id = house.ask(Kind::Restriction, "erika").await;
    let late = at("2040-01-01T12:00:00Z");
    house.run_at(late).await;
    assert_eq!((house.find("erika"), house.readable(erika), house.kept(erika).len()), (Some(erika), 1, 1));
    house.app.rights.act(id, Step::Lift, "test", Some("over")).await.unwrap();
    house.app.rights.work().await.unwrap();
    house.run_at(late + DAY_MS).await;
    assert_eq!((house.find("erika"), house.readable(erika), house.kept(erika).len()), (None, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_decides_at_the_last_moment_stays_and_whoever_comes_after_is_new() {
    let house = House::new();
    house.decide("erika", "analytics", false).await.unwrap();
    let erika = house.find("erika").unwrap();
    let policy = house.app.policy.current();
    let seen = house.app.consents.memorable(erika, &policy).unwrap();
    house.decide("erika", "analytics", true).await.unwrap();
    let mut batch = Batch::default();
    house.app.consents.close(erika, &seen, &mut batch).unwrap();
    assert!(matches!(house.store.commit(batch).await, Err(store::Error::Conflict)));

    // Closed, and the work cut off before memory learns of it: a decision must not be lost.
    let seen = house.app.consents.memorable(erika, &policy).unwrap();
    let mut batch = Batch::default();
    house.app.directory.forget(&house.store, erika, &mut batch).unwrap();
    house.app.consents.close(erika, &seen, &mut batch).unwrap();
    house.store.commit(batch).await.unwrap();
    let (late, app) = (house.decide("erika", "analytics", true), Arc::clone(&house.app));
    let forgets = async move {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        app.consents.forgotten(erika);
        app.directory.forgotten(erika);
    };
    let (decided, ()) = tokio::join!(late, forgets);
    decided.unwrap();
    let again = house.find("erika").unwrap();
    assert_ne!(again, erika, "a new person");
    let house = house.restarted().await;
    house.run_at(START + DAY_MS).await;
    assert_eq!(house.find("erika"), Some(again));
    assert!(matches!(house.app.vault.key(erika), Err(vault::Error::Shredded)));
    assert_eq!((house.rows(b'S'), house.rows(b'K'), house.rows(b'I')), (1, 1, 1));
    house.app.consents.fold_check(&house.app.policy.current()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_between_any_two_steps_is_completed() {
    for step in 0..3 {
        let house = House::new();
        house.decide("erika", "analytics", false).await.unwrap();
        house.decide("otto", "marketing_email", false).await.unwrap();
        let (erika, otto) = (house.find("erika").unwrap(), house.find("otto").unwrap());
        let now = START + 400 * DAY_MS;
        house.clock.pass(400 * DAY_MS);
        let seen = house.app.consents.memorable(erika, &house.app.policy.current()).unwrap();
        if step > 0 {
            house.app.retention.close(&[(erika, seen)], &house.app.policy.current(), now).await.unwrap();
        }
        if step > 1 {
            house.app.vault.shred(&[(erika, Class::STANDARD)]).unwrap();
        }
        let house = house.restarted().await;
        house.run_at(now).await;
        assert_eq!((house.find("erika"), house.find("otto")), (None, Some(otto)), "cut off after step {step}");
        assert_eq!([b'K', b'I', b'V', b'S', b'D'].map(|table| house.rows(table)), [1; 5], "cut off after step {step}");
        house.app.forwarder.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_asked_for_something_is_kept_until_it_is_over() {
    let house = House::new();
    house.meet("erika").await;
    let erika = house.find("erika");
    let id = house.ask(Kind::Access, "erika").await;
    assert!(house.app.rights.get(id).unwrap().available_until.is_some());
    house.run_at(START + DAY_MS).await;
    assert_eq!(house.find("erika"), erika);
    house.clock.pass(31 * DAY_MS);
    house.app.rights.tidy(house.clock.now()).await.unwrap();
    house.run_at(START + 40 * DAY_MS).await;
    assert_eq!(house.find("erika"), None);
    assert_eq!(house.app.retention.latest().unwrap().people, 1);
}

/// What somebody does, on which day.
#[derive(Clone, Debug)]
enum Deed {
    Event { day: i64, purpose: &'static str },
    Decides { day: i64, purpose: &'static str, granted: bool },
}

const PURPOSES: [(&str, i64, i64); 3] = [("analytics", 395, 395), ("marketing_email", 730, 730), ("ads_sharing", 90, 395)];

fn deed() -> impl Strategy<Value = Deed> {
    let purpose = (0..PURPOSES.len()).prop_map(|n| PURPOSES[n].0);
    (any::<bool>(), 0_i64..900, purpose, any::<bool>()).prop_map(|(event, day, purpose, granted)| {
        if event { Deed::Event { day, purpose } } else { Deed::Decides { day, purpose, granted } }
    })
}

impl Deed {
    fn day(&self) -> i64 {
        match self {
            Self::Event { day, .. } | Self::Decides { day, .. } => *day,
        }
    }
}

/// The same rules, written down once more in the simplest way: the first day on which nothing is left of somebody.
fn last_day(deeds: &[Deed]) -> i64 {
    let proven = |day: i64| {
        let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        let ended = berlin.to_datetime(jiff::Timestamp::from_millisecond(START + day * DAY_MS).unwrap());
        let over = jiff::civil::date(ended.year() + 4, 1, 1).at(0, 0, 0, 0);
        let over = berlin.to_timestamp(over).unwrap().as_millisecond();
        // Runs are in the morning.
        (over - START + DAY_MS - 1).div_euclid(DAY_MS)
    };
    let mut last = 0;
    for (id, kept, holds) in PURPOSES {
        let mut granted_before = false;
        for deed in deeds {
            match deed {
                Deed::Event { day, purpose } if *purpose == id => last = last.max(day + kept),
                Deed::Decides { purpose, granted, .. } if *purpose == id => granted_before |= granted,
                Deed::Event { .. } | Deed::Decides { .. } => {}
            }
        }
        let latest = deeds.iter().rev().find_map(|deed| match deed {
            Deed::Decides { day, purpose, granted } if *purpose == id => Some((*day, *granted)),
            Deed::Event { .. } | Deed::Decides { .. } => None,
        });
        if let Some((day, granted)) = latest {
            last = last.max(if granted { proven(day + holds) } else { day + holds });
            if !granted && granted_before {
                last = last.max(proven(day));
            }
        }
    }
    last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn everybody_goes_on_the_first_day_on_which_nothing_is_left_of_them(
        people in prop::collection::vec(prop::collection::vec(deed(), 1..6), 1..5),
        looks in prop::collection::vec(900_i64..2_600, 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            let mut deeds: Vec<(usize, Deed)> =
                people.iter().enumerate().flat_map(|(n, deeds)| deeds.iter().map(move |deed| (n, deed.clone()))).collect();
            deeds.sort_by_key(|(_, deed)| deed.day());
            for (n, deed) in &deeds {
                house.clock.pass(START + deed.day() * DAY_MS - house.clock.now());
                let name = format!("person-{n}");
                match deed {
                    Deed::Event { purpose, .. } => {
                        let subject = house.meet(&name).await;
                        house.event(subject, "Product Viewed", purpose).await;
                    }
                    Deed::Decides { purpose, granted, .. } => house.decide(&name, purpose, *granted).await.unwrap(),
                }
            }
            let mut looks = looks.clone();
            looks.sort_unstable();
            for day in looks {
                house.run_at(START + day * DAY_MS).await;
                for n in 0..people.len() {
                    let mut own: Vec<Deed> = deeds.iter().filter(|(of, _)| *of == n).map(|(_, deed)| deed.clone()).collect();
                    own.sort_by_key(Deed::day);
                    let there = house.find(&format!("person-{n}")).is_some();
                    assert_eq!(there, day < last_day(&own), "day {day}: {own:?}, last {}", last_day(&own));
                }
            }
            house.app.consents.fold_check(&house.app.policy.current()).unwrap();
            house.app.forwarder.stop().await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_who_is_not_brought_back_has_an_end_and_so_has_its_key() {
    let house = House::new();
    let email = |name: &str| {
        identity::parse(&house.app.policy.current(), &house.app.vault, "email", &format!("{name}@example.org")).unwrap()
    };
    let submission = Submission {
        kind: Kind::Erasure,
        identifiers: vec![
            (String::from("email"), String::from("Erika@Example.org")),
            (String::from("device"), String::from("tablet")),
        ],
        purposes: None,
        wrong: Wrong::default(),
        identified: true,
        suppress: true,
        language: None,
        who: String::from("test"),
        why: Some(String::from("said so")),
    };
    let id = house.app.rights.submit(submission).await.unwrap();
    house.app.rights.act(id, Step::Approve, "test", None).await.unwrap();
    house.app.rights.work().await.unwrap();
    let listed = |app: &App, at: Millis| {
        [app.directory.is_suppressed(&[email("erika")], at), app.directory.is_suppressed(&[email("otto")], at)]
    };
    assert_eq!(listed(&house.app, START), [true, false], "also somebody who was never known");
    assert!(!house.app.directory.is_suppressed(&[house.device("tablet")], START), "devices may be others' as well");
    let key = house.folder.path().join("keys/suppression/2026.key");
    assert!(key.exists());
    let last = START + 3 * 365 * DAY_MS;
    assert_eq!(listed(&house.app, last - 1), [true, false]);
    assert_eq!(listed(&house.app, last), [false, false], "its time is over, whether or not it has gone");
    house.run_at(last - DAY_MS).await;
    assert_eq!((house.app.directory.suppressed(), house.rows(b's'), key.exists()), (1, 1, true));
    house.run_at(last + DAY_MS).await;
    assert_eq!((house.app.directory.suppressed(), house.rows(b's'), key.exists()), (0, 0, false));
}
