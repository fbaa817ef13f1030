//! What people may ask for, and what becomes of it (GDPR Art. 12 to 22).
//!
//! A request is received, the identity of who asks is made clear, a person of the company decides, and the gateway does what was
//! decided, everywhere.
//!
//! It **promises**
//! - a request is never lost and never stuck: each state is stored before anything is done, whatever was begun is completed after a
//!   crash, and doing it twice changes nothing;
//! - every act is noted with who did it, when and why;
//! - after an erasure nothing of the person can be read here any more (P6), and a signed certificate says what became of it at
//!   everybody who had received something; the certificate holds nothing personal;
//! - people hear by mail what becomes of what they asked for, and the letter is queued in the same commit as what it tells of;
//! - what a request itself holds of the person is sealed under a key of its own, and goes when the request is over.
//!
//! It **refuses to know** how a person proves who they are to a desk: whoever files the request says whether it is clear. Whoever asks
//! without a desk proves that they read the mails of the address that they state, and nothing else.

mod access;
mod certificate;
pub mod deadline;
mod erase;
pub mod http;
mod keep;
mod link;
mod live;
mod mails;
mod milestone;
mod notify;
mod object;
pub mod opendsr;
mod outlook;
mod person;
mod rectify;
mod register;
mod request;
mod restrict;
mod said;
mod segment;
mod signed_in;
mod step;
mod tell;
#[cfg(test)]
mod tests;
mod tidy;
mod unlink;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

pub use access::{Format, Package, Progress, harmless};
pub use certificate::{CERTIFICATE, Certificate, Part};
use deadline::Calendar;
pub use deadline::Reckoning;
pub use keep::Kept;
pub use link::{DeadEnd, Purpose};
use mails::Word;
pub use opendsr::{Order, Origin};
pub use outlook::Outlook;
pub use person::{Ask, Visit};
pub use rectify::Wrong;
pub use register::{Cursor, Filter, Page, Queue};
use request::REQUESTS;
pub use request::{Act, Fate, Ground, Kind, Recipient, Request, RequestId, State};
pub use signed_in::Proven;

pub use step::Step;
pub use unlink::Parting;

use crate::audit::{self, Audit, Entry};
use crate::clock::{Chance, Clock, Millis, NoChance};
use crate::consent::{self, Consents};
use crate::egress::Egress;
use crate::forward::Forwarder;
use crate::identity::{self, Directory};
use crate::mail::{self, Flood, Mails};
use crate::policy::{self, Policy};
use crate::preferences::Preferences;
use crate::profile::{self, Profiles};
use crate::store::{self, Batch, Store};
use crate::vault::{self, Class, DataKey, Sealed, Vault};

/// How long a request is kept after it is over, in days: as long as somebody could still bring a claim (three years, counted from the
/// end of the year).
pub const KEPT_DAYS: i64 = 4 * 366;
/// The largest record of a request; larger ones the store would not take.
const RECORD_BYTES_MAX: usize = store::VALUE_BYTES_MAX - 64;
/// How many records are read at a time.
const PAGE: usize = 256;

