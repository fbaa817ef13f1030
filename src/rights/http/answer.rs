//! Requests, as they are answered.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::{Fate, Ground, Kept, Kind, Origin, Request, RequestId, State};
use crate::app::App;
use crate::clock::{Millis, rfc3339};
use crate::mail;

/// A request, as it is answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestAnswer {
    /// Names it.
    #[schema(example = "req_…")]
    id: String,
    /// What is asked for.
    kind: Kind,
    /// Where it is.
    state: State,
    /// When it came.
    received_at: String,
    /// The last day for the answer; none while it is unclear who asks, and when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// How many days are left, negative when it is late.
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i32>,
    /// Whether the deadline was extended.
    extended: bool,
    /// Who asks; gone when it is over.
    #[schema(value_type = Object)]
    identifiers: Vec<(String, String)>,
    /// What an objection is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    purposes: Vec<String>,
    /// What a rectification is to put right: type, wrong value, right value; gone when it is over.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    corrections: Vec<(String, String, Option<String>)>,
    /// The same for traits.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    traits: BTreeMap<String, Value>,
    /// What was put right here, by its type or name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    corrected: Vec<String>,
    /// How many people and devices it concerns, once it is approved.
    concerned: usize,
    /// How many devices and addresses are left alone because others use them as well.
    shared_left: usize,
    /// Who had received something.
    recipients: Vec<RecipientAnswer>,
    /// Whether the person is not to be brought back by sources that take data over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    suppress: bool,
    /// What an erasure left because a law says so: how much, and until when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Kept>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    ground: Option<Ground>,
    /// The company that has sent it, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginAnswer>,
    /// Who sees to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned: Option<String>,
    /// The IDs of the keys that have approved it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<String>,
    /// What was done, by whom.
    acts: Vec<ActAnswer>,
    /// Whether there is a certificate.
    certificate: bool,
    /// How far the latest making of the package is, if there was one since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<ProgressAnswer>,
    /// Until when the package of an access or portability can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    available_until: Option<String>,
    /// The person's language, if it was stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Whether the person filed it without a desk; then it is confirmed by a link in a mail.
    own: bool,
    /// What the person says about it; gone when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    /// How often the person fetched the package.
    downloads: u32,
    /// What became of the mails about it.
    mails: Vec<MailAnswer>,
}

/// A mail about a request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MailAnswer {
    /// What it says: `confirm`, `received`, `more_needed`, `extended`, `refused`, `available`, `done`, `restricted`, `lifting`,
    /// `cancelled`.
    kind: String,
    /// Where it is.
    state: mail::State,
    /// When that was so.
    at: String,
    /// Why it was not sent (yet), as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Somebody who had received something.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecipientAnswer {
    /// The destination.
    id: String,
    /// How many events.
    events: u64,
    /// When the first.
    first_at: String,
    /// When the latest.
    last_at: String,
    /// When something was last sent of which nobody knows whether it arrived: no answer came, or a withdrawal cut it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    unclear_at: Option<String>,
    /// What became of it there.
    state: Fate,
    /// Why telling it failed, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Under which customer IDs it knows the person; gone when the request is over.
    customers: Vec<String>,
    /// What it was given to do, if it keeps requests of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderAnswer>,
}

/// What a recipient was given to do.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OrderAnswer {
    /// Its name there.
    id: String,
    /// Where it is there, in the recipient's words; none before it has taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

/// The company that has sent a request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginAnswer {
    /// The source of its key, or the key's ID.
    controller: String,
    /// The request's name there.
    subject_request_id: String,
}

/// How far the making of a package is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProgressAnswer {
    /// How many events are stored.
    events: u64,
    /// How many of them were looked at by now.
    written: u64,
}

/// Something that was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ActAnswer {
    /// When.
    at: String,
    /// The ID of the key, `operator` or `gateway`.
    who: String,
    /// What.
    what: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A request that was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FiledAnswer {
    /// Names it from now on.
    #[schema(example = "req_…")]
    pub(super) id: String,
}

impl RequestAnswer {
    pub(super) fn of(id: RequestId, request: Request, app: &App, now: Millis) -> Self {
        let calendar = app.rights.calendar();
        let course = request.course();
        let open = !request.state.is_over();
        let recipients = request.recipients.into_iter().map(|recipient| RecipientAnswer {
            id: recipient.id,
            events: recipient.events,
            first_at: rfc3339(recipient.first_at),
            last_at: rfc3339(recipient.last_at),
            unclear_at: recipient.unclear_at.map(rfc3339),
            state: recipient.fate,
            reason: recipient.reason,
            customers: recipient.customers,
            order: recipient.order.map(|order| OrderAnswer { id: order.id, status: order.status }),
        });
        let acts = request.acts.into_iter();
        let mails = app.mails.about(id.0).unwrap_or_else(|error| {
            tracing::error!(%error, "what became of mails cannot be read");
            Vec::new()
        });
        let mails = mails.into_iter().map(|mail::Trace { kind, state, at, reason, .. }| {
            let at = rfc3339(at);
            MailAnswer { kind, state, at, reason }
        });
        Self {
            id: id.to_string(),
            kind: request.kind,
            state: request.state,
            received_at: rfc3339(request.received_at),
            due: open.then(|| calendar.due(&course)).flatten().map(|due| due.to_string()),
            days_left: open.then(|| calendar.days_left(&course, now)).flatten(),
            extended: request.extended,
            identifiers: request.identifiers,
            purposes: request.purposes,
            corrections: request.corrections,
            traits: request.traits,
            corrected: request.corrected,
            concerned: request.subject_count,
            shared_left: request.shared_devices,
            recipients: recipients.collect(),
            suppress: request.suppress,
            kept: request.kept,
            ground: request.ground,
            origin: request.origin.map(|origin| {
                let Origin { controller, subject_request_id, .. } = origin;
                OriginAnswer { controller, subject_request_id }
            }),
            assigned: request.assigned,
            approvals: request.approvals,
            acts: acts.map(|act| ActAnswer { at: rfc3339(act.at), who: act.who, what: act.what, why: act.why }).collect(),
            certificate: request.certificate.is_some(),
            package: app.rights.progress(id).map(|(events, written)| ProgressAnswer { events, written }),
            available_until: request.available_until.map(rfc3339),
            language: request.language,
            own: request.is_own,
            words: request.words,
            downloads: request.downloads,
            mails: mails.collect(),
        }
    }
}
