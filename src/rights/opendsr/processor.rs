//! Others send us requests: what is taken, and what they are answered.
//!
//! The controller who sends one has made sure of the person's identity (it is the controller's duty, Art. 12(6), 28(3)(e)), so it waits for
//! a decision at once; a person of the company may doubt it all the same.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::callbacks::Callback;
use super::{API_VERSION, Status};
use crate::clock::{DAY_MS, Millis, rfc3339};
use crate::egress;
use crate::identity;
use crate::limit::IDENTIFIERS_MAX;
use crate::policy::{IdentifierKind, Policy, Source};
use crate::rights::deadline::Course;
use crate::rights::request::{Kind, Request};
use crate::rights::{Error, RequestId, Rights, State, Step};
use crate::store::{Batch, Key, Record, Table};
use crate::vault::Vault;

/// Which request of ours another company's is.
pub(in crate::rights) const FILED: Table<FiledKey, Filed> = Table::new(b'o', "requests of other companies");

/// The oldest request that is taken: the longest that the law lets anybody wait, and some days.
const AGE_MAX_MS: Millis = 95 * DAY_MS;
/// How far another company's clock may be ahead.
const AHEAD_MAX_MS: Millis = 300_000;
/// The most callback URLs of one request.
const CALLBACKS_MAX: usize = 5;
/// The longest callback URL.
const URL_BYTES_MAX: usize = 2_000;
/// What the specification knows.
const IDENTITY_TYPES: [&str; 11] = [
    "controller_customer_id",
    "android_advertising_id",
    "android_id",
    "email",
    "fire_advertising_id",
    "ios_advertising_id",
    "ios_vendor_id",
    "microsoft_advertising_id",
    "microsoft_publisher_id",
    "roku_publisher_id",
    "roku_advertising_id",
];

/// A controller and its `subject_request_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rights) struct FiledKey(pub(in crate::rights) String);

/// The request that it became.
pub(in crate::rights) struct Filed(pub(in crate::rights) RequestId);

impl Key for FiledKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

impl Record for Filed {
    const VERSION: u8 = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.0);
    }

    fn decode(version: u8, bytes: &[u8]) -> Option<Self> {
        let id = bytes.try_into().ok().map(RequestId)?;
        (version == Self::VERSION).then_some(Self(id))
    }
}

/// Where a request comes from that another company has sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Whose it is: the source of the key that it was sent with, or the key's ID.
    pub controller: String,
    /// Its name there.
    pub subject_request_id: String,
    /// When it came here; its deadline runs from when the person asked.
    pub taken_at: Millis,
    /// The keyed digest of what was sent.
    pub digest: String,
    /// Who wants to hear of changes.
    pub callbacks: Vec<Callback>,
}

impl Origin {
    pub(in crate::rights) fn key(&self) -> FiledKey {
        filed_key(&self.controller, &self.subject_request_id)
    }
}

fn filed_key(controller: &str, subject_request_id: &str) -> FiledKey {
    FiledKey([controller, subject_request_id].join("/"))
}

/// What is wrong with what was sent. It repeats no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field.
    pub field: String,
    /// Why.
    pub words: String,
}

fn refuse<T>(field: impl Into<String>, words: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { field: field.into(), words: words.into() })
}

/// A request that another company has sent, read.
#[derive(Clone, Debug)]
pub struct Filing {
    kind: Kind,
    subject_request_id: String,
    submitted_at: Millis,
    identifiers: Vec<(String, String)>,
    callbacks: Vec<String>,
    /// What was sent, in its canonical form.
    canonical: Vec<u8>,
}

