//! `GET /v1/consents/{receipt}/receipt`: the receipt of a decision, as a signed statement or as a page.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};

use super::is_secret;
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::site::receipt::{Form, answer};

/// The receipt of a decision. `receipt` is what `POST /v1/consents` answered. An unknown receipt and one of somebody who was erased get
/// the same answer.
#[utoipa::path(get, path = "/v1/consents/{receipt}/receipt", tag = "consent",
    params(("receipt" = String, Path, description = "The receipt's handle, `rcp_…`."),
        ("format" = Option<String>, Query, description = "`jwt` (a signed statement; the default) or `html` (a page for people)."),
        ("language" = Option<String>, Query, description = "Of the page: `de` or `en`.")),
    responses((status = 200, description = "JWS (EdDSA, `typ` `pforte-receipt+jwt`), or a page.", body = String, content_type = "application/jose"),
        (status = 401, description = "No or an unknown key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such receipt.", body = ProblemBody<'static>)),
    security(("write_key" = []), ("secret_key" = ["consents:read"])))]
pub async fn receipt(
    req: HttpRequest,
    app: web::Data<App>,
    handle: web::Path<String>,
    query: web::Query<BTreeMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    if is_secret(&req) {
        auth::secret(&req, &app, Scope::ConsentsRead).await?;
    } else {
        let source = auth::write_key(&req, None, &policy)?;
        auth::throttle_source(&req, &app, &policy, source)?;
    }
    let is_page = match query.get("format").map(String::as_str) {
        None | Some("jwt") => false,
        Some("html") => true,
        Some(_) => return Err(Problem::field(Code::InvalidField, "format").detail("must be `jwt` or `html`")),
    };
    let german = match query.get("language").unwrap_or(&policy.controller.language).as_str() {
        "de" => true,
        "en" => false,
        _ => return Err(Problem::field(Code::InvalidField, "language").detail("must be `de` or `en`")),
    };
    answer(&app, handle.into_inner(), if is_page { Form::Page { german } } else { Form::Signed }).await
}
