//! How to reach servers, and who to be there.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tiphys_api::{SecretKeySelector, TlsConfig, TlsError};

use crate::tls::Tls;
use crate::values::Values;
use crate::{Error as ClientError, TlsRef, ValueRef};

/// What URLs begin with, and the port if they have none.
const PLAIN: (&str, u16) = ("pulsar://", 6650);
const ENCRYPTED: (&str, u16) = ("pulsar+ssl://", 6651);

/// How to reach a cluster: brokers, or proxies before them.
#[derive(Debug, Clone)]
pub struct Config {
    /// `pulsar://HOST:PORT,…` or `pulsar+ssl://HOST:PORT,…`.
    pub url: String,
    /// Who to be.
    pub login: Login,
    /// How to encrypt; it counts if the URL wants it.
    pub tls: Tls,
}

/// Who to be.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody in particular.
    Nobody,
    /// Whoever the token is for.
    Token(String),
    /// Whoever the client's certificate is for.
    Certificate,
}

/// How to reach a cluster, by the names of Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigRef {
    /// The URL.
    pub url: String,
    /// Where the token is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<ValueRef>,
    /// How to encrypt; it counts if the URL wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRef>,
}

/// What a spec says of logins and encryption.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// `authTokenSecret`.
    pub token: Option<SecretKeySelector>,
    /// `tlsTrustCertsSecret`.
    pub authorities: Option<SecretKeySelector>,
    /// `tlsAllowInsecureConnection`.
    pub is_insecure: bool,
    /// `tls`.
    pub tls: Option<TlsConfig>,
}

impl ConfigRef {
    /// What a spec says, with the Secrets of `namespace`. Its URL is not checked.
    ///
    /// # Errors
    /// If its `tls` makes no sense.
    pub fn of(url: &str, security: &Security, namespace: &str) -> Result<Self, TlsError> {
        let Security {
            token,
            authorities,
            is_insecure,
            tls,
        } = security;
        let tls = match tls {
            Some(tls) => TlsRef::of(tls, namespace)?,
            None => TlsRef::default(),
        };
        let secret = |key: &SecretKeySelector| ValueRef::secret(key, namespace);
        let tls = TlsRef {
            insecure_skip_verify: tls.insecure_skip_verify || *is_insecure,
            authorities: authorities.as_ref().map(secret).or(tls.authorities),
            ..tls
        };
        Ok(Self {
            url: url.to_owned(),
            token: token.as_ref().map(secret),
            tls: Some(tls).filter(|tls| *tls != TlsRef::default()),
        })
    }

    /// The same with its values.
    ///
    /// # Errors
    /// If a value is not there.
    pub async fn resolve(&self, values: &dyn Values) -> Result<Config, ClientError> {
        let tls = match &self.tls {
            Some(tls) => tls.resolve(values).await?,
            None => Tls::default(),
        };
        // As in Argo Events, a certificate goes before a token.
        let login = match &self.token {
            _ if tls.identity.is_some() => Login::Certificate,
            Some(token) => Login::Token(values.find(token).await?.text()),
            None => Login::Nobody,
        };
        Ok(Config {
            url: self.url.clone(),
            login,
            tls,
        })
    }
}

impl Login {
    /// What it is called in the protocol, and what is told.
    pub(super) fn spoken(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Nobody => None,
            Self::Token(token) => Some(("token", token)),
            Self::Certificate => Some(("tls", "")),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spoken().map_or("nobody", |(name, _)| name))
    }
}

impl Config {
    /// Connections that are nobody's.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            login: Login::Nobody,
            tls: Tls::default(),
        }
    }

    /// Host and port of each server.
    pub(super) fn servers(&self) -> Result<Vec<String>, String> {
        servers(&self.url).map(|(_, servers)| servers)
    }

    /// How to encrypt. `None`: not at all.
    pub(super) fn encryption(&self) -> Option<&Tls> {
        self.url
            .trim()
            .starts_with(ENCRYPTED.0)
            .then_some(&self.tls)
    }

    /// A digest of everything that connections depend on: the values of Secrets are not kept.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let (method, told) = self.login.spoken().unwrap_or_default();
        for part in [&self.url, method, told] {
            digest.update(Sha256::digest(part));
        }
        digest.update(self.tls.digest());
        digest.finalize().into()
    }
}

