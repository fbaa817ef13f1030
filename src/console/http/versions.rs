//! `/console/policy/versions`: which policy was in force when; and what changed between two of them.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Answer, Fields, Seat, Stop, beside, broken, file, page};
use crate::app::App;
use crate::chronicle::{Error, Period};
use crate::console::{Piece, compare};
use crate::officers::Inspector;
use crate::policy::{self, Change, Notice, NoticeText, Policy, Purpose};
use crate::site::frame::Frame;

/// How many periods a page has.
const PER_PAGE: usize = 50;

#[derive(Template)]
#[template(path = "console/versions.html")]
struct List {
    f: Frame,
    rows: Vec<Row>,
    older: Option<u32>,
    may_keep: bool,
}

/// A time in which a policy was in force.
struct Row {
    version: String,
    since: String,
    until: Option<String>,
    /// Whether it is proposed as the old or the new side of a comparison.
    is_old: bool,
    is_new: bool,
}

#[derive(Template)]
#[template(path = "console/comparison.html")]
struct Comparison {
    f: Frame,
    old: Side,
    new: Side,
    verdict: String,
    asks_again: bool,
    changes: Vec<ChangeRow>,
    texts: Vec<TextRow>,
}

/// One of the two policies.
struct Side {
    version: String,
    times: Vec<String>,
}

struct ChangeRow {
    about: String,
    id: String,
    what: String,
    so: String,
    asks_again: bool,
}

/// Something that people are shown, old and new.
struct TextRow {
    about: String,
    id: String,
    languages: Vec<Language>,
}

/// The same in one language: the title, then the text.
struct Language {
    tag: String,
    texts: [Vec<Piece>; 2],
}

/// `GET /console/policy/versions`.
pub async fn list(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let fields = Fields::read(req.query_string())?;
    let before = fields.text("before").and_then(|before| before.parse().ok());
    let shared = app.clone();
    let found = beside(move || shared.chronicle.periods(before, PER_PAGE)).await?.map_err(|error| broken(&error))?;
    let older = found.last().map(|last| last.number).filter(|number| *number > 1);
    let row = |(place, period): (usize, Period)| Row {
        version: period.version,
        since: seat.moment(period.since),
        until: period.until.map(|until| seat.moment(until)),
        is_old: place == 1,
        is_new: place == 0,
    };
    let rows = found.into_iter().enumerate().map(row).collect();
    page(&List { f: seat.frame("policy"), rows, older, may_keep: seat.officer.may::<Inspector>() })
}

/// `GET /console/policy/comparison`.
pub async fn differ(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let fields = Fields::read(req.query_string())?;
    let version = |name: &str| fields.text(name).map(str::to_owned).ok_or_else(|| seat.nothing());
    let (old, new) = (version("old")?, version("new")?);
    let (old, new) = (kept(&seat, &app, old).await?, kept(&seat, &app, new).await?);
    let changes = policy::diff(&old.0, &new.0);
    let asks_again = changes.iter().any(|change| change.asks_again);
    let verdict = match (changes.is_empty(), asks_again) {
        (true, _) => seat.words.say("console-versions-nothing"),
        (false, true) => seat.words.say("console-versions-asks"),
        (false, false) => seat.words.say("console-versions-asks-nobody"),
    };
    page(&Comparison {
        f: seat.frame("policy"),
        verdict,
        asks_again,
        changes: changes.iter().map(|change| change_row(&seat, change)).collect(),
        texts: texts(&seat, &old.0, &new.0),
        old: side(&seat, old),
        new: side(&seat, new),
    })
}

