//! Event sources that are called over HTTP, as the process' one HTTP server sees them.
//!
//! A kind names its [`Route`]s and answers a [`Request`] with a [`Response`]; it knows neither sockets
//! nor TLS. The server reads the body within the route's limit before it asks. Whoever implements
//! [`HttpServer`] shares ports among all events of the process.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tiphys_api::SecretKeySelector;
use tokio_util::sync::CancellationToken;

use crate::error::SourceError;
use crate::values::Values;

/// A path on a port that an event answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The port, on all addresses of the pod.
    pub port: u16,
    /// The exact path, such as `/example`.
    pub path: String,
    /// The certificate; plain HTTP without one. All routes of a port have the same.
    pub tls: Option<RouteTls>,
    /// Larger bodies are refused, in bytes.
    pub max_body: usize,
}

/// The Secrets with a port's certificate and its private key, in PEM.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTls {
    /// The certificate chain.
    pub certificate: SecretKeySelector,
    /// The private key.
    pub key: SecretKeySelector,
}

/// A request with its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, as it was asked for.
    pub path: String,
    /// What stands behind the `?`; empty if nothing does.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub peer: SocketAddr,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers; the server adds `Content-Length` and `Date`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// An answer in plain text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        Self {
            status,
            headers,
            body: text.into().into(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// Answers the requests of a route, many at a time.
#[async_trait]
pub trait Handler: fmt::Debug + Send + Sync {
    /// Answers one request.
    ///
    /// # Cancellation
    /// What was received may have been published.
    async fn handle(&self, request: Request) -> Response;
}

/// The HTTP server of the process.
#[async_trait]
pub trait HttpServer: fmt::Debug + Send + Sync {
    /// Has `handler` answer on `route` until `stop`, then finishes the requests that were taken and
    /// returns.
    ///
    /// # Errors
    /// If it cannot listen: the port is taken, or a certificate cannot be read.
    async fn serve(
        &self,
        route: Route,
        handler: Arc<dyn Handler>,
        values: Arc<dyn Values>,
        stop: CancellationToken,
    ) -> Result<(), SourceError>;
}
