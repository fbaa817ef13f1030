//! Whose certificate it is, who stands behind it, and whether a body was signed with it.
//!
//! Nothing is parsed before its signature holds. Certificates are looked at by `webpki` alone: chain, period, name. Revocation is not
//! asked about: the chain's authorities publish lists that nobody could fetch in time, and a certificate may be kept for an hour only.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::clock::Millis;

/// SHA-256 under FIPS 186-4: RSA as everybody does it, and the curve that is usual for certificates.
const SIGNED_WITH: [&dyn SignatureVerificationAlgorithm; 2] =
    [webpki::ring::RSA_PKCS1_2048_8192_SHA256, webpki::ring::ECDSA_P256_SHA256];

/// Why something signed is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    /// The certificate has expired, comes from nobody that is trusted, or is another host's.
    #[error("the certificate does not hold")]
    Certificate,
    /// The signature is missing or does not fit the body.
    #[error("the signature does not fit")]
    Signature,
}

impl Doubt {
    /// The reason, as a code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Signature => "signature",
        }
    }
}

/// Who may issue certificates.
#[derive(Clone, Debug)]
pub(super) struct Authorities(Arc<[TrustAnchor<'static>]>);

impl Authorities {
    /// Those that this machine trusts, as they were when somebody asked first.
    pub(super) fn of_this_machine() -> Self {
        static TRUSTED: LazyLock<Authorities> =
            LazyLock::new(|| Authorities::new(&rustls_native_certs::load_native_certs().certs));
        TRUSTED.clone()
    }

    /// Those in a file of PEM.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn in_file(path: &Path) -> std::io::Result<Self> {
        let pem = std::fs::read(path)?;
        let certs: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        Ok(Self::new(&certs))
    }

    fn new(certs: &[CertificateDer<'_>]) -> Self {
        Self(certs.iter().filter_map(|cert| Some(anchor_from_trusted_cert(cert).ok()?.to_owned())).collect())
    }
}

/// A certificate with those that lead to its authority, as it was served.
#[derive(Clone, Debug)]
pub(super) struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Reads PEM, or a single certificate in DER.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Doubt> {
        let certs: Vec<CertificateDer<'static>> = if bytes.trim_ascii_start().starts_with(b"-----") {
            CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|_no_pem| Doubt::Certificate)?
        } else {
            vec![CertificateDer::from(bytes.to_vec())]
        };
        if certs.is_empty() { Err(Doubt::Certificate) } else { Ok(Self(certs)) }
    }

    /// Whether the certificate is this host's, holds at this time, and comes from one of the authorities.
    pub(super) fn check(&self, host: &str, at: Millis, authorities: &Authorities) -> Result<(), Doubt> {
        let doubt = |_no: webpki::Error| Doubt::Certificate;
        let cert = self.end()?;
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(u64::try_from(at).unwrap_or(0)));
        let between = self.0.get(1..).unwrap_or_default();
        let usage = KeyUsage::server_auth();
        cert.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &authorities.0, between, now, usage, None, None).map_err(doubt)?;
        let name = ServerName::try_from(host).map_err(|_no_name| Doubt::Certificate)?;
        cert.verify_is_valid_for_subject_name(&name).map_err(doubt)
    }

    /// Whether the body was signed with the certificate's key. `signature` is base64, perhaps with line breaks.
    pub(super) fn has_signed(&self, body: &[u8], signature: &str) -> Result<(), Doubt> {
        let compact: String = signature.split_ascii_whitespace().collect();
        let signature = STANDARD.decode(compact).map_err(|_no_base64| Doubt::Signature)?;
        let cert = self.end()?;
        let fits = SIGNED_WITH.iter().any(|algorithm| cert.verify_signature(*algorithm, body, &signature).is_ok());
        if fits { Ok(()) } else { Err(Doubt::Signature) }
    }

    fn end(&self) -> Result<EndEntityCert<'_>, Doubt> {
        let first = self.0.first().ok_or(Doubt::Certificate)?;
        EndEntityCert::try_from(first).map_err(|_no_certificate| Doubt::Certificate)
    }
}
