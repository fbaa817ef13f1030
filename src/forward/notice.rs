//! Telling a recipient something about a customer of its own: a signed message, as Standard Webhooks say.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::destinations::webhook::{Answered, Webhook};
use super::{Fault, Forwarder, backoff};
use crate::clock::{Millis, rfc3339};
use crate::policy::{Destination, Way};

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

/// What a recipient is told.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// What it is to do: `customer.erase`.
    pub kind: &'a str,
    /// The request of a person that it is about.
    pub request: &'a str,
    /// The customer, as the recipient knows them.
    pub customer: &'a str,
    /// What else there is to say. Nothing that the recipient may not have.
    pub more: Map<String, Value>,
}

impl Forwarder {
    /// Tells a destination something about a customer of its own. The same kind, request and customer give the same `webhook-id`,
    /// however often it is told. `failures` is how often in a row it has failed.
    pub async fn tell(&self, destination: &Destination, message: Message<'_>, failures: u32) -> Told {
        self.try_tell(destination, message, failures).await.unwrap_or_else(|fault| {
            tracing::warn!(destination = destination.id, %fault, "a recipient cannot be told");
            Told::Refused(fault.code())
        })
    }

    async fn try_tell(&self, destination: &Destination, message: Message<'_>, failures: u32) -> Result<Told, Fault> {
        let Way::Message { url } = &destination.erasure.way else { return Ok(Told::Nowhere) };
        let core = &self.core;
        let at = core.clock.now();
        let timeout = Duration::from_millis(destination.erasure.timeout_ms);
        let outlet = core.egress.outlet(url, destination.erasure.allow_private, timeout)?;
        let hook = Webhook::new(outlet, &core.vault, destination);
        let Message { kind, request, customer, more: mut data } = message;
        let about = [kind, request, &destination.id, customer].join("\n");
        let delivery = format!("ntf_{}", hex::encode(core.vault.mac("notice", about.as_bytes())));
        data.insert(String::from("customerId"), Value::from(customer));
        data.insert(String::from("request"), Value::from(request));
        let body = json!({"type": kind, "timestamp": rfc3339(at), "data": data}).to_string();
        Ok(match hook.post(delivery, body.into_bytes(), at).await {
            Answered::Taken => Told::Heard,
            Answered::Refused(reason) => Told::Refused(reason),
            Answered::Failed(reason) => Told::Later(reason, self.later(failures)),
            Answered::Wait(until) => Told::Later("asked_to_wait", until),
        })
    }

    /// When to try again what has failed so often in a row.
    #[must_use]
    pub fn later(&self, failures: u32) -> Millis {
        self.core.clock.now() + backoff::pause_ms(failures.saturating_add(1), self.core.draw())
    }
}
