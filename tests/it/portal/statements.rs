//! A website says who is signed in there, by a signed statement; and what others make of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Browser, form};
use crate::harness::people::{Person, policy_where};
use crate::harness::{Answer, Gateway};

/// A website's key.
struct Site(Ed25519KeyPair);

impl Site {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn sign(&self, claims: &Value) -> String {
        let message = message("EdDSA", claims);
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn message(algorithm: &str, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(&json!({"alg": algorithm, "typ": "JWT"})), encode(claims))
}

fn by_secret(algorithm: &str, secret: &[u8], claims: &Value) -> String {
    let message = message(algorithm, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A gateway whose sources `web` and `app` may say who is signed in there.
fn gateway(site: &Site) -> (tempfile::TempDir, Gateway) {
    let key = URL_SAFE_NO_PAD.encode(site.public());
    let web = format!("[source.sign_in]\nalgorithm = \"EdDSA\"\nkey = \"{key}\"\n\n[[source]]\nid = \"app\"");
    let policies = policy_where("sources.toml", "[[source]]\nid = \"app\"", &web);
    let path = policies.path().join("sources.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let app = "[source.sign_in]\nalgorithm = \"HS256\"\n\n# The newsletter";
    std::fs::write(&path, text.replacen("# The newsletter", app, 1)).unwrap();
    let gateway = Gateway::with_policies(policies.path());
    (policies, gateway)
}

fn claims(gateway: &Gateway, person: &Person, jti: &str) -> Value {
    let now = jiff_seconds(gateway);
    json!({"iss": "web", "aud": format!("http://{}/portal", gateway.address()), "exp": now + 120, "jti": jti, "language": "en",
        "identifiers": {"user_id": person.user_id, "email": person.email}})
}

/// The time by the gateway's own clock.
fn jiff_seconds(gateway: &Gateway) -> i64 {
    let date = gateway.get("/healthz", "").header("Date").unwrap().to_owned();
    mail_parser::DateTime::parse_rfc822(&date).unwrap().to_timestamp()
}

/// The website's page hands a statement over.
fn hand_over(browser: &mut Browser<'_>, origin: &str, statement: &str) -> Answer {
    let headers = [("Origin", origin), ("Sec-Fetch-Site", "cross-site")];
    browser.patiently("POST", "/portal/token", &headers, &form(&[("token", statement)]))
}

const SHOP: &str = "http://localhost:3000";

#[test]
fn a_statement_signs_in_once_and_proves_all_that_it_names() {
    let site = Site::new(1);
    let (_policies, gateway) = gateway(&site);
    let erika = Person::new("erika");
    let who = json!({"userId": erika.user_id, "identifiers": {"email": erika.email}, "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &who, &[("analytics", "granted")]);
    let statement = site.sign(&claims(&gateway, &erika, "statement-0001"));
    let mut browser = Browser::new(&gateway);
    let entered = hand_over(&mut browser, SHOP, &statement);
    assert_eq!((entered.status, entered.header("Location")), (303, Some("/portal")), "{}", entered.text);
    let home = browser.get("/portal");
    assert!(home.text.contains(&erika.user_id) && home.text.contains("Allowed since"), "{}", home.text);
    assert!(!home.text.contains("Something else belongs to your profile"), "all of it was proven: {}", home.text);
    assert!(browser.get("/portal/data").text.contains("Confirmed by the website"));
    let mut other = Browser::new(&gateway);
    let again = hand_over(&mut other, SHOP, &statement);
    assert!(again.status == 410 && other.cookie.is_empty(), "{}", again.text);
    // What was used stays used.
    let mut gateway = gateway;
    gateway.crash();
    assert!(matches!(hand_over(&mut Browser::new(&gateway), SHOP, &statement).status, 410 | 403));
}

#[test]
fn no_other_statement_signs_anybody_in() {
    let site = Site::new(1);
    let (_policies, gateway) = gateway(&site);
    let erika = Person::new("erika");
    let good = claims(&gateway, &erika, "statement-0002");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        site.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        site.sign(&claims)
    };
    let now = jiff_seconds(&gateway);
    let signed = site.sign(&good);
    let parts: Vec<&str> = signed.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(with("jti", json!("another-name")));
    let forged = [
        (message("none", &good) + ".", "no signature"),
        (format!("{}.{}.", parts[0], parts[1]), "a signature cut off"),
        (format!("{}.{other}.{}", parts[0], parts[2]), "other claims under the signature"),
        (by_secret("HS256", site.public(), &good), "the public key as a secret"),
        (by_secret("EdDSA", site.public(), &good), "a secret instead of a key pair"),
        (by_secret("RS256", site.public(), &good), "another algorithm"),
        (Site::new(2).sign(&good), "somebody else's key"),
        (with("exp", json!(now - 10)), "too old"),
        (with("exp", json!(now + 3600)), "good for too long"),
        (with("exp", json!("tomorrow")), "no time"),
        (with("aud", json!("https://elsewhere.example/portal")), "for somebody else"),
        (with("aud", json!(format!("http://{}", gateway.address()))), "for somewhere else here"),
        (with("iss", json!("app")), "of a source with another key"),
        (with("iss", json!("till")), "of a source that may not"),
        (with("iss", json!("nobody")), "of nobody"),
        (with("jti", json!("x")), "a name that is too short"),
        (with("jti", json!("x".repeat(200))), "a name that is too long"),
        (with("identifiers", json!({})), "nobody is named"),
        (with("identifiers", json!({"email": "no address"})), "no address"),
        (with("identifiers", json!({"shoe_size": "42"})), "no type of the policy"),
        (without("exp"), "no end"),
        (without("aud"), "for anybody"),
        (without("jti"), "no name"),
        (without("identifiers"), "no identifiers"),
        (String::from("x.y.z"), "nothing at all"),
        (String::new(), "empty"),
    ];
    let mut texts = Vec::new();
    for (statement, what) in &forged {
        let mut browser = Browser::new(&gateway);
        let answer = hand_over(&mut browser, SHOP, statement);
        assert!(answer.status == 403 && browser.cookie.is_empty(), "{what}: {} {}", answer.status, answer.text);
        texts.push(answer.text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "none is told what was wrong");
    // From a page that is not the shop's, and from no page at all, not even a good one is taken.
    for origin in ["https://elsewhere.example", "null", ""] {
        let mut browser = Browser::new(&gateway);
        let answer = hand_over(&mut browser, origin, &signed);
        assert!(answer.status == 403 && browser.cookie.is_empty(), "{origin}: {}", answer.text);
    }
    assert_eq!(hand_over(&mut Browser::new(&gateway), SHOP, &signed).status, 303);
}

#[test]
fn a_secret_of_both_sides_is_made_by_the_gateway_and_shown_to_operators_alone() {
    let site = Site::new(1);
    let (_policies, gateway) = gateway(&site);
    let erika = Person::new("erika");
    let path = "/v1/sources/app/sign-in-secret";
    assert_eq!(gateway.get(path, "").status, 401);
    let operator = format!("Bearer {}", gateway.operator());
    let secret = gateway.get(path, &operator).json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 43, "256 bits");
    for other in ["web", "till", "nobody"] {
        assert_eq!(gateway.get(&format!("/v1/sources/{other}/sign-in-secret"), &operator).status, 404, "{other}");
    }
    let mut claims = claims(&gateway, &erika, "statement-0003");
    claims["iss"] = json!("app");
    let mut browser = Browser::new(&gateway);
    assert_eq!(hand_over(&mut browser, SHOP, &by_secret("HS256", &secret.as_bytes()[1..], &claims)).status, 403);
    assert_eq!(hand_over(&mut browser, SHOP, &site.sign(&claims)).status, 403, "the other source's key");
    assert_eq!(hand_over(&mut browser, SHOP, &by_secret("HS256", secret.as_bytes(), &claims)).status, 303);
    assert!(browser.get("/portal").text.contains(&erika.email));
    gateway.assert_nowhere(&secret);
}
