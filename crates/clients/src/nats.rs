//! NATS: connections that heal themselves, and messages over them.

mod config;
mod pool;
mod publisher;

use std::borrow::Cow;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tiphys_api::asks_for_tls;

use crate::tls::Tls;
use crate::{BoxError, SettingsError, tls};

pub use config::{Auth, AuthRef, Config};
pub use pool::Pool;
pub use publisher::{PublishError, Publisher};
pub use tiphys_base::text::without_passwords;

/// How long an answer of the server may take; Argo Events' clients wait as long.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often the connection is tried: a server that is gone without a word is noticed after two.
const PING_EVERY: Duration = Duration::from_secs(10);

/// Where a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The server's id.
    server: String,
    /// The name of the cluster that it is part of.
    cluster: Option<String>,
}

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

impl Place {
    /// Where a client is connected to.
    pub fn of(client: &Client) -> Self {
        let info = client.server_info();
        Self {
            server: info.server_id,
            cluster: info.cluster.filter(|cluster| !cluster.is_empty()),
        }
    }

    /// Whether what is published in one place is heard in the other.
    pub fn is_same(&self, other: &Self) -> bool {
        self.server == other.server || self.cluster.is_some() && self.cluster == other.cluster
    }
}

impl ConnectError {
    /// True if a server answered, and does not let this user in.
    pub fn is_of_login(&self) -> bool {
        matches!(
            self.kind(),
            Some(ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication)
        )
    }

    fn kind(&self) -> Option<ConnectErrorKind> {
        match self {
            Self::Settings(_) => None,
            Self::Unreachable { source, .. } => source
                .downcast_ref::<async_nats::ConnectError>()
                .map(async_nats::ConnectError::kind),
        }
    }

    /// What is wrong with the certificate that a server has shown, if that is it. The words do not change
    /// with time.
    pub fn certificate_fault(&self) -> Option<String> {
        let Self::Unreachable { source, .. } = self else {
            return None;
        };
        let first: &(dyn std::error::Error + 'static) = &**source;
        std::iter::successors(Some(first), |error| error.source()).find_map(|cause| {
            let inner = cause.downcast_ref::<std::io::Error>();
            let inner = inner.and_then(std::io::Error::get_ref);
            let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
            tls::certificate_fault(inner.or_else(|| cause.downcast_ref())?)
        })
    }

    /// True if a server answered, and they did not agree on the encryption.
    pub fn is_of_tls(&self) -> bool {
        let Self::Unreachable { source, .. } = self else {
            return false;
        };
        if self.kind() == Some(ConnectErrorKind::Tls) {
            return true;
        }
        let first: &(dyn std::error::Error + 'static) = &**source;
        let mut causes = std::iter::successors(Some(first), |error| error.source());
        causes.any(|cause| {
            let cause = cause.downcast_ref::<std::io::Error>();
            let inner = cause.and_then(std::io::Error::get_ref);
            inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        })
    }
}

/// Checks the URLs of servers, parted by commas.
///
/// # Errors
/// If one is none.
pub fn check_urls(urls: &str) -> Result<(), String> {
    for url in urls.split(',').map(str::trim) {
        if let Err(error) = url.parse::<async_nats::ServerAddr>() {
            let url = without_passwords(url);
            return Err(format!("{url:?} is no URL of a NATS server: {error}"));
        }
    }
    Ok(())
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
    let client = options.connect(servers).await.map_err(|err| {
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
    })?;
    if tells_anybody(config) {
        tracing::warn!(
            url = without_passwords(&config.url),
            "The login goes to a server that is not verified: use a tls:// URL, or set tls"
        );
    }
    Ok(client)
}

/// How servers are verified: who writes `tls://` has asked for it.
fn verification(config: &Config) -> Option<Cow<'_, Tls>> {
    match &config.tls {
        Some(tls) => Some(Cow::Borrowed(tls)),
        None => asks_for_tls(&config.url).then(|| Cow::Owned(Tls::default())),
    }
}

/// True if whoever answers at the address hears a password or a token. Keys are not told, they sign.
fn tells_anybody(config: &Config) -> bool {
    let is_told = match config.auth {
        Auth::UserPassword { .. } | Auth::Token(_) => true,
        Auth::None | Auth::NKey(_) | Auth::Credentials(_) => config.url.contains('@'),
    };
    is_told && verification(config).is_none_or(|tls| tls.insecure_skip_verify)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_cluster_are_one_place() {
        let place = |server: &str, cluster: Option<&str>| Place {
            server: server.to_owned(),
            cluster: cluster.map(ToOwned::to_owned),
        };
        let here = place("A", Some("bus"));
        assert!(here.is_same(&place("A", None)));
        assert!(here.is_same(&place("B", Some("bus"))));
        assert!(!here.is_same(&place("B", Some("other"))));
        assert!(!place("A", None).is_same(&place("B", None)));
    }

    #[test]
    fn a_login_for_whoever_answers_is_noticed() {
        let token = Auth::Token("t".to_owned());
        let any = Tls {
            insecure_skip_verify: true,
            ..Tls::default()
        };
        for (url, auth, tls, expected) in [
            ("nats://a", token.clone(), None, true),
            ("nats://a", token.clone(), Some(any.clone()), true),
            ("tls://a", token.clone(), Some(any), true),
            ("nats://me:secret@a", Auth::None, None, true),
            ("tls://a", token.clone(), None, false),
            ("nats://a", token, Some(Tls::default()), false),
            ("nats://a", Auth::None, None, false),
            // A seed stays here: it signs.
            ("nats://a", Auth::NKey("seed".to_owned()), None, false),
        ] {
            let config = Config {
                auth,
                tls,
                ..Config::new(url)
            };
            assert_eq!(tells_anybody(&config), expected, "{config:?}");
        }
    }
}
