//! What was decided, and the receipts of it.

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Visit, beside, problem, query};
use crate::app::App;
use crate::consent::{State, Told};
use crate::error::{Code, Problem};
use crate::site::frame::{self, Frame};
use crate::site::receipt::{self, Form};
use crate::texts::{Language, text_key};

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

/// What was decided, in the keys of texts.
pub(super) const fn code(state: State) -> &'static str {
    match state {
        State::Granted => "granted",
        State::Denied => "denied",
        State::Withdrawn => "withdrawn",
        State::Pending => "pending",
    }
}

fn line(visit: &Visit, told: Told) -> Line {
    let Told { receipt, decision } = told;
    let decided = decision.states.iter().map(|(purpose, state)| {
        let words = visit.words.say(text_key("decided-", code(*state)));
        (visit.purpose(purpose).to_owned(), words, *state == State::Granted)
    });
    Line {
        at: visit.moment(decision.at),
        decided: decided.collect(),
        how: visit.words.say(text_key("method-", decision.method.name())),
        receipt: receipt.to_string(),
    }
}
