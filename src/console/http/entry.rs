//! The way in and out: sign-in, sign-out, the language, and the page behind an invitation.

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{Answer, BASE, Fields, Seat, Stop, page};
use crate::app::App;
use crate::auth::{self, session as door};
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::officers::{Attempt, Error, Invitation, Officer, Reader, Setup};
use crate::session::{Kind, Opening, Session};
use crate::site::frame::{self, Frame};
use crate::texts::{Language, Words};

/// The cookie by which a browser is known that was signed in before. It proves nothing alone.
const BROWSER: &str = "pforte-browser";
/// How long a browser is known, in days.
const BROWSER_DAYS: i64 = 180;
/// The longest address that is gone back to.
const NEXT_CHARS_MAX: usize = 300;

/// What the session of an officer holds.
#[derive(Debug, Serialize, Deserialize)]
struct Inside {
    name: String,
    generation: u32,
}

#[derive(Template)]
#[template(path = "console/sign-in.html")]
struct SignIn {
    f: Frame,
    next: String,
    name: String,
    error: Option<String>,
    first: bool,
}

#[derive(Template)]
#[template(path = "console/join.html")]
struct Join {
    f: Frame,
    invitation: Invitation,
    setup: Setup,
    lead: String,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "console/joined.html")]
struct Joined {
    f: Frame,
    name: String,
    codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/message.html")]
struct DeadEnd {
    f: Frame,
    title: String,
    text: String,
}

/// The officer whose session this is, as they are now. A session of before another password, factor or role is none.
pub(super) fn officer_of(app: &App, session: &Session) -> Option<Officer> {
    let inside: Inside = serde_json::from_slice(&session.inside).ok()?;
    let officer = app.officers.find(&inside.name)?;
    let same = officer.generation() == inside.generation && session.holder == Some(officer.holder());
    same.then_some(officer)
}

/// Where somebody wanted to be, as a value of a query.
pub(super) fn wanted(req: &HttpRequest) -> String {
    let whole = req.uri().path_and_query().map_or("", |path| path.as_str());
    utf8_percent_encode(ours(whole), NON_ALPHANUMERIC).to_string()
}

/// An address of the console, or its beginning: nobody is led elsewhere.
fn ours(next: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.?=&%".contains(&b);
    let below = next.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let good = below && next.len() <= NEXT_CHARS_MAX && next.bytes().all(plain) && !next.contains("//") && !next.contains("..");
    if good { next } else { BASE }
}

/// `GET /console`: where somebody's work begins.
pub async fn home(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let first = if seat.officer.may::<Reader>() { "requests" } else { "destinations" };
    Ok(frame::lead_to(&format!("{BASE}/{first}"), &[])?)
}

/// `GET /console/sign-in`.
pub async fn ask(req: HttpRequest, app: web::Data<App>) -> Answer {
    auth::throttle(&req, &app, Class::Pages, limit::PAGES_PER_S)?;
    let fields = Fields::read(req.query_string())?;
    let next = ours(fields.text("next").unwrap_or(BASE)).to_owned();
    std::future::ready(page(&SignIn {
        f: outside(&req, &app),
        next,
        name: String::new(),
        error: None,
        first: app.officers.is_empty(),
    }))
    .await
}

/// `POST /console/sign-in`.
pub async fn enter(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let fields = form(&req, &app, &body)?;
    let (name, next) = (fields.text("name").unwrap_or_default(), ours(fields.text("next").unwrap_or(BASE)));
    let known = req.cookie(BROWSER);
    let attempt = Attempt {
        name,
        password: fields.whole("password"),
        code: fields.whole("code"),
        browser: known.as_ref().map(Cookie::value),
        client: auth::client(&req, &app.config.trusted_proxies),
    };
    let entrance = match app.officers.sign_in(&attempt, app.clock.now()).await {
        Ok(entrance) => entrance,
        Err(error) => return refused(&req, &app, (name, next), &error),
    };
    let (officer, brought) = (&entrance.officer, door::token(&req, &app, Kind::Officer));
    let inside = Inside { name: officer.name().to_owned(), generation: officer.generation() };
    let inside = serde_json::to_vec(&inside).map_err(|_broken| Problem::new(Code::Internal))?;
    let opening = Opening {
        kind: Kind::Officer,
        holder: Some(officer.holder()),
        inside: &inside,
        language: None,
        instead_of: brought.as_deref(),
    };
    let token = crate::console::begin(&app.sessions, opening).await.map_err(|error| door::problem(&error))?;
    let session = door::cookie(&app, Kind::Officer, token);
    let mut browser = Cookie::new(BROWSER, entrance.browser);
    browser.set_path(BASE);
    browser.set_http_only(true);
    browser.set_secure(session.secure());
    browser.set_same_site(SameSite::Strict);
    browser.set_max_age(time::Duration::days(BROWSER_DAYS));
    let next = if entrance.recovery_left.is_some() { "/console/account?recovery=used" } else { next };
    Ok(frame::lead_to(next, &[session, browser])?)
}

/// `POST /console/sign-out`.
pub async fn leave(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, _) = Seat::take_form(&req, &app, &body).await?;
    let entry = crate::audit::Entry::new(app.clock.now(), &seat.officer.who(), "signed_out", None);
    app.audit.note(&entry).await.map_err(|error| super::broken(&error))?;
    app.sessions.end(seat.session.id).await.map_err(|error| door::problem(&error))?;
    Ok(frame::lead_to(&format!("{BASE}/sign-in"), &[door::no_cookie(&app, Kind::Officer)])?)
}

