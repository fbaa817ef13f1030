//! What a person was shown of a notice in one language, as it is hashed and kept: everything that its hash covers, and nothing else.

use serde::{Deserialize, Serialize};

use super::model::{Controller, Layout, LegalBasis, Notice, Purpose};
use super::raw::NoticeFile;

/// Everything that a person is shown of a notice. Its canonical form is what decisions are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Original {
    /// The notice's ID.
    pub notice: String,
    /// Its version.
    pub version: u32,
    /// The language.
    pub language: String,
    /// The heading.
    pub title: String,
    /// The text.
    pub body: String,
    /// The purposes, in the order in which they are shown.
    pub purposes: Vec<OriginalPurpose>,
    /// How it is drawn.
    layout: Option<Layout>,
    /// Who answers for the processing.
    pub controller: OriginalController,
    /// Where more is said.
    privacy_url: Option<String>,
}

/// A purpose as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginalPurpose {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub title: Option<String>,
    /// What is done.
    pub text: Option<String>,
    /// Why it may be done.
    legal_basis: LegalBasis,
    /// Whether the notice asks for it; otherwise it only tells.
    pub asked: bool,
}

/// Who answers for the processing, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalController {
    /// The company's name.
    pub name: String,
    address: String,
    contact: String,
}

impl Original {
    /// Reads a canonical form again; none if it is not that of a notice.
    #[must_use]
    pub fn read(canonical: &str) -> Option<Self> {
        serde_json::from_str(canonical).ok()
    }

    pub(super) fn of(
        notice: &Notice,
        (language, file): (&str, &NoticeFile),
        purposes: &[Purpose],
        controller: &Controller,
    ) -> Self {
        let one = |index: &usize| {
            let purpose = purposes.get(*index)?;
            Some(OriginalPurpose {
                id: purpose.id.clone(),
                title: purpose.title.get(language).cloned(),
                text: purpose.text.get(language).cloned(),
                legal_basis: purpose.basis,
                asked: notice.purposes.has(*index),
            })
        };
        let Controller { name, address, contact, privacy_url, .. } = controller;
        let controller = OriginalController { name: name.clone(), address: address.clone(), contact: contact.clone() };
        Self {
            notice: notice.id.clone(),
            version: notice.version,
            language: language.to_owned(),
            title: file.title.as_ref().clone(),
            body: file.body.as_ref().clone(),
            purposes: notice.shown.iter().filter_map(one).collect(),
            layout: notice.layout.clone(),
            controller,
            privacy_url: privacy_url.clone(),
        }
    }
}
