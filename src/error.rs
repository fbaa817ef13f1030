//! What callers are told when something is refused: RFC 9457 problem details, one closed table of codes.
//!
//! Older Segment SDKs read `message`, `code` and `error` from an error body and stumble where one is missing, so all
//! three are always there. A 5xx says nothing but the code and the request ID.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{PayloadError, QueryPayloadError};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal, $cure:literal;)*) => {
        /// Every reason for which a request can be refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it stands in the answer.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What happened, in one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What the caller should do.
            #[must_use]
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$name => $cure,)* }
            }
        }
    };
}

codes! {
    InvalidJson = "invalid_json", 400, "The body is not valid JSON.", "Send one JSON document in UTF-8; do not retry unchanged.";
    InvalidRequest = "invalid_request", 400, "The request is not what the specification asks for.", "Correct the field that `field` names; do not retry unchanged.";
    InvalidField = "invalid_field", 422, "A field has a value that is not allowed.", "Correct the field that `field` names; do not retry unchanged.";
    MissingField = "missing_field", 422, "A required field is missing.", "Add the field that `field` names; do not retry unchanged.";
    UnknownPurpose = "unknown_purpose", 422, "The policy has no such purpose.", "Use a purpose ID of the policy; `pforte policy show` lists them.";
    UnknownNotice = "unknown_notice", 422, "The policy has no such notice.", "Use a notice ID of the policy, or leave `notice` out.";
    NoticeOutdated = "notice_outdated", 409, "Another version of the notice is in force than the one that was shown.", "Fetch `GET /v1/notice` and ask again; a no may be sent again without asking.";
    TokenMissing = "token_missing", 422, "Decisions of this source need the token of the notice that was shown.", "Fetch `GET /v1/notice` on the page that asks, and send its `token`.";
    TokenInvalid = "token_invalid", 403, "The token was not made here, or was changed.", "Fetch `GET /v1/notice` and send its `token` unchanged.";
    TokenExpired = "token_expired", 409, "The token has expired.", "Fetch `GET /v1/notice`: if its `hash` is that of what was shown, send the decision with the new token, otherwise ask again.";
    TokenForeign = "token_foreign", 403, "The token was made for another page, source or notice.", "Fetch `GET /v1/notice` on the page that asks, with the write key that the decision is sent with.";
    TokenUsed = "token_used", 409, "A decision was recorded with this token before.", "Nothing is to be done if it is the same decision; `GET /v1/consents` says what stands. For another one fetch a new token.";
    InvalidEncoding = "invalid_encoding", 400, "The body is not what its Content-Encoding says.", "Send gzip that is whole, or no Content-Encoding.";
    UnsupportedEncoding = "unsupported_encoding", 415, "This Content-Encoding is not understood.", "Send gzip or no Content-Encoding.";
    BodyTooLarge = "body_too_large", 413, "The body is larger than the limit.", "Send at most 500 kB in at most 2500 events, counted after decompression.";
    TooManyEvents = "too_many_events", 413, "The batch has more events than the limit.", "Send at most 2500 events in one batch.";
    WriteKeyMissing = "write_key_missing", 401, "No write key was sent.", "Send it by Basic authentication, in the body's `writeKey` or, for beacons, in the query.";
    WriteKeyUnknown = "write_key_unknown", 401, "No source has this write key.", "Use a write key of the policy.";
    OriginNotAllowed = "origin_not_allowed", 403, "This origin may not send for the source.", "Add the origin to the source in `policies/`.";
    SecretKeyMissing = "secret_key_missing", 401, "A secret key is needed here.", "Send `Authorization: Bearer sk_…`; `pforte key create` makes one.";
    SecretKeyUnknown = "secret_key_unknown", 401, "This secret key is unknown or revoked.", "Make a new one with `pforte key create`.";
    ScopeMissing = "scope_missing", 403, "The secret key lacks the scope for this.", "Make a key with the scope that `field` names.";
    NotAllowed = "not_allowed", 403, "This source may not do that.", "See the source in `policies/`.";
    NotFound = "not_found", 404, "There is nothing here.", "Check the address.";
    MethodNotAllowed = "method_not_allowed", 405, "This address does not take that method.", "See /docs.";
    Conflict = "conflict", 409, "Somebody else changed the same thing at the same time.", "Read again, then retry.";
    PreconditionFailed = "precondition_failed", 412, "It was changed since the state that your change is based on.", "Read again, look at the difference, then send the change with the new `ETag`.";
    PreconditionRequired = "precondition_required", 428, "The change does not say which state it is based on.", "Send `If-Match` with the `ETag` of what you have read, or `If-None-Match: *` for the first.";
    TooManyRequests = "too_many_requests", 429, "Too many requests from this address.", "Wait as long as Retry-After says.";
    Overloaded = "overloaded", 429, "The gateway has as much work as it can hold.", "Wait as long as Retry-After says; nothing of this request was kept.";
    Unavailable = "unavailable", 503, "The gateway cannot answer right now.", "Retry with backoff; nothing of this request was kept.";
    Internal = "internal", 500, "Something went wrong inside.", "Retry with backoff; tell the operator the request ID.";
}

