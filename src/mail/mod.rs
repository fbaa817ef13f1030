//! Mail to people: queued in the commit that causes it, sent by a worker, never by a handler.
//!
//! It **promises**
//! - a letter is queued in the same commit as the change that it tells of: neither is there without the other;
//! - it is sent at least once, also after a crash; whoever gets it twice gets the same Message-ID (RFC 5322, 3.6.4);
//! - it is sealed under a key of its own, which is shredded when it was sent or given up: nothing of it is left;
//! - what became of it can be seen, without a word of it: its kind, where it is, why it failed as a code;
//! - no address stands in a log.
//!
//! Without a mail server letters are written to a folder, readable: see `folder.rs`.
//!
//! It **refuses to know** what a letter says and what it is about: that has a random ID.

mod compose;
mod flood;
mod folder;
pub mod http;
mod record;
#[cfg(test)]
mod tests;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::clock::{Chance, Clock, DAY_MS, Millis, NoChance, rfc3339};
use crate::egress::smtp::{NoTls, Smtp, SmtpUrl};
use crate::id::SubjectId;
use crate::store::{self, Batch, Store};
use crate::vault::{self, Class, Vault};
use compose::Sender;
pub use flood::{Flood, Limits, Room};
use folder::Folder;
use record::{Head, LetterId, TRACES, WAITING, Waiting};
pub use record::{State, Trace};

/// How long a letter is tried, in days (RFC 5321, 4.5.4.1: at least four to five).
const TRIED_DAYS: i64 = 5;
/// How long a mail stays in the folder, in days.
const IN_FOLDER_DAYS: i64 = 7;
/// How many records are read at a time.
const PAGE: usize = 256;
/// The largest file that is attached. A letter must fit into one stored value.
pub const ATTACHMENT_BYTES_MAX: usize = 24 * 1024;

/// What can go wrong with mail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody must be named whom mails come from.
    #[error("with a mail server, say who mails come from: --mail-from 'Name <address@example.org>'")]
    From,
    /// That is nobody whom mails could come from.
    #[error("--mail-from must be an address, or a name and an address in angle brackets")]
    FromForm,
    /// TLS to the mail server cannot be set up.
    #[error(transparent)]
    Tls(#[from] NoTls),
    /// A letter cannot be made into a mail.
    #[error("a letter cannot be made into a mail")]
    Compose,
    /// The folder of mails could not be read or written.
    #[error("the folder of mails: {0}")]
    Folder(#[from] std::io::Error),
    /// A letter is of no known form.
    #[error("a letter is of no known form")]
    Form(#[from] serde_json::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// There was no randomness for a new letter.
    #[error(transparent)]
    Chance(#[from] NoChance),
}

/// A letter to somebody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Letter {
    /// The random ID of what it is about.
    pub about: [u8; 16],
    /// What kind of letter it is, as a code.
    pub kind: String,
    /// Whether it is the last one about this.
    pub is_last: bool,
    /// Until when it makes sense at all.
    pub until: Option<Millis>,
    /// To whom.
    pub to: String,
    /// Who writes it.
    pub company: String,
    /// Whom to answer to.
    pub reply_to: Option<String>,
    /// Its language.
    pub language: String,
    /// What it is about, in words.
    pub subject: String,
    /// What it says.
    pub paragraphs: Vec<String>,
    /// Which of the paragraphs is a link.
    pub link: Option<String>,
    /// A file: its name and what it holds.
    pub attachment: Option<(String, String)>,
}

/// How mail is sent.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The mail server; without one letters are written to a folder.
    pub smtp: Option<SmtpUrl>,
    /// Who mails come from.
    pub from: Option<String>,
    /// Where people reach the gateway; `None`: where it listens.
    pub public_url: Option<String>,
}

/// What this room needs.
pub struct Deps {
    /// What is stored.
    pub store: Store,
    /// Keys.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Clock,
    /// For IDs.
    pub chance: Chance,
    /// Where mails are written when there is no server.
    pub folder: PathBuf,
}

enum Way {
    Server(Smtp),
    Folder,
}

/// All letters.
pub struct Mails {
    deps: Deps,
    folder: Folder,
    way: Way,
    from: Sender,
    public_url: OnceLock<String>,
    wake: Notify,
    /// How often in a row the server was not there.
    stumbles: AtomicU32,
    sent: AtomicU64,
    failed: AtomicU64,
}

/// Figures of letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that wait.
    pub waiting: u64,
    /// Those that were sent, or written, since the start.
    pub sent: u64,
    /// Those that were given up since the start.
    pub failed: u64,
}

