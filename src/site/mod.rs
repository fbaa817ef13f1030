//! The gateway's own pages and documents: what runs here, the API, the errors.
//!
//! Promises: pages load nothing from other hosts, need no script, set no cookie and name no person. What they say about the
//! API is generated from the code, what they say about the policy from the policy in force.

pub mod document;
pub mod frame;
pub mod page;
pub mod receipt;
mod render;
pub mod table;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::app::{App, OldStays};
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::limit::{self, Class};
use crate::policy::{LegalBasis, Policy, Purposes};

/// What every answer says that says nothing else: it is data, nothing may run in it, and nobody may frame it.
const API_CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The start page: what runs here.
pub async fn start(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    let policy = app.policy.current();
    let here = format!("http://{}", host(&req, &app));
    std::future::ready(page::start(&policy, &here, app.config.serves_demo())).await
}

/// The API, for people.
pub async fn docs(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    static PAGE: LazyLock<Option<String>> = LazyLock::new(|| render::docs(&document::value()));
    guard(&req, &app)?;
    let text = PAGE.as_ref().ok_or_else(|| Problem::new(Code::Internal))?;
    std::future::ready(Ok(page::html(text.clone()))).await
}

/// The table of error codes, for people.
pub async fn errors(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    guard(&req, &app)?;
    std::future::ready(page::errors()).await
}

/// The API, for machines: `OpenAPI` 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses(
    (status = 200, description = "This document, generated from the code.", content_type = "application/json"),
))]
pub async fn openapi_json(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    static TEXT: LazyLock<String> = LazyLock::new(document::text);
    guard(&req, &app)?;
    std::future::ready(Ok(HttpResponse::Ok().content_type("application/json").body(TEXT.as_str()))).await
}

/// The policy that is in force after a reload.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Reloaded {
    /// Its version: a hash over all its files.
    version: String,
}

/// Reads the policy again, and keeps it before it is in force. If it does not lint, the old one stays and the findings are in `detail`.
#[utoipa::path(post, path = "/v1/policy/reload", tag = "operation", security(("secret_key" = ["operate"])), responses(
    (status = 200, description = "The new policy is in force.", body = Reloaded),
    (status = 422, description = "The new policy does not lint; the old one stays.", body = ProblemBody),
    (status = 503, description = "The new policy cannot be kept for the moment; the old one stays.", body = ProblemBody),
))]
pub async fn reload_policy(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Operate).await?;
    let shared = app.clone();
    let outcome = web::block(move || shared.reload_policy()).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let version = outcome.map_err(|error| old_stays(&error, &caller.key_id))?;
    tracing::info!(version, key = caller.key_id, "policy reloaded");
    Ok(HttpResponse::Ok().json(Reloaded { version }))
}

/// Why the policy that is in force stays.
fn old_stays(error: &OldStays, key: &str) -> Problem {
    match error {
        OldStays::Findings(findings) => {
            tracing::warn!(findings = findings.len(), key, "the policy does not lint; the old one stays");
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            Problem::field(Code::InvalidField, "policies").detail(lines.join("\n"))
        }
        OldStays::Chronicle(error) => {
            tracing::error!(%error, key, "the policy cannot be kept; the old one stays");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}

/// What is answered where nothing is.
pub async fn nothing_here() -> Result<HttpResponse, Problem> {
    std::future::ready(Err(Problem::new(Code::NotFound))).await
}

/// Puts the security headers on every answer that has not set its own.
///
/// # Errors
/// Those of what is inside.
pub async fn security_headers<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(req).await?;
    let headers = response.headers_mut();
    put(headers, header::CONTENT_SECURITY_POLICY, API_CSP);
    put(headers, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    put(headers, header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    put(headers, header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}

/// A line for a terminal that lets a visitor consent and send an event through a source of this policy; `None` if there is
/// no source whose write key may record decisions.
#[must_use]
pub fn curl_line(policy: &Policy, url: &str) -> Option<String> {
    let source = policy.sources.iter().find(|source| source.records_decisions && !source.token_required)?;
    let used = policy.destinations.iter().filter(|d| d.is_on()).fold(Purposes::NONE, |all, d| all.or(d.purposes));
    let asked = policy.purposes.iter().enumerate().filter(|(i, p)| used.has(*i) && p.basis == LegalBasis::Consent);
    let decisions: Vec<String> = asked.map(|(_, p)| format!("\"{}\":\"granted\"", p.id)).collect();
    let call = format!("curl -sS -u {}: -H 'Content-Type: application/json'", source.write_key);
    Some(format!(
        "{call} {url}/v1/consents -d '{{\"anonymousId\":\"visitor-1\",\"method\":\"banner\",\"decisions\":{{{}}}}}' && \
         {call} {url}/v1/track -d '{{\"anonymousId\":\"visitor-1\",\"messageId\":\"try-'$RANDOM'\",\"event\":\"Product Viewed\"}}'",
        decisions.join(",")
    ))
}

fn guard(req: &HttpRequest, app: &App) -> Result<(), Problem> {
    auth::throttle(req, app, Class::Pages, limit::PAGES_PER_S)
}

/// Where the gateway is reached, as text to paste: as it was configured, or else as this browser calls it.
#[must_use]
pub fn here(req: &HttpRequest, app: &App) -> String {
    app.config.public_url.as_ref().map_or_else(|| format!("http://{}", host(req, app)), |url| url.as_str().to_owned())
}

/// How the browser calls this gateway, if that is plainly a host and a port; it is shown as text to paste.
fn host(req: &HttpRequest, app: &App) -> String {
    let named = req.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let plain = |host: &&str| host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    named.filter(plain).map_or_else(|| app.config.listen.to_string(), str::to_owned)
}
