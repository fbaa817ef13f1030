//! The worker of one destination: a step that does what is due now, and a thin loop around it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::bulk::{self, Sent};
use super::count::Counter;
use super::destinations::Sink;
use super::judge::Target;
use super::parked::Waiting;
use super::recipients;
use super::record::{CURSORS, Cursor, Name, Place};
use super::window::Window;
use super::{Control, Core, Fault, Running, WINDOW_MAX, backoff, retire};
use crate::clock::Millis;
use crate::outbox;
use crate::policy::{Destination, DestinationKind, Policy};
use crate::store::{self, Position};

mod change;

use change::Changes;

/// A destination that gets nothing needs no cursor of its own for every chunk: it is stored after so many.
const CURSOR_LAG_MAX: u64 = 64;
/// How many parked subjects are tried in one step.
const PARKED_SUBJECTS_MAX: usize = 64;
/// The longest sleep; a clock that was set forward is noticed after that.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long a worker that hands over whole windows gathers before the next one: under load a commit then carries a hundred events
/// instead of three. Half of what a reader may wait (50 ms). The first event after a quiet time is not delayed.
const PACE: Duration = Duration::from_millis(25);

/// What a new worker is given.
pub(super) struct Seat {
    pub(super) core: Arc<Core>,
    pub(super) id: String,
    pub(super) cursor: Cursor,
    pub(super) control: Arc<Control>,
    pub(super) counter: Arc<Counter>,
    pub(super) settle: watch::Sender<u64>,
    pub(super) pass: watch::Sender<u64>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) running: Arc<Mutex<Vec<Running>>>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// There may be more.
    Worked,
    /// Nothing is due before then, unless something new comes.
    Idle(Option<Millis>),
    /// Nothing is due before then, whatever comes.
    Paused(Millis),
    /// The destination is off.
    Off,
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Off,
}

/// A pause of the whole destination.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Millis,
}

/// What a part of a step came to.
enum Next {
    Worked,
    Nothing,
    /// The destination is down or wants to be left alone; until then if it says so itself.
    Down(&'static str, Option<Millis>),
}

struct Worker {
    core: Arc<Core>,
    id: String,
    tag: u32,
    control: Arc<Control>,
    counter: Arc<Counter>,
    stop: watch::Receiver<bool>,
    /// What it was opened for, and the way there.
    sink: Option<(DestinationKind, String, Sink)>,
    memo: Vec<u8>,
    window: Window,
    waiting: Option<Waiting>,
    /// The cursor as it is stored; `None` if there is none.
    stored: Option<Place>,
    pause: Option<Pause>,
    /// How often in a row the destination was found down.
    failures: u32,
    /// How many events the last window had.
    taken: usize,
    /// Whether the last look into the outbox found only what is for others.
    in_vain: bool,
    /// The last fence that was passed when the step began.
    passed: u64,
}

/// The thread of a worker.
pub(super) fn run(seat: Seat) {
    let Seat { core, id, cursor, control, counter, settle, pass, stop, running } = seat;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, destination = id, "a worker does not start");
            settle.send_replace(u64::MAX);
            pass.send_replace(u64::MAX);
            return;
        }
    };
    let mut worker = Worker::new((core, id), cursor, (control, counter), stop);
    loop {
        match panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(worker.run(&settle, &pass)))) {
            Ok(End::Stopped) => break,
            Ok(End::Off) => {
                if worker.leave(&running) {
                    break;
                }
            }
            // What a step had in memory may be half done; what is stored is not. So it begins again from there.
            Err(_reported) => match worker.again() {
                Ok(fresh) => worker = fresh,
                Err(error) => {
                    tracing::error!(%error, destination = worker.id, "a worker has ended: its cursor cannot be read");
                    break;
                }
            },
        }
    }
    settle.send_replace(u64::MAX);
    pass.send_replace(u64::MAX);
}