impl Mails {
    /// Opens the room. Nothing is sent before [`Mails::run`].
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn open(deps: Deps, settings: Settings) -> Result<Self, Error> {
        let Settings { smtp, from, public_url } = settings;
        let from = match (from, &smtp) {
            (Some(from), _) => {
                let mailbox: lettre::message::Mailbox = from.parse().map_err(|_no_mailbox| Error::FromForm)?;
                Sender { address: mailbox.email, name: mailbox.name }
            }
            (None, Some(_)) => return Err(Error::From),
            (None, None) => Sender { address: "pforte@localhost".parse().map_err(|_never| Error::FromForm)?, name: None },
        };
        let way = if let Some(url) = &smtp {
            Way::Server(Smtp::open(url, from.address.domain())?)
        } else {
            tracing::warn!("there is no mail server: mails to people are written to the folder of mails, readable");
            Way::Folder
        };
        let folder = Folder(deps.folder.clone());
        folder.remove_unfinished()?;
        Ok(Self {
            folder,
            deps,
            way,
            from,
            public_url: public_url.map(OnceLock::from).unwrap_or_default(),
            wake: Notify::new(),
            stumbles: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Says where the gateway listens; links begin with it if nobody said where people reach it.
    pub fn listens_at(&self, url: String) {
        // It was said already.
        drop(self.public_url.set(url));
    }

    /// What links begin with.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.public_url.get().map_or("http://localhost", String::as_str)
    }

    /// Whether mails lie in a folder, readable, because there is no server.
    #[must_use]
    pub const fn are_written(&self) -> bool {
        matches!(self.way, Way::Folder)
    }

    /// Whether letters can be sent to this address.
    #[must_use]
    pub fn reaches(address: &str) -> bool {
        address.parse::<lettre::Address>().is_ok()
    }

    /// Queues a letter in the caller's batch. When that is committed, call [`Mails::wake`].
    ///
    /// # Errors
    /// Without randomness, and what the vault says.
    pub fn queue(&self, letter: &Letter, at: Millis, batch: &mut Batch) -> Result<(), Error> {
        let id = LetterId { about: letter.about, own: self.deps.chance.bytes()? };
        let key = self.deps.vault.create(id.holder(), batch)?;
        let until = at.saturating_add(TRIED_DAYS * DAY_MS).min(letter.until.unwrap_or(Millis::MAX));
        let (kind, is_last) = (letter.kind.clone(), letter.is_last);
        let head = Head { kind, queued_at: at, until, is_last, attempts: 0, next_at: at, reason: None };
        let sealed = key.seal(&id.aad(), &serde_json::to_vec(letter)?)?;
        batch.check_absent(WAITING.key(&id));
        WAITING.put(batch, &id, &Waiting { head, sealed });
        Ok(())
    }

    /// There is something to send.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// What became of the letters about this, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn about(&self, about: [u8; 16]) -> Result<Vec<Trace>, Error> {
        let waiting = WAITING.scan(&self.deps.store, &about, None, PAGE)?.into_iter();
        let waiting = waiting.filter(|(_, waiting)| !waiting.sealed.is_empty()).map(|(_, Waiting { head, .. })| Trace {
            kind: head.kind,
            state: State::Waiting,
            at: head.queued_at,
            attempts: head.attempts,
            reason: head.reason,
        });
        let mut all: Vec<Trace> =
            TRACES.scan(&self.deps.store, &about, None, PAGE)?.into_iter().map(|(_, trace)| trace).collect();
        all.extend(waiting);
        all.sort_by_key(|trace| trace.at);
        Ok(all)
    }

    /// Forgets everything about this, in the caller's batch. Gives the keys that are then to be shredded.
    ///
    /// # Errors
    /// What the store says.
    pub fn forget(&self, about: [u8; 16], batch: &mut Batch) -> Result<Vec<(SubjectId, Class)>, Error> {
        let mut keys = Vec::new();
        for (id, _) in WAITING.scan(&self.deps.store, &about, None, PAGE)? {
            WAITING.delete(batch, &id);
            keys.push((id.holder(), Class::STANDARD));
        }
        TRACES.scan(&self.deps.store, &about, None, PAGE)?.iter().for_each(|(id, _)| TRACES.delete(batch, id));
        Ok(keys)
    }

    /// Takes mails out of the folder that have lain there for seven days.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tidy(&self, at: Millis) -> Result<usize, Error> {
        let mut failed = Ok(());
        let gone = self.folder.remove(|id| match TRACES.get(&self.deps.store, &id) {
            Ok(Some(trace)) => trace.at.saturating_add(IN_FOLDER_DAYS * DAY_MS) < at,
            // It was written, and is not noted yet: if it waits no more, it is nobody's.
            Ok(None) => matches!(WAITING.get(&self.deps.store, &id), Ok(None)),
            Err(error) => {
                failed = Err(error);
                false
            }
        })?;
        failed?;
        Ok(gone)
    }

    /// Forgets what became of letters of a kind before a moment. Gives how many that were.
    ///
    /// # Errors
    /// What the store says.
    pub async fn forget_traces(&self, kind: &str, before: Millis) -> Result<usize, Error> {
        let (mut batch, mut gone, mut after) = (Batch::default(), 0, None);
        loop {
            let page = TRACES.scan(&self.deps.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, _) in page.iter().filter(|(_, trace)| trace.kind == kind && trace.at < before) {
                TRACES.delete(&mut batch, id);
                gone += 1;
            }
        }
        if gone > 0 {
            self.deps.store.commit(batch).await?;
        }
        Ok(gone)
    }

    /// How many wait, and what became of those before.
    ///
    /// # Errors
    /// What the store says.
    pub fn count(&self) -> Result<Count, Error> {
        let waiting = self.waiting()?.iter().filter(|(_, waiting)| !waiting.sealed.is_empty()).count();
        Ok(Count {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        })
    }

    /// All that wait, the next one first.
    fn waiting(&self) -> Result<Vec<(LetterId, Waiting)>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = WAITING.scan(&self.deps.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            all.extend(page);
        }
        all.sort_by_key(|(_, waiting)| (waiting.head.next_at, waiting.head.queued_at));
        Ok(all)
    }

    /// A mail that lies in the folder, for the page that shows it.
    fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(id) = LetterId::parse(name).filter(|_| self.are_written()) else { return Ok(None) };
        Ok(self.folder.read(id)?)
    }

    /// The mails that lie in the folder, newest first: name, when, kind.
    fn files(&self) -> Result<Vec<(String, String, String)>, Error> {
        let mut all = Vec::new();
        for id in self.folder.list()? {
            let trace = TRACES.get(&self.deps.store, &id)?;
            all.extend(trace.map(|trace| (trace.at, id.name(), trace.kind)));
        }
        all.sort_by(|a, b| b.cmp(a));
        Ok(all.into_iter().map(|(at, name, kind)| (name, rfc3339(at), kind)).collect())
    }
}
