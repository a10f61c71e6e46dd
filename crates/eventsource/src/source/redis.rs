//! Messages of Redis channels as a source. Redis tells them to whoever listens and keeps nothing.

pub(super) mod server;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::Timestamp;
use redis::Msg;
use redis::aio::PubSubSink;
use tiphys_api::{Problem, RedisEventSource};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::server::{ANSWER_WITHIN, Server};
use super::broker::{Members, NotJson, forward, incoming};
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::Condition;

/// How often the server is asked whether it is there: on a connection that only listens nothing else
/// says so.
const PING: Duration = Duration::from_secs(10);

/// Messages of some channels.
#[derive(Debug)]
pub(crate) struct Redis {
    server: Server,
    channels: Vec<String>,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for Redis {
    type Spec = RedisEventSource;

    fn compile(path: &str, spec: &RedisEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            server: Server {
                path: path.to_owned(),
                address: spec.host_address.to_string(),
                username: spec.username.to_string(),
                password: spec.password.clone(),
                db: *spec.db,
                tls: spec.tls.clone(),
            },
            channels: (*spec.channels).clone(),
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for Redis {
    fn placement(&self) -> Placement {
        Placement::LeaseHolder
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let mut subscriber = self.server.subscriber(context).await?;
        let answer = timeout(ANSWER_WITHIN, subscriber.subscribe(&self.channels)).await;
        let act = || format!("subscribe to {}", self.channels.join(", "));
        match answer {
            Ok(answer) => answer.map_err(|error| self.server.failed(act(), error))?,
            Err(_) => return Err(SourceError::new(Reason::Unreachable, act())),
        }
        context.condition(Condition::Working);
        let (sink, messages) = subscriber.split();
        let messages = messages.map(|message| self.heard(&message));
        forward(context, messages, self.silent(sink)).await
    }

    fn draft(&self, input: &Input<'_>, _: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("redis")),
        };
        let channel = self.channels.first().map_or("", String::as_str);
        let payload = self.payload(channel, body);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl Redis {
    /// Why the connection is of no use any more.
    async fn silent(&self, mut sink: PubSubSink) -> SourceError {
        let mut ticks = interval(PING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let act = || format!("listen at {}", self.server.address);
        loop {
            ticks.tick().await;
            match timeout(ANSWER_WITHIN, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return self.server.failed(act(), error),
                Err(_) => {
                    let why = format!("no answer in {} s", ANSWER_WITHIN.as_secs());
                    return SourceError::new(Reason::Unreachable, act()).because(why);
                }
            }
        }
    }

    fn heard(&self, message: &Msg) -> Incoming {
        let body = message.get_payload_bytes();
        let payload = self.payload(message.get_channel_name(), body);
        incoming(payload, &Bytes::copy_from_slice(body))
    }

    fn payload(&self, channel: &str, body: &[u8]) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len())
            .text("channel", channel.as_bytes())
            // Channels are subscribed to by their names.
            .text("pattern", b"");
        let members = if self.is_json {
            members.json_body(body)?
        } else {
            members.text("body", body)
        };
        Ok(members.finish(&self.metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(is_json: bool, body: &[u8]) -> Result<String, String> {
        let spec = format!(
            r#"{{"hostAddress":"a:1","channels":["orders"],"jsonBody":{is_json},"metadata":{{"a":"1"}}}}"#
        );
        let redis = Redis::compile("spec.redis.ev", &serde_json::from_str(&spec).unwrap()).unwrap();
        let payload = redis.payload("orders", body);
        let payload = payload.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(payload.to_vec()).unwrap())
    }

    #[test]
    fn a_body_is_a_text_unless_it_is_to_be_json() {
        assert_eq!(
            written(false, b"{\"n\": 1}").unwrap(),
            r#"{"channel":"orders","pattern":"","body":"{\"n\": 1}","metadata":{"a":"1"}}"#
        );
        assert_eq!(
            written(true, b"{\"n\": 1}").unwrap(),
            r#"{"channel":"orders","pattern":"","body":{"n": 1},"metadata":{"a":"1"}}"#
        );
        assert_eq!(
            written(true, b"hi").unwrap_err(),
            "the body is not JSON: expected value at line 1 column 1"
        );
    }
}
