//! The HTTPS server that the API server asks.
//!
//! Everything is bounded: connections, the size and time of a request, reviews at a time. Whatever
//! goes wrong here is an answer to the API server, which then stores the object all the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kube::{Api, Client};
use tiphys_api::EventBus;
use tiphys_api::message::with_causes;
use tiphys_http::{
    Admission, Certificate, Handler, Head, Limits, Method, Refusal, Request, Response, Router,
    StatusCode, header, json, text,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::metrics::{Metrics, Outcome};
use super::review::{Answer, Bus, Review};
use crate::checks::Checks;

/// The largest request: an object before and after its change, each at most what etcd stores.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// The largest requests together: sixteen of the largest.
const MAX_BODIES: usize = 16 * LARGEST_BODY;

/// How many connections there are at a time. Each API server keeps a few.
const MAX_CONNECTIONS: usize = 128;

/// How long a connection may take for its TLS handshake, or for the headers of its next request.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an answer may take: less than the API server waits.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// How long the API server may take to say whether a bus exists.
const LOOK_UP: Duration = Duration::from_secs(1);

/// How long reviews in flight have at the end.
const STOP: Duration = Duration::from_secs(4);

/// How long an API server may keep a connection without a review: longer than it does by itself.
const IDLE: Duration = Duration::from_mins(2);

/// The server.
#[derive(Clone)]
pub struct Server {
    certificate: Arc<Certificate>,
    desk: Arc<Desk>,
}

/// What reviews need.
struct Desk {
    /// Where the API server sends reviews.
    path: watch::Receiver<String>,
    client: Client,
    metrics: Metrics,
    checks: Checks,
}

impl Server {
    /// Makes a server that shows a certificate. `path` is where the API server sends reviews: others learn
    /// nothing of the cluster.
    pub fn new(
        certificate: Arc<Certificate>,
        path: watch::Receiver<String>,
        client: Client,
        metrics: Metrics,
    ) -> Self {
        let desk = Desk {
            path,
            client,
            metrics,
            checks: Checks::default(),
        };
        Self {
            certificate,
            desk: Arc::new(desk),
        }
    }

    /// Serves until `shutdown`, then ends what is in flight.
    ///
    /// # Errors
    /// If TLS cannot be set up, which the choice of its versions rules out.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), rustls::Error> {
        // A review is answered at any path.
        let router = Arc::new(Router::fixed([], self.desk));
        let limits = Limits {
            connections: MAX_CONNECTIONS,
            requests: MAX_CONNECTIONS,
            header_time: PATIENCE,
            idle_time: IDLE,
            body_time: TIME_LIMIT,
            body_bytes: MAX_BODIES,
            drain_time: STOP,
            ..Limits::default()
        };
        let server = tiphys_http::Server::new(listener, router, limits);
        let server = server.with_certificate(self.certificate)?;
        server.serve(shutdown).await;
        Ok(())
    }
}

/// Why a request is not answered as a review.
struct NoReview(StatusCode, String);

#[async_trait]
impl Handler for Desk {
    fn admit(&self, head: &Head) -> Admission {
        match admitted(head) {
            Ok(()) => Admission::Body {
                limit: LARGEST_BODY,
            },
            Err(refusal) => Admission::Answered(self.unreadable(refusal, Duration::ZERO)),
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let start = Instant::now();
        match self.review(request).await {
            Ok((answer, outcome)) => {
                self.metrics.reviewed(outcome, start.elapsed());
                json(StatusCode::OK, answer.to_json())
            }
            Err(refusal) => self.unreadable(refusal, start.elapsed()),
        }
    }

    fn refused(&self, refusal: Refusal) -> Response {
        self.metrics.reviewed(Outcome::Unreadable, Duration::ZERO);
        refusal.response()
    }
}

impl Desk {
    fn unreadable(&self, NoReview(status, message): NoReview, took: Duration) -> Response {
        self.metrics.reviewed(Outcome::Unreadable, took);
        debug!(status = status.as_u16(), message, "Refused a request");
        text(status, format!("{message}\n"))
    }

    async fn review(&self, request: Request) -> Result<(Answer, Outcome), NoReview> {
        let Request { head, body } = request;
        let is_known = head.uri.path() == *self.path.borrow();
        let review = tokio::task::spawn_blocking(move || Review::read(&body)).await;
        let review = review
            .map_err(|error| NoReview(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
            .map_err(|error| NoReview(StatusCode::BAD_REQUEST, with_causes(&error)))?;
        let review = Arc::new(review);
        let decision = timeout(TIME_LIMIT, self.decide(Arc::clone(&review), is_known)).await;
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

    /// `None` if it cannot be decided. Whoever is not the API server gets what `lint` would say of the
    /// object, and nothing of what is in the cluster.
    async fn decide(&self, review: Arc<Review>, is_known: bool) -> Option<Answer> {
        let bus = if is_known {
            self.bus_of(&review).await
        } else {
            Bus::Unknown
        };
        self.checks.run(move || review.answer(bus)).await.ok()
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

/// Whether a request may be a review, by its line and headers.
fn admitted(head: &Head) -> Result<(), NoReview> {
    if head.method != Method::POST {
        let message = "reviews are sent by POST".to_owned();
        return Err(NoReview(StatusCode::METHOD_NOT_ALLOWED, message));
    }
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    if media_type.map(str::trim) != Some("application/json") {
        let message = "the content type has to be application/json".to_owned();
        return Err(NoReview(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(())
}
