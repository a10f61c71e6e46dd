//! The admin port: metrics, liveness, readiness, and the report of a worker.

mod feed;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use subtle::ConstantTimeEq as _;
use tiphys_api::worker::REPORT_PATH;
use tiphys_http::{
    Admission, Body, Handler, Head, HeaderMap, Limits, Request, Response, Router, Server,
    StatusCode, header, listen, text,
};
use tokio::sync::watch;

use crate::Error;

/// How many connections are served at a time: scrapers, probes and the controller need a few. Of
/// more, those give way that ask nothing.
const MAX_CONNECTIONS: usize = 64;

/// How long the last answers have to be sent at the end of the process.
const DRAIN: Duration = Duration::from_millis(100);

/// How long the main loop may go without a heartbeat.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// How long a process that starts lets whoever asks wait until it is ready: a no would be a warning about
/// every pod that starts. The kubelet waits for 5 s.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// What the admin port serves.
pub struct Admin {
    /// The metrics of the process.
    registry: Registry,
    /// Whether it is ready: false until it runs, and from the first signal on.
    ready: watch::Sender<Readiness>,
    /// What it says of itself.
    report: Option<Report>,
    /// When the main loop was last seen at work.
    alive: Mutex<Instant>,
    /// Who answers whatever else is asked.
    others: OnceLock<Arc<dyn Handler>>,
}

/// Whether a process is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    /// It has not been yet.
    Starting,
    /// It is.
    Ready,
    /// It was.
    Stopped,
}

/// What a process says of itself.
#[derive(Debug)]
pub struct Report {
    /// The newest one, as a line of JSON.
    pub latest: watch::Receiver<Bytes>,
    /// What a caller has to show to be told; `None`: everybody is.
    pub key: Option<String>,
}

/// Opens the admin port.
///
/// # Errors
/// If somebody else has it, or it is no address of this machine.
pub async fn open(address: SocketAddr, admin: Arc<Admin>) -> Result<Server, Error> {
    let listener = listen(address).await;
    let listener = listener.map_err(|source| Error::Admin { address, source })?;
    let limits = Limits {
        connections: MAX_CONNECTIONS,
        requests: MAX_CONNECTIONS,
        drain_time: DRAIN,
        ..Limits::default()
    };
    let router = Arc::new(Router::fixed([], admin));
    Ok(Server::new(listener, router, limits))
}

#[async_trait]
impl Handler for Admin {
    fn admit(&self, head: &Head) -> Admission {
        let other = self.other(head.uri.path());
        other.map_or(Admission::Body { limit: 0 }, |other| other.admit(head))
    }

    async fn answer(&self, request: Request) -> Response {
        if let Some(other) = self.other(request.head.uri.path()) {
            return other.answer(request).await;
        }
        let state = |is_good: bool, otherwise: &str| {
            if is_good {
                text(StatusCode::OK, "ok\n")
            } else {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("{otherwise}\n"))
            }
        };
        match (request.head.uri.path(), &self.report) {
            (REPORT_PATH, Some(report)) if report.may_be_told(&request.head.headers) => {
                followed(report.latest.clone())
            }
            (REPORT_PATH, Some(_)) => text(
                StatusCode::UNAUTHORIZED,
                "the report is for the controller\n",
            ),
            ("/metrics", _) => self.metrics(),
            ("/healthz", _) => state(self.is_alive(), "the main loop is stuck"),
            ("/readyz", _) => state(self.is_ready().await, "not ready"),
            _ => {
                let known = "not found: /metrics, /healthz and /readyz are served\n";
                text(StatusCode::NOT_FOUND, known)
            }
        }
    }
}

impl Admin {
    /// Not ready yet.
    pub fn new(registry: Registry, report: Option<Report>) -> Self {
        Self {
            registry,
            ready: watch::Sender::new(Readiness::Starting),
            report,
            alive: Mutex::new(Instant::now()),
            others: OnceLock::new(),
        }
    }

    /// Lets another one answer what is not known here; the first one counts.
    pub fn serve(&self, others: Arc<dyn Handler>) {
        // A second one has nothing to answer.
        drop(self.others.set(others));
    }

    /// Who answers a path, unless it is this one.
    fn other(&self, path: &str) -> Option<&Arc<dyn Handler>> {
        let is_ours = matches!(path, "/metrics" | "/healthz" | "/readyz")
            || path == REPORT_PATH && self.report.is_some();
        self.others.get().filter(|_| !is_ours)
    }

    /// Says whether it is ready.
    pub fn set_ready(&self, is_ready: bool) {
        self.ready.send_if_modified(|before| {
            let now = match (is_ready, *before) {
                (true, _) => Readiness::Ready,
                (false, Readiness::Starting) => Readiness::Starting,
                (false, _) => Readiness::Stopped,
            };
            std::mem::replace(before, now) != now
        });
    }

    /// Whether it is ready. While it starts, the answer waits until it is, for a while.
    async fn is_ready(&self) -> bool {
        let mut ready = self.ready.subscribe();
        let started = ready.wait_for(|readiness| *readiness != Readiness::Starting);
        let readiness = tokio::time::timeout(READY_WITHIN, started).await;
        readiness.is_ok_and(|known| known.is_ok_and(|known| *known == Readiness::Ready))
    }

    /// The main loop is at work: called by it every now and then.
    pub fn show_life(&self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_alive(&self) -> bool {
        let alive = *self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.elapsed() < STUCK_AFTER
    }

    fn metrics(&self) -> Response {
        let mut encoded = String::new();
        match encode(&mut encoded, &self.registry) {
            Ok(()) => typed(
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                encoded.into(),
            ),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl Report {
    fn may_be_told(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let shown = headers.get(header::AUTHORIZATION);
        let shown = shown.and_then(|shown| shown.as_bytes().strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| bool::from(shown.ct_eq(key.as_bytes())))
    }
}

/// An answer that goes on for as long as somebody reads it.
fn followed(report: watch::Receiver<Bytes>) -> Response {
    typed("application/jsonl", Body::stream(feed::lines(report)))
}

fn typed(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let content_type = header::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests;
