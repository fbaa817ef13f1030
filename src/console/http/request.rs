//! `/console/requests/{id}`: everything that a decision about a request needs, on one page.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::Value;

use super::acts::WRONG;
use super::queue::{Choice, left};
use super::{Answer, Fields, Seat, Stop, beside, broken, file};
use crate::app::App;
use crate::audit::Entry;
use crate::clock::Millis;
use crate::console::Light;
use crate::error::{Code, Problem};
use crate::mail::{self, Trace};
use crate::officers::{Authority as _, Desk, Dpo, Inspector, Reader};
use crate::rights::{Error, Fate, Format, Ground, Kind, Outlook, Recipient, Reckoning, Request, RequestId, State};
use crate::site::frame::Frame;
use crate::stream;
use crate::texts::Language;

/// The acts of which a page may say that they were done.
const DONE: [&str; 12] =
    ["identify", "doubt", "send_link", "approve", "refuse", "extend", "cancel", "lift", "assign", "note", "confirm", "filed"];
/// The grounds for which a request may be refused.
const GROUNDS: [Ground; 5] =
    [Ground::NotIdentified, Ground::ManifestlyUnfounded, Ground::Excessive, Ground::LegalObligation, Ground::LegalClaims];

#[derive(Template)]
#[template(path = "console/request.html")]
struct Page {
    f: Frame,
    id: String,
    kind: String,
    state: String,
    light: &'static str,
    left: String,
    /// What was just done, or why it was not.
    done: Option<String>,
    error: Option<String>,
    received: String,
    assigned: String,
    is_mine: bool,
    asks: Asks,
    deadline: Vec<String>,
    identity: Vec<String>,
    outlook: Option<Reach>,
    facts: Vec<(String, String)>,
    recipients: Vec<RecipientRow>,
    approvals: Vec<String>,
    takes_two: bool,
    may: May,
    grounds: Vec<Choice>,
    package: Option<String>,
    has_certificate: bool,
    acts: Vec<ActRow>,
    mails: Vec<MailRow>,
}

/// What is asked for, and by whom.
#[derive(Default)]
struct Asks {
    /// Whether this officer may see whom it is about.
    shows_whom: bool,
    /// Whether it still says that.
    is_known: bool,
    identifiers: Vec<(String, String)>,
    purposes: Vec<String>,
    corrections: Vec<(String, String, String)>,
    traits: Vec<(String, String)>,
    words: Option<String>,
    suppress: bool,
    origin: Option<String>,
    language: Option<String>,
}

/// What a decision would concern, in words.
struct Reach {
    lines: Vec<String>,
    recipients: Vec<(String, String, bool)>,
}

struct RecipientRow {
    id: String,
    events: String,
    state: String,
    look: &'static str,
    since: String,
    reason: String,
    customers: Vec<String>,
    may_confirm: bool,
}

/// What can be done, by this officer, where the request is.
#[derive(Default)]
struct May {
    anything: bool,
    identify: bool,
    doubt: bool,
    send_link: bool,
    approve: bool,
    has_approved: bool,
    refuse: bool,
    extend: bool,
    cancel: bool,
    lift: bool,
    assign: bool,
    note: bool,
    package: bool,
    certificate: bool,
}

struct ActRow {
    at: String,
    who: String,
    what: String,
    why: String,
}

struct MailRow {
    at: String,
    kind: String,
    state: String,
    reason: String,
}

/// `GET /console/requests/{id}`.
pub async fn show(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _reader: Reader = seat.authority()?;
    let id = RequestId::parse(&id).ok_or_else(|| seat.nothing())?;
    let fields = Fields::read(req.query_string())?;
    let done = fields.text("done").filter(|done| DONE.contains(done)).map(|done| seat.by_text_key("console-done-", done));
    let wrong = fields.text("wrong").filter(|wrong| WRONG.contains(wrong)).map(|wrong| seat.by_text_key("console-wrong-", wrong));
    render(&seat, &app, id, (done, wrong)).await
}

