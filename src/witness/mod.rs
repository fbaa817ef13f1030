//! Asks witnesses to cosign heads of the ledger (C2SP `tlog-witness`), so that nobody can be shown another log than others see.
//!
//! It **promises**
//! - a head counts as witnessed only when the quorum of the operator's file holds, by signatures that were checked here;
//! - a witnessed head is stored before it is handed out, so that after a crash there is none older than what was seen;
//! - a witness that does not answer holds up neither decisions nor the others: it is asked less and less often;
//! - a witness that has seen more of the log than there is says so here, loudly: the data are a copy, and the log has forked.
//!
//! It **refuses to know** what stands in the log. What witnesses get is a size, a hash and a signature; nothing of it is personal.

mod ask;
mod record;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;

pub use ask::Refusal;
use record::{Only, WITNESSED, Witnessed};

use crate::egress::{Egress, Outlet};
use crate::ledger::{Cosignature, Head, Ledger, Trust, Witness};
use crate::store::{self, Batch, Store};

/// How long heads gather before witnesses are asked again.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a witness may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many rounds a witness is left alone at most after it failed again and again.
const ROUNDS_MAX: u32 = 60;

/// Why the room does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The address of a witness is none.
    #[error("the address of witness {name}: {source}")]
    Address {
        /// What the file calls the witness.
        name: String,
        /// Why.
        source: crate::egress::Error,
    },
    /// The file is about other logs.
    #[error("the file with witnesses names logs, and this one is not among them: {0}")]
    OtherLog(String),
}

/// All witnesses that are asked.
pub struct Witnesses {
    store: Store,
    ledger: Arc<Ledger>,
    trust: Trust,
    /// Those with an address.
    asked: Vec<Asked>,
}

struct Asked {
    witness: Witness,
    outlet: Outlet,
    course: Mutex<Course>,
}

/// How it goes with one witness.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    /// The size of the last head that it is known to have cosigned.
    size: u64,
    /// How often it has failed since it answered last.
    failures: u32,
    /// How many rounds it is still left alone.
    rest: u32,
}

impl Course {
    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.rest = self.failures.saturating_sub(1).min(ROUNDS_MAX);
    }
}

impl Witnesses {
    /// Opens the room. The head that was witnessed last is handed out again, if the quorum of today's file still holds for it.
    ///
    /// # Errors
    /// What the store says, and when the file is about other logs.
    pub fn open(store: &Store, ledger: &Arc<Ledger>, trust: Trust, egress: &Egress) -> Result<Self, Error> {
        if !trust.knows_log(&ledger.key()) {
            return Err(Error::OtherLog(ledger.key()));
        }
        let known = WITNESSED.get(store, &Only)?.and_then(|Witnessed(note)| ledger.own(&note));
        let mut asked = Vec::new();
        for witness in trust.witnesses() {
            let Some(url) = &witness.url else { continue };
            let source = |source| Error::Address { name: witness.name.clone(), source };
            // The operator named it, also if it is on a private network.
            let outlet = egress.outlet(&format!("{url}/add-checkpoint"), true, TIMEOUT).map_err(source)?;
            let size = known.as_ref().filter(|head| witness.has_cosigned(head)).map_or(0, |head| head.size);
            let course = Mutex::new(Course { size, ..Course::default() });
            asked.push(Asked { witness: witness.clone(), outlet, course });
        }
        if let Some(head) = known.filter(|head| trust.check(&head.note).is_ok()) {
            ledger.set_witnessed(head);
        }
        Ok(Self { store: store.clone(), ledger: Arc::clone(ledger), trust, asked })
    }

    /// Asks for as long as the process runs. What fails is tried again.
    pub async fn run(self: Arc<Self>) {
        if self.asked.is_empty() {
            return;
        }
        loop {
            match self.round().await {
                Ok(_) => {}
                Err(store::Error::Closed) => return,
                Err(error) => tracing::error!(%error, "a witnessed head of the ledger could not be stored; it is tried again"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks every witness that is due to cosign the newest head. Says whether it is witnessed now.
    ///
    /// # Errors
    /// What the store says.
    pub async fn round(&self) -> Result<bool, store::Error> {
        let head = self.ledger.head();
        let is_new = self.ledger.witnessed().is_none_or(|witnessed| witnessed.size < head.size);
        if head.size == 0 || !is_new {
            return Ok(!is_new);
        }
        let answers = join_all(self.asked.iter().map(|asked| self.ask(asked, &head))).await;
        let cosignatures: Vec<Cosignature> = answers.into_iter().flatten().collect();
        let Ok(cosigned) = head.with(&cosignatures) else { return Ok(false) };
        if self.trust.check(&cosigned.note).is_err() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        WITNESSED.put(&mut batch, &Only, &Witnessed(cosigned.note.clone()));
        self.store.commit(batch).await?;
        self.ledger.set_witnessed(cosigned);
        Ok(true)
    }

    /// How many witnesses did not answer well when they were asked last.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.asked.iter().filter(|asked| asked.course.lock().failures > 0).count()
    }

    async fn ask(&self, asked: &Asked, head: &Head) -> Option<Cosignature> {
        let course = {
            let mut course = asked.course.lock();
            if course.rest > 0 {
                course.rest -= 1;
                return None;
            }
            *course
        };
        let answer = ask::cosign(&self.ledger, asked, course.size, head).await;
        let mut course = asked.course.lock();
        match answer {
            Ok(cosignature) => {
                *course = Course { size: head.size, ..Course::default() };
                Some(cosignature)
            }
            Err(refusal) => {
                let witness = &asked.witness.name;
                if refusal.is_fork() {
                    tracing::error!(witness, %refusal, "FORK: a witness knows another ledger under this key; see docs/ledger.md");
                } else {
                    tracing::warn!(witness, %refusal, "a witness has not cosigned the ledger; it is asked again");
                }
                course.failed();
                None
            }
        }
    }
}
