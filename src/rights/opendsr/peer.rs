//! A processor that we speak to: its certificate, and what of it we believe.

use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use super::signature::{Authorities, Chain, Doubt};
use super::{DOMAIN_HEADERS, SIGNATURE_HEADERS, word};
use crate::clock::Millis;
use crate::egress::{self, Reply, Verb};
use crate::policy::{Destination, Way};
use crate::rights::Rights;

/// How long a recipient's certificate is used before it is fetched again.
pub(super) const KNOWN_MS: Millis = 3_600_000;
/// How soon it may be fetched again because a signature does not fit.
const AGAIN_MS: Millis = 60_000;
/// The longest token of a recipient's API.
const TOKEN_BYTES_MAX: u64 = 8 * 1024;

/// What a recipient has published about itself.
#[derive(Clone)]
pub(super) struct Known {
    url: String,
    host: String,
    chain: Chain,
    pub(super) identities: Vec<(String, String)>,
    pub(super) erases: bool,
    fetched_at: Millis,
}

/// What recipients have published, for a while.
#[derive(Default)]
pub(in crate::rights) struct Processors(Mutex<Vec<Known>>);

/// A signed body, as it came.
pub struct Signed<'a> {
    /// Who says that they signed it.
    pub domain: &'a str,
    /// The signature, in base64.
    pub signature: &'a str,
    /// The raw body.
    pub body: &'a [u8],
}

/// Why a processor is not spoken to now.
pub(super) enum Trouble {
    /// It can be tried again.
    Later(&'static str),
    /// Trying again makes no sense.
    Never(&'static str),
}

impl From<Doubt> for Trouble {
    fn from(doubt: Doubt) -> Self {
        Self::Later(doubt.code())
    }
}

impl From<egress::Failure> for Trouble {
    fn from(failure: egress::Failure) -> Self {
        Self::Later(failure.code())
    }
}

impl From<egress::Error> for Trouble {
    fn from(_error: egress::Error) -> Self {
        Self::Never("egress")
    }
}

/// One processor, as the policy names it.
pub(super) struct Processor<'a> {
    destination: &'a Destination,
    url: &'a str,
    host: String,
    token: Option<String>,
    authorities: Authorities,
}

impl Rights {
    pub(super) async fn call(&self, processor: &Processor<'_>, verb: Verb, path: &str, body: Vec<u8>) -> Result<Reply, Trouble> {
        let mut headers = vec![("accept", String::from("application/json")), ("content-type", String::from("application/json"))];
        headers.extend(processor.token.iter().map(|token| ("authorization", format!("Bearer {token}"))));
        let url = format!("{}{path}", processor.url);
        let erasure = &processor.destination.erasure;
        let outlet = self.deps.egress.outlet(&url, erasure.allow_private, Duration::from_millis(erasure.timeout_ms))?;
        Ok(outlet.ask(verb, &headers, body).await?)
    }

    /// What an answer says, if it is signed by who was asked.
    pub(super) async fn believe(&self, processor: &Processor<'_>, answer: &Reply) -> Result<Value, Trouble> {
        let header = |names: [&str; 2]| names.iter().find_map(|name| answer.header(name)).unwrap_or_default();
        let signed = Signed { domain: header(DOMAIN_HEADERS), signature: header(SIGNATURE_HEADERS), body: &answer.body };
        self.verify(processor, &signed).await?;
        serde_json::from_slice(&answer.body).map_err(|_no_json| Trouble::Later("no_json"))
    }

    /// Checks a signature with the processor's certificate; if it does not fit, with one that is fetched anew.
    pub(super) async fn verify(&self, processor: &Processor<'_>, signed: &Signed<'_>) -> Result<(), Trouble> {
        if !signed.domain.eq_ignore_ascii_case(&processor.host) {
            return Err(Trouble::Later("certificate"));
        }
        for known_ms in [KNOWN_MS, AGAIN_MS] {
            let known = self.processor(processor, known_ms).await?;
            match known.chain.has_signed(signed.body, signed.signature) {
                Err(Doubt::Signature) if known_ms == KNOWN_MS => {}
                done => return Ok(done?),
            }
        }
        Err(Trouble::Later("signature"))
    }

