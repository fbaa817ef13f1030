//! `GET /v1/policy/versions`: which policy was in force when; `GET /v1/policy/texts/{hash}`: the words.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{Error, Period};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::rfc3339;
use crate::error::{Code, Problem, ProblemBody};

/// The most periods in one answer.
const PERIODS_MAX: usize = 100;

/// Which periods are wanted.
#[derive(Debug, Deserialize)]
pub struct Wish {
    before: Option<String>,
}

/// Policies that were in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VersionsAnswer {
    /// The newest first.
    versions: Vec<PeriodAnswer>,
    /// Where the list goes on, as `before`; nothing at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u32>,
}

/// A time in which a policy was in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PeriodAnswer {
    /// Counts the periods, from 1.
    number: u32,
    /// The policy's version: the SHA-256 of its canonical form. One that came back has several periods.
    version: String,
    /// When it came into force.
    since: String,
    /// When the next one did; nothing if it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl From<Period> for PeriodAnswer {
    fn from(Period { number, version, since, until }: Period) -> Self {
        Self { number, version, since: rfc3339(since), until: until.map(rfc3339) }
    }
}

/// Which policy was in force when. Each was kept before it came into force.
#[utoipa::path(get, path = "/v1/policy/versions", tag = "operation",
    params(("before" = Option<u32>, Query, description = "Where the list goes on: `next` of the answer before.")),
    responses((status = 200, description = "At most 100 periods, the newest first.", body = VersionsAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "`before` is no number.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn versions(req: HttpRequest, app: web::Data<App>, wish: web::Query<Wish>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let wrong = || Problem::field(Code::InvalidField, "before").detail("must be `next` of the answer before");
    let before = wish.before.as_ref().map(|text| text.parse::<u32>().map_err(|_other| wrong())).transpose()?;
    let app = app.into_inner();
    let found = web::block(move || app.chronicle.periods(before, PERIODS_MAX)).await;
    let found = found.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    let next = found.last().map(|last| last.number).filter(|number| *number > 1);
    Ok(HttpResponse::Ok().json(VersionsAnswer { versions: found.into_iter().map(PeriodAnswer::from).collect(), next }))
}

/// The canonical form (RFC 8785) behind a policy's version or a notice's hash: its SHA-256 is that hash. Of a notice it is everything that
/// a person was shown.
#[utoipa::path(get, path = "/v1/policy/texts/{hash}", tag = "operation",
    params(("hash" = String, Path, description = "A version of the policy, or the hash of a notice as decisions and receipts name it.")),
    responses((status = 200, description = "The text, byte by byte as it was hashed.", body = String, content_type = "application/json"),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "No text with this hash was ever in force here.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn text(req: HttpRequest, app: web::Data<App>, hash: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let app = app.into_inner();
    let found = web::block(move || app.chronicle.text(&hash)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(found.map_err(|error| problem(&error))?))
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::Unknown => Problem::new(Code::NotFound),
        Error::Unreadable | Error::Store(_) => {
            tracing::error!(%error, "what was in force cannot be read");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}
