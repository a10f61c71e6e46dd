//! Messages of an Emitter channel as a source. Emitter speaks MQTT with names of its own, and sends a
//! message once: what nobody hears is lost.

use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use rumqttc::{Publish, QoS};
use tiphys_api::{BasicAuth, EmitterEventSource, Problem};

use super::broker::{Members, NotJson, forward, incoming};
use super::mqtt::session::{Fields, Server, Session, Wanted, address, check_topic};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::Condition;

/// What the broker itself says has topics with this in front.
const OWN: &[u8] = b"emitter/";

/// Messages of one channel.
#[derive(Debug)]
pub(crate) struct Emitter {
    server: Server,
    channel: String,
    /// The channel with its key, as the broker wants it.
    topic: String,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Emitter {
    type Spec = EmitterEventSource;

    fn compile(path: &str, spec: &EmitterEventSource) -> Result<Self, Vec<Problem>> {
        let channel = spec.channel_name.trim_matches('/');
        let topic = format!("{}/{channel}/", spec.channel_key.trim_matches('/'));
        let address = address(format!("{path}.broker"), &spec.broker);
        // The key is not said.
        let wrong = check_topic(format!("{path}.channelName"), channel).err();
        let address = match (address, wrong) {
            (Ok(address), None) => address,
            (address, wrong) => {
                return Err([address.err(), wrong].into_iter().flatten().collect());
            }
        };
        let has_login = spec.username.is_some() || spec.password.is_some();
        let auth = has_login.then(|| BasicAuth {
            username: spec.username.clone(),
            password: spec.password.clone(),
        });
        Ok(Self {
            server: Server {
                address,
                auth,
                tls: spec.tls.clone(),
                fields: Fields {
                    path: path.to_owned(),
                    url: "broker",
                    auth: "username and password",
                    topic: "channelKey and channelName",
                },
            },
            channel: format!("{channel}/"),
            topic,
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Emitter {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let event = context.event();
        let client_id = format!(
            "{}-{}-{}-{}",
            event.namespace,
            event.source,
            event.name,
            context.pod()
        );
        let wanted = Wanted {
            client_id: &client_id,
            is_kept: false,
            topic: &self.topic,
            name: &self.channel,
            qos: QoS::AtMostOnce,
        };
        let Session {
            client,
            messages,
            reader,
        } = self.server.open(&wanted, context).await?;
        context.condition(Condition::Working);
        let messages = stream::unfold(messages, |mut messages| async {
            let message = messages.recv().await?;
            Some((message, messages))
        });
        let messages = messages.filter_map(|message| async move { self.heard(&message) });
        let ended = async { self.server.lost(reader.read().await) };
        let forwarded = forward(context, pin!(messages), ended).await;
        // It ends with its last client.
        drop(client);
        forwarded
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("emitter")),
        };
        let topic = self.channel.replace(['+', '#'], "example");
        let payload = self.payload(topic.as_bytes(), body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Emitter {
    fn heard(&self, message: &Publish) -> Option<Incoming> {
        if message.topic.starts_with(OWN) {
            return None;
        }
        let payload = self.payload(&message.topic, &message.payload);
        Some(incoming(payload, &message.payload))
    }

    fn payload(&self, topic: &[u8], body: &[u8]) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len() * 4 / 3)
            .text("topic", topic)
            .body(body, self.is_json)?;
        Ok(members.finish(&self.metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emitter(broker: &str, channel: &str, is_json: bool) -> Result<Emitter, Vec<Problem>> {
        let spec = format!(
            r#"{{"broker":"{broker}","channelKey":"KEY","channelName":"{channel}","jsonBody":{is_json},"metadata":{{"a":"1"}}}}"#
        );
        Emitter::compile("spec.emitter.ev", &serde_json::from_str(&spec).unwrap())
    }

    #[test]
    fn a_message_has_the_members_of_argo_events() {
        let source = emitter("tcp://api.emitter.io:8080", "/orders/new/", true).unwrap();
        assert_eq!(source.topic, "KEY/orders/new/");
        assert_eq!(
            source.payload(b"orders/new/", br#"{"n": 1}"#).unwrap(),
            r#"{"topic":"orders/new/","body":{"n": 1},"metadata":{"a":"1"}}"#
        );
        let source = emitter("tcp://api.emitter.io:8080", "orders", false).unwrap();
        assert_eq!(
            source.payload(b"orders/", b"hi").unwrap(),
            r#"{"topic":"orders/","body":"aGk=","metadata":{"a":"1"}}"#
        );
    }

    #[test]
    fn what_the_broker_itself_says_is_no_event() {
        let source = emitter("tcp://a", "orders", true).unwrap();
        let message = |topic: &str| Publish::new(topic, QoS::AtMostOnce, "1");
        assert!(source.heard(&message("emitter/error/")).is_none());
        assert!(source.heard(&message("orders/")).is_some());
    }

    #[test]
    fn a_broker_or_a_channel_that_is_none_is_a_fault_without_its_key() {
        let problems = emitter("ws://a", "a#", true).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "error: spec.emitter.ev.broker: it has to begin with tcp:// or mqtt:// or ssl:// or tls:// or mqtts:// or mqtt+ssl:// or tcps://",
                "error: spec.emitter.ev.channelName: \"a#\" is no topic: + stands alone in its level, # at the end",
            ]
        );
    }
}
