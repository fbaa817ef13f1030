//! The letter that asks whether a grant was meant, and the page behind its link: double opt-in (UWG §7(2) no. 2).
//!
//! What it is for: somebody typed an e-mail address. Whether it is theirs shows when the mail to it is read.
//!
//! It **promises**
//! - the letter is queued in the commit that records the wish: neither is there without the other, also after a crash, and whoever gets
//!   it twice gets the same Message-ID;
//! - looking at the page behind the link changes nothing, its button grants, once, for [`WAIT_DAYS`] days;
//! - what is answered is the same whether or not the address is known, and an address gets a few such letters a day at most;
//! - the letter asks, and advertises nothing.
//!
//! It **refuses to know** what a grant allows: that is consent's business, and it keeps the proof.

pub mod http;
mod letter;

use std::sync::Arc;

use crate::clock::{Chance, Clock, DAY_MS, Millis};
use crate::consent::{self, Ask, Consents, Error, Method, Order, Recorded, WAIT_DAYS, Wish};
use crate::mail::{self, Flood, Mails, Room};
use crate::policy::{Handle, IdentifierKind};
use crate::store::Batch;
use crate::vault::Vault;
use letter::Draft;

/// What kind of letter it is.
const KIND: &str = "double_opt_in";
/// For how many days it is remembered that a letter was sent, once its link is not good any more.
const REMEMBERED_DAYS: i64 = 30;

/// What this room needs.
pub struct Deps {
    /// What people decided.
    pub consents: Arc<Consents>,
    /// Letters.
    pub mails: Arc<Mails>,
    /// Keys.
    pub vault: Arc<Vault>,
    /// What needs a confirmation.
    pub policy: Handle,
    /// The time.
    pub clock: Clock,
    /// For the IDs of letters.
    pub chance: Chance,
}

/// Decisions of which a part may need a confirmation.
pub struct Confirmations {
    deps: Deps,
    flood: Flood,
}

impl Confirmations {
    /// Opens the room.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        Self { deps, flood: Flood::default() }
    }

    /// Whether recording this may send a letter.
    #[must_use]
    pub fn writes_for(&self, order: &Order) -> bool {
        address(order).is_some()
    }

    /// Records a decision. What needs a confirmation waits for it, and the stated address is asked by a letter. What is taken over from
    /// elsewhere waits, too, but nobody is written to.
    ///
    /// # Errors
    /// As for [`Consents::record`]; [`Error::TooMany`] if everybody has to wait, whoever they are.
    pub async fn record(&self, order: Order) -> Result<Recorded, Error> {
        let Some(address) = address(&order).map(str::to_owned) else { return self.deps.consents.record(order).await };
        match self.flood.room(self.deps.vault.mac("mails", address.as_bytes()), order.at) {
            Room::Yes => {}
            Room::Enough => return self.deps.consents.record(order).await,
            Room::Full => return Err(Error::TooMany),
        }
        let about: [u8; 16] = self.deps.chance.bytes().map_err(|_none| Error::Letter)?;
        let (draft, at) = (Draft::of(&order, about, address), order.at);
        let queue = |token: &str, until: Millis, batch: &mut Batch| {
            let link = format!("{}/c/{token}", self.deps.mails.public_url());
            let letter = draft.letter(&link, until)?;
            self.deps.mails.queue(&letter, at, batch).map_err(undelivered)
        };
        let recorded = self.deps.consents.record_asking(order, &Ask { letter: hex::encode(about), queue: &queue }).await?;
        self.deps.mails.wake();
        Ok(recorded)
    }

    /// What a link leads to.
    ///
    /// # Errors
    /// [`Error::Link`] if it leads nowhere.
    pub fn look(&self, token: &str) -> Result<Wish, Error> {
        self.deps.consents.wish(token, self.deps.clock.now())
    }

    /// Grants what waits behind a link.
    ///
    /// # Errors
    /// [`Error::Link`] if there is nothing (any more).
    pub async fn confirm(&self, token: &str) -> Result<Recorded, Error> {
        let at = self.deps.clock.now();
        let wish = self.deps.consents.wish(token, at)?;
        let mailed_at = self.mailed_at(&wish)?;
        self.deps.consents.confirm(token, mailed_at, &self.deps.policy.current(), at).await
    }

    /// When the letter of a wish was handed over; none if that is not noted yet.
    fn mailed_at(&self, wish: &Wish) -> Result<Option<Millis>, Error> {
        let mut about = [0; 16];
        let Some(letter) = wish.letter.as_ref() else { return Ok(None) };
        if hex::decode_to_slice(letter, &mut about).is_err() {
            return Ok(None);
        }
        let traces = self.deps.mails.about(about).map_err(undelivered)?;
        let sent = traces.iter().find(|trace| matches!(trace.state, mail::State::Sent | mail::State::Written));
        Ok(sent.map(|trace| trace.at))
    }

    /// Forgets that letters were sent whose links have not been good for long.
    ///
    /// # Errors
    /// What the store says.
    pub async fn tidy(&self, at: Millis) -> Result<usize, mail::Error> {
        self.deps.mails.forget_traces(KIND, at.saturating_sub((WAIT_DAYS + REMEMBERED_DAYS) * DAY_MS)).await
    }
}

/// The address that is to be asked about an order, if it needs that.
fn address(order: &Order) -> Option<&str> {
    if order.method == Method::Import || !consent::needs_confirmation(order) {
        return None;
    }
    let is_address = |kind: usize| order.policy.identifiers.get(kind).is_some_and(|t| t.kind == IdentifierKind::Email);
    let first = order.identifiers.iter().find(|identifier| is_address(identifier.kind))?;
    Some(first.value.as_str()).filter(|value| Mails::reaches(value))
}

fn undelivered(error: mail::Error) -> Error {
    match error {
        mail::Error::Store(error) => Error::Store(error),
        mail::Error::Vault(error) => Error::Vault(error),
        mail::Error::From
        | mail::Error::FromForm
        | mail::Error::Tls(_)
        | mail::Error::Compose
        | mail::Error::Folder(_)
        | mail::Error::Form(_)
        | mail::Error::Chance(_) => Error::Letter,
    }
}
