//! What a namespace keeps messages in.

use fe2o3_amqp::types::messaging::{
    Body, Data, Message, MessageAnnotations, MessageId, annotations::OwnedKey,
};
use fe2o3_amqp::types::primitives::{Binary, SimpleValue, Timestamp as Moment, Value};
use jiff::Timestamp;

use super::hub::Hub;
use super::queue::Queue;

/// Something that messages are sent to.
pub(super) enum Entity {
    Queue(Queue),
    Hub(Hub),
}

/// A message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its message id, if it has one.
    pub id: Option<String>,
    /// What its sender says of it.
    pub properties: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// A message, and when it was taken.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) message: Message<Body<Value>>,
    pub(super) sequence: i64,
    since: Timestamp,
}

impl Kept {
    /// A message with this body, and no more.
    pub(super) fn of(body: Vec<u8>) -> Self {
        Self::received(Message {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: None,
            application_properties: None,
            body: Body::Data(vec![Data(Binary::from(body))].into()),
            footer: None,
        })
    }

    pub(super) fn received(message: Message<Body<Value>>) -> Self {
        Self {
            message,
            sequence: 0,
            since: Timestamp::now(),
        }
    }

    pub(super) fn id(&self) -> Option<String> {
        let properties = self.message.properties.as_ref()?;
        match properties.message_id.as_ref()? {
            MessageId::String(id) => Some(id.clone()),
            _ => None,
        }
    }

    /// The message with what the namespace says of it, and more.
    pub(super) fn annotated(&self, more: &[(&str, Value)]) -> Message<Body<Value>> {
        let since = Moment::from_milliseconds(self.since.as_millisecond());
        let mut annotations = MessageAnnotations::default();
        let usual = [
            ("x-opt-sequence-number", Value::Long(self.sequence)),
            ("x-opt-enqueued-time", Value::Timestamp(since)),
        ];
        for (name, value) in usual.iter().chain(more) {
            annotations.0.insert(OwnedKey::from(*name), value.clone());
        }
        Message {
            message_annotations: Some(annotations),
            ..self.message.clone()
        }
    }

    fn taken(&self) -> Taken {
        let properties = self.message.application_properties.clone();
        let properties = properties.unwrap_or_default().0.into_inner().into_iter();
        Taken {
            id: self.id(),
            properties: properties
                .map(|(name, value)| match value {
                    SimpleValue::String(text) => (name, text),
                    other => (name, format!("{other:?}")),
                })
                .collect(),
            body: match &self.message.body {
                Body::Data(sections) => sections
                    .iter()
                    .map(|Data(bytes)| String::from_utf8_lossy(bytes).into_owned())
                    .collect(),
                _ => String::new(),
            },
        }
    }
}

impl Entity {
    /// Takes a message; a hub, into the partition of this number, or into any.
    pub(super) fn take(&mut self, message: Kept, number: Option<usize>) {
        match self {
            Self::Queue(queue) => queue.take(message),
            Self::Hub(hub) => hub.take(message, number),
        }
    }

    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.depth(),
            Self::Hub(hub) => hub.all().count(),
        }
    }

    pub(super) fn locked(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.locked(),
            Self::Hub(_) => 0,
        }
    }

    pub(super) fn taken(&self) -> Vec<Taken> {
        match self {
            Self::Queue(queue) => queue.all().map(Kept::taken).collect(),
            Self::Hub(hub) => hub.all().map(Kept::taken).collect(),
        }
    }
}
