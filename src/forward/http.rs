//! `GET /v1/dead-letters` and `POST /v1/dead-letters/replay`, and what `/metrics` tells about destinations.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DeadLetter, Error, Forwarder, Replayed};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::rfc3339;
use crate::error::{Code, Problem, ProblemBody};
use crate::limit;
use crate::telemetry;

/// How many dead letters are listed if nobody says how many.
const LETTERS_USUAL: usize = 100;

/// An event that was given up, without anything personal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterAnswer {
    /// Names it in a replay.
    id: String,
    /// The destination that would not take it.
    destination: String,
    /// Why it was given up, as a code.
    #[schema(example = "http_400")]
    reason: String,
    /// How often it was tried.
    attempts: u32,
    /// When it failed first.
    first_at: String,
    /// When it failed last.
    last_at: String,
}

/// A page of dead letters.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLettersAnswer {
    /// The dead letters, in no particular order.
    dead_letters: Vec<DeadLetterAnswer>,
    /// Where the list goes on: to be sent as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What `GET /v1/dead-letters` takes.
#[derive(Debug, Deserialize)]
pub struct Wish {
    destination: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// What `POST /v1/dead-letters/replay` takes: all, those of one destination, or one.
#[derive(Debug, Default, utoipa::ToSchema)]
pub struct ReplayRequest {
    /// Only those of this destination.
    #[schema(example = "partner")]
    destination: Option<String>,
    /// Only the one with this ID.
    id: Option<String>,
}

/// What a replay came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReplayAnswer {
    /// How many were put back; each passes the gate again before it is sent.
    replayed: usize,
    /// How many stay, because their destination is off or gone.
    skipped: usize,
}

/// Lists events that a destination would not take.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "operation",
    params(("destination" = Option<String>, Query, description = "Only those of this destination."),
        ("limit" = Option<usize>, Query, description = "How many, 1 to 500; 100 if it is left out."),
        ("after" = Option<String>, Query, description = "Where the list goes on: `next` of the answer before.")),
    responses((status = 200, description = "Dead letters, without anything personal.", body = DeadLettersAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn list(req: HttpRequest, app: web::Data<App>, wish: web::Query<Wish>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let Wish { destination, after, limit } = wish.into_inner();
    let limit = letters(limit.as_deref())?;
    if let Some(after) = &after {
        id(after, "after")?;
    }
    let app = app.into_inner();
    let found = web::block(move || app.forwarder.dead_letters(destination.as_deref(), after.as_deref(), limit)).await;
    let found = found.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.id.clone());
    let dead_letters = found.into_iter().map(DeadLetterAnswer::from).collect();
    Ok(HttpResponse::Ok().json(DeadLettersAnswer { dead_letters, next }))
}

/// Sends dead letters again. They pass the gate like everything else: what may not leave any more does not.
#[utoipa::path(post, path = "/v1/dead-letters/replay", tag = "operation", request_body = ReplayRequest,
    responses((status = 200, description = "How many were put back.", body = ReplayAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn replay(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let ReplayRequest { destination, id } = ReplayRequest::parse(&body)?;
    let at = app.clock.now();
    let app = app.into_inner();
    // A task of its own: what has begun is finished even if the caller hangs up.
    let task = actix_web::rt::spawn(async move { app.forwarder.replay(destination.as_deref(), id.as_deref(), at).await });
    let outcome = task.await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let Replayed { replayed, skipped } = outcome.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(ReplayAnswer { replayed, skipped }))
}

/// The secret with which a webhook's owner checks signatures.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WebhookSecretAnswer {
    /// As Standard Webhooks write it.
    #[schema(example = "whsec_…")]
    secret: String,
    /// The one before, if the key of the domain was changed: until that is retired, messages carry both signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

/// The secret that signs what a webhook gets (Standard Webhooks), for its owner to check signatures with.
#[utoipa::path(get, path = "/v1/webhooks/{destination}/secret", tag = "operation",
    params(("destination" = String, Path, description = "A destination of kind webhook.")),
    responses((status = 200, description = "The secret.", body = WebhookSecretAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such webhook.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn webhook_secret(req: HttpRequest, app: web::Data<App>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let policy = app.policy.current();
    let known = policy.destination(&path).filter(|(_, d)| matches!(d.kind, crate::policy::DestinationKind::Webhook { .. }));
    let (_, destination) = known.ok_or_else(|| Problem::new(Code::NotFound))?;
    let secrets = app.forwarder.webhook_secrets(destination).map_err(|error| {
        tracing::error!(%error, "the secret of a webhook cannot be read");
        Problem::new(Code::Unavailable)
    })?;
    let mut secrets = secrets.into_iter();
    let secret = secrets.next().ok_or_else(|| Problem::new(Code::Unavailable))?;
    Ok(HttpResponse::Ok().json(WebhookSecretAnswer { secret, previous: secrets.next() }))
}

fn letters(limit: Option<&str>) -> Result<usize, Problem> {
    let Some(limit) = limit else { return Ok(LETTERS_USUAL) };
    let number = limit.parse().ok().filter(|n| (1..=limit::PAGE_MAX).contains(n));
    let wrong = || Problem::field(Code::InvalidField, "limit").detail(format!("must be a number from 1 to {}", limit::PAGE_MAX));
    number.ok_or_else(wrong)
}

fn id(text: &str, field: &str) -> Result<(), Problem> {
    let good = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if good { Ok(()) } else { Err(Problem::field(Code::InvalidField, field).detail("must be the ID of a dead letter")) }
}

fn problem(error: &Error) -> Problem {
    if error.is_busy() {
        return Problem::new(Code::Overloaded).retry_after(1);
    }
    tracing::error!(%error, "dead letters could not be read or put back");
    Problem::new(Code::Unavailable)
}

impl ReplayRequest {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
        let Value::Object(fields) = value else {
            return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
        };
        let mut read = Self::default();
        for (name, value) in fields {
            let text = |field: &str| match value {
                Value::String(ref text) => Ok(Some(text.clone())),
                Value::Null => Ok(None),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Err(Problem::field(Code::InvalidField, field).detail("must be text"))
                }
            };
            match name.as_str() {
                "destination" => read.destination = text("destination")?,
                "id" => read.id = text("id")?,
                _ => return Err(Problem::field(Code::InvalidField, "body").detail("there are only destination and id")),
            }
        }
        read.id.as_deref().map_or(Ok(()), |text| id(text, "id"))?;
        Ok(read)
    }
}

impl From<DeadLetter> for DeadLetterAnswer {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            destination: letter.destination,
            reason: letter.reason,
            attempts: letter.attempts,
            first_at: rfc3339(letter.first_at),
            last_at: rfc3339(letter.last_at),
        }
    }
}

impl Forwarder {
    /// Adds what is known about destinations to the figures for `/metrics`. What was withheld at dispatch stands among the
    /// events without a source.
    pub fn figures(&self, figures: &mut telemetry::Figures) {
        figures.backlog_chunks = self.lag();
        figures.dead_letters = self.dead_letter_counts();
        for (id, counts) in self.counts() {
            figures.delivered.push((id.clone(), counts.delivered));
            figures.parked.push((id.clone(), counts.waiting));
            let others = [("subject_gone", counts.gone), ("cut", counts.cut)];
            let kept = counts.withheld.into_iter().chain(others).filter(|(_, n)| *n > 0);
            figures.events.extend(kept.map(|(reason, n)| (String::new(), id.clone(), reason, n)));
        }
    }
}
