//! `/opendsr`: others send us what people ask of them (scope `requests:write`), and recipients call back what became of what we sent them.
//!
//! Errors are in the specification's form, but for those about keys, which it leaves to us.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{self, Caller, Scope};
use crate::error::{Problem, ProblemBody};
use crate::limit::{self, Class};
use crate::rights::Error;
use crate::rights::opendsr::{DOMAIN_HEADERS, Filing, SIGNATURE_HEADERS, Signed, Unheard};

/// A refusal, as the specification writes it.
#[derive(Debug)]
pub enum Refused {
    /// One about keys or rates.
    Problem(Problem),
    /// One of the specification.
    Words(u16, String),
}

/// What is answered to a request that is refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DsrError {
    error: DsrErrorBody,
}

/// What is wrong.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DsrErrorBody {
    /// The HTTP status.
    code: u16,
    /// The field and what is wrong with it. It never repeats a value.
    message: String,
    /// The same, as the specification lists it.
    errors: Vec<DsrErrorDetail>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DsrErrorDetail {
    domain: &'static str,
    reason: &'static str,
    message: String,
}

impl Refused {
    fn field(field: &str, words: &str) -> Self {
        Self::Words(400, format!("{field} {words}"))
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        if matches!(error, Error::NotFound) {
            Self::Words(404, String::from("there is no such request"))
        } else if matches!(error, Error::Differs) {
            Self::field("subject_request_id", "is that of another request")
        } else if matches!(error, Error::State(_)) {
            Self::Words(400, String::from("only a request that is pending can be cancelled"))
        } else {
            Self::Problem(super::problem(&error))
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Problem(problem) => problem.fmt(f),
            Self::Words(_, words) => f.write_str(words),
        }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Problem(problem) => problem.status_code(),
            Self::Words(status, _) => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Problem(problem) => problem.error_response(),
            Self::Words(code, words) => {
                let reason = if *code == 400 { "invalid" } else { "refused" };
                let detail = DsrErrorDetail { domain: "Validation", reason, message: words.clone() };
                let error = DsrErrorBody { code: *code, message: words.clone(), errors: vec![detail] };
                HttpResponse::build(self.status_code()).json(DsrError { error })
            }
        }
    }
}

/// Whose requests these are: the key's source, or the key.
fn controller(caller: &Caller) -> &str {
    caller.source.as_deref().unwrap_or(&caller.key_id)
}

async fn caller(req: &HttpRequest, app: &App) -> Result<Caller, Refused> {
    let caller = auth::secret(req, app, Scope::RequestsWrite).await?;
    is_on(app)?;
    Ok(caller)
}

fn is_on(app: &App) -> Result<(), Refused> {
    let words = "requests of other companies are not taken here: this role is off (docs/opendsr.md says how to switch it on)";
    app.rights.processor_domain().map(drop).ok_or_else(|| Refused::Words(404, words.to_owned()))
}

/// A signed answer.
fn answer(app: &App, status: StatusCode, said: &Value) -> Result<HttpResponse, Refused> {
    let body = said.to_string();
    let (domain, signature) = app.rights.sign(body.as_bytes())?;
    let mut answer = HttpResponse::build(status);
    for name in DOMAIN_HEADERS {
        answer.insert_header((name, domain.as_str()));
    }
    for name in SIGNATURE_HEADERS {
        answer.insert_header((name, signature.as_str()));
    }
    Ok(answer.content_type("application/json").body(body))
}

/// What is supported here (`OpenDSR` 2.0, section 6).
///
/// # Errors
/// 404 when this role is off.
#[utoipa::path(get, path = "/opendsr/discovery", tag = "opendsr",
    responses((status = 200, description = "What is supported.", body = Value),
        (status = 404, description = "This role is off.", body = DsrError)))]
pub async fn discovery(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refused> {
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    is_on(&app)?;
    let base = app.config.public_url.as_ref().map(|url| url.as_str()).unwrap_or_default();
    std::future::ready(answer(&app, StatusCode::OK, &app.rights.discovery(base))).await
}

/// The certificate that answers and callbacks are signed with.
///
/// # Errors
/// 404 when this role is off.
#[utoipa::path(get, path = "/opendsr/certificate.pem", tag = "opendsr",
    responses((status = 200, description = "The certificate, and those that lead to its authority.", body = String,
            content_type = "application/x-pem-file"),
        (status = 404, description = "This role is off.", body = DsrError)))]
