//! What a request is, and how it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deadline::Course;
use super::keep::Kept;
use super::opendsr::{Order, Origin};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::policy::Policy;
use crate::store::{Key, Table};
use crate::vault::Sealed;

/// Requests, sealed under a data key of their own.
pub(super) const REQUESTS: Table<RequestId, Sealed> = Table::new(b'Q', "rights requests");

/// Names a request; random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// The written form starts with this.
    pub const PREFIX: &'static str = "req_";

    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text.strip_prefix(Self::PREFIX)?, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Whose data key seals the request: its own, so that erasing the person does not lose the proof that it was done.
    pub(super) const fn holder(self) -> SubjectId {
        SubjectId(self.0)
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", Self::PREFIX, hex::encode(self.0))
    }
}

impl Key for RequestId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// That everything goes (GDPR Art. 17).
    Erasure,
    /// To see everything, and what is done with it (Art. 15).
    Access,
    /// That everything is only stored, until it is lifted (Art. 18).
    Restriction,
    /// That purposes which do not rest on a contract or a law are stopped (Art. 21).
    Objection,
    /// To get what the person gave or caused, to take it elsewhere (Art. 20).
    Portability,
    /// That what is wrong is put right (Art. 16).
    Rectification,
}

impl Kind {
    /// The name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erasure => "erasure",
            Self::Access => "access",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Portability => "portability",
            Self::Rectification => "rectification",
        }
    }

    /// Whether the policy asks for two persons to approve it.
    #[must_use]
    pub fn takes_two(self, policy: &Policy) -> bool {
        policy.controller.four_eyes.iter().any(|kind| kind == self.name())
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "erasure" => Some(Self::Erasure),
            "access" => Some(Self::Access),
            "objection" => Some(Self::Objection),
            "restriction" => Some(Self::Restriction),
            "portability" => Some(Self::Portability),
            "rectification" => Some(Self::Rectification),
            _ => None,
        }
    }
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not clear that the person asks whose data these are; the deadline rests.
    IdentityUnclear,
    /// A person of the company has to decide.
    InReview,
    /// It was approved, and is being done.
    Running,
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It was taken back.
    Cancelled,
}

impl State {
    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "identity_unclear" => Self::IdentityUnclear,
            "in_review" => Self::InReview,
            "running" => Self::Running,
            "done" => Self::Done,
            "refused" => Self::Refused,
            "cancelled" => Self::Cancelled,
            _ => return None,
        })
    }

    /// Whether nothing more happens.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Cancelled)
    }
}

/// Why a request may be refused, as the law knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// The person could not be identified (Art. 11(2), 12(2)).
    NotIdentified,
    /// The request is manifestly unfounded (Art. 12(5)).
    ManifestlyUnfounded,
    /// The request is excessive, in particular repeated (Art. 12(5)).
    Excessive,
    /// A law obliges to keep the data (Art. 17(3)(b)).
    LegalObligation,
    /// The data are needed for legal claims (Art. 17(3)(e)).
    LegalClaims,
}

impl Ground {
    /// The name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotIdentified => "not_identified",
            Self::ManifestlyUnfounded => "manifestly_unfounded",
            Self::Excessive => "excessive",
            Self::LegalObligation => "legal_obligation",
            Self::LegalClaims => "legal_claims",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "not_identified" => Self::NotIdentified,
            "manifestly_unfounded" => Self::ManifestlyUnfounded,
            "excessive" => Self::Excessive,
            "legal_obligation" => Self::LegalObligation,
            "legal_claims" => Self::LegalClaims,
            _ => return None,
        })
    }
}

/// What became of the data at somebody who had received them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was made unreadable here, and that is proven.
    Confirmed,
    /// The recipient is being told.
    Pending,
    /// The recipient was told and has answered that it heard it.
    Delivered,
    /// The recipient has confirmed it with its signature.
    Signed,
    /// The recipient could not be told, or says that it did not do it: a person of the company has to look.
    Failed,
    /// The recipient offers nothing for this: what it has stays there.
    NotSupported,
    /// A person of the company still has to see to it.
    Open,
    /// A person of the company has seen to it.
    ConfirmedByHand,
}

