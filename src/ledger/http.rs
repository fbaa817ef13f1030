//! The log for everybody: C2SP `tlog-tiles` below `/ledger/`, and proofs as JSON. Nothing here is about a person.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tlog_tiles::Hash;

use super::{Commitment, Error, Proof, Tile};
use crate::app::App;
use crate::auth;
use crate::error::{Code, Problem, ProblemBody};
use crate::limit::{self, Class};

type Fields = BTreeMap<String, String>;

/// How long what never changes may be kept by caches.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The newest signed head of the ledger (C2SP `tlog-checkpoint`).
#[utoipa::path(get, path = "/ledger/checkpoint", tag = "ledger",
    responses((status = 200, description = "A signed note: name, size, root, signature.", body = String, content_type = "text/plain")))]
pub async fn checkpoint(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    let head = app.ledger.head();
    std::future::ready(Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(head.note.clone()))).await
}

/// The newest head of the ledger that enough witnesses have cosigned (C2SP `tlog-cosignature`).
#[utoipa::path(get, path = "/ledger/witnessed", tag = "ledger",
    responses((status = 200, description = "A signed note with cosignatures.", body = String, content_type = "text/plain"),
        (status = 404, description = "No witness is asked, or not enough of them have answered yet.", body = ProblemBody<'static>)))]
pub async fn witnessed(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    let head = app.ledger.witnessed().ok_or_else(|| Problem::new(Code::NotFound))?;
    std::future::ready(Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(head.note.clone()))).await
}

/// The key that heads are checked with (verifier key of C2SP signed notes). Get it once, from somebody whom you trust.
#[utoipa::path(get, path = "/ledger/key", tag = "ledger",
    responses((status = 200, description = "`name+hash+key`.", body = String, content_type = "text/plain")))]
pub async fn key(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    std::future::ready(Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(format!("{}\n", app.ledger.key()))))
        .await
}

