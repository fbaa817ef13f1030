//! Statements that outsiders can check: JSON Web Signatures (RFC 7515) with Ed25519 (RFC 8037), the algorithm of `ring`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Error;
use super::keys::{Folder, Secret};
use crate::clock::Chance;

/// The key that signs.
pub struct Signer {
    key: EncodingKey,
    public: Vec<u8>,
    /// The thumbprint of the public key (RFC 7638).
    kid: String,
    /// Public keys that signed before.
    retired: Vec<Value>,
}

/// The public keys of signing keys that are no more, as a JSON Web Key Set.
const RETIRED: &str = "signing.retired.json";
const FILE: &str = "signing.key";
const NEXT: &str = "signing.next.key";

/// Puts a new signing key in the place of the present one. Its public key stays, so that what it signed can still be checked; its private
/// one is gone. A running gateway takes the new one at its next start.
///
/// # Errors
/// What the disk says; then it can be done again.
pub fn rotate_signing(keys: &Path, chance: &Chance) -> Result<String, Error> {
    let folder = Folder::open(keys)?;
    let present = Signer::open(&folder, chance)?;
    folder.write_text(RETIRED, &present.jwks().to_string())?;
    let next = match folder.read(NEXT)? {
        Some(begun) => begun,
        None => folder.create(NEXT, chance)?,
    };
    let kid = Signer::new(&next, Vec::new())?.kid;
    folder.rename(NEXT, FILE)?;
    Ok(kid)
}

impl Signer {
    /// Reads the key, or makes it when it is missing.
    pub(super) fn open(folder: &Folder, chance: &Chance) -> Result<Self, Error> {
        let secret = match folder.read(FILE)? {
            Some(secret) => secret,
            None => folder.create(FILE, chance)?,
        };
        let retired = match folder.read_text(RETIRED)? {
            None => Vec::new(),
            Some(text) => {
                let set: Option<Value> = serde_json::from_str(&text).ok();
                let keys = set.as_ref().and_then(|set| set.get("keys")).and_then(Value::as_array);
                keys.cloned().ok_or_else(|| Error::NotAKey { path: folder.path(RETIRED) })?
            }
        };
        Self::new(&secret, retired)
    }

    fn new(secret: &Secret, mut retired: Vec<Value>) -> Result<Self, Error> {
        install();
        let seed = secret.derive("pforte/v1/signing")?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.bytes()).map_err(|_rejected| Error::Unreadable)?;
        let public = pair.public_key().as_ref().to_vec();
        let kid = thumbprint(&public);
        retired.retain(|key| key.get("kid").and_then(Value::as_str) != Some(kid.as_str()));
        Ok(Self { kid, key: EncodingKey::from_ed_der(seed.bytes()), public, retired })
    }

    /// The statement in compact form; `kind` says what it is (`typ`).
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it is no JSON.
    pub fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<String, Error> {
        let header = Header { typ: Some(kind.to_owned()), kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_refused| Error::Unreadable)
    }

    /// The public keys, the present one first, as a JSON Web Key Set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(&self.public);
        let present = json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": x});
        let keys: Vec<&Value> = std::iter::once(&present).chain(&self.retired).collect();
        json!({"keys": keys})
    }
}

/// Why a statement does not hold. It never repeats what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It is not a signed statement at all.
    #[error("this is not a signed statement (JWS, compact form)")]
    Form,
    /// It is a signed statement of another kind.
    #[error("this is a signed statement about something else")]
    Kind,
    /// None of the public keys made it.
    #[error("none of these public keys has signed it")]
    UnknownKey,
    /// It was changed after it had been signed.
    #[error("the signature does not fit: it was changed, or somebody else has signed it")]
    Signature,
}

