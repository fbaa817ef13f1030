//! The rooms that the way out needs, over a store in memory and a clock that only the test moves.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::{Chance, Clock, DAY_MS, Millis, rfc3339};
use crate::consent::{Besides, Consents, Method, Order};
use crate::egress::Egress;
use crate::events::{Event, EventType};
use crate::forward::{DeadLetter, Deps, Figures, Forwarder};
use crate::identity::{self, Admission, Directory};
use crate::outbox;
use crate::policy::{
    Controller, Destination, DestinationKind, Erasure, Handle, IdentifierForm, IdentifierKind, IdentifierType, LegalBasis,
    Policy, Purpose, Purposes, Route, Source, SourceKind, Texts,
};
use crate::preferences::Preferences;
use crate::profile::Profiles;
use crate::store::{Batch, Store};
use crate::vault::Vault;

pub(super) const START: Millis = 1_795_000_000_000;
pub(super) const FIVE_MINUTES: Millis = 5 * 60_000;

pub(super) struct House {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) vault: Arc<Vault>,
    pub(super) directory: Arc<Directory>,
    pub(super) consents: Arc<Consents>,
    pub(super) profiles: Arc<Profiles>,
    pub(super) policy: Handle,
    pub(super) forwarder: Forwarder,
    folder: tempfile::TempDir,
}

pub(super) fn webhook(id: &str, url: &str) -> Destination {
    let kind = DestinationKind::Webhook { url: Some(url.to_owned()), allow_private: true, timeout_ms: 250 };
    Destination { kind, ..file(id) }
}

pub(super) fn file(id: &str) -> Destination {
    Destination {
        id: id.to_owned(),
        kind: DestinationKind::File { path: String::from("out") },
        domain: id.to_owned(),
        purposes: Purposes::one(0),
        fields: vec![String::from("properties.*"), String::from("traits.*")],
        url_parameters: Vec::new(),
        email: IdentifierForm::None,
        phone: IdentifierForm::None,
        consent: crate::policy::ConsentForm::Plain,
        truncated_ip: false,
        retry_days: 3,
        erasure: Erasure::by_hand(),
    }
}

pub(super) fn profile() -> Destination {
    Destination { kind: DestinationKind::Profile, ..file("profile") }
}

pub(super) fn policy(destinations: Vec<Destination>) -> Policy {
    let purpose = |id: &str| Purpose {
        id: id.to_owned(),
        basis: LegalBasis::Consent,
        title: Texts::new(),
        text: Texts::new(),
        retention_days: 100,
        consent_days: None,
        double_opt_in: false,
        data: Vec::new(),
        categories: vec![id.to_owned()],
    };
    let identifier = |id: &str, kind, path: &str| IdentifierType {
        id: id.to_owned(),
        kind,
        paths: vec![path.to_owned()],
        limit: 5,
        blocked: Vec::new(),
    };
    let source = Source {
        id: String::from("web"),
        kind: SourceKind::Website,
        write_key: String::from("wk_web"),
        origins: Vec::new(),
        records_decisions: true,
        takes_requests: true,
        trusted_consent_events: false,
        notice: None,
        token_required: false,
        rate_per_s: 1000,
        callback_origins: Vec::new(),
        heeds_suppression: false,
        sign_in: None,
    };
    let routes = destinations.iter().enumerate().map(|(destination, d)| Route {
        id: d.id.clone(),
        sources: Vec::new(),
        types: Vec::new(),
        events: Vec::new(),
        destination,
        purposes: Purposes::NONE,
        drop: Vec::new(),
    });
    Policy {
        terms: crate::policy::TermsSet::default(),
        version: String::from("test"),
        written: String::new(),
        duties: Vec::new(),
        preferences: Vec::new(),
        channels: Vec::new(),
        proof_years: 3,
        suppression_days: 365,
        controller: Controller { country: String::from("DE"), ..Controller::default() },
        purposes: vec![purpose("analytics"), purpose("personalization"), purpose("identity_linking")],
        without_consent: Purposes::NONE,
        objectable: Purposes::NONE,
        linking: Some(2),
        signals: crate::policy::Signals::default(),
        identifiers: vec![
            identifier("user_id", IdentifierKind::UserId, "userId"),
            identifier("device", IdentifierKind::Device, "anonymousId"),
        ]
        .into(),
        notices: Vec::new(),
        sources: vec![source],
        routes: routes.collect(),
        destinations,
    }
}

impl House {
    pub(super) fn new(destinations: Vec<Destination>) -> Self {
        Self::over(Store::memory(), Clock::manual(START), tempfile::tempdir().unwrap(), policy(destinations))
    }

    fn over(store: Store, clock: Clock, folder: tempfile::TempDir, policy: Policy) -> Self {
        let vault = Arc::new(Vault::open(&folder.path().join("keys"), &store, &Chance::system()).unwrap());
        let directory = Arc::new(Directory::open(&store, &vault).unwrap());
        let consents = Arc::new(Consents::open(&store, &vault, &directory, &policy).unwrap());
        let profiles = Arc::new(Profiles::open(&store, &vault).unwrap());
        let preferences = Arc::new(Preferences::new(&store, &vault, &directory, &consents, &Chance::system()));
        let policy = Handle::new(policy);
        let forwarder = Forwarder::start(Deps {
            store: store.clone(),
            vault: Arc::clone(&vault),
            directory: Arc::clone(&directory),
            consents: Arc::clone(&consents),
            profiles: Arc::clone(&profiles),
            preferences,
            policy: policy.clone(),
            clock: clock.clone(),
            out: folder.path().to_path_buf(),
            egress: Egress::new().unwrap(),
        })
        .unwrap();
        Self { store, clock, vault, directory, consents, profiles, policy, forwarder, folder }
    }

