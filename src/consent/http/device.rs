//! Decisions of a device that is known by a cookie: `"device": "cookie"` in `POST /v1/consents`.
//!
//! The ID is made with the first grant and goes with the last one. Whoever refuses everything is left with a cookie that remembers
//! the refusal; the record of it is kept under an ID that nobody has. The cookie says what was refused and under which terms, so that
//! they are asked again when somebody who agreed would be: when what is done becomes more, and not when words are put right.

use actix_web::cookie::Cookie;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

use super::super::NoticeShown;
use super::super::signal::View;
use super::choice::Choice;
use super::signal::consent_mode;
use super::{identifier, kind_named, notice};
use crate::app::App;
use crate::auth::device::{self, CHOICE, ID};
use crate::clock::{DAY_MS, Millis};
use crate::error::{Code, Problem};
use crate::policy::{Notice, Policy, Purposes, Source};

/// How long a decision is remembered if the policy does not say, and at most: browsers keep no cookie longer.
const DAYS_MAX: u32 = 400;

/// A device whose decision is recorded.
pub(super) struct Known {
    /// Its ID: the cookie's, or a new one.
    pub(super) id: String,
    /// Whether the browser has it already.
    has_cookie: bool,
    /// What the browser remembers to have refused before, and still refuses.
    refused: Purposes,
}

/// The device that decides. Only a page of the source's own origins and of the same site may ask for that.
///
/// # Errors
/// `invalid_field` for anything but `cookie`; `origin_not_allowed` for any other page.
pub(super) fn asked(
    req: &HttpRequest,
    (app, policy): (&App, &Policy),
    source: Option<&Source>,
    name: &str,
) -> Result<Known, Problem> {
    if name != "cookie" {
        return Err(Problem::field(Code::InvalidField, "device").detail("must be \"cookie\""));
    }
    let has_origin = req.headers().contains_key(header::ORIGIN);
    let source = source.filter(|source| has_origin && device::is_own_page(req, source)).ok_or_else(|| {
        Problem::field(Code::OriginNotAllowed, "device")
            .detail("cookies are for pages of the same site, at an origin of the source")
    })?;
    if let Some(id) = device::of(req, source) {
        return Ok(Known { id, has_cookie: true, refused: Purposes::NONE });
    }
    let refused = remembered(req, source).map_or(Purposes::NONE, |choice| still_refused(app, policy, &choice));
    let random = app.chance.bytes().map_err(|_none| Problem::new(Code::Unavailable).retry_after(5))?;
    Ok(Known { id: device::id(random), has_cookie: false, refused })
}

impl Known {
    /// Leaves in the browser what the decision says: the ID while something is granted, and what was decided.
    ///
    /// # Errors
    /// When what stands cannot be read. The decision is recorded all the same.
    pub(super) fn keep(
        &self,
        (req, answer): (&HttpRequest, &mut HttpResponse),
        (app, policy): (&App, &Policy),
        (shown, view, at): (Option<&NoticeShown>, View, Millis),
    ) -> Result<(), Problem> {
        let Said { granted, mut refused } = said(app, policy, &self.id, at)?;
        let before = policy.names(self.refused).into_iter().filter(|id| !granted.iter().chain(&refused).any(|said| said == id));
        let before: Vec<String> = before.map(str::to_owned).collect();
        refused.extend(before);
        let notice = shown.and_then(|shown| policy.notice(&shown.id));
        let days = lifetime_days(policy, notice);
        if !granted.is_empty() {
            put(answer, &device::cookie(req, ID, self.id.clone(), days))?;
        } else if self.has_cookie {
            put(answer, &device::cookie(req, ID, String::new(), 0))?;
        }
        let day = at / DAY_MS;
        let choice = Choice {
            notice: shown.map(|shown| shown.id.clone()).unwrap_or_default(),
            version: shown.map_or(0, |shown| shown.version),
            terms: Some(policy.terms.tag),
            decided: day,
            looked: day,
            granted,
            types: types(view, policy),
            refused,
            known: Some(policy.terms.tag),
        };
        put(answer, &device::cookie(req, CHOICE, choice.to_string(), days))
    }
}

