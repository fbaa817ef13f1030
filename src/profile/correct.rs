//! What was corrected of somebody (GDPR Art. 16): values that stand in place of what older events said.
//!
//! Events stay as they came: they say what was sent at the time. A corrected trait takes the place of what was said before the
//! correction, where a purpose may see that trait at all; what the person or a source says later counts again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Error, Profiles};
use crate::clock::Millis;
use crate::id::SubjectId;
use crate::store::{self, Batch, Key, Table};
use crate::vault::{self, Sealed};

/// What was corrected, under the subject's data key.
const CORRECTIONS: Table<Whose, Sealed> = Table::new(b'c', "corrections");

#[derive(Clone, Copy, Debug)]
struct Whose(SubjectId);

impl Key for Whose {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(SubjectId(bytes.try_into().ok()?)))
    }
}

/// A right value, and since when it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Corrected {
    /// Since when.
    pub at: Millis,
    /// The value: text, a number, true or false.
    pub value: Box<RawValue>,
}

/// What was corrected of somebody, by what it is called. Of each only the latest is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Corrections {
    /// Traits.
    #[serde(default)]
    pub traits: BTreeMap<String, Corrected>,
    /// Identifiers in the form of this destination: type and old form to the new one.
    #[serde(default)]
    pub(super) forms: Vec<(String, String, Option<String>)>,
}

impl Corrections {
    /// The right value for a trait that an event of this time states, if it is another one. What the gate had cut stays cut.
    pub(super) fn of_trait(&self, name: &str, stated: &RawValue, received_at: Millis) -> Option<&RawValue> {
        let was_cut = stated.get().starts_with("\"[") && stated.get().ends_with("]\"");
        self.traits.get(name).filter(|corrected| received_at < corrected.at && !was_cut).map(|corrected| &*corrected.value)
    }

    /// Whether an identifier in this form was found wrong, and what stands in its place.
    pub(super) fn of_form(&self, kind: &str, form: &str) -> Option<Option<&str>> {
        self.forms.iter().rev().find(|(k, old, _)| k == kind && old == form).map(|(_, _, new)| new.as_deref())
    }
}

/// What is corrected now.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Traits and their right values.
    pub traits: BTreeMap<String, Box<RawValue>>,
    /// Identifiers in the form of this destination: type, old form, new form.
    pub forms: Vec<(String, String, Option<String>)>,
}

impl Profiles {
    /// Puts corrections of a subject into the batch. Nothing happens if the subject was erased.
    ///
    /// # Errors
    /// When store or vault fail.
    pub fn correct(&self, subject: SubjectId, change: &Change, at: Millis, batch: &mut Batch) -> Result<(), Error> {
        let key = match self.vault.key(subject) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut all = self.corrections(subject)?;
        for (name, value) in &change.traits {
            all.traits.insert(name.clone(), Corrected { at, value: value.clone() });
        }
        for (kind, old, new) in &change.forms {
            // What was put right before is wrong now, too.
            let before = all.forms.iter_mut().filter(|(k, _, right)| k == kind && right.as_ref() == Some(old));
            before.for_each(|(_, _, right)| right.clone_from(new));
            all.forms.push((kind.clone(), old.clone(), new.clone()));
        }
        self.vault.check_unchanged(subject, batch)?;
        let sealed = key.seal(&aad(subject), &serde_json::to_vec(&all).map_err(|_unwritable| strange())?)?;
        CORRECTIONS.put(batch, &Whose(subject), &Sealed(sealed));
        Ok(())
    }

    /// What was corrected of a subject.
    ///
    /// # Errors
    /// When store or vault fail.
    pub fn corrections(&self, subject: SubjectId) -> Result<Corrections, Error> {
        let Some(Sealed(sealed)) = CORRECTIONS.get(&self.store, &Whose(subject))? else { return Ok(Corrections::default()) };
        let key = match self.vault.key(subject) {
            Ok(key) => key,
            Err(vault::Error::Shredded) => return Ok(Corrections::default()),
            Err(error) => return Err(error.into()),
        };
        Ok(serde_json::from_slice(&key.open(&aad(subject), &sealed)?).map_err(|_unreadable| strange())?)
    }

    /// Puts into the batch that the corrections of a subject go, if there are any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forget_corrections(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), store::Error> {
        if CORRECTIONS.get(&self.store, &Whose(subject))?.is_some() {
            CORRECTIONS.delete(batch, &Whose(subject));
        }
        Ok(())
    }
}

fn strange() -> store::Error {
    store::Error::Damaged { what: String::from("corrections of a profile are of no known form") }
}

fn aad(subject: SubjectId) -> Vec<u8> {
    [b"corrections".as_slice(), &subject.0].concat()
}
