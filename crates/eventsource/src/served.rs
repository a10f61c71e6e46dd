//! Event sources that are called over HTTP: their routes, their certificates, and their end.
//!
//! A kind names its [`Route`]s and answers requests that have come whole. Sockets, TLS and limits are the
//! business of whoever implements [`HttpServer`], so that what only checks event sources links no server.
//! Certificates are read again and again: a rotated one is shown without a restart.

pub(crate) mod body;
pub(crate) mod endpoint;
pub(crate) mod payload;
pub(crate) mod rotation;
pub(crate) mod signature;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tiphys_api::SecretKeySelector;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::TaskTracker;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::source::Source;
use crate::status::chain;

/// How often certificates are read.
const ROTATION: Duration = Duration::from_secs(5);

/// How long requests are still taken when the end begins: so long it takes until those who send them
/// have heard that this pod ends.
const LAST_CALL: Duration = Duration::from_millis(700);

/// A path on a port that an event answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The port, on all addresses of the pod.
    pub port: u16,
    /// The exact path, such as `/example`.
    pub path: String,
    /// The method.
    pub method: Method,
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

/// What a port shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The same for the same Secrets: all routes of a port agree on it.
    pub name: String,
    /// The certificate chain in PEM.
    pub chain: Vec<u8>,
    /// The private key in PEM.
    pub key: Vec<u8>,
}

// Keys are nobody's to read in a log.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A request that has come whole.
#[derive(Debug)]
pub struct Request {
    /// Its line and headers.
    pub head: http::request::Parts,
    /// Its body.
    pub body: Bytes,
}

/// Why a request makes no event, and how that is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// For whoever calls, and for the status: no value of the request or of a Secret.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message }
    }
}

/// An answer.
pub type Response = http::Response<Bytes>;

/// Answers the requests of a route, many at a time.
#[async_trait]
pub trait Answer: Send + Sync {
    /// Larger bodies are refused, in bytes.
    fn max_body(&self) -> usize;

    /// Answers one request.
    ///
    /// # Cancellation
    /// What was received may have been published.
    async fn answer(&self, request: Request) -> Response;

    /// A request was refused before it could be answered, and told why.
    fn refused(&self, why: &str);
}

/// A route that is answered, until it is dropped.
pub trait OpenRoute: Send + Sync {
    /// Shows another certificate to those who connect from here on.
    ///
    /// # Errors
    /// If it is none, or the key is another one's.
    fn show(&self, certificate: &Certificate) -> Result<(), SourceError>;
}

/// The HTTP server of the process.
#[async_trait]
pub trait HttpServer: fmt::Debug + Send + Sync {
    /// Answers a route from here on. Event sources share ports.
    ///
    /// # Errors
    /// If the port, or the route on it, belongs to somebody else, or the certificate cannot be shown.
    async fn open(
        &self,
        route: &Route,
        certificate: Option<&Certificate>,
        answer: Arc<dyn Answer>,
    ) -> Result<Box<dyn OpenRoute>, SourceError>;
}

/// An answer in plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The routes of an event that are answered.
pub(crate) struct Served {
    open: Vec<Opened>,
    answers: Arc<Answers>,
}

/// A route, and the certificate that it shows.
struct Opened {
    route: Box<dyn OpenRoute>,
    shown: Option<(RouteTls, Certificate)>,
}

/// Answers requests as an event does.
struct Answers {
    source: Arc<dyn Source>,
    context: SourceContext,
    /// Requests that are being answered.
    requests: TaskTracker,
    max_body: usize,
}

impl Served {
    /// Answers all routes of an event from here on.
    ///
    /// # Errors
    /// If a port cannot be opened, or a certificate cannot be read.
    pub(crate) async fn open(
        server: Option<&dyn HttpServer>,
        source: &Arc<dyn Source>,
        context: &SourceContext,
    ) -> Result<Self, SourceError> {
        let routes = source.routes();
        let answers = Arc::new(Answers {
            source: source.clone(),
            context: context.clone(),
            requests: TaskTracker::new(),
            max_body: routes.iter().map(|route| route.max_body).max().unwrap_or(0),
        });
        let mut open = Vec::new();
        for route in routes {
            let server = server.ok_or_else(|| {
                SourceError::new(Reason::Missing, "this process answers no HTTP requests")
            })?;
            let shown = match &route.tls {
                Some(tls) => Some((tls.clone(), tls.read(context).await?)),
                None => None,
            };
            let certificate = shown.as_ref().map(|(_, certificate)| certificate);
            let route = server.open(&route, certificate, answers.clone()).await?;
            open.push(Opened { route, shown });
        }
        Ok(Self { open, answers })
    }

    /// Keeps certificates as they are in their Secrets until the event's end; then takes what still
    /// comes for a moment, and finishes what is being answered.
    pub(crate) async fn keep(mut self) {
        let context = self.answers.context.clone();
        if self.open.is_empty() {
            return;
        }
        let has_tls = self.open.iter().any(|open| open.shown.is_some());
        let mut rotation = interval(ROTATION);
        rotation.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = context.shutdown().cancelled() => break,
                _ = rotation.tick(), if has_tls => self.rotate(&context).await,
            }
        }
        sleep(LAST_CALL).await;
        drop(self.open);
        self.answers.requests.close();
        self.answers.requests.wait().await;
    }

    async fn rotate(&mut self, context: &SourceContext) {
        for Opened { route, shown } in &mut self.open {
            let Some((tls, shown)) = shown else { continue };
            // What cannot be read now, or is changed in two steps, is read again soon.
            let rotated = match tls.read(context).await {
                Ok(same) if same == *shown => continue,
                Ok(other) => route.show(&other).map(|()| other),
                Err(error) => Err(error),
            };
            match rotated {
                Ok(other) => {
                    *shown = other;
                    tracing::info!(
                        namespace = %context.event().namespace,
                        eventSourceName = %context.event().source,
                        eventName = %context.event().name,
                        "Showing a new certificate"
                    );
                }
                Err(error) => context.failed(&chain(&error)),
            }
        }
    }
}

impl RouteTls {
    async fn read(&self, context: &SourceContext) -> Result<Certificate, SourceError> {
        let Self { certificate, key } = self;
        let chain = context.secret(certificate).await?;
        let secret = context.secret(key).await?;
        let namespace = &context.event().namespace;
        let name: [&str; 5] = [
            namespace,
            &certificate.name,
            &certificate.key,
            &key.name,
            &key.key,
        ];
        Ok(Certificate {
            name: name.join("/"),
            chain: chain.bytes().to_vec(),
            key: secret.bytes().to_vec(),
        })
    }
}

#[async_trait]
impl Answer for Answers {
    fn max_body(&self) -> usize {
        self.max_body
    }

    async fn answer(&self, request: Request) -> Response {
        let _request = self.requests.token();
        let mut response = self.source.handle(request, &self.context).await;
        if self.context.shutdown().is_cancelled() {
            // The next request goes to another pod.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    fn refused(&self, why: &str) {
        self.context.refused(why);
    }
}
