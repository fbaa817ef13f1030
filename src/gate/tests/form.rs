//! Partner profiles against published vectors.

use serde_json::Value;

use super::domain;
use crate::gate::form;
use crate::policy::{IdentifierForm, IdentifierKind, PartnerProfile};

fn vectors(list: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../tests/it/fixtures/hash-vectors.json")).unwrap();
    all[list].as_array().unwrap().clone()
}

fn profile(name: &str) -> Option<PartnerProfile> {
    Some(match name {
        "uid2" => PartnerProfile::Uid2,
        "google" => PartnerProfile::Google,
        "meta" => PartnerProfile::Meta,
        "snap" => PartnerProfile::Snap,
        "pinterest" => PartnerProfile::Pinterest,
        "tiktok_events" => PartnerProfile::TiktokEvents,
        "tiktok_audiences" => PartnerProfile::TiktokAudiences,
        "reddit" => PartnerProfile::Reddit,
        "thetradedesk" => PartnerProfile::TradeDesk,
        "linkedin" => PartnerProfile::Linkedin,
        "x_twitter" => PartnerProfile::X,
        _ => return None,
    })
}

#[test]
fn every_published_vector_of_a_profile_is_met() {
    let (mut met, mut skipped) = (0, Vec::new());
    for vector in vectors("vectors") {
        let text = |field: &str| vector[field].as_str().unwrap();
        let id = text("id");
        let Some(profile) = profile(text("platform")) else {
            skipped.push(id.to_owned());
            continue;
        };
        // UID2 takes phone numbers that are E.164 already; making them so is done before.
        let input = if text("platform") == "uid2" && text("kind") == "phone" { text("normalized") } else { text("input") };
        let (normalised, hashed) = match text("kind") {
            "email" => (form::email_normalised(profile, input), form::email(profile, input)),
            "phone" => (form::phone_normalised(profile, input), form::phone(profile, input)),
            _ => {
                skipped.push(id.to_owned());
                continue;
            }
        };
        assert_eq!(normalised.as_deref(), Some(text("normalized")), "{id}");
        let wanted = if text("wire_encoding") == "base64" { text("sha256_base64") } else { text("sha256_hex") };
        assert_eq!(hashed.as_deref(), Some(wanted), "{id}");
        met += 1;
    }
    assert!(met >= 45, "{met} vectors, without {skipped:?}");
    assert!(skipped.len() <= 7, "names, user names and profiles that the policy does not offer: {skipped:?}");
}

#[test]
fn what_a_partner_refuses_is_not_sent() {
    for vector in vectors("must_reject") {
        let text = |field: &str| vector[field].as_str().unwrap();
        let profile = profile(text("platform")).unwrap();
        let hashed = match text("kind") {
            "email" => form::email(profile, text("input")),
            _ => form::phone(profile, text("input")),
        };
        assert_eq!(hashed, None, "{vector}");
    }
}

#[test]
fn known_mistakes_of_others_are_not_made() {
    assert_eq!(
        form::email(PartnerProfile::Google, "jane.q.doe@gmail.com").unwrap(),
        "dfe7b9138ccdd19d957dd8c1cd9e0ea2f9e2bb7a528f8f972d2794efcdf819df"
    );
    assert_eq!(
        form::email(PartnerProfile::Uid2, "JANESaoirse@gmail.com").unwrap(),
        "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8="
    );
    assert_eq!(form::email(PartnerProfile::Uid2, "user@example.com").unwrap(), "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ=");
}

#[test]
fn partners_without_phone_numbers_get_none() {
    for profile in [PartnerProfile::TradeDesk, PartnerProfile::Linkedin, PartnerProfile::X] {
        assert_eq!(form::phone(profile, "+4915123456789"), None);
    }
}

#[test]
fn other_identifiers_have_no_partner_form_and_none_is_none() {
    let domain = domain("d");
    let partner = IdentifierForm::Partner(PartnerProfile::Meta);
    assert!(form::write(partner, IdentifierKind::LoyaltyCard, "card", "123", &domain).is_none());
    assert!(form::write(IdentifierForm::None, IdentifierKind::Email, "email", "a@b.de", &domain).is_none());
    let (word, value) = form::write(IdentifierForm::Keyed, IdentifierKind::Email, "email", "a@b.de", &domain).unwrap();
    assert_eq!((word, value.len()), ("keyed", 43));
}