/// What a browser remembers, if its page may say so.
pub(super) fn remembered(req: &HttpRequest, source: &Source) -> Option<Choice> {
    Choice::parse(device::value(req, CHOICE)?).filter(|_| device::is_own_page(req, source))
}

/// What a browser remembers to have refused, as far as no more is done now than was then.
pub(super) fn still_refused(app: &App, policy: &Policy, choice: &Choice) -> Purposes {
    let known = choice.refused.iter().filter_map(|id| policy.purpose(id));
    let refused = known.fold(Purposes::NONE, |all, index| all.or(Purposes::one(index)));
    choice.terms.map_or(Purposes::NONE, |terms| app.consents.still_refused(refused, terms))
}

/// Notes in the browser what stands now, and that it has looked whether it must be asked again. If it must be, the next page looks as well.
///
/// # Errors
/// When what stands cannot be read.
pub(super) fn looked(
    (req, answer): (&HttpRequest, &mut HttpResponse),
    (app, policy): (&App, &Policy),
    (notice, device, choice): (&Notice, Option<&str>, Choice),
    (view, ask, now): (View, bool, Millis),
) -> Result<(), Problem> {
    let today = now / DAY_MS;
    let passed = u32::try_from(today.saturating_sub(choice.decided)).unwrap_or(0);
    let left = lifetime_days(policy, Some(notice)).saturating_sub(passed).max(1);
    let granted = device.map_or_else(|| Ok(Vec::new()), |id| said(app, policy, id, now).map(|said| said.granted))?;
    let looked = if ask { 0 } else { today };
    let choice = Choice { looked, granted, types: types(view, policy), known: Some(policy.terms.tag), ..choice };
    put(answer, &device::cookie(req, CHOICE, choice.to_string(), left))
}

/// What a device has said, as far as it holds.
struct Said {
    /// The purposes that it has granted. A grant that was given for less than what would be done now is none.
    granted: Vec<String>,
    /// Those that it has refused, and need not be asked for again.
    refused: Vec<String>,
}

fn said(app: &App, policy: &Policy, id: &str, at: Millis) -> Result<Said, Problem> {
    let kind = kind_named(policy, "anonymousId").ok_or_else(|| Problem::field(Code::InvalidField, "device"))?;
    let own = identifier(app, policy, kind, id, "device")?;
    let (stands, ask) = notice::stands(app, policy, &[own], at)?;
    let mut said = Said { granted: Vec::new(), refused: Vec::new() };
    for (purpose, stand) in stands {
        match stand.state {
            "granted" => said.granted.push(purpose),
            "denied" | "withdrawn" if !policy.purpose(&purpose).is_some_and(|index| ask.has(index)) => said.refused.push(purpose),
            _ => {}
        }
    }
    Ok(said)
}

/// The types of Google Consent Mode that are granted.
fn types(view: View, policy: &Policy) -> Vec<String> {
    let types = consent_mode(view, policy).unwrap_or_default();
    types.into_iter().filter(|(_, value)| *value == "granted").map(|(name, _)| name.to_owned()).collect()
}

fn put(answer: &mut HttpResponse, cookie: &Cookie<'_>) -> Result<(), Problem> {
    answer.add_cookie(cookie).map_err(|error| {
        tracing::error!(%error, "a cookie cannot be set");
        Problem::new(Code::Internal)
    })
}

/// Until the first of what is asked for has to be asked again; a refusal is remembered for as long as a grant.
fn lifetime_days(policy: &Policy, notice: Option<&Notice>) -> u32 {
    let asked = policy.purposes.iter().enumerate().filter(|(i, _)| notice.is_some_and(|notice| notice.purposes.has(*i)));
    asked.filter_map(|(_, purpose)| purpose.consent_days).min().unwrap_or(DAYS_MAX).min(DAYS_MAX)
}
