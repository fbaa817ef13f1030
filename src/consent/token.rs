//! Tokens: that a notice was handed out, to which page, and when. A decision can be bound to one, and each is good for one decision.
//!
//! A token is a signed statement of a kind of its own, so that it passes for nothing else that the gateway signs, and nothing else for a
//! token. It names nobody. Which ones were spent is written in the commit of the decision: two uses at one moment, a crash and a restart
//! change nothing about that.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Error, Handed};
use crate::clock::{Chance, Millis, rfc3339};
use crate::store::{self, Batch, Key, Record, Store, Table};
use crate::vault::{self, Vault};

/// What kind of statement a token is (`typ` of the JWS).
const TYPE: &str = "pforte-notice+jwt";
/// For whom it is.
const AUDIENCE: &str = "pforte/v1/consents";
/// How long it can be used.
const LIFETIME_S: i64 = 15 * 60;
/// How long it is remembered that it was spent after it has ended; so much may the clock step back.
const REMEMBERED_MS: Millis = 3_600_000;
/// How many tokens that have ended are forgotten with each one that is spent: more than come in, so that they go.
const SWEPT_AT_ONCE: usize = 4;
/// No token of ours is longer.
const BYTES_MAX: usize = 2_048;

/// Tokens that were spent, by when they end.
const SPENT: Table<SpentKey, Spent> = Table::new(b'n', "spent tokens");

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none, and the source asks for one.
    #[error("a token is needed")]
    Missing,
    /// It was not made here, or changed since.
    #[error("the token was not made here, or was changed")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// A decision was recorded with it.
    #[error("the token was used before")]
    Used,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    aud: String,
    jti: String,
    iat: i64,
    exp: i64,
    /// The source's ID.
    pub source: String,
    /// The page's origin; none if no browser asked, or a page of the gateway's own.
    pub origin: Option<String>,
    /// The notice.
    pub notice: String,
    /// The language in which it was handed out.
    pub language: String,
    /// The hash of everything that it shows.
    pub hash: String,
    /// The version of its layout.
    pub layout: Option<u32>,
}

/// What a token is made for.
#[derive(Clone, Debug)]
pub struct Handout<'a> {
    /// The source's ID.
    pub source: &'a str,
    /// The page's origin.
    pub origin: Option<&'a str>,
    /// The notice.
    pub notice: &'a str,
    /// The language.
    pub language: &'a str,
    /// The hash of everything that it shows.
    pub hash: &'a str,
    /// The version of its layout.
    pub layout: Option<u32>,
}

/// A token as it is handed out.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The signed statement.
    pub text: String,
    /// When it ends.
    pub expires_at: Millis,
}

impl Token {
    /// Makes a token.
    pub(super) fn issue(vault: &Vault, chance: &Chance, handout: &Handout<'_>, at: Millis) -> Result<Ticket, Error> {
        let iat = at.div_euclid(1000);
        let jti = hex::encode(chance.bytes::<16>().map_err(vault::Error::from)?);
        let token = Self {
            aud: AUDIENCE.to_owned(),
            jti,
            iat,
            exp: iat + LIFETIME_S,
            source: handout.source.to_owned(),
            origin: handout.origin.map(str::to_owned),
            notice: handout.notice.to_owned(),
            language: handout.language.to_owned(),
            hash: handout.hash.to_owned(),
            layout: handout.layout,
        };
        Ok(Ticket { text: vault.signer().sign(TYPE, &token)?, expires_at: token.ends_at() })
    }

    /// Reads a token that a decision came with.
    pub(super) fn read(vault: &Vault, text: &str, at: Millis) -> Result<Self, Refusal> {
        if text.len() > BYTES_MAX {
            return Err(Refusal::Invalid);
        }
        let token: Self = vault::verify(text, TYPE, &vault.signer().jwks()).map_err(|_doubt| Refusal::Invalid)?;
        if token.aud != AUDIENCE || token.key().is_none() {
            return Err(Refusal::Invalid);
        }
        if at >= token.ends_at() { Err(Refusal::Expired) } else { Ok(token) }
    }

    const fn ends_at(&self) -> Millis {
        self.exp.saturating_mul(1000)
    }

    fn key(&self) -> Option<SpentKey> {
        let mut id = [0; 16];
        hex::decode_to_slice(&self.jti, &mut id).ok()?;
        Some(SpentKey { ends_at: self.ends_at(), id })
    }

    /// What is recorded of it.
    pub(super) fn handed(&self) -> Handed {
        Handed { at: rfc3339(self.iat.saturating_mul(1000)), origin: self.origin.clone(), token: self.jti.clone() }
    }
}

/// Which tokens were spent.
#[derive(Default)]
pub(super) struct Purse {
    /// Up to which one those that had ended are forgotten. Nothing is lost with it at a restart but a little work.
    swept: Mutex<Option<SpentKey>>,
}

impl Purse {
    /// Puts into the batch that a token is spent; the commit fails if somebody else spends it meanwhile. Some that have ended are forgotten
    /// with it; the last of these is returned, for [`Purse::swept`] when the commit is durable.
    pub(super) fn spend(&self, store: &Store, token: &Token, at: Millis, batch: &mut Batch) -> Result<Option<SpentKey>, Error> {
        let key = token.key().ok_or(Error::Token(Refusal::Invalid))?;
        if SPENT.get(store, &key)?.is_some() {
            return Err(Error::Token(Refusal::Used));
        }
        batch.check_absent(SPENT.key(&key));
        SPENT.put(batch, &key, &Spent);
        Ok(self.sweep(store, at, batch)?)
    }

    fn sweep(&self, store: &Store, at: Millis, batch: &mut Batch) -> Result<Option<SpentKey>, store::Error> {
        let after = *self.swept.lock();
        let page = SPENT.scan(store, &[], after.as_ref(), SWEPT_AT_ONCE)?;
        let ended = page.iter().map(|(key, _)| key).take_while(|key| key.ends_at.saturating_add(REMEMBERED_MS) <= at);
        Ok(ended.inspect(|key| SPENT.delete(batch, key)).last().copied())
    }

    /// Takes over that those up to this one are forgotten.
    pub(super) fn swept(&self, last: Option<SpentKey>) {
        let mut swept = self.swept.lock();
        *swept = last.max(*swept);
    }
}

/// When a token ends, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SpentKey {
    ends_at: Millis,
    id: [u8; 16],
}

impl Key for SpentKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ends_at.to_be_bytes());
        out.extend_from_slice(&self.id);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (ends_at, id) = bytes.split_first_chunk::<8>()?;
        Some(Self { ends_at: Millis::from_be_bytes(*ends_at), id: id.try_into().ok()? })
    }
}

/// That a token was spent. There is nothing more to say of it.
struct Spent;

impl Record for Spent {
    const VERSION: u8 = 1;

    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == Self::VERSION && bytes.is_empty()).then_some(Self)
    }
}
