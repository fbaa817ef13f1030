//! The worker: opens what is due, sends it, notes what became of it, and shreds its key.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::record::{LetterId, State, TRACES, Trace, WAITING, Waiting};
use super::{Error, Letter, Mails, Way, compose};
use crate::clock::Millis;
use crate::egress::smtp::Undelivered;
use crate::store::{self, Batch};
use crate::vault::{self, Class};

/// How long the work rests at most when nothing is due, in milliseconds.
const WORK_PAUSE_MAX_MS: Millis = 3_600_000;
/// How long it rests after a failure of store or vault.
const FAILED_PAUSE: Duration = Duration::from_secs(30);
/// The first pause after a letter was not taken, in milliseconds; doubled each time.
const PAUSE_MS: Millis = 15_000;
/// The longest pause when the server does not take a letter.
const PAUSE_LETTER_MAX_MS: Millis = 3_600_000;
/// The longest pause when the server is not there.
const PAUSE_SERVER_MAX_MS: Millis = 300_000;

/// What became of one attempt.
enum Attempt {
    Done(State),
    Failed(String),
    Later(String),
    Down(&'static str),
}

impl Mails {
    /// Sends what is due, for as long as the process runs.
    pub async fn run(&self) {
        loop {
            let pause = match self.work().await {
                Ok(due) => {
                    let wait = due.map_or(WORK_PAUSE_MAX_MS, |due| (due - self.deps.clock.now()).clamp(0, WORK_PAUSE_MAX_MS));
                    Duration::from_millis(u64::try_from(wait).unwrap_or(0))
                }
                Err(error) => {
                    tracing::error!(%error, "mails wait; they are tried again");
                    FAILED_PAUSE
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends what is due now, and says when there is more.
    ///
    /// # Errors
    /// What store, vault and disk say.
    pub async fn work(&self) -> Result<Option<Millis>, Error> {
        self.bury().await?;
        let now = self.deps.clock.now();
        for (id, waiting) in self.waiting()?.into_iter().filter(|(_, waiting)| waiting.head.next_at <= now) {
            // Where nobody answers, the others need not be tried, either.
            if let Some(due) = self.attempt(id, waiting, now).await? {
                self.bury().await?;
                return Ok(Some(due));
            }
        }
        self.bury().await?;
        Ok(self.waiting()?.first().map(|(_, waiting)| waiting.head.next_at))
    }

    /// Tries one letter and notes what came of it. Gives when the server is tried again if it is not there.
    async fn attempt(&self, id: LetterId, mut waiting: Waiting, now: Millis) -> Result<Option<Millis>, Error> {
        let attempt = if waiting.head.until < now {
            Attempt::Failed(waiting.head.reason.clone().unwrap_or_else(|| String::from("too_late")))
        } else {
            waiting.head.attempts = waiting.head.attempts.saturating_add(1);
            self.try_send(id, &waiting).await?
        };
        let stumbles = match &attempt {
            Attempt::Down(_) => self.stumbles.fetch_add(1, Ordering::Relaxed) + 1,
            Attempt::Done(_) | Attempt::Failed(_) | Attempt::Later(_) => {
                self.stumbles.store(0, Ordering::Relaxed);
                0
            }
        };
        let (reason, most, failures) = match attempt {
            Attempt::Done(state) => return self.end(id, waiting, state, None).await.map(|()| None),
            Attempt::Failed(reason) => return self.end(id, waiting, State::Failed, Some(reason)).await.map(|()| None),
            Attempt::Later(reason) => (reason, PAUSE_LETTER_MAX_MS, waiting.head.attempts),
            Attempt::Down(reason) => (reason.to_owned(), PAUSE_SERVER_MAX_MS, stumbles),
        };
        tracing::warn!(kind = waiting.head.kind, reason, "a mail was not taken; it is tried again");
        let next_at = now + self.pause_ms(failures, most)?;
        (waiting.head.next_at, waiting.head.reason) = (next_at, Some(reason));
        let mut batch = Batch::default();
        WAITING.put(&mut batch, &id, &waiting);
        self.deps.store.commit(batch).await?;
        Ok((stumbles > 0).then_some(next_at))
    }

    async fn try_send(&self, id: LetterId, waiting: &Waiting) -> Result<Attempt, Error> {
        let key = match self.deps.vault.key(id.holder()) {
            // It comes from a copy of the data: it was sent long ago, and its key shredded.
            Err(vault::Error::Shredded) => return Ok(Attempt::Failed(String::from("forgotten"))),
            key => key?,
        };
        let letter: Letter = serde_json::from_slice(&key.open(&id.aad(), &waiting.sealed)?)?;
        let Ok((envelope, bytes)) = compose::compose(id, &letter, &self.from, waiting.head.queued_at) else {
            return Ok(Attempt::Failed(String::from("not_a_mail")));
        };
        match &self.way {
            Way::Server(server) => Ok(match server.send(&envelope, &bytes).await {
                Ok(()) => Attempt::Done(State::Sent),
                Err(Undelivered::Refused(code)) => Attempt::Failed(format!("smtp_{code}")),
                Err(Undelivered::Later(code)) => Attempt::Later(format!("smtp_{code}")),
                Err(Undelivered::Down(reason)) => Attempt::Down(reason),
            }),
            Way::Folder => {
                let (folder, is_last) = (self.folder.clone(), letter.is_last);
                let written = tokio::task::spawn_blocking(move || {
                    folder.write(id, &bytes)?;
                    // What came before is of no use to anybody any more.
                    if is_last { folder.remove(|other| other.about == id.about && other != id) } else { Ok(0) }
                });
                written.await.map_err(|_panicked| store::Error::Closed)??;
                Ok(Attempt::Done(State::Written))
            }
        }
    }

    /// Notes what became of a letter. From here on nobody can be sent it again; its key goes in [`Mails::bury`].
    async fn end(&self, id: LetterId, mut waiting: Waiting, state: State, reason: Option<String>) -> Result<(), Error> {
        let counter = if state == State::Failed { &self.failed } else { &self.sent };
        if let Some(reason) = &reason {
            tracing::error!(kind = waiting.head.kind, reason, "a mail could not be sent");
        }
        let at = self.deps.clock.now();
        let trace = Trace { kind: waiting.head.kind.clone(), state, at, attempts: waiting.head.attempts, reason };
        waiting.sealed.clear();
        let mut batch = Batch::default();
        TRACES.put(&mut batch, &id, &trace);
        WAITING.put(&mut batch, &id, &waiting);
        self.deps.store.commit(batch).await?;
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Shreds the keys of letters that have ended. They are found here as long as that was not done.
    async fn bury(&self) -> Result<(), Error> {
        let ended: Vec<LetterId> =
            self.waiting()?.into_iter().filter(|(_, waiting)| waiting.sealed.is_empty()).map(|(id, _)| id).collect();
        if ended.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = ended.iter().map(|id| (id.holder(), Class::STANDARD)).collect();
        let vault = Arc::clone(&self.deps.vault);
        tokio::task::spawn_blocking(move || vault.shred(&keys)).await.map_err(|_panicked| store::Error::Closed)??;
        let mut batch = Batch::default();
        ended.iter().for_each(|id| WAITING.delete(&mut batch, id));
        self.deps.store.commit(batch).await?;
        Ok(())
    }

    /// The pause after so many failures: doubled each time, between half and all of it, so that not all come back at once.
    fn pause_ms(&self, failures: u32, most: Millis) -> Result<Millis, Error> {
        let whole = PAUSE_MS.saturating_mul(1 << failures.clamp(1, 12) >> 1).min(most);
        let draw = Millis::from(u16::from_be_bytes(self.deps.chance.bytes()?));
        Ok(whole / 2 + whole / 2 * draw / Millis::from(u16::MAX))
    }
}
