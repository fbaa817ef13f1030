//! Where wrapped data keys lie. Nothing else in the vault reads or writes them, so that they can move to a place from
//! which they can be erased for good.

use super::Error;
use crate::id::SubjectId;
use crate::store::{Batch, Store};

/// Tag of the table: `K ‖ subject` → the data key, sealed under the master key.
const TAG: u8 = b'K';

/// Puts a new wrapped key into the batch. A subject has one key, ever: the batch conflicts if there is one.
pub(super) fn put(batch: &mut Batch, subject: SubjectId, sealed: Vec<u8>) {
    batch.check_absent(key(subject));
    batch.put(key(subject), sealed);
}

/// The wrapped key of the subject.
pub(super) fn find(store: &Store, subject: SubjectId) -> Result<Option<Vec<u8>>, Error> {
    Ok(store.get(&key(subject))?)
}

/// Whether there is any wrapped key at all, that is, anything sealed.
pub(super) fn any(store: &Store) -> Result<bool, Error> {
    Ok(!store.scan(&[TAG], None, 1)?.is_empty())
}

fn key(subject: SubjectId) -> Vec<u8> {
    let mut out = Vec::with_capacity(17);
    out.push(TAG);
    out.extend_from_slice(&subject.0);
    out
}