/// Why a request cannot be taken, or not be changed like this.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such request.
    #[error("there is no such request")]
    NotFound,
    /// Where the request is, this cannot be done.
    #[error("a request that is {} does not take this", .0.name())]
    State(State),
    /// The deadline cannot be extended (any more).
    #[error("the deadline can be extended once, inside its first month")]
    TooLate,
    /// A reason is needed.
    #[error("a reason is needed")]
    NoReason,
    /// What it is about is being erased at this moment.
    #[error("an erasure of the same person is being done; look again in a moment")]
    Underway,
    /// Somebody else has to approve it as well.
    #[error("the policy asks for two persons; somebody else has to approve it as well")]
    SamePerson,
    /// Two persons have to approve it, and a key is none.
    #[error("the policy asks for two persons: two officers approve it in the console, a key is nobody")]
    NoPerson,
    /// The request holds as many words as it can.
    #[error("the request holds as many words as it can")]
    Full,
    /// The request has no such recipient, or nothing is open there.
    #[error("nothing is open at this recipient")]
    NoRecipient,
    /// An identifier cannot be read.
    #[error("an identifier {refusal}")]
    Identifier {
        /// Its type, as it was named.
        kind: String,
        /// Why.
        refusal: identity::Refusal,
    },
    /// Nobody is named.
    #[error("nobody is named")]
    Nobody,
    /// A person's own request names something that a link in a mail cannot prove.
    #[error("a link in a mail proves an address alone; what else names you is told to a service desk")]
    Unproven(String),
    /// A person's own request names no e-mail address, or several.
    #[error("must name one e-mail address")]
    OneAddress,
    /// There is no address to which letters about the request could go.
    #[error("no e-mail address is named to which a link could be sent")]
    NoAddress,
    /// So many ask that everybody has to wait.
    #[error("too many requests are to be confirmed right now")]
    TooMany,
    /// A link leads nowhere.
    #[error(transparent)]
    Link(DeadEnd),
    /// The words of a letter could not be made.
    #[error("the words of a letter could not be made")]
    Words,
    /// A letter could not be queued.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// The named purposes cannot be objected to, or nothing is objected to.
    #[error("must name purposes that do not rest on a contract or a law, and only in an objection")]
    Purposes,
    /// What is to be put right cannot be taken like this.
    #[error("{0}")]
    Corrections(String),
    /// A trait cannot be put right like this.
    #[error("{0}")]
    Traits(&'static str),
    /// What is to be put right is not known as the person's.
    #[error("what is to be put right is not known as this person's")]
    NotTheirs,
    /// The right value leads to somebody else.
    #[error("the right value belongs to somebody else; people are never merged")]
    Taken,
    /// Another request of this controller has this ID.
    #[error("another request has this ID")]
    Differs,
    /// The certificate was issued for another host.
    #[error("keys/opendsr.crt is not issued for {0}, the host of --public-url")]
    OtherHost(String),
    /// Only who is erased can ask not to be brought back.
    #[error("goes with an erasure, and with a note of what the person said")]
    Suppress,
    /// Two identifiers that are to be kept apart are one person's own.
    #[error("both are one person's own; a rectification takes away what is not theirs")]
    OnePerson,
    /// There is no package, not yet, or not any more.
    #[error("there is no package, or its time is over")]
    NoPackage,
    /// What is stored of somebody could not be read.
    #[error(transparent)]
    Profile(#[from] profile::Error),
    /// Whoever fetches a package has gone away.
    #[error("the package could not be handed over")]
    Write(#[from] std::io::Error),
    /// A table could not be written.
    #[error("the package could not be handed over")]
    Table(#[from] csv::Error),
    /// Who has what could not be read or changed.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Decisions could not be read or changed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// There was no randomness for a new request.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// A sealed record is of no known form.
    #[error("a record of a request is of no known form")]
    Form(#[from] serde_json::Error),
}

impl From<audit::Error> for Error {
    fn from(error: audit::Error) -> Self {
        match error {
            audit::Error::Store(error) => Self::Store(error),
            audit::Error::Vault(error) => Self::Vault(error),
            audit::Error::Form(error) => Self::Form(error),
        }
    }
}

impl Error {
    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store::Error::Busy))
    }

    /// Whether somebody else changed the same at the same moment.
    const fn is_conflict(&self) -> bool {
        let in_identity = if let Self::Identity(error) = self { error.is_conflict() } else { false };
        in_identity
            || matches!(self, Self::Store(store::Error::Conflict) | Self::Vault(vault::Error::Store(store::Error::Conflict)))
    }
}

/// A request that comes in.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What is asked for.
    pub kind: Kind,
    /// Who asks: types and values as they were given.
    pub identifiers: Vec<(String, String)>,
    /// What an objection is about, by the purposes' IDs; `None`: everything that can be stopped.
    pub purposes: Option<Vec<String>>,
    /// What is to be put right.
    pub wrong: Wrong,
    /// Whether it is clear that the person asks whose these are.
    pub identified: bool,
    /// Whether they ask not to be brought back by sources that take data over. For an erasure; what they said must be noted.
    pub suppress: bool,
    /// The person's language; `None`: the policy's.
    pub language: Option<String>,
    /// Who files it.
    pub who: String,
    /// What they say about it.
    pub why: Option<String>,
}

/// What this room needs.
#[derive(Clone)]
pub struct Deps {
    /// What is stored.
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
    /// The way out.
    pub forwarder: Arc<Forwarder>,
    /// Who did and saw what.
    pub audit: Arc<Audit>,
    /// Letters to people.
    pub mails: Arc<Mails>,
    /// What the policy is.
    pub policy: policy::Handle,
    /// The time.
    pub clock: Clock,
    /// For IDs.
    pub chance: Chance,
    /// The way to recipients and controllers.
    pub egress: Egress,
    /// Where others reach the gateway.
    pub public_url: Option<String>,
}

