//! The script that brings the notice along: what is in it, for whom, and when it is sent again.

use serde_json::Value;

use crate::harness::{Answer, Gateway};

const LINE: &str = "/pforte.js?writeKey=wk_web";

fn script(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = gateway.request("GET", path, headers, b"");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert!(answer.header("set-cookie").is_none());
    answer
}

/// What stands in the line before the code.
fn notices(answer: &Answer) -> Vec<Value> {
    let (line, code) = answer.text.split_once(";\n").unwrap();
    assert!(code.contains("data-pforte-dialog") && code.contains("/v1/consents"), "the code is not all there");
    let along: Value = serde_json::from_str(line.strip_prefix("document.currentScript.pforte=").unwrap()).unwrap();
    assert_eq!(along["terms"].as_str().unwrap().len(), 16);
    serde_json::from_value(along["notices"].clone()).unwrap()
}

fn languages(answer: &Answer) -> Vec<String> {
    notices(answer).iter().map(|notice| notice["language"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_notice_comes_in_the_companys_language_and_in_the_visitors() {
    let gateway = Gateway::start();
    for (more, accepted, expected) in [
        ("", "", vec!["de"]),
        ("", "de-AT,de;q=0.9", vec!["de"]),
        ("", "fr;q=0.9, en-GB;q=0.4, de;q=0.2", vec!["de", "en"]),
        ("", "*;q=;;,", vec!["de"]),
        ("&language=en", "de", vec!["en"]),
        ("&language=xx", "de", vec![]),
        ("&notice=portal", "", vec!["de"]),
        ("&notice=none", "", vec![]),
    ] {
        let answer = script(&gateway, &format!("{LINE}{more}"), &[("Accept-Language", accepted)]);
        assert_eq!(languages(&answer), expected, "{more} {accepted}");
        for brought in notices(&answer) {
            let language = brought["language"].as_str().unwrap();
            let notice = brought["notice"].as_str().unwrap();
            let fetched = gateway.get(&format!("/v1/notice?writeKey=wk_web&notice={notice}&language={language}"), "").json();
            let mut same = fetched.as_object().unwrap().clone();
            for own in ["token", "tokenExpiresAt", "ask", "consentMode", "policyVersion"] {
                assert!(same.remove(own).is_some(), "{own}");
            }
            assert_eq!(brought, Value::Object(same), "what is shown is what is fetched, but for the token");
        }
    }
}

#[test]
fn whoever_has_decided_gets_the_code_alone() {
    let gateway = Gateway::start();
    for cookie in ["pforte_choice=1:web-banner", "a=b; pforte_id=0123456789abcdef0123456789abcdef"] {
        assert!(notices(&script(&gateway, LINE, &[("Cookie", cookie)])).is_empty(), "{cookie}");
    }
    assert_eq!(notices(&script(&gateway, LINE, &[("Cookie", "pforte=1; other_pforte_id=2")])).len(), 1);
}

#[test]
fn whatever_is_wrong_the_code_comes_all_the_same() {
    let gateway = Gateway::start();
    for key in ["wk_none", "", "wk_import", &"k".repeat(2_000), "%00", "%3C/script%3E"] {
        assert!(notices(&script(&gateway, &format!("/pforte.js?writeKey={key}"), &[])).is_empty(), "{key}");
    }
    let foreign = script(&gateway, LINE, &[("Origin", "https://evil.example")]);
    assert!(notices(&foreign).is_empty(), "its origin is none of the source's");
    // Without a key it is the script that a page can demand by its digest.
    assert_eq!(script(&gateway, "/pforte.js", &[]).text, script(&gateway, "/pforte.js?v=2", &[]).text);
    assert!(script(&gateway, "/pforte.mjs?writeKey=wk_web", &[]).text.contains("export"));
}

#[test]
fn a_browser_looks_again_and_is_sent_what_it_has_not() {
    let gateway = Gateway::start();
    let answer = script(&gateway, LINE, &[]);
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    for name in ["Accept-Encoding", "Accept-Language", "Cookie", "Sec-GPC"] {
        assert!(answer.header("vary").unwrap().contains(name), "{name}");
    }
    let tag = answer.header("etag").unwrap();
    let again = |path: &str, headers: &[(&str, &str)]| gateway.request("GET", path, headers, b"");
    let known = again(LINE, &[("If-None-Match", &format!("\"other\", {tag}"))]);
    assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", Some(tag)));
    assert_eq!((known.header("cache-control"), known.header("vary")), (answer.header("cache-control"), answer.header("vary")));
    for other in [[("Accept-Language", "en")], [("Cookie", "pforte_choice=1")], [("Sec-GPC", "1")]] {
        let answer = again(LINE, &[&other[..], &[("If-None-Match", tag)]].concat());
        assert_eq!(answer.status, 200, "{other:?}");
    }
    let pinned = again("/pforte.js", &[]);
    let tag = pinned.header("etag").unwrap();
    assert_eq!(again("/pforte.js", &[("If-None-Match", tag)]).status, 304);
}

#[test]
fn what_the_browser_refuses_by_its_signal_is_said_at_once() {
    let gateway = Gateway::start();
    let signal = [("Sec-GPC", "1")];
    let brought = &notices(&script(&gateway, LINE, &signal))[0]["signal"];
    let fetched = gateway.request("GET", "/v1/notice?writeKey=wk_web", &signal, b"").json();
    assert_eq!((brought["signal"].as_str(), brought), (Some("gpc"), &fetched["signal"]));
}
