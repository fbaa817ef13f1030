//! Why data may be used or not, as a code for machines and as sentences for people.

use crate::policy::LegalBasis;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The person agreed.
    Granted,
    /// It rests on something else than consent, and was not objected to.
    OtherBasis(LegalBasis),
    /// Nobody decided, or nobody is known.
    NoDecision,
    /// The person said no, or withdrew.
    Denied,
    /// Somebody who is known to be linked said no.
    DeniedByLink,
    /// The person objected (Art. 21).
    Objected,
    /// The processing is restricted (Art. 18).
    Restricted,
    /// The person agreed to less than what would be done now.
    TermsChanged,
    /// The person was asked by mail to confirm it, and has not.
    Unconfirmed,
    /// The grant was too old.
    Expired,
    /// The policy has no such purpose.
    UnknownPurpose,
    /// There is no such action.
    UnknownAction,
    /// The policy has no such type of subjects.
    UnknownSubject,
    /// There is no such type of resources.
    UnknownResource,
}

impl Reason {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::OtherBasis(LegalBasis::Contract) => "contract",
            Self::OtherBasis(LegalBasis::LegalObligation) => "legal_obligation",
            Self::OtherBasis(LegalBasis::LegitimateInterest | LegalBasis::Consent) => "legitimate_interest",
            Self::NoDecision => "no_decision",
            Self::Denied => "denied",
            Self::DeniedByLink => "denied_by_link",
            Self::Objected => "objected",
            Self::Restricted => "restricted",
            Self::TermsChanged => "terms_changed",
            Self::Unconfirmed => "unconfirmed",
            Self::Expired => "expired",
            Self::UnknownPurpose => "unknown_purpose",
            Self::UnknownAction => "unknown_action",
            Self::UnknownSubject => "unknown_subject_type",
            Self::UnknownResource => "unknown_resource_type",
        }
    }

    /// In German. `purpose` is its title in quotes.
    #[must_use]
    pub fn german(self, purpose: &str) -> String {
        match self {
            Self::Granted => format!("Die Person hat {purpose} zugestimmt."),
            Self::OtherBasis(LegalBasis::Contract) => {
                format!("{purpose} ist für einen Vertrag nötig und braucht keine Zustimmung.")
            }
            Self::OtherBasis(LegalBasis::LegalObligation) => format!("Zu {purpose} verpflichtet ein Gesetz."),
            Self::OtherBasis(LegalBasis::LegitimateInterest | LegalBasis::Consent) => {
                format!("{purpose} beruht auf einem berechtigten Interesse, und die Person hat nicht widersprochen.")
            }
            Self::NoDecision => format!("Eine Zustimmung zu {purpose} ist nicht bekannt."),
            Self::Denied => format!("Die Person hat {purpose} nicht zugestimmt."),
            Self::DeniedByLink => format!("Jemand, der mit der Person verbunden ist, hat {purpose} nicht zugestimmt."),
            Self::Objected => format!("Die Person hat {purpose} widersprochen."),
            Self::Restricted => String::from("Die Verarbeitung der Daten dieser Person ist eingeschränkt."),
            Self::TermsChanged => format!("Die Zustimmung zu {purpose} wurde für weniger gegeben, als heute damit geschähe."),
            Self::Unconfirmed => format!("Die Zustimmung zu {purpose} ist noch nicht mit dem Link in der Mail bestätigt."),
            Self::Expired => format!("Die Zustimmung zu {purpose} ist abgelaufen."),
            Self::UnknownPurpose => String::from("Einen solchen Zweck gibt es hier nicht."),
            Self::UnknownAction => String::from("Hier kann nur nach „use“ gefragt werden."),
            Self::UnknownSubject => String::from("Solche Kennungen gibt es hier nicht."),
            Self::UnknownResource => String::from("Hier kann nur nach Zwecken gefragt werden."),
        }
    }

    /// In English. `purpose` is its title in quotes.
    #[must_use]
    pub fn english(self, purpose: &str) -> String {
        match self {
            Self::Granted => format!("The person has agreed to {purpose}."),
            Self::OtherBasis(LegalBasis::Contract) => format!("A contract needs {purpose}, and no consent is needed."),
            Self::OtherBasis(LegalBasis::LegalObligation) => format!("A law obliges to {purpose}."),
            Self::OtherBasis(LegalBasis::LegitimateInterest | LegalBasis::Consent) => {
                format!("{purpose} rests on a legitimate interest, and the person has not objected.")
            }
            Self::NoDecision => format!("No consent to {purpose} is known."),
            Self::Denied => format!("The person has not agreed to {purpose}."),
            Self::DeniedByLink => format!("Somebody whom the person is linked to has not agreed to {purpose}."),
            Self::Objected => format!("The person has objected to {purpose}."),
            Self::Restricted => String::from("The processing of this person's data is restricted."),
            Self::TermsChanged => format!("The consent to {purpose} was given for less than what would be done today."),
            Self::Unconfirmed => format!("The consent to {purpose} has not been confirmed by the link in the mail yet."),
            Self::Expired => format!("The consent to {purpose} has expired."),
            Self::UnknownPurpose => String::from("There is no such purpose here."),
            Self::UnknownAction => String::from("Only “use” can be asked for here."),
            Self::UnknownSubject => String::from("There are no such identifiers here."),
            Self::UnknownResource => String::from("Only purposes can be asked for here."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_a_sentence_in_both_languages() {
        let all = [
            Reason::Granted,
            Reason::OtherBasis(LegalBasis::Contract),
            Reason::OtherBasis(LegalBasis::LegalObligation),
            Reason::OtherBasis(LegalBasis::LegitimateInterest),
            Reason::NoDecision,
            Reason::Denied,
            Reason::DeniedByLink,
            Reason::Objected,
            Reason::Restricted,
            Reason::TermsChanged,
            Reason::Unconfirmed,
            Reason::Expired,
            Reason::UnknownPurpose,
            Reason::UnknownAction,
            Reason::UnknownSubject,
            Reason::UnknownResource,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for reason in all {
            let (de, en) = (reason.german("„Analyse“"), reason.english("“Analytics”"));
            assert!(de.ends_with('.') && en.ends_with('.') && de != en, "{de} {en}");
            assert!(seen.insert(reason.code().to_owned()) && seen.insert(de) && seen.insert(en), "{reason:?}");
        }
    }
}
