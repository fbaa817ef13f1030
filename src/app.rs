//! The gateway as one value: every room, opened once and handed round by reference.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::audit::Audit;
use crate::auth::{self, Keys};
use crate::backup::{self, Backups};
use crate::chronicle::{self, Chronicle};
use crate::clock::{Chance, Clock};
use crate::config::{self, Config};
use crate::confirmation::{self, Confirmations};
use crate::consent::{self, Consents};
use crate::egress::Egress;
use crate::forward::Forwarder;
use crate::identity::Directory;
use crate::intake::Intake;
use crate::ledger::{Ledger, Trust};
use crate::limit::Limiter;
use crate::mail::{self, Mails};
use crate::officers::Officers;
use crate::policy::{self, Handle, Policy};
use crate::portal::Portal;
use crate::preferences::Preferences;
use crate::profile::Profiles;
use crate::retention::{self, Retention};
use crate::rights::{self, Rights};
use crate::session::Sessions;
use crate::store::{self, Store};
use crate::telemetry::{Figures, Metrics};
use crate::vault::{self, Vault};
use crate::witness::Witnesses;

/// Folders in the data folder, beside the store, that belong to a backup.
pub const BESIDE: &[&str] = &[auth::keys::FOLDER];

/// Why a policy that was to come into force does not.
#[derive(Debug, thiserror::Error)]
pub enum OldStays {
    /// It does not lint.
    #[error("the policy does not lint: {} finding(s)", .0.len())]
    Findings(Vec<policy::Finding>),
    /// It cannot be kept.
    #[error("the policy cannot be kept: {0}")]
    Chronicle(#[from] chronicle::Error),
}

/// Everything that a handler may need.
pub struct App {
    /// How it was started.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub chance: Chance,
    /// What is stored.
    pub store: Store,
    /// Keys and everything sealed.
    pub vault: Arc<Vault>,
    /// The transparency log.
    pub ledger: Arc<Ledger>,
    /// Who cosigns the ledger's heads.
    pub witnesses: Arc<Witnesses>,
    /// What is asked and who may receive it.
    pub policy: Handle,
    /// Which policy was in force when.
    pub chronicle: Chronicle,
    /// Who identifiers belong to.
    pub directory: Arc<Directory>,
    /// What people decided.
    pub consents: Arc<Consents>,
    /// The embedded profile store.
    pub profiles: Arc<Profiles>,
    /// What people state about themselves.
    pub preferences: Arc<Preferences>,
    /// The way in.
    pub intake: Arc<Intake>,
    /// The way out.
    pub forwarder: Arc<Forwarder>,
    /// Who did and saw what.
    pub audit: Arc<Audit>,
    /// People of the company who work here.
    pub officers: Officers,
    /// Letters to people.
    pub mails: Arc<Mails>,
    /// Decisions that may need a confirmation by mail.
    pub confirmations: Arc<Confirmations>,
    /// What people ask for.
    pub rights: Arc<Rights>,
    /// What is over goes.
    pub retention: Retention,
    /// Copies of everything.
    pub backups: Backups,
    /// Who is signed in on pages.
    pub sessions: Arc<Sessions>,
    /// Where people see and change what is done with their data.
    pub portal: Portal,
    /// Secret keys.
    pub secrets: Keys,
    /// The token of this run, for commands on this machine.
    pub operator: auth::Operator,
    /// Who has asked how often.
    pub limiter: Limiter,
    /// Figures for `/metrics`.
    pub metrics: Metrics,
}

impl App {
    /// Opens everything, in the order of the floors.
    ///
    /// # Errors
    /// In words for the person who starts it: what is wrong, where, and what to do.
    pub fn open(config: Config) -> anyhow::Result<Arc<Self>> {
        Self::open_with(config, Clock::system(), None)
    }

