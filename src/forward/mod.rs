//! The way out: what waits in the outbox is brought to its destinations.
//!
//! What it is for: one worker per destination reads the outbox from its own cursor, decides about every event *again*, shapes
//! what may leave, sends, and moves the cursor when the destination has confirmed.
//!
//! It **promises**
//! - an event that consent or policy keep back by now does not leave (P1, P2): the gate is asked right before each send, and what stands
//!   is relied on ([`Consents::rely`]) until the event has left, so that a withdrawal waits for it or cuts it off;
//! - what was acknowledged at intake and may leave is delivered **at least once**, with the same idempotency key each time; to
//!   the embedded profile store and to files exactly once;
//! - the events of one subject arrive in their order, also over retries;
//! - a slow or dead destination delays no other and not the intake: each worker has its own thread and its own cursor;
//! - nothing is dropped because of failures: it is retried with backoff, and ends as a dead letter that can be replayed;
//! - memory is bounded: [`WINDOW_MAX`] entries per destination, [`PARKED_MAX`] parked ones on disk.
//!
//! It **refuses to know** whose an event is: what it logs and lists names destinations, reasons, numbers and times.

mod backoff;
mod bulk;
mod count;
mod dead;
mod destinations;
pub mod http;
mod judge;
mod lanes;
mod notice;
mod parked;
pub mod recipients;
mod record;
mod retire;
mod shared;
pub mod waiting;
mod window;
mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::clock::{Chance, Clock, Millis};
use crate::consent::Consents;
use crate::egress::{self, Egress};
use crate::id::SubjectId;
use crate::identity::Directory;
use crate::outbox;
use crate::policy::{Destination, DestinationKind, Handle};
use crate::preferences::Preferences;
use crate::profile::{self, Profiles};
use crate::store::{self, Store};
use crate::vault::{self, Vault};

pub use count::Figures;
pub use dead::{DeadLetter, Replayed};
pub use notice::{Message, Told};
pub use record::Received;
use shared::Shared;

/// How many entries a worker holds in memory at most.
pub const WINDOW_MAX: usize = 512;
/// How many requests are under way to one webhook at most.
pub const CONCURRENCY_MAX: usize = 16;
/// How many events of one destination are parked at most; then it counts as down, and its cursor stays.
pub const PARKED_MAX: usize = 100_000;
/// How long dead letters are kept, in days.
pub const DEAD_LETTER_DAYS: u32 = 30;

/// What the way out works with.
pub struct Deps {
    /// Where the outbox is.
    pub store: Store,
    /// Keys.
    pub vault: Arc<Vault>,
    /// Who identifiers belong to.
    pub directory: Arc<Directory>,
    /// What people decided.
    pub consents: Arc<Consents>,
    /// The embedded profile store.
    pub profiles: Arc<Profiles>,
    /// What people state about themselves.
    pub preferences: Arc<Preferences>,
    /// What may go where.
    pub policy: Handle,
    /// The time.
    pub clock: Clock,
    /// The folder that the paths of file destinations are relative to.
    pub out: PathBuf,
    /// The way to other machines.
    pub egress: Egress,
}

/// Why the way out cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A thread could not be started.
    #[error("a thread for a destination could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl Error {
    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store::Error::Busy))
    }
}

/// Why a worker cannot go on for now. Facts without personal data.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Vault(#[from] vault::Error),
    #[error(transparent)]
    Egress(#[from] egress::Error),
    #[error("the disk refused: {0}")]
    Io(#[from] std::io::Error),
    #[error("the outbox holds an entry that this version cannot read")]
    Unreadable,
}

impl From<profile::Error> for Fault {
    fn from(error: profile::Error) -> Self {
        match error {
            profile::Error::Store(error) => Self::Store(error),
            profile::Error::Vault(error) => Self::Vault(error),
        }
    }
}

impl Fault {
    /// The reason, as a code.
    const fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Vault(_) => "vault",
            Self::Egress(_) => "egress",
            Self::Io(_) => "disk",
            Self::Unreadable => "foreign_version",
        }
    }
}

/// What all workers share.
struct Core {
    deps: Deps,
    chance: Chance,
    shared: Shared,
}

