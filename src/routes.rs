//! Every endpoint of the product, one line each, grouped by who may call it.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{PayloadConfig, ServiceConfig, delete, get, method, patch, post, put, resource, scope, to};

use crate::{
    access, backup, banner, chronicle, confirmation, consent, console, error, forward, intake, ledger, limit, mail, portal,
    preferences, profile, retention, rights, site, telemetry, vault,
};

/// Adds all endpoints.
pub fn all(cfg: &mut ServiceConfig) {
    // Routes are tried in this order: events come first, because there are a thousand of them for anything else.
    cfg.configure(intake::http::configure)
        .configure(companies)
        .configure(websites)
        .configure(portal::http::configure)
        .configure(anybody)
        .configure(systems)
        .configure(operators)
        .configure(officers);
}

/// Anybody: pages, documents, the state of the process.
fn anybody(cfg: &mut ServiceConfig) {
    cfg.route("/", get().to(site::start))
        .route("/docs", get().to(site::docs))
        .route("/docs/errors", get().to(site::errors))
        .route("/docs/website", get().to(banner::http::website))
        .route("/pforte{name:[-.a-z0-9]+}", get().to(banner::http::script))
        .route("/demo", get().to(banner::http::demo::shop))
        .route("/demo.js", get().to(banner::http::demo::script))
        .route("/demo/explain", post().to(banner::http::demo::explain))
        .route("/.well-known/jwks.json", get().to(rights::http::jwks))
        .route("/.well-known/authzen-configuration", get().to(access::http::configuration))
        .route("/.well-known/gpc.json", get().to(consent::http::signal::gpc_json))
        .route("/ledger/checkpoint", get().to(ledger::http::checkpoint))
        .route("/ledger/witnessed", get().to(ledger::http::witnessed))
        .route("/ledger/key", get().to(ledger::http::key))
        .route("/ledger/tile/{path:.*}", get().to(ledger::http::tile))
        .route("/v1/ledger/proof", get().to(ledger::http::proof))
        .route("/v1/ledger/consistency", get().to(ledger::http::consistency))
        .route("/r/{token}", get().to(rights::http::person::look))
        .route("/r/{token}", post().to(rights::http::person::press))
        .route("/r/{token}/package", get().to(rights::http::person::package))
        .route("/assets/{name}", get().to(site::frame::asset))
        .route("/c/{token}", get().to(confirmation::http::look))
        .route("/c/{token}", post().to(confirmation::http::press))
        .route("/openapi.json", get().to(site::openapi_json))
        .route("/healthz", get().to(telemetry::healthz))
        .route("/readyz", get().to(telemetry::readyz))
        .route("/metrics", get().to(telemetry::metrics));
}

/// Websites, apps and tills, with a public write key: consent. Events are in `intake::http`.
fn websites(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/v1/notice")
            .route(get().to(consent::http::notice::show))
            .route(method(Method::OPTIONS).to(intake::http::cors::preflight))
            .default_service(to(error::wrong_method))
            .wrap(from_fn(intake::http::cors::mirror)),
    )
    .service(
        resource("/v1/consents")
            .route(post().to(consent::http::record))
            .route(get().to(consent::http::show))
            .route(method(Method::OPTIONS).to(intake::http::cors::preflight))
            .default_service(to(error::wrong_method))
            .wrap(from_fn(intake::http::cors::mirror)),
    )
    .service(
        resource("/v1/consents/{receipt}/receipt")
            .route(get().to(consent::http::receipt::receipt))
            .route(method(Method::OPTIONS).to(intake::http::cors::preflight))
            .default_service(to(error::wrong_method))
            .wrap(from_fn(intake::http::cors::mirror)),
    );
}

/// Systems of the company, with a secret key.
fn systems(cfg: &mut ServiceConfig) {
    cfg.route("/v1/explain", post().to(intake::http::explain))
        .service(
            resource("/v1/consents/import")
                .app_data(PayloadConfig::new(limit::IMPORT_BODY_BYTES_MAX))
                .route(post().to(consent::http::import::import))
                .default_service(to(error::wrong_method)),
        )
        .service(
            scope("/access/v1")
                .wrap(from_fn(access::http::echo))
                .route("/evaluation", post().to(access::http::evaluation))
                .route("/evaluations", post().to(access::http::evaluations)),
        )
        .service(
            scope("/v1/profiles")
                .route("/lookup", post().to(profile::http::lookup))
                .route("/{customer_id}", get().to(profile::http::show)),
        )
        .service(
            resource("/v1/preferences")
                .route(get().to(preferences::http::show))
                .route(put().to(preferences::http::replace))
                .route(patch().to(preferences::http::merge))
                .default_service(to(error::wrong_method)),
        )
        .route("/v1/preferences/lookup", post().to(preferences::http::lookup))
        .route("/v1/preferences/history", post().to(preferences::http::history))
        .route("/v1/preferences/contact", post().to(preferences::http::contact))
        .route("/v1/preferences/schema", get().to(preferences::http::schema))
        .route("/v1/retention", get().to(retention::http::show))
        .route("/v1/retention/{duty}", get().to(retention::http::records))
        .service(
            scope("/v1/requests")
                .route("", post().to(rights::http::file).wrap(from_fn(intake::http::cors::mirror)))
                .route("", method(Method::OPTIONS).to(intake::http::cors::preflight).wrap(from_fn(intake::http::cors::mirror)))
                .route("", get().to(rights::http::register::list))
                .route("/search", post().to(rights::http::register::search))
                .route("/{id}", get().to(rights::http::show))
                .route("/{id}/certificate", get().to(rights::http::certificate))
                .route("/{id}/package", get().to(rights::http::package::package))
                .route("/{id}/{step}", post().to(rights::http::act)),
        )
        .route("/v1/identity/unlink", post().to(rights::http::unlink::unlink))
        .route("/v1/identity/relink", post().to(rights::http::unlink::relink))
        .route("/v1/audit", get().to(rights::http::audit::list));
}

