//! Time and chance, handed in as values.
//!
//! Handlers ask the clock once and pass `at` down; nothing below them reads a clock. Tests use a manual clock and a seeded
//! source of chance, so that a run can be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ring::rand::SecureRandom;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// One day in milliseconds.
pub const DAY_MS: Millis = 86_400_000;

/// Where the gateway reads the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that only [`Clock::pass`] moves. For tests.
    #[must_use]
    pub fn manual(start: Millis) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start))))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Millis {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Source::System => jiff::Timestamp::now().as_millisecond(),
            Source::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward; the machine's clock ignores it.
    pub fn pass(&self, duration_ms: Millis) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(duration_ms, Ordering::SeqCst);
        }
    }
}

/// Where randomness comes from. Cheap to clone.
#[derive(Clone)]
pub struct Chance(Arc<dyn SecureRandom + Send + Sync>);

/// The operating system had no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoChance;

impl Chance {
    /// The operating system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(ring::rand::SystemRandom::new()))
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`NoChance`] if the operating system refuses.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], NoChance> {
        let mut out = [0_u8; N];
        self.0.fill(&mut out).map_err(|ring::error::Unspecified| NoChance)?;
        Ok(out)
    }
}

/// Writes `at` as RFC 3339 in UTC with milliseconds, as events carry it.
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| String::from("1970-01-01T00:00:00.000Z"), |t| format!("{t:.3}"))
}
