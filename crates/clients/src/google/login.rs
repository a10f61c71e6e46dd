//! Which login somebody asks with, and tokens that are kept until shortly before they end.

use std::fmt;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tiphys_api::SecretKeySelector;
use tiphys_base::{Cache, Reason};
use tokio::sync::Mutex;

use super::credentials::{Credentials, Hidden};
use super::exchange::{Given, exchange, of_metadata, project};
use super::{Environment, Error, Token};
use crate::temporary::{Kept, Temporary};
use crate::{Clients, ValueRef};

/// How many tokens are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Which login somebody asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginRef {
    /// Credentials in a Secret.
    Secret(ValueRef),
    /// What the process finds around it: a file that a variable names, that of a person who has logged in, or the
    /// metadata server.
    Environment,
}

impl LoginRef {
    /// The login by the field `credentialSecret` of an object in `namespace`.
    pub fn of(secret: Option<&SecretKeySelector>, namespace: &str) -> Self {
        match secret {
            Some(key) => Self::Secret(ValueRef::secret(key, namespace)),
            None => Self::Environment,
        }
    }
}

impl fmt::Display for LoginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(key) => write!(f, "credentialSecret ({key})"),
            Self::Environment => f.write_str("the login of the pod"),
        }
    }
}

/// What a token was given for: the digest of credentials, so that rotated ones count, or the environment.
type Key = Option<[u8; 32]>;

/// Tokens by what they were given for.
pub struct Logins {
    environment: Environment,
    kept: Cache<Key, Arc<Mutex<Kept<Token>>>>,
    now: fn() -> Timestamp,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("google::Logins")
    }
}

impl Logins {
    /// Logins by what `environment` says.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            kept: Cache::new(KEPT),
            now: Timestamp::now,
        }
    }

    /// What the environment says.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The token that counts now; one asks for it, and the others wait.
    ///
    /// # Errors
    /// If there is no login, or it is refused.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn token(&self, clients: &Clients, login: &LoginRef) -> Result<Token, Error> {
        let credentials = read(clients, login).await?;
        let key = credentials.as_ref().map(|json| digest(&json.0));
        let kept = self.kept.get_or_insert(key, Arc::default());
        let mut kept = kept.lock().await;
        if let Some(known) = kept.usable((self.now)()) {
            return Ok(known);
        }
        let asked = match credentials {
            Some(json) => for_credentials(clients, json.0.as_bytes(), (self.now)()).await,
            None => self.find(clients).await,
        };
        kept.answered(asked, (self.now)())
    }

    /// The token was refused: another one is asked for.
    pub async fn forget(&self, clients: &Clients, login: &LoginRef) {
        if let Ok(credentials) = read(clients, login).await {
            self.kept
                .remove(&credentials.as_ref().map(|json| digest(&json.0)));
        }
    }

    /// The project of the pod.
    ///
    /// # Errors
    /// If it is not one of Google's, or its metadata server does not answer.
    pub async fn project(&self, clients: &Clients) -> Result<String, Error> {
        project(clients, &self.environment.metadata).await
    }

    /// What the process finds around it.
    async fn find(&self, clients: &Clients) -> Result<Temporary<Token>, Error> {
        let Environment {
            file,
            default_file,
            metadata,
            ..
        } = &self.environment;
        let in_file = |error: Error, path: &Path| {
            let message = format!("{}: {error}", path.display());
            Error::new(error.reason, message).with_hint(error.hint)
        };
        if let Some(path) = file {
            let json = tokio::fs::read(path).await.map_err(|error| {
                let path = path.display();
                let message = format!("read GOOGLE_APPLICATION_CREDENTIALS {path}: {error}");
                Error::new(Reason::Missing, message)
            })?;
            let given = for_credentials(clients, &json, (self.now)()).await;
            return given.map_err(|error| in_file(error, path));
        }
        if let Some(path) = default_file {
            match tokio::fs::read(path).await {
                Ok(json) => {
                    let given = for_credentials(clients, &json, (self.now)()).await;
                    return given.map_err(|error| in_file(error, path));
                }
                // Most pods have none, and some may not look there.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => tracing::debug!(%error, "Left out {}", path.display()),
            }
        }
        let given = of_metadata(clients, metadata, (self.now)()).await;
        let given = given.map_err(|error| {
            let message = format!("there is no login of Google: {error}");
            let reason = match error.reason {
                Reason::Unreachable | Reason::NotFound => Reason::Missing,
                reason => reason,
            };
            Error::new(reason, message).with_hint(
                "set credentialSecret, or let the service account of the pod act for Google \
                 (workload identity)",
            )
        })?;
        Ok(whole(given, None))
    }
}

/// The credentials as they are now: rotated ones count. `None`: the process looks around.
async fn read(clients: &Clients, login: &LoginRef) -> Result<Option<Hidden>, Error> {
    match login {
        LoginRef::Secret(key) => match clients.values.find(key).await {
            Ok(value) => Ok(Some(Hidden(value.text()))),
            Err(error) => Err(Error::of_ours(&error)),
        },
        LoginRef::Environment => Ok(None),
    }
}

fn digest(json: &str) -> [u8; 32] {
    Sha256::digest(json).into()
}

async fn for_credentials(
    clients: &Clients,
    json: &[u8],
    now: Timestamp,
) -> Result<Temporary<Token>, Error> {
    let credentials = Credentials::read(json)?;
    let given = exchange(clients, &credentials, now).await?;
    Ok(whole(given, credentials.quota_project().cloned()))
}

fn whole(given: Given, quota_project: Option<String>) -> Temporary<Token> {
    let Hidden(text) = given.login;
    Temporary {
        login: Token {
            text,
            quota_project,
        },
        expires: given.expires,
    }
}
