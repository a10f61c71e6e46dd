use std::time::Duration;

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::pem::{self, Parsed};
use super::{Certificates, Chain, Hosts, renewed};

const DAY: Duration = Duration::from_hours(24);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hosts() -> Hosts {
    Hosts {
        client: vec!["eventbus-eb-js-svc.ns.svc".to_owned()],
        cluster: vec!["*.eventbus-eb-js-svc.ns.svc".to_owned()],
    }
}

fn made(now: &str) -> (Certificates, Timestamp) {
    renewed(&Certificates::default(), &hosts(), at(now)).unwrap()
}

fn read(pem: &str) -> Parsed {
    Parsed::read(pem).unwrap()
}

fn authorities(chain: &Chain) -> usize {
    pem::certificates(&chain.authorities).count()
}

#[test]
fn certificates_are_made_for_a_year_and_renewed_after_two_thirds() {
    let (certificates, next) = made("2026-01-01T00:00:00Z");
    let client = read(&certificates.client.certificate);
    assert_eq!(client.hosts, ["eventbus-eb-js-svc.ns.svc"]);
    assert_eq!(client.not_before, at("2025-12-31T23:55:00Z"));
    assert_eq!(client.not_after, at("2027-01-01T00:00:00Z"));
    let cluster = read(&certificates.cluster.certificate);
    assert_eq!(cluster.hosts, ["*.eventbus-eb-js-svc.ns.svc"]);
    let authority = read(&certificates.client.authorities);
    assert_eq!(authority.not_after, at("2035-12-30T00:00:00Z"));
    assert_eq!(client.issuer, authority.subject);
    assert_eq!(
        certificates.client.authorities,
        certificates.cluster.authorities
    );
    assert_eq!(next, at("2026-09-01T07:58:20Z"));
}

#[test]
fn nothing_changes_before_its_time() {
    let (certificates, next) = made("2026-01-01T00:00:00Z");
    for now in ["2026-01-01T00:00:01Z", "2026-08-31T00:00:00Z"] {
        let (same, at_next) = renewed(&certificates, &hosts(), at(now)).unwrap();
        assert_eq!(same, certificates);
        assert_eq!(at_next, next);
    }
}

#[test]
fn certificates_are_renewed_under_the_same_authority() {
    let (old, _) = made("2026-01-01T00:00:00Z");
    let (new, next) = renewed(&old, &hosts(), at("2026-09-02T00:00:00Z")).unwrap();
    assert_eq!(new.client.authorities, old.client.authorities);
    assert_eq!(new.authority_key, old.authority_key);
    for (new, old) in [(&new.client, &old.client), (&new.cluster, &old.cluster)] {
        assert_ne!(new.certificate, old.certificate);
        assert_ne!(new.key, old.key);
        assert_eq!(read(&new.certificate).issuer, read(&old.certificate).issuer);
    }
    assert_eq!(next, at("2027-05-03T07:58:20Z"));
}

#[test]
fn a_new_authority_is_made_known_before_it_is_used() {
    let mut now = at("2026-01-01T00:00:00Z");
    let (mut certificates, _) = made("2026-01-01T00:00:00Z");
    let first = certificates.client.authorities.clone();
    while authorities(&certificates.client) == 1 {
        now = now.checked_add(30 * DAY).unwrap();
        certificates = renewed(&certificates, &hosts(), now).unwrap().0;
    }
    assert_eq!(now.to_string(), "2032-09-26T00:00:00Z");
    let published = certificates.clone();
    for chain in [&published.client, &published.cluster] {
        assert!(chain.authorities.ends_with(&first));
        assert_eq!(read(&chain.certificate).issuer, read(&first).subject);
    }

    let early = now.checked_add(Duration::from_mins(59)).unwrap();
    let (waiting, next) = renewed(&published, &hosts(), early).unwrap();
    assert_eq!(waiting, published);
    assert_eq!(next.to_string(), "2032-09-26T01:00:00Z");

    let (used, _) = renewed(&published, &hosts(), next).unwrap();
    assert_eq!(used.client.authorities, published.client.authorities);
    for chain in [&used.client, &used.cluster] {
        assert_eq!(
            read(&chain.certificate).issuer,
            read(&published.client.authorities).subject
        );
    }
}

#[test]
fn an_expired_authority_is_forgotten() {
    let (mut certificates, _) = made("2026-01-01T00:00:00Z");
    let first = certificates.client.authorities.clone();
    for now in [
        "2032-10-01T00:00:00Z",
        "2032-10-01T02:00:00Z",
        "2036-01-01T00:00:00Z",
    ] {
        certificates = renewed(&certificates, &hosts(), at(now)).unwrap().0;
    }
    assert!(!certificates.client.authorities.contains(&first));
    assert_eq!(authorities(&certificates.cluster), 1);
}

#[test]
fn a_broken_certificate_is_replaced_at_once() {
    let (whole, _) = made("2026-01-01T00:00:00Z");
    let now = at("2026-01-01T00:01:00Z");
    let mut broken = whole.clone();
    broken.client.key = KeyPair::generate().unwrap().serialize_pem();
    let (mended, _) = renewed(&broken, &hosts(), now).unwrap();
    assert_ne!(mended.client.certificate, whole.client.certificate);
    assert_eq!(mended.cluster, whole.cluster);
    assert_eq!(mended.client.authorities, whole.client.authorities);

    let mut lost = whole.clone();
    lost.client.authorities.clear();
    let (mended, _) = renewed(&lost, &hosts(), now).unwrap();
    assert_eq!(authorities(&mended.client), 1);
    assert_eq!(authorities(&mended.cluster), 2);
    assert_eq!(mended.cluster.certificate, whole.cluster.certificate);
}

/// As Argo Events makes them: an authority without a name for each chain, its key discarded.
fn foreign(now: &str) -> Certificates {
    let chain = |hosts: Vec<String>| {
        let now = time::OffsetDateTime::from_unix_timestamp(at(now).as_second()).unwrap();
        let mut params = CertificateParams::new(hosts.clone()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = now;
        params.not_after = now + 3650 * DAY;
        let mut leaf = params.clone();
        leaf.is_ca = IsCa::NoCa;
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        Chain {
            certificate: leaf.signed_by(&key, &issuer).unwrap().pem(),
            key: key.serialize_pem(),
            authorities: issuer.pem(),
        }
    };
    Certificates {
        authority_key: String::new(),
        client: chain(hosts().client),
        cluster: chain(hosts().cluster),
    }
}

#[test]
fn certificates_of_an_authority_without_key_are_used_and_then_followed_by_ours() {
    let theirs = foreign("2026-01-01T00:00:00Z");
    let (kept, next) = renewed(&theirs, &hosts(), at("2027-01-01T00:00:00Z")).unwrap();
    assert_eq!(kept, theirs);
    assert_eq!(next, at("2032-08-30T08:00:00Z"));

    let (published, next) = renewed(&kept, &hosts(), next).unwrap();
    assert_eq!(published.client.certificate, theirs.client.certificate);
    assert_eq!(authorities(&published.client), 2);
    assert!(
        published
            .cluster
            .authorities
            .ends_with(&theirs.cluster.authorities)
    );
    assert_eq!(next, at("2032-08-30T09:00:00Z"));

    let (used, _) = renewed(&published, &hosts(), next).unwrap();
    assert_eq!(
        read(&used.client.certificate).issuer,
        read(&used.client.authorities).subject
    );
}
