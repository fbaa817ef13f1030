//! `POST /access/v1/evaluation` and `/evaluations`, and what a client needs to find them: AuthZEN 1.0, its HTTPS binding.
//!
//! A decision is always 200. What is wrong with a whole request is 400, as the specification says; what is wrong with one evaluation of
//! several is a no with an `error` in its context.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Access, PURPOSE, Reason, USE, Verdict};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::gate::reason::titles;
use crate::limit::EVALUATIONS_MAX;
use crate::policy::{Policy, Purposes};
use crate::vault;

/// How long clients keep where the endpoints are.
const CONFIGURATION_CACHE: &str = "public, max-age=300";

/// An answer.
#[derive(Serialize, ToSchema)]
pub struct Evaluated {
    /// Whether the data may be used for the purpose now.
    decision: bool,
    /// Why.
    context: Context,
}

/// Why.
#[derive(Serialize, ToSchema)]
pub struct Context {
    /// As a code.
    reason: &'static str,
    /// As a sentence in German and in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_user: Option<Sentences>,
    /// What is wrong with the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    /// The policy that was asked.
    policy_version: String,
}

/// A sentence in both languages.
#[derive(Serialize, ToSchema)]
pub struct Sentences {
    de: String,
    en: String,
}

/// What is wrong with one evaluation of several.
#[derive(Serialize, ToSchema)]
pub struct Fault {
    /// As a status of HTTP.
    status: u16,
    /// Names the field, and repeats no value.
    message: String,
}

/// Answers to several questions, in their order; after the first that decides there may be no more.
#[derive(Serialize, ToSchema)]
pub struct AllEvaluated {
    evaluations: Vec<Evaluated>,
}

/// Why a question has no answer.
enum Unanswered {
    /// A field of it is wrong: which, and what is wrong with it.
    Wrong(String, &'static str),
    /// A key cannot be read.
    Broken(vault::Error),
}

/// How several evaluations are carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// Whether somebody's data may be used for a purpose.
///
/// # Errors
/// 400 for what is wrong with the question; 401 and 403 for who asks.
#[utoipa::path(post, path = "/access/v1/evaluation", tag = "access",
    request_body(content = Value, content_type = "application/json", description = "`subject`: whose data: `type` is an identifier type of the policy or `customer`, `id` its value. The action is `use`, the \
            resource a `purpose` of the policy. `context` and `properties` change nothing."),
    params(("X-Request-ID" = Option<String>, Header, description = "Comes back with the answer.")),
    responses((status = 200, description = "Yes or no, and why. Somebody unknown is a no.", body = Evaluated),
        (status = 400, description = "A field is missing or wrong; `field` names it.", body = ProblemBody<'static>),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>)),
    security(("secret_key" = ["access"])))]
pub async fn evaluation(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Access).await?;
    let policy = app.policy.current();
    one(&app, &policy, &object(&body)?)
}

/// The same for several questions at once. `subject`, `action`, `resource` and `context` beside `evaluations` are what questions have
/// that do not say otherwise. `options.evaluations_semantic` is `execute_all` (if it is left out), `deny_on_first_deny` or
/// `permit_on_first_permit`. Without `evaluations` it is one question.
///
/// # Errors
/// As [`evaluation`].
#[utoipa::path(post, path = "/access/v1/evaluations", tag = "access",
    request_body(content = Value, content_type = "application/json", description = "Questions, and what they have in common."),
    params(("X-Request-ID" = Option<String>, Header, description = "Comes back with the answer.")),
    responses((status = 200, description = "Answers in the order of the questions.", body = AllEvaluated),
        (status = 400, description = "A field is wrong; `field` names it.", body = ProblemBody<'static>),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody<'static>)),
    security(("secret_key" = ["access"])))]
pub async fn evaluations(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Access).await?;
    let policy = app.policy.current();
    let usual = object(&body)?;
    let questions = match usual.get("evaluations") {
        None => return one(&app, &policy, &usual),
        Some(Value::Array(questions)) if questions.is_empty() => return one(&app, &policy, &usual),
        Some(Value::Array(questions)) if questions.len() <= EVALUATIONS_MAX => questions,
        Some(Value::Array(_)) => return Err(bad("evaluations", &format!("at most {EVALUATIONS_MAX} are answered at once"))),
        Some(_) => return Err(bad("evaluations", "must be a list")),
    };
    let semantic = Semantic::of(&usual)?;
    let access = access(&app, &policy);
    let mut evaluations = Vec::with_capacity(questions.len());
    for (index, question) in questions.iter().enumerate() {
        let answer = match evaluate(&access, question, &usual) {
            Ok((verdict, purpose)) => Evaluated::of(verdict, purpose, &policy),
            Err(Unanswered::Wrong(field, what)) => Evaluated::wrong(&format!("evaluations.{index}.{field}: {what}"), &policy),
            Err(broken @ Unanswered::Broken(_)) => return Err(broken.into()),
        };
        let is_last = semantic.ends_with(answer.decision);
        evaluations.push(answer);
        if is_last {
            break;
        }
    }
    Ok(HttpResponse::Ok().json(AllEvaluated { evaluations }))
}

fn access<'a>(app: &'a App, policy: &'a Policy) -> Access<'a> {
    Access { policy, vault: &app.vault, directory: &app.directory, consents: &app.consents, at: app.clock.now() }
}

fn one(app: &App, policy: &Policy, question: &Map<String, Value>) -> Result<HttpResponse, Problem> {
    let (verdict, purpose) = evaluate_one(&access(app, policy), question, &Map::new())?;
    Ok(HttpResponse::Ok().json(Evaluated::of(verdict, purpose, policy)))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let value = serde_json::from_slice(body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    let Value::Object(fields) = value else {
        return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
    };
    Ok(fields)
}

fn bad(field: &str, what: &str) -> Problem {
    Problem::field(Code::InvalidRequest, field).detail(what)
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Wrong(field, what) => bad(&field, what),
            Unanswered::Broken(error) => {
                tracing::error!(%error, "a question could not be answered");
                Self::new(Code::Unavailable).retry_after(5)
            }
        }
    }
}