impl Fate {
    /// Whether somebody still has to do something.
    #[must_use]
    pub const fn is_waited_for(self) -> bool {
        matches!(self, Self::Pending | Self::Open | Self::Failed)
    }

    /// The name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Signed => "signed",
            Self::Failed => "failed",
            Self::NotSupported => "not_supported",
            Self::Open => "open",
            Self::ConfirmedByHand => "confirmed_by_hand",
        }
    }
}

/// Somebody who had received something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The destination's ID.
    pub id: String,
    /// How many events.
    pub events: u64,
    /// When the first.
    pub first_at: Millis,
    /// When the latest.
    pub last_at: Millis,
    /// When something was last sent of which nobody knows whether it arrived.
    #[serde(default)]
    pub unclear_at: Option<Millis>,
    /// What became of it.
    pub fate: Fate,
    /// When that was so.
    pub at: Millis,
    /// While it is being told: how often that failed in a row, and when it is tried again.
    #[serde(default)]
    pub failures: u32,
    /// See `failures`.
    #[serde(default)]
    pub next_at: Millis,
    /// Why telling it failed, as a code.
    #[serde(default)]
    pub reason: Option<String>,
    /// Under which customer IDs the recipient knows the person. Gone when the request is over.
    pub customers: Vec<String>,
    /// What it was given to do, if it keeps requests of its own.
    #[serde(default)]
    pub order: Option<Order>,
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub at: Millis,
    /// Who: a key's name, `operator`, or `gateway`.
    pub who: String,
    /// What, as a code.
    pub what: String,
    /// Why, in the words of who did it.
    pub why: Option<String>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked for.
    pub kind: Kind,
    /// Where it is.
    pub state: State,
    /// When it came.
    pub received_at: Millis,
    /// When it was unclear who asks.
    pub pauses: Vec<(Millis, Option<Millis>)>,
    /// Whether the deadline was extended.
    pub extended: bool,
    /// Who asks: types and values. Gone when the request is over.
    pub identifiers: Vec<(String, String)>,
    /// Whose data are concerned, in hex; known from the approval on. Gone when the request is over.
    pub subjects: Vec<String>,
    /// How many there were.
    pub subject_count: usize,
    /// Devices that others use as well, which were left alone.
    pub shared_devices: usize,
    /// How many data keys were shredded, and when; `None` before.
    pub shredded: Option<(usize, Millis)>,
    /// Who had received something.
    pub recipients: Vec<Recipient>,
    /// Why it was refused.
    pub ground: Option<Ground>,
    /// Everything that was done.
    pub acts: Vec<Act>,
    /// The certificate, when it was done.
    pub certificate: Option<String>,
    /// Until when the package of an access can be fetched.
    #[serde(default)]
    pub available_until: Option<Millis>,
    /// Whether a restriction is to end.
    #[serde(default)]
    pub lifted: bool,
    /// What an objection is about, by the purposes' IDs.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// What is to be put right: type of identifier, the wrong value, the right one if there is one. Gone when the request is over.
    #[serde(default)]
    pub corrections: Vec<(String, String, Option<String>)>,
    /// Traits and their right values. Gone when the request is over.
    #[serde(default)]
    pub traits: BTreeMap<String, Value>,
    /// What was refused with each of the wrong values, by the purposes' IDs.
    #[serde(default)]
    pub kept_refusals: Vec<Vec<String>>,
    /// What was put right, by its type or name.
    #[serde(default)]
    pub corrected: Vec<String>,
    /// The company that has sent it, if one has.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Who sees to it: a name that the company gives its people, never one of a customer.
    #[serde(default)]
    pub assigned: Option<String>,
    /// Whether what came in while an erasure was done has gone as well.
    #[serde(default)]
    pub swept: bool,
    /// Since when recipients are told, if it is no erasure.
    #[serde(default)]
    pub telling_since: Option<Millis>,
    /// Whose keys have approved it so far.
    #[serde(default)]
    pub approvals: Vec<String>,
    /// Whether the person asked not to be brought back by sources that take data over.
    #[serde(default)]
    pub suppress: bool,
    /// What an erasure left because a law says so.
    #[serde(default)]
    pub kept: Vec<Kept>,
    /// The person's language; `None`: the policy's.
    #[serde(default)]
    pub language: Option<String>,
    /// Whether the person filed it without a desk.
    #[serde(default)]
    pub is_own: bool,
    /// What the person says about it. Gone when the request is over.
    #[serde(default)]
    pub words: Option<String>,
    /// The digest of the link that confirms it, while one waits.
    #[serde(default)]
    pub confirm: Option<String>,
    /// How often the person fetched the package.
    #[serde(default)]
    pub downloads: u32,
    /// The lasting names of the identifiers of who asked, in hex, while what was asked for can be fetched.
    #[serde(default)]
    pub asked_by: Vec<String>,
}

