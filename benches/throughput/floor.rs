//! The floor: actix-web that reads the same JSON with borrowed strings, and answers.

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Track<'a> {
    #[serde(borrow, rename = "type")]
    _kind: &'a str,
    #[serde(borrow, rename = "messageId")]
    _message_id: &'a str,
    #[serde(borrow, rename = "anonymousId")]
    _anonymous_id: &'a str,
    #[serde(borrow, rename = "event")]
    _event: &'a str,
    #[serde(borrow, rename = "properties")]
    _properties: &'a RawValue,
    #[serde(borrow, rename = "context")]
    _context: &'a RawValue,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch: Vec<Track<'a>>,
}

pub(crate) fn run() {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| {
            App::new()
                .app_data(web::PayloadConfig::new(1 << 20))
                .route(
                    "/v1/track",
                    web::post().to(|body: web::Bytes| async move {
                        match serde_json::from_slice::<Track<'_>>(&body) {
                            Ok(_) => HttpResponse::Ok().content_type("application/json").body(r#"{"success":true}"#),
                            Err(_) => HttpResponse::BadRequest().finish(),
                        }
                    }),
                )
                .route(
                    "/v1/batch",
                    web::post().to(|body: web::Bytes| async move {
                        match serde_json::from_slice::<Batch<'_>>(&body) {
                            Ok(Batch { batch }) => HttpResponse::Ok()
                                .content_type("application/json")
                                .body(format!(r#"{{"success":true,"n":{}}}"#, batch.len())),
                            // The load counts what is not answered with 2xx: a floor that does not read is none.
                            Err(_) => HttpResponse::BadRequest().finish(),
                        }
                    }),
                )
        })
        .workers(1)
        .bind(("127.0.0.1", 0))
        .unwrap();
        println!("listening {}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}
