//! What people ask for who are signed in.

use super::{Error, Person, Portal};
use crate::clock::Millis;
use crate::rights::deadline::Course;
use crate::rights::{Ask, Kind, Request, RequestId, Wrong};
use crate::texts::Words;

/// Through what a request came, in the notes about it.
const SOURCE: &str = "portal";

/// What somebody fills in.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is asked for.
    pub kind: Kind,
    /// What an objection is about; `None`: everything that can be stopped.
    pub purposes: Option<Vec<String>>,
    /// What is to be put right.
    pub wrong: Wrong,
    /// What they say about it.
    pub note: Option<String>,
}

impl Portal {
    /// Files a request in the name of what was proven.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn ask(&self, person: &Person, wish: Wish, words: Words) -> Result<RequestId, Error> {
        let Wish { kind, purposes, wrong, note } = wish;
        let (identifiers, language) = (person.proven.clone(), Some(words.0.code().to_owned()));
        let ask = Ask { kind, identifiers, purposes, wrong, language, note, source: SOURCE.to_owned() };
        Ok(self.rights.hear_signed_in(ask).await?)
    }

    /// Their requests that are open, or of which something can be fetched.
    ///
    /// # Errors
    /// What store and vault say.
    pub fn requests(&self, person: &Person) -> Result<Vec<(RequestId, Request)>, Error> {
        Ok(self.rights.of_person(person.as_proven())?)
    }

    /// The last day for the answer to something that is asked for now.
    #[must_use]
    pub fn due_if_asked(&self, at: Millis) -> Option<jiff::civil::Date> {
        self.rights.calendar().due(&Course { received_at: at, pauses: Vec::new(), extended: false })
    }
}
