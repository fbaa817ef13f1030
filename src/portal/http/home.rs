//! What is allowed, one switch for each purpose; what was decided; receipts.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::super::decide::NOTICE;
use super::super::{Choice, Held};
use super::{Visit, beside, problem, query, to_its_end};
use crate::app::App;
use crate::consent::{Method, State, Told};
use crate::error::{Code, Problem};
use crate::policy::{Destination, DestinationKind, LegalBasis, Purpose};
use crate::site::frame::{self, Frame};
use crate::site::receipt::{self, Form};
use crate::texts::{Language, text_key};

#[derive(Template)]
#[template(path = "portal/home.html")]
struct Home {
    f: Frame,
    title: String,
    intro: String,
    /// How much is allowed, in one sentence.
    summary: String,
    saved: Option<Saved>,
    rows: Vec<Row>,
    /// What nobody is asked for.
    rest: Vec<Row>,
    /// As whom the person signed in.
    proven: Vec<String>,
    is_known: bool,
    is_whole: bool,
    is_restricted: bool,
}

/// What was just decided.
struct Saved {
    text: String,
    receipt: String,
}

/// A purpose.
struct Row {
    id: String,
    title: String,
    text: String,
    is_on: bool,
    /// How it is, and since when.
    state: String,
    /// Why it may be done at all.
    basis: String,
    recipients: Vec<String>,
    kept: String,
    /// What pressing the switch says; nothing if there is none to be pressed.
    press: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "portal/history.html")]
struct History {
    f: Frame,
    lines: Vec<Line>,
    is_whole: bool,
}

/// A decision.
struct Line {
    at: String,
    /// Purpose, what was decided, and whether it was a Yes.
    decided: Vec<(String, String, bool)>,
    how: String,
    receipt: String,
}

/// `GET /portal`.
pub(super) async fn home(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let (shared, person, at) = (Arc::clone(&app), visit.person.clone(), visit.at);
    let choices = beside(move || shared.portal.choices(&person, at)).await?;
    let saved = query(&req, "saved").map(|receipt| saved(&visit, receipt)).transpose()?.flatten();
    let rows = choices.iter().filter_map(|choice| Some((choice, visit.policy.purposes.get(choice.index)?)));
    let (rest, rows): (Vec<_>, Vec<_>) = rows.partition(|(choice, _)| choice.held == Held::Unasked);
    let (on, all) = (rows.iter().filter(|(choice, _)| choice.held.is_on()).count(), rows.len());
    let row = |(choice, purpose): (&Choice, &Purpose)| row(&visit, choice, purpose);
    let shown = visit.policy.notice(NOTICE).and_then(|notice| notice.languages.get(visit.words.0.code()));
    let page = Home {
        title: shown.map_or_else(|| visit.words.say("home-title"), |text| text.title.clone()),
        intro: shown.map_or_else(|| visit.words.say("home-intro"), |text| text.body.clone()),
        summary: visit.words.all("home-summary", [("on", on.into()), ("all", all.into())]),
        saved,
        rows: rows.into_iter().map(row).collect(),
        rest: rest.into_iter().map(row).collect(),
        proven: visit.person.proven.iter().map(|(_, value)| value.clone()).collect(),
        is_known: visit.person.is_known(),
        is_whole: visit.person.is_whole,
        is_restricted: app.portal.is_restricted(&visit.person, at),
        f: visit.frame("home"),
    };
    frame::answer(StatusCode::OK, page.render())
}

/// `POST /portal/decisions`: one purpose, yes or no. It holds when the answer comes.
pub(super) async fn decide(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let (visit, fields) = match Visit::by_form(&req, &app, &body).await? {
        Ok(found) => found,
        Err(away) => return Ok(away),
    };
    let purpose = fields.filled("purpose").ok_or_else(|| Problem::field(Code::MissingField, "purpose"))?.to_owned();
    let granted = match fields.filled("decision") {
        Some("granted") => true,
        Some("denied") => false,
        _ => return Err(Problem::field(Code::InvalidField, "decision")),
    };
    let (shared, person, words) = (Arc::clone(&app), visit.person, visit.words);
    let recorded = to_its_end(async move { shared.portal.decide(&person, &purpose, granted, words).await }).await?;
    frame::lead_to(&format!("/portal?saved={}", recorded.receipt), &[])
}

/// `GET /portal/history`.
pub(super) async fn history(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let (shared, person) = (Arc::clone(&app), visit.person.clone());
    let told = beside(move || shared.portal.history(&person)).await?;
    let lines = told.into_iter().map(|told| line(&visit, told)).collect();
    let page = History { f: visit.frame("history"), lines, is_whole: visit.person.is_whole };
    frame::answer(StatusCode::OK, page.render())
}

