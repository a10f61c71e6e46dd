//! Where a namespace is, and who to be there.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::tls::Tls;

/// The port of AMQP with encryption, which is spoken from the first byte.
const ENCRYPTED: u16 = 5671;

/// The port of AMQP without, of emulators.
const PLAIN: u16 = 5672;

/// How a namespace is reached.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it is.
    pub namespace: Namespace,
    /// Who to be.
    pub login: Login,
    /// How to encrypt, if it is encrypted and the system's authorities are not enough.
    pub tls: Option<Tls>,
}

/// Where a namespace is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// Such as `shop.servicebus.windows.net`.
    pub host: String,
    /// The port of AMQP.
    pub port: u16,
    /// False for an emulator.
    pub is_encrypted: bool,
}

/// Who to be.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Who knows the key of a policy.
    Key {
        /// The name of the policy.
        name: String,
        /// Its key.
        key: String,
    },
    /// Who holds a signature that somebody else has made.
    Signature(String),
    /// The pod, to a service by its name in tokens of Entra.
    Entra(&'static str),
}

/// A connection string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// Where the namespace is.
    pub namespace: Namespace,
    /// Who to be.
    pub login: Login,
    /// The one queue, topic or hub that it is for. `None`: any.
    pub entity: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { name, .. } => write!(f, "Key({name})"),
            Self::Signature(_) => f.write_str("Signature"),
            Self::Entra(service) => write!(f, "Entra({service})"),
        }
    }
}

impl Namespace {
    /// Reads what follows `sb://` in an endpoint: a host, and perhaps a port.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(text: &str, is_encrypted: bool) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port = port
                    .parse()
                    .map_err(|_| format!("{host:?} is no host, or what follows it is no port"))?;
                (host, port)
            }
            None => (text, if is_encrypted { ENCRYPTED } else { PLAIN }),
        };
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || !host.chars().all(is_letter) {
            return Err(format!("{host:?} is no host"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            is_encrypted,
        })
    }

    /// Reads a host, and perhaps a port, as `fqdn` has it. Argo Events puts it into a connection string, where more
    /// may follow: `localhost;UseDevelopmentEmulator=true` is an emulator, which encrypts nothing.
    ///
    /// # Errors
    /// If it is none.
    pub fn of_fqdn(fqdn: &str) -> Result<Self, String> {
        let (host, more) = fqdn.split_once(';').unwrap_or((fqdn, ""));
        let is_emulator = more.split(';').any(|field| {
            field
                .trim_matches([' ', '/'])
                .eq_ignore_ascii_case("UseDevelopmentEmulator=true")
        });
        Self::read(host, !is_emulator)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl ConnectionString {
    /// Reads a connection string. It holds a secret: what is wrong is said without it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut fields: BTreeMap<String, &str> = BTreeMap::new();
        let parts = text
            .trim()
            .split(';')
            .filter(|part| !part.trim().is_empty());
        for part in parts {
            let (name, value) = part
                .split_once('=')
                .ok_or("it is not made of NAME=VALUE, with semicolons between them")?;
            fields.insert(name.trim().to_ascii_lowercase(), value.trim());
        }
        let field = |name: &str| fields.get(name).copied().filter(|value| !value.is_empty());
        let is_emulator =
            field("usedevelopmentemulator").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let endpoint = field("endpoint").ok_or("it has no Endpoint")?;
        let (scheme, place) = endpoint
            .split_once("://")
            .ok_or("its Endpoint has to begin with sb://")?;
        if !["sb", "amqp", "amqps"].contains(&scheme) {
            return Err("its Endpoint has to begin with sb://".to_owned());
        }
        let namespace = Namespace::read(place, !is_emulator);
        let name = field("sharedaccesskeyname");
        let login = match (
            name,
            field("sharedaccesskey"),
            field("sharedaccesssignature"),
        ) {
            (_, _, Some(signature)) => Login::Signature(signature.to_owned()),
            (Some(name), Some(key), None) => Login::Key {
                name: name.to_owned(),
                key: key.to_owned(),
            },
            (None, Some(_), None) => return Err("it has no SharedAccessKeyName".to_owned()),
            (_, None, None) => {
                return Err("it has neither SharedAccessKey nor SharedAccessSignature".to_owned());
            }
        };
        Ok(Self {
            namespace: namespace.map_err(|why| format!("its Endpoint: {why}"))?,
            login,
            entity: field("entitypath").map(str::to_owned),
        })
    }
}

