//! Which hub is read, and who asks for its events.

use tiphys_api::{AzureEventsHubEventSource, Problem, SecretKeySelector};
use tiphys_clients::azure::amqp::{Config, Error, Kind, Login, Namespace};
use tiphys_clients::azure::entra::EVENT_HUBS;

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// A hub, and how it is reached.
#[derive(Debug)]
pub(super) struct Settings {
    /// The event's place in the spec.
    path: String,
    namespace: Namespace,
    pub(super) hub: String,
    /// Name and key of a policy. `None`: the login of the pod.
    policy: Option<(SecretKeySelector, SecretKeySelector)>,
}

impl Settings {
    pub(super) fn compile(
        path: &str,
        spec: &AzureEventsHubEventSource,
    ) -> Result<Self, Vec<Problem>> {
        let namespace = Namespace::of_fqdn(&spec.fqdn).map_err(|why| {
            let problem = Problem::error(format!("{path}.fqdn"), why);
            vec![problem.with_hint("such as shop.servicebus.windows.net")]
        })?;
        let policy = spec.shared_access_key_name.clone();
        Ok(Self {
            path: path.to_owned(),
            namespace,
            hub: spec.hub_name.to_string(),
            policy: policy.zip(spec.shared_access_key.clone()),
        })
    }

    /// The namespace and the hub.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.namespace.host, self.hub)
    }

    /// How the namespace is reached, with the values of Secrets as they are now.
    pub(super) async fn config(&self, context: &SourceContext) -> Result<Config, SourceError> {
        let login = match &self.policy {
            Some((name, key)) => Login::Key {
                name: context.secret(name).await?.text().trim().to_owned(),
                key: context.secret(key).await?.text().trim().to_owned(),
            },
            None => Login::Entra(EVENT_HUBS),
        };
        Ok(Config {
            namespace: self.namespace.clone(),
            login,
            tls: None,
        })
    }

    /// Why an act failed, with the field to look at.
    pub(super) fn failed(&self, act: impl Into<String>, error: Error) -> SourceError {
        let (path, is_policy) = (&self.path, self.policy.is_some());
        let (reason, hint) = match error.kind() {
            Kind::Settings | Kind::Unreachable | Kind::Unconfirmed | Kind::Tls => {
                (Reason::Unreachable, format!("check {path}.fqdn"))
            }
            Kind::Unauthorized if is_policy => (
                Reason::Unauthorized,
                format!("check {path}.sharedAccessKeyName and {path}.sharedAccessKey"),
            ),
            Kind::Forbidden if is_policy => (
                Reason::Forbidden,
                format!("the policy of {path}.sharedAccessKeyName needs the claim Listen"),
            ),
            Kind::Unauthorized => (Reason::Unauthorized, error.hint().to_owned()),
            Kind::Forbidden => (
                Reason::Forbidden,
                "give the identity of the pod the role Azure Event Hubs Data Receiver".to_owned(),
            ),
            Kind::NotFound => (Reason::NotFound, format!("check {path}.hubName")),
            Kind::Busy => (Reason::TooManyRequests, String::new()),
            Kind::Sessions | Kind::TooLarge | Kind::Refused => (Reason::Refused, String::new()),
        };
        SourceError::new(reason, act).because(error).with_hint(hint)
    }
}
