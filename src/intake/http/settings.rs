//! What SDKs fetch before they send anything, and the two addresses that answer the same whatever happens.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::json;

use super::{body, wire};
use crate::app::App;
use crate::auth;
use crate::clock::rfc3339;
use crate::error::{Code, Problem};
use crate::events::EventType;
use crate::intake::Sender;
use crate::limit::EVENT_BYTES_MAX;
use crate::policy::{LegalBasis, Policy};

/// How long SDKs keep their settings. Private: the answer names the host that was asked, and must not be served to others.
const SETTINGS_CACHE: &str = "private, max-age=120";

/// One transparent pixel.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Base64 as pixels carry it: in either alphabet (see [`unpacked`]), padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Settings of Segment's browser and mobile SDKs.
///
/// # Errors
/// `not_found` for a key that no source has. The browser SDK then stays silent, as with a deleted source.
#[utoipa::path(get, path = "/v1/projects/{write_key}/settings", tag = "events",
    params(("write_key" = String, Path, description = "The source's write key.")),
    responses((status = 200, description = "Where to send, and which categories of consent there are."), (status = 404)))]
pub async fn settings(req: HttpRequest, path: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let key = path.into_inner();
    if policy.source_by_key(&key).is_none() {
        return Err(Problem::field(Code::NotFound, "writeKey").detail("No source has this write key."));
    }
    let connection = req.connection_info();
    let enabled = json!({"__default": {"enabled": true, "integrations": {}}});
    let answer = json!({
        "integrations": {"Segment.io": {
            "apiKey": key,
            "apiHost": format!("{}/v1", connection.host()),
            "protocol": connection.scheme(),
        }},
        "plan": {"track": enabled, "identify": enabled, "group": enabled},
        "metrics": {"sampleRate": 0},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": false,
        "consentSettings": {"allCategories": categories(&policy), "hasUnmappedDestinations": false},
    });
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, SETTINGS_CACHE)).json(answer))
}

/// The purposes that people are asked about. The gateway decides for every destination, so none is unmapped.
fn categories(policy: &Policy) -> Vec<&str> {
    let asked = policy.purposes.iter().filter(|purpose| purpose.basis == LegalBasis::Consent);
    asked.map(|purpose| purpose.id.as_str()).collect()
}

/// Settings of `RudderStack`'s browser SDK.
///
/// # Errors
/// No write key, an unknown one, or an origin that may not send.
#[utoipa::path(get, path = "/sourceConfig/", tag = "events",
    params(("writeKey" = Option<String>, Query, description = "The source's write key, if it is not sent by Basic authentication.")),
    responses((status = 200, description = "The source."), (status = 401), (status = 403)))]
pub async fn source_config(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let policy = app.policy.current();
    let index = auth::write_key(&req, None, &policy)?;
    let source = policy.sources.get(index).ok_or_else(|| Problem::new(Code::WriteKeyUnknown))?;
    let answer = json!({
        "source": {
            "id": source.id,
            "name": source.id,
            "writeKey": source.write_key,
            "enabled": true,
            "workspaceId": "pforte",
            "config": {"statsCollection": {"errors": {"enabled": false}, "metrics": {"enabled": false}}},
            "destinations": [],
            "connections": [],
            "dataplanes": {},
        },
        "updatedAt": rfc3339(app.clock.now()),
    });
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, SETTINGS_CACHE)).json(answer))
}

/// What SDKs measure about themselves. It is not kept.
#[utoipa::path(post, path = "/v1/m", tag = "events", responses((status = 200, description = "Thrown away.")))]
pub async fn discard(payload: web::Payload) -> HttpResponse {
    body::discard(payload).await;
    HttpResponse::Ok().json(json!({"success": true}))
}

/// An event in a picture's address, as newsletters send it: `?data=<base64 of the event>`. The answer is the picture, always.
#[utoipa::path(get, path = "/pixel/v1/{call}", tag = "events",
    params(("call" = String, Path, description = "`track` or `page`."), ("data" = String, Query, description = "The event as JSON in base64."),
        ("writeKey" = Option<String>, Query, description = "The source's write key, if the event does not hold it.")),
    responses((status = 200, description = "A transparent GIF, whether the event was taken or not.", content_type = "image/gif")))]
pub async fn pixel(req: HttpRequest, path: web::Path<String>, app: web::Data<App>) -> HttpResponse {
    if let Err(problem) = take_pixel(&req, &path.into_inner(), &app).await {
        tracing::debug!(code = problem.code.as_str(), "an event in a pixel was refused");
    }
    HttpResponse::Ok().content_type("image/gif").insert_header((header::CACHE_CONTROL, "no-store")).body(GIF)
}

async fn take_pixel(req: &HttpRequest, call: &str, app: &App) -> Result<(), Problem> {
    let kind = EventType::parse(call).ok_or_else(|| Problem::new(Code::NotFound))?;
    let body = unpacked(req.query_string()).ok_or_else(|| Problem::field(Code::InvalidField, "data"))?;
    let policy = app.policy.current();
    let envelope = wire::Takes::One(kind).read(&body)?;
    let source = wire::source_by_body(req, app, &policy, &envelope)?;
    let at = app.clock.now();
    let sender = Sender { policy: &policy, source, received_at: at, signal: wire::signal(req, &policy) };
    let answer = app.intake.accept(sender, envelope.events(Some(kind), at, None)).await?;
    answer.rejected.first().map_or(Ok(()), |(_, rejected)| Err(wire::problem(rejected)))
}

/// The bytes of `data` in a query. `+` of the one alphabet often arrives as a space; `-` and `_` are of the other.
fn unpacked(query: &str) -> Option<Vec<u8>> {
    let data = query.split('&').find_map(|pair| pair.strip_prefix("data="))?;
    if data.len() > EVENT_BYTES_MAX * 4 {
        return None;
    }
    let data = percent_encoding::percent_decode_str(data).decode_utf8().ok()?;
    BASE64.decode(data.replace([' ', '-'], "+").replace('_', "/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixels_event_is_read_in_every_way_that_base64_is_written() {
        let event = "{\"event\":\"??>>\"}";
        let standard = base64::engine::general_purpose::STANDARD.encode(event);
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(event);
        assert!(standard.contains('/') || standard.contains('+'));
        let escaped: String = percent_encoding::utf8_percent_encode(&standard, percent_encoding::NON_ALPHANUMERIC).to_string();
        for data in [standard.clone(), standard.replace('+', "%20"), url, escaped, standard.trim_end_matches('=').to_owned()] {
            assert_eq!(unpacked(&format!("x=1&data={data}&writeKey=w")).as_deref(), Some(event.as_bytes()), "{data}");
        }
        for query in ["", "data", "data=%FF", "data=!!", "date=e30"] {
            assert_eq!(unpacked(query), None, "{query}");
        }
    }

    #[test]
    fn the_pixel_is_a_gif_of_one_by_one() {
        assert!(GIF.starts_with(b"GIF89a\x01\x00\x01\x00") && GIF.ends_with(b";"));
        assert_eq!(GIF.len(), 43);
    }
}
