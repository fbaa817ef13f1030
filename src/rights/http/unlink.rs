//! `POST /v1/identity/unlink` and `/v1/identity/relink`: a link between two identifiers is taken back, or allowed again.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

use super::super::{Error, Parting};
use super::{named, problem, reason};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};

/// Two identifiers, and why.
#[derive(Debug, utoipa::ToSchema)]
pub struct Two {
    /// An identifier type of the policy, and its value.
    #[schema(value_type = Object, example = json!({"device": "3f1c…"}))]
    identifier: (String, String),
    /// The one that it is to be kept apart from, and whoever has it.
    #[schema(value_type = Object, example = json!({"email": "erika@example.org"}))]
    from: (String, String),
    /// Why, for the audit. Name nobody in it.
    reason: String,
}

/// What it came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PartedAnswer {
    /// Whether there was a link, or with `relink`, whether they were kept apart.
    changed: bool,
}

/// Takes the link between two identifiers back: what one refused no longer keeps the other's events back, and their histories are joined no
/// more. It is remembered: no event links the two again. A link never let anything through, so nothing is granted by this.
///
/// # Errors
/// `not_found` if one of them is not known; `conflict` if both are one person's own; `missing_field` and `invalid_field` for the body.
#[utoipa::path(post, path = "/v1/identity/unlink", tag = "rights", request_body = Two, security(("secret_key" = ["rights"])),
    responses((status = 200, description = "Kept apart, and durable.", body = PartedAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "One of them is not known.", body = ProblemBody<'static>),
        (status = 409, description = "Both are one person's own: a rectification takes away what is not theirs.",
            body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn unlink(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    part(&req, app, &body, Parting::Apart).await
}

/// Allows two identifiers to be linked again: the next event that states both does.
///
/// # Errors
/// As for `/v1/identity/unlink`.
#[utoipa::path(post, path = "/v1/identity/relink", tag = "rights", request_body = Two, security(("secret_key" = ["rights"])),
    responses((status = 200, description = "Not kept apart any more, and durable.", body = PartedAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "One of them is not known.", body = ProblemBody<'static>),
        (status = 409, description = "Both are one person's own.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn relink(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    part(&req, app, &body, Parting::Again).await
}

async fn part(req: &HttpRequest, app: web::Data<App>, body: &[u8], parting: Parting) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(req, &app, Scope::Rights).await?;
    let Two { identifier, from, reason } = Two::parse(body)?;
    let pair = app.rights.pair((&identifier.0, &identifier.1), (&from.0, &from.1)).map_err(|error| said(&error))?;
    let app = app.into_inner();
    // A task of its own: what has begun is finished even if the caller hangs up.
    let task = actix_web::rt::spawn(async move { app.rights.part(pair, parting, &caller.key_id, &reason).await });
    let changed = task.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| said(&error))?;
    Ok(HttpResponse::Ok().json(PartedAnswer { changed }))
}

fn said(error: &Error) -> Problem {
    if matches!(error, Error::NotFound) {
        return Problem::new(Code::NotFound).detail("one of them is not known");
    }
    problem(error)
}

impl Two {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
        let Value::Object(mut fields) = value else {
            return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
        };
        let mut take = |field: &str| fields.remove(field).ok_or_else(|| Problem::field(Code::MissingField, field));
        let (identifier, from, why) = (take("identifier")?, take("from")?, take("reason")?);
        if !fields.is_empty() {
            return Err(Problem::field(Code::InvalidField, "body").detail("there are identifier, from and reason"));
        }
        let wrong = |field: &str, words: &str| Problem::field(Code::InvalidField, field).detail(words.to_owned());
        let one = |field: &str, value: &Value| match named(value).map(<[_; 1]>::try_from) {
            Ok(Ok([one])) => Ok(one),
            Ok(Err(_)) | Err(_) => Err(wrong(field, "must be an object with one type and its value")),
        };
        let why = why.as_str().ok_or_else(|| wrong("reason", "must be text"))?;
        if why.trim().is_empty() {
            return Err(Problem::field(Code::MissingField, "reason"));
        }
        Ok(Self { identifier: one("identifier", &identifier)?, from: one("from", &from)?, reason: reason(why)? })
    }
}
