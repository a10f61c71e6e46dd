//! A message, as both sides see it.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::types::messaging::annotations::{Annotations, OwnedKey};
use fe2o3_amqp::types::messaging::{
    ApplicationProperties, Batch, Body, Data, Message as Wire, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{Binary, SimpleValue, Value as WireValue};
use jiff::Timestamp;

/// What stands for the right to settle a message that others do not see for a while.
pub type LockToken = [u8; 16];

/// A message that came.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// What its sender knows it by.
    pub id: Option<String>,
    /// What it is an answer to.
    pub correlation_id: Option<String>,
    /// Where an answer goes.
    pub reply_to: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// The type of its body.
    pub content_type: Option<String>,
    /// What its sender says of it. `None`: nothing at all.
    pub properties: Option<BTreeMap<String, Value>>,
    /// Its body. `None`: it has none, or one that is neither bytes nor a text.
    pub body: Option<Bytes>,
    /// Its number in its queue, subscription or partition.
    pub sequence: Option<i64>,
    /// When it was taken.
    pub enqueued: Option<Timestamp>,
    /// Until when nobody else gets it.
    pub locked_until: Option<Timestamp>,
    /// What chose its partition.
    pub partition_key: Option<String>,
}

/// A value of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is not negative.
    Uint(u64),
    /// A number with 32 bits.
    Float(f32),
    /// A number with 64 bits.
    Double(f64),
    /// A moment, in milliseconds of the epoch.
    Time(i64),
    /// A UUID.
    Uuid([u8; 16]),
    /// Bytes.
    Bytes(Bytes),
    /// A text.
    Text(String),
}

/// A message that came, and what it is settled by.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// What its lock is renewed by, if it has one.
    pub lock: Option<LockToken>,
    pub(super) info: DeliveryInfo,
}

/// A message that goes.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What it is known by.
    pub id: String,
    /// What is said of it.
    pub properties: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

impl Delivery {
    pub(super) fn of(info: DeliveryInfo, wire: Wire<Body<WireValue>>) -> Self {
        let tag = LockToken::try_from(&info.delivery_tag()[..]).ok();
        let annotated = wire.delivery_annotations.as_ref();
        let annotated = annotated.and_then(|annotations| lock_of(&annotations.0));
        Self {
            lock: annotated.or(tag.map(uuid_of)),
            message: Message::of(wire),
            info,
        }
    }
}

/// A lock as a delivery has it: a GUID of .NET, whose first three numbers have their lowest byte first.
fn uuid_of(guid: [u8; 16]) -> LockToken {
    let mut uuid = guid;
    for number in [0..4, 4..6, 6..8] {
        uuid[number].reverse();
    }
    uuid
}

fn lock_of(annotations: &Annotations) -> Option<LockToken> {
    match annotation(annotations, "x-opt-lock-token")? {
        WireValue::Uuid(uuid) => Some(*uuid.as_inner()),
        _ => None,
    }
}

fn annotation<'a>(annotations: &'a Annotations, name: &str) -> Option<&'a WireValue> {
    let mut annotations = annotations.iter();
    annotations.find_map(|(key, value)| match key {
        OwnedKey::Symbol(key) if key.as_str() == name => Some(value),
        _ => None,
    })
}

impl Message {
    fn of(wire: Wire<Body<WireValue>>) -> Self {
        let properties = wire.properties.unwrap_or_default();
        let annotations = wire.message_annotations.map(|annotations| annotations.0);
        let annotations = annotations.unwrap_or_default();
        let time = |name| match annotation(&annotations, name)? {
            WireValue::Timestamp(time) => Timestamp::from_millisecond(time.milliseconds()).ok(),
            _ => None,
        };
        Self {
            id: properties.message_id.map(text_of),
            correlation_id: properties.correlation_id.map(text_of),
            reply_to: properties.reply_to,
            subject: properties.subject,
            content_type: properties.content_type.map(|kind| kind.0),
            properties: wire.application_properties.map(properties_of),
            body: body_of(wire.body),
            sequence: match annotation(&annotations, "x-opt-sequence-number") {
                Some(WireValue::Long(number)) => Some(*number),
                _ => None,
            },
            enqueued: time("x-opt-enqueued-time"),
            locked_until: time("x-opt-locked-until"),
            partition_key: match annotation(&annotations, "x-opt-partition-key") {
                Some(WireValue::String(key)) => Some(key.clone()),
                Some(WireValue::Symbol(key)) => Some(key.0.clone()),
                _ => None,
            },
        }
    }
}

