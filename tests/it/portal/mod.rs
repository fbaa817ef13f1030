//! The portal through the real binary: what people do there, and what others try.

mod attacks;
mod changes;
mod preferences;
mod requests;
mod sign_in;
mod statements;
mod truth;

use crate::harness::people::Person;
use crate::harness::{Answer, Gateway};

/// A browser: it keeps cookies, says where a form comes from, and follows where it is led.
pub(crate) struct Browser<'a> {
    gateway: &'a Gateway,
    pub(crate) cookie: String,
    language: &'static str,
    /// Whether it sends the signal of Global Privacy Control.
    pub(crate) signal: bool,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, cookie: String::new(), language: "de", signal: false }
    }

    pub(crate) fn english(self) -> Self {
        Self { language: "en-GB,en;q=0.9", ..self }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.gateway.address())
    }

    /// One request, and nothing followed.
    pub(crate) fn send(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = vec![("Cookie", self.cookie.as_str()), ("Accept-Language", self.language)];
        if method == "POST" {
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        if self.signal {
            headers.push(("Sec-GPC", "1"));
        }
        headers.extend(more);
        let answer = self.gateway.request(method, path, &headers, body.as_bytes());
        if let Some(set) = answer.header("Set-Cookie") {
            let pair = set.split(';').next().unwrap();
            self.cookie = if pair.ends_with('=') { String::new() } else { pair.to_owned() };
        }
        answer
    }

    /// The same; who is told to wait waits.
    pub(crate) fn patiently(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let gateway = self.gateway;
        gateway
            .wait_for("a place in the rate", || Some(self.send(method, path, more, body)).filter(|answer| answer.status != 429))
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.patiently("GET", path, &[], "")
    }

    /// The page that one ends up on.
    pub(crate) fn page(&mut self, path: &str) -> Answer {
        let answer = self.get(path);
        self.follow(answer)
    }

    fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..3 {
            if answer.status != 303 {
                return answer;
            }
            let to = answer.header("Location").unwrap().to_owned();
            assert!(to.starts_with("/portal"), "led to {to}");
            answer = self.get(&to);
        }
        answer
    }

    /// Sends a form as a page of ours would, and nothing followed.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = self.origin();
        self.patiently("POST", path, &[("Origin", &origin), ("Sec-Fetch-Site", "same-origin")], &form(fields))
    }

    /// Fills in the form of a page: with what only that page knows.
    pub(crate) fn submit(&mut self, on: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf(on);
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        let answer = self.post(path, &fields);
        self.follow(answer)
    }

    /// What the forms of a page carry.
    pub(crate) fn csrf(&mut self, on: &str) -> String {
        let page = self.page(on);
        let found = page.text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        found.unwrap_or_else(|| panic!("no form on {on}: {} {}", page.status, page.text)).to_owned()
    }

    /// Asks for a link and gives it.
    pub(crate) fn ask_for_link(&mut self, address: &str) -> String {
        let known = self.links(address);
        let answer = self.post("/portal/sign-in", &[("email", address)]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.gateway.wait_for("a mail with a link", || self.links(address).into_iter().find(|link| !known.contains(link)))
    }

    fn links(&self, address: &str) -> Vec<String> {
        let mails = self.gateway.mails().into_iter().filter(|mail| mail.to == address.to_lowercase());
        let link = |word: &str| word.find("/portal/enter/").map(|at| word[at..].to_owned());
        mails.filter_map(|mail| mail.text.split_whitespace().find_map(link)).collect()
    }

    /// Signs in by a link in a mail.
    pub(crate) fn sign_in(mut self, address: &str) -> Self {
        let link = self.ask_for_link(address);
        let entered = self.post(&link, &[]);
        assert_eq!((entered.status, entered.header("Location")), (303, Some("/portal")), "{}", entered.text);
        self
    }
}

/// Fields as forms send them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// Pages for people: kept by no cache, found by no search engine, in no frame, with our style and script and nothing else.
pub(crate) fn is_guarded(page: &Answer) {
    let csp = page.header("Content-Security-Policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
    ] {
        assert!(csp.contains(part), "{csp}");
    }
    assert!(!csp.contains("unsafe"));
    assert_eq!(page.header("X-Frame-Options"), Some("DENY"));
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert_eq!(page.header("X-Robots-Tag"), Some("noindex"));
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(page.header("Referrer-Policy"), Some("same-origin"));
    assert!(
        !page.text.contains(" style=\"") && !page.text.contains(" onclick") && !page.text.contains("<script>"),
        "{}",
        page.text
    );
}

/// Somebody who is known by an address, on a banner of the shop.
pub(crate) fn known(gateway: &Gateway, name: &str, decisions: &[(&str, &str)]) -> Person {
    let person = Person::new(name);
    let who = serde_json::json!({"identifiers": {"email": person.email}, "method": "portal"});
    person.decides_as(gateway, "wk_web", &who, decisions);
    person
}
