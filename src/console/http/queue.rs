//! `/console/requests`: the requests in the order in which they are due.

use actix_web::{HttpRequest, web};
use askama::Template;

use super::{Answer, Fields, Seat, beside, broken, file, page};
use crate::app::App;
use crate::clock::{Millis, rfc3339};
use crate::console::Light;
use crate::officers::{Authority as _, Desk, Inspector, Reader};
use crate::rights::deadline::Calendar;
use crate::rights::{Fate, Filter, Kind, Queue, Request, RequestId, State, harmless};
use crate::site::frame::Frame;
use crate::site::table;

/// How many requests a page has.
const PER_PAGE: usize = 25;
/// The states that one can look for, besides `open` and `over`.
const STATES: [State; 6] =
    [State::IdentityUnclear, State::InReview, State::Running, State::Done, State::Refused, State::Cancelled];
/// The kinds that one can look for.
pub(super) const KINDS: [Kind; 6] =
    [Kind::Access, Kind::Erasure, Kind::Rectification, Kind::Restriction, Kind::Objection, Kind::Portability];

#[derive(Template)]
#[template(path = "console/queue.html")]
struct Page {
    f: Frame,
    rows: Vec<Row>,
    all: String,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    whose: Vec<Choice>,
    /// Addresses of the pages before and after.
    before: Option<String>,
    after: Option<String>,
    may_file: bool,
    may_keep: bool,
}

/// A request in the list. Nothing in it is about a person.
struct Row {
    id: String,
    short: String,
    kind: String,
    state: String,
    received: String,
    due: String,
    light: &'static str,
    left: String,
    assigned: String,
    waits_for_second: bool,
    failed: bool,
}

/// A choice of a filter.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) text: String,
    pub(super) chosen: bool,
}

/// What is looked for.
struct Wish {
    state: String,
    kind: String,
    whose: String,
    page: usize,
}

impl Wish {
    fn read(fields: &Fields) -> Self {
        let text = |name: &str, usual: &str| fields.text(name).unwrap_or(usual).to_owned();
        let page = fields.text("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
        Self { state: text("state", "open"), kind: text("kind", "all"), whose: text("whose", "all"), page }
    }

    fn filter(&self, seat: &Seat) -> Filter {
        let over = match self.state.as_str() {
            "open" => Some(false),
            "over" => Some(true),
            _ => None,
        };
        let assigned = match self.whose.as_str() {
            "mine" => Some(seat.officer.name().to_owned()),
            "nobody" => Some(String::new()),
            _ => None,
        };
        let late = (self.state == "late").then_some(true);
        Filter { state: State::parse(&self.state), over, kind: Kind::parse(&self.kind), late, due_before: None, assigned }
    }

    /// The address of another page of the same. Nothing but what this file writes stands in it.
    fn at(&self, page: usize) -> String {
        let known = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let part = |name: &str, value: &str| if known(value) { format!("{name}={value}&") } else { String::new() };
        format!("?{}{}{}page={page}", part("state", &self.state), part("kind", &self.kind), part("whose", &self.whose))
    }
}

/// `GET /console/requests`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _reader: Reader = seat.authority()?;
    let fields = Fields::read(req.query_string())?;
    let wish = Wish::read(&fields);
    let (filter, skip) = (wish.filter(&seat), (wish.page - 1).saturating_mul(PER_PAGE));
    let shared = app.clone();
    let found = beside(move || shared.rights.queue(&filter, skip, PER_PAGE)).await?;
    let Queue { requests, all } = found.map_err(|error| broken(&error))?;
    let (calendar, now) = (app.rights.calendar(), app.clock.now());
    let row = |(id, request): &(RequestId, Request)| row(&seat, &calendar, (*id, request), now);
    let mut states = vec!["open", "late"];
    states.extend(STATES.iter().map(|state| state.name()));
    states.push("over");
    let kinds: Vec<&str> = std::iter::once("all").chain(KINDS.iter().map(|kind| kind.name())).collect();
    page(&Page {
        f: seat.frame("requests"),
        rows: requests.iter().map(row).collect(),
        all: seat.words.of("console-queue-all", "number", all),
        states: choices(&states, &wish.state, |name| seat.by_text_key("console-state-", name)),
        kinds: choices(&kinds, &wish.kind, |name| seat.by_text_key("console-kind-", name)),
        whose: choices(&["all", "mine", "nobody"], &wish.whose, |name| seat.by_text_key("console-whose-", name)),
        before: (wish.page > 1).then(|| wish.at(wish.page - 1)),
        after: (skip.saturating_add(PER_PAGE) < all).then(|| wish.at(wish.page + 1)),
        may_file: seat.officer.may::<Desk>(),
        may_keep: seat.officer.may::<Inspector>(),
    })
}

fn choices(names: &[&str], chosen: &str, text: impl Fn(&str) -> String) -> Vec<Choice> {
    names.iter().map(|name| Choice { value: (*name).to_owned(), text: text(name), chosen: *name == chosen }).collect()
}

fn row(seat: &Seat, calendar: &Calendar, (id, request): (RequestId, &Request), now: Millis) -> Row {
    let (written, light) = (id.to_string(), Light::of(request, calendar, now));
    let due = calendar.due(&request.course()).filter(|_| request.waits());
    Row {
        short: written.chars().take(12).collect(),
        id: written,
        kind: seat.by_text_key("console-kind-", request.kind.name()),
        state: seat.by_text_key("console-state-", request.state.name()),
        received: seat.words.day(calendar.day(request.received_at)),
        due: due.map(|due| seat.words.day(due)).unwrap_or_default(),
        light: light.name(),
        left: left(seat, light),
        assigned: request.assigned.clone().unwrap_or_default(),
        waits_for_second: request.state == State::InReview && !request.approvals.is_empty(),
        failed: request.recipients.iter().any(|recipient| recipient.fate == Fate::Failed),
    }
}

/// What the traffic light says in words.
pub(super) fn left(seat: &Seat, light: Light) -> String {
    seat.words.of(&super::text_key("console-light-", light.name()), "number", light.days())
}

/// `GET /console/register.csv`: the register of requests. It names nobody.
pub async fn register(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let inspector: Inspector = seat.authority()?;
    let entry = crate::audit::Entry::new(app.clock.now(), inspector.who(), "register", None);
    app.audit.note(&entry).await.map_err(|error| broken(&error))?;
    let shared = app.clone();
    let found = beside(move || shared.rights.list(None)).await?.map_err(|error| broken(&error))?;
    let calendar = app.rights.calendar();
    let rows = found.iter().map(|(id, request)| cells(&calendar, *id, request));
    let columns = ["id", "kind", "state", "received_at", "due", "extended", "assigned", "approvals", "ground", "recipients"];
    Ok(file(table::csv(&columns, rows, None)?, "register.csv"))
}

fn cells(calendar: &Calendar, id: RequestId, request: &Request) -> Vec<String> {
    let due = calendar.due(&request.course()).filter(|_| request.waits());
    let recipients = request.recipients.iter().map(|r| format!("{}:{}", r.id, r.fate.name()));
    vec![
        id.to_string(),
        request.kind.name().to_owned(),
        request.state.name().to_owned(),
        rfc3339(request.received_at),
        due.map(|due| due.to_string()).unwrap_or_default(),
        request.extended.to_string(),
        harmless(request.assigned.as_deref().unwrap_or_default()),
        harmless(&request.approvals.join(" ")),
        request.ground.map(|ground| ground.name().to_owned()).unwrap_or_default(),
        harmless(&recipients.collect::<Vec<_>>().join(" ")),
    ]
}