/// The page of a request, perhaps with what was just done or why it was not. That somebody sees whom it is about is noted first.
async fn render(seat: &Seat, app: &web::Data<App>, id: RequestId, (done, error): (Option<String>, Option<String>)) -> Answer {
    let (shared, desk) = (app.clone(), seat.officer.may::<Desk>());
    let found = beside(move || {
        let mut request = shared.rights.get(id)?;
        let outlook = if request.state.is_over() { None } else { Some(shared.rights.outlook(&request)) };
        let is_known = request.names_somebody();
        if !desk {
            request.leave_out_who();
        }
        Ok((request, outlook, is_known))
    });
    let (request, outlook, is_known) = found.await?.map_err(|error: Error| missing(seat, &error))?;
    if desk && is_known {
        app.rights.note_look(id, &seat.officer.who(), "shown", None).await.map_err(|error| broken(&error))?;
    }
    let outlook = outlook.transpose().unwrap_or_else(|error| {
        tracing::warn!(%error, "what a request would concern cannot be said");
        None
    });
    let mails = app.mails.about(id.0).map_err(|error| broken(&error))?;
    let (calendar, now) = (app.rights.calendar(), app.clock.now());
    let light = Light::of(&request, &calendar, now);
    let course = request.course();
    let page = Page {
        f: seat.frame("requests"),
        id: id.to_string(),
        kind: seat.by_text_key("console-kind-", request.kind.name()),
        state: seat.by_text_key("console-state-", request.state.name()),
        light: light.name(),
        left: left(seat, light),
        done,
        error,
        received: seat.moment(request.received_at),
        assigned: request.assigned.clone().unwrap_or_default(),
        is_mine: request.assigned.as_deref() == Some(seat.officer.name()),
        asks: asks(seat, &request, (desk, is_known)),
        deadline: deadline(seat, &request, calendar.reckon(&course)),
        identity: identity(seat, &request),
        outlook: outlook.map(|outlook| reach(seat, &outlook)),
        facts: facts(seat, &request),
        recipients: recipients(seat, &request),
        approvals: request.approvals.iter().map(|who| seat.who(who)).collect(),
        takes_two: request.kind.takes_two(&seat.policy),
        may: may(seat, &request, calendar.may_extend(&course, now)),
        grounds: grounds(seat, request.state),
        package: package(seat, app, (id, &request), now),
        has_certificate: request.certificate.is_some(),
        acts: request.acts.iter().rev().map(|act| act_row(seat, act)).collect(),
        mails: mails.into_iter().map(|trace| mail_row(seat, trace)).collect(),
    };
    super::page(&page)
}

/// `GET /console/requests/{id}/certificate`.
pub async fn certificate(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let inspector: Inspector = seat.authority()?;
    let id = RequestId::parse(&id).ok_or_else(|| seat.nothing())?;
    let request = app.rights.get(id).map_err(|error| missing(&seat, &error))?;
    let certificate = request.certificate.ok_or_else(|| seat.nothing())?;
    app.rights.note_look(id, inspector.who(), "certificate", None).await.map_err(|error| broken(&error))?;
    let answer = HttpResponse::Ok().content_type("application/jose").body(certificate);
    Ok(file(answer, &format!("{id}.jws")))
}

/// `GET /console/requests/{id}/package`: what is stored of the person, made while it is fetched.
pub async fn fetch(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let dpo: Dpo = seat.authority()?;
    let id = RequestId::parse(&id).ok_or_else(|| seat.nothing())?;
    let fields = Fields::read(req.query_string())?;
    let format = fields.text("format").map_or(Some(Format::Html), Format::parse).ok_or_else(|| seat.nothing())?;
    let request = app.rights.get(id).map_err(|error| missing(&seat, &error))?;
    app.rights.package_is_there(id).map_err(|_none| seat.nothing())?;
    app.rights.note_look(id, dpo.who(), "package", None).await.map_err(|error| broken(&error))?;
    let language = if request.is_german(&seat.policy) { "de" } else { "en" };
    let mut head = HttpResponse::Ok();
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    head.content_type(format.content_type()).insert_header(("Content-Disposition", disposition));
    let rights = std::sync::Arc::clone(&app.rights);
    let unavailable = |error: &Error| {
        tracing::error!(%error, "a package could not be made");
        Problem::new(Code::Unavailable)
    };
    Ok(stream::answer(head, move |pieces| rights.package(id, format, language, pieces), unavailable).await?)
}

/// Why a request is not shown.
pub(super) fn missing(seat: &Seat, error: &Error) -> Stop {
    if matches!(error, Error::NotFound) { seat.nothing() } else { broken(error) }
}

fn asks(seat: &Seat, request: &Request, (shows_whom, is_known): (bool, bool)) -> Asks {
    let purpose = |id: &String| seat.policy.purposes.iter().find(|p| p.id == *id).map(|p| &p.title);
    let language = seat.words.0.code();
    let title = |id: &String| purpose(id).map_or_else(|| id.clone(), |title| crate::console::text(title, language));
    Asks {
        shows_whom,
        is_known,
        identifiers: request.identifiers.iter().map(|(of, value)| (seat.identifier(of), value.clone())).collect(),
        purposes: request.purposes.iter().map(title).collect(),
        corrections: request
            .corrections
            .iter()
            .map(|(of, from, to)| (seat.identifier(of), from.clone(), to.clone().unwrap_or_default()))
            .collect(),
        traits: request.traits.iter().map(|(name, value)| (name.clone(), said(seat, value))).collect(),
        words: request.words.clone(),
        suppress: request.suppress,
        origin: request.origin.as_ref().map(|origin| origin.controller.clone()),
        language: request.language.as_deref().map(|tag| Language::parse(tag).map_or(tag, |known| known.name()).to_owned()),
    }
}

