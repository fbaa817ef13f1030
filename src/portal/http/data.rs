//! What is known about the person, who has received something, where they are signed in.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::super::Way;
use super::home::recipient;
use super::{Visit, beside, query, to_its_end};
use crate::app::App;
use crate::auth::session;
use crate::error::{Code, Problem};
use crate::policy::IdentifierKind;
use crate::session::{Kind, SessionId};
use crate::site::frame::{self, Frame};
use crate::texts::text_key;

#[derive(Template)]
#[template(path = "portal/data.html")]
struct Data {
    f: Frame,
    /// Type and value of what was proven.
    identifiers: Vec<(String, String)>,
    /// How it was proven.
    way: String,
    /// Name and words.
    devices: Vec<(String, String)>,
    done: Option<String>,
    /// To whom, how much, and when.
    reached: Vec<(String, String, String)>,
    sign_ins: Vec<SignIn>,
    is_known: bool,
    is_whole: bool,
}

/// A place where the person is signed in.
struct SignIn {
    id: String,
    began: String,
    seen: String,
    is_this: bool,
}

/// `GET /portal/data`.
pub(super) async fn data(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let visit = match Visit::begin(&req, &app).await? {
        Ok(visit) => visit,
        Err(away) => return Ok(away),
    };
    let (shared, person) = (Arc::clone(&app), visit.person.clone());
    let found = beside(move || Ok((shared.portal.devices(&person)?, shared.portal.reached(&person)?))).await?;
    let (devices, reached) = found;
    let words = visit.words;
    let devices = devices.into_iter().map(|device| {
        let key = text_key("data-device-", if device.is_shared { "shared" } else { "own" });
        (hex::encode(device.name.0), words.of(&key, "tail", device.tail))
    });
    let reached = reached.into_iter().map(|reached| {
        let destination = visit.policy.destination(&reached.destination);
        let name = destination.map_or_else(|| reached.destination.clone(), |(_, destination)| recipient(&visit, destination));
        let span = [("first", visit.day(reached.first_at).into()), ("last", visit.day(reached.last_at).into())];
        (name, words.of("data-events", "count", reached.events), words.all("data-span", span))
    });
    let page = Data {
        identifiers: visit.person.proven.iter().map(|(kind, value)| (kind_name(&visit, kind), value.clone())).collect(),
        way: words.say(text_key("data-proven-", if visit.person.way == Way::Mail { "mail" } else { "website" })),
        devices: devices.collect(),
        done: query(&req, "done").filter(|done| done == "unlinked").map(|_| words.say("data-unlinked")),
        reached: reached.collect(),
        sign_ins: sign_ins(&visit),
        is_known: visit.person.is_known(),
        is_whole: visit.person.is_whole,
        f: visit.frame("data"),
    };
    frame::answer(StatusCode::OK, page.render())
}

/// `POST /portal/devices/{name}/unlink`: a device is not the person's, or shall not be.
pub(super) async fn unlink(
    req: HttpRequest,
    app: web::Data<App>,
    name: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let visit = match Visit::by_form(&req, &app, &body).await? {
        Ok((visit, _)) => visit,
        Err(away) => return Ok(away),
    };
    let (shared, person) = (Arc::clone(&app), visit.person);
    to_its_end(async move { shared.portal.unlink(&person, &name).await }).await?;
    frame::lead_to("/portal/data?done=unlinked", &[])
}

/// `POST /portal/sign-ins/{id}/end`: one of the person's own, and nobody else's.
pub(super) async fn end(
    req: HttpRequest,
    app: web::Data<App>,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let visit = match Visit::by_form(&req, &app, &body).await? {
        Ok((visit, _)) => visit,
        Err(away) => return Ok(away),
    };
    let id = SessionId::parse(&id).ok_or_else(|| Problem::new(Code::NotFound))?;
    let theirs = visit.session.holder.map(|holder| app.sessions.list(Kind::Customer, holder)).unwrap_or_default();
    if !theirs.iter().any(|listed| listed.id == id) {
        return Err(Problem::new(Code::NotFound));
    }
    app.sessions.end(id).await.map_err(|error| session::problem(&error))?;
    frame::lead_to("/portal/data#sign-ins", &[])
}

/// What a type of identifiers is called.
fn kind_name(visit: &Visit, kind: &str) -> String {
    let name = match visit.policy.identifier(kind).map(|(_, typed)| typed.kind) {
        Some(IdentifierKind::Email) => "email",
        Some(IdentifierKind::Phone) => "phone",
        Some(IdentifierKind::UserId) => "user",
        Some(IdentifierKind::LoyaltyCard) => "card",
        Some(IdentifierKind::Device) => "device",
        Some(IdentifierKind::Custom) | None => "other",
    };
    visit.words.say(text_key("identifier-", name))
}

fn sign_ins(visit: &Visit) -> Vec<SignIn> {
    let Some(holder) = visit.session.holder else { return Vec::new() };
    let listed = visit.app.sessions.list(Kind::Customer, holder).into_iter();
    listed
        .map(|listed| SignIn {
            id: listed.id.to_string(),
            began: visit.moment(listed.began_at),
            seen: visit.moment(listed.seen_at),
            is_this: listed.id == visit.session.id,
        })
        .collect()
}
