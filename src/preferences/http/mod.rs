//! `/v1/preferences`: what somebody stated, for systems of the company with a secret key. Identifiers stand in bodies, never in addresses.

mod answer;
mod body;

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use super::{Basis, Error, Order, Standing, Who};
use crate::app::App;
use crate::auth::{self, Caller, Scope};
use crate::clock::Millis;
use crate::error::{Code, Problem, ProblemBody};
use crate::id::CustomerId;
use crate::identity::{self, Identifier};
use crate::limit;
use crate::policy::{ChannelKind, Policy};
use crate::profile::{self, Gathering};
pub use answer::{ContactAnswer, HistoryAnswer, PreferencesAnswer, SchemaAnswer};
pub use body::{Change, Whose};

/// What stands for a customer. `ETag` names the state. Whoever uses a value must heed `usableFor`.
#[utoipa::path(get, path = "/v1/preferences", tag = "preferences",
    params(("customerId" = String, Query, description = "A customer ID of the profile store's domain.")),
    responses((status = 200, description = "What stands.", body = PreferencesAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such customer here.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is missing.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:read"])))]
pub async fn show(
    req: HttpRequest,
    app: web::Data<App>,
    query: web::Query<BTreeMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::PreferencesRead).await?;
    let id = query.get("customerId").cloned().ok_or_else(|| Problem::field(Code::MissingField, "customerId"))?;
    stands(&app, Some(id), None).await
}

/// The same for whoever states these identifiers. Unknown people get the same answer as people who have stated nothing.
#[utoipa::path(post, path = "/v1/preferences/lookup", tag = "preferences", request_body = Whose,
    responses((status = 200, description = "What stands.", body = PreferencesAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 422, description = "A field is missing or wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:read"])))]
pub async fn lookup(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::PreferencesRead).await?;
    let whose = Whose::parse(&body)?;
    stands(&app, whose.customer_id, whose.identifiers).await
}

/// Replaces everything that stands: what is not named is taken away. Needs `If-Match` with the `ETag` that the change is based on, or
/// `If-None-Match: *` if nothing was stated yet.
#[utoipa::path(put, path = "/v1/preferences", tag = "preferences", request_body = Change,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing was stated yet.")),
    responses((status = 200, description = "Recorded; what stands now.", body = PreferencesAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such customer here.", body = ProblemBody<'static>),
        (status = 412, description = "It was changed since.", body = ProblemBody<'static>),
        (status = 422, description = "A field is missing or wrong; `field` names it. Nothing was recorded.", body = ProblemBody<'static>),
        (status = 428, description = "Say which state the change is based on.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:write"])))]
pub async fn replace(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::PreferencesWrite).await?;
    let basis = basis(&req)?.ok_or_else(|| Problem::new(Code::PreconditionRequired))?;
    change(app, &caller, &body, (basis, true)).await
}

/// Changes what is named and leaves the rest; `null` takes something away (RFC 7396). `If-Match` is heeded if it is there.
#[utoipa::path(patch, path = "/v1/preferences", tag = "preferences", request_body = Change,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on.")),
    responses((status = 200, description = "Recorded; what stands now.", body = PreferencesAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such customer here.", body = ProblemBody<'static>),
        (status = 412, description = "It was changed since.", body = ProblemBody<'static>),
        (status = 422, description = "A field is missing or wrong; `field` names it. Nothing was recorded.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:write"])))]
pub async fn merge(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::PreferencesWrite).await?;
    let basis = basis(&req)?.unwrap_or(Basis::Any);
    change(app, &caller, &body, (basis, false)).await
}

/// What was stated when, from which source.
#[utoipa::path(post, path = "/v1/preferences/history", tag = "preferences", request_body = Whose,
    responses((status = 200, description = "All changes that are remembered, oldest first.", body = HistoryAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such customer here.", body = ProblemBody<'static>),
        (status = 422, description = "A field is missing or wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:read"])))]
pub async fn history(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::PreferencesRead).await?;
    let whose = Whose::parse(&body)?;
    let (policy, at) = (app.policy.current(), app.clock.now());
    let shared = app.into_inner();
    let found = web::block(move || {
        let gathering = gathering(&shared, &policy, at);
        let subjects = match who(&shared, &gathering, whose.customer_id, whose.identifiers)? {
            Who::Customer(subjects) => subjects,
            Who::Stated(identifiers) => gathering.gather(&identifiers),
        };
        shared.preferences.history(&subjects).map_err(problem)
    });
    let history = found.await.map_err(|_gone| Problem::new(Code::Unavailable))??;
    Ok(HttpResponse::Ok().json(HistoryAnswer::of(history)))
}

