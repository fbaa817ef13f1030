//! `/v1/keys`: how the keys stand that can be changed while the gateway runs, and changing them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

use super::{DomainKey, Error};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem, ProblemBody};

/// What may still be on its way under the key before when a domain's key changes is confirmed within this time.
const ON_ITS_WAY_MS: Millis = 3_600_000;

/// How the keys stand.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeysAnswer {
    /// The key by which identifiers are found.
    index: IndexKeyAnswer,
    /// The keys of the pseudonymisation domains.
    domains: Vec<DomainKeyAnswer>,
}

/// The key by which identifiers are found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct IndexKeyAnswer {
    /// The number of its epoch, from 1.
    epoch: u32,
    /// When it was made.
    since: String,
    /// Whether identifiers are being moved to it; then the key before is still needed.
    moving: bool,
    /// How many identifiers there are.
    total: usize,
    /// How many of them are found by it.
    moved: usize,
}

/// The key of a pseudonymisation domain.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DomainKeyAnswer {
    /// The name of the domain.
    #[schema(example = "shop")]
    name: String,
    /// How many keys there were, the present one included.
    turn: u32,
    /// When the present key was made.
    since: String,
    /// Whether the key before still leads back from customer IDs and signs.
    overlaps: bool,
}

/// What `POST /v1/keys/domains/{domain}/retire` takes.
#[derive(Debug, utoipa::ToSchema)]
pub struct RetireRequest {
    /// Also if recipients know people under the old customer IDs alone, and could not be told of erasures any more.
    #[schema(default = false)]
    #[expect(dead_code, reason = "it is read by hand, so that an error can name the field")]
    force: bool,
}

/// How the keys stand.
#[utoipa::path(get, path = "/v1/keys", tag = "operation",
    responses((status = 200, description = "The keys that can be changed while the gateway runs.", body = KeysAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let domains = app.vault.domain_keys().into_iter().map(DomainKeyAnswer::from).collect();
    Ok(HttpResponse::Ok().json(KeysAnswer { index: IndexKeyAnswer::of(&app), domains }))
}

/// Puts a new key in the place of the one by which identifiers are found, and moves them to it while the gateway runs. If that is under
/// way already, nothing begins. `GET /v1/keys` shows how far it is.
#[utoipa::path(post, path = "/v1/keys/index/rotate", tag = "operation",
    responses((status = 202, description = "It is under way.", body = IndexKeyAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn rotate_index(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let at = app.clock.now();
    let begun = web::Data::clone(&app);
    let outcome = web::block(move || begun.directory.turn_over(at)).await;
    outcome.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| failed(&error))?;
    Ok(HttpResponse::Accepted().json(IndexKeyAnswer::of(&app)))
}

/// Makes a new key for a domain. New customer IDs, keyed forms and signatures are made with it; until the one before is retired, old
/// customer IDs still lead back, messages carry both signatures, and erasures are told under both IDs.
#[utoipa::path(post, path = "/v1/keys/domains/{domain}/rotate", tag = "operation",
    params(("domain" = String, Path, description = "A domain of the policy.")),
    responses((status = 200, description = "The new key is used.", body = DomainKeyAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such domain.", body = ProblemBody<'static>),
        (status = 409, description = "The key before is still there.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn rotate_domain(req: HttpRequest, app: web::Data<App>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let at = app.clock.now();
    let app = app.into_inner();
    let outcome = web::block(move || app.vault.rotate_domain(&path, at)).await;
    let key = outcome.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(DomainKeyAnswer::from(key)))
}

/// Destroys the key before of a domain. Old customer IDs lead nowhere from then on. Refused as long as recipients know people under
/// old IDs, because erasures could not be told to them any more, unless `force` is true.
#[utoipa::path(post, path = "/v1/keys/domains/{domain}/retire", tag = "operation", request_body = RetireRequest,
    params(("domain" = String, Path, description = "A domain of the policy.")),
    responses((status = 200, description = "The key before is no more.", body = DomainKeyAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such domain.", body = ProblemBody<'static>),
        (status = 409, description = "There is no key before, or it is still needed.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn retire_domain(
    req: HttpRequest,
    app: web::Data<App>,
    path: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let force = forced(&body)?;
    let app = app.into_inner();
    let outcome = web::block(move || {
        let key = app.vault.domain_keys().into_iter().find(|key| key.name == *path).ok_or(Error::NoDomain)?;
        let known = if force { 0 } else { app.forwarder.known_before(&key.name, key.since.saturating_add(ON_ITS_WAY_MS))? };
        if key.overlaps && known > 0 {
            return Ok(Err(known));
        }
        app.vault.retire_domain(&path).map(Ok)
    })
    .await;
    match outcome.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error: Error| problem(&error))? {
        Ok(key) => Ok(HttpResponse::Ok().json(DomainKeyAnswer::from(key))),
        Err(known) => {
            let still = format!("recipients know {known} people under IDs of the key before; erasures could not be told to them");
            Err(Problem::field(Code::Conflict, "force").detail(still))
        }
    }
}

fn forced(body: &[u8]) -> Result<bool, Problem> {
    if body.is_empty() {
        return Ok(false);
    }
    let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    let Value::Object(fields) = value else {
        return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
    };
    if fields.keys().any(|name| name != "force") {
        return Err(Problem::field(Code::InvalidField, "body").detail("there is only force"));
    }
    match fields.get("force") {
        None => Ok(false),
        Some(Value::Bool(force)) => Ok(*force),
        Some(Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Problem::field(Code::InvalidField, "force").detail("must be true or false"))
        }
    }
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::NoDomain | Error::DomainName => Problem::new(Code::NotFound),
        Error::Overlaps | Error::NoOverlap => Problem::field(Code::Conflict, "domain").detail(error.to_string()),
        Error::Shredded
        | Error::Unreadable
        | Error::OtherKeys { .. }
        | Error::KeyMissing { .. }
        | Error::CheckMissing
        | Error::RootGone { .. }
        | Error::OpenToOthers { .. }
        | Error::NotAKey { .. }
        | Error::Certificate { .. }
        | Error::PassphraseShort { .. }
        | Error::Archive(_)
        | Error::KeyDiffers { .. }
        | Error::KeysOfAnotherTime { .. }
        | Error::ListTooShort { .. }
        | Error::RotationCutOff
        | Error::Io { .. }
        | Error::Chance(_)
        | Error::Store(_) => failed(error),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a key cannot be changed");
    Problem::new(Code::Unavailable)
}

impl IndexKeyAnswer {
    fn of(app: &App) -> Self {
        let progress = app.directory.progress();
        Self {
            epoch: progress.epoch,
            since: rfc3339(progress.since),
            moving: progress.moving,
            total: progress.total,
            moved: progress.moved,
        }
    }
}

impl From<DomainKey> for DomainKeyAnswer {
    fn from(key: DomainKey) -> Self {
        Self { name: key.name, turn: key.turn, since: rfc3339(key.since), overlaps: key.overlaps }
    }
}
