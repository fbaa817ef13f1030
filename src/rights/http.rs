//! `/v1/requests`: service desks file (scope `requests:write`), data-protection officers decide (scope `rights`); and the public
//! keys that certificates are checked with.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, Fate, Format, Ground, Kind, Request, RequestId, State, Step, Submission};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem, ProblemBody};
use crate::limit::IDENTIFIERS_MAX;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 2_000;

/// What `POST /v1/requests` takes.
#[derive(Debug, utoipa::ToSchema)]
#[schema(as = RightsRequest)]
pub struct Filed {
    /// What is asked for: `erasure`, `access`, `portability`, `restriction`, `objection`.
    #[schema(example = "erasure")]
    kind: String,
    /// Who asks: identifier types of the policy, and their values.
    #[schema(value_type = Object, example = json!({"email": "erika@example.org"}))]
    identifiers: Value,
    /// What an objection is about: purposes of the policy that do not rest on a contract or a law; all of them if it is left out.
    purposes: Option<Vec<String>>,
    /// Whether it is clear that the person asks whose these are. If not, the deadline rests until it is.
    #[schema(default = false)]
    identified: bool,
    /// What whoever files it says about it.
    note: Option<String>,
}

/// What `POST /v1/requests/{id}/{step}` takes.
#[derive(Debug, Default, utoipa::ToSchema)]
#[schema(as = RightsStep)]
pub struct Order {
    /// Why; for the person and the authority. Needed to refuse, to extend and to lift.
    reason: Option<String>,
    /// To refuse: the ground that the law knows.
    ground: Option<Ground>,
    /// To confirm: the recipient that did its part.
    recipient: Option<String>,
}

/// What `GET /v1/requests` takes.
#[derive(Debug, Deserialize)]
pub struct Wish {
    state: Option<String>,
}

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
    /// How many people and devices it concerns, once it is approved.
    concerned: usize,
    /// How many devices and addresses are left alone because others use them as well.
    shared_left: usize,
    /// Who had received something.
    recipients: Vec<RecipientAnswer>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    ground: Option<Ground>,
    /// What was done, by whom.
    acts: Vec<ActAnswer>,
    /// Whether there is a certificate.
    certificate: bool,
    /// Until when the package of an access or portability can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    available_until: Option<String>,
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
    /// What became of it there.
    state: Fate,
    /// Why telling it failed, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Under which customer IDs it knows the person; gone when the request is over.
    customers: Vec<String>,
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

/// All requests that were asked for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestsAnswer {
    /// Oldest first.
    requests: Vec<RequestAnswer>,
}

/// A request that was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct FiledAnswer {
    /// Names it from now on.
    #[schema(example = "req_…")]
    id: String,
}

/// Files a request of a person. The answer is the same whether or not anything is known about them.
///
/// # Errors
/// `missing_field` and `invalid_field` for what is wrong with it.
#[utoipa::path(post, path = "/v1/requests", tag = "rights", request_body = Filed, security(("secret_key" = ["requests:write"])),
    responses((status = 201, description = "Taken, and durable.", body = FiledAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn file(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::RequestsWrite).await?;
    let Filed { kind, identifiers, purposes, identified, note } = Filed::parse(&body)?;
    let wrong = || {
        Problem::field(Code::InvalidField, "kind")
            .detail("must be `erasure`, `access`, `portability`, `restriction` or `objection`")
    };
    let kind = Kind::parse(&kind).ok_or_else(wrong)?;
    let submission = Submission { kind, identifiers: named(&identifiers)?, purposes, identified, who: caller.key_id, why: note };
    let id = app.rights.submit(submission).await.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Created().json(FiledAnswer { id: id.to_string() }))
}

/// Lists requests, oldest first.
///
/// # Errors
/// `invalid_field` for a state that there is not.
#[utoipa::path(get, path = "/v1/requests", tag = "rights", security(("secret_key" = ["rights"])),
    params(("state" = Option<State>, Query, description = "Only those in this state.")),
    responses((status = 200, description = "Requests.", body = RequestsAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>)))]
pub async fn list(req: HttpRequest, app: web::Data<App>, wish: web::Query<Wish>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let wrong = || Problem::field(Code::InvalidField, "state").detail("there is no such state");
    let state = wish.state.as_deref().map(|name| State::parse(name).ok_or_else(wrong)).transpose()?;
    let now = app.clock.now();
    let app = app.into_inner();
    let found = web::block(move || {
        let answer = |(id, request)| RequestAnswer::of(id, request, &app, now);
        app.rights.list(state).map(|all| all.into_iter().map(answer).collect())
    });
    let requests = found.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(RequestsAnswer { requests }))
}

