//! The API as one document: `OpenAPI` 3.1, generated from the handlers.
//!
//! A handler carries `#[utoipa::path(…)]` beside its code and is listed here, once.

use serde_json::Value;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::{
    access, backup, chronicle, consent, error, forward, intake, ledger, portal, preferences, profile, retention, rights, site,
    telemetry, vault,
};

/// What is served at `/openapi.json`.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Pforte",
        description = "A consent and first-party identity gateway. Channels send events and decisions; only what the person has \
                       allowed is forwarded.\n\nErrors are problem documents (RFC 9457) with a code of the table at `/docs/errors`. \
                       Every answer carries `x-request-id`. Where it says 429, wait as long as `Retry-After` says.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        intake::http::track,
        intake::http::identify,
        intake::http::page,
        intake::http::screen,
        intake::http::group,
        intake::http::alias,
        intake::http::batch,
        intake::http::explain,
        intake::http::settings::settings,
        intake::http::settings::source_config,
        intake::http::settings::discard,
        intake::http::settings::pixel,
        consent::http::notice::show,
        consent::http::record,
        consent::http::show,
        consent::http::receipt::receipt,
        consent::http::signal::gpc_json,
        consent::http::import::import,
        access::http::evaluation,
        access::http::evaluations,
        access::http::configuration,
        profile::http::lookup,
        profile::http::show,
        preferences::http::show,
        preferences::http::lookup,
        preferences::http::replace,
        preferences::http::merge,
        preferences::http::history,
        preferences::http::contact,
        preferences::http::schema,
        rights::http::file,
        rights::http::register::list,
        rights::http::register::search,
        rights::http::show,
        rights::http::act,
        rights::http::certificate,
        rights::http::package::package,
        rights::http::audit::list,
        rights::http::unlink::unlink,
        rights::http::unlink::relink,
        rights::http::jwks,
        retention::http::show,
        retention::http::records,
        ledger::http::checkpoint,
        ledger::http::witnessed,
        ledger::http::key,
        ledger::http::tile,
        ledger::http::proof,
        ledger::http::consistency,
        rights::http::opendsr::discovery,
        rights::http::opendsr::certificate,
        rights::http::opendsr::create,
        rights::http::opendsr::status,
        rights::http::opendsr::cancel,
        rights::http::opendsr::callback,
        backup::http::backup,
        forward::http::list,
        forward::http::replay,
        forward::http::webhook_secret,
        portal::http::sign_in_secret,
        vault::http::show,
        vault::http::rotate_index,
        vault::http::rotate_domain,
        vault::http::retire_domain,
        telemetry::healthz,
        telemetry::readyz,
        telemetry::metrics,
        site::openapi_json,
        site::reload_policy,
        chronicle::http::versions,
        chronicle::http::text,
    ),
    components(schemas(error::ProblemBody<'static>)),
    modifiers(&Keys),
    tags(
        (name = "events", description = "Events, as Segment's and RudderStack's SDKs send them. They work unmodified."),
        (name = "consent", description = "What people decide, and what holds."),
        (name = "access", description = "Whether somebody's data may be used for a purpose: AuthZEN 1.0."),
        (name = "profiles", description = "What a till or a website may know about a customer, for a stated purpose."),
        (name = "preferences", description = "What people state about themselves, and how they want to be reached."),
        (name = "rights", description = "What people ask for, and what becomes of it."),
        (name = "ledger", description = "The transparency log of decisions, for anybody: signed heads, tiles, proofs."),
        (name = "opendsr", description = "What people ask of other companies, and what recipients say of ours: OpenDSR 2.0."),
        (name = "explain", description = "Why an event would go or stay."),
        (name = "operation", description = "For those who run the gateway."),
    ),
)]
pub struct Document;

/// The two kinds of keys.
struct Keys;

impl utoipa::Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let write = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(
            "A source's write key as the user of Basic authentication, without a password; or `writeKey` in the body; or, for \
             beacons, in the query. It is public: it can send and ask for consent, from the origins of its source.",
        ));
        let secret = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("sk_<id>_<secret>")
            .description(Some("A secret key from `pforte key create`, with the scope that the call needs. Never in a browser."));
        components.add_security_scheme("write_key", SecurityScheme::Http(write.build()));
        components.add_security_scheme("secret_key", SecurityScheme::Http(secret.build()));
    }
}

/// The document as it is served, in the order in which things are declared.
#[must_use]
pub fn text() -> String {
    // It is made of strings and maps alone; should that ever change, a test notices.
    Document::openapi().to_json().unwrap_or_default()
}

/// The document for reading.
#[must_use]
pub fn value() -> Value {
    serde_json::from_str(&text()).unwrap_or_default()
}