/// `GET /console/policy/texts/{hash}`: a policy, or what was shown of a notice, byte by byte as it was hashed.
pub async fn text(req: HttpRequest, app: web::Data<App>, hash: web::Path<String>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _inspector: Inspector = seat.authority()?;
    let (shared, wanted) = (app.clone(), hash.into_inner());
    let name = format!("{}.json", wanted.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    let found = beside(move || shared.chronicle.text(&wanted)).await?.map_err(|error| missing(&seat, &error))?;
    Ok(file(HttpResponse::Ok().content_type("application/json").body(found), &name))
}

/// A policy that was in force, and when.
pub(super) async fn kept(seat: &Seat, app: &web::Data<App>, version: String) -> Result<(Policy, Vec<Period>), Stop> {
    let shared = app.clone();
    let found = beside(move || Ok::<_, Error>((shared.chronicle.policy(&version)?, shared.chronicle.times(&version)?)));
    found.await?.map_err(|error| missing(seat, &error))
}

/// When a policy was in force, in words.
pub(super) fn times(seat: &Seat, periods: &[Period]) -> Vec<String> {
    let time = |period: &Period| {
        let since = seat.moment(period.since);
        match period.until {
            Some(until) => {
                seat.words.all("console-versions-from-to", [("from", since.into()), ("to", seat.moment(until).into())])
            }
            None => seat.words.of("console-versions-from", "from", since),
        }
    };
    periods.iter().map(time).collect()
}

fn missing(seat: &Seat, error: &Error) -> Stop {
    match error {
        Error::Unknown => seat.nothing(),
        Error::Unreadable => seat.stop(StatusCode::CONFLICT, seat.words.say("console-versions-unreadable")),
        Error::Store(_) => broken(error),
    }
}

fn side(seat: &Seat, (policy, periods): (Policy, Vec<Period>)) -> Side {
    Side { times: times(seat, &periods), version: policy.version }
}

fn change_row(seat: &Seat, change: &Change) -> ChangeRow {
    ChangeRow {
        about: change.about.words(seat.words),
        id: change.id.clone(),
        what: seat.words.repeat(&change.what),
        so: change.so.as_ref().map(|so| seat.words.repeat(so)).unwrap_or_default(),
        asks_again: change.asks_again,
    }
}

/// Everything that people are shown and that is not the same: notices, then purposes.
fn texts(seat: &Seat, old: &Policy, new: &Policy) -> Vec<TextRow> {
    let mut all = Vec::new();
    for id in names(old.notices.iter().chain(&new.notices).map(|notice| &notice.id)) {
        let about = seat.words.of("console-versions-notice", "version", versions(old.notice(id), new.notice(id)));
        let text = |policy: &Policy, tag: &str| policy.notice(id).and_then(|notice| words(notice, tag));
        all.push(row((about, id), tags(old, new), |tag| (text(old, tag), text(new, tag))));
    }
    for id in names(old.purposes.iter().chain(&new.purposes).map(|purpose| &purpose.id)) {
        let about = policy::Subject::Purpose.words(seat.words);
        let find = |policy: &Policy, tag: &str| policy.purposes.iter().find(|p| p.id == *id).map(|p| shown(p, tag));
        all.push(row((about, id), tags(old, new), |tag| (find(old, tag), find(new, tag))));
    }
    all.retain(|row| !row.languages.is_empty());
    all
}

/// Title and text.
type Words = (String, String);

fn words(notice: &Notice, tag: &str) -> Option<Words> {
    notice.languages.get(tag).map(|NoticeText { title, body, .. }| (title.clone(), body.clone()))
}

fn shown(purpose: &Purpose, tag: &str) -> Words {
    let of = |texts: &policy::Texts| texts.get(tag).cloned().unwrap_or_default();
    (of(&purpose.title), of(&purpose.text))
}

fn row((about, id): (String, &str), tags: Vec<String>, of: impl Fn(&str) -> (Option<Words>, Option<Words>)) -> TextRow {
    let language = |tag: String| {
        let (old, new) = of(&tag);
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        (old != new).then(|| Language { texts: [compare(&old.0, &new.0), compare(&old.1, &new.1)], tag })
    };
    TextRow { about, id: id.to_owned(), languages: tags.into_iter().filter_map(language).collect() }
}

/// IDs, each once.
fn names<'a>(all: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    all.map(String::as_str).collect()
}

/// Every language in which either of them speaks.
fn tags(old: &Policy, new: &Policy) -> Vec<String> {
    let notices = old.notices.iter().chain(&new.notices).flat_map(|notice| notice.languages.keys());
    let purposes = old.purposes.iter().chain(&new.purposes).flat_map(|purpose| purpose.title.keys());
    names(notices.chain(purposes)).into_iter().map(str::to_owned).collect()
}

/// The version of a notice, and what became of it.
fn versions(old: Option<&Notice>, new: Option<&Notice>) -> String {
    let version = |notice: &Notice| notice.version.to_string();
    match (old.map(version), new.map(version)) {
        (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
        (_, Some(version)) | (Some(version), None) => version,
        (None, None) => String::new(),
    }
}
