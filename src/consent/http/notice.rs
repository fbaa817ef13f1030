//! `GET /v1/notice`: everything that a page needs to ask, with a token; and what `POST /v1/consents` says about what was shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::super::signal::View;
use super::super::{Handle, Handout, Refusal, Shown, Signal, asks};
use super::choice::Choice;
use super::{RecordConsent, Stand, asked, device, identifier, is_secret, kind_named, problem, signal, stand};
use crate::app::App;
use crate::auth;
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem, ProblemBody};
use crate::identity::Identifier;
use crate::policy::{Conflict, Policy, Purpose, Purposes, Wording};

/// A notice, ready to be drawn, and what it is for this visitor.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeAnswer<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    wording: Wording<'a>,
    /// What stands for the device, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<BTreeMap<String, Stand>>,
    /// The signal that the browser sent, if it prevails over what is pressed; what it refuses need not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<signal::SignalHeard>,
    /// The types of Google Consent Mode, `granted` or `denied`, by what holds now; nothing if the policy maps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    consent_mode: Option<BTreeMap<&'static str, &'static str>>,
    /// Whether this visitor must be asked. Who refused is asked again no sooner than who agreed.
    ask: bool,
    /// For one decision about this notice, from this page.
    token: String,
    /// When the token ends. Then the notice is fetched again.
    token_expires_at: String,
    /// The policy in force.
    policy_version: &'a str,
}

