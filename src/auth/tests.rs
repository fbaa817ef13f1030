use std::os::unix::fs::PermissionsExt as _;

use actix_web::test::TestRequest;

use super::keys::{self, Order, Refused};
use super::*;
use crate::clock::Chance;
use crate::policy::Controller;

fn source(origins: &[&str]) -> Source {
    Source {
        id: String::from("web"),
        kind: SourceKind::Website,
        write_key: String::from("wk_web"),
        origins: origins.iter().map(|o| (*o).to_owned()).collect(),
        records_decisions: true,
        takes_requests: true,
        trusted_consent_events: true,
        notice: None,
        token_required: false,
        rate_per_s: 0,
        callback_origins: Vec::new(),
        heeds_suppression: false,
        sign_in: None,
    }
}

fn policy() -> Policy {
    Policy {
        terms: crate::policy::TermsSet::default(),
        duties: Vec::new(),
        preferences: Vec::new(),
        channels: Vec::new(),
        proof_years: 3,
        suppression_days: 365,
        version: String::new(),
        written: String::new(),
        controller: Controller::default(),
        purposes: Vec::new(),
        without_consent: crate::policy::Purposes::NONE,
        objectable: crate::policy::Purposes::NONE,
        linking: None,
        signals: crate::policy::Signals::default(),
        identifiers: crate::policy::Identifiers::default(),
        notices: Vec::new(),
        sources: vec![
            source(&["http://localhost:*", "https://shop.example"]),
            Source { id: String::from("till"), kind: SourceKind::Till, write_key: String::from("wk_till"), ..source(&[]) },
        ],
        destinations: Vec::new(),
        routes: Vec::new(),
    }
}

fn basic(text: &str) -> (&'static str, String) {
    ("Authorization", format!("Basic {}", STANDARD.encode(text)))
}

fn code(outcome: Result<usize, Problem>) -> Code {
    outcome.unwrap_err().code
}

#[test]
fn a_write_key_is_found_by_basic_then_body_then_query() {
    let all = TestRequest::post().uri("/v1/track?writeKey=nobody").insert_header(basic("wk_web:")).to_http_request();
    assert_eq!(write_key(&all, Some("wk_till"), &policy()).unwrap(), 0);
    let body = TestRequest::post().uri("/v1/track?writeKey=nobody").to_http_request();
    assert_eq!(write_key(&body, Some("wk_till"), &policy()).unwrap(), 1);
    for uri in ["/beacon/v1/batch?writeKey=wk_web", "/beacon/v1/batch?x=1&writekey=wk%5Fweb"] {
        let query = TestRequest::post().uri(uri).to_http_request();
        assert_eq!(write_key(&query, Some(""), &policy()).unwrap(), 0);
    }
}

#[test]
fn a_missing_colon_and_missing_padding_are_tolerated() {
    for value in [STANDARD.encode("wk_web"), STANDARD_NO_PAD.encode("wk_web:"), STANDARD.encode("wk_web:anything")] {
        let req = TestRequest::post().insert_header(("Authorization", format!("basic {value}"))).to_http_request();
        assert_eq!(write_key(&req, None, &policy()).unwrap(), 0);
    }
}

#[test]
fn an_oauth_token_beside_the_bodys_write_key_is_no_write_key() {
    let req = TestRequest::post().insert_header(("Authorization", "Bearer abc")).to_http_request();
    assert_eq!(write_key(&req, Some("wk_web"), &policy()).unwrap(), 0);
    assert_eq!(code(write_key(&req, None, &policy())), Code::WriteKeyMissing);
}

#[test]
fn unknown_and_endless_write_keys_are_refused() {
    let none = TestRequest::post().to_http_request();
    assert_eq!(code(write_key(&none, None, &policy())), Code::WriteKeyMissing);
    assert_eq!(code(write_key(&none, Some("wk_nobody"), &policy())), Code::WriteKeyUnknown);
    assert_eq!(code(write_key(&none, Some(&"x".repeat(100_000)), &policy())), Code::WriteKeyUnknown);
}

#[test]
fn a_browser_sends_only_from_the_origins_of_its_source() {
    let from =
        |origin: &str| TestRequest::post().insert_header(("Origin", origin)).insert_header(basic("wk_web:")).to_http_request();
    for origin in
        ["http://localhost:3000", "http://LOCALHOST:80", "http://localhost", "https://shop.example", "HTTPS://Shop.example"]
    {
        assert!(write_key(&from(origin), None, &policy()).is_ok(), "{origin}");
    }
    for origin in [
        "null",
        "",
        "https://localhost:3000",
        "http://localhost.evil.example",
        "http://localhost:3000.evil.example",
        "http://localhost:",
        "http://localhost:123456",
        "https://shop.example.evil",
        "https://shop.example:8443",
        "http://shop.example",
        "http://löcalhost:1",
    ] {
        let Ok(value) = header::HeaderValue::from_str(origin) else { continue };
        let req = TestRequest::post().insert_header(("Origin", value)).insert_header(basic("wk_web:")).to_http_request();
        assert_eq!(code(write_key(&req, None, &policy())), Code::OriginNotAllowed, "{origin}");
    }
    let till = TestRequest::post().insert_header(("Origin", "http://localhost:1")).to_http_request();
    assert_eq!(code(write_key(&till, Some("wk_till"), &policy())), Code::OriginNotAllowed);
}