fn text_of(id: MessageId) -> String {
    match id {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => hyphened(uuid.as_inner()),
        MessageId::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        MessageId::String(text) => text,
    }
}

/// A UUID as it is written.
fn hyphened(uuid: &[u8; 16]) -> String {
    let parts = [0..4, 4..6, 6..8, 8..10, 10..16];
    parts.map(|part| HEXLOWER.encode(&uuid[part])).join("-")
}

fn properties_of(properties: ApplicationProperties) -> BTreeMap<String, Value> {
    let all = properties.0.into_inner().into_iter();
    all.map(|(name, value)| (name, value_of(value))).collect()
}

fn value_of(value: SimpleValue) -> Value {
    match value {
        SimpleValue::Null => Value::Null,
        SimpleValue::Bool(value) => Value::Bool(value),
        SimpleValue::Ubyte(number) => Value::Uint(number.into()),
        SimpleValue::Ushort(number) => Value::Uint(number.into()),
        SimpleValue::Uint(number) => Value::Uint(number.into()),
        SimpleValue::Ulong(number) => Value::Uint(number),
        SimpleValue::Byte(number) => Value::Int(number.into()),
        SimpleValue::Short(number) => Value::Int(number.into()),
        SimpleValue::Int(number) => Value::Int(number.into()),
        SimpleValue::Long(number) => Value::Int(number),
        SimpleValue::Float(number) => Value::Float(number.into_inner()),
        SimpleValue::Double(number) => Value::Double(number.into_inner()),
        // A rune is a number in Go.
        SimpleValue::Char(letter) => Value::Uint(u32::from(letter).into()),
        SimpleValue::Timestamp(time) => Value::Time(time.milliseconds()),
        SimpleValue::Uuid(uuid) => Value::Uuid(uuid.into_inner()),
        SimpleValue::Binary(bytes) => Value::Bytes(bytes.into_vec().into()),
        SimpleValue::String(text) => Value::Text(text),
        SimpleValue::Symbol(symbol) => Value::Text(symbol.0),
        other => Value::Text(format!("{other:?}")),
    }
}

fn body_of(body: Body<WireValue>) -> Option<Bytes> {
    match body {
        Body::Data(mut sections) if sections.len() == 1 => {
            sections.pop().map(|Data(bytes)| bytes.into_vec().into())
        }
        Body::Data(sections) => {
            let sections = sections.into_iter().map(|Data(bytes)| bytes.into_vec());
            Some(sections.collect::<Vec<_>>().concat().into())
        }
        Body::Value(value) => match value.0 {
            WireValue::Binary(bytes) => Some(bytes.into_vec().into()),
            WireValue::String(text) => Some(text.into()),
            _ => None,
        },
        Body::Sequence(_) | Body::Empty => None,
    }
}

impl Outgoing {
    pub(super) fn into_wire(self) -> Wire<Body<WireValue>> {
        let said = self.properties.into_iter();
        let said = said.map(|(name, value)| (name, SimpleValue::String(value)));
        Wire {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: Some(Properties::builder().message_id(self.id).build()),
            application_properties: Some(ApplicationProperties(said.collect())),
            body: Body::Data(Batch::from(vec![Data(Binary::from(self.body.to_vec()))])),
            footer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_a_delivery_is_a_guid() {
        let guid: [u8; 16] = *b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        assert_eq!(
            hyphened(&uuid_of(guid)),
            "00112233-4455-6677-8899-aabbccddeeff"
        );
    }

    #[test]
    fn a_body_is_bytes_or_a_text() {
        let data = |parts: &[&[u8]]| {
            let sections = parts.iter().map(|part| Data(Binary::from(part.to_vec())));
            Body::Data(Batch::from(sections.collect::<Vec<_>>()))
        };
        let value = |value: WireValue| Body::Value(fe2o3_amqp::types::messaging::AmqpValue(value));
        for (body, expected) in [
            (data(&[b"a"]), Some("a")),
            (data(&[b"a", b"b"]), Some("ab")),
            (value(WireValue::String("text".to_owned())), Some("text")),
            (value(WireValue::Int(7)), None),
            (Body::Empty, None),
        ] {
            assert_eq!(body_of(body).as_deref(), expected.map(str::as_bytes));
        }
    }
}
