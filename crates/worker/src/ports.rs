//! The ports on which event sources are called, for the life of the process.

use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tiphys_eventsource::served::{self, Answer, HttpServer, OpenRoute};
use tiphys_eventsource::{Reason, SourceError};
use tiphys_http::{
    Admission, Body, Certificate, CertifiedKey, Handler, Head, Limits, Open, OpenError, Ports,
    Refusal, Request, Response, Serving,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the last answers have to be sent: they are written already.
const DRAIN: Duration = Duration::from_millis(500);

/// Serves ports until it is ended.
pub(crate) struct OpenPorts {
    stop: CancellationToken,
    serving: JoinSet<()>,
}

/// Ports to be opened by event sources, and what serves them.
pub(crate) fn ports() -> (Ports, Serving) {
    Ports::new(Limits {
        drain_time: DRAIN,
        ..Limits::default()
    })
}

impl OpenPorts {
    /// Begins to serve.
    pub(crate) fn serve(serving: Serving) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serving.run(stop.clone()));
        Self {
            stop,
            serving: tasks,
        }
    }

    /// Closes all ports; those who used them have ended.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
    }
}

/// The ports, as event sources see them.
#[derive(Debug)]
pub(crate) struct HttpPorts(pub(crate) Ports);

#[async_trait]
impl HttpServer for HttpPorts {
    async fn open(
        &self,
        route: &served::Route,
        certificate: Option<&served::Certificate>,
        answer: Arc<dyn Answer>,
    ) -> Result<Box<dyn OpenRoute>, SourceError> {
        let shown = match certificate {
            Some(certificate) => Some((certificate.name.clone(), certified_key(certificate)?)),
            None => None,
        };
        let port = route.port;
        let route = tiphys_http::Route {
            path: route.path.clone(),
            method: Some(route.method.clone()),
            handler: Arc::new(Answering(answer)),
        };
        match self.0.open(port, route, shown).await {
            Ok(open) => Ok(Box::new(Answered(open))),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// A route of an event source.
struct Answered(Open);

impl OpenRoute for Answered {
    fn show(&self, certificate: &served::Certificate) -> Result<(), SourceError> {
        self.0.replace_certificate(certified_key(certificate)?);
        Ok(())
    }
}

/// Answers as an event source does.
struct Answering(Arc<dyn Answer>);

#[async_trait]
impl Handler for Answering {
    fn admit(&self, _: &Head) -> Admission {
        Admission::Body {
            limit: self.0.max_body(),
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let Request { head, body } = request;
        let answered = self.0.answer(served::Request { head, body }).await;
        answered.map(Body::from)
    }

    fn refused(&self, refusal: Refusal) -> Response {
        self.0.refused(&refusal.message());
        refusal.response()
    }
}

fn certified_key(certificate: &served::Certificate) -> Result<CertifiedKey, SourceError> {
    Certificate::from_pem(&certificate.chain, &certificate.key).map_err(|error| {
        let act = "show the certificate of serverCertSecret";
        SourceError::new(Reason::Malformed, act).because(error)
    })
}

fn refused(error: &OpenError) -> SourceError {
    let hint = match error {
        OpenError::Listen { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "choose a port above 1023"
        }
        OpenError::Listen { .. } => "another program has this port: choose another one",
        OpenError::Taken { .. } => "another event source has this port, path and method",
        _ => "",
    };
    let refused = SourceError::new(Reason::Refused, error.to_string()).with_hint(hint);
    match error.source() {
        Some(cause) => refused.because(cause.to_string()),
        None => refused,
    }
}
