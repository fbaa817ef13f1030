//! What people state about themselves and how they want to be reached: zero-party data.
//!
//! It **promises**
//! - a statement is one that the policy allows, or nothing is recorded; it and its place in the history are one commit (P7);
//! - it is used for a purpose only if the policy ties it to that purpose, and the identifiers that it was stated with allow the purpose
//!   *now* (P1, P2);
//! - of people who are joined the newest statement counts; about a channel the strictest (P8): nobody is written to because somebody else
//!   said so;
//! - two who change the same at once lose nothing: a change can name the state that it is based on;
//! - what somebody wants to be forgotten goes from the history as well; that it was forgotten stays;
//! - values are sealed under the subject's data key, go with an erasure, and when the longest retention of their purposes is over.
//!
//! It **refuses to know** who draws the form and what is done with the answers.

mod contact;
mod forget;
pub mod http;
mod keep;
mod merge;
mod record;
#[cfg(test)]
mod tests;
mod usable;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::clock::{Chance, Millis};
use crate::consent::{self, Consents};
use crate::id::{NodeId, SubjectId};
use crate::identity::{self, Admission, Directory, Identifier, Plan};
use crate::policy::{ChannelKind, Policy};
use crate::profile::Gathering;
use crate::store::{self, Batch, Store};
use crate::vault::{self, DataKey, Sealed, Vault};
pub use contact::{Answer, Contact};
pub use usable::Usable;
pub use value::{Wish, check};

use record::{Change as Noted, Entry, HISTORY, HISTORY_MAX, NAMES_MAX, Record, STATED, Said, Whose, aad};

/// How often a commit is tried again because somebody else changed the same at the same moment.
const TRIES_MAX: u32 = 64;
/// The version of what nobody has stated anything in.
const NOTHING: &str = "0";

/// Why a statement was not recorded, or cannot be read. Facts without personal data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is not allowed, or there is no such preference.
    #[error("{field}: {words}")]
    Value {
        /// Which, as a path.
        field: String,
        /// Why.
        words: String,
    },
    /// It was changed since the state that the change is based on.
    #[error("it was changed since")]
    Changed,
    /// Nobody is named.
    #[error("nobody is named")]
    Nobody,
    /// They asked not to be brought back by a source that takes data over.
    #[error("they asked not to be brought back by a source that takes data over")]
    Suppressed,
    /// Identifiers could not be resolved.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// What stands could not be read.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The vault refused.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A sealed record is of no known form.
    #[error("a record of preferences is of no known form")]
    Form(#[from] serde_json::Error),
}

impl Error {
    /// Whether something was changed at the same moment.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(store::Error::Conflict))
    }

    /// Whether somebody else changed the same, or was changed, at the same moment: it is worth another try.
    #[must_use]
    const fn is_passing(&self) -> bool {
        match self {
            Self::Store(store::Error::Conflict) | Self::Vault(vault::Error::Shredded) => true,
            Self::Identity(error) => error.is_conflict() || error.is_shredded(),
            Self::Consent(error) => error.is_shredded(),
            Self::Value { .. }
            | Self::Changed
            | Self::Nobody
            | Self::Suppressed
            | Self::Store(_)
            | Self::Vault(_)
            | Self::Form(_) => false,
        }
    }
}

impl Error {
    /// Whether the gateway simply has too much to do.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Store(store::Error::Busy))
    }
}

/// Whom a statement is of.
#[derive(Clone, Debug)]
pub enum Who {
    /// Everybody who is one customer; the first is the person.
    Customer(Vec<SubjectId>),
    /// Whoever states these.
    Stated(Vec<Identifier>),
}

/// Which state a change is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Any.
    Any,
    /// One of these versions.
    Versions(Vec<String>),
    /// Any in which something was stated.
    Something,
    /// That nothing was stated yet.
    Nothing,
}

/// A change, as it is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose.
    pub who: Who,
    /// Preferences and their new values; `null` takes one away.
    pub preferences: BTreeMap<String, Value>,
    /// Channels, by their kinds, and what is said about them; `null` takes it away.
    pub channels: BTreeMap<String, Value>,
    /// Whether what is not named is taken away.
    pub is_whole: bool,
    /// Whether what is taken away goes from the history, too, and from everybody who is that customer.
    pub forgets: bool,
    /// The state that it is based on.
    pub basis: Basis,
    /// The source's ID.
    pub source: String,
    /// Who recorded it, as the source calls them.
    pub actor: Option<String>,
}

/// A statement as it stands.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The value.
    pub value: Value,
    /// When it was stated.
    pub at: Millis,
    /// Through which source.
    pub source: String,
    names: Vec<NodeId>,
}

