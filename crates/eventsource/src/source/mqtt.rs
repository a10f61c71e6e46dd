//! Messages of an MQTT topic as a source. The broker keeps the session of the client id, and with it what
//! is not acknowledged; a message is acknowledged after the bus has its event.

pub(super) mod session;

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use rumqttc::{AsyncClient, ConnectionError, ManualAck, Publish, QoS, matches};
use sha2::{Digest as _, Sha256};
use tiphys_api::{MqttEventSource, Problem};
use tokio::time::timeout;

use self::session::{Fields, Server, Session, Wanted, address, check_topic};
use super::broker::{Members, NotJson, incoming};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::{Incoming, Verdict};
use crate::served::payload::metadata;
use crate::status::Condition;

/// Messages are acknowledged in their order, as the protocol wants it.
const ORDER: &str = "messages";

/// How long the broker may take to hear that the session rests.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Messages of one topic.
#[derive(Debug)]
pub(crate) struct Mqtt {
    server: Server,
    topic: String,
    client_id: String,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Mqtt {
    type Spec = MqttEventSource;

    fn compile(path: &str, spec: &MqttEventSource) -> Result<Self, Vec<Problem>> {
        let address = address(format!("{path}.url"), &spec.url);
        let topic = check_topic(format!("{path}.topic"), &spec.topic);
        match (address, topic) {
            (Ok(address), Ok(())) => Ok(Self {
                server: Server {
                    address,
                    auth: spec.auth.clone(),
                    tls: spec.tls.clone(),
                    fields: Fields {
                        path: path.to_owned(),
                        url: "url",
                        auth: "auth",
                        topic: "topic",
                    },
                },
                topic: spec.topic.to_string(),
                client_id: spec.client_id.to_string(),
                is_json: *spec.json_body,
                metadata: metadata(&spec.metadata),
            }),
            (address, topic) => Err([address.err(), topic.err()].into_iter().flatten().collect()),
        }
    }
}

#[async_trait]
impl Source for Mqtt {
    fn placement(&self) -> Placement {
        // A client id is one connection: the broker ends the one before.
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let wanted = Wanted {
            client_id: &self.client_id,
            is_kept: true,
            topic: &self.topic,
            name: &self.topic,
            qos: QoS::AtLeastOnce,
        };
        let Session {
            client,
            mut messages,
            reader,
        } = self.server.open(&wanted, context).await?;
        context.condition(Condition::Working);
        let publisher = context.publisher();
        let mut in_hand = publisher.in_hand();
        let mut ended = pin!(reader.read());
        loop {
            let said = async {
                let permit = publisher.permit().await;
                (permit, messages.recv().await)
            };
            tokio::select! {
                biased;
                () = context.shutdown().cancelled() => break,
                (message, verdict) = in_hand.settled() => self.settle(&client, message, verdict)?,
                error = &mut ended => return Err(self.server.lost(error)),
                (permit, Some(message)) = said => {
                    let acknowledgement = client.prepare_ack(&message);
                    if self.is_wanted(&message) {
                        in_hand.hand_on(permit, self.incoming(&message), acknowledgement);
                    } else {
                        self.acknowledge(&client, acknowledgement)?;
                    }
                }
            }
        }
        // The broker keeps the rest.
        drop(messages);
        while !in_hand.is_empty() {
            tokio::select! {
                biased;
                (message, verdict) = in_hand.settled() => self.settle(&client, message, verdict)?,
                error = &mut ended => return Err(self.server.lost(error)),
            }
        }
        let disconnected = client.disconnect().await;
        disconnected.map_err(|error| self.unsent().because(error))?;
        match timeout(DISCONNECT_WITHIN, ended).await {
            Ok(ConnectionError::RequestsDone) | Err(_) => Ok(()),
            Ok(error) => Err(self.server.lost(error)),
        }
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("mqtt")),
        };
        let topic = filter(&self.topic).replace(['+', '#'], "example");
        let payload = self.payload(topic.as_bytes(), 1, body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Mqtt {
    /// A session that was kept keeps its subscriptions: those of an earlier topic, too.
    fn is_wanted(&self, message: &Publish) -> bool {
        let topic = String::from_utf8_lossy(&message.topic);
        topic.starts_with('$') || matches(&topic, filter(&self.topic))
    }

    fn settle(
        &self,
        client: &AsyncClient,
        message: Option<ManualAck>,
        verdict: Verdict,
    ) -> Result<(), SourceError> {
        match verdict {
            Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                self.acknowledge(client, message)
            }
            // The broker sends it again to the next connection.
            Verdict::GivenBack(_) => Ok(()),
        }
    }

    /// Acknowledges a message, if that is wanted of it.
    fn acknowledge(
        &self,
        client: &AsyncClient,
        message: Option<ManualAck>,
    ) -> Result<(), SourceError> {
        let Some(message) = message else {
            return Ok(());
        };
        let sent = client.try_manual_ack(message);
        sent.map_err(|error| self.unsent().because(error))
    }

    fn unsent(&self) -> SourceError {
        let act = format!("acknowledge a message of {}", self.topic);
        SourceError::new(Reason::Acknowledge, act)
    }

    fn incoming(&self, message: &Publish) -> Incoming {
        let payload = self.payload(&message.topic, message.pkid, &message.payload);
        let incoming = incoming(payload, &message.payload).in_order(ORDER);
        if !message.retain {
            return incoming;
        }
        // It is sent again at each subscription.
        let topic = String::from_utf8_lossy(&message.topic).into_owned();
        let hash = HEXLOWER.encode(&Sha256::digest(&message.payload));
        incoming.identified_by([topic, hash])
    }

    fn payload(&self, topic: &[u8], id: u16, body: &[u8]) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len() * 4 / 3)
            .text("topic", topic)
            .json("messageId", id.to_string().as_bytes())
            .body(body, self.is_json)?;
        Ok(members.finish(&self.metadata))
    }
}

