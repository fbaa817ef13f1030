//! Mail: SMTP by `lettre`, over TLS wherever it leaves this machine.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// How long the server may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Where servers listen for TLS from the first byte (RFC 8314).
const PORT_TLS: u16 = 465;
/// Where servers listen for submissions that begin TLS by STARTTLS (RFC 6409).
const PORT_SUBMISSION: u16 = 587;

/// Where mails are handed in: `smtps://user:password@host:465`, or `smtp://…` for STARTTLS. Its debug form says nothing.
#[derive(Clone)]
pub struct SmtpUrl {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    /// TLS from the first byte.
    Whole,
    /// STARTTLS, or nothing is sent.
    Begun,
    /// None: the server is this machine.
    Local,
}

/// Why this is no address of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be smtps://user:password@host:465, or smtp://… for a server that begins TLS by STARTTLS")]
pub struct NotSmtp;

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmtpUrl(…)")
    }
}

impl FromStr for SmtpUrl {
    type Err = NotSmtp;

    fn from_str(text: &str) -> Result<Self, NotSmtp> {
        let url = Url::parse(text.trim()).map_err(|_not_a_url| NotSmtp)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NotSmtp)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let is_here = bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let (security, usual) = match url.scheme() {
            "smtps" => (Security::Whole, PORT_TLS),
            "smtp" if is_here => (Security::Local, PORT_SUBMISSION),
            "smtp" => (Security::Begun, PORT_SUBMISSION),
            _ => return Err(NotSmtp),
        };
        // A parameter would be one that we do not know, such as another library's "tls=none".
        if url.query().is_some() || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
            return Err(NotSmtp);
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_not_utf8| NotSmtp);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decoded(user)?, decoded(password.unwrap_or_default())?)),
        };
        Ok(Self { host: bare.to_owned(), port: url.port().unwrap_or(usual), security, credentials })
    }
}

/// TLS cannot be set up, for want of root certificates for example.
#[derive(Debug, thiserror::Error)]
#[error("TLS to the mail server cannot be set up: {0}")]
pub struct NoTls(#[from] lettre::transport::smtp::Error);

/// Why a mail was not handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// The server takes this mail never: its SMTP code (5xx).
    Refused(u16),
    /// The server does not take it now: its SMTP code (4xx).
    Later(u16),
    /// The server is not there, or does not do what it should: as a code.
    Down(&'static str),
}

/// Hands mails in at one server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    /// Gets ready; nothing is connected yet. `hello` is how the gateway calls itself there.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn open(url: &SmtpUrl, hello: &str) -> Result<Self, NoTls> {
        let tls = || TlsParameters::new_rustls(url.host.clone());
        let tls = match url.security {
            Security::Whole => Tls::Wrapper(tls()?),
            Security::Begun => Tls::Required(tls()?),
            Security::Local => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host.clone())
            .port(url.port)
            .tls(tls)
            .hello_name(ClientId::Domain(hello.to_owned()))
            .timeout(Some(ANSWER_TIMEOUT));
        if let Some((user, password)) = &url.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { transport: builder.build() })
    }

    /// Hands in one mail.
    ///
    /// # Errors
    /// [`Undelivered`]. After [`Undelivered::Down`] the server may have it all the same: it is sent again, under the same Message-ID.
    pub async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Result<(), Undelivered> {
        let Err(error) = self.transport.send_raw(envelope, bytes).await else { return Ok(()) };
        let down = |error: &lettre::transport::smtp::Error| match () {
            () if error.is_timeout() => "timeout",
            () if error.is_tls() => "tls",
            () if error.is_client() => "smtp",
            () => "unreachable",
        };
        match error.status().map(u16::from) {
            Some(code) if error.is_permanent() => match self.transport.test_connection().await {
                Ok(true) => Err(Undelivered::Refused(code)),
                // It refuses us, not this mail: wrong credentials, or it takes no mail at all.
                Ok(false) | Err(_) => Err(Undelivered::Down("refused")),
            },
            Some(code) => Err(Undelivered::Later(code)),
            None => Err(Undelivered::Down(down(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for (url, security, port) in [
            ("smtps://mail.example", Security::Whole, 465),
            ("smtps://127.0.0.1:1465", Security::Whole, 1465),
            ("smtp://mail.example", Security::Begun, 587),
            ("smtp://10.0.0.1:25", Security::Begun, 25),
            ("smtp://127.0.0.1.example:25", Security::Begun, 25),
            ("smtp://localhost:2525", Security::Local, 2525),
            ("smtp://[::1]:2525/", Security::Local, 2525),
        ] {
            let read: SmtpUrl = url.parse().unwrap();
            assert_eq!((read.security, read.port), (security, port), "{url}");
        }
    }

    #[test]
    fn what_it_does_not_know_it_does_not_take() {
        for url in
            ["mail.example", "http://mail.example", "smtps://", "smtp://mail.example?tls=none", "smtps://mail.example/x", ""]
        {
            assert!(url.parse::<SmtpUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_may_hold_any_character_and_is_never_shown() {
        let url: SmtpUrl = "smtps://shop%40example.org:p%3Aw%2F@mail.example".parse().unwrap();
        assert_eq!(url.credentials, Some((String::from("shop@example.org"), String::from("p:w/"))));
        assert!(!format!("{url:?}").contains("shop"));
    }
}