#[test]
fn a_client_is_who_connected_or_whom_a_proxy_of_ours_names() {
    let proxies: Vec<IpNet> = ["10.0.0.0/8", "::1/128"].iter().map(|text| text.parse().unwrap()).collect();
    let seen = |peer: &str, lines: &[&str], proxies: &[IpNet]| {
        let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
        for line in lines {
            request = request.append_header(("X-Forwarded-For", *line));
        }
        client(&request.to_http_request(), proxies).to_string()
    };
    for (peer, lines, expected) in [
        ("203.0.113.9:1", &["198.51.100.1"][..], "203.0.113.9"), // a stranger may write what it likes
        ("10.1.1.1:1", &[], "10.1.1.1"),
        ("10.1.1.1:1", &["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1:1", &["192.0.2.66, 198.51.100.1"], "198.51.100.1"), // the client began the list itself
        ("10.1.1.1:1", &["192.0.2.66", "198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        ("10.1.1.1:1", &["198.51.100.1:4711"], "198.51.100.1"),
        ("[::1]:1", &["[2001:db8::7]:443"], "2001:db8::7"),
        ("[::ffff:10.1.1.1]:1", &["[2001:db8::7]"], "2001:db8::7"),
        ("10.1.1.1:1", &["unknown"], "10.1.1.1"),
        ("10.1.1.1:1", &["198.51.100.1, ,10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1:1", &["10.9.9.9"], "10.9.9.9"), // from inside
    ] {
        assert_eq!(seen(peer, lines, &proxies), expected, "{peer} {lines:?}");
    }
    assert_eq!(seen("10.1.1.1:1", &["198.51.100.1"], &[]), "10.1.1.1", "nobody is believed unless it was said");
}

#[test]
fn scopes_read_back_as_they_are_written() {
    for scope in Scope::ALL {
        assert_eq!(scope.as_str().parse(), Ok(scope));
        assert_eq!(serde_json::to_string(&scope).unwrap(), format!("\"{scope}\""));
    }
    assert!("profiles:write".parse::<Scope>().unwrap_err().contains("profiles:read"));
}

fn order() -> Order {
    Order {
        source: Some(String::from("till")),
        scopes: vec![Scope::ProfilesRead],
        label: String::from("Kasse 3"),
        at: 1_700_000_000_000,
    }
}

#[actix_web::test]
async fn a_key_works_from_the_moment_it_is_made_until_it_is_revoked() {
    let data = tempfile::tempdir().unwrap();
    let keys = Keys::open(data.path(), &Chance::system()).unwrap();
    let (record, secret) = keys::create(data.path(), &Chance::system(), order()).unwrap();
    assert!(keys.proven(&secret).is_none());
    assert_eq!(keys.prove(&secret).await.unwrap().id, record.id);
    let proven = keys.proven(&secret).unwrap();
    assert_eq!((proven.source.as_deref(), proven.scopes.as_slice()), (Some("till"), [Scope::ProfilesRead].as_slice()));
    let revoked = keys::revoke(data.path(), &record.id, 1_700_000_000_001).unwrap();
    assert_eq!(revoked.revoked_at, Some(1_700_000_000_001));
    assert!(keys.proven(&secret).is_none());
    assert_eq!(keys.prove(&secret).await.unwrap_err(), Refused::Unknown);
    assert_eq!(keys::list(data.path()).unwrap().len(), 1);
}

#[actix_web::test]
async fn what_is_not_the_key_is_refused_the_same_way() {
    let data = tempfile::tempdir().unwrap();
    let keys = Keys::open(data.path(), &Chance::system()).unwrap();
    let (record, secret) = keys::create(data.path(), &Chance::system(), order()).unwrap();
    keys.prove(&secret).await.unwrap();
    let wrong = format!("sk_{}_{}", record.id, "0".repeat(64));
    let unknown = format!("sk_{}_{}", "0".repeat(16), "0".repeat(64));
    let outside = format!("sk_../../../../etc/pa_{}", "0".repeat(64));
    for presented in [&wrong, &unknown, &outside, &secret.to_uppercase(), &secret[..secret.len() - 1], "", "sk_", "sk__"] {
        assert!(keys.proven(presented).is_none(), "{presented}");
        assert_eq!(keys.prove(presented).await.unwrap_err(), Refused::Unknown, "{presented}");
    }
}

#[test]
fn the_secret_is_nowhere_on_disk_and_the_file_is_its_owners_alone() {
    let data = tempfile::tempdir().unwrap();
    let (record, secret) = keys::create(data.path(), &Chance::system(), order()).unwrap();
    let folder = data.path().join("keys.d");
    let path = folder.join(format!("{}.json", record.id));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
    assert!(!text.contains(secret.rsplit('_').next().unwrap()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_damaged_file_is_reported_and_harms_no_other_key() {
    let data = tempfile::tempdir().unwrap();
    keys::create(data.path(), &Chance::system(), order()).unwrap();
    std::fs::write(data.path().join("keys.d/0123456789abcdef.json"), "{\"version\":").unwrap();
    let listed = keys::list(data.path()).unwrap();
    assert_eq!(listed.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(
        listed.iter().any(|r| r.as_ref().is_err_and(|e| e.to_string().contains("0123456789abcdef.json does not hold a key")))
    );
    assert!(keys::revoke(data.path(), "../../x", 0).is_err());
}

#[test]
fn the_operators_note_lasts_as_long_as_the_gateway_runs() {
    let data = tempfile::tempdir().unwrap();
    let operator = Operator::fresh(&Chance::system()).unwrap();
    let address = std::net::SocketAddr::from(([0, 0, 0, 0], 8080));
    let posted = Operator::announce(data.path(), address, &operator).unwrap();
    let note = Operator::read(data.path()).unwrap();
    assert_eq!(note.url, "http://127.0.0.1:8080");
    assert!(operator.is(&note.token));
    assert!(!operator.is(&Operator::read(data.path()).unwrap().token[..20]));
    assert!(!operator.is("sk_0123"));
    let mode = std::fs::metadata(data.path().join("operator.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    posted.withdraw();
    assert!(Operator::read(data.path()).is_none());
}
