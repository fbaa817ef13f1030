//! The demo shop: a website that uses the gateway as any customer's would, and shows what the gate decides about each event.
//!
//! It is served only where [`crate::config::Config::serves_demo`] says so. What the gate decides is told to the page for the device of its own cookie
//! and for nothing else: an event that states any other identifier is refused, because the answer would say what somebody decided.

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::app::App;
use crate::auth::{self, device};
use crate::error::{Code, Problem};
use crate::events::Object;
use crate::events::parse;
use crate::identity;
use crate::limit::{self, Class};
use crate::policy::{IdentifierKind, Policy, Source, SourceKind};
use crate::site::page;

const STYLE: &str = include_str!("../../../assets/demo/demo.css");
const SCRIPT: &str = include_str!("../../../assets/demo/demo.js");

/// What the shop may do: run scripts of this origin, talk to this origin, use this very style. Nothing else, and no script is made of text.
static CSP: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes()));
    let text = format!(
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types pforte"
    );
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// A bottle on the shelf.
struct Wine {
    id: &'static str,
    name: &'static str,
    from: &'static str,
    de: &'static str,
    en: &'static str,
    cents: u32,
    colour: &'static str,
}

const WINES: [Wine; 6] = [
    Wine {
        id: "4001234567890",
        name: "Riesling Kabinett",
        from: "Rheinhessen 2024",
        de: "Pfirsich, Schiefer, ein Hauch Süße.",
        en: "Peach, slate, a touch of sweetness.",
        cents: 1_090,
        colour: "gold",
    },
    Wine {
        id: "4001234567906",
        name: "Spätburgunder",
        from: "Ahr 2022",
        de: "Kirsche, Waldboden, viel Ruhe.",
        en: "Cherry, forest floor, a great calm.",
        cents: 1_890,
        colour: "ruby",
    },
    Wine {
        id: "4001234567913",
        name: "Grauburgunder",
        from: "Pfalz 2024",
        de: "Birne und Mandel, weich und klar.",
        en: "Pear and almond, soft and clear.",
        cents: 990,
        colour: "straw",
    },
    Wine {
        id: "4001234567920",
        name: "Scheurebe",
        from: "Nahe 2023",
        de: "Cassis, Grapefruit, gute Laune.",
        en: "Cassis, grapefruit, good cheer.",
        cents: 1_150,
        colour: "lime",
    },
    Wine {
        id: "4001234567937",
        name: "Rosé vom Dornfelder",
        from: "Mosel 2024",
        de: "Himbeere, kühl, für den Balkon.",
        en: "Raspberry, cool, for the balcony.",
        cents: 850,
        colour: "rose",
    },
    Wine {
        id: "4001234567944",
        name: "Lemberger",
        from: "Württemberg 2021",
        de: "Brombeere, Pfeffer, ein langer Abend.",
        en: "Blackberry, pepper, a long evening.",
        cents: 1_490,
        colour: "plum",
    },
];

#[derive(Template)]
#[template(path = "demo.html")]
struct Shop<'a> {
    german: bool,
    key: &'a str,
    wines: &'static [Wine],
    /// What the purposes are called.
    titles: Vec<(&'a str, &'a str)>,
}

impl Shop<'_> {
    const STYLE: &'static str = STYLE;

    /// One of two languages.
    const fn say<'t>(&self, de: &'t str, en: &'t str) -> &'t str {
        if self.german { de } else { en }
    }

    /// An amount as it is written in this language.
    fn price(&self, cents: &u32) -> String {
        let (euros, rest) = (cents / 100, cents % 100);
        if self.german { format!("{euros},{rest:02} €") } else { format!("€{euros}.{rest:02}") }
    }
}

fn on(req: &HttpRequest, app: &App) -> Result<(), Problem> {
    auth::throttle(req, app, Class::Pages, limit::PAGES_PER_S)?;
    if app.config.serves_demo() { Ok(()) } else { Err(Problem::new(Code::NotFound)) }
}

/// The website of the policy that the shop plays.
fn website(policy: &Policy) -> Result<(usize, &Source), Problem> {
    let website = |source: &Source| source.kind == SourceKind::Website && source.records_decisions;
    policy.sources.iter().enumerate().find(|(_, source)| website(source)).ok_or_else(|| Problem::new(Code::NotFound))
}

/// The shop, in the language of `?lang=` or else the browser's.
///
/// # Errors
/// `not_found` if there is no demo here; `too_many_requests`.
pub async fn shop(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    on(&req, &app)?;
    let policy = app.policy.current();
    let (_, source) = website(&policy)?;
    let accepted = req.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let german = match req.query_string() {
        "lang=de" => true,
        "lang=en" => false,
        _ => !accepted.get(..2).is_some_and(|language| language.eq_ignore_ascii_case("en")),
    };
    let language = if german { "de" } else { "en" };
    let titles =
        policy.purposes.iter().map(|purpose| (purpose.id.as_str(), purpose.title.get(language).map_or("", String::as_str)));
    let rendered = Shop { german, key: &source.write_key, wines: &WINES, titles: titles.collect() }.render();
    let mut answer = page::answer(rendered)?;
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CSP.clone());
    std::future::ready(Ok(answer)).await
}

/// What the shop's page does.
///
/// # Errors
/// `not_found` if there is no demo here; `too_many_requests`.
pub async fn script(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    on(&req, &app)?;
    std::future::ready(Ok(HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(SCRIPT))).await
}

/// Where an event of this visitor would go and why. Nothing is sent and nothing is kept.
///
/// # Errors
/// `origin_not_allowed` for any page but the shop; `invalid_field` for an event that names anybody.
pub async fn explain(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    on(&req, &app)?;
    let policy = app.policy.current();
    let (index, source) = website(&policy)?;
    let site = req.headers().get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if site != Some("same-origin") || !device::is_own_page(&req, source) {
        return Err(Problem::new(Code::OriginNotAllowed));
    }
    let item: &RawValue = serde_json::from_slice(&body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    let at = app.clock.now();
    let mut event =
        parse::alone(item, at).map_err(|refused| Problem::field(Code::InvalidField, refused.field).detail(refused.message))?;
    if event.anonymous_id.is_some() {
        return Err(Problem::field(Code::InvalidField, "anonymousId").detail("the device is the one of the cookie"));
    }
    let own = device::of(&req, source);
    event.anonymous_id = own.as_deref().map(Cow::Borrowed);
    let stated = identity::extract(&event, &policy, &app.vault);
    let is_device = |kind: usize| policy.identifiers.get(kind).is_some_and(|t| t.kind == IdentifierKind::Device);
    if stated.identifiers.len() > 1 || stated.identifiers.iter().any(|stated| !is_device(stated.kind)) {
        return Err(Problem::field(Code::InvalidField, "event").detail("the demo explains events that name nobody"));
    }
    let language = event.context.as_ref().and_then(language).unwrap_or("en");
    let explanation = app.intake.explain(&policy, (index, &event), language, at);
    std::future::ready(Ok(HttpResponse::Ok().json(explanation))).await
}

/// The language of the page, as its events say.
fn language(context: &Object<'_>) -> Option<&'static str> {
    let context: Value = serde_json::from_str(context.get()).ok()?;
    context.get("locale")?.as_str()?.starts_with("de").then_some("de")
}
