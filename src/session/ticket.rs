//! Tickets: what works once and not for long, such as the link in a mail that signs somebody in.
//!
//! A ticket is 256 random bits. Only their keyed digest is stored, and what the ticket holds is sealed under a key that nobody can make
//! without it. What somebody else made and named, such as a signed statement, can be *spent* under its name.

use super::record::{Digest, TICKETS, Ticket};
use super::{Error, Sessions, read_token, written};
use crate::clock::{DAY_MS, Millis};
use crate::store::Batch;

/// How long it can still be said that a ticket was used or is too old; afterwards it is unknown. What was spent is remembered as long.
const REMEMBERED_MS: Millis = DAY_MS;
/// How many records are read at a time.
const PAGE: usize = 256;

/// Why a ticket does not work. None says anything about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadTicket {
    /// There is no such ticket, or not any more.
    #[error("there is no such ticket")]
    Unknown,
    /// It was used.
    #[error("the ticket was used")]
    Used,
    /// Its time is over.
    #[error("the ticket's time is over")]
    Expired,
}

/// A ticket to be made.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    /// What it is for. Tickets for something else do not work there.
    pub purpose: &'static str,
    /// What it holds.
    pub inside: &'a [u8],
    /// Until when it works.
    pub until: Millis,
    /// The random ID of what is sent with it, to be forgotten together.
    pub about: [u8; 16],
}

impl Sessions {
    /// Makes a ticket; it works when the batch is committed.
    ///
    /// # Errors
    /// Without randomness.
    pub fn issue(&self, ticket: Issue<'_>, batch: &mut Batch) -> Result<String, Error> {
        let token: [u8; 32] = self.chance.bytes()?;
        let digest = self.ticket_digest(ticket.purpose, &token);
        let sealed = self.vault.token_key(&token)?.seal(&aad(digest), ticket.inside)?;
        batch.check_absent(TICKETS.key(&digest));
        TICKETS.put(batch, &digest, &Ticket { until: ticket.until, is_used: false, about: ticket.about, sealed });
        Ok(written(&token))
    }

    /// What a ticket holds. Looking changes nothing: programs that check mails look, too.
    ///
    /// # Errors
    /// [`Error::Ticket`] if it does not work.
    pub fn look(&self, purpose: &str, token: &str, at: Millis) -> Result<Vec<u8>, Error> {
        self.open_ticket(purpose, token, at).map(|(_, _, inside)| inside)
    }

    /// Uses a ticket up, when the batch is committed, and gives what it holds. Of two who use it at the same moment one commit conflicts.
    ///
    /// # Errors
    /// [`Error::Ticket`] if it does not work.
    pub fn redeem(&self, purpose: &str, token: &str, at: Millis, batch: &mut Batch) -> Result<Vec<u8>, Error> {
        let (digest, ticket, inside) = self.open_ticket(purpose, token, at)?;
        batch.check_equals(TICKETS.key(&digest), TICKETS.value(&ticket));
        TICKETS.put(batch, &digest, &Ticket { is_used: true, sealed: Vec::new(), ..ticket });
        Ok(inside)
    }

    /// Notes that what others named was used, when the batch is committed, and can be used no more.
    ///
    /// # Errors
    /// [`Error::Ticket`] if it was used already.
    pub fn spend(&self, purpose: &str, name: &str, until: Millis, batch: &mut Batch) -> Result<(), Error> {
        let digest = self.ticket_digest(purpose, name.as_bytes());
        if TICKETS.get(&self.store, &digest)?.is_some() {
            return Err(Error::Ticket(DeadTicket::Used));
        }
        batch.check_absent(TICKETS.key(&digest));
        TICKETS.put(batch, &digest, &Ticket { until, is_used: true, about: [0; 16], sealed: Vec::new() });
        Ok(())
    }

    /// Forgets tickets of which nobody needs to be told any more, and gives what was sent with them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn tidy_tickets(&self, at: Millis) -> Result<Vec<[u8; 16]>, Error> {
        let (mut batch, mut gone, mut after) = (Batch::default(), Vec::new(), None);
        loop {
            let page = TICKETS.scan(&self.store, &[], after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (digest, ticket) in page.iter().filter(|(_, ticket)| ticket.until.saturating_add(REMEMBERED_MS) < at) {
                TICKETS.delete(&mut batch, digest);
                gone.push(ticket.about);
            }
        }
        if !gone.is_empty() {
            self.store.commit(batch).await?;
        }
        gone.retain(|about| *about != [0; 16]);
        Ok(gone)
    }

    fn open_ticket(&self, purpose: &str, token: &str, at: Millis) -> Result<(Digest, Ticket, Vec<u8>), Error> {
        let unknown = || Error::Ticket(DeadTicket::Unknown);
        let token = read_token(token).ok_or_else(unknown)?;
        let digest = self.ticket_digest(purpose, &token);
        let ticket = TICKETS.get(&self.store, &digest)?.ok_or_else(unknown)?;
        if ticket.is_used {
            return Err(Error::Ticket(DeadTicket::Used));
        }
        if ticket.until < at {
            return Err(Error::Ticket(DeadTicket::Expired));
        }
        let inside = self.vault.token_key(&token)?.open(&aad(digest), &ticket.sealed)?;
        Ok((digest, ticket, inside))
    }

    fn ticket_digest(&self, purpose: &str, token: &[u8]) -> Digest {
        Digest(self.vault.mac(&format!("ticket-{purpose}"), token))
    }
}

fn aad(digest: Digest) -> Vec<u8> {
    [b"ticket".as_slice(), &digest.0].concat()
}
