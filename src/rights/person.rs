//! What people do themselves: ask, confirm by a link in a mail, see where it is, take it back, fetch what they asked for.
//!
//! A link proves that its mail is read, and nothing else: so a person's own request names one e-mail address and nothing that a mail
//! cannot prove. It is taken, and its mail sent, whether or not anybody is known.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::link::{LINKS, Purpose};
use super::mails::Word;
use super::request::{Kind, Request, RequestId, State};
use super::{Entry, Error, Rights, Wrong, about, object};
use crate::clock::{DAY_MS, Millis};
use crate::identity;
use crate::mail::Mails;
use crate::policy::IdentifierKind;
use crate::store::Batch;

/// Who acts, in the notes, when it is the person.
pub(super) const PERSON: &str = "person";
/// How many mails one address gets in a day because somebody asked in its name.
const MAILS_PER_DAY: u32 = 3;
/// How many such mails all addresses get in an hour: the gateway must not be of use to somebody who writes to strangers.
const MAILS_PER_HOUR: u32 = 1_000;
/// How long a request waits for its confirmation, in days; then it is closed, and the address that somebody typed forgotten.
const UNCONFIRMED_DAYS: i64 = 7;

const HOUR_MS: Millis = 3_600_000;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked for.
    pub kind: Kind,
    /// In whose name: the type and the value of one e-mail address.
    pub identifiers: Vec<(String, String)>,
    /// What an objection is about.
    pub purposes: Option<Vec<String>>,
    /// What is to be put right.
    pub wrong: Wrong,
    /// The person's language.
    pub language: Option<String>,
    /// What the person says about it.
    pub note: Option<String>,
    /// Through which source.
    pub source: String,
}

/// Where a link leads.
#[derive(Debug)]
pub struct Visit {
    /// What the link is for.
    pub purpose: Purpose,
    /// The request.
    pub request: Request,
    /// Until when the link holds.
    pub until: Millis,
}

/// How many mails were sent because somebody asked. Forgotten at a restart.
pub struct Flood {
    limits: Limits,
    counts: Mutex<Counts>,
}

/// How many mails are sent because somebody asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many one address gets.
    pub per_address: u32,
    /// In which time, in milliseconds.
    pub window_ms: Millis,
    /// How many all addresses get in an hour.
    pub per_hour: u32,
}

#[derive(Default)]
struct Counts {
    /// The hour that is counted: when it began, and how many there were.
    hour: (Millis, u32),
    /// Per keyed digest of an address: when its window began, and how many there were. Invariant: no more than a window's worth of mails.
    addresses: HashMap<[u8; 16], (Millis, u32)>,
}

/// Whether one more may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Yes,
    /// This address has got enough.
    Enough,
    /// Everybody has to wait.
    Full,
}

impl Default for Flood {
    fn default() -> Self {
        Self::new(Limits { per_address: MAILS_PER_DAY, window_ms: DAY_MS, per_hour: MAILS_PER_HOUR })
    }
}

impl Flood {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Mutex::default() }
    }

    /// Whether one more may be sent to an address, by its keyed digest; then it counts.
    pub fn room(&self, address: [u8; 16], at: Millis) -> Room {
        let Limits { per_address, window_ms, per_hour } = self.limits;
        let counts = &mut *self.counts.lock();
        if at - counts.hour.0 >= HOUR_MS {
            counts.hour = (at, 0);
            counts.addresses.retain(|_, (since, _)| at - *since < window_ms);
        }
        // Asked first, so that the answer is the same for every address.
        if counts.hour.1 >= per_hour {
            return Room::Full;
        }
        let (since, sent) = counts.addresses.entry(address).or_insert((at, 0));
        if at - *since >= window_ms {
            (*since, *sent) = (at, 0);
        }
        if *sent >= per_address {
            return Room::Enough;
        }
        *sent += 1;
        counts.hour.1 += 1;
        Room::Yes
    }
}

impl Rights {
    /// Takes a person's own request, and has a link sent to the stated address. What is answered depends on nothing that is stored. An
    /// address that has got as many mails in a day as are allowed gets no more, and nothing new is kept for it.
    ///
    /// # Errors
    /// What is wrong with it; [`Error::TooMany`] if everybody has to wait.
    pub async fn hear(&self, ask: Ask) -> Result<(), Error> {
        let Ask { kind, identifiers, purposes, wrong, language, note, source } = ask;
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        let is_email = |kind: &str| policy.identifier(kind).is_some_and(|(_, known)| known.kind == IdentifierKind::Email);
        if let Some((other, _)) = identifiers.iter().find(|(kind, _)| policy.identifier(kind).is_some() && !is_email(kind)) {
            return Err(Error::Unproven(other.clone()));
        }
        let [(type_, value)] = identifiers.as_slice() else { return Err(Error::OneAddress) };
        let refused = |refusal| Error::Identifier { kind: type_.clone(), refusal };
        let read = identity::parse(&policy, &self.deps.vault, type_, value).map_err(refused)?;
        if !Mails::reaches(&read.value) {
            return Err(refused(identity::Refusal::Form));
        }
        let mut request = Request::new(kind, State::IdentityUnclear, at);
        request.purposes = object::purposes(&policy, kind, purposes)?;
        self.take_wrong(&mut request, &policy, wrong)?;
        match self.flood.room(self.deps.vault.mac("mails", read.value.as_bytes()), at) {
            Room::Yes => {}
            Room::Enough => return Ok(()),
            Room::Full => return Err(Error::TooMany),
        }
        request.identifiers.push((type_.clone(), read.value));
        // Apart from the acts, which stay: people write about themselves.
        (request.language, request.is_own, request.words) = (language, true, note);
        request.pauses.push((at, None));
        request.note(at, &source, "received", None);
        self.file(request, Some(Word::Confirm)).await.map(|_id| ())
    }

