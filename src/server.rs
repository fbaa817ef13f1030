//! The listening socket, its middleware, and how the process starts, reloads and stops.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, Service as _, ServiceRequest};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::from_fn;
use actix_web::{App as Web, HttpServer, web};
use anyhow::Context as _;
use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, OldStays};
use crate::auth::operator;
use crate::{limit, routes, telemetry};

/// How long requests that are under way may take to end after a stop signal, in seconds.
const DRAIN_S: u64 = 15;
/// How often old things are tidied away.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// How long work that stumbled rests.
const STUMBLED_PAUSE: Duration = Duration::from_secs(30);

/// A socket that listens, before anything is answered on it.
pub struct Bound {
    /// The address, with the real port where 0 was asked for.
    pub address: SocketAddr,
    server: Server,
    stop: [Signal; 2],
}

/// Takes the address.
///
/// # Errors
/// When it is taken already or not ours.
pub fn bind(app: &Arc<App>) -> anyhow::Result<Bound> {
    let listen = app.config.listen;
    let shared = web::Data::from(Arc::clone(app));
    let mut http = HttpServer::new(move || {
        Web::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(limit::API_BODY_BYTES_MAX))
            .app_data(web::JsonConfig::default().limit(limit::API_BODY_BYTES_MAX))
            .wrap(from_fn(crate::error::in_our_words))
            .wrap(from_fn(telemetry::observe))
            .wrap(from_fn(crate::site::security_headers))
            .wrap_fn(|mut req, service| {
                merge_slashes(&mut req);
                service.call(req)
            })
            .configure(routes::all)
            .default_service(web::to(crate::site::nothing_here))
    })
    .disable_signals()
    .shutdown_timeout(DRAIN_S)
    .client_request_timeout(Duration::from_secs(30))
    .backlog(2048);
    if app.config.workers > 0 {
        http = http.workers(app.config.workers);
    }
    let http = http.bind(listen).with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let address = http.addrs().first().copied().unwrap_or(listen);
    app.mails.listens_at(format!("http://{}", operator::reachable(address)));
    // Before anybody is told that we serve: a stop that comes right then must be an orderly one, too.
    let stop = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    Ok(Bound { address, server: http.run(), stop })
}

impl Bound {
    /// Answers until a stop signal comes, then ends what is under way.
    ///
    /// # Errors
    /// When the socket breaks.
    pub async fn run(self, app: Arc<App>) -> anyhow::Result<()> {
        let reloads = actix_web::rt::spawn(reload_on_hangup(Arc::clone(&app)));
        let requests = actix_web::rt::spawn(answer_requests(Arc::clone(&app)));
        let logging = actix_web::rt::spawn(Arc::clone(&app.ledger).run());
        let witnessing = actix_web::rt::spawn(Arc::clone(&app.witnesses).run());
        let days = app.config.index_key_days;
        let moving = actix_web::rt::spawn(Arc::clone(&app.directory).run(app.store.clone(), app.clock.clone(), days));
        let mails = actix_web::rt::spawn(send_mails(Arc::clone(&app)));
        let tidying = actix_web::rt::spawn(tidy(app));
        let handle = self.server.handle();
        let [mut terminate, mut interrupt] = self.stop;
        let stopping = actix_web::rt::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping: requests that are under way are finished");
            handle.stop(true).await;
        });
        let outcome = self.server.await;
        stopping.abort();
        reloads.abort();
        tidying.abort();
        logging.abort();
        witnessing.abort();
        moving.abort();
        requests.abort();
        mails.abort();
        outcome.context("the server stopped")
    }
}

