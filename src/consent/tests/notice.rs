//! Notices and their tokens through all of HTTP, by a clock that only the test moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as Web, web};
use clap::Parser as _;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::{Clock, DAY_MS, Millis};
use crate::config::Config;
use crate::store::Store;

const START: Millis = 1_800_000_000_000;
const MINUTE_MS: Millis = 60_000;
const SHOP: &str = "http://localhost:3000";
const OTHER: &str = "http://localhost:4000";

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    config: Config,
}

struct House {
    app: Arc<App>,
    store: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn opened(folder: &Path, clock: &Clock, store: &Store) -> Arc<App> {
    let at = |name: &str| folder.join(name).display().to_string();
    let policies = shipped().display().to_string();
    let line = ["pforte", "--data", &at("data"), "--keys", &at("keys"), "--out", &at(""), "--policies", &policies];
    App::open_with(Arguments::parse_from(line).config, clock.clone(), Some(store.clone())).unwrap()
}

impl House {
    fn new() -> Self {
        let (store, clock, folder) = (Store::memory(), Clock::manual(START), tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self { app: opened(folder.path(), &clock, &store), store, clock, folder }
    }

    /// As after a crash: everything but the store is new.
    async fn restarted(self) -> Self {
        self.app.forwarder.stop().await;
        Self { app: opened(self.folder.path(), &self.clock, &self.store), ..self }
    }

    /// Puts the shipped policy with one piece of one file replaced in force.
    fn changed(&self, file: &str, from: &str, to: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("notices")).unwrap();
        for inner in ["", "notices"] {
            for entry in std::fs::read_dir(shipped().join(inner)).unwrap().map(Result::unwrap) {
                if entry.path().is_file() {
                    std::fs::copy(entry.path(), folder.path().join(inner).join(entry.file_name())).unwrap();
                }
            }
        }
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replace(from, to)).unwrap();
        self.app.policy.replace(crate::policy::load(folder.path()).unwrap());
    }

    /// How many decisions were recorded, and how many spent tokens are remembered.
    fn rows(&self) -> (usize, usize) {
        let count = |tag: &[u8]| self.store.scan(tag, None, 10_000).unwrap().len();
        (count(b"D"), count(b"n"))
    }
}

async fn call(house: &House, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> (u16, Value) {
    let service = init_service(Web::new().app_data(web::Data::from(Arc::clone(&house.app))).configure(crate::routes::all)).await;
    let mut request = TestRequest::default().method(method).uri(path);
    for header in headers {
        request = request.insert_header(*header);
    }
    if let Some(body) = body {
        request = request.set_payload(body.to_string());
    }
    let answer = call_service(&service, request.to_request()).await;
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read_body(answer).await).unwrap_or_default())
}

async fn notice(house: &House, query: &str, headers: &[(&str, &str)]) -> Value {
    let (status, said) = call(house, Method::GET, &format!("/v1/notice?writeKey=wk_web{query}"), headers, None).await;
    assert_eq!(status, 200, "{said}");
    said
}

