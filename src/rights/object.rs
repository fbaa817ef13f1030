//! Objection (GDPR Art. 21): purposes that do not rest on a contract or a law are stopped, as if the person had denied them.

use std::sync::Arc;

use super::request::{Kind, RequestId, State};
use super::{Error, Rights};
use crate::consent::{Besides, Method, Order};
use crate::identity;
use crate::policy::{LegalBasis, Policy};

/// How the note is called that says that it holds.
const OBJECTED: &str = "objected";

/// What an objection is about: the named purposes, or all that can be stopped.
pub(super) fn purposes(policy: &Policy, kind: Kind, named: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    let stops = |id: &String| {
        let purpose = policy.purpose(id).and_then(|index| policy.purposes.get(index));
        matches!(purpose.map(|p| p.basis), Some(LegalBasis::Consent | LegalBasis::LegitimateInterest))
    };
    match (kind, named) {
        (Kind::Objection, Some(named)) if !named.is_empty() && named.iter().all(stops) => Ok(named),
        (Kind::Objection, None) => Ok(policy.purposes.iter().map(|purpose| purpose.id.clone()).filter(stops).collect()),
        (_, None) => Ok(Vec::new()),
        (_, Some(_)) => Err(Error::Purposes),
    }
}

impl Rights {
    /// Does what an approved objection asks for. What was on the wire has arrived or failed when it is noted; then those who use what
    /// they have for one of the purposes are told.
    pub(super) async fn object(&self, id: RequestId) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        if request.state != State::Running {
            return Ok(());
        }
        if request.has(OBJECTED) {
            return self.settle(id, request).await;
        }
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        let mut identifiers = Vec::with_capacity(request.identifiers.len());
        for (kind, value) in &request.identifiers {
            let read = identity::parse(&policy, &self.deps.vault, kind, value);
            identifiers.push(read.map_err(|refusal| Error::Identifier { kind: kind.clone(), refusal })?);
        }
        let decisions = request.purposes.iter().filter_map(|id| Some((policy.purpose(id)?, false))).collect();
        let order = Order {
            identifiers,
            decisions,
            notice: None,
            language: None,
            method: Method::Request,
            // It came through no source.
            source: usize::MAX,
            actor: Some(id.to_string()),
            at,
            policy: Arc::clone(&policy),
            mark: None,
            besides: Besides::default(),
        };
        self.deps.consents.record(order).await?;
        self.deps.forwarder.fence().await;
        let mut recipients = self.recipients(&request.concerned())?;
        recipients.retain(|recipient| request.concerns(&policy, recipient));
        request.begin_telling(recipients, &policy, at);
        request.note(at, "gateway", OBJECTED, None);
        let to = self.addressee(&request);
        self.save_and_tell(id, &mut request, to).await?;
        self.settle(id, request).await
    }
}
