//! Finds the identifiers that an event states.

use super::directory::tag;
use super::normalise::{Refusal, normalise};
use super::{Identifier, Stated};
use crate::events::{Event, EventType};
use crate::policy::{IdentifierKind, IdentifierType, Policy};
use crate::vault::Vault;

/// Reads the identifiers of an event from the places that the policy names. The `previousId` of an alias is read as a
/// device: that is what SDKs put there when somebody signs in.
#[must_use]
pub fn extract(event: &Event<'_>, policy: &Policy, vault: &Vault) -> Stated {
    let mut stated = Stated::default();
    let found = event.find(policy.identifiers.places());
    let mut numbers = 0..;
    for (kind, typed) in policy.identifiers.iter().enumerate() {
        for (path, number) in typed.paths.iter().zip(&mut numbers) {
            if let Some(value) = found.at(number) {
                take(&mut stated, (kind, typed), path, &value, (policy, vault));
            }
        }
        if typed.kind == IdentifierKind::Device
            && event.kind == EventType::Alias
            && let Some(value) = &event.previous_id
        {
            take(&mut stated, (kind, typed), "previousId", value, (policy, vault));
        }
    }
    stated
}

fn take(
    stated: &mut Stated,
    (kind, typed): (usize, &IdentifierType),
    path: &str,
    value: &str,
    (policy, vault): (&Policy, &Vault),
) {
    match normalise(typed, &policy.controller.country, value) {
        Ok(value) => {
            if !stated.identifiers.iter().any(|i| i.kind == kind && i.value == value) {
                stated.identifiers.push(blinded(vault, (kind, typed), value));
            }
        }
        Err(refusal) => stated.refused.push((path.to_owned(), refusal)),
    }
}

/// Reads an identifier that was named outright.
///
/// # Errors
/// Why it is none.
pub fn parse(policy: &Policy, vault: &Vault, type_id: &str, value: &str) -> Result<Identifier, Refusal> {
    let (kind, typed) = policy.identifier(type_id).ok_or(Refusal::Type)?;
    let value = normalise(typed, &policy.controller.country, value)?;
    Ok(blinded(vault, (kind, typed), value))
}

fn blinded(vault: &Vault, (kind, typed): (usize, &IdentifierType), value: String) -> Identifier {
    let tag = tag(&typed.id);
    let blinds = vault.blind(tag, &value);
    Identifier { kind, tag, value, blinds }
}
