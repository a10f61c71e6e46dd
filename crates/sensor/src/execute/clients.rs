//! HTTP clients, one for each kind of connection: what they share is their open connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, Response, redirect};
use sha2::{Digest, Sha256};
use tiphys_api::message::with_causes;
use tiphys_eventbus::jetstream::{self, client_config};

use super::Error;
use super::values::Values;
use crate::action::{Tls, ValueRef};

/// How long it may take until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many clients are kept; beyond that all are made anew.
const CLIENTS: usize = 64;

/// How many redirects are followed, as in Go.
pub(super) const REDIRECTS: usize = 10;

/// What decides whether two requests can go over one connection.
#[derive(Clone)]
pub(super) struct Settings {
    /// Encryption with all its values.
    pub(super) tls: jetstream::Tls,
    /// Whether the proxies of the environment count.
    pub(super) proxies: bool,
    /// Whether redirects are followed by the client itself.
    pub(super) follows: bool,
}

/// Makes clients and remembers them.
#[derive(Default)]
pub(super) struct Clients {
    known: Mutex<HashMap<[u8; 32], Client>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

impl Clients {
    /// The client for `settings`.
    pub(super) fn get(&self, settings: &Settings) -> Result<Client, Error> {
        let key = settings.key();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&key) {
            return Ok(client.clone());
        }
        let client = build(settings)?;
        if known.len() >= CLIENTS {
            known.clear();
        }
        known.insert(key, client.clone());
        Ok(client)
    }
}

impl Settings {
    /// A digest: the values of Secrets are not kept as keys.
    fn key(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(tls_digest(&self.tls));
        digest.update([u8::from(self.proxies), u8::from(self.follows)]);
        digest.finalize().into()
    }
}

/// A digest of everything that an encrypted connection depends on.
pub(super) fn tls_digest(tls: &jetstream::Tls) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([u8::from(tls.insecure_skip_verify)]);
    let identity = tls.identity.as_ref();
    let parts = [
        tls.authorities.as_deref(),
        identity.map(|identity| identity.certificates.as_str()),
        identity.map(|identity| identity.private_key.as_str()),
    ];
    for part in parts {
        digest.update([u8::from(part.is_some())]);
        digest.update(Sha256::digest(part.unwrap_or_default()));
    }
    digest.finalize().into()
}

fn build(settings: &Settings) -> Result<Client, Error> {
    let tls = client_config(Some(&settings.tls)).map_err(|error| Error::Unavailable {
        message: format!("prepare TLS: {}", with_causes(&error)),
        hint: Some("correct the certificates in the Secrets that `tls` names".to_owned()),
        retry_after: None,
    })?;
    let follows = if settings.follows {
        redirect::Policy::limited(REDIRECTS)
    } else {
        redirect::Policy::none()
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(follows)
        .user_agent(concat!("tiphys/", env!("CARGO_PKG_VERSION")));
    if !settings.proxies {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Error::Refused(format!("prepare a connection: {}", with_causes(&error))))
}

/// The values that an action's encryption names.
pub(super) async fn resolve_tls(tls: &Tls, values: &dyn Values) -> Result<jetstream::Tls, Error> {
    let authorities = match &tls.authorities {
        Some(reference) => Some(values.find(reference).await?.text()),
        None => None,
    };
    let identity = match (&tls.certificate, &tls.private_key) {
        (Some(certificate), Some(key)) => Some(jetstream::Identity {
            certificates: values.find(certificate).await?.text(),
            private_key: values.find(key).await?.text(),
        }),
        _ => None,
    };
    Ok(jetstream::Tls {
        authorities,
        identity,
        insecure_skip_verify: tls.insecure_skip_verify,
    })
}

/// Encryption that trusts only the authority that `reference` names, or the system's.
pub(super) async fn trust(
    reference: Option<&ValueRef>,
    values: &dyn Values,
) -> Result<jetstream::Tls, Error> {
    let tls = Tls {
        authorities: reference.cloned(),
        ..Tls::default()
    };
    resolve_tls(&tls, values).await
}

/// At most `limit` bytes of a body, and whether there are more.
pub(super) async fn read(
    response: &mut Response,
    limit: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body, true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}