/// May they be written to by this channel now? What they said about the channel, together with what they agreed to. The answer for people
/// who are not known is no, as for people who have agreed to nothing.
#[utoipa::path(post, path = "/v1/preferences/contact", tag = "preferences", request_body = Whose,
    responses((status = 200, description = "Yes or no, and why.", body = ContactAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such customer here.", body = ProblemBody<'static>),
        (status = 422, description = "A field is missing or wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:read"])))]
pub async fn contact(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::PreferencesRead).await?;
    let whose = Whose::parse(&body)?;
    let word = whose.channel.ok_or_else(|| Problem::field(Code::MissingField, "channel"))?;
    let channel = [ChannelKind::Email, ChannelKind::Sms, ChannelKind::Post, ChannelKind::Phone];
    let channel = channel.into_iter().find(|kind| kind.as_str() == word);
    let channel =
        channel.ok_or_else(|| Problem::field(Code::InvalidField, "channel").detail("must be email, sms, post or phone"))?;
    let (policy, at) = (app.policy.current(), app.clock.now());
    let shared = app.into_inner();
    let found = web::block(move || {
        let gathering = gathering(&shared, &policy, at);
        let who = who(&shared, &gathering, whose.customer_id, whose.identifiers)?;
        shared.preferences.contact(&who, channel, &gathering).map_err(problem)
    });
    let contact = found.await.map_err(|_gone| Problem::new(Code::Unavailable))??;
    Ok(HttpResponse::Ok().json(ContactAnswer::of(contact)))
}

/// What can be stated, with its texts and limits: for whoever draws a form.
#[utoipa::path(get, path = "/v1/preferences/schema", tag = "preferences",
    responses((status = 200, description = "Preferences and channels of the policy.", body = SchemaAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>)),
    security(("secret_key" = ["preferences:read"])))]
pub async fn schema(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::PreferencesRead).await?;
    Ok(HttpResponse::Ok().json(SchemaAnswer::of(&app.policy.current())))
}

async fn stands(
    app: &web::Data<App>,
    customer_id: Option<String>,
    identifiers: Option<Map<String, Value>>,
) -> Result<HttpResponse, Problem> {
    let (policy, at) = (app.policy.current(), app.clock.now());
    let shared = app.clone().into_inner();
    let found = web::block(move || {
        let gathering = gathering(&shared, &policy, at);
        let subjects = match who(&shared, &gathering, customer_id, identifiers)? {
            Who::Customer(subjects) => subjects,
            Who::Stated(identifiers) => gathering.gather(&identifiers),
        };
        let standing = shared.preferences.standing(&subjects, &policy, at).map_err(problem)?;
        Ok::<_, Problem>((PreferencesAnswer::of(&standing, &gathering), standing.version))
    });
    let (answer, version) = found.await.map_err(|_gone| Problem::new(Code::Unavailable))??;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, format!("\"{version}\""))).json(answer))
}

async fn change(
    app: web::Data<App>,
    caller: &Caller,
    body: &[u8],
    (basis, is_whole): (Basis, bool),
) -> Result<HttpResponse, Problem> {
    let Change { customer_id, identifiers, preferences, channels, actor } = Change::parse(body)?;
    let (policy, at) = (app.policy.current(), app.clock.now());
    let source = caller.source.clone().unwrap_or_else(|| caller.key_id.clone());
    // A task of its own: what has begun is finished even if the client hangs up.
    let task = actix_web::rt::spawn(async move {
        let gathering = gathering(&app, &policy, at);
        let who = who(&app, &gathering, customer_id, identifiers)?;
        let order = Order { who, preferences, channels, is_whole, forgets: false, basis, source, actor };
        let standing: Standing = app.preferences.change(&order, &gathering).await.map_err(problem)?;
        Ok::<_, Problem>((PreferencesAnswer::of(&standing, &gathering), standing.version))
    });
    let (answer, version) = task.await.map_err(|_gone| Problem::new(Code::Unavailable))??;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, format!("\"{version}\""))).json(answer))
}

