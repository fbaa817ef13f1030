//! The certificate of erasure: what a company can show, and anybody can check offline.

use serde::{Deserialize, Serialize};

use super::{Fate, Kept, Request, RequestId};
use crate::clock::{Millis, rfc3339};
use crate::vault::{self, Signer};

/// What kind of statement a certificate is (`typ` of the JWS).
pub const CERTIFICATE: &str = "pforte-erasure+jwt";

/// What a certificate says. Nothing in it is personal: the request is named by a random ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The company.
    pub iss: String,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// The request.
    pub jti: String,
    /// When the request came.
    pub received_at: String,
    /// When the keys were shredded.
    pub erased_at: String,
    /// How many data keys were shredded; 0 if nothing was stored.
    pub keys_shredded: usize,
    /// How many devices and addresses were left alone because others use them as well.
    pub shared_left: usize,
    /// Everybody who had received something.
    pub recipients: Vec<Part>,
    /// What is kept because a law says so (Art. 17(3)(b)), restricted to that, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// What the whole means, in words.
    pub meaning: String,
}

/// What became of it at one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The recipient.
    pub name: String,
    /// How many events it had received.
    pub events: u64,
    /// When the first.
    pub first_at: String,
    /// When the latest.
    pub last_at: String,
    /// When something was last sent to it of which nobody knows whether it arrived; none if there was nothing like that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclear_at: Option<String>,
    /// What became of it: confirmed by cryptographic erasure here, or by a person of the company.
    pub state: Fate,
    /// Where it is there, in the recipient's words, if it keeps requests of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When that was so.
    pub at: String,
}

impl Certificate {
    pub(super) fn of(id: RequestId, request: &Request, company: &str, at: Millis) -> Self {
        let part = |recipient: &super::Recipient| Part {
            name: recipient.id.clone(),
            events: recipient.events,
            first_at: rfc3339(recipient.first_at),
            last_at: rfc3339(recipient.last_at),
            unclear_at: recipient.unclear_at.map(rfc3339),
            state: recipient.fate,
            answer: recipient.order.as_ref().and_then(|order| order.status.clone()),
            at: rfc3339(recipient.at),
        };
        let (keys_shredded, erased_at) = request.shredded.unwrap_or((0, at));
        Self {
            iss: company.to_owned(),
            iat: at / 1000,
            jti: id.to_string(),
            received_at: rfc3339(request.received_at),
            erased_at: rfc3339(erased_at),
            keys_shredded,
            shared_left: request.shared_devices,
            recipients: request.recipients.iter().map(part).collect(),
            kept: request.kept.clone(),
            meaning: String::from(
                "Everything that the gateway held about the person was encrypted under the shredded keys. Identifiers, decisions and \
                 links were removed. `confirmed`: it was unreadable from then on, cryptographically. `signed`: the recipient \
                 has confirmed the erasure with its signature. `delivered`: the recipient has heard that it must erase, and is bound to \
                 it. `confirmed_by_hand`: a person of the company states that the recipient has erased it. `not_supported`: the \
                 recipient offers no erasure; what it had received is still there. `unclearAt`: when something was last sent to it to which no \
                 answer came, so that it may have received that as well. `kept`: a copy for nothing but the law that is \
                 named, under a key of its own, which is shredded when the last day is over.",
            ),
        }
    }

    pub(super) fn sign(&self, signer: &Signer) -> Result<String, vault::Error> {
        signer.sign(CERTIFICATE, self)
    }
}
