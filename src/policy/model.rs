//! The policy as the gateway works with it: compiled once, read by every room, never changed in place.

use std::collections::BTreeMap;

use super::duty::Duty;
use super::erasure::Erasure;
use super::identifiers::Identifiers;
use super::preferences::{Channel, Preference};
use super::sign_in::SignIn;
use super::signals::Signals;
use super::terms::TermsSet;

/// A set of purposes, one bit each. Bit `i` is `Policy::purposes[i]`. It holds only inside one policy version: what is stored
/// names purposes by their ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purposes(pub u64);

/// The most destinations that one policy can hold.
pub const DESTINATIONS_MAX: usize = 64;
/// The most purposes that one policy can hold.
pub const PURPOSES_MAX: usize = 64;

impl Purposes {
    /// No purpose.
    pub const NONE: Self = Self(0);
    /// Every purpose that there can be.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of the one purpose at `index`.
    #[must_use]
    pub const fn one(index: usize) -> Self {
        Self(1 << (index as u64 & 63))
    }

    /// Whether no purpose is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the purpose at `index` is in the set.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        self.0 & Self::one(index).0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The indexes in the set, lowest first.
    pub fn indexes(self) -> impl Iterator<Item = usize> {
        (0..PURPOSES_MAX).filter(move |i| self.has(*i))
    }
}

/// A text in the languages that the policy writes: `de`, `en`, …
pub type Texts = BTreeMap<String, String>;

/// Why data may be processed for a purpose (GDPR Art. 6(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// Art. 6(1)(a): only with a current, positive decision.
    Consent,
    /// Art. 6(1)(b).
    Contract,
    /// Art. 6(1)(c).
    LegalObligation,
    /// Art. 6(1)(f): stopped by an objection (Art. 21), which is a recorded denial.
    LegitimateInterest,
}

/// What data is used for.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Its ID in the API, such as `personalization`.
    pub id: String,
    /// Why it may be done at all.
    pub basis: LegalBasis,
    /// Its short name for people.
    pub title: Texts,
    /// What is done, in plain words.
    pub text: Texts,
    /// How long what is kept for it stays, in days.
    pub retention_days: u32,
    /// How long a grant holds, in days. `None`: until withdrawn.
    pub consent_days: Option<u32>,
    /// Whether a grant counts only once a link in a mail was used (UWG §7).
    pub double_opt_in: bool,
    /// The categories of personal data that it uses.
    pub data: Vec<String>,
    /// Names under which SDK consent objects know it (Segment categories, RudderStack consent IDs), its own ID included.
    pub categories: Vec<String>,
}

impl Purpose {
    /// Whether it is gone, and only keeps its bit until the next start.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.retention_days == 0
    }
}

/// The text that is shown when consent is asked for.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its ID in the API, such as `web-banner`.
    pub id: String,
    /// Counts up with every change.
    pub version: u32,
    /// The purposes that it asks for.
    pub purposes: Purposes,
    /// The indexes of all purposes that it shows, in their order: those that it asks for, then those that it tells about.
    pub shown: Vec<usize>,
    /// How it is drawn; none where nobody draws it.
    pub layout: Option<Layout>,
    /// Per language: the text, and the hash of its canonical form (RFC 8785, SHA-256, hex).
    pub languages: BTreeMap<String, NoticeText>,
}

/// How a notice is drawn. Nothing is preselected, whatever the layout.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Layout {
    /// Counts up with every change.
    pub version: u32,
    /// The buttons of the first layer, in their order.
    pub buttons: Vec<Button>,
}

/// A button of the first layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// Yes to everything that is asked.
    AcceptAll,
    /// No to everything that is asked.
    RefuseAll,
    /// To a second layer, with each purpose by itself.
    Choose,
}

/// One language of a notice.
#[derive(Clone, Debug)]
pub struct NoticeText {
    /// The heading.
    pub title: String,
    /// The text.
    pub body: String,
    /// SHA-256 over the canonical JSON of everything that the person was shown, in hex.
    pub hash: String,
    /// That canonical JSON: a [`super::Original`].
    pub shown: String,
}

/// What kind of value an identifier type holds; it decides how values are normalised and recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A phone number, normalised to E.164.
    Phone,
    /// The company's own ID of a signed-in customer (`userId`).
    UserId,
    /// The number of a loyalty card.
    LoyaltyCard,
    /// A browser or app installation (`anonymousId`). Devices may be shared by several people.
    Device,
    /// Anything else that the policy names.
    Custom,
}

/// A typed identifier that the policy knows. Earlier in the list means stronger.
#[derive(Clone, Debug)]
pub struct IdentifierType {
    /// Its ID in the API, such as `email`.
    pub id: String,
    /// How its values are read.
    pub kind: IdentifierKind,
    /// Where in an event it stands, as paths such as `traits.email`.
    pub paths: Vec<String>,
    /// How many values of the type one subject may have; one more is not linked.
    pub limit: u16,
    /// Values, lower-cased, that say nothing about who it is (`null`, `anonymous`, `0`).
    pub blocked: Vec<String>,
}