fn gathering<'a>(app: &'a App, policy: &'a Policy, at: Millis) -> Gathering<'a> {
    Gathering { policy, vault: &app.vault, directory: &app.directory, consents: &app.consents, at }
}

/// Whose preferences these are: exactly one of the two says so.
fn who(
    app: &App,
    gathering: &Gathering<'_>,
    customer_id: Option<String>,
    identifiers: Option<Map<String, Value>>,
) -> Result<Who, Problem> {
    match (customer_id, identifiers) {
        (Some(id), None) => {
            let unknown = || Problem::new(Code::NotFound);
            let (_, destination) = profile::destination(gathering.policy).ok_or_else(unknown)?;
            let id = CustomerId::parse(&id).ok_or_else(unknown)?;
            let customer = gathering.customer(&destination.domain, id).map_err(|error| problem(error.into()))?;
            Ok(Who::Customer(customer.ok_or_else(unknown)?.subjects))
        }
        (None, Some(named)) => stated(app, gathering.policy, &named).map(Who::Stated),
        (None, None) => Err(Problem::field(Code::MissingField, "identifiers").detail("name customerId or identifiers")),
        (Some(_), Some(_)) => {
            Err(Problem::field(Code::InvalidField, "identifiers").detail("name customerId or identifiers, not both"))
        }
    }
}

fn stated(app: &App, policy: &Policy, named: &Map<String, Value>) -> Result<Vec<Identifier>, Problem> {
    if named.is_empty() {
        return Err(Problem::field(Code::MissingField, "identifiers"));
    }
    let wrong = |field: String, words: String| Problem::field(Code::InvalidField, field).detail(words);
    if named.len() > limit::IDENTIFIERS_MAX {
        return Err(wrong(String::from("identifiers"), format!("at most {} are taken", limit::IDENTIFIERS_MAX)));
    }
    let mut stated = Vec::with_capacity(named.len());
    for (name, value) in named {
        let unknown = || wrong(String::from("identifiers"), String::from("the policy has no such identifier type"));
        let (_, kind) = policy.identifier(name).ok_or_else(unknown)?;
        let field = format!("identifiers.{}", kind.id);
        let text = value.as_str().ok_or_else(|| wrong(field.clone(), String::from("must be text")))?;
        let read = identity::parse(policy, &app.vault, &kind.id, text);
        stated.push(read.map_err(|refusal| wrong(field, refusal.to_string()))?);
    }
    Ok(stated)
}

/// What a change is based on, by the conditions of RFC 9110 (13.1.1, 13.1.2); `None` if nothing is said. Versions are compared strongly.
fn basis(req: &HttpRequest) -> Result<Option<Basis>, Problem> {
    let read = |name: header::HeaderName| -> Option<String> {
        let lines: Vec<&str> = req.headers().get_all(&name).map(|line| line.to_str().unwrap_or_default()).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    let wrong = |field: &str, words: &str| Problem::field(Code::InvalidField, field).detail(words);
    match (read(header::IF_MATCH), read(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (None, Some(star)) if star.trim() == "*" => Ok(Some(Basis::Nothing)),
        (None, Some(_)) => Err(wrong("If-None-Match", "must be *")),
        (Some(_), Some(_)) => Err(wrong("If-Match", "cannot be combined with If-None-Match")),
        (Some(star), None) if star.trim() == "*" => Ok(Some(Basis::Something)),
        (Some(list), None) => {
            let versions = list.split(',').map(|one| one.trim().strip_prefix('"')?.strip_suffix('"').map(str::to_owned));
            // A weak one matches nothing.
            Ok(Some(Basis::Versions(versions.flatten().collect())))
        }
    }
}

fn problem(error: Error) -> Problem {
    if error.is_busy() {
        return Problem::new(Code::Overloaded).retry_after(1);
    }
    match error {
        Error::Value { field, words } => Problem::field(Code::InvalidField, field).detail(words),
        Error::Changed => Problem::new(Code::PreconditionFailed),
        Error::Nobody | Error::Vault(crate::vault::Error::Shredded) => Problem::new(Code::NotFound),
        Error::Suppressed => Problem::field(Code::NotAllowed, "identifiers").detail(error.to_string()),
        Error::Identity(_) | Error::Consent(_) | Error::Store(_) | Error::Vault(_) | Error::Form(_) => {
            tracing::error!(%error, "preferences could not be read or recorded");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}
