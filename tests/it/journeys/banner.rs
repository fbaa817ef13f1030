//! Browsers whose device is known by a cookie: when it is set, when it goes, and who may not use it.

use serde_json::{Value, json};

use crate::harness::people::{Person, arrived, basic, policy_where};
use crate::harness::{Answer, Gateway, project};

/// A browser on a page of the gateway's own site.
struct Browser<'a> {
    gateway: &'a Gateway,
    origin: String,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, origin: format!("http://{}", gateway.address()), cookies: Vec::new() }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn call(&mut self, method: &str, path: &str, site: &str, body: &Value) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers =
            vec![("Cookie", cookies.as_str()), ("Sec-Fetch-Site", site), ("Content-Type", "text/plain;charset=UTF-8")];
        // What browsers leave out when a page reads from its own origin.
        if method != "GET" || site != "same-origin" {
            headers.push(("Origin", self.origin.as_str()));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.gateway.request(method, path, &headers, body.as_bytes());
        let set: Vec<String> = answer
            .headers
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie"))
            .map(|(_, v)| v.to_owned())
            .collect();
        for line in set {
            let (name, rest) = line.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !rest.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), rest.split(';').next().unwrap().to_owned()));
            }
        }
        answer
    }

    fn notice(&mut self) -> Value {
        let answer = self.call("GET", "/v1/notice?writeKey=wk_web&language=de", "same-origin", &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    fn decision(&mut self, decisions: &[(&str, &str)]) -> Value {
        let notice = self.notice();
        let decisions: serde_json::Map<_, _> =
            decisions.iter().map(|(purpose, said)| ((*purpose).to_owned(), json!(said))).collect();
        json!({"writeKey": "wk_web", "device": "cookie", "method": "banner", "language": "de", "notice": notice["notice"],
            "noticeHash": notice["hash"], "token": notice["token"], "decisions": decisions})
    }

    fn decides(&mut self, decisions: &[(&str, &str)]) -> Answer {
        let body = self.decision(decisions);
        let answer = self.call("POST", "/v1/consents", "same-origin", &body);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    fn sends(&mut self, message: &str) {
        let event = json!({"type": "track", "event": "Product Viewed", "messageId": message});
        let answer = self.call("POST", "/v1/batch", "same-origin", &json!({"writeKey": "wk_web", "batch": [event]}));
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

fn set_cookie<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let lines =
        answer.headers.lines().filter_map(|line| line.split_once(": ")).filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie"));
    lines.map(|(_, value)| value).find(|value| value.starts_with(&format!("{name}=")))
}

#[test]
fn the_id_comes_with_the_first_grant_and_goes_with_the_last() {
    let gateway = Gateway::start();
    let mut browser = Browser::new(&gateway);
    browser.sends("before");
    assert!(browser.cookies.is_empty());

    let answer = browser.decides(&[("analytics", "granted"), ("personalization", "granted"), ("ads_sharing", "denied")]);
    let id = set_cookie(&answer, "pforte_id").unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(id.contains(part), "{id}");
    }
    assert!(!id.contains("Secure") && !id.contains("Domain"), "{id}");
    assert!(!answer.text.contains(browser.cookie("pforte_id").unwrap()), "a script could read the ID");
    let choice = set_cookie(&answer, "pforte_choice").unwrap();
    assert!(!choice.contains("HttpOnly") && choice.contains("analytics+personalization"), "{choice}");
    assert!(!choice.contains(browser.cookie("pforte_id").unwrap()));

    browser.sends("granted");
    // What still waits when a grant ends does not leave any more.
    assert_eq!(arrived(&gateway), ["granted"]);
    browser.decides(&[("analytics", "denied")]);
    assert!(browser.cookie("pforte_id").is_some(), "personalization is still granted");
    browser.decides(&[("analytics", "granted")]);
    browser.sends("again");
    assert_eq!(arrived(&gateway), ["granted", "again"]);
    let answer = browser.decides(&[("analytics", "denied"), ("personalization", "denied"), ("ads_sharing", "denied")]);
    assert_eq!(answer.json()["decisions"]["analytics"]["state"], "withdrawn");
    assert!(browser.cookie("pforte_id").is_none());
    let choice: Vec<&str> = browser.cookie("pforte_choice").unwrap().split(':').collect();
    assert_eq!((choice[6], choice[8]), ("", "ads_sharing+analytics+personalization"), "nothing is granted");
    browser.sends("after");
    assert_eq!(arrived(&gateway), ["granted", "again"]);
}

#[test]
fn a_refusal_leaves_no_id_and_is_recorded() {
    let gateway = Gateway::start();
    let mut browser = Browser::new(&gateway);
    let answer = browser.decides(&[("analytics", "denied"), ("personalization", "denied")]);
    assert!(answer.json()["receipt"].as_str().unwrap().starts_with("rcp_"));
    let names: Vec<&str> = browser.cookies.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["pforte_choice"]);
    let choice: Vec<&str> = browser.cookie("pforte_choice").unwrap().split(':').collect();
    assert_eq!((choice[0], choice[1], choice[3].len(), choice[8]), ("1", "web-banner", 16, "analytics+personalization"));
    browser.sends("refused");
    assert!(arrived(&gateway).is_empty());
}

#[test]
fn a_refusal_is_remembered_for_as_long_as_a_grant() {
    let gateway = Gateway::start();
    let age = |said| {
        let answer = Browser::new(&gateway).decides(&[("analytics", said)]);
        let line = set_cookie(&answer, "pforte_choice").unwrap().to_owned();
        line.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().to_owned()
    };
    assert_eq!(age("granted"), (395 * 86_400).to_string());
    assert_eq!(age("denied"), age("granted"));
}

/// What the banner asks for, apart from what a mail has to confirm.
const ASKED: [&str; 4] = ["ads_sharing", "analytics", "identity_linking", "personalization"];

/// Decides about everything: yes to these, no to the rest.
fn all_but(granted: &[&str]) -> Vec<(&'static str, &'static str)> {
    let said = |id: &&'static str| if granted.contains(id) { "granted" } else { "denied" };
    ASKED.iter().map(|id| (*id, said(id))).collect()
}

/// Puts the shipped policy with one piece of one file replaced in force, and says whether `policy diff` says that somebody is asked again.
fn put_in_force(gateway: &Gateway, live: &std::path::Path, (file, from, to): (&str, &str, &str)) -> bool {
    let changed = policy_where(file, from, to);
    for file in ["purposes.toml", "destinations.toml", "notices/web-banner.de.toml"] {
        std::fs::copy(changed.path().join(file), live.join(file)).unwrap();
    }
    let reloaded = gateway.command(&["policy", "reload"]);
    assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
    let shipped = project().join("policies");
    let said = gateway.command(&["policy", "diff", shipped.to_str().unwrap(), live.to_str().unwrap()]);
    match said.status.code() {
        Some(0) => false,
        Some(3) => true,
        code => panic!("{code:?} {}", String::from_utf8_lossy(&said.stderr)),
    }
}

const SHIPPED: (&str, &str, &str) = ("purposes.toml", "proof_years = 3", "proof_years = 3");
const WIDER: (&str, &str, &str) = ("purposes.toml", "\"device data\"]", "\"device data\", \"location\"]");

#[test]
fn who_refused_and_who_agreed_are_asked_again_when_the_diff_says_so_and_not_for_a_typo() {
    let live = policy_where(SHIPPED.0, SHIPPED.1, SHIPPED.2);
    let mut gateway = Gateway::with_policies(live.path());
    let (app, key) = (Person::new("app"), basic("wk_app"));
    let refusals = all_but(&[]);
    app.decides_as(&gateway, "wk_app", &json!({"anonymousId": app.device, "method": "banner"}), &refusals);
    // One has only the cookie that remembers, two have an ID as well.
    let decided: Vec<Vec<(String, String)>> = [all_but(&[]), all_but(&ASKED), all_but(&["personalization"])]
        .into_iter()
        .map(|said| {
            let mut browser = Browser::new(&gateway);
            browser.decides(&said);
            browser.cookies
        })
        .collect();
    let asks = |gateway: &Gateway| -> Vec<bool> {
        let theirs = decided.iter().map(|cookies| {
            let mut browser = Browser { cookies: cookies.clone(), ..Browser::new(gateway) };
            // What it notes of the look must not change what it remembers.
            (browser.notice(), browser.notice()).1["ask"].as_bool().unwrap()
        });
        let path = format!("/v1/notice?anonymousId={}", app.device);
        theirs.chain([gateway.get(&path, &key).json()["ask"].as_bool().unwrap()]).collect()
    };
    for (change, again) in [
        (("purposes.toml", "Wir zählen, welche Seiten", "Wir zählen welche Seiten"), false),
        (("notices/web-banner.de.toml", "Dürfen wir", "Können wir"), false),
        (("purposes.toml", "[\"usage data\", \"device data\"]", "[\"usage data\"]"), false),
        (("purposes.toml", "retention_days = 90\n", "retention_days = 89\n"), false),
        (WIDER, true),
        (("purposes.toml", "retention_days = 90\n", "retention_days = 91\n"), true),
        (("purposes.toml", "id = \"analytics\"\n", "id = \"analytics\"\nversion = 2\n"), true),
        (("destinations.toml", "url = \"\"", "url = \"https://partner.example/\""), true),
        (SHIPPED, false),
    ] {
        assert_eq!(put_in_force(&gateway, live.path(), change), again, "{change:?}");
        assert_eq!(asks(&gateway), [again; 4], "{change:?}");
    }
    // Under which terms it was said is known after a crash as well.
    put_in_force(&gateway, live.path(), WIDER);
    gateway.crash();
    assert_eq!(asks(&gateway), [true; 4]);
    put_in_force(&gateway, live.path(), SHIPPED);
    gateway.crash();
    assert_eq!(asks(&gateway), [false; 4]);
}

#[test]
fn a_browser_remembers_each_refusal_for_what_it_was_said_to() {
    let live = policy_where(SHIPPED.0, SHIPPED.1, SHIPPED.2);
    let gateway = Gateway::with_policies(live.path());
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.notice()["ask"], true);
    // Purpose by purpose, without an ID in between.
    for (said, ask) in [(&all_but(&[])[..2], true), (&all_but(&[])[2..], false)] {
        browser.decides(said);
        assert_eq!(browser.notice()["ask"], ask);
        assert!(browser.cookie("pforte_id").is_none());
    }
    put_in_force(&gateway, live.path(), WIDER);
    assert_eq!(browser.notice()["ask"], true);
    // What was refused under other terms before is not asked for again with it.
    browser.decides(&[("analytics", "denied")]);
    assert_eq!(browser.notice()["ask"], false);
    put_in_force(&gateway, live.path(), SHIPPED);
    assert_eq!(browser.notice()["ask"], false, "who refuses more refuses less");

    // Of a grant that no longer counts scripts of the page are not told that it does.
    let mut granted = Browser::new(&gateway);
    granted.decides(&all_but(&ASKED));
    put_in_force(&gateway, live.path(), WIDER);
    granted.decides(&[("personalization", "granted")]);
    let choice: Vec<&str> = granted.cookie("pforte_choice").unwrap().split(':').collect();
    assert_eq!(choice[6], "ads_sharing+identity_linking+personalization");
    assert!(!choice[7].contains("analytics_storage"), "{choice:?}");

    // Cookies of earlier days, and what anybody can write into theirs.
    let tag = browser.cookie("pforte_choice").unwrap().split(':').nth(3).unwrap().to_owned();
    let all = ASKED.join("+");
    for cookie in [
        "1:web-banner:1:0123abcd:20000:20001::".to_owned(),
        format!("1:web-banner:1:0000000000000000:20000:20001:::{all}"),
        format!("1:web-banner:1::20000:20001:::{all}"),
        format!("1:web-banner:1:{tag}:20000:20001:{all}:"),
        format!("2:web-banner:1:{tag}:20000:20001:::{all}"),
        format!("1:web-banner:1:{tag}:20000:20001:::analytics+analytics+world_domination"),
        format!("1:web-banner:1:{tag}:20000:20001:::{}", "x".repeat(2_100)),
    ] {
        let mut other = Browser { cookies: vec![(String::from("pforte_choice"), cookie.clone())], ..Browser::new(&gateway) };
        assert_eq!(other.notice()["ask"], true, "{cookie}");
    }
}

