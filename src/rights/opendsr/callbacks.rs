//! Whoever has sent a request hears of every change: a signed message to each of its callback URLs, again and again until it is heard.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::processor::{callback_origin, status_of};
use super::{DOMAIN_HEADERS, SIGNATURE_HEADERS, Status, Taken};
use crate::clock::{DAY_MS, Millis};
use crate::egress::{self, Verb};
use crate::rights::request::Request;
use crate::rights::{Error, RequestId, Rights};

/// How long a controller is tried to be told of a change.
const TRIED_MS: Millis = 7 * DAY_MS;
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One that wants to hear of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Where.
    pub url: String,
    /// What it has heard last, or was given up.
    pub told: Status,
    /// Since when it is tried to tell it of the present status.
    pub since: Option<Millis>,
    /// How often in a row that failed.
    pub failures: u32,
    /// When it is tried again.
    pub next_at: Millis,
}

impl Callback {
    /// One that knows that the request was received: the answer has said so.
    pub(super) const fn new(url: String) -> Self {
        Self { url, told: Status::Pending, since: None, failures: 0, next_at: 0 }
    }

    /// Takes over whether it has heard this status. Says whether it was given up.
    fn take(&mut self, status: Status, heard: bool, at: Millis, next_at: Millis) -> bool {
        let since = *self.since.get_or_insert(at);
        let is_given_up = !heard && at.saturating_sub(since) > TRIED_MS;
        if heard || is_given_up {
            (self.told, self.since, self.failures, self.next_at) = (status, None, 0, 0);
        } else {
            (self.failures, self.next_at) = (self.failures.saturating_add(1), next_at);
        }
        is_given_up
    }
}

/// Requests that somebody is to be called back about.
#[derive(Default)]
pub(in crate::rights) struct CallingBack {
    ids: BTreeSet<RequestId>,
    /// Whether those from before the start are among them.
    found: bool,
}

/// When the next callback of a request is due; `None` if all have heard.
fn due(request: &Request) -> Option<Millis> {
    let status = status_of(request.state);
    let callbacks = request.origin.iter().flat_map(|origin| &origin.callbacks);
    callbacks.filter(|callback| callback.told != status).map(|callback| callback.next_at).min()
}

impl Rights {
    /// Remembers a request if somebody is to be called back about it.
    pub(in crate::rights) fn note_callbacks(&self, id: RequestId, request: &Request) {
        if due(request).is_some() {
            self.calling_back.lock().ids.insert(id);
            self.calling.notify_one();
        }
    }

    /// Calls back whoever is due. Gives when the next is.
    pub(in crate::rights) async fn call_back(&self) -> Result<Option<Millis>, Error> {
        self.find_callbacks()?;
        let waiting = std::mem::take(&mut self.calling_back.lock().ids);
        let now = self.deps.clock.now();
        let (mut next, mut failed) = (None, Ok(()));
        for id in waiting {
            let due = match self.call_back_if_due(id, now).await {
                Err(Error::NotFound) => continue,
                done => done,
            };
            if !matches!(due, Ok(None)) {
                self.calling_back.lock().ids.insert(id);
            }
            match due {
                Ok(due) => next = next.into_iter().chain(due).min(),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed.map(|()| next)
    }

    async fn call_back_if_due(&self, id: RequestId, now: Millis) -> Result<Option<Millis>, Error> {
        match due(&self.get(id)?) {
            Some(at) if at <= now => self.call_back_about(id).await,
            later => Ok(later),
        }
    }

    /// After a start: which requests somebody is to be called back about.
    fn find_callbacks(&self) -> Result<(), Error> {
        if self.calling_back.lock().found {
            return Ok(());
        }
        let all = self.list(None)?;
        let mut calling_back = self.calling_back.lock();
        calling_back.ids.extend(all.iter().filter(|(_, request)| due(request).is_some()).map(|(id, _)| *id));
        calling_back.found = true;
        drop(calling_back);
        Ok(())
    }

    async fn call_back_about(&self, id: RequestId) -> Result<Option<Millis>, Error> {
        let (request, now) = (self.get(id)?, self.deps.clock.now());
        let Some(origin) = request.origin.clone() else { return Ok(None) };
        let status = status_of(request.state);
        let taken = Taken { request, origin };
        let mut came = Vec::new();
        for callback in taken.origin.callbacks.iter().filter(|c| c.told != status && c.next_at <= now) {
            came.push((callback.url.clone(), self.call_one(&taken, callback).await));
        }
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        let at = self.deps.clock.now();
        let mut given_up = Vec::new();
        let callbacks = request.origin.iter_mut().flat_map(|origin| &mut origin.callbacks);
        for callback in callbacks {
            let Some((_, heard)) = came.iter().find(|(url, _)| *url == callback.url) else { continue };
            let next_at = self.deps.forwarder.later(callback.failures);
            if callback.take(status, *heard, at, next_at) {
                given_up.extend(egress::host(&callback.url));
            }
        }
        for host in given_up {
            request.note(at, "gateway", "callback_not_heard", Some(&host));
        }
        if request.state.is_over() && due(&request).is_none() {
            request.origin.iter_mut().for_each(|origin| origin.callbacks.clear());
        }
        self.save(id, &request).await?;
        Ok(due(&request))
    }

    /// Tells one controller where its request is. Whether it was heard.
    async fn call_one(&self, taken: &Taken, callback: &Callback) -> bool {
        let policy = self.deps.policy.current();
        let source = policy.source(&taken.origin.controller).map(|(_, source)| source);
        // The agreement may have ended since.
        let Some(origin) = callback_origin(&callback.url, source) else { return false };
        let mut said = self.status(taken);
        if let Some(fields) = said.as_object_mut() {
            fields.insert(String::from("status_callback_url"), json!(callback.url));
        }
        let body = said.to_string().into_bytes();
        let Ok((domain, signature)) = self.sign(&body) else { return false };
        let mut headers = vec![("content-type", String::from("application/json"))];
        headers.extend(DOMAIN_HEADERS.map(|name| (name, domain.clone())));
        headers.extend(SIGNATURE_HEADERS.map(|name| (name, signature.clone())));
        let Ok(outlet) = self.deps.egress.outlet(&callback.url, is_here(origin), TIMEOUT) else { return false };
        outlet.ask(Verb::Post, &headers, body).await.is_ok_and(|answer| (200..=299).contains(&answer.status))
    }
}

/// Whether an agreed origin is this machine itself: then, and only then, it may be private.
fn is_here(origin: &str) -> bool {
    let host = egress::host(origin).unwrap_or_default();
    matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
}
