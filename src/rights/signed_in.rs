//! What people do who are signed in: they ask, see where it is, take it back and fetch what they asked for, without a link in a mail.
//!
//! Who they are was proven when they signed in, so the deadline runs from the moment in which they ask. That still proves no more than what
//! was proven: a person of the company decides, as for every request.

use super::mails::Word;
use super::person::PERSON;
use super::request::{Kind, Request, RequestId, State};
use super::{Ask, Error, Rights, Step, about, object};
use crate::id::NodeId;
use crate::identity;

/// How many requests of one person are open at a time.
const OPEN_MAX: usize = 12;

/// What somebody proved to be theirs.
#[derive(Clone, Copy, Debug)]
pub struct Proven<'a> {
    /// Types and normalised values.
    pub identifiers: &'a [(String, String)],
    /// The lasting names of those that are known.
    pub names: &'a [NodeId],
}

impl Proven<'_> {
    /// Whether a request is theirs: it names what they proved, or did until what was asked for lay ready.
    fn asks(&self, request: &Request) -> bool {
        let named = request.identifiers.iter().any(|named| self.identifiers.contains(named));
        named || self.names.iter().any(|name| request.asked_by.contains(&hex::encode(name.0)))
    }
}

impl Rights {
    /// Takes a request of somebody who is signed in. Who asks for the same again while nothing was decided gets the request that waits.
    ///
    /// # Errors
    /// What is wrong with it; [`Error::TooMany`] if too many of theirs are open.
    pub async fn hear_signed_in(&self, ask: Ask) -> Result<RequestId, Error> {
        let Ask { kind, identifiers, purposes, wrong, language, note, source } = ask;
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        if identifiers.is_empty() {
            return Err(Error::Nobody);
        }
        let mut request = Request::new(kind, State::InReview, at);
        request.purposes = object::purposes(&policy, kind, purposes)?;
        self.take_wrong(&mut request, &policy, wrong)?;
        for (type_, value) in identifiers {
            let read = identity::parse(&policy, &self.deps.vault, &type_, &value);
            let read = read.map_err(|refusal| Error::Identifier { kind: type_.clone(), refusal })?;
            request.identifiers.push((type_, read.value));
        }
        let open = self.of_person(Proven { identifiers: &request.identifiers, names: &[] })?;
        let again = open.iter().find(|(_, other)| is_again(&request, other));
        if let Some((id, _)) = again {
            return Ok(*id);
        }
        if open.iter().filter(|(_, other)| !other.state.is_over()).count() >= OPEN_MAX {
            return Err(Error::TooMany);
        }
        (request.language, request.is_own, request.words) = (language, true, note);
        request.note(at, &source, "received", None);
        self.file(request, Some(Word::Received)).await
    }

    /// The requests of somebody, the newest first: those that are open, and those of which something can be fetched. Others have forgotten
    /// who asked. It reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn of_person(&self, proven: Proven<'_>) -> Result<Vec<(RequestId, Request)>, Error> {
        let mut theirs = self.live()?;
        // What another company asks for is that company's to show.
        theirs.retain(|(_, request)| request.origin.is_none() && proven.asks(request));
        theirs.reverse();
        Ok(theirs)
    }

    /// One request of somebody.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, or it is somebody else's.
    pub fn one_of_person(&self, id: RequestId, proven: Proven<'_>) -> Result<Request, Error> {
        let request = self.get(id)?;
        if request.origin.is_none() && proven.asks(&request) { Ok(request) } else { Err(Error::NotFound) }
    }

    /// Takes a request back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not theirs, and [`Error::State`] when it is too late.
    pub async fn cancel_own(&self, id: RequestId, proven: Proven<'_>) -> Result<Request, Error> {
        self.one_of_person(id, proven)?;
        self.act(id, Step::Cancel, PERSON, None).await
    }

    /// Ends a restriction that they had asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not theirs, and [`Error::State`] if it is not in force.
    pub async fn lift_own(&self, id: RequestId, proven: Proven<'_>) -> Result<Request, Error> {
        self.one_of_person(id, proven)?;
        self.act(id, Step::Lift, PERSON, Some("asked for by the person")).await
    }

    /// Counts that the person fetches the package of their request.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not theirs, and [`Error::NoPackage`] if there is none, or its time is over.
    pub async fn fetch_own(&self, id: RequestId, proven: Proven<'_>) -> Result<(), Error> {
        self.one_of_person(id, proven)?;
        self.count_download(id).await
    }

    /// Notes that the person has fetched the package of a request.
    pub(super) async fn count_download(&self, id: RequestId) -> Result<(), Error> {
        let at = self.deps.clock.now();
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        if request.available_until.is_none_or(|until| until < at) {
            return Err(Error::NoPackage);
        }
        if request.downloads == 0 {
            request.note(at, PERSON, "package_fetched", None);
        }
        request.downloads = request.downloads.saturating_add(1);
        let entry = about(id, at, PERSON, "package_fetched", None);
        self.commit_noted(self.saved(id, &request)?, &entry).await
    }

    /// The names of the identifiers that a request names, for when it names them no more.
    pub(super) fn names_in(&self, request: &Request) -> Vec<String> {
        let policy = self.deps.policy.current();
        let read = |(kind, value): &(String, String)| identity::parse(&policy, &self.deps.vault, kind, value).ok();
        let known = request.identifiers.iter().filter_map(read);
        known.filter_map(|identifier| self.deps.directory.known(&identifier)).map(|(name, _)| hex::encode(name.0)).collect()
    }
}

/// Whether somebody asks for what they have asked for already.
fn is_again(request: &Request, other: &Request) -> bool {
    let alike = other.kind == request.kind && other.state == State::InReview && other.purposes == request.purposes;
    alike && other.is_own && request.kind != Kind::Rectification
}
