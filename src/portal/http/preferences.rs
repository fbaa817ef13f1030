//! What people state about themselves and how they want to be reached: one form, saved as a whole on the state that they were shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Value, json};

use super::super::{Change, Choice, Error, Stated};
use super::statement::{self, Card, Line};
use super::{Fields, Visit, beside, problem, query};
use crate::app::App;
use crate::error::{Code, Problem};
use crate::policy::{Channel, Preference, PreferenceKind, Purposes};
use crate::preferences;
use crate::site::frame::{self, Frame};
use crate::texts::text_key;

/// Where the page is.
const PATH: &str = "/portal/preferences";

#[derive(Template)]
#[template(path = "portal/preferences.html")]
struct Page {
    f: Frame,
    done: Option<String>,
    /// What is wrong with what was sent, as a whole.
    wrong: Option<String>,
    /// Which state this is; nothing if nothing can be changed.
    version: Option<String>,
    cards: Vec<Card>,
    channels: Vec<Card>,
    /// What stands and can be forgotten.
    forgettable: Vec<String>,
    lines: Vec<Line>,
    is_restricted: bool,
}

/// What a visit to the page finds.
pub(super) struct Found {
    pub(super) stated: Stated,
    pub(super) choices: Vec<Choice>,
}

/// What was sent, and what of it cannot be taken.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) fields: Option<Fields>,
    /// Preferences by their IDs and channels by their keys.
    pub(super) wrong: BTreeSet<String>,
}

/// What is to be changed, by what it is about.
type Changes = (BTreeMap<String, Value>, BTreeMap<String, Value>);

/// `GET /portal/preferences`.
pub(super) async fn page(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let found = look(&visit).await?;
    let done = query(&req, "done").filter(|done| matches!(done.as_str(), "saved" | "forgotten"));
    let done = done.map(|done| visit.words.say(text_key("preferences-done-", &done)));
    let page = Page { done, ..drawn(&visit, found, &Sent::default()) };
    frame::answer(StatusCode::OK, page.render())
}

/// `POST /portal/preferences`: everything that the form asks for, on the state that it was shown on.
pub(super) async fn save(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let (visit, fields) = match Visit::by_form(&req, &app, &body).await? {
        Ok(found) => found,
        Err(away) => return Ok(away),
    };
    let found = look(&visit).await?;
    let version = fields.get("version").unwrap_or_default().to_owned();
    if version != found.stated.standing.version {
        return changed(&visit, found, fields);
    }
    let ((preferences, channels), wrong) = read(&visit, &fields, &found.stated);
    if !wrong.is_empty() {
        let words = visit.words.of("preferences-wrong", "count", wrong.len());
        let sent = Sent { fields: Some(fields), wrong };
        let page = Page { wrong: Some(words), ..drawn(&visit, found, &sent) };
        return frame::answer(StatusCode::UNPROCESSABLE_ENTITY, page.render());
    }
    if !preferences.is_empty() || !channels.is_empty() {
        let change = Change { preferences, channels, forgets: false, version };
        if let Some(found) = state(&visit, change).await? {
            return changed(&visit, found, fields);
        }
    }
    frame::lead_to(&format!("{PATH}?done=saved"), &[])
}

/// `POST /portal/preferences/forget`: one statement, its history included.
pub(super) async fn forget(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let (visit, fields) = match Visit::by_form(&req, &app, &body).await? {
        Ok(found) => found,
        Err(away) => return Ok(away),
    };
    let about = fields.filled("about").ok_or_else(|| Problem::field(Code::MissingField, "about"))?;
    let nothing = |about: &str| BTreeMap::from([(about.to_owned(), Value::Null)]);
    let (preferences, channels) = match about.strip_prefix("channels.") {
        Some(kind) => (BTreeMap::new(), nothing(kind)),
        None => (nothing(about), BTreeMap::new()),
    };
    let version = fields.get("version").unwrap_or_default().to_owned();
    match state(&visit, Change { preferences, channels, forgets: true, version }).await? {
        None => frame::lead_to(&format!("{PATH}?done=forgotten"), &[]),
        Some(found) => changed(&visit, found, Fields::default()),
    }
}

async fn look(visit: &Visit) -> Result<Found, Problem> {
    let (app, person, signal, at) = (visit.app.clone(), visit.person.clone(), visit.signal, visit.at);
    beside(move || {
        let choices = app.portal.choices(&person, signal, at)?;
        let on = choices.iter().filter(|choice| choice.held.is_on()).map(|choice| Purposes::one(choice.index));
        let stated = app.portal.stated(&person, on.fold(Purposes::NONE, Purposes::or), at)?;
        Ok(Found { stated, choices })
    })
    .await
}

