//! `POST /v1/consents` records decisions; `GET /v1/consents` shows a visitor what stands for their own device.

mod choice;
mod device;
pub mod import;
pub mod notice;
pub mod receipt;
pub mod signal;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value};
use validator::Validate;

use super::signal::View;
use super::{Besides, Error, Method, NoticeShown, OptIn, Order, Recorded, State};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem};
use crate::identity::{self, Identifier};
use crate::limit::{self, Class};
use crate::policy::{IdentifierKind, Policy, Purpose, Source, SourceKind};

/// When to come back if too many letters are being sent, in seconds.
const LETTERS_WAIT_S: u32 = 600;

/// What `POST /v1/consents` takes.
#[derive(Debug, Default, Validate, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RecordConsent {
    /// The visitor's device. One of `anonymousId`, `userId` and `identifiers` is needed.
    #[schema(value_type = Option<String>, example = "9a4f5c1e-7a54-4a0e-9d3c-1c9f6a0b2d11")]
    anonymous_id: Option<String>,
    /// `cookie`: the device is the one of the browser's cookie, which the gateway sets. In place of `anonymousId`, for pages of the same site.
    #[validate(length(min = 1, max = 16))]
    device: Option<String>,
    /// The company's own ID of a signed-in customer.
    #[schema(value_type = Option<String>)]
    user_id: Option<String>,
    /// Identifier type to value, such as `{"loyalty_card": "DE-4711", "email": "…"}`.
    #[schema(value_type = Object)]
    identifiers: Map<String, Value>,
    /// Purpose to `granted` or `denied`.
    #[schema(value_type = std::collections::HashMap<String, String>, example = json!({"analytics": "granted", "personalization": "denied"}))]
    decisions: Map<String, Value>,
    /// The ID of the notice that was shown; without it the source's.
    #[validate(length(min = 1, max = 64))]
    notice: Option<String>,
    /// `banner`, `portal`, `spoken`, `paper` or `import`.
    #[validate(length(min = 1, max = 16))]
    method: Option<String>,
    /// The language in which the notice was shown.
    #[validate(length(min = 2, max = 16))]
    language: Option<String>,
    /// Who recorded it, as the source calls them, such as a till number. At most 64 characters.
    #[validate(length(min = 1, max = 64))]
    actor: Option<String>,
    /// The token that `GET /v1/notice` handed out, if the source asks for one. With it `notice` and `language` can be left out.
    #[validate(length(min = 1, max = 2048))]
    token: Option<String>,
    /// The hash of the notice that was shown. If it is not that of the notice in force, nothing is recorded.
    #[validate(length(min = 1, max = 64))]
    notice_hash: Option<String>,
    /// The version of the layout in which it was drawn; the same holds.
    layout: Option<u32>,
    /// What was preselected. Nothing may be.
    #[schema(value_type = Option<Vec<String>>, example = json!([]))]
    preselected: Option<Vec<Value>>,
    /// The public write key, for clients that cannot send a header.
    #[validate(length(min = 1, max = 128))]
    write_key: Option<String>,
}

/// What stands for one purpose.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stand {
    /// `granted`, `denied`, `withdrawn`, `expired`, `outdated` (granted for less than what would be done now) `unset`, or `pending`: nothing is granted
    /// until a link in a mail is used.
    state: &'static str,
    /// When it was decided, by the server's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// When a grant ends; until when a link can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// What the gateway answers about decisions. It holds no identifier.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentsAnswer {
    /// Whether something was recorded now.
    recorded: bool,
    /// Per purpose what stands.
    decisions: BTreeMap<String, Stand>,
    /// The notice that the decision was bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<NoticeShown>,
    /// Where the receipt of this decision is: `GET /v1/consents/{receipt}/receipt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    /// The signal that the browser sent, if the policy heeds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<signal::SignalHeard>,
    /// The types of Google Consent Mode, `granted` or `denied`, by what holds now; nothing if the policy maps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>, example = json!({"ad_storage": "denied", "analytics_storage": "granted"}))]
    consent_mode: Option<BTreeMap<&'static str, &'static str>>,
    /// The policy in force.
    policy_version: String,
}

