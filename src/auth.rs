//! Who is calling: public write keys, secret keys, the operator's token.
//!
//! Promises: a write key is public and can only send and ask for consent; in a browser it works from the origins that its
//! source names and from nowhere else. A secret key works for the scopes that it was made with. An unknown, a wrong and a
//! revoked secret key get the same answer after the same work. Authority is a value: only this file can make a [`Caller`].
//!
//! It refuses to know people: nothing here reads an identifier.

pub mod device;
pub mod keys;
pub mod operator;
pub mod session;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ipnet::IpNet;

pub use keys::{Keys, Record};
pub use operator::Operator;

use crate::app::App;
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::policy::{Policy, Source, SourceKind};

/// What a secret key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Scope {
    /// Read what was decided, for stated identifiers.
    #[serde(rename = "consents:read")]
    ConsentsRead,
    /// Record decisions.
    #[serde(rename = "consents:write")]
    ConsentsWrite,
    /// Read profiles for a purpose.
    #[serde(rename = "profiles:read")]
    ProfilesRead,
    /// Read what people stated about themselves, to show it to them or to use it as they allow.
    #[serde(rename = "preferences:read")]
    PreferencesRead,
    /// Record what people state about themselves.
    #[serde(rename = "preferences:write")]
    PreferencesWrite,
    /// Send events.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Ask why an event would go or stay.
    #[serde(rename = "explain")]
    Explain,
    /// Ask whether somebody's data may be used for a purpose.
    #[serde(rename = "access")]
    Access,
    /// File requests of people.
    #[serde(rename = "requests:write")]
    RequestsWrite,
    /// See requests of people and decide about them.
    #[serde(rename = "rights")]
    Rights,
    /// Run the gateway: dead letters, reload of the policy.
    #[serde(rename = "operate")]
    Operate,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 11] = [
        Self::ConsentsRead,
        Self::ConsentsWrite,
        Self::ProfilesRead,
        Self::PreferencesRead,
        Self::PreferencesWrite,
        Self::EventsWrite,
        Self::Explain,
        Self::Access,
        Self::RequestsWrite,
        Self::Rights,
        Self::Operate,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsentsRead => "consents:read",
            Self::ConsentsWrite => "consents:write",
            Self::ProfilesRead => "profiles:read",
            Self::PreferencesRead => "preferences:read",
            Self::PreferencesWrite => "preferences:write",
            Self::EventsWrite => "events:write",
            Self::Explain => "explain",
            Self::Access => "access",
            Self::RequestsWrite => "requests:write",
            Self::Rights => "rights",
            Self::Operate => "operate",
        }
    }

    /// What a key of such a source gets if nobody says otherwise: what staff at a till or a service desk needs; elsewhere
    /// only what the public write key can do as well.
    #[must_use]
    pub const fn usual(kind: SourceKind) -> &'static [Self] {
        match kind {
            SourceKind::Till => &[Self::ProfilesRead, Self::ConsentsWrite, Self::ConsentsRead, Self::Explain, Self::EventsWrite],
            SourceKind::Service => &[
                Self::ProfilesRead,
                Self::ConsentsWrite,
                Self::ConsentsRead,
                Self::Explain,
                Self::EventsWrite,
                Self::RequestsWrite,
            ],
            SourceKind::Website | SourceKind::App | SourceKind::Newsletter | SourceKind::Import => {
                &[Self::ConsentsWrite, Self::ConsentsRead, Self::EventsWrite]
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("there is no scope `{text}`; there are {}", all.join(", "))
        })
    }
}

/// Somebody whose secret key was right and has the scope that was asked for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The ID of the key; `operator` for the operator's token. It names no person and may be logged.
    pub key_id: String,
    /// The ID of the source that the key belongs to. Operators have none.
    pub source: Option<String>,
    scopes: Scopes,
}

#[derive(Clone, Debug)]
enum Scopes {
    All,
    Some(Vec<Scope>),
}

