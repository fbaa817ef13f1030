//! Keys that are changed while they are used: the present one, and for a while the one before it.
//!
//! The store says by a sealed record which keys it belongs to; the folder holds them as `NAME.key`, `NAME.before.key` and, before the
//! store has heard of it, `NAME.next.key`. A change writes the next key, lets the store say so, and then gives the files their names;
//! its end lets the store say so, notes the old key among those that are no more, and overwrites it. What a crash cuts off is completed
//! at open, by fingerprints. Data from a copy follow the folder: it is ahead of them.

#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use super::keys::{Folder, Secret};
use super::{DataKey, Error};
use crate::clock::{Chance, Millis};
use crate::store::{self, Batch, Store};

/// Fingerprints of keys that are no more, one a line behind the name of the key. They lead to nothing: a key is random.
const RETIRED: &str = "retired.list";
/// The first byte of what a record holds; a new layout gets a new one.
const VERSION: u8 = 1;

type Print = [u8; 32];

/// Where such keys are kept.
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    pub(super) folder: &'a Folder,
    pub(super) check: &'a DataKey,
    pub(super) chance: &'a Chance,
}

/// What the store says about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    /// Counts the changes.
    turn: u32,
    /// When the last one began.
    since: Millis,
    now: Print,
    before: Option<Print>,
}

/// One key, and what the store says about it.
#[derive(Clone)]
pub(super) struct Turn {
    record: Vec<u8>,
    name: String,
    bound: Bound,
    stored: Vec<u8>,
}

/// A key as it was found.
pub(super) struct Found {
    pub(super) turn: Turn,
    pub(super) now: Secret,
    /// The key before, if it is still there.
    pub(super) before: Option<Secret>,
    /// The store counts on a key that is no more.
    pub(super) lost: bool,
}

impl Turn {
    /// How often the key was changed, from 1.
    pub(super) const fn number(&self) -> u32 {
        self.bound.turn
    }

    /// When the present key came.
    pub(super) const fn since(&self) -> Millis {
        self.bound.since
    }

    /// Whether the store still counts on the key before.
    pub(super) const fn overlaps(&self) -> bool {
        self.bound.before.is_some()
    }

    /// The batch happens only as long as these keys are the ones that the store belongs to.
    pub(super) fn check(&self, batch: &mut Batch) {
        batch.check_equals(self.record.clone(), self.stored.clone());
    }
}

/// The names of a key's files.
struct Files {
    now: String,
    next: String,
    before: String,
}

impl Files {
    fn of(name: &str) -> Self {
        Self { now: format!("{name}.key"), next: format!("{name}.next.key"), before: format!("{name}.before.key") }
    }
}