/// What kind of channel a source is; it bounds how a decision can have been taken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A website.
    Website,
    /// A mobile or desktop app.
    App,
    /// A newsletter tool.
    Newsletter,
    /// A till.
    Till,
    /// A service desk.
    Service,
    /// A file that is imported.
    Import,
}

/// A channel that sends events.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its ID, such as `web`.
    pub id: String,
    /// What it is.
    pub kind: SourceKind,
    /// The public key that names it in requests. It can send and ask for consent, nothing more.
    pub write_key: String,
    /// The origins that browsers may send from, such as `https://shop.example` or `http://localhost:*`. Empty: none.
    pub origins: Vec<String>,
    /// Whether its public write key may record decisions by `POST /v1/consents`.
    pub records_decisions: bool,
    /// Whether it is trusted to record decisions by the `Segment Consent Preference Updated` event.
    pub trusted_consent_events: bool,
    /// The notice that is shown there, if a decision names none.
    pub notice: Option<String>,
    /// Whether decisions with its public write key need the token of the notice that was shown.
    pub token_required: bool,
    /// Whether people may file their own requests through it, confirmed by a link in a mail.
    pub takes_requests: bool,
    /// Requests per second and client address.
    pub rate_per_s: u32,
    /// Where it may be called back about requests of people that it has sent.
    pub callback_origins: Vec<String>,
    /// Whether it takes data over, and so must not bring back who asked not to be.
    pub heeds_suppression: bool,
    /// How it says to the portal who is signed in there, if it may.
    pub sign_in: Option<SignIn>,
}

/// What a destination is technically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// The embedded profile store.
    Profile,
    /// NDJSON files in a folder.
    File {
        /// The folder, relative to where the gateway runs.
        path: String,
    },
    /// An HTTP webhook.
    Webhook {
        /// Where to; `None` switches the destination off.
        url: Option<String>,
        /// Whether loopback and private addresses may be called.
        allow_private: bool,
        /// How long one call may take.
        timeout_ms: u64,
    },
}

/// In which form an e-mail address or phone number leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifierForm {
    /// Not at all.
    None,
    /// HMAC-SHA-256 under the domain's key: joins nowhere else.
    Keyed,
    /// Unkeyed SHA-256 as the named partner asks for it. It identifies, so it needs consent for the destination's purposes.
    Partner(PartnerProfile),
}

/// In which form the consent that goes along with an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentForm {
    /// Our own member `consent`.
    #[default]
    Plain,
    /// `context.consent.categoryPreferences`, as Segment reads it.
    Segment,
    /// `context.consentManagement`, as `RudderStack` reads it.
    Rudderstack,
    /// Not at all.
    None,
}

/// How a partner wants addresses normalised before hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerProfile {
    /// Unified ID 2.0 / EUID.
    Uid2,
    /// Google Customer Match and Data Manager.
    Google,
    /// Meta.
    Meta,
    /// Snap.
    Snap,
    /// Pinterest.
    Pinterest,
    /// TikTok Events API.
    TiktokEvents,
    /// TikTok audiences.
    TiktokAudiences,
    /// Reddit.
    Reddit,
    /// The Trade Desk.
    TradeDesk,
    /// LinkedIn.
    Linkedin,
    /// X.
    X,
}

/// A recipient of events.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its ID, such as `profile`.
    pub id: String,
    /// What it is technically.
    pub kind: DestinationKind,
    /// The pseudonymisation domain whose customer IDs it sees.
    pub domain: String,
    /// What it uses events for; all of them must be allowed.
    pub purposes: Purposes,
    /// The fields that it may get, as paths; `properties.*` is everything below.
    pub fields: Vec<String>,
    /// Query parameters that may stay in URLs. All others are cut.
    pub url_parameters: Vec<String>,
    /// In which form e-mail addresses leave.
    pub email: IdentifierForm,
    /// In which form phone numbers leave.
    pub phone: IdentifierForm,
    /// In which form the consent that goes along is written.
    pub consent: ConsentForm,
    /// Whether the country part of the address may leave (IPv4 /24, IPv6 /48).
    pub truncated_ip: bool,
    /// After so many days of failure an event becomes a dead letter.
    pub retry_days: u32,
    /// How it is told that somebody must be erased there.
    pub erasure: Erasure,
}

impl Destination {
    /// Whether it takes events at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self.kind, DestinationKind::Webhook { url: None, .. })
    }

    /// Whether it may have anything that people stated about themselves.
    #[must_use]
    pub fn takes_preferences(&self) -> bool {
        self.fields.iter().any(|field| field.starts_with("preferences."))
    }
}

/// Which events of which sources go to which destination.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its ID, for explanations.
    pub id: String,
    /// Sources, as indexes. Empty: every source.
    pub sources: Vec<usize>,
    /// Event types (`track`, `page`, …). Empty: all.
    pub types: Vec<String>,
    /// Names of track events. Empty: all.
    pub events: Vec<String>,
    /// The destination's index.
    pub destination: usize,
    /// What must be allowed: the destination's purposes and those of the route.
    pub purposes: Purposes,
    /// Fields that this route withholds even though the destination may have them.
    pub drop: Vec<String>,
}

