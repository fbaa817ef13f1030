//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::super::Error;
use super::{BASE, Fields, Message, Visit, problem};
use crate::app::App;
use crate::auth::{self, session};
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::session::{DeadTicket, Error as SessionError, Kind};
use crate::site::frame::{self, Frame};
use crate::texts::{Language, Words, text_key};

#[derive(Template)]
#[template(path = "portal/sign-in.html")]
struct Page {
    f: Frame,
    /// What is wrong with what was typed in.
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "portal/enter.html")]
struct Enter {
    f: Frame,
}

/// `GET /portal/sign-in`.
pub(super) async fn page(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    if session::signed_in(&req, &app, Kind::Customer).await?.is_some() {
        return frame::lead_to(BASE, &[]);
    }
    let f = bare(&req, &app);
    frame::answer(StatusCode::OK, Page { f, error: None }.render())
}

/// `POST /portal/sign-in`: sends a link. The answer is the same for everybody.
pub(super) async fn send(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    auth::throttle(&req, &app, Class::SignIn, limit::SIGN_INS_PER_S)?;
    session::from_our_page(&req, &app)?;
    let fields = Fields::read(&body)?;
    let f = bare(&req, &app);
    let words = f.words;
    match app.portal.send_link(fields.filled("email").unwrap_or_default(), words).await {
        Ok(()) => {}
        Err(Error::NoAddress) => {
            let error = Some(words.say("sign-in-no-address"));
            return frame::answer(StatusCode::UNPROCESSABLE_ENTITY, Page { f, error }.render());
        }
        Err(error) => return Err(problem(&error)),
    }
    let paragraphs = vec![words.say("sign-in-sent-text"), words.say("sign-in-sent-nothing")];
    Message { f, title: words.say("sign-in-sent-title"), paragraphs, next: None }.answer(StatusCode::OK)
}

/// `GET /portal/enter/{token}`: the page behind a link. Looking signs nobody in: programs that check mails look, too.
pub(super) async fn look(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    if let Err(error) = app.portal.look_at_link(&token) {
        return dead_end(&req, &app, &error);
    }
    let f = bare(&req, &app);
    std::future::ready(frame::answer(StatusCode::OK, Enter { f }.render())).await
}

/// `POST /portal/enter/{token}`: the button on that page.
pub(super) async fn enter(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    session::from_our_page(&req, &app)?;
    let words = bare(&req, &app).words;
    let brought = session::token(&req, &app, Kind::Customer);
    match app.portal.enter(&token, words, brought.as_deref()).await {
        Ok(token) => frame::lead_to(BASE, &[session::cookie(&app, Kind::Customer, token)]),
        Err(error) => dead_end(&req, &app, &error),
    }
}

/// `POST /portal/token`: a website hands over who is signed in there, by a form of its page.
pub(super) async fn token(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    auth::throttle(&req, &app, Class::SignIn, limit::SIGN_INS_PER_S)?;
    // From a page of a source that may, or of ours; who names no origin is no browser, and signs nobody in.
    let origin = req.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let may = origin.is_some_and(|origin| app.portal.may_hand_over(origin, auth::origin_allowed));
    if !may {
        session::from_our_page(&req, &app)?;
    }
    let fields = Fields::read(&body)?;
    let audience = format!("{}{BASE}", app.mails.public_url());
    let brought = session::token(&req, &app, Kind::Customer);
    let policy = app.policy.current();
    let words = |chosen: Option<&str>| frame::words(&req, chosen, &policy);
    let statement = fields.get("token").unwrap_or_default();
    match app.portal.enter_by(statement, &audience, words, brought.as_deref()).await {
        Ok(token) => frame::lead_to(BASE, &[session::cookie(&app, Kind::Customer, token)]),
        Err(error) => dead_end(&req, &app, &error),
    }
}

