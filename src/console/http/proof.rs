//! `/console/proof`: what somebody decided, with what proves it (GDPR Art. 7(1)). Whom it is about is never in an address.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use askama::Template;

use super::queue::Choice;
use super::{Answer, Fields, Seat, Stop, beside, broken, request};
use crate::app::App;
use crate::chronicle;
use crate::consent::{NoticeShown, Proven, State};
use crate::identity;
use crate::ledger;
use crate::officers::{Authority as _, Inspector};
use crate::policy::Original;
use crate::site::frame::{self, Frame};

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;
/// The most decisions that are shown, the newest first.
const DECISIONS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "console/proof.html")]
struct Page {
    f: Frame,
    types: Vec<Choice>,
    reason: String,
    error: Option<String>,
    /// Nothing was looked for yet: `None`.
    found: Option<Vec<Entry>>,
}

/// A decision with what proves it.
struct Entry {
    at: String,
    states: Vec<(String, String, &'static str, String)>,
    how: String,
    source: String,
    actor: String,
    policy: String,
    /// The policy in force now, if it is another one.
    today: Option<String>,
    notice: Option<Shown>,
    receipt: String,
    /// Where it stands in the ledger, or that it waits.
    ledger: String,
    is_in_ledger: bool,
}

/// The notice that was shown.
struct Shown {
    id: String,
    version: u32,
    language: String,
    hash: String,
    /// Everything that was shown, as it was kept; nothing if the decision is older than that is done.
    words: Option<Original>,
    /// What is shown today.
    today: String,
}

/// A decision with its place in the ledger and the words that were shown, as they were found.
type Found = (Proven, Result<u64, ledger::Error>, Result<Option<Original>, chronicle::Error>);

/// `GET /console/proof`.
pub async fn ask(req: HttpRequest, app: web::Data<App>) -> Answer {
    let seat = Seat::take(&req, &app).await?;
    let _inspector: Inspector = seat.authority()?;
    std::future::ready(answer(&seat, &Fields::default(), (None, None))).await
}

/// `POST /console/proof`: looks for somebody by an identifier as it is. That somebody looks, and why, is noted first.
pub async fn look(req: HttpRequest, app: web::Data<App>, body: web::Bytes) -> Answer {
    let (seat, fields) = Seat::take_form(&req, &app, &body).await?;
    let inspector: Inspector = seat.authority()?;
    let Some(reason) = fields.text("reason") else { return answer(&seat, &fields, (Some("no-reason"), None)) };
    if reason.chars().count() > REASON_CHARS_MAX {
        return answer(&seat, &fields, (Some("long"), None));
    }
    let (of, value) = (fields.text("type").unwrap_or_default(), fields.text("value").unwrap_or_default());
    let Ok(identifier) = identity::parse(&seat.policy, &app.vault, of, value) else {
        return answer(&seat, &fields, (Some("identifier"), None));
    };
    let entry = request::entry(&app, inspector.who(), "consent_proof", Some(reason));
    app.audit.note(&entry).await.map_err(|error| broken(&error))?;
    let shared = app.clone();
    let proofs = beside(move || {
        let Some(owner) = shared.directory.owner(&identifier) else { return Ok(Vec::new()) };
        match shared.consents.proofs(shared.directory.subject(owner)) {
            // They are being erased at this moment.
            Err(error) if error.is_shredded() => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(proofs) => {
                let found = proofs.into_iter().take(DECISIONS_MAX).map(|proven| -> Found {
                    let place = shared.ledger.evidence(&proven.commitment).map(|evidence| evidence.index);
                    let notice = proven.decision.notice.as_ref();
                    let words = notice.map_or(Ok(None), |notice| shared.chronicle.wording(&notice.hash));
                    (proven, place, words)
                });
                Ok(found.collect())
            }
        }
    });
    let proofs = proofs.await?.map_err(|error| broken(&error))?;
    let size = app.ledger.head().size;
    let found: Result<Vec<Entry>, Stop> = proofs.into_iter().map(|found| shown(&seat, found, size)).collect();
    answer(&seat, &fields, (None, Some(found?)))
}

fn answer(seat: &Seat, fields: &Fields, (wrong, found): (Option<&str>, Option<Vec<Entry>>)) -> Answer {
    let page = Page {
        f: seat.frame("proof"),
        types: seat.identifier_choices(fields.text("type")),
        reason: fields.text("reason").unwrap_or_default().to_owned(),
        error: wrong.map(|wrong| seat.by_text_key("console-wrong-", wrong)),
        found,
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(frame::answer(status, page.render())?)
}

fn shown(seat: &Seat, (proven, place, words): Found, size: u64) -> Result<Entry, Stop> {
    let Proven { decision, receipt, .. } = proven;
    let words = words.map_err(|error| broken(&error))?;
    let title = |id: &str| {
        let purpose = seat.policy.purposes.iter().find(|purpose| purpose.id == id);
        purpose.map_or_else(|| id.to_owned(), |purpose| crate::console::text(&purpose.title, seat.words.0.code()))
    };
    let state = |(purpose, state): (&String, &State)| {
        let (name, look) = match state {
            State::Granted => ("granted", "good"),
            State::Denied => ("denied", "plain"),
            State::Withdrawn => ("withdrawn", "warn"),
            State::Pending => ("pending", "plain"),
        };
        let until = decision.expires.get(purpose).map(|at| seat.words.of("console-until", "at", seat.moment(*at)));
        (title(purpose), seat.by_text_key("console-decided-", name), look, until.unwrap_or_default())
    };
    let (ledger, is_in_ledger) = match place {
        Ok(index) => {
            let numbers = [("index", whole(index + 1).into()), ("size", whole(size).into())];
            (seat.words.all("console-proof-ledger", numbers), true)
        }
        Err(ledger::Error::NoLeaf) => (seat.words.say("console-proof-waits"), false),
        Err(error) => return Err(broken(&error)),
    };
    Ok(Entry {
        at: seat.moment(decision.at),
        states: decision.states.iter().map(state).collect(),
        how: seat.by_text_key("console-method-", decision.method.name()),
        source: decision.source,
        actor: decision.actor.unwrap_or_default(),
        today: Some(seat.policy.version.clone()).filter(|today| *today != decision.policy),
        policy: decision.policy,
        notice: decision.notice.map(|shown| notice(seat, shown, words)),
        receipt: receipt.to_string(),
        ledger,
        is_in_ledger,
    })
}

fn notice(seat: &Seat, NoticeShown { id, version, language, hash, .. }: NoticeShown, words: Option<Original>) -> Shown {
    let today = match seat.policy.notice(&id) {
        Some(notice) if notice.languages.get(&language).is_some_and(|text| text.hash == hash) => {
            seat.words.say("console-proof-today-same")
        }
        Some(notice) => seat.words.of("console-proof-today-other", "number", notice.version),
        None => seat.words.say("console-proof-today-none"),
    };
    Shown { id, version, language, hash, words, today }
}

/// A number as texts take it.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
