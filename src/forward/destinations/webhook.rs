//! An HTTP webhook: one event a request, signed as Standard Webhooks say, over connections that are kept.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;

use crate::clock::Millis;
use crate::egress::Outlet;
use crate::forward::backoff;
use crate::policy::Destination;
use crate::vault::{self, Vault};

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) enum Answered {
    /// 2xx.
    Taken,
    /// The destination will never take it, for this reason.
    Refused(&'static str),
    /// It may take it later.
    Failed(&'static str),
    /// It wants to be left alone until then.
    Wait(Millis),
}

/// Calls one URL.
pub(in crate::forward) struct Webhook {
    outlet: Outlet,
    vault: Arc<Vault>,
    domain: String,
    id: String,
}

/// The secrets that signatures are made with, the present one first: derived under the keys of the destination's domain, so they are
/// not stored.
pub(in crate::forward) fn secrets(vault: &Vault, domain: &str, id: &str) -> Result<Vec<Vec<u8>>, vault::Error> {
    let domain = vault.domain(domain)?;
    let secret = |keyed: String| URL_SAFE_NO_PAD.decode(&keyed).unwrap_or_else(|_no_base64| keyed.into_bytes());
    Ok(domain.keyed_all("webhook-secret", id).map(secret).collect())
}

/// The secret as Standard Webhooks write it, to be given to the receiver.
pub(in crate::forward) fn written(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

impl Webhook {
    pub(in crate::forward) fn new(outlet: Outlet, vault: &Arc<Vault>, destination: &Destination) -> Self {
        Self { outlet, vault: Arc::clone(vault), domain: destination.domain.clone(), id: destination.id.clone() }
    }

    /// Sends a signed message. `delivery` is the same for every try of it.
    pub(in crate::forward) async fn post(&self, delivery: String, body: Vec<u8>, at: Millis) -> Answered {
        let timestamp = (at / 1000).to_string();
        // Asked for each time: the key of the domain may have changed.
        let Ok(secrets) = secrets(&self.vault, &self.domain, &self.id) else { return Answered::Failed("vault") };
        let headers = [
            ("content-type", String::from("application/json")),
            ("webhook-signature", sign(&secrets, &[delivery.as_bytes(), b".", timestamp.as_bytes(), b".", &body])),
            ("webhook-timestamp", timestamp),
            ("webhook-id", delivery.clone()),
            ("idempotency-key", delivery),
        ];
        match self.outlet.post(&headers, body).await {
            Ok(answer) => judge(answer.status, answer.retry_after.as_deref(), at),
            Err(failure) => Answered::Failed(failure.code()),
        }
    }
}

/// Standard Webhooks 1.0: `v1,` and the MAC over `id.timestamp.body`; one for each secret that holds, with spaces between.
fn sign(secrets: &[Vec<u8>], said: &[&[u8]]) -> String {
    let one = |secret: &Vec<u8>| {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
        said.iter().for_each(|part| mac.update(part));
        format!("v1,{}", STANDARD.encode(mac.sign()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What an answer means. Redirects are not followed and count as failures: the URL in the policy is the one that was agreed.
fn judge(status: u16, retry_after: Option<&str>, at: Millis) -> Answered {
    let wait = retry_after.and_then(|header| backoff::retry_after(header, at));
    match (status, wait) {
        (200..=299, _) => Answered::Taken,
        (429 | 503, Some(until)) => Answered::Wait(until),
        (408, _) => Answered::Failed("http_408"),
        (425, _) => Answered::Failed("http_425"),
        (429, _) => Answered::Failed("http_429"),
        (400, _) => Answered::Refused("http_400"),
        (401 | 403, _) => Answered::Refused("http_401_403"),
        (404 | 410, _) => Answered::Refused("http_404_410"),
        (413, _) => Answered::Refused("http_413"),
        (422, _) => Answered::Refused("http_422"),
        (400..=499, _) => Answered::Refused("http_4xx"),
        (300..=399, _) => Answered::Failed("http_3xx"),
        (500..=599, _) => Answered::Failed("http_5xx"),
        _ => Answered::Failed("http_other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(judge(204, None, 0), Answered::Taken);
        assert_eq!(judge(400, None, 0), Answered::Refused("http_400"));
        assert_eq!(judge(418, Some("5"), 0), Answered::Refused("http_4xx"));
        for again in [302, 408, 425, 429, 500, 503, 599] {
            assert!(matches!(judge(again, None, 0), Answered::Failed(_)), "{again}");
        }
        assert_eq!(judge(429, Some("2"), 0), Answered::Wait(2000));
        assert_eq!(judge(503, Some("2"), 0), Answered::Wait(2000));
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the specification's reference libraries.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let said: [&[u8]; 5] = [b"msg_p5jXN8AQM9LWM0D4loKWxJek", b".", b"1614265330", b".", br#"{"test": 2432232314}"#];
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(std::slice::from_ref(&secret), &said), expected);
        let both = sign(&[b"another".to_vec(), secret.clone()], &said);
        assert_eq!(both.split(' ').map(|one| one == expected).collect::<Vec<_>>(), [false, true]);
        assert_eq!(written(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
}
