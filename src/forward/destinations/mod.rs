//! The kinds of destinations, one file each. A kind knows how to hand over, and nothing of cursors, retries or consent.

pub(super) mod file;
pub(super) mod profile;
pub(super) mod webhook;

use std::time::Duration;

use super::{Core, Fault};
use crate::policy::{Destination, DestinationKind};
use file::Files;
use webhook::Webhook;

/// How an event is handed over.
pub(super) enum Sink {
    /// The embedded profile store: all of a window in the commit that moves the cursor.
    Profile,
    /// Files: all of a window, synced before the cursor moves.
    Files(Files),
    /// HTTP: one event at a time.
    Webhook(Webhook),
}

impl Sink {
    /// Opens what the policy says. `memo` is what the kind remembered with the last commit.
    pub(super) fn open(core: &Core, destination: &Destination, memo: &[u8]) -> Result<Self, Fault> {
        match &destination.kind {
            DestinationKind::Profile => Ok(Self::Profile),
            DestinationKind::File { path } => Ok(Self::Files(Files::open(&core.out.join(path), &destination.id, memo)?)),
            DestinationKind::Webhook { url, allow_private, timeout_ms, .. } => {
                let url = url.as_deref().unwrap_or_default();
                let outlet = core.egress.outlet(url, *allow_private, Duration::from_millis(*timeout_ms))?;
                Ok(Self::Webhook(Webhook::new(outlet, &core.vault, destination)))
            }
        }
    }
}
