//! Keys of Secrets and `ConfigMaps`, by name: what an action says instead of their values.

use std::fmt;

use serde::Serialize;
use tiphys_api::{ConfigMapKeySelector, SecretKeySelector, TlsConfig, TlsError, TlsMode};

/// A value that is looked up when the action is performed.
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
pub struct Tls {
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

impl Tls {
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
}
