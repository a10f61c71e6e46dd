//! The ports of a process that are opened for those who ask: each with its first route, until some
//! time after its last.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use rustls::sign::CertifiedKey;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::request::{Head, Request};
use crate::response::{Response, text, with_retry_after};
use crate::route::{Admission, Handler, Registration, Route, Router, Taken};
use crate::server::{Server, Shared, listen};
use crate::{Certificate, Limits};

/// How long a port stays open without a route: an edited spec takes over within that time, and nobody
/// who calls meanwhile finds it closed.
const LINGER: Duration = Duration::from_secs(10);

/// How often ports are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How many ports may be on their way to be served.
const QUEUE: usize = 16;

/// The path that answers `OK` on every port, as Argo Events has it.
const HEALTH: &str = "/health";

/// Opens ports. Clones are the same.
#[derive(Debug, Clone)]
pub struct Ports {
    limits: Limits,
    opened: Arc<Mutex<HashMap<u16, Opened>>>,
    servers: mpsc::Sender<(Server, CancellationToken)>,
}

/// Serves what [`Ports`] opens.
#[derive(Debug)]
pub struct Serving {
    opened: Arc<Mutex<HashMap<u16, Opened>>>,
    servers: mpsc::Receiver<(Server, CancellationToken)>,
}

#[derive(Debug)]
struct Opened {
    server: Arc<Shared>,
    tls: Option<Shown>,
    stop: CancellationToken,
    /// Since when it has no route.
    unused: Option<Instant>,
}

/// The certificate of a port, and the name under which its routes agree on it.
#[derive(Debug, Clone)]
struct Shown {
    name: String,
    certificate: Arc<Certificate>,
}

/// A route that is answered, until it is dropped.
#[derive(Debug)]
pub struct Open {
    certificate: Option<Arc<Certificate>>,
    _registration: Registration,
}

/// Why a route cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The port is taken by another program, or not ours to open.
    #[error("open port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another route of this process is the same.
    #[error("answer on port {port}")]
    Taken {
        /// The port.
        port: u16,
        /// Which.
        #[source]
        source: Taken,
    },
    /// The port shows another certificate, or one while the other side wants none.
    #[error("open port {port}: it is open with another certificate, or without one")]
    OtherCertificate {
        /// The port.
        port: u16,
    },
    /// TLS cannot be set up.
    #[error("set up TLS on port {port}")]
    Tls {
        /// The port.
        port: u16,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// Nothing is served any more.
    #[error("open port {port}: the process is stopping")]
    Stopping {
        /// The port.
        port: u16,
    },
}

impl Open {
    /// Shows another certificate on the port, to those who come from here on.
    pub fn replace_certificate(&self, certificate: CertifiedKey) {
        if let Some(shown) = &self.certificate {
            shown.replace(certificate);
        }
    }
}

impl Ports {
    /// Ports with these limits each, and what serves them.
    pub fn new(limits: Limits) -> (Self, Serving) {
        let opened = Arc::<Mutex<_>>::default();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let ports = Self {
            limits,
            opened: Arc::clone(&opened),
            servers: sender,
        };
        let serving = Serving {
            opened,
            servers: receiver,
        };
        (ports, serving)
    }

    /// Answers a route, on all addresses. `tls` is a certificate with a name: all routes of a port
    /// have the same name, or none.
    ///
    /// # Errors
    /// If the port cannot be opened, or others have opened it for something else.
    ///
    /// # Cancellation
    /// The port may stay open for some time.
    pub async fn open(
        &self,
        port: u16,
        route: Route,
        tls: Option<(String, CertifiedKey)>,
    ) -> Result<Open, OpenError> {
        let mut opened = self.opened.lock().await;
        if let Some(there) = opened.get_mut(&port) {
            return there.answer(port, route, tls);
        }
        let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        let listener = listen(address)
            .await
            .map_err(|source| OpenError::Listen { port, source })?;
        let router = Arc::new_cyclic(|router| Router::changing(Arc::new(Fallback(router.clone()))));
        let server = Server::new(listener, router, self.limits.clone());
        let mut there = Opened {
            server: server.shared(),
            tls: None,
            stop: CancellationToken::new(),
            unused: None,
        };
        let open = there.answer(port, route, tls)?;
        let sent = self.servers.send((server, there.stop.clone())).await;
        sent.map_err(|_| OpenError::Stopping { port })?;
        info!(port, secure = there.tls.is_some(), "Serving event sources");
        opened.insert(port, there);
        Ok(open)
    }
}