/// Posts a decision of `who` with these fields besides, and says status and code.
async fn decide(house: &House, who: &str, more: Value, headers: &[(&str, &str)]) -> (u16, String) {
    let mut body = json!({"writeKey": "wk_web", "anonymousId": who, "method": "banner", "decisions": {"analytics": "granted"}});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, said) = call(house, Method::POST, "/v1/consents", headers, Some(&body)).await;
    (status, said["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[actix_web::test]
async fn a_notice_is_handed_out_with_everything_that_is_shown() {
    let house = House::new();
    let page = [("Origin", SHOP)];
    for (language, word) in [("de", "Statistik"), ("en", "Statistics")] {
        let said = notice(&house, &format!("&language={language}"), &page).await;
        let known = house.app.policy.current();
        assert_eq!(said["hash"], known.notice("web-banner").unwrap().languages[language].hash.as_str());
        assert_eq!((&said["notice"], &said["version"], &said["language"]), (&json!("web-banner"), &json!(1), &json!(language)));
        assert_eq!((&said["purposes"][0]["title"], &said["purposes"][0]["required"]), (&json!(word), &json!(false)));
        let told = said["purposes"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&told["id"], &told["legalBasis"], &told["required"]),
            (&json!("necessary"), &json!("contract"), &json!(true))
        );
        assert_eq!(said["layout"], json!({"version": 1, "buttons": ["accept_all", "refuse_all", "choose"], "preselected": []}));
        assert_eq!((&said["ask"], said.get("decisions")), (&json!(true), None));
        assert_eq!(said["tokenExpiresAt"], "2027-01-15T08:15:00.000Z");
    }
    for (path, status, code, field) in [
        ("/v1/notice", 401, "write_key_missing", ""),
        ("/v1/notice?writeKey=wk_none", 401, "write_key_unknown", ""),
        ("/v1/notice?writeKey=wk_newsletter", 422, "unknown_notice", "notice"),
        ("/v1/notice?writeKey=wk_web&notice=none", 422, "unknown_notice", "notice"),
        ("/v1/notice?writeKey=wk_web&language=tlh", 422, "unknown_notice", "language"),
        ("/v1/notice?writeKey=wk_web&anonymousId=null", 422, "invalid_field", "anonymousId"),
    ] {
        let (got, said) = call(&house, Method::GET, path, &[], None).await;
        let words = (said["code"].as_str().unwrap_or_default(), said["field"].as_str().unwrap_or_default());
        assert_eq!((got, words), (status, (code, field)), "{path}");
    }
    let (status, said) =
        call(&house, Method::GET, "/v1/notice?writeKey=wk_web", &[("Origin", "https://evil.example")], None).await;
    assert_eq!((status, &said["code"]), (403, &json!("origin_not_allowed")));
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn a_token_is_good_for_one_decision_on_its_page_and_in_its_time() {
    let house = House::new();
    let page = [("Origin", SHOP)];
    assert_eq!(decide(&house, "a", json!({}), &page).await, refused(422, "token_missing"));
    let said = notice(&house, "&language=en", &page).await;
    let token = said["token"].as_str().unwrap();
    let with = |more: Value| {
        let mut all = json!({"token": token});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    // Whatever is wrong, nothing is recorded, and the token can still be used.
    for (what, more, headers, outcome) in [
        ("another page", json!({}), vec![("Origin", OTHER)], refused(403, "token_foreign")),
        ("no browser", json!({}), vec![], refused(403, "token_foreign")),
        ("a page that is not ours", json!({}), vec![("Origin", "https://evil.example")], refused(403, "origin_not_allowed")),
        ("another source", json!({"writeKey": "wk_app"}), page.to_vec(), refused(403, "token_foreign")),
        ("another notice", json!({"notice": "till-spoken"}), page.to_vec(), refused(403, "token_foreign")),
        ("another language", json!({"language": "de"}), page.to_vec(), refused(403, "token_foreign")),
        ("another text", json!({"noticeHash": "0".repeat(64)}), page.to_vec(), refused(403, "token_foreign")),
        ("another layout", json!({"layout": 2}), page.to_vec(), refused(403, "token_foreign")),
        ("preselected", json!({"preselected": ["analytics"]}), page.to_vec(), refused(422, "invalid_field")),
        ("a time", json!({"at": "2020-01-01T00:00:00Z"}), page.to_vec(), refused(422, "invalid_field")),
        ("no token", json!({"token": "abc"}), page.to_vec(), refused(403, "token_invalid")),
        ("a large token", json!({"token": "a".repeat(3_000)}), page.to_vec(), refused(422, "invalid_field")),
    ] {
        assert_eq!(decide(&house, "a", with(more), &headers).await, outcome, "{what}");
    }
    for at in (0..token.len()).step_by(7) {
        let mut altered = token.as_bytes().to_vec();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(decide(&house, "a", json!({"token": altered}), &page).await, refused(403, "token_invalid"), "{at}");
    }
    assert_eq!(house.rows(), (0, 0));
    house.clock.pass(15 * MINUTE_MS - 1);
    let right = json!({"noticeHash": said["hash"], "layout": 1, "preselected": [], "language": "en"});
    assert_eq!(decide(&house, "a", with(right), &page).await, refused(201, ""));
    assert_eq!(decide(&house, "b", with(json!({})), &page).await, refused(409, "token_used"));
    house.clock.pass(1);
    assert_eq!(decide(&house, "b", with(json!({})), &page).await, refused(409, "token_expired"));
    assert_eq!(house.rows(), (1, 1));
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn a_token_is_none_of_the_other_statements_and_they_are_no_tokens() {
    use base64::Engine as _;
    let house = House::new();
    let said = notice(&house, "", &[]).await;
    let token = said["token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let signer = house.app.vault.signer();
    for kind in [crate::consent::RECEIPT, "JWT", "pforte-erasure+jwt"] {
        let other = signer.sign(kind, &claims).unwrap();
        assert_eq!(decide(&house, "a", json!({"token": other}), &[]).await, refused(403, "token_invalid"), "{kind}");
        assert!(crate::vault::verify::<Value>(token, kind, &signer.jwks()).is_err());
    }
    // Of the right kind, but for somebody else, or with more or less in it.
    for (name, value) in [("aud", json!("pforte/other")), ("jti", json!("x")), ("more", json!(1)), ("exp", json!("never"))] {
        let mut other = claims.clone();
        other[name] = value;
        let other = signer.sign("pforte-notice+jwt", &other).unwrap();
        assert_eq!(decide(&house, "a", json!({"token": other}), &[]).await, refused(403, "token_invalid"), "{name}");
    }
    assert_eq!(house.rows(), (0, 0));
    let again = signer.sign("pforte-notice+jwt", &claims).unwrap();
    assert_eq!(decide(&house, "a", json!({"token": again}), &[]).await, refused(201, ""));
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn of_uses_at_one_moment_one_counts_also_after_a_restart() {
    let mut house = House::new();
    let mut tokens = Vec::new();
    for round in 0..5 {
        let said = notice(&house, "", &[]).await;
        tokens.push(said["token"].clone());
        let uses = (0..8).map(|n| {
            let (house, body) = (&house, json!({"token": said["token"]}));
            async move { decide(house, &format!("{round}-{n}"), body, &[]).await }
        });
        let outcomes = futures_util::future::join_all(uses).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.0 == 201).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| outcome.0 == 201 || *outcome == refused(409, "token_used")), "{outcomes:?}");
        house = house.restarted().await;
    }
    for token in tokens {
        assert_eq!(decide(&house, "late", json!({"token": token}), &[]).await, refused(409, "token_used"));
    }
    assert_eq!(house.rows(), (5, 5));
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn what_was_spent_is_forgotten_in_time() {
    let house = House::new();
    let mut most = 0;
    for n in 0..120 {
        let said = notice(&house, "", &[]).await;
        assert_eq!(decide(&house, &format!("v{n}"), json!({"token": said["token"]}), &[]).await.0, 201);
        house.clock.pass(5 * MINUTE_MS);
        most = most.max(house.rows().1);
    }
    // 15 minutes until it ends and an hour of memory, one each 5 minutes.
    assert_eq!((house.rows().0, most), (120, 15));
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn a_page_of_the_gateway_itself_names_its_origin_only_when_it_writes() {
    let house = House::new();
    for (reads, writes) in [
        (vec![("Host", "127.0.0.1:8080")], vec![("Host", "127.0.0.1:8080"), ("Origin", "http://127.0.0.1:8080")]),
        (vec![("Sec-Fetch-Site", "same-origin")], vec![("Sec-Fetch-Site", "same-origin"), ("Origin", "http://127.0.0.1:8080")]),
    ] {
        let said = notice(&house, "", &reads).await;
        let foreign = [("Host", "127.0.0.1:8080"), ("Origin", SHOP)];
        assert_eq!(decide(&house, "a", json!({"token": said["token"]}), &foreign).await, refused(403, "token_foreign"));
        assert_eq!(decide(&house, "a", json!({"token": said["token"]}), &writes).await, refused(201, ""));
    }
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn who_was_shown_another_version_is_asked_again() {
    let house = House::new();
    let said = notice(&house, "", &[]).await;
    let hash = json!({"noticeHash": said["hash"], "writeKey": "wk_app"});
    assert_eq!(decide(&house, "a", hash.clone(), &[]).await.0, 201);
    house.changed("notices/web-banner.de.toml", "Dürfen wir", "Können wir");
    assert_eq!(decide(&house, "a", json!({"token": said["token"]}), &[]).await, refused(409, "notice_outdated"));
    assert_eq!(decide(&house, "a", hash, &[]).await, refused(409, "notice_outdated"));
    assert_eq!(decide(&house, "a", json!({"layout": 7, "writeKey": "wk_app"}), &[]).await, refused(409, "notice_outdated"));
    let again = notice(&house, "", &[]).await;
    assert_ne!(again["hash"], said["hash"]);
    assert_eq!(decide(&house, "a", json!({"token": again["token"]}), &[]).await.0, 201);
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn nobody_agrees_to_what_they_were_not_asked_for() {
    let house = House::new();
    let spoken = |choice: &str| json!({"writeKey": "wk_till", "method": "spoken", "decisions": {"ads_sharing": choice}});
    assert_eq!(decide(&house, "a", spoken("granted"), &[]).await, refused(422, "invalid_field"));
    assert_eq!(decide(&house, "a", spoken("denied"), &[]).await.0, 201, "and may refuse it all the same");
    house.app.forwarder.stop().await;
}

#[actix_web::test]
async fn who_refused_is_asked_again_no_sooner_than_who_agreed() {
    let house = House::new();
    let all = |choice: &str| {
        let names = ["analytics", "personalization", "marketing_email", "ads_sharing", "identity_linking"];
        Value::from(names.into_iter().map(|name| (name.to_owned(), json!(choice))).collect::<serde_json::Map<_, _>>())
    };
    for choice in ["granted", "denied"] {
        let said = notice(&house, &format!("&anonymousId={choice}"), &[]).await;
        assert_eq!((&said["ask"], &said["decisions"]["analytics"]["state"]), (&json!(true), &json!("unset")));
        assert_eq!(decide(&house, choice, json!({"token": said["token"], "decisions": all(choice)}), &[]).await.0, 201);
    }
    for (passed, ask) in [(0, false), (395 * DAY_MS - 1, false), (1, true)] {
        house.clock.pass(passed);
        for choice in ["granted", "denied"] {
            let said = notice(&house, &format!("&anonymousId={choice}"), &[]).await;
            assert_eq!(said["ask"], ask, "{choice} after {passed} ms");
        }
    }
    house.app.forwarder.stop().await;
}