/// What stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Preferences by their IDs.
    pub preferences: BTreeMap<String, Statement>,
    /// What was said about channels; of several who are joined the strictest.
    pub channels: BTreeMap<ChannelKind, (Wish, Statement)>,
    /// Which state this is.
    pub version: String,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When.
    pub at: Millis,
    /// Through which source.
    pub source: String,
    /// Who recorded it, as the source calls them.
    pub actor: Option<String>,
    /// What it was about, and the new value; `null` if it was taken away. Channels are `channels.email` and so on.
    pub changes: BTreeMap<String, Value>,
}

/// What people stated.
pub struct Preferences {
    store: Store,
    vault: Arc<Vault>,
    directory: Arc<Directory>,
    consents: Arc<Consents>,
    chance: Chance,
}

/// The records of some people, and what was stored of each when it was read.
struct Read(Vec<(SubjectId, Option<Sealed>, Record)>);

/// Whose record is changed, under which key.
struct Target {
    subject: SubjectId,
    key: DataKey,
    /// The identifiers that the statement is made with.
    names: Vec<NodeId>,
    /// Everybody who counts as the same customer.
    subjects: Vec<SubjectId>,
    /// What becomes known with it.
    plan: Option<Plan>,
}

/// The key of a channel among all statements; no preference's ID has a dot.
fn channel_key(kind: ChannelKind) -> String {
    format!("channels.{}", kind.as_str())
}

fn channel_named(key: &str) -> Option<ChannelKind> {
    let word = key.strip_prefix("channels.")?;
    [ChannelKind::Email, ChannelKind::Sms, ChannelKind::Post, ChannelKind::Phone].into_iter().find(|kind| kind.as_str() == word)
}

impl Preferences {
    /// Opens the room.
    #[must_use]
    pub fn new(store: &Store, vault: &Arc<Vault>, directory: &Arc<Directory>, consents: &Arc<Consents>, chance: &Chance) -> Self {
        Self {
            store: store.clone(),
            vault: Arc::clone(vault),
            directory: Arc::clone(directory),
            consents: Arc::clone(consents),
            chance: chance.clone(),
        }
    }

