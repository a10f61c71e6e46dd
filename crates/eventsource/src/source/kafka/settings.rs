//! How the brokers are reached, as whom, and what is read there.

use std::time::Duration;

use std::sync::Arc;

use tiphys_api::{
    KafkaEventSource, Problem, SaramaConfig, SaslConfig, SchemaRegistryConfig, TlsConfig,
};
use tiphys_clients::avro::{Registry, RegistryError};
use tiphys_clients::kafka::{Config, Error, Group, Iam, Kind, Limits, Login, LoginRef, Strategy};
use tiphys_clients::tls::Tls;

use super::decode::Decoder;
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};

/// How long a broker may wait for records before it answers: less than what it has for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The brokers, and how they are asked.
#[derive(Debug)]
pub(super) struct Settings {
    /// The event's place in the spec.
    path: String,
    /// The brokers, parted by commas.
    pub(super) servers: String,
    pub(super) topic: String,
    pub(super) read: Read,
    pub(super) limits: Limits,
    /// What the brokers show this client as.
    pub(super) client: String,
    sasl: Option<SaslConfig>,
    tls: Option<TlsConfig>,
    /// The region of MSK's brokers, if they are asked for who the pod is.
    iam: Option<String>,
    /// Where the schemas of bodies in Avro are.
    registry: Option<SchemaRegistryConfig>,
}

/// What is read of the topic.
#[derive(Debug)]
pub(super) enum Read {
    /// What a group gives its members.
    Group(Group),
    /// One partition.
    Partition(i32),
}

