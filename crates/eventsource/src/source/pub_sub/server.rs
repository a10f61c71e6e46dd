//! What is asked of Pub/Sub, and why it says no.

use std::time::Duration;

use tiphys_clients::google::{LoginRef, Token};
use tiphys_clients::grpc::pubsub::{Flow, Messages, PubSub as Client};
use tiphys_clients::grpc::{Config, Error, Kind};
use tiphys_clients::tls::Tls;

use super::PubSub;
use super::names::Names;
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// What a subscription has whose topic was deleted, in the place of its topic.
const DELETED: &str = "_deleted-topic_";

const RIGHTS: &str = "it needs roles/pubsub.subscriber for the subscription, and roles/pubsub.viewer if topic is set; \
                      to make a subscription, roles/pubsub.editor, or those rights that docs/sources/pubSub.md lists";

/// A subscription, and who asks.
pub(super) struct Server<'a> {
    source: &'a PubSub,
    context: &'a SourceContext,
    client: Client,
    /// `None` for an emulator.
    login: Option<LoginRef>,
    pub(super) names: Names,
}

impl<'a> Server<'a> {
    /// Finds out how everything is named, and connects.
    pub(super) async fn open(
        source: &'a PubSub,
        context: &'a SourceContext,
    ) -> Result<Self, SourceError> {
        let (event, clients) = (context.event(), context.clients());
        let spec = &source.spec;
        let project = match spec.project_id.as_str() {
            "" => clients.google.project(clients).await.map_err(|error| {
                let act = format!("find out the default of {}.projectID", source.path);
                SourceError::new(Reason::Missing, act)
                    .because(error)
                    .with_hint(format!("set {}.projectID", source.path))
            })?,
            given => given.to_owned(),
        };
        let place = clients.google.environment().pubsub();
        let place = place.map_err(|error| {
            SourceError::new(error.reason, "find the server of Pub/Sub").because(error)
        })?;
        let config = Config {
            address: place.address.clone(),
            tls: (!place.is_emulator).then(Tls::default),
        };
        let login = LoginRef::of(spec.credential_secret.as_ref(), &event.namespace);
        let connected = Client::connect(&config).await.map_err(|error| {
            let reason = match error.kind() {
                Kind::Settings => Reason::Configuration,
                _ => Reason::Unreachable,
            };
            SourceError::new(reason, format!("connect to Pub/Sub at {}", place.address))
                .because(error)
        })?;
        Ok(Self {
            source,
            context,
            client: connected,
            login: (!place.is_emulator).then_some(login),
            names: Names::of(&event.name, spec, &project),
        })
    }

    /// Makes the subscription, and its topic, if they are not there: with no more rights than that takes, as
    /// Argo Events does.
    pub(super) async fn ensure(&self) -> Result<(), SourceError> {
        let Names {
            subscription,
            topic,
        } = &self.names;
        let token = self.token().await?;
        let token = token.as_ref();
        let is_there = self.is_there(token).await?;
        let Some(topic) = topic else {
            if is_there {
                return Ok(());
            }
            let path = &self.source.path;
            let failed = SourceError::new(Reason::NotFound, self.act("receive from"));
            return Err(failed
                .because("there is no such subscription")
                .with_hint(format!(
                    "check {path}.subscriptionID, or set {path}.topic to make it"
                )));
        };
        if is_there {
            return self.check_topic(token, topic).await;
        }
        match self.client.create(token, subscription, topic).await {
            Err(error) if error.kind() == Kind::NotFound => {}
            created => return self.made(created, subscription),
        }
        self.made(self.client.create_topic(token, topic).await, topic)?;
        let created = self.client.create(token, subscription, topic).await;
        self.made(created, subscription)
    }

    /// Whether there is a subscription. Google is asked for a right, which takes none.
    async fn is_there(&self, token: Option<&Token>) -> Result<bool, SourceError> {
        let name = &self.names.subscription;
        let found = match self.login {
            Some(_) => self.client.may_consume(token, name).await,
            // An emulator knows nothing of rights.
            None => self.client.get(None, name).await.map(|_| true),
        };
        match found {
            Ok(true) => Ok(true),
            Ok(false) => Err(
                SourceError::new(Reason::Forbidden, self.act("receive from"))
                    .because(format!("{} has no right to", self.who()))
                    .with_hint(RIGHTS),
            ),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(self.failed("find", &error).await),
        }
    }

