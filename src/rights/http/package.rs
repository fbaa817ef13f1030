//! `/v1/requests/{id}/package`: made while it is fetched, handed over in pieces.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::super::{Error, Format, RequestId};
use super::problem;
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};

/// What `GET /v1/requests/{id}/package` takes.
#[derive(Debug, Deserialize)]
pub struct Fetch {
    format: Option<String>,
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
    if !matches!(language.as_str(), "de" | "en") {
        return Err(Problem::field(Code::InvalidField, "language").detail("must be `de` or `en`"));
    }
    app.rights.package_is_there(id).map_err(|error| problem(&error))?;
    app.rights.note_look(id, &caller.key_id, "package", None).await.map_err(|error| problem(&error))?;
    let (sender, receiver) = tokio::sync::mpsc::channel(PIECES_WAITING_MAX);
    let app = app.into_inner();
    let writing = web::block(move || {
        let mut pieces = Pieces { waiting: Vec::new(), begun: false, sender };
        let done = app.rights.package(id, format, &language, &mut pieces).and_then(|()| Ok(std::io::Write::flush(&mut pieces)?));
        if let (Err(error), true) = (&done, pieces.begun) {
            tracing::error!(%error, "a package broke off");
            // Whoever fetches it must see that it is not whole.
            drop(pieces.sender.blocking_send(Err(std::io::Error::other("broken off"))));
        }
        done
    });
    first_piece(format, writing, receiver).await
}

/// Waits for the first piece, so that what cannot be made at all is answered with a problem; the others follow as they are made.
async fn first_piece(
    format: Format,
    writing: impl Future<Output = Result<Result<(), Error>, actix_web::error::BlockingError>> + 'static,
    mut receiver: tokio::sync::mpsc::Receiver<std::io::Result<web::Bytes>>,
) -> Result<HttpResponse, Problem> {
    let writing = actix_web::rt::spawn(writing);
    let Some(first) = receiver.recv().await else {
        let done = writing.await.ok().and_then(Result::ok);
        return Err(done.and_then(Result::err).map_or_else(|| Problem::new(Code::Unavailable), |error| problem(&error)));
    };
    let rest = futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let pieces = futures_util::StreamExt::chain(futures_util::stream::iter([first]), rest);
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header(("Content-Disposition", disposition))
        .insert_header(("Cache-Control", "no-store"))
        .streaming(Box::pin(pieces)))
}

/// How large a piece of a package is, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces wait for a slow line; then the making of the package waits, too.
const PIECES_WAITING_MAX: usize = 4;

/// Hands what is written on in pieces.
struct Pieces {
    waiting: Vec<u8>,
    /// Whether a piece is on its way already.
    begun: bool,
    sender: tokio::sync::mpsc::Sender<std::io::Result<web::Bytes>>,
}

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.begun = true;
        let piece = std::mem::take(&mut self.waiting);
        let sent = self.sender.blocking_send(Ok(web::Bytes::from(piece)));
        sent.map_err(|_gone| std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    }
}
