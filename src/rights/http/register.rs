//! `/v1/requests` as a list: for whoever decides, and as the register of requests. It names nobody.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::super::access::harmless;
use super::super::{Cursor, Fate, Filter, Ground, Kind, Request, RequestId, State};
use super::body::{Search, named};
use super::problem;
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem, ProblemBody};
use crate::limit::PAGE_MAX;
use crate::site::table::csv;

/// How many requests a page has if nothing is said.
const PAGE_USUAL: usize = 100;

/// What `GET /v1/requests` takes.
#[derive(Debug, Deserialize)]
pub struct Wish {
    state: Option<String>,
    kind: Option<String>,
    late: Option<String>,
    due_before: Option<String>,
    assigned: Option<String>,
    after: Option<String>,
    limit: Option<String>,
    format: Option<String>,
}

/// A request in a list. Nothing in it is about a person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedAnswer {
    /// Names it.
    #[schema(example = "req_…")]
    id: String,
    /// What is asked for.
    kind: Kind,
    /// Where it is.
    state: State,
    /// When it came.
    received_at: String,
    /// The last day for the answer; none while it is unclear who asks, and when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// How many days are left, negative when it is late.
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i32>,
    /// Whether the deadline was extended.
    extended: bool,
    /// Who sees to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned: Option<String>,
    /// How many keys have approved it.
    approvals: usize,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    ground: Option<Ground>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_at: Option<String>,
    /// How many people and devices it concerns, once it is approved.
    concerned: usize,
    /// Who had received something, and what became of it there.
    recipients: Vec<ListedRecipient>,
}

/// A recipient in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ListedRecipient {
    /// The destination.
    id: String,
    /// What became of it there.
    state: Fate,
}

/// A page of requests.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestsAnswer {
    /// Oldest first.
    requests: Vec<ListedAnswer>,
    /// What `after` takes to go on; nothing if this is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists requests, oldest first, a page at a time: what the list names are states and deadlines, nobody. As a table it is the register.