    async fn check_topic(&self, token: Option<&Token>, topic: &str) -> Result<(), SourceError> {
        let found = match self.client.get(token, &self.names.subscription).await {
            Ok(found) => found,
            Err(error) => return Err(self.failed("look at", &error).await),
        };
        if found.topic == topic {
            return Ok(());
        }
        let failed = SourceError::new(Reason::Invalid, self.act("receive from"));
        let path = &self.source.path;
        Err(if found.topic == DELETED {
            failed
                .because("its topic was deleted")
                .with_hint("delete the subscription: it is made again")
        } else {
            failed
                .because(format!("it is one of {}, not of {topic}", found.topic))
                .with_hint(format!("check {path}.topic and {path}.topicProjectID"))
        })
    }

    /// Another pod may have been first.
    fn made(&self, made: Result<(), Error>, name: &str) -> Result<(), SourceError> {
        match made {
            Ok(()) => {
                tracing::info!(name, "Made it");
                Ok(())
            }
            Err(error) if error.kind() == Kind::Exists => Ok(()),
            Err(error) => Err(self.explained(format!("make {name}"), &error)),
        }
    }

    /// Begins to receive.
    pub(super) async fn pull(&self, flow: &Flow) -> Result<Messages, SourceError> {
        let token = self.token().await?;
        let messages = self
            .client
            .pull(token.as_ref(), &self.names.subscription, flow);
        messages.map_err(|error| self.explained(self.act("receive from"), &error))
    }

    /// Acknowledges messages. Those of them that have to be acknowledged again.
    pub(super) async fn acknowledge(&self, ack_ids: &[String]) -> Result<Vec<String>, SourceError> {
        let (token, name) = (self.token().await?, &self.names.subscription);
        match self.client.acknowledge(token.as_ref(), name, ack_ids).await {
            Ok(left) => Ok(left),
            Err(error) => Err(self.failed("acknowledge messages of", &error).await),
        }
    }

    /// Keeps messages from all others for so long from now on.
    pub(super) async fn extend(
        &self,
        ack_ids: &[String],
        time: Duration,
    ) -> Result<(), SourceError> {
        let (token, name) = (self.token().await?, &self.names.subscription);
        match self
            .client
            .extend(token.as_ref(), name, ack_ids, time)
            .await
        {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed("keep messages of", &error).await),
        }
    }

    /// Deletes the subscription.
    pub(super) async fn delete(&self) -> Result<(), SourceError> {
        let (token, name) = (self.token().await?, &self.names.subscription);
        match self.client.delete(token.as_ref(), name).await {
            Ok(()) => {
                tracing::info!(name, "Deleted the subscription");
                Ok(())
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(self.failed("delete", &error).await),
        }
    }

    /// What requests carry; nothing, if an emulator is asked.
    async fn token(&self) -> Result<Option<Token>, SourceError> {
        let Some(login) = &self.login else {
            return Ok(None);
        };
        let clients = self.context.clients();
        let token = clients.google.token(clients, login).await;
        token.map(Some).map_err(|error| {
            let hint = error.hint.clone();
            let act = format!("log in to Google with {}", self.who());
            SourceError::new(error.reason, act)
                .because(error)
                .with_hint(hint)
        })
    }

    /// Who asks, by the field.
    fn who(&self) -> String {
        match &self.login {
            Some(LoginRef::Secret(_)) => format!("{}.credentialSecret", self.source.path),
            _ => "the login of the pod".to_owned(),
        }
    }

    fn act(&self, act: &str) -> String {
        format!("{act} {}", self.names.subscription)
    }

    /// Why the subscription could not be asked. A token that is refused is forgotten.
    pub(super) async fn failed(&self, act: &str, error: &Error) -> SourceError {
        if let (Kind::Unauthorized, Some(login)) = (error.kind(), &self.login) {
            let clients = self.context.clients();
            clients.google.forget(clients, login).await;
        }
        self.explained(self.act(act), error)
    }

    fn explained(&self, act: String, error: &Error) -> SourceError {
        let path = &self.source.path;
        let (reason, hint) = match error.kind() {
            Kind::Settings => (Reason::Configuration, String::new()),
            Kind::Unreachable | Kind::Unconfirmed | Kind::Tls => {
                (Reason::Unreachable, String::new())
            }
            Kind::Unauthorized => (Reason::Unauthorized, format!("check {}", self.who())),
            Kind::Forbidden => (Reason::Forbidden, RIGHTS.to_owned()),
            Kind::NotFound => (
                Reason::NotFound,
                format!("check {path}.projectID, {path}.topic and {path}.subscriptionID"),
            ),
            Kind::Busy => (Reason::TooManyRequests, String::new()),
            Kind::Exists | Kind::Refused => (Reason::Refused, String::new()),
        };
        let act = match reason {
            Reason::Unauthorized | Reason::Forbidden => format!("{act} with {}", self.who()),
            _ => act,
        };
        let mut why = error.to_string();
        if !error.said().is_empty() {
            why = format!("{why}: {}", error.said());
        }
        SourceError::new(reason, act).because(why).with_hint(hint)
    }
}
