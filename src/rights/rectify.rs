//! Rectification (GDPR Art. 16): identifiers and traits of somebody are put right, here in one commit, and then at everybody who had
//! received what was wrong (Art. 19).
//!
//! The old value leads to nobody any more, the new one to the person. A new value that leads to somebody else is a conflict that a
//! person of the company sees: people are never merged. What was decided with the old value holds for the new one, because it is the same
//! identifier of the same person (`docs/decisions/0003`); what was refused stays refused for whoever states the old value, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::request::{Kind, Recipient, Request, RequestId, State};
use super::{Error, Rights};
use crate::clock::Millis;
use crate::consent::{Besides, Method, Order};
use crate::gate::fields::Fields;
use crate::gate::form;
use crate::gate::redact::{Redactor, Stated};
use crate::identity::{self, Admission, Corrected, Correction, Hindrance, Identifier};
use crate::policy::{Destination, IdentifierForm, IdentifierKind, LegalBasis, Policy};
use crate::profile::{self, Change};

/// How the notes are called that say that it is right here, and that recipients are being told.
const CORRECTED: &str = "corrected";
/// See [`CORRECTED`].
const RECTIFIED: &str = "rectified";
/// How often a commit is tried again because something of the person's changed meanwhile.
const TRIES_MAX: u32 = 64;
/// The longest text of a trait, in characters.
const TRAIT_CHARS_MAX: usize = 500;

/// What somebody wants to be put right.
#[derive(Clone, Debug, Default)]
pub struct Wrong {
    /// Identifiers: type, what is wrong, what is right; `None` if it is simply not theirs.
    pub identifiers: Vec<(String, String, Option<String>)>,
    /// Traits and their right values.
    pub traits: BTreeMap<String, Value>,
}

/// A correction of an identifier, read.
struct Read {
    old: Identifier,
    new: Option<Identifier>,
}

impl Read {
    const fn correction(&self) -> Correction<'_> {
        Correction { old: &self.old, new: self.new.as_ref() }
    }
}

impl Rights {
    /// Takes over what is to be put right, in the one form of each value.
    pub(super) fn take_wrong(&self, request: &mut Request, policy: &Policy, wrong: Wrong) -> Result<(), Error> {
        let Wrong { identifiers, traits } = wrong;
        let nothing = identifiers.is_empty() && traits.is_empty();
        if nothing != (request.kind != Kind::Rectification) {
            let words = if nothing { "must say what is to be put right" } else { "belong to a rectification" };
            return Err(Error::Corrections(String::from(words)));
        }
        let mut seen: Vec<(&String, String)> = Vec::new();
        for (kind, from, to) in &identifiers {
            if policy.identifier(kind).is_some_and(|(_, typed)| typed.kind == IdentifierKind::Device) {
                return Err(Error::Corrections(String::from("a device is not put right; it is not the person's alone")));
            }
            let read = |value: &str| {
                let read = identity::parse(policy, &self.deps.vault, kind, value);
                read.map(|identifier| identifier.value).map_err(|refusal| Error::Corrections(format!("a value {refusal}")))
            };
            let (from, to) = (read(from)?, to.as_deref().map(read).transpose()?);
            for value in [Some(&from), to.as_ref()].into_iter().flatten() {
                if seen.contains(&(kind, value.clone())) {
                    return Err(Error::Corrections(String::from("name each value once")));
                }
                seen.push((kind, value.clone()));
            }
            request.corrections.push((kind.clone(), from, to));
        }
        traits.iter().try_for_each(|(name, value)| sound(name, value))?;
        request.traits = traits;
        Ok(())
    }

    /// Whether everything can be put right as it is asked for.
    pub(super) fn check_corrections(&self, request: &Request, policy: &Policy) -> Result<(), Error> {
        let people = request.concerned();
        if people.is_empty() && request.kind == Kind::Rectification {
            return Err(Error::NotTheirs);
        }
        for read in self.read(request, policy)? {
            self.deps.directory.correctable(read.correction(), &people)?;
        }
        Ok(())
    }