/// One request.
///
/// # Errors
/// `not_found`.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "rights", security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID.")),
    responses((status = 200, description = "The request.", body = RequestAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is none.", body = ProblemBody<'static>)))]
pub async fn show(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let request = app.rights.get(id).map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(RequestAnswer::of(id, request, &app, app.clock.now())))
}

/// Does something with a request: `identify`, `doubt`, `approve`, `refuse`, `extend`, `cancel`, `lift`, `confirm`.
///
/// # Errors
/// `conflict` where the request is in another state; `missing_field` and `invalid_field` for what is wrong with the body.
#[utoipa::path(post, path = "/v1/requests/{id}/{step}", tag = "rights", request_body = Order, security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID."),
        ("step" = String, Path, description = "`identify`, `doubt`, `approve`, `refuse`, `extend`, `cancel`, `lift`, `confirm`.")),
    responses((status = 200, description = "Done, and durable.", body = RequestAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such request or step.", body = ProblemBody<'static>),
        (status = 409, description = "The request is in a state that does not take this.", body = ProblemBody<'static>),
        (status = 422, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn act(
    req: HttpRequest,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::Rights).await?;
    let (id, step) = path.into_inner();
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let Order { reason, ground, recipient } = Order::parse(&body)?;
    let missing = |field: &str| Problem::field(Code::MissingField, field);
    let step = match step.as_str() {
        "identify" => Step::Identify,
        "doubt" => Step::Doubt,
        "approve" => Step::Approve,
        "refuse" => Step::Refuse(ground.ok_or_else(|| missing("ground"))?),
        "extend" => Step::Extend,
        "cancel" => Step::Cancel,
        "lift" => Step::Lift,
        "confirm" => Step::Confirm { recipient: recipient.ok_or_else(|| missing("recipient"))? },
        _ => return Err(Problem::new(Code::NotFound)),
    };
    let app = app.into_inner();
    let shared = std::sync::Arc::clone(&app);
    // A task of its own: what has begun is finished even if the caller hangs up.
    let task = actix_web::rt::spawn(async move { shared.rights.act(id, step, &caller.key_id, reason.as_deref()).await });
    let done = task.await.map_err(|_gone| Problem::new(Code::Unavailable))?.map_err(|error| problem(&error))?;
    Ok(HttpResponse::Ok().json(RequestAnswer::of(id, done, &app, app.clock.now())))
}

/// The certificate of an erasure: a signed statement (JWS, compact form) without anything personal.
///
/// # Errors
/// `not_found` while there is none.
#[utoipa::path(get, path = "/v1/requests/{id}/certificate", tag = "rights", security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID.")),
    responses((status = 200, description = "The certificate.", body = String, content_type = "application/jose"),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is none, or none yet.", body = ProblemBody<'static>)))]
pub async fn certificate(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let request = app.rights.get(id).map_err(|error| problem(&error))?;
    let certificate = request.certificate.ok_or_else(|| Problem::new(Code::NotFound).detail("There is no certificate yet."))?;
    Ok(HttpResponse::Ok().content_type("application/jose").body(certificate))
}

/// What `GET /v1/requests/{id}/package` takes.
#[derive(Debug, Deserialize)]
pub struct Fetch {
    format: Option<String>,
    language: Option<String>,
}

/// What is stored about the person, made while it is fetched; for 30 days after an access or a portability was approved.
///
/// # Errors
/// `not_found` when there is none, `invalid_field` for a form or language that there is not.
#[utoipa::path(get, path = "/v1/requests/{id}/package", tag = "rights", security(("secret_key" = ["rights"])),
    params(("id" = String, Path, description = "The request's ID."),
        ("format" = Option<String>, Query, description = "`json` (usual), `csv` (the events as a table) or `html` (a page for people)."),
        ("language" = Option<String>, Query, description = "`de` or `en`; the policy's language if it is left out.")),
    responses((status = 200, description = "The package.", body = String),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is none, not yet, or not any more.", body = ProblemBody<'static>),
        (status = 422, description = "A parameter is wrong; `field` names it.", body = ProblemBody<'static>)))]
pub async fn package(
    req: HttpRequest,
    app: web::Data<App>,
    id: web::Path<String>,
    fetch: web::Query<Fetch>,
) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Rights).await?;
    let id = RequestId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let Fetch { format, language } = fetch.into_inner();
    let wrong = || Problem::field(Code::InvalidField, "format").detail("must be `json`, `csv` or `html`");
    let format = format.as_deref().map_or(Some(Format::Json), Format::parse).ok_or_else(wrong)?;
    let language = language.unwrap_or_else(|| app.policy.current().controller.language.clone());
    if !matches!(language.as_str(), "de" | "en") {
        return Err(Problem::field(Code::InvalidField, "language").detail("must be `de` or `en`"));
    }
    let (sender, receiver) = tokio::sync::mpsc::channel(PIECES_WAITING_MAX);
    let app = app.into_inner();
    let writing = web::block(move || {
        let mut pieces = Pieces { waiting: Vec::new(), begun: false, sender };
        let done = app.rights.package(id, format, &language, &mut pieces).and_then(|()| Ok(std::io::Write::flush(&mut pieces)?));
        if let (Err(error), true) = (&done, pieces.begun) {
            tracing::error!(%error, "a package broke off");
            // Whoever fetches it must see that it is not whole.
            drop(pieces.sender.blocking_send(Err(std::io::Error::other("broken off"))));
        }
        done
    });
    first_piece(format, writing, receiver).await
}

/// Waits for the first piece, so that what cannot be made at all is answered with a problem; the others follow as they are made.
async fn first_piece(
    format: Format,
    writing: impl Future<Output = Result<Result<(), Error>, actix_web::error::BlockingError>> + 'static,
    mut receiver: tokio::sync::mpsc::Receiver<std::io::Result<web::Bytes>>,
) -> Result<HttpResponse, Problem> {
    let writing = actix_web::rt::spawn(writing);
    let Some(first) = receiver.recv().await else {
        let done = writing.await.ok().and_then(Result::ok);
        return Err(done.and_then(Result::err).map_or_else(|| Problem::new(Code::Unavailable), |error| problem(&error)));
    };
    let rest = futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let pieces = futures_util::StreamExt::chain(futures_util::stream::iter([first]), rest);
    let disposition = format!("attachment; filename=\"{}\"", format.file_name());
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header(("Content-Disposition", disposition))
        .insert_header(("Cache-Control", "no-store"))
        .streaming(Box::pin(pieces)))
}

/// How large a piece of a package is, in bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces wait for a slow line; then the making of the package waits, too.
const PIECES_WAITING_MAX: usize = 4;

/// Hands what is written on in pieces.
struct Pieces {
    waiting: Vec<u8>,
    /// Whether a piece is on its way already.
    begun: bool,
    sender: tokio::sync::mpsc::Sender<std::io::Result<web::Bytes>>,
}

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.begun = true;
        let piece = std::mem::take(&mut self.waiting);
        let sent = self.sender.blocking_send(Ok(web::Bytes::from(piece)));
        sent.map_err(|_gone| std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    }
}

/// The public keys that certificates are checked with (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "rights",
    responses((status = 200, description = "A JSON Web Key Set.", body = Value)))]