/// A tile of hashes or a bundle of entries (C2SP `tlog-tiles`).
#[utoipa::path(get, path = "/ledger/tile/{path}", tag = "ledger",
    params(("path" = String, Path, description = "`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`, such as `0/x001/234` or `entries/000.p/7`.")),
    responses((status = 200, description = "Concatenated hashes, or entries with their lengths.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "The signed tree has no such tile.", body = ProblemBody<'static>)))]
pub async fn tile(req: HttpRequest, app: web::Data<App>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    let tile = Tile::parse(&path).ok_or_else(|| Problem::new(Code::NotFound))?;
    let ledger = Arc::clone(&app.ledger);
    let found = web::block(move || ledger.tile(&tile)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let bytes = found.map_err(problem)?.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(HttpResponse::Ok().content_type(ContentType::octet_stream()).insert_header((CACHE_CONTROL, FOR_EVER)).body(bytes))
}

/// That a tree has a leaf.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inclusion {
    /// The leaf's place, from 0.
    index: u64,
    /// The tree's size.
    size: u64,
    /// The leaf's hash: SHA-256(0 ‖ commitment), base64.
    leaf: String,
    /// The tree's root, base64.
    root: String,
    /// The hashes from the leaf to the root (RFC 6962, 2.1.1), base64.
    proof: Vec<String>,
    /// The signed head, if the tree is the newest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// Proves that the ledger has a leaf.
#[utoipa::path(get, path = "/v1/ledger/proof", tag = "ledger",
    params(("index" = Option<u64>, Query, description = "The leaf's place, from 0."),
        ("commitment" = Option<String>, Query, description = "Instead of the place: what the leaf commits with, 64 hexadecimal digits."),
        ("size" = Option<u64>, Query, description = "The tree's size; without it that of the newest signed head.")),
    responses((status = 200, description = "The proof.", body = Inclusion),
        (status = 404, description = "No leaf has this commitment, or not yet.", body = ProblemBody<'static>),
        (status = 422, description = "The tree has no such leaf.", body = ProblemBody<'static>)))]
pub async fn proof(req: HttpRequest, app: web::Data<App>, query: web::Query<Fields>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    let (index, size) = (number(&query, "index")?, number(&query, "size")?);
    let commitment = query.get("commitment").cloned();
    let ledger = Arc::clone(&app.ledger);
    let answer = web::block(move || {
        let index = match (index, &commitment) {
            (Some(index), None) => index,
            (None, Some(text)) => {
                let wrong = || Problem::field(Code::InvalidField, "commitment").detail("must be 64 hexadecimal digits");
                let commitment = Commitment::parse(text).ok_or_else(wrong)?;
                ledger.find(&commitment).map_err(problem)?.ok_or_else(|| Problem::new(Code::NotFound))?
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::field(Code::MissingField, "index").detail("name index or commitment"));
            }
        };
        let (leaf, proof) = ledger.prove(index, size).map_err(problem)?;
        let head = ledger.head();
        let checkpoint = (head.size == proof.size).then(|| head.note.clone());
        Ok(Inclusion {
            index,
            size: proof.size,
            leaf: leaf.to_string(),
            root: proof.root.to_string(),
            proof: texts(&proof),
            checkpoint,
        })
    });
    Ok(HttpResponse::Ok().json(answer.await.map_err(|_gone| Problem::new(Code::Unavailable))??))
}

/// That a tree begins with an earlier one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// The earlier tree's size.
    from: u64,
    /// The earlier tree's root, base64.
    from_root: String,
    /// The later tree's size.
    to: u64,
    /// The later tree's root, base64.
    to_root: String,
    /// The hashes (RFC 6962, 2.1.2), base64.
    proof: Vec<String>,
}

/// Proves that the ledger has only grown between two sizes.
#[utoipa::path(get, path = "/v1/ledger/consistency", tag = "ledger",
    params(("from" = u64, Query, description = "The earlier size, at least 1."),
        ("to" = Option<u64>, Query, description = "The later size; without it that of the newest signed head.")),
    responses((status = 200, description = "The proof.", body = Growth),
        (status = 422, description = "There is no tree of this size.", body = ProblemBody<'static>)))]
pub async fn consistency(req: HttpRequest, app: web::Data<App>, query: web::Query<Fields>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    let from = number(&query, "from")?.ok_or_else(|| Problem::field(Code::MissingField, "from"))?;
    let to = number(&query, "to")?;
    let ledger = Arc::clone(&app.ledger);
    let proven = web::block(move || ledger.prove_growth(from, to)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let (from_root, proof) = proven.map_err(|error| {
        if matches!(error, Error::NoSize) {
            Problem::field(Code::InvalidField, "from").detail(error.to_string())
        } else {
            problem(error)
        }
    })?;
    Ok(HttpResponse::Ok().json(Growth {
        from,
        from_root: from_root.to_string(),
        to: proof.size,
        to_root: proof.root.to_string(),
        proof: texts(&proof),
    }))
}

/// A number in the query.
fn number(query: &Fields, name: &str) -> Result<Option<u64>, Problem> {
    let read = |text: &String| {
        text.parse().map_err(|_no_number| Problem::field(Code::InvalidField, name).detail("must be a number from 0 on"))
    };
    query.get(name).map(read).transpose()
}

fn texts(proof: &Proof) -> Vec<String> {
    proof.hashes.iter().map(Hash::to_string).collect()
}

fn guard(req: &HttpRequest, app: &App) -> Result<(), Problem> {
    auth::throttle(req, app, Class::Pages, limit::PAGES_PER_S)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn problem(error: Error) -> Problem {
    match error {
        Error::NoLeaf => Problem::field(Code::InvalidField, "index").detail(error.to_string()),
        Error::NoSize => Problem::field(Code::InvalidField, "size").detail(error.to_string()),
        Error::Store(_) | Error::Io(_) | Error::Tree(_) | Error::Forked { .. } | Error::Form | Error::Note => {
            tracing::error!(%error, "the ledger cannot be read");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}
