//! What attackers try on the console.

use crate::harness::officers::{BEHIND_A_PROXY, Browser, Officer, PASSWORD, between, code};
use crate::harness::people::Person;
use crate::harness::{Gateway, project};

fn gateway() -> Gateway {
    Gateway::with_options(&project().join("policies"), &BEHIND_A_PROXY)
}

#[test]
fn a_form_of_another_site_or_session_does_nothing() {
    let gateway = gateway();
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let mut kim = Officer::invited_by_command(&gateway, "kim", "dpo");
    let id = ines.files("erasure", &Person::new("erika").email);
    let path = format!("/console/requests/{id}/approve");
    let (hers, other) = (ines.browser.csrf(), kim.browser.csrf());
    assert_ne!(hers, other);
    let ours = format!("http://{}", gateway.address());
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("", &[("Origin", &ours), ("Sec-Fetch-Site", "same-origin")]),
        (&other, &[("Origin", &ours), ("Sec-Fetch-Site", "same-origin")]),
        (&hers, &[]),
        (&hers, &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]),
        (&hers, &[("Origin", &ours), ("Sec-Fetch-Site", "cross-site")]),
        (&hers, &[("Origin", "null")]),
        (&hers, &[("Sec-Fetch-Site", "same-site")]),
    ];
    for (csrf, from) in cases {
        let answer = ines.browser.post_from(&path, &[("sure", "yes"), ("csrf", csrf)], from);
        assert_eq!(answer.status, 403, "{csrf:?} {from:?}: {}", answer.text);
    }
    for path in
        ["/console/sign-out", "/console/language", "/console/account/password", "/console/account/sessions", "/console/proof"]
    {
        assert_eq!(ines.browser.post(path, &[]).status, 403, "{path}");
    }
    let signed_out =
        Browser::new(&gateway).post_from("/console/sign-in", &[("name", "ines")], &[("Origin", "https://evil.example")]);
    assert_eq!(signed_out.status, 403, "nobody is signed in as somebody else");
    assert!(ines.browser.get(&format!("/console/requests/{id}")).text.contains("name=\"sure\""), "nothing was approved");
}

#[test]
fn sessions_are_not_taken_over_and_end() {
    let gateway = gateway();
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let name = "pforte-console";
    let first = ines.browser.cookies[name].clone();
    ines.signs_in_again();
    let second = ines.browser.cookies[name].clone();
    assert_ne!(first, second, "a new token at each sign-in");
    let with = |token: &str| gateway.request("GET", "/console/account", &[("Cookie", &format!("{name}={token}"))], b"").status;
    assert_eq!((with(&first), with(&second)), (303, 200), "the one that was brought along is over");
    // A token that somebody else has put into the browser is none afterwards.
    let planted = "A".repeat(43);
    ines.browser.cookies.insert(name.to_owned(), planted.clone());
    ines.signs_in_again();
    assert_ne!(ines.browser.cookies[name], planted);
    assert_eq!(with(&planted), 303);
    let third = ines.browser.cookies[name].clone();
    let ended = ines.browser.send("/console/account/sessions", &[]);
    assert_eq!((ended.status, with(&second), with(&third)), (303, 303, 200), "all but this one");
    assert_eq!(ines.browser.send("/console/sign-out", &[]).status, 303);
    assert_eq!(with(&third), 303);
    for token in ["", "x", &"A".repeat(42), &"=".repeat(43), "../../x"] {
        assert_eq!(with(token), 303, "{token}");
    }
}

