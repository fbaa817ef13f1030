//! The only place that connects out.
//!
//! It **promises** that a destination's URL cannot be used to reach what stands beside the gateway (server-side request
//! forgery): addresses are filtered *after* name resolution, tunnelled and mapped IPv6 forms are unwrapped first, redirects
//! are not followed, no proxy is asked, and every call has a time limit. Without leave for private addresses, only `https`
//! goes out. Link-local addresses, where clouds keep their machines' credentials, are never called.

pub mod smtp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Url};

/// How much of an answer's body is read; a connection with more in it is closed instead of used again.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long connecting may take at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a command waits for the running gateway.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long fetching something large may take as long as something comes.
const FETCH_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none.
    #[error("not a URL that can be called")]
    Url,
    /// The URL is not `https`, and private addresses are not allowed.
    #[error("only https is called, unless private addresses are allowed")]
    NotHttps,
    /// The URL names an address that must not be called.
    #[error("private, local and reserved addresses are not called")]
    Address,
    /// The answer is longer than anything that was asked for.
    #[error("the answer is too long")]
    TooLong,
    /// The HTTP client does not start, for want of root certificates for example.
    #[error("the HTTP client does not start: {0}")]
    Client(#[from] reqwest::Error),
    /// The runtime of a command does not start, or what came cannot be kept.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Why a call brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody answers there.
    #[error("unreachable")]
    Unreachable,
    /// The answer took too long.
    #[error("timeout")]
    Timeout,
    /// The connection broke before the answer was whole.
    #[error("broken")]
    Broken,
    /// The answer is larger than anybody needs.
    #[error("too large")]
    TooLarge,
}

impl Failure {
    /// The reason, as a code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
        }
    }

    /// Whether what failed for this reason, as a code, may have arrived all the same: it was sent, and no answer came.
    #[must_use]
    pub fn may_have_arrived(code: &str) -> bool {
        [Self::Timeout, Self::Broken].iter().any(|failure| failure.code() == code)
    }
}

/// What is asked of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To say something.
    Get,
    /// To take something.
    Post,
}

/// What an API answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The whole body, as it came.
    pub body: Vec<u8>,
    headers: reqwest::header::HeaderMap,
}

impl Reply {
    /// A header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The host that a URL names.
#[must_use]
pub fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// The origin of a URL that is plainly one: scheme, host and port, and nobody's name before them.
#[must_use]
pub fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && matches!(url.scheme(), "https" | "http");
    is_plain.then(|| url.origin().ascii_serialization())
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, as it came.
    pub retry_after: Option<String>,
}

/// Makes outlets, one per place that is called.
#[derive(Clone, Debug)]
pub struct Egress(());

impl Egress {
    /// Sets up what all outlets share.
    ///
    /// # Errors
    /// None today; what is set up may grow.
    pub fn new() -> Result<Self, Error> {
        // Somebody else in the process may have installed one before; either does.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self(()))
    }

    /// An outlet to one URL. Each has connections of its own, so that one cannot use up those of another.
    ///
    /// # Errors
    /// When the URL must not be called, or the client does not start.
    pub fn outlet(&self, url: &str, allow_private: bool, timeout: Duration) -> Result<Outlet, Error> {
        let url = Url::parse(url).map_err(|_not_a_url| Error::Url)?;
        let plain = match url.scheme() {
            "https" => false,
            "http" if allow_private => true,
            "http" => return Err(Error::NotHttps),
            _ => return Err(Error::Url),
        };
        // An address written in the URL is connected to without asking the resolver, so it is looked at here.
        if literal(&url).is_some_and(|address| !may_call(address, allow_private)) {
            return Err(Error::Address);
        }
        let client = builder(timeout, plain).dns_resolver(std::sync::Arc::new(Filter { allow_private })).build()?;
        Ok(Outlet { url, client })
    }
}

/// Calls one URL.
#[derive(Clone, Debug)]
pub struct Outlet {
    url: Url,
    client: Client,
}