    /// The same with a clock and a store of the caller's choosing. For tests.
    ///
    /// # Errors
    /// As [`App::open`].
    pub fn open_with(config: Config, clock: Clock, store: Option<Store>) -> anyhow::Result<Arc<Self>> {
        let chance = Chance::system();
        let policy = first_policy(&config)?;
        let store = store.map_or_else(|| own_store(&config), Ok)?;
        let settings = vault::Settings { master: config.master.source(), at: clock.now(), ..vault::Settings::default() };
        let vault = Arc::new(Vault::open_with(&config.keys, &store, &chance, &settings)?);
        let ledger = Arc::new(Ledger::open(&store, &vault, &config.data.join("ledger"))?);
        let directory = Arc::new(Directory::open(&store, &vault)?);
        let consents = consents(&config, (&store, &vault, &directory), &policy.current())?;
        let profiles = Arc::new(Profiles::open(&store, &vault)?);
        let preferences = Arc::new(Preferences::new(&store, &vault, &directory, &consents, &chance));
        let intake = Arc::new(Intake::open(&store, &vault, &directory, &consents, &clock)?);
        let egress = Egress::new().context("the HTTP client does not start")?;
        let ground = Ground { store, vault, directory, consents, profiles, preferences, policy, clock, chance };
        let forwarder = Arc::new(ground.forwarder(&config, &egress)?);
        let mails = Arc::new(Self::mails(&config, &ground.store, &ground.vault, &ground.clock)?);
        let audit = Arc::new(Audit::new(ground.store.clone(), Arc::clone(&ground.vault)));
        let rooms = ground.rooms(&config, (&forwarder, &mails, &audit), egress.clone());
        let confirmations = Arc::new(confirmations(&rooms));
        let rights = Arc::new(Rights::new(rooms.clone()));
        rights.check_certificate()?;
        rights.bury_again()?;
        let retention = retention(&rooms, &rights)?;
        let Ground { store, vault, directory, consents, profiles, preferences, policy, clock, chance } = ground;
        let sessions = Arc::new(Sessions::open(&store, &vault, &clock, &chance)?);
        let portal = Portal::new(rooms, Arc::clone(&rights), Arc::clone(&sessions), Arc::clone(&confirmations));
        let chronicle = Chronicle::open(&store)?;
        chronicle.turn().keep(&policy.current(), clock.now())?;
        Ok(Arc::new(Self {
            witnesses: Arc::new(witnesses(&config, &store, &ledger, &egress)?),
            backups: backups(&config, &store, &vault, &chance),
            officers: Officers::open((&store, &vault, &audit), &config.data, &chance)?,
            portal,
            sessions,
            secrets: Keys::open(&config.data, &chance)?,
            operator: auth::Operator::fresh(&chance)?,
            limiter: Limiter::new(),
            metrics: Metrics::new(),
            config,
            clock,
            chance,
            store,
            vault,
            ledger,
            policy,
            chronicle,
            directory,
            consents,
            profiles,
            preferences,
            intake,
            forwarder,
            audit,
            mails,
            confirmations,
            rights,
            retention,
        }))
    }

    fn mails(config: &Config, store: &Store, vault: &Arc<Vault>, clock: &Clock) -> anyhow::Result<Mails> {
        let (store, vault, clock) = (store.clone(), Arc::clone(vault), clock.clone());
        let deps = mail::Deps { store, vault, clock, chance: Chance::system(), folder: config.data.join("mail") };
        let public_url = config.public_url.as_ref().map(|url| url.as_str().to_owned());
        let settings = mail::Settings { smtp: config.mail.server()?, from: config.mail.mail_from.clone(), public_url };
        Ok(Mails::open(deps, settings)?)
    }

    /// Reads the policy again, and keeps it before it is in force. If it does not lint or cannot be kept, the old one stays. Blocks.
    ///
    /// # Errors
    /// Why the old one stays.
    pub fn reload_policy(&self) -> Result<String, OldStays> {
        let mut turn = self.chronicle.turn();
        let bits: Vec<String> = self.policy.current().purposes.iter().map(|p| p.id.clone()).collect();
        let policy = policy::load_after(&self.config.policies, &bits).map_err(OldStays::Findings)?;
        let version = policy.version.clone();
        turn.keep(&policy, self.clock.now())?;
        self.consents.enforce(&policy);
        self.policy.replace(policy);
        self.forwarder.policy_changed();
        Ok(version)
    }

