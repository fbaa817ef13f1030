//! What answers about decisions say of signals, and `GET /.well-known/gpc.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::signal::{SEC_GPC, View, Visit, heard};
use super::super::{Handle, Signal};
use super::problem;
use crate::app::App;
use crate::clock::Millis;
use crate::error::{Code, Problem, ProblemBody};
use crate::identity::Identifier;
use crate::policy::Policy;

static SEC_GPC_NAME: HeaderName = HeaderName::from_static(SEC_GPC);

/// A signal that the browser sent, and what it came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignalHeard {
    /// Which: `gpc`.
    signal: Signal,
    /// The purposes that cannot be allowed for this browser while it sends the signal.
    refuses: Vec<String>,
    /// Where the receipt is of what it ended or refused now; nothing if nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

/// The signal of a request, if the policy heeds it.
pub(super) fn of(req: &HttpRequest, policy: &Policy) -> Option<Signal> {
    heard(policy, req.headers().get_all(&SEC_GPC_NAME).map(|value| value.as_bytes()))
}

/// What an answer says of a signal.
pub(super) fn said(signal: Option<Signal>, view: View, receipt: Option<&Handle>, policy: &Policy) -> Option<SignalHeard> {
    let refuses = policy.names(view.refuses).into_iter().map(str::to_owned).collect();
    signal.map(|signal| SignalHeard { signal, refuses, receipt: receipt.map(ToString::to_string) })
}

/// The types of Google Consent Mode, each `granted` if all of its purposes are allowed; nothing if the policy maps none.
pub(super) fn consent_mode(view: View, policy: &Policy) -> Option<BTreeMap<&'static str, &'static str>> {
    let types = &policy.signals.consent_mode;
    let one = |(name, purposes): &(&'static str, crate::policy::Purposes)| {
        let granted = !purposes.is_empty() && purposes.without(view.allowed).is_empty();
        (*name, if granted { "granted" } else { "denied" })
    };
    (!types.is_empty()).then(|| types.iter().map(one).collect())
}

/// Heeds a signal that came with a question: what it refuses ends now, and is durable when this returns.
pub(super) async fn heed(
    app: &web::Data<App>,
    (signal, source): (Signal, usize),
    identifiers: &[Identifier],
    policy: &Arc<Policy>,
    at: Millis,
) -> Result<Option<Handle>, Problem> {
    let standing = app.consents.standing(&app.directory.resolve(identifiers), at);
    let refused = app.consents.refused_by_signal(identifiers, &standing, policy, at).map_err(problem)?;
    if refused.is_empty() {
        return Ok(None);
    }
    let (app, identifiers, policy) = (web::Data::clone(app), identifiers.to_vec(), Arc::clone(policy));
    // A task of its own: what has begun is finished even if the client hangs up.
    let task = actix_web::rt::spawn(async move {
        let recorded = app.consents.heed(signal, refused, Visit { identifiers, source, policy: &policy, at }).await?;
        Ok(recorded.receipt)
    });
    task.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map(Some).map_err(problem)
}

/// What the company says of Global Privacy Control.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpcSupport {
    /// Whether the signal is heeded.
    gpc: bool,
    /// Since when the company stands by this.
    last_update: String,
}

/// The support resource of Global Privacy Control. Sites serve it under their own name as well.
#[utoipa::path(get, path = "/.well-known/gpc.json", tag = "consent",
    responses((status = 200, description = "Whether the signal is heeded, by the policy in force.", body = GpcSupport),
        (status = 404, description = "The policy does not speak of it.", body = ProblemBody<'static>)))]
pub async fn gpc_json(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let gpc = std::future::ready(policy.signals.gpc.as_ref()).await.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(HttpResponse::Ok().json(GpcSupport { gpc: !gpc.purposes.is_empty(), last_update: gpc.last_update.clone() }))
}