impl Outlet {
    /// Posts a body.
    ///
    /// # Errors
    /// [`Failure`] if no answer came.
    pub async fn post(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<Answer, Failure> {
        let mut request = self.client.post(self.url.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request.body(body).send().await.map_err(|e| failure(&e))?;
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let answer = Answer { status: response.status().as_u16(), retry_after };
        // Read to its end, the connection can be used again. What it says does not matter.
        let mut read = 0;
        while read <= ANSWER_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(answer)
    }

    /// Asks, and gives the whole answer.
    ///
    /// # Errors
    /// [`Failure`] if no answer came, or one of more than [`ANSWER_BYTES_MAX`].
    pub async fn ask(&self, verb: Verb, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<Reply, Failure> {
        let method = if verb == Verb::Post { Method::POST } else { Method::GET };
        let mut request = self.client.request(method, self.url.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request.body(body).send().await.map_err(|e| failure(&e))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut whole = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failure(&e))? {
            if whole.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body: whole, headers })
    }
}

/// How a command on this machine talks to the gateway that its user names. It is the user's own choice, so no address is
/// refused.
#[derive(Debug)]
pub struct Local {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Local {
    /// Sets up the client.
    ///
    /// # Errors
    /// When the client or its runtime does not start.
    pub fn new() -> Result<Self, Error> {
        Egress::new()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Without the machine's root certificates, plain HTTP still works.
        let client = builder(LOCAL_TIMEOUT, false).build().or_else(|_no_roots| builder(LOCAL_TIMEOUT, true).build())?;
        Ok(Self { client, runtime })
    }

    /// Calls, and gives status and body.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn call(&self, method: &str, url: &str, authorization: &str, body: Option<Vec<u8>>) -> Result<(u16, String), Error> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_not_a_method| Error::Url)?;
        let mut request = self.client.request(method, url).header("authorization", authorization);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        })
    }

    /// Fetches what anybody may have, and gives status and bytes; of an answer that is too long, an error.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn fetch(&self, url: &str) -> Result<(u16, Vec<u8>), Error> {
        self.runtime.block_on(async {
            let mut response = self.client.get(url).send().await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > ANSWER_BYTES_MAX {
                    return Err(Error::TooLong);
                }
            }
            Ok((response.status().as_u16(), bytes))
        })
    }

    /// Calls, and hands over the body as it comes, however long it is. Gives the status, and the body if it is an error's.
    ///
    /// # Errors
    /// When the gateway does not answer or breaks off, and what `take` says.
    pub fn take(
        &self,
        (method, url): (&str, &str),
        authorization: &str,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(u16, String), Error> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_not_a_method| Error::Url)?;
        let request = self.client.request(method, url).header("authorization", authorization).timeout(FETCH_TIMEOUT);
        self.runtime.block_on(async {
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            if status >= 400 {
                return Ok((status, response.text().await?));
            }
            let slow = |_elapsed| std::io::Error::from(std::io::ErrorKind::TimedOut);
            while let Some(piece) = tokio::time::timeout(LOCAL_TIMEOUT, response.chunk()).await.map_err(slow)?? {
                take(&piece)?;
            }
            Ok((status, String::new()))
        })
    }

    /// Waits a little, for a command that asks again and again.
    pub fn pause(&self, duration: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(duration).await });
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that connects out")]
fn builder(timeout: Duration, plain: bool) -> ClientBuilder {
    let builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .referer(false)
        .user_agent(concat!("pforte/", env!("CARGO_PKG_VERSION")));
    // Root certificates are looked for only where they are needed.
    if plain { builder.tls_certs_only([]) } else { builder }
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Unreachable
    } else {
        Failure::Broken
    }
}

