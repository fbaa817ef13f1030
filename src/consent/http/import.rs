//! `POST /v1/consents/import`: records of other tools, many at a time. Wrong ones are listed, and the others go in.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::import::Evidence;
use super::super::{Besides, Error, Method, Order};
use super::{decisions, identifier, kind_named, problem, speakable, text};
use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::{Millis, rfc3339};
use crate::error::{Code, Problem, ProblemBody};
use crate::limit::{IDENTIFIERS_MAX, IMPORT_RECORDS_MAX};
use crate::policy::{Policy, SourceKind};

/// How many records are written at the same time.
const AT_ONCE: usize = 32;
/// The longest key, place and reference, in characters.
const LINE_CHARS_MAX: usize = 500;
/// The longest text that was shown, in characters.
const TEXT_CHARS_MAX: usize = 4_000;

/// What became of the records.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportAnswer {
    /// How many are recorded now, and durable; with `check`, how many would be.
    recorded: usize,
    /// How many say nothing new: they are recorded already, or something later stands.
    unchanged: usize,
    /// How many are of people who asked not to be brought back.
    suppressed: usize,
    /// Those that are wrong.
    rejected: Vec<RejectedRecord>,
}

/// A record that is wrong; its neighbours went in.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedRecord {
    /// Its place in the list, from 0.
    index: usize,
    /// The code, from the table of codes.
    code: &'static str,
    /// The field that is wrong.
    field: String,
    /// What is wrong with it.
    message: String,
}

/// What became of one record.
enum Outcome {
    Recorded,
    Unchanged,
    Suppressed,
}

