//! Reads certificates in PEM.

use jiff::Timestamp;
use rcgen::KeyPair;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// The line that ends a certificate.
const END: &str = "-----END CERTIFICATE-----";

/// What is looked at of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// The names, as they are encoded.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    /// The host names that it is valid for.
    pub(super) hosts: Vec<String>,
}

impl Parsed {
    /// Reads the first certificate of a text.
    pub(super) fn read(pem: &str) -> Option<Self> {
        let (_, block) = parse_x509_pem(pem.as_bytes()).ok()?;
        let certificate = block.parse_x509().ok()?;
        let time = |seconds: i64| Timestamp::from_second(seconds).ok();
        let names = certificate.subject_alternative_name().ok()?;
        let hosts = names.iter().flat_map(|names| &names.value.general_names);
        let hosts = hosts.filter_map(|name| match name {
            GeneralName::DNSName(host) => Some((*host).to_owned()),
            _ => None,
        });
        Some(Self {
            not_before: time(certificate.validity().not_before.timestamp())?,
            not_after: time(certificate.validity().not_after.timestamp())?,
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
            hosts: hosts.collect(),
        })
    }

    /// When two thirds of its life are over.
    pub(super) fn renew_at(&self) -> Timestamp {
        let (from, to) = (self.not_before.as_second(), self.not_after.as_second());
        Timestamp::from_second(from + (to - from) / 3 * 2).unwrap_or(self.not_after)
    }
}

/// The certificates of a text, each as a text of its own.
pub(super) fn certificates(bundle: &str) -> impl Iterator<Item = String> {
    let texts = bundle.split_inclusive(END);
    texts
        .filter(|text| text.trim_end().ends_with(END))
        .map(|text| format!("{}\n", text.trim()))
}

/// The certificates that are still valid. What is no certificate is left out, too: a server would
/// refuse to start with it.
pub(super) fn without_expired(bundle: &str, now: Timestamp) -> String {
    let is_valid = |pem: &String| Parsed::read(pem).is_some_and(|parsed| parsed.not_after > now);
    certificates(bundle).filter(is_valid).collect()
}

/// True if the authority signed the certificate, by what the certificate says.
pub(super) fn is_issued_by(pem: &str, authority: &Parsed) -> bool {
    Parsed::read(pem).is_some_and(|leaf| leaf.issuer == authority.subject)
}

/// True if the key is the certificate's, as far as can be known: keys of other kinds than ours are
/// taken at their word.
pub(super) fn fits(certificate: &Parsed, key: &str) -> bool {
    match KeyPair::from_pem(key) {
        Ok(key) => key.public_key_raw() == certificate.public_key,
        Err(_) => key.contains("-----BEGIN RSA PRIVATE KEY-----"),
    }
}