#[test]
fn what_no_longer_counts_is_told_to_the_page_when_it_looks_whether_or_not_the_visitor_answers() {
    let live = policy_where(SHIPPED.0, SHIPPED.1, SHIPPED.2);
    let gateway = Gateway::with_policies(live.path());
    let mut browser = Browser::new(&gateway);
    browser.decides(&all_but(&["analytics", "personalization"]));
    // Form, day of the last look, what is granted, terms of the last look: what the script reads.
    let read = |browser: &Browser<'_>| -> [String; 4] {
        let fields: Vec<&str> = browser.cookie("pforte_choice").unwrap().split(':').collect();
        [0, 5, 6, 9].map(|place| fields[place].to_owned())
    };
    let terms = |gateway: &Gateway| {
        let script = gateway.get("/pforte.js?writeKey=wk_web", "").text;
        script.split("\"terms\":\"").nth(1).unwrap()[..16].to_owned()
    };
    let [form, today, granted, first] = read(&browser);
    assert_eq!((form.as_str(), granted.as_str(), &first), ("1", "analytics+personalization", &terms(&gateway)));
    put_in_force(&gateway, live.path(), WIDER);
    let wider = terms(&gateway);
    assert_ne!(first, wider, "the page does not notice");
    assert_eq!(browser.notice()["ask"], true);
    let [_, looked, granted, known] = read(&browser);
    assert_eq!((looked.as_str(), granted.as_str(), &known), ("0", "personalization", &wider), "the next page looks again");
    browser.decides(&[("analytics", "granted")]);
    assert_eq!(browser.notice()["ask"], false);
    assert_eq!(read(&browser), [form, today, String::from("analytics+personalization"), wider]);
}

