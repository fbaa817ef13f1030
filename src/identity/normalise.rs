//! One person's value, however it was typed, comes to one form; what says nothing about a person is refused.

use unicode_normalization::UnicodeNormalization as _;

use crate::policy::{IdentifierKind, IdentifierType};

/// The longest value that is looked at, in characters.
pub const VALUE_CHARS_MAX: usize = 320;

/// Why a value is no identifier. It never repeats the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// Longer than [`VALUE_CHARS_MAX`].
    #[error("is too long")]
    TooLong,
    /// NUL, control or direction characters.
    #[error("holds a control character")]
    Control,
    /// The policy says that it names nobody.
    #[error("is a value that names nobody")]
    Blocked,
    /// Not of the form of its type.
    #[error("is not of the right form")]
    Form,
    /// The policy has no such type.
    #[error("is of no known type")]
    Type,
}

/// The one form of a value.
///
/// # Errors
/// Why it is no identifier.
pub(super) fn normalise(kind: &IdentifierType, country: &str, value: &str) -> Result<String, Refusal> {
    if value.len() > VALUE_CHARS_MAX && value.chars().count() > VALUE_CHARS_MAX {
        return Err(Refusal::TooLong);
    }
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if value.is_empty() {
        return Err(Refusal::Empty);
    }
    let is_plain = is_printed_ascii(value);
    if !is_plain && value.chars().any(is_control) {
        return Err(Refusal::Control);
    }
    if is_plain && matches!(kind.kind, IdentifierKind::UserId | IdentifierKind::Device | IdentifierKind::Custom) {
        // ASCII is in NFC as it stands, and its small letters are found without a second copy: nearly every event has such an ID.
        return if is_blocked(kind, value) { Err(Refusal::Blocked) } else { Ok(value.to_owned()) };
    }
    let form = match kind.kind {
        IdentifierKind::Email => email(value)?,
        IdentifierKind::Phone => phone(value, country)?,
        IdentifierKind::LoyaltyCard => card(value)?,
        IdentifierKind::UserId | IdentifierKind::Device | IdentifierKind::Custom => value.nfc().collect(),
    };
    if is_blocked(kind, &form) { Err(Refusal::Blocked) } else { Ok(form) }
}

/// Whether the policy says that the value names nobody. Its list is in small letters.
fn is_blocked(kind: &IdentifierType, form: &str) -> bool {
    if form.is_ascii() {
        return kind.blocked.iter().any(|blocked| blocked.eq_ignore_ascii_case(form));
    }
    kind.blocked.contains(&form.to_lowercase())
}

/// Whether the text is nothing but printed ASCII, as nearly all are. Without a way out on the way, many bytes are looked at together.
fn is_printed_ascii(text: &str) -> bool {
    text.bytes().fold(true, |so_far, byte| so_far & matches!(byte, b' '..=b'~'))
}

/// Characters that have no business in a value, and those that change how it is read.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Small letters, NFC, the domain in its ASCII form. Dots and `+suffix` stay: at most providers they are part of the
/// address, and to merge two people is worse than to miss one.
fn email(value: &str) -> Result<String, Refusal> {
    let value: String = value.nfc().collect();
    let (local, domain) = value.rsplit_once('@').ok_or(Refusal::Form)?;
    if local.is_empty() || local.len() > 64 || local.chars().any(|c| c.is_whitespace() || "<>,;:\\\"()[]@".contains(c)) {
        return Err(Refusal::Form);
    }
    let domain = idna::domain_to_ascii_strict(domain.trim_end_matches('.')).map_err(|_malformed| Refusal::Form)?;
    let labels: Vec<&str> = domain.split('.').collect();
    if labels.len() < 2 || labels.iter().any(|l| l.is_empty()) {
        return Err(Refusal::Form);
    }
    Ok(format!("{}@{}", local.to_lowercase(), domain))
}

/// E.164, read as from the policy's country where no prefix says otherwise.
fn phone(value: &str, country: &str) -> Result<String, Refusal> {
    let country: Option<phonenumber::country::Id> = country.parse().ok();
    // The optional trunk zero in "+49 (0)151" is a habit of people, not part of any number.
    let value = value.replace("(0)", "");
    let number = phonenumber::parse(country, value).map_err(|_malformed| Refusal::Form)?;
    if !phonenumber::is_valid(&number) && number.national().value() < 1_000_000 {
        return Err(Refusal::Form);
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

/// Capital letters and digits, without the spaces and dashes between them.
fn card(value: &str) -> Result<String, Refusal> {
    let form: String = value.nfc().filter(|c| !c.is_whitespace() && !"-.–/".contains(*c)).collect::<String>().to_uppercase();
    if form.is_empty() { Err(Refusal::Form) } else { Ok(form) }
}