/// Other companies: `OpenDSR`. Under its version as well, as the specification asks, and under the names that it had before.
fn companies(cfg: &mut ServiceConfig) {
    for base in ["/opendsr/v2", "/opendsr"] {
        let mut at = scope(base)
            .route("/discovery", get().to(rights::http::opendsr::discovery))
            .route("/certificate.pem", get().to(rights::http::opendsr::certificate))
            .route("/callbacks/{token}", post().to(rights::http::opendsr::callback));
        for name in ["/requests", "/opendsr_requests", "/opengdpr_requests"] {
            let one = resource(format!("{name}/{{id}}"))
                .route(get().to(rights::http::opendsr::status))
                .route(delete().to(rights::http::opendsr::cancel));
            at = at.route(name, post().to(rights::http::opendsr::create)).service(one);
        }
        cfg.service(at);
    }
}

/// Operators, with the operator token or a key of scope `operate`.
fn operators(cfg: &mut ServiceConfig) {
    cfg.service(
        scope("/v1/dead-letters").route("", get().to(forward::http::list)).route("/replay", post().to(forward::http::replay)),
    )
    .route("/mail", get().to(mail::http::list))
    .route("/mail/{name}", get().to(mail::http::show))
    .route("/v1/sources/{source}/sign-in-secret", get().to(portal::http::sign_in_secret))
    .route("/v1/webhooks/{destination}/secret", get().to(forward::http::webhook_secret))
    .service(
        scope("/v1/keys")
            .route("", get().to(vault::http::show))
            .route("/index/rotate", post().to(vault::http::rotate_index))
            .route("/domains/{domain}/rotate", post().to(vault::http::rotate_domain))
            .route("/domains/{domain}/retire", post().to(vault::http::retire_domain)),
    )
    .route("/v1/backup", post().to(backup::http::backup))
    .route("/v1/policy/reload", post().to(site::reload_policy))
    .route("/v1/policy/versions", get().to(chronicle::http::versions))
    .route("/v1/policy/texts/{hash}", get().to(chronicle::http::text));
}

/// Officers, who are signed in on the pages of the console.
fn officers(cfg: &mut ServiceConfig) {
    use console::http::{
        account, acts, audit, consents, destinations, entry, filing, ledger, policy, processing, proof, queue, request, versions,
    };
    cfg.route("/console", get().to(entry::home))
        .route("/console/sign-in", get().to(entry::ask))
        .route("/console/sign-in", post().to(entry::enter))
        .route("/console/sign-out", post().to(entry::leave))
        .route("/console/language", post().to(entry::speak))
        .route("/console/join/{token}", get().to(entry::look))
        .route("/console/join/{token}", post().to(entry::join))
        .route("/console/requests", get().to(queue::show))
        .route("/console/register.csv", get().to(queue::register))
        .route("/console/file", get().to(filing::ask))
        .route("/console/file", post().to(filing::take))
        .route("/console/requests/{id}", get().to(request::show))
        .route("/console/requests/{id}/certificate", get().to(request::certificate))
        .route("/console/requests/{id}/package", get().to(request::fetch))
        .route("/console/requests/{id}/{step}", post().to(acts::act))
        .route("/console/proof", get().to(proof::ask))
        .route("/console/proof", post().to(proof::look))
        .route("/console/consents", get().to(consents::show))
        .route("/console/policy", get().to(policy::show))
        .route("/console/policy/versions", get().to(versions::list))
        .route("/console/policy/comparison", get().to(versions::differ))
        .route("/console/policy/texts/{hash}", get().to(versions::text))
        .route("/console/processing", get().to(processing::show))
        .route("/console/processing.csv", get().to(processing::keep))
        .route("/console/destinations", get().to(destinations::show))
        .route("/console/destinations/{id}/replay", post().to(destinations::replay))
        .route("/console/ledger", get().to(ledger::show))
        .route("/console/audit", get().to(audit::show))
        .route("/console/audit.csv", get().to(audit::keep))
        .route("/console/officers", get().to(console::http::officers::show))
        .route("/console/officers", post().to(console::http::officers::invite))
        .route("/console/officers/{name}/{act}", post().to(console::http::officers::act))
        .route("/console/account", get().to(account::show))
        .route("/console/account/password", post().to(account::password))
        .route("/console/account/sessions", post().to(account::end))
        .route("/console/{nothing:.*}", get().to(entry::nothing));
}