    /// What the rooms know about themselves, for `/metrics`.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let (directory, progress) = (self.directory.figures(), self.directory.progress());
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut figures = Figures { policy: self.policy.current().version.clone(), ..Figures::default() };
        let lines = self.intake.counters().lines().into_iter();
        figures.events = lines.map(|(line, n)| (line.source, line.destination, line.outcome, n)).collect();
        self.forwarder.figures(&mut figures);
        let (requests, late) = self.rights.open_and_late().unwrap_or_else(|error| {
            tracing::error!(%error, "requests of people cannot be counted");
            (0, 0)
        });
        let run = self.retention.latest().unwrap_or_default();
        let seconds = |at: crate::clock::Millis| u64::try_from(at / 1000).unwrap_or(0);
        let mails = self.mails.count().unwrap_or_else(|error| {
            tracing::error!(%error, "mails cannot be counted");
            mail::Count::default()
        });
        figures.gauges = vec![
            ("subjects", "People and devices that are known", count(directory.subjects)),
            ("identifiers", "Identifiers that are known", count(directory.identifiers)),
            ("links", "Identifiers that were stated together with somebody else", count(directory.links)),
            ("index_epoch", "How many index keys there were", u64::from(progress.epoch)),
            (
                "index_left",
                "Identifiers that are still to be moved to the present index key",
                count(progress.total - progress.moved),
            ),
            ("directory_bytes", "Memory of the directory of identifiers", count(directory.memory_bytes)),
            ("standing_bytes", "Memory of what was decided", count(self.consents.memory_bytes())),
            ("deduplication_keys", "Messages that would be recognised if they came again", count(self.intake.remembered())),
            ("profile_events", "Events in the embedded profile store", count(self.profiles.events())),
            ("requests_open", "Requests of people that are not over", requests),
            ("requests_late", "Requests of people whose deadline has passed", late),
            ("suppressed", "Identifiers that sources which take data over do not bring back", count(self.directory.suppressed())),
            (
                "retention_seconds",
                "When what is over was last looked for, in seconds since 1970",
                run.ended_at.map_or(0, seconds),
            ),
            ("retention_people", "People whom the latest run let go because nothing was left to be kept", run.people),
            ("retention_duties_ended", "People of whom the latest run ended what a law had kept", run.duties_ended),
            ("retention_duties_held", "People of whom something is kept because a law says so", run.duties_held),
            ("ledger_leaves", "Leaves under the newest signed head of the ledger", self.ledger.head().size),
            (
                "ledger_witnessed_leaves",
                "Leaves under the newest head of the ledger that enough witnesses have cosigned",
                self.ledger.witnessed().map_or(0, |head| head.size),
            ),
            (
                "ledger_witnesses_failing",
                "Witnesses that did not answer well when they were asked last",
                count(self.witnesses.failing()),
            ),
            ("mails_waiting", "Mails that wait to be sent", mails.waiting),
            ("mails_sent", "Mails that were sent since the start", mails.sent),
            ("mails_failed", "Mails that were given up since the start", mails.failed),
            ("store_bytes", "What the store takes on disk", self.store.size_on_disk()),
        ];
        match self.backups.age_s(self.clock.now()) {
            Ok(age) => {
                figures.gauges.extend(age.map(|age| ("backup_age_seconds", "How long ago the last backup was begun", age)))
            }
            Err(error) => tracing::error!(%error, "when the last backup was made cannot be read"),
        }
        figures
    }

    /// Ends what is under way, then closes the store.
    ///
    /// # Errors
    /// When the store cannot be closed cleanly.
    pub async fn close(&self) -> anyhow::Result<()> {
        self.forwarder.stop().await;
        self.consents.rates.write(self.policy.current().controller.day(self.clock.now())).await?;
        self.store.close()?;
        Ok(())
    }
}