#[test]
fn pages_are_not_framed_kept_or_left_for_elsewhere() {
    let gateway = gateway();
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    for path in ["/console/requests", "/console/account", "/console/sign-in", "/console/join/x", "/console/nowhere"] {
        let page = ines.browser.get(path);
        let csp = page.header("content-security-policy").unwrap_or_default();
        assert!(csp.contains("frame-ancestors 'none'") && !csp.contains("unsafe"), "{path}: {csp}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    let mut stranger = Browser::new(&gateway);
    for path in
        ["/console", "/console/requests?page=2", "/console/audit.csv", "/console/requests/req_00000000000000000000000000000000"]
    {
        let away = stranger.get(path);
        assert_eq!(away.status, 303, "{path}");
        assert!(
            away.header("location").unwrap().starts_with("/console/sign-in?next=%2Fconsole"),
            "{:?}",
            away.header("location")
        );
    }
    for next in
        ["https://evil.example", "//evil.example", "/console//evil.example", "/\\evil.example", "javascript:alert(1)", "/portal"]
    {
        let code = ines.codes.pop().unwrap();
        let fields = [("name", "ines"), ("password", PASSWORD), ("code", code.as_str()), ("next", next)];
        ines.browser.moves();
        let entered = ines.browser.post("/console/sign-in", &fields);
        assert_eq!((entered.status, entered.header("location")), (303, Some("/console/account?recovery=used")), "{next}");
        let asked = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC).to_string();
        let page = stranger.get(&format!("/console/sign-in?next={asked}"));
        assert_eq!(between(&page.text, "name=\"next\" value=\"", "\""), Some("/console"), "{next}");
    }
    let cookie = {
        let code = ines.codes.pop().unwrap();
        ines.signs_in(&code).headers.lines().find(|line| line.contains("pforte-console=")).unwrap().to_owned()
    };
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
}

#[test]
fn what_anybody_writes_is_text_wherever_it_stands() {
    let gateway = gateway();
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let evil = "\"><script>alert(1)</script><svg onload=alert(1)>'{{7*7}}";
    let formula = "=HYPERLINK(\"https://evil.example\")";
    let fields = [("kind", "access"), ("type", "user_id"), ("value", evil), ("identified", "yes"), ("note", evil)];
    let filed = ines.browser.send("/console/file", &fields);
    assert_eq!(filed.status, 303, "{}", filed.text);
    let id = filed.header("location").unwrap().split('/').next_back().unwrap().split('?').next().unwrap().to_owned();
    for words in [evil, formula] {
        assert_eq!(ines.browser.send(&format!("/console/requests/{id}/note"), &[("reason", words)]).status, 303);
    }
    let assigned = ines.browser.send(&format!("/console/requests/{id}/assign"), &[("to", evil)]);
    assert!(assigned.header("location").unwrap().ends_with("?wrong=assignee"), "{}", assigned.headers);
    let encoded = percent_encoding::utf8_percent_encode(evil, percent_encoding::NON_ALPHANUMERIC).to_string();
    let reflected = ines.browser.send("/console/proof", &[("type", evil), ("value", evil), ("reason", evil)]);
    let pages = [
        ines.browser.get(&format!("/console/requests/{id}")),
        ines.browser.get("/console/audit"),
        ines.browser.get(&format!("/console/audit?who={encoded}&request={encoded}")),
        ines.browser.get(&format!("/console/requests?state={encoded}&kind={encoded}&whose={encoded}&page={encoded}")),
        ines.browser.get(&format!("/console/requests/{id}?done={encoded}")),
        ines.browser.get(&format!("/console/sign-in?next={encoded}&language={encoded}")),
        reflected,
    ];
    for page in pages {
        let at = page.text.find("<script>").or_else(|| page.text.find("<svg onload"));
        assert!(at.is_none(), "{}", page.text.get(at.unwrap_or(0)..).unwrap_or_default());
        assert!(page.status < 500, "{}", page.text);
    }
    let shown = ines.browser.get(&format!("/console/requests/{id}"));
    assert!(shown.text.contains("&#60;script&#62;") || shown.text.contains("&lt;script&gt;"), "{}", shown.text);
    let table = ines.browser.get("/console/audit.csv");
    assert!(table.text.contains("\"'=HYPERLINK"), "{}", table.text);
    for row in csv::Reader::from_reader(table.text.as_bytes()).records().map(Result::unwrap) {
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{row:?}");
    }
}

#[test]
fn guessing_gets_one_answer_and_then_waits() {
    let gateway = gateway();
    let ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    let mut answers = Vec::new();
    let good = code(&ines.secret, 30);
    for (name, password, code) in
        [("ines", "falsch und lang", good.as_str()), ("ines", PASSWORD, "000000"), ("niemand", PASSWORD, "000000")]
    {
        let mut browser = Browser::new(&gateway);
        let answer = browser.post("/console/sign-in", &[("name", name), ("password", password), ("code", code)]);
        assert_eq!(answer.status, 401);
        assert!(browser.cookies.is_empty(), "nothing is set for who is not let in");
        answers.push(answer.text.replace(name, "NAME"));
    }
    assert!(answers.iter().all(|text| *text == answers[0]), "they tell what was wrong");
    let mut last = None;
    for _ in 0..8 {
        let mut browser = Browser::new(&gateway);
        let answer = browser.post("/console/sign-in", &[("name", "niemand"), ("password", PASSWORD), ("code", "000000")]);
        last = Some((answer.status, answer.header("retry-after").map(str::to_owned)));
    }
    assert!(matches!(&last, Some((429, Some(seconds))) if seconds.parse::<u32>().unwrap() <= 31), "{last:?}");
    let mut known = ines;
    known.signs_in_again();
    assert_eq!(known.browser.get("/console/account").status, 200, "from a browser that was signed in before");
    let used = known.browser.post("/console/sign-in", &[("name", "ines"), ("password", PASSWORD), ("code", good.as_str())]);
    assert_eq!(used.status, 401, "the code that signed in works no more");
}

#[test]
fn a_key_is_no_officer_and_an_officer_no_key() {
    let gateway = gateway();
    let operator = format!("Bearer {}", gateway.operator());
    assert_eq!(gateway.get("/console/requests", &operator).status, 303);
    let mut ines = Officer::invited_by_command(&gateway, "ines", "dpo");
    assert_eq!(ines.browser.get("/v1/requests").status, 401);
    for path in [
        "/console/requests/req_00",
        "/console/requests/../x",
        "/console/requests/req_00000000000000000000000000000000",
        "/console/x",
    ] {
        assert_eq!(ines.browser.get(path).status, 404, "{path}");
    }
    let csrf = ines.browser.csrf();
    let unknown =
        ines.browser.post("/console/requests/req_00000000000000000000000000000000/approve", &[("sure", "yes"), ("csrf", &csrf)]);
    assert_eq!(unknown.status, 404);
    let odd = ines.browser.post_from(
        "/console/language",
        &[("csrf", &csrf), ("language", "de")],
        &[("Origin", "http://x"), ("Content-Length", "9")],
    );
    assert!(odd.status >= 400 && odd.status < 500, "{}", odd.status);
}
