//! Telling a recipient that takes regulations as Segment's Public API does: `SUPPRESS_WITH_DELETE` for its customer IDs, then asking until
//! it is finished.
//!
//! The API has no key for idempotency: what a crash cuts off between sending and noting is sent again, and the second regulation finds
//! nothing left to delete.

use std::time::Duration;

use serde_json::{Value, json};

use super::Rights;
use super::opendsr::{Order, again, read_token};
use super::request::Recipient;
use super::tell::Came;
use crate::egress::{self, Reply, Verb};
use crate::policy::{Destination, Way};

/// The longest name of a regulation.
const NAME_CHARS_MAX: usize = 200;

impl Rights {
    /// Orders the deletion, or asks how far it is.
    pub(super) async fn regulate(&self, destination: &Destination, recipient: &Recipient) -> Came {
        let order = recipient.order.clone().unwrap_or_default();
        if !order.token.is_empty() {
            // It was made for another way of telling, before the policy changed.
            return Came::Nowhere;
        }
        let asked = self.ask_segment(destination, recipient, &order).await;
        let later = |reason| Came::Later(reason, self.deps.forwarder.later(recipient.failures));
        let answer = match asked {
            Ok(answer) => answer,
            Err(reason) => return later(reason),
        };
        let said: Value = match (answer.status, serde_json::from_slice(&answer.body)) {
            (200..=299, Ok(said)) => said,
            (200..=299, Err(_)) => return later("no_json"),
            (401 | 403, _) => return later("http_401_403"),
            (408 | 425 | 429 | 500..=599, _) => return later("http_5xx"),
            (404, _) if order.taken_at.is_some() => return later("http_404_410"),
            _ => return Came::Refused("http_4xx"),
        };
        let at = self.deps.clock.now();
        let waits =
            |id: &str, status: &str| Came::Waits { id: id.to_owned(), status: status.to_owned(), next_at: again(&order, at) };
        if order.taken_at.is_none() {
            return match said.pointer("/data/regulateId").and_then(Value::as_str) {
                Some(id) if is_name(id) => waits(id, "INITIALIZED"),
                _ => later("no_regulation"),
            };
        }
        match said.pointer("/data/regulation/overallStatus").and_then(Value::as_str) {
            Some("FINISHED") => Came::Done { status: String::from("FINISHED"), signed: false },
            Some(status @ ("FAILED" | "INVALID" | "NOT_SUPPORTED" | "PARTIAL_SUCCESS")) => {
                Came::Undone { status: status.to_owned() }
            }
            Some(status @ ("INITIALIZED" | "RUNNING")) => waits(&order.id, status),
            _ => later("unknown_status"),
        }
    }

    async fn ask_segment(&self, destination: &Destination, recipient: &Recipient, order: &Order) -> Result<Reply, &'static str> {
        let Way::Segment { url, token_file } = &destination.erasure.way else { return Err("no_address") };
        let token = read_token(token_file).ok_or("token_file")?;
        let headers = [
            ("authorization", format!("Bearer {token}")),
            ("accept", String::from("application/json")),
            ("content-type", String::from("application/json")),
        ];
        let (verb, url, body) = if order.taken_at.is_some() {
            (Verb::Get, format!("{url}/regulations/{}", order.id), Vec::new())
        } else {
            let body =
                json!({"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": recipient.customers});
            (Verb::Post, format!("{url}/regulations"), body.to_string().into_bytes())
        };
        let timeout = Duration::from_millis(destination.erasure.timeout_ms);
        let outlet = self.deps.egress.outlet(&url, destination.erasure.allow_private, timeout).map_err(|_refused| "egress")?;
        outlet.ask(verb, &headers, body).await.map_err(egress::Failure::code)
    }
}

/// Whether this can be a part of a URL's path as it stands.
fn is_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= NAME_CHARS_MAX && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
