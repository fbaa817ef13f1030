//! `/c/{token}`: the page behind the link in the letter. Looking changes nothing; its button confirms.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::letter::{is_german, text};
use crate::app::App;
use crate::auth;
use crate::consent::{DeadEnd, Error, Wish};
use crate::error::{Code, Problem};
use crate::limit::{self, Class};
use crate::policy::Policy;
use crate::site::page;

#[derive(Template)]
#[template(path = "confirmation.html")]
struct Page<'a> {
    german: bool,
    title: &'a str,
    paragraphs: Vec<String>,
    /// Title and text of each purpose that waits.
    purposes: Vec<(&'a str, &'a str)>,
    button: Option<&'static str>,
    policy: &'a Policy,
}

/// `GET /c/{token}`: what waits, and a button.
pub async fn look(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::People, limit::PEOPLE_PER_S)?;
    let policy = app.policy.current();
    let shared = app.clone();
    let found = web::block(move || shared.confirmations.look(&token)).await.map_err(|_gone| Problem::new(Code::Unavailable))?;
    match found {
        Ok(wish) => to_confirm(&wish, &policy),
        Err(error) => refused(&req, &error, &policy),
    }
}

/// `POST /c/{token}`: the button on that page.
pub async fn press(req: HttpRequest, app: web::Data<App>, token: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::throttle(&req, &app, Class::People, limit::PEOPLE_PER_S)?;
    let policy = app.policy.current();
    let shared = app.clone();
    // A task of its own: what has begun is finished even if the person leaves.
    let done = actix_web::rt::spawn(async move { shared.confirmations.confirm(&token).await }).await;
    let recorded = match done.map_err(|_gone| Problem::new(Code::Unavailable))? {
        Ok(recorded) => recorded,
        Err(error) => return refused(&req, &error, &policy),
    };
    let german = is_german(recorded.decision.notice.as_ref().map(|notice| notice.language.as_str()), &policy);
    let (title, words) = if german {
        let words = "Ihre Einwilligung gilt ab jetzt. Sie können sie jederzeit widerrufen, mit Wirkung für die Zukunft. Sie können diese Seite schließen.";
        ("Danke, Ihre Einwilligung ist bestätigt", words)
    } else {
        let words = "Your consent counts from now on. You can withdraw it at any time, for the future. You can close this page.";
        ("Thank you, your consent is confirmed", words)
    };
    let paragraphs = vec![words.to_owned()];
    let page = Page { german, title, paragraphs, purposes: Vec::new(), button: None, policy: &policy };
    page::for_people(StatusCode::OK, page.render())
}

fn to_confirm(wish: &Wish, policy: &Policy) -> Result<HttpResponse, Problem> {
    let german = is_german(wish.decision.notice.as_ref().map(|notice| notice.language.as_str()), policy);
    let company = &policy.controller.name;
    let known = wish.purposes.iter().filter_map(|id| policy.purpose(id).and_then(|index| policy.purposes.get(index)));
    let purposes = known.map(|purpose| (text(&purpose.title, german), text(&purpose.text, german))).collect();
    let (title, words, button) = if german {
        let words = format!(
            "Bei {company} wurde mit Ihrer E-Mail-Adresse darin eingewilligt. Wenn Sie das waren, bestätigen Sie es bitte. Wenn nicht, schließen Sie diese Seite: Ohne Bestätigung gilt nichts."
        );
        ("Ihre Einwilligung bestätigen", words, "Ja, ich willige ein")
    } else {
        let words = format!(
            "Somebody agreed to this at {company}, with your e-mail address. If that was you, please confirm it. If not, close this page: without a confirmation nothing counts."
        );
        ("Confirm your consent", words, "Yes, I agree")
    };
    let page = Page { german, title, paragraphs: vec![words], purposes, button: Some(button), policy };
    page::for_people(StatusCode::OK, page.render())
}

fn refused(req: &HttpRequest, error: &Error, policy: &Policy) -> Result<HttpResponse, Problem> {
    let Error::Link(dead) = error else {
        tracing::error!(%error, "a confirmation could not be recorded");
        return Err(Problem::new(Code::Unavailable).retry_after(5));
    };
    let german = page::reads_german(req, policy);
    let (status, title, words) = match (dead, german) {
        (DeadEnd::Unknown, true) => {
            (StatusCode::NOT_FOUND, "Diesen Link gibt es nicht", "Bitte öffnen Sie den ganzen Link aus unserer Mail.")
        }
        (DeadEnd::Unknown, false) => (StatusCode::NOT_FOUND, "There is no such link", "Please open the whole link in our mail."),
        (DeadEnd::Used, true) => (
            StatusCode::GONE,
            "Dieser Link wurde schon verwendet",
            "Ihre Einwilligung ist bestätigt. Sie brauchen nichts weiter zu tun.",
        ),
        (DeadEnd::Used, false) => {
            (StatusCode::GONE, "This link was used already", "Your consent is confirmed. You need not do anything more.")
        }
        (DeadEnd::Over, true) => (
            StatusCode::GONE,
            "Dieser Link gilt nicht mehr",
            "Seine Zeit ist vorbei, oder es wurde seitdem anders entschieden. Ohne Bestätigung gilt nichts.",
        ),
        (DeadEnd::Over, false) => (
            StatusCode::GONE,
            "This link is not good any more",
            "Its time is over, or something else was decided since. Without a confirmation nothing counts.",
        ),
    };
    let page = Page { german, title, paragraphs: vec![words.to_owned()], purposes: Vec::new(), button: None, policy };
    page::for_people(status, page.render())
}
