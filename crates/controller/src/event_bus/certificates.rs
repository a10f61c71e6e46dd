//! The certificates of a bus' servers, and their renewal.
//!
//! One authority signs two certificates: what the servers show to clients, and what they show to
//! each other. A certificate is renewed when two thirds of its life are over. So is the authority,
//! in two steps: first the new one is published, beside the old; the certificates are made
//! anew only when the servers and clients have had time to read it ([`OVERLAP`]). At every moment,
//! each certificate in use is one that everybody trusts.
//!
//! The certificates that Argo Events made have an authority whose key was discarded. They are used
//! to their end, and followed by ours in the same two steps.

mod pem;

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use pem::Parsed;

/// How long a certificate of the servers is valid.
const LEAF_LIFE: Duration = Duration::from_hours(365 * 24);

/// How long the authority is valid.
const AUTHORITY_LIFE: Duration = Duration::from_hours(10 * 365 * 24);

/// How long a new authority is known before it is used: the kubelet refreshes what is mounted within
/// about two minutes, and the servers are restarted one by one meanwhile.
const OVERLAP: Duration = Duration::from_hours(1);

/// Clocks differ: certificates are valid a little earlier than they are made.
const BACKDATE: Duration = Duration::from_mins(5);

/// Whose certificates these are, for humans.
const ORGANISATION: &str = "tiphys";

/// Everything that the servers' Secret holds about certificates, in PEM. What is missing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    /// The key of the authority that signs.
    pub(super) authority_key: String,
    /// What the servers show to clients.
    pub(super) client: Chain,
    /// What the servers show to each other.
    pub(super) cluster: Chain,
}

/// A certificate with its key, and the authorities that its readers trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// The certificate.
    pub(super) certificate: String,
    /// Its private key.
    pub(super) key: String,
    /// The authorities, the newest first.
    pub(super) authorities: String,
}

/// The host names in the certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    /// For clients.
    pub(super) client: Vec<String>,
    /// For the servers among themselves.
    pub(super) cluster: Vec<String>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Client,
    Cluster,
}

/// How a certificate of the servers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaf {
    /// Good until then.
    Fine(Timestamp),
    /// To be replaced in the order of things; no client is refused before then.
    Aged(Timestamp),
    /// Missing, unreadable, expired or not trusted: nothing is lost by another one.
    Broken,
}

/// The authority whose key is at hand.
struct Authority {
    pem: String,
    key: KeyPair,
    parsed: Parsed,
}

/// The certificates as they should be at `now`, and when to look again.
///
/// # Errors
/// When the system has no randomness to give.
pub(super) fn renewed(
    existing: &Certificates,
    hosts: &Hosts,
    now: Timestamp,
) -> Result<(Certificates, Timestamp), rcgen::Error> {
    let mut certificates = existing.clone();
    for chain in [&mut certificates.client, &mut certificates.cluster] {
        chain.authorities = pem::without_expired(&chain.authorities, now);
    }
    let mut leaves = [
        state(&certificates.client, &hosts.client, now),
        state(&certificates.cluster, &hosts.cluster, now),
    ];
    let authority = Authority::at_hand(&certificates);
    let is_wanted = match &authority {
        Some(authority) => authority.parsed.renew_at() <= now,
        None => leaves.iter().any(|leaf| !matches!(leaf, Leaf::Fine(_))),
    };
    let authority = match authority {
        Some(authority) if !is_wanted => authority,
        None if !is_wanted => return Ok((certificates, soonest(&leaves))),
        _ => introduce(&mut certificates, now)?,
    };
    let usable_from = after(authority.parsed.not_before, BACKDATE + OVERLAP);
    for (leaf, purpose) in leaves.iter_mut().zip([Purpose::Client, Purpose::Cluster]) {
        let (chain, hosts) = match purpose {
            Purpose::Client => (&mut certificates.client, &hosts.client),
            Purpose::Cluster => (&mut certificates.cluster, &hosts.cluster),
        };
        if !pem::is_issued_by(&chain.certificate, &authority.parsed)
            && let Leaf::Fine(until) = *leaf
        {
            *leaf = Leaf::Aged(until);
        }
        *leaf = match *leaf {
            Leaf::Fine(until) => Leaf::Fine(until),
            Leaf::Aged(_) if usable_from > now => Leaf::Aged(usable_from),
            Leaf::Aged(_) | Leaf::Broken => {
                chain.sign(&authority, purpose, hosts, now)?;
                state(chain, hosts, now)
            }
        };
    }
    let next = soonest(&leaves).min(authority.parsed.renew_at());
    Ok((certificates, next))
}

