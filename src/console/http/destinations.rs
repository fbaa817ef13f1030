//! `/console/destinations`: how far each recipient is, what it would not take, and putting that back.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, web};
use askama::Template;

use super::proof::whole;
use super::{Answer, BASE, Fields, Seat, beside, broken, page, request};
use crate::app::App;
use crate::console::text;
use crate::error::{Code, Problem};
use crate::forward::DeadLetter;
use crate::officers::{Admin, Authority as _};
use crate::policy::Destination;
use crate::site::frame::{self, Frame};

/// How many dead letters are shown of each.
const LETTERS_SHOWN: usize = 10;

#[derive(Template)]
#[template(path = "console/destinations.html")]
struct Page {
    f: Frame,
    done: Option<String>,
    all: Vec<Row>,
}

struct Row {
    id: String,
    kind: String,
    purposes: String,
    is_on: bool,
    state: String,
    look: &'static str,
    facts: Vec<(String, String)>,
    letters: Vec<Letter>,
    more: Option<String>,
    may_replay: bool,
}

struct Letter {
    reason: String,
    attempts: u32,
    first: String,
    last: String,
}

/// `GET /console/destinations`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let fields = Fields::read(req.query_string())?;
    let number = |name: &str| fields.text(name).and_then(|text| text.parse::<u32>().ok());
    let done = number("replayed").zip(number("skipped")).map(|(replayed, skipped)| {
        seat.words.all("console-replayed", [("number", replayed.into()), ("skipped", skipped.into())])
    });
    let shared = app.clone();
    let names: Vec<String> = seat.policy.destinations.iter().map(|destination| destination.id.clone()).collect();
    let letters = beside(move || {
        let of = |name: &String| Ok((name.clone(), shared.forwarder.dead_letters(Some(name), None, LETTERS_SHOWN)?));
        names.iter().map(of).collect::<Result<BTreeMap<_, _>, crate::forward::Error>>()
    });
    let mut letters = letters.await?.map_err(|error| broken(&error))?;
    let lag: BTreeMap<String, u64> = app.forwarder.lag().into_iter().collect();
    let dead: BTreeMap<String, u64> = app.forwarder.dead_letter_counts().into_iter().collect();
    let counts: BTreeMap<String, crate::forward::Figures> = app.forwarder.counts().into_iter().collect();
    let all = seat.policy.destinations.iter().map(|destination| {
        let id = &destination.id;
        let numbers = (lag.get(id).copied().unwrap_or(0), dead.get(id).copied().unwrap_or(0));
        row(&seat, destination, numbers, counts.get(id), letters.remove(id).unwrap_or_default())
    });
    page(&Page { f: seat.frame("destinations"), done, all: all.collect() })
}

fn row(
    seat: &Seat,
    destination: &Destination,
    (lag, dead): (u64, u64),
    counts: Option<&crate::forward::Figures>,
    letters: Vec<DeadLetter>,
) -> Row {
    let words = seat.words;
    let (waiting, retried) = counts.map_or((0, 0), |counts| (counts.waiting, counts.retried));
    let (state, look) = match (destination.is_on(), dead, waiting) {
        (false, ..) => ("off", "plain"),
        (true, 1.., _) => ("dead", "bad"),
        (true, 0, 1..) => ("waits", "warn"),
        (true, 0, 0) => ("fine", "good"),
    };
    let mut facts = vec![
        (words.say("console-destination-lag"), words.of("console-chunks", "number", whole(lag))),
        (words.say("console-destination-waiting"), waiting.to_string()),
        (words.say("console-destination-retried"), retried.to_string()),
        (words.say("console-destination-dead"), dead.to_string()),
    ];
    if let Some(counts) = counts {
        facts.insert(0, (words.say("console-destination-delivered"), counts.delivered.to_string()));
        let withheld: u64 = counts.withheld.values().sum();
        facts.push((words.say("console-destination-withheld"), withheld.to_string()));
    }
    let title = |id: &str| {
        let purpose = seat.policy.purposes.iter().find(|purpose| purpose.id == id);
        purpose.map_or_else(|| id.to_owned(), |purpose| text(&purpose.title, words.0.code()))
    };
    let purposes: Vec<String> = seat.policy.names(destination.purposes).into_iter().map(title).collect();
    let shown = u64::try_from(letters.len()).unwrap_or(u64::MAX);
    Row {
        id: destination.id.clone(),
        kind: seat.by_text_key("console-destination-", crate::console::kind(&destination.kind)),
        purposes: purposes.join(", "),
        is_on: destination.is_on(),
        state: seat.by_text_key("console-destination-state-", state),
        look,
        facts,
        letters: letters.into_iter().map(|letter| self::letter(seat, letter)).collect(),
        more: (dead > shown).then(|| words.of("console-more", "number", whole(dead - shown))),
        may_replay: dead > 0 && destination.is_on() && seat.officer.may::<Admin>(),
    }
}

fn letter(seat: &Seat, letter: DeadLetter) -> Letter {
    let (first, last) = (seat.moment(letter.first_at), seat.moment(letter.last_at));
    Letter { reason: letter.reason, attempts: letter.attempts, first, last }
}

/// `POST /console/destinations/{id}/replay`: puts back what a destination would not take. It passes the gate again.
pub async fn replay(req: HttpRequest, app: web::Data<App>, id: web::Path<String>, body: web::Bytes) -> Answer {
    let (seat, _) = Seat::take_form(&req, &app, &body).await?;
    let admin: Admin = seat.authority()?;
    if seat.policy.destination(&id).is_none() {
        return Err(seat.nothing());
    }
    let entry = request::entry(&app, admin.who(), "replayed", Some(&id));
    app.audit.note(&entry).await.map_err(|error| broken(&error))?;
    let (forwarder, at, id) = (Arc::clone(&app.forwarder), app.clock.now(), id.into_inner());
    // A task of its own: what has begun is finished even if the officer leaves.
    let task = actix_web::rt::spawn(async move { forwarder.replay(Some(&id), None, at).await });
    let done = task.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| broken(&error))?;
    let path = format!("{BASE}/destinations?replayed={}&skipped={}", done.replayed, done.skipped);
    Ok(frame::lead_to(&path, &[])?)
}
