//! `GET /v1/profiles/{customer_id}` and `POST /v1/profiles/lookup`: what a till or a website may know, for a stated purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::read::{Before, Profile, Query};
use super::{Error, Gathering, destination};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem, ProblemBody};
use crate::id::CustomerId;
use crate::identity::{self, Identifier};
use crate::limit;
use crate::policy::Policy;

/// How many events are answered if nobody says how many.
const EVENTS_USUAL: usize = 50;
/// How many events one answer holds at most.
const EVENTS_MAX: usize = 200;

/// Everything that a purpose may know about a customer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileAnswer {
    /// The customer's pseudonym as it is now. It differs from the one asked for if a device was recognised since.
    #[schema(example = "cus_8f14e45fceea167a5a36dedd4bea2543")]
    customer_id: String,
    /// The purpose that was asked for.
    #[schema(example = "personalization")]
    purpose: String,
    /// Whether data may be used for the purpose now. If not, nothing else is told.
    allowed: bool,
    /// What `identify` calls stated, as far as the destination may have it; the newest values.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    traits: BTreeMap<String, Box<RawValue>>,
    /// Addresses in the form of the destination.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    identifiers: BTreeMap<String, Box<RawValue>>,
    /// What the person stated about themselves and the purpose may know, by preference.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    preferences: BTreeMap<String, Value>,
    /// Where the customer was met.
    channels: Vec<ChannelAnswer>,
    /// The timeline, newest first.
    #[schema(value_type = Vec<Value>)]
    events: Vec<Box<RawValue>>,
    /// Where the timeline goes on: to be sent as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Whether all events were looked at. Of very long timelines only the newest 1000 are.
    complete: bool,
}

/// A channel through which the customer was met.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChannelAnswer {
    /// The ID of the source.
    source: String,
    /// How many events came through it.
    events: usize,
    /// When the first of them was received.
    first: String,
    /// When the last of them was received.
    last: String,
}

/// What `GET /v1/profiles/{customer_id}` takes besides the customer ID.
#[derive(Debug, Deserialize)]
pub struct Wish {
    purpose: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

/// What `POST /v1/profiles/lookup` takes.
#[derive(Debug, utoipa::ToSchema)]
pub struct Lookup {
    /// Identifier type to value.
    #[schema(value_type = std::collections::HashMap<String, String>, example = json!({"loyalty_card": "DE-4711"}))]
    identifiers: Map<String, Value>,
    /// What the profile will be used for.
    #[schema(example = "personalization")]
    purpose: String,
}

/// Who the stated identifiers belong to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookupAnswer {
    /// The customer's pseudonym. `null` if nobody is known by these identifiers or the purpose is not allowed for them: the
    /// answer does not tell which.
    customer_id: Option<String>,
    /// The purpose that was asked for.
    purpose: String,
}

/// Shows what a purpose may know about a customer.
///
/// An event is in the answer only if it was accepted for this purpose and may be used for it now. Unknown customers, those of
/// other domains and erased ones get the same 404.
#[utoipa::path(get, path = "/v1/profiles/{customer_id}", tag = "profiles",
    params(("customer_id" = String, Path, description = "A customer ID of the profile store's domain."),
        ("purpose" = String, Query, description = "What the data will be used for: a purpose of the policy."),
        ("limit" = Option<usize>, Query, description = "How many events, 1 to 200; 50 if it is left out."),
        ("before" = Option<String>, Query, description = "Where the timeline goes on: `next` of the answer before.")),
    responses((status = 200, description = "What the purpose may know.", body = ProfileAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such customer here.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is missing or wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["profiles:read"])))]
pub async fn show(
    req: HttpRequest,
    app: web::Data<App>,
    path: web::Path<String>,
    wish: web::Query<Wish>,
) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::ProfilesRead).await?;
    let policy = app.policy.current();
    let purpose = purpose(&policy, wish.purpose.as_deref())?;
    let limit = events(wish.limit.as_deref())?;
    let before = wish
        .before
        .as_deref()
        .map(|b| Before::parse(b).ok_or_else(|| Problem::field(Code::InvalidField, "before")))
        .transpose()?;
    let id = CustomerId::parse(&path).ok_or_else(|| Problem::new(Code::NotFound))?;
    let at = app.clock.now();
    let app = app.into_inner();
    let answer = web::block(move || read(&app, &policy, id, Asked { purpose, limit, before, at })).await;
    let answer = answer.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    answer.map(|answer| HttpResponse::Ok().json(answer)).ok_or_else(|| Problem::new(Code::NotFound))
}

/// Finds the customer ID of whoever states these identifiers, for a till that has read a loyalty card.
#[utoipa::path(post, path = "/v1/profiles/lookup", tag = "profiles", request_body = Lookup,
    responses((status = 200, description = "The customer ID, or none.", body = LookupAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A field is missing or wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["profiles:read"])))]