impl Opened {
    fn answer(
        &mut self,
        port: u16,
        route: Route,
        tls: Option<(String, CertifiedKey)>,
    ) -> Result<Open, OpenError> {
        let certificate = self.show(port, tls)?;
        let registration = self.server.router.add(route);
        let registration = registration.map_err(|source| OpenError::Taken { port, source })?;
        self.unused = None;
        Ok(Open {
            certificate,
            _registration: registration,
        })
    }

    /// Shows a certificate, or none. As long as there are routes, it is theirs.
    fn show(
        &mut self,
        port: u16,
        tls: Option<(String, CertifiedKey)>,
    ) -> Result<Option<Arc<Certificate>>, OpenError> {
        let name = tls.as_ref().map(|(name, _)| name);
        let is_same = self.tls.as_ref().map(|shown| &shown.name) == name;
        if !is_same {
            if !self.server.router.is_empty() {
                return Err(OpenError::OtherCertificate { port });
            }
            self.tls = tls.map(|(name, certificate)| Shown {
                name,
                certificate: Arc::new(Certificate::new(certificate)),
            });
            let shown = self
                .tls
                .as_ref()
                .map(|shown| Arc::clone(&shown.certificate));
            self.server
                .show(shown)
                .map_err(|source| OpenError::Tls { port, source })?;
        } else if let (Some(shown), Some((_, certificate))) = (&self.tls, tls) {
            shown.certificate.replace(certificate);
        }
        Ok(self
            .tls
            .as_ref()
            .map(|shown| Arc::clone(&shown.certificate)))
    }
}

impl Serving {
    /// Serves until `shutdown`, then finishes what is being answered, within [`Limits::drain_time`].
    ///
    /// # Cancellation
    /// All connections are cut.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut serving = JoinSet::new();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = serving.join_next() => {}
                Some((server, stop)) = self.servers.recv() => {
                    serving.spawn(server.serve(stop));
                }
                _ = look.tick(), if !serving.is_empty() => self.close_unused().await,
            }
        }
        self.servers.close();
        for (_, there) in self.opened.lock().await.drain() {
            there.stop.cancel();
        }
        while serving.join_next().await.is_some() {}
    }

    async fn close_unused(&self) {
        let now = Instant::now();
        self.opened.lock().await.retain(|port, there| {
            if !there.server.router.is_empty() {
                there.unused = None;
                return true;
            }
            let since = *there.unused.get_or_insert(now);
            let stays = now.duration_since(since) < LINGER;
            if !stays {
                info!(port, "Closing a port that no event source answers on");
                there.stop.cancel();
            }
            stays
        });
    }
}

/// Answers what no route does.
struct Fallback(Weak<Router>);

/// When to ask again while an event source is being started.
const STARTING: Duration = Duration::from_secs(1);

#[async_trait]
impl Handler for Fallback {
    fn admit(&self, head: &Head) -> Admission {
        Admission::Answered(self.respond(head))
    }

    async fn answer(&self, request: Request) -> Response {
        self.respond(&request.head)
    }
}

impl Fallback {
    fn respond(&self, head: &Head) -> Response {
        if head.uri.path() == HEALTH {
            return text(StatusCode::OK, "OK");
        }
        let is_starting = self.0.upgrade().is_none_or(|router| router.is_empty());
        if is_starting {
            let message = "the event source is being started";
            return with_retry_after(text(StatusCode::SERVICE_UNAVAILABLE, message), STARTING);
        }
        text(StatusCode::NOT_FOUND, "not found")
    }
}

#[cfg(test)]
mod tests;
