//! `/v1/requests/{id}/package`: made while it is fetched, handed over in pieces.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::super::{Format, RequestId};
use super::body::language as language_of;
use super::problem;
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::stream;

/// What `GET /v1/requests/{id}/package` takes.
#[derive(Debug, Deserialize)]
pub struct Fetch {
    pub(super) format: Option<String>,
    language: Option<String>,
}

/// What is stored about the person, made while it is fetched; for 30 days after an access or a portability was approved.
///
/// # Errors
/// `not_found` when there is none, `invalid_field` for a form or language that there is not.
#[utoipa::path(get, path = "/v1/requests/{id}/package", tag = "rights", security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID."),
        ("format" = Option<String>, Query, description = "`json` (usual), `csv` (the events as a table) or `html` (a page for people)."),
        ("language" = Option<String>, Query, description = "`de` or `en`; the policy's language if it is left out.")),
    responses((status = 200, description = "The package.", body = String),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is none, not yet, or not any more.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn package(
    req: HttpRequest,
    app: web::Data<App>,
    id: web::Path<String>,
    fetch: web::Query<Fetch>,
) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Rights).await?;
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let Fetch { format, language } = fetch.into_inner();
    let wrong = || Problem::field(Code::InvalidField, "format").detail("must be `json`, `csv` or `html`");
    let format = format.as_deref().map_or(Some(Format::Json), Format::parse).ok_or_else(wrong)?;
    let language = language.unwrap_or_else(|| app.policy.current().controller.language.clone());
    language_of(&language)?;
    app.rights.package_is_there(id).map_err(|error| problem(&error))?;
    app.rights.note_look(id, &caller.key_id, "package", None).await.map_err(|error| problem(&error))?;
    hand_over(app.into_inner(), id, format, language).await
}

/// Hands a package over in pieces, as it is made.
pub(super) async fn hand_over(app: Arc<App>, id: RequestId, format: Format, language: String) -> Result<HttpResponse, Problem> {
    let mut head = HttpResponse::Ok();
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    head.content_type(format.content_type()).insert_header(("Content-Disposition", disposition));
    stream::answer(head, move |pieces| app.rights.package(id, format, &language, pieces), problem).await
}
