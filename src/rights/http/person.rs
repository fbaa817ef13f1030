//! What people do themselves: `POST /v1/requests` with a source's write key, and the pages behind the links in mails.
//!
//! The pages need no script, load nothing, are found by no search engine and say nothing about anybody to whoever guesses. Looking at one
//! changes nothing: programs that check mails follow every link. A button does.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Serialize;

use super::super::mails::day;
use super::super::{Ask, DeadEnd, Error, Format, Kind, Purpose, Request, State, Visit, Wrong};
use super::body::{Filed, named};
use super::package::{Fetch, hand_over};
use super::problem;
use crate::app::App;
use crate::auth;
use crate::clock::Millis;
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::policy::Policy;
use crate::site::page;

/// A request that was taken from a person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AskedAnswer {
    /// What happens next: `confirm_by_mail`. The stated address gets a mail with a link, unless it has got three of them within a day.
    #[schema(example = "confirm_by_mail")]
    next: &'static str,
}

/// A page for people.
#[derive(Template)]
#[template(path = "person.html")]
struct Page<'a> {
    german: bool,
    title: &'a str,
    paragraphs: Vec<String>,
    facts: Vec<(&'static str, String)>,
    button: Option<&'static str>,
    /// Whether the button does what the page is for.
    is_main: bool,
    downloads: Vec<(&'static str, &'static str)>,
    /// The link's own part of the address, for the downloads below it.
    token: &'a str,
    policy: &'a Policy,
}

/// Takes a person's own request. The answer is the same for everybody.
pub(super) async fn ask(req: &HttpRequest, app: &App, body: &[u8]) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let source = auth::write_key(req, None, &policy)?;
    auth::throttle_source(req, app, &policy, source)?;
    auth::throttle(req, app, Class::People, limit::PEOPLE_PER_S)?;
    let source = policy.sources.get(source).filter(|source| source.takes_requests);
    let source = source.ok_or_else(|| Problem::new(Code::NotAllowed).detail("this source takes no requests of people"))?;
    let Filed { kind, identifiers, purposes, corrections, traits, identified, suppress, language, note } = Filed::parse(body)?;
    let wrong = Wrong { identifiers: corrections, traits };
    if identified {
        return Err(Problem::field(Code::InvalidField, "identified").detail("only a service desk can say so"));
    }
    if suppress {
        return Err(Problem::field(Code::InvalidField, "suppress").detail("a service desk files this, with what was said"));
    }
    let (kind, identifiers, source) = (super::kind(&kind)?, named(&identifiers)?, source.id.clone());
    let asked = app.rights.hear(Ask { kind, identifiers, purposes, wrong, language, note, source }).await;
    asked.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Accepted().json(AskedAnswer { next: "confirm_by_mail" }))
}

/// `GET /r/{token}`: the page behind a link.
pub async fn look(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::People, limit::PEOPLE_PER_S)?;
    let found = app.rights.visit(&token);
    std::future::ready(shown(&req, &app, &token, found)).await
}

/// `POST /r/{token}`: the button on that page; it confirms a request, or takes one back.
pub async fn press(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::People, limit::PEOPLE_PER_S)?;
    let purpose = match app.rights.visit(&token) {
        Ok(visit) => visit.purpose,
        refused => return shown(&req, &app, &token, refused),
    };
    let (shared, link) = (app.clone(), token.clone());
    // A task of its own: what has begun is finished even if the person leaves.
    let task = actix_web::rt::spawn(async move {
        match purpose {
            Purpose::Confirm => shared.rights.confirm(&link).await,
            Purpose::Status => shared.rights.withdraw(&link).await,
        }
    });
    let done = match task.await.map_err(|_gone| Problem::new(Code::Unavailable))? {
        // Somebody was quicker; the page says where it is now.
        Err(Error::State(_)) => return shown(&req, &app, &token, app.rights.visit(&token)),
        Err(error) => return shown(&req, &app, &token, Err(error)),
        Ok(request) => request,
    };
    let policy = app.policy.current();
    let german = done.is_german(&policy);
    let say = |de: &'static str, en: &'static str| if german { de } else { en };
    let (title, text) = match purpose {
        Purpose::Confirm => (
            say("Danke, Ihre Anfrage ist bestätigt", "Thank you, your request is confirmed"),
            say(
                "Sie bekommen jetzt eine Mail mit einem Link, unter dem Sie sehen, wie weit Ihre Anfrage ist. Sie können diese Seite schließen.",
                "You now get a mail with a link that shows where your request is. You can close this page.",
            ),
        ),
        Purpose::Status => (
            say("Ihre Anfrage ist zurückgenommen", "Your request was taken back"),
            say("Es geschieht nichts weiter.", "Nothing more happens."),
        ),
    };
    let page = Page { paragraphs: vec![text.to_owned()], ..Page::new(german, title, &policy) };
    page::for_people(StatusCode::OK, page.render())
}

