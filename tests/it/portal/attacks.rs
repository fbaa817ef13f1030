//! What others try: forms of theirs, sessions that they know, frames, other hosts, markup.

use serde_json::json;

use super::{Browser, form, is_guarded, known};
use crate::harness::Gateway;
use crate::harness::people::{Person, policy_where};

/// Every form that changes something.
const FORMS: [&str; 12] = [
    "/portal/devices/00000000000000000000000000000000/unlink",
    "/portal/decisions",
    "/portal/preferences",
    "/portal/preferences/forget",
    "/portal/language",
    "/portal/sign-out",
    "/portal/sign-out-everywhere",
    "/portal/sign-ins/00000000000000000000000000000000/end",
    "/portal/requests/new/erasure",
    "/portal/requests/new/access",
    "/portal/requests/req_00000000000000000000000000000000/cancel",
    "/portal/requests/req_00000000000000000000000000000000/lift",
];

#[test]
fn forms_of_other_pages_and_of_other_sessions_change_nothing() {
    let gateway = Gateway::start();
    let (erika, otto) =
        (known(&gateway, "erika", &[("analytics", "denied")]), known(&gateway, "otto", &[("analytics", "denied")]));
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let (own, others) = (browser.csrf("/portal"), Browser::new(&gateway).sign_in(&otto.email).csrf("/portal"));
    let origin = browser.origin();
    let fields = |csrf: &str| form(&[("purpose", "analytics"), ("decision", "granted"), ("language", "en"), ("csrf", csrf)]);
    let localhost = format!("http://localhost:{}", gateway.address().port());
    let from_elsewhere: [&[(&str, &str)]; 9] = [
        &[],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-origin")],
        &[("Origin", &origin), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", &origin), ("Sec-Fetch-Site", "same-site")],
        &[("Origin", &localhost)],
        &[("Sec-Fetch-Site", "none")],
        &[("Referer", &origin)],
    ];
    let again = |browser: &mut Browser<'_>, path: &str, headers: &[(&str, &str)], body: &str| {
        browser.patiently("POST", path, headers, body)
    };
    for path in FORMS {
        for headers in from_elsewhere {
            let answer = again(&mut browser, path, headers, &fields(&own));
            assert!(answer.status == 403 && !browser.cookie.is_empty(), "{path} {headers:?}: {} {}", answer.status, answer.text);
        }
        for csrf in ["", "x", &others, &own[1..]] {
            let ours = [("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];
            let answer = again(&mut browser, path, &ours, &fields(csrf));
            assert!(answer.status == 403 && answer.text.contains("früheren Anmeldung"), "{path} {csrf}: {}", answer.text);
            is_guarded(&answer);
        }
    }
    // Nobody is signed in, or asked for a link, by somebody else's page either.
    let link = Browser::new(&gateway).ask_for_link(&erika.email);
    for headers in from_elsewhere {
        assert_eq!(again(&mut Browser::new(&gateway), &link, headers, "").status, 403, "{headers:?}");
        let answer = again(&mut Browser::new(&gateway), "/portal/sign-in", headers, &form(&[("email", &erika.email)]));
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    let history = gateway.wait_for("a page", || Some(browser.get("/portal/history")).filter(|page| page.status == 200));
    assert_eq!(history.text.matches("<li class=\"card\">").count(), 1, "nothing was recorded: {}", history.text);
    assert!(
        gateway.get("/v1/requests", &format!("Bearer {}", gateway.operator())).json()["requests"].as_array().unwrap().is_empty()
    );
}

#[test]
fn a_session_that_somebody_planted_is_not_taken_over() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    let planted = format!("pforte={}", "A".repeat(43));
    let mallory = Browser::new(&gateway).sign_in(&Person::new("mallory").email);
    for cookie in [planted.clone(), mallory.cookie.clone()] {
        let mut browser = Browser { cookie: cookie.clone(), ..Browser::new(&gateway) };
        let link = browser.ask_for_link(&erika.email);
        assert_eq!(browser.post(&link, &[]).status, 303);
        assert_ne!(browser.cookie, cookie, "a new token at sign-in");
        assert!(browser.get("/portal").text.contains(&erika.email));
        let mut other = Browser { cookie, ..Browser::new(&gateway) };
        assert_eq!(other.get("/portal").header("Location"), Some("/portal/sign-in"), "what was brought along is over");
    }
}

#[test]
fn behind_https_the_cookie_can_be_set_by_nobody_else() {
    let policies = crate::harness::project().join("policies");
    let gateway = Gateway::with_options(&policies, &["--public-url", "https://privacy.example.org"]);
    let erika = Person::new("erika");
    let mut browser = Browser::new(&gateway);
    let public = [("Origin", "https://privacy.example.org"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(browser.send("POST", "/portal/sign-in", &public, &form(&[("email", &erika.email)])).status, 200);
    let mail = gateway.mail_to(&erika.email, "Ihr Link");
    let link = mail.text.split_whitespace().find_map(|word| word.strip_prefix("https://privacy.example.org")).unwrap();
    let entered = browser.send("POST", link, &public, "");
    let cookie = entered.header("Set-Cookie").unwrap();
    assert!(cookie.starts_with("__Host-pforte=") && cookie.contains("Secure") && cookie.contains("Path=/"), "{cookie}");
    assert_eq!(browser.get("/portal").status, 200);
    // The plain name is worth nothing there.
    let value = browser.cookie.split_once('=').unwrap().1.to_owned();
    let mut plain = Browser { cookie: format!("pforte={value}"), ..Browser::new(&gateway) };
    assert_eq!(plain.get("/portal").status, 303);
}

#[test]
fn nobody_is_led_to_another_host() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let (origin, csrf) = (browser.origin(), browser.csrf("/portal"));
    let body = form(&[("language", "en"), ("csrf", &csrf), ("next", "https://evil.example"), ("return", "//evil.example")]);
    for referer in
        ["https://evil.example/portal", "//evil.example", "/\\evil.example", "http://x//evil.example", "javascript:alert(1)"]
    {
        let led = browser.send("POST", "/portal/language", &[("Origin", &origin), ("Referer", referer)], &body);
        let to = led.header("Location").unwrap();
        assert!(led.status == 303 && to.starts_with("/portal") && !to.contains("evil"), "{referer}: {to}");
    }
    for path in [
        "/portal?next=https://evil.example",
        "/portal/sign-in?next=//evil.example&saved=https://evil.example",
        "/portal?saved=rcp_00",
    ] {
        let page = browser.page(path);
        assert!(page.status == 200 && !page.text.contains("evil"), "{path}");
    }
    assert!(matches!(browser.get("/portal//evil.example").status, 404));
}

#[test]
fn markup_in_whatever_somebody_can_set_is_text() {
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'";
    let policies = policy_where("purposes.toml", "de = \"Statistik\"", "de = \"<script>alert(2)</script>\"");
    let gateway = Gateway::with_policies(policies.path());
    let erika = Person::new("erika");
    let address = format!("\"<script>alert(1)</script>\"@{}.example.de", crate::harness::CANARY);
    let nasty = format!("kunde-{evil}");
    let who = json!({"userId": nasty, "anonymousId": format!("geraet{evil}"), "method": "portal", "actor": "<b>till</b>"});
    erika.decides_as(&gateway, "wk_web", &who, &[("analytics", "granted")]);
    let who = json!({"identifiers": {"email": erika.email}, "anonymousId": format!("geraet{evil}"), "method": "portal"});
    erika.decides_as(&gateway, "wk_web", &who, &[("analytics", "granted")]);
    let answer = Browser::new(&gateway).post("/portal/sign-in", &[("email", &address)]);
    assert!(!answer.text.contains("<script>alert"), "{}", answer.text);
    let mut browser = Browser::new(&gateway).sign_in(&erika.email);
    let asked = browser.submit("/portal/requests/new/access", "/portal/requests/new/access", &[("note", evil)]);
    assert_eq!(asked.status, 200);
    let wrong = browser.submit(
        "/portal/requests/new/rectification",
        "/portal/requests/new/rectification",
        &[("which", evil), ("value", evil), ("note", evil)],
    );
    assert!(wrong.text.contains("role=\"alert\""), "{}", wrong.text);
    let mut pages = vec![asked, wrong];
    let encoded = percent_encoding::utf8_percent_encode(evil, percent_encoding::NON_ALPHANUMERIC).to_string();
    let csrf = browser.csrf("/portal/preferences");
    let said = "\"></textarea><script>alert(3)</script><img src=x>'";
    let good = [("csrf", csrf.as_str()), ("version", "0"), ("asked", "dislikes"), ("s-dislikes", said)];
    assert_eq!(browser.post("/portal/preferences", &good).header("Location"), Some("/portal/preferences?done=saved"));
    let wrong = [("csrf", csrf.as_str()), ("version", evil), ("asked", "dislikes"), ("s-dislikes", said), ("about", evil)];
    pages.push(browser.post("/portal/preferences", &wrong));
    pages.push(browser.post("/portal/preferences/forget", &wrong));
    for path in [
        "/portal",
        "/portal/preferences",
        "/portal/data",
        "/portal/history",
        "/portal/requests",
        "/portal/requests/new/objection",
    ] {
        pages.push(browser.get(path));
        pages.push(browser.get(&format!("{path}?language={encoded}&saved={encoded}&done={encoded}")));
    }
    pages.push(browser.get(&format!("/portal/receipts/{encoded}")));
    pages.push(browser.get(&format!("/portal/requests/new/{encoded}")));
    for page in pages {
        is_guarded(&page);
        for needle in ["<script>", "<img", "onerror=", "<b>till"] {
            assert!(!page.text.contains(needle), "{needle}: {}", page.text);
        }
    }
    assert!(
        browser.get("/portal").text.contains("&#60;script&#62;alert(2)"),
        "it is shown as text: {}",
        browser.get("/portal").text
    );
}

#[test]
fn only_what_is_ours_is_served_to_pages() {
    let gateway = Gateway::start();
    let page = Browser::new(&gateway).get("/portal/sign-in");
    let paths: Vec<&str> = page.text.split(['"']).filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(paths.len(), 2, "{}", page.text);
    for path in paths {
        let asset = gateway.get(path, "");
        assert!(asset.status == 200 && asset.header("Cache-Control").unwrap().contains("immutable"), "{path}");
        assert!(!asset.text.contains("http://") && !asset.text.contains("https://") && !asset.text.contains("url("), "{path}");
    }
    assert_eq!(gateway.get("/assets/frame-000000000000.css", "").status, 404);
    assert_eq!(gateway.get("/assets/..%2fkeys%2fmaster.key", "").status, 404);
    for method in ["GET", "HEAD"] {
        assert_eq!(gateway.request(method, "/portal/decisions", &[], b"").status / 100, 4, "{method}");
    }
    let large = format!("email={}", "a".repeat(100_000));
    let answer = Browser::new(&gateway).post("/portal/sign-in", &[("email", &large)]);
    assert_eq!(answer.status, 413, "{}", answer.text);
}
