//! `/v1/requests`: service desks file (scope `requests:write`), data-protection officers decide (scope `rights`); and the public
//! keys that certificates are checked with.

mod answer;
pub mod audit;
mod body;
pub mod opendsr;
pub mod package;
pub mod person;
pub mod register;
pub mod unlink;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::{Error, Kind, RequestId, Step, Submission, Wrong};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
pub use answer::{ActAnswer, FiledAnswer, MailAnswer, OrderAnswer, OriginAnswer, ProgressAnswer, RecipientAnswer, RequestAnswer};
pub use body::{Filed, Order, Search};
use body::{named, reason};
pub use person::AskedAnswer;

/// When to come back where everybody has to wait, in seconds.
const TOO_MANY_S: u32 = 600;

/// What `GET /v1/requests/{id}` takes.
#[derive(Debug, Deserialize)]
pub struct Look {
    identifiers: Option<String>,
    reason: Option<String>,
}

/// Files a request of a person. The answer is the same whether or not anything is known about them.
///
/// # Errors
/// `missing_field` and `invalid_field` for what is wrong with it.
#[utoipa::path(post, path = "/v1/requests", tag = "rights", request_body = Filed, security(("write_key" = []), ("secret_key" = ["requests:write"])),
    responses((status = 201, description = "Taken from a service desk, and durable.", body = FiledAnswer),
        (status = 202, description = "Taken from a person, by a source's write key: it names one e-mail address, which gets a link to confirm.",
            body = AskedAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn file(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    if !auth::has_secret(&req) {
        return person::ask(&req, &app, &body).await;
    }
    let caller = auth::secret(&req, &app, Scope::RequestsWrite).await?;
    let Filed { kind, identifiers, purposes, corrections, traits, identified, suppress, language, note } = Filed::parse(&body)?;
    let (kind, identifiers) = (self::kind(&kind)?, named(&identifiers)?);
    let (wrong, who) = (Wrong { identifiers: corrections, traits }, caller.key_id);
    let submission = Submission { kind, identifiers, purposes, wrong, identified, suppress, language, who, why: note };
    let id = app.rights.submit(submission).await.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Created().json(FiledAnswer { id: id.to_string() }))
}

fn kind(name: &str) -> Result<Kind, Problem> {
    let wrong = || {
        Problem::field(Code::InvalidField, "kind")
            .detail("must be `erasure`, `access`, `portability`, `rectification`, `restriction` or `objection`")
    };
    Kind::parse(name).ok_or_else(wrong)
}

/// One request. While it is open it says whom it is about; that somebody looked is noted before it is answered.
///
/// # Errors
/// `not_found`.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "rights", security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID."),
        ("identifiers" = Option<bool>, Query, description = "`false` leaves out whom it is about; then nothing is noted."),
        ("reason" = Option<String>, Query, description = "Why somebody looks, for the audit.")),
    responses((status = 200, description = "The request.", body = RequestAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is none.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn show(
    req: HttpRequest,
    app: web::Data<App>,
    id: web::Path<String>,
    look: web::Query<Look>,
) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Rights).await?;
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let wrong = || Problem::field(Code::InvalidField, "identifiers").detail("must be true or false");
    let named = look.identifiers.as_deref().map_or(Ok(true), |text| text.parse().map_err(|_other| wrong()))?;
    let why = look.reason.as_deref().map(reason).transpose()?;
    let mut request = app.rights.get(id).map_err(|error| problem(&error))?;
    if !named {
        request.leave_out_who();
    } else if request.names_somebody() {
        let noted = app.rights.note_look(id, &caller.key_id, "shown", why.as_deref());
        noted.await.map_err(|error| problem(&error))?;
    }
    Ok(HttpResponse::Ok().json(RequestAnswer::of(id, request, &app, app.clock.now())))
}

/// Does something with a request: `identify`, `doubt`, `send_link`, `approve`, `refuse`, `extend`, `cancel`, `lift`, `confirm`,
/// `assign`, `note`.
///
/// # Errors
/// `conflict` where the request is in another state; `missing_field` and `invalid_field` for what is wrong with the body.
#[utoipa::path(post, path = "/v1/requests/{id}/{step}", tag = "rights", request_body = Order, security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID."),
        ("step" = String, Path,
            description = "`identify`, `doubt`, `send_link`, `approve`, `refuse`, `extend`, `cancel`, `lift`, `confirm`, `assign`, `note`.")),
    responses((status = 200, description = "Done, and durable.", body = RequestAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such request or step.", body = ProblemBody<'static>),
        (status = 409, description = "The request is in a state that does not take this.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn act(
    req: HttpRequest,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Rights).await?;
    let (id, step) = path.into_inner();
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let Order { reason, ground, recipient, to } = Order::parse(&body)?;
    let missing = |field: &str| Problem::field(Code::MissingField, field);
    let step = match step.as_str() {
        "identify" => Step::Identify,
        "doubt" => Step::Doubt,
        "send_link" => Step::SendLink,
        "approve" => Step::Approve,
        "refuse" => Step::Refuse(ground.ok_or_else(|| missing("ground"))?),
        "extend" => Step::Extend,
        "cancel" => Step::Cancel,
        "lift" => Step::Lift,
        "assign" => Step::Assign(Some(to.ok_or_else(|| missing("to"))?).filter(|name| !name.is_empty())),
        "note" => Step::Note,
        "confirm" => Step::Confirm { recipient: recipient.ok_or_else(|| missing("recipient"))? },
        _ => return Err(Problem::new(Code::NotFound)),
    };
    let app = app.into_inner();
    let shared = std::sync::Arc::clone(&app);
    // A task of its own: what has begun is finished even if the caller hangs up.
    let task = actix_web::rt::spawn(async move { shared.rights.act(id, step, &caller.key_id, reason.as_deref()).await });
    let done = task.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(RequestAnswer::of(id, done, &app, app.clock.now())))
}

