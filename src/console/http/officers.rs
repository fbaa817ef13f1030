//! `/console/officers`: accounts, for admins.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use askama::Template;

use super::queue::Choice;
use super::{Answer, BASE, Fields, Seat, broken};
use crate::app::App;
use crate::auth::session::problem;
use crate::officers::{Admin, Error, Listed, Role};
use crate::session::Kind;
use crate::site::frame::{self, Frame};

#[derive(Template)]
#[template(path = "console/officers.html")]
struct Page {
    f: Frame,
    error: Option<String>,
    done: Option<String>,
    /// A link that was just made: it is shown this once.
    link: Option<(String, String)>,
    rows: Vec<Row>,
    invitations: Vec<(String, String, String)>,
    roles: Vec<Choice>,
}

struct Row {
    name: String,
    role: String,
    roles: Vec<Choice>,
    created: String,
    signed_in: String,
    sessions: usize,
    removed: Option<String>,
    is_me: bool,
}

/// `GET /console/officers`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _admin: Admin = seat.authority()?;
    let fields = Fields::read(req.query_string())?;
    let done = fields.text("done").filter(|done| ["role", "remove", "end"].contains(done));
    let done = done.map(|done| seat.by_text_key("console-officers-done-", done));
    std::future::ready(list(&seat, &app, (done, None, None))).await
}

/// `POST /console/officers`: invites somebody.
pub async fn invite(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let admin: Admin = seat.authority()?;
    let name = fields.text("name").unwrap_or_default();
    let Some(role) = fields.text("role").and_then(Role::parse) else { return list(&seat, &app, (None, Some("role"), None)) };
    let made = app.officers.invite(&admin, name, role, app.clock.now()).await;
    linked(&seat, &app, name, made)
}

/// `POST /console/officers/{name}/{act}`.
pub async fn act(req: HttpRequest, app: web::Data<App>, path: web::Path<(String, String)>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let admin: Admin = seat.authority()?;
    let ((name, act), at) = (path.into_inner(), app.clock.now());
    let Some(officer) = app.officers.find(&name) else { return Err(seat.nothing()) };
    if officer == seat.officer {
        return list(&seat, &app, (None, Some("me"), None));
    }
    let done = match act.as_str() {
        "renew" => {
            let made = app.officers.renew(&admin, &name, at).await;
            return linked(&seat, &app, &name, made);
        }
        "role" => match fields.text("role").and_then(Role::parse) {
            Some(role) => app.officers.set_role(&admin, &name, role, at).await,
            None => return list(&seat, &app, (None, Some("role"), None)),
        },
        "remove" if fields.text("sure").is_none() => return list(&seat, &app, (None, Some("sure"), None)),
        "remove" => app.officers.remove(&admin, &name, at).await,
        "end" => {
            let entry = super::request::entry(&app, crate::officers::Authority::who(&admin), "sessions_ended", Some(&name));
            app.audit.note(&entry).await.map_err(Error::from)
        }
        _ => return Err(seat.nothing()),
    };
    if let Err(error) = done {
        return match wrong(&error) {
            Some(wrong) => list(&seat, &app, (None, Some(wrong), None)),
            None => Err(broken(&error)),
        };
    }
    // They have ended already where something changed; this takes them away.
    app.sessions.end_all(Kind::Officer, officer.holder(), None).await.map_err(|error| problem(&error))?;
    Ok(frame::lead_to(&format!("{BASE}/officers?done={act}"), &[])?)
}

fn linked(seat: &Seat, app: &App, name: &str, made: Result<String, Error>) -> Answer {
    match made {
        Ok(token) => {
            let link = format!("{}{BASE}/join/{token}", app.mails.public_url());
            list(seat, app, (None, None, Some((name.to_owned(), link))))
        }
        Err(error) => match wrong(&error) {
            Some(wrong) => list(seat, app, (None, Some(wrong), None)),
            None => Err(broken(&error)),
        },
    }
}

/// What was just done, the name of what is wrong, and a link that was just made.
type Came<'a> = (Option<String>, Option<&'a str>, Option<(String, String)>);

fn list(seat: &Seat, app: &App, (done, wrong, link): Came<'_>) -> Answer {
    let at = app.clock.now();
    let listed = app.officers.list().map_err(|error| broken(&error))?;
    let role = |role: Role, chosen: bool| Choice {
        value: role.name().to_owned(),
        text: seat.by_text_key("console-role-", role.name()),
        chosen,
    };
    let invitations = app.officers.invitations(at).into_iter().map(|invitation| {
        let what = if invitation.renews { seat.words.say("console-officers-renewal") } else { role(invitation.role, false).text };
        (invitation.name, what, seat.moment(invitation.expires_at))
    });
    let page = Page {
        f: seat.frame("officers"),
        error: wrong.map(|wrong| seat.by_text_key("console-officers-wrong-", wrong)),
        done,
        link,
        rows: listed.into_iter().map(|listed| row(seat, app, listed, role)).collect(),
        invitations: invitations.collect(),
        roles: Role::ALL.into_iter().map(|each| role(each, each == Role::Dpo)).collect(),
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(frame::answer(status, page.render())?)
}

fn row(seat: &Seat, app: &App, listed: Listed, role: impl Fn(Role, bool) -> Choice) -> Row {
    let Listed { name, role: present, created_at, by, signed_in_at, removed_at } = listed;
    let sessions = app.officers.find(&name).map_or(0, |officer| app.sessions.list(Kind::Officer, officer.holder()).len());
    Row {
        role: role(present, true).text,
        roles: Role::ALL.into_iter().map(|each| role(each, each == present)).collect(),
        created: seat
            .words
            .all("console-officers-created", [("at", seat.moment(created_at).into()), ("by", seat.who(&by).into())]),
        signed_in: signed_in_at.map(|at| seat.moment(at)).unwrap_or_default(),
        sessions,
        removed: removed_at.map(|at| seat.moment(at)),
        is_me: name == seat.officer.name(),
        name,
    }
}

/// The name of what an admin can do something about.
const fn wrong(error: &Error) -> Option<&'static str> {
    match error {
        Error::Name => Some("name"),
        Error::NameTaken => Some("taken"),
        Error::NoOfficer => Some("nobody"),
        Error::LastAdmin => Some("last-admin"),
        Error::TooMany => Some("too-many"),
        Error::Conflict => Some("conflict"),
        Error::Refused
        | Error::Wait { .. }
        | Error::Busy
        | Error::TooShort
        | Error::Unfit
        | Error::NoInvitation
        | Error::Factor(_)
        | Error::Io { .. }
        | Error::Audit(_)
        | Error::Store(_)
        | Error::Vault(_)
        | Error::Form(_)
        | Error::Chance(_)
        | Error::Hash(_) => None,
    }
}
