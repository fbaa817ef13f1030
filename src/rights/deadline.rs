//! Until when a request must be answered: GDPR Art. 12(3), counted as Regulation (EEC, Euratom) No 1182/71 says.
//!
//! One calendar month from receipt; three if it was extended. The day of receipt is not counted (Art. 3(1)); a month ends on the day
//! of the same number, or on the last of the month if there is none (Art. 3(2)(c)); if that is a Saturday, a Sunday or a public
//! holiday, the period ends with the next working day (Art. 3(4)). While it is unclear who asks, the period rests (EDPB Guidelines
//! 01/2022, margin 157).

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use crate::clock::Millis;

/// What the calendar of a company is.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Where its days begin.
    pub zone: TimeZone,
    /// Days on which nobody works, besides weekends.
    pub holidays: Vec<Date>,
}

/// What happened to a request, as far as its deadline is concerned.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// When it came.
    pub received_at: Millis,
    /// When it was unclear who asks: from, and until when if that is over.
    pub pauses: Vec<(Millis, Option<Millis>)>,
    /// Whether it was extended by two months.
    pub extended: bool,
}

/// How a deadline comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reckoning {
    /// The day on which the request came.
    pub received: Date,
    /// How many months there are.
    pub months: i32,
    /// The day on which they end.
    pub end: Date,
    /// How many days the period rested.
    pub rested: i32,
    /// The last day: `end` and the days of rest, or the next working day.
    pub due: Date,
}

impl Calendar {
    /// The day on which something happened.
    #[must_use]
    pub fn day(&self, at: Millis) -> Date {
        let timestamp = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(timestamp).date()
    }

    /// The last day for the answer; `None` while it is unclear who asks.
    #[must_use]
    pub fn due(&self, course: &Course) -> Option<Date> {
        self.reckon(course).map(|reckoning| reckoning.due)
    }

    /// How the last day for the answer comes about; `None` while it is unclear who asks.
    #[must_use]
    pub fn reckon(&self, course: &Course) -> Option<Reckoning> {
        let mut rested = 0_i32;
        for (from, until) in &course.pauses {
            let span = self.day(*from).until(self.day((*until)?)).ok()?;
            rested = rested.saturating_add(span.get_days());
        }
        let (received, months) = (self.day(course.received_at), if course.extended { 3 } else { 1 });
        let end = received.checked_add(months.months()).ok()?;
        let due = self.next_working_day(end.checked_add(rested.days()).ok()?);
        Some(Reckoning { received, months, end, rested, due })
    }

    /// How many days are left, negative when it is late; `None` while the period rests.
    #[must_use]
    pub fn days_left(&self, course: &Course, now: Millis) -> Option<i32> {
        Some(self.day(now).until(self.due(course)?).ok()?.get_days())
    }

    /// Whether the period may still be extended: inside its first month (Art. 12(3), sentence 3).
    #[must_use]
    pub fn may_extend(&self, course: &Course, now: Millis) -> bool {
        !course.extended && self.due(course).is_none_or(|due| self.day(now) <= due)
    }

    fn next_working_day(&self, mut day: Date) -> Date {
        while matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) || self.holidays.contains(&day) {
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        day
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Millis {
        let local: jiff::civil::DateTime = text.parse().unwrap();
        calendar().zone.to_timestamp(local).unwrap().as_millisecond()
    }

    fn calendar() -> Calendar {
        let holidays = ["2026-04-03", "2026-04-06", "2026-05-01", "2026-12-25", "2026-12-26", "2027-01-01"];
        Calendar { zone: TimeZone::get("Europe/Berlin").unwrap(), holidays: holidays.iter().map(|d| date(d)).collect() }
    }

    fn course(received: &str) -> Course {
        Course { received_at: at(received), ..Course::default() }
    }

    #[test]
    fn months_end_where_the_regulation_says() {
        for (received, due, extended) in [
            ("2026-02-10T09:00", "2026-03-10", "2026-05-11"), // 10 May is a Sunday
            ("2026-01-31T09:00", "2026-03-02", "2026-04-30"), // 28 February is a Saturday
            ("2028-01-31T09:00", "2028-02-29", "2028-05-02"), // a leap year; 30 April 2028 is a Sunday, 1 May is not listed for 2028
            ("2026-03-03T09:00", "2026-04-07", "2026-06-03"), // Good Friday, weekend, Easter Monday
            ("2026-04-01T09:00", "2026-05-04", "2026-07-01"), // 1 May, then a weekend
            ("2026-11-25T09:00", "2026-12-28", "2027-02-25"), // Christmas
            ("2026-10-31T09:00", "2026-11-30", "2027-02-01"), // 31 January is a Sunday
            ("2026-12-01T00:30", "2027-01-04", "2027-03-01"), // New Year, then a weekend; in UTC it is November still
            ("2026-08-31T23:59", "2026-09-30", "2026-11-30"),
        ] {
            let mut course = course(received);
            let found = calendar().due(&course).unwrap();
            assert_eq!(found, date(due), "{received}");
            course.extended = true;
            let found = calendar().due(&course).unwrap();
            let expected = if received.starts_with("2028") { date("2028-05-01") } else { date(extended) };
            assert_eq!(found, expected, "{received}, extended");
        }
    }

    #[test]
    fn the_period_rests_while_it_is_unclear_who_asks() {
        let mut course = course("2026-02-10T09:00");
        course.pauses.push((at("2026-02-10T09:00"), None));
        assert_eq!(calendar().due(&course), None);
        assert_eq!(calendar().days_left(&course, at("2026-02-11T09:00")), None);
        course.pauses[0].1 = Some(at("2026-02-20T08:00"));
        assert_eq!(calendar().due(&course), Some(date("2026-03-20")));
        course.pauses.push((at("2026-03-01T09:00"), Some(at("2026-03-01T18:00"))));
        assert_eq!(calendar().due(&course), Some(date("2026-03-20")), "within one day nothing rests");
        course.pauses.push((at("2026-03-02T09:00"), Some(at("2026-03-03T00:00"))));
        assert_eq!(calendar().due(&course), Some(date("2026-03-23")), "21 March is a Saturday");
    }

    #[test]
    fn an_extension_is_possible_inside_the_first_month_alone() {
        let mut course = course("2026-02-10T09:00");
        assert!(calendar().may_extend(&course, at("2026-03-10T23:59")));
        assert!(!calendar().may_extend(&course, at("2026-03-11T00:01")));
        assert_eq!(calendar().days_left(&course, at("2026-03-12T09:00")), Some(-2));
        course.extended = true;
        assert!(!calendar().may_extend(&course, at("2026-02-11T09:00")));
    }

    proptest! {
        #[test]
        fn a_deadline_is_a_working_day_after_at_least_a_month(day in 0_i64..20_000, hour in 0_i64..24, rest in 0_i64..400, extended in any::<bool>()) {
            let received_at = (day * 24 + hour) * 3_600_000;
            let pauses = vec![(received_at, Some(received_at + rest * 86_400_000))];
            let calendar = calendar();
            let due = calendar.due(&Course { received_at, pauses, extended }).unwrap();
            prop_assert!(!matches!(due.weekday(), Weekday::Saturday | Weekday::Sunday));
            prop_assert!(!calendar.holidays.contains(&due));
            let days = calendar.day(received_at).until(due).unwrap().get_days();
            let least = if extended { 89 } else { 28 };
            prop_assert!(i64::from(days) >= least + rest - 1 && i64::from(days) <= least + 4 + rest + 6, "{}", days);
        }
    }
}
