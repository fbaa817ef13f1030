//! Erasure (GDPR Art. 17), in steps that can each be done again.
//!
//! 1. Who is concerned is stored with the approval.
//! 2. Identifiers, decisions and links go; from here on whoever states them is somebody new. Then the keys are shredded: what other
//!    rooms still hold of the person is noise.
//! 3. What was under way to destinations arrives or fails; then it is known who received something, and that is stored.
//! 4. Whatever came in between goes as well, and so does the list of recipients.
//! 5. Each recipient does its part; when all have, the certificate is signed.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::opendsr::Order;
use super::request::{Fate, Recipient};
use super::{Certificate, Error, Request, RequestId, Rights, State};
use crate::forward::{Received, recipients};
use crate::id::SubjectId;
use crate::identity::{self, SubjectRef};
use crate::policy::Policy;
use crate::store::{self, Batch};
use crate::vault::Class;

/// How many erasures are done at a time.
const ERASED_AT_ONCE: usize = 512;
/// How often forgetting somebody starts over because something of theirs changed meanwhile.
const FORGET_TRIES_MAX: u32 = 64;
/// How long it waits before.
const FORGET_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

impl Rights {
    /// Finds whose data a request concerns: the owners of the stated identifiers, and devices and addresses that nobody else was seen
    /// with. What others use as well is left alone, and counted.
    pub(super) fn resolve(&self, request: &mut Request, policy: &Policy) -> Result<(), Error> {
        let directory = &self.deps.directory;
        let mut concerned: Vec<SubjectRef> = Vec::new();
        for (kind, value) in &request.identifiers {
            let read = identity::parse(policy, &self.deps.vault, kind, value);
            let read = read.map_err(|refusal| Error::Identifier { kind: kind.clone(), refusal })?;
            concerned.extend(directory.owner(&read).filter(|owner| !concerned.contains(owner)));
        }
        let named = concerned.clone();
        for owner in named.iter().copied() {
            for other in directory.linkers_of(owner) {
                if concerned.contains(&other) {
                    continue;
                }
                let alone = directory.linked_to(other).iter().all(|linked| named.contains(linked));
                if alone && !directory.has_user_id(other, policy) {
                    concerned.push(other);
                } else {
                    request.shared_devices += 1;
                }
            }
        }
        request.subjects = concerned.iter().map(|subject| hex::encode(directory.subject(*subject).0)).collect();
        request.subject_count = request.subjects.len();
        Ok(())
    }

    /// Does what is left to be done here of erasures, and completes those whose recipients have all done their part. Many are done at a
    /// time; what fails for one is tried again for each by itself, so that one does not stop the others.
    pub(super) async fn erase_all(&self, ids: &[RequestId]) -> Result<(), Error> {
        let mut failed = Ok(());
        for some in ids.chunks(ERASED_AT_ONCE) {
            if self.erase(some).await.is_err() {
                for id in some {
                    failed = failed.and(self.erase(std::slice::from_ref(id)).await);
                }
            }
        }
        failed
    }

