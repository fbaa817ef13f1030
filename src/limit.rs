//! Every limit by its name, and who has asked how often.
//!
//! Promises: memory stays flat whatever is sent; a client that asks too often is told when to come back, and slows nobody
//! else down. It knows no key, no route and no person: a client is an address, and IPv6 addresses count by their /64.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use hashbrown::HashMap;
use parking_lot::RwLock;

/// The largest body that an event endpoint reads off the wire.
pub const EVENTS_BODY_BYTES_MAX: usize = 512 * 1024;
/// The largest body that an event endpoint unpacks to: 500 kB of batch and some room for the envelope.
pub const EVENTS_UNPACKED_BYTES_MAX: usize = 512 * 1024;
/// The largest single event, as JSON.
pub const EVENT_BYTES_MAX: usize = 32 * 1024;
/// The most events of one batch.
pub const BATCH_EVENTS_MAX: usize = 2_500;
/// The longest message ID, in characters.
pub const MESSAGE_ID_CHARS_MAX: usize = 100;
/// The most members of one event, counted through all levels.
pub const EVENT_MEMBERS_MAX: usize = 10_000;
/// The largest body of every other endpoint.
pub const API_BODY_BYTES_MAX: usize = 64 * 1024;
/// The most identifiers that one request may state.
pub const IDENTIFIERS_MAX: usize = 16;
/// The most records of another tool that are taken over at once.
pub const IMPORT_RECORDS_MAX: usize = 500;
/// The largest body that holds such records.
pub const IMPORT_BODY_BYTES_MAX: usize = 1 << 20;
/// The most questions that are answered at once.
pub const EVALUATIONS_MAX: usize = 500;
/// The most entries of one page of an answer.
pub const PAGE_MAX: usize = 500;
/// The longest write key that is looked at.
pub const WRITE_KEY_CHARS_MAX: usize = 128;

/// Pages, documents and figures: requests per second and address.
pub const PAGES_PER_S: u32 = 50;
/// People who ask, and who follow links in mails: requests per second and address.
pub const PEOPLE_PER_S: u32 = 20;
/// Links to sign in that are asked for, and statements that sign somebody in: per second and address.
pub const SIGN_INS_PER_S: u32 = 5;
/// Calls with a secret key: requests per second and address.
pub const SECRET_PER_S: u32 = 500;
/// Secret keys that were not seen before, right or wrong: tries per second and address. Each costs an argon2.
pub const GUESSES_PER_S: u32 = 5;
/// Secret keys that may be checked by argon2 at the same time. Each takes 19 MiB.
pub const GUESSES_AT_ONCE: usize = 2;
/// How long a caller waits for that before it is told to come back, in milliseconds.
pub const GUESS_WAIT_MS: u64 = 2_000;
/// Secret keys that are remembered as proven.
pub const PROVEN_KEYS_MAX: usize = 10_000;

/// How many requests pass between two looks at whether the memory of addresses should be pruned.
const PRUNE_EVERY: u32 = 4_096;
/// From how many addresses on it is pruned. What an address had been counted for is forgotten a second after its last request.
const ADDRESSES_MAX: usize = 65_536;
/// How many different rates a policy may name before the memory of all starts anew.
const RATES_MAX: usize = 64;

/// What is being counted. Classes do not share a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What one source sends, by its index in the policy.
    Source(u16),
    /// Pages and documents.
    Pages,
    /// People who ask, and who follow links in mails.
    People,
    /// People who want to sign in.
    SignIn,
    /// Calls with a secret key.
    Secret,
    /// Secret keys that have to be proven first.
    Guess,
}

/// A client as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4([u8; 4]),
    /// The first 64 bits: one household, one company, one attacker.
    V6([u8; 8]),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

type Key = (Class, Client);
type Keyed<C> = RateLimiter<Key, DefaultKeyedStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Who has asked how often. One for the whole process.
pub struct Limiter<C: Clock = DefaultClock> {
    clock: C,
    /// One limiter per rate, because a rate belongs to the limiter.
    by_rate: RwLock<HashMap<NonZeroU32, Arc<Keyed<C>>>>,
    asked: AtomicU32,
}

