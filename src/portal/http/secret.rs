//! The secret with which a website's server may sign who is signed in there, for whoever runs the gateway.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::problem;
use crate::app::App;
use crate::auth::{self, Scope};
use crate::error::{Code, Problem, ProblemBody};
use crate::policy::SignIn;

/// A secret for `HS256`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SignInSecretAnswer {
    /// The present one: the key of HMAC is this text.
    secret: String,
    /// The one before, while both hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

/// The secret by which a source's statements of who is signed in are signed and checked (`HS256`). Whoever has it can sign in anybody.
#[utoipa::path(get, path = "/v1/sources/{source}/sign-in-secret", tag = "operation", security(("secret_key" = ["operate"])),
    params(("source" = String, Path, description = "The source's ID.")),
    responses((status = 200, description = "The secret.", body = SignInSecretAnswer),
        (status = 401, description = "No or an unknown secret key.", body = ProblemBody<'static>),
        (status = 404, description = "There is no such source, or it does not sign by HS256.", body = ProblemBody<'static>)))]
pub async fn sign_in_secret(req: HttpRequest, app: web::Data<App>, source: web::Path<String>) -> Result<HttpResponse, Problem> {
    auth::secret(&req, &app, Scope::Operate).await?;
    let policy = app.policy.current();
    let known = policy.source(&source).filter(|(_, source)| source.sign_in == Some(SignIn::Hs256));
    let (_, source) = known.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut secrets = app.portal.sign_in_secrets(&source.id).map_err(|error| problem(&error))?.into_iter();
    let secret = secrets.next().ok_or_else(|| Problem::new(Code::Unavailable))?;
    Ok(HttpResponse::Ok().json(SignInSecretAnswer { secret, previous: secrets.next() }))
}