impl Filing {
    /// Reads what was sent. `source` is the controller's, as the policy has it; without one there are no callbacks.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn parse(body: &[u8], policy: &Policy, (vault, source): (&Vault, Option<&Source>), at: Millis) -> Result<Self, Refusal> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return refuse("body", "must be a JSON object") };
        optional(&fields, "api_version")?;
        if !matches!(optional(&fields, "regulation")?, None | Some("gdpr" | "ccpa")) {
            return refuse("regulation", "must be `gdpr` or `ccpa`");
        }
        let kind = match required(&fields, "subject_request_type")? {
            "erasure" => Kind::Erasure,
            "access" => Kind::Access,
            "portability" => Kind::Portability,
            _ => return refuse("subject_request_type", "must be `erasure`, `access` or `portability`"),
        };
        let subject_request_id = required(&fields, "subject_request_id")?;
        if !is_uuid_v4(subject_request_id) {
            return refuse("subject_request_id", "must be a UUID of version 4 in small letters");
        }
        let submitted_at = submitted_at(required(&fields, "submitted_time")?, at)?;
        let identifiers = identifiers(fields.get("subject_identities"), policy, vault)?;
        let callbacks = callbacks(fields.get("status_callback_urls"), source)?;
        let subject_request_id = subject_request_id.to_owned();
        let Ok(canonical) = serde_json_canonicalizer::to_vec(&fields) else { return refuse("body", "must be a JSON object") };
        Ok(Self { kind, subject_request_id, submitted_at, identifiers, callbacks, canonical })
    }
}

fn optional<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().map_or_else(|| refuse(name, "must be text"), |text| Ok(Some(text))),
    }
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    optional(fields, name)?.map_or_else(|| refuse(name, "is required"), Ok)
}

fn is_uuid_v4(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|uuid| uuid.get_version_num() == 4 && uuid.hyphenated().to_string() == text)
}

fn submitted_at(text: &str, now: Millis) -> Result<Millis, Refusal> {
    let Ok(time) = text.parse::<jiff::Timestamp>() else {
        return refuse("submitted_time", "must be a date and time with its offset (RFC 3339)");
    };
    let at = time.as_millisecond();
    if at > now.saturating_add(AHEAD_MAX_MS) {
        return refuse("submitted_time", "must not lie in the future");
    }
    if at < now.saturating_sub(AGE_MAX_MS) {
        return refuse("submitted_time", "must not be older than 95 days: its deadline would be over");
    }
    Ok(at.min(now))
}

/// What of the specification's identity types this policy has, and under which name.
pub(super) fn known_as<'a>(policy: &'a Policy, identity_type: &str) -> Option<&'a str> {
    let of_kind = |kind| policy.identifiers.iter().find(|typed| typed.kind == kind).map(|typed| typed.id.as_str());
    match identity_type {
        "email" => of_kind(IdentifierKind::Email),
        "controller_customer_id" => of_kind(IdentifierKind::UserId),
        other if IDENTITY_TYPES.contains(&other) => policy.identifier(other).map(|(_, typed)| typed.id.as_str()),
        _ => None,
    }
}

fn identifiers(value: Option<&Value>, policy: &Policy, vault: &Vault) -> Result<Vec<(String, String)>, Refusal> {
    let list = match value {
        None | Some(Value::Null) => return refuse("subject_identities", "is required; there are no extensions here"),
        Some(value) => value.as_array(),
    };
    let list = list.map_or_else(|| refuse("subject_identities", "must be a list"), Ok)?;
    if list.is_empty() || list.len() > IDENTIFIERS_MAX {
        return refuse("subject_identities", format!("must name 1 to {IDENTIFIERS_MAX}"));
    }
    let mut all = Vec::with_capacity(list.len());
    for (n, identity) in list.iter().enumerate() {
        let at = |name: &str| format!("subject_identities[{n}].{name}");
        let text = |name: &str| identity.get(name).and_then(Value::as_str).map_or_else(|| refuse(at(name), "is required"), Ok);
        let Some(kind) = known_as(policy, text("identity_type")?) else {
            return refuse(at("identity_type"), "is not supported; /discovery says what is");
        };
        match text("identity_format")? {
            "raw" => {}
            // Identifiers lie here under a keyed digest: an unkeyed hash finds nobody.
            "sha1" | "md5" | "sha256" => return refuse(at("identity_format"), "is not supported; send it `raw`"),
            _ => return refuse(at("identity_format"), "must be `raw`"),
        }
        match identity::parse(policy, vault, kind, text("identity_value")?) {
            Ok(read) => all.push((kind.to_owned(), read.value)),
            Err(refusal) => return refuse(at("identity_value"), refusal.to_string()),
        }
    }
    Ok(all)
}

