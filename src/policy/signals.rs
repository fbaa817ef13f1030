//! What browsers say by a signal, and what is said to tags: `signals.toml`, which a policy need not have.

use serde::Deserialize;
use toml::Spanned;

use super::finding::Findings;
use super::model::{LegalBasis, Policy, Purposes};
use super::raw::{Parsed, Raw, Text};

/// The types of Google Consent Mode v2, and whether a grant of it lets advertising or measurement happen, which needs consent.
const CONSENT_TYPES: [(&str, bool); 7] = [
    ("ad_storage", true),
    ("ad_user_data", true),
    ("ad_personalization", true),
    ("analytics_storage", true),
    ("functionality_storage", false),
    ("personalization_storage", false),
    ("security_storage", false),
];

/// What signals come to.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Global Privacy Control; none if the policy does not speak of it.
    pub gpc: Option<Gpc>,
    /// The types of Google Consent Mode and the purposes that must all be allowed for each; empty if the policy maps none.
    pub consent_mode: Vec<(&'static str, Purposes)>,
}

/// What Global Privacy Control comes to.
#[derive(Clone, Debug)]
pub struct Gpc {
    /// What it refuses.
    pub purposes: Purposes,
    /// What becomes of a grant that is given although the signal is set.
    pub conflict: Conflict,
    /// The day since which the company stands by this, for `gpc.json`.
    pub last_update: String,
}

/// What prevails when somebody grants what their browser's signal refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The signal: nothing that it refuses can be granted while it is set.
    #[default]
    Signal,
    /// The grant, if it was given for the purpose while the signal was set. Grants from before end nevertheless.
    Grant,
}

/// `signals.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalsFile {
    gpc: Option<Spanned<RawGpc>>,
    consent_mode: Option<RawConsentMode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGpc {
    purposes: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    conflict: Conflict,
    last_update: Spanned<String>,
}

type Names = Option<Spanned<Vec<Spanned<String>>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawConsentMode {
    ad_storage: Names,
    ad_user_data: Names,
    ad_personalization: Names,
    analytics_storage: Names,
    functionality_storage: Names,
    personalization_storage: Names,
    security_storage: Names,
}

impl RawConsentMode {
    /// In the order of [`CONSENT_TYPES`].
    const fn all(&self) -> [&Names; 7] {
        [
            &self.ad_storage,
            &self.ad_user_data,
            &self.ad_personalization,
            &self.analytics_storage,
            &self.functionality_storage,
            &self.personalization_storage,
            &self.security_storage,
        ]
    }
}

/// Checks what is written about signals.
pub(super) fn lint(raw: &Raw, findings: &mut Findings) {
    let Some(Parsed { from, value }) = &raw.signals else { return };
    if let Some(gpc) = &value.gpc {
        let RawGpc { purposes, last_update, .. } = gpc.as_ref();
        for purpose in purposes.as_ref() {
            let Some(basis) = basis(raw, purpose, from, findings) else { continue };
            if !matches!(basis, LegalBasis::Consent | LegalBasis::LegitimateInterest) {
                let words = ("nobody can refuse a purpose that rests on a contract or a law", "leave it out");
                findings.error(from, purpose.span(), "signal", words);
            }
        }
        if purposes.as_ref().is_empty() {
            let words =
                ("the signal refuses nothing, and gpc.json says so", "name what it refuses, such as sharing for advertising");
            findings.warning(from, purposes.span(), "signal", words);
        }
        if last_update.as_ref().parse::<jiff::civil::Date>().is_err() {
            findings.error(from, last_update.span(), "signal", ("last_update is a date", "write it like \"2026-11-26\""));
        }
    }
    let Some(mode) = &value.consent_mode else { return };
    for ((name, asks), names) in CONSENT_TYPES.iter().zip(mode.all()) {
        let Some(names) = names else { continue };
        let bases: Vec<LegalBasis> = names.as_ref().iter().filter_map(|purpose| basis(raw, purpose, from, findings)).collect();
        if *asks && !bases.is_empty() && !bases.contains(&LegalBasis::Consent) {
            let message = format!("`{name}` would be granted to people who were never asked");
            findings.error(from, names.span(), "consent-mode", (message, "name a purpose that rests on consent"));
        }
    }
}

/// The legal basis of a purpose that is named; says so if there is none.
fn basis(raw: &Raw, name: &Spanned<String>, from: &Text, findings: &mut Findings) -> Option<LegalBasis> {
    let all = &raw.purposes.value.purpose;
    let found = all.iter().find(|purpose| purpose.id.as_ref() == name.as_ref()).map(|purpose| *purpose.basis.as_ref());
    if found.is_none() {
        let ids: Vec<&str> = all.iter().map(|purpose| purpose.id.as_ref().as_str()).collect();
        let message = format!("there is no purpose `{}`", name.as_ref());
        findings.error(from, name.span(), "reference", (message, format!("use some of: {}", ids.join(", "))));
    }
    found
}

/// Compiles what lint found no error in.
pub(super) fn compile(raw: &Raw, set: impl Fn(&[Spanned<String>]) -> Purposes) -> Signals {
    let Some(Parsed { value, .. }) = &raw.signals else { return Signals::default() };
    let gpc = value.gpc.as_ref().map(|gpc| Gpc {
        purposes: set(gpc.as_ref().purposes.as_ref()),
        conflict: gpc.as_ref().conflict,
        last_update: gpc.as_ref().last_update.as_ref().clone(),
    });
    let consent_mode = value.consent_mode.as_ref().map(|mode| {
        let one = |((name, _), names): (&(&'static str, bool), &Names)| {
            (*name, names.as_ref().map_or(Purposes::NONE, |names| set(names.as_ref())))
        };
        CONSENT_TYPES.iter().zip(mode.all()).map(one).collect()
    });
    Signals { gpc, consent_mode: consent_mode.unwrap_or_default() }
}

impl Policy {
    /// What the signal refuses; nothing if the policy does not speak of it.
    #[must_use]
    pub fn refused_by_gpc(&self) -> Purposes {
        self.signals.gpc.as_ref().map_or(Purposes::NONE, |gpc| gpc.purposes)
    }
}
