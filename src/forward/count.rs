//! What became of events at a destination, in numbers since the start of the process.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// The figures of one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events that the destination confirmed.
    pub delivered: u64,
    /// Events that were let through at intake and withheld at dispatch, by reason code.
    pub withheld: BTreeMap<&'static str, u64>,
    /// Events whose subject was erased while they waited.
    pub gone: u64,
    /// Events that a withdrawal cut off while they were on the wire: they may have been received.
    pub cut: u64,
    /// Tries that failed and will be repeated.
    pub retried: u64,
    /// Events that were parked because the destination would not take them while it took others.
    pub parked: u64,
    /// Events that were given up.
    pub dead: u64,
    /// How many are parked now.
    pub waiting: u64,
}

impl Figures {
    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.gone += other.gone;
        self.cut += other.cut;
        self.retried += other.retried;
        self.parked += other.parked;
        self.dead += other.dead;
        for (reason, n) in &other.withheld {
            *self.withheld.entry(reason).or_default() += n;
        }
    }
}

/// The figures of one destination, shared with its worker.
#[derive(Debug, Default)]
pub(super) struct Counter(Mutex<Figures>);

impl Counter {
    /// Changes the figures.
    pub(super) fn add(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.0.lock());
    }

    /// The figures now.
    pub(super) fn figures(&self) -> Figures {
        self.0.lock().clone()
    }
}
