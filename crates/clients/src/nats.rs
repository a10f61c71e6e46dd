//! NATS: connections that heal themselves, and messages over them.

mod config;
mod pool;
mod publisher;

use std::borrow::Cow;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};

use crate::tls::Tls;
use crate::{BoxError, SettingsError, tls};

pub use config::{Auth, AuthRef, Config};
pub use pool::Pool;
pub use publisher::{PublishError, Publisher};

/// How long an answer of the server may take; Argo Events' clients wait as long.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often the connection is tried: a server that is gone without a word is noticed after two.
const PING_EVERY: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The settings of the connection make no sense. Retrying does not help.
    #[error("NATS connection settings")]
    Settings(#[from] SettingsError),
    /// No server could be reached, or none lets us in.
    #[error("connect to {url}")]
    Unreachable {
        /// The servers, without passwords.
        url: String,
        /// A server answered, and it is no.
        refused: bool,
        /// What failed.
        #[source]
        source: BoxError,
    },
}

/// A client that heals itself, and tells `listen` how it is doing.
///
/// # Errors
/// If the settings make no sense, or no server can be reached.
pub async fn connect(
    config: &Config,
    listen: impl Fn(Event) + Send + Sync + 'static,
) -> Result<Client, ConnectError> {
    let options = options(config)?.event_callback(move |event| {
        listen(event);
        std::future::ready(())
    });
    let servers: Vec<&str> = config.url.split(',').map(str::trim).collect();
    options.connect(servers).await.map_err(|err| {
        let refused = matches!(
            err.kind(),
            ConnectErrorKind::ServerParse
                | ConnectErrorKind::Authentication
                | ConnectErrorKind::AuthorizationViolation
                | ConnectErrorKind::Tls
        );
        ConnectError::Unreachable {
            url: without_passwords(&config.url),
            refused,
            source: err.into(),
        }
    })
}

/// How servers are verified: who writes `tls://` has asked for it.
fn verification(config: &Config) -> Option<Cow<'_, Tls>> {
    let mut urls = config.url.split(',').map(str::trim);
    let asks = urls.any(|url| url.starts_with("tls://") || url.starts_with("wss://"));
    match &config.tls {
        Some(tls) => Some(Cow::Borrowed(tls)),
        None => asks.then(|| Cow::Owned(Tls::default())),
    }
}

fn options(config: &Config) -> Result<ConnectOptions, SettingsError> {
    let tls = verification(config);
    let options = ConnectOptions::new()
        .name(&config.name)
        .connection_timeout(ANSWER_WITHIN)
        .request_timeout(Some(ANSWER_WITHIN))
        .ping_interval(PING_EVERY)
        .require_tls(tls.is_some())
        .tls_client_config(tls::client_config(tls.as_deref())?);
    Ok(match &config.auth {
        Auth::None => options,
        Auth::UserPassword { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Auth::Token(token) => options.token(token.clone()),
        Auth::NKey(seed) => options.nkey(seed.clone()),
        Auth::Credentials(text) => options.credentials(text).map_err(|err| {
            SettingsError::caused("the credentials hold no user JWT with its seed", err)
        })?,
    })
}

/// URLs as they may be told.
pub fn without_passwords(urls: &str) -> String {
    let clean = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{host}")
    };
    urls.split(',')
        .map(|url| clean(url.trim()))
        .collect::<Vec<_>>()
        .join(",")
}
