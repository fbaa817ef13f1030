//! What is allowed, with one switch for each purpose.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::super::decide::NOTICE;
use super::super::{Answer, Choice, Held};
use super::history::code;
use super::{Visit, beside, problem, query, to_its_end};
use crate::app::App;
use crate::consent::Method;
use crate::error::{Code, Problem};
use crate::policy::{Conflict, Destination, DestinationKind, LegalBasis, Purpose};
use crate::site::frame::{self, Frame};
use crate::texts::text_key;

#[derive(Template)]
#[template(path = "portal/home.html")]
struct Home {
    f: Frame,
    title: String,
    intro: String,
    /// How much is allowed, in one sentence.
    summary: String,
    saved: Option<Saved>,
    /// That the browser sends a signal, and what that means.
    signal: Option<String>,
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
    /// What can be said besides: the decision, and what the button says.
    besides: Option<(&'static str, String)>,
    /// What the browser's signal does to it.
    signal: Option<String>,
    /// Whether the signal takes the switch away.
    is_signalled: bool,
    /// Who has come since it was allowed and gets nothing.
    left_out: Option<String>,
}

/// `GET /portal`.
pub(super) async fn home(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let (shared, person, signal, at) = (Arc::clone(&app), visit.person.clone(), visit.signal, visit.at);
    let choices = beside(move || shared.portal.choices(&person, signal, at)).await?;
    // What the signal ended just now is more urgent than what was said before.
    let ended = visit.ended.as_ref().map(|ended| ended.receipt.to_string());
    let saved = ended.or_else(|| query(&req, "saved")).map(|receipt| saved(&visit, receipt)).transpose()?.flatten();
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
        signal: visit.signal.map(|_| visit.words.say("home-signal")),
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
    let (shared, person) = (Arc::clone(&app), visit.person);
    let answer = Answer { purpose, granted, signal: visit.signal, words: visit.words };
    let recorded = to_its_end(async move { shared.portal.decide(&person, &answer).await }).await?;
    frame::lead_to(&format!("/portal?saved={}", recorded.receipt), &[])
}

/// What was just decided, if the receipt is theirs; whatever else stands in the address is not repeated.
fn saved(visit: &Visit, receipt: String) -> Result<Option<Saved>, Problem> {
    if !visit.app.portal.is_theirs(&visit.person, &receipt).map_err(|error| problem(&error))? {
        return Ok(None);
    }
    let found = visit.app.consents.behind(&receipt).map_err(|error| problem(&error.into()))?;
    let Some((_, decision)) = found else { return Ok(None) };
    let by_signal = decision.method == Method::Signal;
    let titles: Vec<&str> = decision.states.keys().map(|purpose| visit.purpose(purpose)).collect();
    let state = decision.states.values().next().map(|state| if by_signal { "signal" } else { code(*state) });
    Ok(state.map(|state| {
        let key = text_key("home-saved-", state);
        Saved { text: visit.words.of(&key, "purpose", titles.join(", ")), receipt }
    }))
}

fn row(visit: &Visit, choice: &Choice, purpose: &Purpose) -> Row {
    let words = visit.words;
    let named = |index: &usize| visit.policy.destinations.get(*index).map(|destination| recipient(visit, destination));
    let left_out: Vec<String> = choice.left_out.iter().filter_map(named).collect();
    let recipients = visit.policy.recipients(choice.index).filter(|(index, _)| !choice.left_out.contains(index));
    let is_on = choice.held.is_on();
    let is_signalled = choice.signal == Some(Conflict::Signal) && !is_on;
    Row {
        id: purpose.id.clone(),
        title: visit.policy_text(&purpose.title).to_owned(),
        text: visit.policy_text(&purpose.text).to_owned(),
        is_on,
        state: state(visit, choice.held),
        basis: words.say(text_key("basis-", basis(purpose.basis))),
        recipients: recipients.map(|(_, destination)| recipient(visit, destination)).collect(),
        kept: words.of("home-kept", "days", purpose.retention_days),
        press: match (choice.held, purpose.basis) {
            (Held::Unasked, _) => None,
            (held, _) if held.is_on() => Some("denied"),
            // Who has objected asks anew for what they want; nobody switches a legitimate interest on.
            (_, LegalBasis::LegitimateInterest) => None,
            // Nobody is asked for what cannot be granted.
            _ if is_signalled => None,
            _ => Some("granted"),
        },
        besides: if matches!(choice.held, Held::Outdated(_)) {
            Some(("denied", words.say("home-leave")))
        } else if matches!(choice.held, Held::Pending(_)) {
            Some(("denied", words.say("home-take-back")))
        } else {
            choice.may_widen.then(|| ("granted", words.say("home-widen")))
        },
        signal: choice.signal.map(|conflict| match conflict {
            Conflict::Signal => words.say("signal-prevails"),
            Conflict::Grant if is_on => words.say("signal-yielded"),
            Conflict::Grant => words.say("signal-yields"),
        }),
        is_signalled,
        left_out: (!left_out.is_empty()).then(|| words.of("home-left-out", "names", left_out.join(", "))),
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
        Held::Outdated(since) => words.of("held-outdated", "since", visit.day(since)),
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
