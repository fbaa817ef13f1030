//! The embedded profile store: events go into the commit that moves the cursor, so they are there exactly once.

use crate::forward::Fault;
use crate::forward::judge::Ready;
use crate::profile::{Arrival, Profiles, Staged};
use crate::store::Batch;

/// Puts events into the batch; says which are too large, by their place in `ready`.
pub(in crate::forward) fn stage(profiles: &Profiles, ready: &[Ready], batch: &mut Batch) -> Result<(Staged, Vec<usize>), Fault> {
    let arrivals: Vec<Arrival<'_>> = ready
        .iter()
        .map(|r| Arrival {
            subject: r.subject,
            received_at: r.received_at,
            source: &r.source,
            purposes: &r.purposes,
            names: &r.names,
            event: &r.body,
            kept: r.kept.as_ref(),
        })
        .collect();
    Ok(profiles.stage(&arrivals, batch)?)
}
