//! Where the messages are, and who asks for them.

use tiphys_api::{AzureServiceBusEventSource, Code, Problem, SecretKeySelector, TlsConfig};
use tiphys_clients::azure::amqp::{Config, ConnectionString, Error, Kind};

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// A queue or a subscription, and how it is reached.
#[derive(Debug)]
pub(super) struct Settings {
    /// The event's place in the spec.
    path: String,
    connection_string: SecretKeySelector,
    tls: Option<TlsConfig>,
    /// Its path in the namespace.
    pub(super) entity: String,
    /// The field that names it, and its name.
    named_by: (&'static str, String),
}

impl Settings {
    pub(super) fn compile(
        path: &str,
        spec: &AzureServiceBusEventSource,
    ) -> Result<Self, Vec<Problem>> {
        let Some(connection_string) = &spec.connection_string else {
            let message =
                "a login by Azure's managed identity is not known to this version of tiphys";
            let problem = Problem::error(format!("{path}.fullyQualifiedNamespace"), message);
            let problem = problem.with_code(Code::NotRun);
            return Err(vec![problem.with_hint("name a Secret by connectionString")]);
        };
        // Whether one of them is there, and not both, is asked before.
        let (queue, topic) = (&*spec.queue_name, &*spec.topic_name);
        let (entity, named_by) = if queue.is_empty() {
            let entity = format!("{topic}/Subscriptions/{}", &*spec.subscription_name);
            (entity, ("topicName", topic.clone()))
        } else {
            (queue.clone(), ("queueName", queue.clone()))
        };
        Ok(Self {
            path: path.to_owned(),
            connection_string: connection_string.clone(),
            tls: spec.tls.clone(),
            entity,
            named_by,
        })
    }

    /// How the namespace is reached, with the values of Secrets as they are now.
    pub(super) async fn config(&self, context: &SourceContext) -> Result<Config, SourceError> {
        let text = context.secret(&self.connection_string).await?.text();
        let path = &self.path;
        let fault = |why| {
            let act = format!("read {path}.connectionString");
            let error = SourceError::new(Reason::Configuration, act).because(why);
            error.with_hint("take the connection string of a policy of the namespace")
        };
        let ConnectionString {
            namespace,
            login,
            entity,
        } = ConnectionString::read(&text).map_err(fault)?;
        let (field, name) = &self.named_by;
        if let Some(entity) = entity.filter(|entity| !entity.eq_ignore_ascii_case(name)) {
            return Err(fault(format!("it is for {entity} alone, and {path}.{field} is {name}")));
        }
        Ok(Config {
            namespace,
            login,
            tls: context.tls(self.tls.as_ref()).await?,
        })
    }

    /// Why an act failed, with the field to look at.
    pub(super) fn failed(&self, act: impl Into<String>, error: Error) -> SourceError {
        let (path, (field, _)) = (&self.path, &self.named_by);
        let (reason, hint) = match error.kind() {
            Kind::Settings => (
                Reason::Configuration,
                format!("check {path}.connectionString and {path}.tls"),
            ),
            Kind::Unreachable | Kind::Unconfirmed => (
                Reason::Unreachable,
                format!("check the Endpoint in {path}.connectionString"),
            ),
            Kind::Tls => (Reason::Unreachable, format!("check {path}.tls")),
            Kind::Unauthorized => (
                Reason::Unauthorized,
                format!("check the policy and its key in {path}.connectionString"),
            ),
            Kind::Forbidden => (
                Reason::Forbidden,
                format!("the policy in {path}.connectionString needs the claim Listen"),
            ),
            Kind::NotFound => (Reason::NotFound, format!("check {path}.{field}")),
            Kind::Sessions => (
                Reason::Configuration,
                format!(
                    "messages with sessions are not received: let {path}.{field} name one without \
                     (requiresSession: false)"
                ),
            ),
            Kind::Busy => (Reason::TooManyRequests, String::new()),
            Kind::TooLarge | Kind::Refused => (Reason::Refused, String::new()),
        };
        SourceError::new(reason, act).because(error).with_hint(hint)
    }
}
