//! `[source.sign_in]`: how a website says to the portal who is signed in there: by statements (JWT) under one algorithm and one key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use toml::Spanned;

use super::finding::Findings;
use super::raw::{RawSource, Text};

/// How many bytes a public key has.
const KEY_BYTES: usize = 32;

/// The algorithm and key by which a source's statements are checked, and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// `EdDSA` with this public key.
    EdDsa(Vec<u8>),
    /// `HS256` with a secret that the gateway makes, so that none stands in a policy.
    Hs256,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignIn {
    algorithm: Spanned<String>,
    key: Option<Spanned<String>>,
}

fn public_key(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|key| key.len() == KEY_BYTES)
}

pub(super) fn lint(from: &Text, source: &RawSource, findings: &mut Findings) {
    let Some(RawSignIn { algorithm, key }) = &source.sign_in else { return };
    let key_text = key.as_ref().map(|key| key.as_ref().as_str());
    let span = key.as_ref().map_or_else(|| algorithm.span(), Spanned::span);
    match (algorithm.as_ref().as_str(), key_text) {
        ("EdDSA", Some(text)) if public_key(text).is_some() => {}
        ("EdDSA", _) => {
            let words = ("EdDSA needs the public key: 32 bytes, base64url without padding", "write the `x` of the key's JWK");
            findings.error(from, span, "sign-in", words);
        }
        ("HS256", None) => {}
        ("HS256", Some(_)) => {
            let words = ("the secret for HS256 is made by the gateway and stands in no policy", "remove `key`; docs/portal.md");
            findings.error(from, span, "sign-in", words);
        }
        (other, _) => {
            let message = format!("statements are signed by EdDSA or HS256, not by `{other}`");
            findings.error(from, algorithm.span(), "sign-in", (message, "use EdDSA if you can"));
        }
    }
}

pub(super) fn compile(raw: &RawSource) -> Option<SignIn> {
    let RawSignIn { algorithm, key } = raw.sign_in.as_ref()?;
    match algorithm.as_ref().as_str() {
        "HS256" => Some(SignIn::Hs256),
        _ => public_key(key.as_ref()?.as_ref()).map(SignIn::EdDsa),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(table: &str) -> String {
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let folder = tempfile::tempdir().unwrap();
        for name in ["controller", "purposes", "identifiers", "destinations", "routes"] {
            std::fs::copy(shipped.join(format!("{name}.toml")), folder.path().join(format!("{name}.toml"))).unwrap();
        }
        std::fs::create_dir(folder.path().join("notices")).unwrap();
        let source = format!("[[source]]\nid = \"web\"\nkind = \"website\"\nwrite_key = \"wk_web\"\n{table}");
        std::fs::write(folder.path().join("sources.toml"), source).unwrap();
        let findings = crate::policy::load(folder.path()).err().unwrap_or_default();
        findings.iter().map(ToString::to_string).filter(|line| line.contains("sign-in")).collect()
    }

    #[test]
    fn one_algorithm_with_what_it_needs_and_nothing_else() {
        let key = URL_SAFE_NO_PAD.encode([7; 32]);
        assert_eq!(found(&format!("[source.sign_in]\nalgorithm = \"EdDSA\"\nkey = \"{key}\"\n")), "");
        assert_eq!(found("[source.sign_in]\nalgorithm = \"HS256\"\n"), "");
        for wrong in [
            String::from("algorithm = \"EdDSA\""),
            format!("algorithm = \"EdDSA\"\nkey = \"{}\"", &key[1..]),
            String::from("algorithm = \"HS256\"\nkey = \"geheim\""),
            String::from("algorithm = \"none\""),
            String::from("algorithm = \"RS256\""),
        ] {
            assert!(found(&format!("[source.sign_in]\n{wrong}\n")).contains("sources.toml"), "{wrong}");
        }
    }
}
