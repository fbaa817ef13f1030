//! The portal: where people see what is allowed, change it, and ask for what the law gives them. It owns no data: it calls the verbs of
//! the rooms below.
//!
//! It **promises**
//! - somebody sees what was said with what they *proved* to be theirs at sign-in (an address, by a link in a mail; whatever the website
//!   vouches for). What others could have linked to it with a public key opens nothing: of a profile that holds an identifier which was
//!   not proven, only what was stated with the proven ones is shown, and everything else goes through a request that a person of the
//!   company looks at;
//! - whether an address is known makes no difference to anybody who has not proven that it is theirs: neither to the answer nor to the
//!   work behind it;
//! - a session is somebody's only as long as what was proven still leads to the same person: after an erasure or a correction it ends;
//! - what stands is shown as the gate counts it: a Yes for less than what would be done now is shown as none;
//! - what somebody states about themselves is changed only by who proved all of the profile, on the state that they were shown;
//! - a withdrawal is acknowledged like everywhere else: when nothing that relied on the grant is on its way any more (P2).
//!
//! It **refuses to know** passwords: nobody has one here.

mod ask;
mod decide;
pub mod http;
mod person;
mod sign_in;
mod signal;
mod stated;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use ask::Wish;
pub use decide::{Answer, Choice, Held};
pub use person::{Device, Person, Reached, Way};
pub use sign_in::Statement;
pub use stated::{Change, SOURCE as STATED_HERE, Stated};

use crate::clock::{Millis, NoChance};
use crate::confirmation::Confirmations;
use crate::consent;
use crate::identity;
use crate::mail::{self, Flood, Limits};
use crate::policy::Policy;
use crate::preferences;
use crate::rights::{self, Rights};
use crate::session::{self, Sessions};
use crate::store;
use crate::vault;

/// How many mails one address gets in an hour because somebody wants to sign in with it.
const MAILS_PER_ADDRESS: u32 = 5;
/// How many such mails all addresses get in an hour.
const MAILS_PER_HOUR: u32 = 2_000;
const HOUR_MS: Millis = 3_600_000;

/// Why something cannot be done in the portal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// That is no e-mail address.
    #[error("this is no e-mail address")]
    NoAddress,
    /// So many want to sign in that everybody has to wait.
    #[error("too many links were asked for; everybody has to wait")]
    TooMany,
    /// A signed statement does not sign anybody in. Why is nobody's business who forged it.
    #[error("the statement does not sign anybody in")]
    Statement,
    /// There is no such purpose, or nobody is asked for it.
    #[error("there is no such purpose")]
    NoPurpose,
    /// The words of a letter could not be made.
    #[error("the words of a letter could not be made")]
    Words,
    /// Sessions and what begins them.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// Not all of their profile was proven, and what others stated in it must not be changed.
    #[error("not all of the profile was proven")]
    Part,
    /// What people state about themselves.
    #[error(transparent)]
    Preferences(#[from] preferences::Error),
    /// Decisions.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// Requests.
    #[error(transparent)]
    Rights(#[from] rights::Error),
    /// Identifiers.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// A letter could not be queued.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// There was no randomness.
    #[error(transparent)]
    Chance(#[from] NoChance),
    /// What a session or ticket holds is of no known form.
    #[error("what a session holds is of no known form")]
    Form(#[from] serde_json::Error),
}

/// The portal.
pub struct Portal {
    rooms: rights::Deps,
    rights: Arc<Rights>,
    sessions: Arc<Sessions>,
    /// What needs a confirmation by mail is asked for by one, here as everywhere.
    confirmations: Arc<Confirmations>,
    flood: Flood,
}

impl Portal {
    /// Opens the room over those that requests stand on, and who is signed in.
    #[must_use]
    pub fn new(rooms: rights::Deps, rights: Arc<Rights>, sessions: Arc<Sessions>, confirmations: Arc<Confirmations>) -> Self {
        let limits = Limits { per_address: MAILS_PER_ADDRESS, window_ms: HOUR_MS, per_hour: MAILS_PER_HOUR };
        Self { rooms, rights, sessions, confirmations, flood: Flood::new(limits) }
    }

    fn policy(&self) -> Arc<Policy> {
        self.rooms.policy.current()
    }

    /// Forgets links that nobody needs to be told about any more, and what became of their mails.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn tidy(&self, at: Millis) -> Result<usize, Error> {
        let gone = self.sessions.tidy_tickets(at).await?;
        let (mut batch, mut keys) = (store::Batch::default(), Vec::new());
        for about in &gone {
            keys.extend(self.rooms.mails.forget(*about, &mut batch)?);
        }
        if !batch.is_empty() {
            self.rooms.store.commit(batch).await?;
        }
        if !keys.is_empty() {
            let vault = Arc::clone(&self.rooms.vault);
            let done = tokio::task::spawn_blocking(move || vault.shred(&keys)).await;
            done.map_err(|_panicked| store::Error::Closed)??;
        }
        Ok(gone.len())
    }
}
