//! `/console`: pages for people of the company. They need no script, and are answered to nobody who is not signed in.

pub mod account;
pub mod acts;
pub mod audit;
pub mod consents;
mod corrections;
pub mod destinations;
pub mod entry;
pub mod filing;
pub mod ledger;
pub mod officers;
pub mod policy;
pub mod processing;
pub mod proof;
pub mod queue;
pub mod request;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use jiff::tz::TimeZone;

use self::queue::Choice;
use crate::app::App;
use crate::auth::{self, session as door};
use crate::clock::Millis;
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::officers::{Admin, Authority, Inspector, Officer, Reader};
use crate::policy::{IdentifierKind, IdentifierType, Policy};
use crate::session::{Kind, Session};
use crate::site::frame::{self, Frame, Tab};
use crate::texts::Words;

/// Where these pages begin.
const BASE: &str = "/console";
/// The most fields that a form has.
const FIELDS_MAX: usize = 40;

/// What a handler answers.
pub type Answer = Result<HttpResponse, Stop>;

/// Why a page is not shown, or something is not done.
#[derive(Debug)]
pub enum Stop {
    /// Nobody is signed in; afterwards they want to be here.
    SignIn(String),
    /// A page that says why.
    Page(StatusCode, String),
    /// What has no page.
    Problem(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SignIn(_) => f.write_str("not signed in"),
            Self::Page(status, _) => write!(f, "{status}"),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

impl ResponseError for Stop {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn(_) => StatusCode::SEE_OTHER,
            Self::Page(status, _) => *status,
            Self::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let answer = match self {
            Self::SignIn(next) => frame::lead_to(&format!("{BASE}/sign-in?next={next}"), &[]),
            Self::Page(status, page) => frame::answer(*status, Ok(page.clone())),
            Self::Problem(problem) => return problem.error_response(),
        };
        answer.unwrap_or_else(|problem| problem.error_response())
    }
}

/// Somebody who is signed in, and what their pages need.
pub(super) struct Seat {
    pub(super) officer: Officer,
    pub(super) session: Session,
    pub(super) words: Words,
    pub(super) policy: Arc<Policy>,
    pub(super) zone: TimeZone,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "console/message.html")]
struct Message {
    f: Frame,
    title: String,
    text: String,
}

