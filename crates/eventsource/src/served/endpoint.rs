//! The part of a spec that all kinds share which are called: where, by which method, over TLS or not,
//! and with which token.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use subtle::ConstantTimeEq as _;
use tiphys_api::worker::ADMIN_PORT;
use tiphys_api::{Problem, SecretKeySelector, WebhookContext};

use super::{Response, Route, RouteTls, text};
use crate::context::SourceContext;
use crate::incoming::{GiveBack, Verdict};

/// The largest body if the spec says nothing, in bytes: Argo Events' choice.
const DEFAULT_BODY: usize = 1024 * 1024;

/// The largest body that any spec may allow, in bytes: half of what all bodies of a port may take.
pub(crate) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How long a request waits for the bus. Those who call give up after ten seconds, as GitHub does.
pub(crate) const HOLD_LIMIT: Duration = Duration::from_secs(9);

/// When to call again while the bus is unavailable.
const CALL_AGAIN: Duration = Duration::from_secs(5);

/// Where an event is called.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    route: Route,
    token: Option<SecretKeySelector>,
}

impl Endpoint {
    /// Compiles what stands at `path`.
    pub(crate) fn compile(path: &str, spec: &WebhookContext) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut error = |field: &str, message: String| {
            problems.push(Problem::error(format!("{path}.{field}"), message));
        };
        let endpoint = spec.endpoint.as_str();
        if !endpoint.starts_with('/') {
            let message = if endpoint.is_empty() {
                "endpoint can't be empty".to_owned()
            } else {
                format!("an endpoint begins with a slash: /{endpoint}")
            };
            error("endpoint", message);
        }
        if endpoint.contains(['{', '}', '?', '#', ' ']) {
            let message = "an endpoint is one path, without a pattern or a query".to_owned();
            error("endpoint", message);
        }
        let port = match spec.port.parse() {
            Ok(0) | Err(_) => {
                error(
                    "port",
                    format!("failed to parse server port {}", &*spec.port),
                );
                0
            }
            Ok(ADMIN_PORT) => {
                let message = format!("port {ADMIN_PORT} has the metrics and health of the pod");
                error("port", message);
                0
            }
            Ok(port) => port,
        };
        let method = Method::from_bytes(spec.method().as_bytes()).unwrap_or_else(|_| {
            error("method", format!("{:?} is no HTTP method", &*spec.method));
            Method::POST
        });
        let max_body = match spec.max_payload_size {
            None => DEFAULT_BODY,
            Some(bytes) => match usize::try_from(bytes) {
                Ok(bytes) if (1..=LARGEST_BODY).contains(&bytes) => bytes,
                _ => {
                    let message = format!("the largest body has 1 to {LARGEST_BODY} bytes");
                    error("maxPayloadSize", message);
                    0
                }
            },
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let tls = spec
            .server_cert_secret
            .clone()
            .zip(spec.server_key_secret.clone());
        Ok(Self {
            route: Route {
                port,
                path: endpoint.to_owned(),
                method,
                tls: tls.map(|(certificate, key)| RouteTls { certificate, key }),
                max_body,
            },
            token: spec.auth_secret.clone(),
        })
    }

    pub(crate) fn route(&self) -> Route {
        self.route.clone()
    }

    /// The method by which it is called.
    pub(crate) fn method(&self) -> &Method {
        &self.route.method
    }

    /// Checks the token of a request, if there has to be one.
    ///
    /// # Errors
    /// The answer, in the words of Argo Events.
    pub(crate) async fn authorize(
        &self,
        headers: &HeaderMap,
        context: &SourceContext,
    ) -> Result<(), Box<Response>> {
        let Some(secret) = &self.token else {
            return Ok(());
        };
        let refusal = |message: &'static str| {
            let mut response = text(StatusCode::UNAUTHORIZED, message);
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            response
        };
        let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let Some(token) = header.and_then(|header| header.strip_prefix(b"Bearer ")) else {
            return Err(Box::new(refusal("Invalid Authorization Header")));
        };
        let Ok(wanted) = context.secret(secret).await else {
            return Err(Box::new(unavailable("Error loading auth token")));
        };
        // A token that is not there yet must not let everybody in who sends none.
        let is_same: bool = token.ct_eq(wanted.bytes()).into();
        if wanted.bytes().is_empty() || !is_same {
            return Err(Box::new(refusal("Invalid Auth token")));
        }
        Ok(())
    }
}

/// Answers a request by what became of its event.
pub(crate) fn answer(verdict: Verdict) -> Response {
    match verdict {
        Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
            text(StatusCode::OK, "success")
        }
        Verdict::GivenBack(GiveBack::BusUnavailable) => unavailable("the event bus is unavailable"),
        Verdict::GivenBack(GiveBack::Stopping) => unavailable("the event source is stopping"),
    }
}

fn unavailable(message: &'static str) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, message);
    let wait = HeaderValue::from(CALL_AGAIN.as_secs());
    response.headers_mut().insert(RETRY_AFTER, wait);
    response
}