    /// Ends the workers and starts everything anew over the same store.
    pub(super) async fn restart(self) -> Self {
        self.forwarder.stop().await;
        let policy = (*self.policy.current()).clone();
        Self::over(self.store, self.clock, self.folder, policy)
    }

    /// Puts other destinations in force.
    pub(super) fn change(&self, destinations: Vec<Destination>) {
        self.policy.replace(policy(destinations));
        self.forwarder.policy_changed();
    }

    pub(super) async fn decide(&self, user: &str, purpose: usize, granted: bool) {
        let policy = self.policy.current();
        let identifier = identity::parse(&policy, &self.vault, "user_id", user).unwrap();
        let order = Order {
            identifiers: vec![identifier],
            decisions: vec![(purpose, granted)],
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
        self.consents.record(order).await.unwrap();
    }

    pub(super) async fn grant(&self, user: &str) {
        self.decide(user, 0, true).await;
    }

    /// Puts an event into the outbox as the intake does.
    pub(super) async fn send(&self, user: &str, n: u64) {
        self.send_with(user, None, &serde_json::json!({"n": n})).await;
    }

    pub(super) async fn send_with(&self, user: &str, device: Option<&str>, properties: &Value) {
        let mut batch = Batch::default();
        let plan = self.put(&mut batch, user, device, properties);
        self.store.commit(batch).await.unwrap();
        self.directory.learn(&plan);
    }
    /// Several events in one commit, so that the worker sees them together. Their people are known.
    pub(super) async fn send_together(&self, events: &[(&str, u64)]) {
        let mut batch = Batch::default();
        for (user, n) in events {
            self.put(&mut batch, user, None, &serde_json::json!({"n": n}));
        }
        self.store.commit(batch).await.unwrap();
    }
    fn put(&self, batch: &mut Batch, user: &str, device: Option<&str>, properties: &Value) -> identity::Plan {
        let policy = self.policy.current();
        let at = self.clock.now();
        let message = format!("{user}-{:x}", crc32fast::hash(properties.to_string().as_bytes()));
        let event = Event {
            kind: EventType::Track,
            message_id: message.clone().into(),
            user_id: (!user.is_empty()).then(|| user.to_owned().into()),
            anonymous_id: device.map(|d| d.to_owned().into()),
            previous_id: None,
            group_id: None,
            event: Some("Tasted".into()),
            name: None,
            properties: Some(RawValue::from_string(properties.to_string()).unwrap().into()),
            traits: None,
            context: None,
            rest: None,
            original_at: None,
            at,
        };
        let stated = identity::extract(&event, &policy, &self.vault);
        let context = Admission { vault: &self.vault, policy: &policy, chance: &Chance::system(), at };
        let plan = self.directory.admit(&stated.identifiers, &context, batch).unwrap();
        let key = plan.data_key(plan.subject).unwrap_or_else(|| self.vault.key(plan.subject).unwrap());
        let destinations: Vec<u32> =
            policy.destinations.iter().filter(|d| d.is_on()).map(|d| outbox::destination_tag(&d.id)).collect();
        let draft = outbox::Draft {
            subject: plan.subject,
            dedup: self.vault.mac("message", message.as_bytes()),
            received_at: at,
            source: "web",
            destinations: &destinations,
        };
        batch.append_with(outbox::STREAM, |out| draft.seal_onto(out, key.lend(), &event)).unwrap();
        plan
    }

    /// The next step of every worker panics.
    pub(super) fn stumble(&self) {
        for worker in self.forwarder.running.lock().iter() {
            worker.control.breaks.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    pub(super) async fn drain(&self) {
        self.forwarder.drain().await;
    }

    /// Lets time pass until nothing waits any more.
    pub(super) async fn settle(&self) {
        for _ in 0..200 {
            self.drain().await;
            let idle = self.forwarder.lag().iter().all(|(_, chunks)| *chunks == 0);
            if idle && self.forwarder.counts().iter().all(|(_, f)| f.waiting == 0) {
                return;
            }
            self.clock.pass(FIVE_MINUTES);
        }
        panic!("something never ends: {:?} {:?}", self.forwarder.lag(), self.forwarder.counts());
    }

    pub(super) fn figures(&self, id: &str) -> Figures {
        self.forwarder.counts().into_iter().find(|(d, _)| d == id).unwrap().1
    }

    pub(super) fn dead(&self) -> Vec<DeadLetter> {
        self.forwarder.dead_letters(None, None, 1000).unwrap()
    }

    /// The numbers in a destination's file of the day.
    pub(super) fn in_file(&self, id: &str, received_at: Millis) -> Vec<u64> {
        let day = rfc3339(received_at);
        let path = self.folder.path().join("out").join(format!("{id}-{}.ndjson", &day[..10]));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["properties"]["n"].as_u64().unwrap()).collect()
    }

    /// The numbers in all files of the destination, day by day.
    pub(super) fn in_files(&self, id: &str) -> Vec<u64> {
        let days = (self.clock.now() - START) / DAY_MS + 1;
        (0..=days).flat_map(|day| self.in_file(id, START + day * DAY_MS)).collect()
    }
}
