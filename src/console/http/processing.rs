//! `/console/processing`: the record of processing activities (GDPR Art. 30), as a page and as a table.

use actix_web::{HttpRequest, web};
use askama::Template;

use super::policy::basis;
use super::{Answer, Seat, file, page};
use crate::app::App;
use crate::console::{self, text};
use crate::rights::harmless;
use crate::site::frame::Frame;
use crate::site::table;

#[derive(Template)]
#[template(path = "console/processing.html")]
struct Page {
    f: Frame,
    controller: Vec<(String, String)>,
    activities: Vec<Activity>,
    duties: Vec<(String, String, String)>,
}

struct Activity {
    id: String,
    title: String,
    text: String,
    facts: Vec<(String, String)>,
    recipients: Vec<(String, String, String, String)>,
}

/// `GET /console/processing`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let (controller, words) = (&seat.policy.controller, seat.words);
    let activities = console::activities(&seat.policy, words.0.code()).into_iter().map(|activity| shown(&seat, activity));
    let duty = |duty: &crate::policy::Duty| {
        let kept = words.of("console-years", "number", duty.keep_years);
        (text(&duty.law, words.0.code()), duty.events.join(", "), kept)
    };
    page(&Page {
        f: seat.frame("processing"),
        controller: vec![
            (words.say("console-processing-controller"), format!("{}, {}", controller.name, controller.address)),
            (words.say("console-processing-contact"), controller.contact.clone()),
            (words.say("console-processing-version"), seat.policy.version.clone()),
        ],
        activities: activities.collect(),
        duties: seat.policy.duties.iter().map(duty).collect(),
    })
}

fn shown(seat: &Seat, activity: console::Activity) -> Activity {
    let words = seat.words;
    let mut facts = vec![
        (words.say("console-processing-basis"), seat.by_text_key("console-basis-", basis(activity.basis))),
        (words.say("console-processing-data"), activity.data.join(", ")),
        (words.say("console-processing-sources"), activity.sources.join(", ")),
        (words.say("console-processing-kept"), words.of("console-days", "number", activity.retention_days)),
    ];
    if let Some(days) = activity.consent_days {
        facts.push((words.say("console-processing-asked"), words.of("console-days", "number", days)));
    }
    let recipient = |recipient: console::Recipient| {
        let kind = seat.by_text_key("console-destination-", recipient.kind);
        let kind = if recipient.is_on { kind } else { format!("{kind}, {}", words.say("console-off")) };
        let (form, erasure) =
            (seat.by_text_key("console-form-", recipient.form), seat.by_text_key("console-erasure-", recipient.erasure));
        (recipient.id, kind, form, erasure)
    };
    let recipients = activity.recipients.into_iter().map(recipient).collect();
    Activity { id: activity.id, title: activity.title, text: activity.text, facts, recipients }
}

/// `GET /console/processing.csv`.
pub async fn keep(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let columns = [
        "controller",
        "contact",
        "purpose",
        "title",
        "description",
        "legal_basis",
        "data",
        "sources",
        "recipients",
        "retention_days",
        "consent_days",
        "policy_version",
    ];
    let controller = &seat.policy.controller;
    let rows = console::activities(&seat.policy, seat.words.0.code()).into_iter().map(|activity| {
        let recipients = activity.recipients.iter().map(|r| format!("{} ({}, {})", r.id, r.kind, r.form));
        let cells = [
            controller.name.clone(),
            controller.contact.clone(),
            activity.id,
            activity.title,
            activity.text,
            basis(activity.basis).to_owned(),
            activity.data.join("; "),
            activity.sources.join("; "),
            recipients.collect::<Vec<_>>().join("; "),
            activity.retention_days.to_string(),
            activity.consent_days.map(|days| days.to_string()).unwrap_or_default(),
            seat.policy.version.clone(),
        ];
        cells.iter().map(|cell| harmless(cell)).collect()
    });
    std::future::ready(Ok(file(table::csv(&columns, rows, None)?, "processing.csv"))).await
}
