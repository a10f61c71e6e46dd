//! Encryption of the connection, by the rules of Argo Events' `TLSConfig`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Tls;
use crate::{BoxError, Error};

/// The client's side of TLS. `None` trusts any server: Argo Events' own bus encrypts with
/// certificates of an authority that it tells nobody about.
///
/// # Errors
/// If a certificate or key is not PEM, or they do not fit.
pub fn client_config(tls: Option<&Tls>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|err| invalid("TLS protocol versions", err))?;
    let Some(tls) = tls.filter(|tls| !tls.insecure_skip_verify) else {
        // As in Argo Events, who skips verification shows no certificate either.
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
            .with_no_client_auth());
    };
    let roots = match &tls.authorities {
        Some(pem) => authorities(pem)?,
        None => system_authorities(),
    };
    let builder = builder.with_root_certificates(roots);
    let Some(identity) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.as_bytes())
        .map_err(|err| invalid("the client's private key is not PEM", err))?;
    builder
        .with_client_auth_cert(certificates(&identity.certificates)?, key)
        .map_err(|err| invalid("the client's certificate and key do not fit", err))
}

fn authorities(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots
            .add(certificate)
            .map_err(|err| invalid("a CA certificate is not usable", err))?;
    }
    if roots.is_empty() {
        return Err(invalid("the CA certificate", "there is none in the text"));
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

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|err| invalid("a certificate is not PEM", err))
}

fn invalid(message: &str, source: impl Into<BoxError>) -> Error {
    Error::Configuration {
        message: message.to_owned(),
        source: Some(source.into()),
    }
}

/// Accepts any certificate whose key signed this very handshake.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
