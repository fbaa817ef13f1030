//! Who is signed in on a page: sessions are on the server, and the browser has a random token and nothing else.
//!
//! It **promises**
//! - a token is 256 random bits, made at sign-in and never before it: what a browser brought along is ended, not taken over (session
//!   fixation). Only its keyed digest is stored, and what a session holds of a person is sealed under a key that takes the token;
//! - a session ends by itself: when it was not used for a while, and in any case after some hours; both times survive a restart;
//! - whose sessions there are can be listed, and each can be ended, durable when that is acknowledged;
//! - a customer's session ends when they are erased: it is looked at whenever it is used;
//! - memory and store stay bounded: so many per person, so many altogether, the longest unused goes first.
//!
//! It **refuses to know** who somebody is and how that was proven: the portal and the console say so. It serves GDPR Art. 32.

mod record;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::clock::{Chance, Clock, Millis, NoChance};
use crate::id::SubjectId;
use crate::store::{self, Batch, Store};
use crate::vault::{self, Vault};
use record::{Digest, SESSIONS, Stored};
pub use ticket::{DeadTicket, Issue};

/// How many sessions there are at most.
const SESSIONS_MAX: usize = 50_000;
/// How many sessions one person has at most.
const PER_HOLDER_MAX: usize = 8;
/// How exactly it is stored when a session was last used, in milliseconds: so often it is written.
const SEEN_EVERY_MS: Millis = 60_000;
/// How many records are read at a time.
const PAGE: usize = 512;

const MINUTE_MS: Millis = 60_000;
const HOUR_MS: Millis = 60 * MINUTE_MS;

/// What can go wrong with sessions.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A ticket does not work.
    #[error(transparent)]
    Ticket(#[from] DeadTicket),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// There was no randomness for a token.
    #[error(transparent)]
    Chance(#[from] NoChance),
}

/// What kind of person is signed in. Sessions of one kind are good for nothing on the pages of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody whose data are processed.
    Customer,
    /// Somebody who works for the company.
    Officer,
}

impl Kind {
    /// How long a session lasts when it is not used, in milliseconds.
    #[must_use]
    pub const fn idle_ms(self) -> Millis {
        match self {
            Self::Customer | Self::Officer => 30 * MINUTE_MS,
        }
    }

    /// How long a session lasts at most, in milliseconds.
    #[must_use]
    pub const fn whole_ms(self) -> Millis {
        match self {
            Self::Customer => 8 * HOUR_MS,
            Self::Officer => 10 * HOUR_MS,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Customer => "session-customer",
            Self::Officer => "session-officer",
        }
    }
}

/// A session to be begun.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Of which kind.
    pub kind: Kind,
    /// Whose it is: a subject, or an officer. `None`: a customer of whom nothing is known.
    pub holder: Option<SubjectId>,
    /// What it holds besides; sealed.
    pub inside: &'a [u8],
    /// The language that was chosen.
    pub language: Option<&'a str>,
    /// The token that the browser brought along. Its session ends.
    pub instead_of: Option<&'a str>,
}

/// Names a session; not its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(Digest);

impl SessionId {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(Digest(bytes)))
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0.0))
    }
}

/// A session that holds.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Of which kind.
    pub kind: Kind,
    /// Whose it is.
    pub holder: Option<SubjectId>,
    /// What it holds besides.
    pub inside: Vec<u8>,
    /// The language that was chosen.
    pub language: Option<String>,
    /// What every form of its pages carries, and nobody else knows.
    pub csrf: String,
}

/// A session as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: SessionId,
    /// When it began.
    pub began_at: Millis,
    /// When it was last used.
    pub seen_at: Millis,
}

/// A session in memory: as it is stored, and when it was really last used.
#[derive(Clone, Debug)]
struct Live {
    stored: Stored,
    seen_at: Millis,
}

impl Live {
    fn holds(&self, at: Millis) -> bool {
        let kind = self.stored.kind;
        at < self.seen_at.saturating_add(kind.idle_ms()) && at < self.stored.began_at.saturating_add(kind.whole_ms())
    }
}

/// All sessions. Invariant: memory holds what is durable.
pub struct Sessions {
    store: Store,
    vault: Arc<Vault>,
    clock: Clock,
    chance: Chance,
    live: RwLock<HashMap<Digest, Live>>,
}

impl Sessions {
    /// Reads what is stored into memory.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &Store, vault: &Arc<Vault>, clock: &Clock, chance: &Chance) -> Result<Self, Error> {
        let (mut live, mut after) = (HashMap::new(), None);
        loop {
            let page = SESSIONS.scan(store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            live.extend(page.into_iter().map(|(digest, stored)| (digest, Live { seen_at: stored.seen_at, stored })));
        }
        let (store, vault, clock, chance) = (store.clone(), Arc::clone(vault), clock.clone(), chance.clone());
        Ok(Self { store, vault, clock, chance, live: RwLock::new(live) })
    }

