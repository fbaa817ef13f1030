//! What the person may ask for, what they have asked for, and where it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::Value;

use super::super::{Error, Wish};
use super::{Fields, Visit, beside, problem, query, to_its_end};
use crate::app::App;
use crate::error::{Code, Problem};
use crate::policy::LegalBasis;
use crate::rights::{self, Format, Kind, Request, RequestId, State, Wrong};
use crate::site::frame::{self, Frame};
use crate::stream;
use crate::texts::text_key;

/// The kinds of requests, in the order in which people need them.
const KINDS: [Kind; 6] =
    [Kind::Access, Kind::Portability, Kind::Rectification, Kind::Objection, Kind::Restriction, Kind::Erasure];
/// The traits that can be put right here, as websites name them.
const TRAITS: [&str; 6] = ["firstName", "lastName", "birthday", "city", "company", "title"];
/// What can be wrong with what somebody fills in.
const WRONGS: [&str; 5] = ["note", "purposes", "which", "value", "many"];
/// How long what somebody says about a request may be, in characters.
const NOTE_CHARS_MAX: usize = 1_000;
/// How long a right value may be, in characters.
const VALUE_CHARS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "portal/requests.html")]
struct List {
    f: Frame,
    done: Option<String>,
    rows: Vec<Row>,
    /// Kind, title, text.
    kinds: Vec<(&'static str, String, String)>,
}

/// A request.
struct Row {
    id: String,
    title: String,
    state: String,
    next: String,
    received: String,
    due: Option<String>,
    may_cancel: bool,
    may_lift: bool,
    /// Until when it can be fetched.
    fetchable: Option<String>,
    is_over: bool,
}

#[derive(Template)]
#[template(path = "portal/ask.html")]
struct Asking {
    f: Frame,
    kind: &'static str,
    title: String,
    intro: String,
    steps: Vec<String>,
    /// Purposes that can be objected to: ID, title, text.
    purposes: Vec<(String, String, String)>,
    /// What can be put right: the value of the field, and its words.
    wrongs: Vec<(String, String)>,
    error: Option<String>,
    is_grave: bool,
    note_chars_max: usize,
}

/// `GET /portal/requests`.
pub(super) async fn list(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let (shared, person) = (Arc::clone(&app), visit.person.clone());
    let theirs = beside(move || shared.portal.requests(&person)).await?;
    let done = query(&req, "done").filter(|done| matches!(done.as_str(), "asked" | "cancelled" | "lifted"));
    let page = List {
        done: done.map(|done| visit.words.say(text_key("requests-done-", &done))),
        rows: theirs.iter().map(|(id, request)| row(&visit, *id, request)).collect(),
        kinds: KINDS
            .iter()
            .map(|kind| {
                let (title, short) = (text_key("ask-title-", kind.name()), text_key("ask-short-", kind.name()));
                (kind.name(), visit.words.say(title), visit.words.say(short))
            })
            .collect(),
        f: visit.frame("requests"),
    };
    frame::answer(StatusCode::OK, page.render())
}

/// `GET /portal/requests/new/{kind}`: what happens next, and by when.
pub(super) async fn form(req: HttpRequest, app: web::Data<App>, kind: web::Path<String>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let kind = Kind::parse(&kind).ok_or_else(|| Problem::new(Code::NotFound))?;
    let wrong = query(&req, "wrong").filter(|wrong| WRONGS.contains(&wrong.as_str()));
    let error = wrong.map(|wrong| visit.words.say(text_key("ask-wrong-", &wrong)));
    frame::answer(StatusCode::OK, asking(&visit, kind, error).render())
}

/// `POST /portal/requests/new/{kind}`.
pub(super) async fn file(
    req: HttpRequest,
    app: web::Data<App>,
    kind: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let (visit, fields) = match Visit::by_form(&req, &app, &body).await? {
        Ok(found) => found,
        Err(away) => return Ok(away),
    };
    let kind = Kind::parse(&kind).ok_or_else(|| Problem::new(Code::NotFound))?;
    // Back to the form, which says what is wrong.
    let again = |reason: &str| frame::lead_to(&format!("/portal/requests/new/{}?wrong={reason}", kind.name()), &[]);
    let wish = match wish(&visit, kind, &fields) {
        Ok(wish) => wish,
        Err(reason) => return again(reason),
    };
    let (shared, person, words) = (Arc::clone(&app), visit.person.clone(), visit.words);
    let asked = actix_web::rt::spawn(async move { shared.portal.ask(&person, wish, words).await });
    match asked.await.map_err(|_gone| Problem::new(Code::Unavailable))? {
        Ok(_) => frame::lead_to("/portal/requests?done=asked", &[]),
        Err(Error::Rights(rights::Error::Corrections(_) | rights::Error::Traits(_))) => again("value"),
        Err(Error::Rights(rights::Error::Purposes)) => again("purposes"),
        Err(Error::Rights(rights::Error::TooMany)) => again("many"),
        Err(error) => Err(problem(&error)),
    }
}

/// `POST /portal/requests/{id}/cancel`.
pub(super) async fn cancel(
    req: HttpRequest,
    app: web::Data<App>,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    change(&req, &app, &id, &body, true).await
}

/// `POST /portal/requests/{id}/lift`: a restriction ends, as the person wants.
pub(super) async fn lift(
    req: HttpRequest,
    app: web::Data<App>,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    change(&req, &app, &id, &body, false).await
}

async fn change(req: &HttpRequest, app: &web::Data<App>, id: &str, body: &[u8], cancels: bool) -> Result<HttpResponse, Problem> {
    let visit = match Visit::by_form(req, app, body).await? {
        Ok((visit, _)) => visit,
        Err(away) => return Ok(away),
    };
    let id = RequestId::parse(id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let (shared, person) = (Arc::clone(app), visit.person);
    to_its_end(async move {
        let proven = person.as_proven();
        let rights = &shared.rights;
        let done = if cancels { rights.cancel_own(id, proven).await } else { rights.lift_own(id, proven).await };
        Ok(done.map(drop)?)
    })
    .await?;
    frame::lead_to(if cancels { "/portal/requests?done=cancelled" } else { "/portal/requests?done=lifted" }, &[])
}

/// `GET /portal/requests/{id}/package`: what was asked for, as a file.
pub(super) async fn package(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let format = query(&req, "format").map_or(Some(Format::Html), |format| Format::parse(&format));
    let format = format.ok_or_else(|| Problem::new(Code::NotFound))?;
    let fetched = app.rights.fetch_own(id, visit.person.as_proven()).await;
    fetched.map_err(|error| problem(&error.into()))?;
    let mut head = HttpResponse::Ok();
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    head.content_type(format.content_type()).insert_header(("Content-Disposition", disposition));
    let (shared, language) = (Arc::clone(&app), visit.words.0.code());
    let write = move |pieces: &mut stream::Pieces| Ok(shared.rights.package(id, format, language, pieces)?);
    stream::answer(head, write, problem).await
}

/// What a form asks for, or what is wrong with it.
fn wish(visit: &Visit, kind: Kind, fields: &Fields) -> Result<Wish, &'static str> {
    let note = fields.filled("note").map(str::to_owned);
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX || note.contains('\0')) {
        return Err("note");
    }
    let purposes = (kind == Kind::Objection).then(|| fields.every("purpose"));
    if purposes.as_ref().is_some_and(Vec::is_empty) {
        return Err("purposes");
    }
    let mut wrong = Wrong { identifiers: Vec::new(), traits: BTreeMap::new() };
    if kind == Kind::Rectification {
        let value = fields.filled("value").map(str::to_owned);
        if value.as_ref().is_some_and(|value| value.chars().count() > VALUE_CHARS_MAX) {
            return Err("value");
        }
        let which = fields.filled("which").ok_or("which")?;
        if let Some(name) = TRAITS.into_iter().find(|name| *name == which) {
            wrong.traits.insert(name.to_owned(), Value::String(value.ok_or("value")?));
        } else {
            let place = which.parse::<usize>().ok().and_then(|place| visit.person.proven.get(place));
            let (kind, from) = place.ok_or("which")?;
            wrong.identifiers.push((kind.clone(), from.clone(), value));
        }
    }
    Ok(Wish { kind, purposes, wrong, note })
}

