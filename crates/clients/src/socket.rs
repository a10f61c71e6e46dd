//! A connection to a server, encrypted if that is wanted.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::BoxError;
use crate::tls::{Tls, connector};

/// How long it may take until a connection stands.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The settings of the connection make no sense. Retrying does not help.
    #[error("settings of the connection to {address}")]
    Settings {
        /// Host and port.
        address: String,
        /// What is wrong.
        #[source]
        source: BoxError,
    },
    /// Nobody answers.
    #[error("connect to {address}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What failed.
        #[source]
        source: BoxError,
    },
    /// Somebody answers, but not with the encryption that is wanted.
    #[error("encrypt the connection to {address}")]
    Tls {
        /// Host and port.
        address: String,
        /// What failed.
        #[source]
        source: BoxError,
    },
}

/// Connects to a host and port, such as `redis:6379` or `[::1]:6379`. Without `tls` nothing is encrypted.
///
/// # Errors
/// If there is no connection in time.
pub async fn connect(address: &str, tls: Option<&Tls>) -> Result<Box<dyn Stream>, SocketError> {
    let stream = connect_plain(address).await?;
    match tls {
        Some(tls) => Ok(Box::new(encrypt(stream, address, tls).await?)),
        None => Ok(Box::new(stream)),
    }
}

/// Connects without encryption.
pub(crate) async fn connect_plain(address: &str) -> Result<TcpStream, SocketError> {
    let connecting = within(TcpStream::connect(address)).await;
    let stream = connecting.map_err(|source| SocketError::Unreachable {
        address: address.to_owned(),
        source,
    })?;
    // Small messages go at once.
    stream.set_nodelay(true).unwrap_or_default();
    Ok(stream)
}

/// Encrypts a connection to a host and port.
///
/// # Errors
/// If the settings make no sense, or the server does not agree in time.
pub async fn encrypt<S: Stream>(
    stream: S,
    address: &str,
    tls: &Tls,
) -> Result<impl Stream + use<S>, SocketError> {
    let connector = connector(tls).map_err(|source| SocketError::Settings {
        address: address.to_owned(),
        source: source.into(),
    })?;
    agree(stream, address, host(address), connector).await
}

/// Encrypts a connection to a host and port, whose server is asked for by `name`.
///
/// # Errors
/// If the name is none, or the server does not agree in time.
pub(crate) async fn agree<S: Stream>(
    stream: S,
    address: &str,
    name: &str,
    connector: TlsConnector,
) -> Result<impl Stream + use<S>, SocketError> {
    let name = ServerName::try_from(name.to_owned());
    let name = name.map_err(|source| SocketError::Settings {
        address: address.to_owned(),
        source: source.into(),
    })?;
    let agreed = within(connector.connect(name, stream)).await;
    agreed.map_err(|source| SocketError::Tls {
        address: address.to_owned(),
        source,
    })
}

async fn within<T>(acting: impl Future<Output = std::io::Result<T>>) -> Result<T, BoxError> {
    match timeout(CONNECT_WITHIN, acting).await {
        Ok(done) => done.map_err(BoxError::from),
        Err(_) => Err(format!("no answer in {} s", CONNECT_WITHIN.as_secs()).into()),
    }
}

/// The host of an address.
pub(crate) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_host_has_neither_port_nor_brackets() {
        for (address, expected) in [
            ("redis.example:6379", "redis.example"),
            ("[::1]:6379", "::1"),
            ("redis", "redis"),
        ] {
            assert_eq!(host(address), expected);
        }
    }
}
