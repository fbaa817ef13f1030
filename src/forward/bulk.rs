//! Hands a whole window over at once: to the embedded profile store, or to files. All of it is confirmed by one commit.

use super::destinations::file::Files;
use super::destinations::{Sink, profile};
use super::judge::{self, Judged, Ready, Target};
use super::lanes::{self, Fate, Ran};
use super::window::Item;
use super::{Core, Fault};
use crate::consent::Reliance;
use crate::profile::Staged;
use crate::store::Batch;

/// What was handed over and is not confirmed.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) ran: Ran,
    /// To be committed together with the cursor.
    pub(super) batch: Batch,
    /// What the profile store must learn after the commit.
    pub(super) staged: Option<Staged>,
    /// What the destination must remember in the commit.
    pub(super) memo: Option<Vec<u8>>,
    /// To be let go after the commit: until then it is on its way.
    pub(super) relying: Vec<Reliance>,
}

/// Hands items over, given with their numbers in the order of the outbox.
pub(super) async fn send(
    core: &Core,
    target: Target<'_>,
    sink: &mut Sink,
    items: &[(usize, &Item)],
    stopping: &dyn Fn() -> bool,
) -> Result<Sent, Fault> {
    match sink {
        Sink::Webhook(webhook) => {
            let ran = lanes::run(core, target, webhook, items, stopping).await;
            Ok(Sent { ran, ..Sent::default() })
        }
        Sink::Profile => to_profile(core, target, items),
        Sink::Files(files) => to_files(core, target, files, items),
    }
}

/// Decides about all items. What may leave comes with its place in `fates`, where it counts as delivered.
fn judge_all(
    core: &Core,
    target: Target<'_>,
    items: &[(usize, &Item)],
    ran: &mut Ran,
) -> Result<(Vec<usize>, Vec<Ready>), Fault> {
    let at = core.clock.now();
    let (mut places, mut ready) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for (number, item) in items {
        let fate = match judge::judge(core, target, &item.entry, at)? {
            Judged::Send(one) => {
                places.push(ran.fates.len());
                ready.push(*one);
                Fate::Delivered
            }
            Judged::Withheld(reason) => Fate::Withheld(reason),
            Judged::Gone => Fate::Gone,
            Judged::Broken(reason) => Fate::Dead(reason),
        };
        ran.fates.push((*number, fate));
    }
    ran.alive = true;
    Ok((places, ready))
}

fn to_profile(core: &Core, target: Target<'_>, items: &[(usize, &Item)]) -> Result<Sent, Fault> {
    let mut sent = Sent::default();
    let (places, ready) = judge_all(core, target, items, &mut sent.ran)?;
    let (staged, too_large) = profile::stage(&core.profiles, &ready, &mut sent.batch)?;
    for large in too_large {
        if let Some((_, fate)) = places.get(large).and_then(|place| sent.ran.fates.get_mut(*place)) {
            *fate = Fate::Dead("too_large");
        }
    }
    sent.staged = Some(staged);
    sent.relying = ready.into_iter().map(|one| one.reliance).collect();
    Ok(sent)
}

fn to_files(core: &Core, target: Target<'_>, files: &mut Files, items: &[(usize, &Item)]) -> Result<Sent, Fault> {
    let mut sent = Sent::default();
    let (_, ready) = judge_all(core, target, items, &mut sent.ran)?;
    if !ready.is_empty() {
        let lines: Vec<(String, &[u8])> = ready.iter().map(|r| (files.name(r.received_at), r.body.as_slice())).collect();
        sent.memo = Some(files.write(&lines)?);
    }
    sent.relying = ready.into_iter().map(|one| one.reliance).collect();
    Ok(sent)
}
