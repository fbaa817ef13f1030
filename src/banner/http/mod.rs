//! The scripts, and the page that says how to put them on a website.

pub mod demo;
mod whole;

use actix_web::http::header::{self, ETag, Header as _, HeaderName, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::Content;
use super::script::{self, Named};
use crate::app::App;
use crate::auth;
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::policy::SourceKind;
use crate::site::{self, page};

/// A script. A plain name is looked up again after minutes, so that a new version of the gateway arrives everywhere.
///
/// # Errors
/// `not_found` for a name that no script has; `too_many_requests`.
pub async fn script(req: HttpRequest, name: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if let Some(content) = whole::asked(&req, &name, &app)? {
        // Looked up again by every page: browsers do not all keep apart what varies by cookie.
        return Ok(serve(&req, &content, ("private, no-cache", "Accept-Encoding, Accept-Language, Cookie, Sec-GPC")));
    }
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    let found = script::find(&format!("pforte{name}"));
    let (script, named) = std::future::ready(found).await.ok_or_else(|| Problem::new(Code::NotFound))?;
    let cache = match named {
        Named::ByDigest => "public, max-age=31536000, immutable",
        Named::Plainly => "public, max-age=300",
    };
    Ok(serve(&req, &script.content, (cache, "Accept-Encoding")))
}

/// An answer that any page may load and check: that is what it is for.
fn serve(req: &HttpRequest, content: &Content, (cache, vary): (&'static str, &'static str)) -> HttpResponse {
    let is_known = match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|tag| tag.weak_eq(&content.tag)),
        Ok(IfNoneMatch::Any) | Err(_) => false,
    };
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header(ETag(content.tag.clone()));
    for (name, value) in [
        (header::CACHE_CONTROL, cache),
        (header::VARY, vary),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (HeaderName::from_static("timing-allow-origin"), "*"),
    ] {
        answer.insert_header((name, value));
    }
    if is_known {
        return answer.finish();
    }
    answer.content_type(content.media_type);
    if takes_gzip(req) && !content.gzipped.is_empty() {
        answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(content.gzipped.clone())
    } else {
        answer.body(content.text.clone())
    }
}

fn takes_gzip(req: &HttpRequest) -> bool {
    let takes = req.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    takes.is_some_and(|takes| takes.split(',').any(|one| one.trim().eq_ignore_ascii_case("gzip")))
}

#[derive(Template)]
#[template(path = "website.html")]
struct Website<'a> {
    here: &'a str,
    key: &'a str,
    pinned: &'a str,
    integrity: &'a str,
    demo: bool,
}

/// How to put it on a website: lines to copy.
///
/// # Errors
/// `too_many_requests`; `not_found` if the policy has no website.
pub async fn website(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    let policy = app.policy.current();
    let source = policy.sources.iter().find(|source| source.kind == SourceKind::Website && source.records_decisions);
    let source = source.ok_or_else(|| Problem::new(Code::NotFound))?;
    let classic = script::classic();
    let here = site::here(&req, &app);
    let page = Website {
        here: &here,
        key: &source.write_key,
        pinned: &classic.pinned,
        integrity: &classic.integrity,
        demo: app.config.serves_demo(),
    };
    std::future::ready(page::answer(page.render())).await
}