/// The address, if the URL names one instead of a host.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// Resolves names, and keeps back the addresses that must not be called. The connection goes to what was checked: the name
/// is not resolved a second time.
struct Filter {
    allow_private: bool,
}

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let may: Vec<SocketAddr> = found.into_iter().filter(|a| may_call(a.ip(), allow_private)).collect();
            if may.is_empty() {
                return Err(Box::<dyn std::error::Error + Send + Sync>::from("the name has no address that may be called"));
            }
            Ok(Box::new(may.into_iter()) as Addrs)
        })
    }
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    /// This machine and this network.
    Private,
    /// Link-local, multicast, reserved, documentation: never.
    Never,
}

fn may_call(address: IpAddr, allow_private: bool) -> bool {
    match reach(address) {
        Reach::Public => true,
        Reach::Private => allow_private,
        Reach::Never => false,
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => embedded(v6).map_or_else(|| reach_v6(v6), reach_v4),
    }
}

/// IANA IPv4 Special-Purpose Address Registry.
fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        (0 | 224..=255, ..) | (169, 254, _) | (198, 18..=19, _) => Reach::Never,
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 51, 100) | (203, 0, 113) => Reach::Never,
        _ => Reach::Public,
    }
}

/// IANA IPv6 Special-Purpose Address Registry; global unicast is `2000::/3`.
fn reach_v6(address: Ipv6Addr) -> Reach {
    let [a, b, ..] = address.segments();
    match a {
        _ if address.is_loopback() => Reach::Private,
        // The metadata service of one large cloud sits among the unique local addresses.
        0xfd00 if b == 0x0ec2 => Reach::Never,
        0xfc00..=0xfdff => Reach::Private,
        0x2001 if b < 0x0200 || b == 0x0db8 => Reach::Never,
        0x3fff if b < 0x1000 => Reach::Never,
        0x2000..=0x3fff => Reach::Public,
        _ => Reach::Never,
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 and 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(v4(g, h)),
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => Some(v4(g, h)),
        (0, 0, 0, 0, 0xffff, 0) => Some(v4(g, h)),
        (0x2002, ..) => Some(v4(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach_of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn private_and_reserved_addresses_are_known_in_every_form() {
        for public in ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "2002:5db8:d822::1", "::ffff:93.184.216.34"] {
            assert_eq!(reach_of(public), Reach::Public, "{public}");
        }
        for private in ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.100.100.200", "::1", "fd12::1"] {
            assert_eq!(reach_of(private), Reach::Private, "{private}");
        }
        for mapped in ["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0:10.0.0.1"] {
            assert_eq!(reach_of(mapped), Reach::Private, "{mapped}");
        }
        let never = ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1"];
        for never in never.iter().chain(&["255.255.255.255", "2001:db8::1", "64:ff9b:1::1", "2001::1", "ff02::1", "198.18.0.1"]) {
            assert_eq!(reach_of(never), Reach::Never, "{never}");
        }
    }

    #[test]
    fn a_url_that_must_not_be_called_gets_no_outlet() {
        let egress = Egress::new().unwrap();
        let outlet = |url: &str, private: bool| egress.outlet(url, private, Duration::from_secs(1)).map(|_| ());
        assert!(matches!(outlet("http://example.org/", false), Err(Error::NotHttps)));
        assert!(matches!(outlet("ftp://example.org/", true), Err(Error::Url)));
        assert!(matches!(outlet("no url", true), Err(Error::Url)));
        assert!(matches!(outlet("https://127.0.0.1/", false), Err(Error::Address)));
        assert!(matches!(outlet("https://[::ffff:10.0.0.1]/", false), Err(Error::Address)));
        // Numbers that browsers and libraries read as 127.0.0.1.
        assert!(matches!(outlet("https://2130706433/", false), Err(Error::Address)));
        assert!(matches!(outlet("https://0x7f.1/", false), Err(Error::Address)));
        assert!(matches!(outlet("http://169.254.169.254/latest", true), Err(Error::Address)));
        outlet("http://127.0.0.1:1/", true).unwrap();
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_not_called() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let outlet = Egress::new().unwrap().outlet(&url, false, Duration::from_secs(2)).unwrap();
        assert_eq!(outlet.post(&[], Vec::new()).await, Err(Failure::Unreachable));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody knocked");
    }
}