fn callbacks(value: Option<&Value>, source: Option<&Source>) -> Result<Vec<String>, Refusal> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array(),
    };
    let list = list.map_or_else(|| refuse("status_callback_urls", "must be a list"), Ok)?;
    if list.len() > CALLBACKS_MAX {
        return refuse("status_callback_urls", format!("must name at most {CALLBACKS_MAX}"));
    }
    let mut all: Vec<String> = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let field = format!("status_callback_urls[{n}]");
        let Some(url) = value.as_str().filter(|url| url.len() <= URL_BYTES_MAX) else { return refuse(field, "must be a URL") };
        if callback_origin(url, source).is_none() {
            return refuse(field, "must be https, at an origin that was agreed (`callback_origins` of the source)");
        }
        if !all.iter().any(|other| other == url) {
            all.push(url.to_owned());
        }
    }
    Ok(all)
}

/// The agreed origin of a callback URL.
pub(super) fn callback_origin<'a>(url: &str, source: Option<&'a Source>) -> Option<&'a str> {
    let origin = egress::origin(url)?;
    source?.callback_origins.iter().map(String::as_str).find(|agreed| agreed.eq_ignore_ascii_case(&origin))
}

/// A request that was taken.
pub struct Taken {
    /// What became of it here.
    pub request: Request,
    /// Where it comes from.
    pub origin: Origin,
}

impl Rights {
    /// The host under which requests are taken; `None`: this role is off, for want of a certificate or of a public address.
    #[must_use]
    pub fn processor_domain(&self) -> Option<String> {
        self.deps.vault.certified()?;
        egress::host(self.deps.public_url.as_deref()?)
    }

    /// Whether the certificate is the public address's. At start.
    ///
    /// # Errors
    /// [`Error::OtherHost`].
    pub fn check_certificate(&self) -> Result<(), Error> {
        let (Some(certified), Some(host)) = (self.deps.vault.certified(), self.processor_domain()) else { return Ok(()) };
        if certified.is_for(&host) { Ok(()) } else { Err(Error::OtherHost(host)) }
    }

    /// What is supported, as `/discovery` says it.
    #[must_use]
    pub fn discovery(&self, base: &str) -> Value {
        let policy = self.deps.policy.current();
        let types = IDENTITY_TYPES.iter().filter(|kind| known_as(&policy, kind).is_some());
        let identities: Vec<Value> = types.map(|kind| json!({"identity_type": kind, "identity_format": "raw"})).collect();
        json!({
            "api_version": API_VERSION,
            "supported_identities": identities,
            "supported_subject_request_types": ["erasure", "access", "portability"],
            "processor_certificate": format!("{base}/opendsr/certificate.pem"),
        })
    }

    /// Takes a request of another company. It is durable when this returns; sent again it is the same.
    ///
    /// # Errors
    /// [`Error::Differs`] if another request of this controller has its ID.
    pub async fn file_for(&self, filing: Filing, controller: &str, who: &str) -> Result<Taken, Error> {
        let digest = hex::encode(self.deps.vault.mac("opendsr-body", &filing.canonical));
        let _turn = self.turn.lock().await;
        let key = filed_key(controller, &filing.subject_request_id);
        if let Some(Filed(id)) = FILED.get(&self.deps.store, &key)? {
            let taken = taken(self.get(id)?)?;
            return if taken.origin.digest == digest { Ok(taken) } else { Err(Error::Differs) };
        }
        let at = self.deps.clock.now();
        let mut request = Request::new(filing.kind, State::InReview, filing.submitted_at);
        request.identifiers = filing.identifiers;
        request.note(at, who, "received", None);
        request.origin = Some(Origin {
            controller: controller.to_owned(),
            subject_request_id: filing.subject_request_id,
            taken_at: at,
            digest,
            callbacks: filing.callbacks.into_iter().map(Callback::new).collect(),
        });
        let id = RequestId(self.deps.chance.bytes()?);
        let mut batch = Batch::default();
        batch.check_absent(FILED.key(&key));
        FILED.put(&mut batch, &key, &Filed(id));
        self.keep_new(id, &request, batch).await?;
        taken(request)
    }