///
/// # Errors
/// `invalid_field` for a parameter that cannot be read.
#[utoipa::path(get, path = "/v1/requests", tag = "rights", security(("secret_key" = ["rights"])),
    params(("state" = Option<State>, Query, description = "Only those in this state."),
        ("kind" = Option<Kind>, Query, description = "Only those of this kind."),
        ("late" = Option<bool>, Query, description = "Only those whose deadline has passed, or has not."),
        ("due_before" = Option<String>, Query, description = "Only those that must be answered before this day, such as `2026-12-24`."),
        ("assigned" = Option<String>, Query, description = "Only those that this person of the company sees to; empty: nobody."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<usize>, Query, description = "How many, 500 at most; if it is left out 100, in a table all."),
        ("format" = Option<String>, Query, description = "`json` (usual) or `csv`, the register as a table.")),
    responses((status = 200, description = "Requests.", body = RequestsAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn list(req: HttpRequest, app: web::Data<App>, wish: web::Query<Wish>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let wish = wish.into_inner();
    let filter = filter(&wish)?;
    let after = wish.after.as_deref().map(|text| Cursor::parse(text).ok_or_else(|| wrong("after", "is no place in the list")));
    let (after, table) = (after.transpose()?, is_table(wish.format.as_deref())?);
    let limit = limit(wish.limit.as_deref(), if table { usize::MAX } else { PAGE_USUAL })?;
    let now = app.clock.now();
    let app = app.into_inner();
    let found = web::block(move || {
        let page = app.rights.find(&filter, after, limit)?;
        let requests = page.requests.into_iter().map(|(id, request)| ListedAnswer::of(id, request, &app, now)).collect();
        Ok(RequestsAnswer { requests, next: page.next.map(|next| next.to_string()) })
    });
    let answer = found.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    if table {
        let rows = answer.requests.iter().map(ListedAnswer::row);
        return csv(&ListedAnswer::COLUMNS, rows, answer.next.as_deref());
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// Finds the open requests of somebody, by an identifier of theirs as it is. Who looked and why is noted; for whom is not.
///
/// # Errors
/// `missing_field` without a reason or anybody, `invalid_field` for an identifier that cannot be read.
#[utoipa::path(post, path = "/v1/requests/search", tag = "rights", request_body = Search, security(("secret_key" = ["rights"])),
    responses((status = 200, description = "Requests.", body = RequestsAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn search(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Rights).await?;
    let Search { identifiers, reason } = Search::parse(&body)?;
    let found = app.rights.search(&named(&identifiers)?, &caller.key_id, &reason).await.map_err(|error| problem(&error))?;
    let now = app.clock.now();
    let requests = found.requests.into_iter().map(|(id, request)| ListedAnswer::of(id, request, &app, now)).collect();
    Ok(HttpResponse::Ok().json(RequestsAnswer { requests, next: None }))
}

fn wrong(field: &str, words: &str) -> Problem {
    Problem::field(Code::InvalidField, field).detail(words.to_owned())
}

fn filter(wish: &Wish) -> Result<Filter, Problem> {
    let state = wish.state.as_deref().map(|name| State::parse(name).ok_or_else(|| wrong("state", "there is no such state")));
    let kind = wish.kind.as_deref().map(|name| Kind::parse(name).ok_or_else(|| wrong("kind", "there is no such kind")));
    let late = wish.late.as_deref().map(|text| text.parse().map_err(|_other| wrong("late", "must be true or false")));
    let day = |text: &str| text.parse().map_err(|_other| wrong("due_before", "must be a day, such as 2026-12-24"));
    let due_before = wish.due_before.as_deref().map(day).transpose()?;
    let assigned = wish.assigned.clone();
    Ok(Filter { state: state.transpose()?, over: None, kind: kind.transpose()?, late: late.transpose()?, due_before, assigned })
}

/// How many entries a page shall have.
pub(super) fn limit(text: Option<&str>, usual: usize) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(usual) };
    let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| wrong("limit", &format!("must be a number from 1 to {PAGE_MAX}")))
}

/// Whether a table is asked for.
pub(super) fn is_table(format: Option<&str>) -> Result<bool, Problem> {
    match format {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => Err(wrong("format", "must be `json` or `csv`")),
    }
}

impl ListedAnswer {
    const COLUMNS: [&'static str; 13] = [
        "id",
        "kind",
        "state",
        "received_at",
        "due",
        "days_left",
        "extended",
        "assigned",
        "approvals",
        "ground",
        "over_at",
        "concerned",
        "recipients",
    ];

    fn of(id: RequestId, request: Request, app: &App, now: Millis) -> Self {
        let calendar = app.rights.calendar();
        let course = request.course();
        let waits = request.waits();
        let over_at = request.acts.last().filter(|_| request.state.is_over()).map(|act| rfc3339(act.at));
        let recipients = request.recipients.into_iter().map(|r| ListedRecipient { id: r.id, state: r.fate });
        Self {
            id: id.to_string(),
            kind: request.kind,
            state: request.state,
            received_at: rfc3339(request.received_at),
            due: waits.then(|| calendar.due(&course)).flatten().map(|due| due.to_string()),
            days_left: waits.then(|| calendar.days_left(&course, now)).flatten(),
            extended: request.extended,
            assigned: request.assigned,
            approvals: request.approvals.len(),
            ground: request.ground,
            over_at,
            concerned: request.subject_count,
            recipients: recipients.collect(),
        }
    }

    fn row(&self) -> Vec<String> {
        let recipients: Vec<String> = self.recipients.iter().map(|r| format!("{}:{}", r.id, r.state.name())).collect();
        vec![
            self.id.clone(),
            self.kind.name().to_owned(),
            self.state.name().to_owned(),
            self.received_at.clone(),
            self.due.clone().unwrap_or_default(),
            self.days_left.map(|days| days.to_string()).unwrap_or_default(),
            self.extended.to_string(),
            harmless(self.assigned.as_deref().unwrap_or_default()),
            self.approvals.to_string(),
            self.ground.map(|ground| ground.name().to_owned()).unwrap_or_default(),
            self.over_at.clone().unwrap_or_default(),
            self.concerned.to_string(),
            recipients.join(" "),
        ]
    }
}
