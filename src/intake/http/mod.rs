//! The addresses to which Segment's and `RudderStack`'s SDKs send, with the status codes that make them keep what they should.
//!
//! A batch is never refused for one of its events: the SDKs would drop all of them. What consent keeps back is no error and is
//! not told apart in the answer either: write keys are public, and the answer would say what a person has decided.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub mod body;
pub mod cors;
mod gather;
pub mod settings;
pub mod wire;

use gather::{Alone, Gathering, Left};
use wire::Takes;

use super::Sender;
use crate::app::App;
use crate::auth::{self, Scope, device};
use crate::clock::Millis;
use crate::error::{Code, Problem};
use crate::events::EventType;
use crate::events::parse::{Events, Rejected, alone};
use crate::policy::Policy;

/// All or nothing.
static STRICT_MODE: HeaderName = HeaderName::from_static("x-strict-mode");
/// How often the SDKs of Segment and of `RudderStack` have sent the same before.
static RETRIES: [HeaderName; 2] = [HeaderName::from_static("x-retry-count"), HeaderName::from_static("rsa-retry-attempt")];

/// What became of the events of a request.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Taken<'a> {
    /// Always true here; Java's SDK looks for it.
    success: bool,
    /// How many events were taken. Those that consent keeps back are among them.
    accepted: usize,
    /// The events that were refused.
    rejected: Vec<Refused<'a>>,
}

/// An event that was refused; its neighbours were taken.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Refused<'a> {
    /// Its place in the batch, from 0.
    index: usize,
    /// The code, from the table of codes.
    code: &'a str,
    /// The field that is wrong.
    field: &'a str,
    /// What is wrong with it.
    message: &'a str,
}

