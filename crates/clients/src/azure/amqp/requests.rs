//! Requests over a pair of links, one for what is asked and one for the answers.

use std::fmt;
use std::time::Duration;

use fe2o3_amqp::link::{Receiver, Sender};
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{
    AmqpValue, ApplicationProperties, Body, Message, MessageId, Properties, Target,
};
use fe2o3_amqp::types::primitives::{Array, OrderedMap, SimpleValue, Uuid, Value};
use jiff::Timestamp;
use tokio::time::timeout;

use super::claim::Claim;
use super::{Error, Kind, LockToken};

/// How long an answer may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How many answers may be on their way.
const CREDIT: u32 = 10;

/// A node that answers requests.
#[derive(Debug)]
pub(super) struct Requests {
    sender: Sender,
    receiver: Receiver,
    /// Where answers go.
    reply_to: String,
    asked: u64,
}

/// What was answered.
pub(super) struct Answer {
    body: Value,
}

impl Requests {
    pub(super) async fn attach(session: &mut SessionHandle<()>, node: &str) -> Result<Self, Error> {
        let reply_to = format!("{node}-{:016x}", fastrand::u64(..));
        let receiver = Receiver::builder()
            .name(format!("{reply_to}-receiver"))
            .source(node)
            .target(Target::builder().address(reply_to.clone()).build())
            .auto_accept(true)
            .credit_mode(fe2o3_amqp::link::receiver::CreditMode::Auto(CREDIT))
            .attach(session)
            .await?;
        let sender = Sender::builder()
            .name(format!("{reply_to}-sender"))
            .source(reply_to.clone())
            .target(node)
            .attach(session)
            .await?;
        Ok(Self {
            sender,
            receiver,
            reply_to,
            asked: 0,
        })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Cancellation
    /// The answer is passed over when it comes.
    async fn ask(
        &mut self,
        properties: impl IntoIterator<Item = (&'static str, SimpleValue)>,
        body: Value,
    ) -> Result<Answer, Error> {
        let answer = self.ask_without_end(properties, body);
        let late = || {
            let seconds = ANSWER_WITHIN.as_secs();
            Err(Error::lost(format!("no answer in {seconds} s")))
        };
        timeout(ANSWER_WITHIN, answer)
            .await
            .unwrap_or_else(|_| late())
    }

    async fn ask_without_end(
        &mut self,
        properties: impl IntoIterator<Item = (&'static str, SimpleValue)>,
        body: Value,
    ) -> Result<Answer, Error> {
        self.asked += 1;
        let id = format!("{}-{}", self.reply_to, self.asked);
        let properties = properties.into_iter();
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        let message = Message {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: Some(
                Properties::builder()
                    .message_id(id.clone())
                    .reply_to(self.reply_to.clone())
                    .build(),
            ),
            application_properties: Some(ApplicationProperties(properties.collect())),
            body: Body::Value(AmqpValue(body)),
            footer: None,
        };
        let sent = self.sender.send(message).await.map_err(Error::unsent)?;
        sent.accepted_or_else(|_| Error::new(Kind::Refused, "the request was not taken"))?;
        loop {
            let answer = self.receiver.recv::<Body<Value>>().await?.into_message();
            let correlation = answer.properties.as_ref();
            let correlation = correlation.and_then(|properties| properties.correlation_id.as_ref());
            if matches!(correlation, Some(MessageId::String(known)) if *known == id) {
                return Answer::of(answer);
            }
        }
    }

    /// Shows a claim to the resource of this name.
    pub(super) async fn put_token(&mut self, claim: &Claim, resource: &str) -> Result<(), Error> {
        let text = |text: &str| SimpleValue::String(text.to_owned());
        let properties = [
            ("operation", text("put-token")),
            ("type", text(claim.kind)),
            ("name", text(resource)),
        ];
        let body = Value::String(claim.token.clone());
        self.ask(properties, body).await.map(drop)
    }
}

impl Answer {
    fn of(message: Message<Body<Value>>) -> Result<Self, Error> {
        let properties = message.application_properties.unwrap_or_default().0;
        // Older nodes write them with capitals or with a hyphen less.
        let property = |names: [&str; 2]| {
            let mut found = names.iter().filter_map(|name| properties.get(*name));
            found.next().cloned()
        };
        let Some(SimpleValue::Int(status)) = property(["status-code", "statusCode"]) else {
            return Err(Error::new(Kind::Refused, "an answer without a status"));
        };
        let description = match property(["status-description", "statusDescription"]) {
            Some(SimpleValue::String(text)) => text,
            _ => String::new(),
        };
        if !(200..300).contains(&status) {
            let text = description.split(" TrackingId:").next();
            return Err(Error::of_status(status, text.unwrap_or_default()));
        }
        let body = match message.body {
            Body::Value(AmqpValue(body)) => body,
            _ => Value::Null,
        };
        Ok(Self { body })
    }

    /// A member of the body, if that is a map.
    fn member(&self, name: &str) -> Option<&Value> {
        let Value::Map(members) = &self.body else {
            return None;
        };
        let mut members = members.iter();
        members.find_map(|(key, value)| match key {
            Value::String(key) if key == name => Some(value),
            Value::Symbol(key) if key.as_str() == name => Some(value),
            _ => None,
        })
    }
}

/// What can be asked about a queue, a subscription or a hub.
pub struct Management {
    requests: Requests,
    /// What lets in: hubs want to see it with each request.
    token: String,
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

impl Management {
    pub(super) fn new(requests: Requests, token: String) -> Self {
        Self { requests, token }
    }

    /// Keeps messages of Service Bus from others for longer. Until when, one for each.
    ///
    /// # Errors
    /// If one of the locks has been lost, or nobody answers.
    pub async fn renew_locks(
        &mut self,
        locks: &[LockToken],
    ) -> Result<Vec<Option<Timestamp>>, Error> {
        let tokens = locks.iter().map(|lock| Value::Uuid(Uuid::from(*lock)));
        let tokens = Value::Array(Array::from(tokens.collect::<Vec<_>>()));
        let mut body = OrderedMap::new();
        body.insert(Value::String("lock-tokens".to_owned()), tokens);
        let operation = SimpleValue::String("com.microsoft:renew-lock".to_owned());
        let asked = self
            .requests
            .ask([("operation", operation)], Value::Map(body));
        let answer = asked.await?;
        let times = match answer.member("expirations") {
            Some(Value::Array(times)) => times.0.as_slice(),
            Some(Value::List(times)) => times.as_slice(),
            _ => &[],
        };
        let time = |value: &Value| match value {
            Value::Timestamp(time) => Timestamp::from_millisecond(time.milliseconds()).ok(),
            _ => None,
        };
        Ok(times.iter().map(time).collect())
    }

    /// The names of the partitions of a hub.
    ///
    /// # Errors
    /// If there is no such hub, or nobody answers.
    pub async fn partitions(&mut self, hub: &str) -> Result<Vec<String>, Error> {
        let text = |text: &str| SimpleValue::String(text.to_owned());
        let properties = [
            ("operation", text("READ")),
            ("name", text(hub)),
            ("type", text("com.microsoft:eventhub")),
            ("security_token", text(&self.token)),
        ];
        let answer = self.requests.ask(properties, Value::Null).await?;
        let names = match answer.member("partition_ids") {
            Some(Value::Array(names)) => names.0.as_slice(),
            Some(Value::List(names)) => names.as_slice(),
            _ => return Err(Error::new(Kind::Refused, "an answer without partitions")),
        };
        let name = |value: &Value| match value {
            Value::String(name) => Some(name.clone()),
            Value::Symbol(name) => Some(name.0.clone()),
            _ => None,
        };
        Ok(names.iter().filter_map(name).collect())
    }

    /// The sequence number of the last event of a partition; -1, if there was none yet.
    ///
    /// # Errors
    /// If there is no such partition, or nobody answers.
    pub async fn last_event(&mut self, hub: &str, partition: &str) -> Result<i64, Error> {
        let text = |text: &str| SimpleValue::String(text.to_owned());
        let properties = [
            ("operation", text("READ")),
            ("name", text(hub)),
            ("type", text("com.microsoft:partition")),
            ("partition", text(partition)),
            ("security_token", text(&self.token)),
        ];
        let answer = self.requests.ask(properties, Value::Null).await?;
        match answer.member("last_enqueued_sequence_number") {
            Some(Value::Long(number)) => Ok(*number),
            _ => Err(Error::new(Kind::Refused, "an answer without a number")),
        }
    }
}