/// `POST /console/language`.
pub async fn speak(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    if let Some(language) = fields.text("language").and_then(Language::parse) {
        app.sessions.speak(seat.session.id, language.code()).await.map_err(|error| door::problem(&error))?;
    }
    Ok(frame::lead_to(BASE, &[])?)
}

/// `GET /console/join/{token}`: sets up an account.
pub async fn look(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Answer {
    auth::throttle(&req, &app, Class::Guess, limit::GUESSES_PER_S)?;
    std::future::ready(invited(&req, &app, &token, None)).await
}

/// `POST /console/join/{token}`.
pub async fn join(req: HttpRequest, app: web::Data<App>, token: web::Path<String>, body: web::Bytes) -> Answer {
    let fields = form(&req, &app, &body)?;
    let (password, again) = (fields.whole("password"), fields.whole("again"));
    if password != again {
        return invited(&req, &app, &token, Some("differs"));
    }
    let (name, at) = match app.officers.invited(&token, "", app.clock.now()) {
        Ok((invitation, _)) => (invitation.name, app.clock.now()),
        Err(_) => return invited(&req, &app, &token, None),
    };
    match app.officers.enrol(&token, password, fields.whole("code"), at).await {
        Ok(codes) => page(&Joined { f: outside(&req, &app), name, codes }),
        Err(Error::Refused) => invited(&req, &app, &token, Some("code")),
        Err(Error::TooShort) => invited(&req, &app, &token, Some("short")),
        Err(Error::Unfit) => invited(&req, &app, &token, Some("unfit")),
        Err(Error::Busy) => Err(Problem::new(Code::Overloaded).retry_after(1).into()),
        Err(error @ Error::NoInvitation) => {
            tracing::debug!(%error, "an invitation was used at the same moment");
            invited(&req, &app, &token, None)
        }
        Err(error) => Err(super::broken(&error)),
    }
}

/// The page behind an invitation, or the same for all that lead nowhere.
fn invited(req: &HttpRequest, app: &App, token: &str, error: Option<&str>) -> Answer {
    let f = outside(req, app);
    let words = f.words;
    match app.officers.invited(token, &f.company, app.clock.now()) {
        Ok((invitation, setup)) => {
            let (name, role) = (invitation.name.clone(), words.say(super::text_key("console-role-", invitation.role.name())));
            let lead = if invitation.renews {
                words.of("console-join-renews", "name", name)
            } else {
                words.all("console-join-lead", [("name", name.into()), ("role", role.into())])
            };
            let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            let error = error.map(|name| words.say(super::text_key("console-join-error-", name)));
            Ok(frame::answer(status, Join { f, invitation, setup, lead, error }.render())?)
        }
        Err(Error::NoInvitation) => {
            let (title, text) = (words.say("console-join-dead"), words.say("console-join-dead-text"));
            Ok(frame::answer(StatusCode::NOT_FOUND, DeadEnd { f, title, text }.render())?)
        }
        Err(error) => Err(super::broken(&error)),
    }
}

/// The sign-in page once more: the same for everything that can be wrong.
fn refused(req: &HttpRequest, app: &App, (name, next): (&str, &str), error: &Error) -> Answer {
    let f = outside(req, app);
    let (status, said) = if let Error::Wait { seconds } = error {
        let minutes = seconds.div_ceil(60);
        (StatusCode::TOO_MANY_REQUESTS, f.words.of("console-sign-in-wait", "number", minutes))
    } else if matches!(error, Error::Refused) {
        (StatusCode::UNAUTHORIZED, f.words.say("console-sign-in-refused"))
    } else if matches!(error, Error::Busy) {
        return Err(Problem::new(Code::Overloaded).retry_after(1).into());
    } else {
        return Err(super::broken(error));
    };
    // A name as it was typed may be a password: it is not shown again unless it can be a name.
    let name = if crate::officers::invitation::is_name(name) { name.to_owned() } else { String::new() };
    let again = SignIn { f, next: next.to_owned(), name, error: Some(said), first: false };
    let mut answer = frame::answer(status, again.render())?;
    if let Error::Wait { seconds } = error {
        answer.headers_mut().insert(actix_web::http::header::RETRY_AFTER, (*seconds).into());
    }
    Ok(answer)
}

/// A form of somebody who is not signed in: it has to come from a page of ours.
fn form(req: &HttpRequest, app: &App, body: &[u8]) -> Result<Fields, Stop> {
    auth::throttle(req, app, Class::Guess, limit::GUESSES_PER_S)?;
    door::from_our_page(req, app)?;
    let text = std::str::from_utf8(body).map_err(|_unread| Problem::field(Code::InvalidField, "form"))?;
    Ok(Fields::read(text)?)
}

/// The frame for somebody who is not signed in.
fn outside(req: &HttpRequest, app: &App) -> Frame {
    let policy = app.policy.current();
    let words: Words = frame::words(req, None, &policy);
    Frame::new(words, &policy, BASE)
}

/// Whatever stands at an address of the console where nothing is.
pub async fn nothing(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Stop> {
    Err(Seat::take(&req, &app).await?.nothing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for next in ["/console", "/console/requests?state=running&page=2", "/console?x=1", "/console/audit?who=officer%3Aines"] {
            assert_eq!(ours(next), next);
        }
        for next in [
            "",
            "/",
            "//evil.example",
            "/console//evil.example",
            "/consoleevil",
            "/console.evil.example",
            "/console@evil.example",
            "https://evil.example/console",
            "/console/../r/x",
            "/console\\evil",
            "/console/\r\nSet-Cookie: x",
            "javascript:alert(1)",
            "/portal",
            &format!("/console/{}", "x".repeat(400)),
        ] {
            assert_eq!(ours(next), BASE, "{next:?}");
        }
    }
}
