//! Encryption of a connection, by the rules of Argo Events' `TLSConfig`.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;

use crate::SettingsError;

/// What is wrong with a certificate, if that is what failed. The words do not change with time.
pub(crate) fn certificate_fault(error: &rustls::Error) -> Option<String> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let rustls::Error::InvalidCertificate(fault) = error else {
        return None;
    };
    let date = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        time.to_string()
    };
    Some(match fault {
        ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}", date(not_after))
        }
        Expired => "the server's certificate has expired".to_owned(),
        NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid before {}",
            date(not_before)
        ),
        NotValidYet => "the server's certificate is not valid yet".to_owned(),
        UnknownIssuer => {
            "the server's certificate is not of an authority that is trusted".to_owned()
        }
        fault => format!("the server's certificate is not accepted: {fault}"),
    })
}

/// How to encrypt a connection.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust, as PEM, instead of the system's.
    pub authorities: Option<String>,
    /// Who to be.
    pub identity: Option<Identity>,
    /// Trust any server.
    pub insecure_skip_verify: bool,
    /// What the server's certificate has to be for, if not for the address: it is reached through
    /// something else.
    pub server_name: Option<String>,
}

/// A client certificate.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those that lead to its authority, as PEM.
    pub certificates: String,
    /// Its private key, as PEM.
    pub private_key: String,
}

impl Tls {
    /// A digest of everything that an encrypted connection depends on: a key of a cache, which holds
    /// no Secret.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update([u8::from(self.insecure_skip_verify)]);
        let identity = self.identity.as_ref();
        let parts = [
            self.authorities.as_deref(),
            identity.map(|identity| identity.certificates.as_str()),
            identity.map(|identity| identity.private_key.as_str()),
            self.server_name.as_deref(),
        ];
        for part in parts {
            digest.update([u8::from(part.is_some())]);
            digest.update(Sha256::digest(part.unwrap_or_default()));
        }
        digest.finalize().into()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities)
            .field("identity", &self.identity)
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("server_name", &self.server_name)
            .finish()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

/// The client's side of TLS. `None` trusts any server: Argo Events' own bus encrypts with
/// certificates of an authority that it tells nobody about.
///
/// # Errors
/// If a certificate or key is not PEM, or they do not fit.
pub fn client_config(tls: Option<&Tls>) -> Result<ClientConfig, SettingsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|err| SettingsError::caused("TLS protocol versions", err))?;
    let Some(tls) = tls.filter(|tls| !tls.insecure_skip_verify) else {
        // As in Argo Events, who skips verification shows no certificate either.
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier {
                provider,
                server: None,
            }))
            .with_no_client_auth());
    };
    let roots = match &tls.authorities {
        Some(pem) => authorities(pem)?,
        None => system_authorities(),
    };
    let builder = match &tls.server_name {
        Some(name) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::one_server(
                name, roots, provider,
            )?)),
        None => builder.with_root_certificates(roots),
    };
    let Some(identity) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.as_bytes())
        .map_err(|err| SettingsError::caused("the client's private key is not PEM", err))?;
    builder
        .with_client_auth_cert(certificates(&identity.certificates)?, key)
        .map_err(|err| SettingsError::caused("the client's certificate and key do not fit", err))
}

/// Encrypts connections.
///
/// # Errors
/// If a certificate or key is not PEM, or they do not fit.
pub fn connector(tls: &Tls) -> Result<TlsConnector, SettingsError> {
    client_config(Some(tls)).map(|config| TlsConnector::from(Arc::new(config)))
}

fn authorities(pem: &str) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots
            .add(certificate)
            .map_err(|err| SettingsError::caused("a CA certificate is not usable", err))?;
    }
    if roots.is_empty() {
        return Err(SettingsError::caused(
            "the CA certificate",
            "there is none in the text",
        ));
    }
    Ok(roots)
}

fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "Could not read some of the system's CA certificates");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|err| SettingsError::caused("a certificate is not PEM", err))
}

/// Accepts certificates for one name, whatever the address is; or any whose key signed this very
/// handshake.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// Who the server has to be, and who says so.
    server: Option<(ServerName<'static>, Arc<WebPkiServerVerifier>)>,
}

impl Verifier {
    fn one_server(
        name: &str,
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, SettingsError> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|err| SettingsError::caused("the name of the server", err))?;
        let roots = Arc::new(roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|err| SettingsError::caused("the CA certificate", err))?;
        Ok(Self {
            provider,
            server: Some((name, verifier)),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.server {
            Some((name, verifier)) => {
                verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