macro_rules! calls {
    ($($(#[doc = $doc:literal])* $name:ident $kind:ident $path:literal;)*) => {$(
        $(#[doc = $doc])*
        ///
        /// # Errors
        /// The refusal, when nothing was kept.
        #[utoipa::path(post, path = $path, tag = "events", security(("write_key" = []), ("secret_key" = ["events:write"])),
            request_body(content = Value, content_type = "application/json", description = "One flat event."),
            responses((status = 200, description = "Taken, and durable.", body = Taken<'static>),
                (status = 400), (status = 401), (status = 403), (status = 413), (status = 415), (status = 422), (status = 429)))]
        pub async fn $name(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> Result<HttpResponse, Problem> {
            take(&req, payload, &app, Takes::One(EventType::$kind)).await
        }
    )*};
}

calls! {
    /// Somebody did something. Also `/v1/t`.
    track Track "/v1/track";
    /// Who somebody is. Also `/v1/i`.
    identify Identify "/v1/identify";
    /// A page was seen. Also `/v1/p`.
    page Page "/v1/page";
    /// A screen was seen. Also `/v1/s`.
    screen Screen "/v1/screen";
    /// Somebody belongs to a group. Also `/v1/g`.
    group Group "/v1/group";
    /// Two IDs are the same person. Also `/v1/a`.
    alias Alias "/v1/alias";
}

/// Many events at once. Also `/v1/b`, `/v1/import` and, for beacons, `/beacon/v1/batch`.
///
/// Refused events are listed and do not hold up their neighbours. With the header `X-Strict-Mode: 1` one refused event refuses
/// all of them, with 400.
///
/// # Errors
/// The refusal, when nothing was kept.
#[utoipa::path(post, path = "/v1/batch", tag = "events", security(("write_key" = []), ("secret_key" = ["events:write"])),
    params(("X-Strict-Mode" = Option<String>, Header, description = "`1`: all or nothing.")),
    request_body(content = Value, content_type = "application/json", description = "`{\"batch\": […]}`, plain or gzipped."),
    responses((status = 200, description = "Taken, and durable; refused events are listed.", body = Taken<'static>),
        (status = 400), (status = 401), (status = 403), (status = 413), (status = 415), (status = 422), (status = 429)))]
pub async fn batch(req: HttpRequest, payload: web::Payload, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    take(&req, payload, &app, Takes::Batch).await
}

async fn take(req: &HttpRequest, payload: web::Payload, app: &web::Data<App>, takes: Takes) -> Result<HttpResponse, Problem> {
    let at = app.clock.now();
    let policy = app.policy.current();
    note_retry(req);
    let known = wire::source_by_head(req, app, &policy).await;
    let mut known = match known {
        Ok(known) => known,
        Err(problem) => {
            body::discard(payload).await;
            return Err(problem);
        }
    };
    let body = body::read(req, payload).await?;
    let signal = wire::signal(req, &policy);
    if let (Takes::One(kind), None, Some(gathering)) = (takes, signal, req.app_data::<Gathering>()) {
        let alone = Alone { req: req.clone(), kind, body: body.clone(), policy: Arc::clone(&policy), source: known };
        match gathering.take(app, alone).await {
            Ok(()) => return Ok(taken(1, &[])),
            Err(Left(source)) => known = known.or(source),
        }
    }
    let (source, events) = events_of(req, app, &policy, (takes, &body), (known, at))?;
    if is_strict(req) && takes == Takes::Batch && !events.rejected.is_empty() {
        return Ok(strictly(0, &events.rejected));
    }
    let count = events.count();
    let sender = Sender { policy: &policy, source, received_at: at, signal };
    let answer = app.intake.accept(sender, events).await?;
    let accepted = count.saturating_sub(answer.rejected.len());
    match (takes, answer.rejected.first()) {
        (Takes::One(_), Some((_, rejected))) => Err(wire::problem(rejected)),
        (Takes::Batch, Some(_)) if is_strict(req) => Ok(strictly(accepted, &answer.rejected)),
        _ => Ok(taken(accepted, &answer.rejected)),
    }
}

/// The events of a body, and the source that they come from. What names no device comes from the one whose browser sent it.
fn events_of<'b>(
    req: &HttpRequest,
    app: &App,
    policy: &Policy,
    (takes, body): (Takes, &'b [u8]),
    (known, at): (Option<usize>, Millis),
) -> Result<(usize, Events<'b>), Problem> {
    let envelope = takes.read(body)?;
    let source = known.map_or_else(|| wire::source_by_body(req, app, policy, &envelope), Ok)?;
    let mut events = envelope.events(takes.kind(), at, wire::header_sent_at(req));
    if let Some(device) = policy.sources.get(source).and_then(|source| device::of(req, source)) {
        for event in events.good.iter_mut().filter(|event| event.anonymous_id.is_none()) {
            event.anonymous_id = Some(Cow::Owned(device.clone()));
        }
    }
    Ok((source, events))
}

fn taken(accepted: usize, rejected: &[(usize, Rejected)]) -> HttpResponse {
    HttpResponse::Ok().json(Taken { success: true, accepted, rejected: listed(rejected) })
}

fn listed(rejected: &[(usize, Rejected)]) -> Vec<Refused<'_>> {
    rejected.iter().map(|(index, r)| Refused { index: *index, code: r.code, field: &r.field, message: &r.message }).collect()
}

/// The answer to somebody who wants to hear of a refused event loudly.
fn strictly(accepted: usize, rejected: &[(usize, Rejected)]) -> HttpResponse {
    let said = if accepted == 0 { "Nothing of the batch was kept." } else { "The other events of the batch were kept." };
    let problem = Problem::field(Code::InvalidField, "batch").detail(format!("Events were refused; see `rejected`. {said}"));
    let mut answer = serde_json::to_value(problem.body()).unwrap_or_default();
    if let Value::Object(members) = &mut answer {
        members.insert("status".to_owned(), json!(StatusCode::BAD_REQUEST.as_u16()));
        members.insert("success".to_owned(), json!(false));
        members.insert("accepted".to_owned(), json!(accepted));
        members.insert("rejected".to_owned(), json!(listed(rejected)));
    }
    HttpResponse::BadRequest().content_type("application/problem+json").body(answer.to_string())
}

