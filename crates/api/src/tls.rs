//! TLS of connections to other servers.

use crate::given::{Given, object};
use crate::secret::SecretKeySelector;

object! {
    /// How a connection is encrypted and who is trusted.
    pub struct TlsConfig {
        /// CA certificates (PEM) that replace the system's.
        #[serde(rename = "caCertSecret")]
        ca_cert_secret: Option<SecretKeySelector>,
        /// Certificate (PEM) to show to the server; needs `clientKeySecret`.
        client_cert_secret: Option<SecretKeySelector>,
        /// Private key (PEM) of the certificate; needs `clientCertSecret`.
        client_key_secret: Option<SecretKeySelector>,
        /// The server's certificate is not checked, and everything else here is ignored. Default: false.
        insecure_skip_verify: Given<bool>,
        /// TLS without own certificates, by the system's CAs. Default: false.
        enabled: Given<bool>,
    }
}

/// What a [`TlsConfig`] asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TlsMode<'a> {
    /// Encrypted, but the server may be anybody.
    SkipVerify,
    /// The server is checked.
    Verify {
        /// CAs instead of the system's.
        ca: Option<&'a SecretKeySelector>,
        /// Certificate and key of the client.
        client: Option<(&'a SecretKeySelector, &'a SecretKeySelector)>,
    },
}

/// Why a [`TlsConfig`] cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Nothing is set.
    #[error("nothing is set: set enabled, caCertSecret or insecureSkipVerify")]
    Empty,
    /// A certificate without a key, or the other way round.
    #[error("clientCertSecret and clientKeySecret have to be set together")]
    HalfKeyPair,
}

impl TlsConfig {
    /// What is asked for.
    ///
    /// # Errors
    /// If nothing is set, or one half of certificate and key.
    pub fn mode(&self) -> Result<TlsMode<'_>, TlsError> {
        if *self.insecure_skip_verify {
            return Ok(TlsMode::SkipVerify);
        }
        let ca = self.ca_cert_secret.as_ref();
        match (&self.client_cert_secret, &self.client_key_secret) {
            (Some(cert), Some(key)) => Ok(TlsMode::Verify {
                ca,
                client: Some((cert, key)),
            }),
            (None, None) if ca.is_some() || *self.enabled => {
                Ok(TlsMode::Verify { ca, client: None })
            }
            (None, None) => Err(TlsError::Empty),
            _ => Err(TlsError::HalfKeyPair),
        }
    }
}

/// True if one of some URLs, parted by commas, asks for an encrypted connection to a server that is
/// verified: without settings, too.
pub fn asks_for_tls(urls: &str) -> bool {
    let mut urls = urls.split(',').map(str::trim);
    urls.any(|url| url.starts_with("tls://") || url.starts_with("wss://"))
}
