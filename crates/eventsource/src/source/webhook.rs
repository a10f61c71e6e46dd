//! HTTP requests as events, in the shape that Argo Events gives them:
//! `{"header": {"Name": ["value"]}, "body": …, "metadata": {…}}`.
//!
//! All pods answer. Whoever calls hears `success` after the bus has the event, and 503 with
//! `Retry-After` if it does not take it.

mod body;
mod payload;

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use tiphys_api::{Problem, WebhookEventSource};

use self::body::body;
use self::payload::payload;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::endpoint::{Endpoint, HOLD_LIMIT, answer};
use crate::served::{Request, Response, Route, text};

/// What `simulate` takes for a request if it is given none.
const EXAMPLE: &[u8] = br#"{"message":"hello"}"#;

/// Requests to one endpoint.
#[derive(Debug)]
pub struct Webhook {
    endpoint: Endpoint,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Webhook {
    type Spec = WebhookEventSource;

    fn compile(path: &str, spec: &WebhookEventSource) -> Result<Self, Vec<Problem>> {
        let endpoint = Endpoint::compile(path, &spec.context)?;
        let metadata = &*spec.context.metadata;
        // Texts under texts can be written as JSON.
        let metadata = if metadata.is_empty() {
            String::new()
        } else {
            serde_json::to_string(metadata).unwrap_or_default()
        };
        Ok(Self { endpoint, metadata })
    }
}

#[async_trait]
impl Source for Webhook {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(HOLD_LIMIT)
    }

    fn routes(&self) -> Vec<Route> {
        vec![self.endpoint.route()]
    }

    async fn handle(&self, request: Request, context: &SourceContext) -> Response {
        let headers = &request.head.headers;
        if let Err(refusal) = self.endpoint.authorize(headers, context.values()).await {
            return *refusal;
        }
        match body(&request) {
            Ok(body) => {
                let payload = payload(headers, &body, &self.metadata);
                let incoming = Incoming::new(payload);
                drop(body);
                answer(context.publisher().deliver(incoming).await)
            }
            Err(error) => {
                context.refused(&error.to_string());
                text(error.status(), error.to_string())
            }
        }
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let Input::Example = input else {
            return Err(input.unfit("webhook"));
        };
        let (name, value) = ("content-type", "application/json");
        let headers = [(name.parse(), value.parse())];
        let headers = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name.ok()?, value.ok()?)));
        let body = match *self.endpoint.method() {
            Method::GET | Method::HEAD => b"{}".as_slice(),
            _ => EXAMPLE,
        };
        Ok(Draft::of(payload(&headers.collect(), body, &self.metadata)))
    }
}

#[cfg(test)]
mod tests;