impl Caller {
    /// Whether the key may do this as well.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match &self.scopes {
            Scopes::All => true,
            Scopes::Some(scopes) => scopes.contains(&scope),
        }
    }

    /// The index of the source that the key belongs to, under the present policy.
    ///
    /// # Errors
    /// `not_allowed` for operators, who speak for no source, and for a source that the policy no longer has.
    pub fn source_index(&self, policy: &Policy) -> Result<usize, Problem> {
        let source = self.source.as_deref().and_then(|id| policy.source(id));
        source.map(|(index, _)| index).ok_or_else(|| Problem::new(Code::NotAllowed).detail("This key belongs to no source."))
    }
}

/// The source that a request's write key names, checked against the browser's origin and how often this client asks.
/// Order: Basic authentication, the body, the query (`writeKey`, also spelled `writekey`).
///
/// # Errors
/// `write_key_missing`, `write_key_unknown` or `origin_not_allowed`.
pub fn write_key(req: &HttpRequest, body_key: Option<&str>, policy: &Policy) -> Result<usize, Problem> {
    let key = basic_user(req)
        .or_else(|| body_key.filter(|key| !key.is_empty()).map(str::to_owned))
        .or_else(|| query_key(req))
        .ok_or_else(|| Problem::new(Code::WriteKeyMissing))?;
    if key.len() > limit::WRITE_KEY_CHARS_MAX {
        return Err(Problem::new(Code::WriteKeyUnknown));
    }
    let (index, source) = policy.source_by_key(&key).ok_or_else(|| Problem::new(Code::WriteKeyUnknown))?;
    check_origin(req, source)?;
    Ok(index)
}

/// Whether the browser that sent this, if it was one, may send for the source. Who is no browser names no origin.
///
/// # Errors
/// `origin_not_allowed`.
pub fn check_origin(req: &HttpRequest, source: &Source) -> Result<(), Problem> {
    match req.headers().get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.to_str().is_ok_and(|origin| origin_allowed(origin, source)) => Ok(()),
        Some(_) => Err(Problem::new(Code::OriginNotAllowed)),
    }
}

/// Whether a browser page of this origin may send for the source. `http://localhost:*` means every port; `null` is never
/// allowed.
#[must_use]
pub fn origin_allowed(origin: &str, source: &Source) -> bool {
    source.origins.iter().any(|pattern| match pattern.strip_suffix(":*") {
        Some(host) => origin.get(..host.len()).zip(origin.get(host.len()..)).is_some_and(|(head, port)| {
            let digits = port.strip_prefix(':');
            let port_ok =
                port.is_empty() || digits.is_some_and(|d| (1..=5).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()));
            head.eq_ignore_ascii_case(host) && port_ok
        }),
        None => origin.eq_ignore_ascii_case(pattern),
    })
}

/// The origin of the page that sent this; none if no browser did, or a page that this gateway serves: such a page names its origin when
/// it writes and not when it reads.
#[must_use]
pub fn page(req: &HttpRequest) -> Option<&str> {
    let header = |name: &str| req.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = header("origin")?;
    let host = origin.split_once("://").map(|(_, host)| host);
    let is_own = header("sec-fetch-site") == Some("same-origin") || (host.is_some() && host == header("host"));
    (!is_own).then_some(origin)
}

/// Whether a secret key was sent, right or wrong; otherwise the caller has a write key at most.
#[must_use]
pub fn has_secret(req: &HttpRequest) -> bool {
    bearer(req).is_some()
}

