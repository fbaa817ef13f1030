//! When an event happened, by clocks that may be wrong.
//!
//! The sender says when it happened and when it sent; the gateway knows when it received. Where the sender's clock is clearly
//! off, the difference is taken away: `receivedAt - (sentAt - originalTimestamp)`. What a server imports with a timestamp of
//! last year keeps it, because there `sentAt` is right.
//!
//! Consent never depends on any of this: it is decided by the gateway's own clock.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::{DAY_MS, Millis};

/// Below this the difference between `sentAt` and `receivedAt` is the way through the network, not a wrong clock.
pub const SKEW_MIN_MS: Millis = 5 * 60 * 1000;

/// Nothing that the gateway is told about happened before 2000-01-01T00:00:00Z.
pub const EARLIEST: Millis = 946_684_800_000;

/// How far in the future an event may lie after correction.
pub const AHEAD_MAX_MS: Millis = DAY_MS;

/// Reads a time as SDKs write it: RFC 3339 with any offset and up to nanoseconds. Without an offset it is read as UTC, as
/// Python's `isoformat()` of a naive time means it in practice.
#[must_use]
pub fn parse(text: &str) -> Option<Millis> {
    if let Some(at) = parse_usual(text.as_bytes()) {
        return Some(at);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let civil: DateTime = text.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_millisecond())
}

/// Reads `2026-11-22T06:34:04.949Z`, which is what nearly every SDK writes, in a tenth of the time.
fn parse_usual(text: &[u8]) -> Option<Millis> {
    let [y @ .., b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', f1, f2, f3, b'Z'] = text else {
        return None;
    };
    if y.len() != 4 {
        return None;
    }
    let number = |digits: &[u8]| {
        let digit = |sum: i64, b: &u8| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0'));
        digits.iter().try_fold(0_i64, digit)
    };
    let (year, month, day) = (number(y)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?);
    // Days after the 28th and odd times of day are left to the calendar of `jiff`.
    if year < 1970 || !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + number(&[*f1, *f2, *f3])?)
}

/// Days since 1970-01-01 in the Gregorian calendar, for years from 1970: Howard Hinnant's `days_from_civil`, whose years begin
/// in March so that the leap day comes last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    365 * y + y / 4 - y / 100 + y / 400 + (153 * month_from_march + 2) / 5 + day - 1 - 719_468
}

/// When it happened. `None` if that is absurd: before [`EARLIEST`] or more than [`AHEAD_MAX_MS`] ahead. Such an event is
/// refused, not moved to a time that nobody stated: the sender learns that its clock is wrong by years.
#[must_use]
pub fn happened(original: Option<Millis>, sent_at: Option<Millis>, received_at: Millis) -> Option<Millis> {
    let Some(original) = original else {
        return Some(received_at);
    };
    let skew = sent_at.and_then(|sent_at| received_at.checked_sub(sent_at)).unwrap_or(0);
    let at = if skew.unsigned_abs() >= SKEW_MIN_MS.unsigned_abs() { original.checked_add(skew)? } else { original };
    (at >= EARLIEST && at <= received_at.saturating_add(AHEAD_MAX_MS)).then_some(at)
}