    /// A request of this controller.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn filed(&self, controller: &str, subject_request_id: &str) -> Result<Taken, Error> {
        let found = FILED.get(&self.deps.store, &filed_key(controller, subject_request_id))?;
        taken(self.get(found.ok_or(Error::NotFound)?.0)?)
    }

    /// The controller takes a request back. Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::State`] when it is past that.
    pub async fn take_back(&self, controller: &str, subject_request_id: &str, who: &str) -> Result<Taken, Error> {
        let key = filed_key(controller, subject_request_id);
        let Filed(id) = FILED.get(&self.deps.store, &key)?.ok_or(Error::NotFound)?;
        match self.act(id, Step::Cancel, who, None).await {
            Err(Error::State(State::Cancelled)) => taken(self.get(id)?),
            done => taken(done?),
        }
    }

    /// Where a request is, as its controller is told.
    #[must_use]
    pub fn status(&self, taken: &Taken) -> Value {
        let Taken { request, origin } = taken;
        let mut said = json!({
            "controller_id": origin.controller,
            "expected_completion_time": self.expected(request),
            "subject_request_id": origin.subject_request_id,
            "request_status": status_of(request.state).name(),
            "api_version": API_VERSION,
        });
        // The specification has no word for a refusal; whoever reads our extension learns the ground.
        if let (Some(ground), Some(domain), Some(fields)) = (request.ground, self.processor_domain(), said.as_object_mut()) {
            fields.insert(String::from("extensions"), json!({domain: {"state": request.state.name(), "ground": ground}}));
        }
        said
    }

    /// The last moment of the day on which it is due; while its identity is doubted, of the day on which it would be.
    pub(super) fn expected(&self, request: &Request) -> String {
        let calendar = self.calendar();
        let mut course: Course = request.course();
        course.pauses.retain(|(_, until)| until.is_some());
        let end = calendar.due(&course).and_then(|day| calendar.zone.to_timestamp(day.at(23, 59, 59, 0)).ok());
        rfc3339(end.map_or(request.received_at, |end| end.as_millisecond()))
    }

    /// When a request was taken, its deadline, and who sent it: the answer to whoever has sent it.
    #[must_use]
    pub fn receipt(&self, taken: &Taken) -> Map<String, Value> {
        let Taken { request, origin } = taken;
        let mut said = Map::new();
        said.insert(String::from("controller_id"), json!(origin.controller));
        said.insert(String::from("expected_completion_time"), json!(self.expected(request)));
        said.insert(String::from("received_time"), json!(rfc3339(origin.taken_at)));
        said.insert(String::from("subject_request_id"), json!(origin.subject_request_id));
        said.insert(String::from("api_version"), json!(API_VERSION));
        said
    }

    /// The signature of a body, in base64, with the host that signs.
    ///
    /// # Errors
    /// What the vault says; [`Error::NotFound`] when this role is off.
    pub fn sign(&self, body: &[u8]) -> Result<(String, String), Error> {
        let domain = self.processor_domain().ok_or(Error::NotFound)?;
        let certified = self.deps.vault.certified().ok_or(Error::NotFound)?;
        Ok((domain, certified.sign(body)?))
    }
}

fn taken(request: Request) -> Result<Taken, Error> {
    let origin = request.origin.clone().ok_or(Error::NotFound)?;
    Ok(Taken { request, origin })
}

/// What the specification calls a state of ours.
pub(super) const fn status_of(state: State) -> Status {
    match state {
        State::IdentityUnclear | State::InReview => Status::Pending,
        State::Running => Status::InProgress,
        State::Done => Status::Completed,
        State::Refused | State::Cancelled => Status::Cancelled,
    }
}