/// The right value of a trait, as people read it.
fn said(seat: &Seat, value: &Value) -> String {
    match value {
        Value::Bool(true) => seat.words.say("console-yes"),
        Value::Bool(false) => seat.words.say("console-no"),
        Value::String(text) => text.clone(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// How the deadline comes about, step by step.
fn deadline(seat: &Seat, request: &Request, reckoning: Option<Reckoning>) -> Vec<String> {
    let Some(Reckoning { received, months, end, rested, due }) = reckoning else {
        return vec![seat.words.say("console-deadline-rests")];
    };
    let day = |date| seat.words.day(date);
    let mut steps = vec![seat.words.all(
        "console-deadline-months",
        [("received", day(received).into()), ("months", months.into()), ("end", day(end).into())],
    )];
    if request.extended {
        steps.push(seat.words.say("console-deadline-extended"));
    }
    if rested > 0 {
        steps.push(seat.words.of("console-deadline-rested", "number", rested));
    }
    steps.push(seat.words.of("console-deadline-due", "day", day(due)));
    steps
}

fn identity(seat: &Seat, request: &Request) -> Vec<String> {
    let name = match (request.state == State::IdentityUnclear, request.is_own) {
        (true, true) => "waits-own",
        (true, false) => "waits-desk",
        (false, true) => "clear-own",
        (false, false) => "clear-desk",
    };
    let mut lines = vec![seat.by_text_key("console-identity-", name)];
    for (from, until) in &request.pauses {
        let (from, until) = (seat.moment(*from), until.map(|until| seat.moment(until)));
        lines.push(match until {
            Some(until) => seat.words.all("console-rested", [("from", from.into()), ("until", until.into())]),
            None => seat.words.of("console-rests", "from", from),
        });
    }
    lines
}

fn reach(seat: &Seat, outlook: &Outlook) -> Reach {
    let mut lines = vec![
        seat.words.of("console-reach-people", "number", outlook.concerned),
        seat.words.of("console-reach-events", "number", outlook.events),
        seat.words.of("console-reach-decisions", "number", outlook.decisions),
    ];
    if outlook.shared > 0 {
        lines.push(seat.words.of("console-reach-shared", "number", outlook.shared));
    }
    for (duty, records) in &outlook.kept {
        let records = i64::try_from(*records).unwrap_or(i64::MAX);
        lines.push(seat.words.all("console-reach-kept", [("duty", duty.as_str().into()), ("number", records.into())]));
    }
    let recipient =
        |(id, events, by_hand): &(String, u64, bool)| (id.clone(), seat.words.of("console-events", "number", *events), *by_hand);
    Reach { lines, recipients: outlook.recipients.iter().map(recipient).collect() }
}

/// What is known once it was decided.
fn facts(seat: &Seat, request: &Request) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let words = seat.words;
    let mut fact = |name: String, value: String| facts.push((name, value));
    if request.state.is_over() || request.state == State::Running {
        fact(words.say("console-fact-concerned"), request.subject_count.to_string());
    }
    if let Some((keys, at)) = request.shredded {
        fact(
            words.say("console-fact-shredded"),
            seat.words.all("console-fact-shredded-value", [("number", keys.into()), ("at", seat.moment(at).into())]),
        );
    }
    for kept in &request.kept {
        let value = [
            ("law", kept.law.clone().into()),
            ("number", i64::try_from(kept.records).unwrap_or(i64::MAX).into()),
            ("until", kept.until.clone().into()),
        ];
        fact(words.say("console-fact-kept"), seat.words.all("console-fact-kept-value", value));
    }
    if let Some(ground) = request.ground {
        fact(words.say("console-fact-ground"), seat.by_text_key("console-ground-", ground.name()));
    }
    if !request.corrected.is_empty() {
        fact(words.say("console-fact-corrected"), request.corrected.join(", "));
    }
    facts
}

fn recipients(seat: &Seat, request: &Request) -> Vec<RecipientRow> {
    let decides = seat.officer.may::<Dpo>() && request.state == State::Running;
    let row = |recipient: &Recipient| RecipientRow {
        id: recipient.id.clone(),
        events: seat.words.of("console-events", "number", recipient.events),
        state: seat.by_text_key("console-fate-", recipient.fate.name()),
        look: look(recipient.fate),
        since: seat.moment(recipient.at),
        reason: recipient.reason.clone().unwrap_or_default(),
        customers: recipient.customers.clone(),
        may_confirm: decides && recipient.fate.is_waited_for(),
    };
    request.recipients.iter().map(row).collect()
}

const fn look(fate: Fate) -> &'static str {
    match fate {
        Fate::Confirmed | Fate::Delivered | Fate::Signed | Fate::ConfirmedByHand => "good",
        Fate::Pending => "warn",
        Fate::Open | Fate::Failed => "bad",
        Fate::NotSupported => "plain",
    }
}

fn may(seat: &Seat, request: &Request, in_first_month: bool) -> May {
    let (desk, dpo) = (seat.officer.may::<Desk>(), seat.officer.may::<Dpo>());
    let unclear = request.state == State::IdentityUnclear;
    let review = request.state == State::InReview;
    let has_approved = request.approvals.contains(&seat.officer.who());
    let mut may = May {
        anything: false,
        identify: desk && unclear,
        doubt: desk && review,
        send_link: desk && unclear,
        approve: dpo && review && !has_approved,
        has_approved: dpo && review && has_approved,
        refuse: dpo && (review || unclear),
        extend: dpo && (review || unclear) && in_first_month,
        cancel: dpo && (review || unclear),
        lift: dpo && request.state == State::Running && request.kind == Kind::Restriction && !request.lifted,
        assign: desk && !request.state.is_over(),
        note: desk,
        package: dpo,
        certificate: seat.officer.may::<Inspector>(),
    };
    may.anything = may.identify || may.doubt || may.approve || may.refuse || may.extend || may.cancel || may.lift;
    may
}

/// The grounds that hold where the request is.
fn grounds(seat: &Seat, state: State) -> Vec<Choice> {
    let holds = |ground: &&Ground| state == State::InReview || **ground == Ground::NotIdentified;
    let choice = |ground: &Ground| Choice {
        value: ground.name().to_owned(),
        text: seat.by_text_key("console-ground-", ground.name()),
        chosen: false,
    };
    GROUNDS.iter().filter(holds).map(choice).collect()
}

/// Where the package is, in words.
fn package(seat: &Seat, app: &App, (id, request): (RequestId, &Request), now: Millis) -> Option<String> {
    let until = request.available_until.filter(|until| *until > now)?;
    let mut line =
        seat.words.all("console-package-until", [("until", seat.moment(until).into()), ("number", request.downloads.into())]);
    if let Some((events, written)) = app.rights.progress(id).filter(|(events, written)| written < events) {
        let numbers =
            [("written", i64::try_from(written).unwrap_or(0).into()), ("events", i64::try_from(events).unwrap_or(0).into())];
        line = format!("{line} {}", seat.words.all("console-package-progress", numbers));
    }
    Some(line)
}

fn act_row(seat: &Seat, act: &crate::rights::Act) -> ActRow {
    ActRow {
        at: seat.moment(act.at),
        who: seat.who(&act.who),
        what: seat.by_text_key("console-act-", &act.what),
        why: act.why.clone().unwrap_or_default(),
    }
}

fn mail_row(seat: &Seat, Trace { kind, state, at, reason, .. }: Trace) -> MailRow {
    let state = match state {
        mail::State::Waiting => "waiting",
        mail::State::Sent => "sent",
        mail::State::Written => "written",
        mail::State::Failed => "failed",
    };
    MailRow {
        at: seat.moment(at),
        kind: seat.by_text_key("console-mail-", &kind),
        state: seat.by_text_key("console-mail-state-", state),
        reason: reason.unwrap_or_default(),
    }
}

impl Seat {
    /// Whoever did something, as people read it.
    pub(super) fn who(&self, who: &str) -> String {
        match who {
            "gateway" => self.words.say("console-who-gateway"),
            "operator" => self.words.say("console-who-operator"),
            "person" => self.words.say("console-who-person"),
            "nobody" => self.words.say("console-who-nobody"),
            who => who
                .strip_prefix(crate::officers::Officer::PREFIX)
                .map_or_else(|| self.words.of("console-who-key", "id", who.to_owned()), str::to_owned),
        }
    }
}

/// An entry of the audit that is about no request.
pub(super) fn entry(app: &App, who: &str, what: &str, why: Option<&str>) -> Entry {
    Entry::new(app.clock.now(), who, what, why)
}