impl Settings {
    pub(super) fn compile(path: &str, spec: &KafkaEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut fault = |field: &str, why: String| {
            problems.push(Problem::error(format!("{path}.{field}"), why));
        };
        if !spec.url.is_empty()
            && let Err(why) = tiphys_clients::kafka::check_servers(&spec.url)
        {
            fault("url", why);
        }
        if let Some(Err((field, why))) = spec.sasl.as_ref().map(|sasl| LoginRef::of(sasl, "")) {
            fault(&format!("sasl.{field}"), why);
        }
        let iam = spec.aws_msk_iam_auth.as_ref();
        if iam.is_some() && spec.sasl.is_some() {
            fault(
                "awsMskIamAuth",
                "sasl is another login: one of them".to_owned(),
            );
        }
        if iam.is_some_and(|iam| iam.region.is_empty()) {
            fault("awsMskIamAuth.region", "is needed".to_owned());
        }
        let registry = spec.schema_registry.as_ref().filter(|_| *spec.json_body);
        if let Some(Err(why)) = registry.map(|registry| Registry::of(registry, "")) {
            fault("schemaRegistry.url", why);
        }
        let config = SaramaConfig::read(&spec.config).unwrap_or_default();
        let limits = limits(&config);
        if limits.heartbeat >= limits.session {
            let why = "consumer.group.heartbeat.interval has to be shorter than \
                       consumer.group.session.timeout";
            fault("config", why.to_owned());
        }
        // Whether one of them is there, and a number, is asked before.
        let read = match &spec.consumer_group {
            Some(group) => Read::Group(Group {
                name: group.group_name.to_string(),
                oldest: *group.oldest,
                strategy: match group.rebalance_strategy.as_str() {
                    "sticky" => Strategy::Sticky,
                    "roundrobin" => Strategy::RoundRobin,
                    _ => Strategy::Range,
                },
            }),
            None => Read::Partition(spec.partition.trim().parse().unwrap_or_default()),
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            path: path.to_owned(),
            servers: spec.url.to_string(),
            topic: spec.topic.to_string(),
            read,
            limits,
            client: config.client_id.unwrap_or_else(|| "tiphys".to_owned()),
            sasl: spec.sasl.clone(),
            tls: spec.tls.clone(),
            iam: iam.map(|iam| iam.region.to_string()),
            registry: registry.cloned(),
        })
    }

    /// How to reach the brokers, with the values of Secrets as they are now.
    pub(super) async fn config(&self, context: &SourceContext) -> Result<Config, SourceError> {
        let tls = context.tls(self.tls.as_ref()).await?;
        let (login, tls) = match (&self.sasl, &self.iam) {
            (Some(sasl), _) => (Some(self.login(sasl, context).await?), tls),
            (None, Some(region)) => {
                let iam = Iam {
                    region: region.clone(),
                    clients: Arc::clone(&context.clients),
                };
                // The brokers of MSK take it over TLS alone, which need not be said.
                (Some(Login::Iam(iam)), tls.or_else(|| Some(Tls::default())))
            }
            (None, None) => (None, tls),
        };
        Ok(Config {
            servers: self.servers.clone(),
            name: self.client.clone(),
            login,
            tls,
        })
    }

    async fn login(
        &self,
        sasl: &SaslConfig,
        context: &SourceContext,
    ) -> Result<Login, SourceError> {
        let act = || format!("find the login of {}.sasl", self.path);
        let login = LoginRef::of(sasl, &context.event().namespace)
            .map_err(|(_, why)| SourceError::new(Reason::Configuration, act()).because(why))?;
        let login = login.resolve(context.clients()).await;
        login.map_err(|error| SourceError::new(Reason::Missing, act()).because(error))
    }

    /// What makes JSON of bodies; `None` if they are not in Avro.
    pub(super) fn decoder(&self, context: &SourceContext) -> Option<Decoder> {
        let registry = self.registry.as_ref()?;
        // It was checked when it was compiled.
        let registry = Registry::of(registry, &context.event().namespace).ok()?;
        Some(Decoder {
            registry,
            clients: Arc::clone(&context.clients),
        })
    }

    /// Why a record cannot be read without the registry.
    pub(super) fn without_schema(&self, error: RegistryError) -> SourceError {
        let act = format!("find the schema of a record of the topic {}", self.topic);
        SourceError::new(error.reason, act)
            .because(error)
            .with_hint(format!("check {}.schemaRegistry", self.path))
    }

    /// Why an act failed, with the field to look at.
    pub(super) fn failed(&self, act: impl Into<String>, error: Error) -> SourceError {
        let path = &self.path;
        let (reason, hint) = match error.kind() {
            Kind::Settings => (
                Reason::Configuration,
                format!("check tls, sasl and config of {path}"),
            ),
            Kind::Unreachable | Kind::Unconfirmed => (Reason::Unreachable, self.where_to_look()),
            Kind::Tls => (Reason::Unreachable, format!("check {path}.tls")),
            Kind::Unauthorized if self.iam.is_some() => (
                Reason::Unauthorized,
                format!("check {path}.awsMskIamAuth, and that the pod's role at AWS may connect"),
            ),
            Kind::Unauthorized => (Reason::Unauthorized, format!("check {path}.sasl")),
            Kind::Forbidden => (Reason::Forbidden, self.missing_right()),
            Kind::NotFound => (Reason::NotFound, format!("check {path}.topic")),
            Kind::TooLarge | Kind::Refused => (Reason::Refused, String::new()),
        };
        SourceError::new(reason, act).because(error).with_hint(hint)
    }

    /// Brokers close the connection of whom they do not understand.
    fn where_to_look(&self) -> String {
        let path = &self.path;
        match (&self.tls, &self.sasl) {
            (Some(_), _) => format!("check {path}.url and {path}.tls"),
            (None, Some(_)) => {
                format!("check {path}.url, and whether the brokers ask for tls")
            }
            (None, None) => {
                format!("check {path}.url, and whether the brokers ask for tls or sasl")
            }
        }
    }

    fn missing_right(&self) -> String {
        let (path, topic) = (&self.path, &self.topic);
        let group = match &self.read {
            Read::Group(group) => format!(" and the group {}", group.name),
            Read::Partition(_) => String::new(),
        };
        format!("allow the user of {path}.sasl to read the topic {topic}{group}")
    }
}

/// What `config` says, and what holds where it says nothing.
fn limits(config: &SaramaConfig) -> Limits {
    let usual = Limits::default();
    Limits {
        min_bytes: config.min_bytes.unwrap_or(usual.min_bytes),
        partition_bytes: config.partition_bytes.unwrap_or(usual.partition_bytes),
        bytes: config.bytes.unwrap_or(usual.bytes),
        wait: config.wait.unwrap_or(usual.wait).min(LONGEST_WAIT),
        session: config.session.unwrap_or(usual.session),
        heartbeat: config.heartbeat.unwrap_or(usual.heartbeat),
        rebalance: config.rebalance.unwrap_or(usual.rebalance),
        committed_only: config.committed_only.unwrap_or(usual.committed_only),
    }
}
