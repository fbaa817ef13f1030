//! `GET /v1/audit`: who did what and who looked at what.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::super::RequestId;
use super::super::access::harmless;
use super::problem;
use super::register::{is_table, limit};
use crate::app::App;
use crate::audit::{Entry, Question};
use crate::auth::{self, Scope};
use crate::clock::rfc3339;
use crate::error::{Code, Problem, ProblemBody};
use crate::site::table::csv;

/// How many entries a page has if nothing is said.
const PAGE_USUAL: usize = 100;

/// What `GET /v1/audit` takes.
#[derive(Debug, Deserialize)]
pub struct Wish {
    request: Option<String>,
    who: Option<String>,
    before: Option<String>,
    limit: Option<String>,
    format: Option<String>,
}

/// What somebody did or looked at.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EntryAnswer {
    /// Its number. They count up without gaps.
    number: u64,
    /// When.
    at: String,
    /// The ID of the key, `operator`, `gateway`, or an officer as `officer:<name>`.
    who: String,
    /// What: a step, `received`, `shown`, `searched`, `package`, `unlinked`, `relinked`; what officers do.
    what: String,
    /// The request; a search is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A page of the audit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditAnswer {
    /// Newest first.
    entries: Vec<EntryAnswer>,
    /// What `before` takes to go on; nothing if this is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Lists who did what with requests and who looked at what of them, newest first. Entries are never changed; they go after four years.
///
/// # Errors
/// `invalid_field` for a parameter that cannot be read.
#[utoipa::path(get, path = "/v1/audit", tag = "rights", security(("secret_key" = ["rights"])),
    params(("request" = Option<String>, Query, description = "Only what is about this request."),
        ("who" = Option<String>, Query, description = "Only what this key did, or this officer, as `officer:<name>`."),
        ("before" = Option<u64>, Query, description = "`next` of the page before."),
        ("limit" = Option<usize>, Query, description = "How many, 500 at most; 100 if it is left out."),
        ("format" = Option<String>, Query, description = "`json` (usual) or `csv`; then the header `x-next` says what `before` takes.")),
    responses((status = 200, description = "Entries.", body = AuditAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn list(req: HttpRequest, app: web::Data<App>, wish: web::Query<Wish>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let Wish { request, who, before, limit: many, format } = wish.into_inner();
    let wrong = |field: &str, words: &'static str| Problem::field(Code::InvalidField, field).detail(words);
    let request = request.as_deref().map(|id| RequestId::parse(id).ok_or_else(|| wrong("request", "is no request's ID")));
    let number = |text: &str| text.parse().map_err(|_other| wrong("before", "must be a number"));
    let before = before.as_deref().map(number).transpose()?;
    let limit = limit(many.as_deref(), PAGE_USUAL)?;
    let request = request.transpose()?.map(|id| id.to_string());
    let question = Question { request, who, before, limit };
    let table = is_table(format.as_deref())?;
    let app = app.into_inner();
    let found = web::block(move || app.audit.list(&question));
    let found = found.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error.into()))?;
    // Behind a page that is full there may be more; the first entry has the number 1.
    let next = found.last().map(|(number, _)| *number).filter(|number| found.len() == limit && *number > 1);
    let entries = found.into_iter().map(|(number, entry)| EntryAnswer::of(number, entry));
    if table {
        let next = next.map(|number| number.to_string());
        return csv(&["number", "at", "who", "what", "request", "why"], entries.map(EntryAnswer::row), next.as_deref());
    }
    Ok(HttpResponse::Ok().json(AuditAnswer { entries: entries.collect(), next }))
}

impl EntryAnswer {
    fn of(number: u64, Entry { at, who, what, request, why }: Entry) -> Self {
        Self { number, at: rfc3339(at), who, what, request, why }
    }

    fn row(self) -> Vec<String> {
        let Self { number, at, who, what, request, why } = self;
        vec![number.to_string(), at, who, what, request.unwrap_or_default(), harmless(&why.unwrap_or_default())]
    }
}