/// `GET /portal/receipts/{receipt}`: to read, or as a signed file.
pub(super) async fn receipt(req: HttpRequest, app: web::Data<App>, handle: web::Path<String>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    if !app.portal.is_theirs(&visit.person, &handle).map_err(|error| problem(&error))? {
        return Err(Problem::new(Code::NotFound));
    }
    if query(&req, "format").as_deref() != Some("jws") {
        let german = visit.words.0 == Language::German;
        return receipt::answer(&app, handle.into_inner(), Form::Page { german }).await;
    }
    let mut file = receipt::answer(&app, handle.into_inner(), Form::Signed).await?;
    let disposition = header::HeaderValue::from_static("attachment; filename=\"receipt.jws\"");
    file.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    Ok(file)
}

/// What was just decided, if the receipt is theirs; whatever else stands in the address is not repeated.
fn saved(visit: &Visit, receipt: String) -> Result<Option<Saved>, Problem> {
    if !visit.app.portal.is_theirs(&visit.person, &receipt).map_err(|error| problem(&error))? {
        return Ok(None);
    }
    let found = visit.app.consents.behind(&receipt).map_err(|error| problem(&error.into()))?;
    let decided = found.and_then(|(_, decision)| decision.states.into_iter().next());
    Ok(decided.map(|(purpose, state)| {
        let key = text_key("home-saved-", code(state));
        Saved { text: visit.words.of(&key, "purpose", visit.purpose(&purpose).to_owned()), receipt }
    }))
}

fn row(visit: &Visit, choice: &Choice, purpose: &Purpose) -> Row {
    let words = visit.words;
    let recipients = visit.policy.destinations.iter().filter(|d| d.is_on() && d.purposes.has(choice.index));
    Row {
        id: purpose.id.clone(),
        title: visit.policy_text(&purpose.title).to_owned(),
        text: visit.policy_text(&purpose.text).to_owned(),
        is_on: choice.held.is_on(),
        state: state(visit, choice.held),
        basis: words.say(text_key("basis-", basis(purpose.basis))),
        recipients: recipients.map(|destination| recipient(visit, destination)).collect(),
        kept: words.of("home-kept", "days", purpose.retention_days),
        press: match (choice.held, purpose.basis) {
            (Held::Unasked, _) => None,
            (held, _) if held.is_on() => Some("denied"),
            // Who has objected asks anew for what they want; nobody switches a legitimate interest on.
            (_, LegalBasis::LegitimateInterest) => None,
            _ => Some("granted"),
        },
    }
}

/// Whom something goes to, in words.
pub(super) fn recipient(visit: &Visit, destination: &Destination) -> String {
    let kind = match destination.kind {
        DestinationKind::Profile => "profile",
        DestinationKind::File { .. } => "file",
        DestinationKind::Webhook { .. } => "webhook",
    };
    visit.words.of(&text_key("recipient-", kind), "name", destination.id.clone())
}

fn state(visit: &Visit, held: Held) -> String {
    let words = visit.words;
    match held {
        Held::Unasked => words.say("held-unasked"),
        Held::Unobjected => words.say("held-unobjected"),
        Held::Undecided => words.say("held-undecided"),
        Held::Granted(since, None) => words.of("held-granted", "since", visit.day(since)),
        Held::Granted(since, Some(until)) => {
            words.all("held-granted-until", [("since", visit.day(since).into()), ("until", visit.day(until).into())])
        }
        Held::Outweighed(_) => words.say("held-outweighed"),
        Held::Pending(since) => words.of("held-pending", "since", visit.day(since)),
        Held::Denied(since) => words.of("held-denied", "since", visit.day(since)),
        Held::Withdrawn(since) => words.of("held-withdrawn", "since", visit.day(since)),
        Held::Expired(since) => words.of("held-expired", "since", visit.day(since)),
    }
}

const fn basis(basis: LegalBasis) -> &'static str {
    match basis {
        LegalBasis::Consent => "consent",
        LegalBasis::Contract => "contract",
        LegalBasis::LegalObligation => "law",
        LegalBasis::LegitimateInterest => "interest",
    }
}

const fn code(state: State) -> &'static str {
    match state {
        State::Granted => "granted",
        State::Denied => "denied",
        State::Withdrawn => "withdrawn",
        State::Pending => "pending",
    }
}

fn line(visit: &Visit, told: Told) -> Line {
    let Told { receipt, decision } = told;
    let method = match decision.method {
        Method::Banner => "banner",
        Method::Portal => "portal",
        Method::Spoken => "spoken",
        Method::Paper => "paper",
        Method::Import => "import",
        Method::Event => "event",
        Method::Request => "request",
        Method::Signal => "signal",
    };
    let decided = decision.states.iter().map(|(purpose, state)| {
        let words = visit.words.say(text_key("decided-", code(*state)));
        (visit.purpose(purpose).to_owned(), words, *state == State::Granted)
    });
    Line {
        at: visit.moment(decision.at),
        decided: decided.collect(),
        how: visit.words.say(text_key("method-", method)),
        receipt: receipt.to_string(),
    }
}
