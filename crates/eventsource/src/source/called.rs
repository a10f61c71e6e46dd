//! Kinds that are called over HTTP: what they have in common, and what each of them says for itself.
//!
//! All pods answer. Whoever calls hears `success` after the bus has the event, and 503 with
//! `Retry-After` if it does not take it. A kind checks who calls ([`Caller::verify`]), and makes events
//! of a request ([`Caller::read`]); those that have their caller told where to call keep that up as
//! well ([`Caller::hooks`]).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use tiphys_api::{Problem, SecretKeySelector, WebhookContext};

use super::hooks::{self, Hooks, Managed};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::{Incoming, Payload, Verdict};
use crate::served::endpoint::{Endpoint, HOLD_LIMIT, answer};
use crate::served::payload::metadata;
use crate::served::{Refusal, Request, Response, Route, text};
use crate::status::Condition;

/// Who calls, and what it says.
#[async_trait]
pub(crate) trait Caller: fmt::Debug + Send + Sync + Sized + 'static {
    /// Its type in `tiphys_api`.
    type Spec;

    /// The kind, as its field of the spec.
    const KIND: &'static str;

    /// How long a call may wait for the bus.
    const HOLD_LIMIT: Duration = HOLD_LIMIT;

    /// The headers that a call has at least, for `simulate`.
    const HEADERS: &'static [(&'static str, &'static str)];

    /// A body that is typical, for `simulate`.
    const EXAMPLE: &'static str;

    /// Compiles what is its own in the spec at `path`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn compile(path: &str, spec: &Self::Spec) -> Result<Self, Vec<Problem>>;

    /// Where it calls, and the field of that in its spec.
    fn endpoint(spec: &Self::Spec) -> (Option<&WebhookContext>, &'static str);

    /// What is copied into each event.
    fn metadata(spec: &Self::Spec) -> &BTreeMap<String, String>;

    /// Checks who calls, by whatever it signs with.
    ///
    /// # Errors
    /// If it is somebody else, or that cannot be found out now.
    async fn verify(&self, _request: &Request, _context: &SourceContext) -> Result<(), Refusal> {
        Ok(())
    }

    /// Makes events of a request, each with `metadata`, which is JSON or empty.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&self, request: &Request, metadata: &str) -> Result<Said, Refusal>;

    /// Leaves out of a request what need not be published, by what others say of it.
    ///
    /// # Errors
    /// If they do not say it now.
    async fn narrow(
        &self,
        _request: &mut Request,
        _context: &SourceContext,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    /// The answer to what is published.
    fn success(&self) -> Response {
        answer(Verdict::Stored)
    }

    /// What the caller has to be told, if it has.
    fn managed(&self) -> Option<&Managed> {
        None
    }

    /// What hooks sign with.
    fn secret(&self) -> Option<&SecretKeySelector> {
        None
    }

    /// Whoever tells the caller where to call, with the secrets as they are now.
    ///
    /// # Errors
    /// If there is none, or a secret is missing.
    async fn hooks(&self, _context: &SourceContext) -> Result<Box<dyn Hooks>, SourceError> {
        hooks::none(Self::KIND)
    }
}

/// What a request says.
#[derive(Debug)]
pub(crate) enum Said {
    /// Events, in their order.
    Events(Vec<Incoming>),
    /// Nothing to publish, but something to be answered.
    Answer(Response),
}

/// A kind that is called.
#[derive(Debug)]
pub(crate) struct Called<C> {
    endpoint: Endpoint,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
    caller: C,
}

impl<C: Caller> SourceKind for Called<C> {
    type Spec = C::Spec;

    fn compile(path: &str, spec: &C::Spec) -> Result<Self, Vec<Problem>> {
        let (context, field) = C::endpoint(spec);
        let endpoint = match context {
            Some(context) if field.is_empty() => Endpoint::compile(path, context),
            Some(context) => Endpoint::compile(&format!("{path}.{field}"), context),
            None => {
                let path = format!("{path}.{field}");
                Err(vec![Problem::error(path, "it is needed")])
            }
        };
        match (endpoint, C::compile(path, spec)) {
            (Ok(endpoint), Ok(caller)) => Ok(Self {
                endpoint,
                metadata: metadata(C::metadata(spec)),
                caller,
            }),
            (endpoint, caller) => {
                let mut problems = endpoint.err().unwrap_or_default();
                problems.extend(caller.err().into_iter().flatten());
                Err(problems)
            }
        }
    }
}

#[async_trait]
impl<C: Caller> Source for Called<C> {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(C::HOLD_LIMIT)
    }

    fn routes(&self) -> Vec<Route> {
        vec![self.endpoint.route()]
    }

    async fn handle(&self, request: Request, context: &SourceContext) -> Response {
        if let Err(refusal) = self
            .endpoint
            .authorize(&request.head.headers, context)
            .await
        {
            return *refusal;
        }
        let events = match self.events(request, context).await {
            Ok(Said::Events(events)) => events,
            Ok(Said::Answer(response)) => return response,
            Err(refusal) => {
                context.refused(&refusal.message);
                return refusal.into();
            }
        };
        let deliveries = events
            .into_iter()
            .map(|event| context.publisher().deliver(event));
        let verdicts = join_all(deliveries).await;
        let given_back = |verdict: &&Verdict| matches!(verdict, Verdict::GivenBack(_));
        match verdicts.iter().find(given_back) {
            // What is stored already has its id, and counts once when the caller repeats all of it.
            Some(verdict) => answer(*verdict),
            None => self.caller.success(),
        }
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        if let Some(managed) = self.caller.managed() {
            hooks::keep(&self.caller, managed, context).await;
        } else {
            context.condition(Condition::Working);
            context.shutdown().cancelled().await;
        }
        Ok(())
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let (given, body) = match *input {
            Input::Example => (&[][..], C::EXAMPLE.as_bytes()),
            Input::Body { body, headers } => (headers, body),
            Input::Object { .. } | Input::Payload(_) => return Err(input.unfit(C::KIND)),
        };
        let request = self.request(given, body);
        let said = self.caller.read(&request, &self.metadata);
        match said.map_err(|refusal| SimulateError::Refused(refusal.message))? {
            Said::Events(mut events) if !events.is_empty() => {
                let Incoming { payload, id, .. } = events.swap_remove(0);
                let Payload::Json(payload) = payload else {
                    let message = "its payload cannot be read".to_owned();
                    return Err(SimulateError::Refused(message));
                };
                Ok(Draft {
                    identity: id,
                    ..Draft::of(payload)
                })
            }
            _ => Err(SimulateError::Refused("it makes no event".to_owned())),
        }
    }
}

