//! `POST /v1/backup`: everything that is stored, sealed, while it is fetched.

use actix_web::{HttpRequest, HttpResponse, web};

use super::Error;
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::stream;

/// A backup of everything that is stored, sealed under the master key: the state at the moment when the answer ends. It holds no key.
/// An answer that breaks off is of no use.
///
/// # Errors
/// `conflict` while another one is being made.
#[utoipa::path(post, path = "/v1/backup", tag = "operation",
    responses((status = 200, description = "The sealed file; `pforte restore` reads it.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 409, description = "Another backup is being made.", body = ProblemBody<'static>)),
    security(("secret_key" = ["operate"])))]
pub async fn backup(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let at = app.clock.now();
    let app = app.into_inner();
    let mut head = HttpResponse::Ok();
    head.content_type("application/octet-stream")
        .insert_header(("Content-Disposition", "attachment; filename=\"pforte.backup\""));
    stream::answer(head, move |pieces| app.backups.write(at, pieces), problem).await
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::Store(error) if error.is_snapshot_taken() => Problem::new(Code::Conflict).detail(error.to_string()),
        Error::Store(_) | Error::Vault(_) | Error::Flaw(_) | Error::Write(_) | Error::Io { .. } | Error::NotData => {
            tracing::error!(%error, "a backup could not be made");
            Problem::new(Code::Unavailable)
        }
    }
}