pub async fn jwks(app: web::Data<App>) -> HttpResponse {
    std::future::ready(HttpResponse::Ok().json(app.rights.jwks())).await
}

impl RequestAnswer {
    fn of(id: RequestId, request: Request, app: &App, now: Millis) -> Self {
        let calendar = app.rights.calendar();
        let course = request.course();
        let open = !request.state.is_over();
        let recipients = request.recipients.into_iter().map(|recipient| RecipientAnswer {
            id: recipient.id,
            events: recipient.events,
            first_at: rfc3339(recipient.first_at),
            last_at: rfc3339(recipient.last_at),
            state: recipient.fate,
            reason: recipient.reason,
            customers: recipient.customers,
        });
        let acts = request.acts.into_iter();
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
            concerned: request.subject_count,
            shared_left: request.shared_devices,
            recipients: recipients.collect(),
            ground: request.ground,
            acts: acts.map(|act| ActAnswer { at: rfc3339(act.at), who: act.who, what: act.what, why: act.why }).collect(),
            certificate: request.certificate.is_some(),
            available_until: request.available_until.map(rfc3339),
        }
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    if let Value::Object(fields) = value {
        Ok(fields)
    } else {
        Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"))
    }
}

fn text(field: &str, value: &Value, chars_max: usize) -> Result<String, Problem> {
    let wrong = |words: String| Problem::field(Code::InvalidField, field).detail(words);
    let text = value.as_str().ok_or_else(|| wrong(String::from("must be text")))?;
    if text.chars().count() > chars_max {
        return Err(wrong(format!("must have at most {chars_max} characters")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(wrong(String::from("holds a control character")));
    }
    Ok(text.to_owned())
}

impl Filed {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut read = Self { kind: String::new(), identifiers: Value::Null, purposes: None, identified: false, note: None };
        let mut fields = object(body)?;
        read.kind = text("kind", &fields.remove("kind").ok_or_else(|| Problem::field(Code::MissingField, "kind"))?, 40)?;
        read.identifiers = fields.remove("identifiers").ok_or_else(|| Problem::field(Code::MissingField, "identifiers"))?;
        for (name, value) in fields {
            match name.as_str() {
                "identified" => {
                    let wrong = || Problem::field(Code::InvalidField, "identified").detail("must be true or false");
                    read.identified = value.as_bool().ok_or_else(wrong)?;
                }
                "purposes" => {
                    let wrong = || Problem::field(Code::InvalidField, "purposes").detail("must be a list of purpose IDs");
                    let list = value.as_array().ok_or_else(wrong)?.iter();
                    let list: Option<Vec<String>> = list.map(|id| id.as_str().map(str::to_owned)).collect();
                    read.purposes = Some(list.ok_or_else(wrong)?);
                }
                "note" => read.note = Some(text("note", &value, REASON_CHARS_MAX)?),
                _ => {
                    return Err(Problem::field(Code::InvalidField, "body")
                        .detail("there are kind, identifiers, purposes, identified and note"));
                }
            }
        }
        Ok(read)
    }
}

/// The identifiers of an object: type to value, or to several values.
fn named(identifiers: &Value) -> Result<Vec<(String, String)>, Problem> {
    let wrong = |field: String| Problem::field(Code::InvalidField, field).detail("must be text, or a list of texts");
    let Value::Object(fields) = identifiers else {
        return Err(Problem::field(Code::InvalidField, "identifiers").detail("must be an object: type to value"));
    };
    let mut all = Vec::new();
    for (kind, value) in fields {
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = value.as_str().ok_or_else(|| wrong(String::from("identifiers")))?;
            all.push((kind.clone(), value.to_owned()));
        }
    }
    if all.len() > IDENTIFIERS_MAX {
        let words = format!("must name at most {IDENTIFIERS_MAX}");
        return Err(Problem::field(Code::InvalidField, "identifiers").detail(words));
    }
    Ok(all)
}

