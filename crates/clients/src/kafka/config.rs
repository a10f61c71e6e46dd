//! How to reach brokers, and who to be there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use krafka::auth::{AuthConfig, AwsMskIamCredentials, CredentialProvider, TlsConfig};
use krafka::{Kafka, KrafkaError};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tiphys_api::SaslConfig;

use super::{Error, Kind, Oauth, Tokens};
use crate::tls::Tls;
use crate::{BasicAuth, Clients, Error as ClientError, aws};

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

/// Who to be, and how that is proven.
#[derive(Debug, Clone)]
pub enum Login {
    /// By telling the password.
    Plain(User),
    /// By knowing the password, with SHA-256.
    ScramSha256(User),
    /// By knowing the password, with SHA-512.
    ScramSha512(User),
    /// By tokens that speak of it.
    OauthBearer(Tokens),
    /// By what the process is at AWS, for brokers of MSK.
    Iam(Iam),
}

/// Somebody with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Who the process is at AWS.
#[derive(Debug, Clone)]
pub struct Iam {
    /// Where the brokers are.
    pub region: String,
    /// Find the login.
    pub clients: Arc<Clients>,
}

/// How it is proven who one is, as `sasl.mechanism` has it.
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
    /// By a token.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
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
    /// Where tokens come from, if it takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Box<Oauth>>,
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
            "OAUTHBEARER" => Ok(Self::OauthBearer),
            name => Err(format!(
                "logins by {name} are not supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are"
            )),
        }
    }
}

impl LoginRef {
    /// What a spec says.
    ///
    /// # Errors
    /// If its mechanism does not work here, or tokens come from nowhere: which field below `sasl`, and what is wrong
    /// with it.
    pub fn of(spec: &SaslConfig, namespace: &str) -> Result<Self, (&'static str, String)> {
        let user = tiphys_api::BasicAuth {
            username: spec.user_secret.clone(),
            password: spec.password_secret.clone(),
        };
        let mechanism = Mechanism::of(&spec.mechanism).map_err(|why| ("mechanism", why))?;
        let oauth = match mechanism {
            Mechanism::OauthBearer => {
                let oauth = Oauth::of(spec.oauth.as_ref());
                Some(Box::new(oauth.map_err(|why| ("oauth.tokenURL", why))?))
            }
            _ => None,
        };
        Ok(Self {
            mechanism,
            user: BasicAuth::of(&user, namespace),
            oauth,
        })
    }

    /// The same with its values.
    ///
    /// # Errors
    /// If a value is not there.
    pub async fn resolve(&self, clients: &Clients) -> Result<Login, ClientError> {
        let (name, password) = self.user.resolve(&*clients.values).await?;
        Ok(match (self.mechanism, &self.oauth) {
            (Mechanism::OauthBearer, Some(oauth)) => {
                Login::OauthBearer(Tokens::new(oauth, name, password, clients)?)
            }
            (Mechanism::ScramSha256, _) => Login::ScramSha256(User { name, password }),
            (Mechanism::ScramSha512, _) => Login::ScramSha512(User { name, password }),
            (Mechanism::Plain | Mechanism::OauthBearer, _) => Login::Plain(User { name, password }),
        })
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl CredentialProvider<AwsMskIamCredentials> for Iam {
    async fn credentials(&self) -> krafka::Result<AwsMskIamCredentials> {
        let login = aws::LoginRef::Environment;
        let login = self.clients.aws.get(&self.clients, &login, &self.region);
        match login.await {
            Ok(Some(login)) => {
                let keys = AwsMskIamCredentials::new(
                    login.access_key,
                    login.secret_key,
                    self.region.as_str(),
                );
                Ok(match login.session_token {
                    Some(token) => keys.with_session_token(token),
                    None => keys,
                })
            }
            Ok(None) => Err(KrafkaError::auth("there is no login of AWS")),
            Err(error) => {
                let error = Error::new(Kind::Unauthorized, error.to_string());
                Err(KrafkaError::auth_with_source(error.to_string(), error))
            }
        }
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
        let login = self.login.clone().map(|login| match login {
            Login::Plain(User { name, password }) => AuthConfig::sasl_plain(name, password),
            Login::ScramSha256(User { name, password }) => {
                AuthConfig::sasl_scram_sha256(name, password)
            }
            Login::ScramSha512(User { name, password }) => {
                AuthConfig::sasl_scram_sha512(name, password)
            }
            Login::OauthBearer(tokens) => AuthConfig::sasl_oauthbearer_provider(tokens),
            Login::Iam(iam) => AuthConfig::aws_msk_iam_provider(iam),
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
        digest.update([u8::from(self.tls.is_some())]);
        for part in [&self.servers, &self.name] {
            digest.update(Sha256::digest(part));
        }
        if let Some(login) = &self.login {
            login.digest(&mut digest);
        }
        digest.update(self.tls.as_ref().map(Tls::digest).unwrap_or_default());
        digest.finalize().into()
    }
}

impl Login {
    fn digest(&self, digest: &mut Sha256) {
        let (kind, parts) = match self {
            Self::Plain(user) => (1, [&*user.name, &*user.password]),
            Self::ScramSha256(user) => (2, [&*user.name, &*user.password]),
            Self::ScramSha512(user) => (3, [&*user.name, &*user.password]),
            Self::OauthBearer(tokens) => {
                digest.update([4]);
                return tokens.digest(digest);
            }
            Self::Iam(iam) => (5, [&*iam.region, ""]),
        };
        digest.update([kind]);
        for part in parts {
            digest.update(Sha256::digest(part));
        }
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
        let login = |login: fn(User) -> Login, name: &str, password: &str| {
            let (name, password) = (name.to_owned(), password.to_owned());
            Some(login(User { name, password }))
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
            of(login(Login::Plain, "u", "p"), None),
            of(login(Login::Plain, "u", "q"), None),
            of(login(Login::ScramSha256, "u", "p"), None),
            of(login(Login::ScramSha512, "u", "p"), None),
            of(None, Some(Tls::default())),
        ];
        let distinct: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
        assert_eq!(Config::new("a:1").digest(), digests[0]);
    }
}
