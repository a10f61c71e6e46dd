//! Publishes messages for the `nats` trigger.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tiphys_api::message::with_causes;
use tiphys_eventbus::jetstream::{Auth, Config};
use tiphys_eventbus::publisher::{self, Publisher};

use super::Error;
use super::clients::{resolve_tls, tls_digest};
use super::values::Values;
use crate::action::{NatsAction, NatsAuth};

/// How many connections are kept; beyond that all are opened anew.
const CONNECTIONS: usize = 64;

/// Publishes messages over connections that it keeps.
pub struct Executor {
    values: Arc<dyn Values>,
    known: Mutex<HashMap<[u8; 32], Arc<Publisher>>>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nats::Executor")
    }
}

impl Executor {
    pub(super) fn new(values: Arc<dyn Values>) -> Self {
        Self {
            values,
            known: Mutex::default(),
        }
    }

    /// Performs an action once; returns when the server has the message.
    pub(super) async fn perform(&self, action: &NatsAction) -> Result<(), Error> {
        let publisher = self.publisher(action).await?;
        let payload = Bytes::from(action.payload.clone());
        let act = format!("publish {} on {}", action.subject, publisher.url());
        publisher
            .publish(&action.subject, payload)
            .await
            .map_err(|error| match error {
                publisher::Error::NotConnected => {
                    Error::unavailable(format!("{act}: not connected"))
                }
                publisher::Error::NotAllowed(reason) => Error::Unavailable {
                    message: format!("{act}: {reason}"),
                    hint: Some("allow the user of `auth` to publish there".to_owned()),
                    retry_after: None,
                },
                error => Error::Refused(format!("{act}: {}", with_causes(&error))),
            })
    }

    async fn publisher(&self, action: &NatsAction) -> Result<Arc<Publisher>, Error> {
        let config = self.config(action).await?;
        let key = key(&config);
        if let Some(known) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(Arc::clone(known));
        }
        let publisher = Publisher::connect(&config).await;
        let publisher = publisher.map_err(|error| Error::unavailable(with_causes(&error)))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CONNECTIONS {
            known.clear();
        }
        // Whoever connected at the same time was first or is not; one connection is kept.
        Ok(Arc::clone(
            known.entry(key).or_insert_with(|| Arc::new(publisher)),
        ))
    }

    async fn config(&self, action: &NatsAction) -> Result<Config, Error> {
        let values = &*self.values;
        let auth = match &action.auth {
            None => Auth::None,
            Some(NatsAuth::Basic(basic)) => Auth::UserPassword {
                user: values.text(basic.username.as_ref()).await?,
                password: values.text(basic.password.as_ref()).await?,
            },
            Some(NatsAuth::Token(token)) => Auth::Token(values.find(token).await?.text()),
            Some(NatsAuth::Nkey(seed)) => {
                Auth::NKey(values.find(seed).await?.text().trim().to_owned())
            }
            Some(NatsAuth::Credential(file)) => Auth::Credentials(values.find(file).await?.text()),
        };
        let tls = match &action.tls {
            Some(tls) => Some(resolve_tls(tls, values).await?),
            None => None,
        };
        Ok(Config {
            auth,
            tls,
            ..Config::new(action.url.as_str())
        })
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
    digest.update(config.tls.as_ref().map(tls_digest).unwrap_or_default());
    digest.finalize().into()
}
