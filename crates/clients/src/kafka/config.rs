//! How to reach brokers, and who to be there.

use std::fmt;
use std::time::Duration;

use krafka::Kafka;
use krafka::auth::{AuthConfig, TlsConfig};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tiphys_api::SaslConfig;

use super::Error;
use crate::tls::Tls;
use crate::values::Values;
use crate::{BasicAuth, Error as ClientError};

/// How long it may take until a connection stands.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long an answer of a broker may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// How to reach brokers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Some of the brokers, `HOST:PORT` each, parted by commas: they tell of the others.
    pub servers: String,
    /// What the brokers show this client as.
    pub name: String,
    /// Who to be. `None`: nobody in particular.
    pub login: Option<Login>,
    /// How to encrypt. `None`: not at all.
    pub tls: Option<Tls>,
}

/// Who to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// How it is proven.
    pub mechanism: Mechanism,
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// How it is proven who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Mechanism {
    /// By telling the password.
    #[serde(rename = "PLAIN")]
    Plain,
    /// By knowing the password, with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// By knowing the password, with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Who to be, by the names of Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginRef {
    /// How it is proven.
    pub mechanism: Mechanism,
    /// User and password.
    #[serde(flatten)]
    pub user: BasicAuth,
}

impl Mechanism {
    /// What `sasl.mechanism` of a spec asks for.
    ///
    /// # Errors
    /// If it is none of those that work here: what is wrong with it.
    pub fn of(name: &str) -> Result<Self, String> {
        match name {
            "" | "PLAIN" => Ok(Self::Plain),
            "SCRAM-SHA-256" => Ok(Self::ScramSha256),
            "SCRAM-SHA-512" => Ok(Self::ScramSha512),
            name => Err(format!(
                "logins by {name} are not supported: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are"
            )),
        }
    }
}

impl LoginRef {
    /// What a spec says.
    ///
    /// # Errors
    /// If its mechanism does not work here: what is wrong with it.
    pub fn of(spec: &SaslConfig, namespace: &str) -> Result<Self, String> {
        let user = tiphys_api::BasicAuth {
            username: spec.user_secret.clone(),
            password: spec.password_secret.clone(),
        };
        Ok(Self {
            mechanism: Mechanism::of(&spec.mechanism)?,
            user: BasicAuth::of(&user, namespace),
        })
    }

    /// The same with its values.
    ///
    /// # Errors
    /// If a value is not there.
    pub async fn resolve(&self, values: &dyn Values) -> Result<Login, ClientError> {
        let (user, password) = self.user.resolve(values).await?;
        Ok(Login {
            mechanism: self.mechanism,
            user,
            password,
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("mechanism", &self.mechanism)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Connections that are neither encrypted nor anybody's.
    pub fn new(servers: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            name: "tiphys".to_owned(),
            login: None,
            tls: None,
        }
    }

    /// Reaches a broker, and has it tell of the others.
    pub(super) async fn connect(&self) -> Result<Kafka, Error> {
        let builder = Kafka::builder(self.servers.as_str())
            .client_id(self.name.as_str())
            .connect_timeout(CONNECT_WITHIN)
            .request_timeout(ANSWER_WITHIN)
            // As in Argo Events: the brokers have the last word.
            .allow_auto_create_topics(true);
        let builder = match self.security() {
            Some(security) => builder.security(security),
            None => builder,
        };
        Ok(builder.connect().await?)
    }

    fn security(&self) -> Option<AuthConfig> {
        let login = self.login.as_ref().map(|login| {
            let (user, password) = (login.user.as_str(), login.password.as_str());
            match login.mechanism {
                Mechanism::Plain => AuthConfig::sasl_plain(user, password),
                Mechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(user, password),
                Mechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(user, password),
            }
        });
        match (login, &self.tls) {
            (login, None) => login,
            (None, Some(tls)) => Some(AuthConfig::ssl(encryption(tls))),
            (Some(login), Some(tls)) => Some(login.with_tls(encryption(tls))),
        }
    }

    /// A digest of everything that connections depend on: the values of Secrets are not kept.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let login = self.login.as_ref();
        digest.update([
            login.map_or(0, |login| match login.mechanism {
                Mechanism::Plain => 1,
                Mechanism::ScramSha256 => 2,
                Mechanism::ScramSha512 => 3,
            }),
            u8::from(self.tls.is_some()),
        ]);
        let (user, password) = login.map_or(("", ""), |login| (&login.user, &login.password));
        for part in [&self.servers, &self.name, user, password] {
            digest.update(Sha256::digest(part));
        }
        digest.update(self.tls.as_ref().map(Tls::digest).unwrap_or_default());
        digest.finalize().into()
    }
}

fn encryption(tls: &Tls) -> TlsConfig {
    if tls.insecure_skip_verify {
        return TlsConfig::insecure();
    }
    let config = match &tls.authorities {
        Some(authorities) => TlsConfig::new().with_ca_cert_pem(authorities.as_bytes()),
        None => TlsConfig::new().with_native_roots(),
    };
    let config = match &tls.server_name {
        Some(name) => config.with_sni_hostname(name.as_str()),
        None => config,
    };
    match &tls.identity {
        Some(identity) => config.with_client_cert_pem(
            identity.certificates.as_bytes(),
            identity.private_key.as_bytes().to_vec(),
        ),
        None => config,
    }
}

/// Checks brokers, parted by commas.
///
/// # Errors
/// If one is not `HOST:PORT`.
pub fn check_servers(servers: &str) -> Result<(), String> {
    for server in servers.split(',').map(str::trim) {
        let is_place = server.rsplit_once(':').is_some_and(|(host, port)| {
            let is_bare = !host.contains(['/', '@', ' ']) && !host.is_empty();
            let is_bracketed = host.starts_with('[') && host.ends_with(']');
            is_bare && (is_bracketed || !host.contains(':')) && port.parse::<u16>().is_ok()
        });
        if !is_place {
            let shown = tiphys_base::text::without_passwords(server);
            return Err(format!("{shown:?} is no broker: HOST:PORT is needed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for servers in ["a:9092", "a:9092, b.c:1", "[::1]:9092"] {
            assert_eq!(check_servers(servers), Ok(()), "{servers}");
        }
        for servers in [
            "",
            "a",
            "a:b",
            "a:9092,",
            "kafka://a:9092",
            "::1:9092",
            "a b:1",
        ] {
            assert!(check_servers(servers).is_err(), "{servers}");
        }
        assert_eq!(
            check_servers("kafka://a:9092").unwrap_err(),
            "\"kafka://a:9092\" is no broker: HOST:PORT is needed"
        );
    }

    #[test]
    fn whatever_a_connection_depends_on_is_in_its_digest() {
        let login = |mechanism, user: &str, password: &str| {
            Some(Login {
                mechanism,
                user: user.to_owned(),
                password: password.to_owned(),
            })
        };
        let of = |login, tls| {
            Config {
                login,
                tls,
                ..Config::new("a:1")
            }
            .digest()
        };
        let digests = [
            Config::new("a:1").digest(),
            Config::new("b:1").digest(),
            of(login(Mechanism::Plain, "u", "p"), None),
            of(login(Mechanism::Plain, "u", "q"), None),
            of(login(Mechanism::ScramSha256, "u", "p"), None),
            of(login(Mechanism::ScramSha512, "u", "p"), None),
            of(None, Some(Tls::default())),
        ];
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(Config::new("a:1").digest(), digests[0]);
    }
}
