//! A message to be published on a NATS server.

use serde::Serialize;

use super::{BasicAuth, Tls, ValueRef};

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NatsAction {
    /// The server.
    pub url: String,
    /// Under which subject.
    pub subject: String,
    /// The message.
    pub payload: String,
    /// Who to be. `None`: nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<NatsAuth>,
    /// Encryption. `None`: as the server asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Who to be at a NATS server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NatsAuth {
    /// A user with a password.
    Basic(BasicAuth),
    /// The bearer of a token.
    Token(ValueRef),
    /// The owner of an nkey, by its seed.
    Nkey(ValueRef),
    /// The owner of a credentials file.
    Credential(ValueRef),
}