    fn read(&self, request: &Request, policy: &Policy) -> Result<Vec<Read>, Error> {
        let parse = |kind: &String, value: &String| {
            let read = identity::parse(policy, &self.deps.vault, kind, value);
            read.map_err(|refusal| Error::Identifier { kind: kind.clone(), refusal })
        };
        let all = request.corrections.iter();
        all.map(|(kind, from, to)| Ok(Read { old: parse(kind, from)?, new: to.as_ref().map(|to| parse(kind, to)).transpose()? }))
            .collect()
    }

    /// Does what an approved rectification asks for.
    pub(super) async fn rectify(&self, id: RequestId) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut request = self.get(id)?;
        if request.state != State::Running {
            return Ok(());
        }
        if request.has(RECTIFIED) {
            return self.settle(id, request).await;
        }
        if !request.has(CORRECTED) {
            match self.correct(id, &request).await {
                Ok(corrected) => request = corrected,
                Err(Error::NotTheirs | Error::Taken | Error::Identifier { .. }) => return self.send_back(id, request).await,
                Err(error) => return Err(error),
            }
        }
        self.keep_refusals(id, &request).await?;
        // What names the old value is not on the wire any more; now it is known who has it.
        self.deps.consents.fence_people(&request.concerned()).await;
        self.deps.forwarder.fence().await;
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        let mut recipients = self.recipients(&request.concerned())?;
        recipients.retain(|recipient| concern(&policy, &request, recipient) != Concern::Nothing);
        let by_hand = |request: &Request, recipient: &Recipient| concern(&policy, request, recipient) == Concern::ByHand;
        let left: Vec<String> = recipients.iter().filter(|r| by_hand(&request, r)).map(|r| r.id.clone()).collect();
        request.begin_telling(recipients, &policy, at);
        request.recipients.iter_mut().filter(|r| left.contains(&r.id)).for_each(Recipient::leave_to_a_person);
        request.note(at, "gateway", RECTIFIED, None);
        let to = self.addressee(&request);
        self.save_and_tell(id, &mut request, to).await?;
        self.settle(id, request).await
    }

    /// Somebody else has got the new value, or they have lost the old one, or the policy knows the type no more, since it was approved:
    /// somebody has to decide again.
    async fn send_back(&self, id: RequestId, mut request: Request) -> Result<(), Error> {
        request.state = State::InReview;
        request.approvals.clear();
        request.note(self.deps.clock.now(), "gateway", "conflict", None);
        self.save(id, &request).await
    }

    /// Puts everything right here, in one commit with the note that says so.
    async fn correct(&self, id: RequestId, request: &Request) -> Result<Request, Error> {
        let mut tries = 0;
        loop {
            match self.try_correct(id, request).await {
                Err(error) if error.is_conflict() && tries < TRIES_MAX => tries += 1,
                done => return done,
            }
        }
    }

    async fn try_correct(&self, id: RequestId, request: &Request) -> Result<Request, Error> {
        let (policy, at) = (self.deps.policy.current(), self.deps.clock.now());
        let deps = &self.deps;
        let (people, read) = (request.concerned(), self.read(request, &policy)?);
        let mut next = request.clone();
        next.kept_refusals = read.iter().map(|read| self.refused(&policy, &read.old, at)).collect();
        next.corrected = request.corrections.iter().map(|(kind, ..)| kind.clone()).collect();
        next.corrected.extend(request.traits.keys().map(|name| format!("traits.{name}")));
        next.note(at, "gateway", CORRECTED, Some(&next.corrected.join(", ")));
        let mut batch = self.saved(id, &next)?;
        let context = Admission { vault: &deps.vault, policy: &policy, chance: &deps.chance, at };
        let mut corrected: Vec<Corrected> = Vec::with_capacity(read.len());
        for read in &read {
            let subject = deps.directory.correctable(read.correction(), &people)?;
            corrected.push(deps.directory.correct(&deps.store, &context, (subject, read.correction()), &mut batch)?);
        }
        let change = self.change(&policy, request, &read)?;
        for subject in &people {
            deps.profiles.correct(*subject, &change, at, &mut batch)?;
        }
        deps.store.commit(batch).await?;
        corrected.iter().for_each(|corrected| deps.directory.corrected(corrected));
        Ok(next)
    }

    /// What the embedded profile store is to show instead of what it was told.
    fn change(&self, policy: &Policy, request: &Request, read: &[Read]) -> Result<Change, Error> {
        let mut change = Change::default();
        for (name, value) in &request.traits {
            change.traits.insert(name.clone(), RawValue::from_string(value.to_string())?);
        }
        let Some((_, destination)) = profile::destination(policy) else { return Ok(change) };
        for read in read {
            let form = |identifier: &Identifier| self.form(policy, destination, identifier);
            let (Some(kind), Some((_, old))) = (policy.identifiers.get(read.old.kind), form(&read.old)?) else { continue };
            let new = read.new.as_ref().map(form).transpose()?.flatten().map(|(_, new)| new);
            change.forms.push((kind.id.clone(), old, new));
        }
        Ok(change)
    }

    /// In which form an identifier leaves for a destination: the form's name and the value; `None` if it does not.
    fn form(
        &self,
        policy: &Policy,
        destination: &Destination,
        identifier: &Identifier,
    ) -> Result<Option<(&'static str, String)>, Error> {
        let Some(kind) = policy.identifiers.get(identifier.kind) else { return Ok(None) };
        let domain = self.deps.vault.domain(&destination.domain)?;
        Ok(form::write(contract(destination, kind.kind), kind.kind, &kind.id, &identifier.value, &domain))
    }

    /// What was refused with an identifier.
    fn refused(&self, policy: &Policy, old: &Identifier, at: Millis) -> Vec<String> {
        let standing = self.deps.consents.standing(&self.deps.directory.resolve(std::slice::from_ref(old)), at);
        let refused = policy.purposes.iter().enumerate().filter(|(index, purpose)| {
            standing.denied.has(*index) && matches!(purpose.basis, LegalBasis::Consent | LegalBasis::LegitimateInterest)
        });
        refused.map(|(_, purpose)| purpose.id.clone()).collect()
    }

    /// Whoever states an old value is somebody else from now on, and what was refused with it stays refused for them.
    async fn keep_refusals(&self, id: RequestId, request: &Request) -> Result<(), Error> {
        let policy = self.deps.policy.current();
        let read = match self.read(request, &policy) {
            // The policy has the type no more: nobody can state the old value either.
            Err(Error::Identifier { .. }) => return Ok(()),
            read => read?,
        };
        for (read, refused) in read.into_iter().zip(&request.kept_refusals) {
            let decisions: Vec<(usize, bool)> = refused.iter().filter_map(|id| Some((policy.purpose(id)?, false))).collect();
            if decisions.is_empty() || self.deps.directory.owner(&read.old).is_some() {
                continue;
            }
            let order = Order {
                identifiers: vec![read.old],
                decisions,
                notice: None,
                language: None,
                method: Method::Request,
                // It came through no source.
                source: usize::MAX,
                actor: Some(id.to_string()),
                at: self.deps.clock.now(),
                policy: Arc::clone(&policy),
                mark: None,
                besides: Besides::default(),
            };
            self.deps.consents.record(order).await?;
        }
        Ok(())
    }

    /// What a recipient is told of a rectification: the new values in the keyed form that it knows, and which traits have changed;
    /// their values come with the next event that states them.
    pub(super) fn rectified(
        &self,
        policy: &Policy,
        destination: &Destination,
        request: &Request,
    ) -> Result<Map<String, Value>, Error> {
        let mut identifiers = Map::new();
        for read in self.read(request, policy)? {
            let Some(kind) = policy.identifiers.get(read.old.kind) else { continue };
            if contract(destination, kind.kind) != IdentifierForm::Keyed {
                continue;
            }
            let new = read.new.as_ref().map(|new| self.form(policy, destination, new)).transpose()?.flatten();
            let said = new.map_or(Value::Null, |(form, value)| json!({"form": form, "value": value}));
            identifiers.insert(kind.id.clone(), said);
        }
        let changed: Vec<String> = traits_of(policy, destination, request).map(|name| format!("traits.{name}")).collect();
        let mut more = Map::new();
        more.insert(String::from("identifiers"), Value::Object(identifiers));
        more.insert(String::from("changed"), Value::from(changed));
        Ok(more)
    }
}