fn is_strict(req: &HttpRequest) -> bool {
    req.headers().get(&STRICT_MODE).is_some_and(|value| value == "1")
}

/// Retries say that answers get lost on the way, or come too late.
fn note_retry(req: &HttpRequest) {
    let attempt = RETRIES.iter().find_map(|name| req.headers().get(name)?.to_str().ok()?.parse::<u32>().ok());
    if let Some(attempt) = attempt.filter(|attempt| *attempt > 0) {
        tracing::info!(attempt, "an SDK sends again");
    }
}

/// A question about an event that is not sent.
#[derive(serde::Deserialize, utoipa::ToSchema)]
pub struct ExplainRequest {
    /// The source that would send it, by its ID.
    #[schema(value_type = String, example = "web")]
    source: Option<Value>,
    /// The event, in its wire form.
    #[schema(value_type = Object)]
    event: Option<Box<RawValue>>,
    /// The language of the sentences: `de` or `en`.
    #[schema(value_type = Option<String>)]
    language: Option<Value>,
}

/// Where an event would go and why, without sending it and without keeping anything.
///
/// # Errors
/// `missing_field` and `invalid_field` for `source`, `event` and what the event gets wrong.
#[utoipa::path(post, path = "/v1/explain", tag = "explain", security(("secret_key" = ["explain"])), request_body = ExplainRequest,
    responses((status = 200, description = "Per destination: goes or stays, and why.", body = crate::gate::Explanation),
        (status = 401), (status = 403), (status = 422)))]
pub async fn explain(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Explain).await?;
    let policy = app.policy.current();
    let asked: ExplainRequest = serde_json::from_slice(&body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    let source = asked.source.as_ref().ok_or_else(|| Problem::field(Code::MissingField, "source"))?;
    let source = source.as_str().and_then(|id| policy.source(id)).map(|(index, _)| index);
    let source = source.ok_or_else(|| Problem::field(Code::InvalidField, "source").detail("the policy has no such source"))?;
    let item = asked.event.ok_or_else(|| Problem::field(Code::MissingField, "event"))?;
    let language = asked.language.as_ref().and_then(Value::as_str).unwrap_or("en");
    let at = app.clock.now();
    let event = alone(&item, at).map_err(|r| {
        let field = if r.field.is_empty() { String::from("event") } else { format!("event.{}", r.field) };
        Problem::field(Code::InvalidField, field).detail(r.message)
    })?;
    Ok(HttpResponse::Ok().json(app.intake.explain(&policy, (source, &event), language, at)))
}

/// Every address of this room.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.app_data(Gathering::default());
    for (path, takes) in wire::ENDPOINTS {
        let post = || match takes {
            Takes::One(EventType::Track) => web::post().to(track),
            Takes::One(EventType::Identify) => web::post().to(identify),
            Takes::One(EventType::Page) => web::post().to(page),
            Takes::One(EventType::Screen) => web::post().to(screen),
            Takes::One(EventType::Group) => web::post().to(group),
            Takes::One(EventType::Alias) => web::post().to(alias),
            Takes::Batch => web::post().to(batch),
        };
        both(cfg, path, post);
    }
    both(cfg, "/v1/m", || web::post().to(settings::discard));
    both(cfg, "/v1/projects/{write_key}/settings", || web::get().to(settings::settings));
    both(cfg, "/sourceConfig", || web::get().to(settings::source_config));
    both(cfg, "/pixel/v1/{call}", || web::get().to(settings::pixel));
}

/// An address, and the same with a slash behind it.
fn both(cfg: &mut web::ServiceConfig, path: &str, route: impl Fn() -> actix_web::Route) {
    for path in [path.to_owned(), format!("{path}/")] {
        let resource =
            web::resource(path).route(route()).route(web::method(actix_web::http::Method::OPTIONS).to(cors::preflight));
        cfg.service(resource.default_service(web::to(crate::error::wrong_method)).wrap(from_fn(cors::mirror)));
    }
}
