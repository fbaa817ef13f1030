//! `/console/policy`: what is asked, for which purpose, in which words, and who may receive it; now, or in a version of earlier days.

use actix_web::{HttpRequest, web};
use askama::Template;

use super::{Answer, Fields, Seat, page, versions};
use crate::app::App;
use crate::console::text;
use crate::policy::{LegalBasis, Notice, Policy};
use crate::site::frame::Frame;

#[derive(Template)]
#[template(path = "console/policy.html")]
struct Page {
    f: Frame,
    version: String,
    /// When it was in force, if it is another one than today's.
    times: Option<Vec<String>>,
    today: String,
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
    let fields = Fields::read(req.query_string())?;
    let today = seat.policy.version.clone();
    let (earlier, times) = match fields.text("version").filter(|version| **version != *today) {
        None => (None, None),
        Some(version) => {
            let (policy, periods) = versions::kept(&seat, &app, version.to_owned()).await?;
            (Some(policy), Some(versions::times(&seat, &periods)))
        }
    };
    let policy = earlier.as_ref().unwrap_or(&seat.policy);
    let purposes = policy.purposes.iter().filter(|purpose| !purpose.is_retired()).map(|purpose| row(&seat, purpose)).collect();
    let notices = policy.notices.iter().map(|notice| shown(&seat, policy, notice)).collect();
    page(&Page { f: seat.frame("policy"), version: policy.version.clone(), times, today, purposes, notices })
}

fn row(seat: &Seat, purpose: &crate::policy::Purpose) -> Purpose {
    let language = seat.words.0.code();
    Purpose {
        id: purpose.id.clone(),
        title: text(&purpose.title, language),
        text: text(&purpose.text, language),
        basis: seat.by_text_key("console-basis-", basis(purpose.basis)),
        asked_again: purpose.consent_days.map(|days| seat.words.of("console-days", "number", days)).unwrap_or_default(),
        kept: seat.words.of("console-days", "number", purpose.retention_days),
    }
}

fn shown(seat: &Seat, policy: &Policy, notice: &Notice) -> Shown {
    let of = |source: &&crate::policy::Source| source.notice.as_deref() == Some(&notice.id);
    let sources: Vec<&str> = policy.sources.iter().filter(of).map(|source| source.id.as_str()).collect();
    let asked = notice.purposes.indexes().filter_map(|index| policy.purposes.get(index));
    let asked: Vec<String> = asked.map(|purpose| text(&purpose.title, seat.words.0.code())).collect();
    let languages = notice.languages.iter();
    Shown {
        id: notice.id.clone(),
        version: notice.version,
        purposes: asked.join(", "),
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