impl Config {
    /// A digest of everything that a connection depends on: a key of a cache, which holds no Secret.
    pub(super) fn digest(&self) -> [u8; 32] {
        let Namespace {
            host,
            port,
            is_encrypted,
        } = &self.namespace;
        let (kind, name, secret) = match &self.login {
            Login::Key { name, key } => (0, name.as_str(), key.as_str()),
            Login::Signature(signature) => (1, "", signature.as_str()),
            Login::Entra(service) => (2, *service, ""),
        };
        let mut digest = Sha256::new();
        digest.update([kind, u8::from(*is_encrypted)]);
        digest.update(port.to_le_bytes());
        for part in [host, name, secret] {
            digest.update(Sha256::digest(part));
        }
        if let Some(tls) = &self.tls {
            digest.update(tls.digest());
        }
        digest.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let ConnectionString {
            namespace,
            login,
            entity,
        } = ConnectionString::read(text)?;
        let (address, is_encrypted) = (namespace.address(), namespace.is_encrypted);
        Ok(format!("{address} {is_encrypted} {login:?} {entity:?}"))
    }

    #[test]
    fn a_connection_string_says_where_and_who() {
        for (text, expected) in [
            (
                "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=all;\
                 SharedAccessKey=c2VjcmV0=;EntityPath=orders",
                r#"shop.servicebus.windows.net:5671 true Key(all) Some("orders")"#,
            ),
            (
                " endpoint=sb://localhost:7000;SharedAccessKeyName=a;SharedAccessKey=b;\
                 UseDevelopmentEmulator=true; ",
                "localhost:7000 false Key(a) None",
            ),
            (
                "Endpoint=sb://localhost;SharedAccessKeyName=a;SharedAccessKey=b;\
                 UseDevelopmentEmulator=true",
                "localhost:5672 false Key(a) None",
            ),
            (
                "Endpoint=sb://shop/;SharedAccessSignature=SharedAccessSignature sr=a&sig=b%3D&se=1",
                "shop:5671 true Signature None",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_connection_string_is_said_without_it() {
        for (text, expected) in [
            (
                "s3cret",
                "it is not made of NAME=VALUE, with semicolons between them",
            ),
            ("SharedAccessKey=s3cret", "it has no Endpoint"),
            (
                "Endpoint=https://shop;SharedAccessKey=s3cret",
                "its Endpoint has to begin with sb://",
            ),
            (
                "Endpoint=sb://shop;SharedAccessKey=s3cret",
                "it has no SharedAccessKeyName",
            ),
            (
                "Endpoint=sb://shop",
                "it has neither SharedAccessKey nor SharedAccessSignature",
            ),
            (
                "Endpoint=sb://shop:many;SharedAccessKeyName=a;SharedAccessKey=s3cret",
                "its Endpoint: \"shop\" is no host, or what follows it is no port",
            ),
            (
                "Endpoint=sb://a b;SharedAccessKeyName=a;SharedAccessKey=s3cret",
                "its Endpoint: \"a b\" is no host",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_host_may_be_that_of_an_emulator() {
        let read = |fqdn: &str| {
            let namespace = Namespace::of_fqdn(fqdn)?;
            Ok::<_, String>((namespace.address(), namespace.is_encrypted))
        };
        for (fqdn, expected) in [
            (
                "shop.servicebus.windows.net",
                ("shop.servicebus.windows.net:5671", true),
            ),
            (
                "localhost:7000;UseDevelopmentEmulator=true",
                ("localhost:7000", false),
            ),
            (
                "localhost;UseDevelopmentEmulator=true;x=",
                ("localhost:5672", false),
            ),
        ] {
            let (address, is_encrypted) = expected;
            assert_eq!(read(fqdn), Ok((address.to_owned(), is_encrypted)), "{fqdn}");
        }
        let error = "\"https\" is no host, or what follows it is no port";
        assert_eq!(read("https://shop").unwrap_err(), error);
    }

    #[test]
    fn another_key_is_another_connection() {
        let config = |key: &str| Config {
            namespace: Namespace::read("shop", true).unwrap(),
            login: Login::Key {
                name: "all".to_owned(),
                key: key.to_owned(),
            },
            tls: None,
        };
        assert_eq!(config("a").digest(), config("a").digest());
        assert_ne!(config("a").digest(), config("b").digest());
    }
}