/// What topics are matched with: a subscription that is shared has the name of its group in front.
fn filter(topic: &str) -> &str {
    let shared = topic.strip_prefix("$share/");
    shared
        .and_then(|shared| shared.split_once('/'))
        .map_or(topic, |(_, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::Identity;

    fn mqtt(url: &str, topic: &str, is_json: bool) -> Result<Mqtt, Vec<Problem>> {
        let spec = format!(
            r#"{{"url":"{url}","topic":"{topic}","clientId":"c","jsonBody":{is_json},"metadata":{{"a":"1"}}}}"#
        );
        Mqtt::compile("spec.mqtt.ev", &serde_json::from_str(&spec).unwrap())
    }

    #[test]
    fn a_message_has_the_members_of_argo_events() {
        let source = mqtt("tcp://a", "orders/+", true).unwrap();
        assert_eq!(
            source.payload(b"orders/new", 7, br#"{"n": 1}"#).unwrap(),
            r#"{"topic":"orders/new","messageId":7,"body":{"n": 1},"metadata":{"a":"1"}}"#
        );
        let source = mqtt("tcp://a", "orders/+", false).unwrap();
        assert_eq!(
            source.payload(b"orders/new", 0, b"hi").unwrap(),
            r#"{"topic":"orders/new","messageId":0,"body":"aGk=","metadata":{"a":"1"}}"#
        );
    }

    #[test]
    fn only_a_retained_message_is_known() {
        let source = mqtt("tcp://a", "t", true).unwrap();
        let mut message = Publish::new("t", QoS::AtLeastOnce, "1");
        assert_eq!(source.incoming(&message).id, Identity::Fresh);
        message.retain = true;
        let parts = [
            "t",
            "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
        ];
        assert_eq!(
            source.incoming(&message).id,
            Identity::Parts(parts.map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn what_an_earlier_topic_has_left_is_not_wanted() {
        for (topic, message, expected) in [
            ("orders/+", "orders/new", true),
            ("orders/#", "orders/a/b", true),
            ("orders/+", "returns/new", false),
            ("$share/tiphys/orders/+", "orders/new", true),
            ("$SYS/broker/uptime", "$SYS/broker/uptime", true),
        ] {
            let source = mqtt("tcp://a", topic, true).unwrap();
            let message = Publish::new(message, QoS::AtLeastOnce, "1");
            assert_eq!(source.is_wanted(&message), expected, "{topic}");
        }
    }

    #[test]
    fn a_url_or_a_topic_that_is_none_is_a_fault() {
        for url in [
            "tcp://a",
            "mqtt://a:1",
            "ssl://a",
            "mqtts://u:p@a",
            "a:1883",
        ] {
            assert!(mqtt(url, "t", true).is_ok(), "{url}");
        }
        let problems = mqtt("ws://a", "orders/#/new", true).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "error: spec.mqtt.ev.url: it has to begin with tcp:// or mqtt:// or ssl:// or tls:// or mqtts:// or mqtt+ssl:// or tcps://",
                "error: spec.mqtt.ev.topic: \"orders/#/new\" is no topic: + stands alone in its level, # at the end",
            ]
        );
    }
}