/// All requests.
pub struct Rights {
    deps: Deps,
    /// Requests change one at a time. There are few, and each takes milliseconds.
    turn: Mutex<()>,
    running: parking_lot::Mutex<work::Running>,
    live: parking_lot::Mutex<live::Live>,
    /// How far the making of packages is, since the start.
    progress: parking_lot::Mutex<HashMap<RequestId, Arc<Progress>>>,
    /// There may be somebody to be told.
    telling: Notify,
    /// There may be a controller to be called back.
    calling: Notify,
    wake: Notify,
    processors: opendsr::Processors,
    calling_back: parking_lot::Mutex<opendsr::CallingBack>,
    flood: Flood,
}

impl Rights {
    /// Opens the room. Nothing is done before [`Rights::run`].
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        Self {
            deps,
            turn: Mutex::default(),
            running: parking_lot::Mutex::default(),
            live: parking_lot::Mutex::default(),
            progress: parking_lot::Mutex::default(),
            telling: Notify::new(),
            calling: Notify::new(),
            wake: Notify::new(),
            processors: opendsr::Processors::default(),
            calling_back: parking_lot::Mutex::default(),
            flood: Flood::default(),
        }
    }

    /// Takes a request. It is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Nobody`] and [`Error::Identifier`]; then nothing was kept. Whether somebody is known makes no difference.
    pub async fn submit(&self, submission: Submission) -> Result<RequestId, Error> {
        let policy = self.deps.policy.current();
        let Submission { kind, identifiers, purposes, wrong, identified, suppress, language, who, why } = submission;
        if identifiers.is_empty() {
            return Err(Error::Nobody);
        }
        let at = self.deps.clock.now();
        let state = if identified { State::InReview } else { State::IdentityUnclear };
        let mut request = Request::new(kind, state, at);
        request.purposes = object::purposes(&policy, kind, purposes)?;
        self.take_wrong(&mut request, &policy, wrong)?;
        request.suppress = keep::suppress(kind, suppress, why.as_deref())?;
        for (kind, value) in identifiers {
            let read = identity::parse(&policy, &self.deps.vault, &kind, &value);
            let read = read.map_err(|refusal| Error::Identifier { kind: kind.clone(), refusal })?;
            request.identifiers.push((kind, read.value));
        }
        if !identified {
            request.pauses.push((at, None));
        }
        request.note(at, &who, "received", why.as_deref());
        request.language = language;
        // While it is not clear who asks, nobody is written to: a desk's word for an address is not the person's.
        self.file(request, identified.then_some(Word::Received)).await
    }

    /// Stores a new request, with its first act and with what else the batch holds.
    async fn keep_new(&self, id: RequestId, request: &Request, mut batch: Batch) -> Result<(), Error> {
        let key = self.deps.vault.create(id.holder(), &mut batch)?;
        batch.check_absent(REQUESTS.key(&id));
        let sealed = key.seal(&aad(id), &serde_json::to_vec(request)?)?;
        REQUESTS.put(&mut batch, &id, &Sealed(sealed));
        milestone::append(&mut batch, &key, (id, request), 0)?;
        self.note_live(id);
        let received = request.acts.first().ok_or(Error::NotFound)?;
        let entry = about(id, received.at, &received.who, &received.what, received.why.as_deref());
        self.commit_noted(batch, &entry).await
    }

    /// One request.
    ///
    /// # Errors
    /// [`Error::NotFound`], and what the store says.
    pub fn get(&self, id: RequestId) -> Result<Request, Error> {
        let sealed = REQUESTS.get(&self.deps.store, &id)?.ok_or(Error::NotFound)?;
        open(&self.deps.vault.key(id.holder())?, id, &sealed)
    }

    /// All requests in this state, or all, oldest first. Each one that was ever filed is opened: see [`Rights::live`].
    ///
    /// # Errors
    /// What the store says.
    pub fn list(&self, state: Option<State>) -> Result<Vec<(RequestId, Request)>, Error> {
        let (mut all, mut page) = (Vec::new(), self.behind(None)?);
        while let Some((last, _)) = page.last() {
            let next = self.behind(Some(*last))?;
            all.extend(page.into_iter().filter(|(_, request)| state.is_none_or(|state| request.state == state)));
            page = next;
        }
        all.sort_by_key(|(id, request)| (request.received_at, *id));
        Ok(all)
    }

    /// Some requests behind an ID, in the order of their IDs; none at the end.
    fn behind(&self, after: Option<RequestId>) -> Result<Vec<(RequestId, Request)>, Error> {
        let page = REQUESTS.scan(&self.deps.store, &[], after.as_ref(), PAGE)?;
        let opened = page.iter().map(|(id, sealed)| {
            // Passing over everybody must not push those from the cache whose events come in.
            let key = self.deps.vault.key_once(id.holder())?;
            Ok((*id, open(&key, *id, sealed)?))
        });
        opened.collect()
    }

    /// How many requests are not over, and how many of them are late.
    ///
    /// # Errors
    /// What the store says.
    pub fn open_and_late(&self) -> Result<(u64, u64), Error> {
        let (calendar, now) = (self.calendar(), self.deps.clock.now());
        let open: Vec<Request> = self.live()?.into_iter().map(|(_, r)| r).filter(|r| !r.state.is_over()).collect();
        let late = open
            .iter()
            .filter(|request| request.waits())
            .filter(|r| calendar.days_left(&r.course(), now).is_some_and(|days| days < 0));
        Ok((open.len() as u64, late.count() as u64))
    }

    /// The calendar by which deadlines are counted.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        calendar(&self.deps.policy.current())
    }

    /// The public keys that certificates are checked with.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.deps.vault.signer().jwks()
    }

    /// Commits something together with the entry that says so.
    async fn commit_noted(&self, batch: Batch, entry: &Entry) -> Result<(), Error> {
        Ok(self.deps.audit.commit(batch, entry).await?)
    }

    /// Notes that somebody is about to see something of a request. It is durable when this returns.
    ///
    /// # Errors
    /// What store and vault say; then nothing may be shown.
    pub async fn note_look(&self, id: RequestId, who: &str, what: &str, why: Option<&str>) -> Result<(), Error> {
        self.commit_noted(Batch::default(), &about(id, self.deps.clock.now(), who, what, why)).await
    }

    async fn save(&self, id: RequestId, request: &Request) -> Result<(), Error> {
        self.deps.store.commit(self.saved(id, request)?).await?;
        self.note_callbacks(id, request);
        Ok(())
    }

    /// A commit that writes the request.
    fn saved(&self, id: RequestId, request: &Request) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        self.put(id, request, &mut batch)?;
        Ok(batch)
    }

    /// Writes the request with the caller's batch.
    fn put(&self, id: RequestId, request: &Request, batch: &mut Batch) -> Result<(), Error> {
        let key = self.deps.vault.key(id.holder())?;
        let sealed = key.seal(&aad(id), &serde_json::to_vec(request)?)?;
        if sealed.len() > RECORD_BYTES_MAX {
            return Err(Error::Full);
        }
        REQUESTS.put(batch, &id, &Sealed(sealed));
        milestone::append(batch, &key, (id, request), self.stored_acts(id)?)?;
        self.note_running(id, request);
        self.note_live(id);
        Ok(())
    }

    /// Shreds keys beside the runtime: it waits for the disk.
    async fn shred(&self, keys: Vec<(crate::id::SubjectId, Class)>) -> Result<(), Error> {
        let vault = Arc::clone(&self.deps.vault);
        let done = tokio::task::spawn_blocking(move || vault.shred(&keys)).await;
        done.map_err(|_panicked| store::Error::Closed)??;
        Ok(())
    }
}

impl State {
    /// The name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdentityUnclear => "identity_unclear",
            Self::InReview => "in_review",
            Self::Running => "running",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

fn calendar(policy: &Policy) -> Calendar {
    let zone = jiff::tz::TimeZone::get(&policy.controller.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    Calendar { zone, holidays: policy.controller.holidays.iter().filter_map(|day| day.parse().ok()).collect() }
}

/// An entry of the audit about a request.
fn about(id: RequestId, at: Millis, who: &str, what: &str, why: Option<&str>) -> Entry {
    Entry { request: Some(id.to_string()), ..Entry::new(at, who, what, why) }
}

fn open(key: &DataKey, id: RequestId, Sealed(sealed): &Sealed) -> Result<Request, Error> {
    Ok(serde_json::from_slice(&key.open(&aad(id), sealed)?)?)
}

fn aad(id: RequestId) -> Vec<u8> {
    [b"request".as_slice(), &id.0].concat()
}