/// Whether connections are encrypted, and where they lead.
fn servers(url: &str) -> Result<(bool, Vec<String>), String> {
    let url = url.trim();
    let found = [PLAIN, ENCRYPTED]
        .into_iter()
        .find_map(|(scheme, port)| Some((url.strip_prefix(scheme)?, port)));
    let Some((places, port)) = found else {
        return Err(
            if url.starts_with("http://") || url.starts_with("https://") {
                "brokers are asked over their own protocol: it has to begin with pulsar:// or pulsar+ssl:// \
             (ports 6650 and 6651 unless they are others)"
                .to_owned()
            } else {
                "it has to begin with pulsar:// or pulsar+ssl://".to_owned()
            },
        );
    };
    let places = places.strip_suffix('/').unwrap_or(places).split(',');
    let servers: Result<_, String> = places.map(|place| server(place.trim(), port)).collect();
    Ok((port == ENCRYPTED.1, servers?))
}

fn server(place: &str, usual: u16) -> Result<String, String> {
    let fault = || {
        let shown = place.rsplit_once('@').map_or(place, |(_, host)| host);
        format!("{shown:?} is no server: HOST:PORT is needed")
    };
    let has_port = place
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let server = if has_port {
        place.to_owned()
    } else {
        format!("{place}:{usual}")
    };
    let (host, port) = server.rsplit_once(':').ok_or_else(fault)?;
    let is_bare = !host.is_empty() && !host.contains(['/', '@', ' ']);
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if is_bare && (is_bracketed || !host.contains(':')) && port.parse::<u16>().is_ok() {
        return Ok(server);
    }
    Err(fault())
}

/// Where a broker is by a URL that another one has told.
pub(super) fn place_of(url: &str) -> Option<String> {
    let (_, mut servers) = servers(url).ok()?;
    (servers.len() == 1).then(|| servers.swap_remove(0))
}

/// Checks a URL. It may hold a password by mistake: what is wrong is said without it.
///
/// # Errors
/// If it is none of a cluster.
pub fn check_url(url: &str) -> Result<(), String> {
    servers(url).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers() {
        for (url, expected) in [
            ("pulsar://a", &["a:6650"][..]),
            (" pulsar://a:1, b/ ", &["a:1", "b:6650"]),
            ("pulsar+ssl://a.b", &["a.b:6651"]),
            ("pulsar+ssl://[::1],[::2]:7", &["[::1]:6651", "[::2]:7"]),
        ] {
            let config = Config::new(url);
            assert_eq!(config.servers().unwrap(), expected, "{url}");
            assert_eq!(config.encryption().is_some(), url.starts_with("pulsar+"));
        }
        assert_eq!(place_of("pulsar://a:1").as_deref(), Some("a:1"));
        assert_eq!(place_of(""), None);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_passwords() {
        for (url, expected) in [
            ("a:6650", "it has to begin with pulsar:// or pulsar+ssl://"),
            (
                "http://a:8080",
                "brokers are asked over their own protocol: it has to begin with pulsar:// or \
                 pulsar+ssl:// (ports 6650 and 6651 unless they are others)",
            ),
            ("pulsar://", "\"\" is no server: HOST:PORT is needed"),
            ("pulsar://a:b", "\"a:b\" is no server: HOST:PORT is needed"),
            ("pulsar://a:1,", "\"\" is no server: HOST:PORT is needed"),
            (
                "pulsar://::1:1",
                "\"::1:1\" is no server: HOST:PORT is needed",
            ),
        ] {
            assert_eq!(check_url(url).unwrap_err(), expected, "{url}");
        }
        let refused = check_url("pulsar://me:secret@a:1").unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[test]
    fn whatever_a_connection_depends_on_is_in_its_digest() {
        let of = |login| Config {
            login,
            ..Config::new("pulsar://a")
        };
        let digests = [
            Config::new("pulsar://a").digest(),
            Config::new("pulsar://b").digest(),
            of(Login::Certificate).digest(),
            of(Login::Token("t".to_owned())).digest(),
            of(Login::Token("u".to_owned())).digest(),
        ];
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(Config::new("pulsar://a").digest(), digests[0]);
    }

    #[test]
    fn a_login_does_not_print_its_token() {
        assert_eq!(format!("{:?}", Login::Token("s3cret".to_owned())), "token");
    }
}