impl Limiter {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(DefaultClock::default())
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Clock + Clone> Limiter<C> {
    /// The same by another clock. For tests.
    #[must_use]
    pub fn with_clock(clock: C) -> Self {
        Self { clock, by_rate: RwLock::default(), asked: AtomicU32::new(0) }
    }

    /// Counts one request. A burst of one second's worth passes at once; `per_s` of 0 means no limit.
    ///
    /// # Errors
    /// In how many seconds to come back, at least 1.
    pub fn allow(&self, class: Class, per_s: u32, address: IpAddr) -> Result<(), u32> {
        let Some(rate) = NonZeroU32::new(per_s) else { return Ok(()) };
        let limiter = self.limiter(rate);
        if self.asked.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1 {
            self.prune();
        }
        limiter.check_key(&(class, Client::from(address))).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
        })
    }

    /// How many addresses are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_rate.read().values().map(|limiter| limiter.len()).sum()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn limiter(&self, rate: NonZeroU32) -> Arc<Keyed<C>> {
        if let Some(limiter) = self.by_rate.read().get(&rate) {
            return Arc::clone(limiter);
        }
        let mut by_rate = self.by_rate.write();
        if by_rate.len() >= RATES_MAX {
            by_rate.clear();
        }
        let fresh = || Arc::new(RateLimiter::dashmap_with_clock(Quota::per_second(rate), self.clock.clone()));
        Arc::clone(by_rate.entry(rate).or_insert_with(fresh))
    }

    fn prune(&self) {
        for limiter in self.by_rate.read().values().filter(|limiter| limiter.len() > ADDRESSES_MAX) {
            limiter.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_seconds_worth_passes_and_then_the_client_is_told_when_to_come_back() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(clock.clone());
        let client = address("203.0.113.7");
        for _ in 0..10 {
            assert_eq!(limiter.allow(Class::Pages, 10, client), Ok(()));
        }
        assert_eq!(limiter.allow(Class::Pages, 10, client), Err(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limiter.allow(Class::Pages, 10, client), Ok(()));
    }

    #[test]
    fn one_client_does_not_slow_another_and_classes_do_not_share_a_budget() {
        let limiter = Limiter::with_clock(FakeRelativeClock::default());
        let (one, other) = (address("203.0.113.7"), address("203.0.113.8"));
        assert_eq!(limiter.allow(Class::Source(0), 1, one), Ok(()));
        assert!(limiter.allow(Class::Source(0), 1, one).is_err());
        assert_eq!(limiter.allow(Class::Source(0), 1, other), Ok(()));
        assert_eq!(limiter.allow(Class::Source(1), 1, one), Ok(()));
        assert_eq!(limiter.allow(Class::Guess, 1, one), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_and_both_spellings_of_ipv4_are_one_client() {
        let limiter = Limiter::with_clock(FakeRelativeClock::default());
        assert_eq!(limiter.allow(Class::Pages, 1, address("2001:db8:1:2::1")), Ok(()));
        assert!(limiter.allow(Class::Pages, 1, address("2001:db8:1:2:ffff::9")).is_err());
        assert_eq!(limiter.allow(Class::Pages, 1, address("2001:db8:1:3::1")), Ok(()));
        assert_eq!(limiter.allow(Class::Pages, 1, address("198.51.100.4")), Ok(()));
        assert!(limiter.allow(Class::Pages, 1, address("::ffff:198.51.100.4")).is_err());
    }

    #[test]
    fn a_rate_of_nothing_is_no_limit() {
        let limiter = Limiter::with_clock(FakeRelativeClock::default());
        assert!((0..10_000).all(|_| limiter.allow(Class::Pages, 0, address("203.0.113.7")).is_ok()));
        assert!(limiter.is_empty());
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_memory() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(clock.clone());
        for i in 0..400_000_u32 {
            if i % 1_000 == 0 {
                clock.advance(Duration::from_millis(50));
            }
            assert_eq!(limiter.allow(Class::Pages, 10, IpAddr::from(i.to_be_bytes())), Ok(()));
        }
        assert!(limiter.len() <= ADDRESSES_MAX + 30_000, "{}", limiter.len());
    }
}