/// `GET /r/{token}/package`: what was asked for, as a file.
pub async fn package(
    req: HttpRequest,
    app: web::Data<App>,
    token: web::Path<String>,
    fetch: web::Query<Fetch>,
) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::People, limit::PEOPLE_PER_S)?;
    let visit = match app.rights.visit(&token) {
        Ok(visit) => visit,
        refused => return shown(&req, &app, &token, refused),
    };
    let format = fetch.format.as_deref().map_or(Some(Format::Html), Format::parse);
    let (Some(format), true) = (format, visit.purpose == Purpose::Status) else { return Err(Problem::new(Code::NotFound)) };
    let id = match app.rights.fetch(&token).await {
        Ok(id) => id,
        Err(error) => return shown(&req, &app, &token, Err(error)),
    };
    let language = if visit.request.is_german(&app.policy.current()) { "de" } else { "en" };
    hand_over(app.into_inner(), id, format, language.to_owned()).await
}

/// The page that a link leads to, or why it leads nowhere.
fn shown(req: &HttpRequest, app: &App, token: &str, found: Result<Visit, Error>) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    match found {
        Ok(Visit { purpose: Purpose::Confirm, request, .. }) => to_confirm(&request, &policy),
        Ok(Visit { purpose: Purpose::Status, request, until }) => status(app, &request, until, token),
        Err(Error::Link(dead)) => dead_end(dead, page::reads_german(req, &policy), &policy),
        // The request is forgotten, or has nothing to be fetched.
        Err(Error::NotFound | Error::NoPackage) => dead_end(DeadEnd::Expired, page::reads_german(req, &policy), &policy),
        Err(error) => Err(problem(&error)),
    }
}

fn to_confirm(request: &Request, policy: &Policy) -> Result<HttpResponse, Problem> {
    let german = request.is_german(policy);
    let (company, kind) = (&policy.controller.name, request.kind.title(german));
    let (title, text, button) = if german {
        let text = format!("Bei {company} wurde in Ihrem Namen angefragt: {kind}. Wenn Sie das waren, bestätigen Sie es bitte.");
        ("Ihre Anfrage bestätigen", text, "Ja, das war ich")
    } else {
        let text = format!("Somebody asked {company} in your name for {kind}. If that was you, please confirm it.");
        ("Confirm your request", text, "Yes, that was me")
    };
    let rest = if german {
        "Wenn Sie nichts angefragt haben, schließen Sie diese Seite: Ohne Bestätigung geschieht nichts."
    } else {
        "If you did not ask for anything, close this page: without a confirmation nothing happens."
    };
    let paragraphs = vec![text, rest.to_owned()];
    let page = Page { paragraphs, button: Some(button), is_main: true, ..Page::new(german, title, policy) };
    page::for_people(StatusCode::OK, page.render())
}

fn status(app: &App, request: &Request, until: Millis, token: &str) -> Result<HttpResponse, Problem> {
    let (policy, calendar, now) = (app.policy.current(), app.rights.calendar(), app.clock.now());
    let german = request.is_german(&policy);
    let say = |de: &'static str, en: &'static str| if german { de } else { en };
    let mut page = Page::new(german, say("Ihre Anfrage", "Your request"), &policy);
    let date = |at| day(calendar.day(at), german);
    page.facts.push((say("Worum es geht", "What it is about"), request.kind.title(german).to_owned()));
    page.facts.push((say("Eingegangen", "Received"), date(request.received_at)));
    let (state, next) = stands(request, german);
    page.facts.push((say("Stand", "State"), state.to_owned()));
    if let Some(due) = calendar.due(&request.course()).filter(|_| request.state == State::InReview) {
        page.facts.push((say("Antwort spätestens", "Answer at the latest"), day(due, german)));
    }
    page.paragraphs.push(next.to_owned());
    if matches!(request.state, State::IdentityUnclear | State::InReview) {
        page.button = Some(say("Anfrage zurücknehmen", "Take the request back"));
    }
    if let Some(end) = request.available_until.filter(|end| *end >= now) {
        page.facts.push((say("Abrufbar bis", "Can be fetched until"), date(end)));
        page.downloads = vec![
            ("html", say("Zum Lesen (HTML)", "To read (HTML)")),
            ("csv", say("Als Tabelle (CSV)", "As a table (CSV)")),
            ("json", say("Alles, für Programme (JSON)", "Everything, for programs (JSON)")),
        ];
    }
    page.facts.push((say("Diese Seite gilt bis", "This page is good until"), date(until)));
    page.token = token;
    page::for_people(StatusCode::OK, page.render())
}