/// A refusal, ready to be sent.
#[derive(Debug)]
pub struct Problem {
    /// Which.
    pub code: Code,
    /// The field that it is about, as a path (`decisions.ads`, `batch.3.userId`).
    pub field: Option<String>,
    /// More words for the caller. Invariant: never a value that was sent, never personal data.
    pub detail: Option<String>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A refusal with nothing more to say than its code.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, field: None, detail: None, retry_after_s: None }
    }

    /// A refusal that is about one field.
    #[must_use]
    pub fn field(code: Code, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code) }
    }

    /// Says more. Never a value that was sent.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The body as it is sent.
    #[must_use]
    pub fn body(&self) -> ProblemBody<'_> {
        let message = match (&self.field, &self.detail) {
            (Some(field), Some(detail)) => format!("{field}: {detail}"),
            (Some(field), None) => format!("{field}: {}", self.code.title()),
            (None, Some(detail)) => detail.clone(),
            (None, None) => self.code.title().to_owned(),
        };
        ProblemBody {
            r#type: format!("/docs/errors#{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            code: self.code.as_str(),
            error: message.clone(),
            detail: message.clone(),
            message,
            field: self.field.as_deref(),
            cure: self.code.cure(),
        }
    }
}

/// RFC 9457 problem details, with the members that SDKs read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Where the code is explained.
    r#type: String,
    /// What happened.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The code, from the table of codes.
    code: &'static str,
    /// What happened here.
    detail: String,
    /// The same, for SDKs.
    message: String,
    /// The same, for SDKs.
    error: String,
    /// The field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// What to do.
    cure: &'static str,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after_s {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        answer.content_type("application/problem+json").body(serde_json::to_string(&self.body()).unwrap_or_default())
    }
}

/// Says in words of ours what the server refuses before a handler is asked: a body that is too large, a query that cannot be read.
///
/// # Errors
/// Whatever the service says.
pub async fn in_our_words(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let answer = next.call(req).await?;
    let problem = answer.response().error().and_then(|error| {
        let too_large = matches!(error.as_error::<PayloadError>(), Some(PayloadError::Overflow));
        let unread = error.as_error::<QueryPayloadError>().is_some();
        if too_large {
            Some(Problem::new(Code::BodyTooLarge).detail("the body is too large for this address"))
        } else if unread {
            Some(Problem::field(Code::InvalidField, "query").detail("the query cannot be read"))
        } else {
            None
        }
    });
    Ok(match problem {
        Some(problem) => answer.into_response(problem.error_response()).map_into_right_body(),
        None => answer.map_into_left_body(),
    })
}

/// The address is right and the method is not.
///
/// # Errors
/// Always `method_not_allowed`.
pub async fn wrong_method() -> Result<HttpResponse, Problem> {
    std::future::ready(Err(Problem::new(Code::MethodNotAllowed))).await
}
