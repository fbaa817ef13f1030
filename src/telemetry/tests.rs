use std::sync::{Arc, Mutex};

use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App as Web, HttpResponse, web};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::logs::Lines;
use super::*;
use crate::clock::Clock;

/// A log that a test can read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn read(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn logged(json: bool, say: impl FnOnce()) -> String {
    let paper = Paper::default();
    let writer = paper.clone();
    let lines = Lines { json, clock: Clock::manual(0) };
    let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).event_format(lines);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
    paper.read()
}

#[test]
fn a_line_is_json_with_time_level_and_message() {
    let text = logged(true, || tracing::warn!(chunks = 3_u64, reason = "a \"quoted\"\nword", "the outbox is long"));
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["at"], "1970-01-01T00:00:00.000Z");
    assert_eq!(
        (&line["level"], &line["message"], &line["chunks"]),
        (&Value::from("warn"), &Value::from("the outbox is long"), &Value::from(3))
    );
    assert_eq!(text.matches('\n').count(), 1);
}

#[test]
fn what_must_never_be_logged_is_struck_out() {
    let canary = "kanarienvogel@example.de";
    for json in [true, false] {
        let text = logged(json, || tracing::error!(email = canary, user_id = %canary, path = ?canary, query = canary, "failed"));
        assert!(!text.contains("kanarienvogel"), "{text}");
        assert!(text.contains("struck out"), "{text}");
    }
}

#[actix_web::test]
async fn what_is_logged_while_a_request_is_answered_carries_its_id() {
    let id = uuid::Uuid::new_v4();
    let text = CURRENT.sync_scope(id, || logged(true, || tracing::info!("inside")));
    assert!(text.contains(&id.to_string()), "{text}");
    assert!(!logged(true, || tracing::info!("outside")).contains("request_id"));
}

#[actix_web::test]
async fn every_answer_has_a_request_id_and_only_a_plain_one_is_taken_over() {
    let app = init_service(Web::new().wrap(from_fn(observe)).route("/x/{id}", web::get().to(HttpResponse::Ok))).await;
    let plain = "9a1f5b52-6d0c-4d5c-8f0e-2f4f7b6a1c3d";
    for (sent, kept) in [
        (plain, true),
        ("erika.muster@example.de", false),
        ("9a1f5b526d0c4d5c8f0e2f4f7b6a1c3d", false),
        ("9a1f5b52-6d0c-1d5c-8f0e-2f4f7b6a1c3d", false),
    ] {
        let answer = call_service(&app, TestRequest::get().uri("/x/1").insert_header(("x-request-id", sent)).to_request()).await;
        let given = answer.headers().get(REQUEST_ID).unwrap().to_str().unwrap();
        assert_eq!(given == sent, kept, "{sent}");
        assert_eq!(uuid::Uuid::try_parse(given).unwrap().get_version_num(), 4);
    }
    let missing = call_service(&app, TestRequest::get().uri("/nowhere").to_request()).await;
    assert!(missing.headers().contains_key(REQUEST_ID));
}

#[test]
fn request_ids_do_not_repeat() {
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| (0..20_000).map(|_| fresh_id()).collect::<Vec<_>>())).collect();
    let mut all: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    let before = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), before);
}

#[test]
fn figures_are_openmetrics_and_end_as_they_should() {
    let metrics = Metrics::new();
    metrics.answered("POST", String::from("/v1/track"), 200, 0.001);
    metrics.answered("POST", String::from("/v1/track"), 200, 0.002);
    let figures = Figures {
        policy: String::from("abc"),
        events: vec![(String::from("web"), String::from("profile"), "accepted", 7)],
        backlog_chunks: vec![(String::from("profile"), 0), (String::from("archive"), 3)],
        gauges: vec![("subjects", "Subjects that are known", 12)],
        ..Figures::default()
    };
    let text = metrics.render(&figures).unwrap();
    for line in [
        "pforte_requests_total{method=\"POST\",route=\"/v1/track\",status=\"200\"} 2",
        "pforte_events_total{source=\"web\",destination=\"profile\",outcome=\"accepted\"} 7",
        "pforte_backlog_chunks{destination=\"archive\"} 3",
        "pforte_backlog_chunks{destination=\"profile\"} 0",
        "pforte_request_seconds_count{route=\"/v1/track\"} 2",
        "pforte_subjects 12",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
