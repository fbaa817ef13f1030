//! How long to wait before the next try. Pure.

use crate::clock::Millis;

/// The shortest pause.
pub(super) const PAUSE_MS_MIN: Millis = 500;
/// The longest pause.
pub(super) const PAUSE_MS_MAX: Millis = 300_000;
/// The longest pause that a destination may ask for by `Retry-After`.
pub(super) const RETRY_AFTER_MS_MAX: Millis = 3_600_000;

/// The pause after so many failures in a row: doubled each time, and with full jitter, so that many who failed together do not
/// come back together. `draw` is any random number.
pub(super) fn pause_ms(failures: u32, draw: u64) -> Millis {
    let doubled = PAUSE_MS_MIN.saturating_mul(1 << failures.min(16));
    let most = doubled.clamp(PAUSE_MS_MIN, PAUSE_MS_MAX);
    let span = u64::try_from(most - PAUSE_MS_MIN).unwrap_or(0) + 1;
    PAUSE_MS_MIN + Millis::try_from(draw % span).unwrap_or(0)
}

/// When a destination wants to be asked again, by its `Retry-After` header: seconds or an HTTP date (RFC 9110, 10.2.3).
pub(super) fn retry_after(header: &str, at: Millis) -> Option<Millis> {
    let header = header.trim();
    let until = match header.parse::<u32>() {
        Ok(seconds) => at + Millis::from(seconds) * 1000,
        Err(_) => jiff::fmt::rfc2822::parse(header).ok()?.timestamp().as_millisecond(),
    };
    (until > at).then(|| until.min(at + RETRY_AFTER_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_stays_within_its_limits_and_can_grow(failures in 0_u32..100, draw: u64) {
            let pause = pause_ms(failures, draw);
            prop_assert!((PAUSE_MS_MIN..=PAUSE_MS_MAX).contains(&pause));
            prop_assert!(pause <= PAUSE_MS_MIN << failures.min(16));
        }
    }

    #[test]
    fn the_jitter_uses_the_whole_span() {
        assert_eq!(pause_ms(40, 0), PAUSE_MS_MIN);
        assert_eq!(pause_ms(40, u64::try_from(PAUSE_MS_MAX - PAUSE_MS_MIN).unwrap_or(0)), PAUSE_MS_MAX);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let at = 1_445_412_480_000 - 20_000;
        assert_eq!(retry_after("7", at), Some(at + 7000));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", at), Some(at + 20_000));
        assert_eq!(retry_after("4000000000", at), Some(at + RETRY_AFTER_MS_MAX));
        for nonsense in ["", "-1", "soon", "0", "Wed, 21 Oct 1015 07:28:00 GMT"] {
            assert_eq!(retry_after(nonsense, at), None, "{nonsense}");
        }
    }
}
