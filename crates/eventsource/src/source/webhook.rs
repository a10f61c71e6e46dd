//! HTTP requests as events, in the shape that Argo Events gives them:
//! `{"header": {"Name": ["value"]}, "body": …, "metadata": {…}}`.

use std::collections::BTreeMap;

use tiphys_api::{Problem, WebhookContext, WebhookEventSource};

use super::called::{Called, Caller, Said};
use crate::incoming::Incoming;
use crate::served::body::body;
use crate::served::payload::payload;
use crate::served::{Refusal, Request};

/// Requests to one endpoint.
pub(crate) type Webhook = Called<Anybody>;

/// Whoever sends requests.
#[derive(Debug)]
pub(crate) struct Anybody;

impl Caller for Anybody {
    type Spec = WebhookEventSource;

    const KIND: &'static str = "webhook";
    const HEADERS: &'static [(&'static str, &'static str)] = &[];
    const EXAMPLE: &'static str = r#"{"message":"hello"}"#;

    fn compile(_: &str, _: &WebhookEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }

    fn endpoint(spec: &WebhookEventSource) -> (Option<&WebhookContext>, &'static str) {
        (Some(&spec.context), "")
    }

    fn metadata(spec: &WebhookEventSource) -> &BTreeMap<String, String> {
        &spec.context.metadata
    }

    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal> {
        let body = body(request)?;
        let payload = payload("header", &request.head.headers, &body, metadata);
        Ok(Said::Events(vec![Incoming::new(payload)]))
    }
}

#[cfg(test)]
mod tests;
