//! What is stored of decisions: the log of all, and what stands now, both sealed under the subject's data key.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::import::Evidence;
use super::opt_in::{OptIn, Waiting};
use crate::clock::Millis;
use crate::id::{NodeId, SubjectId};
use crate::store::{Key, Table};
use crate::vault::{self, Sealed};

/// Every decision, in order. Key: subject ‖ time ‖ number.
pub(super) const DECISIONS: Table<DecisionKey, Sealed> = Table::new(b'D', "decisions");
/// What stands now for a subject and for each of its identifiers.
pub(super) const STANDING: Table<SubjectKey, Sealed> = Table::new(b'S', "standing");

/// The key of a decision. Invariant: numbers count up within a subject, so that the order is that of the decisions even when
/// the clock steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DecisionKey {
    pub(super) subject: SubjectId,
    pub(super) number: u32,
}

impl Key for DecisionKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.subject.0);
        out.extend_from_slice(&self.number.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (subject, number) = bytes.split_first_chunk::<16>()?;
        Some(Self { subject: SubjectId(*subject), number: u32::from_be_bytes(number.try_into().ok()?) })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubjectKey(pub(super) SubjectId);

impl Key for SubjectKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(SubjectId(bytes.try_into().ok()?)))
    }
}

/// The associated data that binds a sealed record to its place.
pub(super) fn aad(table: &[u8], subject: SubjectId, number: u32) -> Vec<u8> {
    [table, &subject.0, &number.to_be_bytes()].concat()
}

/// What a decision came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Yes before, no now (GDPR Art. 7(3)).
    Withdrawn,
    /// Yes, if the link in a mail is used: until then nothing is granted.
    Pending,
}

impl State {
    /// Whether it ends or keeps out what needs a yes.
    pub(super) const fn is_no(self) -> bool {
        matches!(self, Self::Denied | Self::Withdrawn)
    }
}

/// How a decision was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// On a banner of ours.
    Banner,
    /// In a portal or in the customer's account.
    Portal,
    /// By word of mouth, recorded by staff.
    Spoken,
    /// On paper.
    Paper,
    /// Taken over from another system.
    Import,
    /// On a banner of the site's own, reported by an event.
    Event,
    /// By a request that a person of the company has approved (Art. 21).
    Request,
    /// By a signal that the browser sends with every request.
    Signal,
}

impl Method {
    /// Its name in the keys of texts: what people read about it ends with this.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::Portal => "portal",
            Self::Spoken => "spoken",
            Self::Paper => "paper",
            Self::Import => "import",
            Self::Event => "event",
            Self::Request => "request",
            Self::Signal => "signal",
        }
    }
}

/// What a browser says with every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Global Privacy Control: `Sec-GPC: 1`.
    Gpc,
}

/// A decision as it is kept for proof. What it says is sealed; the times are the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When it was taken.
    pub at: Millis,
    /// Purpose to what was decided.
    pub states: BTreeMap<String, State>,
    /// Purpose to when a grant ends.
    pub expires: BTreeMap<String, Millis>,
    /// The identifiers that were stated with it, by their names.
    #[serde(with = "names")]
    pub identifiers: Vec<NodeId>,
    /// The notice that was shown: ID, version, language, hash. Nothing if none is configured.
    pub notice: Option<NoticeShown>,
    /// How.
    pub method: Method,
    /// The source's ID.
    pub source: String,
    /// Who recorded it, as the source calls them.
    pub actor: Option<String>,
    /// The policy version that was in force.
    pub policy: String,
    /// The tag of the terms that were in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<u64>,
    /// The signal that came with it: the reason of a refusal, or what a grant was given in spite of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// What another tool says of it, if it was taken over from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
    /// How far a double opt-in was, if a purpose needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub double_opt_in: Option<OptIn>,
}

/// The notice that a person was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NoticeShown {
    /// Its ID.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// The language.
    pub language: String,
    /// SHA-256 over the canonical form of everything that was shown, in hex.
    pub hash: String,
    /// The version of the layout in which it was drawn; none if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<u32>,
    /// Which purposes were preselected: none. Nothing here if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preselected: Option<Vec<String>>,
    /// How it was handed out, if the decision came with the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed: Option<Handed>,
}