impl std::ops::Deref for Core {
    type Target = Deps;

    fn deref(&self) -> &Deps {
        &self.deps
    }
}

impl Core {
    /// Any number, for jitter.
    fn draw(&self) -> u64 {
        self.chance.bytes().map_or(0, u64::from_le_bytes)
    }
}

/// How a worker is spoken to.
#[derive(Default)]
struct Control {
    /// Something may be due earlier than the worker thinks.
    wake: Notify,
    /// Counts up with every [`Forwarder::drain`].
    asked: AtomicU64,
    /// Counts up with every [`Forwarder::fence`].
    fence: AtomicU64,
    /// Subjects that dead letters were put back for.
    replayed: Mutex<Vec<SubjectId>>,
    /// The next step panics.
    #[cfg(test)]
    breaks: std::sync::atomic::AtomicBool,
}

/// A running worker, from outside.
struct Running {
    id: String,
    control: Arc<Control>,
    counter: Arc<count::Counter>,
    /// The last `asked` for which nothing was due any more; `u64::MAX` when the worker has ended.
    settled: watch::Receiver<u64>,
    /// The last `fence` after which a step was begun; `u64::MAX` when the worker has ended.
    fenced: watch::Receiver<u64>,
}

/// The way out, running.
pub struct Forwarder {
    core: Arc<Core>,
    running: Arc<Mutex<Vec<Running>>>,
    stop: watch::Sender<bool>,
}

impl Forwarder {
    /// Starts a worker for every destination that is on.
    ///
    /// # Errors
    /// When cursors cannot be read or a thread does not start.
    pub fn start(deps: Deps) -> Result<Self, Error> {
        let shared = Shared::open(&deps.store)?;
        let core = Arc::new(Core { deps, chance: Chance::system(), shared });
        let forwarder = Self { core, running: Arc::default(), stop: watch::Sender::new(false) };
        forwarder.start_missing()?;
        Ok(forwarder)
    }

    /// Tells the workers that another policy is in force: destinations that were switched on get a worker, those that were
    /// switched off lose theirs.
    pub fn policy_changed(&self) {
        if let Err(error) = self.start_missing() {
            tracing::error!(%error, "a destination has no worker");
        }
        self.running.lock().iter().for_each(|r| r.control.wake.notify_one());
    }

    fn start_missing(&self) -> Result<(), Error> {
        if *self.stop.borrow() {
            return Ok(());
        }
        let policy = self.core.policy.current();
        let mut running = self.running.lock();
        for destination in policy.destinations.iter().filter(|d| d.is_on()) {
            if !running.iter().any(|r| r.id == destination.id) {
                running.push(self.spawn(destination)?);
            }
        }
        drop(running);
        retire::others(&self.core, &self.running)?;
        Ok(())
    }

    fn spawn(&self, destination: &Destination) -> Result<Running, Error> {
        let control = Arc::new(Control::default());
        let counter = Arc::new(count::Counter::default());
        let (settle, settled) = watch::channel(0);
        let (pass, fenced) = watch::channel(0);
        let cursor = self.core.shared.enter(&self.core.store, &destination.id)?;
        let seat = worker::Seat {
            core: Arc::clone(&self.core),
            id: destination.id.clone(),
            cursor,
            control: Arc::clone(&control),
            counter: Arc::clone(&counter),
            settle,
            pass,
            stop: self.stop.subscribe(),
            running: Arc::clone(&self.running),
        };
        std::thread::Builder::new().name(format!("to-{}", destination.id)).spawn(move || worker::run(seat))?;
        Ok(Running { id: destination.id.clone(), control, counter, settled, fenced })
    }

    /// Waits until nothing is due: everything in the outbox was dealt with, or waits for a later time. For tests and for
    /// orderly ends.
    pub async fn drain(&self) {
        let asked: Vec<(u64, watch::Receiver<u64>)> = self
            .running
            .lock()
            .iter()
            .map(|r| {
                let asked = r.control.asked.fetch_add(1, Ordering::SeqCst) + 1;
                r.control.wake.notify_one();
                (asked, r.settled.clone())
            })
            .collect();
        for (asked, mut settled) in asked {
            // The worker has ended if this fails.
            drop(settled.wait_for(|s| *s >= asked).await);
        }
    }