/// Who answers for the processing (GDPR Art. 4(7)).
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// The company's name.
    pub name: String,
    /// Its postal address.
    pub address: String,
    /// How to reach its data-protection officer.
    pub contact: String,
    /// Where it says all about the processing (Art. 13).
    #[serde(default)]
    pub privacy_url: Option<String>,
    /// The country, as ISO 3166-1 alpha-2; phone numbers without a prefix are read as from there.
    pub country: String,
    /// The language that is used when a person's is not known.
    pub language: String,
    /// Where its days begin, as a name of the IANA time zone database.
    #[serde(default = "usual_time_zone")]
    pub time_zone: String,
    /// Public holidays where it works: deadlines do not end on them (Regulation 1182/71, Art. 3(4)).
    #[serde(default)]
    pub holidays: Vec<String>,
    /// Kinds of people's requests that two persons of the company must approve.
    #[serde(default)]
    pub four_eyes: Vec<String>,
    /// Whether people whose requests a desk files are written to; those who file their own always are.
    #[serde(default = "yes")]
    pub mails: bool,
}

const fn yes() -> bool {
    true
}

/// What people may ask for, as policies name it.
pub const REQUEST_KINDS: [&str; 6] = ["erasure", "access", "portability", "rectification", "restriction", "objection"];

fn usual_time_zone() -> String {
    String::from("Europe/Berlin")
}

/// Everything that `policies/` says, checked and compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    /// SHA-256 over the canonical form of all files, in hex: the policy version.
    pub version: String,
    /// That canonical form; [`super::read_again`] makes the policy of it.
    pub written: String,
    /// Who answers for it.
    pub controller: Controller,
    /// What people agree to, purpose by purpose.
    pub terms: TermsSet,
    /// Purposes; the index is the bit.
    pub purposes: Vec<Purpose>,
    /// Laws that oblige to keep something.
    pub duties: Vec<Duty>,
    /// For how many years a consent can be proven after it has ended, counted from the end of the calendar year.
    pub proof_years: u16,
    /// For how many days nobody is brought back by sources that take data over, who asked for that.
    pub suppression_days: u32,
    /// What people may state about themselves.
    pub preferences: Vec<Preference>,
    /// By which channels they may be written to.
    pub channels: Vec<Channel>,
    /// Purposes that need no decision, because another legal basis carries them (not consent).
    pub without_consent: Purposes,
    /// Purposes under legitimate interest: allowed until objected to.
    pub objectable: Purposes,
    /// The purpose that allows to join what several identifiers left behind under one customer ID.
    pub linking: Option<usize>,
    /// What browsers say by a signal, and what is said to tags.
    pub signals: Signals,
    /// Identifier types, strongest first.
    pub identifiers: Identifiers,
    /// Notices.
    pub notices: Vec<Notice>,
    /// Sources.
    pub sources: Vec<Source>,
    /// Destinations.
    pub destinations: Vec<Destination>,
    /// Routes.
    pub routes: Vec<Route>,
}

impl Policy {
    /// The index of the purpose with this ID.
    #[must_use]
    pub fn purpose(&self, id: &str) -> Option<usize> {
        self.purposes.iter().position(|p| p.id == id)
    }

    /// The purpose that an SDK's consent object means by `category`.
    #[must_use]
    pub fn purpose_by_category(&self, category: &str) -> Option<usize> {
        self.purposes.iter().position(|p| p.categories.iter().any(|c| c.eq_ignore_ascii_case(category)))
    }

    /// The source that this write key names, with its index.
    #[must_use]
    pub fn source_by_key(&self, write_key: &str) -> Option<(usize, &Source)> {
        self.sources.iter().enumerate().find(|(_, s)| s.write_key == write_key)
    }

    /// The source with this ID, with its index.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<(usize, &Source)> {
        self.sources.iter().enumerate().find(|(_, s)| s.id == id)
    }

    /// The destination with this ID, with its index.
    #[must_use]
    pub fn destination(&self, id: &str) -> Option<(usize, &Destination)> {
        self.destinations.iter().enumerate().find(|(_, d)| d.id == id)
    }

    /// The notice with this ID.
    #[must_use]
    pub fn notice(&self, id: &str) -> Option<&Notice> {
        self.notices.iter().find(|n| n.id == id)
    }

    /// The identifier type with this ID, with its index.
    #[must_use]
    pub fn identifier(&self, id: &str) -> Option<(usize, &IdentifierType)> {
        self.identifiers.iter().enumerate().find(|(_, t)| t.id == id)
    }

    /// The IDs of the purposes in the set, in the policy's order.
    #[must_use]
    pub fn names(&self, set: Purposes) -> Vec<&str> {
        self.purposes.iter().enumerate().filter(|(i, _)| set.has(*i)).map(|(_, p)| p.id.as_str()).collect()
    }
}