/// `POST /portal/language`.
pub(super) async fn language(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let (visit, fields) = match Visit::by_form(&req, &app, &body).await? {
        Ok(found) => found,
        Err(away) => return Ok(away),
    };
    let wrong = || Problem::field(Code::InvalidField, "language");
    let language = fields.get("language").and_then(Language::parse).ok_or_else(wrong)?;
    app.sessions.speak(visit.session.id, language.code()).await.map_err(|error| session::problem(&error))?;
    frame::lead_to(&came_from(&req), &[])
}

/// `POST /portal/sign-out`.
pub(super) async fn sign_out(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let visit = match Visit::by_form(&req, &app, &body).await? {
        Ok((visit, _)) => visit,
        Err(away) => return Ok(away),
    };
    app.sessions.end(visit.session.id).await.map_err(|error| session::problem(&error))?;
    signed_out(&app)
}

/// `POST /portal/sign-out-everywhere`.
pub(super) async fn sign_out_everywhere(
    req: HttpRequest,
    app: web::Data<App>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let visit = match Visit::by_form(&req, &app, &body).await? {
        Ok((visit, _)) => visit,
        Err(away) => return Ok(away),
    };
    let failed = |error: SessionError| session::problem(&error);
    if let Some(holder) = visit.session.holder {
        app.sessions.end_all(Kind::Customer, holder, None).await.map_err(failed)?;
    }
    app.sessions.end(visit.session.id).await.map_err(failed)?;
    signed_out(&app)
}

fn signed_out(app: &App) -> Result<HttpResponse, Problem> {
    frame::lead_to("/portal/sign-in", &[session::no_cookie(app, Kind::Customer)])
}

fn guard(req: &HttpRequest, app: &App) -> Result<(), Problem> {
    auth::throttle(req, app, Class::People, limit::PEOPLE_PER_S)
}

/// The frame of a page that nobody is signed in on.
fn bare(req: &HttpRequest, app: &App) -> Frame {
    let policy = app.policy.current();
    Frame::new(frame::words(req, None, &policy), &policy, BASE)
}

/// The page of ours that a form was on; where that is not known, the first.
fn came_from(req: &HttpRequest) -> String {
    let referer = req.headers().get(header::REFERER).and_then(|referer| referer.to_str().ok());
    let path = referer.and_then(|referer| referer.parse::<actix_web::http::Uri>().ok()).map(|uri| uri.path().to_owned());
    // Only a path that begins like ours is repeated, and never a host.
    path.filter(|path| is_page(path)).unwrap_or_else(|| BASE.to_owned())
}

/// Whether this is the path of a page of ours that can be looked at again.
fn is_page(path: &str) -> bool {
    let rest = path.strip_prefix(BASE);
    rest.is_some_and(|rest| matches!(rest, "" | "/data" | "/requests" | "/history") || is_form(rest))
}

fn is_form(rest: &str) -> bool {
    rest.strip_prefix("/requests/new/").is_some_and(|kind| crate::rights::Kind::parse(kind).is_some())
}

/// Why a link or a statement signs nobody in.
fn dead_end(req: &HttpRequest, app: &App, error: &Error) -> Result<HttpResponse, Problem> {
    let dead = if let Error::Session(SessionError::Ticket(dead)) = error { Some(*dead) } else { None };
    let (status, family) = match (dead, matches!(error, Error::Statement)) {
        (Some(DeadTicket::Unknown), _) => (StatusCode::NOT_FOUND, "unknown"),
        (Some(DeadTicket::Used), _) => (StatusCode::GONE, "used"),
        (Some(DeadTicket::Expired), _) => (StatusCode::GONE, "expired"),
        (None, true) => (StatusCode::FORBIDDEN, "statement"),
        (None, false) => return Err(problem(error)),
    };
    let f = bare(req, app);
    let words: Words = f.words;
    let title = words.say(text_key("sign-in-dead-title-", family));
    let paragraphs = vec![words.say(text_key("sign-in-dead-text-", family))];
    let next = Some((String::from("/portal/sign-in"), words.say("sign-in-again")));
    Message { f, title, paragraphs, next }.answer(status)
}
