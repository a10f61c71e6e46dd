//! A request to be sent.

use serde::Serialize;

use super::{Tls, ValueRef};

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpAction {
    /// `POST`, `GET`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Goes before the host of the URL in the `Host` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Names in lower case, each once.
    #[serde(serialize_with = "as_map")]
    pub headers: Vec<(String, String)>,
    /// Headers whose values are looked up when the request is sent; they go before `headers`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secure_headers: Vec<SecureHeader>,
    /// Login; goes before all headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// The body; may be empty.
    pub body: String,
    /// How long the whole exchange may take.
    pub timeout_seconds: u64,
    /// Encryption. `None`: by the system's authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The status codes that mean success. Empty: all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_status: Vec<i32>,
}

/// A header with a value that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecureHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Where its value is.
    pub value_from: ValueRef,
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
}

fn as_map<S: serde::Serializer>(
    headers: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}
