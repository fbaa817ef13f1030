//! Officers in their browsers: they join by a link, sign in with a code, and send forms as pages do.

use std::collections::BTreeMap;

use totp_rs::{Builder, Secret};

use super::{Answer, Gateway};

pub(crate) const PASSWORD: &str = "Riesling vom Schiefer";

/// A browser: its cookies, and the address that it comes from.
pub(crate) struct Browser<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) cookies: BTreeMap<String, String>,
    address: String,
}

/// Somebody with an account.
pub(crate) struct Officer<'a> {
    pub(crate) browser: Browser<'a>,
    pub(crate) name: String,
    pub(crate) secret: Vec<u8>,
    /// Recovery codes that were not used.
    pub(crate) codes: Vec<String>,
}

/// A gateway that takes a browser's address from a header, so that officers do not share one budget of tries.
pub(crate) const BEHIND_A_PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.1/32"];

impl<'a> Browser<'a> {
    pub(crate) fn new(gateway: &'a Gateway) -> Self {
        let [_, a, b, c] = uuid::Uuid::new_v4().as_u128().to_be_bytes()[..4].try_into().unwrap();
        Self { gateway, cookies: BTreeMap::new(), address: format!("10.{a}.{b}.{c}") }
    }

    /// Goes on from another place, as somebody does who works at home as well.
    pub(crate) fn moves(&mut self) {
        self.address = Self::new(self.gateway).address;
    }

    pub(crate) fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        for line in answer.headers.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie:")) {
            let (name, rest) = line.split_once(": ").unwrap().1.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name)
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned())
            };
        }
        answer
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        let (cookie, address) = (self.cookie(), self.address.clone());
        let answer = self.gateway.request("GET", path, &[("Cookie", &cookie), ("X-Forwarded-For", &address)], b"");
        self.keep(answer)
    }

    /// Sends a form as a page of ours does.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{}", self.gateway.address());
        self.post_from(path, fields, &[("Origin", &origin), ("Sec-Fetch-Site", "same-origin")])
    }

    /// The same from wherever the headers say.
    pub(crate) fn post_from(&mut self, path: &str, fields: &[(&str, &str)], from: &[(&str, &str)]) -> Answer {
        let (cookie, address) = (self.cookie(), self.address.clone());
        let mut headers = vec![
            ("Cookie", cookie.as_str()),
            ("X-Forwarded-For", address.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        headers.extend(from);
        let answer = self.gateway.request("POST", path, &headers, form(fields).as_bytes());
        self.keep(answer)
    }

    /// The token that the forms of a page carry.
    pub(crate) fn csrf(&mut self) -> String {
        let page = self.get("/console/account");
        between(&page.text, "name=\"csrf\" value=\"", "\"").unwrap_or_else(|| panic!("no form: {}", page.text)).to_owned()
    }

    /// Sends a form with the token.
    pub(crate) fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf();
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post(path, &fields)
    }
}

impl<'a> Officer<'a> {
    /// The first admin, as an operator makes them.
    pub(crate) fn first(gateway: &'a Gateway) -> Self {
        Self::invited_by_command(gateway, "anton", "admin")
    }

    /// Somebody whom an operator invites.
    pub(crate) fn invited_by_command(gateway: &'a Gateway, name: &str, role: &str) -> Self {
        let made = gateway.command(&["admin", "create", "--name", name, "--role", role]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let text = String::from_utf8(made.stdout).unwrap();
        let path = text.lines().next().unwrap().split_once("/console/").unwrap().1.to_owned();
        Self::joins(gateway, name, &format!("/console/{path}"))
    }

    /// Sets up an account behind a link, and signs in.
    pub(crate) fn joins(gateway: &'a Gateway, name: &str, link: &str) -> Self {
        let mut browser = Browser::new(gateway);
        let page = browser.get(link);
        assert_eq!(page.status, 200, "{}", page.text);
        let written = between(&page.text, "class=\"secret\">", "<").unwrap().replace(' ', "");
        let secret = Secret::try_from_base32(&written).unwrap().as_bytes().to_vec();
        let fields = [("password", PASSWORD), ("again", PASSWORD), ("code", &code(&secret, 0))];
        let page = browser.post(link, &fields);
        assert_eq!(page.status, 200, "{}", page.text);
        let codes = page.text.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
        let mut officer = Self { browser, name: name.to_owned(), secret, codes };
        let code = code(&officer.secret, 30);
        let entered = officer.signs_in(&code);
        assert_eq!(entered.status, 303, "{}", entered.text);
        officer
    }

    pub(crate) fn signs_in(&mut self, code: &str) -> Answer {
        let name = self.name.clone();
        self.browser.moves();
        self.browser.post("/console/sign-in", &[("name", &name), ("password", PASSWORD), ("code", code)])
    }

    /// Signs in once more, by a recovery code: a code of the authenticator works once.
    pub(crate) fn signs_in_again(&mut self) {
        let code = self.codes.pop().unwrap();
        let entered = self.signs_in(&code);
        assert_eq!(entered.status, 303, "{}", entered.text);
    }

    /// Invites somebody who joins at once.
    pub(crate) fn invites(&mut self, name: &str, role: &str) -> Self {
        let page = self.browser.send("/console/officers", &[("name", name), ("role", role)]);
        assert_eq!(page.status, 200, "{}", page.text);
        let link = between(&page.text, "/console/join/", "<").unwrap().to_owned();
        Self::joins(self.browser.gateway, name, &format!("/console/join/{link}"))
    }

    /// Files a request that the desk has identified.
    pub(crate) fn files(&mut self, kind: &str, email: &str) -> String {
        let fields = [("kind", kind), ("type", "email"), ("value", email), ("identified", "yes"), ("language", "de")];
        let filed = self.browser.send("/console/file", &fields);
        assert_eq!(filed.status, 303, "{}", filed.text);
        let place = filed.header("location").unwrap();
        place.split('/').next_back().unwrap().split('?').next().unwrap().to_owned()
    }
}

/// The code of an authenticator, so many seconds from now.
pub(crate) fn code(secret: &[u8], ahead_s: u64) -> String {
    let totp = Builder::new().with_secret(secret.to_vec()).with_account_name("x").build().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    totp.generate(now + ahead_s).to_string()
}

/// What stands between two pieces of a text.
pub(crate) fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    text.split_once(from)?.1.split_once(to).map(|(found, _)| found)
}

fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}
