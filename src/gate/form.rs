//! In which form an address leaves: not at all, keyed, or hashed as a named partner asks for it.
//!
//! Partners disagree on trimming, Gmail dots, plus signs and encodings, so there is no single "SHA-256 of the e-mail address":
//! a destination names its profile. A partner form is unkeyed and therefore *identifies*: everybody who knows the address can
//! compute it. It needs consent, which [`super::shape()`] checks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use crate::policy::{IdentifierForm, IdentifierKind, PartnerProfile};
use crate::vault::Domain;

/// The form's word and the value in it; `None` if the address does not leave, or not in this partner's rules.
#[must_use]
pub fn write(
    form: IdentifierForm,
    kind: IdentifierKind,
    type_id: &str,
    normalised: &str,
    domain: &Domain,
) -> Option<(&'static str, String)> {
    match form {
        IdentifierForm::None => None,
        IdentifierForm::Keyed => Some(("keyed", domain.keyed(type_id, normalised))),
        IdentifierForm::Partner(profile) => {
            let value = match kind {
                IdentifierKind::Email => email(profile, normalised),
                IdentifierKind::Phone => phone(profile, normalised),
                IdentifierKind::UserId | IdentifierKind::LoyaltyCard | IdentifierKind::Device | IdentifierKind::Custom => None,
            }?;
            Some((name(profile), value))
        }
    }
}

/// The profile's ID, as the policy writes it.
#[must_use]
pub const fn name(profile: PartnerProfile) -> &'static str {
    match profile {
        PartnerProfile::Uid2 => "uid2",
        PartnerProfile::Google => "google",
        PartnerProfile::Meta => "meta",
        PartnerProfile::Snap => "snap",
        PartnerProfile::Pinterest => "pinterest",
        PartnerProfile::TiktokEvents => "tiktok_events",
        PartnerProfile::TiktokAudiences => "tiktok_audiences",
        PartnerProfile::Reddit => "reddit",
        PartnerProfile::TradeDesk => "trade_desk",
        PartnerProfile::Linkedin => "linkedin",
        PartnerProfile::X => "x",
    }
}

/// The hashed e-mail address as the partner wants it; `None` if the partner would refuse the address.
#[must_use]
pub fn email(profile: PartnerProfile, address: &str) -> Option<String> {
    email_normalised(profile, address).map(|n| encode(profile, &n))
}

/// The hashed phone number as the partner wants it; `None` if the partner takes none, or not this one.
#[must_use]
pub fn phone(profile: PartnerProfile, number: &str) -> Option<String> {
    phone_normalised(profile, number).map(|n| encode(profile, &n))
}

/// What the partner hashes of an e-mail address.
#[must_use]
pub fn email_normalised(profile: PartnerProfile, address: &str) -> Option<String> {
    let lower = match profile {
        PartnerProfile::Uid2 => address.trim_matches(' ').to_ascii_lowercase(),
        PartnerProfile::Pinterest => address.split_whitespace().collect::<String>().to_lowercase(),
        PartnerProfile::Google
        | PartnerProfile::Meta
        | PartnerProfile::Snap
        | PartnerProfile::TiktokEvents
        | PartnerProfile::TiktokAudiences
        | PartnerProfile::Reddit
        | PartnerProfile::TradeDesk
        | PartnerProfile::Linkedin
        | PartnerProfile::X => address.trim().to_lowercase(),
    };
    let (local, domain) = lower.split_once('@')?;
    if local.is_empty() || domain.is_empty() || domain.contains('@') || lower.contains(char::is_whitespace) {
        return None;
    }
    let strict = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if strict && profile == PartnerProfile::Meta {
        return None;
    }
    let strip = match profile {
        PartnerProfile::Uid2 | PartnerProfile::TradeDesk => domain == "gmail.com",
        PartnerProfile::Google => domain == "gmail.com" || domain == "googlemail.com",
        PartnerProfile::TiktokAudiences | PartnerProfile::Reddit => true,
        PartnerProfile::Meta
        | PartnerProfile::Snap
        | PartnerProfile::Pinterest
        | PartnerProfile::TiktokEvents
        | PartnerProfile::Linkedin
        | PartnerProfile::X => false,
    };
    if !strip {
        return Some(lower);
    }
    let bare: String = local.split('+').next().unwrap_or(local).chars().filter(|c| *c != '.').collect();
    if bare.is_empty() { None } else { Some(format!("{bare}@{domain}")) }
}

/// What the partner hashes of a phone number.
#[must_use]
pub fn phone_normalised(profile: PartnerProfile, number: &str) -> Option<String> {
    let digits: String = before_extension(number).chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return None;
    }
    match profile {
        PartnerProfile::Uid2 => {
            // The operator refuses whatever is not E.164 already.
            let plain = number.strip_prefix('+')?;
            let fits = plain.bytes().all(|b| b.is_ascii_digit()) && (10..=15).contains(&plain.len());
            fits.then(|| number.to_owned())
        }
        PartnerProfile::Google | PartnerProfile::TiktokEvents | PartnerProfile::TiktokAudiences | PartnerProfile::Reddit => {
            Some(format!("+{}", digits.trim_start_matches("00")))
        }
        PartnerProfile::Meta | PartnerProfile::Snap => {
            let significant = digits.trim_start_matches('0');
            (!significant.is_empty()).then(|| significant.to_owned())
        }
        PartnerProfile::Pinterest => Some(digits),
        PartnerProfile::TradeDesk | PartnerProfile::Linkedin | PartnerProfile::X => None,
    }
}

/// `… ext 5` is no part of the number.
fn before_extension(number: &str) -> &str {
    number.find(['e', 'E', 'x', 'X']).and_then(|at| number.get(..at)).unwrap_or(number)
}

fn encode(profile: PartnerProfile, normalised: &str) -> String {
    let hash = digest::digest(&digest::SHA256, normalised.as_bytes());
    match profile {
        PartnerProfile::Uid2 | PartnerProfile::TradeDesk => STANDARD.encode(hash),
        PartnerProfile::Google
        | PartnerProfile::Meta
        | PartnerProfile::Snap
        | PartnerProfile::Pinterest
        | PartnerProfile::TiktokEvents
        | PartnerProfile::TiktokAudiences
        | PartnerProfile::Reddit
        | PartnerProfile::Linkedin
        | PartnerProfile::X => hex::encode(hash),
    }
}