/// A notice with everything that is needed to show it, and a token for one decision. The token belongs to the page that fetches it.
#[utoipa::path(get, path = "/v1/notice", tag = "consent",
    params(("notice" = Option<String>, Query, description = "Its ID; without it the source's."),
        ("language" = Option<String>, Query, description = "Without it the policy's."),
        ("anonymousId" = Option<String>, Query, description = "The device; then `decisions` says what stands, and `ask` whether it must be asked.")),
    responses((status = 200, description = "The notice.", body = NoticeAnswer<'static>),
        (status = 401, description = "No or an unknown key.", body = ProblemBody<'static>),
        (status = 403, description = "The page's origin may not ask for this source.", body = ProblemBody<'static>),
        (status = 422, description = "There is no such notice, or not in this language.", body = ProblemBody<'static>)),
    security(("write_key" = [])))]
pub async fn show(
    req: HttpRequest,
    app: web::Data<App>,
    query: web::Query<BTreeMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let index = auth::write_key(&req, None, &policy)?;
    auth::throttle_source(&req, &app, &policy, index)?;
    let source = policy.sources.get(index).ok_or_else(|| Problem::new(Code::WriteKeyUnknown))?;
    let unknown = |field: &str| Problem::field(Code::UnknownNotice, field);
    let id = query.get("notice").or(source.notice.as_ref()).ok_or_else(|| unknown("notice"))?;
    let notice = policy.notice(id).ok_or_else(|| unknown("notice"))?;
    let language = query.get("language").unwrap_or(&policy.controller.language);
    let wording = policy.wording(notice, language).ok_or_else(|| unknown("language"))?;
    let now = app.clock.now();
    let device = query.get("anonymousId").cloned().or_else(|| auth::device::of(&req, source));
    let choice = device::remembered(&req, source);
    let heard = signal::of(&req, &policy);
    let receipt = heed(&app, (&policy, index), device.as_deref(), heard, now).await?;
    let visitor = Visitor::of((&app, &policy), device.as_deref(), choice.as_ref(), heard, now)?;
    let layout = notice.layout.as_ref().map(|layout| layout.version);
    let origin = auth::page(&req);
    let handout = Handout { source: &source.id, origin, notice: &notice.id, language, hash: wording.hash, layout };
    let ticket = app.consents.hand_out(&handout, now).map_err(problem)?;
    let answer = NoticeAnswer {
        wording,
        ask: !notice.purposes.and(visitor.ask).is_empty(),
        decisions: visitor.decisions,
        signal: signal::said(visitor.refusing, visitor.view, receipt.as_ref(), &policy),
        consent_mode: signal::consent_mode(visitor.view, &policy),
        token: ticket.text,
        token_expires_at: rfc3339(ticket.expires_at),
        policy_version: &policy.version,
    };
    let mut page = HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(&answer);
    if let Some(choice) = choice {
        let said = (visitor.view, answer.ask, now);
        device::looked((&req, &mut page), (&app, &policy), (notice, device.as_deref(), choice), said)?;
    }
    Ok(page)
}

/// Who looks at a notice, as far as their browser says.
struct Visitor {
    /// What stands for the device; nothing if there is none.
    decisions: Option<BTreeMap<String, Stand>>,
    /// For which purposes they would have to be asked.
    ask: Purposes,
    /// What holds.
    view: View,
    /// The signal of the browser, if no grant prevails over it.
    refusing: Option<Signal>,
}

impl Visitor {
    fn of(
        (app, policy): (&App, &Policy),
        device: Option<&str>,
        choice: Option<&Choice>,
        signal: Option<Signal>,
        now: Millis,
    ) -> Result<Self, Problem> {
        let kind = kind_named(policy, "anonymousId").ok_or_else(|| Problem::field(Code::InvalidField, "anonymousId"))?;
        let own = device.map(|device| identifier(app, policy, kind, device, "anonymousId")).transpose()?;
        let stated = own.as_slice();
        let view = app.consents.view(stated, signal, policy, now).map_err(problem)?;
        let prevails = policy.signals.gpc.as_ref().is_some_and(|gpc| gpc.conflict == Conflict::Signal);
        let (decisions, mut ask) = stands(app, policy, stated, now)?;
        if prevails {
            // Nobody is asked for what their browser refuses for them and they cannot grant.
            ask = ask.without(view.refuses);
        }
        // Who has no device and remembers something has refused it.
        if let Some(choice) = choice.filter(|_| device.is_none()) {
            ask = ask.without(device::still_refused(app, policy, choice));
        }
        let decisions = own.is_some().then_some(decisions);
        Ok(Self { decisions, ask, view, refusing: signal.filter(|_| prevails) })
    }
}

/// Heeds the signal of a browser that is known by a device: what it refuses ends now. Gives the receipt, if something did.
async fn heed(
    app: &web::Data<App>,
    (policy, source): (&Arc<Policy>, usize),
    device: Option<&str>,
    heard: Option<Signal>,
    now: Millis,
) -> Result<Option<Handle>, Problem> {
    let (Some(device), Some(signal)) = (device, heard) else { return Ok(None) };
    let kind = kind_named(policy, "anonymousId").ok_or_else(|| Problem::field(Code::InvalidField, "anonymousId"))?;
    let device = [identifier(app, policy, kind, device, "anonymousId")?];
    signal::heed(app, (signal, source), &device, policy, now).await
}

/// What stands for identifiers, and for which purposes whoever has them would have to be asked.
pub(super) fn stands(
    app: &App,
    policy: &Policy,
    stated: &[Identifier],
    now: Millis,
) -> Result<(BTreeMap<String, Stand>, Purposes), Problem> {
    let stands = app.consents.stands(stated, now).map_err(problem)?;
    let (outdated, widened) = app.consents.outdated(stated, policy).map_err(problem)?;
    let less = outdated.or(widened).or(app.consents.refused_less(stated, policy).map_err(problem)?);
    let known = |purpose: &Purpose| stands.get(&purpose.id).copied();
    let ask = policy.purposes.iter().enumerate().filter(|(index, purpose)| asks(purpose, known(purpose), less.has(*index), now));
    let ask = ask.fold(Purposes::NONE, |all, (index, _)| all.or(Purposes::one(index)));
    let is_outdated = |purpose: &Purpose| policy.purpose(&purpose.id).is_some_and(|index| outdated.has(index));
    let one = |purpose: &Purpose| match stand(known(purpose), now) {
        Stand { state: "granted", at, expires_at } if is_outdated(purpose) => Stand { state: "outdated", at, expires_at },
        stand => stand,
    };
    Ok((asked(policy).map(|purpose| (purpose.id.clone(), one(purpose))).collect(), ask))
}

/// What a decision says about what was shown. A token says it better than the page: it fills in what the page leaves out, and what the
/// page says must be the same.
pub(super) fn shown(
    req: &HttpRequest,
    app: &App,
    (policy, source): (&Policy, usize),
    body: &mut RecordConsent,
) -> Result<Shown, Problem> {
    if body.preselected.as_ref().is_some_and(|list| !list.is_empty()) {
        let words = "nothing may be preselected: consent is an act of the person";
        return Err(Problem::field(Code::InvalidField, "preselected").detail(words));
    }
    let mut shown = Shown {
        hash: body.notice_hash.take(),
        layout: body.layout,
        nothing_preselected: body.preselected.is_some(),
        token: None,
    };
    let source = policy.sources.get(source).ok_or_else(|| Problem::new(Code::NotAllowed))?;
    let Some(text) = body.token.take() else {
        let needed = source.token_required && !is_secret(req);
        return if needed { Err(refused(Refusal::Missing)) } else { Ok(shown) };
    };
    let token = app.consents.read_token(&text, app.clock.now()).map_err(refused)?;
    let foreign = |field: &str| Problem::field(Code::TokenForeign, field);
    if token.source != source.id {
        return Err(foreign("token").detail("the token was made for another source"));
    }
    if token.origin.as_deref() != auth::page(req) {
        return Err(foreign("token").detail("the token was made for another page's origin"));
    }
    let said = [
        ("notice", body.notice.replace(token.notice.clone()), &token.notice),
        ("language", body.language.replace(token.language.clone()), &token.language),
        ("noticeHash", shown.hash.replace(token.hash.clone()), &token.hash),
    ];
    if let Some((field, ..)) = said.iter().find(|(_, page, token)| page.as_ref().is_some_and(|page| page != *token)) {
        return Err(foreign(field));
    }
    if shown.layout.is_some() && shown.layout != token.layout {
        return Err(foreign("layout"));
    }
    shown.layout = token.layout;
    // The layout that was handed out says so.
    shown.nothing_preselected |= token.layout.is_some();
    shown.token = Some(token);
    Ok(shown)
}

/// Why a token is refused.
pub(super) fn refused(refusal: Refusal) -> Problem {
    let code = match refusal {
        Refusal::Missing => Code::TokenMissing,
        Refusal::Invalid => Code::TokenInvalid,
        Refusal::Expired => Code::TokenExpired,
        Refusal::Used => Code::TokenUsed,
    };
    Problem::field(code, "token")
}
