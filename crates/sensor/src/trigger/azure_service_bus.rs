//! The `azureServiceBus` trigger: sends a message to a queue or a topic, and waits until it was taken.

use std::hash::{Hash as _, Hasher};

use serde::Serialize;
use tiphys_api::{
    AzureServiceBusTrigger, Problem, SecretKeySelector, TlsConfig, TriggerKind, TriggerParameter,
    TriggerTemplate,
};
use tiphys_clients::azure::amqp::{Config, ConnectionString, Error, Kind as ErrorKind, Outgoing};
use tiphys_clients::{Clients, TlsRef, ValueRef};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Where the connection string is.
    pub connection_string: ValueRef,
    /// To which queue or topic.
    pub entity: String,
    /// The message.
    pub payload: String,
    /// What it is known by: a queue that detects duplicates takes it once.
    #[serde(skip)]
    pub id: String,
    /// Encryption, if it is more than the usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRef>,
}

/// A compiled `azureServiceBus` template: a message without its events.
#[derive(Debug)]
pub(super) struct Template {
    connection_string: SecretKeySelector,
    /// The queue, or else the topic, as in Argo Events.
    entity: String,
    payload: Vec<Parameter>,
    tls: Option<TlsConfig>,
}

impl Kind for Template {
    type Spec = AzureServiceBusTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::AzureServiceBus;
    // Only a queue or topic that detects duplicates tells a second message from the first.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&AzureServiceBusTrigger> {
        template.azure_service_bus.as_deref()
    }

    fn parameters(spec: &AzureServiceBusTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(
        spec: &AzureServiceBusTrigger,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        let mut fault = |name: &str, message: String| {
            problems.push(Problem::error(format!("{field}.{name}"), message));
        };
        if spec.connection_string.is_none() {
            fault("connectionString", "must be specified".to_owned());
        }
        if let Some(Err(error)) = spec.tls.as_ref().map(|tls| TlsRef::of(tls, "")) {
            fault("tls", error.to_string());
        }
        if spec.payload.is_none() {
            fault("payload", "payload must not be empty".to_owned());
        }
        let payload = spec.payload.as_deref().unwrap_or_default();
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        let connection_string = spec.connection_string.clone()?;
        (problems.len() == before).then(|| Self {
            connection_string,
            entity: if spec.queue_name.is_empty() {
                spec.topic_name.to_string()
            } else {
                spec.queue_name.to_string()
            },
            payload,
            tls: spec.tls.clone(),
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        Ok(Action {
            connection_string: ValueRef::secret(&self.connection_string, input.namespace),
            entity: self.entity.clone(),
            payload: input.payload(&self.payload)?,
            id: input.message_id(),
            tls: input.tls(self.tls.as_ref())?,
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let unmet = Unmet::new(
            "queueName",
            "neither queue name nor topic name is specified",
        );
        let unmet = Some(unmet).filter(|_| self.entity.is_empty());
        unmet.into_iter().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.connection_string, &action.entity).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = format!("send to {} of Azure Service Bus", action.entity);
        let mut parts = vec![Part::Act(act)];
        parts.extend(Part::lines(&action.payload));
        parts
    }

    async fn warm(&self, context: &Context, namespace: &str) {
        let tls = self.tls.as_ref().map(|tls| TlsRef::of(tls, namespace));
        let (Ok(tls), clients) = (tls.transpose(), &context.clients) else {
            return;
        };
        let secret = ValueRef::secret(&self.connection_string, namespace);
        if let Ok(config) = config(&secret, tls.as_ref(), clients).await {
            drop(clients.azure.warm(clients, &config, &self.entity).await);
        }
    }

    /// Returns when Service Bus has the message.
    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let clients = &context.clients;
        let secret = &action.connection_string;
        let config = config(secret, action.tls.as_ref(), clients).await?;
        let message = Outgoing {
            id: action.id.clone(),
            properties: Vec::new(),
            body: action.payload.clone().into(),
        };
        let sent = clients
            .azure
            .send(clients, &config, &action.entity, message);
        sent.await.map_err(|error| failed(action, &error))
    }
}

/// How the namespace is reached.
async fn config(
    secret: &ValueRef,
    tls: Option<&TlsRef>,
    clients: &Clients,
) -> Result<Config, PerformError> {
    let values = &*clients.values;
    let text = values.find(secret).await?.text();
    let ConnectionString {
        namespace, login, ..
    } = ConnectionString::read(&text).map_err(|why| {
        PerformError::unavailable(format!("read the connection string in {secret}: {why}"))
            .with_hint("take the connection string of a policy of the namespace")
    })?;
    let tls = match tls {
        Some(tls) => Some(tls.resolve(values).await?),
        None => None,
    };
    Ok(Config {
        namespace,
        login,
        tls,
    })
}

/// Whether a message was refused, or has to wait: for the namespace, a right or a queue.
fn failed(action: &Action, error: &Error) -> PerformError {
    let Action { entity, .. } = action;
    let message = format!("send to {entity} of Azure Service Bus: {error}");
    let unavailable = |hint: &str| PerformError::unavailable(message.clone()).with_hint(hint);
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Busy => PerformError::unavailable(message),
        ErrorKind::Settings => unavailable("check the Secrets of the trigger"),
        ErrorKind::Tls => unavailable("check `tls` of the trigger"),
        ErrorKind::Unauthorized => {
            unavailable("check the policy and its key in the connection string")
        }
        ErrorKind::Forbidden => {
            unavailable("the policy in the connection string needs the claim Send")
        }
        ErrorKind::NotFound => {
            unavailable("create the queue or topic, or check `queueName` and `topicName`")
        }
        ErrorKind::TooLarge | ErrorKind::Unconfirmed | ErrorKind::Sessions | ErrorKind::Refused => {
            PerformError::refused(message)
        }
    }
}
