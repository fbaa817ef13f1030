//! What browsers want to hear before they let a page send, and before they let it read the answer.
//!
//! An origin is answered if a source of the policy lists it. A preflight names no write key, so there any source counts; the
//! request itself is checked against its own source. Refusals carry the headers as well: without them a browser SDK cannot tell
//! a 429, after which it must come back, from a broken network. No answer holds an identifier, because the pages of a listed
//! origin can read it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::auth;
use crate::error::{Code, Problem};
use crate::policy::Policy;

/// What pages may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,OPTIONS");
/// What pages may read of an answer's headers.
const READABLE: HeaderValue = HeaderValue::from_static("Retry-After, X-Request-Id");
/// How long a browser remembers a preflight: one day. Most cap it lower.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");
const YES: HeaderValue = HeaderValue::from_static("true");
const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// The longest list of header names that a preflight may ask for.
const REQUESTED_BYTES_MAX: usize = 1_024;

/// Answers a preflight.
///
/// # Errors
/// `origin_not_allowed` if no source lists the origin.
pub async fn preflight(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let Some(origin) = req.headers().get(header::ORIGIN) else {
        // Not a browser: somebody asks what can be done here.
        return Ok(HttpResponse::NoContent().insert_header((header::ALLOW, METHODS)).finish());
    };
    if !is_listed(&app.policy.current(), origin) {
        return Err(Problem::new(Code::OriginNotAllowed));
    }
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS));
    answer.insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S));
    let requested = req.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(requested) = requested.filter(|names| names.len() <= REQUESTED_BYTES_MAX) {
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone()));
    }
    Ok(answer.finish())
}

/// Adds to every answer what lets a page of a listed origin read it.
///
/// # Errors
/// Those of what is inside.
pub async fn mirror<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    let origin = req.headers().get(header::ORIGIN).cloned();
    let listed = origin.filter(|origin| {
        let app = req.app_data::<web::Data<App>>();
        app.is_some_and(|app| is_listed(&app.policy.current(), origin))
    });
    let mut answer = next.call(req).await?;
    allow(answer.headers_mut(), listed);
    Ok(answer)
}

fn allow(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(header::VARY, ORIGIN);
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, YES);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
    }
}

fn is_listed(policy: &Policy, origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok();
    origin.is_some_and(|origin| policy.sources.iter().any(|source| auth::origin_allowed(origin, source)))
}
