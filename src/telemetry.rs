//! What operators see of the running gateway: logs, figures, whether it lives and is ready.
//!
//! Promises: nothing in a log, a figure or a label names a person. Routes are named by their pattern, never by the path that
//! was asked for; see [`logs::NEVER`] for what is struck out even if somebody logs it. Every answer carries a request ID, and
//! what is logged while it is being made carries the same.

pub mod logs;
pub mod metrics;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use uuid::Uuid;

pub use logs::start_logging;
pub use metrics::{Figures, Metrics};

use crate::app::App;
use crate::clock::Chance;

/// The header that carries the request ID, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The ID of the request that is being answered.
    static CURRENT: Uuid;
}

/// The ID of the request that is being answered, if one is.
#[must_use]
pub fn request_id() -> Option<Uuid> {
    CURRENT.try_with(|id| *id).ok()
}

/// Gives every request an ID, measures it, and logs what failed.
///
/// # Errors
/// Those of what is inside.
pub async fn observe<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    let began = started();
    let id = given_id(&req).unwrap_or_else(fresh_id);
    let method = metrics::method(req.method());
    let app = req.app_data::<web::Data<App>>().cloned();
    let mut outcome = CURRENT.scope(id, next.call(req)).await;
    let mut text = [0_u8; uuid::fmt::Hyphenated::LENGTH];
    let value = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text));
    if let (Ok(response), Ok(value)) = (&mut outcome, value)
        // Where a specification says so, the caller's own ID goes back.
        && !response.headers().contains_key(REQUEST_ID)
    {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (route, status) = match &outcome {
        Ok(response) => (response.request().match_pattern(), response.status().as_u16()),
        Err(error) => (None, error.as_response_error().status_code().as_u16()),
    };
    let route = route.unwrap_or_else(|| String::from("unmatched"));
    let seconds = began.elapsed().as_secs_f64();
    if status >= 500 {
        let cause = outcome.as_ref().map_or_else(|e| Some(e.to_string()), |r| r.response().error().map(ToString::to_string));
        tracing::error!(request_id = %id, method, route, status, seconds, cause, "a request failed");
    } else {
        tracing::debug!(request_id = %id, method, route, status, seconds, "answered");
    }
    if let Some(app) = app {
        app.metrics.answered(method, route, status, seconds);
    }
    outcome
}

#[expect(clippy::disallowed_methods, reason = "durations for figures are measured here")]
fn started() -> Instant {
    Instant::now()
}

/// The caller's ID of the request, if it is plainly one: anything else could carry an identifier into the logs.
fn given_id(req: &ServiceRequest) -> Option<Uuid> {
    let value = req.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = value.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::try_parse(value).ok().filter(|id| plain && id.get_version_num() == 4)
}

/// A request ID. It must be unique, not secret, so it comes from a seeded counter and not from the operating system each time.
fn fresh_id() -> Uuid {
    thread_local! {
        static STATE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }
    let (seed, count) = STATE.get().unwrap_or_else(|| {
        let address = std::ptr::from_ref(&STATE).addr() as u64;
        (Chance::system().bytes().map_or(address, u64::from_be_bytes), 0)
    });
    STATE.set(Some((seed, count.wrapping_add(1))));
    let high = mix(seed ^ mix(count));
    let low = mix(high ^ seed.rotate_left(32) ^ count);
    uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
}

/// The finaliser of `SplitMix64`.
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Whether the process is well.
#[derive(Serialize, utoipa::ToSchema)]
pub struct State {
    /// `ok`, or what is wrong.
    status: &'static str,
    /// The version of the policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "It lives.", body = State)))]
pub async fn healthz() -> HttpResponse {
    std::future::ready(HttpResponse::Ok().json(State { status: "ok", policy: None })).await
}

/// Whether it can take requests: the policy is loaded and the store can be read.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, description = "It takes requests.", body = State),
    (status = 503, description = "It does not; send no requests here.", body = State),
))]
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    let policy = Some(app.policy.current().version.clone());
    let readable = web::block(move || app.store.get(b"M").is_ok()).await.unwrap_or(false);
    if readable {
        HttpResponse::Ok().json(State { status: "ok", policy })
    } else {
        HttpResponse::ServiceUnavailable().json(State { status: "the store cannot be read", policy })
    }
}

/// Figures in the `OpenMetrics` text format. None names a person.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "Figures.", body = String, content_type = "application/openmetrics-text"),
))]
pub async fn metrics(app: web::Data<App>) -> HttpResponse {
    let text = web::block(move || app.metrics.render(&app.figures())).await;
    match text {
        Ok(Ok(text)) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, metrics::CONTENT_TYPE)).body(text),
        Ok(Err(_)) | Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}