    /// Begins a session together with what else the batch holds, such as the ticket that was redeemed for it. Gives the token for the
    /// browser, which nobody can make out again.
    ///
    /// # Errors
    /// What store, vault and chance say; then nothing has begun.
    pub async fn begin(&self, opening: Opening<'_>, mut batch: Batch) -> Result<String, Error> {
        let at = self.clock.now();
        let token: [u8; 32] = self.chance.bytes()?;
        let digest = self.digest(opening.kind, &token);
        let sealed = self.vault.token_key(&token)?.seal(&aad(digest), opening.inside)?;
        let Opening { kind, holder, language, .. } = opening;
        let stored = Stored { kind, holder, began_at: at, seen_at: at, language: language.map(str::to_owned), sealed };
        let mut gone = self.crowded(kind, holder);
        gone.extend(opening.instead_of.and_then(read_token).map(|token| self.digest(kind, &token)));
        gone.iter().for_each(|digest| SESSIONS.delete(&mut batch, digest));
        batch.check_absent(SESSIONS.key(&digest));
        SESSIONS.put(&mut batch, &digest, &stored);
        self.store.commit(batch).await?;
        let mut live = self.live.write();
        gone.iter().for_each(|digest| drop(live.remove(digest)));
        live.insert(digest, Live { stored, seen_at: at });
        Ok(written(&token))
    }

    /// Whose place a new session takes: there are so many for one person, and so many altogether.
    fn crowded(&self, kind: Kind, holder: Option<SubjectId>) -> Vec<Digest> {
        let live = self.live.read();
        let longest_unused = |live: &mut dyn Iterator<Item = (&Digest, &Live)>| {
            live.min_by_key(|(digest, live)| (live.seen_at, **digest)).map(|(digest, _)| *digest)
        };
        let is_theirs = |live: &Live| live.stored.kind == kind && holder.is_some() && live.stored.holder == holder;
        let theirs = live.values().filter(|live| is_theirs(live)).count();
        let mut gone = Vec::new();
        if theirs >= PER_HOLDER_MAX {
            gone.extend(longest_unused(&mut live.iter().filter(|(_, live)| is_theirs(live))));
        } else if live.len() >= SESSIONS_MAX {
            gone.extend(longest_unused(&mut live.iter()));
        }
        gone
    }

