//! Links between identifiers are taken back (P8): by the company for a person (scope `rights`), or by the person themself.
//!
//! It is durable and in the audit before it is answered. Then no event links the two again, nothing on its way carries a name that joined
//! them, and what either refused no longer binds the other. What recipients had seen under the joined name they have seen.

use super::{Entry, Error, Rights};
use crate::id::SubjectId;
use crate::identity::{self, Identifier, Linked, Pair, Tie};
use crate::store::{self, Batch};

/// How often it is tried again when somebody else changed the same at the same moment.
const TRIES_MAX: u32 = 16;

/// What is done with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It is kept apart, and a link between the two goes.
    Apart,
    /// It is not kept apart any more; the next event that states both links them again.
    Again,
}

impl Rights {
    /// The pair that two identifiers are, given as types and values.
    ///
    /// # Errors
    /// [`Error::Identifier`], [`Error::NotFound`] if one is not known, [`Error::OnePerson`].
    pub fn pair(&self, one: (&str, &str), other: (&str, &str)) -> Result<Pair, Error> {
        let policy = self.deps.policy.current();
        let parse = |(kind, value): (&str, &str)| -> Result<Identifier, Error> {
            let read = identity::parse(&policy, &self.deps.vault, kind, value);
            read.map_err(|refusal| Error::Identifier { kind: kind.to_owned(), refusal })
        };
        match self.deps.directory.tie(&parse(one)?, &parse(other)?, &policy) {
            Tie::Unknown => Err(Error::NotFound),
            Tie::OnePerson => Err(Error::OnePerson),
            Tie::Pair(pair) => Ok(pair),
        }
    }

    /// What of others is linked to a person; for the person to look at, and to take back.
    #[must_use]
    pub fn linked(&self, person: SubjectId) -> Vec<Linked> {
        self.deps.directory.linked(person, &self.deps.policy.current())
    }

    /// Keeps a pair apart, or no more. Says whether that changed anything that was known: whether there was a link, or the pair was kept
    /// apart. When it returns it is durable, in the audit and in force.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of them is not known (any more); what store and vault say.
    pub async fn part(&self, pair: Pair, parting: Parting, who: &str, why: &str) -> Result<bool, Error> {
        let (directory, at) = (&self.deps.directory, self.deps.clock.now());
        let what = if parting == Parting::Apart { "unlinked" } else { "relinked" };
        let entry = Entry::new(at, who, what, Some(why));
        let mut tries = 0;
        let parted = loop {
            let mut batch = Batch::default();
            let parted = match parting {
                Parting::Apart => directory.part(pair, &mut batch).ok_or(Error::NotFound)?,
                Parting::Again => match directory.rejoin(pair, &mut batch) {
                    Some(parted) => parted,
                    None => return Ok(false),
                },
            };
            match self.commit_noted(batch, &entry).await {
                Ok(()) => break parted,
                Err(Error::Store(store::Error::Conflict)) if tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error),
            }
        };
        let owner = directory.node(pair.name).map(|node| directory.subject(directory.owner_of(node)));
        directory.parted(&parted);
        let people: Vec<SubjectId> = owner.into_iter().chain([pair.subject]).collect();
        self.deps.consents.fence_linking(&people, &self.deps.policy.current()).await;
        Ok(parting == Parting::Again || parted.was_linked())
    }
}
