//! Sends events one by one: those of one subject in their order, those of different subjects side by side.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use futures_util::StreamExt as _;

use super::destinations::webhook::{Answered, Webhook};
use super::judge::{self, Judged, Ready, Target};
use super::recipients;
use super::window::Item;
use super::{CONCURRENCY_MAX, Core, Fault};
use crate::clock::Millis;
use crate::id::SubjectId;

/// So many failures in a row, without any success between them, and nothing more is sent in this run.
const FAILURES_MAX: u32 = 16;

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Withheld(&'static str),
    Gone,
    /// Given up, for this reason.
    Dead(&'static str),
    /// Cut off because a withdrawal would not wait any longer. It may have been received, and is not tried again.
    Cut,
    /// To be tried again.
    Failed(&'static str),
    /// To be tried again, not before then.
    Wait(Millis),
}

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Ran {
    /// What became of each item that was tried, by its number.
    pub(super) fates: Vec<(usize, Fate)>,
    /// Whether the destination took or refused anything, so that it is alive.
    pub(super) alive: bool,
    /// Whether the run was cut short because too much failed in a row.
    pub(super) tripped: bool,
    /// Until when the destination wants to be left alone.
    pub(super) wait: Option<Millis>,
    /// Something of our own failed, and the run ended there.
    pub(super) fault: Option<Fault>,
}

/// What all lanes of a run see.
struct Run<'a> {
    core: &'a Core,
    target: Target<'a>,
    webhook: &'a Webhook,
    stopping: &'a dyn Fn() -> bool,
    failures: Cell<u32>,
    fault: RefCell<Option<Fault>>,
    ran: RefCell<Ran>,
}

/// Sends items, given with their numbers in the order of the outbox.
pub(super) async fn run(
    core: &Core,
    target: Target<'_>,
    webhook: &Webhook,
    items: &[(usize, &Item)],
    stopping: &dyn Fn() -> bool,
) -> Ran {
    let run = Run { core, target, webhook, stopping, failures: Cell::new(0), fault: RefCell::new(None), ran: RefCell::default() };
    futures_util::stream::iter(lanes(items)).for_each_concurrent(CONCURRENCY_MAX, |lane| run.lane(lane)).await;
    let mut ran = run.ran.into_inner();
    ran.fault = run.fault.into_inner();
    ran
}

/// One lane per subject. Those that have failed before come last, so that a destination that takes others shows it.
fn lanes<'a>(items: &[(usize, &'a Item)]) -> Vec<Vec<(usize, &'a Item)>> {
    let mut places: HashMap<SubjectId, usize> = HashMap::new();
    let mut lanes: Vec<Vec<(usize, &Item)>> = Vec::new();
    for (number, item) in items {
        let place = *places.entry(item.subject).or_insert_with(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        if let Some(lane) = lanes.get_mut(place) {
            lane.push((*number, *item));
        }
    }
    lanes.sort_by_key(|lane| lane.first().map_or(0, |(_, item)| item.attempts + item.waits));
    lanes
}

impl Run<'_> {
    async fn lane(&self, lane: Vec<(usize, &Item)>) {
        for (number, item) in lane {
            if self.is_over() {
                return;
            }
            let fate = match self.one(item).await {
                Ok(fate) => fate,
                Err(fault) => {
                    self.fault.borrow_mut().get_or_insert(fault);
                    return;
                }
            };
            self.note(number, fate);
            if matches!(fate, Fate::Failed(_) | Fate::Wait(_)) {
                // What comes later of this subject must not overtake.
                return;
            }
        }
    }

    async fn one(&self, item: &Item) -> Result<Fate, Fault> {
        let at = self.core.clock.now();
        let ready = match judge::judge(self.core, self.target, &item.entry, at)? {
            Judged::Send(ready) => ready,
            Judged::Withheld(reason) => return Ok(Fate::Withheld(reason)),
            Judged::Gone => return Ok(Fate::Gone),
            Judged::Broken(reason) => return Ok(Fate::Dead(reason)),
        };
        let Ready { delivery, body, reliance, .. } = *ready;
        // A request that is dropped is ended: its connection is closed, and what is not on the wire yet never will be.
        let answered = tokio::select! {
            biased;
            answered = self.webhook.post(delivery, body, at) => answered,
            () = reliance.cut() => {
                // The withdrawal waits for this, too.
                recipients::may_have(&self.core.store, &self.target.destination.id, item.subject, self.core.clock.now()).await?;
                return Ok(Fate::Cut);
            }
        };
        drop(reliance);
        Ok(match answered {
            Answered::Taken => self.answered(Fate::Delivered),
            Answered::Refused(reason) => self.answered(Fate::Dead(reason)),
            Answered::Failed(reason) => Fate::Failed(reason),
            Answered::Wait(until) => Fate::Wait(until),
        })
    }

    fn answered(&self, fate: Fate) -> Fate {
        self.ran.borrow_mut().alive = true;
        self.failures.set(0);
        fate
    }

    fn note(&self, number: usize, fate: Fate) {
        let mut ran = self.ran.borrow_mut();
        ran.fates.push((number, fate));
        match fate {
            Fate::Failed(_) => {
                self.failures.set(self.failures.get() + 1);
                ran.tripped |= self.failures.get() >= FAILURES_MAX;
            }
            Fate::Wait(until) => ran.wait = ran.wait.max(Some(until)),
            Fate::Delivered | Fate::Withheld(_) | Fate::Gone | Fate::Dead(_) | Fate::Cut => {}
        }
    }

    fn is_over(&self) -> bool {
        let ran = self.ran.borrow();
        ran.tripped || ran.wait.is_some() || self.fault.borrow().is_some() || (self.stopping)()
    }
}
