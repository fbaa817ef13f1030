//! The state machine against a table, over restarts; and what the audit forgets.

mod person;

use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::app::App;
use crate::audit::Question;
use crate::clock::DAY_MS;
use crate::config::Config;
use crate::consent::{Besides, Method, Order};

const START: Millis = 1_768_035_600_000;
const KINDS: [Kind; 6] =
    [Kind::Erasure, Kind::Access, Kind::Portability, Kind::Restriction, Kind::Objection, Kind::Rectification];
const STATES: [State; 6] =
    [State::IdentityUnclear, State::InReview, State::Running, State::Done, State::Refused, State::Cancelled];

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
}

/// The real gateway over a store in memory, and a clock that only the test moves.
struct House {
    app: Arc<App>,
    store: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn opened(folder: &Path, clock: &Clock, store: &Store) -> Arc<App> {
    let at = |name: &str| folder.join(name).display().to_string();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").display().to_string();
    let line = ["pforte", "--data", &at("data"), "--keys", &at("keys"), "--out", &at(""), "--policies", &policies];
    App::open_with(Arguments::parse_from(line).config, clock.clone(), Some(store.clone())).unwrap()
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

    async fn meet(&self, person: usize) {
        let policy = self.app.policy.current();
        let read = |kind: &str, value: String| identity::parse(&policy, &self.app.vault, kind, &value).unwrap();
        let order = Order {
            identifiers: vec![read("email", address(person)), read("device", format!("device-{person}"))],
            decisions: vec![(policy.purpose("analytics").unwrap(), true)],
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
        self.app.consents.record(order).await.unwrap();
    }

    async fn file(&self, kind: Kind, person: usize, identified: bool) -> RequestId {
        let mut wrong = Wrong::default();
        if kind == Kind::Rectification {
            wrong.identifiers.push((String::from("email"), address(person), Some(format!("right-{}", address(person)))));
            wrong.traits.insert(String::from("city"), json!("Mainz"));
        }
        let submission = Submission {
            kind,
            identifiers: vec![(String::from("email"), address(person))],
            purposes: None,
            wrong,
            identified,
            suppress: false,
            language: None,
            who: String::from("desk"),
            why: None,
        };
        self.app.rights.submit(submission).await.unwrap()
    }
}

fn address(person: usize) -> String {
    format!("person{person}@example.org")
}

fn steps() -> Vec<Step> {
    vec![
        Step::Identify,
        Step::Doubt,
        Step::Approve,
        Step::Refuse(Ground::NotIdentified),
        Step::Refuse(Ground::Excessive),
        Step::Extend,
        Step::Cancel,
        Step::Lift,
        Step::Note,
        Step::Assign(Some(String::from("ines"))),
        Step::Confirm { recipient: String::from("archive") },
    ]
}

/// What the documentation says: where this leads, or `None` if it is refused.
fn leads_to(step: &Step, request: &Request) -> Option<State> {
    use State::{Cancelled, Done, IdentityUnclear, InReview, Refused, Running};
    let state = request.state;
    match (step, state) {
        (Step::Identify, IdentityUnclear) => Some(InReview),
        (Step::Doubt, InReview) => Some(IdentityUnclear),
        (Step::Approve, InReview) => Some(Running),
        (Step::Refuse(Ground::NotIdentified), IdentityUnclear) | (Step::Refuse(_), InReview) => Some(Refused),
        (Step::Cancel, IdentityUnclear | InReview) => Some(Cancelled),
        (Step::Extend, IdentityUnclear | InReview) => (!request.extended).then_some(state),
        (Step::Lift, Running) => (request.kind == Kind::Restriction && !request.lifted).then_some(Running),
        (Step::Assign(_), Done | Refused | Cancelled) => None,
        (Step::Note | Step::Assign(_), _) => Some(state),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    File { kind: usize, person: usize, identified: bool },
    Act { which: usize, step: usize },
    Work,
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..KINDS.len(), 0..3_usize, any::<bool>()).prop_map(|(kind, person, identified)| Deed::File { kind, person, identified }),
        8 => (0..8_usize, 0..11_usize).prop_map(|(which, step)| Deed::Act { which, step }),
        2 => Just(Deed::Work),
        1 => Just(Deed::Restart),
    ]
}

/// All requests with their acts, by what is stored.
fn all(house: &House) -> Vec<(RequestId, Request)> {
    house.app.rights.list(None).unwrap()
}

async fn act(house: &House, id: RequestId, step: &Step) {
    let before = house.app.rights.get(id).unwrap();
    let done = house.app.rights.act(id, step.clone(), "dpo", Some("because")).await;
    let after = house.app.rights.get(id).unwrap();
    match (done, leads_to(step, &before)) {
        (Ok(answered), Some(state)) => {
            assert_eq!((answered.state, &answered), (state, &after), "{step:?}: what is answered is what is stored");
            assert_eq!(after.acts.get(..before.acts.len()), Some(before.acts.as_slice()), "no act is lost");
            assert_eq!(after.acts.len(), before.acts.len() + 1);
        }
        // About whom nothing is known (any more), or who has the right value already.
        (Err(Error::NotTheirs | Error::Taken), Some(_)) => {
            assert_eq!((before.kind, matches!(step, Step::Approve)), (Kind::Rectification, true));
            assert_eq!(before, after);
        }
        (Err(Error::Underway), Some(_)) => assert_eq!((matches!(step, Step::Approve), &before), (true, &after)),
        (Err(Error::State(_) | Error::TooLate | Error::NoRecipient), None) => {
            assert_eq!(before, after, "{step:?}: refused, and nothing changed")
        }
        (done, expected) => panic!("{step:?} in {:?}: {done:?}, expected {expected:?}", before.state),
    }
}

async fn live(mut house: House, deeds: Vec<Deed>) {
    for person in 0..2 {
        house.meet(person).await;
    }
    let (mut ids, mut acts) = (Vec::new(), 0);
    for deed in deeds {
        match deed {
            Deed::File { kind, person, identified } => {
                ids.push(house.file(KINDS[kind], person, identified).await);
                acts += 1;
            }
            Deed::Act { which, step } if !ids.is_empty() => {
                let id = ids[which % ids.len()];
                let before = house.app.rights.get(id).unwrap().acts.len();
                act(&house, id, &steps()[step]).await;
                acts += house.app.rights.get(id).unwrap().acts.len() - before;
            }
            Deed::Act { .. } => {}
            Deed::Work => house.app.rights.work().await.unwrap(),
            Deed::Restart => {
                let before = all(&house);
                house = house.restarted().await;
                assert_eq!(all(&house), before, "every state is durable");
            }
        }
        house.clock.pass(1_000);
        let concerning: Vec<_> = all(&house).into_iter().filter(|(_, request)| !request.is_settled()).collect();
        assert_eq!(house.app.rights.live().unwrap(), concerning, "which still concern somebody is known without opening all");
    }
    assert_eq!(all(&house).len(), ids.len(), "none is lost");
    let noted = house.app.audit.list(&Question { limit: 10_000, ..Question::default() }).unwrap();
    assert_eq!(noted.len(), acts, "every act is in the audit");
    assert!(noted.iter().rev().map(|(number, _)| *number).eq(1..=noted.len() as u64), "without gaps");
    ends(&house, &ids).await;
}

/// Whatever was done, each request can be brought to an end.
async fn ends(house: &House, ids: &[RequestId]) {
    for id in ids {
        house.app.rights.work().await.unwrap();
        let state = |house: &House| house.app.rights.get(*id).unwrap().state;
        if state(house) == State::IdentityUnclear {
            act(house, *id, &Step::Identify).await;
        }
        if state(house) == State::InReview {
            act(house, *id, &Step::Approve).await;
            house.app.rights.work().await.unwrap();
        }
        if state(house) == State::InReview {
            act(house, *id, &Step::Refuse(Ground::Excessive)).await;
        }
        let request = house.app.rights.get(*id).unwrap();
        if request.state == State::Running && request.kind == Kind::Restriction {
            drop(house.app.rights.act(*id, Step::Lift, "dpo", Some("over")).await);
            house.app.rights.work().await.unwrap();
        }
        house.app.rights.work().await.unwrap();
        assert!(state(house).is_over(), "{:?} is stuck", house.app.rights.get(*id).unwrap());
    }
    house.app.forwarder.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn no_request_is_lost_or_stuck_whatever_is_done(deeds in proptest::collection::vec(deed(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live(House::new(), deeds));
    }
}

#[test]
fn kinds_states_and_the_policys_words_agree() {
    assert!(KINDS.iter().all(|kind| Kind::parse(kind.name()) == Some(*kind)));
    assert!(KINDS.iter().all(|kind| policy::REQUEST_KINDS.contains(&kind.name())));
    assert!(STATES.iter().all(|state| State::parse(state.name()) == Some(*state)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_forgets_months_that_are_too_old_and_goes_on_counting() {
    let house = House::new();
    let old = house.file(Kind::Access, 0, true).await;
    act(&house, old, &Step::Cancel).await;
    house.clock.pass((KEPT_DAYS + 40) * DAY_MS);
    house.app.rights.tidy(house.clock.now()).await.unwrap();
    assert!(house.app.audit.list(&Question { limit: 10, ..Question::default() }).unwrap().is_empty());
    assert!(matches!(house.app.rights.get(old), Err(Error::NotFound)));
    assert_eq!(house.store.scan(b"A", None, 10).unwrap().len(), 1, "only the number of the last entry is left");
    house.file(Kind::Access, 0, true).await;
    let numbers: Vec<u64> =
        house.app.audit.list(&Question { limit: 10, ..Question::default() }).unwrap().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3]);
    house.app.rights.tidy(house.clock.now()).await.unwrap();
    assert_eq!(house.app.audit.list(&Question { limit: 10, ..Question::default() }).unwrap().len(), 1);
    house.app.forwarder.stop().await;
}
