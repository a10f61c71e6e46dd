//! Connections that are kept.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tiphys_base::Cache;

use super::{Auth, Config, ConnectError, Publisher};
use crate::tls::Tls;

/// How many connections are kept.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Connections by the settings that they were opened with.
pub struct Pool(Cache<[u8; 32], Arc<Publisher>>);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nats::Pool")
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self(Cache::new(CONNECTIONS))
    }
}

impl Pool {
    /// The connection for `config`, which is opened if there is none.
    ///
    /// # Errors
    /// If the settings make no sense, or no server can be reached.
    pub async fn publisher(&self, config: &Config) -> Result<Arc<Publisher>, ConnectError> {
        let key = key(config);
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let publisher = Arc::new(Publisher::connect(config).await?);
        // Whoever connected at the same time was first or is not; one connection is kept.
        Ok(self.0.get_or_insert(key, publisher))
    }
}

/// A digest of everything that a connection depends on: the values of Secrets are not kept.
fn key(config: &Config) -> [u8; 32] {
    let mut digest = Sha256::new();
    let (kind, parts) = match &config.auth {
        Auth::None => (0, ["", ""]),
        Auth::UserPassword { user, password } => (1, [user.as_str(), password.as_str()]),
        Auth::Token(text) => (2, [text.as_str(), ""]),
        Auth::NKey(text) => (3, [text.as_str(), ""]),
        Auth::Credentials(text) => (4, [text.as_str(), ""]),
    };
    digest.update([kind, u8::from(config.tls.is_some())]);
    for part in [config.url.as_str(), parts[0], parts[1]] {
        digest.update(Sha256::digest(part));
    }
    digest.update(config.tls.as_ref().map(Tls::digest).unwrap_or_default());
    digest.finalize().into()
}
