//! The scripts, and the page that says how to put them on a website.

pub mod demo;

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

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
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    let found = script::find(&format!("pforte{name}"));
    std::future::ready(found.map(|(script, named)| {
        let mut answer = HttpResponse::Ok();
        answer.content_type(script.media_type);
        answer.insert_header((
            header::CACHE_CONTROL,
            match named {
                Named::ByDigest => "public, max-age=31536000, immutable",
                Named::Plainly => "public, max-age=300",
            },
        ));
        answer.insert_header((header::VARY, "Accept-Encoding"));
        // Any page may load it, and check it: that is what it is for.
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
        answer.insert_header((HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"));
        answer.insert_header((HeaderName::from_static("timing-allow-origin"), "*"));
        if takes_gzip(&req) && !script.gzipped.is_empty() {
            answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(script.gzipped.as_slice())
        } else {
            answer.body(script.text)
        }
    }))
    .await
    .ok_or_else(|| Problem::new(Code::NotFound))
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