impl Desk<'_> {
    /// Finds a key, or makes it if the store never had one; completes what a crash cut off.
    pub(super) fn open(&self, record: &[u8], name: &str, at: Millis) -> Result<Found, Error> {
        let files = Files::of(name);
        let Some((bound, stored)) = self.bound(record)? else {
            let now = match self.folder.read(&files.now)? {
                Some(there) => there,
                None => self.folder.create(&files.now, self.chance)?,
            };
            let bound = Bound { turn: 1, since: at, now: print(&now)?, before: None };
            let turn = self.say(Turn { record: record.to_vec(), name: name.to_owned(), bound, stored: Vec::new() })?;
            return Ok(Found { turn, now, before: None, lost: false });
        };
        let turn = Turn { record: record.to_vec(), name: name.to_owned(), bound, stored };
        self.name_files(&turn)?;
        let Some(now) = self.folder.read(&files.now)? else {
            return Err(Error::KeyMissing { path: self.folder.path(&files.now) });
        };
        let kept = self.folder.read_if_whole(&files.before)?;
        if print(&now)? != turn.bound.now {
            return self.follow(turn, now, kept);
        }
        let before = match (turn.bound.before, kept) {
            (Some(wanted), Some(secret)) if print(&secret)? == wanted => Some(secret),
            _ => None,
        };
        if !turn.overlaps() {
            // What is left of an end that was cut off; half destroyed it is no key any more.
            self.destroy(&turn)?;
        }
        let lost = turn.overlaps() && before.is_none();
        Ok(Found { turn, now, before, lost })
    }

    /// Gives the files their names, as far as the store has heard of the next key. Doing it again changes nothing.
    pub(super) fn name_files(&self, turn: &Turn) -> Result<(), Error> {
        let files = Files::of(&turn.name);
        let Some(next) = self.folder.read(&files.next)? else { return Ok(()) };
        let now = self.folder.read(&files.now)?;
        let heard = print(&next)? == turn.bound.now;
        // Between the two renames there is none of the name; data from a copy may not have heard of the next key.
        if heard || (now.is_none() && self.folder.path(&files.before).exists()) {
            if now.is_some() {
                self.folder.rename(&files.now, &files.before)?;
            }
            self.folder.rename(&files.next, &files.now)?;
        }
        Ok(())
    }

    /// The folder has another key than the store says. If it is a later one, the store comes from a copy, and follows.
    fn follow(&self, turn: Turn, now: Secret, kept: Option<Secret>) -> Result<Found, Error> {
        let kept = match kept {
            Some(secret) if print(&secret)? == turn.bound.now => Some(secret),
            Some(_) | None => None,
        };
        if kept.is_none() && !self.is_retired(&turn.name, &turn.bound.now)? {
            return Err(Error::OtherKeys { path: self.folder.path(&Files::of(&turn.name).now) });
        }
        // Of two that the store counted on, one at most is here.
        let lost = kept.is_none() || turn.overlaps();
        let Bound { turn: number, since, now: was, .. } = turn.bound;
        let bound = Bound { turn: number + 1, since, now: print(&now)?, before: Some(was) };
        let turn = self.say(Turn { bound, ..turn })?;
        Ok(Found { turn, now, before: kept, lost })
    }

    /// Makes a next key, and lets the store know that it takes the place of the present one, which stays as the one before. Then the
    /// files are to be named.
    pub(super) fn begin(&self, turn: &Turn, at: Millis) -> Result<(Turn, Secret), Error> {
        let next = self.prepare(turn)?;
        let bound = Bound { turn: turn.bound.turn + 1, since: at, now: print(&next)?, before: Some(turn.bound.now) };
        Ok((self.say(Turn { bound, ..turn.clone() })?, next))
    }

    fn prepare(&self, turn: &Turn) -> Result<Secret, Error> {
        let Files { next, .. } = Files::of(&turn.name);
        self.destroy(turn)?;
        match self.folder.read(&next)? {
            Some(begun) => Ok(begun),
            None => self.folder.create(&next, self.chance),
        }
    }

    /// Lets the store know that it does not count on the key before any more. Then that is to be destroyed.
    pub(super) fn unbind(&self, turn: &Turn) -> Result<Turn, Error> {
        self.say(Turn { bound: Bound { before: None, ..turn.bound.clone() }, ..turn.clone() })
    }

    /// Notes that the key before is no more, and overwrites it.
    pub(super) fn destroy(&self, turn: &Turn) -> Result<(), Error> {
        let file = Files::of(&turn.name).before;
        if let Some(secret) = self.folder.read_if_whole(&file)? {
            self.retire(&turn.name, &print(&secret)?)?;
        }
        self.folder.destroy(&file)
    }

    fn retire(&self, name: &str, print: &Print) -> Result<(), Error> {
        if self.is_retired(name, print)? {
            return Ok(());
        }
        let mut list = self.folder.read_text(RETIRED)?.unwrap_or_default();
        list.push_str(&retired(name, print));
        list.push('\n');
        self.folder.write_text(RETIRED, &list)
    }

    fn is_retired(&self, name: &str, print: &Print) -> Result<bool, Error> {
        let list = self.folder.read_text(RETIRED)?.unwrap_or_default();
        Ok(list.lines().any(|line| line == retired(name, print)))
    }

    /// Lets the store say what it belongs to, if nobody has said anything else meanwhile.
    fn say(&self, turn: Turn) -> Result<Turn, Error> {
        let Turn { record, name, bound, stored } = turn;
        let sealed = self.check.seal(&record, &bound.encode())?;
        let mut batch = Batch::default();
        if stored.is_empty() {
            batch.check_absent(record.clone());
        } else {
            batch.check_equals(record.clone(), stored);
        }
        batch.put(record.clone(), sealed.clone());
        // On a thread of its own: a domain can be asked for first by a request, and a runtime's thread must not block in
        // the store's own wait.
        std::thread::scope(|scope| scope.spawn(|| self.store.commit_blocking(batch)).join())
            .unwrap_or(Err(store::Error::Conflict))?;
        Ok(Turn { record, name, bound, stored: sealed })
    }

    fn bound(&self, record: &[u8]) -> Result<Option<(Bound, Vec<u8>)>, Error> {
        let Some(stored) = self.store.get(record)? else { return Ok(None) };
        let plain = Zeroizing::new(self.check.open(record, &stored)?);
        Ok(Some((Bound::decode(&plain).ok_or(Error::Unreadable)?, stored)))
    }
}

impl Bound {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.turn.to_be_bytes());
        out.extend_from_slice(&self.since.to_be_bytes());
        out.extend_from_slice(&self.now);
        self.before.iter().for_each(|print| out.extend_from_slice(print));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (turn, rest) = rest.split_first_chunk().filter(|_| version == VERSION)?;
        let (since, rest) = rest.split_first_chunk()?;
        let (now, rest) = rest.split_first_chunk()?;
        let before = if rest.is_empty() { None } else { Some(rest.try_into().ok()?) };
        Some(Self { turn: u32::from_be_bytes(*turn), since: Millis::from_be_bytes(*since), now: *now, before })
    }
}

/// By this a key is known again, and nothing else can be learnt from it.
fn print(secret: &Secret) -> Result<Print, Error> {
    Ok(*secret.derive("pforte/v1/fingerprint")?.bytes())
}

fn retired(name: &str, print: &Print) -> String {
    format!("{name} {}", hex::encode(print))
}