impl<C: Caller> Called<C> {
    async fn events(&self, mut request: Request, context: &SourceContext) -> Result<Said, Refusal> {
        self.caller.verify(&request, context).await?;
        self.caller.narrow(&mut request, context).await?;
        self.caller.read(&request, &self.metadata)
    }

    /// A request as it might come: `given` headers go before those that it has at least.
    fn request(&self, given: &[(String, String)], body: &[u8]) -> Request {
        let method = self.endpoint.method().clone();
        let mut headers = HeaderMap::new();
        let own = [(CONTENT_TYPE.as_str(), "application/json")];
        let own = own
            .iter()
            .chain(C::HEADERS)
            .map(|(name, value)| (*name, *value));
        let given = given.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in own.chain(given) {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(value))
            {
                headers.insert(name, value);
            }
        }
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.headers = headers;
        let has_body = !matches!(method, Method::GET | Method::HEAD);
        head.method = method;
        Request {
            head,
            body: if has_body {
                Bytes::copy_from_slice(body)
            } else {
                Bytes::new()
            },
        }
    }
}

/// One event whose delivery has an id in the header `name`, if it has.
pub(crate) fn delivered(request: &Request, name: &str, payload: Bytes) -> Incoming {
    let id = request.head.headers.get(name).map(HeaderValue::as_bytes);
    let incoming = Incoming::new(payload);
    match id.filter(|id| !id.is_empty()) {
        Some(id) => incoming.identified_by([String::from_utf8_lossy(id)]),
        None => incoming,
    }
}

/// Answers a refusal.
impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        text(refusal.status, refusal.message)
    }
}

#[cfg(test)]
mod tests;
