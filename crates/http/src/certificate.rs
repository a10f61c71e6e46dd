//! The certificate that a port shows; it may change while connections come.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate(RwLock<Arc<CertifiedKey>>);

/// Why a certificate and a key cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no certificate in the text.
    #[error("read the certificate: the text holds none")]
    NoCertificate,
    /// The certificate is not PEM.
    #[error("read the certificate")]
    Certificate(#[source] pem::Error),
    /// The key is not PEM, or of no known kind.
    #[error("read the private key")]
    Key(#[source] pem::Error),
    /// They do not belong together.
    #[error("use the certificate with its private key")]
    Mismatch(#[source] rustls::Error),
}

impl Certificate {
    /// Begins with a certificate.
    pub fn new(certificate: CertifiedKey) -> Self {
        Self(RwLock::new(Arc::new(certificate)))
    }

    /// Shows another one to those who come from here on.
    pub fn replace(&self, certificate: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
    }

    /// Reads a chain of certificates and their key, both in PEM.
    ///
    /// # Errors
    /// If they are none, or do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(CertificateError::Certificate)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(CertificateError::Mismatch)
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

/// Accepts connections over TLS 1.2 and 1.3.
pub(crate) fn acceptor(certificate: Arc<Certificate>) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn only_a_certificate_with_its_own_key_is_shown() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        Certificate::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        for (certificate, key, why) in [
            (
                "",
                key.as_str(),
                "read the certificate: the text holds none",
            ),
            (&certificate, "", "read the private key"),
            (
                &certificate,
                &other,
                "use the certificate with its private key",
            ),
        ] {
            let refused = Certificate::from_pem(certificate.as_bytes(), key.as_bytes());
            assert_eq!(refused.unwrap_err().to_string(), why);
        }
    }
}
