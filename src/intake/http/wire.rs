//! Which address takes what, and for which source a request speaks.

use actix_web::HttpRequest;
use actix_web::http::header;

use crate::app::App;
use crate::auth::{self, Scope};
use crate::clock::Millis;
use crate::consent::Signal;
use crate::consent::signal::{SEC_GPC, heard};
use crate::error::{Code, Problem};
use crate::events::parse::{self, Envelope, Rejected};
use crate::events::{EventType, time};
use crate::policy::Policy;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One flat event, of the type that the path says.
    One(EventType),
    /// `{"batch": […]}`, each event with a type of its own.
    Batch,
}

/// Every address that takes events by POST. Each also answers with one slash behind it: a redirect would count as success with
/// the SDKs, and the events would be lost.
pub const ENDPOINTS: [(&str, Takes); 16] = [
    ("/v1/track", Takes::One(EventType::Track)),
    ("/v1/t", Takes::One(EventType::Track)),
    ("/v1/identify", Takes::One(EventType::Identify)),
    ("/v1/i", Takes::One(EventType::Identify)),
    ("/v1/page", Takes::One(EventType::Page)),
    ("/v1/p", Takes::One(EventType::Page)),
    ("/v1/screen", Takes::One(EventType::Screen)),
    ("/v1/s", Takes::One(EventType::Screen)),
    ("/v1/group", Takes::One(EventType::Group)),
    ("/v1/g", Takes::One(EventType::Group)),
    ("/v1/alias", Takes::One(EventType::Alias)),
    ("/v1/a", Takes::One(EventType::Alias)),
    ("/v1/batch", Takes::Batch),
    ("/v1/b", Takes::Batch),
    ("/v1/import", Takes::Batch),
    ("/beacon/v1/batch", Takes::Batch),
];

impl Takes {
    /// Reads a body of this kind.
    ///
    /// # Errors
    /// The refusal of the whole body.
    pub fn read(self, body: &[u8]) -> Result<Envelope<'_>, Problem> {
        match self {
            Self::One(_) => parse::single(body),
            Self::Batch => parse::batch(body),
        }
        .map_err(|rejected| problem(&rejected))
    }

    /// The type that the path forces.
    #[must_use]
    pub const fn kind(self) -> Option<EventType> {
        match self {
            Self::One(kind) => Some(kind),
            Self::Batch => None,
        }
    }
}

/// The source of a request whose headers already name it, so that a body that nobody may send is not even read.
///
/// # Errors
/// An unknown key, an origin that may not send, too many requests.
pub async fn source_by_head(req: &HttpRequest, app: &App, policy: &Policy) -> Result<Option<usize>, Problem> {
    let (scheme, token) = authorization(req);
    if scheme.eq_ignore_ascii_case("bearer") && token.starts_with("sk_") {
        return auth::secret(req, app, Scope::EventsWrite).await?.source_index(policy).map(Some);
    }
    // Any other bearer token is OAuth of a Segment workspace: the body names the source.
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    match auth::write_key(req, None, policy) {
        Ok(source) => auth::throttle_source(req, app, policy, source).map(|()| Some(source)),
        Err(problem) if problem.code == Code::WriteKeyMissing => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The source of a request whose body, or else query, names it.
///
/// # Errors
/// No key, an unknown one, an origin that may not send, too many requests.
pub fn source_by_body(req: &HttpRequest, app: &App, policy: &Policy, envelope: &Envelope<'_>) -> Result<usize, Problem> {
    let source = auth::write_key(req, envelope.write_key.as_deref(), policy)?;
    auth::throttle_source(req, app, policy, source).map(|()| source)
}

fn authorization(req: &HttpRequest) -> (&str, &str) {
    let value = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split_once(' ')).map_or(("", ""), |(scheme, token)| (scheme, token.trim()))
}

/// When the sender sent the request, as `RudderStack`'s browser SDK says in a header.
#[must_use]
pub fn header_sent_at(req: &HttpRequest) -> Option<Millis> {
    static NAME: header::HeaderName = header::HeaderName::from_static("sentat");
    time::parse(req.headers().get(&NAME)?.to_str().ok()?)
}

/// What the browser says with every request, if the policy heeds it: a look into the headers.
#[must_use]
pub fn signal(req: &HttpRequest, policy: &Policy) -> Option<Signal> {
    static NAME: header::HeaderName = header::HeaderName::from_static(SEC_GPC);
    heard(policy, req.headers().get_all(&NAME).map(|value| value.as_bytes()))
}

/// A refusal of a body, or of an event that came alone, as it is answered.
#[must_use]
pub fn problem(rejected: &Rejected) -> Problem {
    let code = Code::ALL.iter().find(|code| code.as_str() == rejected.code).copied().unwrap_or(Code::InvalidField);
    Problem::field(code, rejected.field.as_str()).detail(rejected.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_refused_event_is_in_the_table() {
        let twenty = "{".repeat(40) + &"}".repeat(40);
        for body in [
            "",
            "{}",
            "[]",
            "{\"batch\":7}",
            "{\"batch\":[]}",
            r#"{"userId":true}"#,
            r#"{"properties":[]}"#,
            r#"{"name":"\u0000"}"#,
            twenty.as_str(),
            &format!(r#"{{"batch":[{}]}}"#, vec!["{}"; 2_501].join(",")),
            &format!(r#"{{"name":"{}"}}"#, "x".repeat(40_000)),
        ] {
            for takes in [Takes::One(EventType::Track), Takes::Batch] {
                let read = match takes {
                    Takes::One(_) => parse::single(body.as_bytes()),
                    Takes::Batch => parse::batch(body.as_bytes()),
                };
                let refused = match read {
                    Ok(envelope) => {
                        envelope.events(takes.kind(), 0, None).rejected.into_iter().map(|(_, rejected)| rejected).collect()
                    }
                    Err(rejected) => vec![rejected],
                };
                for rejected in refused {
                    assert_eq!(problem(&rejected).code.as_str(), rejected.code);
                    assert!((400..500).contains(&problem(&rejected).code.status()));
                    assert_eq!(problem(&rejected).field.as_deref(), Some(rejected.field.as_str()));
                }
            }
        }
    }
}
