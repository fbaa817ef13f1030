//! How a recipient is told that somebody must be erased there: what it offers for that.

use serde::Deserialize;
use toml::Spanned;

use super::finding::Findings;
use super::raw::{RawDestination, RawKind, Text};

/// What a recipient offers for erasure, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// What it offers.
    pub way: Way,
    /// Whether loopback and private addresses may be called.
    pub allow_private: bool,
    /// How long one call may take.
    pub timeout_ms: u64,
}

/// What a recipient offers for erasure. Addresses have no slash at their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is the embedded store, which forgets by itself.
    Itself,
    /// It hears signed messages.
    Message {
        /// Where.
        url: String,
    },
    /// It takes `OpenDSR` requests and answers with its signature.
    OpenDsr {
        /// Where its `/discovery` and `/requests` are.
        url: String,
        /// The file with its bearer token, if it wants one.
        token_file: Option<String>,
        /// The file with the authorities that its certificate may come from; `None`: those that this machine trusts.
        ca_file: Option<String>,
    },
    /// It takes regulations as Segment's Public API does.
    Segment {
        /// Where its `/regulations` are.
        url: String,
        /// The file with its bearer token.
        token_file: String,
    },
    /// A person of the company sees to it.
    Manual,
    /// It offers nothing: what it has stays there.
    Unsupported,
}

impl Erasure {
    /// A person of the company sees to it.
    #[must_use]
    pub const fn by_hand() -> Self {
        Self { way: Way::Manual, allow_private: false, timeout_ms: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawWay {
    Message,
    Opendsr,
    Segment,
    Manual,
    None,
}

/// `[destination.erasure]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawErasure {
    pub(super) kind: Spanned<RawWay>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) token_file: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<String>>,
}

/// What is wrong with how a destination is told.
pub(super) fn lint(from: &Text, destination: &RawDestination, findings: &mut Findings) {
    if let Some(short) = &destination.erasure_url {
        if *destination.kind.as_ref() != RawKind::Webhook {
            let words = ("`erasure_url` belongs to kind webhook", "write [destination.erasure], or remove it");
            findings.error(from, short.span(), "erasure", words);
        }
        if destination.erasure.is_some() {
            let words = ("`erasure_url` and [destination.erasure] say the same thing", "keep one of them");
            findings.error(from, short.span(), "erasure", words);
        }
    }
    let Some(raw) = &destination.erasure else { return };
    let way = *raw.kind.as_ref();
    let mut wrong = |what: &str, cure: &str| findings.error(from, raw.kind.span(), "erasure", (what, cure));
    if *destination.kind.as_ref() == RawKind::Profile {
        wrong("the embedded store forgets by itself", "remove [destination.erasure]");
    }
    let named = |value: &Option<Spanned<String>>| value.as_ref().is_some_and(|v| !v.as_ref().is_empty());
    let called = matches!(way, RawWay::Message | RawWay::Opendsr | RawWay::Segment);
    if called && !named(&raw.url) {
        wrong("nobody knows where to tell it", "add `url`");
    }
    if !called && raw.url.is_some() {
        wrong("nobody is called for this kind", "remove `url`, or say `message`, `opendsr` or `segment`");
    }
    if way == RawWay::Segment && !named(&raw.token_file) {
        wrong("its API wants a token", "add `token_file`, a file that holds it; never write the token itself here");
    }
    if raw.token_file.is_some() && !matches!(way, RawWay::Opendsr | RawWay::Segment) {
        wrong("`token_file` belongs to `opendsr` and `segment`", "remove it");
    }
    if raw.ca_file.is_some() && way != RawWay::Opendsr {
        wrong("`ca_file` belongs to `opendsr`", "remove it");
    }
}

/// All addresses at which a destination is told, for the rule about https.
pub(super) fn urls(destination: &RawDestination) -> impl Iterator<Item = &Spanned<String>> {
    destination.erasure_url.iter().chain(destination.erasure.iter().filter_map(|raw| raw.url.as_ref()))
}

pub(super) fn compile(raw: &RawDestination) -> Erasure {
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|v| v.as_ref().clone()).filter(|v| !v.is_empty());
    let address = |value: &Option<Spanned<String>>| text(value).map(|url| url.trim_end_matches('/').to_owned());
    let way = match (&raw.erasure, raw.kind.as_ref()) {
        (_, RawKind::Profile) => Way::Itself,
        (Some(erasure), _) => {
            let url = address(&erasure.url).unwrap_or_default();
            match erasure.kind.as_ref() {
                RawWay::Message => Way::Message { url },
                RawWay::Opendsr => Way::OpenDsr { url, token_file: text(&erasure.token_file), ca_file: text(&erasure.ca_file) },
                RawWay::Segment => Way::Segment { url, token_file: text(&erasure.token_file).unwrap_or_default() },
                RawWay::Manual => Way::Manual,
                RawWay::None => Way::Unsupported,
            }
        }
        (None, _) => text(&raw.erasure_url).map_or(Way::Manual, |url| Way::Message { url }),
    };
    Erasure { way, allow_private: raw.allow_private, timeout_ms: raw.timeout_ms }
}
