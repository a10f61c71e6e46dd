//! The admin port: metrics, liveness, readiness, and the report of a worker.

mod feed;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tiphys_api::worker::REPORT_PATH;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::Error;

/// How many connections are served at a time: scrapers, probes and the controller need a few. Of
/// more, the oldest ends: whoever holds connections open keeps nobody from asking.
const MAX_CONNECTIONS: usize = 32;

/// How long the main loop may go without a heartbeat.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What the admin port tells.
#[derive(Debug)]
pub struct Admin {
    /// The metrics of the process.
    registry: Registry,
    /// Whether it is ready: false until it runs, and from the first signal on.
    ready: AtomicBool,
    /// What it says of itself, as a line of JSON.
    report: Option<watch::Receiver<Bytes>>,
    /// When the main loop was last seen at work.
    alive: Mutex<Instant>,
}

/// An opened admin port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    admin: Arc<Admin>,
}

/// What answers are made of.
type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// If somebody else has it, or it is no address of this machine.
    pub async fn open(address: SocketAddr, admin: Arc<Admin>) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| Error::Admin { address, source })?;
        Ok(Self { listener, admin })
    }

    /// Where it was opened.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        let mut ages = VecDeque::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => {
                    // A connection that fails before it begins concerns nobody else.
                    let Ok((stream, _)) = accepted else { continue };
                    ages.retain(|connection: &AbortHandle| !connection.is_finished());
                    if ages.len() >= MAX_CONNECTIONS
                        && let Some(oldest) = ages.pop_front()
                    {
                        oldest.abort();
                    }
                    let admin = Arc::clone(&self.admin);
                    ages.push_back(connections.spawn(connection(stream, admin)));
                }
            }
        }
    }
}

/// Answers one connection.
async fn connection(stream: TcpStream, admin: Arc<Admin>) {
    let service = service_fn(move |request| {
        let response = admin.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        debug!(%error, "A connection to the admin port broke");
    }
}

impl Admin {
    /// Not ready yet.
    pub fn new(registry: Registry, report: Option<watch::Receiver<Bytes>>) -> Self {
        Self {
            registry,
            ready: AtomicBool::new(false),
            report,
            alive: Mutex::new(Instant::now()),
        }
    }

    /// Says whether it is ready.
    pub fn set_ready(&self, is_ready: bool) {
        self.ready.store(is_ready, Ordering::Relaxed);
    }

    /// The main loop is at work: called by it every now and then.
    pub fn show_life(&self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_alive(&self) -> bool {
        let alive = *self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.elapsed() < STUCK_AFTER
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let state = |is_good: bool, otherwise: &str| {
            if is_good {
                (StatusCode::OK, "text/plain", "ok\n".to_owned())
            } else {
                let text = format!("{otherwise}\n");
                (StatusCode::SERVICE_UNAVAILABLE, "text/plain", text)
            }
        };
        let (status, content_type, body) = match (request.uri().path(), &self.report) {
            (REPORT_PATH, Some(report)) => return followed(report.clone()),
            ("/metrics", _) => self.metrics(),
            ("/healthz", _) => state(self.is_alive(), "the main loop is stuck"),
            ("/readyz", _) => state(self.ready.load(Ordering::Relaxed), "not ready"),
            _ => {
                let known = "not found: /metrics, /healthz and /readyz are served\n";
                (StatusCode::NOT_FOUND, "text/plain", known.to_owned())
            }
        };
        let body = Full::new(Bytes::from(body)).boxed_unsync();
        response(status, content_type, body)
    }

    fn metrics(&self) -> (StatusCode, &'static str, String) {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                (StatusCode::OK, kind, text)
            }
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                error.to_string(),
            ),
        }
    }
}

/// An answer that goes on for as long as somebody reads it.
fn followed(report: watch::Receiver<Bytes>) -> Response<Body> {
    let body = StreamBody::new(feed::lines(report)).boxed_unsync();
    response(StatusCode::OK, "application/jsonl", body)
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