    /// What stands for people who are one customer.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn standing(&self, subjects: &[SubjectId], policy: &Policy, at: Millis) -> Result<Standing, Error> {
        Ok(self.read(subjects)?.standing(&self.vault, policy, at))
    }

    /// The same of what was stated with one of these identifiers; the version is that of everything.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn standing_with(
        &self,
        (subjects, names): (&[SubjectId], &[NodeId]),
        policy: &Policy,
        at: Millis,
    ) -> Result<Standing, Error> {
        let mut read = self.read(subjects)?;
        let version = read.version(&self.vault);
        for (_, _, record) in &mut read.0 {
            record.said.retain(|_, said| said.names.iter().any(|name| names.contains(name)));
        }
        Ok(Standing { version, ..read.standing(&self.vault, policy, at) })
    }

    /// All changes that are remembered, oldest first.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn history(&self, subjects: &[SubjectId]) -> Result<Vec<Past>, Error> {
        let mut all = Vec::new();
        for subject in subjects {
            for (_, Noted { at, source, actor, changes }) in self.noted(*subject)? {
                all.push(Past { at, source, actor, changes });
            }
        }
        all.sort_by_key(|past| past.at);
        Ok(all)
    }

    /// Records what somebody states. Gives what stands then; it is durable.
    ///
    /// # Errors
    /// [`Error::Value`], [`Error::Changed`], [`Error::Nobody`], [`Error::Suppressed`]; then nothing was recorded.
    pub async fn change(&self, order: &Order, gathering: &Gathering<'_>) -> Result<Standing, Error> {
        let said = checked(order, gathering.policy)?;
        let mut tries = 0;
        loop {
            match self.try_change(order, &said, gathering).await {
                // Whoever was erased at this moment is a new person from here on, if they were named by what they state.
                Err(error) if error.is_passing() && tries < TRIES_MAX => tries += 1,
                done => return done,
            }
            tokio::task::yield_now().await;
        }
    }

    async fn try_change(
        &self,
        order: &Order,
        said: &BTreeMap<String, Value>,
        gathering: &Gathering<'_>,
    ) -> Result<Standing, Error> {
        let (policy, at) = (gathering.policy, gathering.at);
        let mut batch = Batch::default();
        let Target { subject, key, names, subjects, plan } = self.target(order, gathering, &mut batch)?;
        self.consents.check_open(subject, &mut batch)?;
        let mut read = self.read(&subjects)?;
        read.check(&mut batch);
        let before = read.standing(&self.vault, policy, at);
        order.basis.check(&before)?;
        let mut said = said.clone();
        if order.is_whole {
            let there = before.preferences.keys().cloned().chain(before.channels.keys().map(|kind| channel_key(*kind)));
            there.for_each(|about| _ = said.entry(about).or_insert(Value::Null));
        }
        let own = read.of(subject).ok_or(Error::Nobody)?;
        said.retain(|about, value| match own.said.get(about) {
            Some(now) => now.value != *value || now.names != names,
            // What was never stated need not be taken away.
            None => !value.is_null() || before.has(about),
        });
        if said.is_empty() {
            return Ok(before);
        }
        let number = own.number;
        own.number += 1;
        for (about, value) in &said {
            let (value, source, names) = (value.clone(), order.source.clone(), names.clone());
            own.said.insert(about.clone(), Said { value, at, source, names });
        }
        STATED.put(&mut batch, &Whose(subject), &sealed(&key, b"preferences", (subject, 0), own)?);
        if order.forgets {
            self.forget_past(subject, &said, &mut read, &mut batch)?;
        } else if matches!(order.who, Who::Customer(_)) {
            self.say_for_all(subject, &said, (&mut read, &order.source, at), &mut batch)?;
        }
        let noted = Noted { at, source: order.source.clone(), actor: order.actor.clone(), changes: said };
        HISTORY.put(&mut batch, &Entry { subject, number }, &sealed(&key, b"preferences past", (subject, number), &noted)?);
        if let Some(old) = number.checked_sub(HISTORY_MAX) {
            HISTORY.delete(&mut batch, &Entry { subject, number: old });
        }
        self.store.commit(batch).await?;
        if let Some(plan) = plan {
            self.directory.learn(&plan);
            plan.keys().iter().for_each(|(subject, key)| self.vault.learn(*subject, key));
        }
        Ok(read.standing(&self.vault, policy, at))
    }

    /// What a customer says about a channel holds for everybody who is that customer now: an earlier no of theirs does not stand against
    /// a later yes of their own.
    fn say_for_all(
        &self,
        but: SubjectId,
        said: &BTreeMap<String, Value>,
        (read, source, at): (&mut Read, &str, Millis),
        batch: &mut Batch,
    ) -> Result<(), Error> {
        for (subject, _, record) in read.0.iter_mut().filter(|(subject, ..)| *subject != but) {
            let again: Vec<_> =
                said.iter().filter(|(about, _)| record.said.contains_key(*about) && channel_named(about).is_some()).collect();
            if again.is_empty() {
                continue;
            }
            self.vault.check_unchanged(*subject, batch)?;
            for (about, value) in again {
                let names = record.said.get(about).map(|before| before.names.clone()).unwrap_or_default();
                record.said.insert(about.clone(), Said { value: value.clone(), at, source: source.to_owned(), names });
            }
            record.number += 1;
            STATED.put(batch, &Whose(*subject), &sealed(&self.vault.key(*subject)?, b"preferences", (*subject, 0), record)?);
        }
        Ok(())
    }

    /// Whose record is changed, under which key, and who counts as the same customer.
    fn target(&self, order: &Order, gathering: &Gathering<'_>, batch: &mut Batch) -> Result<Target, Error> {
        match &order.who {
            Who::Customer(subjects) => {
                let subject = *subjects.first().ok_or(Error::Nobody)?;
                self.vault.check_unchanged(subject, batch)?;
                let known = self.directory.find(subject).ok_or(Error::Nobody)?;
                let mut names = self.directory.names_of(known);
                names.truncate(NAMES_MAX);
                Ok(Target { subject, key: self.vault.key(subject)?, names, subjects: subjects.clone(), plan: None })
            }
            Who::Stated(identifiers) => {
                let heeds = gathering.policy.source(&order.source).is_some_and(|(_, source)| source.heeds_suppression);
                if heeds && self.directory.is_suppressed(identifiers, gathering.at) {
                    return Err(Error::Suppressed);
                }
                let context = Admission { vault: &self.vault, policy: gathering.policy, chance: &self.chance, at: gathering.at };
                let mut subjects = gathering.gather(identifiers);
                let plan = self.directory.admit(identifiers, &context, batch)?;
                let subject = plan.subject;
                if !subjects.contains(&subject) {
                    subjects.push(subject);
                }
                let key = match plan.data_key(subject) {
                    Some(fresh) => fresh,
                    None => {
                        self.vault.check_unchanged(subject, batch)?;
                        self.vault.key(subject)?
                    }
                };
                let mut names = plan.names().to_vec();
                names.truncate(NAMES_MAX);
                Ok(Target { subject, key, names, subjects, plan: Some(plan) })
            }
        }
    }

    /// Reads the records of some people. Of whoever was erased nothing can be read.
    fn read(&self, subjects: &[SubjectId]) -> Result<Read, Error> {
        let mut read = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let stored = STATED.get(&self.store, &Whose(*subject))?;
            let record = match &stored {
                Some(Sealed(bytes)) => self.open(*subject, bytes)?.unwrap_or_default(),
                None => Record::default(),
            };
            read.push((*subject, stored, record));
        }
        Ok(Read(read))
    }

    fn open(&self, subject: SubjectId, bytes: &[u8]) -> Result<Option<Record>, Error> {
        match self.vault.key(subject) {
            Ok(key) => Ok(Some(serde_json::from_slice(&key.open(&aad(b"preferences", subject, 0), bytes)?)?)),
            Err(vault::Error::Shredded) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn noted(&self, subject: SubjectId) -> Result<Vec<(u32, Noted)>, Error> {
        let key = match self.vault.key(subject) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let page = HISTORY.scan(&self.store, &subject.0, None, usize::try_from(HISTORY_MAX).unwrap_or(usize::MAX))?;
        let open = |(entry, Sealed(bytes)): &(Entry, Sealed)| {
            let plain = key.open(&aad(b"preferences past", subject, entry.number), bytes)?;
            Ok((entry.number, serde_json::from_slice(&plain)?))
        };
        page.iter().map(open).collect()
    }
}

impl Read {
    fn standing(&self, vault: &Vault, policy: &Policy, at: Millis) -> Standing {
        let (preferences, channels) = merge::all(self.0.iter().map(|(_, _, record)| record), policy, at);
        Standing { preferences, channels, version: self.version(vault) }
    }

    /// Names the state, and says nothing about it.
    fn version(&self, vault: &Vault) -> String {
        let mut changed: Vec<Vec<u8>> = self
            .0
            .iter()
            .filter(|(_, _, record)| record.number > 0)
            .map(|(subject, _, record)| [subject.0.as_slice(), &record.number.to_be_bytes()].concat())
            .collect();
        changed.sort();
        if changed.is_empty() { NOTHING.to_owned() } else { hex::encode(vault.mac("preferences", &changed.concat())) }
    }

    /// Makes the batch conflict if somebody changes what was read.
    fn check(&self, batch: &mut Batch) {
        for (subject, stored, _) in &self.0 {
            match stored {
                None => batch.check_absent(STATED.key(&Whose(*subject))),
                Some(stored) => batch.check_equals(STATED.key(&Whose(*subject)), STATED.value(stored)),
            }
        }
    }

    fn of(&mut self, subject: SubjectId) -> Option<&mut Record> {
        self.0.iter_mut().find(|(other, ..)| *other == subject).map(|(_, _, record)| record)
    }
}

impl Standing {
    /// Whether something is stated about this.
    fn has(&self, about: &str) -> bool {
        match channel_named(about) {
            Some(kind) => self.channels.contains_key(&kind),
            None => self.preferences.contains_key(about),
        }
    }
}

impl Basis {
    fn check(&self, now: &Standing) -> Result<(), Error> {
        let holds = match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&now.version),
            Self::Something => now.version != NOTHING,
            Self::Nothing => now.version == NOTHING,
        };
        if holds { Ok(()) } else { Err(Error::Changed) }
    }
}