fn asking(visit: &Visit, kind: Kind, error: Option<String>) -> Asking {
    let (words, name) = (visit.words, kind.name());
    let due = visit.app.portal.due_if_asked(visit.at).map(|due| words.day(due)).unwrap_or_default();
    let stops = |basis: LegalBasis| matches!(basis, LegalBasis::Consent | LegalBasis::LegitimateInterest);
    let purposes = visit.policy.purposes.iter().filter(|p| kind == Kind::Objection && stops(p.basis) && p.retention_days > 0);
    let purposes =
        purposes.map(|p| (p.id.clone(), visit.policy_text(&p.title).to_owned(), visit.policy_text(&p.text).to_owned()));
    let mut wrongs = Vec::new();
    if kind == Kind::Rectification {
        wrongs.extend(visit.person.proven.iter().enumerate().map(|(place, (_, value))| (place.to_string(), value.clone())));
        wrongs.extend(TRAITS.into_iter().map(|name| (name.to_owned(), words.say(text_key("trait-", name)))));
    }
    Asking {
        kind: name,
        title: words.say(text_key("ask-title-", name)),
        intro: words.say(text_key("ask-intro-", name)),
        steps: vec![words.say("ask-step-mail"), words.of("ask-step-review", "due", due), words.say(text_key("ask-then-", name))],
        purposes: purposes.collect(),
        wrongs,
        error,
        is_grave: kind == Kind::Erasure,
        note_chars_max: NOTE_CHARS_MAX,
        f: visit.frame("requests"),
    }
}

fn row(visit: &Visit, id: RequestId, request: &Request) -> Row {
    let (words, calendar) = (visit.words, visit.app.rights.calendar());
    let due = calendar.due(&request.course()).filter(|_| request.state == State::InReview);
    let in_force = request.kind == Kind::Restriction && request.state == State::Running;
    let state = if in_force { "in_force" } else { request.state.name() };
    let fetchable = request.available_until.filter(|until| *until >= visit.at);
    Row {
        id: id.to_string(),
        title: words.say(text_key("ask-title-", request.kind.name())),
        state: words.say(text_key("request-state-", state)),
        next: words.say(text_key("request-next-", if fetchable.is_some() { "fetch" } else { state })),
        received: visit.day(request.received_at),
        due: due.map(|due| words.day(due)),
        may_cancel: matches!(request.state, State::IdentityUnclear | State::InReview),
        may_lift: in_force && !request.lifted,
        fetchable: fetchable.map(|until| visit.day(until)),
        is_over: request.state.is_over(),
    }
}
