//! `/console/audit`: who did and saw what, newest first; as a page and as a table.

use actix_web::{HttpRequest, web};
use askama::Template;

use super::{Answer, Fields, Seat, Stop, beside, broken, file, page, request};
use crate::app::App;
use crate::audit::{Entry, Question};
use crate::clock::rfc3339;
use crate::officers::{Authority as _, Inspector};
use crate::rights::{RequestId, harmless};
use crate::site::frame::Frame;
use crate::site::table;

/// How many entries a page has.
const PER_PAGE: usize = 50;
/// How many a table has.
const PER_TABLE: usize = 10_000;

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Page {
    f: Frame,
    rows: Vec<Row>,
    who: String,
    request: String,
    older: Option<String>,
}

struct Row {
    number: u64,
    at: String,
    who: String,
    what: String,
    request: Option<String>,
    why: String,
}

/// `GET /console/audit`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _inspector: Inspector = seat.authority()?;
    let fields = Fields::read(req.query_string())?;
    let (who, about) = (fields.text("who").unwrap_or_default(), fields.text("request").unwrap_or_default());
    let question = question(&fields, PER_PAGE + 1);
    let mut found = list(&app, question).await?;
    let more = found.len() > PER_PAGE;
    found.truncate(PER_PAGE);
    let last = found.last().map(|(number, _)| *number).filter(|_| more);
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let older = last.map(|before| format!("?who={}&request={}&before={before}", encode(who), encode(about)));
    let rows = found.into_iter().map(|(number, entry)| row(&seat, number, entry)).collect();
    page(&Page { f: seat.frame("audit"), rows, who: who.to_owned(), request: about.to_owned(), older })
}

/// `GET /console/audit.csv`: the same as a table. That somebody takes it along is noted.
pub async fn keep(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let inspector: Inspector = seat.authority()?;
    let fields = Fields::read(req.query_string())?;
    let entry = request::entry(&app, inspector.who(), "audit_exported", None);
    app.audit.note(&entry).await.map_err(|error| broken(&error))?;
    let found = list(&app, question(&fields, PER_TABLE)).await?;
    let rows = found.into_iter().map(|(number, Entry { at, who, what, request, why })| {
        let (about, why) = (request.unwrap_or_default(), harmless(&why.unwrap_or_default()));
        vec![number.to_string(), rfc3339(at), harmless(&who), what, about, why]
    });
    Ok(file(table::csv(&["number", "at", "who", "what", "request", "why"], rows, None)?, "audit.csv"))
}

fn question(fields: &Fields, limit: usize) -> Question {
    let before = fields.text("before").and_then(|text| text.parse().ok());
    // What is no request's ID finds nothing, rather than everything.
    let request = fields.text("request").map(|id| RequestId::parse(id).map_or_else(String::new, |id| id.to_string()));
    Question { request, who: fields.text("who").map(str::to_owned), before, limit }
}

async fn list(app: &web::Data<App>, question: Question) -> Result<Vec<(u64, Entry)>, Stop> {
    let shared = app.clone();
    beside(move || shared.audit.list(&question)).await?.map_err(|error| broken(&error))
}

fn row(seat: &Seat, number: u64, Entry { at, who, what, request, why }: Entry) -> Row {
    let (at, what) = (seat.moment(at), seat.by_text_key("console-act-", &what));
    Row { number, at, who: seat.who(&who), what, request, why: why.unwrap_or_default() }
}