/// Takes over decisions that another tool has recorded, with their evidence. Each record is `{key, identifiers, decisions, evidence}`;
/// a grant needs `evidence.obtainedAt` and one of `where`, `text` and `proof`. Later wins, a refusal wins a tie, and the same record
/// brought again changes nothing, so that a run that broke off is simply begun again.
#[utoipa::path(post, path = "/v1/consents/import", tag = "consent",
    request_body(content = Value, content_type = "application/json", description = "At most 500 records, 1 MiB.", example = json!({
        "source": "import", "check": false, "records": [{"key": "4711", "identifiers": {"email": "erika@muster.example"},
            "decisions": {"marketing_email": "granted"}, "evidence": {"obtainedAt": "2025-05-01T10:00:00Z", "tool": "newsletter tool",
            "where": "https://shop.example/newsletter", "text": "Ja, ich möchte den Newsletter.", "proof": "double opt-in 2025-05-01"}}]})),
    responses((status = 200, description = "What became of them. What is recorded is durable.", body = ImportAnswer),
        (status = 401, description = "No or an unknown key.", body = ProblemBody<'static>),
        (status = 403, description = "The key lacks the scope, or its source takes nothing over.", body = ProblemBody<'static>),
        (status = 422, description = "The request as a whole is wrong; `field` names it.", body = ProblemBody<'static>)),
    security(("secret_key" = ["consents:write"])))]
pub async fn import(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Result<HttpResponse, Problem> {
    let caller = auth::secret(&req, &app, Scope::ConsentsWrite).await?;
    let policy = app.policy.current();
    let body: Value = serde_json::from_slice(&body).map_err(|_unreadable| Problem::new(Code::InvalidJson))?;
    let Value::Object(body) = body else {
        return Err(Problem::new(Code::InvalidJson).detail("the body must be a JSON object"));
    };
    let Whole { named, check, records } = Whole::of(&body)?;
    let source = source(&caller, named, &policy)?;
    let (mut answer, mut orders) = (ImportAnswer::default(), Vec::with_capacity(records.len()));
    let context = Context { app: &app, policy: &policy, source, at: app.clock.now() };
    for (index, record) in records.iter().enumerate() {
        match context.order(record) {
            Ok(order) => orders.push((index, order)),
            Err(problem) => answer.reject(index, &problem),
        }
    }
    while !orders.is_empty() {
        let some: Vec<(usize, Order)> = orders.drain(..orders.len().min(AT_ONCE)).collect();
        for (index, outcome) in all_at_once(&app, some, check).await {
            match outcome {
                Ok(Outcome::Recorded) => answer.recorded += 1,
                Ok(Outcome::Unchanged) => answer.unchanged += 1,
                Ok(Outcome::Suppressed) => answer.suppressed += 1,
                Err(problem) if problem.code.status() >= 429 => return Err(problem),
                Err(problem) => answer.reject(index, &problem),
            }
        }
    }
    answer.rejected.sort_by_key(|rejected| rejected.index);
    Ok(HttpResponse::Ok().json(answer))
}

/// Records orders, each in a task of its own: what has begun is finished even if the client hangs up.
async fn all_at_once(app: &web::Data<App>, orders: Vec<(usize, Order)>, check: bool) -> Vec<(usize, Result<Outcome, Problem>)> {
    let begun: Vec<_> = orders
        .into_iter()
        .map(|(index, order)| {
            let consents = Arc::clone(&app.consents);
            let work = async move {
                if check {
                    let is_news = consents.is_news(&order)?;
                    return Ok(if is_news { Outcome::Recorded } else { Outcome::Unchanged });
                }
                match consents.record(order).await {
                    Ok(_) => Ok(Outcome::Recorded),
                    Err(Error::NothingNew) => Ok(Outcome::Unchanged),
                    Err(Error::Suppressed) => Ok(Outcome::Suppressed),
                    Err(error) => Err(error),
                }
            };
            (index, actix_web::rt::spawn(work))
        })
        .collect();
    let mut done = Vec::with_capacity(begun.len());
    for (index, task) in begun {
        let outcome = task.await.map_err(|_gone| Problem::new(Code::Unavailable)).and_then(|outcome| outcome.map_err(problem));
        done.push((index, outcome));
    }
    done
}

/// A request as a whole.
struct Whole<'a> {
    named: Option<&'a str>,
    check: bool,
    records: &'a [Value],
}

impl<'a> Whole<'a> {
    fn of(body: &'a Map<String, Value>) -> Result<Self, Problem> {
        let mut whole = Self { named: None, check: false, records: &[] };
        for (name, value) in body {
            match (name.as_str(), value) {
                ("source", Value::String(named)) => whole.named = Some(named),
                ("check", Value::Bool(check)) => whole.check = *check,
                ("records", Value::Array(records)) if records.len() <= IMPORT_RECORDS_MAX => whole.records = records,
                ("records", Value::Array(_)) => {
                    let words = format!("at most {IMPORT_RECORDS_MAX} are taken at once");
                    return Err(Problem::field(Code::InvalidField, "records").detail(words));
                }
                ("source" | "check" | "records", _) => {
                    return Err(Problem::field(Code::InvalidField, name.as_str()).detail("is of the wrong type"));
                }
                _ => return Err(unknown("body", name)),
            }
        }
        if whole.records.is_empty() { Err(Problem::field(Code::MissingField, "records")) } else { Ok(whole) }
    }
}

fn unknown(of: &str, name: &str) -> Problem {
    Problem::field(Code::InvalidField, speakable(name).unwrap_or(of)).detail("there is no such field")
}

/// The source that takes over: the key's own, or for operators the one that is named.
fn source(caller: &auth::Caller, named: Option<&str>, policy: &Policy) -> Result<usize, Problem> {
    let named = named.map(|id| {
        let known = policy.source(id).map(|(index, _)| index);
        known.ok_or_else(|| Problem::field(Code::InvalidField, "source").detail("the policy has no such source"))
    });
    let index = match (caller.source.is_some(), named.transpose()?) {
        (false, Some(index)) => index,
        (false, None) => return Err(Problem::field(Code::MissingField, "source")),
        (true, named) => {
            let own = caller.source_index(policy)?;
            if named.is_some_and(|index| index != own) {
                return Err(Problem::field(Code::NotAllowed, "source").detail("the key speaks for another source"));
            }
            own
        }
    };
    match policy.sources.get(index) {
        Some(source) if source.kind == SourceKind::Import => Ok(index),
        Some(_) | None => Err(Problem::field(Code::NotAllowed, "source").detail("only sources of kind import take records over")),
    }
}

impl ImportAnswer {
    fn reject(&mut self, index: usize, problem: &Problem) {
        let message = problem.detail.clone().unwrap_or_else(|| problem.code.title().to_owned());
        let field = problem.field.clone().unwrap_or_default();
        self.rejected.push(RejectedRecord { index, code: problem.code.as_str(), field, message });
    }
}

/// What records are read with.
struct Context<'a> {
    app: &'a App,
    policy: &'a Arc<Policy>,
    source: usize,
    at: Millis,
}

impl Context<'_> {
    fn order(&self, record: &Value) -> Result<Order, Problem> {
        let Value::Object(record) = record else {
            return Err(Problem::field(Code::InvalidField, "records").detail("each must be an object"));
        };
        let part = |name: &'static str| match record.get(name) {
            Some(Value::Object(part)) => Ok(part),
            None | Some(Value::Null) => Err(Problem::field(Code::MissingField, name)),
            Some(_) => Err(Problem::field(Code::InvalidField, name).detail("must be an object")),
        };
        if let Some(name) = record.keys().find(|name| !["key", "identifiers", "decisions", "evidence"].contains(&name.as_str())) {
            return Err(unknown("records", name));
        }
        let key = record.get("key").and_then(text).filter(|key| !key.is_empty());
        let key = line("key", &key.ok_or_else(|| Problem::field(Code::MissingField, "key"))?, LINE_CHARS_MAX)?;
        let decisions = decisions(self.policy, part("decisions")?)?;
        let evidence = evidence(
            key,
            record.get("evidence").filter(|e| !e.is_null()).map_or(Ok(&Map::new()), |_| part("evidence"))?,
            self.at,
        )?;
        self.check_grants(&decisions, &evidence)?;
        Ok(Order {
            identifiers: self.identifiers(part("identifiers")?)?,
            decisions,
            notice: None,
            language: None,
            method: Method::Import,
            source: self.source,
            actor: None,
            at: self.at,
            policy: Arc::clone(self.policy),
            mark: None,
            besides: Besides { evidence: Some(Box::new(evidence)), ..Besides::default() },
        })
    }

    fn identifiers(&self, named: &Map<String, Value>) -> Result<Vec<crate::identity::Identifier>, Problem> {
        if named.is_empty() {
            return Err(Problem::field(Code::MissingField, "identifiers"));
        }
        if named.len() > IDENTIFIERS_MAX {
            return Err(Problem::field(Code::InvalidField, "identifiers").detail(format!("at most {IDENTIFIERS_MAX} are taken")));
        }
        let mut identifiers = Vec::with_capacity(named.len());
        for (name, value) in named {
            let kind = kind_named(self.policy, name).ok_or_else(|| {
                Problem::field(Code::InvalidField, "identifiers").detail("the policy has no such identifier type")
            })?;
            let field = format!("identifiers.{}", self.policy.identifiers.get(kind).map_or("", |t| t.id.as_str()));
            let value = text(value).ok_or_else(|| Problem::field(Code::InvalidField, field.as_str()).detail("must be text"))?;
            identifiers.push(identifier(self.app, self.policy, kind, &value, &field)?);
        }
        identifiers.sort_by(|a, b| (a.kind, &a.value).cmp(&(b.kind, &b.value)));
        identifiers.dedup();
        Ok(identifiers)
    }

    /// A grant must be ordered in time, be provable, and hold still.
    fn check_grants(&self, decisions: &[(usize, bool)], evidence: &Evidence) -> Result<(), Problem> {
        for (index, _) in decisions.iter().filter(|(_, granted)| *granted) {
            let claimed = evidence.claimed().ok_or_else(|| {
                Problem::field(Code::MissingField, "evidence.obtainedAt").detail("a grant without its time proves nothing")
            })?;
            if !evidence.proves() {
                let words = "a grant needs evidence: one of where, text and proof (GDPR Art. 7(1))";
                return Err(Problem::field(Code::MissingField, "evidence").detail(words));
            }
            let Some(purpose) = self.policy.purposes.get(*index) else { continue };
            let ends = purpose.consent_days.map(|days| claimed.saturating_add(Millis::from(days) * crate::clock::DAY_MS));
            if ends.is_some_and(|end| end <= self.at) {
                let words = format!("it is older than the {} days that a grant holds", purpose.consent_days.unwrap_or_default());
                return Err(Problem::field(Code::InvalidField, "evidence.obtainedAt").detail(words));
            }
        }
        Ok(())
    }
}