/// Checks a statement with public keys alone, and returns what it says.
///
/// # Errors
/// Why it does not hold.
pub fn verify<T: DeserializeOwned>(statement: &str, kind: &str, jwks: &Value) -> Result<T, Doubt> {
    install();
    let header = jsonwebtoken::decode_header(statement).map_err(|_malformed| Doubt::Form)?;
    if header.typ.as_deref() != Some(kind) {
        return Err(Doubt::Kind);
    }
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    let named = |key: &&Value| key.get("kid").and_then(Value::as_str) == header.kid.as_deref();
    let key =
        keys.filter(|key| key.get("crv").and_then(Value::as_str) == Some("Ed25519")).find(named).ok_or(Doubt::UnknownKey)?;
    let x = key.get("x").and_then(Value::as_str).and_then(|x| URL_SAFE_NO_PAD.decode(x).ok()).ok_or(Doubt::UnknownKey)?;
    read(statement, &DecodingKey::from_ed_der(&x), Algorithm::EdDSA)
}

/// The one algorithm and the one key by which somebody's statements are checked. What a statement itself says about either is not asked.
#[derive(Clone)]
pub enum Pin {
    /// `EdDSA` with a public key: 32 bytes.
    EdDsa(Vec<u8>),
    /// `HS256` with a secret that both sides have.
    Hs256(Vec<u8>),
}

/// Checks what somebody else has signed, and returns what it says. Times, audience and the like are the caller's to check.
///
/// # Errors
/// Why it does not hold.
pub fn verify_pinned<T: DeserializeOwned>(statement: &str, pin: &Pin) -> Result<T, Doubt> {
    install();
    let (algorithm, key) = match pin {
        Pin::EdDsa(public) => (Algorithm::EdDSA, DecodingKey::from_ed_der(public)),
        Pin::Hs256(secret) => (Algorithm::HS256, DecodingKey::from_secret(secret)),
    };
    read(statement, &key, algorithm)
}

fn read<T: DeserializeOwned>(statement: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<T, Doubt> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let data = jsonwebtoken::decode::<T>(statement, key, &validation);
    let doubt =
        |error: JwtError| if matches!(error.kind(), ErrorKind::InvalidSignature) { Doubt::Signature } else { Doubt::Form };
    data.map(|data| data.claims).map_err(doubt)
}

/// RFC 7638: SHA-256 of the required members in their order.
fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// `jsonwebtoken` does the format and `ring` the algorithms: `EdDSA` for what we sign, and `HS256` besides for what is checked by a pin.
fn install() {
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| {
            only_ed25519(*algorithm)?;
            Ok(Box::new(Ed25519Signer(pair(key.as_bytes())?)))
        },
        verifier_factory: |algorithm, key| {
            let bytes = key.try_get_as_bytes()?;
            if *algorithm == Algorithm::HS256 {
                return Ok(Box::new(HmacVerifier(hmac::Key::new(hmac::HMAC_SHA256, bytes))));
            }
            only_ed25519(*algorithm)?;
            Ok(Box::new(Ed25519Verifier(bytes.to_vec())))
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    // It fails when it was installed before, by ourselves.
    _ = RING.install_default();
}

fn only_ed25519(algorithm: Algorithm) -> Result<(), JwtError> {
    if algorithm == Algorithm::EdDSA { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

fn pair(seed: &[u8]) -> Result<Ed25519KeyPair, JwtError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_rejected| ErrorKind::InvalidKeyFormat.into())
}

struct Ed25519Signer(Ed25519KeyPair);

impl signature::Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(Vec<u8>);

impl signature::Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        key.verify(message, signature).map_err(|ring::error::Unspecified| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct HmacVerifier(hmac::Key);

impl signature::Verifier<Vec<u8>> for HmacVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|ring::error::Unspecified| signature::Error::new())
    }
}