pub async fn lookup(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::ProfilesRead).await?;
    let policy = app.policy.current();
    let Lookup { identifiers, purpose: name } = Lookup::parse(&body)?;
    let purpose = purpose(&policy, Some(&name))?;
    let stated = stated(&app, &policy, &identifiers)?;
    let (_, destination) = destination(&policy).ok_or_else(|| Problem::new(Code::NotFound))?;
    let gathering = gathering(&app, &policy, app.clock.now());
    let customer = if gathering.may(&app.directory.names(&stated), purpose) {
        gathering.lookup(&destination.domain, &stated).map_err(|error| problem(&Error::Vault(error)))?
    } else {
        None
    };
    Ok(HttpResponse::Ok().json(LookupAnswer { customer_id: customer.map(|c| c.to_string()), purpose: name }))
}

/// A checked question.
#[derive(Clone, Copy)]
struct Asked {
    purpose: usize,
    limit: usize,
    before: Option<Before>,
    at: Millis,
}

fn gathering<'a>(app: &'a App, policy: &'a Policy, at: Millis) -> Gathering<'a> {
    Gathering { policy, vault: &app.vault, directory: &app.directory, consents: &app.consents, at }
}

fn read(app: &Arc<App>, policy: &Policy, id: CustomerId, asked: Asked) -> Result<Option<ProfileAnswer>, Error> {
    let Asked { purpose: index, limit, before, at } = asked;
    let (Some((_, destination)), Some(purpose)) = (destination(policy), policy.purposes.get(index)) else { return Ok(None) };
    let gathering = gathering(app, policy, at);
    let Some(customer) = gathering.customer(&destination.domain, id)? else { return Ok(None) };
    let may = |names: &[_]| gathering.may(names, index);
    let profile = app.profiles.read(&Query { purpose, subjects: &customer.subjects, may: &may, limit, before, at })?;
    let allowed = !profile.channels.is_empty() || gathering.may_any(&customer, index);
    let Profile { traits, identifiers, channels, events, next, complete, .. } = profile;
    let channels = channels
        .into_iter()
        .map(|c| ChannelAnswer { source: c.source, events: c.events, first: rfc3339(c.first), last: rfc3339(c.last) })
        .collect();
    let preferences = app.preferences.known_for(&customer.subjects, index, &gathering)?;
    let allowed = allowed || !preferences.is_empty();
    let (customer_id, purpose) = (customer.id.to_string(), purpose.id.clone());
    Ok(Some(ProfileAnswer { customer_id, purpose, allowed, traits, identifiers, preferences, channels, events, next, complete }))
}

fn purpose(policy: &Policy, name: Option<&str>) -> Result<usize, Problem> {
    let name = name.filter(|n| !n.is_empty()).ok_or_else(|| Problem::field(Code::MissingField, "purpose"))?;
    // A purpose without retention is one that the policy gave up; nothing may be done for it.
    let known = policy.purpose(name).filter(|i| policy.purposes.get(*i).is_some_and(|p| p.retention_days > 0));
    known.ok_or_else(|| Problem::field(Code::UnknownPurpose, "purpose"))
}

fn events(limit: Option<&str>) -> Result<usize, Problem> {
    let Some(limit) = limit else { return Ok(EVENTS_USUAL) };
    let number = limit.parse().ok().filter(|n| (1..=EVENTS_MAX).contains(n));
    number.ok_or_else(|| Problem::field(Code::InvalidField, "limit").detail(format!("must be a number from 1 to {EVENTS_MAX}")))
}

fn stated(app: &App, policy: &Policy, named: &Map<String, Value>) -> Result<Vec<Identifier>, Problem> {
    if named.is_empty() {
        return Err(Problem::field(Code::MissingField, "identifiers"));
    }
    if named.len() > limit::IDENTIFIERS_MAX {
        let at_most = format!("at most {} are taken", limit::IDENTIFIERS_MAX);
        return Err(Problem::field(Code::InvalidField, "identifiers").detail(at_most));
    }
    let mut stated = Vec::with_capacity(named.len());
    for (name, value) in named {
        let Some((_, kind)) = policy.identifier(name) else {
            return Err(Problem::field(Code::InvalidField, "identifiers").detail("the policy has no such identifier type"));
        };
        let field = format!("identifiers.{}", kind.id);
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(Problem::field(Code::InvalidField, field).detail("must be text"));
            }
        };
        let parsed = identity::parse(policy, &app.vault, &kind.id, &text);
        stated.push(parsed.map_err(|refusal| Problem::field(Code::InvalidField, field).detail(refusal.to_string()))?);
    }
    Ok(stated)
}

impl Lookup {
    /// Reads the body, so that an error names the field and repeats no value.
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
        let Value::Object(mut fields) = value else {
            return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
        };
        let identifiers = match fields.remove("identifiers") {
            Some(Value::Object(map)) => map,
            None | Some(Value::Null) => return Err(Problem::field(Code::MissingField, "identifiers")),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(Problem::field(Code::InvalidField, "identifiers").detail("must be an object"));
            }
        };
        let purpose = match fields.remove("purpose") {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => return Err(Problem::field(Code::MissingField, "purpose")),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(Problem::field(Code::InvalidField, "purpose").detail("must be text"));
            }
        };
        if fields.is_empty() {
            Ok(Self { identifiers, purpose })
        } else {
            Err(Problem::field(Code::InvalidField, "body").detail("there are only identifiers and purpose"))
        }
    }
}

fn problem(error: &Error) -> Problem {
    tracing::error!(%error, "a profile could not be read");
    Problem::new(Code::Unavailable)
}