/// Records a change, to its end. Gives what stands now if that is no more what they were shown.
async fn state(visit: &Visit, change: Change) -> Result<Option<Found>, Problem> {
    let (app, person) = (Arc::clone(&visit.app), visit.person.clone());
    let done = actix_web::rt::spawn(async move { app.portal.state(&person, change).await }).await;
    match done.map_err(|_gone| Problem::new(Code::Unavailable))? {
        Ok(()) => Ok(None),
        Err(Error::Preferences(preferences::Error::Changed)) => Ok(Some(look(visit).await?)),
        Err(error) => Err(problem(&error)),
    }
}

/// Somebody else has changed something since: nothing was recorded, what was filled in stays, and beside it stands what is stored.
fn changed(visit: &Visit, found: Found, fields: Fields) -> Result<HttpResponse, Problem> {
    let sent = Sent { fields: Some(fields), wrong: BTreeSet::new() };
    let page = Page { wrong: Some(visit.words.say("preferences-changed")), ..drawn(visit, found, &sent) };
    frame::answer(StatusCode::PRECONDITION_FAILED, page.render())
}

fn drawn(visit: &Visit, found: Found, sent: &Sent) -> Page {
    let is_whole = visit.person.is_whole;
    let seen = |card: &Card| is_whole || card.stands.is_some();
    let cards = visit.policy.preferences.iter().map(|preference| statement::preference(visit, preference, &found, sent));
    let channels = visit.policy.channels.iter().map(|channel| statement::channel(visit, channel, &found, sent));
    let (cards, channels): (Vec<Card>, Vec<Card>) = (cards.filter(seen).collect(), channels.filter(seen).collect());
    let stands = cards.iter().chain(&channels).filter(|card| card.stands.is_some());
    Page {
        done: None,
        wrong: None,
        forgettable: stands.map(|card| card.about.clone()).collect(),
        cards,
        channels,
        lines: found.stated.history.iter().map(|past| statement::line(visit, past)).collect(),
        is_restricted: visit.app.portal.is_restricted(&visit.person, visit.at),
        version: is_whole.then_some(found.stated.standing.version),
        f: visit.frame("preferences"),
    }
}

/// What a form changes of what stands, and what of it cannot be taken. What the form does not ask for is left alone.
fn read(visit: &Visit, fields: &Fields, stated: &Stated) -> (Changes, BTreeSet<String>) {
    let asked = fields.every("asked");
    let ((mut preferences, mut channels), mut wrong) = (Changes::default(), BTreeSet::new());
    for preference in visit.policy.preferences.iter().filter(|preference| asked.contains(&preference.id)) {
        let now = stated.standing.preferences.get(&preference.id).map_or(&Value::Null, |said| &said.value);
        match answered(preference, fields) {
            Some(value) if value == *now => {}
            Some(value) => _ = preferences.insert(preference.id.clone(), value),
            None => _ = wrong.insert(preference.id.clone()),
        }
    }
    for channel in &visit.policy.channels {
        let about = statement::about(channel.kind);
        if !asked.contains(&about) {
            continue;
        }
        let now = stated.standing.channels.get(&channel.kind).and_then(|(wish, _)| serde_json::to_value(wish).ok());
        let now = now.unwrap_or_default();
        match wished(channel, fields) {
            Some(value) if value == now => {}
            Some(value) => _ = channels.insert(channel.kind.as_str().to_owned(), value),
            None => _ = wrong.insert(about),
        }
    }
    ((preferences, channels), wrong)
}

/// What is said about a preference, in its one spelling; `null` if nothing is, and nothing here if it cannot be taken.
fn answered(preference: &Preference, fields: &Fields) -> Option<Value> {
    let name = statement::field(&preference.id);
    let value = match &preference.kind {
        PreferenceKind::MultiChoice(..) => Some(fields.every(&name)).filter(|chosen| !chosen.is_empty()).map(Value::from),
        PreferenceKind::Number(..) => {
            fields.filled(&name).map(|text| text.parse::<i64>().map_or_else(|_no_number| Value::from(text), Value::from))
        }
        // Forms send other line breaks.
        PreferenceKind::Text(_) => fields.filled(&name).map(|text| Value::from(text.replace("\r\n", "\n"))),
        PreferenceKind::Choice(_) | PreferenceKind::Date(..) => fields.filled(&name).map(Value::from),
    };
    value.map_or(Some(Value::Null), |value| preferences::check(&preference.kind, &value).ok())
}

/// The same about a channel.
fn wished(channel: &Channel, fields: &Fields) -> Option<Value> {
    match fields.filled(&statement::field(&statement::about(channel.kind))) {
        None => Some(Value::Null),
        Some("no") => Some(json!({"allowed": false})),
        Some("yes") => Some(json!({"allowed": true})),
        Some(often) => {
            let found = channel.frequencies.iter().find(|frequency| frequency.as_str() == often)?;
            Some(json!({"allowed": true, "atMost": found.as_str()}))
        }
    }
}
