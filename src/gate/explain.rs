//! What would be done with an event and why, in a form for people and for machines. Nothing is sent and nothing is kept.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::clock::Millis;
use crate::gate::decide::{Question, Verdict, allowed, decide_into, needed};
use crate::gate::reason::{forwarded, titles};
use crate::gate::shape::{Parcel, shape};
use crate::id::CustomerId;
use crate::identity::Identifier;
use crate::policy::{Destination, Policy, Purposes};
use crate::vault::Domain;

/// The answer to "what would happen to this event, and why?".
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Explanation {
    /// The policy version that was asked.
    pub policy: String,
    /// The types of the identifiers that were recognised, strongest first. Never a value.
    pub identifiers: Vec<String>,
    /// Links over which somebody else's refusal holds for this event, and what that is. Whoever may see it does not see who.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkExplanation>,
    /// What would happen at each destination.
    pub destinations: Vec<DestinationExplanation>,
}

/// A link that keeps something back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LinkExplanation {
    /// The type of the identifier that the event states.
    #[schema(example = "device")]
    pub identifier: String,
    /// Over what: `link` if it was stated together with somebody else, which `POST /v1/identity/unlink` takes back; `person` if the same
    /// person has refused with another identifier.
    #[schema(example = "link")]
    pub over: &'static str,
    /// The types of identifiers that whoever refused has. Never a value.
    pub linked_to: Vec<String>,
    /// The purposes that were refused.
    pub purposes: Vec<String>,
}

/// What would happen at one destination.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DestinationExplanation {
    /// The destination's ID.
    pub destination: String,
    /// The route that decided; none if no route takes such events there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// `forward` or `withhold`.
    pub outcome: Outcome,
    /// Why it is withheld, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Why, as a sentence in the language that was asked for.
    pub sentence: String,
    /// The purposes that it hangs on.
    pub purposes: PurposesExplanation,
    /// What would leave; only if something would.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub event: Option<Value>,
}

/// What is done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It leaves.
    Forward,
    /// It stays.
    Withhold,
}

/// The purposes of one route, by what was decided about them. All are IDs of the policy.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct PurposesExplanation {
    /// All of these must be allowed.
    pub needed: Vec<String>,
    /// Of these, what was granted.
    pub granted: Vec<String>,
    /// Of these, what was denied, by the person or by somebody that the event is linked to.
    pub denied: Vec<String>,
    /// Of these, what is not allowed, for whatever reason.
    pub missing: Vec<String>,
}

/// What an explanation needs besides the question.
pub struct Asked<'a> {
    /// What was recognised in the event, strongest first.
    pub identifiers: &'a [Identifier],
    /// Links over which refusals hold for it.
    pub links: Vec<LinkExplanation>,
    /// The language of the sentences.
    pub lang: &'a str,
    /// When the event arrived, or would have.
    pub received_at: Millis,
}

/// Explains what would be done with an event. `pseudonym` gives the customer ID and the domain for a destination; where it
/// gives none, what would leave is not shown.
#[must_use]
pub fn explain(
    policy: &Policy,
    question: &Question<'_>,
    asked: &Asked<'_>,
    mut pseudonym: impl FnMut(&Destination) -> Option<(CustomerId, Arc<Domain>)>,
) -> Explanation {
    let mut verdicts = Vec::with_capacity(policy.destinations.len());
    decide_into(policy, question, &mut verdicts);
    let types = asked.identifiers.iter().filter_map(|i| policy.identifiers.get(i.kind)).map(|kind| kind.id.clone());
    let mut identifiers: Vec<String> = Vec::new();
    for kind in types {
        if !identifiers.contains(&kind) {
            identifiers.push(kind);
        }
    }
    let destinations = verdicts
        .iter()
        .filter_map(|verdict| {
            let dest = policy.destinations.get(verdict.destination)?;
            let event = match verdict.outcome {
                Ok(_) => {
                    pseudonym(dest).and_then(|(customer, domain)| shaped(policy, question, asked, verdict, (customer, &domain)))
                }
                Err(_) => None,
            };
            Some(one(policy, question, asked.lang, verdict, dest).with(event))
        })
        .collect();
    let links = asked.links.clone();
    Explanation { policy: policy.version.clone(), identifiers, links, destinations }
}

impl DestinationExplanation {
    fn with(self, event: Option<Value>) -> Self {
        Self { event, ..self }
    }
}

fn one(policy: &Policy, question: &Question<'_>, lang: &str, verdict: &Verdict, dest: &Destination) -> DestinationExplanation {
    let route = policy.routes.get(verdict.route);
    let needed = route.map_or(dest.purposes, |route| needed(policy, route));
    let names = |set: Purposes| policy.names(set.and(needed)).into_iter().map(str::to_owned).collect();
    let standing = question.standing;
    let (outcome, reason, sentence) = match verdict.outcome {
        Ok(used) => (Outcome::Forward, None, forwarded(lang, &titles(policy, used, lang), &dest.id)),
        Err(withheld) => {
            let sentence = withheld.reason.sentence(lang, &titles(policy, withheld.purposes, lang), &dest.id);
            (Outcome::Withhold, Some(withheld.reason.code()), sentence)
        }
    };
    DestinationExplanation {
        destination: dest.id.clone(),
        route: route.map(|route| route.id.clone()),
        outcome,
        reason,
        sentence,
        purposes: PurposesExplanation {
            needed: names(needed),
            granted: names(standing.granted),
            denied: names(standing.denied.or(standing.denied_by_link)),
            missing: names(Purposes::ALL.without(allowed(policy, standing, question.narrowing))),
        },
        event: None,
    }
}

fn shaped(
    policy: &Policy,
    question: &Question<'_>,
    asked: &Asked<'_>,
    verdict: &Verdict,
    (customer, domain): (CustomerId, &Domain),
) -> Option<Value> {
    let parcel = Parcel {
        event: question.event,
        identifiers: asked.identifiers,
        customer,
        domain,
        source: policy.sources.get(question.source).map_or("", |source| source.id.as_str()),
        received_at: asked.received_at,
        allowed: allowed(policy, question.standing, question.narrowing),
        preferences: &[],
    };
    let bytes = shape(policy, policy.destinations.get(verdict.destination)?, policy.routes.get(verdict.route)?, &parcel).ok()?;
    serde_json::from_slice(&bytes).ok()
}
