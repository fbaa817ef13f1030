//! Finding requests: the list that a data-protection officer works with, and looking for somebody's.

use jiff::civil::Date;

use super::{Error, Kind, Request, RequestId, Rights, State};
use crate::audit::Entry;
use crate::clock::Millis;
use crate::identity;

/// Which requests are asked for; all if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those in this state.
    pub state: Option<State>,
    /// Those that are over, or those that are not.
    pub over: Option<bool>,
    /// Those of this kind.
    pub kind: Option<Kind>,
    /// Those whose deadline has passed, or those whose has not.
    pub late: Option<bool>,
    /// Those that must be answered before this day.
    pub due_before: Option<Date>,
    /// Those that this person of the company sees to; empty: those that nobody does.
    pub assigned: Option<String>,
}

/// A place in the list, behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(Millis, RequestId);

impl Cursor {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('-')?;
        Some(Self(Millis::from_str_radix(at, 16).ok()?, RequestId::parse(&[RequestId::PREFIX, id].concat())?))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{}", self.0, hex::encode(self.1.0))
    }
}

/// Some requests, in the order in which they are due.
#[derive(Debug)]
pub struct Queue {
    /// The requests.
    pub requests: Vec<(RequestId, Request)>,
    /// How many pass the filter altogether.
    pub all: usize,
}

/// Some requests, oldest first.
#[derive(Debug)]
pub struct Page {
    /// The requests.
    pub requests: Vec<(RequestId, Request)>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Rights {
    /// A page of the requests that pass a filter, oldest first. It reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn find(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Result<Page, Error> {
        let (calendar, now) = (self.calendar(), self.deps.clock.now());
        let passes = |request: &Request| {
            let due = calendar.due(&request.course()).filter(|_| request.waits());
            let late = due.is_some_and(|due| due < calendar.day(now));
            filter.state.is_none_or(|state| request.state == state)
                && filter.over.is_none_or(|over| request.state.is_over() == over)
                && filter.kind.is_none_or(|kind| request.kind == kind)
                && filter.late.is_none_or(|wanted| late == wanted)
                && filter.due_before.is_none_or(|day| due.is_some_and(|due| due < day))
                && filter.assigned.as_ref().is_none_or(|name| request.assigned.as_deref().unwrap_or_default() == name)
        };
        let behind = |id: &RequestId, request: &Request| after.is_none_or(|after| Cursor(request.received_at, *id) > after);
        // What is over is many times more than what is not, and rarely asked for.
        let open_alone = filter.over == Some(false) || filter.state.is_some_and(|state| !state.is_over());
        let mut requests = if open_alone || filter.late.is_some_and(|late| late) || filter.due_before.is_some() {
            self.live()?
        } else {
            self.list(filter.state)?
        };
        requests.retain(|(id, request)| behind(id, request) && passes(request));
        let more = requests.len() > limit;
        requests.truncate(limit);
        let next = requests.last().filter(|_| more).map(|(id, request)| Cursor(request.received_at, *id));
        Ok(Page { requests, next })
    }

    /// The requests that pass a filter in the order in which they are due, from `skip` on; those that rest come after those that run, those
    /// that are over at the end. It reads from the store, so not on a thread that must not block.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn queue(&self, filter: &Filter, skip: usize, limit: usize) -> Result<Queue, Error> {
        let calendar = self.calendar();
        let mut requests = self.find(filter, None, usize::MAX)?.requests;
        requests.sort_by_cached_key(|(id, request)| {
            let due = calendar.due(&request.course()).filter(|_| request.waits());
            (request.state.is_over(), due.is_none(), due, request.received_at, *id)
        });
        let all = requests.len();
        let requests = requests.into_iter().skip(skip).take(limit).collect();
        Ok(Queue { requests, all })
    }

    /// The requests that name one of these identifiers. Those that are over have forgotten whom they were about. That somebody looks,
    /// and why, is noted first; the identifiers are not.
    ///
    /// # Errors
    /// [`Error::NoReason`], [`Error::Nobody`], [`Error::Identifier`]; what store and vault say.
    pub async fn search(&self, identifiers: &[(String, String)], who: &str, why: &str) -> Result<Page, Error> {
        if why.trim().is_empty() {
            return Err(Error::NoReason);
        }
        if identifiers.is_empty() {
            return Err(Error::Nobody);
        }
        let policy = self.deps.policy.current();
        let mut wanted = Vec::with_capacity(identifiers.len());
        for (kind, value) in identifiers {
            let read = identity::parse(&policy, &self.deps.vault, kind, value);
            wanted.push((kind, read.map_err(|refusal| Error::Identifier { kind: kind.clone(), refusal })?.value));
        }
        let entry = Entry::new(self.deps.clock.now(), who, "searched", Some(why));
        self.deps.audit.note(&entry).await?;
        let mut requests = self.live()?;
        let names = |kind: &String, value: &String| wanted.iter().any(|(k, v)| *k == kind && v == value);
        requests.retain(|(_, request)| request.identifiers.iter().any(|(kind, value)| names(kind, value)));
        Ok(Page { requests, next: None })
    }
}

impl Request {
    /// Whether its deadline still counts: a restriction that is in force was answered when it began.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.state.is_over() && (self.kind != Kind::Restriction || self.state != State::Running)
    }
}
