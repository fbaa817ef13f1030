//! `/console/policy`: what is asked, for which purpose, in which words, and who may receive it.

use actix_web::{HttpRequest, web};
use askama::Template;

use super::{Answer, Seat, page};
use crate::app::App;
use crate::console::text;
use crate::policy::{LegalBasis, Notice};
use crate::site::frame::Frame;

#[derive(Template)]
#[template(path = "console/policy.html")]
struct Page {
    f: Frame,
    version: String,
    purposes: Vec<Purpose>,
    notices: Vec<Shown>,
}

struct Purpose {
    id: String,
    title: String,
    text: String,
    basis: String,
    asked_again: String,
    kept: String,
}

struct Shown {
    id: String,
    version: u32,
    purposes: String,
    sources: String,
    languages: Vec<(String, String, String, String)>,
}

/// `GET /console/policy`.
pub async fn show(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let language = seat.words.0.code();
    let purpose = |purpose: &crate::policy::Purpose| Purpose {
        id: purpose.id.clone(),
        title: text(&purpose.title, language),
        text: text(&purpose.text, language),
        basis: seat.by_text_key("console-basis-", basis(purpose.basis)),
        asked_again: purpose.consent_days.map(|days| seat.words.of("console-days", "number", days)).unwrap_or_default(),
        kept: seat.words.of("console-days", "number", purpose.retention_days),
    };
    let purposes = seat.policy.purposes.iter().map(purpose).collect();
    let notices = seat.policy.notices.iter().map(|notice| shown(&seat, notice)).collect();
    page(&Page { f: seat.frame("policy"), version: seat.policy.version.clone(), purposes, notices })
}

fn shown(seat: &Seat, notice: &Notice) -> Shown {
    let of = |source: &&crate::policy::Source| source.notice.as_deref() == Some(&notice.id);
    let sources: Vec<&str> = seat.policy.sources.iter().filter(of).map(|source| source.id.as_str()).collect();
    let languages = notice.languages.iter();
    Shown {
        id: notice.id.clone(),
        version: notice.version,
        purposes: seat.policy.names(notice.purposes).join(", "),
        sources: sources.join(", "),
        languages: languages.map(|(tag, text)| (tag.clone(), text.title.clone(), text.body.clone(), text.hash.clone())).collect(),
    }
}

/// A legal basis, as a name.
pub(super) const fn basis(basis: LegalBasis) -> &'static str {
    match basis {
        LegalBasis::Consent => "consent",
        LegalBasis::Contract => "contract",
        LegalBasis::LegalObligation => "legal_obligation",
        LegalBasis::LegitimateInterest => "legitimate_interest",
    }
}
