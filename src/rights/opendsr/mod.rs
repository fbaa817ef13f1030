//! `OpenDSR` 2.0 (formerly `OpenGDPR`): how companies tell each other what people ask for.
//!
//! As a **processor** the gateway takes requests from others (`processor`): each becomes a request like any other, which a person of the
//! company decides, and whoever sent it hears of every change (`callbacks`). As a **controller** it sends requests to recipients and
//! believes only what they have signed (`controller`, `signature`).
//!
//! It **promises**
//! - one person's request is one request there, however often it is sent;
//! - what a recipient says counts only if its certificate holds and the signature fits the raw body, and it never goes back;
//! - nothing of a body is kept but what the sealed request holds; `encoded_request` never.

mod callbacks;
mod controller;
mod peer;
mod processor;
mod signature;

pub use callbacks::Callback;
pub(super) use callbacks::CallingBack;
pub use controller::{Order, Unheard};
pub(super) use controller::{again, further};
pub use peer::Signed;
pub(super) use peer::{Processors, read_token};
pub(super) use processor::FILED;
pub use processor::{Filing, Origin, Refusal, Taken};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that is spoken.
pub const API_VERSION: &str = "2.0";
/// Whose signature it is; the second name is from before the specification was renamed.
pub const DOMAIN_HEADERS: [&str; 2] = ["x-opendsr-processor-domain", "x-opengdpr-processor-domain"];
/// The signature of the raw body, in base64.
pub const SIGNATURE_HEADERS: [&str; 2] = ["x-opendsr-signature", "x-opengdpr-signature"];
/// Callbacks come here.
pub const CALLBACKS: &str = "/opendsr/callbacks/";

/// Where a request is, as the specification calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was received.
    Pending,
    /// It is being done.
    InProgress,
    /// It will not be done, or was taken back.
    Cancelled,
    /// It was done.
    Completed,
}

impl Status {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }

    /// Whether `next` may follow: only forward, and nothing follows the last.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self == next || (!self.is_last() && next > self)
    }
}

/// A text that a JSON object holds.
fn word<'a>(said: &'a Value, name: &str) -> Option<&'a str> {
    said.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn a_status_never_goes_back() {
        use Status::{Cancelled, Completed, InProgress, Pending};
        let all = [Pending, InProgress, Cancelled, Completed];
        let forward = [(Pending, InProgress), (Pending, Cancelled), (Pending, Completed), (InProgress, Cancelled)];
        for from in all {
            for to in all {
                let may = from == to || forward.contains(&(from, to)) || (from, to) == (InProgress, Completed);
                assert_eq!(from.may_become(to), may, "{from:?} {to:?}");
            }
        }
    }
}
