//! Pages: what is shown, and the answer that carries it.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use base64::Engine as _;

use super::{API_CSP, curl_line};
use crate::error::{Code, Problem};
use crate::policy::{DestinationKind, LegalBasis, Policy, SourceKind};

/// The style of all pages. It stands in the page itself, so a page is one request.
pub const STYLE: &str = include_str!("../../assets/pforte.css");

/// What a page may do: use this very style, and nothing else.
static PAGE_CSP: LazyLock<String> = LazyLock::new(|| csp("'none'"));
/// The same for a page with a button.
static FORM_CSP: LazyLock<String> = LazyLock::new(|| csp("'self'"));

fn csp(form_action: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self' data:; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    )
}

#[derive(Template)]
#[template(path = "start.html")]
struct Start<'a> {
    controller: &'a str,
    version: &'a str,
    curl: Option<String>,
    demo: bool,
    purposes: Vec<PurposeRow<'a>>,
    sources: Vec<SourceRow<'a>>,
    destinations: Vec<DestinationRow<'a>>,
}

struct PurposeRow<'a> {
    id: &'a str,
    basis: &'static str,
    retention_days: u32,
    text: &'a str,
}

struct SourceRow<'a> {
    id: &'a str,
    kind: &'static str,
    records: bool,
}

struct DestinationRow<'a> {
    id: &'a str,
    kind: &'static str,
    domain: &'a str,
    purposes: String,
    on: bool,
}

#[derive(Template)]
#[template(path = "errors.html")]
struct Errors {
    codes: Vec<CodeRow>,
}

struct CodeRow {
    code: &'static str,
    status: u16,
    title: &'static str,
    cure: String,
}

/// The start page.
pub(super) fn start(policy: &Policy, here: &str, demo: bool) -> Result<HttpResponse, Problem> {
    let purposes = policy.purposes.iter().map(|p| PurposeRow {
        id: &p.id,
        basis: basis(p.basis),
        retention_days: p.retention_days,
        text: p.text.get("en").or_else(|| p.text.values().next()).map_or("", String::as_str),
    });
    let sources = policy.sources.iter().map(|s| SourceRow { id: &s.id, kind: kind(s.kind), records: s.records_decisions });
    let destinations = policy.destinations.iter().map(|d| DestinationRow {
        id: &d.id,
        kind: match d.kind {
            DestinationKind::Profile => "embedded profile store",
            DestinationKind::File { .. } => "files",
            DestinationKind::Webhook { .. } => "webhook",
        },
        domain: &d.domain,
        purposes: policy.names(d.purposes).join(", "),
        on: d.is_on(),
    });
    let page = Start {
        controller: &policy.controller.name,
        version: policy.version.get(..12).unwrap_or(&policy.version),
        curl: curl_line(policy, here),
        demo,
        purposes: purposes.collect(),
        sources: sources.collect(),
        destinations: destinations.collect(),
    };
    answer(page.render())
}

/// The page of error codes.
pub(super) fn errors() -> Result<HttpResponse, Problem> {
    let rows = Code::ALL.iter().map(|code| CodeRow {
        code: code.as_str(),
        status: code.status(),
        title: code.title(),
        cure: inline(code.cure()),
    });
    answer(Errors { codes: rows.collect() }.render())
}

/// A rendered page as an answer.
///
/// # Errors
/// `internal` if it could not be rendered.
pub fn answer(rendered: Result<String, askama::Error>) -> Result<HttpResponse, Problem> {
    rendered.map(html).map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Problem::new(Code::Internal)
    })
}

/// The answer that carries a page.
#[must_use]
pub fn html(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_CSP.as_str()))
        .insert_header((header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
        .body(text)
}

/// A rendered page for people, with a button perhaps, as an answer with this status. Nobody shall find it by searching.
///
/// # Errors
/// `internal` if it could not be rendered.
pub fn for_people(status: StatusCode, rendered: Result<String, askama::Error>) -> Result<HttpResponse, Problem> {
    let mut page = answer(rendered)?;
    *page.status_mut() = status;
    page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&FORM_CSP).unwrap_or(API_CSP));
    page.headers_mut().insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    Ok(page)
}

/// Whether a browser asks for German rather than English, where nobody is known to say.
#[must_use]
pub fn reads_german(req: &HttpRequest, policy: &Policy) -> bool {
    let wanted = req.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut first = wanted.split(',').map(|tag| tag.trim().get(..2).unwrap_or_default().to_ascii_lowercase());
    let found = first.find(|tag| tag == "de" || tag == "en").unwrap_or_else(|| policy.controller.language.clone());
    found == "de"
}

/// Text with words in backticks, as HTML: everything else is escaped.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (index, piece) in text.split('`').enumerate() {
        if index % 2 == 1 {
            out.push_str("<code>");
        }
        escape(piece, &mut out);
        if index % 2 == 1 {
            out.push_str("</code>");
        }
    }
    out
}

/// Escapes what means something in HTML.
pub(super) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// `docs/ERRORS.md`, generated from the table of codes.
#[must_use]
pub fn errors_markdown() -> String {
    let mut out = String::from(
        "# Errors\n\n\
         Generated from the table in `src/error.rs`; a test fails when this file is stale.\n\
         `UPDATE=1 cargo test --lib in_the_docs_is_what` writes it anew.\n\n\
         Every refusal is a problem document (RFC 9457, `application/problem+json`). It names the field that it is about, and\n\
         never repeats a value that was sent. `message`, `code` and `error` are always there, because older SDKs stumble where\n\
         one is missing. A 5xx says no more than its code; the answer's `x-request-id` finds the cause in the log.\n\n\
         | code | status | what happened | what to do |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        out += &format!("| `{}` | {} | {} | {} |\n", code.as_str(), code.status(), code.title(), code.cure());
    }
    out
}

const fn basis(basis: LegalBasis) -> &'static str {
    match basis {
        LegalBasis::Consent => "consent",
        LegalBasis::Contract => "contract",
        LegalBasis::LegalObligation => "legal obligation",
        LegalBasis::LegitimateInterest => "legitimate interest",
    }
}

const fn kind(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Website => "website",
        SourceKind::App => "app",
        SourceKind::Newsletter => "newsletter tool",
        SourceKind::Till => "till",
        SourceKind::Service => "service desk",
        SourceKind::Import => "import",
    }
}