    /// Waits until everything that was decided before has left or stayed, and what became of it is stored: then the list of recipients is
    /// complete. A request that is on the wire is waited for, at most as long as a destination may take to answer. A withdrawal does
    /// not need this ([`Consents::record`] waits for what relied on it), and it holds all destinations up.
    pub async fn fence(&self) {
        let asked: Vec<(u64, watch::Receiver<u64>)> = self
            .running
            .lock()
            .iter()
            .map(|r| {
                let asked = r.control.fence.fetch_add(1, Ordering::SeqCst) + 1;
                r.control.wake.notify_one();
                (asked, r.fenced.clone())
            })
            .collect();
        for (asked, mut fenced) in asked {
            // The worker has ended if this fails.
            drop(fenced.wait_for(|f| *f >= asked).await);
        }
    }

    /// Ends the workers. What is on the wire is waited for; what is not confirmed is sent again after the next start.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let settled: Vec<watch::Receiver<u64>> = self.running.lock().iter().map(|r| r.settled.clone()).collect();
        for mut settled in settled {
            drop(settled.wait_for(|s| *s == u64::MAX).await);
        }
    }

    /// Per destination: how many chunks of the outbox it has not dealt with.
    #[must_use]
    pub fn lag(&self) -> Vec<(String, u64)> {
        let newest = *self.core.store.watch(outbox::STREAM).borrow();
        let ids: Vec<String> = self.running.lock().iter().map(|r| r.id.clone()).collect();
        ids.into_iter().map(|id| (id.clone(), (newest + 1).saturating_sub(self.core.shared.reached(&id).max(1)))).collect()
    }

    /// Per destination: what became of events since the start.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, Figures)> {
        self.running.lock().iter().map(|r| (r.id.clone(), r.counter.figures())).collect()
    }

    /// The secrets that sign what a webhook gets, as Standard Webhooks write them: the present one, then the one before if the key of the
    /// domain was changed and that still holds.
    ///
    /// # Errors
    /// When the vault fails.
    pub fn webhook_secrets(&self, destination: &Destination) -> Result<Vec<String>, vault::Error> {
        let secrets = destinations::webhook::secrets(&self.core.vault, &destination.domain, &destination.id)?;
        Ok(secrets.iter().map(|secret| destinations::webhook::written(secret)).collect())
    }

    /// Of how many people recipients of a domain have received something before that time. The embedded profile store does not count:
    /// nobody has to tell it anything. Reads the whole list of recipients.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known_before(&self, domain: &str, time: Millis) -> Result<u64, store::Error> {
        let policy = self.core.policy.current();
        let of_domain = |d: &&Destination| d.domain == domain && d.kind != DestinationKind::Profile;
        let names: Vec<&str> = policy.destinations.iter().filter(of_domain).map(|d| d.id.as_str()).collect();
        recipients::known_before(&self.core.store, &names, time)
    }

    /// Per destination, also those that are off: how many dead letters there are.
    #[must_use]
    pub fn dead_letter_counts(&self) -> Vec<(String, u64)> {
        self.core.shared.dead()
    }

    /// Dead letters, without anything personal, in no particular order: after the one with the ID `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_letters(&self, destination: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        Ok(dead::list(&self.core.store, destination, after, limit)?)
    }

    /// Puts dead letters back: all, those of one destination, or one by its ID. They pass the gate again like everything else.
    ///
    /// # Errors
    /// When the store fails; what was put back before is.
    pub async fn replay(&self, destination: Option<&str>, id: Option<&str>, at: Millis) -> Result<Replayed, Error> {
        let outcome = dead::replay(&self.core, destination, id, at, |destination, subjects| {
            let running = self.running.lock();
            let worker = running.iter().find(|r| r.id == destination);
            if let Some(worker) = worker {
                worker.control.replayed.lock().extend(subjects);
                worker.control.wake.notify_one();
            }
        });
        Ok(outcome.await?)
    }

    /// Drops dead letters that are older than [`DEAD_LETTER_DAYS`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tidy(&self, at: Millis) -> Result<usize, Error> {
        Ok(dead::expire(&self.core, at).await?)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
