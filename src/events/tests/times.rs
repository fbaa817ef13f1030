//! Clocks that are right, a little off, and absurd.

use proptest::prelude::*;

use super::{NOW, one};
use crate::clock::DAY_MS;
use crate::events::parse::batch;
use crate::events::time::{EARLIEST, SKEW_MIN_MS, happened, parse};

#[test]
fn every_way_to_write_a_moment_is_read() {
    for text in [
        "2026-11-22T06:34:05.000Z",
        "2026-11-22T06:34:05Z",
        "2026-11-22T06:34:05+00:00",
        "2026-11-22T07:34:05+01:00",
        "2026-11-22T07:34:05.000+0100",
        "2026-11-22T06:34:05.000123Z",
        "2026-11-22T06:34:05.000123456+00:00",
        "2026-11-22T06:34:05",
        "2026-11-22 06:34:05.000",
    ] {
        assert_eq!(parse(text), Some(NOW), "{text}");
    }
    for text in [
        "",
        "now",
        "2026-13-01T00:00:00Z",
        "2026-11-22T24:61:00.000Z",
        "22.11.2026",
        "1795329245000",
        "\u{202E}2026-11-22T06:34:05Z",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn a_right_clock_changes_nothing() {
    let hour_ago = NOW - 3_600_000;
    assert_eq!(happened(Some(hour_ago), Some(NOW - SKEW_MIN_MS + 1), NOW), Some(hour_ago));
    assert_eq!(happened(Some(hour_ago), None, NOW), Some(hour_ago));
    assert_eq!(happened(None, Some(0), NOW), Some(NOW));
}

#[test]
fn a_wrong_clock_is_corrected_by_what_it_is_off() {
    for off in [-7_200_000, 5_400_000, -10 * 365 * DAY_MS, SKEW_MIN_MS] {
        assert_eq!(happened(Some(NOW - 60_000 + off), Some(NOW + off), NOW), Some(NOW - 60_000), "off by {off}");
    }
}

#[test]
fn history_that_a_server_imports_keeps_its_time() {
    let body =
        r#"{"type":"track","event":"E","userId":"u","timestamp":"2020-01-01T00:00:00.000Z","sentAt":"2026-11-22T06:34:04Z"}"#;
    let event = one(None, body).unwrap();
    assert_eq!((event.original_at, event.at), (Some(1_577_836_800_000), 1_577_836_800_000));
}

#[test]
fn a_clock_that_is_wrong_by_years_and_does_not_say_so_is_refused() {
    for time in [
        "1970-01-01T00:00:00.000Z",
        "1999-12-31T23:59:59.999Z",
        "2036-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "-009999-01-01T00:00:00Z",
    ] {
        let body = format!(r#"{{"type":"page","userId":"u","timestamp":"{time}"}}"#);
        assert_eq!(one(None, &body).unwrap_err().field, "timestamp", "{time}");
        let body = format!(r#"{{"type":"page","userId":"u","originalTimestamp":"{time}"}}"#);
        assert_eq!(one(None, &body).unwrap_err().field, "originalTimestamp", "{time}");
    }
    assert_eq!(happened(Some(NOW + DAY_MS), None, NOW), Some(NOW + DAY_MS));
    assert_eq!(happened(Some(NOW + DAY_MS + 1), None, NOW), None);
    assert_eq!(happened(Some(EARLIEST), None, NOW), Some(EARLIEST));
}

#[test]
fn the_nearest_word_about_sending_counts() {
    let at = |body: &str, header| batch(body.as_bytes()).unwrap().events(None, NOW, header).good.remove(0).at;
    let event = r#""type":"page","userId":"u","timestamp":"2026-11-22T04:34:05Z""#;
    let own = format!(r#"{{"sentAt":"2020-01-01T00:00:00Z","batch":[{{{event},"sentAt":"2026-11-22T04:34:05Z"}}]}}"#);
    let envelope = format!(r#"{{"sentAt":"2026-11-22T04:34:05Z","batch":[{{{event}}}]}}"#);
    let none = format!(r#"{{"sentAt":17,"batch":[{{{event}}}]}}"#);
    assert_eq!(at(&own, None), NOW);
    assert_eq!(at(&envelope, Some(NOW)), NOW);
    assert_eq!(at(&none, Some(NOW - 7_200_000)), NOW);
    assert_eq!(at(&none, None), NOW - 7_200_000);
}

proptest! {
    #[test]
    fn the_quick_way_reads_what_the_calendar_reads(at in 0_i64..4_102_444_800_000) {
        let text = crate::clock::rfc3339(at);
        prop_assert_eq!(parse(&text), Some(at));
    }

    #[test]
    fn no_clock_makes_a_time_outside_the_bounds(original: Option<i64>, sent: Option<i64>, received in EARLIEST..4_102_444_800_000) {
        if let Some(at) = happened(original, sent, received) {
            prop_assert!((EARLIEST..=received + DAY_MS).contains(&at));
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,40}", digits in "[0-9TZ:+.-]{0,30}") {
        let _read = (parse(&text), parse(&digits));
    }
}
