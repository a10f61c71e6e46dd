//! A certificate authority for one run, with a server's and a client's certificate.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::Scratch;

/// Certificates and keys in PEM. The server's is valid for `localhost` and `127.0.0.1` if nothing else is said.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The certificate of the authority that signed the others.
    pub authority: String,
    /// What a server shows to its clients, and to other servers.
    pub server: KeyedCertificate,
    /// What a client shows to a server that asks for it.
    pub client: KeyedCertificate,
}

/// A certificate and its private key, both in PEM.
#[derive(Clone, Debug)]
pub struct KeyedCertificate {
    /// The certificate.
    pub certificate: String,
    /// The PKCS #8 private key.
    pub key: String,
}

impl Certificates {
    /// Makes an authority and what it signs.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> anyhow::Result<Self> {
        Self::generate_for(&["localhost", "127.0.0.1"])
    }

    /// The same, with a server of other names.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate_for(hosts: &[&str]) -> anyhow::Result<Self> {
        Self::generate_until(hosts, None)
    }

    /// The same, with a server whose certificate was valid until the end of 2020.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate_expired() -> anyhow::Result<Self> {
        Self::generate_until(&["localhost", "127.0.0.1"], Some(2020))
    }

    fn generate_until(hosts: &[&str], last_year: Option<i32>) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = common_name("tiphys testbed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)
            .context("make a certificate authority")?;
        // NATS servers are clients of one another on their routes: theirs serves both ends.
        let both = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let client = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(Self {
            authority: authority.pem(),
            server: sign(&authority, "server", hosts, both, last_year)?,
            client: sign(&authority, "client", &[], client, None)?,
        })
    }

    /// Writes them as `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.
    pub(crate) fn write_into(&self, scratch: &Scratch) -> anyhow::Result<()> {
        let Self {
            authority,
            server,
            client,
        } = self;
        for (name, content) in [
            ("ca.pem", authority),
            ("server.pem", &server.certificate),
            ("server.key", &server.key),
            ("client.pem", &client.certificate),
            ("client.key", &client.key),
        ] {
            scratch.write(name, content)?;
        }
        Ok(())
    }
}

fn sign(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    hosts: &[&str],
    usages: Vec<ExtendedKeyUsagePurpose>,
    last_year: Option<i32>,
) -> anyhow::Result<KeyedCertificate> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = common_name(name);
    params.extended_key_usages = usages;
    if let Some(year) = last_year {
        params.not_after = date_time_ymd(year, 12, 31);
    }
    let key = KeyPair::generate()?;
    let certificate = params
        .signed_by(&key, authority)
        .with_context(|| format!("sign the certificate of the {name}"))?;
    Ok(KeyedCertificate {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
