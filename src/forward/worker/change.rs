//! What follows from what became of events: done, parked, given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Next, PARKED_SUBJECTS_MAX, Worker};
use crate::clock::{DAY_MS, Millis};
use crate::egress::Failure;
use crate::forward::bulk::{self, Sent};
use crate::forward::count::Figures;
use crate::forward::destinations::Sink;
use crate::forward::judge::Target;
use crate::forward::lanes::{Fate, Ran};
use crate::forward::recipients::Reach;
use crate::forward::record::{DEAD, Dead, PARKED, Parked, ParkedKey, entry};
use crate::forward::window::Item;
use crate::forward::{Fault, PARKED_MAX, WINDOW_MAX, backoff};
use crate::id::SubjectId;
use crate::store::Batch;
use crate::vault::Vault;

/// A destination that asks so often to wait with one event, and takes others, will not take it.
const WAITS_MAX: u32 = 3;
/// How many parked events of one subject are tried in one step.
const PARKED_EVENTS_MAX: usize = 16;

/// What a commit of the worker changes besides the cursor.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) batch: Batch,
    /// Items of the window that are dealt with.
    pub(super) done: Vec<usize>,
    /// Subjects for which an event was parked, and when they are due.
    pub(super) parked: Vec<(SubjectId, Millis)>,
    /// How many were given up.
    pub(super) buried: u64,
    pub(super) memo: Option<Vec<u8>>,
    pub(super) figures: Figures,
    /// Of whom the destination has received something, or may have.
    pub(super) reached: BTreeMap<SubjectId, Reach>,
}

impl Changes {
    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Delivered => self.figures.delivered += 1,
            Fate::Withheld(reason) => *self.figures.withheld.entry(reason).or_default() += 1,
            Fate::Gone => self.figures.gone += 1,
            Fate::Cut => self.figures.cut += 1,
            Fate::Failed(_) | Fate::Wait(_) => self.figures.retried += 1,
            Fate::Dead(_) => {}
        }
    }

    /// Notes what a try means for the list of recipients.
    fn reach(&mut self, subject: SubjectId, fate: Fate) {
        match fate {
            Fate::Delivered => self.reached.entry(subject).or_default().events += 1,
            Fate::Failed(reason) if Failure::may_have_arrived(reason) => {
                self.reached.entry(subject).or_default().unclear = true;
            }
            // What was cut is noted before the withdrawal is acknowledged.
            Fate::Withheld(_) | Fate::Gone | Fate::Cut | Fate::Dead(_) | Fate::Failed(_) | Fate::Wait(_) => {}
        }
    }

    /// Makes a dead letter.
    pub(super) fn bury(&mut self, vault: &Vault, target: Target<'_>, item: &Item, reason: &str) {
        let Some(found) = entry(&item.entry) else { return };
        let (destination, at) = (target.destination.id.as_str(), target.at);
        let dead = Dead {
            destination: destination.to_owned(),
            reason: reason.to_owned(),
            attempts: item.attempts,
            first_at: item.first_at.unwrap_or(at),
            last_at: at,
            place: item.place,
            entry: item.entry.clone(),
        };
        DEAD.put(&mut self.batch, &Dead::id(vault, destination, &found.dedup), &dead);
        self.buried += 1;
    }

    /// Parks an event that is due then; `None`: when those before it are dealt with.
    fn park(&mut self, tag: u32, item: &Item, at: Millis, due_at: Option<Millis>) {
        let key = ParkedKey { tag, subject: item.subject, place: item.place };
        let first_at = item.first_at.unwrap_or(at);
        let entry = item.entry.clone();
        let parked = Parked { attempts: item.attempts, first_at, last_at: at, due_at: due_at.unwrap_or(at), entry };
        PARKED.put(&mut self.batch, &key, &parked);
        self.parked.push((item.subject, due_at.unwrap_or(Millis::MAX)));
    }
}