/// Records what somebody decided. The answer comes when it is durable. What a signal of the browser refuses is recorded with it.
#[utoipa::path(post, path = "/v1/consents", tag = "consent", request_body = RecordConsent,
    responses((status = 201, description = "Recorded and in force.", body = ConsentsAnswer),
        (status = 401, description = "No or an unknown key.", body = crate::error::ProblemBody<'static>),
        (status = 403, description = "The source may not record this; the token is forged or was made for something else.", body = crate::error::ProblemBody<'static>),
        (status = 409, description = "The token has expired or was used; another version of the notice is in force.", body = crate::error::ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = crate::error::ProblemBody<'static>)),
    params(("Sec-GPC" = Option<String>, Header, description = "`1`: Global Privacy Control, as browsers send it.")),
    security(("write_key" = []), ("secret_key" = ["consents:write"])))]
pub async fn record(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let mut body = RecordConsent::parse(&body)?;
    let source = recorder(&req, &app, &body, &policy).await?;
    let shown = notice::shown(&req, &app, (&policy, source), &mut body)?;
    let device =
        body.device.take().map(|name| device::asked(&req, (&app, &policy), policy.sources.get(source), &name)).transpose()?;
    if let Some(device) = &device
        && body.anonymous_id.replace(device.id.clone()).is_some()
    {
        return Err(Problem::field(Code::InvalidField, "anonymousId").detail("the device is the one of the cookie"));
    }
    let mut order = order(&app, &policy, source, body)?;
    order.besides.shown = shown;
    let signal = signal::of(&req, &policy);
    let (identifiers, at) = (order.identifiers.clone(), order.at);
    // A task of its own: what has begun is finished even if the client hangs up.
    let (consents, confirmations) = (Arc::clone(&app.consents), Arc::clone(&app.confirmations));
    if !is_secret(&req) && confirmations.writes_for(&order) {
        auth::throttle(&req, &app, Class::People, limit::PEOPLE_PER_S)?;
    }
    let recorded = actix_web::rt::spawn(async move {
        let refused = match signal {
            Some(signal) => consents.heed_with(signal, &mut order).await?,
            None => None,
        };
        let said = if order.decisions.is_empty() { None } else { Some(confirmations.record(order).await?) };
        Ok((refused, said))
    })
    .await;
    let (refused, said) = recorded.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(problem)?;
    let view = app.consents.view(&identifiers, signal, &policy, at).map_err(problem)?;
    let heard = signal::said(signal, view, refused.as_ref().map(|refused| &refused.receipt), &policy);
    let answer = answer_of(refused.as_ref(), said.as_ref(), view, &policy);
    let mut answer = HttpResponse::Created().json(ConsentsAnswer { signal: heard, ..answer });
    if let Some(device) = device {
        let shown = said.as_ref().and_then(|said| said.decision.notice.as_ref());
        device.keep((&req, &mut answer), (&app, &policy), (shown, view, at))?;
    }
    Ok(answer)
}

/// Shows what stands for a device, to the visitor who has it; for other identifiers to systems with a secret key. Unknown
/// identifiers get the same answer as known ones that never decided.
#[utoipa::path(get, path = "/v1/consents", tag = "consent",
    params(("Sec-GPC" = Option<String>, Header, description = "`1`: Global Privacy Control, as browsers send it; what it refuses ends now."),
        ("anonymousId" = Option<String>, Query, description = "The device."),
        ("userId" = Option<String>, Query, description = "Needs a secret key with `consents:read`."),
        ("email" = Option<String>, Query, description = "Any identifier type of the policy by its ID; needs a secret key.")),
    responses((status = 200, description = "What stands.", body = ConsentsAnswer),
        (status = 401, description = "No or an unknown key.", body = crate::error::ProblemBody<'static>)),
    security(("write_key" = []), ("secret_key" = ["consents:read"])))]
pub async fn show(
    req: HttpRequest,
    app: web::Data<App>,
    query: web::Query<BTreeMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let mut stated = Vec::new();
    let mut others = false;
    for (name, value) in query.iter() {
        if name.eq_ignore_ascii_case("writekey") {
            continue;
        }
        let kind = kind_named(&policy, name)
            .ok_or_else(|| Problem::field(Code::InvalidField, "query").detail("the policy has no such identifier type"))?;
        others |= policy.identifiers.get(kind).is_some_and(|t| t.kind != IdentifierKind::Device);
        stated.push(identifier(&app, &policy, kind, value, "query")?);
    }
    if stated.is_empty() {
        return Err(Problem::field(Code::MissingField, "anonymousId"));
    }
    let (now, mut heard, mut receipt) = (app.clock.now(), None, None);
    if others || is_secret(&req) {
        auth::secret(&req, &app, Scope::ConsentsRead).await?;
    } else {
        let source = auth::write_key(&req, None, &policy)?;
        auth::throttle_source(&req, &app, &policy, source)?;
        heard = signal::of(&req, &policy);
        if let Some(signal) = heard {
            receipt = signal::heed(&app, (signal, source), &stated, &policy, now).await?;
        }
    }
    let view = app.consents.view(&stated, heard, &policy, now).map_err(problem)?;
    let decisions = notice::stands(&app, &policy, &stated, now)?.0;
    Ok(HttpResponse::Ok().json(ConsentsAnswer {
        recorded: receipt.is_some(),
        decisions,
        notice: None,
        receipt: None,
        signal: signal::said(heard, view, receipt.as_ref(), &policy),
        consent_mode: signal::consent_mode(view, &policy),
        policy_version: policy.version.clone(),
    }))
}

fn asked(policy: &Policy) -> impl Iterator<Item = &Purpose> {
    let carried = policy.without_consent;
    policy.purposes.iter().enumerate().filter(move |(i, p)| !carried.has(*i) && p.retention_days > 0).map(|(_, p)| p)
}

fn stand(known: Option<(State, Millis, Option<Millis>)>, now: Millis) -> Stand {
    let Some((state, at, expires)) = known else { return Stand { state: "unset", at: None, expires_at: None } };
    let state = match state {
        State::Granted if expires.is_some_and(|end| end <= now) => "expired",
        State::Granted => "granted",
        State::Denied => "denied",
        State::Withdrawn => "withdrawn",
        State::Pending => "pending",
    };
    Stand { state, at: Some(rfc3339(at)), expires_at: expires.map(rfc3339) }
}

fn answer_of(refused: Option<&Recorded>, said: Option<&Recorded>, view: View, policy: &Policy) -> ConsentsAnswer {
    let mut decisions = BTreeMap::new();
    for Recorded { decision, .. } in refused.into_iter().chain(said) {
        decisions.extend(decision.states.iter().map(|(purpose, state)| {
            let waits = match &decision.double_opt_in {
                Some(OptIn::Asked(asked)) if *state == State::Pending => Some(asked.until),
                Some(_) | None => None,
            };
            let expires = waits.or_else(|| decision.expires.get(purpose).copied());
            (purpose.clone(), stand(Some((*state, decision.at, expires)), decision.at))
        }));
    }
    let receipt = said.or(refused).map(|recorded| recorded.receipt.to_string());
    ConsentsAnswer {
        recorded: true,
        decisions,
        notice: said.and_then(|said| said.decision.notice.clone()),
        receipt,
        signal: None,
        consent_mode: signal::consent_mode(view, policy),
        policy_version: policy.version.clone(),
    }
}

fn is_secret(req: &HttpRequest) -> bool {
    let header = req.headers().get("authorization").and_then(|v| v.to_str().ok());
    header.is_some_and(|v| v.starts_with("Bearer "))
}

/// The source that records: a system with a secret key, or a source whose public key may.
async fn recorder(req: &HttpRequest, app: &App, body: &RecordConsent, policy: &Policy) -> Result<usize, Problem> {
    if is_secret(req) {
        return auth::secret(req, app, Scope::ConsentsWrite).await?.source_index(policy);
    }
    let source = auth::write_key(req, body.write_key.as_deref(), policy)?;
    auth::throttle_source(req, app, policy, source)?;
    match policy.sources.get(source) {
        Some(known) if known.records_decisions => Ok(source),
        Some(_) | None => Err(Problem::new(Code::NotAllowed).detail("this source records no decisions with its write key")),
    }
}

fn order(app: &App, policy: &Arc<Policy>, source: usize, body: RecordConsent) -> Result<Order, Problem> {
    let method = method(body.method.as_deref(), policy.sources.get(source))?;
    let mut identifiers = Vec::new();
    let direct = [("anonymousId", body.anonymous_id), ("userId", body.user_id)];
    for (name, value) in direct {
        let Some(value) = value else { continue };
        let kind = kind_named(policy, name).ok_or_else(|| Problem::field(Code::InvalidField, name))?;
        identifiers.push(identifier(app, policy, kind, &value, name)?);
    }
    if body.identifiers.len() > limit::IDENTIFIERS_MAX {
        return Err(
            Problem::field(Code::InvalidField, "identifiers").detail(format!("at most {} are taken", limit::IDENTIFIERS_MAX))
        );
    }
    for (name, value) in &body.identifiers {
        let kind = kind_named(policy, name)
            .ok_or_else(|| Problem::field(Code::InvalidField, "identifiers").detail("the policy has no such identifier type"))?;
        let field = format!("identifiers.{}", policy.identifiers.get(kind).map_or("", |t| t.id.as_str()));
        let value = text(value).ok_or_else(|| Problem::field(Code::InvalidField, field.as_str()).detail("must be text"))?;
        identifiers.push(identifier(app, policy, kind, &value, &field)?);
    }
    if identifiers.is_empty() {
        return Err(Problem::field(Code::MissingField, "anonymousId").detail("name anonymousId, userId or identifiers"));
    }
    identifiers.sort_by(|a, b| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
    identifiers.dedup();
    Ok(Order {
        identifiers,
        decisions: decisions(policy, &body.decisions)?,
        notice: body.notice,
        language: body.language,
        method,
        source,
        actor: body.actor,
        at: app.clock.now(),
        policy: Arc::clone(policy),
        mark: None,
        besides: Besides::default(),
    })
}

fn kind_named(policy: &Policy, name: &str) -> Option<usize> {
    let of = |wanted| policy.identifiers.iter().position(|t| t.kind == wanted);
    match name {
        "anonymousId" => of(IdentifierKind::Device),
        "userId" => of(IdentifierKind::UserId),
        _ => policy.identifier(name).map(|(index, _)| index),
    }
}

fn identifier(app: &App, policy: &Policy, kind: usize, value: &str, field: &str) -> Result<Identifier, Problem> {
    let id = policy.identifiers.get(kind).map_or("", |t| t.id.as_str());
    identity::parse(policy, &app.vault, id, value)
        .map_err(|refusal| Problem::field(Code::InvalidField, field).detail(refusal.to_string()))
}

fn decisions(policy: &Policy, raw: &Map<String, Value>) -> Result<Vec<(usize, bool)>, Problem> {
    if raw.is_empty() {
        return Err(Problem::field(Code::MissingField, "decisions"));
    }
    let mut decisions = Vec::with_capacity(raw.len());
    for (name, value) in raw {
        let field = format!("decisions.{}", speakable(name).unwrap_or("?"));
        let purpose = policy.purpose(name).filter(|i| policy.purposes.get(*i).is_some_and(|p| p.retention_days > 0));
        let purpose = purpose.ok_or_else(|| Problem::field(Code::UnknownPurpose, field.as_str()))?;
        match value.as_str() {
            Some("granted") => decisions.push((purpose, true)),
            Some("denied") => decisions.push((purpose, false)),
            Some(_) | None => return Err(Problem::field(Code::InvalidField, field).detail("must be \"granted\" or \"denied\"")),
        }
    }
    Ok(decisions)
}

fn method(name: Option<&str>, source: Option<&Source>) -> Result<Method, Problem> {
    let field = || Problem::field(Code::InvalidField, "method");
    let method = match name {
        None => return Err(Problem::field(Code::MissingField, "method")),
        Some("banner") => Method::Banner,
        Some("portal") => Method::Portal,
        Some("spoken") => Method::Spoken,
        Some("paper") => Method::Paper,
        Some("import") => Method::Import,
        Some(_) => return Err(field().detail("must be banner, portal, spoken, paper or import")),
    };
    let fits: &[Method] = match source.map(|s| s.kind) {
        Some(SourceKind::Website | SourceKind::App) => &[Method::Banner, Method::Portal],
        Some(SourceKind::Till | SourceKind::Service) => &[Method::Spoken, Method::Paper, Method::Portal],
        Some(SourceKind::Newsletter) => &[Method::Portal, Method::Paper],
        Some(SourceKind::Import) | None => &[Method::Import, Method::Paper],
    };
    if fits.contains(&method) { Ok(method) } else { Err(field().detail("decisions are not taken in this way at this source")) }
}

/// A name from the request that may be repeated in an answer: it looks like a field's name and not like a value.
fn speakable(name: &str) -> Option<&str> {
    (!name.is_empty() && name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')).then_some(name)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl RecordConsent {
    /// Reads the body field by field, so that an error can name the field without repeating a value.
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
        let Value::Object(fields) = value else {
            return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
        };
        let mut read = Self::default();
        for (name, value) in fields {
            let wrong = |what: &str| {
                Problem::field(Code::InvalidField, speakable(&name).unwrap_or("body")).detail(format!("must be {what}"))
            };
            if value.is_null() {
                continue;
            }
            let slot = match name.as_str() {
                "identifiers" | "decisions" => {
                    let Value::Object(map) = value else { return Err(wrong("an object")) };
                    if name == "identifiers" {
                        read.identifiers = map
                    } else {
                        read.decisions = map
                    }
                    continue;
                }
                "preselected" => {
                    let Value::Array(list) = value else { return Err(wrong("a list")) };
                    read.preselected = Some(list);
                    continue;
                }
                "layout" => {
                    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                    read.layout = Some(number.ok_or_else(|| wrong("a number"))?);
                    continue;
                }
                "token" => &mut read.token,
                "noticeHash" => &mut read.notice_hash,
                "anonymousId" => &mut read.anonymous_id,
                "device" => &mut read.device,
                "userId" => &mut read.user_id,
                "notice" => &mut read.notice,
                "method" => &mut read.method,
                "language" => &mut read.language,
                "actor" => &mut read.actor,
                "writeKey" => &mut read.write_key,
                "at" | "time" | "timestamp" | "expiresAt" | "givenAt" => {
                    return Err(Problem::field(Code::InvalidField, name).detail("times are the server's"));
                }
                _ => {
                    return Err(
                        Problem::field(Code::InvalidField, speakable(&name).unwrap_or("body")).detail("there is no such field")
                    );
                }
            };
            *slot = Some(text(&value).ok_or_else(|| wrong("text"))?);
        }
        read.validate().map_err(|errors| {
            let field = errors.field_errors().keys().next().map(ToString::to_string).unwrap_or_default();
            Problem::field(Code::InvalidField, field).detail("too short or too long")
        })?;
        Ok(read)
    }
}

fn problem(error: Error) -> Problem {
    if error.is_busy() {
        return Problem::new(Code::Overloaded).retry_after(1);
    }
    match error {
        Error::NotAsked { purpose } => {
            Problem::field(Code::InvalidField, format!("decisions.{purpose}")).detail("this purpose does not rest on consent")
        }
        Error::NoNotice => Problem::field(Code::UnknownNotice, "notice"),
        Error::NotInNotice { purpose, .. } => {
            Problem::field(Code::InvalidField, format!("decisions.{purpose}")).detail("the notice does not ask for it")
        }
        Error::NoticeOutdated { notice, version } => Problem::field(Code::NoticeOutdated, "notice")
            .detail(format!("version {version} of the notice {notice} is in force; what was shown is not")),
        Error::Token(refusal) => notice::refused(refusal),
        Error::Nobody => Problem::field(Code::MissingField, "anonymousId"),
        Error::NothingNew => Problem::new(Code::Conflict),
        Error::Suppressed => Problem::field(Code::NotAllowed, "identifiers").detail(error.to_string()),
        Error::TooMany => Problem::new(Code::TooManyRequests).retry_after(LETTERS_WAIT_S),
        Error::Link(_) => Problem::new(Code::NotFound),
        Error::Identity(_) | Error::Store(_) | Error::Vault(_) | Error::Form(_) | Error::Drift | Error::Letter => {
            tracing::error!(%error, "a decision could not be recorded");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}