    /// What the processor has published about itself; its certificate holds now.
    pub(super) async fn processor(&self, processor: &Processor<'_>, known_ms: Millis) -> Result<Known, Trouble> {
        let at = self.deps.clock.now();
        let holds = |known: &Known| known.chain.check(&known.host, at, &processor.authorities);
        let found = self.processors.0.lock().iter().find(|known| known.url == processor.url).cloned();
        // One that has expired since is fetched anew.
        let is_fresh = |known: &Known| at.saturating_sub(known.fetched_at) < known_ms && holds(known).is_ok();
        let known = match found.filter(is_fresh) {
            Some(known) => return Ok(known),
            None => self.discover(processor, at).await?,
        };
        holds(&known)?;
        let mut all = self.processors.0.lock();
        all.retain(|other| other.url != known.url);
        all.push(known.clone());
        drop(all);
        Ok(known)
    }

    async fn discover(&self, processor: &Processor<'_>, at: Millis) -> Result<Known, Trouble> {
        let answer = self.call(processor, Verb::Get, "/discovery", Vec::new()).await?;
        if answer.status != 200 {
            return Err(Trouble::Later("discovery"));
        }
        let said: Value = serde_json::from_slice(&answer.body).map_err(|_no_json| Trouble::Later("discovery"))?;
        let place = word(&said, "processor_certificate").ok_or(Trouble::Later("discovery"))?;
        if egress::host(place).as_deref() != Some(processor.host.as_str()) {
            return Err(Trouble::Later("certificate"));
        }
        let erasure = &processor.destination.erasure;
        let outlet = self.deps.egress.outlet(place, erasure.allow_private, Duration::from_millis(erasure.timeout_ms))?;
        let served = outlet.ask(Verb::Get, &[], Vec::new()).await?;
        if served.status != 200 {
            return Err(Trouble::Later("certificate"));
        }
        let list = |name: &str| said.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let pair = |i: &Value| Some((word(i, "identity_type")?.to_owned(), word(i, "identity_format")?.to_owned()));
        Ok(Known {
            url: processor.url.to_owned(),
            host: processor.host.clone(),
            chain: Chain::parse(&served.body)?,
            identities: list("supported_identities").iter().filter_map(pair).collect(),
            erases: list("supported_subject_request_types").iter().any(|kind| kind == "erasure"),
            fetched_at: at,
        })
    }
}

/// What the policy says of a processor, with what lies in its files.
pub(super) fn processor(destination: &Destination) -> Result<Processor<'_>, Trouble> {
    let Way::OpenDsr { url, token_file, ca_file } = &destination.erasure.way else { return Err(Trouble::Never("no_address")) };
    let token = token_file.as_deref().map(token).transpose()?;
    let authorities = match ca_file {
        None => Authorities::of_this_machine(),
        Some(path) => Authorities::in_file(Path::new(path)).map_err(|error| {
            tracing::warn!(destination = destination.id, %error, "the authorities of a recipient cannot be read");
            Trouble::Later("ca_file")
        })?,
    };
    let host = egress::host(url).ok_or(Trouble::Never("egress"))?;
    Ok(Processor { destination, url, host, token, authorities })
}

/// The token in a file.
fn token(path: &str) -> Result<String, Trouble> {
    read_token(path).ok_or(Trouble::Later("token_file"))
}

/// The token in a file, if there is one that can stand in a header.
pub(in crate::rights) fn read_token(path: &str) -> Option<String> {
    let meta = std::fs::metadata(path).ok().filter(|meta| meta.is_file() && meta.len() <= TOKEN_BYTES_MAX)?;
    let text = std::fs::read_to_string(path).ok()?;
    let token = text.trim();
    let fits = meta.len() > 0 && !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    if !fits {
        tracing::warn!("a token file holds no token");
    }
    fits.then(|| token.to_owned())
}
