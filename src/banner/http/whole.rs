//! `/pforte.js?writeKey=…`: code, style and notice in one answer, so that the banner is on the screen after one request.
//!
//! It holds what is the same for everybody who has not decided. A browser with a cookie of ours has decided: it gets the code alone, and
//! whether it must be asked is for `GET /v1/notice` to say. Whatever is wrong with key, notice or language, the code comes all the same:
//! it tells tags that everything is denied, and says what is wrong when it asks for the notice.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::{AcceptLanguage, Header as _};
use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::super::{Content, script};
use crate::app::App;
use crate::auth::{self, device};
use crate::consent::Signal;
use crate::consent::signal::{SEC_GPC, heard};
use crate::error::Problem;
use crate::limit::{self, Class};
use crate::policy::{Conflict, Notice, Policy, Source, Wording};

/// What comes with the script.
#[derive(Serialize)]
struct Along<'a> {
    /// The tag of the terms in force: what a browser remembers of other terms may hold no more.
    terms: String,
    notices: Vec<Brought<'a>>,
}

/// A notice as it comes with the script.
#[derive(Serialize)]
struct Brought<'a> {
    #[serde(flatten)]
    wording: Wording<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Refused<'a>>,
}

/// The signal that the browser sent, and what it refuses, as `GET /v1/notice` says it to whoever has granted nothing.
#[derive(Clone, Serialize)]
struct Refused<'a> {
    signal: Signal,
    refuses: Vec<&'a str>,
}

/// The script that a page asks for with its write key; nothing if it asks for another one.
///
/// # Errors
/// `too_many_requests`: every page asks, so it counts as what the source sends.
pub(super) fn asked(req: &HttpRequest, name: &str, app: &App) -> Result<Option<Arc<Content>>, Problem> {
    let query = web::Query::<BTreeMap<String, String>>::from_query(req.query_string()).ok();
    let Some(query) = query.filter(|query| name == ".js" && query.contains_key("writeKey")) else { return Ok(None) };
    let policy = app.policy.current();
    let source = auth::write_key(req, None, &policy).ok();
    match source {
        Some(index) => auth::throttle_source(req, app, &policy, index)?,
        None => auth::throttle(req, app, Class::Pages, limit::PAGES_PER_S)?,
    }
    let has_decided = [device::CHOICE, device::ID].iter().any(|name| device::value(req, name).is_some());
    let source = source.and_then(|index| policy.sources.get(index)).filter(|_| !has_decided);
    let notices = source.map(|source| brought(req, &query, (&policy, source))).unwrap_or_default();
    let along = Along { terms: format!("{:016x}", policy.terms.tag), notices };
    Ok(Some(script::whole(serde_json::to_string(&along).unwrap_or_else(|_unwritable| String::from("{}")))))
}

/// The notice in the language of the address; without one in the company's, and in the one that the browser asks for.
fn brought<'a>(req: &HttpRequest, query: &BTreeMap<String, String>, (policy, source): (&'a Policy, &Source)) -> Vec<Brought<'a>> {
    let Some(notice) = query.get("notice").or(source.notice.as_ref()).and_then(|id| policy.notice(id)) else { return Vec::new() };
    let languages = match query.get("language") {
        Some(language) => vec![language.clone()],
        None => spoken(req, notice, policy),
    };
    let signal = refused(req, policy);
    let wordings = languages.iter().filter_map(|language| policy.wording(notice, language));
    wordings.map(|wording| Brought { wording, signal: signal.clone() }).collect()
}

fn spoken(req: &HttpRequest, notice: &Notice, policy: &Policy) -> Vec<String> {
    let mut languages = vec![policy.controller.language.clone()];
    let ranked = AcceptLanguage::parse(req).map(|accepted| accepted.ranked()).unwrap_or_default();
    let mut wanted = ranked.iter().filter_map(|tag| tag.item()).map(|tag| tag.primary_language().to_owned());
    languages.extend(
        wanted.find(|language| notice.languages.contains_key(language)).filter(|found| *found != policy.controller.language),
    );
    languages
}

fn refused<'a>(req: &HttpRequest, policy: &'a Policy) -> Option<Refused<'a>> {
    let signal = heard(policy, req.headers().get_all(SEC_GPC).map(|value| value.as_bytes()))?;
    let prevails = policy.signals.gpc.as_ref().is_some_and(|gpc| gpc.conflict == Conflict::Signal);
    prevails.then(|| Refused { signal, refuses: policy.names(policy.refused_by_gpc()) })
}