/// How a notice was handed out: what the token said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Handed {
    /// When.
    pub at: String,
    /// The origin of the page; none if no browser asked, or a page of the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The token's ID.
    pub token: String,
}

/// What stands for one purpose: what was decided, when, when a grant ends, and the tag of the terms under which it was decided. Refusals
/// of earlier days have no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stand(pub(super) State, pub(super) Millis, pub(super) Option<Millis>, #[serde(default)] pub(super) Option<u64>);

/// Per purpose ID what stands.
pub(super) type Stands = BTreeMap<String, Stand>;

/// What stands for a subject and each of its identifiers: the fold of its decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StandingRecord {
    /// How many decisions it folds. The next one gets this number.
    #[serde(rename = "r")]
    pub(super) decisions: u32,
    /// The latest for the subject, whichever identifier stated it.
    #[serde(rename = "s")]
    pub(super) subject: Stands,
    /// The latest per identifier.
    #[serde(rename = "n", with = "by_name")]
    pub(super) identifiers: BTreeMap<NodeId, Stands>,
    /// Per identifier the purposes that were granted last although a signal refused them.
    #[serde(rename = "d", with = "by_name", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) despite: BTreeMap<NodeId, BTreeSet<String>>,
    /// Whether everything is only stored (Art. 18). Not a decision, so no fold of any.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) restricted: bool,
    /// What waits for a confirmation. It grants nothing.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<Waiting>,
    /// Nothing is left of the subject, and it is about to go.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) closed: bool,
}

impl StandingRecord {
    /// Refuses to work for somebody who is about to go.
    pub(super) const fn refuse_closed(&self) -> Result<(), vault::Error> {
        if self.closed { Err(vault::Error::Shredded) } else { Ok(()) }
    }

    /// Adds a decision.
    pub(super) fn fold(&mut self, decision: &Decision) {
        let number = self.decisions;
        self.decisions += 1;
        for (purpose, state) in &decision.states {
            if *state == State::Pending {
                self.wait_for(purpose, number, decision);
                continue;
            }
            self.wait_no_more(purpose, *state, &decision.identifiers);
            let stand = Stand(*state, decision.at, decision.expires.get(purpose).copied(), decision.terms);
            self.subject.insert(purpose.clone(), stand);
            for name in &decision.identifiers {
                self.identifiers.entry(*name).or_default().insert(purpose.clone(), stand);
                self.note_despite(*name, purpose, *state == State::Granted && decision.signal.is_some());
            }
        }
    }

    fn note_despite(&mut self, name: NodeId, purpose: &str, despite: bool) {
        if despite {
            self.despite.entry(name).or_default().insert(purpose.to_owned());
        } else if let Some(purposes) = self.despite.get_mut(&name) {
            purposes.remove(purpose);
            self.despite.retain(|_, purposes| !purposes.is_empty());
        }
    }
}

pub(super) mod names {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::id::NodeId;

    pub(in super::super) fn serialize<S: Serializer>(list: &[NodeId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|name| hex::encode(name.0)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<NodeId>, D::Error> {
        Vec::<String>::deserialize(from)?
            .iter()
            .map(|text| super::name(text).ok_or_else(|| D::Error::custom("not a name")))
            .collect()
    }
}

mod by_name {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::id::NodeId;

    pub(super) fn serialize<V: Serialize, S: Serializer>(map: &BTreeMap<NodeId, V>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(map.iter().map(|(name, value)| (hex::encode(name.0), value)))
    }

    pub(super) fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<NodeId, V>, D::Error> {
        let map = BTreeMap::<String, V>::deserialize(from)?;
        map.into_iter()
            .map(|(text, value)| super::name(&text).map(|name| (name, value)).ok_or_else(|| D::Error::custom("not a name")))
            .collect()
    }
}

fn name(text: &str) -> Option<NodeId> {
    let mut bytes = [0_u8; 16];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(NodeId(bytes))
}
