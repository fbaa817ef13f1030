//! `GET /v1/consents/{receipt}/receipt`: the receipt of a decision, as a signed statement or as a page.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::super::{Method, RECEIPT, Receipt, State};
use super::{is_secret, problem};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::site::page;

/// The receipt of a decision. `receipt` is what `POST /v1/consents` answered. An unknown receipt and one of somebody who was erased get
/// the same answer.
#[utoipa::path(get, path = "/v1/consents/{receipt}/receipt", tag = "consent",
    params(("receipt" = String, Path, description = "The receipt's handle, `rcp_…`."),
        ("format" = Option<String>, Query, description = "`jwt` (a signed statement; the default) or `html` (a page for people)."),
        ("language" = Option<String>, Query, description = "Of the page: `de` or `en`.")),
    responses((status = 200, description = "JWS (EdDSA, `typ` `pforte-receipt+jwt`), or a page.", body = String, content_type = "application/jose"),
        (status = 401, description = "No or an unknown key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such receipt.", body = ProblemBody<'static>)),
    security(("write_key" = []), ("secret_key" = ["consents:read"])))]
pub async fn receipt(
    req: HttpRequest,
    app: web::Data<App>,
    handle: web::Path<String>,
    query: web::Query<BTreeMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    if is_secret(&req) {
        auth::secret(&req, &app, Scope::ConsentsRead).await?;
    } else {
        let source = auth::write_key(&req, None, &policy)?;
        auth::throttle_source(&req, &app, &policy, source)?;
    }
    let is_page = match query.get("format").map(String::as_str) {
        None | Some("jwt") => false,
        Some("html") => true,
        Some(_) => return Err(Problem::field(Code::InvalidField, "format").detail("must be `jwt` or `html`")),
    };
    let german = match query.get("language").unwrap_or(&policy.controller.language).as_str() {
        "de" => true,
        "en" => false,
        _ => return Err(Problem::field(Code::InvalidField, "language").detail("must be `de` or `en`")),
    };
    let shared = Arc::clone(&app);
    let made = web::block(move || make(&shared, &handle)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let (receipt, signed) = made?;
    if !is_page {
        return Ok(HttpResponse::Ok().content_type("application/jose").body(signed));
    }
    let titles = policy.purposes.iter().map(|p| (p.id.clone(), if german { p.title.get("de") } else { p.title.get("en") }));
    let titles = titles.filter_map(|(id, title)| Some((id, title?.clone()))).collect();
    let zone = jiff::tz::TimeZone::get(&policy.controller.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let text = Page { german, zone, titles, receipt: &receipt, signed: &signed, contact: &policy.controller.contact }.render();
    Ok(page::html(text.map_err(|_broken| Problem::new(Code::Internal))?))
}

/// Makes the receipt out, and signs it.
fn make(app: &App, handle: &str) -> Result<(Receipt, String), Problem> {
    let policy = app.policy.current();
    let stated = app.consents.stated(handle).map_err(problem)?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a receipt cannot be made out");
        Problem::new(Code::Unavailable).retry_after(5)
    };
    let evidence = app.ledger.evidence(&stated.commitment).map_err(|error| broken(&error))?;
    let receipt = stated.receipt(evidence, &policy, app.clock.now());
    let signed = app.vault.signer().sign(RECEIPT, &receipt).map_err(|error| broken(&error))?;
    Ok((receipt, signed))
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Page<'a> {
    german: bool,
    zone: jiff::tz::TimeZone,
    titles: BTreeMap<String, String>,
    receipt: &'a Receipt,
    signed: &'a str,
    contact: &'a str,
}

impl Page<'_> {
    const STYLE: &'static str = page::STYLE;

    fn say<'a>(&self, german: &'a str, english: &'a str) -> &'a str {
        if self.german { german } else { english }
    }

    /// A time as people write it, where the company is.
    fn when(&self, time: &str) -> String {
        let Ok(time) = time.parse::<jiff::Timestamp>() else { return time.to_owned() };
        let form = if self.german { "%d.%m.%Y, %H:%M" } else { "%-d %B %Y, %H:%M" };
        self.zone.to_datetime(time).strftime(form).to_string()
    }

    /// What the signal of the browser had to do with it.
    fn signalled(&self) -> &'static str {
        if self.receipt.statement.method == Method::Signal {
            self.say(
                "Diese Entscheidung war ein Signal Ihres Browsers (Global Privacy Control).",
                "This decision was a signal of your browser (Global Privacy Control).",
            )
        } else {
            self.say(
                "Das Signal Ihres Browsers (Global Privacy Control) war dabei gesetzt; Ihre ausdrückliche Entscheidung ging ihm vor.",
                "The signal of your browser (Global Privacy Control) was set then; your explicit decision prevailed over it.",
            )
        }
    }

    /// A page's origin without what comes before the host.
    fn bare<'a>(&self, origin: &'a str) -> &'a str {
        origin.split_once("://").map_or(origin, |(_, host)| host)
    }

    fn until(&self, purpose: &str) -> String {
        self.receipt.statement.expires.get(purpose).map(|time| self.when(time)).unwrap_or_default()
    }

    /// What a purpose is called.
    fn purpose<'a>(&'a self, id: &'a str) -> &'a str {
        self.titles.get(id).map_or(id, String::as_str)
    }

    fn decided(&self, state: &State) -> &'static str {
        match (state, self.german) {
            (State::Granted, true) => "ja",
            (State::Granted, false) => "yes",
            (State::Denied, true) => "nein",
            (State::Denied, false) => "no",
            (State::Withdrawn, true) => "widerrufen",
            (State::Withdrawn, false) => "withdrawn",
        }
    }
}