fn soonest(leaves: &[Leaf; 2]) -> Timestamp {
    let times = leaves.iter().map(|leaf| match leaf {
        Leaf::Fine(at) | Leaf::Aged(at) => *at,
        Leaf::Broken => Timestamp::MIN,
    });
    times.min().unwrap_or(Timestamp::MIN)
}

fn state(chain: &Chain, hosts: &[String], now: Timestamp) -> Leaf {
    let Some(leaf) = Parsed::read(&chain.certificate) else {
        return Leaf::Broken;
    };
    let is_trusted = pem::certificates(&chain.authorities)
        .filter_map(|authority| Parsed::read(&authority))
        .any(|authority| authority.subject == leaf.issuer);
    if leaf.not_after <= now || !is_trusted || !pem::fits(&leaf, &chain.key) {
        return Leaf::Broken;
    }
    let renew_at = leaf.renew_at();
    if renew_at <= now || !hosts.iter().all(|host| leaf.hosts.contains(host)) {
        return Leaf::Aged(renew_at);
    }
    Leaf::Fine(renew_at)
}

/// Makes an authority, and publishes it to the readers of both chains.
fn introduce(certificates: &mut Certificates, now: Timestamp) -> Result<Authority, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = valid(CertificateParams::new(Vec::new())?, now, AUTHORITY_LIFE)?;
    // Each authority has a name of its own, so that issuers can be distinguished.
    let name = format!("event bus authority {}", now.as_second());
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key)?.pem();
    certificates.authority_key = key.serialize_pem();
    for chain in [&mut certificates.client, &mut certificates.cluster] {
        chain.authorities.insert_str(0, &pem);
    }
    let parsed = Parsed::read(&pem).ok_or(rcgen::Error::CouldNotParseCertificate)?;
    Ok(Authority { pem, key, parsed })
}

fn valid(
    mut params: CertificateParams,
    now: Timestamp,
    life: Duration,
) -> Result<CertificateParams, rcgen::Error> {
    let time = |time: Timestamp| {
        OffsetDateTime::from_unix_timestamp(time.as_second()).map_err(|_| rcgen::Error::Time)
    };
    params.not_before = time(now.checked_sub(BACKDATE).unwrap_or(now))?;
    params.not_after = time(after(now, life))?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, ORGANISATION);
    Ok(params)
}

/// The moment `later` than `time`.
fn after(time: Timestamp, later: Duration) -> Timestamp {
    time.checked_add(later).unwrap_or(Timestamp::MAX)
}

impl Authority {
    /// The one whose key is in the Secret and whose certificate everybody trusts.
    fn at_hand(certificates: &Certificates) -> Option<Self> {
        let key = KeyPair::from_pem(&certificates.authority_key).ok()?;
        let is_known = |authority: &String| {
            pem::certificates(&certificates.cluster.authorities).any(|other| other == *authority)
        };
        pem::certificates(&certificates.client.authorities)
            .filter(is_known)
            .find_map(|pem| {
                let parsed = Parsed::read(&pem)?;
                (parsed.public_key == key.public_key_raw()).then_some((pem, parsed))
            })
            .map(|(pem, parsed)| Self { pem, key, parsed })
    }
}

impl Chain {
    fn sign(
        &mut self,
        authority: &Authority,
        purpose: Purpose,
        hosts: &[String],
        now: Timestamp,
    ) -> Result<(), rcgen::Error> {
        let mut params = valid(CertificateParams::new(hosts.to_vec())?, now, LEAF_LIFE)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match purpose {
            Purpose::Client => vec![ExtendedKeyUsagePurpose::ServerAuth],
            // Of two servers, one is the client of the other.
            Purpose::Cluster => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
        };
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_pem(&authority.pem, &authority.key)?;
        let key = KeyPair::generate()?;
        self.certificate = params.signed_by(&key, &issuer)?.pem();
        self.key = key.serialize_pem();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
