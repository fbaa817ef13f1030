//! What stands between a withdrawal and what is on its way out (GDPR Art. 7(3)).
//!
//! Whoever lets something leave because of what stands for people holds a [`Reliance`] on them: from before it looks at what stands until
//! that has left, failed, or was cut. A decision is durable first, then in memory, and only then it looks who relies on these people.
//! Who held before that look is waited for; who holds after it reads the new standing. So when a withdrawal is acknowledged, nothing that
//! relied on the grant is on the wire, and nothing begins. It asks for nothing but a look into a table of what is on its way right now,
//! so that others are not held up. `fence/model.rs` explores all interleavings of this, and of doing it wrong.
//!
//! A recipient that does not answer holds an acknowledgement up for the *cut* and no longer. What is not over by then is ended by whoever
//! holds it; whether it arrived is not known, so it counts as *maybe received* and is not tried again. What goes to this machine's own
//! disk cannot be cut and is waited for, as the withdrawal itself is.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Consents, Recorded, Standing};
use crate::id::SubjectId;
use crate::identity::{Identifier, Resolved, SubjectRef};
use crate::policy::{Policy, Purposes};

/// How long a withdrawal waits for what is on the wire if nothing else is said.
pub const CUT: Duration = Duration::from_secs(1);

/// Something that is on its way.
struct Held {
    /// Tells its holder to end it. Nobody listens any more when the holder has let go.
    cut: watch::Sender<bool>,
    /// The tags of the purposes that it leaves for. As long as that is not decided, it counts for all.
    purposes: OnceLock<Vec<u32>>,
}

impl Held {
    fn relies_on(&self, over: &Over) -> bool {
        let (Some(ended), Some(used)) = (&over.purposes, self.purposes.get()) else { return true };
        used.iter().any(|purpose| ended.contains(purpose))
    }
}

/// Everything that is on its way, by the people whom it is about.
#[derive(Default)]
pub(super) struct Fence {
    /// Invariant: exactly what is held.
    held: Mutex<HashMap<SubjectId, Vec<Arc<Held>>>>,
}

/// What has ended for whom.
struct Over {
    people: Vec<SubjectId>,
    /// The tags of purposes; none: everything.
    purposes: Option<Vec<u32>>,
}

impl Fence {
    fn hold(self: &Arc<Self>, people: &[SubjectId]) -> Reliance {
        let (cut, listener) = watch::channel(false);
        let held = Arc::new(Held { cut, purposes: OnceLock::new() });
        let mut all = self.held.lock();
        people.iter().for_each(|person| all.entry(*person).or_default().push(Arc::clone(&held)));
        drop(all);
        Reliance { fence: Arc::clone(self), people: people.to_vec(), held, listener }
    }

    fn relying(&self, over: &[Over]) -> Vec<Arc<Held>> {
        let held = self.held.lock();
        if held.is_empty() {
            return Vec::new();
        }
        let of = |over: &Over| -> Vec<Arc<Held>> {
            let all = over.people.iter().filter_map(|person| held.get(person)).flatten();
            all.filter(|held| held.relies_on(over)).map(Arc::clone).collect()
        };
        over.iter().flat_map(of).collect()
    }

    /// Waits until nothing is on its way any more that relied on what is over; after the cut it is ended.
    async fn pass(&self, over: &[Over], cut: Duration) {
        let relying = self.relying(over);
        if relying.is_empty() {
            return;
        }
        let ended = |held: &Arc<Held>| {
            let held = Arc::clone(held);
            async move { held.cut.closed().await }
        };
        if tokio::time::timeout(cut, join_all(relying.iter().map(ended))).await.is_ok() {
            return;
        }
        // What was not decided at the first look is by now, and may rely on something else.
        let left: Vec<_> = relying.into_iter().filter(|held| over.iter().any(|over| held.relies_on(over))).collect();
        for held in &left {
            held.cut.send_replace(true);
        }
        join_all(left.iter().map(ended)).await;
    }
}

/// Held by whoever lets something leave because of what stands for people. Letting go says that it has left, failed, or was cut.
pub struct Reliance {
    fence: Arc<Fence>,
    people: Vec<SubjectId>,
    held: Arc<Held>,
    listener: watch::Receiver<bool>,
}

impl Reliance {
    /// Says for which purposes it leaves: a withdrawal of others does not wait for it.
    pub fn only_for(&self, policy: &Policy, used: Purposes) {
        self.held.purposes.get_or_init(|| policy.names(used).into_iter().map(tag).collect());
    }