impl Order {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut read = Self::default();
        if body.is_empty() {
            return Ok(read);
        }
        for (name, value) in object(body)? {
            match name.as_str() {
                "reason" => read.reason = Some(text("reason", &value, REASON_CHARS_MAX)?),
                "ground" => {
                    let wrong = || Problem::field(Code::InvalidField, "ground").detail("see docs/rights.md for the grounds");
                    read.ground = Some(value.as_str().and_then(Ground::parse).ok_or_else(wrong)?);
                }
                "recipient" => read.recipient = Some(text("recipient", &value, 100)?),
                _ => return Err(Problem::field(Code::InvalidField, "body").detail("there are reason, ground and recipient")),
            }
        }
        Ok(read)
    }
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::NotFound => Problem::new(Code::NotFound),
        Error::State(_) | Error::TooLate => Problem::field(Code::Conflict, "state").detail(error.to_string()),
        Error::NoReason => Problem::field(Code::MissingField, "reason").detail(error.to_string()),
        Error::NoRecipient => Problem::field(Code::InvalidField, "recipient").detail(error.to_string()),
        Error::Purposes => Problem::field(Code::InvalidField, "purposes").detail(error.to_string()),
        Error::NoPackage => Problem::new(Code::NotFound).detail(error.to_string()),
        Error::Nobody => Problem::field(Code::MissingField, "identifiers").detail(error.to_string()),
        Error::Identifier { refusal: crate::identity::Refusal::Type, .. } => {
            Problem::field(Code::InvalidField, "identifiers").detail("the policy has no such type of identifier")
        }
        Error::Identifier { kind, refusal } => {
            Problem::field(Code::InvalidField, format!("identifiers.{kind}")).detail(refusal.to_string())
        }
        error if error.is_busy() => Problem::new(Code::Overloaded).retry_after(1),
        Error::Identity(_)
        | Error::Consent(_)
        | Error::Profile(_)
        | Error::Store(_)
        | Error::Vault(_)
        | Error::Chance(_)
        | Error::Form(_)
        | Error::Write(_)
        | Error::Table(_) => {
            tracing::error!(%error, "a request could not be read or changed");
            Problem::new(Code::Unavailable)
        }
    }
}