/// Who is calling with `Authorization: Bearer sk_…` (or the operator's token), if the key has the scope.
///
/// # Errors
/// `secret_key_missing`, `secret_key_unknown`, `scope_missing` or `too_many_requests`.
pub async fn secret(req: &HttpRequest, app: &App, scope: Scope) -> Result<Caller, Problem> {
    throttle(req, app, Class::Secret, limit::SECRET_PER_S)?;
    let presented = bearer(req).ok_or_else(|| Problem::new(Code::SecretKeyMissing))?;
    let caller = if app.operator.is(presented) {
        Caller { key_id: String::from("operator"), source: None, scopes: Scopes::All }
    } else {
        let record = if let Some(record) = app.secrets.proven(presented) {
            record
        } else {
            throttle(req, app, Class::Guess, limit::GUESSES_PER_S)?;
            app.secrets.prove(presented).await.map_err(|refused| match refused {
                keys::Refused::Unknown => Problem::new(Code::SecretKeyUnknown),
                keys::Refused::Busy => Problem::new(Code::Overloaded).retry_after(1),
            })?
        };
        Caller { key_id: record.id.clone(), source: record.source.clone(), scopes: Scopes::Some(record.scopes.clone()) }
    };
    if caller.may(scope) { Ok(caller) } else { Err(Problem::field(Code::ScopeMissing, scope.as_str())) }
}

/// Whether this is whoever runs the gateway: the operator's token as a bearer, or as the password that a browser asks for.
#[must_use]
pub fn is_operator(req: &HttpRequest, app: &App) -> bool {
    let password = basic(req).and_then(|(_, password)| password);
    bearer(req).or(password.as_deref()).is_some_and(|presented| app.operator.is(presented))
}

/// Counts this request of this client against the source's rate.
///
/// # Errors
/// `too_many_requests`.
pub fn throttle_source(req: &HttpRequest, app: &App, policy: &Policy, source: usize) -> Result<(), Problem> {
    let Some(rate) = policy.sources.get(source).map(|s| s.rate_per_s) else { return Ok(()) };
    throttle(req, app, Class::Source(u16::try_from(source).unwrap_or(u16::MAX)), rate)
}

/// Counts this request of this client.
///
/// # Errors
/// `too_many_requests`.
pub fn throttle(req: &HttpRequest, app: &App, class: Class, per_s: u32) -> Result<(), Problem> {
    app.limiter
        .allow(class, per_s, client(req, &app.config.trusted_proxies))
        .map_err(|seconds| Problem::new(Code::TooManyRequests).retry_after(seconds))
}

/// Whose request this is, by address: who connected, or, if that is a proxy of ours, the last address of `X-Forwarded-For` that is
/// none. What stands before that was written by the client and may be anything.
#[must_use]
pub fn client(req: &HttpRequest, proxies: &[IpNet]) -> IpAddr {
    static FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
    // A peer without an address is a test or a Unix socket: one client.
    let mut client = req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let hops: Vec<&str> =
        req.headers().get_all(&FORWARDED).flat_map(|line| line.to_str().unwrap_or_default().split(',')).collect();
    for hop in hops.iter().rev() {
        let ours = proxies.iter().any(|network| network.contains(&client.to_canonical()));
        let Some(before) = ours.then(|| address(hop.trim())).flatten() else { break };
        client = before;
    }
    client
}

/// An address as proxies write it; some add the port.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|full| full.ip()))
}

fn authorization<'a>(req: &'a HttpRequest, scheme: &str) -> Option<&'a str> {
    let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (head, rest) = value.split_once(' ')?;
    head.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn bearer(req: &HttpRequest) -> Option<&str> {
    authorization(req, "bearer")
}

/// User and password of Basic authentication. Segment tolerates a missing colon, so we do too.
fn basic(req: &HttpRequest) -> Option<(String, Option<String>)> {
    let encoded = authorization(req, "basic")?;
    let bytes = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let split = text.split_once(':').map(|(user, password)| (user.to_owned(), Some(password.to_owned())));
    Some(split.unwrap_or((text, None)))
}

fn basic_user(req: &HttpRequest) -> Option<String> {
    basic(req).map(|(user, _)| user).filter(|user| !user.is_empty())
}

fn query_key(req: &HttpRequest) -> Option<String> {
    let pairs = req.query_string().split('&').filter_map(|pair| pair.split_once('='));
    let value =
        pairs.filter(|(name, _)| name.eq_ignore_ascii_case("writeKey")).map(|(_, value)| value).find(|v| !v.is_empty())?;
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
