//! The receipt of a decision, for whoever may have it: as a signed statement, or as a page.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use askama::Template;

use super::page;
use crate::app::App;
use crate::consent::{Method, RECEIPT, Receipt, State};
use crate::error::{Code, Problem};
use crate::policy::{Original, Policy};

/// In which form a receipt is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JWS (`EdDSA`).
    Signed,
    /// A page in German or English.
    Page {
        /// In which.
        german: bool,
    },
}

/// Makes out the receipt that a handle leads to. The caller knows that who asks may have it.
///
/// # Errors
/// `not_found` if there is none (any more); `unavailable` for a moment, until the ledger has signed a head over a new decision.
pub async fn answer(app: &web::Data<App>, handle: String, form: Form) -> Result<HttpResponse, Problem> {
    let shared = Arc::clone(app);
    let made = web::block(move || make(&shared, &handle)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    let Made { receipt, signed, wording } = made?;
    let Form::Page { german } = form else { return Ok(HttpResponse::Ok().content_type("application/jose").body(signed)) };
    let policy = app.policy.current();
    let language = if german { "de" } else { "en" };
    let titles = titles(&policy, wording.as_ref(), language);
    let zone = jiff::tz::TimeZone::get(&policy.controller.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let contact = &policy.controller.contact;
    let text = Page { german, zone, titles, receipt: &receipt, signed: &signed, wording: wording.as_ref(), contact }.render();
    Ok(page::html(text.map_err(|_broken| Problem::new(Code::Internal))?))
}

/// A receipt that was made out.
struct Made {
    receipt: Receipt,
    signed: String,
    /// What the person was shown, as it was kept.
    wording: Option<Original>,
}

/// What purposes are called: as the person read it, else as the policy in force says it.
fn titles(policy: &Policy, wording: Option<&Original>, language: &str) -> BTreeMap<String, String> {
    let today = policy.purposes.iter().map(|purpose| (&purpose.id, purpose.title.get(language)));
    let shown = wording.filter(|wording| wording.language == language).into_iter().flat_map(|wording| &wording.purposes);
    let all = today.chain(shown.map(|purpose| (&purpose.id, purpose.title.as_ref())));
    all.filter_map(|(id, title)| Some((id.clone(), title?.clone()))).collect()
}

/// Makes the receipt out, and signs it.
fn make(app: &App, handle: &str) -> Result<Made, Problem> {
    let policy = app.policy.current();
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a receipt cannot be made out");
        Problem::new(Code::Unavailable).retry_after(5)
    };
    let stated = app.consents.stated(handle).map_err(|error| broken(&error))?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let evidence = app.ledger.evidence(&stated.commitment).map_err(|error| broken(&error))?;
    let receipt = stated.receipt(evidence, &policy, app.clock.now());
    let signed = app.vault.signer().sign(RECEIPT, &receipt).map_err(|error| broken(&error))?;
    let notice = receipt.statement.notice.as_ref();
    let wording = notice.map_or(Ok(None), |notice| app.chronicle.wording(&notice.hash)).map_err(|error| broken(&error))?;
    Ok(Made { receipt, signed, wording })
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Page<'a> {
    german: bool,
    zone: jiff::tz::TimeZone,
    titles: BTreeMap<String, String>,
    receipt: &'a Receipt,
    signed: &'a str,
    wording: Option<&'a Original>,
    contact: &'a str,
}

impl Page<'_> {
    const STYLE: &'static str = page::STYLE;

    fn say<'a>(&self, german: &'a str, english: &'a str) -> &'a str {
        if self.german { german } else { english }
    }

    /// A time as people write it, where the company is.
    fn when(&self, time: &str) -> String {
        let Ok(time) = time.parse::<jiff::Timestamp>() else { return time.to_owned() };
        let form = if self.german { "%d.%m.%Y, %H:%M" } else { "%-d %B %Y, %H:%M" };
        self.zone.to_datetime(time).strftime(form).to_string()
    }

    /// What the signal of the browser had to do with it.
    fn signalled(&self) -> &'static str {
        if self.receipt.statement.method == Method::Signal {
            self.say(
                "Diese Entscheidung war ein Signal Ihres Browsers (Global Privacy Control).",
                "This decision was a signal of your browser (Global Privacy Control).",
            )
        } else {
            self.say(
                "Das Signal Ihres Browsers (Global Privacy Control) war dabei gesetzt; Ihre ausdrückliche Entscheidung ging ihm vor.",
                "The signal of your browser (Global Privacy Control) was set then; your explicit decision prevailed over it.",
            )
        }
    }

    /// A page's origin without what comes before the host.
    fn bare<'a>(&self, origin: &'a str) -> &'a str {
        origin.split_once("://").map_or(origin, |(_, host)| host)
    }

    fn until(&self, purpose: &str) -> String {
        self.receipt.statement.expires.get(purpose).map(|time| self.when(time)).unwrap_or_default()
    }

    /// The times of a double opt-in, with what each is.
    fn opt_in(&self) -> Vec<(&'static str, String)> {
        let Some(opt_in) = &self.receipt.statement.double_opt_in else { return Vec::new() };
        let named = |name: (&'static str, &'static str), time: Option<&String>| {
            time.map(|time| (if self.german { name.0 } else { name.1 }, self.when(time)))
        };
        let confirmed = opt_in.asked_at.as_ref().map(|_| &self.receipt.statement.at);
        [
            named(("Angefragt", "Asked for"), opt_in.asked_at.as_ref()),
            named(("Mail mit Link gesendet", "Mail with link sent"), opt_in.mailed_at.as_ref()),
            named(("Bestätigt", "Confirmed"), confirmed),
            named(
                ("Ihre Bestätigung fehlt noch, möglich bis", "Not confirmed by you yet, possible until"),
                opt_in.until.as_ref(),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What a purpose is called.
    fn purpose<'a>(&'a self, id: &'a str) -> &'a str {
        self.titles.get(id).map_or(id, String::as_str)
    }

    fn decided(&self, state: &State) -> &'static str {
        match (state, self.german) {
            (State::Granted, true) => "ja",
            (State::Granted, false) => "yes",
            (State::Denied, true) => "nein",
            (State::Denied, false) => "no",
            (State::Withdrawn, true) => "widerrufen",
            (State::Withdrawn, false) => "withdrawn",
            (State::Pending, true) => "noch nicht bestätigt",
            (State::Pending, false) => "not confirmed yet",
        }
    }
}