    async fn erase(&self, ids: &[RequestId]) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut running = Vec::with_capacity(ids.len());
        for id in ids {
            running.push((*id, self.get(*id)?));
        }
        running.retain(|(_, request)| request.state == State::Running);
        let (fresh, mut rest): (Vec<_>, Vec<_>) = running.into_iter().partition(|(_, request)| request.shredded.is_none());
        rest.extend(self.shred_people(fresh).await?);
        let open: Vec<SubjectId> = rest.iter().filter(|(_, r)| !r.swept).flat_map(|(_, r)| r.concerned()).collect();
        self.sweep(&open).await?;
        let over = rest.into_iter().filter_map(|(id, mut request)| {
            let settled = !request.waits_for_recipients();
            let unswept = !std::mem::replace(&mut request.swept, true);
            (settled || unswept).then_some((id, request, settled))
        });
        try_join_all(over.map(
            async |(id, request, settled)| {
                if settled { self.certify(id, request).await } else { self.save_swept(id, &request).await }
            },
        ))
        .await?;
        Ok(())
    }

    /// Makes everything of people unreadable, waits for what was on its way, and notes who has received something. It is stored for
    /// requests that wait for somebody. For the others it is stored with their certificate: if that does not come to pass, all this is
    /// done again, and comes to the same.
    async fn shred_people(&self, mut fresh: Vec<(RequestId, Request)>) -> Result<Vec<(RequestId, Request)>, Error> {
        if fresh.is_empty() {
            return Ok(fresh);
        }
        for (_, request) in &mut fresh {
            let subjects = request.concerned();
            self.keep_away(request, &subjects).await?;
        }
        let subjects: Vec<SubjectId> = fresh.iter().flat_map(|(_, request)| request.concerned()).collect();
        self.forget(&subjects).await?;
        self.shred(subjects.iter().map(|subject| (*subject, Class::STANDARD)).collect()).await?;
        // What is theirs and on the wire ends; then it is stored who got what.
        self.deps.consents.fence_people(&subjects).await;
        self.deps.forwarder.fence().await;
        for (_, request) in &mut fresh {
            let subjects = request.concerned();
            request.recipients = self.recipients(&subjects)?;
            request.kept = self.kept(&subjects)?;
            let at = self.deps.clock.now();
            request.shredded = Some((subjects.len(), at));
            request.note(at, "gateway", "erased", None);
        }
        let waiting = fresh.iter().filter(|(_, request)| request.waits_for_recipients());
        try_join_all(waiting.map(|(id, request)| self.save(*id, request))).await?;
        Ok(fresh)
    }

    /// Whatever came in between goes as well.
    async fn sweep(&self, subjects: &[SubjectId]) -> Result<(), Error> {
        if subjects.is_empty() {
            return Ok(());
        }
        self.forget(subjects).await?;
        let mut batch = Batch::default();
        recipients::forget_dead(&self.deps.store, subjects, &mut batch)?;
        if !batch.is_empty() {
            self.deps.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Stores that nothing came in between; who had received something is known to the request alone from here on.
    async fn save_swept(&self, id: RequestId, request: &Request) -> Result<(), Error> {
        let mut batch = self.saved(id, request)?;
        recipients::forget_received(&self.deps.store, &request.concerned(), &mut batch)?;
        self.deps.store.commit(batch).await?;
        self.note_callbacks(id, request);
        Ok(())
    }

    /// Signs the certificate, and ends the request.
    async fn certify(&self, id: RequestId, mut request: Request) -> Result<(), Error> {
        let at = self.deps.clock.now();
        let policy = self.deps.policy.current();
        let certificate = Certificate::of(id, &request, &policy.controller.name, at);
        request.certificate = Some(certificate.sign(self.deps.vault.signer())?);
        let (to, subjects) = (self.addressee(&request), request.concerned());
        request.close(State::Done);
        request.note(at, "gateway", "done", None);
        let mut batch = self.told(id, &mut request, to)?;
        recipients::forget_received(&self.deps.store, &subjects, &mut batch)?;
        self.deps.store.commit(batch).await?;
        self.deps.mails.wake();
        Ok(())
    }

    /// Lets everything about these people go that is found by who they are.
    async fn forget(&self, subjects: &[SubjectId]) -> Result<(), Error> {
        try_join_all(subjects.iter().map(|subject| self.forget_one(*subject))).await?;
        Ok(())
    }

    async fn forget_one(&self, subject: SubjectId) -> Result<(), Error> {
        let mut tries = 0;
        while let Err(error) = self.try_forget(subject).await {
            if !error.is_conflict() || tries >= FORGET_TRIES_MAX {
                return Err(error);
            }
            // An identifier is being moved to another index key at this moment.
            tries += 1;
            tokio::time::sleep(FORGET_PAUSE).await;
        }
        self.forgotten(subject);
        Ok(())
    }

    async fn try_forget(&self, subject: SubjectId) -> Result<(), Error> {
        let batch = self.all_of(subject)?;
        if !batch.is_empty() {
            self.deps.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Lets people go again who had been erased since these data were written: they come from a copy. Before the doors open.
    ///
    /// # Errors
    /// What the store says.
    pub fn bury_again(&self) -> Result<(), Error> {
        let returned = self.deps.vault.returned();
        if returned.is_empty() {
            return Ok(());
        }
        // Those whose erasure is under way are not from a copy, and who had received something of them is still needed.
        let running: Vec<SubjectId> = self
            .list(Some(State::Running))?
            .iter()
            .flat_map(|(_, request)| &request.subjects)
            .filter_map(|hex| subject(hex))
            .collect();
        for subject in returned {
            let mut batch = self.all_of(*subject)?;
            if !running.contains(subject) {
                let subjects = std::slice::from_ref(subject);
                recipients::forget_received(&self.deps.store, subjects, &mut batch)?;
                recipients::forget_dead(&self.deps.store, subjects, &mut batch)?;
            }
            // On a thread of its own: a runtime's thread must not block in the store's own wait.
            let store = &self.deps.store;
            std::thread::scope(|scope| scope.spawn(|| store.commit_blocking(batch)).join())
                .unwrap_or(Err(store::Error::Closed))?;
            self.forgotten(*subject);
        }
        tracing::warn!(
            people = returned.len(),
            "who had been erased was there again: these data are a copy, or an erasure was cut off"
        );
        Ok(())
    }

    fn all_of(&self, subject: SubjectId) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        self.deps.directory.forget(&self.deps.store, subject, &mut batch)?;
        self.deps.consents.forget(subject, &mut batch)?;
        self.deps.preferences.forget(subject, &mut batch)?;
        self.deps.profiles.forget_corrections(subject, &mut batch)?;
        Ok(batch)
    }

    fn forgotten(&self, subject: SubjectId) {
        self.deps.consents.forgotten(subject);
        self.deps.directory.forgotten(subject);
        self.deps.profiles.forgotten(subject);
    }

    /// Under which customer IDs a destination may know somebody: the present one, and the one before as long as the keys of its domain
    /// overlap. Of a destination that the policy has no more nobody can say.
    pub(super) fn known_as(&self, policy: &Policy, destination: &str, subject: SubjectId) -> Result<Vec<String>, Error> {
        let Some((_, destination)) = policy.destination(destination) else { return Ok(Vec::new()) };
        let domain = self.deps.vault.domain(&destination.domain)?;
        Ok(domain.customers(subject).map(|id| id.to_string()).collect())
    }

    /// Who had received something, and what became of it there by now.
    pub(super) fn recipients(&self, subjects: &[SubjectId]) -> Result<Vec<Recipient>, Error> {
        let policy = self.deps.policy.current();
        let mut all: BTreeMap<String, (recipients::Sum, Vec<String>)> = BTreeMap::new();
        for subject in subjects {
            for (id, received) in recipients::of(&self.deps.store, *subject)? {
                let known_as = self.known_as(&policy, &id, *subject)?;
                let (sum, customers) = all.entry(id).or_default();
                sum.add(received);
                customers.extend(known_as);
            }
        }
        let at = self.deps.clock.now();
        let mut recipients = Vec::with_capacity(all.len());
        for (id, (sum, customers)) in all {
            let Some(Received { events, first_at, last_at, unclear_at }) = sum.received() else { continue };
            let way = policy.destination(&id).map(|(_, destination)| &destination.erasure.way);
            let (fate, order) = (Fate::first(way), Order::new(way, &self.deps.chance)?);
            let (failures, next_at, reason) = (0, at, None);
            recipients.push(Recipient {
                id,
                events,
                first_at,
                last_at,
                unclear_at,
                fate,
                at,
                failures,
                next_at,
                reason,
                customers,
                order,
            });
        }
        Ok(recipients)
    }
}

pub(super) fn subject(text: &str) -> Option<SubjectId> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(SubjectId(bytes))
}
