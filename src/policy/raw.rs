//! The policy as it is written: what each file may say, with the places where it says so.

use serde::Deserialize;
use toml::Spanned;

use super::erasure::RawErasure;
use super::model::{Button, ConsentForm, Controller, IdentifierKind, LegalBasis, PartnerProfile, SourceKind, Texts};
use super::preferences::PreferencesFile;
use super::sign_in::RawSignIn;
use super::signals::SignalsFile;

/// `controller.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControllerFile {
    pub(super) controller: Spanned<Controller>,
    /// Languages in which every text must be written.
    pub(super) languages: Vec<Spanned<String>>,
}

/// `purposes.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PurposesFile {
    /// The purpose that allows to join what several identifiers left behind.
    pub(super) linking: Option<Spanned<String>>,
    /// For how many years after its end a consent can still be proven.
    #[serde(default = "proof")]
    pub(super) proof_years: Spanned<u16>,
    /// For how many days nobody is brought back who asked for that.
    #[serde(default = "suppression")]
    pub(super) suppression_days: Spanned<u32>,
    pub(super) purpose: Vec<RawPurpose>,
    #[serde(default)]
    pub(super) duty: Vec<RawDuty>,
}

fn suppression() -> Spanned<u32> {
    Spanned::new(0..0, 3 * 365)
}

fn proof() -> Spanned<u16> {
    Spanned::new(0..0, 3)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDuty {
    pub(super) id: Spanned<String>,
    pub(super) law: Spanned<Texts>,
    pub(super) keep_years: Spanned<u16>,
    pub(super) events: Spanned<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPurpose {
    pub(super) id: Spanned<String>,
    #[serde(default = "first")]
    pub(super) version: u32,
    pub(super) basis: Spanned<LegalBasis>,
    pub(super) title: Spanned<Texts>,
    pub(super) text: Spanned<Texts>,
    pub(super) retention_days: Spanned<u32>,
    pub(super) consent_days: Option<Spanned<u32>>,
    pub(super) double_opt_in: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) data: Vec<String>,
    #[serde(default)]
    pub(super) categories: Vec<String>,
}

const fn first() -> u32 {
    1
}

/// `identifiers.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentifiersFile {
    pub(super) identifier: Vec<RawIdentifier>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentifier {
    pub(super) id: Spanned<String>,
    pub(super) kind: IdentifierKind,
    pub(super) paths: Spanned<Vec<String>>,
    #[serde(default = "five")]
    pub(super) limit: u16,
    #[serde(default)]
    pub(super) blocked: Vec<String>,
}

const fn five() -> u16 {
    5
}

/// `sources.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourcesFile {
    pub(super) source: Vec<RawSource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) id: Spanned<String>,
    pub(super) kind: SourceKind,
    pub(super) write_key: Spanned<String>,
    #[serde(default)]
    pub(super) origins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) records_decisions: bool,
    #[serde(default)]
    pub(super) trusted_consent_events: bool,
    #[serde(default)]
    pub(super) takes_requests: bool,
    pub(super) notice: Option<Spanned<String>>,
    pub(super) token: Option<RawToken>,
    #[serde(default = "rate")]
    pub(super) rate_per_s: Spanned<u32>,
    #[serde(default)]
    pub(super) callback_origins: Vec<Spanned<String>>,
    pub(super) heeds_suppression: Option<Spanned<bool>>,
    /// How it says who is signed in there.
    pub(super) sign_in: Option<RawSignIn>,
}

/// Whether a decision needs the token of the notice that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawToken {
    Required,
    Off,
}

fn rate() -> Spanned<u32> {
    Spanned::new(0..0, 1000)
}

/// `destinations.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DestinationsFile {
    pub(super) destination: Vec<RawDestination>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawKind {
    Profile,
    File,
    Webhook,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDestination {
    pub(super) id: Spanned<String>,
    pub(super) kind: Spanned<RawKind>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) url: Option<Spanned<String>>,
    /// Short for a table `erasure` of kind `message`.
    pub(super) erasure_url: Option<Spanned<String>>,
    pub(super) erasure: Option<RawErasure>,
    #[serde(default)]
    pub(super) allow_private: bool,
    #[serde(default = "timeout")]
    pub(super) timeout_ms: u64,
    pub(super) domain: Spanned<String>,
    pub(super) purposes: Spanned<Vec<Spanned<String>>>,
    pub(super) fields: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) url_parameters: Vec<String>,
    #[serde(default)]
    pub(super) email: Option<Spanned<RawForm>>,
    #[serde(default)]
    pub(super) phone: Option<Spanned<RawForm>>,
    #[serde(default)]
    pub(super) consent: ConsentForm,
    #[serde(default)]
    pub(super) truncated_ip: bool,
    #[serde(default = "retry")]
    pub(super) retry_days: u32,
}

const fn timeout() -> u64 {
    10_000
}

const fn retry() -> u32 {
    7
}

/// `"none"`, `"keyed"`, or `{ partner = "google" }`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawForm {
    Named(RawFormName),
    Partner { partner: PartnerProfile },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawFormName {
    None,
    Keyed,
}

/// `routes.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoutesFile {
    pub(super) route: Vec<RawRoute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) id: Spanned<String>,
    pub(super) destination: Spanned<String>,
    #[serde(default)]
    pub(super) sources: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) types: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) events: Vec<String>,
    #[serde(default)]
    pub(super) purposes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) drop: Vec<Spanned<String>>,
}

/// `notices/<id>.<language>.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticeFile {
    pub(super) version: Spanned<u32>,
    pub(super) purposes: Vec<Spanned<String>>,
    /// Purposes that it tells about and does not ask for.
    #[serde(default)]
    pub(super) informs: Vec<Spanned<String>>,
    pub(super) title: Spanned<String>,
    pub(super) body: Spanned<String>,
    pub(super) layout: Option<Spanned<RawLayout>>,
}

/// How a notice is drawn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLayout {
    pub(super) version: u32,
    pub(super) buttons: Spanned<Vec<Button>>,
    #[serde(default)]
    pub(super) preselected: Vec<Spanned<String>>,
}

/// A file that was read, for finding lines again.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// How it is called in findings.
    pub(super) name: String,
    pub(super) text: String,
}

/// A parsed file with its text.
#[derive(Debug)]
pub(super) struct Parsed<T> {
    pub(super) from: Text,
    pub(super) value: T,
}

/// Everything that `policies/` says.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) controller: Parsed<ControllerFile>,
    pub(super) purposes: Parsed<PurposesFile>,
    pub(super) identifiers: Parsed<IdentifiersFile>,
    pub(super) sources: Parsed<SourcesFile>,
    pub(super) destinations: Parsed<DestinationsFile>,
    pub(super) routes: Parsed<RoutesFile>,
    pub(super) signals: Option<Parsed<SignalsFile>>,
    /// May be left out.
    pub(super) preferences: Option<Parsed<PreferencesFile>>,
    /// Notice ID, language, file.
    pub(super) notices: Vec<(String, String, Parsed<NoticeFile>)>,
}
