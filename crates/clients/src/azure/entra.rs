//! Logins of Entra: the token that the pod is given for a service of Azure, kept until shortly before it ends.

mod ask;
mod environment;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_base::{Cache, Reason};
use tokio::sync::Mutex;

pub use environment::Environment;

use crate::Clients;
use crate::temporary::{Kept, Temporary};

/// Service Bus, as tokens name it.
pub const SERVICE_BUS: &str = "https://servicebus.azure.net";

/// Event Hubs, as tokens name it.
pub const EVENT_HUBS: &str = "https://eventhubs.azure.net";

/// Storage, as tokens name it.
pub const STORAGE: &str = "https://storage.azure.com";

/// How many tokens are kept: one for each service.
const KEPT: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub text: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The cause in one word.
    pub reason: Reason,
    /// What is wrong.
    pub message: String,
    /// What a human can do; may be empty.
    pub hint: String,
}

impl Error {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        let hint = String::new();
        Self {
            reason,
            message,
            hint,
        }
    }
}

impl From<Token> for Temporary<Token> {
    fn from(token: Token) -> Self {
        Self {
            expires: Some(token.expires),
            login: token,
        }
    }
}

/// Tokens by the services that they are for.
pub struct Logins {
    environment: Environment,
    kept: Cache<&'static str, Arc<Mutex<Kept<Token>>>>,
    now: fn() -> Timestamp,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("entra::Logins")
    }
}

impl Logins {
    /// Tokens by what `environment` says.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            kept: Cache::new(KEPT),
            now: Timestamp::now,
        }
    }

    /// The token that counts now for a service; one asks for it, and the others wait.
    ///
    /// # Errors
    /// If there is no login, or it is refused.
    pub async fn token(&self, clients: &Clients, service: &'static str) -> Result<Token, Error> {
        let kept = self.kept.get_or_insert(service, Arc::default());
        let mut kept = kept.lock().await;
        if let Some(known) = kept.usable((self.now)()) {
            return Ok(known);
        }
        let asked = ask::find(clients, &self.environment, service, (self.now)()).await;
        kept.answered(asked.map(Temporary::from), (self.now)())
    }

    /// The token was refused: another one is asked for.
    pub fn forget(&self, service: &'static str) {
        self.kept.remove(&service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-01-02T{time}Z").parse().unwrap()
    }

    fn token(text: &str, expires: &str) -> Token {
        Token {
            text: text.to_owned(),
            expires: at(expires),
        }
    }

    fn usable(kept: &Kept<Token>, time: &str) -> Option<String> {
        kept.usable(at(time)).map(|token| token.text)
    }

    #[test]
    fn a_token_is_renewed_before_it_ends_and_kept_if_that_fails() {
        let mut kept = Kept::default();
        assert_eq!(usable(&kept, "10:00:00"), None);
        let first = token("first", "11:00:00");
        kept.answered(Ok::<_, Error>(first.into()), at("10:00:00"))
            .unwrap();
        assert_eq!(usable(&kept, "10:54:59").as_deref(), Some("first"));
        assert_eq!(usable(&kept, "10:55:00"), None);
        let failed = || Err(Error::new(Reason::Unreachable, "no answer"));
        let still = kept.answered(failed(), at("10:55:00")).unwrap();
        assert_eq!(still.text, "first");
        assert_eq!(usable(&kept, "10:55:29").as_deref(), Some("first"));
        assert_eq!(usable(&kept, "10:55:30"), None);
        assert!(kept.answered(failed(), at("11:00:00")).is_err());
        assert_eq!(
            format!("{:?}", token("s3cret", "11:00:00")),
            "Token { expires: 2026-01-02T11:00:00Z, .. }"
        );
    }
}