/// Everything that a change says, in its one spelling.
fn checked(order: &Order, policy: &Policy) -> Result<BTreeMap<String, Value>, Error> {
    let mut said = BTreeMap::new();
    for (id, value) in &order.preferences {
        let wrong = |words: String| Error::Value { field: format!("preferences.{id}"), words };
        // The ID is not repeated: it may be anything.
        let unknown =
            || Error::Value { field: String::from("preferences"), words: String::from("the policy has no such preference") };
        let (_, preference) = policy.preference(id).ok_or_else(unknown)?;
        let value = if value.is_null() { Value::Null } else { value::check(&preference.kind, value).map_err(wrong)? };
        said.insert(id.clone(), value);
    }
    for (word, value) in &order.channels {
        let about = format!("channels.{word}");
        let channel = channel_named(&about).and_then(|kind| policy.channel(kind));
        let unknown = || Error::Value { field: String::from("channels"), words: String::from("the policy has no such channel") };
        let channel = channel.ok_or_else(unknown)?;
        let wrong = |words: String| Error::Value { field: about.clone(), words };
        let value =
            if value.is_null() { Value::Null } else { serde_json::to_value(value::wish(channel, value).map_err(wrong)?)? };
        said.insert(about, value);
    }
    Ok(said)
}

fn sealed(
    key: &DataKey,
    table: &[u8],
    (subject, number): (SubjectId, u32),
    what: &impl serde::Serialize,
) -> Result<Sealed, Error> {
    Ok(Sealed(key.seal(&aad(table, subject, number), &serde_json::to_vec(what)?)?))
}