/// The fields of a form, each once.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads a form, or a query.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::field(Code::InvalidField, "form").detail("the form cannot be read");
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text).map_err(|_unread| wrong())?.into_inner();
        if pairs.len() > FIELDS_MAX {
            return Err(wrong());
        }
        Ok(Self(pairs.into_iter().collect()))
    }

    /// What stands in a field, without the space around it; nothing if it is empty or not there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The same, with the space around it: passwords.
    pub(super) fn whole(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl Seat {
    /// Whoever sends this, if they are signed in and their account still is what it was then.
    pub(super) async fn take(req: &HttpRequest, app: &App) -> Result<Self, Stop> {
        auth::throttle(req, app, Class::Pages, limit::PAGES_PER_S)?;
        let policy = app.policy.current();
        let away = || Stop::SignIn(if req.method().is_safe() { entry::wanted(req) } else { String::new() });
        let session = door::signed_in(req, app, Kind::Officer).await?.ok_or_else(away)?;
        let Some(officer) = entry::officer_of(app, &session) else {
            app.sessions.end(session.id).await.map_err(|error| door::problem(&error))?;
            return Err(away());
        };
        let words = frame::words(req, session.language.as_deref(), &policy);
        let zone = policy.controller.zone();
        Ok(Self { officer, session, words, policy, zone })
    }

    /// The same for a form, with what it says.
    pub(super) async fn take_form(req: &HttpRequest, app: &App, body: &[u8]) -> Result<(Self, Fields), Stop> {
        let seat = Self::take(req, app).await?;
        let text = std::str::from_utf8(body).map_err(|_unread| Problem::field(Code::InvalidField, "form"))?;
        let fields = Fields::read(text)?;
        door::is_our_form(req, app, &seat.session, fields.text(door::CSRF_FIELD))?;
        Ok((seat, fields))
    }

    /// The officer's authority.
    pub(super) fn authority<A: Authority>(&self) -> Result<A, Stop> {
        A::of(&self.officer).ok_or_else(|| self.stop(StatusCode::FORBIDDEN, self.words.say("console-stop-role")))
    }

    /// A page that says why not.
    pub(super) fn stop(&self, status: StatusCode, text: String) -> Stop {
        let page = Message { f: self.frame(""), title: self.words.say("console-stop"), text };
        page.render().map_or_else(|_broken| Stop::Problem(Problem::new(Code::Internal)), |page| Stop::Page(status, page))
    }

    /// There is nothing, or nothing that this officer may know of.
    pub(super) fn nothing(&self) -> Stop {
        self.stop(StatusCode::NOT_FOUND, self.words.say("console-stop-nothing"))
    }

    /// What stands around a page of this officer.
    pub(super) fn frame(&self, here: &str) -> Frame {
        let (reads, inspects) = (self.officer.may::<Reader>(), self.officer.may::<Inspector>());
        let tabs = [
            ("requests", reads),
            ("proof", inspects),
            ("consents", true),
            ("policy", true),
            ("processing", true),
            ("destinations", true),
            ("ledger", true),
            ("audit", inspects),
            ("officers", self.officer.may::<Admin>()),
            ("account", true),
        ];
        let tab = |(name, _): (&str, bool)| Tab {
            path: format!("{BASE}/{name}"),
            text: self.by_text_key("console-tab-", name),
            is_here: name == here,
        };
        let tabs = tabs.into_iter().filter(|(_, shown)| *shown).map(tab).collect();
        let csrf = Some(self.session.csrf.clone());
        Frame { tabs, csrf, ..Frame::new(self.words, &self.policy, BASE) }
    }

    /// A moment as people write it, where the company is.
    pub(super) fn moment(&self, at: Millis) -> String {
        self.words.moment(at, &self.zone)
    }

    /// What people call a type of identifier, with its ID.
    pub(super) fn identifier(&self, id: &str) -> String {
        let Some((_, of)) = self.policy.identifier(id) else { return id.to_owned() };
        let kind = match of.kind {
            IdentifierKind::Email => "email",
            IdentifierKind::Phone => "phone",
            IdentifierKind::UserId => "user_id",
            IdentifierKind::LoyaltyCard => "loyalty_card",
            IdentifierKind::Device => "device",
            IdentifierKind::Custom => "custom",
        };
        let kind = self.by_text_key("console-identifier-", kind);
        self.words.all("console-identified-by", [("kind", kind.into()), ("id", id.to_owned().into())])
    }

    /// All types of identifiers to choose from.
    fn identifier_choices(&self, chosen: Option<&str>) -> Vec<Choice> {
        let choice = |of: &IdentifierType| Choice { chosen: chosen == Some(&of.id), ..self.identifier_choice(&of.id) };
        self.policy.identifiers.iter().map(choice).collect()
    }

    /// One of them.
    fn identifier_choice(&self, id: &str) -> Choice {
        Choice { value: id.to_owned(), text: self.identifier(id), chosen: false }
    }

    /// What is called by a name that is not known before.
    pub(super) fn by_text_key(&self, prefix: &str, name: &str) -> String {
        self.words.say(text_key(prefix, name))
    }
}

/// The key of a text of a family; names of the API have underscores, keys have none.
fn text_key(family: &str, name: &str) -> String {
    crate::texts::text_key(family, &name.replace('_', "-"))
}

/// A page.
pub(super) fn page(page: &impl Template) -> Answer {
    Ok(frame::answer(StatusCode::OK, page.render())?)
}

/// Reads beside the runtime: it waits for the disk.
pub(super) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stop> {
    Ok(web::block(work).await.map_err(|_gone| Problem::new(Code::Unavailable))?)
}

/// A failure of ours: the log says what, the answer does not.
pub(super) fn broken(error: &dyn std::fmt::Display) -> Stop {
    tracing::error!(%error, "a page of the console could not be made");
    Stop::Problem(Problem::new(Code::Unavailable).retry_after(5))
}

/// A table to be kept.
pub(super) fn file(mut answer: HttpResponse, name: &str) -> HttpResponse {
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(value) = header::HeaderValue::from_str(&disposition) {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    answer
}
