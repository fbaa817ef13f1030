//! What people do themselves: ask, confirm by a link in a mail, see where it is, take it back, fetch what they asked for.
//!
//! A link proves that its mail is read, and nothing else: so a person's own request names one e-mail address and nothing that a mail
//! cannot prove. It is taken, and its mail sent, whether or not anybody is known.

use super::link::{LINKS, Purpose};
use super::mails::Word;
use super::request::{Kind, Request, RequestId, State};
use super::{Entry, Error, Rights, Wrong, about, object};
use crate::clock::{DAY_MS, Millis};
use crate::identity;
use crate::mail::{Mails, Room};
use crate::policy::IdentifierKind;
use crate::store::Batch;

/// Who acts, in the notes, when it is the person.
pub(super) const PERSON: &str = "person";
/// How long a request waits for its confirmation, in days; then it is closed, and the address that somebody typed forgotten.
const UNCONFIRMED_DAYS: i64 = 7;

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