fn consents(
    config: &Config,
    (store, vault, directory): (&Store, &Arc<Vault>, &Arc<Directory>),
    policy: &Policy,
) -> Result<Arc<Consents>, consent::Error> {
    let cut = Duration::from_millis(config.withdrawal_cut_ms);
    Ok(Arc::new(Consents::open(store, vault, directory, policy)?.cut_after(cut)))
}

/// What most rooms work with.
struct Ground {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    profiles: Arc<Profiles>,
    preferences: Arc<Preferences>,
    policy: Handle,
    clock: Clock,
    chance: Chance,
}

impl Ground {
    fn forwarder(&self, config: &Config, egress: &Egress) -> anyhow::Result<Forwarder> {
        Ok(Forwarder::start(crate::forward::Deps {
            store: self.store.clone(),
            vault: Arc::clone(&self.vault),
            directory: Arc::clone(&self.directory),
            consents: Arc::clone(&self.consents),
            profiles: Arc::clone(&self.profiles),
            preferences: Arc::clone(&self.preferences),
            policy: self.policy.clone(),
            clock: self.clock.clone(),
            out: config.out.clone(),
            egress: egress.clone(),
        })?)
    }

    fn rooms(
        &self,
        config: &Config,
        (forwarder, mails, audit): (&Arc<Forwarder>, &Arc<Mails>, &Arc<Audit>),
        egress: Egress,
    ) -> rights::Deps {
        rights::Deps {
            store: self.store.clone(),
            vault: Arc::clone(&self.vault),
            audit: Arc::clone(audit),
            mails: Arc::clone(mails),
            directory: Arc::clone(&self.directory),
            consents: Arc::clone(&self.consents),
            profiles: Arc::clone(&self.profiles),
            preferences: Arc::clone(&self.preferences),
            forwarder: Arc::clone(forwarder),
            policy: self.policy.clone(),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            egress,
            public_url: config.public_url.as_ref().map(|url| url.as_str().to_owned()),
        }
    }
}

fn confirmations(rooms: &rights::Deps) -> Confirmations {
    Confirmations::new(confirmation::Deps {
        consents: Arc::clone(&rooms.consents),
        mails: Arc::clone(&rooms.mails),
        vault: Arc::clone(&rooms.vault),
        policy: rooms.policy.clone(),
        clock: rooms.clock.clone(),
        chance: rooms.chance.clone(),
    })
}

fn first_policy(config: &Config) -> anyhow::Result<Handle> {
    let policy = policy::load(&config.policies).map_err(|findings| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the policy in {} does not load:\n{}", config.policies.display(), lines.join("\n"))
    })?;
    Ok(Handle::new(policy))
}

fn witnesses(config: &Config, store: &Store, ledger: &Arc<Ledger>, egress: &Egress) -> anyhow::Result<Witnesses> {
    let trust = config.witnesses.as_deref().map_or_else(|| Ok(Trust::default()), config::read_witnesses)?;
    Ok(Witnesses::open(store, ledger, trust, egress)?)
}

fn own_store(config: &Config) -> Result<Store, store::Error> {
    Store::open(&config.data, &store::Options { cache_bytes: config.cache_mib << 20, ..store::Options::default() })
}

fn backups(config: &Config, store: &Store, vault: &Arc<Vault>, chance: &Chance) -> Backups {
    let source = backup::Source { store: store.clone(), data: config.data.clone(), beside: BESIDE };
    Backups::new(source, Arc::clone(vault), chance.clone())
}

fn retention(rooms: &rights::Deps, rights: &Arc<Rights>) -> Result<Retention, store::Error> {
    Retention::open(retention::Deps {
        store: rooms.store.clone(),
        vault: Arc::clone(&rooms.vault),
        directory: Arc::clone(&rooms.directory),
        consents: Arc::clone(&rooms.consents),
        profiles: Arc::clone(&rooms.profiles),
        preferences: Arc::clone(&rooms.preferences),
        rights: Arc::clone(rights),
        policy: rooms.policy.clone(),
    })
}
