//! `/console/account`: an officer's own password and sessions.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use askama::Template;

use super::{Answer, BASE, Fields, Seat, broken};
use crate::app::App;
use crate::auth::session::{no_cookie, problem};
use crate::officers::{AUTHORITIES, Error};
use crate::session::{Kind, SessionId};
use crate::site::frame::{self, Frame};

#[derive(Template)]
#[template(path = "console/account.html")]
struct Page {
    f: Frame,
    name: String,
    role: String,
    may: Vec<String>,
    sessions: Vec<Row>,
    error: Option<String>,
    used_recovery: bool,
}

struct Row {
    id: String,
    began: String,
    seen: String,
    is_this: bool,
}

/// `GET /console/account`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let fields = Fields::read(req.query_string())?;
    std::future::ready(render(&seat, &app, None, fields.text("recovery").is_some())).await
}

/// `POST /console/account/password`: all sessions of the account end, this one as well.
pub async fn password(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let (present, new) = (fields.whole("present"), fields.whole("password"));
    if new != fields.whole("again") {
        return render(&seat, &app, Some("differs"), false);
    }
    match app.officers.change_password(&seat.officer, present, new, app.clock.now()).await {
        Ok(()) => {
            let ended = app.sessions.end_all(Kind::Officer, seat.officer.holder(), None).await;
            ended.map_err(|error| problem(&error))?;
            Ok(frame::lead_to(&format!("{BASE}/sign-in"), &[no_cookie(&app, Kind::Officer)])?)
        }
        Err(Error::Refused) => render(&seat, &app, Some("present"), false),
        Err(Error::TooShort) => render(&seat, &app, Some("short"), false),
        Err(Error::Unfit) => render(&seat, &app, Some("unfit"), false),
        Err(Error::Wait { .. } | Error::Busy | Error::Conflict) => render(&seat, &app, Some("wait"), false),
        Err(error) => Err(broken(&error)),
    }
}

/// `POST /console/account/sessions`: ends one of the officer's own sessions, or all but this one.
pub async fn end(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let entry = super::request::entry(&app, &seat.officer.who(), "sessions_ended", Some(seat.officer.name()));
    app.audit.note(&entry).await.map_err(|error| broken(&error))?;
    let holder = seat.officer.holder();
    let ended = match fields.text("session").and_then(SessionId::parse) {
        // Only their own can be named.
        Some(id) if app.sessions.list(Kind::Officer, holder).iter().any(|listed| listed.id == id) => app.sessions.end(id).await,
        Some(_) => return Err(seat.nothing()),
        None => app.sessions.end_all(Kind::Officer, holder, Some(seat.session.id)).await,
    };
    ended.map_err(|error| problem(&error))?;
    Ok(frame::lead_to(&format!("{BASE}/account"), &[])?)
}

fn render(seat: &Seat, app: &App, wrong: Option<&str>, used_recovery: bool) -> Answer {
    let has = |(_, roles): &&(&str, &[crate::officers::Role])| roles.contains(&seat.officer.role());
    let sessions = app.sessions.list(Kind::Officer, seat.officer.holder()).into_iter().map(|listed| Row {
        id: listed.id.to_string(),
        began: seat.moment(listed.began_at),
        seen: seat.moment(listed.seen_at),
        is_this: listed.id == seat.session.id,
    });
    let page = Page {
        f: seat.frame("account"),
        name: seat.officer.name().to_owned(),
        role: seat.by_text_key("console-role-", seat.officer.role().name()),
        may: AUTHORITIES.iter().filter(has).map(|(name, _)| seat.by_text_key("console-may-", name)).collect(),
        sessions: sessions.collect(),
        error: wrong.map(|wrong| seat.by_text_key("console-password-", wrong)),
        used_recovery,
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(frame::answer(status, page.render())?)
}
