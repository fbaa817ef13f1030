//! Signing in by a link in a mail, and out.

use super::{Browser, is_guarded, known};
use crate::harness::Gateway;
use crate::harness::people::Person;

#[test]
fn a_link_signs_in_once_and_looking_at_it_does_not() {
    let mut gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    let link = Browser::new(&gateway).ask_for_link(&erika.email.to_uppercase());
    assert_eq!(link.len(), "/portal/enter/".len() + 43, "256 bits, and no identifier");
    let mail = gateway.mails().pop().unwrap();
    assert!(mail.subject.contains("Weinhaus Muster") && mail.text.contains("15 Minuten"), "{}", mail.text);
    for _ in 0..3 {
        let page = Browser::new(&gateway).get(&link);
        assert!(page.status == 200 && page.text.contains("Jetzt anmelden") && page.header("Set-Cookie").is_none());
        is_guarded(&page);
    }
    // What was sent and not used yet survives a crash.
    gateway.crash();
    let mut browser = Browser::new(&gateway);
    let entered = browser.post(&link, &[]);
    assert_eq!((entered.status, entered.header("Location")), (303, Some("/portal")), "{}", entered.text);
    let cookie = entered.header("Set-Cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Domain"), "{cookie}");
    let home = browser.get("/portal");
    assert!(home.status == 200 && home.text.contains(&erika.email) && home.text.contains("Erlaubt seit"), "{}", home.text);
    is_guarded(&home);
    for again in [Browser::new(&gateway).post(&link, &[]), Browser::new(&gateway).get(&link)] {
        assert!(again.status == 410 && again.text.contains("schon verwendet") && again.header("Set-Cookie").is_none());
        is_guarded(&again);
    }
    for forged in ["/portal/enter/x".to_owned(), format!("/portal/enter/{}", "A".repeat(43)), format!("{link}A")] {
        assert_eq!(Browser::new(&gateway).get(&forged).status, 404, "{forged}");
        assert_eq!(Browser::new(&gateway).post(&forged, &[]).status, 404, "{forged}");
    }
    // A session survives a restart and a crash, and ends on every device when that is wanted.
    let cookie = browser.cookie.clone();
    drop(browser);
    gateway.restart();
    gateway.crash();
    let mut browser = Browser { cookie, ..Browser::new(&gateway) };
    assert_eq!(browser.get("/portal").status, 200);
    let mut other = Browser::new(&gateway).english().sign_in(&erika.email);
    let data = other.page("/portal/data");
    assert!(data.text.contains("Sign out everywhere") && data.text.contains("this one"), "{}", data.text);
    let out = other.submit("/portal/data", "/portal/sign-out-everywhere", &[]);
    assert!(out.status == 200 && out.text.contains("Your e-mail address") && other.cookie.is_empty(), "{}", out.text);
    for gone in [&mut browser, &mut other] {
        assert_eq!(gone.get("/portal").header("Location"), Some("/portal/sign-in"));
    }
}

#[test]
fn whether_an_address_is_known_makes_no_difference() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "denied")]);
    let stranger = Person::new("niemand");
    let subjects = |gateway: &Gateway| {
        let metrics = gateway.get("/metrics", "").text;
        metrics.lines().find(|line| line.starts_with("pforte_subjects ")).unwrap().to_owned()
    };
    let before = subjects(&gateway);
    let mut answers = Vec::new();
    for email in [&erika.email, &stranger.email] {
        let mut browser = Browser::new(&gateway);
        let answer = browser.post("/portal/sign-in", &[("email", email)]);
        is_guarded(&answer);
        answers.push((answer.status, answer.text.clone()));
        gateway.mail_to(email, "Ihr Link");
        assert!(!answer.text.contains(email.as_str()));
    }
    assert_eq!(answers[0], answers[1]);
    let mut browser = Browser::new(&gateway).sign_in(&stranger.email);
    let home = browser.get("/portal");
    assert!(home.text.contains("nichts gespeichert"), "{}", home.text);
    assert_eq!(subjects(&gateway), before, "signing in makes nobody known");
    // What somebody decides makes them known, and the session is theirs from then on.
    let decided = browser.submit("/portal", "/portal/decisions", &[("purpose", "analytics"), ("decision", "granted")]);
    assert!(decided.text.contains("ist jetzt erlaubt") && !decided.text.contains("nichts gespeichert"), "{}", decided.text);
    assert!(browser.get("/portal/data").text.contains("Angemeldet seit"));
    for wrong in ["", "erika", "erika@", "a@b", "erika@example.org\r\nBcc: x@example.org"] {
        let answer = Browser::new(&gateway).post("/portal/sign-in", &[("email", wrong)]);
        assert!(answer.status == 422 && answer.text.contains("keine vollständige E-Mail-Adresse"), "{wrong}: {}", answer.text);
    }
}

#[test]
fn an_address_gets_a_few_links_an_hour_and_a_client_asks_a_few_times_a_second() {
    let gateway = Gateway::start();
    let erika = Person::new("erika");
    let mut answers = Vec::new();
    let mut refused = 0;
    while answers.len() < 8 {
        let mut browser = Browser::new(&gateway);
        let origin = browser.origin();
        let answer = browser.send("POST", "/portal/sign-in", &[("Origin", &origin)], &super::form(&[("email", &erika.email)]));
        match answer.status {
            429 => {
                is_guarded(&answer);
                assert!(answer.header("Retry-After").is_some() && answer.text.contains("Einen Moment"), "{}", answer.text);
                refused += 1;
            }
            _ => answers.push((answer.status, answer.text)),
        }
    }
    assert!(refused > 0, "one client is told to wait");
    answers.dedup();
    assert_eq!(answers.len(), 1, "who has got enough is not told");
    gateway.wait_for("five mails", || (gateway.mails().len() >= 5).then_some(()));
    let settled = gateway.get("/metrics", "").text;
    assert!(settled.contains("pforte_mails_waiting 0"), "{settled}");
    assert_eq!(gateway.mails().len(), 5);
}

#[test]
fn the_language_is_that_of_the_browser_until_another_is_chosen() {
    let gateway = Gateway::start();
    let erika = known(&gateway, "erika", &[("analytics", "granted")]);
    assert!(Browser::new(&gateway).get("/portal/sign-in").text.contains("lang=\"de\""));
    assert!(Browser::new(&gateway).english().get("/portal/sign-in").text.contains("<html lang=\"en\">"));
    assert!(Browser::new(&gateway).english().get("/portal/sign-in?language=de").text.contains("<html lang=\"de\">"));
    let mut browser = Browser::new(&gateway).english().sign_in(&erika.email);
    assert!(gateway.mail_to(&erika.email, "Your link").text.contains("15 minutes"));
    let (origin, csrf) = (browser.origin(), browser.csrf("/portal"));
    let on = format!("{origin}/portal/history?x=1");
    let body = super::form(&[("language", "de"), ("csrf", &csrf)]);
    let led = browser.send("POST", "/portal/language", &[("Origin", &origin), ("Referer", &on)], &body);
    assert_eq!((led.status, led.header("Location")), (303, Some("/portal/history")));
    assert!(browser.get("/portal/history").text.contains("Was Sie entschieden haben"));
    assert!(browser.get("/portal/requests").text.contains("Ihre Rechte"), "it is remembered");
}
