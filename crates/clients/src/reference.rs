//! Keys of Secrets and `ConfigMaps`, by name: what may be printed and stored instead of their values.

use std::fmt;

use serde::Serialize;
use tiphys_api::{
    ConfigMapKeySelector, SecretKeySelector, TlsConfig, TlsError, TlsMode, ValueFromSource,
};

use crate::Error;
use crate::tls::{Identity, Tls};
use crate::values::Values;

/// A value that is looked up when it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueRef {
    /// A key of a Secret.
    SecretKeyRef(KeyOf),
    /// A key of a `ConfigMap`.
    ConfigMapKeyRef(KeyOf),
}

/// A key of an object in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct KeyOf {
    /// The object's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

impl ValueRef {
    /// A key of a Secret of `namespace`.
    pub fn secret(selector: &SecretKeySelector, namespace: &str) -> Self {
        Self::SecretKeyRef(KeyOf {
            namespace: namespace.to_owned(),
            name: selector.name.to_string(),
            key: selector.key.to_string(),
        })
    }

    /// A key of a `ConfigMap` of `namespace`.
    pub fn config_map(selector: &ConfigMapKeySelector, namespace: &str) -> Self {
        Self::ConfigMapKeyRef(KeyOf {
            namespace: namespace.to_owned(),
            name: selector.name.to_string(),
            key: selector.key.to_string(),
        })
    }

    /// What a source names in `namespace`: a Secret goes first. `None`: nothing.
    pub fn of(source: &ValueFromSource, namespace: &str) -> Option<Self> {
        let secret = source.secret_key_ref.as_ref();
        let secret = secret.map(|key| Self::secret(key, namespace));
        let config = source.config_map_key_ref.as_ref();
        secret.or_else(|| config.map(|key| Self::config_map(key, namespace)))
    }
}

impl fmt::Display for ValueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (
            kind,
            KeyOf {
                namespace,
                name,
                key,
            },
        ) = match self {
            Self::SecretKeyRef(key) => ("Secret", key),
            Self::ConfigMapKeyRef(key) => ("ConfigMap", key),
        };
        write!(f, "key {key} of {kind} {namespace}/{name}")
    }
}

/// Who is trusted, and who to be, when a connection is encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsRef {
    /// The server may be anybody; nothing else counts.
    pub insecure_skip_verify: bool,
    /// The authorities to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<ValueRef>,
    /// The client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ValueRef>,
    /// The private key of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<ValueRef>,
}

impl TlsRef {
    /// What a spec asks for.
    ///
    /// # Errors
    /// If nothing is set, or one half of certificate and key.
    pub fn of(spec: &TlsConfig, namespace: &str) -> Result<Self, TlsError> {
        Ok(match spec.mode()? {
            TlsMode::SkipVerify => Self {
                insecure_skip_verify: true,
                ..Self::default()
            },
            TlsMode::Verify { ca, client } => Self {
                insecure_skip_verify: false,
                authorities: ca.map(|ca| ValueRef::secret(ca, namespace)),
                certificate: client.map(|(cert, _)| ValueRef::secret(cert, namespace)),
                private_key: client.map(|(_, key)| ValueRef::secret(key, namespace)),
            },
        })
    }

    /// The same with its values.
    ///
    /// # Errors
    /// If a value is not there.
    pub async fn resolve(&self, values: &dyn Values) -> Result<Tls, Error> {
        let authorities = match &self.authorities {
            Some(reference) => Some(values.find(reference).await?.text()),
            None => None,
        };
        let identity = match (&self.certificate, &self.private_key) {
            (Some(certificate), Some(key)) => Some(Identity {
                certificates: values.find(certificate).await?.text(),
                private_key: values.find(key).await?.text(),
            }),
            _ => None,
        };
        Ok(Tls {
            authorities,
            identity,
            insecure_skip_verify: self.insecure_skip_verify,
            server_name: None,
        })
    }
}

/// A user with a password. What is missing is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct BasicAuth {
    /// Where the user's name is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<ValueRef>,
    /// Where the password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<ValueRef>,
}

impl BasicAuth {
    /// What a spec says of them.
    pub fn of(spec: &tiphys_api::BasicAuth, namespace: &str) -> Self {
        let secret = |selector: &Option<_>| {
            selector
                .as_ref()
                .map(|selector| ValueRef::secret(selector, namespace))
        };
        Self {
            username: secret(&spec.username),
            password: secret(&spec.password),
        }
    }

    /// User and password.
    ///
    /// # Errors
    /// If a value is not there.
    pub async fn resolve(&self, values: &dyn Values) -> Result<(String, String), Error> {
        Ok((
            values.text(self.username.as_ref()).await?,
            values.text(self.password.as_ref()).await?,
        ))
    }
}
