//! The two Secrets of a bus: what they hold, given what they hold.

use jiff::Timestamp;

use super::certificates::{self, Certificates, Chain, Hosts};
use super::credentials::{AUTH, CLIENT_AUTH, Credentials, Data, ENCRYPTION, Random};
use super::names::Names;
use crate::Error;

/// Key of both Secrets: the authorities that clients trust.
pub(super) const CA_CERT: &str = "ca-cert";

/// Key of the servers' Secret: the key of the authority. No pod mounts it.
const AUTHORITY_KEY: &str = "ca-key";

/// The content of both Secrets.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secrets {
    /// For the servers.
    pub(super) server: Data,
    /// For event sources and sensors.
    pub(super) client: Data,
    /// When certificates are to be looked at again.
    pub(super) renew_at: Timestamp,
}

impl Secrets {
    /// What the Secrets should hold at `now`. Keys that are not ours are left out.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn wanted(
        server: Option<&Data>,
        client: Option<&Data>,
        names: &Names,
        now: Timestamp,
        random: Random<'_>,
    ) -> Result<Self, Error> {
        let failed = |what: &str, source: Box<dyn std::error::Error + Send + Sync>| Error::Make {
            what: format!("the {what} of the bus"),
            source,
        };
        let credentials = Credentials::complete(server, client, random)
            .map_err(|source| failed("credentials", source.into()))?;
        let mut existing = server.map(of_secret).unwrap_or_default();
        if server.is_none() {
            // What clients trust is still trusted by those who have not read their Secret again.
            let known = client.and_then(|client| client.get(CA_CERT)).cloned();
            existing.client.authorities = known.unwrap_or_default();
        }
        let hosts = Hosts {
            client: names.client_hosts(),
            cluster: names.cluster_hosts(),
        };
        let (certificates, renew_at) = certificates::renewed(&existing, &hosts, now)
            .map_err(|source| failed("certificates", source.into()))?;
        let trusted = certificates.client.authorities.clone();
        let encryption = credentials.encryption.clone();
        let client = [
            (CLIENT_AUTH, credentials.client_auth),
            (CA_CERT, trusted),
            (ENCRYPTION, encryption),
        ];
        let server = [
            (AUTH, credentials.auth),
            (ENCRYPTION, credentials.encryption),
            (AUTHORITY_KEY, certificates.authority_key),
            ("private-key", certificates.client.key),
            ("cert", certificates.client.certificate),
            (CA_CERT, certificates.client.authorities),
            ("cluster-private-key", certificates.cluster.key),
            ("cluster-cert", certificates.cluster.certificate),
            ("cluster-ca-cert", certificates.cluster.authorities),
        ];
        Ok(Self {
            server: data(server),
            client: data(client),
            renew_at,
        })
    }

    /// What the servers read when they start: they have to start again when it changes.
    pub(super) fn read_by_servers(&self) -> impl Iterator<Item = (&String, &String)> {
        let server = self.server.iter();
        server.filter(|(key, _)| *key != AUTHORITY_KEY)
    }
}

/// Without what is empty: the key of an authority that nobody has.
fn data<const N: usize>(pairs: [(&str, String); N]) -> Data {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn of_secret(server: &Data) -> Certificates {
    let text = |key: &str| server.get(key).cloned().unwrap_or_default();
    Certificates {
        authority_key: text(AUTHORITY_KEY),
        client: Chain {
            certificate: text("cert"),
            key: text("private-key"),
            authorities: text(CA_CERT),
        },
        cluster: Chain {
            certificate: text("cluster-cert"),
            key: text("cluster-private-key"),
            authorities: text("cluster-ca-cert"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(server: Option<&Data>, client: Option<&Data>) -> Secrets {
        let names = Names::of("eb", "ns");
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Secrets::wanted(server, client, &names, now, &mut |bytes| {
            getrandom::fill(bytes)
        })
        .unwrap()
    }

    #[test]
    fn secrets_have_the_keys_of_argo_events() {
        let secrets = wanted(None, None);
        let keys: Vec<&str> = secrets.server.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "auth",
                "ca-cert",
                "ca-key",
                "cert",
                "cluster-ca-cert",
                "cluster-cert",
                "cluster-private-key",
                "encryption",
                "private-key",
            ]
        );
        let keys: Vec<&str> = secrets.client.keys().map(String::as_str).collect();
        assert_eq!(keys, ["ca-cert", "client-auth", "encryption"]);
        assert_eq!(secrets.client["ca-cert"], secrets.server["ca-cert"]);
        assert!(secrets.read_by_servers().all(|(key, _)| key != "ca-key"));
    }

    #[test]
    fn secrets_survive() {
        let first = wanted(None, None);
        assert!(wanted(Some(&first.server), Some(&first.client)) == first);
        assert!(wanted(Some(&first.server), None) == first);

        let restored = wanted(None, Some(&first.client));
        assert_eq!(restored.client["client-auth"], first.client["client-auth"]);
        assert_eq!(restored.server["encryption"], first.server["encryption"]);
        let trusted = &restored.client["ca-cert"];
        assert!(trusted.ends_with(&first.client["ca-cert"]) && *trusted != first.client["ca-cert"]);
    }
}
