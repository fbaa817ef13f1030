//! `/portal`: the pages. They work without a script, are found by no search engine, are kept by no cache, and stand in no frame.
//!
//! Whoever is not signed in is led to the page where they can. Every form carries what only the pages of its session know, and what was
//! done leads to a page that can be loaded again without doing it again.

mod data;
mod history;
mod home;
mod preferences;
mod requests;
mod secret;
mod sign_in;
mod statement;

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{ServiceConfig, get, post, scope};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::tz::TimeZone;

use super::{Error, Person};
use crate::app::App;
use crate::auth::{self, session};
use crate::clock::Millis;
use crate::consent::{self, Recorded, Signal};
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::policy::Policy;
use crate::rights;
use crate::session::{DeadTicket, Kind, Session};
use crate::site::frame::{self, Frame, Tab};
use crate::texts::{Words, text_key};

pub use secret::{__path_sign_in_secret, SignInSecretAnswer, sign_in_secret};

/// Where the pages are.
const BASE: &str = "/portal";
/// The most fields of one form: every preference of a policy, with every option of each, would fit.
const FIELDS_MAX: usize = 2_200;

/// Adds the pages.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        scope(BASE)
            .wrap(from_fn(in_pages))
            .route("", get().to(home::home))
            .route("/decisions", post().to(home::decide))
            .route("/history", get().to(history::history))
            .route("/receipts/{receipt}", get().to(history::receipt))
            .route("/preferences", get().to(preferences::page))
            .route("/preferences", post().to(preferences::save))
            .route("/preferences/forget", post().to(preferences::forget))
            .route("/data", get().to(data::data))
            .route("/devices/{name}/unlink", post().to(data::unlink))
            .route("/sign-ins/{id}/end", post().to(data::end))
            .route("/requests", get().to(requests::list))
            .route("/requests/new/{kind}", get().to(requests::form))
            .route("/requests/new/{kind}", post().to(requests::file))
            .route("/requests/{id}/cancel", post().to(requests::cancel))
            .route("/requests/{id}/lift", post().to(requests::lift))
            .route("/requests/{id}/package", get().to(requests::package))
            .route("/sign-in", get().to(sign_in::page))
            .route("/sign-in", post().to(sign_in::send))
            .route("/enter/{token}", get().to(sign_in::look))
            .route("/enter/{token}", post().to(sign_in::enter))
            .route("/token", post().to(sign_in::token))
            .route("/language", post().to(sign_in::language))
            .route("/sign-out", post().to(sign_in::sign_out))
            .route("/sign-out-everywhere", post().to(sign_in::sign_out_everywhere)),
    );
}

/// Somebody who is signed in looks at a page.
struct Visit {
    app: web::Data<App>,
    policy: Arc<Policy>,
    session: Session,
    person: Person,
    words: Words,
    /// The signal that their browser sends, if the policy heeds it.
    signal: Option<Signal>,
    /// What it ended with this very look.
    ended: Option<Recorded>,
    /// The time of this look.
    at: Millis,
    zone: TimeZone,
}

/// The fields of a form.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

/// Somebody, or where whoever it is has to go first.
type Entry<T> = Result<T, HttpResponse>;

impl Visit {
    /// Who looks.
    async fn begin(req: &HttpRequest, app: &web::Data<App>) -> Result<Entry<Self>, Problem> {
        auth::throttle(req, app, Class::People, limit::PEOPLE_PER_S)?;
        let found = session::signed_in(req, app, Kind::Customer).await?;
        let Some(session) = found else { return Ok(Err(to_sign_in(req, app)?)) };
        let person = app.portal.person(&session).await.map_err(|error| problem(&error))?;
        let Some(person) = person else { return Ok(Err(to_sign_in(req, app)?)) };
        let policy = app.policy.current();
        let words = frame::words(req, session.language.as_deref(), &policy);
        let (at, zone) = (app.clock.now(), zone(&policy));
        let signal =
            consent::signal::heard(&policy, req.headers().get_all(consent::signal::SEC_GPC).map(|value| value.as_bytes()));
        let mut visit = Self { app: app.clone(), policy, session, person, words, signal, ended: None, at, zone };
        visit.heed().await?;
        Ok(Ok(visit))
    }

