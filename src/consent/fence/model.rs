//! A model of how a withdrawal stops what is on its way, explored over all interleavings, and of seven ways of doing it wrong.
//!
//! One person, two events of theirs, two destinations with a worker each, two callers who decide at the same time. Everything may be slow,
//! hang, fail or crash at any moment. The promise (P2): *as long as something is on the wire, no withdrawal of the grant that it relied on
//! is acknowledged.* So nothing begins after the acknowledgement either.
//!
//! | step of the model | line that it stands for |
//! |---|---|
//! | `Accept` | `Intake::step`: the gate, then the outbox |
//! | `Hold`, `Decide` | `Consents::rely`: `Fence::hold`, then `Consents::standing`; the gate in `forward::judge` |
//! | `Send` | `Run::one` in `forward::lanes`: the request is posted |
//! | `Answer`, `Fail` | the same, when it is over: the reliance is let go; what failed is tried again |
//! | `Settle` | `Worker::settle`: it is stored what was dealt with |
//! | `Replay` | `dead::replay`: what was given up comes back |
//! | `Commit` | `Consents::try_record`: `Store::commit` |
//! | `Learn` | the same: `Memory::learn`, which lets no older record replace a newer one |
//! | `Look` | `Fence::relying` |
//! | `LosePatience`, `Cut` | `Fence::pass`: the cut is over; `Run::one` drops the request and lets go |
//! | `Acknowledge` | `Fence::pass` returns |
//! | `Crash`, `Restart` | `kill -9`; `Consents::open` |

use std::collections::{HashMap, VecDeque};

const EVENTS: [u8; 2] = [0, 1];
const WORKERS: usize = 2;
const CALLERS: usize = 2;
/// Granted, withdrawn, granted again, withdrawn again.
const DECISIONS_MAX: u8 = 4;

/// A way of doing it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A withdrawal is acknowledged as soon as it is in memory.
    NoFence,
    /// What intake decided counts; dispatch does not look again.
    NoSecondLook,
    /// Dispatch looks at what stands first and holds then.
    HoldAfterDecision,
    /// A withdrawal looks for what is on its way before it is in memory.
    LookBeforeMemory,
    /// A withdrawal is in memory and acknowledged before it is durable.
    MemoryBeforeDisk,
    /// What memory learns late replaces what it has learnt meanwhile.
    OlderReplacesNewer,
    /// After the cut nobody waits until it has taken effect.
    CutIsNotWaitedFor,
}