#[test]
fn cookies_are_for_pages_of_the_same_site_and_an_origin_of_the_source_alone() {
    let policies = policy_where(
        "sources.toml",
        "kind = \"website\"\nwrite_key = \"wk_web\"\norigins = [\"http://localhost:*\", ",
        "kind = \"website\"\nwrite_key = \"wk_web\"\norigins = [\"https://shop.example\", ",
    );
    let gateway = Gateway::with_policies(policies.path());
    let mut browser = Browser::new(&gateway);
    let body = browser.decision(&[("analytics", "granted")]);
    for (site, origin) in [("cross-site", "own"), ("same-site", "https://evil.example"), ("none", "own")] {
        let origin = if origin == "own" { browser.origin.clone() } else { origin.to_owned() };
        let headers = [("Origin", origin.as_str()), ("Sec-Fetch-Site", site)];
        let answer = gateway.request("POST", "/v1/consents", &headers, body.to_string().as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (403, "origin_not_allowed"), "{site} {origin}");
        assert!(set_cookie(&answer, "pforte_id").is_none() && set_cookie(&answer, "pforte_choice").is_none());
    }
    let answer = gateway.request("POST", "/v1/consents", &[], body.to_string().as_bytes());
    assert_eq!((answer.status, answer.field().as_str()), (403, "device"), "whoever names no origin is no page");

    // Whoever has the cookie and is elsewhere can send nothing in its name.
    browser.decides(&[("analytics", "granted")]);
    // Cookies of others that nobody can read stand beside it.
    let cookie = format!("broken; =x; pforte_id={}; b=\"", browser.cookie("pforte_id").unwrap());
    let send = |message: &str, headers: &[(&str, &str)]| {
        let event = json!({"writeKey": "wk_web", "batch": [{"type": "track", "event": "e", "messageId": message}]});
        gateway.request("POST", "/v1/batch", &[headers, &[("Cookie", cookie.as_str())]].concat(), event.to_string().as_bytes())
    };
    let own = browser.origin.clone();
    send("cross", &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")]);
    send("no-origin", &[]);
    assert_eq!(send("foreign", &[("Origin", "https://evil.example")]).status, 403);
    send("own", &[("Origin", &own), ("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(arrived(&gateway), ["own"]);
}

#[test]
fn a_page_by_https_gets_its_cookies_by_https_alone() {
    let gateway = Gateway::start();
    let mut browser = Browser::new(&gateway);
    browser.origin = String::from("https://localhost:8443");
    let notice = browser.call("GET", "/v1/notice?writeKey=wk_web", "same-site", &Value::Null).json();
    let body = json!({"writeKey": "wk_web", "device": "cookie", "method": "banner", "token": notice["token"], "decisions": {"analytics": "granted"}});
    let answer = browser.call("POST", "/v1/consents", "same-site", &body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(set_cookie(&answer, "pforte_id").unwrap().contains("Secure"));
    assert!(set_cookie(&answer, "pforte_choice").unwrap().contains("Secure"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://localhost:8443"));
}

#[test]
fn bad_cookies_and_bad_fields_are_nobody() {
    let gateway = Gateway::start();
    for cookie in
        ["pforte_id=", "pforte_id=short", "pforte_id=0123456789ABCDEF0123456789ABCDEF", "pforte_id=%00", "=;;;=", "pforte_id"]
    {
        let mut browser = Browser::new(&gateway);
        let body = browser.decision(&[("analytics", "granted")]);
        let headers = [("Origin", browser.origin.as_str()), ("Cookie", cookie)];
        let answer = gateway.request("POST", "/v1/consents", &headers, body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text);
        let made = set_cookie(&answer, "pforte_id").unwrap();
        assert!(!cookie.contains(made.split(';').next().unwrap()), "a new one is made");
    }
    let mut browser = Browser::new(&gateway);
    for (change, field) in
        [(json!({"device": "local"}), "device"), (json!({"device": 7}), "device"), (json!({"anonymousId": "a"}), "anonymousId")]
    {
        let mut body = browser.decision(&[("analytics", "granted")]);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = browser.call("POST", "/v1/consents", "same-origin", &body);
        assert_eq!((answer.status, answer.field().as_str()), (422, field), "{}", answer.text);
    }
}

#[test]
fn scripts_are_for_every_page_and_the_pinned_ones_for_ever() {
    let gateway = Gateway::start();
    let page = gateway.get("/docs/website", "").text;
    let pinned = page.split("/pforte-").nth(1).unwrap().split('.').next().unwrap();
    for (path, cache) in [
        ("/pforte.js".to_owned(), "max-age=300"),
        (format!("/pforte-{pinned}.js"), "immutable"),
        ("/pforte.mjs".to_owned(), "max-age=300"),
        ("/pforte.d.ts".to_owned(), "max-age=300"),
    ] {
        let answer = gateway.get(&path, "");
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("cache-control").unwrap().contains(cache), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(answer.header("set-cookie").is_none());
    }
    assert_eq!(gateway.get("/pforte-0000000000000000.js", "").status, 404);
    let packed = gateway.request("GET", "/pforte.js", &[("Accept-Encoding", "gzip, br")], b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
}

#[test]
fn the_demo_explains_the_own_device_to_the_shop_and_nothing_else() {
    let gateway = Gateway::start();
    let mut browser = Browser::new(&gateway);
    assert_eq!(gateway.get("/demo", "").status, 200);
    let event = json!({"type": "track", "event": "Product Added"});
    let outcomes = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["destinations"].as_array().unwrap().iter().map(|d| d["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let before = browser.call("POST", "/demo/explain", "same-origin", &event);
    assert!(outcomes(&before).iter().all(|outcome| outcome == "withhold"));
    browser.decides(&[("analytics", "granted")]);
    let after = browser.call("POST", "/demo/explain", "same-origin", &event);
    assert!(outcomes(&after).contains(&String::from("forward")));
    assert!(!after.text.contains(browser.cookie("pforte_id").unwrap()));

    // What others have decided is not told.
    let erika = Person::new("erika");
    for names in [
        json!({"userId": erika.user_id}),
        json!({"anonymousId": erika.device}),
        json!({"properties": {"email": erika.email}}),
        json!({"context": {"traits": {"loyaltyCard": erika.card}}}),
    ] {
        let mut body = event.clone();
        body.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
        let answer = browser.call("POST", "/demo/explain", "same-origin", &body);
        assert_eq!(answer.status, 422, "{}", answer.text);
    }
    for site in ["same-site", "cross-site", "none"] {
        assert_eq!(browser.call("POST", "/demo/explain", site, &event).status, 403, "{site}");
    }
    let policies = project().join("policies");
    let closed = Gateway::with_options(&policies, &["--demo", "false"]);
    for (method, path) in [("GET", "/demo"), ("GET", "/demo.js"), ("POST", "/demo/explain")] {
        assert_eq!(closed.request(method, path, &[("Sec-Fetch-Site", "same-origin")], b"{}").status, 404, "{path}");
    }
}