impl From<Hindrance> for Error {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::NotTheirs => Self::NotTheirs,
            Hindrance::Taken => Self::Taken,
        }
    }
}

/// What a recipient has to do with a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Concern {
    /// Its contract lets it have nothing of what was wrong.
    Nothing,
    /// It can be told by what it offers.
    Told,
    /// It has it in a form that is not written into messages.
    ByHand,
}

fn concern(policy: &Policy, request: &Request, recipient: &Recipient) -> Concern {
    // Nobody knows what somebody had who has left the policy.
    let Some((_, destination)) = policy.destination(&recipient.id) else { return Concern::ByHand };
    let of_identifiers = request.corrections.iter().filter_map(|(kind, ..)| policy.identifier(kind)).map(|(_, typed)| {
        match contract(destination, typed.kind) {
            IdentifierForm::None => Concern::Nothing,
            IdentifierForm::Keyed => Concern::Told,
            IdentifierForm::Partner(_) => Concern::ByHand,
        }
    });
    let of_traits = traits_of(policy, destination, request).map(|_| Concern::Told);
    of_identifiers.chain(of_traits).max().unwrap_or(Concern::Nothing)
}

/// In which form a destination may have an identifier of this kind.
const fn contract(destination: &Destination, kind: IdentifierKind) -> IdentifierForm {
    match kind {
        IdentifierKind::Email => destination.email,
        IdentifierKind::Phone => destination.phone,
        IdentifierKind::UserId | IdentifierKind::LoyaltyCard | IdentifierKind::Device | IdentifierKind::Custom => {
            IdentifierForm::None
        }
    }
}

