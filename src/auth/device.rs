//! The device of a visitor, kept by their browser in a cookie that no script can read.
//!
//! Promises: it counts only for pages of an origin that the source lists, so that nobody elsewhere can decide or send for a visitor
//! (cross-site request forgery). It names nobody but the device. When it is set and when it goes is decided in `consent`.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header;

use super::origin_allowed;
use crate::policy::Source;

/// The cookie with the device's ID.
pub const ID: &str = "pforte_id";
/// The cookie that remembers what was decided, for scripts of the page. It holds no ID.
pub const CHOICE: &str = "pforte_choice";
/// Characters of a device's ID: 128 random bits in hexadecimal digits.
const ID_CHARS: usize = 32;

/// The device that the browser's cookie names, if the request comes from a page that may use it.
#[must_use]
pub fn of(req: &HttpRequest, source: &Source) -> Option<String> {
    value(req, ID).filter(|id| is_id(id) && is_own_page(req, source)).map(str::to_owned)
}

/// What a cookie of this name holds. A cookie of somebody else's that cannot be read must not hide ours.
#[must_use]
pub fn value<'a>(req: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let lines = req.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let mut found = lines.flat_map(|line| line.split(';')).filter_map(|piece| Cookie::parse(piece.trim()).ok());
    found.find(|cookie| cookie.name() == name).and_then(|cookie| cookie.value_raw())
}

/// Whether a page of the source's own origins sent this, and one of the same site, as only those get and send cookies of ours. The
/// browser says both; it names no origin when a page reads from its own.
#[must_use]
pub fn is_own_page(req: &HttpRequest, source: &Source) -> bool {
    let text = |name: header::HeaderName| req.headers().get(name).and_then(|value| value.to_str().ok());
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    match text(header::ORIGIN) {
        Some(origin) => origin_allowed(origin, source) && matches!(site, None | Some("same-origin" | "same-site")),
        None => site == Some("same-origin"),
    }
}

/// A cookie of ours: for this host alone, never sent with another site's requests. `Secure` wherever the page is.
#[must_use]
pub fn cookie(req: &HttpRequest, name: &'static str, value: String, days: u32) -> Cookie<'static> {
    let origin = req.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    Cookie::build(name, value)
        .path("/")
        .same_site(SameSite::Lax)
        .secure(origin.is_some_and(|origin| origin.starts_with("https://")))
        .http_only(name == ID)
        .max_age(time::Duration::days(i64::from(days)))
        .finish()
}

/// An ID for a device that has none.
#[must_use]
pub fn id(random: [u8; ID_CHARS / 2]) -> String {
    hex::encode(random)
}

fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
