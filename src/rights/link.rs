//! Links in mails: 256 random bits, of which only a keyed digest is stored, bound to one request and one purpose.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Error, RequestId, Rights};
use crate::clock::{DAY_MS, Millis};
use crate::store::{Batch, Key, Record, Table};

/// Links that were given out.
pub(super) const LINKS: Table<Digest, Link> = Table::new(b'l', "links in mails");

/// How long a link to confirm a request holds.
pub(super) const CONFIRM_MS: Millis = DAY_MS;
/// How long a link to the state of a request holds.
pub(super) const STATUS_MS: Millis = 30 * DAY_MS;
/// How long it can still be said that a link is used or too old; afterwards it is unknown.
const REMEMBERED_MS: Millis = 30 * DAY_MS;
/// How many records are read at a time.
const PAGE: usize = 256;

/// The keyed digest of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) [u8; 16]);

impl Key for Digest {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To confirm that whoever reads the mail asks.
    Confirm,
    /// To see where the request is, to take it back, and to fetch what was asked for.
    Status,
}

/// A link that was given out. Nothing in it is personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    /// The request, as it is written.
    request: String,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// Until when it holds.
    pub(super) until: Millis,
    /// Whether it was used, and works no more.
    pub(super) is_used: bool,
}

impl Record for Link {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        // It is made of texts and numbers alone.
        out.extend_from_slice(&serde_json::to_vec(self).unwrap_or_default());
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|_| version == Self::VERSION)
    }
}

/// Why a link leads nowhere. None says anything about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadEnd {
    /// There is no such link, or not any more.
    #[error("there is no such link")]
    Unknown,
    /// It was used, or a later one took its place.
    #[error("the link was used")]
    Used,
    /// Its time is over.
    #[error("the link's time is over")]
    Expired,
}

impl Rights {
    /// Makes a link; it is good when the batch is committed. Gives its address and its digest.
    pub(super) fn new_link(
        &self,
        id: RequestId,
        purpose: Purpose,
        until: Millis,
        batch: &mut Batch,
    ) -> Result<(String, Digest), Error> {
        let token: [u8; 32] = self.deps.chance.bytes()?;
        let digest = self.digest(&token);
        batch.check_absent(LINKS.key(&digest));
        LINKS.put(batch, &digest, &Link { request: id.to_string(), purpose, until, is_used: false });
        Ok((format!("{}/r/{}", self.deps.mails.public_url(), URL_SAFE_NO_PAD.encode(token)), digest))
    }

    /// Where a link leads, if it is for this, or for anything.
    pub(super) fn follow(&self, token: &str, wanted: Option<Purpose>, at: Millis) -> Result<(RequestId, Digest, Link), Error> {
        let unknown = || Error::Link(DeadEnd::Unknown);
        let mut bytes = [0_u8; 32];
        // Decoded strictly: each link has one spelling.
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).map_err(|_no_token| unknown())?;
        if length != bytes.len() {
            return Err(unknown());
        }
        let digest = self.digest(&bytes);
        let link = LINKS.get(&self.deps.store, &digest)?.ok_or_else(unknown)?;
        if wanted.is_some_and(|wanted| wanted != link.purpose) {
            return Err(unknown());
        }
        if link.is_used {
            return Err(Error::Link(DeadEnd::Used));
        }
        if link.until < at {
            return Err(Error::Link(DeadEnd::Expired));
        }
        Ok((RequestId::parse(&link.request).ok_or_else(unknown)?, digest, link))
    }

    /// Forgets links that nobody needs to be told about any more.
    pub(super) async fn tidy_links(&self, at: Millis) -> Result<usize, Error> {
        let (mut batch, mut gone, mut after) = (Batch::default(), 0, None);
        loop {
            let page = LINKS.scan(&self.deps.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (digest, _) in page.iter().filter(|(_, link)| link.until.saturating_add(REMEMBERED_MS) < at) {
                LINKS.delete(&mut batch, digest);
                gone += 1;
            }
        }
        if gone > 0 {
            self.deps.store.commit(batch).await?;
        }
        Ok(gone)
    }

    fn digest(&self, token: &[u8; 32]) -> Digest {
        Digest(self.deps.vault.mac("link", token))
    }
}
