//! `POST /console/requests/{id}/{step}`: what officers do with a request.

use std::sync::Arc;

use actix_web::{HttpRequest, web};

use super::{Answer, BASE, Fields, Seat, request};
use crate::app::App;
use crate::error::{Code, Problem};
use crate::officers::{Authority as _, Desk, Dpo, invitation};
use crate::rights::{Error, Ground, RequestId, Step};
use crate::site::frame;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 2_000;

/// Does it, and shows the request again: with what was done, or why not.
pub async fn act(req: HttpRequest, app: web::Data<App>, path: web::Path<(String, String)>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let (id, name) = path.into_inner();
    let id = RequestId::parse(&id).ok_or_else(|| seat.nothing())?;
    let who = match name.as_str() {
        "approve" | "refuse" | "extend" | "cancel" | "lift" | "confirm" => seat.authority::<Dpo>()?.who().to_owned(),
        "identify" | "doubt" | "send_link" | "assign" | "note" => seat.authority::<Desk>()?.who().to_owned(),
        _ => return Err(seat.nothing()),
    };
    let (step, reason) = match step(&name, &fields, &seat) {
        Ok(read) => read,
        Err(wrong) => return again(id, wrong),
    };
    let rights = Arc::clone(&app.rights);
    // A task of its own: what has begun is finished even if the officer leaves.
    let task = actix_web::rt::spawn(async move { rights.act(id, step, &who, reason.as_deref()).await });
    match task.await.map_err(|_gone| Problem::new(Code::Unavailable))? {
        Ok(_) => Ok(frame::lead_to(&format!("{BASE}/requests/{id}?done={name}"), &[])?),
        Err(error) => match wrong(&error) {
            Some(wrong) => again(id, wrong),
            None => Err(request::missing(&seat, &error)),
        },
    }
}

/// Leads back to the page, which says what is wrong: an answer that is an error never says whom a request is about.
fn again(id: RequestId, wrong: &str) -> Answer {
    Ok(frame::lead_to(&format!("{BASE}/requests/{id}?wrong={wrong}"), &[])?)
}

/// What a form asks for, and the reason that it gives; or the name of what is wrong with it.
fn step(name: &str, fields: &Fields, seat: &Seat) -> Result<(Step, Option<String>), &'static str> {
    let reason = fields.text("reason").map(str::to_owned);
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err("long");
    }
    let step = match name {
        "identify" => Step::Identify,
        "doubt" => Step::Doubt,
        "send_link" => Step::SendLink,
        // A box that must be ticked: nobody erases somebody by a slip of the finger.
        "approve" => fields.text("sure").map(|_| Step::Approve).ok_or("sure")?,
        "refuse" => Step::Refuse(fields.text("ground").and_then(Ground::parse).ok_or("ground")?),
        "extend" => Step::Extend,
        "cancel" => Step::Cancel,
        "lift" => Step::Lift,
        "note" => Step::Note,
        "confirm" => Step::Confirm { recipient: fields.text("recipient").ok_or("recipient")?.to_owned() },
        _ => Step::Assign(assignee(fields, seat)?),
    };
    Ok((step, reason))
}

/// Who shall see to it: `me`, somebody by their name, or nobody.
fn assignee(fields: &Fields, seat: &Seat) -> Result<Option<String>, &'static str> {
    if fields.text("me").is_some() {
        return Ok(Some(seat.officer.name().to_owned()));
    }
    let Some(name) = fields.text("to") else { return Ok(None) };
    if invitation::is_name(name) { Ok(Some(name.to_owned())) } else { Err("assignee") }
}

/// What can be wrong with a form about a request.
pub(super) const WRONG: [&str; 16] = [
    "sure",
    "ground",
    "recipient",
    "long",
    "assignee",
    "state",
    "too-late",
    "no-reason",
    "underway",
    "same-person",
    "full",
    "corrections",
    "no-address",
    "identifier",
    "nobody",
    "purposes",
];

/// The name of what an officer can do something about; nothing if it is a failure of ours.
pub(super) const fn wrong(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::State(_) => "state",
        Error::TooLate => "too-late",
        Error::NoReason => "no-reason",
        Error::Underway => "underway",
        Error::SamePerson => "same-person",
        Error::Full => "full",
        Error::NoRecipient => "recipient",
        Error::NotTheirs | Error::Taken => "corrections",
        Error::NoAddress | Error::OneAddress => "no-address",
        Error::Identifier { .. } | Error::Unproven(_) => "identifier",
        Error::Nobody => "nobody",
        Error::Purposes => "purposes",
        Error::Corrections(_) => "correction-once",
        Error::Traits(_) => "trait-unfit",
        Error::Suppress => "suppress",
        Error::TooMany => "too-many",
        Error::NoPerson
        | Error::OnePerson
        | Error::NotFound
        | Error::Link(_)
        | Error::Words
        | Error::Mail(_)
        | Error::Differs
        | Error::OtherHost(_)
        | Error::NoPackage
        | Error::Profile(_)
        | Error::Write(_)
        | Error::Table(_)
        | Error::Identity(_)
        | Error::Consent(_)
        | Error::Store(_)
        | Error::Vault(_)
        | Error::Chance(_)
        | Error::Form(_) => return None,
    })
}
