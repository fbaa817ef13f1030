//! `/v1/retention`: what is stored how long, and what is kept because a law says so.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::Error;
pub use super::overview::{Held, Overview, Record, Records, RunAnswer};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};

/// What `GET /v1/retention/{duty}` takes.
#[derive(Debug, Deserialize)]
pub struct Wish {
    after: Option<String>,
}

/// What is stored how long, and what goes when. It looks through everybody: seconds with a million people.
#[utoipa::path(get, path = "/v1/retention", tag = "rights", security(("secret_key" = ["rights"])),
    responses((status = 200, description = "Figures; nobody is named.", body = Overview),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>)))]
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let at = app.clock.now();
    let app = app.into_inner();
    let found = web::block(move || app.retention.overview(at)).await;
    let overview = found.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(overview))
}

/// What is kept for one duty, a hundred people a page, to show it to the authority that the law names. For nothing else: whoever fetches
/// it is noted in the log.
#[utoipa::path(get, path = "/v1/retention/{duty}", tag = "rights", security(("secret_key" = ["rights"])),
    params(("duty" = String, Path, description = "The duty's ID in the policy."),
        ("after" = Option<String>, Query, description = "Where it goes on: `next` of the page before.")),
    responses((status = 200, description = "Records.", body = Records),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 404, description = "Nothing is kept for such a duty.", body = ProblemBody<'static>)))]
pub async fn records(
    req: HttpRequest,
    app: web::Data<App>,
    duty: web::Path<String>,
    wish: web::Query<Wish>,
) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Rights).await?;
    let app = app.into_inner();
    let (duty, after) = (duty.into_inner(), wish.into_inner().after);
    let found = web::block(move || app.retention.records(&duty, after.as_deref())).await;
    let found = found.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    let records = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    tracing::info!(key = caller.key_id, "what is kept for a duty was fetched");
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(records))
}

fn problem(error: &Error) -> Problem {
    tracing::error!(%error, "what is stored cannot be looked through");
    Problem::new(Code::Unavailable)
}
