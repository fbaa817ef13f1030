//! What people decided, and what stands now.
//!
//! Promises: a refusal is recorded with the same care as a grant; times are the server's; two decisions at one moment lose
//! none; a decision holds from the moment in which it is acknowledged, and is durable then (P7); when a withdrawal is acknowledged
//! nothing that relied on the grant is on its way any more, whoever recorded it (P2; `fence.rs`); a grant counts only for the
//! identifiers that it was given with, a refusal for everything that is known to belong together (P1, P8; see
//! `docs/decisions/0003`). It serves GDPR Art. 7(1) and (3). It knows neither events nor destinations.

mod decide;
mod fence;
pub mod http;
pub mod import;
mod join;
mod leave;
mod links;
mod opt_in;
mod order;
mod rates;
mod recall;
mod receipt;
mod record;
mod recording;
mod restrict;
mod shown;
pub mod signal;
mod standing;
mod stands;
mod statement;
mod terms;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::clock::{Chance, Millis};
use crate::id::SubjectId;
use crate::identity::{self, Directory, Resolved};
use crate::policy::Policy;
use crate::store::{self, Store};
use crate::vault::{self, Vault};
use fence::Fence;
pub use fence::{CUT, Reliance, Relied};
pub use import::Evidence;
pub use leave::Memorable;
pub use links::KeptBack;
pub use opt_in::{Ask, Confirmed, DeadEnd, OptIn, WAIT_DAYS, Wish, needs_confirmation};
pub use order::{Besides, Order, Recorded};
pub use rates::{ByPurpose, Counts, Rates};
use recall::open_standing;
pub use receipt::{Doubt, Handle, Proven, RECEIPT, Receipt, Stated, Told};
pub use record::{Decision, Handed, Method, NoticeShown, Signal, State};
pub use shown::{Shown, asks};
use standing::Memory;
pub use standing::Standing;
pub use stands::Standpoint;
pub use statement::{DECISION, StatedOptIn, Statement};
use token::Purse;
pub use token::{Handout, Refusal, Ticket, Token};

/// How often a commit is tried again when somebody else decided for the same person at the same moment.
const TRIES_MAX: u32 = 64;
/// How many records are read at a time.
const PAGE: usize = 512;

/// Why a decision could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The purpose rests on a contract or a law: nobody is asked.
    #[error("purpose {purpose} does not rest on consent")]
    NotAsked {
        /// Its ID.
        purpose: String,
    },
    /// The policy has no such notice, or not in this language.
    #[error("there is no such notice")]
    NoNotice,
    /// The notice does not ask for it, so nobody can have agreed to it there.
    #[error("the notice {notice} does not ask for {purpose}")]
    NotInNotice {
        /// The purpose's ID.
        purpose: String,
        /// The notice's.
        notice: String,
    },
    /// What was shown is not the notice in force.
    #[error("version {version} of the notice {notice} is in force")]
    NoticeOutdated {
        /// Its ID.
        notice: String,
        /// The version in force.
        version: u32,
    },
    /// The token that the decision came with does not count.
    #[error(transparent)]
    Token(#[from] Refusal),
    /// An imported record says nothing that is newer than what stands.
    #[error("nothing of it is newer than what stands")]
    NothingNew,
    /// No identifier was stated.
    #[error("nobody is named")]
    Nobody,
    /// The person asked not to be brought back by a source that takes data over.
    #[error("they asked not to be brought back by a source that takes data over")]
    Suppressed,
    /// Identifiers could not be resolved.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A sealed record is of no known form.
    #[error("a record of decisions is of no known form")]
    Form(#[from] serde_json::Error),
    /// What memory holds is not what the decisions come to.
    #[error("standing differs from its decisions")]
    Drift,
    /// A link in a letter leads nowhere.
    #[error(transparent)]
    Link(#[from] DeadEnd),
    /// Too many letters that ask for a confirmation; everybody has to wait.
    #[error("too many letters are being sent")]
    TooMany,
    /// The letter that asks for a confirmation could not be written.
    #[error("the letter that asks for a confirmation could not be written")]
    Letter,
}

impl Error {
    /// Whether somebody who is concerned was erased meanwhile.
    #[must_use]
    pub const fn is_shredded(&self) -> bool {
        match self {
            Self::Vault(vault::Error::Shredded) => true,
            Self::Identity(error) => error.is_shredded(),
            Self::NotAsked { .. }
            | Self::NoNotice
            | Self::NotInNotice { .. }
            | Self::NoticeOutdated { .. }
            | Self::Token(_)
            | Self::NothingNew
            | Self::Nobody
            | Self::Suppressed
            | Self::Store(_)
            | Self::Vault(_)
            | Self::Form(_)
            | Self::Drift
            | Self::Link(_)
            | Self::TooMany
            | Self::Letter => false,
        }
    }

    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store::Error::Busy))
    }
}

/// All decisions and what stands.
pub struct Consents {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    chance: Chance,
    purse: Purse,
    memory: RwLock<Memory>,
    /// How often what was decided.
    pub rates: Rates,
    /// What is on its way because of what stands.
    fence: Arc<Fence>,
    /// How long a withdrawal waits for what is on the wire.
    cut: Duration,
    /// Who was closed before the start and is not gone yet.
    closed: Mutex<Vec<SubjectId>>,
}

impl Consents {
    /// Opens the room and reads what stands into memory.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn open(store: &Store, vault: &Arc<Vault>, directory: &Arc<Directory>, policy: &Policy) -> Result<Self, Error> {
        let consents = Self {
            store: store.clone(),
            vault: Arc::clone(vault),
            directory: Arc::clone(directory),
            chance: Chance::system(),
            purse: Purse::default(),
            memory: RwLock::default(),
            rates: Rates::new(store),
            fence: Arc::default(),
            cut: CUT,
            closed: Mutex::default(),
        };
        consents.learn_terms(policy)?;
        consents.each_record(|subject, record| {
            if record.is_none_or(|record| record.closed) {
                consents.closed.lock().push(subject);
            }
            let Some(record) = record else { return Ok(()) };
            if let Some(reference) = consents.directory.find(subject) {
                let nodes = consents.nodes(record);
                consents.memory.write().learn(reference, &nodes, record, policy);
            }
            Ok(())
        })?;
        Ok(consents)
    }

    /// What holds for an event with these identifiers. Reads memory only.
    #[must_use]
    pub fn standing(&self, resolved: &Resolved, at: Millis) -> Standing {
        self.standings(std::iter::once(resolved), at).pop().unwrap_or_default()
    }

    /// The same for several events at once.
    pub fn standings<'a>(&self, events: impl Iterator<Item = &'a Resolved> + Clone, at: Millis) -> Vec<Standing> {
        self.memory.read().combine(events, at)
    }

    /// Hands out a token for a page that shows a notice.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn hand_out(&self, handout: &Handout<'_>, at: Millis) -> Result<Ticket, Error> {
        Token::issue(&self.vault, &self.chance, handout, at)
    }

    /// Reads the token that a decision came with. Whether it was spent shows when the decision is recorded.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::Expired`].
    pub fn read_token(&self, text: &str, at: Millis) -> Result<Token, Refusal> {
        Token::read(&self.vault, text, at)
    }

    /// All decisions of a subject, oldest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn history(&self, subject: SubjectId) -> Result<Vec<Decision>, Error> {
        Ok(self.numbered(subject)?.into_iter().map(|(_, decision)| decision).collect())
    }

    /// How much memory standing takes, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory.read().bytes()
    }
}
