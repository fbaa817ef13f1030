//! A key that a certificate stands behind: what answers of the `OpenDSR` processor are signed with (RSA, PKCS #1 v1.5, SHA-256). Both come
//! from the operator: an authority outside has to issue the certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use super::Error;
use super::keys::{Folder, only_ours};

const KEY: &str = "opendsr.key";
const CERTIFICATE: &str = "opendsr.crt";

/// A key with its certificate.
pub struct Certified {
    pair: RsaKeyPair,
    pem: String,
    certificate: CertificateDer<'static>,
}

impl Certified {
    /// Reads key and certificate; `None` if neither is there.
    pub(super) fn open(folder: &Folder) -> Result<Option<Self>, Error> {
        let unfit = |name: &str, reason: &'static str| Error::Certificate { path: folder.path(name), reason };
        let (path, pem) = (folder.path(KEY), folder.read_text(CERTIFICATE)?);
        let pem = match (path.exists(), pem) {
            (false, None) => return Ok(None),
            (true, Some(pem)) => pem,
            (true, None) => return Err(unfit(CERTIFICATE, "is missing; it belongs to opendsr.key")),
            (false, Some(_)) => return Err(unfit(KEY, "is missing; it belongs to opendsr.crt")),
        };
        only_ours(&path)?;
        let bytes = Zeroizing::new(std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?);
        let pair = pair(&bytes).ok_or_else(|| unfit(KEY, "holds no RSA key of 2048 bits or more in PKCS #8 (PEM or DER)"))?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        let certificate = certificate.map_err(|_no_pem| unfit(CERTIFICATE, "holds no certificate in PEM"))?;
        let certified = Self { pair, pem, certificate };
        if certified.fits() { Ok(Some(certified)) } else { Err(unfit(CERTIFICATE, "is not the certificate of opendsr.key")) }
    }

    /// The certificate, and those that lead to its authority, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether it was issued for this host.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let cert = EndEntityCert::try_from(&self.certificate);
        let name = ServerName::try_from(host);
        cert.is_ok_and(|cert| name.is_ok_and(|name| cert.verify_is_valid_for_subject_name(&name).is_ok()))
    }

    /// The signature of these bytes, in base64.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the key cannot sign, which opening it would have shown.
    pub fn sign(&self, bytes: &[u8]) -> Result<String, Error> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature);
        signed.map_err(|_refused| Error::Unreadable)?;
        Ok(STANDARD.encode(signature))
    }

    fn fits(&self) -> bool {
        const PROBE: &[u8] = b"pforte";
        let signature = self.sign(PROBE).ok().and_then(|text| STANDARD.decode(text).ok());
        let Ok(cert) = EndEntityCert::try_from(&self.certificate) else { return false };
        signature.is_some_and(|s| cert.verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, PROBE, &s).is_ok())
    }
}

fn pair(bytes: &[u8]) -> Option<RsaKeyPair> {
    let is_pem = bytes.trim_ascii_start().starts_with(b"-----");
    if is_pem {
        let der = PrivatePkcs8KeyDer::from_pem_slice(bytes).ok()?;
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()
    } else {
        RsaKeyPair::from_pkcs8(bytes).ok()
    }
}
