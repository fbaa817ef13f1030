//! The decision that an order asks for: for which purposes, and until when.

use std::collections::BTreeMap;

use super::record::{Decision, State};
use super::{Error, Order, shown};
use crate::clock::{DAY_MS, Millis};
use crate::policy::LegalBasis;

/// The decision that an order asks for.
pub(super) fn decision(order: &Order) -> Result<Decision, Error> {
    let (policy, evidence) = (&order.policy, order.besides.evidence.clone());
    let since = evidence.as_ref().and_then(|evidence| evidence.claimed()).unwrap_or(order.at);
    let (mut states, mut expires) = (BTreeMap::new(), BTreeMap::new());
    for (index, granted) in &order.decisions {
        let Some(purpose) = policy.purposes.get(*index) else { continue };
        match (purpose.basis, granted) {
            (LegalBasis::Consent, _) | (LegalBasis::LegitimateInterest, false) => {}
            (LegalBasis::Contract | LegalBasis::LegalObligation, _) | (LegalBasis::LegitimateInterest, true) => {
                return Err(Error::NotAsked { purpose: purpose.id.clone() });
            }
        }
        states.insert(purpose.id.clone(), if *granted { State::Granted } else { State::Denied });
        if let Some(days) = purpose.consent_days.filter(|_| *granted) {
            expires.insert(purpose.id.clone(), since.saturating_add(Millis::from(days) * DAY_MS));
        }
    }
    Ok(Decision {
        at: order.at,
        states,
        expires,
        identifiers: Vec::new(),
        notice: shown::notice(order)?,
        method: order.method,
        source: policy.sources.get(order.source).map(|source| source.id.clone()).unwrap_or_default(),
        actor: order.actor.clone(),
        policy: policy.version.clone(),
        terms: Some(policy.terms.tag),
        signal: order.besides.signal,
        evidence,
        double_opt_in: None,
    })
}
