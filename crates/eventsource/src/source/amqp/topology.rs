//! What is declared at an AMQP broker before messages come: an exchange, a queue, and what binds them.

use amqprs::channel::{
    BasicConsumeArguments, BasicQosArguments, ConsumerMessage, ExchangeDeclareArguments,
    QueueBindArguments, QueueDeclareArguments,
};
use amqprs::{FieldArray, FieldTable, FieldValue};
use serde_json::{Map, Value};
use tiphys_api::{
    AmqpConsumeConfig, AmqpEventSource, AmqpExchangeDeclareConfig, AmqpQueueDeclareConfig, Problem,
};
use tiphys_lang::yaml;
use tokio::sync::mpsc::UnboundedReceiver;

use super::server::{LONGEST, Opened, Server};
use crate::error::SourceError;
use crate::pump::MAX_EVENTS;

/// Exchange, queue and consumer. The broker's answers are always waited for: without one, what it
/// refuses would be known by the end of the channel alone.
#[derive(Debug)]
pub(super) struct Topology {
    /// Empty for the default exchange.
    exchange: String,
    declare_exchange: ExchangeDeclareArguments,
    /// Empty if the broker chooses.
    queue: String,
    declare_queue: QueueDeclareArguments,
    is_exclusive: bool,
    routing_key: String,
    consume: BasicConsumeArguments,
}

/// What comes from a queue.
pub(super) struct Consumer {
    pub(super) queue: String,
    pub(super) tag: String,
    pub(super) messages: UnboundedReceiver<ConsumerMessage>,
}

impl Topology {
    pub(super) fn compile(path: &str, spec: &AmqpEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let defaults = AmqpQueueDeclareConfig {
            exclusive: true.into(),
            ..AmqpQueueDeclareConfig::default()
        };
        let queue = spec.queue_declare.as_ref().unwrap_or(&defaults);
        let consume = spec.consume.clone().unwrap_or_default();
        for (field, name) in [
            ("exchangeName", &spec.exchange_name),
            ("exchangeType", &spec.exchange_type),
            ("routingKey", &spec.routing_key),
            ("queueDeclare.name", &queue.name),
            ("consume.consumerTag", &consume.consumer_tag),
        ] {
            if name.len() > LONGEST {
                let message = format!(
                    "it has {} bytes; at most {LONGEST} are possible",
                    name.len()
                );
                problems.push(Problem::error(format!("{path}.{field}"), message));
            }
        }
        let arguments = table(&queue.arguments).unwrap_or_else(|why| {
            let path = format!("{path}.queueDeclare.arguments");
            problems.push(Problem::error(path, why));
            FieldTable::new()
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            exchange: spec.exchange_name.to_string(),
            declare_exchange: exchange(spec),
            queue: queue.name.to_string(),
            declare_queue: declared(queue, arguments),
            is_exclusive: *queue.exclusive || *consume.exclusive,
            routing_key: spec.routing_key.to_string(),
            consume: consumed(&consume),
        })
    }

    /// Whether several consumers may have the queue.
    pub(super) fn is_shared(&self) -> bool {
        !self.queue.is_empty() && !self.is_exclusive
    }

    /// Exchange and routing key of a message.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.exchange, &self.routing_key)
    }

    /// Declares all of it, and consumes.
    pub(super) async fn consume(
        &self,
        opened: &Opened,
        server: &Server,
    ) -> Result<Consumer, SourceError> {
        let channel = &opened.channel;
        let exchange = &self.exchange;
        // What is not acknowledged is in hand or waits here: no more than may be on its way.
        let prefetch = u16::try_from(MAX_EVENTS).unwrap_or(u16::MAX);
        let qos = channel.basic_qos(BasicQosArguments::new(0, prefetch, false));
        if let Err(error) = qos.await {
            let act = "limit what the broker sends".to_owned();
            return Err(server.refused(act, "url", error, opened).await);
        }
        // The default exchange is always there, and leads to each queue by its name.
        if !exchange.is_empty()
            && let Err(error) = channel
                .exchange_declare(self.declare_exchange.clone())
                .await
        {
            let act = format!("declare the exchange {exchange}");
            let field = "exchangeName, exchangeType and exchangeDeclare";
            return Err(server.refused(act, field, error, opened).await);
        }
        let queue = match channel.queue_declare(self.declare_queue.clone()).await {
            Ok(declared) => declared.map_or_else(|| self.queue.clone(), |(name, ..)| name),
            Err(error) => {
                let act = format!("declare the queue {}", self.queue);
                return Err(server.refused(act, "queueDeclare", error, opened).await);
            }
        };
        if !exchange.is_empty() {
            let bind = QueueBindArguments::new(&queue, exchange, &self.routing_key);
            if let Err(error) = channel.queue_bind(bind).await {
                let act = format!("bind the queue {queue} to the exchange {exchange}");
                return Err(server.refused(act, "routingKey", error, opened).await);
            }
        }
        let consume = BasicConsumeArguments {
            queue: queue.clone(),
            ..self.consume.clone()
        };
        match channel.basic_consume_rx(consume).await {
            Ok((tag, messages)) => Ok(Consumer {
                queue,
                tag,
                messages,
            }),
            Err(error) => {
                let act = format!("consume the queue {queue}");
                Err(server.refused(act, "consume", error, opened).await)
            }
        }
    }
}