    /// What the browser refuses by its signal ends before anything is shown.
    async fn heed(&mut self) -> Result<(), Problem> {
        let Some(signal) = self.signal else { return Ok(()) };
        let (app, person, at) = (self.app.clone(), self.person.clone(), self.at);
        self.ended = to_its_end(async move { app.portal.heed(&person, signal, at).await }).await?;
        Ok(())
    }

    /// Who sends a form, and what is in it. The form is of a page of this very session.
    async fn by_form(req: &HttpRequest, app: &web::Data<App>, body: &[u8]) -> Result<Entry<(Self, Fields)>, Problem> {
        session::from_our_page(req, app)?;
        let visit = match Self::begin(req, app).await? {
            Ok(visit) => visit,
            Err(away) => return Ok(Err(away)),
        };
        let fields = Fields::read(body)?;
        session::is_our_form(req, app, &visit.session, fields.get(session::CSRF_FIELD))?;
        Ok(Ok((visit, fields)))
    }

    /// What stands around a page.
    fn frame(&self, here: &str) -> Frame {
        let tab = |name: &str, path: &str| Tab {
            path: [BASE, path].concat(),
            text: self.words.say(text_key("portal-tab-", name)),
            is_here: name == here,
        };
        let mut tabs = vec![("home", ""), ("data", "/data"), ("requests", "/requests"), ("history", "/history")];
        if !self.policy.preferences.is_empty() || !self.policy.channels.is_empty() {
            tabs.insert(1, ("preferences", "/preferences"));
        }
        Frame {
            tabs: tabs.into_iter().map(|(name, path)| tab(name, path)).collect(),
            csrf: Some(self.session.csrf.clone()),
            ..Frame::new(self.words, &self.policy, BASE)
        }
    }

    fn day(&self, at: Millis) -> String {
        let timestamp = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.words.day(self.zone.to_datetime(timestamp).date())
    }

    fn moment(&self, at: Millis) -> String {
        self.words.moment(at, &self.zone)
    }

    /// A text of the policy in the page's language.
    fn policy_text<'a>(&self, texts: &'a crate::policy::Texts) -> &'a str {
        texts.get(self.words.0.code()).or_else(|| texts.values().next()).map_or("", String::as_str)
    }

    /// What a purpose is called.
    fn purpose<'a>(&'a self, id: &'a str) -> &'a str {
        let purpose = self.policy.purpose(id).and_then(|index| self.policy.purposes.get(index));
        purpose.map(|purpose| self.policy_text(&purpose.title)).filter(|title| !title.is_empty()).unwrap_or(id)
    }
}

impl Fields {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let wrong = || Problem::field(Code::InvalidField, "body").detail("the form cannot be read");
        let text = std::str::from_utf8(body).map_err(|_not_utf8| wrong())?;
        let fields = web::Query::<Vec<(String, String)>>::from_query(text).map_err(|_not_a_form| wrong())?.into_inner();
        if fields.len() > FIELDS_MAX { Err(wrong()) } else { Ok(Self(fields)) }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field that was filled in.
    fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    fn every(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }
}