    /// Comes when it has to end at once: a withdrawal has waited for long enough.
    pub async fn cut(&self) {
        let mut listener = self.listener.clone();
        // It fails when the other end is gone, which this itself holds.
        drop(listener.wait_for(|cut| *cut).await);
    }
}

impl Drop for Reliance {
    fn drop(&mut self) {
        let mut all = self.fence.held.lock();
        for person in &self.people {
            let Some(held) = all.get_mut(person) else { continue };
            held.retain(|held| !Arc::ptr_eq(held, &self.held));
            if held.is_empty() {
                all.remove(person);
            }
        }
    }
}

impl std::fmt::Debug for Reliance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reliance").field("people", &self.people.len()).finish_non_exhaustive()
    }
}

/// What stands for an event, and the hold on it.
pub struct Relied {
    /// Who is known of those whom it states.
    pub resolved: Resolved,
    /// What holds.
    pub standing: Standing,
    /// The subject whose customer ID it carries; nobody if no identifier is known.
    pub customer: Option<SubjectId>,
    /// The purpose that joined it with somebody else's; none if it was not.
    pub linking: Purposes,
    /// To be held until it has left.
    pub reliance: Reliance,
}

impl Consents {
    /// Holds a withdrawal up after so long and no longer.
    #[must_use]
    pub fn cut_after(mut self, cut: Duration) -> Self {
        self.cut = cut;
        self
    }

    /// What holds for an event that is about to leave, and whose customer ID it carries. From here on a withdrawal by anybody on whom that
    /// depends waits until the reliance is let go. `whose` is the subject that it was kept for.
    #[must_use]
    pub fn rely(&self, stated: &[Identifier], whose: SubjectId, policy: &Policy, at: crate::clock::Millis) -> Relied {
        let mut people = vec![whose];
        loop {
            // First this, then the look at what stands: who withdraws in between finds it.
            let reliance = self.fence.hold(&people);
            let resolved = self.directory.resolve(stated);
            let standing = self.standing(&resolved, at);
            let chain = self.chain(&resolved, policy, at);
            let concerned = resolved.nodes.iter().map(|known| known.owner).chain(chain.iter().copied());
            let before = people.len();
            for subject in concerned.map(|subject| self.directory.subject(subject)) {
                if !people.contains(&subject) {
                    people.push(subject);
                }
            }
            if people.len() > before {
                continue;
            }
            let joined = policy.linking.filter(|_| chain.len() > 1);
            let linking = joined.map_or(Purposes::NONE, Purposes::one);
            let customer = chain.last().map(|subject| self.directory.subject(*subject));
            return Relied { resolved, standing, customer, linking, reliance };
        }
    }

    /// Waits until nothing is on its way any more that relied on a grant which these decisions ended. Nobody may be told of a decision
    /// that was made by [`Consents::decide`] before.
    pub async fn fence(&self, recorded: &[Recorded]) {
        let over: Vec<Over> = recorded.iter().filter(|recorded| recorded.refuses()).map(|recorded| self.over(recorded)).collect();
        self.fence.pass(&over, self.cut).await;
    }

    /// Waits until nothing at all of these people is on its way any more.
    pub async fn fence_people(&self, people: &[SubjectId]) {
        let over = Over { people: self.with_linkers(people), purposes: None };
        self.fence.pass(&[over], self.cut).await;
    }

    /// Waits until nothing of these people is on its way any more under a name that joined them with somebody.
    pub async fn fence_linking(&self, people: &[SubjectId], policy: &Policy) {
        let Some(linking) = policy.linking else { return };
        let purposes = policy.names(Purposes::one(linking)).into_iter().map(tag).collect();
        self.fence.pass(&[Over { people: people.to_vec(), purposes: Some(purposes) }], self.cut).await;
    }

    fn over(&self, recorded: &Recorded) -> Over {
        let refused = recorded.decision.states.iter().filter(|(_, state)| state.is_no());
        let purposes = refused.map(|(purpose, _)| tag(purpose)).collect();
        Over { people: self.with_linkers(&recorded.people), purposes: Some(purposes) }
    }

    /// These people, and everybody whose events a refusal of theirs keeps back because of a link.
    fn with_linkers(&self, people: &[SubjectId]) -> Vec<SubjectId> {
        let known: Vec<SubjectRef> = people.iter().filter_map(|person| self.directory.find(*person)).collect();
        let linkers = known.into_iter().flat_map(|person| self.directory.linkers_of(person));
        let mut all: Vec<SubjectId> =
            linkers.map(|linker| self.directory.subject(linker)).chain(people.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn tag(purpose: &str) -> u32 {
    crc32fast::hash(purpose.as_bytes())
}