fn evaluate(access: &Access<'_>, question: &Value, usual: &Map<String, Value>) -> Result<(Verdict, Option<usize>), Unanswered> {
    let question = question.as_object().ok_or_else(|| Unanswered::Wrong(String::from("evaluation"), "must be an object"))?;
    evaluate_one(access, question, usual)
}

/// Answers one question: the verdict, and the purpose that it is about.
fn evaluate_one(
    access: &Access<'_>,
    question: &Map<String, Value>,
    usual: &Map<String, Value>,
) -> Result<(Verdict, Option<usize>), Unanswered> {
    let member = |entity: &str, name: &str| text(question.get(entity).or_else(|| usual.get(entity)), entity, name);
    let (kind, id) = (member("subject", "type")?, member("subject", "id")?);
    let action = member("action", "name")?;
    let (resource, wanted) = (member("resource", "type")?, member("resource", "id")?);
    if action != USE {
        return Ok((Verdict::no(Reason::UnknownAction), None));
    }
    if resource != PURPOSE {
        return Ok((Verdict::no(Reason::UnknownResource), None));
    }
    let Some(purpose) = access.purpose(wanted) else { return Ok((Verdict::no(Reason::UnknownPurpose), None)) };
    let subject = access.subject(kind, id);
    let subject = subject.map_err(|_refusal| Unanswered::Wrong(String::from("subject.id"), "is not of the right form"))?;
    let Some(subject) = subject else { return Ok((Verdict::no(Reason::UnknownSubject), None)) };
    Ok((access.may(&subject, purpose).map_err(Unanswered::Broken)?, Some(purpose)))
}

/// A text in an entity of a question.
fn text<'a>(entity: Option<&'a Value>, of: &str, name: &str) -> Result<&'a str, Unanswered> {
    let entity = match entity {
        None | Some(Value::Null) => return Err(Unanswered::Wrong(of.to_owned(), "is required")),
        Some(Value::Object(entity)) => entity,
        Some(_) => return Err(Unanswered::Wrong(of.to_owned(), "must be an object")),
    };
    match entity.get(name) {
        None | Some(Value::Null) => Err(Unanswered::Wrong(format!("{of}.{name}"), "is required")),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(Unanswered::Wrong(format!("{of}.{name}"), "must be text")),
    }
}

impl Semantic {
    fn of(body: &Map<String, Value>) -> Result<Self, Problem> {
        let named = match body.get("options") {
            None | Some(Value::Null) => None,
            Some(Value::Object(options)) => options.get("evaluations_semantic"),
            Some(_) => return Err(bad("options", "must be an object")),
        };
        match named.map(Value::as_str) {
            None | Some(Some("execute_all")) => Ok(Self::ExecuteAll),
            Some(Some("deny_on_first_deny")) => Ok(Self::DenyOnFirstDeny),
            Some(Some("permit_on_first_permit")) => Ok(Self::PermitOnFirstPermit),
            Some(_) => {
                let words = "must be execute_all, deny_on_first_deny or permit_on_first_permit";
                Err(bad("options.evaluations_semantic", words))
            }
        }
    }

    /// Whether nothing is answered after this.
    const fn ends_with(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

impl Evaluated {
    fn of(Verdict { decision, reason }: Verdict, purpose: Option<usize>, policy: &Policy) -> Self {
        let set = purpose.map_or(Purposes::NONE, Purposes::one);
        let sentences =
            Sentences { de: reason.german(&titles(policy, set, "de")), en: reason.english(&titles(policy, set, "en")) };
        let context =
            Context { reason: reason.code(), reason_user: Some(sentences), error: None, policy_version: policy.version.clone() };
        Self { decision, context }
    }

    fn wrong(message: &str, policy: &Policy) -> Self {
        let fault = Fault { status: Code::InvalidRequest.status(), message: message.to_owned() };
        let (reason, policy_version) = (Code::InvalidRequest.as_str(), policy.version.clone());
        Self { decision: false, context: Context { reason, reason_user: None, error: Some(fault), policy_version } }
    }
}

/// Gives the caller's own ID of the request back, whatever it looks like, as the specification demands.
///
/// # Errors
/// Those of what is inside.
pub async fn echo<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    static NAME: HeaderName = HeaderName::from_static("x-request-id");
    let given = req.headers().get(&NAME).cloned();
    let mut response = next.call(req).await?;
    if let Some(given) = given {
        response.headers_mut().insert(NAME.clone(), given);
    }
    Ok(response)
}

/// Where a client finds the endpoints.
#[derive(Serialize, ToSchema)]
pub struct Configuration {
    /// The address of the gateway.
    policy_decision_point: String,
    /// Where one question is asked.
    access_evaluation_endpoint: String,
    /// Where several are.
    access_evaluations_endpoint: String,
}

/// The metadata of the decision point (AuthZEN 1.0).
#[utoipa::path(get, path = "/.well-known/authzen-configuration", tag = "access",
    responses((status = 200, description = "Where the endpoints are, by `--public-url`.", body = Configuration)))]
pub async fn configuration(app: web::Data<App>) -> HttpResponse {
    let base = std::future::ready(app.mails.public_url()).await.trim_end_matches('/');
    HttpResponse::Ok().insert_header((CACHE_CONTROL, CONFIGURATION_CACHE)).json(Configuration {
        policy_decision_point: base.to_owned(),
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
    })
}