/// One field of the address, if it is there.
fn query(req: &HttpRequest, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(req.query_string()).ok()?.into_inner();
    pairs.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn zone(policy: &Policy) -> TimeZone {
    TimeZone::get(&policy.controller.time_zone).unwrap_or(TimeZone::UTC)
}

/// Leads to the page where one signs in, and takes away what signs in nobody any more.
fn to_sign_in(req: &HttpRequest, app: &App) -> Result<HttpResponse, Problem> {
    let stale = session::token(req, app, Kind::Customer).map(|_stale| session::no_cookie(app, Kind::Customer));
    frame::lead_to("/portal/sign-in", stale.as_slice())
}

/// A page that says something, and nothing more.
#[derive(Template)]
#[template(path = "portal/message.html")]
struct Message {
    f: Frame,
    title: String,
    paragraphs: Vec<String>,
    /// Where it goes on: address and words.
    next: Option<(String, String)>,
}

impl Message {
    fn answer(self, status: StatusCode) -> Result<HttpResponse, Problem> {
        frame::answer(status, self.render())
    }
}

/// Says refusals as pages: people read them.
async fn in_pages(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let answer = next.call(req).await?;
    let refused = answer.response().error().and_then(|error| error.as_error::<Problem>());
    let Some((code, wait)) = refused.map(|problem| (problem.code, problem.retry_after_s)) else {
        return Ok(answer.map_into_left_body());
    };
    let app = answer.request().app_data::<web::Data<App>>().cloned();
    let page = app.and_then(|app| refusal(answer.request(), &app, code, wait).ok());
    Ok(match page {
        Some(page) => answer.into_response(page).map_into_right_body(),
        None => answer.map_into_left_body(),
    })
}

fn refusal(req: &HttpRequest, app: &App, code: Code, wait: Option<u32>) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let words = frame::words(req, None, &policy);
    let family = match code.status() {
        _ if code == Code::OriginNotAllowed => "form",
        404 | 405 => "gone",
        429 => "busy",
        413 | 422 => "input",
        _ => "failed",
    };
    let message = Message {
        f: Frame::new(words, &policy, BASE),
        title: words.say(text_key("portal-refused-title-", family)),
        paragraphs: vec![words.say(text_key("portal-refused-text-", family))],
        next: Some((BASE.to_owned(), words.say("portal-refused-next"))),
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut page = message.answer(status)?;
    if let Some(seconds) = wait {
        page.headers_mut().insert(actix_web::http::header::RETRY_AFTER, seconds.into());
    }
    Ok(page)
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::NoAddress => Problem::field(Code::InvalidField, "email"),
        Error::NoPurpose | Error::Consent(consent::Error::NotAsked { .. }) => Problem::field(Code::InvalidField, "purpose"),
        Error::TooMany | Error::Rights(rights::Error::TooMany) => Problem::new(Code::TooManyRequests).retry_after(600),
        Error::Statement => Problem::new(Code::NotAllowed),
        Error::Session(crate::session::Error::Ticket(DeadTicket::Used | DeadTicket::Expired | DeadTicket::Unknown))
        | Error::Rights(rights::Error::NotFound | rights::Error::NoPackage) => Problem::new(Code::NotFound),
        Error::Session(error) => session::problem(error),
        Error::Preferences(crate::preferences::Error::Changed) => Problem::new(Code::PreconditionFailed),
        Error::Preferences(crate::preferences::Error::Value { .. }) => Problem::field(Code::InvalidField, "value"),
        Error::Part => Problem::new(Code::NotAllowed),
        Error::Rights(rights::Error::State(_)) => Problem::new(Code::Conflict),
        Error::Rights(
            rights::Error::Corrections(_) | rights::Error::Traits(_) | rights::Error::Purposes | rights::Error::Identifier { .. },
        ) => Problem::field(Code::InvalidField, "value"),
        Error::Words
        | Error::Consent(_)
        | Error::Preferences(_)
        | Error::Rights(_)
        | Error::Identity(_)
        | Error::Mail(_)
        | Error::Store(_)
        | Error::Vault(_)
        | Error::Chance(_)
        | Error::Form(_) => {
            tracing::error!(%error, "the portal could not do what was asked for");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}

/// Does something that reads the store beside the threads that answer.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Problem> {
    let done = web::block(work).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    done.map_err(|error| problem(&error))
}

/// Does something to its end, even if whoever asked for it leaves.
async fn to_its_end<T: 'static>(work: impl Future<Output = Result<T, Error>> + 'static) -> Result<T, Problem> {
    let done = actix_web::rt::spawn(work).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    done.map_err(|error| problem(&error))
}
