//! The admin port: metrics, liveness, readiness.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many connections are served at a time: scrapers need one or two.
const MAX_CONNECTIONS: usize = 32;

/// What the admin port tells.
#[derive(Debug)]
pub(crate) struct Admin {
    /// The metrics of the process.
    pub(crate) registry: Registry,
    /// Whether it is ready: false until it runs, and from the first signal on.
    pub(crate) ready: Arc<AtomicBool>,
}

/// An opened admin port.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    admin: Arc<Admin>,
}

impl Server {
    /// Opens the port.
    pub(crate) async fn open(address: SocketAddr, admin: Arc<Admin>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("open the admin port {address}"))?;
        Ok(Self { listener, admin })
    }

    /// Where it was opened.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(self, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let room = connections.len() < MAX_CONNECTIONS;
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if room => {
                    // A connection that fails before it begins concerns nobody else.
                    let Ok((stream, _)) = accepted else { continue };
                    let admin = Arc::clone(&self.admin);
                    let service = service_fn(move |request| {
                        let response = admin.answer(&request);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    connections.spawn(async move {
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
                    });
                }
            }
        }
    }
}

impl Admin {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, content_type, body) = match request.uri().path() {
            "/metrics" => self.metrics(),
            "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            "/readyz" if self.ready.load(Ordering::Relaxed) => {
                (StatusCode::OK, "text/plain", "ok\n".to_owned())
            }
            "/readyz" => (
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                "not ready\n".to_owned(),
            ),
            _ => {
                let known = "not found: /metrics, /healthz and /readyz are served\n";
                (StatusCode::NOT_FOUND, "text/plain", known.to_owned())
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let content_type = header::HeaderValue::from_static(content_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        response
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
