//! Laws that oblige to keep certain events (GDPR Art. 17(3)(b)), and periods that are counted from the end of a calendar year.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use toml::Spanned;

use super::finding::Findings;
use super::model::{Controller, Policy, Texts};
use super::raw::{Parsed, Raw, RawDuty};
use crate::clock::Millis;

/// No law that we know asks for more; a larger number is a slip.
const YEARS_MAX: u16 = 30;

/// A law that obliges to keep certain events.
#[derive(Clone, Debug)]
pub struct Duty {
    /// Its ID in the API, such as `invoices`.
    pub id: String,
    /// Which law, for people and authorities.
    pub law: Texts,
    /// For how many years, counted from the end of the calendar year in which the event came (§ 147(4) AO).
    pub keep_years: u16,
    /// Names of the track events that it is about.
    pub events: Vec<String>,
}

impl Policy {
    /// The duty to keep an event, if there is one.
    #[must_use]
    pub fn duty(&self, event: &str) -> Option<&Duty> {
        self.duties.iter().find(|duty| duty.events.iter().any(|name| name == event))
    }
}

impl Controller {
    /// Where its days begin.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// The day on which something happened.
    #[must_use]
    pub fn day(&self, at: Millis) -> Date {
        self.zone().to_datetime(Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)).date()
    }

    /// The last day of a period of so many years that begins with the end of the year in which something happened.
    #[must_use]
    pub fn end_of_year_after(&self, at: Millis, years: u16) -> Date {
        let begun = self.day(at).year();
        date(begun.saturating_add(i16::try_from(years).unwrap_or(i16::MAX)).min(9998), 12, 31)
    }

    /// Whether a last day is over.
    #[must_use]
    pub fn is_over(&self, last: Date, at: Millis) -> bool {
        self.day(at) > last
    }

    /// The moment at which the day after a last day begins.
    #[must_use]
    pub fn after(&self, last: Date) -> Millis {
        let next = last.checked_add(1.day()).unwrap_or(last);
        self.zone().to_timestamp(next.at(0, 0, 0, 0)).map_or(Millis::MAX, jiff::Timestamp::as_millisecond)
    }
}

/// Checks what is written about duties.
pub(super) fn lint(raw: &Raw, findings: &mut Findings) {
    let Parsed { from, value } = &raw.purposes;
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for duty in &value.duty {
        let id = duty.id.as_ref().as_str();
        if !(1..=YEARS_MAX).contains(duty.keep_years.as_ref()) {
            let words = (format!("keep_years is 1 to {YEARS_MAX}"), "say what the law says");
            findings.error(from, duty.keep_years.span(), "duty", words);
        }
        if duty.events.as_ref().is_empty() {
            let words = ("a duty that keeps nothing", "name its track events, such as \"Order Completed\"");
            findings.error(from, duty.events.span(), "duty", words);
        }
        for event in duty.events.as_ref() {
            if let Some(other) = named.insert(event, id).filter(|other| *other != id) {
                let words = (format!("`{event}` is kept for `{other}` already"), "leave it to the duty that keeps it longest");
                findings.error(from, duty.events.span(), "duty", words);
            }
        }
    }
    let profile = raw.destinations.value.destination.iter().any(|d| *d.kind.as_ref() == super::raw::RawKind::Profile);
    if let Some(duty) = value.duty.first().filter(|_| !profile) {
        let words =
            ("nothing is kept without an embedded profile store", "add a destination of kind profile, or remove the duty");
        findings.warning(from, duty.id.span(), "duty", words);
    }
}

pub(super) fn compile(raw: &RawDuty) -> Duty {
    let text = |spanned: &Spanned<String>| spanned.as_ref().clone();
    Duty {
        id: text(&raw.id),
        law: raw.law.as_ref().clone(),
        keep_years: *raw.keep_years.as_ref(),
        events: raw.events.as_ref().clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(zone: &str) -> Controller {
        Controller { time_zone: zone.to_owned(), ..Controller::default() }
    }

    fn at(text: &str) -> Millis {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_period_ends_with_the_year_where_the_company_is() {
        for (zone, received, years, last, over) in [
            ("Europe/Berlin", "2026-05-03T09:00:00Z", 8, "2034-12-31", "2034-12-31T23:00:00Z"),
            ("Europe/Berlin", "2026-12-31T22:59:59.999Z", 8, "2034-12-31", "2034-12-31T23:00:00Z"),
            // In Berlin it is New Year already.
            ("Europe/Berlin", "2026-12-31T23:00:00Z", 8, "2035-12-31", "2035-12-31T23:00:00Z"),
            ("Europe/Berlin", "2028-02-29T12:00:00Z", 1, "2029-12-31", "2029-12-31T23:00:00Z"),
            ("Europe/Berlin", "2024-02-29T12:00:00Z", 10, "2034-12-31", "2034-12-31T23:00:00Z"),
            ("Pacific/Auckland", "2026-12-31T11:00:00Z", 3, "2030-12-31", "2030-12-31T11:00:00Z"),
            ("America/New_York", "2027-01-01T04:59:59Z", 3, "2029-12-31", "2030-01-01T05:00:00Z"),
        ] {
            let company = controller(zone);
            let found = company.end_of_year_after(at(received), years);
            assert_eq!(found.to_string(), last, "{zone} {received}");
            assert_eq!(company.after(found), at(over), "{zone} {received}");
            assert!(!company.is_over(found, at(over) - 1) && company.is_over(found, at(over)), "{zone} {received}");
        }
    }
}
