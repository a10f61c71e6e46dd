//! The `azureEventHubs` trigger: sends an event to a hub, and waits until it was taken.

use std::hash::{Hash as _, Hasher};

use serde::Serialize;
use tiphys_api::{
    AzureEventHubsTrigger, Problem, SecretKeySelector, TriggerKind, TriggerParameter,
    TriggerTemplate,
};
use tiphys_clients::azure::amqp::{Config, Error, Kind as ErrorKind, Login, Namespace, Outgoing};
use tiphys_clients::azure::entra::EVENT_HUBS;
use tiphys_clients::{Clients, ValueRef};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// The property that says what an event is known by, so that whoever reads it can tell a repeated one.
const ID: &str = "tiphys-event-id";

/// An event to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Host of the namespace.
    pub fqdn: String,
    /// To which hub.
    pub hub_name: String,
    /// Where name and key of a policy are. `None`: the login of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The event.
    pub payload: String,
    /// What it is known by.
    #[serde(skip)]
    pub id: String,
}

/// Who to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Where the name of the policy is.
    pub shared_access_key_name: ValueRef,
    /// Where its key is.
    pub shared_access_key: ValueRef,
}

/// A compiled `azureEventHubs` template: an event without its events.
#[derive(Debug)]
pub(super) struct Template {
    fqdn: String,
    hub_name: String,
    policy: Option<(SecretKeySelector, SecretKeySelector)>,
    payload: Vec<Parameter>,
}

impl Kind for Template {
    type Spec = AzureEventHubsTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::AzureEventHubs;
    // A repeated event has the same property, and whoever reads the hub gets it twice all the same.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&AzureEventHubsTrigger> {
        template.azure_event_hubs.as_deref()
    }

    fn parameters(spec: &AzureEventHubsTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(
        spec: &AzureEventHubsTrigger,
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        let (name, key) = (&spec.shared_access_key_name, &spec.shared_access_key);
        if name.is_some() != key.is_some() {
            let message = "sharedAccessKeyName and sharedAccessKey have to be set together";
            problems.push(Problem::error(field, message));
        }
        let Some(payload) = &spec.payload else {
            let message = "payload must not be empty";
            problems.push(Problem::error(format!("{field}.payload"), message));
            return None;
        };
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        (problems.len() == before).then(|| Self {
            fqdn: spec.fqdn.to_string(),
            hub_name: spec.hub_name.to_string(),
            policy: name.clone().zip(key.clone()),
            payload,
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        Ok(Action {
            fqdn: self.fqdn.clone(),
            hub_name: self.hub_name.clone(),
            policy: self.policy(input.namespace),
            payload: input.payload(&self.payload)?,
            id: input.message_id(),
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let fqdn = Namespace::of_fqdn(&self.fqdn).map(drop);
        let hub = if self.hub_name.is_empty() {
            Err("must be specified".to_owned())
        } else {
            Ok(())
        };
        let unmet = [Unmet::of("fqdn", fqdn), Unmet::of("hubName", hub)];
        unmet.into_iter().flatten().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.fqdn, &action.hub_name).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = format!("send to the hub {} of {}", action.hub_name, action.fqdn);
        let mut parts = vec![Part::Act(act)];
        parts.extend(Part::lines(&action.payload));
        parts
    }

    async fn warm(&self, context: &Context, namespace: &str) {
        let (policy, clients) = (self.policy(namespace), &context.clients);
        if let Ok(config) = config(&self.fqdn, policy.as_ref(), clients).await {
            drop(clients.azure.warm(clients, &config, &self.hub_name).await);
        }
    }

    /// Returns when the hub has the event.
    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let clients = &context.clients;
        let config = config(&action.fqdn, action.policy.as_ref(), clients).await?;
        let message = Outgoing {
            id: action.id.clone(),
            properties: vec![(ID.to_owned(), action.id.clone())],
            body: action.payload.clone().into(),
        };
        let sent = clients
            .azure
            .send(clients, &config, &action.hub_name, message);
        sent.await.map_err(|error| failed(action, &error))
    }
}

impl Template {
    fn policy(&self, namespace: &str) -> Option<Policy> {
        let (name, key) = self.policy.as_ref()?;
        Some(Policy {
            shared_access_key_name: ValueRef::secret(name, namespace),
            shared_access_key: ValueRef::secret(key, namespace),
        })
    }
}

/// How the namespace is reached.
async fn config(
    fqdn: &str,
    policy: Option<&Policy>,
    clients: &Clients,
) -> Result<Config, PerformError> {
    let text = async |secret: &ValueRef| {
        let value = clients.values.find(secret).await?;
        Ok::<_, PerformError>(value.text().trim().to_owned())
    };
    let login = match policy {
        Some(policy) => Login::Key {
            name: text(&policy.shared_access_key_name).await?,
            key: text(&policy.shared_access_key).await?,
        },
        None => Login::Entra(EVENT_HUBS),
    };
    Ok(Config {
        namespace: Namespace::of_fqdn(fqdn).map_err(PerformError::refused)?,
        login,
        tls: None,
    })
}

/// Whether an event was refused, or has to wait: for the namespace, a right or a hub.
fn failed(action: &Action, error: &Error) -> PerformError {
    let Action { fqdn, hub_name, .. } = action;
    let message = format!("send to the hub {hub_name} of {fqdn}: {error}");
    let unavailable = |hint: &str| PerformError::unavailable(message.clone()).with_hint(hint);
    let is_pod = action.policy.is_none();
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Busy => PerformError::unavailable(message),
        ErrorKind::Settings | ErrorKind::Tls => unavailable("check `fqdn` of the trigger"),
        ErrorKind::Unauthorized if is_pod => unavailable(error.hint()),
        ErrorKind::Unauthorized => unavailable("check the Secrets of the trigger's policy"),
        ErrorKind::Forbidden if is_pod => {
            unavailable("give the identity of the pod the role Azure Event Hubs Data Sender")
        }
        ErrorKind::Forbidden => unavailable("the policy of the trigger needs the claim Send"),
        ErrorKind::NotFound => unavailable("create the hub, or check `hubName` of the trigger"),
        ErrorKind::TooLarge | ErrorKind::Unconfirmed | ErrorKind::Sessions | ErrorKind::Refused => {
            PerformError::refused(message)
        }
    }
}
