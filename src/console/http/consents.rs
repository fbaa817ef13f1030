//! `/console/consents`: how often people agree, day by day. Numbers alone, of nobody.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, web};
use askama::Template;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::queue::Choice;
use super::{Answer, Fields, Seat, beside, broken, page};
use crate::app::App;
use crate::consent::Counts;
use crate::console::{Plot, Point, text};
use crate::policy::LegalBasis;
use crate::site::frame::Frame;

/// The periods that one can look at, in days.
const PERIODS: [i32; 3] = [30, 90, 365];

#[derive(Template)]
#[template(path = "console/consents.html")]
struct Page {
    f: Frame,
    periods: Vec<Choice>,
    lines: Vec<Line>,
    from: String,
    to: String,
}

/// A purpose's line, with the same as a table.
struct Line {
    id: String,
    title: String,
    /// What the picture shows, for who does not see it.
    label: String,
    sum: String,
    plot: Plot,
    rows: Vec<Row>,
}

struct Row {
    day: String,
    granted: u64,
    denied: u64,
    withdrawn: u64,
    percent: String,
}

/// `GET /console/consents`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let fields = Fields::read(req.query_string())?;
    let asked = fields.text("days").and_then(|days| days.parse().ok());
    let days = asked.filter(|days| PERIODS.contains(days)).unwrap_or(PERIODS[0]);
    let today = seat.policy.controller.day(app.clock.now());
    let from = today.saturating_sub((days - 1).days());
    let shared = app.clone();
    let counted = beside(move || shared.consents.rates.read(from)).await?.map_err(|error| broken(&error))?;
    let counted: BTreeMap<Date, BTreeMap<String, Counts>> = counted.into_iter().collect();
    let all: Vec<Date> = from.series(1.day()).take_while(|day| *day <= today).collect();
    let asked_for = seat.policy.purposes.iter().filter(|purpose| purpose.basis == LegalBasis::Consent && !purpose.is_retired());
    let lines = asked_for.map(|purpose| {
        let title = text(&purpose.title, seat.words.0.code());
        line(&seat, (&purpose.id, title), &all, |day| counted.get(&day).and_then(|day| day.get(&purpose.id)).copied())
    });
    let period = |days_of: &i32| Choice {
        value: days_of.to_string(),
        text: seat.words.of("console-consents-days", "number", *days_of),
        chosen: *days_of == days,
    };
    let lines = lines.collect();
    let (periods, words) = (PERIODS.iter().map(period).collect(), seat.words);
    page(&Page { f: seat.frame("consents"), periods, lines, from: words.day(from), to: words.day(today) })
}

fn line(seat: &Seat, (id, title): (&str, String), days: &[Date], counts: impl Fn(Date) -> Option<Counts>) -> Line {
    let point = |counts: Counts| Point { yes: counts.granted, no: counts.denied.saturating_add(counts.withdrawn) };
    let each: Vec<(Date, Counts)> = days.iter().map(|day| (*day, counts(*day).unwrap_or_default())).collect();
    let points: Vec<Point> = each.iter().map(|(_, counts)| point(*counts)).collect();
    let percent = |point: Point| {
        point
            .percent()
            .map_or_else(String::new, |percent| seat.words.of("console-percent", "number", super::proof::whole(percent)))
    };
    let sum = points.iter().fold(Point::default(), |sum, point| Point { yes: sum.yes + point.yes, no: sum.no + point.no });
    let rows = each.iter().rev().filter(|(_, counts)| *counts != Counts::default()).map(|(day, counts)| Row {
        day: seat.words.day(*day),
        granted: counts.granted,
        denied: counts.denied,
        withdrawn: counts.withdrawn,
        percent: percent(point(*counts)),
    });
    let sum = if sum.percent().is_none() {
        seat.words.say("console-consents-none")
    } else {
        let decisions = super::proof::whole(sum.yes + sum.no);
        seat.words.all("console-consents-sum", [("percent", percent(sum).into()), ("number", decisions.into())])
    };
    let day = |day: Option<&Date>| day.map(|day| seat.words.day(*day)).unwrap_or_default();
    let (from, to) = (day(days.first()), day(days.last()));
    let label = [("purpose", title.clone().into()), ("from", from.into()), ("to", to.into())];
    let label = seat.words.all("console-consents-plot", label);
    Line { id: id.to_owned(), title, label, sum, plot: Plot::of(&points), rows: rows.collect() }
}