/// A decision is its number: odd is a grant, even a withdrawal.
const fn is_grant(decision: u8) -> bool {
    decision % 2 == 1
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Worker {
    Idle,
    /// It relies on whatever stands.
    Holds(u8),
    /// It may send an event, because of this grant.
    May(u8, u8),
    /// The event is on the wire, because of this grant.
    OnTheWire(u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Caller {
    Idle,
    /// It has decided this, durably.
    Stored(u8),
    /// The same, and memory knows it.
    Known(u8),
    /// It has looked for workers, as bits, and memory does not know its decision: one of the faults.
    Looked(u8, u8),
    /// It waits for these workers, as bits, to let go.
    Waits(u8, u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The newest decision on disk.
    disk: u8,
    /// The newest decision in memory; nothing while the process is down.
    memory: Option<u8>,
    /// The newest withdrawal that was acknowledged.
    acknowledged: u8,
    /// Which events are in the outbox, and because of which grant intake let them in.
    outbox: [Option<u8>; EVENTS.len()],
    /// Per worker which events it need not send (any more), as bits: as it knows, and as is stored.
    done: [u8; WORKERS],
    stored: [u8; WORKERS],
    workers: [Worker; WORKERS],
    /// Workers that were told to end what they have on the wire, as bits.
    cut: u8,
    callers: [Caller; CALLERS],
    /// How often it may still fail, come back from the dead letters, and crash.
    failures: u8,
    replays: u8,
    crashes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Accept(usize),
    Hold(usize, u8),
    Decide(usize),
    Send(usize),
    Answer(usize),
    Fail(usize),
    Settle(usize),
    Replay(usize, u8),
    Commit(usize),
    Learn(usize),
    Look(usize),
    LosePatience(usize),
    Cut(usize),
    Acknowledge(usize),
    Crash,
    Restart,
}

struct Protocol {
    fault: Fault,
    /// No recipient ever answers.
    hangs: bool,
}

impl Protocol {
    /// Which workers a withdrawal finds, as bits.
    fn relying(&self, state: &State) -> u8 {
        let found = |worker: &Worker| match worker {
            Worker::Idle => false,
            Worker::Holds(_) | Worker::May(..) => self.fault != Fault::HoldAfterDecision,
            Worker::OnTheWire(..) => true,
        };
        (0..).zip(&state.workers).filter(|(_, worker)| found(worker)).fold(0, |bits, (at, _)| bits | 1 << at)
    }

    /// What a worker sees when it looks at what stands: the grant that it relies on.
    fn stands(&self, state: &State, event: u8) -> Option<u8> {
        let seen = if self.fault == Fault::NoSecondLook { state.outbox[usize::from(event)] } else { state.memory };
        seen.filter(|decision| is_grant(*decision))
    }
}

impl State {
    /// The worker lets go of what it has.
    fn let_go(&mut self, worker: usize, done: Option<u8>) {
        self.workers[worker] = Worker::Idle;
        self.done[worker] |= done.map_or(0, |event| 1 << event);
        self.cut &= !(1 << worker);
        for caller in &mut self.callers {
            if let Caller::Waits(_, workers) | Caller::Looked(_, workers) = caller {
                *workers &= !(1 << worker);
            }
        }
    }

    /// The same with callers and workers in one order: which is which makes no difference.
    fn in_order(mut self) -> Self {
        let of = |state: &Self, at: usize| (state.workers[at], state.done[at], state.stored[at], state.cut >> at & 1);
        if of(&self, 0) > of(&self, 1) {
            let swapped = |bits: u8| bits >> 1 & 1 | (bits & 1) << 1;
            self.workers.swap(0, 1);
            self.done.swap(0, 1);
            self.stored.swap(0, 1);
            self.cut = swapped(self.cut);
            for caller in &mut self.callers {
                if let Caller::Waits(_, workers) | Caller::Looked(_, workers) = caller {
                    *workers = swapped(*workers);
                }
            }
        }
        self.callers.sort_unstable();
        self
    }

    fn crash(&mut self) {
        self.memory = None;
        self.workers = [Worker::Idle; WORKERS];
        self.callers = [Caller::Idle; CALLERS];
        self.cut = 0;
        self.done = self.stored;
        self.crashes -= 1;
    }
}

impl Protocol {
    /// Granted, one event in the outbox.
    const BEGINNING: State = State {
        disk: 1,
        memory: Some(1),
        acknowledged: 0,
        outbox: [Some(1), None],
        done: [0; WORKERS],
        stored: [0; WORKERS],
        workers: [Worker::Idle; WORKERS],
        cut: 0,
        callers: [Caller::Idle; CALLERS],
        failures: 1,
        replays: 1,
        crashes: 1,
    };

    /// What may happen next.
    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let Some(memory) = state.memory else { return actions.push(Action::Restart) };
        let accepted = state.outbox.iter().enumerate().filter(|(_, event)| event.is_none() && is_grant(memory));
        actions.extend(accepted.map(|(event, _)| Action::Accept(event)));
        for (at, worker) in state.workers.iter().enumerate() {
            match worker {
                Worker::Idle => {
                    let waits = |event: &u8| state.outbox[usize::from(*event)].is_some() && state.done[at] & 1 << event == 0;
                    // In their order.
                    actions.extend(EVENTS.into_iter().find(waits).map(|event| Action::Hold(at, event)));
                    let again = EVENTS.into_iter().filter(|event| state.replays > 0 && state.stored[at] & 1 << event != 0);
                    actions.extend(again.map(|event| Action::Replay(at, event)));
                    if state.done[at] != state.stored[at] {
                        actions.push(Action::Settle(at));
                    }
                }
                Worker::Holds(_) => actions.push(Action::Decide(at)),
                Worker::May(..) => actions.push(Action::Send(at)),
                Worker::OnTheWire(..) => {
                    if !self.hangs {
                        actions.push(Action::Answer(at));
                    }
                    if !self.hangs && state.failures > 0 {
                        actions.push(Action::Fail(at));
                    }
                    if state.cut & 1 << at != 0 {
                        actions.push(Action::Cut(at));
                    }
                }
            }
        }
        for (at, caller) in state.callers.iter().enumerate() {
            match caller {
                Caller::Idle if self.fault == Fault::MemoryBeforeDisk => actions.push(Action::Learn(at)),
                Caller::Idle => actions.push(Action::Commit(at)),
                Caller::Stored(_) if self.fault == Fault::LookBeforeMemory => actions.push(Action::Look(at)),
                Caller::Stored(_) => actions.push(Action::Learn(at)),
                Caller::Looked(..) => actions.push(Action::Learn(at)),
                Caller::Known(_) => actions.push(Action::Look(at)),
                Caller::Waits(_, 0) => actions.push(Action::Acknowledge(at)),
                Caller::Waits(_, workers) if state.cut & workers != *workers => actions.push(Action::LosePatience(at)),
                Caller::Waits(..) => {}
            }
        }
        if state.crashes > 0 {
            actions.push(Action::Crash);
        }
    }

    /// What comes of it; nothing if it cannot happen.
    fn next(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Accept(event) => state.outbox[event] = state.memory,
            Action::Hold(worker, event) => state.workers[worker] = Worker::Holds(event),
            Action::Decide(worker) => {
                let Worker::Holds(event) = state.workers[worker] else { return None };
                match self.stands(&state, event) {
                    Some(grant) => state.workers[worker] = Worker::May(event, grant),
                    None => state.let_go(worker, Some(event)),
                }
            }
            Action::Send(worker) => {
                let Worker::May(event, grant) = state.workers[worker] else { return None };
                state.workers[worker] = Worker::OnTheWire(event, grant);
            }
            Action::Answer(worker) | Action::Cut(worker) => {
                let Worker::OnTheWire(event, _) = state.workers[worker] else { return None };
                state.let_go(worker, Some(event));
            }
            Action::Fail(worker) => {
                state.failures -= 1;
                state.let_go(worker, None);
            }
            Action::Settle(worker) => state.stored[worker] = state.done[worker],
            Action::Replay(worker, event) => {
                state.replays -= 1;
                state.done[worker] &= !(1 << event);
                state.stored[worker] &= !(1 << event);
            }
            Action::Commit(at) | Action::Learn(at) | Action::Look(at) | Action::LosePatience(at) | Action::Acknowledge(at) => {
                return self.call(state, action, at);
            }
            Action::Crash => state.crash(),
            Action::Restart => state.memory = Some(state.disk),
        }
        Some(state)
    }
}

impl Protocol {
    /// What somebody who decides does next.
    fn call(&self, mut state: State, action: Action, at: usize) -> Option<State> {
        let next = match (state.callers[at], action) {
            (Caller::Idle, Action::Commit(_)) => {
                // A withdrawal may come twice: who repeats it waits for an acknowledgement as well.
                let repeats = !is_grant(state.disk) && state.disk > state.acknowledged;
                let decision = if repeats { state.disk } else { state.disk + 1 };
                if decision > DECISIONS_MAX {
                    return None;
                }
                state.disk = decision;
                Caller::Stored(decision)
            }
            (Caller::Idle, Action::Learn(_)) => {
                let decision = state.memory? + 1;
                if decision > DECISIONS_MAX {
                    return None;
                }
                state.memory = Some(decision);
                Caller::Known(decision)
            }
            (Caller::Stored(decision), Action::Learn(_)) => {
                let newest = if self.fault == Fault::OlderReplacesNewer { decision } else { decision.max(state.memory?) };
                state.memory = Some(newest);
                Caller::Known(decision)
            }
            (Caller::Stored(decision), Action::Look(_)) => Caller::Looked(decision, self.relying(&state)),
            (Caller::Looked(decision, workers), Action::Learn(_)) => {
                state.memory = state.memory.max(Some(decision));
                Caller::Waits(decision, workers)
            }
            (Caller::Known(decision), Action::Look(_)) => {
                let waits = !is_grant(decision) && self.fault != Fault::NoFence;
                Caller::Waits(decision, if waits { self.relying(&state) } else { 0 })
            }
            (Caller::Waits(decision, workers), Action::LosePatience(_)) => {
                state.cut |= workers;
                Caller::Waits(decision, if self.fault == Fault::CutIsNotWaitedFor { 0 } else { workers })
            }
            (Caller::Waits(decision, 0), Action::Acknowledge(_)) => {
                if !is_grant(decision) {
                    state.acknowledged = state.acknowledged.max(decision);
                }
                Caller::Idle
            }
            (Caller::Idle | Caller::Stored(_) | Caller::Known(_) | Caller::Looked(..) | Caller::Waits(..), _) => return None,
        };
        state.callers[at] = next;
        Some(state)
    }
}

impl State {
    /// Nothing is on the wire whose grant was withdrawn and acknowledged.
    fn keeps_the_promise(&self) -> bool {
        !self.workers.iter().any(|worker| matches!(worker, Worker::OnTheWire(_, grant) if *grant < self.acknowledged))
    }
}

/// What an exploration came to.
struct Explored {
    /// Every state that can be reached.
    states: HashMap<State, Option<(Action, State)>>,
    /// The shortest way to a state that breaks the promise.
    broken: Option<Vec<Action>>,
}

/// Goes through every state that can be reached, the nearest first, until one breaks the promise.
fn explore(fault: Fault, hangs: bool) -> Explored {
    let protocol = Protocol { fault, hangs };
    let mut states = HashMap::from([(Protocol::BEGINNING, None)]);
    let mut queue = VecDeque::from([Protocol::BEGINNING]);
    let mut actions = Vec::new();
    while let Some(state) = queue.pop_front() {
        if !state.keeps_the_promise() {
            return Explored { broken: Some(way_to(&states, state)), states };
        }
        actions.clear();
        protocol.actions(&state, &mut actions);
        for action in &actions {
            let next = protocol.next(&state, *action).map(State::in_order);
            let Some(next) = next.filter(|next| !states.contains_key(next)) else { continue };
            states.insert(next.clone(), Some((*action, state.clone())));
            queue.push_back(next);
        }
    }
    Explored { states, broken: None }
}

fn way_to(states: &HashMap<State, Option<(Action, State)>>, mut state: State) -> Vec<Action> {
    let mut way = Vec::new();
    while let Some(Some((action, before))) = states.get(&state) {
        way.push(*action);
        state = before.clone();
    }
    way.reverse();
    way
}

impl Explored {
    fn reaches(&self, what: impl Fn(&State) -> bool) -> bool {
        self.states.keys().any(what)
    }

    /// Both withdrawals are acknowledged, over a crash.
    fn acknowledges(&self) -> bool {
        self.reaches(|state| state.acknowledged == DECISIONS_MAX && state.crashes == 0)
    }

    /// After another grant it is sent again.
    fn sends_again(&self) -> bool {
        self.reaches(|state| {
            let again = |worker: &Worker| matches!(worker, Worker::OnTheWire(_, grant) if *grant > state.acknowledged);
            state.acknowledged > 0 && state.workers.iter().any(again)
        })
    }
}

#[test]
fn whatever_happens_in_whatever_order_the_promise_holds() {
    let explored = explore(Fault::None, false);
    println!("{} states", explored.states.len());
    assert_eq!(explored.broken, None);
    // A model in which nothing happens keeps every promise.
    assert!(explored.acknowledges() && explored.sends_again());
    assert!(explored.reaches(|state| state.stored == [0b11; WORKERS] && state.disk == 1), "everything is sent");
}

#[test]
fn a_recipient_that_never_answers_holds_no_acknowledgement_up_for_good() {
    let explored = explore(Fault::None, true);
    assert_eq!(explored.broken, None);
    assert!(explored.acknowledges() && explored.sends_again());
}

#[test]
fn every_way_of_doing_it_wrong_is_found() {
    for fault in [
        Fault::NoFence,
        Fault::NoSecondLook,
        Fault::HoldAfterDecision,
        Fault::LookBeforeMemory,
        Fault::MemoryBeforeDisk,
        Fault::OlderReplacesNewer,
        Fault::CutIsNotWaitedFor,
    ] {
        let broken = explore(fault, false).broken;
        assert!(broken.is_some(), "{fault:?} is not found");
        println!("{fault:?}: {broken:?}");
    }
}
