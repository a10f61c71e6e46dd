//! Connections to servers, encrypted if that is wanted.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use socket2::{SockRef, TcpKeepalive};
use tiphys_base::Cache;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::Error;
use crate::socket::{SocketError, Stream, agree, connect_plain, host};
use crate::tls::{Tls, client_config};

/// How many connections are kept.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The port of an address that names none, as gRPC has it.
const PORT: u16 = 443;

/// A connection on which nothing comes for so long is tried.
const QUIET: Duration = Duration::from_secs(30);

/// How often it is tried after that, and how many tries without an answer end it.
const TRY_EVERY: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;

/// How often the program at the other end is asked whether it is there.
///
/// gRPC's servers take two pings within five minutes for an attack and close the connection, unless they
/// are set otherwise: that the machine is there is tried below, by TCP.
const PING_EVERY: Duration = Duration::from_mins(6);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// What servers see of who asks.
const USER_AGENT: &str = concat!("tiphys/", env!("CARGO_PKG_VERSION"));

/// How a server is reached.
#[derive(Debug, Clone)]
pub struct Config {
    /// Host and port as gRPC writes them, such as `events.shop.svc:7000` or `dns:///events.shop.svc:7000`.
    pub address: String,
    /// Encryption. `None`: none.
    pub tls: Option<Tls>,
}

impl Config {
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(&self.address));
        if let Some(tls) = &self.tls {
            digest.update(tls.digest());
        }
        digest.finalize().into()
    }

    /// Connects now.
    pub(super) async fn connect(&self) -> Result<Channel, Error> {
        let (endpoint, dial) = self.prepare()?;
        let connected = endpoint.connect_with_connector(service_fn(move |_| dial.clone().dial()));
        connected.await.map_err(|error| Error::of(&error))
    }

    /// Connects when it is needed, and again when the connection breaks.
    fn connect_later(&self) -> Result<Channel, Error> {
        let (endpoint, dial) = self.prepare()?;
        Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| dial.clone().dial())))
    }

    fn prepare(&self) -> Result<(Endpoint, Dial), Error> {
        let address = authority(&self.address).map_err(Error::settings)?;
        let mut name = host(&address).to_owned();
        let mut origin = address.clone();
        let mut scheme = "http";
        let mut connector = None;
        if let Some(tls) = &self.tls {
            let config = client_config(Some(tls));
            let mut config = config.map_err(|error| Error::of(&error).with_settings())?;
            config.alpn_protocols = vec![b"h2".to_vec()];
            connector = Some(TlsConnector::from(Arc::new(config)));
            scheme = "https";
            if let Some(given) = &tls.server_name {
                name.clone_from(given);
                origin.clone_from(given);
            }
        }
        let origin: Uri = format!("{scheme}://{origin}")
            .parse()
            .map_err(|error| Error::settings(format!("{origin:?} is no name: {error}")))?;
        let endpoint = Endpoint::from(origin)
            .user_agent(USER_AGENT)
            .map_err(|error| Error::of(&error))?
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        let dial = Dial {
            address,
            name,
            connector,
        };
        Ok((endpoint, dial))
    }
}

/// Opens the connection below.
#[derive(Clone)]
struct Dial {
    address: String,
    name: String,
    connector: Option<TlsConnector>,
}

impl Dial {
    async fn dial(self) -> Result<TokioIo<Box<dyn Stream>>, SocketError> {
        let stream = connect_plain(&self.address).await?;
        let keepalive = TcpKeepalive::new()
            .with_time(QUIET)
            .with_interval(TRY_EVERY)
            .with_retries(TRIES);
        // Without it, whoever is gone without a word is noticed later.
        SockRef::from(&stream)
            .set_tcp_keepalive(&keepalive)
            .unwrap_or_default();
        let stream: Box<dyn Stream> = match self.connector {
            Some(connector) => Box::new(agree(stream, &self.address, &self.name, connector).await?),
            None => Box::new(stream),
        };
        Ok(TokioIo::new(stream))
    }
}

/// Connections by the settings that they were made with.
pub struct Pool(Cache<[u8; 32], Channel>);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("grpc::Pool")
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self(Cache::new(CONNECTIONS))
    }
}

impl Pool {
    /// The connection with these settings, which heals itself.
    pub(super) fn get(&self, config: &Config) -> Result<Channel, Error> {
        let key = config.digest();
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        Ok(self.0.get_or_insert(key, config.connect_later()?))
    }
}

/// Checks the address of a server.
///
/// # Errors
/// If it is none.
pub fn check_address(address: &str) -> Result<(), String> {
    authority(address).map(drop)
}

/// Host and port of an address of gRPC.
fn authority(address: &str) -> Result<String, String> {
    let wrong = || format!("{address:?} is no address of a gRPC server: it is HOST:PORT");
    let bare = ["dns:///", "passthrough:///", "dns:"]
        .into_iter()
        .find_map(|scheme| address.strip_prefix(scheme))
        .unwrap_or(address);
    let parsed: Authority = bare.parse().map_err(|_| wrong())?;
    let named = parsed.host();
    if named.is_empty() || bare.contains('@') {
        return Err(wrong());
    }
    let port = match parsed.port_u16() {
        Some(port) => port,
        None if bare == named => PORT,
        None => return Err(wrong()),
    };
    Ok(format!("{named}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn an_address_is_a_host_with_a_port() {
        for (address, expected) in [
            ("events.shop.svc:7000", "events.shop.svc:7000"),
            ("dns:///events:7000", "events:7000"),
            ("passthrough:///events:7000", "events:7000"),
            ("[::1]:7000", "[::1]:7000"),
            ("events.example.com", "events.example.com:443"),
        ] {
            assert_eq!(authority(address).as_deref(), Ok(expected), "{address}");
        }
        for address in [
            "",
            "https://events:7000",
            "unix:///run/events",
            "events:many",
            "me@events:7000",
            "a b",
        ] {
            let message = authority(address).unwrap_err();
            assert!(
                message.ends_with("is no address of a gRPC server: it is HOST:PORT"),
                "{message}"
            );
        }
    }
}