/// Where a request is, and what happens next.
const fn stands(request: &Request, german: bool) -> (&'static str, &'static str) {
    match (request.state, request.kind, german) {
        (State::IdentityUnclear, _, true) => (
            "noch nicht klar, dass es um Ihre Daten geht",
            "Bitte antworten Sie auf unsere Mail. Bis das geklärt ist, ruht die Frist.",
        ),
        (State::IdentityUnclear, _, false) => {
            ("it is not clear yet that these are your data", "Please answer our mail. The period rests until it is.")
        }
        (State::InReview, _, true) => ("wird geprüft", "Jemand sieht sich Ihre Anfrage an. Danach schreiben wir Ihnen."),
        (State::InReview, _, false) => ("being looked at", "Somebody looks at your request. Then we write to you."),
        (State::Running, Kind::Restriction, true) => {
            ("in Kraft", "Ihre Daten bleiben gespeichert, sonst geschieht nichts mit ihnen.")
        }
        (State::Running, Kind::Restriction, false) => ("in force", "Your data stay stored, and nothing else is done with them."),
        (State::Running, _, true) => ("wird ausgeführt", "Wenn alle ihren Teil getan haben, schreiben wir Ihnen."),
        (State::Running, _, false) => ("being done", "When everybody has done their part we write to you."),
        (State::Done, _, true) => ("erledigt", "Es geschieht nichts weiter."),
        (State::Done, _, false) => ("done", "Nothing more happens."),
        (State::Refused, _, true) => ("abgelehnt", "Den Grund haben wir Ihnen geschrieben, und was Sie dagegen tun können."),
        (State::Refused, _, false) => ("refused", "We have written to you why, and what you can do about it."),
        (State::Cancelled, _, true) => ("zurückgenommen", "Es geschieht nichts weiter."),
        (State::Cancelled, _, false) => ("taken back", "Nothing more happens."),
    }
}

fn dead_end(dead: DeadEnd, german: bool, policy: &Policy) -> Result<HttpResponse, Problem> {
    let (status, title, text) = match (dead, german) {
        (DeadEnd::Unknown, true) => {
            (StatusCode::NOT_FOUND, "Diesen Link gibt es nicht", "Bitte öffnen Sie den ganzen Link aus unserer Mail.")
        }
        (DeadEnd::Unknown, false) => (StatusCode::NOT_FOUND, "There is no such link", "Please open the whole link in our mail."),
        (DeadEnd::Used, true) => (StatusCode::GONE, "Dieser Link wurde schon verwendet", "Sie brauchen nichts weiter zu tun."),
        (DeadEnd::Used, false) => (StatusCode::GONE, "This link was used already", "You need not do anything more."),
        (DeadEnd::Expired, true) => {
            (StatusCode::GONE, "Dieser Link gilt nicht mehr", "Bitte fragen Sie noch einmal an, oder schreiben Sie uns.")
        }
        (DeadEnd::Expired, false) => (StatusCode::GONE, "This link is not good any more", "Please ask again, or write to us."),
    };
    let page = Page { paragraphs: vec![text.to_owned()], ..Page::new(german, title, policy) };
    page::for_people(status, page.render())
}

impl<'a> Page<'a> {
    fn new(german: bool, title: &'a str, policy: &'a Policy) -> Self {
        let (paragraphs, facts, downloads) = (Vec::new(), Vec::new(), Vec::new());
        Self { german, title, paragraphs, facts, button: None, is_main: false, downloads, token: "", policy }
    }
}
