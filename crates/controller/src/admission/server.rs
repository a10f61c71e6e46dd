//! The HTTPS server that the API server asks.
//!
//! Everything is bounded: connections, the size and time of a request, reviews at a time. Whatever
//! goes wrong here is an answer to the API server, which then stores the object all the same.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use kube::{Api, Client};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tiphys_api::EventBus;
use tiphys_api::message::with_causes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::metrics::{Metrics, Outcome};
use super::review::{Answer, Bus, Review};

/// The largest request: an object before and after its change, each at most what etcd stores.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// How many connections there are at a time. Each API server keeps a few.
const MAX_CONNECTIONS: usize = 128;

/// How many objects are checked at a time; checking is work for the processor.
const MAX_REVIEWS: usize = 4;

/// How long a connection may take for its TLS handshake, or for the headers of its next request.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an answer may take: less than the API server waits.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// How long the API server may take to say whether a bus exists.
const LOOK_UP: Duration = Duration::from_secs(1);

/// How long reviews in flight have at the end.
const STOP: Duration = Duration::from_secs(4);

/// What connections show to the API server, and may change while they come.
#[derive(Debug)]
pub struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// Begins with a certificate.
    pub fn new(certificate: CertifiedKey) -> Self {
        Self(RwLock::new(Arc::new(certificate)))
    }

    /// Shows another one to those who come from here on.
    pub fn replace(&self, certificate: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}

/// The server.
#[derive(Clone)]
pub struct Server {
    acceptor: TlsAcceptor,
    desk: Arc<Desk>,
}

/// What reviews need.
struct Desk {
    client: Client,
    metrics: Metrics,
    permits: Arc<Semaphore>,
}

impl Server {
    /// Makes a server that shows a certificate.
    ///
    /// # Errors
    /// If TLS cannot be set up, which the choice of its versions rules out.
    pub fn new(shown: Arc<Shown>, client: Client, metrics: Metrics) -> Result<Self, rustls::Error> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        let desk = Desk {
            client,
            metrics,
            permits: Arc::new(Semaphore::new(MAX_REVIEWS)),
        };
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            desk: Arc::new(desk),
        })
    }

    /// Serves until `shutdown`, then ends what is in flight.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let room = connections.len() < MAX_CONNECTIONS;
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if room => {
                    // A connection that fails before it begins concerns nobody else.
                    let Ok((stream, _)) = accepted else { continue };
                    connections.spawn(self.clone().connection(stream, shutdown.clone()));
                }
            }
        }
        let rest = async { while connections.join_next().await.is_some() {} };
        timeout(STOP, rest).await.unwrap_or_default();
    }

    async fn connection(self, stream: TcpStream, shutdown: CancellationToken) {
        let Ok(Ok(stream)) = timeout(PATIENCE, self.acceptor.accept(stream)).await else {
            debug!("A connection gave up before it was secure");
            return;
        };
        let desk = Arc::clone(&self.desk);
        let service = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move { Ok::<_, Infallible>(desk.respond(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "A connection broke");
        }
    }
}

/// Why a request is not answered as a review.
struct Refusal(StatusCode, String);

impl Desk {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let start = Instant::now();
        match self.review(request).await {
            Ok((answer, outcome)) => {
                self.metrics.reviewed(outcome, start.elapsed());
                response(StatusCode::OK, "application/json", answer.to_json())
            }
            Err(Refusal(status, message)) => {
                self.metrics.reviewed(Outcome::Unreadable, start.elapsed());
                debug!(status = status.as_u16(), message, "Refused a request");
                response(status, "text/plain", format!("{message}\n"))
            }
        }
    }

    async fn review(&self, request: Request<Incoming>) -> Result<(Answer, Outcome), Refusal> {
        let body = read(request).await?;
        let review = tokio::task::spawn_blocking(move || Review::read(&body)).await;
        let review = review
            .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
            .map_err(|error| Refusal(StatusCode::BAD_REQUEST, with_causes(&error)))?;
        let review = Arc::new(review);
        let decision = timeout(TIME_LIMIT, self.decide(Arc::clone(&review))).await;
        let (answer, outcome) = match decision {
            Ok(Some(answer)) if answer.denied.is_some() => (answer, Outcome::Denied),
            Ok(Some(answer)) => (answer, Outcome::Allowed),
            Ok(None) | Err(_) => {
                let why = "not checked: tiphys could not do it in time";
                (review.undecided(why), Outcome::Late)
            }
        };
        // The object itself may hold secrets: it is not logged.
        debug!(
            kind = review.kind(),
            object = review.object(),
            operation = review.operation(),
            allowed = answer.denied.is_none(),
            warnings = answer.warnings.len(),
            "Reviewed"
        );
        Ok((answer, outcome))
    }

    /// `None` if it cannot be decided.
    async fn decide(&self, review: Arc<Review>) -> Option<Answer> {
        let bus = self.bus_of(&review).await;
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let answer = tokio::task::spawn_blocking(move || {
            let answer = review.answer(bus);
            drop(permit);
            answer
        });
        answer.await.ok()
    }

    async fn bus_of(&self, review: &Review) -> Bus {
        let Some(bus) = review.bus() else {
            return Bus::Unknown;
        };
        let api: Api<EventBus> = Api::namespaced(self.client.clone(), &bus.namespace);
        match timeout(LOOK_UP, api.get_metadata_opt(&bus.name)).await {
            Ok(Ok(Some(_))) => Bus::Exists,
            Ok(Ok(None)) => Bus::Missing,
            Ok(Err(_)) | Err(_) => Bus::Unknown,
        }
    }
}

async fn read(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    if request.method() != Method::POST {
        let message = "reviews are sent by POST".to_owned();
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, message));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    if media_type.map(str::trim) != Some("application/json") {
        let message = "the content type has to be application/json".to_owned();
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let body = Limited::new(request.into_body(), LARGEST_BODY);
    match timeout(TIME_LIMIT, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the request is larger than {LARGEST_BODY} bytes");
            Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, message))
        }
        Ok(Err(error)) => Err(Refusal(StatusCode::BAD_REQUEST, error.to_string())),
        Err(_) => {
            let message = "the request did not come in time".to_owned();
            Err(Refusal(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
