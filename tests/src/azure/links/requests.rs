//! What clients ask for: to be let in, for longer locks, and for the partitions of a hub.

use fe2o3_amqp::link::{Receiver, Sender};
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Message, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{Array, OrderedMap, SimpleValue, Timestamp as Moment, Value};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::{Client, Entity, LOCKED_FOR};

/// A status, its text, and what is asked for.
type Answer = (i32, String, Value);

impl Client {
    /// Sends answers to where the client wants them.
    pub(super) async fn answer(self, mut sender: Sender) {
        let target = sender.target().as_ref();
        let name = target.and_then(|target| target.address.clone());
        let (answers, mut waiting) = mpsc::unbounded_channel();
        let known = || self.answers.lock().expect("nobody panics");
        known().insert(name.unwrap_or_default(), answers);
        while let Some(answer) = waiting.recv().await {
            if sender.send(answer).await.is_err() {
                return;
            }
        }
    }

    /// Answers requests at a node.
    pub(super) async fn listen(self, mut receiver: Receiver, node: &str) {
        while let Ok(delivery) = receiver.recv::<Body<Value>>().await {
            if receiver.accept(&delivery).await.is_err() {
                return;
            }
            let request = delivery.into_message();
            let properties = request.properties.clone().unwrap_or_default();
            let (status, text, body) = self.asked(node, &request);
            let said = [
                ("status-code", SimpleValue::Int(status)),
                ("status-description", SimpleValue::String(text)),
            ];
            let said = said.map(|(name, value)| (name.to_owned(), value));
            let answer = Message {
                header: None,
                delivery_annotations: None,
                message_annotations: None,
                properties: Some(Properties {
                    correlation_id: properties.message_id,
                    message_id: Some(MessageId::from(0)),
                    ..Properties::default()
                }),
                application_properties: Some(ApplicationProperties(said.into_iter().collect())),
                body: Body::Value(AmqpValue(body)),
                footer: None,
            };
            let answers = self.answers.lock().expect("nobody panics");
            if let Some(link) = properties
                .reply_to
                .and_then(|name| answers.get(&name).cloned())
            {
                // Who has gone wants no answer.
                drop(link.send(answer));
            }
        }
    }

    fn asked(&self, node: &str, request: &Message<Body<Value>>) -> Answer {
        let properties = request.application_properties.clone();
        let properties = properties.unwrap_or_default().0;
        let property = |name: &str| match properties.get(name) {
            Some(SimpleValue::String(text)) => text.clone(),
            _ => String::new(),
        };
        let body = match &request.body {
            Body::Value(AmqpValue(body)) => body.clone(),
            _ => Value::Null,
        };
        if node == "$cbs" {
            let Value::String(token) = body else {
                return (400, "There is no token.".to_owned(), Value::Null);
            };
            let name = property("name");
            let (status, text) = self.shared.check(&property("type"), &token, &name);
            if status < 300 {
                self.claims.lock().expect("nobody panics").push(name);
            }
            return (status, text.to_owned(), Value::Null);
        }
        let path = node.trim_end_matches("$management").trim_end_matches('/');
        match property("operation").as_str() {
            "com.microsoft:renew-lock" => self.renew(path, &body),
            "READ" if property("security_token").is_empty() => {
                (401, "There is no security token.".to_owned(), Value::Null)
            }
            "READ" => self.read(&property("name"), &property("partition")),
            operation => (400, format!("{operation:?} is not known."), Value::Null),
        }
    }

    fn renew(&self, path: &str, body: &Value) -> Answer {
        if !self.may(path) {
            return (401, super::UNAUTHORIZED.to_owned(), Value::Null);
        }
        let Value::Map(members) = body else {
            return (400, "There are no tokens.".to_owned(), Value::Null);
        };
        let tokens = members.get(&Value::String("lock-tokens".to_owned()));
        let Some(Value::Array(tokens)) = tokens else {
            return (400, "There are no tokens.".to_owned(), Value::Null);
        };
        let tokens: Vec<[u8; 16]> = tokens
            .0
            .iter()
            .filter_map(|token| match token {
                Value::Uuid(token) => Some(*token.as_inner()),
                _ => None,
            })
            .collect();
        if self.queue(path, |queue| queue.renew(&tokens)) != Some(true) {
            let why = "The lock supplied is invalid. TrackingId:1";
            return (410, why.to_owned(), Value::Null);
        }
        let lasts = SignedDuration::try_from(LOCKED_FOR).expect("it is short");
        let until = Moment::from_milliseconds((Timestamp::now() + lasts).as_millisecond());
        let times = vec![Value::Timestamp(until); tokens.len()];
        let mut answer = OrderedMap::new();
        answer.insert(
            Value::String("expirations".to_owned()),
            Value::Array(Array::from(times)),
        );
        (200, "OK".to_owned(), Value::Map(answer))
    }

    /// What is known of a hub, or of one of its partitions.
    fn read(&self, hub: &str, partition: &str) -> Answer {
        if !self.may(hub) {
            return (401, super::UNAUTHORIZED.to_owned(), Value::Null);
        }
        let entities = self.shared.entities();
        let Some(Entity::Hub(known)) = entities.get(hub) else {
            return (404, super::not_found(hub), Value::Null);
        };
        let names = known.partitions().into_iter().map(Value::String);
        let names: Vec<Value> = names.collect();
        let mut answer = OrderedMap::new();
        let mut say = |name: &str, value| answer.insert(Value::String(name.to_owned()), value);
        say("name", Value::String(hub.to_owned()));
        match known.partition(partition) {
            Some(events) => {
                let last = i64::try_from(events.len()).expect("it is small") - 1;
                say("last_enqueued_sequence_number", Value::Long(last))
            }
            None => say("partition_ids", Value::Array(Array::from(names))),
        };
        (200, "OK".to_owned(), Value::Map(answer))
    }
}
