//! The `pulsar` trigger: sends a message to a topic, and waits for its receipt.

use std::hash::{Hash as _, Hasher};

use serde::Serialize;
use tiphys_api::{Problem, PulsarTrigger, TriggerKind, TriggerParameter, TriggerTemplate};
use tiphys_clients::pulsar::{
    ConfigRef, Error, Kind as ErrorKind, Outgoing, Security, check_topic, check_url, whole_name,
};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// The property that says what a message is known by, so that whoever reads it can tell a repeated one.
const ID: &str = "tiphys-event-id";

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Where the brokers are, and who to be there.
    #[serde(flatten)]
    pub server: ConfigRef,
    /// To which topic.
    pub topic: String,
    /// The message.
    pub payload: String,
    /// What it is known by.
    #[serde(skip)]
    pub id: String,
}

/// A compiled `pulsar` template: a message without its events.
#[derive(Debug)]
pub(super) struct Template {
    url: String,
    topic: String,
    payload: Vec<Parameter>,
    security: Security,
}

impl Kind for Template {
    type Spec = PulsarTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Pulsar;
    // A repeated message has the same property, and brokers do not look at it.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&PulsarTrigger> {
        template.pulsar.as_deref()
    }

    fn parameters(spec: &PulsarTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &PulsarTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let security = Security {
            token: spec.auth_token_secret.clone(),
            authorities: spec.tls_trust_certs_secret.clone(),
            is_insecure: *spec.tls_allow_insecure_connection,
            tls: spec.tls.clone(),
        };
        if let Err(error) = ConfigRef::of(&spec.url, &security, "") {
            problems.push(Problem::error(format!("{field}.tls"), error.to_string()));
        }
        if !spec.auth_athenz_params.is_empty() || spec.auth_athenz_secret.is_some() {
            let field = format!("{field}.authAthenzParams");
            let problem = Problem::error(field, "logins by Athenz are not supported");
            problems.push(problem.with_hint("log in with a token (authTokenSecret)"));
        }
        let Some(payload) = &spec.payload else {
            let message = "payload must not be empty";
            problems.push(Problem::error(format!("{field}.payload"), message));
            return None;
        };
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        (problems.len() == before).then(|| Self {
            url: spec.url.to_string(),
            topic: spec.topic.to_string(),
            payload,
            security,
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let server = ConfigRef::of(&self.url, &self.security, input.namespace);
        Ok(Action {
            server: server.map_err(|error| FireError::Object(error.to_string()))?,
            topic: self.topic.clone(),
            payload: input.payload(&self.payload)?,
            id: input.message_id(),
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let unmet = [
            Unmet::of("url", check_url(&self.url)),
            Unmet::of("topic", check_topic(&self.topic)),
        ];
        unmet.into_iter().flatten().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.server.url, &action.topic).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = format!(
            "send to the topic {} of {}",
            action.topic, action.server.url
        );
        let mut parts = vec![Part::Act(act)];
        parts.extend(Part::lines(&action.payload));
        parts
    }

    async fn warm(&self, context: &Context, namespace: &str) {
        let clients = &context.clients;
        let Ok(server) = ConfigRef::of(&self.url, &self.security, namespace) else {
            return;
        };
        if let Ok(config) = server.resolve(&*clients.values).await {
            let topic = whole_name(&self.topic);
            drop(clients.pulsar.producer(&config, &topic).await);
        }
    }

    /// Returns when a broker has the message.
    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let clients = &context.clients;
        let config = action.server.resolve(&*clients.values).await?;
        let topic = whole_name(&action.topic);
        let message = Outgoing {
            body: action.payload.clone().into(),
            properties: vec![(ID.to_owned(), action.id.clone())],
            publish_time: (context.now)(),
            spread_by: action.id.clone(),
        };
        let producer = clients.pulsar.producer(&config, &topic).await;
        let producer = producer.map_err(|error| failed(action, &error))?;
        producer.send(message).await.map_err(|error| {
            // What is there may have changed: a topic that is divided now, for example.
            if error.kind() != ErrorKind::TooLarge {
                clients.pulsar.forget(&config, &topic);
            }
            failed(action, &error)
        })
    }
}

/// Whether a message was refused, or has to wait: for brokers, a right or a topic.
fn failed(action: &Action, error: &Error) -> PerformError {
    let Action { server, topic, .. } = action;
    let message = format!("send to the topic {topic} of {}: {error}", server.url);
    let unavailable = |hint: &str| PerformError::unavailable(message.clone()).with_hint(hint);
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Busy | ErrorKind::Conflict | ErrorKind::Moved => {
            PerformError::unavailable(message)
        }
        // URL and topic are checked before: it is in a Secret.
        ErrorKind::Settings => {
            unavailable("check the Secrets of `tls` and `tlsTrustCertsSecret` of the trigger")
        }
        ErrorKind::Tls => unavailable("check `tls` and `tlsTrustCertsSecret` of the trigger"),
        ErrorKind::Malformed => unavailable("check `url` of the trigger"),
        ErrorKind::Unauthorized => unavailable("check `authTokenSecret` of the trigger"),
        ErrorKind::Forbidden => unavailable("allow the role of the token to produce to the topic"),
        ErrorKind::NotFound => unavailable(
            "create the topic, its namespace or its tenant, or check `topic` of the trigger",
        ),
        ErrorKind::TooLarge | ErrorKind::Unconfirmed | ErrorKind::Refused => {
            PerformError::refused(message)
        }
    }
}