/// The certificate of an erasure: a signed statement (JWS, compact form) without anything personal.
///
/// # Errors
/// `not_found` while there is none.
#[utoipa::path(get, path = "/v1/requests/{id}/certificate", tag = "rights", security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID.")),
    responses((status = 200, description = "The certificate.", body = String, content_type = "application/jose"),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is none, or none yet.", body = ProblemBody<'static>)))]
pub async fn certificate(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let request = app.rights.get(id).map_err(|error| problem(&error))?;
    let certificate = request.certificate.ok_or_else(|| Problem::new(Code::NotFound).detail("There is no certificate yet."))?;
    Ok(HttpResponse::Ok().content_type("application/jose").body(certificate))
}

/// The public keys that certificates are checked with (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "rights",
    responses((status = 200, description = "A JSON Web Key Set.", body = Value)))]
pub async fn jwks(app: web::Data<App>) -> HttpResponse {
    std::future::ready(HttpResponse::Ok().json(app.rights.jwks())).await
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::NotFound => Problem::new(Code::NotFound),
        Error::State(_) | Error::TooLate | Error::Underway => Problem::field(Code::Conflict, "state").detail(error.to_string()),
        Error::SamePerson | Error::NoPerson => Problem::field(Code::Conflict, "approvals").detail(error.to_string()),
        Error::OnePerson => Problem::field(Code::Conflict, "from").detail(error.to_string()),
        Error::Corrections(_) => Problem::field(Code::InvalidField, "corrections").detail(error.to_string()),
        Error::Traits(_) => Problem::field(Code::InvalidField, "traits").detail(error.to_string()),
        Error::NotTheirs | Error::Taken => Problem::field(Code::Conflict, "corrections").detail(error.to_string()),
        Error::Full => Problem::field(Code::InvalidField, "reason").detail(error.to_string()),
        Error::NoReason => Problem::field(Code::MissingField, "reason").detail(error.to_string()),
        Error::NoRecipient => Problem::field(Code::InvalidField, "recipient").detail(error.to_string()),
        Error::Differs => Problem::field(Code::Conflict, "id").detail(error.to_string()),
        Error::Purposes => Problem::field(Code::InvalidField, "purposes").detail(error.to_string()),
        Error::Suppress => Problem::field(Code::InvalidField, "suppress").detail(error.to_string()),
        Error::NoPackage => Problem::new(Code::NotFound).detail(error.to_string()),
        Error::NoAddress | Error::OneAddress => Problem::field(Code::InvalidField, "identifiers").detail(error.to_string()),
        Error::Unproven(kind) => Problem::field(Code::InvalidField, format!("identifiers.{kind}")).detail(error.to_string()),
        Error::TooMany => Problem::new(Code::TooManyRequests).detail(error.to_string()).retry_after(TOO_MANY_S),
        Error::Nobody => Problem::field(Code::MissingField, "identifiers").detail(error.to_string()),
        Error::Identifier { refusal: crate::identity::Refusal::Type, .. } => {
            Problem::field(Code::InvalidField, "identifiers").detail("the policy has no such type of identifier")
        }
        Error::Identifier { kind, refusal } => {
            Problem::field(Code::InvalidField, format!("identifiers.{kind}")).detail(refusal.to_string())
        }
        error if error.is_busy() => Problem::new(Code::Overloaded).retry_after(1),
        Error::Identity(_)
        | Error::Consent(_)
        | Error::Profile(_)
        | Error::Store(_)
        | Error::Mail(_)
        | Error::Words
        | Error::Link(_)
        | Error::Vault(_)
        | Error::Chance(_)
        | Error::Form(_)
        | Error::OtherHost(_)
        | Error::Write(_)
        | Error::Table(_) => {
            tracing::error!(%error, "a request could not be read or changed");
            Problem::new(Code::Unavailable)
        }
    }
}
