//! Memory for chunks that is used again. What is freed and asked for anew comes from the kernel page by page, each of them cleared
//! first, and a chunk lives just long enough for the allocator to give its memory back.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::engine::Bytes;

/// Smaller buffers are the allocator's business. Larger ones are a multiple of it.
const PAGE: usize = 4096;

/// Buffers that nobody uses, by what fits into them. Invariant: no shelf is empty.
#[derive(Default)]
pub(super) struct Spare(Mutex<BTreeMap<usize, Vec<Vec<u8>>>>);

impl Spare {
    /// An empty buffer into which so many bytes fit, and no more than twice as many.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        if bytes < PAGE {
            return Vec::with_capacity(bytes);
        }
        let mut shelves = self.0.lock();
        let found =
            shelves.range_mut(bytes..=2 * bytes).next().and_then(|(room, shelf)| Some((*room, shelf.pop()?, shelf.is_empty())));
        let Some((room, buffer, was_last)) = found else { return Vec::with_capacity(bytes.next_multiple_of(PAGE)) };
        if was_last {
            shelves.remove(&room);
        }
        buffer
    }

    /// Takes back the memory of a chunk, unless somebody still reads it: then it is freed when they are done.
    pub(super) fn give(&self, bytes: Bytes) {
        let Some(mut buffer) = Arc::into_inner(bytes).filter(|buffer| buffer.capacity() >= PAGE) else { return };
        buffer.clear();
        self.0.lock().entry(buffer.capacity()).or_default().push(buffer);
    }

    /// Frees what lay here unused since the last time, and takes these back: there is never more than what was in use at once.
    pub(super) fn renew(&self, chunks: impl Iterator<Item = Bytes>) {
        // Freed after the lock.
        let unused = std::mem::take(&mut *self.0.lock());
        chunks.for_each(|bytes| self.give(bytes));
        drop(unused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_nobody_reads_is_used_again_for_what_it_is_not_much_too_large_for() {
        let spare = Spare::default();
        let mut buffer = spare.take(9000);
        assert!(buffer.is_empty() && buffer.capacity() >= 9000);
        let room = buffer.capacity();
        buffer.extend_from_slice(&[7; 9000]);
        let place = buffer.as_ptr();
        spare.give(Arc::new(buffer));
        let (larger, smaller) = (spare.take(room + 1), spare.take(room / 2 - 1));
        assert_ne!(larger.as_ptr(), place, "it would not fit");
        assert_ne!(smaller.as_ptr(), place, "memory would be wasted");
        let (again, other) = (spare.take(room / 2), spare.take(room / 2));
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, room));
        assert_ne!(other.as_ptr(), place, "it is lent once");
    }

    #[test]
    fn what_is_read_meanwhile_and_what_nobody_needed_is_not_kept() {
        let spare = Spare::default();
        let read = Arc::new(vec![7; 2 * PAGE]);
        spare.give(Arc::clone(&read));
        assert!(spare.0.lock().is_empty() && read.iter().all(|byte| *byte == 7));
        spare.give(read);
        spare.renew(std::iter::once(Arc::new(vec![7; 3 * PAGE])));
        assert_eq!(spare.0.lock().keys().copied().collect::<Vec<_>>(), [3 * PAGE]);
        spare.give(Arc::new(vec![7; 10]));
        assert_eq!(spare.0.lock().len(), 1, "small ones are not kept");
    }
}
