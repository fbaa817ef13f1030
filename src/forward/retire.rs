//! What happens to a destination that is switched off.

use std::sync::Arc;

use parking_lot::Mutex;

use super::record::{CURSORS, Name};
use super::{Core, Error, Running, dead};
use crate::store::Batch;

/// A destination that is off has no cursor and holds nothing back.
pub(super) fn retire(core: &Core, id: &str) {
    let at = core.clock.now();
    let outcome = dead::bury(core, id, at).and_then(|()| {
        let mut batch = Batch::default();
        CURSORS.delete(&mut batch, &Name(id.to_owned()));
        core.store.commit_blocking(batch).map(drop)
    });
    if let Err(error) = outcome {
        tracing::warn!(destination = id, %error, "a destination that is off still has a cursor");
    }
}

/// Retires destinations that were switched off while nobody worked for them. In a thread of its own, because it waits for the
/// store.
pub(super) fn others(core: &Arc<Core>, running: &Arc<Mutex<Vec<Running>>>) -> Result<(), Error> {
    let known: Vec<String> = CURSORS.scan(&core.store, &[], None, 1024)?.into_iter().map(|(Name(id), _)| id).collect();
    let off = |id: &String| !core.policy.current().destination(id).is_some_and(|(_, d)| d.is_on());
    let ids: Vec<String> = known.into_iter().filter(off).filter(|id| !running.lock().iter().any(|r| r.id == *id)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let (core, running) = (Arc::clone(core), Arc::clone(running));
    std::thread::Builder::new().name(String::from("retire")).spawn(move || {
        for id in ids {
            let running = running.lock();
            let on = core.policy.current().destination(&id).is_some_and(|(_, d)| d.is_on());
            if !on && !running.iter().any(|r| r.id == id) {
                retire(&core, &id);
            }
        }
    })?;
    Ok(())
}
