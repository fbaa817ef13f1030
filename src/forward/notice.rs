//! Telling a recipient that somebody must be erased there: a signed message, as Standard Webhooks say.

use std::time::Duration;

use serde_json::json;

use super::destinations::webhook::{self, Answered, Webhook};
use super::{Fault, Forwarder, backoff};
use crate::clock::{Millis, rfc3339};
use crate::policy::{Destination, DestinationKind};

/// What came of telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It answered that it has heard: 2xx.
    Heard,
    /// It will never hear it like this, for this reason.
    Refused(&'static str),
    /// It may hear it later; not before then.
    Later(&'static str, Millis),
    /// The policy names no address to tell it to.
    Nowhere,
}

impl Forwarder {
    /// Tells a destination that a customer of its own must be erased there. The same request and customer give the same
    /// `webhook-id`, however often it is told. `failures` is how often in a row it has failed.
    pub async fn tell_erased(&self, destination: &Destination, about: (&str, &str), failures: u32) -> Told {
        self.try_tell(destination, about, failures).await.unwrap_or_else(|fault| {
            tracing::warn!(destination = destination.id, %fault, "a recipient cannot be told of an erasure");
            Told::Refused(fault.code())
        })
    }

    async fn try_tell(&self, destination: &Destination, (request, customer): (&str, &str), failures: u32) -> Result<Told, Fault> {
        let DestinationKind::Webhook { erasure_url: Some(url), allow_private, timeout_ms, .. } = &destination.kind else {
            return Ok(Told::Nowhere);
        };
        let core = &self.core;
        let at = core.clock.now();
        let outlet = core.egress.outlet(url, *allow_private, Duration::from_millis(*timeout_ms))?;
        let hook = Webhook::new(outlet, &webhook::secret(&core.vault, destination)?);
        let about = [request, "\n", &destination.id, "\n", customer].concat();
        let delivery = format!("ers_{}", hex::encode(core.vault.mac("erasure-notice", about.as_bytes())));
        let data = json!({"customerId": customer, "request": request});
        let body = json!({"type": "customer.erase", "timestamp": rfc3339(at), "data": data}).to_string();
        Ok(match hook.post(delivery, body.into_bytes(), at).await {
            Answered::Taken => Told::Heard,
            Answered::Refused(reason) => Told::Refused(reason),
            Answered::Failed(reason) => Told::Later(reason, at + backoff::pause_ms(failures + 1, core.draw())),
            Answered::Wait(until) => Told::Later("asked_to_wait", until),
        })
    }
}