pub async fn certificate(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refused> {
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    is_on(&app)?;
    let pem = app.vault.certified().map(|certified| certified.pem().to_owned()).unwrap_or_default();
    std::future::ready(Ok(HttpResponse::Ok().content_type("application/x-pem-file").body(pem))).await
}

/// Takes what a person has asked of another company (section 7). Sent again with the same body it is the same request.
///
/// # Errors
/// 400 for what is wrong with it.
#[utoipa::path(post, path = "/opendsr/requests", tag = "opendsr", request_body = Value,
    security(("secret_key" = ["requests:write"])),
    responses((status = 201, description = "Taken, and durable. Signed.", body = Value),
        (status = 400, description = "A field is wrong, or the ID is that of another request.", body = DsrError),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "This role is off.", body = DsrError)))]
pub async fn create(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Refused> {
    let caller = caller(&req, &app).await?;
    let (policy, at) = (app.policy.current(), app.clock.now());
    let source = caller.source.as_deref().and_then(|id| policy.source(id)).map(|(_, source)| source);
    let filing = Filing::parse(&body, &policy, (&app.vault, source), at);
    let filing = filing.map_err(|refusal| Refused::field(&refusal.field, &refusal.words))?;
    let taken = app.rights.file_for(filing, controller(&caller), &caller.key_id).await?;
    let mut said = app.rights.receipt(&taken);
    said.insert(String::from("encoded_request"), json!(STANDARD.encode(&body)));
    answer(&app, StatusCode::CREATED, &Value::Object(said))
}

/// Where a request is (section 8).
///
/// # Errors
/// 404 if this controller has sent none with this ID.
#[utoipa::path(get, path = "/opendsr/requests/{id}", tag = "opendsr", security(("secret_key" = ["requests:write"])),
    params(("id" = String, Path, description = "The `subject_request_id`.")),
    responses((status = 200, description = "Its status. Signed.", body = Value),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "There is none, or this role is off.", body = DsrError)))]
pub async fn status(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Refused> {
    let caller = caller(&req, &app).await?;
    let taken = app.rights.filed(controller(&caller), &id)?;
    answer(&app, StatusCode::OK, &app.rights.status(&taken))
}

/// Takes a request back that nobody has decided yet (section 9).
///
/// # Errors
/// 404 if this controller has sent none with this ID, 400 when it is past that.
#[utoipa::path(delete, path = "/opendsr/requests/{id}", tag = "opendsr", security(("secret_key" = ["requests:write"])),
    params(("id" = String, Path, description = "The `subject_request_id`.")),
    responses((status = 202, description = "Taken back. Signed.", body = Value),
        (status = 400, description = "It is not pending any more.", body = DsrError),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "There is none, or this role is off.", body = DsrError)))]
pub async fn cancel(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Refused> {
    let caller = caller(&req, &app).await?;
    let at = app.clock.now();
    let taken = app.rights.take_back(controller(&caller), &id, &caller.key_id).await?;
    let mut said = app.rights.receipt(&taken);
    said.remove("expected_completion_time");
    said.insert(String::from("received_time"), json!(crate::clock::rfc3339(at)));
    answer(&app, StatusCode::ACCEPTED, &Value::Object(said))
}

/// A recipient says what became of an erasure that it was sent (section 8.5). The URL was made for one recipient and one request, and
/// only what that recipient has signed is heard.
///
/// # Errors
/// 401 when the URL is none of ours, or the certificate does not hold; 400 when the signature does not fit, or what is signed says nothing
/// that can follow.
#[utoipa::path(post, path = "/opendsr/callbacks/{token}", tag = "opendsr", request_body = Value,
    params(("token" = String, Path, description = "From the callback URL that the recipient was given.")),
    responses((status = 202, description = "Heard, and durable."),
        (status = 400, description = "The signature does not fit, or the status goes back.", body = DsrError),
        (status = 401, description = "Not for us, or not from who was asked.", body = DsrError)))]
pub async fn callback(
    req: HttpRequest,
    app: web::Data<App>,
    token: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Refused> {
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    let header = |names: [&str; 2]| names.iter().find_map(|name| req.headers().get(*name)?.to_str().ok()).unwrap_or_default();
    let signed = Signed { domain: header(DOMAIN_HEADERS), signature: header(SIGNATURE_HEADERS), body: &body };
    match app.rights.called_back(&token, &signed).await {
        Ok(()) => Ok(HttpResponse::Accepted().finish()),
        Err(unheard @ Unheard::Stranger) => Err(Refused::Words(401, unheard.to_string())),
        Err(unheard @ (Unheard::Signature | Unheard::Words(_))) => Err(Refused::Words(400, unheard.to_string())),
        Err(Unheard::Later(error)) => Err(Refused::Problem(super::problem(&error))),
    }
}
