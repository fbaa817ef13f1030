//! What a browser says without a banner: Global Privacy Control (W3C, `Sec-GPC: 1`), a standing refusal for the purposes that the
//! policy maps (GDPR Art. 7(3), 21(5)).
//!
//! The rules, each with a test:
//! - The signal ends grants of what it refuses, and objects to what rests on legitimate interest. Both are recorded as a decision of
//!   the method `signal` for everybody that the request states, once: when nothing would change, nothing is recorded. Nobody becomes
//!   known for refusing what needs a grant that nobody gave.
//! - A grant that comes with the signal is not taken: the signal is recorded in its place ([`Conflict::Signal`], the default). Where the
//!   policy says [`Conflict::Grant`], what somebody says explicitly for the purpose while the signal is set prevails, from then on and
//!   for the identifiers that it was said with. Grants from before the signal, or from elsewhere, end nevertheless.
//! - A refusal never conflicts with the signal, and the absence of the signal says nothing: only a new grant ends what it refused.

use std::sync::Arc;

use super::record::{Stand, State};
use super::{Besides, Consents, Error, Method, Order, Recorded, Signal, Standing};
use crate::clock::Millis;
use crate::identity::Identifier;
use crate::policy::{Conflict, Policy, Purposes};

/// The header that carries the signal, in small letters.
pub const SEC_GPC: &str = "sec-gpc";

/// Whether a request carries a signal that the policy heeds. Only the exact value `1` is one; of several headers one is enough.
#[must_use]
pub fn heard<'a>(policy: &Policy, mut values: impl Iterator<Item = &'a [u8]>) -> Option<Signal> {
    (!policy.refused_by_gpc().is_empty() && values.any(|value| value == b"1")).then_some(Signal::Gpc)
}

/// What holds for a visitor, in one look.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// What may be done now.
    pub allowed: Purposes,
    /// What the signal of this visitor keeps from being allowed.
    pub refuses: Purposes,
}

/// Who sends a signal, where and when.
pub struct Visit<'a> {
    /// Whom the request states.
    pub identifiers: Vec<Identifier>,
    /// The source's index.
    pub source: usize,
    /// The policy.
    pub policy: &'a Arc<Policy>,
    /// When.
    pub at: Millis,
}

impl Visit<'_> {
    fn order(self, signal: Signal, refused: Purposes) -> Order {
        Order {
            identifiers: self.identifiers,
            decisions: refused.indexes().map(|index| (index, false)).collect(),
            notice: None,
            language: None,
            method: Method::Signal,
            source: self.source,
            actor: None,
            at: self.at,
            policy: Arc::clone(self.policy),
            mark: None,
            besides: Besides { signal: Some(signal), ..Besides::default() },
        }
    }
}

impl Consents {
    /// What a signal refuses of what stands for these identifiers and is not refused yet; nothing when nothing would change.
    ///
    /// # Errors
    /// When what stands cannot be read.
    pub fn refused_by_signal(
        &self,
        stated: &[Identifier],
        standing: &Standing,
        policy: &Policy,
        at: Millis,
    ) -> Result<Purposes, Error> {
        let Some(gpc) = policy.signals.gpc.as_ref().filter(|_| !stated.is_empty()) else { return Ok(Purposes::NONE) };
        let granted = standing.granted.or(standing.outdated).and(gpc.purposes);
        let open = policy.objectable.and(gpc.purposes).without(standing.denied).without(standing.denied_by_link);
        let kept = match gpc.conflict {
            Conflict::Grant if !granted.is_empty() => self.granted_despite(stated, granted, policy, at)?,
            Conflict::Grant | Conflict::Signal => Purposes::NONE,
        };
        Ok(granted.without(kept).or(open))
    }

