use std::path::Path;

use actix_web::body::to_bytes;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App as Web, HttpResponse, web};
use serde_json::{Value, json};

use super::*;

fn shipped() -> Policy {
    crate::policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

async fn text(answer: HttpResponse) -> String {
    String::from_utf8(to_bytes(answer.into_body()).await.unwrap().to_vec()).unwrap()
}

/// Every address that a page names, so that none of them is another host's.
fn addresses(html: &str) -> Vec<&str> {
    ["href=\"", "src=\"", "url(", "action=\""]
        .iter()
        .flat_map(|mark| html.split(mark).skip(1))
        .filter_map(|r| r.split(['"', ')']).next())
        .collect()
}

fn assert_plain(html: &str) {
    assert!(html.starts_with("<!doctype html>") && html.contains("<html lang=\"en\">"));
    assert!(!html.contains("<script") && !html.contains("http-equiv"));
    for address in addresses(html) {
        assert!(
            address.starts_with('/') && !address.starts_with("//") || address.starts_with('#') || address == "data:,",
            "{address}"
        );
    }
}

/// Compares a generated document with the one in `docs/`; with UPDATE=1 it is written anew.
fn assert_fresh(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if option_env!("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/{name} is stale: UPDATE=1 cargo test --lib in_the_docs_is_what");
}

#[test]
fn the_error_page_in_the_docs_is_what_the_code_says() {
    assert_fresh("ERRORS.md", &page::errors_markdown());
}

#[test]
fn the_api_in_the_docs_is_what_the_code_says() {
    assert_fresh("openapi.json", &format!("{:#}\n", document::value()));
}

#[actix_web::test]
async fn the_start_page_says_what_runs_here_and_loads_nothing_from_elsewhere() {
    let policy = shipped();
    let html = text(page::start(&policy, "http://127.0.0.1:8080", true).unwrap()).await;
    assert_plain(&html);
    assert!(html.contains(&policy.version[..12]));
    for word in ["personalization", "wk_app", "/v1/consents", "embedded profile store", "<td>off</td>"] {
        assert!(html.contains(word), "{word}");
    }
}

#[actix_web::test]
async fn the_page_of_errors_has_an_anchor_for_every_code() {
    let html = text(page::errors().unwrap()).await;
    assert_plain(&html);
    for code in Code::ALL {
        assert!(html.contains(&format!("<tr id=\"{}\">", code.as_str())), "{}", code.as_str());
    }
}

#[test]
fn the_document_is_openapi_3_1_and_every_operation_is_described() {
    let document = document::value();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let tags: Vec<&str> = document["tags"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let said = operation["summary"].as_str().or(operation["description"].as_str()).unwrap_or_default();
            assert!(!said.is_empty(), "{method} {path} has no words");
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            assert!(tags.contains(&tag), "{method} {path}: the tag `{tag}` is not described");
        }
    }
    assert!(document["components"]["schemas"]["Problem"]["properties"]["cure"].is_object());
    assert_eq!(document["components"]["securitySchemes"]["write_key"]["scheme"], "basic");
}

#[test]
fn the_docs_page_shows_every_operation() {
    let document = document::value();
    let html = render::docs(&document).unwrap();
    assert_plain(&html);
    for (path, _) in document["paths"].as_object().unwrap() {
        assert!(html.contains(&format!("<code>{path}</code>")), "{path}");
    }
}

#[test]
fn whatever_stands_in_the_document_is_shown_as_text() {
    let evil = "<script>alert(1)</script> and `<b>code</b>` & \"quotes\"";
    let document = json!({
        "info": {"description": evil},
        "tags": [{"name": "events", "description": evil}],
        "paths": {"/v1/<x>": {"post": {
            "tags": ["events"], "summary": evil, "security": [{"write_key": []}],
            "parameters": [{"name": evil, "in": evil, "required": true, "description": evil, "schema": {"type": ["string", "null"]}}],
            "requestBody": {"content": {"application/json": {"schema": {
                "type": "object", "required": ["a"],
                "properties": {
                    "a": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "b": {"enum": [evil, 2]},
                    "c": {"oneOf": [{"type": "null"}, {"type": evil}]},
                    "d": {"type": "object", "additionalProperties": {"type": "string"}},
                }}, "example": {"a": evil}}}},
            "responses": {"200": {"description": evil, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}},
        }}},
        "components": {"schemas": {"Thing": {"description": evil, "type": "string"}}, "securitySchemes": {"write_key": {"description": evil}}},
    });
    let html = render::docs(&document).unwrap();
    assert_plain(&html);
    assert!(!html.contains("<b>"));
    for part in [
        "list of <a href=\"#schema-Thing\">Thing</a>",
        "string or null",
        "map to string",
        "write_key",
        "<code>&lt;b&gt;code&lt;/b&gt;</code>",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
}

#[test]
fn refusals_without_words_name_their_codes_and_notes_for_programmers_stay_out() {
    let document = json!({"paths": {"/x": {"post": {"summary": "Does it.", "description": "Well.\n\n# Errors\nNever shown.", "responses": {"403": {"description": ""}}}}}});
    let html = render::docs(&document).unwrap();
    assert!(html.contains("<a href=\"/docs/errors#scope_missing\"><code>scope_missing</code></a>"), "{html}");
    assert!(html.contains("Well.") && !html.contains("Never shown"));
}

#[test]
fn the_line_to_paste_uses_a_source_that_may_record_decisions() {
    let policy = shipped();
    let line = curl_line(&policy, "http://127.0.0.1:8080").unwrap();
    assert!(!line.contains('\n'));
    for part in [
        "-u wk_app:",
        "http://127.0.0.1:8080/v1/consents",
        "\"personalization\":\"granted\"",
        "\"analytics\":\"granted\"",
        "/v1/track",
    ] {
        assert!(line.contains(part), "{part}\n{line}");
    }
    assert!(!line.contains("ads_sharing"), "a destination that is off needs no consent");
    let none = Policy { sources: Vec::new(), ..policy };
    assert!(curl_line(&none, "http://x").is_none());
}

#[actix_web::test]
async fn answers_carry_the_security_headers_and_no_word_about_the_server() {
    let app = init_service(
        Web::new()
            .wrap(from_fn(security_headers))
            .route("/api", web::get().to(|| async { HttpResponse::Ok().json(Value::Null) }))
            .route("/page", web::get().to(|| async { page::errors() }))
            .default_service(web::to(nothing_here)),
    )
    .await;
    for (path, status, policy) in [
        ("/api", 200, "default-src 'none'; frame-ancestors 'none'"),
        ("/page", 200, "style-src 'sha256-"),
        ("/nowhere", 404, "default-src 'none'"),
    ] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(header("content-security-policy").contains(policy), "{path}: {}", header("content-security-policy"));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!((header("x-content-type-options").as_str(), header("referrer-policy").as_str()), ("nosniff", "no-referrer"));
        assert_eq!(header("server"), "");
    }
}
