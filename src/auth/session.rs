//! Who is signed in on a page: the cookie, where a form comes from, and what it carries.
//!
//! A form is taken if the browser says that a page of ours sent it (`Sec-Fetch-Site`, or else `Origin`), *and* if it carries what only the
//! pages of this session know. Either alone would do; together they fail closed when one of them is worked around.
//!
//! The cookie is `__Host-…` and `Secure` where people reach the gateway over https, so that no other host and no plain connection can set
//! it; on this machine it has a plain name. A customer's is `SameSite=Lax`, because they come from mails and from the shop; an officer's
//! `Strict`.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{self, HeaderMap};

use crate::app::App;
use crate::error::{Code, Problem};
use crate::session::{Error, Kind, Session};

/// How the field of a form is called that shows that a page of ours made it.
pub const CSRF_FIELD: &str = "csrf";

/// The session of whoever sends this, if they are signed in.
///
/// # Errors
/// `unavailable` when the store cannot be read.
pub async fn signed_in(req: &HttpRequest, app: &App, kind: Kind) -> Result<Option<Session>, Problem> {
    let Some(token) = token(req, app, kind) else { return Ok(None) };
    app.sessions.find(kind, &token).await.map_err(|error| problem(&error))
}

/// The token that the browser brought along.
#[must_use]
pub fn token(req: &HttpRequest, app: &App, kind: Kind) -> Option<String> {
    let cookie = req.cookie(name(kind, is_secure(app)))?;
    Some(cookie.value().to_owned())
}

/// The cookie that holds a token. It lasts as long as the browser runs; the session on the server ends before.
#[must_use]
pub fn cookie(app: &App, kind: Kind, token: String) -> Cookie<'static> {
    let same_site = match kind {
        Kind::Customer => SameSite::Lax,
        Kind::Officer => SameSite::Strict,
    };
    let secure = is_secure(app);
    Cookie::build(name(kind, secure), token).path("/").http_only(true).secure(secure).same_site(same_site).finish()
}

/// The cookie that takes it away again.
#[must_use]
pub fn no_cookie(app: &App, kind: Kind) -> Cookie<'static> {
    let mut gone = cookie(app, kind, String::new());
    gone.make_removal();
    gone
}

/// Whether a page of ours sends this. Browsers say so and pages cannot lie about it; who does not say it is no browser of today.
///
/// # Errors
/// `origin_not_allowed`.
pub fn from_our_page(req: &HttpRequest, app: &App) -> Result<(), Problem> {
    let ours = match (text(req.headers(), "sec-fetch-site"), text(req.headers(), header::ORIGIN.as_str())) {
        (Some(site), None) => site == "same-origin",
        (site, Some(origin)) => site.is_none_or(|site| site == "same-origin") && is_our_origin(req, app, origin),
        (None, None) => false,
    };
    if ours { Ok(()) } else { Err(Problem::new(Code::OriginNotAllowed).detail("this form does not come from a page of ours")) }
}

/// Whether a form belongs to this session and comes from a page of ours.
///
/// # Errors
/// `origin_not_allowed`.
pub fn is_our_form(req: &HttpRequest, app: &App, session: &Session, presented: Option<&str>) -> Result<(), Problem> {
    from_our_page(req, app)?;
    let carried = presented.is_some_and(|presented| app.sessions.is_csrf(session, presented));
    if carried {
        Ok(())
    } else {
        Err(Problem::field(Code::OriginNotAllowed, CSRF_FIELD).detail("the form is of another session"))
    }
}

/// What becomes of a failure of sessions.
#[must_use]
pub fn problem(error: &Error) -> Problem {
    match error {
        Error::Ticket(_) => Problem::new(Code::NotFound),
        Error::Store(crate::store::Error::Busy) => Problem::new(Code::Overloaded).retry_after(1),
        Error::Store(_) | Error::Vault(_) | Error::Chance(_) => {
            tracing::error!(%error, "sessions cannot be read or changed");
            Problem::new(Code::Unavailable).retry_after(5)
        }
    }
}

const fn name(kind: Kind, secure: bool) -> &'static str {
    match (kind, secure) {
        (Kind::Customer, true) => "__Host-pforte",
        (Kind::Customer, false) => "pforte",
        (Kind::Officer, true) => "__Host-pforte-console",
        (Kind::Officer, false) => "pforte-console",
    }
}

/// Whether people reach the gateway over https.
fn is_secure(app: &App) -> bool {
    app.mails.public_url().starts_with("https://")
}

/// Whether this is the origin of the page that the browser is on: where people reach the gateway, or the host that this request names.
/// Pages of others cannot make a browser name ours.
fn is_our_origin(req: &HttpRequest, app: &App, origin: &str) -> bool {
    let public = app.mails.public_url();
    let is_public = public.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let host = text(req.headers(), header::HOST.as_str());
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    is_public || (host.is_some() && host == named)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}
