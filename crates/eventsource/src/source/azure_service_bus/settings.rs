//! Where the messages are, and who asks for them.

use tiphys_api::{AzureServiceBusEventSource, Problem, SecretKeySelector, TlsConfig};
use tiphys_clients::azure::amqp::{Config, ConnectionString, Error, Kind, Login, Namespace};
use tiphys_clients::azure::entra::SERVICE_BUS;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// A queue or a subscription, and how it is reached.
#[derive(Debug)]
pub(super) struct Settings {
    /// The event's place in the spec.
    path: String,
    login: LoginBy,
    tls: Option<TlsConfig>,
    /// Its path in the namespace.
    pub(super) entity: String,
    /// The field that names it, and its name.
    named_by: (&'static str, String),
}

/// Who asks for messages.
#[derive(Debug)]
enum LoginBy {
    /// Who holds this connection string.
    ConnectionString(SecretKeySelector),
    /// The pod, at this namespace.
    Pod(Namespace),
}

impl Settings {
    pub(super) fn compile(
        path: &str,
        spec: &AzureServiceBusEventSource,
    ) -> Result<Self, Vec<Problem>> {
        let login = if let Some(secret) = &spec.connection_string {
            LoginBy::ConnectionString(secret.clone())
        } else {
            let namespace = Namespace::read(&spec.fully_qualified_namespace, true);
            LoginBy::Pod(namespace.map_err(|why| {
                let path = format!("{path}.fullyQualifiedNamespace");
                let problem = Problem::error(path, why);
                vec![problem.with_hint("such as shop.servicebus.windows.net")]
            })?)
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
            login,
            tls: spec.tls.clone(),
            entity,
            named_by,
        })
    }

    /// How the namespace is reached, with the values of Secrets as they are now.
    pub(super) async fn config(&self, context: &SourceContext) -> Result<Config, SourceError> {
        let tls = context.tls(self.tls.as_ref()).await?;
        let secret = match &self.login {
            LoginBy::ConnectionString(secret) => secret,
            LoginBy::Pod(namespace) => {
                return Ok(Config {
                    namespace: namespace.clone(),
                    login: Login::Entra(SERVICE_BUS),
                    tls,
                });
            }
        };
        let text = context.secret(secret).await?.text();
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
            let why = format!("it is for {entity} alone, and {path}.{field} is {name}");
            return Err(fault(why));
        }
        Ok(Config {
            namespace,
            login,
            tls,
        })
    }

    /// Why an act failed, with the field to look at.
    pub(super) fn failed(&self, act: impl Into<String>, error: Error) -> SourceError {
        let (path, (field, _)) = (&self.path, &self.named_by);
        let (place, is_pod) = match &self.login {
            LoginBy::ConnectionString(_) => ("connectionString", false),
            LoginBy::Pod(_) => ("fullyQualifiedNamespace", true),
        };
        let (reason, hint) = match error.kind() {
            Kind::Settings => (
                Reason::Configuration,
                format!("check {path}.{place} and {path}.tls"),
            ),
            Kind::Unreachable | Kind::Unconfirmed => (
                Reason::Unreachable,
                format!("check the host in {path}.{place}"),
            ),
            Kind::Tls => (Reason::Unreachable, format!("check {path}.tls")),
            Kind::Unauthorized if is_pod => (Reason::Unauthorized, error.hint().to_owned()),
            Kind::Unauthorized => (
                Reason::Unauthorized,
                format!("check the policy and its key in {path}.{place}"),
            ),
            Kind::Forbidden if is_pod => (
                Reason::Forbidden,
                "give the identity of the pod the role Azure Service Bus Data Receiver".to_owned(),
            ),
            Kind::Forbidden => (
                Reason::Forbidden,
                format!("the policy in {path}.{place} needs the claim Listen"),
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
