//! How many mails are sent because somebody asked: the gateway must not be of use to somebody who writes to strangers.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::clock::{DAY_MS, Millis};

/// How many mails one address gets in a day because somebody asked in its name.
const MAILS_PER_DAY: u32 = 3;
/// How many such mails all addresses get in an hour: the gateway must not be of use to somebody who writes to strangers.
const MAILS_PER_HOUR: u32 = 1_000;
const HOUR_MS: Millis = 3_600_000;

/// How many mails were sent because somebody asked. Forgotten at a restart.
pub struct Flood {
    limits: Limits,
    counts: Mutex<Counts>,
}

/// How many mails are sent because somebody asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many one address gets.
    pub per_address: u32,
    /// In which time, in milliseconds.
    pub window_ms: Millis,
    /// How many all addresses get in an hour.
    pub per_hour: u32,
}

#[derive(Default)]
struct Counts {
    /// The hour that is counted: when it began, and how many there were.
    hour: (Millis, u32),
    /// Per keyed digest of an address: when its window began, and how many there were. Invariant: no more than a window's worth of mails.
    addresses: HashMap<[u8; 16], (Millis, u32)>,
}

/// Whether one more may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Yes,
    /// This address has got enough.
    Enough,
    /// Everybody has to wait.
    Full,
}

impl Default for Flood {
    fn default() -> Self {
        Self::new(Limits { per_address: MAILS_PER_DAY, window_ms: DAY_MS, per_hour: MAILS_PER_HOUR })
    }
}

impl Flood {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Mutex::default() }
    }

    /// Whether one more may be sent to an address, by its keyed digest; then it counts.
    pub fn room(&self, address: [u8; 16], at: Millis) -> Room {
        let Limits { per_address, window_ms, per_hour } = self.limits;
        let counts = &mut *self.counts.lock();
        if at - counts.hour.0 >= HOUR_MS {
            counts.hour = (at, 0);
            counts.addresses.retain(|_, (since, _)| at - *since < window_ms);
        }
        // Asked first, so that the answer is the same for every address.
        if counts.hour.1 >= per_hour {
            return Room::Full;
        }
        let (since, sent) = counts.addresses.entry(address).or_insert((at, 0));
        if at - *since >= window_ms {
            (*since, *sent) = (at, 0);
        }
        if *sent >= per_address {
            return Room::Enough;
        }
        *sent += 1;
        counts.hour.1 += 1;
        Room::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_a_few_mails_a_day_and_all_together_not_more_than_an_hours_worth() {
        let flood = Flood::default();
        let rooms: Vec<Room> = (0..10_000).map(|n| flood.room([1; 16], n)).collect();
        assert_eq!(rooms.iter().filter(|room| **room == Room::Yes).count(), 3);
        assert!(rooms[3..].iter().all(|room| *room == Room::Enough));
        assert_eq!(flood.room([1; 16], DAY_MS - 1), Room::Enough);
        assert_eq!(flood.room([1; 16], DAY_MS), Room::Yes);

        let flood = Flood::default();
        let address = |n: u32| {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&n.to_be_bytes());
            address
        };
        let sent = (0..5_000).filter(|n| flood.room(address(*n), 0) == Room::Yes).count();
        assert_eq!(sent, 1_000);
        assert_eq!(flood.room(address(9_999), HOUR_MS - 1), Room::Full);
        assert_eq!(flood.room(address(0), HOUR_MS - 1), Room::Full, "the same for whoever has got one already");
        assert_eq!(flood.room(address(9_999), HOUR_MS), Room::Yes);
        assert!(flood.counts.lock().addresses.len() <= 1_001);
    }
}
