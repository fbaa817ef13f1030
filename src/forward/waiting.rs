//! Of whom something waits to be sent.

use std::collections::HashSet;

use super::record::{DEAD, PARKED, entry};
use crate::id::SubjectId;
use crate::outbox;
use crate::store::{self, Store};

/// How many records are read at a time.
const PAGE: usize = 256;
/// How many chunks of the outbox are read at a time.
const CHUNKS: usize = 16;

/// Everybody of whom something waits: in the outbox, for another try, or as a dead letter. Reads all of it, so not on a thread that must
/// not block; it takes 16 bytes of memory per subject.
///
/// # Errors
/// When the store cannot be read.
pub fn subjects(store: &Store) -> Result<HashSet<SubjectId>, store::Error> {
    let mut found = HashSet::new();
    let mut next = 0;
    loop {
        let chunks = store.chunks(outbox::STREAM, next, CHUNKS)?;
        let Some(last) = chunks.last() else { break };
        next = last.id + 1;
        for chunk in &chunks {
            found.extend(chunk.entries.iter().filter_map(|bytes| Some(outbox::Entry::decode(bytes).ok()?.subject)));
        }
    }
    let mut after = None;
    loop {
        let page = PARKED.scan(store, &[], after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { break };
        found.extend(page.iter().filter_map(|(_, parked)| Some(entry(&parked.entry)?.subject)));
        after = Some(*last);
    }
    let mut after = None;
    loop {
        let page = DEAD.scan(store, &[], after.as_ref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        found.extend(page.iter().filter_map(|(_, dead)| Some(entry(&dead.entry)?.subject)));
        after = Some(*last);
    }
}
