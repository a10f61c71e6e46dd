//! HTTP: one client for each kind of connection; its users share its open connections.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use sha2::{Digest, Sha256};
use tiphys_api::message::with_causes;
use tiphys_base::Cache;

use crate::Error;
use crate::tls::{Tls, client_config};

/// How long it may take until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many clients are kept.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// How many redirects are followed, as in Go.
pub const REDIRECTS: usize = 10;

/// How much of a body is shown when a status is not allowed.
const EXCERPT: usize = 256;

/// What decides whether two requests can go over one connection.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Encryption with all its values.
    pub tls: Tls,
    /// Whether the proxies of the environment count.
    pub proxies: bool,
    /// Whether redirects are followed by the client itself.
    pub follows: bool,
}

impl Default for Settings {
    /// Whoever the system's authorities vouch for, by way of the environment's proxies. A redirect is an
    /// answer: a login is for one server alone.
    fn default() -> Self {
        Self {
            tls: Tls::default(),
            proxies: true,
            follows: false,
        }
    }
}

/// Clients by the settings that they were made with.
pub struct Pool(Cache<[u8; 32], Client>);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("http::Pool")
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self(Cache::new(CLIENTS))
    }
}

impl Pool {
    /// The client for `settings`.
    ///
    /// # Errors
    /// If the settings make no sense.
    pub fn get(&self, settings: &Settings) -> Result<Client, Error> {
        let key = settings.key();
        if let Some(client) = self.0.get(&key) {
            return Ok(client);
        }
        Ok(self.0.get_or_insert(key, build(settings)?))
    }
}

impl Settings {
    /// A digest: the values of Secrets are not kept as keys.
    fn key(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.tls.digest());
        digest.update([u8::from(self.proxies), u8::from(self.follows)]);
        digest.finalize().into()
    }
}

fn build(settings: &Settings) -> Result<Client, Error> {
    let tls = client_config(Some(&settings.tls)).map_err(|error| {
        Error::unavailable(format!("prepare TLS: {}", with_causes(&error)))
            .with_hint("correct the certificates in the Secrets that `tls` names")
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
        .map_err(|error| Error::refused(format!("prepare a connection: {}", with_causes(&error))))
}

/// The URL of a web server.
///
/// # Errors
/// If it is none.
pub fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| Error::refused(format!("{url:?} is no URL of a web server")))
}

/// Why there is no answer to the `is_first` request of an exchange, or to a later one. A connection that
/// never stood carried nothing; anything else may have been worked on.
pub fn unsent(error: reqwest::Error, is_first: bool, act: &str) -> Error {
    let was_never_sent = error.is_connect() && is_first;
    let message = format!("{act}: {}", with_causes(&error.without_url()));
    if was_never_sent {
        Error::unavailable(message)
    } else {
        Error::refused(message)
    }
}

/// Whether the server says that it did not work on the request: RFC 6585 §4, RFC 9110 §15.6.4.
pub fn is_busy(response: &Response) -> bool {
    let status = response.status();
    status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::SERVICE_UNAVAILABLE
            && response.headers().contains_key(RETRY_AFTER))
}

/// When to try again, if the server says so in seconds.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let asked = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    asked.trim().parse().ok().map(Duration::from_secs)
}

/// At most `limit` bytes of a body, and whether there are more.
///
/// # Errors
/// If the connection breaks.
pub async fn read(
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

/// The beginning of a body behind a colon, in one line and without `secrets`; empty if there is none.
pub fn excerpt(body: &[u8], secrets: &[String]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "…");
    }
    let line: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(EXCERPT)
        .collect();
    let line = line.trim();
    if line.is_empty() {
        String::new()
    } else {
        format!(": {line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_without_secrets() {
        let secrets = vec!["s3cret".to_owned(), String::new()];
        assert_eq!(
            excerpt(b"no:\n s3cret is wrong\n", &secrets),
            ": no:  … is wrong"
        );
        assert_eq!(excerpt(b"", &secrets), "");
        assert_eq!(
            excerpt("ä".repeat(300).as_bytes(), &[]).chars().count(),
            2 + EXCERPT
        );
    }
}