/// Takes several slashes for one: whoever ends the gateway's address with one gets two from most SDKs. `NormalizePath` of actix does the
/// same by a regular expression over every path, a thirtieth of what an event costs.
fn merge_slashes(req: &mut ServiceRequest) {
    if memchr::memmem::find(req.path().as_bytes(), b"//").is_none() {
        return;
    }
    let mut merged = String::with_capacity(req.path().len());
    for c in req.path().chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    if let Some(query) = req.uri().query() {
        merged.push('?');
        merged.push_str(query);
    }
    let mut parts = req.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(merged).ok();
    // What cannot be put together stays as it came, and is found nowhere.
    if let Ok(uri) = Uri::from_parts(parts) {
        req.match_info_mut().get_mut().update(&uri);
        req.head_mut().uri = uri;
    }
}

async fn reload_on_hangup(app: Arc<App>) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
    while hangups.recv().await.is_some() {
        let shared = Arc::clone(&app);
        match web::block(move || shared.reload_policy()).await {
            Ok(Ok(version)) => tracing::info!(version, "policy reloaded"),
            Ok(Err(error)) => say_why(&error),
            Err(_gone) => return,
        }
    }
}

/// Why the policy that is in force stays.
fn say_why(error: &OldStays) {
    match error {
        OldStays::Findings(findings) => {
            findings.iter().for_each(|finding| tracing::error!(%finding, "the policy does not lint; the old one stays"));
        }
        OldStays::Chronicle(error) => tracing::error!(%error, "the policy cannot be kept; the old one stays"),
    }
}

/// Does what people asked for. An error of ours in one request must not leave all others lying.
async fn answer_requests(app: Arc<App>) {
    while AssertUnwindSafe(app.rights.run()).catch_unwind().await.is_err() {
        tracing::error!("the work on people's requests stumbled over an error of ours; it begins again");
        tokio::time::sleep(STUMBLED_PAUSE).await;
    }
}

/// Sends mails. One that makes us stumble must not keep back all others.
async fn send_mails(app: Arc<App>) {
    while AssertUnwindSafe(app.mails.run()).catch_unwind().await.is_err() {
        tracing::error!("sending mails stumbled over an error of ours; it begins again");
        tokio::time::sleep(STUMBLED_PAUSE).await;
    }
}

async fn tidy(app: Arc<App>) {
    let mut every = tokio::time::interval(TIDY_EVERY);
    loop {
        every.tick().await;
        let at = app.clock.now();
        complain("deduplication keys", app.intake.tidy(at).await);
        complain("dead letters", app.forwarder.tidy(at).await);
        let today = app.policy.current().controller.day(at);
        complain("consent rates", app.consents.rates.write(today).await);
        complain("invitations of officers", app.officers.tidy(at));
        complain("requests of people", app.rights.tidy(at).await);
        complain("mails in the folder", app.mails.tidy(at));
        complain("sessions", app.sessions.tidy(at).await);
        complain("links to the portal", app.portal.tidy(at).await);
        complain("letters that asked for a confirmation", app.confirmations.tidy(at).await);
        complain("what is past its retention", app.retention.run(at).await);
    }
}

fn complain<T>(what: &str, outcome: Result<T, impl std::fmt::Display>) {
    if let Err(error) = outcome {
        tracing::error!(%error, what, "what is too old could not be dropped");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn several_slashes_count_as_one_in_the_path_alone() {
        let cases = [
            ("/v1/batch", "/v1/batch"),
            ("//v1/batch", "/v1/batch"),
            ("/v1//batch///", "/v1/batch/"),
            ("////", "/"),
            ("//v1//consents?a=//b&c=%2F%2F", "/v1/consents?a=//b&c=%2F%2F"),
            ("/r/%2F%2F//x", "/r/%2F%2F/x"),
            ("/v1/consents?to=http://x//y", "/v1/consents?to=http://x//y"),
        ];
        for (sent, taken) in cases {
            let mut req = TestRequest::with_uri(sent).to_srv_request();
            merge_slashes(&mut req);
            assert_eq!(req.uri().to_string(), taken, "{sent}");
            let path = taken.split('?').next().unwrap();
            assert_eq!((req.path(), req.match_info().as_str()), (path, path), "{sent}");
        }
    }
}
