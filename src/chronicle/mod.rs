//! Which policy was in force when, and the words that people were shown under it, for as long as anybody may ask (GDPR Art. 5(2), 7(1)).
//!
//! It **promises**
//! - a policy is kept before it is in force, so that no decision names one that cannot be shown;
//! - policies and notices are kept in the form that was hashed, each once, and what is read is checked against the hash that decisions
//!   and receipts name: nobody can put other words under it, and anybody can check that nobody did;
//! - nothing of it ever goes: a change of the policy takes some kilobytes, and a consent may have to be proven years later.
//!
//! It **refuses to know** people and decisions. That somebody decided under these words is in [`crate::consent`].

pub mod http;
mod record;
#[cfg(test)]
mod tests;

use parking_lot::{Mutex, MutexGuard};

use record::{Digest, Number, PIECE_BYTES, Piece, Place, REIGNS, Reign, TEXTS};

use crate::clock::Millis;
use crate::policy::{self, Original, Policy};
use crate::store::{self, Batch, Store};

/// How many records are read at a time.
const PAGE: usize = 512;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No text with this hash is kept.
    #[error("no text with this hash is kept")]
    Unknown,
    /// The policy says something that this program does not know.
    #[error("this program does not know all that the policy says")]
    Unreadable,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A time in which a policy was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Counts the periods, from 1.
    pub number: u32,
    /// The policy's version.
    pub version: String,
    /// When it came into force.
    pub since: Millis,
    /// When the next one did; none if it is in force.
    pub until: Option<Millis>,
}

/// All periods and texts.
pub struct Chronicle {
    store: Store,
    newest: Mutex<Newest>,
}

/// The period that is now; none before the first policy.
type Newest = Option<(Number, Reign)>;

/// Whoever puts a policy in force holds this meanwhile, so that the newest that is kept is the one in force.
pub struct Turn<'a> {
    store: &'a Store,
    newest: MutexGuard<'a, Newest>,
}

impl Chronicle {
    /// Opens the room.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &Store) -> Result<Self, Error> {
        let (mut newest, mut after) = (None, None);
        loop {
            let page = REIGNS.scan(store, &[], after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { break };
            (newest, after) = (Some(*last), Some(last.0));
        }
        Ok(Self { store: store.clone(), newest: Mutex::new(newest) })
    }

    /// Waits until nobody else puts a policy in force.
    pub fn turn(&self) -> Turn<'_> {
        Turn { store: &self.store, newest: self.newest.lock() }
    }

    /// Up to `limit` periods, the newest first, those before `before` if it is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn periods(&self, before: Option<u32>, limit: usize) -> Result<Vec<Period>, Error> {
        let Some((Number(newest), _)) = *self.newest.lock() else { return Ok(Vec::new()) };
        let first = before.map_or(newest, |before| newest.min(before.saturating_sub(1)));
        let mut until = REIGNS.get(&self.store, &Number(first.saturating_add(1)))?.map(|next| next.since);
        let mut all = Vec::new();
        for number in (1..=first).rev().take(limit) {
            let Some(Reign { version, since }) = REIGNS.get(&self.store, &Number(number))? else { break };
            all.push(Period { number, version: version.hex(), since, until });
            until = Some(since);
        }
        Ok(all)
    }

    /// All periods in which a policy was in force, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn times(&self, version: &str) -> Result<Vec<Period>, Error> {
        let mut all = self.periods(None, usize::MAX)?;
        all.retain(|period| period.version == version);
        Ok(all)
    }

    /// The text with this hash, as it was hashed: a policy, or what is shown of a notice.
    ///
    /// # Errors
    /// [`Error::Unknown`] if none is kept; otherwise what the store says, also if it is not what it was.
    pub fn text(&self, hash: &str) -> Result<String, Error> {
        let of = Digest::parse(hash).ok_or(Error::Unknown)?;
        let (mut bytes, mut after) = (Vec::new(), None);
        loop {
            let page = TEXTS.scan(&self.store, &of.0, after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            page.iter().for_each(|(_, Piece(piece))| bytes.extend_from_slice(piece));
        }
        if bytes.is_empty() {
            return Err(Error::Unknown);
        }
        let text = String::from_utf8(bytes).ok().filter(|text| policy::hash(text) == of.hex());
        text.ok_or_else(|| store::Error::Damaged { what: String::from("a text that was kept is not what its hash says") }.into())
    }

    /// The policy of a version, as it was in force.
    ///
    /// # Errors
    /// As [`Self::text`], and [`Error::Unreadable`].
    pub fn policy(&self, version: &str) -> Result<Policy, Error> {
        policy::read_again(&self.text(version)?).ok_or(Error::Unreadable)
    }

    /// What people were shown of the notice with this hash; none if it was never kept.
    ///
    /// # Errors
    /// What the store says.
    pub fn wording(&self, hash: &str) -> Result<Option<Original>, Error> {
        match self.text(hash) {
            Ok(text) => Ok(Original::read(&text)),
            Err(Error::Unknown) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Turn<'_> {
    /// Keeps a policy that is about to come into force, with everything that people are shown under it. It is durable when this returns.
    /// Nothing is written if it is in force already. Blocks.
    ///
    /// # Errors
    /// What the store says; then it must not come into force.
    pub fn keep(&mut self, policy: &Policy, at: Millis) -> Result<(), Error> {
        let mut batch = Batch::default();
        let version = self.put(&policy.version, &policy.written, &mut batch)?;
        for text in policy.notices.iter().flat_map(|notice| notice.languages.values()) {
            self.put(&text.hash, &text.shown, &mut batch)?;
        }
        let mut newest = *self.newest;
        if newest.is_none_or(|(_, reign)| reign.version != version) {
            let number = Number(newest.map_or(0, |(Number(number), _)| number) + 1);
            // A clock that steps back does not turn the order round.
            let reign = Reign { version, since: newest.map_or(at, |(_, before)| at.max(before.since)) };
            batch.check_absent(REIGNS.key(&number));
            REIGNS.put(&mut batch, &number, &reign);
            newest = Some((number, reign));
        }
        if !batch.is_empty() {
            // On a thread of its own: a runtime's thread must not block in the store's own wait.
            let store = self.store;
            std::thread::scope(|scope| scope.spawn(|| store.commit_blocking(batch)).join())
                .unwrap_or(Err(store::Error::Closed))?;
            *self.newest = newest;
        }
        Ok(())
    }

    /// Adds a text to a batch, if it is not there already.
    fn put(&self, hash: &str, text: &str, batch: &mut Batch) -> Result<Digest, Error> {
        let of = Digest::parse(hash).ok_or(Error::Unreadable)?;
        if TEXTS.get(self.store, &Place { of, piece: 0 })?.is_none() {
            for (piece, bytes) in (0..).zip(text.as_bytes().chunks(PIECE_BYTES)) {
                TEXTS.put(batch, &Place { of, piece }, &Piece(bytes.to_vec()));
            }
        }
        Ok(of)
    }
}