impl Worker {
    /// Events of subjects that are parked queue behind the others of their subject.
    pub(super) async fn queue_behind(&mut self, target: Target<'_>) -> Result<Option<Next>, Fault> {
        let Some(waiting) = &self.waiting else { return Ok(None) };
        let mut changes = Changes::default();
        for (number, item) in self.window.pending().filter(|(_, item)| waiting.has(item.subject)) {
            changes.park(self.tag, item, target.at, None);
            changes.done.push(number);
        }
        if changes.done.is_empty() {
            return Ok(None);
        }
        if waiting.events() + changes.done.len() > PARKED_MAX {
            return Ok(Some(Next::Down("parked_full", None)));
        }
        self.settle(target.policy, changes).await?;
        Ok(None)
    }

    /// Turns what became of items of the window into changes. Gives the reason if some are kept because the destination is down.
    pub(super) fn digest(&mut self, ran: &Ran, target: Target<'_>, changes: &mut Changes) -> Option<&'static str> {
        let Target { destination, at, .. } = target;
        let mut kept = None;
        let mut failing: BTreeMap<SubjectId, Millis> = BTreeMap::new();
        for (number, fate) in &ran.fates {
            changes.count(*fate);
            let Some(item) = self.window.item(*number) else { continue };
            changes.reach(item.subject, *fate);
            match fate {
                Fate::Delivered | Fate::Withheld(_) | Fate::Gone | Fate::Cut => changes.done.push(*number),
                Fate::Dead(reason) => {
                    item.failed(reason, at);
                    changes.bury(&self.core.vault, target, item, reason);
                    changes.done.push(*number);
                }
                Fate::Failed(reason) => {
                    item.failed(reason, at);
                    if item.is_too_old(destination.retry_days, at) {
                        changes.bury(&self.core.vault, target, item, "too_old");
                        changes.done.push(*number);
                    } else if ran.alive && (!ran.tripped || item.attempts > 1) {
                        failing.insert(item.subject, at + backoff::pause_ms(item.attempts, self.core.draw()));
                    } else {
                        kept = Some(*reason);
                    }
                }
                Fate::Wait(until) => {
                    item.waits += 1;
                    if ran.alive && item.waits >= WAITS_MAX {
                        failing.insert(item.subject, *until);
                    } else {
                        kept = Some("asked_to_wait");
                    }
                }
            }
        }
        self.park_failing(&failing, at, changes);
        kept
    }

    /// Parks what is left in the window of subjects that the destination does not take.
    fn park_failing(&self, failing: &BTreeMap<SubjectId, Millis>, at: Millis, changes: &mut Changes) {
        let already: Vec<usize> = changes.done.clone();
        for (number, item) in self.window.pending().filter(|(n, _)| !already.contains(n)) {
            if let Some(due_at) = failing.get(&item.subject) {
                changes.park(self.tag, item, at, Some(*due_at));
                changes.done.push(number);
            }
        }
    }

    /// Tries parked subjects that are due.
    pub(super) async fn run_parked(&mut self, target: Target<'_>) -> Result<Next, Fault> {
        let Some(waiting) = &mut self.waiting else { return Ok(Next::Nothing) };
        let due = waiting.due(target.at, PARKED_SUBJECTS_MAX);
        if due.is_empty() {
            return Ok(Next::Nothing);
        }
        let mut rows: Vec<(ParkedKey, Item)> = Vec::new();
        for subject in &due {
            if rows.len() >= WINDOW_MAX {
                break;
            }
            let found = PARKED.scan(&self.core.store, &ParkedKey::prefix(self.tag, Some(*subject)), None, PARKED_EVENTS_MAX)?;
            if found.is_empty() {
                waiting.set(*subject, 0, target.at);
                let events = waiting.events() as u64;
                self.counter.add(|f| f.waiting = events);
            }
            rows.extend(found.into_iter().filter_map(|(key, parked)| Some((key, unparked(key, parked)?))));
        }
        if rows.is_empty() {
            return Ok(Next::Worked);
        }
        let Some((kind, domain, mut sink)) = self.sink.take() else { return Ok(Next::Nothing) };
        let outcome = self.run_parked_into(&mut sink, target, &mut rows).await;
        self.sink = Some((kind, domain, sink));
        outcome
    }

    async fn run_parked_into(
        &mut self,
        sink: &mut Sink,
        target: Target<'_>,
        rows: &mut [(ParkedKey, Item)],
    ) -> Result<Next, Fault> {
        if let Sink::Files(files) = sink {
            let names: Vec<String> = rows.iter().map(|(_, item)| files.name(item.received_at)).collect();
            if let Some(memo) = files.prepare(&names)? {
                self.memo = memo;
                self.settle(target.policy, Changes::default()).await?;
            }
        }
        let core = Arc::clone(&self.core);
        let turn = match sink {
            Sink::Profile => Some(core.profiles.turn().await),
            Sink::Files(_) | Sink::Webhook(_) => None,
        };
        let cut_short = self.cut_short();
        let items: Vec<(usize, &Item)> = rows.iter().enumerate().map(|(n, (_, item))| (n, item)).collect();
        let Sent { mut ran, batch, staged, memo, relying } = bulk::send(&core, target, sink, &items, &cut_short).await?;
        let mut changes = Changes { batch, memo, ..Changes::default() };
        let moved = self.digest_parked(&ran, rows, target, &mut changes);
        let positions = self.settle(target.policy, changes).await?;
        if let Some(staged) = staged {
            core.profiles.learn(&staged, &positions);
        }
        drop(relying);
        if let Sink::Files(files) = sink {
            files.confirm();
        }
        drop(turn);
        if let Some(waiting) = &mut self.waiting {
            moved.into_iter().for_each(|(subject, (took, due_at))| waiting.took(subject, took, due_at));
            let events = waiting.events() as u64;
            self.counter.add(|f| f.waiting = events);
        }
        if let Some(fault) = ran.fault.take() {
            return Err(fault);
        }
        // Nothing but failures, one after the other: the destination itself is down.
        Ok(if ran.tripped && !ran.alive { Next::Down("parked_fail", ran.wait) } else { Next::Worked })
    }

    /// Turns what became of parked events into changes: per subject how many wait no more, and when the next is due.
    fn digest_parked(
        &self,
        ran: &Ran,
        rows: &mut [(ParkedKey, Item)],
        target: Target<'_>,
        changes: &mut Changes,
    ) -> BTreeMap<SubjectId, (usize, Millis)> {
        let Target { destination, at, .. } = target;
        let mut moved: BTreeMap<SubjectId, (usize, Millis)> = BTreeMap::new();
        for (number, fate) in &ran.fates {
            changes.count(*fate);
            let Some((key, item)) = rows.get_mut(*number) else { continue };
            changes.reach(item.subject, *fate);
            // Whatever is behind one that was dealt with is due at once.
            let (took, due_at) = moved.entry(key.subject).or_insert((0, at));
            let dead = match fate {
                Fate::Delivered | Fate::Withheld(_) | Fate::Gone | Fate::Cut => None,
                Fate::Dead(reason) => Some(*reason),
                Fate::Failed(reason) => {
                    item.failed(reason, at);
                    let given_up = item.first_at.unwrap_or(at).saturating_add(Millis::from(destination.retry_days) * DAY_MS) < at;
                    if !given_up {
                        *due_at = at + backoff::pause_ms(item.attempts, self.core.draw());
                        PARKED.put(&mut changes.batch, key, &parked_again(item, at, *due_at));
                        continue;
                    }
                    Some("too_old")
                }
                Fate::Wait(until) => {
                    *due_at = *until;
                    PARKED.put(&mut changes.batch, key, &parked_again(item, at, *due_at));
                    continue;
                }
            };
            if let Some(reason) = dead {
                item.attempts += u32::from(reason != "too_old");
                changes.bury(&self.core.vault, target, item, reason);
            }
            PARKED.delete(&mut changes.batch, key);
            *took += 1;
        }
        moved
    }
}

fn unparked(key: ParkedKey, parked: Parked) -> Option<Item> {
    let received_at = entry(&parked.entry)?.received_at;
    let mut item = Item::new(key.place, key.subject, received_at, parked.entry);
    item.attempts = parked.attempts;
    item.first_at = Some(parked.first_at);
    Some(item)
}

fn parked_again(item: &Item, at: Millis, due_at: Millis) -> Parked {
    Parked { attempts: item.attempts, first_at: item.first_at.unwrap_or(at), last_at: at, due_at, entry: item.entry.clone() }
}
