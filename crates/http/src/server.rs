//! Serves one port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::body::Budget;
use crate::certificate::{self, Certificate};
use crate::route::Router;
use crate::seat::Seats;
use crate::{Limits, connection};

/// How often connections are looked at.
const SWEEP: Duration = Duration::from_millis(500);

/// How long nothing is accepted after the system gave no connection, as it does without free files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// An open port and what it answers.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// What all connections of a port share.
pub(crate) struct Shared {
    pub(crate) router: Arc<Router>,
    acceptor: RwLock<Option<TlsAcceptor>>,
    pub(crate) limits: Limits,
    pub(crate) requests: Semaphore,
    pub(crate) budget: Arc<Budget>,
    pub(crate) seats: Seats,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// What connections that come from here on have to do first.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.acceptor
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Serves HTTPS with a certificate, or plain HTTP, to those who come from here on.
    pub(crate) fn show(&self, certificate: Option<Arc<Certificate>>) -> Result<(), rustls::Error> {
        let acceptor = certificate.map(certificate::acceptor).transpose()?;
        *self
            .acceptor
            .write()
            .unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }
}

/// Opens a port.
///
/// # Errors
/// If it is taken, or not ours to open.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // A machine without IPv6 has no such address, though every address is meant.
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        opened => opened,
    }
}

impl Server {
    /// Serves an open port: plain HTTP, until it is given a certificate.
    pub fn new(listener: TcpListener, router: Arc<Router>, limits: Limits) -> Self {
        let shared = Shared {
            router,
            acceptor: RwLock::new(None),
            requests: Semaphore::new(limits.requests),
            budget: Arc::new(Budget::new(limits.body_bytes)),
            seats: Seats::new(),
            limits,
        };
        Self {
            listener,
            shared: Arc::new(shared),
        }
    }

    /// Serves HTTPS with a certificate.
    ///
    /// # Errors
    /// If TLS cannot be set up, which the choice of its versions rules out.
    pub fn with_certificate(self, certificate: Arc<Certificate>) -> Result<Self, rustls::Error> {
        self.shared.show(Some(certificate))?;
        Ok(self)
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `shutdown`; then accepts nothing more and finishes what is being answered, within
    /// [`Limits::drain_time`].
    ///
    /// # Cancellation
    /// All connections are cut.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { listener, shared } = self;
        let mut connections = JoinSet::new();
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        error!(%error, "A connection ended by a fault of the program");
                    }
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => accept(stream, &shared, &shutdown, &mut connections),
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(error) => {
                        warn!(%error, "Could not accept a connection");
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
                _ = sweep.tick(), if !shared.seats.is_empty() => shared.seats.sweep(&shared.limits),
            }
        }
        drop(listener);
        let rest = async { while connections.join_next().await.is_some() {} };
        // What is left after that is cut: it may have been worked on, and is answered by nobody.
        timeout(shared.limits.drain_time, rest)
            .await
            .unwrap_or_default();
    }
}

fn accept(
    stream: TcpStream,
    shared: &Arc<Shared>,
    shutdown: &CancellationToken,
    connections: &mut JoinSet<()>,
) {
    // Without a seat all connections are being answered: this one is closed, and may try again.
    if let Some(seat) = shared.seats.take(shared.limits.connections) {
        let connection =
            connection::serve(stream, seat, Arc::clone(shared), shutdown.child_token());
        connections.spawn(connection);
    }
}

/// The client has given up before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
