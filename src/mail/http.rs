//! `/mail`: the mails that lie in the folder because there is no mail server, for whoever runs the gateway.
//!
//! Links in mails are as good as the person's word, so being on this machine is not enough: pages of other sites can reach a local port
//! (DNS rebinding), and a proxy on the same machine makes everybody look local. It asks for the operator's token, as a browser does by
//! itself: any user name, and the token as password.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use mail_parser::MessageParser;

use crate::app::App;
use crate::auth;
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::site::page;

#[derive(Template)]
#[template(path = "mails.html")]
struct List {
    mails: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct One {
    subject: String,
    to: String,
    files: Vec<String>,
    /// Each line, and whether it is a link of ours.
    lines: Vec<(String, bool)>,
}

/// Lists the mails, newest first.
pub async fn list(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if let Some(refusal) = guard(&req, &app)? {
        return Ok(refusal);
    }
    let found = web::block(move || app.mails.files()).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let mails = found.map_err(|error| broken(&error))?;
    page::answer(List { mails }.render())
}

/// Shows one.
pub async fn show(req: HttpRequest, app: web::Data<App>, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    if let Some(refusal) = guard(&req, &app)? {
        return Ok(refusal);
    }
    let shared = app.clone();
    let found = web::block(move || shared.mails.file(&name)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let bytes = found.map_err(|error| broken(&error))?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mail = MessageParser::default().parse(&bytes).ok_or_else(|| Problem::new(Code::Internal))?;
    let ours = app.mails.public_url();
    let text = mail.body_text(0).unwrap_or_default();
    let one = One {
        subject: mail.subject().unwrap_or_default().to_owned(),
        to: mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default().to_owned(),
        files: mail.attachments().filter_map(|file| mail_parser::MimeHeaders::attachment_name(file)).map(str::to_owned).collect(),
        lines: text.lines().map(|line| (line.to_owned(), line.starts_with(ours) && !line.contains(' '))).collect(),
    };
    page::answer(one.render())
}

/// Whoever may not see mails gets a refusal; where there is a mail server, there is nothing here.
fn guard(req: &HttpRequest, app: &App) -> Result<Option<HttpResponse>, Problem> {
    auth::throttle(req, app, Class::Pages, limit::PAGES_PER_S)?;
    if !app.mails.are_written() {
        return Err(Problem::new(Code::NotFound));
    }
    if auth::is_operator(req, app) {
        return Ok(None);
    }
    let mut refusal = actix_web::ResponseError::error_response(&Problem::new(Code::SecretKeyMissing));
    let ask = header::HeaderValue::from_static("Basic realm=\"Pforte: the token in data/operator.json is the password\"");
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    Ok(Some(refusal))
}

fn broken(error: &super::Error) -> Problem {
    tracing::error!(%error, "mails cannot be shown");
    Problem::new(Code::Unavailable)
}
