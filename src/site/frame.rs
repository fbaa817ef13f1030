//! The frame of the pages on which people do something: their language, their style and script, their security headers.

use std::sync::LazyLock;

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, AcceptLanguage, Header as _, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use super::page;
use crate::app::App;
use crate::auth;
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::policy::Policy;
use crate::texts::{Language, Words};

/// What a page may do: use our style and our script, send forms to us, and nothing else.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                   form-action 'self'; frame-ancestors 'none'";

/// A file that pages load. Its name changes with what is in it, so a browser may keep it for good.
struct Asset {
    path: String,
    content_type: &'static str,
    text: String,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = [page::STYLE, include_str!("../../assets/frame.css")].concat();
    Asset { path: named("frame", "css", &text), content_type: "text/css; charset=utf-8", text }
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/frame.js").to_owned();
    Asset { path: named("frame", "js", &text), content_type: "text/javascript; charset=utf-8", text }
});

fn named(name: &str, ending: &str, text: &str) -> String {
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()));
    format!("/assets/{name}-{}.{ending}", digest.get(..12).unwrap_or_default())
}

/// Where the style of these pages is.
#[must_use]
pub fn style() -> &'static str {
    &STYLE.path
}

/// Where their script is. Every page works without it.
#[must_use]
pub fn script() -> &'static str {
    &SCRIPT.path
}

/// `GET /assets/{name}`: the style and the script.
pub async fn asset(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    let found = [&STYLE, &SCRIPT].into_iter().find(|asset| asset.path == req.path());
    let asset = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    let answer = HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.text.as_str());
    std::future::ready(Ok(answer)).await
}

/// In which language somebody is spoken to: what they chose, else what the address says, else what their browser asks for, else the
/// policy's.
#[must_use]
pub fn words(req: &HttpRequest, chosen: Option<&str>, policy: &Policy) -> Words {
    let of_address = || {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(req.query_string()).ok()?;
        pairs.iter().find(|(name, _)| name == "language").and_then(|(_, tag)| Language::parse(tag))
    };
    let of_browser = || {
        let ranked = AcceptLanguage::parse(req).ok()?.ranked();
        ranked.iter().filter_map(|tag| tag.item()).find_map(|tag| Language::parse(tag.primary_language()))
    };
    let language = chosen.and_then(Language::parse).or_else(of_address).or_else(of_browser);
    Words(language.or_else(|| Language::parse(&policy.controller.language)).unwrap_or(Language::English))
}

/// A rendered page as an answer. Nobody may frame it, keep it, or learn where its reader goes from there.
///
/// # Errors
/// `internal` if it could not be rendered.
pub fn answer(status: StatusCode, rendered: Result<String, askama::Error>) -> Result<HttpResponse, Problem> {
    let text = rendered.map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Problem::new(Code::Internal)
    })?;
    let mut page = HttpResponse::build(status).content_type("text/html; charset=utf-8").body(text);
    let headers = page.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
        (header::CACHE_CONTROL, "no-store"),
        // With `no-referrer` browsers would send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(page)
}

/// Leads to another page of ours after something was done, so that loading it again does not do it again. Invariant: `path` is ours.
///
/// # Errors
/// `internal` if a cookie cannot be written.
pub fn lead_to(path: &str, cookies: &[Cookie<'_>]) -> Result<HttpResponse, Problem> {
    let mut answer = HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish();
    for cookie in cookies {
        answer.add_cookie(cookie).map_err(|_not_ascii| Problem::new(Code::Internal))?;
    }
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(answer)
}

/// What stands around every page of a set of pages.
#[derive(Clone, Debug)]
pub struct Frame {
    /// In which language.
    pub words: Words,
    /// Whose pages they are.
    pub company: String,
    /// Its address, and whom to write to.
    pub imprint: (String, String),
    /// Where the set begins, such as `/portal`.
    pub base: &'static str,
    /// The pages that one can go to; none as long as nobody is signed in.
    pub tabs: Vec<Tab>,
    /// What forms carry; none as long as nobody is signed in.
    pub csrf: Option<String>,
}

/// A page that one can go to.
#[derive(Clone, Debug)]
pub struct Tab {
    /// Where.
    pub path: String,
    /// How it is called.
    pub text: String,
    /// Whether it is the one that is shown.
    pub is_here: bool,
}

impl Frame {
    /// One without tabs: nobody is signed in.
    #[must_use]
    pub fn new(words: Words, policy: &Policy, base: &'static str) -> Self {
        let company = &policy.controller;
        let imprint = (company.address.clone(), company.contact.clone());
        Self { words, company: company.name.clone(), imprint, base, tabs: Vec::new(), csrf: None }
    }

    /// What forms carry; nothing if nobody is signed in.
    #[must_use]
    pub fn csrf(&self) -> &str {
        self.csrf.as_deref().unwrap_or_default()
    }

    /// The languages that one can change to.
    #[must_use]
    pub fn others(&self) -> Vec<Language> {
        Language::ALL.into_iter().filter(|language| *language != self.words.0).collect()
    }
}
