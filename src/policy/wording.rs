//! A notice in one language, ready to be drawn: what its hash is over, as pages get it.

use serde::Serialize;

use super::{Button, Layout, LegalBasis, Notice, Policy, Purpose};

/// Everything that is shown of a notice in one language. It is the same for everybody.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wording<'a> {
    /// The ID of the notice.
    pub notice: &'a str,
    /// Counts up with every change.
    pub version: u32,
    /// The language of the texts.
    pub language: &'a str,
    /// SHA-256 over the canonical form of everything that is shown, in hex.
    pub hash: &'a str,
    /// The heading.
    pub title: &'a str,
    /// The text.
    pub text: &'a str,
    /// The purposes, in the order in which they are shown.
    pub purposes: Vec<PurposeShown<'a>>,
    /// How it is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<LayoutShown<'a>>,
    /// Who answers for the processing.
    pub controller: ControllerShown<'a>,
    /// Where it says all about the processing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_url: Option<&'a str>,
    /// The languages that there are.
    pub languages: Vec<&'a str>,
}

/// A purpose as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PurposeShown<'a> {
    id: &'a str,
    title: &'a str,
    text: &'a str,
    /// `consent`, `contract`, `legal_obligation` or `legitimate_interest`.
    #[schema(value_type = String)]
    legal_basis: LegalBasis,
    /// Whether people are only told about it. Then it is no part of the decision.
    required: bool,
}

/// How a notice is drawn.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LayoutShown<'a> {
    /// Counts up with every change.
    version: u32,
    /// The buttons of the first layer, in their order.
    buttons: &'a [Button],
    /// What is preselected: nothing, ever.
    preselected: [String; 0],
}

/// Who answers for the processing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ControllerShown<'a> {
    name: &'a str,
    address: &'a str,
    /// How to reach the data-protection officer.
    contact: &'a str,
}

impl Policy {
    /// A notice in one of its languages; nothing if it is not written in this one.
    #[must_use]
    pub fn wording<'a>(&'a self, notice: &'a Notice, language: &str) -> Option<Wording<'a>> {
        let (language, text) = notice.languages.get_key_value(language)?;
        let one = |purpose: &'a Purpose, asked: bool| PurposeShown {
            id: &purpose.id,
            title: purpose.title.get(language).map_or("", String::as_str),
            text: purpose.text.get(language).map_or("", String::as_str),
            legal_basis: purpose.basis,
            required: !asked,
        };
        let shown = notice.shown.iter().filter_map(|index| Some(one(self.purposes.get(*index)?, notice.purposes.has(*index))));
        let controller = &self.controller;
        Some(Wording {
            notice: &notice.id,
            version: notice.version,
            language,
            hash: &text.hash,
            title: &text.title,
            text: &text.body,
            purposes: shown.collect(),
            layout: notice.layout.as_ref().map(|Layout { version, buttons }| LayoutShown {
                version: *version,
                buttons,
                preselected: [],
            }),
            controller: ControllerShown { name: &controller.name, address: &controller.address, contact: &controller.contact },
            privacy_url: controller.privacy_url.as_deref(),
            languages: notice.languages.keys().map(String::as_str).collect(),
        })
    }
}