impl Worker {
    fn new(
        (core, id): (Arc<Core>, String),
        cursor: Cursor,
        (control, counter): (Arc<Control>, Arc<Counter>),
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            tag: outbox::destination_tag(&id),
            window: Window::at(cursor.next, &cursor.ahead),
            memo: cursor.memo,
            waiting: None,
            sink: None,
            stored: None,
            pause: None,
            failures: 0,
            taken: 0,
            in_vain: false,
            passed: 0,
            core,
            id,
            control,
            counter,
            stop,
        }
    }

    /// The same worker after a panic: from the stored cursor, and after a pause.
    fn again(&self) -> Result<Self, store::Error> {
        tracing::error!(destination = self.id, "a worker stumbled over an error of ours; it begins again from its cursor");
        let cursor = self.core.shared.enter(&self.core.store, &self.id)?;
        let whole = (Arc::clone(&self.core), self.id.clone());
        let mut fresh = Self::new(whole, cursor, (Arc::clone(&self.control), Arc::clone(&self.counter)), self.stop.clone());
        fresh.failures = self.failures.saturating_add(1);
        let pause = backoff::pause_ms(fresh.failures, self.core.draw());
        fresh.pause = Some(Pause { until: self.core.clock.now() + pause });
        Ok(fresh)
    }

    async fn run(&mut self, settle: &watch::Sender<u64>, pass: &watch::Sender<u64>) -> End {
        let mut newest = self.core.store.watch(outbox::STREAM);
        loop {
            let asked = self.control.asked.load(Ordering::SeqCst);
            // Nothing is under way here: what the last step decided is settled.
            self.passed = self.control.fence.load(Ordering::SeqCst);
            pass.send_replace(self.passed);
            newest.mark_unchanged();
            if *self.stop.borrow() {
                self.save().await;
                return End::Stopped;
            }
            let at = self.core.clock.now();
            let (until, listens) = match self.step(at).await {
                Outcome::Worked => {
                    self.pace().await;
                    continue;
                }
                Outcome::Off => return End::Off,
                Outcome::Idle(until) => (until, true),
                Outcome::Paused(until) => (Some(until), false),
            };
            settle.send_replace(asked);
            let sleep = until.and_then(|u| u64::try_from(u - at).ok()).map_or(SLEEP_MAX, Duration::from_millis);
            let mut stop = self.stop.clone();
            tokio::select! {
                () = self.control.wake.notified() => {}
                _ = stop.changed() => {}
                changed = newest.changed(), if listens => {
                    if changed.is_err() {
                        // The store is gone, and with it everything that could come.
                        return End::Stopped;
                    }
                    self.rest_since(at).await;
                }
                () = tokio::time::sleep(sleep.min(SLEEP_MAX)) => {}
            }
        }
    }

    /// Lets a little gather, unless there is much already or somebody asks.
    async fn pace(&self) {
        let bulk = matches!(self.sink, Some((_, _, Sink::Profile | Sink::Files(_))));
        if !bulk || self.taken >= WINDOW_MAX / 4 {
            return tokio::task::yield_now().await;
        }
        self.rest(PACE).await;
    }

    /// Leaves at least [`PACE`] between two looks if the first, at `looked_at`, was in vain: a destination that gets next to nothing
    /// need not be asked about every commit.
    async fn rest_since(&self, looked_at: Millis) {
        let rested = u64::try_from(self.core.clock.now() - looked_at).map_or(Duration::ZERO, Duration::from_millis);
        if self.in_vain && rested < PACE {
            self.rest(PACE - rested).await;
        }
    }

    /// Does nothing for so long, unless somebody asks.
    async fn rest(&self, long: Duration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.control.wake.notified() => {}
            _ = stop.changed() => {}
            () = tokio::time::sleep(long) => {}
        }
    }

    /// Does what is due.
    async fn step(&mut self, at: Millis) -> Outcome {
        #[cfg(test)]
        assert!(!self.control.breaks.swap(false, Ordering::SeqCst), "a test wants to see a worker stumble");
        let policy = self.core.policy.current();
        let Some((index, destination)) = policy.destination(&self.id).filter(|(_, d)| d.is_on()) else {
            return Outcome::Off;
        };
        if let Some(pause) = self.pause.filter(|p| p.until > at) {
            return Outcome::Paused(pause.until);
        }
        self.pause = None;
        let (reason, until) = match self.work(Target { policy: &policy, index, destination, at }).await {
            Ok(Next::Worked) => return Outcome::Worked,
            Ok(Next::Nothing) => return Outcome::Idle(self.waiting.as_ref().and_then(Waiting::next)),
            Ok(Next::Down(reason, until)) => (reason, until),
            Err(fault) => {
                if matches!(fault, Fault::Store(store::Error::Closed)) && *self.stop.borrow() {
                    return Outcome::Worked;
                }
                tracing::warn!(destination = self.id, reason = fault.code(), %fault, "a destination waits");
                (fault.code(), None)
            }
        };
        Outcome::Paused(self.fall(reason, until, at))
    }

    /// The destination is down: nothing is tried before the time that this gives.
    fn fall(&mut self, reason: &'static str, until: Option<Millis>, at: Millis) -> Millis {
        self.failures = self.failures.saturating_add(1);
        let until = until.unwrap_or_else(|| at + backoff::pause_ms(self.failures, self.core.draw()));
        if self.failures == 1 {
            tracing::warn!(destination = self.id, reason, "a destination does not take events; it is tried again");
        }
        self.pause = Some(Pause { until });
        until
    }

    fn rise(&mut self) {
        if self.failures > 1 {
            tracing::info!(destination = self.id, "a destination takes events again");
        }
        self.failures = 0;
    }

    async fn work(&mut self, target: Target<'_>) -> Result<Next, Fault> {
        self.open(target.destination, target.at)?;
        if self.stored.is_none() {
            self.settle(target.policy, Changes::default()).await?;
        }
        self.in_vain = self.window.fill(&self.core.store, self.tag)?;
        self.give_up_old(target).await?;
        let forth = self.run_window(target).await?;
        if let Next::Down(..) = forth {
            return Ok(forth);
        }
        let front = self.window.front();
        self.core.shared.passed(&self.id, front.chunk);
        if self.stored.is_none_or(|s| front.chunk.saturating_sub(s.chunk) >= CURSOR_LAG_MAX) {
            self.settle(target.policy, Changes::default()).await?;
        }
        let back = self.run_parked(target).await?;
        Ok(match (forth, back) {
            (_, Next::Down(reason, until)) => Next::Down(reason, until),
            (Next::Nothing, Next::Nothing) => Next::Nothing,
            _ => Next::Worked,
        })
    }

    /// Opens what is not open: who waits, and the way to the destination as the policy has it now.
    fn open(&mut self, destination: &Destination, at: Millis) -> Result<(), Fault> {
        let fresh: Vec<_> = std::mem::take(&mut *self.control.replayed.lock());
        match &mut self.waiting {
            Some(waiting) => fresh.into_iter().for_each(|subject| waiting.add(subject, 1, at)),
            None => self.waiting = Some(Waiting::open(&self.core.store, self.tag)?),
        }
        let same =
            |(kind, domain, _): &(DestinationKind, String, Sink)| *kind == destination.kind && *domain == destination.domain;
        if !self.sink.as_ref().is_some_and(same) {
            self.sink = None;
            let sink = Sink::open(&self.core, destination, &self.memo)?;
            self.sink = Some((destination.kind.clone(), destination.domain.clone(), sink));
        }
        Ok(())
    }

    /// While the destination is down, what has waited for too long is given up without another try.
    async fn give_up_old(&mut self, target: Target<'_>) -> Result<(), Fault> {
        if self.failures == 0 {
            return Ok(());
        }
        let mut changes = Changes::default();
        for (number, item) in self.window.pending() {
            if item.is_too_old(target.destination.retry_days, target.at) {
                changes.bury(&self.core.vault, target, item, "too_old");
                changes.done.push(number);
            }
        }
        if !changes.done.is_empty() {
            self.settle(target.policy, changes).await?;
        }
        Ok(())
    }

    async fn run_window(&mut self, target: Target<'_>) -> Result<Next, Fault> {
        if let Some(full) = self.queue_behind(target).await? {
            return Ok(full);
        }
        let Some((kind, domain, mut sink)) = self.sink.take() else { return Ok(Next::Nothing) };
        let outcome = self.run_window_into(&mut sink, target).await;
        self.sink = Some((kind, domain, sink));
        outcome
    }

    async fn run_window_into(&mut self, sink: &mut Sink, target: Target<'_>) -> Result<Next, Fault> {
        if let Sink::Files(files) = sink {
            let mut names: Vec<String> = self.window.pending().map(|(_, item)| files.name(item.received_at)).collect();
            names.dedup();
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
        let pending: Vec<_> = self.window.pending().collect();
        if pending.is_empty() {
            return Ok(Next::Nothing);
        }
        self.taken = pending.len();
        let cut_short = self.cut_short();
        let Sent { mut ran, batch, staged, memo, relying } = bulk::send(&core, target, sink, &pending, &cut_short).await?;
        if ran.alive {
            self.rise();
        }
        let mut changes = Changes { batch, memo, ..Changes::default() };
        let kept = self.digest(&ran, target, &mut changes);
        let positions = self.settle(target.policy, changes).await?;
        if let Some(staged) = staged {
            core.profiles.learn(&staged, &positions);
        }
        drop(relying);
        if let Sink::Files(files) = sink {
            files.confirm();
        }
        drop(turn);
        match (ran.fault.take(), kept) {
            (Some(fault), _) => Err(fault),
            (None, Some(reason)) => Ok(Next::Down(reason, ran.wait)),
            (None, None) => Ok(Next::Worked),
        }
    }

    /// Whether a step should end as soon as what is on the wire is settled: the end is near, or somebody waits at a fence.
    fn cut_short(&self) -> impl Fn() -> bool + use<> {
        let (stop, control, passed) = (self.stop.clone(), Arc::clone(&self.control), self.passed);
        move || *stop.borrow() || control.fence.load(Ordering::SeqCst) != passed
    }

    /// Stores how far the destination is, and what changed; memory learns it when it is durable.
    async fn settle(&mut self, policy: &Policy, changes: Changes) -> Result<Vec<Position>, Fault> {
        let Changes { mut batch, done, parked, buried, memo, figures, reached } = changes;
        let (next, ahead) = self.window.front_after(&done);
        let memo = memo.unwrap_or_else(|| self.memo.clone());
        CURSORS.put(&mut batch, &Name(self.id.clone()), &Cursor { next, ahead, memo: memo.clone() });
        recipients::count(&self.core.store, &mut batch, &self.id, reached, self.core.clock.now())?;
        let dropped = self.core.shared.drop_passed(policy, &self.id, next.chunk, &mut batch);
        let positions = self.core.store.commit(batch).await?;
        self.core.shared.moved(&self.id, next.chunk, dropped);
        self.core.shared.died(&self.id, buried);
        self.stored = Some(next);
        self.memo = memo;
        self.window.settle(&done);
        let count = parked.len() as u64;
        if let Some(waiting) = &mut self.waiting {
            parked.into_iter().for_each(|(subject, due_at)| waiting.add(subject, 1, due_at));
        }
        self.counter.add(|f| {
            f.merge(&figures);
            f.parked += count;
            f.dead += buried;
            f.waiting = self.waiting.as_ref().map_or(0, |w| w.events() as u64);
        });
        Ok(positions)
    }

    /// Stores the cursor at an orderly end, so that the next start need not pass over the same again.
    async fn save(&mut self) {
        if self.stored.is_some_and(|s| s != self.window.front()) {
            let policy = self.core.policy.current();
            if let Err(error) = self.settle(&policy, Changes::default()).await {
                tracing::debug!(destination = self.id, %error, "the cursor was not stored at the end");
            }
        }
    }

    /// Ends for good, unless the destination was switched on again meanwhile. Not called from within a runtime.
    fn leave(&mut self, running: &Mutex<Vec<Running>>) -> bool {
        let mut running = running.lock();
        if self.core.policy.current().destination(&self.id).is_some_and(|(_, d)| d.is_on()) {
            return false;
        }
        retire::retire(&self.core, &self.id);
        self.core.shared.leave(&self.id);
        running.retain(|r| r.id != self.id);
        true
    }
}