/// One text of a record, if it is not too long and holds nothing that changes how it is read.
fn line(field: &str, text: &str, chars_max: usize) -> Result<String, Problem> {
    let text = text.trim().to_owned();
    if text.chars().count() > chars_max {
        return Err(Problem::field(Code::InvalidField, field).detail(format!("at most {chars_max} characters are taken")));
    }
    if text.chars().any(|c| c.is_control() && !['\n', '\r', '\t'].contains(&c)) {
        return Err(Problem::field(Code::InvalidField, field).detail("holds a control character"));
    }
    Ok(text)
}

fn evidence(key: String, stated: &Map<String, Value>, at: Millis) -> Result<Evidence, Problem> {
    let mut evidence = Evidence { key, obtained_at: None, tool: None, r#where: None, text: None, proof: None };
    for (name, value) in stated {
        let field = format!("evidence.{}", speakable(name).unwrap_or("?"));
        let slot = match name.as_str() {
            "obtainedAt" => &mut evidence.obtained_at,
            "tool" => &mut evidence.tool,
            "where" => &mut evidence.r#where,
            "text" => &mut evidence.text,
            "proof" => &mut evidence.proof,
            _ => return Err(Problem::field(Code::InvalidField, field).detail("there is no such field")),
        };
        if value.is_null() {
            continue;
        }
        let value = text(value).ok_or_else(|| Problem::field(Code::InvalidField, field.as_str()).detail("must be text"))?;
        let chars_max = if name == "text" { TEXT_CHARS_MAX } else { LINE_CHARS_MAX };
        *slot = Some(line(&field, &value, chars_max)?).filter(|text| !text.is_empty());
    }
    if let Some(stated) = &evidence.obtained_at {
        let wrong = |words: &str| Problem::field(Code::InvalidField, "evidence.obtainedAt").detail(words);
        let time = stated
            .parse::<jiff::Timestamp>()
            .map_err(|_no_time| wrong("must be a time as RFC 3339 writes it, with its offset"))?;
        if time.as_millisecond() > at {
            return Err(wrong("lies in the future"));
        }
        evidence.obtained_at = Some(rfc3339(time.as_millisecond()));
    }
    Ok(evidence)
}