    /// The session of a token, if it holds. That it is used is remembered.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn find(&self, kind: Kind, token: &str) -> Result<Option<Session>, Error> {
        let Some(token) = read_token(token) else { return Ok(None) };
        let (digest, at) = (self.digest(kind, &token), self.clock.now());
        let Some(live) = self.live.read().get(&digest).filter(|live| live.stored.kind == kind && live.holds(at)).cloned() else {
            return Ok(None);
        };
        let stored = live.stored;
        if self.is_orphan(&stored)? {
            self.end(SessionId(digest)).await?;
            return Ok(None);
        }
        let inside = self.vault.token_key(&token)?.open(&aad(digest), &stored.sealed)?;
        if !self.saw(digest, &stored, at).await? {
            return Ok(None);
        }
        let csrf = URL_SAFE_NO_PAD.encode(self.vault.mac("csrf", &token));
        let Stored { holder, language, .. } = stored;
        Ok(Some(Session { id: SessionId(digest), kind, holder, inside, language, csrf }))
    }

    /// Whether this is what a form of a session's pages carries. Compared by keyed digests, so that the time it takes tells nothing.
    #[must_use]
    pub fn is_csrf(&self, session: &Session, presented: &str) -> bool {
        let digest = |text: &str| self.vault.mac("csrf-compared", text.as_bytes());
        digest(&session.csrf) == digest(presented)
    }

    /// Whether the person whose session it is has been erased.
    fn is_orphan(&self, stored: &Stored) -> Result<bool, Error> {
        let Some(holder) = stored.holder.filter(|_| stored.kind == Kind::Customer) else { return Ok(false) };
        match self.vault.key(holder) {
            Ok(_) => Ok(false),
            Err(vault::Error::Shredded) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers that a session is used. `false` if it was ended at the same moment.
    async fn saw(&self, digest: Digest, stored: &Stored, at: Millis) -> Result<bool, Error> {
        if at.saturating_sub(stored.seen_at) >= SEEN_EVERY_MS {
            return self.change(digest, stored, Stored { seen_at: at, ..stored.clone() }).await;
        }
        let mut live = self.live.write();
        let Some(known) = live.get_mut(&digest) else { return Ok(false) };
        known.seen_at = known.seen_at.max(at);
        Ok(true)
    }

    /// Puts another record in the place of a session's. `false` if it was ended, or changed, at the same moment.
    async fn change(&self, digest: Digest, from: &Stored, to: Stored) -> Result<bool, Error> {
        let mut batch = Batch::default();
        batch.check_equals(SESSIONS.key(&digest), SESSIONS.value(from));
        SESSIONS.put(&mut batch, &digest, &to);
        match self.store.commit(batch).await {
            Ok(_) => {}
            // Either somebody ended it, or another request of the same browser was quicker.
            Err(store::Error::Conflict) => return Ok(self.live.read().contains_key(&digest)),
            Err(error) => return Err(error.into()),
        }
        let mut live = self.live.write();
        let Some(known) = live.get_mut(&digest) else { return Ok(false) };
        known.seen_at = known.seen_at.max(to.seen_at);
        known.stored = to;
        Ok(true)
    }

    /// Remembers a language.
    ///
    /// # Errors
    /// What the store says.
    pub async fn speak(&self, id: SessionId, language: &str) -> Result<(), Error> {
        let Some(stored) = self.live.read().get(&id.0).map(|live| live.stored.clone()) else { return Ok(()) };
        let to = Stored { language: Some(language.to_owned()), ..stored.clone() };
        self.change(id.0, &stored, to).await.map(drop)
    }

    /// Remembers whose session it is, of whom nothing had been known.
    ///
    /// # Errors
    /// What the store says.
    pub async fn bind(&self, id: SessionId, holder: SubjectId) -> Result<(), Error> {
        let Some(stored) = self.live.read().get(&id.0).map(|live| live.stored.clone()) else { return Ok(()) };
        let to = Stored { holder: Some(holder), ..stored.clone() };
        self.change(id.0, &stored, to).await.map(drop)
    }

    /// Somebody's sessions that hold, the newest first.
    #[must_use]
    pub fn list(&self, kind: Kind, holder: SubjectId) -> Vec<Listed> {
        let (live, at) = (self.live.read(), self.clock.now());
        let theirs = live.iter().filter(|(_, live)| is_of(&live.stored, kind, holder) && live.holds(at));
        let listed = |(digest, live): (&Digest, &Live)| {
            let (began_at, seen_at) = (live.stored.began_at, live.seen_at);
            Listed { id: SessionId(*digest), began_at, seen_at }
        };
        let mut all: Vec<Listed> = theirs.map(listed).collect();
        all.sort_by_key(|listed| std::cmp::Reverse((listed.began_at, listed.id.0)));
        all
    }

    /// Ends a session. It is over, and stays so after a crash, when this returns.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end(&self, id: SessionId) -> Result<(), Error> {
        self.end_these(&[id.0]).await
    }

    /// Ends all sessions of somebody, perhaps but one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end_all(&self, kind: Kind, holder: SubjectId, but: Option<SessionId>) -> Result<(), Error> {
        let theirs: Vec<Digest> = {
            let live = self.live.read();
            let theirs = live.iter().filter(|(_, live)| is_of(&live.stored, kind, holder));
            theirs.map(|(digest, _)| *digest).filter(|digest| but != Some(SessionId(*digest))).collect()
        };
        self.end_these(&theirs).await
    }

    async fn end_these(&self, digests: &[Digest]) -> Result<(), Error> {
        if digests.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        digests.iter().for_each(|digest| SESSIONS.delete(&mut batch, digest));
        self.store.commit(batch).await?;
        let mut live = self.live.write();
        digests.iter().for_each(|digest| drop(live.remove(digest)));
        Ok(())
    }

    /// Forgets sessions that hold no more.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn tidy(&self, at: Millis) -> Result<usize, Error> {
        let all: Vec<(Digest, Live)> = self.live.read().iter().map(|(digest, live)| (*digest, live.clone())).collect();
        let mut over = Vec::new();
        for (digest, live) in &all {
            if !live.holds(at) || self.is_orphan(&live.stored)? {
                over.push(*digest);
            }
        }
        self.end_these(&over).await?;
        Ok(over.len())
    }

    fn digest(&self, kind: Kind, token: &[u8; 32]) -> Digest {
        Digest(self.vault.mac(kind.label(), token))
    }
}

fn is_of(stored: &Stored, kind: Kind, holder: SubjectId) -> bool {
    stored.kind == kind && stored.holder == Some(holder)
}

fn aad(digest: Digest) -> Vec<u8> {
    [b"session".as_slice(), &digest.0].concat()
}

fn written(token: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(token)
}

/// Reads a token strictly: each has one spelling.
fn read_token(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == bytes.len()).then_some(bytes)
}
