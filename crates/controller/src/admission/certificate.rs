//! The certificate that the webhook shows to the API server, and the authority that signs it.
//!
//! Both are renewed when two thirds of their life are over. A new authority is published beside the old
//! one, so that whoever still shows a certificate of the old one is trusted to its end. When to renew
//! stands beside the certificates, in clear: nothing has to be parsed, and people can read it.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tiphys_http::Certificate;

use crate::{Error, name};

/// How long a certificate lives: Let's Encrypt's choice, too. Its renewal is tried for a month.
pub const LIFE: Duration = Duration::from_hours(90 * 24);

/// The authority lives so many times as long: ten years.
const AUTHORITY_LIVES: u32 = 40;

/// Clocks differ: certificates are valid a little earlier than they are made.
const BACKDATE: Duration = Duration::from_mins(5);

/// Whose certificates these are, for humans.
const ORGANISATION: &str = "tiphys";

/// Ends a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----\n";

/// A certificate, its authority, and when they are to be renewed. All in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// What the server shows.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Whom the API server trusts: the authority, and the one before it.
    pub authorities: String,
    /// The private key of the authority.
    pub authority_key: String,
    /// When the certificate is to be renewed.
    pub renew: Timestamp,
    /// When the authority is to be renewed.
    pub renew_authority: Timestamp,
}

/// What the certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The names and addresses of the server.
    pub hosts: Vec<String>,
    /// How long it lives.
    pub life: Duration,
}

// Keys are nobody's to read in a log.
impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material")
            .field("renew", &self.renew)
            .finish_non_exhaustive()
    }
}

impl Material {
    /// True until the certificate or its authority are to be renewed.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.renew && now < self.renew_authority
    }

    /// Where the API server sends reviews: a path that only they know who may read the Secret, or the
    /// registration.
    pub fn path(&self) -> String {
        let hash = name::hash(format!("reviews of {}", self.authority_key));
        format!("/reviews/{hash}")
    }

    /// What a TLS server shows, if certificate and key belong together.
    ///
    /// # Errors
    /// If they do not, or are none.
    pub fn certified_key(&self) -> Result<CertifiedKey, Error> {
        Certificate::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).map_err(unusable)
    }
}

/// Makes a certificate: by the authority of the previous one, or by a new one if that is old or lost.
///
/// # Errors
/// If the system has no randomness to give, or a host is no name.
pub fn issue(
    previous: Option<&Material>,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Material, Error> {
    let kept = previous.and_then(|previous| keep(previous, now));
    let (authority_key, authorities, renew_authority) = match kept {
        Some(kept) => kept,
        None => new_authority(previous, wanted.life, now)?,
    };
    let issuer = Issuer::new(authority_params(wanted.life, now), &authority_key);
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = CertificateParams::new(wanted.hosts.clone()).map_err(unusable)?;
    params.distinguished_name = name("events-webhook");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, wanted.life);
    let certificate = params.signed_by(&key, &issuer).map_err(unusable)?;
    Ok(Material {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        authorities,
        authority_key: authority_key.serialize_pem(),
        renew: two_thirds(now, wanted.life),
        renew_authority,
    })
}

type Authority = (KeyPair, String, Timestamp);

/// The authority of `previous`, if it is fresh and its key is there.
fn keep(previous: &Material, now: Timestamp) -> Option<Authority> {
    let key = KeyPair::from_pem(&previous.authority_key).ok()?;
    (now < previous.renew_authority)
        .then(|| (key, previous.authorities.clone(), previous.renew_authority))
}

fn new_authority(
    previous: Option<&Material>,
    life: Duration,
    now: Timestamp,
) -> Result<Authority, Error> {
    let key = KeyPair::generate().map_err(unusable)?;
    let authority = authority_params(life, now)
        .self_signed(&key)
        .map_err(unusable)?;
    let before = previous.map_or("", |previous| first(&previous.authorities));
    let authorities = format!("{}{before}", authority.pem());
    Ok((key, authorities, two_thirds(now, life * AUTHORITY_LIVES)))
}

fn authority_params(life: Duration, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("events-webhook-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(now, life * AUTHORITY_LIVES);
    params
}

/// The first certificate of a text; empty if there is none.
fn first(authorities: &str) -> &str {
    authorities
        .find(END)
        .map_or("", |at| &authorities[..at + END.len()])
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, ORGANISATION);
    name.push(DnType::CommonName, common);
    name
}

fn validity(now: Timestamp, life: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let begin =
        OffsetDateTime::from_unix_timestamp(now.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (begin - BACKDATE, begin + life)
}

fn two_thirds(now: Timestamp, life: Duration) -> Timestamp {
    now.checked_add(life * 2 / 3).unwrap_or(Timestamp::MAX)
}

fn unusable(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Make {
        what: "the webhook's certificate".to_owned(),
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            hosts: vec!["events-webhook.argo-events.svc".to_owned()],
            life: Duration::from_secs(90),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    #[test]
    fn a_certificate_is_fresh_for_two_thirds_of_its_life() {
        let material = issue(None, &wanted(), at(0)).unwrap();
        assert!(material.is_fresh(at(59)));
        assert!(!material.is_fresh(at(60)));
        material.certified_key().unwrap();
    }

    #[test]
    fn a_renewal_keeps_the_authority() {
        let first = issue(None, &wanted(), at(0)).unwrap();
        let second = issue(Some(&first), &wanted(), at(60)).unwrap();
        assert_eq!(second.authorities, first.authorities);
        assert_ne!(second.certificate, first.certificate);
        assert_eq!(second.renew, at(120));
        assert_eq!(second.renew_authority, first.renew_authority);
    }

    #[test]
    fn a_new_authority_is_told_beside_the_old_one_and_the_oldest_is_forgotten() {
        let mut authorities = Vec::new();
        let mut material = None;
        for renewal in 0..3 {
            let now = at(renewal * 2_400);
            let next = issue(material.as_ref(), &wanted(), now).unwrap();
            authorities.push(super::first(&next.authorities).to_owned());
            material = Some(next);
        }
        assert_eq!(
            material.unwrap().authorities,
            format!("{}{}", authorities[2], authorities[1])
        );
    }

    #[test]
    fn argo_events_authority_without_a_key_is_followed_by_ours() {
        let mut theirs = issue(None, &wanted(), at(0)).unwrap();
        theirs.authority_key.clear();
        let ours = issue(Some(&theirs), &wanted(), at(1)).unwrap();
        assert!(ours.authorities.ends_with(&theirs.authorities));
        assert_ne!(ours.authorities, theirs.authorities);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let mut material = issue(None, &wanted(), at(0)).unwrap();
        material.key = issue(None, &wanted(), at(0)).unwrap().key;
        material.certified_key().unwrap_err();
        material.certificate = "no certificate".to_owned();
        material.certified_key().unwrap_err();
    }
}