fn exchange(spec: &AmqpEventSource) -> ExchangeDeclareArguments {
    let defaults = AmqpExchangeDeclareConfig {
        durable: true.into(),
        ..AmqpExchangeDeclareConfig::default()
    };
    let config = spec.exchange_declare.as_ref().unwrap_or(&defaults);
    ExchangeDeclareArguments::new(&spec.exchange_name, &spec.exchange_type)
        .durable(*config.durable)
        .auto_delete(*config.auto_delete)
        .internal(*config.internal)
        .finish()
}

fn declared(config: &AmqpQueueDeclareConfig, arguments: FieldTable) -> QueueDeclareArguments {
    QueueDeclareArguments::new(&config.name)
        .durable(*config.durable)
        .auto_delete(*config.auto_delete)
        .exclusive(*config.exclusive)
        .arguments(arguments)
        .finish()
}

/// `autoAck` is not asked for: a message that the broker forgets as it sends it is lost with the pod.
fn consumed(config: &AmqpConsumeConfig) -> BasicConsumeArguments {
    BasicConsumeArguments::new("", &config.consumer_tag)
        .manual_ack(true)
        .exclusive(*config.exclusive)
        .no_local(*config.no_local)
        .finish()
}

/// Arguments in YAML as the protocol has them.
fn table(text: &str) -> Result<FieldTable, String> {
    if text.trim().is_empty() {
        return Ok(FieldTable::new());
    }
    let json = yaml::to_json(text.as_bytes()).map_err(|error| error.to_string())?;
    match serde_json::from_slice(&json) {
        Ok(Value::Object(members)) => fields(members),
        Ok(Value::Null) => Ok(FieldTable::new()),
        Ok(_) => Err("a mapping is needed".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn fields(members: Map<String, Value>) -> Result<FieldTable, String> {
    let mut table = FieldTable::new();
    for (name, value) in members {
        let too_long = |_| format!("a name has more than {LONGEST} bytes");
        table.insert(name.try_into().map_err(too_long)?, field(value)?);
    }
    Ok(table)
}

fn field(value: Value) -> Result<FieldValue, String> {
    Ok(match value {
        Value::Null => FieldValue::V,
        Value::Bool(value) => FieldValue::t(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => FieldValue::l(whole),
            None => FieldValue::d(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => {
            let too_large = |_| "a text is too large".to_owned();
            FieldValue::S(text.try_into().map_err(too_large)?)
        }
        Value::Array(values) => {
            let values: Result<Vec<FieldValue>, String> = values.into_iter().map(field).collect();
            let too_large = |_| "a list is too large".to_owned();
            FieldValue::A(FieldArray::try_from(values?).map_err(too_large)?)
        }
        Value::Object(members) => FieldValue::F(fields(members)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_their_types() {
        let text = "x-message-ttl: 60000\nx-queue-type: quorum\nx-single-active-consumer: true\n";
        let table = table(text).unwrap();
        let get = |name: &str| table.get(&name.try_into().unwrap()).unwrap();
        assert_eq!(get("x-message-ttl"), &FieldValue::l(60000));
        assert_eq!(
            get("x-queue-type"),
            &FieldValue::S("quorum".try_into().unwrap())
        );
        assert_eq!(get("x-single-active-consumer"), &FieldValue::t(true));
        assert_eq!(super::table("[1]").unwrap_err(), "a mapping is needed");
        assert_eq!(super::table(""), Ok(FieldTable::new()));
    }
}
