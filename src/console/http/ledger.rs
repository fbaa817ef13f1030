//! `/console/ledger`: the transparency log as it stands.

use actix_web::{HttpRequest, web};
use askama::Template;

use super::proof::whole;
use super::{Answer, Seat, page};
use crate::app::App;
use crate::site::frame::Frame;

#[derive(Template)]
#[template(path = "console/ledger.html")]
struct Page {
    f: Frame,
    size: String,
    root: String,
    key: String,
    note: String,
    command: String,
}

/// `GET /console/ledger`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let head = app.ledger.head();
    page(&Page {
        f: seat.frame("ledger"),
        size: seat.words.of("console-ledger-size", "number", whole(head.size)),
        root: head.root.to_string(),
        key: app.ledger.key(),
        note: head.note.clone(),
        command: format!("pforte ledger verify {}/ledger", app.mails.public_url()),
    })
}