impl JwtVerifier for HmacVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(n: u8) -> Signer {
        Signer::new(&Secret::new([n; 32]), Vec::new()).unwrap()
    }

    #[test]
    fn what_is_signed_is_checked_with_the_public_key_alone() {
        let (ours, theirs) = (signer(1), signer(2));
        let said = json!({"recipients": [{"name": "partner", "state": "confirmed"}]});
        let signed = ours.sign("erasure+jwt", &said).unwrap();
        assert_eq!(verify::<Value>(&signed, "erasure+jwt", &ours.jwks()), Ok(said));
        assert_eq!(verify::<Value>(&signed, "other+jwt", &ours.jwks()), Err(Doubt::Kind));
        assert_eq!(verify::<Value>(&signed, "erasure+jwt", &theirs.jwks()), Err(Doubt::UnknownKey));
        let mut forged = theirs.jwks();
        forged["keys"][0]["kid"] = ours.jwks()["keys"][0]["kid"].clone();
        assert_eq!(verify::<Value>(&signed, "erasure+jwt", &forged), Err(Doubt::Signature));
        for length in 0..signed.len() {
            assert!(verify::<Value>(&signed[..length], "erasure+jwt", &ours.jwks()).is_err(), "cut to {length}");
        }
        let parts: Vec<&str> = signed.split('.').collect();
        let other = URL_SAFE_NO_PAD.encode(br#"{"recipients":[]}"#);
        assert_eq!(
            verify::<Value>(&format!("{}.{other}.{}", parts[0], parts[2]), "erasure+jwt", &ours.jwks()),
            Err(Doubt::Signature)
        );
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"erasure+jwt"}"#);
        assert!(verify::<Value>(&format!("{none}.{}.", parts[1]), "erasure+jwt", &ours.jwks()).is_err());
    }

    /// What a statement says about its own algorithm and key does not count: only the pin does.
    #[test]
    fn a_pinned_key_is_good_for_its_own_algorithm_alone() {
        let ours = signer(1);
        let said = json!({"sub": "erika"});
        let signed = ours.sign("JWT", &said).unwrap();
        let public = ours.public.clone();
        assert_eq!(verify_pinned::<Value>(&signed, &Pin::EdDsa(public.clone())), Ok(said.clone()));
        assert_eq!(verify_pinned::<Value>(&signed, &Pin::EdDsa(signer(2).public)), Err(Doubt::Signature));
        let by_hand = |alg: &str, secret: Option<&[u8]>| {
            let head = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT"}).to_string());
            let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(said.to_string()));
            let tag = secret.map(|secret| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()));
            format!("{message}.{}", tag.map_or_else(String::new, |tag| URL_SAFE_NO_PAD.encode(tag)))
        };
        let shared = by_hand("HS256", Some(b"a secret of both sides"));
        assert_eq!(verify_pinned::<Value>(&shared, &Pin::Hs256(b"a secret of both sides".to_vec())), Ok(said.clone()));
        assert_eq!(verify_pinned::<Value>(&shared, &Pin::Hs256(b"another".to_vec())), Err(Doubt::Signature));
        // The public key as a secret, no algorithm at all, others' algorithms.
        for forged in [
            by_hand("HS256", Some(&public)),
            by_hand("EdDSA", Some(&public)),
            by_hand("none", None),
            by_hand("None", None),
            by_hand("HS512", Some(b"a secret of both sides")),
            by_hand("RS256", Some(&public)),
        ] {
            assert!(verify_pinned::<Value>(&forged, &Pin::EdDsa(public.clone())).is_err(), "{forged}");
            assert!(verify_pinned::<Value>(&forged, &Pin::Hs256(b"a secret of both sides".to_vec())).is_err(), "{forged}");
        }
        assert!(verify_pinned::<Value>(&signed, &Pin::Hs256(public)).is_err());
    }

    #[test]
    fn what_an_earlier_key_signed_still_holds() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Folder::open(&folder.path().join("keys")).unwrap();
        let signer = || Signer::open(&keys, &Chance::system()).unwrap();
        let mut signed = Vec::new();
        for n in 0..3 {
            signed.push(signer().sign("t", &json!({"n": n})).unwrap());
            let before = signer().kid;
            let kid = rotate_signing(&folder.path().join("keys"), &Chance::system()).unwrap();
            assert!(kid != before && signer().kid == kid);
        }
        let jwks = signer().jwks();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 4);
        for (n, statement) in signed.iter().enumerate() {
            assert_eq!(verify::<Value>(statement, "t", &jwks), Ok(json!({"n": n})));
        }
    }

    /// The key pair and thumbprint of RFC 8037, appendices A.1 to A.3.
    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