    /// Stores a new request and queues the first letter about it.
    pub(super) async fn file(&self, mut request: Request, word: Option<Word>) -> Result<RequestId, Error> {
        let id = RequestId(self.deps.chance.bytes()?);
        let mut batch = Batch::default();
        if let Some((to, word)) = self.addressee(&request).zip(word) {
            self.tell_by_mail(id, &mut request, (&to, word), &mut batch)?;
        }
        self.keep_new(id, &request, batch).await?;
        self.deps.mails.wake();
        Ok(id)
    }

    /// Where a link leads. Looking changes nothing: mail scanners look, too.
    ///
    /// # Errors
    /// [`Error::Link`] if it leads nowhere.
    pub fn visit(&self, token: &str) -> Result<Visit, Error> {
        let (id, digest, link) = self.follow(token, None, self.deps.clock.now())?;
        let request = self.get(id)?;
        if link.purpose == Purpose::Confirm && !waits_for(&request, digest.0) {
            return Err(Error::Link(super::DeadEnd::Used));
        }
        Ok(Visit { purpose: link.purpose, request, until: link.until })
    }

    /// Confirms a request by the link in its mail. If the address is all that it names, it is clear now who asks.
    ///
    /// # Errors
    /// [`Error::Link`] if the link does not do that (any more).
    pub async fn confirm(&self, token: &str) -> Result<Request, Error> {
        let _turn = self.turn.lock().await;
        let at = self.deps.clock.now();
        let (id, digest, mut link) = self.follow(token, Some(Purpose::Confirm), at)?;
        let mut request = self.get(id)?;
        if !waits_for(&request, digest.0) {
            return Err(Error::Link(super::DeadEnd::Used));
        }
        let to = self.addressee(&request);
        request.confirm = None;
        if request.identifiers.len() == 1 {
            request.pauses.iter_mut().for_each(|(_, until)| _ = until.get_or_insert(at));
            request.state = State::InReview;
            request.note(at, PERSON, "identified", None);
        } else {
            request.note(at, PERSON, "address_confirmed", None);
        }
        let mut batch = self.told(id, &mut request, to)?;
        link.is_used = true;
        LINKS.put(&mut batch, &digest, &link);
        self.commit_noted(batch, &last_of(id, &request)).await?;
        self.deps.mails.wake();
        Ok(request)
    }

    /// Takes a request back, by the link to its state.
    ///
    /// # Errors
    /// [`Error::Link`], and [`Error::State`] when it is too late.
    pub async fn withdraw(&self, token: &str) -> Result<Request, Error> {
        let (id, ..) = self.follow(token, Some(Purpose::Status), self.deps.clock.now())?;
        self.act(id, super::Step::Cancel, PERSON, None).await
    }

    /// Counts that the person fetches the package of their request, by the link to its state.
    ///
    /// # Errors
    /// [`Error::Link`], and [`Error::NoPackage`] if there is none, or its time is over.
    pub async fn fetch(&self, token: &str) -> Result<RequestId, Error> {
        let (id, ..) = self.follow(token, Some(Purpose::Status), self.deps.clock.now())?;
        self.count_download(id).await.map(|()| id)
    }

    /// Whether a request has waited for its confirmation for too long.
    pub(super) fn is_unconfirmed(request: &Request, at: Millis) -> bool {
        let is_open = request.is_own && request.state == State::IdentityUnclear && request.confirm.is_some();
        let was_clear = request.acts.iter().any(|act| act.what == "identified");
        let asked_at =
            request.acts.iter().rev().find(|act| matches!(act.what.as_str(), "received" | "link_sent")).map(|act| act.at);
        is_open && !was_clear && asked_at.is_some_and(|asked| asked.saturating_add(UNCONFIRMED_DAYS * DAY_MS) < at)
    }
}

/// What was done last, for the audit.
fn last_of(id: RequestId, request: &Request) -> Entry {
    let none = || about(id, request.received_at, PERSON, "received", None);
    request.acts.last().map_or_else(none, |act| about(id, act.at, &act.who, &act.what, act.why.as_deref()))
}

/// Whether this is the link that the request waits for.
fn waits_for(request: &Request, digest: [u8; 16]) -> bool {
    request.state == State::IdentityUnclear && request.confirm.as_deref() == Some(hex::encode(digest).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_a_few_mails_a_day_and_all_together_not_more_than_an_hours_worth() {
        let flood = Flood::default();
        let rooms: Vec<Room> = (0..10_000).map(|n| flood.room([1; 16], n)).collect();
        assert_eq!(rooms.iter().filter(|room| **room == Room::Yes).count(), 3);
        assert!(rooms[3..].iter().all(|room| *room == Room::Enough));
        assert_eq!(flood.room([1; 16], DAY_MS - 1), Room::Enough);
        assert_eq!(flood.room([1; 16], DAY_MS), Room::Yes);

        let flood = Flood::default();
        let address = |n: u32| {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&n.to_be_bytes());
            address
        };
        let sent = (0..5_000).filter(|n| flood.room(address(*n), 0) == Room::Yes).count();
        assert_eq!(sent, 1_000);
        assert_eq!(flood.room(address(9_999), HOUR_MS - 1), Room::Full);
        assert_eq!(flood.room(address(0), HOUR_MS - 1), Room::Full, "the same for whoever has got one already");
        assert_eq!(flood.room(address(9_999), HOUR_MS), Room::Yes);
        assert!(flood.counts.lock().addresses.len() <= 1_001);
    }
}
