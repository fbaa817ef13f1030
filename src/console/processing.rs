//! The record of processing activities (GDPR Art. 30(1)), as far as the policy says it.

use crate::policy::{Destination, DestinationKind, IdentifierForm, LegalBasis, Policy, Purposes, Texts, Way};

/// What is done for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The purpose's ID.
    pub id: String,
    /// Its name (b).
    pub title: String,
    /// What is done (b).
    pub text: String,
    /// Why it may be done.
    pub basis: LegalBasis,
    /// Categories of personal data (c).
    pub data: Vec<String>,
    /// Where they come from.
    pub sources: Vec<String>,
    /// Who gets them (d).
    pub recipients: Vec<Recipient>,
    /// How long what is kept for it stays, in days (f).
    pub retention_days: u32,
    /// How long a grant holds, in days.
    pub consent_days: Option<u32>,
}

/// Who gets something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The destination's ID.
    pub id: String,
    /// What it is: `profile`, `file`, `webhook`.
    pub kind: &'static str,
    /// The pseudonymisation domain.
    pub domain: String,
    /// In which form addresses leave: `keyed`, `none`, `partner`.
    pub form: &'static str,
    /// Whether it gets anything at present.
    pub is_on: bool,
    /// How it is told of an erasure: `itself`, `message`, `opendsr`, `segment`, `manual`, `none`.
    pub erasure: &'static str,
}

/// All activities, in the policy's order.
#[must_use]
pub fn activities(policy: &Policy, language: &str) -> Vec<Activity> {
    let activity = |(index, purpose): (usize, &crate::policy::Purpose)| {
        let uses = |destination: &&Destination| destination.purposes.has(index) || routes_to(policy, destination).has(index);
        let recipients: Vec<Recipient> = policy.destinations.iter().filter(uses).map(recipient).collect();
        Activity {
            id: purpose.id.clone(),
            title: text(&purpose.title, language),
            text: text(&purpose.text, language),
            basis: purpose.basis,
            data: purpose.data.clone(),
            sources: sources(policy, &recipients),
            recipients,
            retention_days: purpose.retention_days,
            consent_days: purpose.consent_days,
        }
    };
    policy.purposes.iter().enumerate().filter(|(_, purpose)| !purpose.is_retired()).map(activity).collect()
}

/// What the routes to a destination need besides.
fn routes_to(policy: &Policy, destination: &Destination) -> Purposes {
    let to_it =
        policy.routes.iter().filter(|route| policy.destinations.get(route.destination).is_some_and(|d| d.id == destination.id));
    to_it.fold(Purposes::NONE, |all, route| all.or(route.purposes))
}

/// From where events come to these recipients; a route that names no source takes from all.
fn sources(policy: &Policy, recipients: &[Recipient]) -> Vec<String> {
    let leads = |index: usize| {
        policy.routes.iter().any(|route| {
            let from = route.sources.is_empty() || route.sources.contains(&index);
            from && policy.destinations.get(route.destination).is_some_and(|d| recipients.iter().any(|r| r.id == d.id))
        })
    };
    policy.sources.iter().enumerate().filter(|(index, _)| leads(*index)).map(|(_, source)| source.id.clone()).collect()
}

fn recipient(destination: &Destination) -> Recipient {
    Recipient {
        id: destination.id.clone(),
        kind: kind(&destination.kind),
        domain: destination.domain.clone(),
        form: match (destination.email, destination.phone) {
            (IdentifierForm::Partner(_), _) | (_, IdentifierForm::Partner(_)) => "partner",
            (IdentifierForm::None, IdentifierForm::None) => "none",
            (IdentifierForm::Keyed | IdentifierForm::None, IdentifierForm::Keyed | IdentifierForm::None) => "keyed",
        },
        is_on: destination.is_on(),
        erasure: match destination.erasure.way {
            Way::Itself => "itself",
            Way::Message { .. } => "message",
            Way::OpenDsr { .. } => "opendsr",
            Way::Segment { .. } => "segment",
            Way::Manual => "manual",
            Way::Unsupported => "none",
        },
    }
}

/// What a destination is, as a name.
#[must_use]
pub const fn kind(kind: &DestinationKind) -> &'static str {
    match kind {
        DestinationKind::Profile => "profile",
        DestinationKind::File { .. } => "file",
        DestinationKind::Webhook { .. } => "webhook",
    }
}

/// A text in a language, or in any.
#[must_use]
pub fn text(texts: &Texts, language: &str) -> String {
    texts.get(language).or_else(|| texts.values().next()).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_names_who_gets_what_from_where_and_how_long() {
        let policy = crate::policy::load(std::path::Path::new("policies")).unwrap();
        let all = activities(&policy, "en");
        assert_eq!(all.len(), policy.purposes.len());
        let ads = all.iter().find(|activity| activity.id == "ads_sharing").unwrap();
        let partner = ads.recipients.iter().find(|recipient| recipient.id == "partner").unwrap();
        assert_eq!((partner.kind, partner.form, partner.is_on), ("webhook", "partner", false));
        assert!(
            ads.recipients.iter().all(|recipient| recipient.id != "archive"),
            "who has another purpose gets nothing for this one"
        );
        let analytics = all.iter().find(|activity| activity.id == "analytics").unwrap();
        assert_eq!((analytics.retention_days, analytics.basis), (395, LegalBasis::Consent));
        assert!(analytics.recipients.iter().any(|recipient| recipient.id == "archive"));
        assert!(!analytics.sources.is_empty());
        assert_eq!(activities(&policy, "de")[1].title, "Statistik");
    }
}
