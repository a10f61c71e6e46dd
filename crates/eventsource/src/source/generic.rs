//! A gRPC server of the user's own as a source: it is given a text, and answers with events. It keeps none.
//!
//! While the bus takes nothing, nothing is read from the stream, and the server has to wait.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tiphys_api::{GenericEventSource, Problem, SecretKeySelector};
use tiphys_clients::grpc::eventing::{EventSource, Eventing, Events};
use tiphys_clients::grpc::{Config, Error, Kind, check_address};
use tiphys_clients::tls::Tls;
use tokio::time::sleep;

use super::broker::{Members, NotJson, incoming};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::served::payload::metadata;
use crate::status::Condition;

/// How long a server that says nothing counts as one that has agreed: many answer with their first event
/// only, and a refusal comes at once.
const AGREED_AFTER: Duration = Duration::from_secs(2);

/// The events of a server.
#[derive(Debug)]
pub(crate) struct Generic {
    path: String,
    url: String,
    config: String,
    is_encrypted: bool,
    token: Option<SecretKeySelector>,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Generic {
    type Spec = GenericEventSource;

    fn compile(path: &str, spec: &GenericEventSource) -> Result<Self, Vec<Problem>> {
        check_address(&spec.url)
            .map_err(|message| vec![Problem::error(format!("{path}.url"), message)])?;
        Ok(Self {
            path: path.to_owned(),
            url: spec.url.to_string(),
            config: spec.config.to_string(),
            is_encrypted: !*spec.insecure,
            token: spec.auth_secret.clone(),
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Generic {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let config = Config {
            address: self.url.clone(),
            tls: self.is_encrypted.then(Tls::default),
        };
        let connected = Eventing::connect(&config).await;
        let server = connected.map_err(|error| self.failed("reach", &error))?;
        let Some(events) = self.start(&server, context).await? else {
            return Ok(());
        };
        self.receive(events, context).await
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("generic")),
        };
        let payload = self.payload(body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Generic {
    /// The stream of events, as soon as the server has begun it; `None` at the end.
    async fn start(
        &self,
        server: &Eventing,
        context: &SourceContext,
    ) -> Result<Option<Events>, SourceError> {
        let token = match &self.token {
            Some(key) => Some(context.secret(key).await?.text()),
            None => None,
        };
        let source = EventSource {
            name: context.event().name.to_string(),
            config: self.config.clone().into(),
        };
        let mut starting = std::pin::pin!(server.start(source, token.as_deref()));
        let mut agreed = std::pin::pin!(sleep(AGREED_AFTER));
        let mut has_agreed = false;
        loop {
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => return Ok(None),
                started = &mut starting => {
                    let events = started.map_err(|error| self.failed("ask for events of", &error))?;
                    context.condition(Condition::Working);
                    return Ok(Some(events));
                }
                () = &mut agreed, if !has_agreed => {
                    has_agreed = true;
                    context.condition(Condition::Working);
                }
            }
        }
    }

    async fn receive(
        &self,
        mut events: Events,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let mut in_hand = context.publisher().in_hand();
        loop {
            let next = async {
                let permit = context.publisher().permit().await;
                (permit, events.next().await)
            };
            let (permit, event) = tokio::select! {
                biased;
                () = context.shutdown().cancelled() => return Ok(()),
                _ = in_hand.settled() => continue,
                next = next => next,
            };
            let act = "receive events of";
            let event = event.map_err(|error| self.failed(act, &error))?;
            let Some(event) = event else {
                return Err(
                    SourceError::new(Reason::Unreachable, format!("{act} {}", self.url))
                        .because("the server has ended the stream"),
                );
            };
            let payload = self.payload(&event.payload);
            in_hand.hand_on(permit, incoming(payload, &event.payload), ());
        }
    }

    fn payload(&self, body: &[u8]) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len() * 4 / 3);
        // Go writes null for bytes that are not there, and gRPC sends no empty ones.
        let members = if body.is_empty() {
            members.json("body", b"null")
        } else {
            members.body(body, self.is_json)?
        };
        Ok(members.finish(&self.metadata))
    }

    /// Why an act failed, with the field to look at.
    fn failed(&self, act: &str, error: &Error) -> SourceError {
        let login = match self.token {
            Some(_) => "authSecret",
            None => "authSecret: the server asks for a token",
        };
        let (reason, hint) = match error.kind() {
            Kind::Settings => (Reason::Configuration, "url and authSecret"),
            Kind::Unreachable => (Reason::Unreachable, "url"),
            Kind::Tls if self.is_encrypted => (
                Reason::Unreachable,
                "insecure: the server has to have a certificate of an authority that the system trusts",
            ),
            Kind::Unauthorized => (Reason::Unauthorized, login),
            Kind::Forbidden => (Reason::Forbidden, login),
            Kind::Busy => (Reason::TooManyRequests, ""),
            Kind::Tls | Kind::Unconfirmed => (Reason::Unreachable, ""),
            Kind::NotFound | Kind::Exists | Kind::Refused => (Reason::Refused, "config"),
        };
        let mut why = error.to_string();
        if !error.said().is_empty() {
            why = format!("{why}: {}", error.said());
        }
        let failed = SourceError::new(reason, format!("{act} {}", self.url)).because(why);
        if hint.is_empty() {
            failed
        } else {
            failed.with_hint(format!("check {}.{hint}", self.path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(is_json: bool, body: &[u8]) -> Result<String, String> {
        let spec =
            format!(r#"{{"url":"a:1","config":"c","jsonBody":{is_json},"metadata":{{"a":"1"}}}}"#);
        let spec = serde_json::from_str(&spec).unwrap();
        let generic = Generic::compile("spec.generic.ev", &spec).unwrap();
        let payload = generic.payload(body).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(payload.to_vec()).unwrap())
    }

    #[test]
    fn a_body_is_in_base64_unless_it_is_to_be_json() {
        for (is_json, body, expected) in [
            (
                false,
                "{\"n\": 1}",
                r#"{"body":"eyJuIjogMX0=","metadata":{"a":"1"}}"#,
            ),
            (
                true,
                "{\"n\": 1}",
                r#"{"body":{"n": 1},"metadata":{"a":"1"}}"#,
            ),
            (false, "", r#"{"body":null,"metadata":{"a":"1"}}"#),
            (true, "", r#"{"body":null,"metadata":{"a":"1"}}"#),
        ] {
            assert_eq!(written(is_json, body.as_bytes()).unwrap(), expected);
        }
        assert_eq!(
            written(true, b"hi").unwrap_err(),
            "the body is not JSON: expected value at line 1 column 1"
        );
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let spec = serde_json::from_str(r#"{"url":"https://a:1"}"#).unwrap();
        let problems = Generic::compile("spec.generic.ev", &spec).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "error: spec.generic.ev.url: \"https://a:1\" is no address of a gRPC server: it is HOST:PORT"
        );
    }
}
