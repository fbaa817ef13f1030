//! A decision to be recorded, and what was recorded.

use std::sync::Arc;

use super::record::{Decision, Method, Signal};
use super::{Evidence, Handle, Shown};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::identity::Identifier;
use crate::policy::Policy;
use crate::store::Stream;

/// A decision to be recorded.
pub struct Order {
    /// Who decides: the identifiers that are stated with it.
    pub identifiers: Vec<Identifier>,
    /// Purpose index to yes or no.
    pub decisions: Vec<(usize, bool)>,
    /// The notice that was shown; none means the source's.
    pub notice: Option<String>,
    /// The language in which it was shown; none means the policy's default.
    pub language: Option<String>,
    /// How the decision was taken.
    pub method: Method,
    /// The source's index.
    pub source: usize,
    /// Who recorded it, as the source calls them.
    pub actor: Option<String>,
    /// When, by the server's clock.
    pub at: Millis,
    /// The policy that it is taken under.
    pub policy: Arc<Policy>,
    /// An entry that is appended in the same commit: that the message which brought the decision was seen.
    pub mark: Option<(Stream, Vec<u8>)>,
    /// What else is known of it.
    pub besides: Besides,
}

/// What is known of a decision besides the order.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// The signal of the browser that had to do with it.
    pub signal: Option<Signal>,
    /// What was shown.
    pub shown: Shown,
    /// What another tool says of it.
    pub evidence: Option<Box<Evidence>>,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The decision.
    pub decision: Decision,
    /// Where its receipt is fetched: that of whoever has the strongest of the stated identifiers.
    pub receipt: Handle,
    /// Who decided.
    pub(super) people: Vec<SubjectId>,
}

impl Recorded {
    /// Whether anything was refused: what relied on a grant, on somebody else's that a link keeps back from here on, or on another legal
    /// basis, may be on its way.
    pub(super) fn refuses(&self) -> bool {
        self.decision.states.values().any(|state| state.is_no())
    }
}