impl Request {
    /// A new one.
    pub(super) const fn new(kind: Kind, state: State, received_at: Millis) -> Self {
        Self {
            kind,
            state,
            received_at,
            pauses: Vec::new(),
            extended: false,
            identifiers: Vec::new(),
            subjects: Vec::new(),
            subject_count: 0,
            shared_devices: 0,
            shredded: None,
            recipients: Vec::new(),
            ground: None,
            acts: Vec::new(),
            certificate: None,
            available_until: None,
            lifted: false,
            purposes: Vec::new(),
            corrections: Vec::new(),
            traits: BTreeMap::new(),
            kept_refusals: Vec::new(),
            corrected: Vec::new(),
            origin: None,
            assigned: None,
            swept: false,
            telling_since: None,
            approvals: Vec::new(),
            suppress: false,
            kept: Vec::new(),
            language: None,
            is_own: false,
            words: None,
            confirm: None,
            downloads: 0,
            asked_by: Vec::new(),
        }
    }

    /// Whether the person reads German rather than English.
    #[must_use]
    pub fn is_german(&self, policy: &Policy) -> bool {
        self.language.as_deref().unwrap_or(&policy.controller.language) == "de"
    }

    /// What its deadline depends on.
    #[must_use]
    pub fn course(&self) -> Course {
        Course { received_at: self.received_at, pauses: self.pauses.clone(), extended: self.extended }
    }

    pub(super) fn note(&mut self, at: Millis, who: &str, what: &str, why: Option<&str>) {
        self.acts.push(Act { at, who: who.to_owned(), what: what.to_owned(), why: why.map(str::to_owned) });
    }

    /// Whose data are concerned.
    pub(super) fn concerned(&self) -> Vec<SubjectId> {
        self.subjects.iter().filter_map(|hex| super::erase::subject(hex)).collect()
    }

    /// Whether a recipient has not done its part.
    pub(super) fn waits_for_recipients(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.fate.is_waited_for())
    }

    /// Whether it says whom it is about.
    #[must_use]
    pub fn names_somebody(&self) -> bool {
        !self.identifiers.is_empty()
            || !self.corrections.is_empty()
            || !self.traits.is_empty()
            || self.recipients.iter().any(|recipient| !recipient.customers.is_empty())
    }

    /// Leaves out whom it is about, in an answer.
    pub fn leave_out_who(&mut self) {
        self.words = None;
        self.identifiers.clear();
        self.corrections.clear();
        self.traits.clear();
        self.recipients.iter_mut().for_each(|recipient| recipient.customers.clear());
    }

    /// Forgets what is only needed while it runs.
    pub(super) fn close(&mut self, state: State) {
        self.state = state;
        self.identifiers.clear();
        self.words = None;
        self.subjects.clear();
        self.asked_by.clear();
        self.corrections.clear();
        self.traits.clear();
        self.kept_refusals.clear();
        self.recipients.iter_mut().for_each(|recipient| recipient.customers.clear());
    }
}