/// Those of the corrected traits that a destination may have.
fn traits_of<'a>(policy: &'a Policy, destination: &'a Destination, request: &'a Request) -> impl Iterator<Item = &'a String> {
    let routes = policy
        .routes
        .iter()
        .filter(|route| policy.destinations.get(route.destination).is_some_and(|other| other.id == destination.id));
    let fields: Vec<Fields<'a>> = routes.map(|route| Fields::of(destination, route)).collect();
    request.traits.keys().filter(move |name| {
        let path = format!("traits.{name}");
        fields.iter().any(|fields| !fields.dropped(&path) && !fields.allowed(&path).is_none())
    })
}

/// Whether a trait can be put right like this. What points to a person is an identifier, and is put right as one.
fn sound(name: &str, value: &Value) -> Result<(), Error> {
    let named = !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !named {
        return Err(Error::Traits("a trait is named by letters, digits and `_`"));
    }
    match value {
        Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => {
            let readable = text.chars().count() <= TRAIT_CHARS_MAX && !text.chars().any(char::is_control);
            let points = Redactor::new(Stated::none(), &[]).text(text, name).is_some();
            match (readable, points) {
                (false, _) => Err(Error::Traits("a trait is text of at most 500 characters without control characters")),
                (_, true) => Err(Error::Traits("a trait holds what points to a person; put it right as an identifier")),
                _ => Ok(()),
            }
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Error::Traits("a trait is text, a number, true or false")),
    }
}
