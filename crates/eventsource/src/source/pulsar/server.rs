//! How brokers are reached, as whom, and what they have.

use std::collections::BTreeSet;

use tiphys_api::{Problem, PulsarEventSource};
use tiphys_clients::pulsar::{
    Config, ConfigRef, Consumer, Error, Kind, Login, Security, Subscription, check_topic,
    check_url, parts, whole_name,
};

use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// A cluster, and how it is asked.
#[derive(Debug)]
pub(super) struct Server {
    /// The event's place in the spec.
    path: String,
    url: String,
    security: Security,
}

impl Server {
    pub(super) fn compile(
        path: &str,
        spec: &PulsarEventSource,
        problems: &mut Vec<Problem>,
    ) -> Self {
        if !spec.url.is_empty()
            && let Err(why) = check_url(&spec.url)
        {
            problems.push(Problem::error(format!("{path}.url"), why));
        }
        if !spec.auth_athenz_params.is_empty() || spec.auth_athenz_secret.is_some() {
            let path = format!("{path}.authAthenzParams");
            let problem = Problem::error(path, "logins by Athenz are not supported");
            problems.push(problem.with_hint("log in with a token (authTokenSecret)"));
        }
        Self {
            path: path.to_owned(),
            url: spec.url.to_string(),
            security: Security {
                token: spec.auth_token_secret.clone(),
                authorities: spec.tls_trust_certs_secret.clone(),
                is_insecure: *spec.tls_allow_insecure_connection,
                tls: spec.tls.clone(),
            },
        }
    }

    /// The whole names of what is to be read: topics, or the partitions of those that have some.
    pub(super) async fn find(
        &self,
        topics: &[String],
        context: &SourceContext,
    ) -> Result<BTreeSet<String>, SourceError> {
        let config = self.config(context).await?;
        let mut found = BTreeSet::new();
        for topic in topics {
            let parts = parts(&config, topic).await;
            found.extend(parts.map_err(|error| self.failed(topic, &config, error))?);
        }
        Ok(found)
    }

    /// Subscribes to one of them.
    pub(super) async fn subscribe(
        &self,
        topic: &str,
        is_shared: bool,
        context: &SourceContext,
    ) -> Result<Consumer, SourceError> {
        let config = self.config(context).await?;
        let subscription = Subscription {
            // That of Argo Events: whoever takes over from it gets what it has left.
            name: context.event().name.to_string(),
            is_shared,
            consumer: context.pod().to_owned(),
        };
        let subscribed = Consumer::subscribe(&config, topic, &subscription).await;
        subscribed.map_err(|error| self.failed(topic, &config, error))
    }

    /// How to reach the brokers, with the values of Secrets as they are now.
    async fn config(&self, context: &SourceContext) -> Result<Config, SourceError> {
        let act = || format!("read the Secrets that {} names", self.path);
        let names = ConfigRef::of(&self.url, &self.security, &context.event().namespace);
        let names = names.map_err(|error| {
            SourceError::new(Reason::Configuration, act()).because(error.to_string())
        })?;
        let resolved = names.resolve(&*context.clients().values).await;
        resolved.map_err(|error| SourceError::new(Reason::Missing, act()).because(error))
    }

    /// Why a topic cannot be read, with the field to look at.
    fn failed(&self, topic: &str, config: &Config, error: Error) -> SourceError {
        let path = &self.path;
        let (reason, hint) = match error.kind() {
            Kind::Settings => (
                Reason::Configuration,
                format!("check {path}.url, {path}.tlsTrustCertsSecret and {path}.tls"),
            ),
            Kind::Unreachable | Kind::Unconfirmed => (
                Reason::Unreachable,
                format!("check {path}.url, and whether it has to begin with pulsar+ssl://"),
            ),
            Kind::Tls => (
                Reason::Unreachable,
                format!("check {path}.tlsTrustCertsSecret and {path}.tls"),
            ),
            Kind::Unauthorized => (Reason::Unauthorized, self.who_to_be(config)),
            Kind::Forbidden => (
                Reason::Forbidden,
                format!("allow the role of {path} to consume the topic"),
            ),
            Kind::NotFound => (
                Reason::NotFound,
                format!("check {path}.topics; create the topic, its namespace or its tenant"),
            ),
            Kind::Conflict => (
                Reason::Conflict,
                format!(
                    "somebody else reads with this subscription: end that, or set {path}.type to shared \
                     on both sides"
                ),
            ),
            Kind::Busy => (Reason::TooManyRequests, String::new()),
            Kind::Moved => (Reason::Disconnected, String::new()),
            Kind::Malformed => (Reason::Malformed, format!("check {path}.url")),
            Kind::TooLarge | Kind::Refused => (Reason::Refused, String::new()),
        };
        let act = format!("subscribe to the topic {topic}");
        SourceError::new(reason, act).because(error).with_hint(hint)
    }

    fn who_to_be(&self, config: &Config) -> String {
        let path = &self.path;
        match config.login {
            Login::Nobody => format!("the brokers want a login: set {path}.authTokenSecret"),
            Login::Token(_) => format!("check {path}.authTokenSecret"),
            Login::Certificate => format!("check {path}.tls"),
        }
    }
}

/// Why a topic is not read any more.
pub(super) fn lost(topic: &str, error: Error) -> SourceError {
    let reason = match error.kind() {
        Kind::Malformed => Reason::Malformed,
        _ => Reason::Disconnected,
    };
    SourceError::new(reason, format!("read the topic {topic}")).because(error)
}

/// The whole names of the topics of a spec.
pub(super) fn topics(
    path: &str,
    spec: &PulsarEventSource,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    for (index, topic) in spec.topics.iter().enumerate() {
        if let Err(why) = check_topic(topic) {
            problems.push(Problem::error(format!("{path}.topics[{index}]"), why));
        }
    }
    spec.topics.iter().map(|topic| whole_name(topic)).collect()
}
