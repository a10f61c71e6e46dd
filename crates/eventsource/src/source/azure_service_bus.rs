//! Messages of a queue or a subscription of Azure Service Bus as a source. A message is locked while it is here,
//! and settled after the bus has its event; all pods share the messages.

mod locks;
mod payload;
mod settings;
#[cfg(test)]
mod tests;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tiphys_api::{AzureServiceBusEventSource, Problem};
use tiphys_clients::azure::amqp::{Connection, Delivery, Message};

use self::settings::Settings;
use self::work::Work;
use super::broker::incoming;
use super::{Placement, Source, SourceKind};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::incoming::Incoming;
use crate::served::payload::metadata;
use crate::status::Condition;

/// How long a message may stay without a verdict: its lock is renewed for so long.
const HOLD_LIMIT: Duration = Duration::from_mins(5);

/// Messages of a queue or a subscription.
#[derive(Debug)]
pub(crate) struct AzureServiceBus {
    settings: Settings,
    is_json: bool,
    /// `metadata` of the spec as JSON; empty if there is none.
    metadata: String,
}

impl SourceKind for AzureServiceBus {
    type Spec = AzureServiceBusEventSource;

    fn compile(path: &str, spec: &AzureServiceBusEventSource) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            settings: Settings::compile(path, spec)?,
            is_json: *spec.json_body,
            metadata: metadata(&spec.metadata),
        })
    }
}

#[async_trait]
impl Source for AzureServiceBus {
    fn placement(&self) -> Placement {
        Placement::AllPods
    }

    fn hold_limit(&self) -> Option<Duration> {
        Some(HOLD_LIMIT)
    }

    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        let config = self.settings.config(context).await?;
        let entity = &self.settings.entity;
        let failed = |error| {
            self.settings
                .failed(format!("receive from {entity}"), error)
        };
        let opened = Connection::open(context.clients(), &config, entity).await;
        let mut connection = opened.map_err(failed)?;
        let receiver = connection.receive(entity).await.map_err(failed)?;
        let node = format!("{entity}/$management");
        let management = connection.manage(&node).await.map_err(failed)?;
        context.condition(Condition::Working);
        let mut work = Work::new(self, context, receiver, management);
        let ended = work.run(connection.keep(context.clients())).await;
        if ended.is_ok() {
            connection.close().await;
        }
        ended.map_err(failed)
    }

    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError> {
        let body = match input {
            Input::Example => br#"{"message":"hello"}"#,
            Input::Body { body, .. } => *body,
            _ => return Err(input.unfit("azureServiceBus")),
        };
        let message = Message {
            id: Some("00000000000000000000000000000000".to_owned()),
            content_type: Some("application/json".to_owned()),
            body: Some(Bytes::copy_from_slice(body)),
            sequence: Some(1),
            // The service knows milliseconds.
            enqueued: Timestamp::from_millisecond(now.as_millisecond()).ok(),
            ..Message::default()
        };
        let payload = payload::payload(&message, self.is_json, &self.metadata);
        let payload = payload.map_err(|error| SimulateError::Refused(error.to_string()))?;
        Ok(Draft::of(payload))
    }
}

impl AzureServiceBus {
    fn incoming(&self, delivery: &Delivery) -> Incoming {
        let message = &delivery.message;
        let body = message.body.clone().unwrap_or_default();
        let payload = payload::payload(message, self.is_json, &self.metadata);
        let sequence = message.sequence.unwrap_or_default().to_string();
        let id = message.id.clone().unwrap_or_default();
        incoming(payload, &body).identified_by([id, sequence])
    }
}
