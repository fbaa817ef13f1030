//! Who has tried in vain how often, and how long they have to wait.
//!
//! Tries are counted per account and per client. What browsers try that were signed in to the account before is counted apart from what
//! strangers try, so that nobody can lock an officer out of their own browser. Whether an account exists makes no difference. It is
//! kept in memory, and never larger than [`TRIES_MAX`].

use std::net::IpAddr;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::clock::Millis;

/// So many tries in vain cost no waiting.
const FREE: u32 = 5;
/// A client has more of them: a company may have one address.
const FREE_PER_CLIENT: u32 = 20;
/// The first wait; each further one is twice as long.
const FIRST_WAIT_MS: Millis = 15_000;
/// The longest wait.
pub(super) const LONGEST_WAIT_MS: Millis = 15 * 60_000;
/// After so long without a try everything is forgotten.
const FORGOTTEN_MS: Millis = 24 * 3_600_000;
/// How many are remembered.
const TRIES_MAX: usize = 20_000;

/// What tries are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// An account, by the name that was typed, from browsers that were never signed in to it.
    Strangers(String),
    /// The same from one browser that was.
    Known(String, [u8; 16]),
    /// A client by its address; IPv6 counts by its /64.
    Client([u8; 8]),
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    failures: u32,
    last_at: Millis,
}

#[derive(Default)]
pub(super) struct Attempts(Mutex<HashMap<Lane, Tries>>);

impl Lane {
    pub(super) fn client(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                Self::Client([0, 0, 0, 0, a, b, c, d])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::Client([a, b, c, d, e, f, g, h])
            }
        }
    }

    const fn free(&self) -> u32 {
        match self {
            Self::Strangers(_) | Self::Known(..) => FREE,
            Self::Client(_) => FREE_PER_CLIENT,
        }
    }
}

impl Tries {
    /// Until when the next try has to wait.
    fn until(self, free: u32) -> Millis {
        let Some(doubled) = self.failures.checked_sub(free) else { return self.last_at };
        let wait = FIRST_WAIT_MS.saturating_mul(1 << doubled.min(16)).min(LONGEST_WAIT_MS);
        self.last_at.saturating_add(wait)
    }
}

impl Attempts {
    /// Begins a try: it counts as one in vain until [`Attempts::succeeded`] says otherwise, so that many at once are many. One that has
    /// to wait does not count.
    pub(super) fn begin(&self, lanes: &[Lane], at: Millis) -> Result<(), u32> {
        let mut all = self.0.lock();
        if all.len() + lanes.len() > TRIES_MAX {
            all.retain(|lane, tries| tries.until(lane.free()) > at);
            if all.len() + lanes.len() > TRIES_MAX {
                // So many that wait are an attack from many addresses. What accounts are protected by stays.
                all.retain(|lane, _| !matches!(lane, Lane::Client(_)));
            }
            if all.len() + lanes.len() > TRIES_MAX {
                all.clear();
            }
        }
        let until = |lane: &Lane| {
            let tries = all.get(lane).filter(|tries| at.saturating_sub(tries.last_at) < FORGOTTEN_MS)?;
            Some(tries.until(lane.free())).filter(|until| *until > at)
        };
        if let Some(until) = lanes.iter().filter_map(until).max() {
            return Err(u32::try_from((until - at).div_euclid(1000) + 1).unwrap_or(u32::MAX));
        }
        for lane in lanes {
            let tries = all.entry(lane.clone()).or_insert(Tries { failures: 0, last_at: at });
            let failures = if at.saturating_sub(tries.last_at) < FORGOTTEN_MS { tries.failures } else { 0 };
            *tries = Tries { failures: failures.saturating_add(1), last_at: at };
        }
        Ok(())
    }

    /// The try was right. A client is not cleared by that, or somebody with an account could guess others' for ever.
    pub(super) fn succeeded(&self, lanes: &[Lane]) {
        self.withdrawn(lanes);
        let mut all = self.0.lock();
        for lane in lanes.iter().filter(|lane| !matches!(lane, Lane::Client(_))) {
            all.remove(lane);
        }
    }

    /// The try came to nothing that tells anything.
    pub(super) fn withdrawn(&self, lanes: &[Lane]) {
        let mut all = self.0.lock();
        for lane in lanes {
            if let Some(tries) = all.get_mut(lane) {
                tries.failures = tries.failures.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers() -> Lane {
        Lane::Strangers(String::from("ines"))
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_and_end() {
        let (attempts, lanes) = (Attempts::default(), [strangers()]);
        let mut at = 0;
        for _ in 0..FREE {
            assert_eq!(attempts.begin(&lanes, at), Ok(()));
        }
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = attempts.begin(&lanes, at).unwrap_err();
            waits.push(wait);
            assert!(attempts.begin(&lanes, at + Millis::from(wait - 2) * 1000).is_err(), "a try before its time changes nothing");
            at += Millis::from(wait) * 1000;
            assert_eq!(attempts.begin(&lanes, at), Ok(()));
        }
        assert_eq!(waits, [16, 31, 61, 121, 241, 481, 901, 901, 901]);
        attempts.succeeded(&lanes);
        for _ in 0..FREE {
            assert_eq!(attempts.begin(&lanes, at), Ok(()));
        }
    }

    #[test]
    fn strangers_do_not_lock_a_known_browser_and_one_client_not_another() {
        let attempts = Attempts::default();
        let (attacker, officer) = (Lane::client([203, 0, 113, 7].into()), Lane::client([198, 51, 100, 4].into()));
        while attempts.begin(&[strangers(), attacker.clone()], 0).is_ok() {}
        assert!(attempts.begin(&[strangers(), officer.clone()], 0).is_err());
        assert_eq!(attempts.begin(&[Lane::Known(String::from("ines"), [1; 16]), officer], 0), Ok(()));
        let mut names = 0..;
        while attempts.begin(&[Lane::Strangers(format!("n{}", names.next().unwrap())), attacker.clone()], 0).is_ok() {}
        assert!(names.next().unwrap() <= 21, "a client that tries many names has to wait as well");
    }

    #[test]
    fn memory_is_bounded_and_a_day_forgets() {
        let attempts = Attempts::default();
        for n in 0..100_000_u32 {
            let lanes = [Lane::Strangers(n.to_string()), Lane::client(n.to_be_bytes().into())];
            assert_eq!(attempts.begin(&lanes, 0), Ok(()));
        }
        assert!(attempts.0.lock().len() <= TRIES_MAX);
        while attempts.begin(&[strangers()], 0).is_ok() {}
        assert_eq!(attempts.begin(&[strangers()], FORGOTTEN_MS), Ok(()));
        assert_eq!(attempts.0.lock().get(&strangers()).unwrap().failures, 1);
    }
}