    /// Which of these purposes were granted although the signal was set, by everybody stated who granted them.
    fn granted_despite(&self, stated: &[Identifier], granted: Purposes, policy: &Policy, at: Millis) -> Result<Purposes, Error> {
        let mut despite = granted;
        self.each_owner(stated, |name, record| {
            let (Some(stands), said) = (record.identifiers.get(&name), record.despite.get(&name)) else { return };
            for (purpose, Stand(state, _, expires, _)) in stands {
                let holds = *state == State::Granted && expires.is_none_or(|end| end > at);
                if holds && !said.is_some_and(|said| said.contains(purpose)) {
                    despite = despite.without(policy.purpose(purpose).map_or(Purposes::NONE, Purposes::one));
                }
            }
        })?;
        Ok(despite)
    }

    /// Records what a signal refuses. When this returns it is durable, and every event from now on is decided by it.
    ///
    /// # Errors
    /// As [`Consents::record`].
    pub async fn heed(&self, signal: Signal, refused: Purposes, visit: Visit<'_>) -> Result<Recorded, Error> {
        self.record(visit.order(signal, refused)).await
    }

    /// Heeds a signal that comes with a decision, before the decision is recorded: what the signal refuses is recorded, and of the
    /// order only that remains which it lets through; nothing, perhaps. What remains in spite of the signal says so.
    ///
    /// # Errors
    /// As [`Consents::record`].
    pub async fn heed_with(&self, signal: Signal, order: &mut Order) -> Result<Option<Recorded>, Error> {
        let policy = Arc::clone(&order.policy);
        let not_taken = not_taken(&policy, &mut order.decisions);
        let decided = order.decisions.iter().fold(Purposes::NONE, |all, (index, _)| all.or(Purposes::one(*index)));
        let standing = self.standing(&self.directory.resolve(&order.identifiers), order.at);
        let ends = self.refused_by_signal(&order.identifiers, &standing, &policy, order.at)?.without(decided);
        let despite = order.decisions.iter().any(|(index, granted)| *granted && policy.refused_by_gpc().has(*index));
        order.besides.signal = despite.then_some(signal);
        let refused = ends.or(not_taken);
        if refused.is_empty() {
            return Ok(None);
        }
        let visit = Visit { identifiers: order.identifiers.clone(), source: order.source, policy: &policy, at: order.at };
        // If nothing remains, the message that brought it is seen with this.
        let mark = order.mark.take_if(|_| order.decisions.is_empty());
        self.record(Order { mark, ..visit.order(signal, refused) }).await.map(Some)
    }

    /// What holds for a visitor who is stated by these identifiers.
    ///
    /// # Errors
    /// When what stands cannot be read.
    pub fn view(&self, stated: &[Identifier], signal: Option<Signal>, policy: &Policy, at: Millis) -> Result<View, Error> {
        let standing = self.standing(&self.directory.resolve(stated), at);
        let mut refuses = Purposes::NONE;
        if signal.is_some() {
            let kept = standing.granted.without(self.refused_by_signal(stated, &standing, policy, at)?);
            refuses = policy.refused_by_gpc().without(kept);
        }
        if standing.restricted {
            return Ok(View { allowed: Purposes::NONE, refuses });
        }
        let no = standing.denied.or(standing.denied_by_link).or(refuses);
        let by_law = policy.without_consent.without(policy.objectable.and(no));
        Ok(View { allowed: standing.granted.without(no).without(policy.without_consent).or(by_law), refuses })
    }
}

/// Takes out of what was said the grants that a signal does not let through, and says which those were.
fn not_taken(policy: &Policy, decisions: &mut Vec<(usize, bool)>) -> Purposes {
    let Some(gpc) = policy.signals.gpc.as_ref().filter(|gpc| gpc.conflict == Conflict::Signal) else { return Purposes::NONE };
    let mut taken_out = Purposes::NONE;
    decisions.retain(|(index, granted)| {
        let against = *granted && gpc.purposes.has(*index);
        if against {
            taken_out = taken_out.or(Purposes::one(*index));
        }
        !against
    });
    taken_out
}
