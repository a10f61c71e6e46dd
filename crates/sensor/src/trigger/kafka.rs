//! The `kafka` trigger: sends a message to a topic, and waits for its acknowledgement.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tiphys_api::{
    KafkaTrigger, Problem, SaslConfig, SchemaRegistryConfig, TlsConfig, TriggerKind,
    TriggerParameter, TriggerTemplate,
};
use tiphys_base::Reason;
use tiphys_clients::avro::{Registry, RegistryError, frame};
use tiphys_clients::kafka::{
    Acks, Config, Error, Kind as ErrorKind, LoginRef, Message, Production, check_servers,
};
use tiphys_clients::{Clients, TlsRef, ValueRef};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// The header that says what a message is known by, so that whoever reads it can tell a repeated one.
const ID: &str = "tiphys-event-id";

/// How long a name of a topic may be, as Kafka has it.
const LONGEST_TOPIC: usize = 249;

/// How long a message may wait for others to go with: what waits is a firing that is not done.
const LONGEST_LINGER: Duration = Duration::from_secs(10);

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The brokers, parted by commas.
    pub url: String,
    /// To which topic.
    pub topic: String,
    /// What chooses the partition. `None`: any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The message.
    pub payload: String,
    /// Its headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Headers whose values are looked up when the message is sent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secure_headers: BTreeMap<String, ValueRef>,
    /// What it is known by.
    #[serde(skip)]
    pub id: String,
    /// Which acknowledgement is waited for.
    pub acks: Acks,
    /// It is compressed with snappy.
    pub compress: bool,
    /// How long it waits for others to go with.
    pub linger_ms: u64,
    /// Who to be. `None`: nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginRef>,
    /// Encryption. `None`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsRef>,
    /// The schema that the message is written with, in Avro. `None`: it is sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Box<SchemaRef>>,
}

/// A schema of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaRef {
    /// Its number.
    pub schema_id: u32,
    /// Where it is.
    #[serde(flatten)]
    pub registry: Registry,
}

/// A compiled `kafka` template: a message without its events.
#[derive(Debug)]
pub(super) struct Template {
    url: String,
    topic: String,
    key: Option<String>,
    payload: Vec<Parameter>,
    headers: BTreeMap<String, String>,
    secure_headers: Vec<tiphys_api::SecureHeader>,
    production: Production,
    sasl: Option<SaslConfig>,
    tls: Option<TlsConfig>,
    registry: Option<SchemaRegistryConfig>,
}

impl Kind for Template {
    type Spec = KafkaTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Kafka;
    // A repeated message has the same header, and whoever reads the topic may get it twice all the same.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&KafkaTrigger> {
        template.kafka.as_deref()
    }

    fn parameters(spec: &KafkaTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &KafkaTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut fault = |name: &str, message: String| {
            problems.push(Problem::error(format!("{field}.{name}"), message));
        };
        if spec.url.is_empty() {
            fault("url", "broker url must not be empty".to_owned());
        }
        if spec.topic.is_empty() {
            fault("topic", "topic must not be empty".to_owned());
        }
        if let Some(Err(error)) = spec.tls.as_ref().map(|tls| TlsRef::of(tls, "")) {
            fault("tls", error.to_string());
        }
        let sasl = spec.sasl.as_ref();
        if let Some(Err((name, message))) = sasl.map(|sasl| LoginRef::of(sasl, "")) {
            fault(&format!("sasl.{name}"), message);
        }
        let registry = spec.schema_registry.as_ref();
        if let Some(Err((name, message))) = registry.map(|registry| schema(registry, "")) {
            fault(&format!("schemaRegistry.{name}"), message);
        }
        let acks = acks(*spec.required_acks);
        if acks.is_none() {
            let message = "1 (the leader), or -1 (all replicas that are in sync) is needed";
            fault("requiredAcks", message.to_owned());
        }
        let Some(payload) = &spec.payload else {
            let message = "payload must not be empty";
            problems.push(Problem::error(format!("{field}.payload"), message));
            return None;
        };
        let payload = Parameter::compile_all(payload, &format!("{field}.payload"), problems);
        let linger = u64::try_from(*spec.flush_frequency).unwrap_or_default();
        (problems.len() == before).then(|| Self {
            url: spec.url.to_string(),
            topic: spec.topic.to_string(),
            key: spec.partitioning_key.clone(),
            payload,
            headers: (*spec.headers).clone(),
            secure_headers: spec.secure_headers.to_vec(),
            production: Production {
                acks: acks.unwrap_or(Acks::All),
                is_compressed: *spec.compress,
                linger: Duration::from_millis(linger).min(LONGEST_LINGER),
            },
            sasl: spec.sasl.clone(),
            tls: spec.tls.clone(),
            registry: spec.schema_registry.clone(),
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let namespace = input.namespace;
        let mut secure_headers = BTreeMap::new();
        for header in &self.secure_headers {
            let from = header.value_from.as_ref();
            let from = from.and_then(|from| ValueRef::of(from, namespace));
            let missing = || format!("secure header {} says no valueFrom", &*header.name);
            let from = from.ok_or_else(|| FireError::Object(missing()))?;
            secure_headers.insert(header.name.to_string(), from);
        }
        let Production {
            acks,
            is_compressed,
            linger,
        } = self.production;
        Ok(Action {
            url: self.url.clone(),
            topic: self.topic.clone(),
            key: self.key.clone(),
            payload: input.payload(&self.payload)?,
            headers: self.headers.clone(),
            secure_headers,
            id: input.message_id(),
            acks,
            compress: is_compressed,
            linger_ms: u64::try_from(linger.as_millis()).unwrap_or_default(),
            login: login(self.sasl.as_ref(), namespace).map_err(FireError::Object)?,
            tls: input.tls(self.tls.as_ref())?,
            schema: match &self.registry {
                Some(registry) => {
                    let schema = schema(registry, namespace);
                    Some(Box::new(schema.map_err(|(_, why)| FireError::Object(why))?))
                }
                None => None,
            },
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let unmet = [
            Unmet::of("url", check_servers(&self.url)),
            Unmet::of("topic", check_topic(&self.topic)),
        ];
        unmet.into_iter().flatten().collect()
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.url, &action.topic).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let act = format!("send to the topic {} of {}", action.topic, action.url);
        let mut parts = vec![Part::Act(act)];
        parts.extend(
            action
                .key
                .iter()
                .map(|key| Part::Line(format!("key: {key}"))),
        );
        let headers = action.headers.iter();
        parts.extend(headers.map(|(name, value)| Part::Line(format!("{name}: {value}"))));
        let secure = action.secure_headers.iter();
        parts.extend(secure.map(|(name, from)| Part::Line(format!("{name}: <{from}>"))));
        let schema = action.schema.iter();
        parts.extend(schema.map(|schema| {
            let url = tiphys_base::text::without_passwords(&schema.registry.url);
            Part::Line(format!("in Avro, by schema {} of {url}", schema.schema_id))
        }));
        parts.extend(Part::lines(&action.payload));
        parts
    }

    async fn warm(&self, context: &Context, namespace: &str) {
        let login = login(self.sasl.as_ref(), namespace);
        let tls = self.tls.as_ref().map(|tls| TlsRef::of(tls, namespace));
        let (Ok(login), Ok(tls), clients) = (login, tls.transpose(), &context.clients) else {
            return;
        };
        if let Ok(config) = config(&self.url, login.as_ref(), tls.as_ref(), clients).await {
            drop(clients.kafka.producer(&config, &self.production).await);
        }
    }

    /// Returns when the brokers have the message.
    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let clients = &context.clients;
        let config = config(
            &action.url,
            action.login.as_ref(),
            action.tls.as_ref(),
            clients,
        )
        .await?;
        let production = Production {
            acks: action.acks,
            is_compressed: action.compress,
            linger: Duration::from_millis(action.linger_ms),
        };
        let message = message(action, clients).await?;
        let producer = clients.kafka.producer(&config, &production).await;
        let producer = producer.map_err(|error| failed(action, &error))?;
        producer.send(message).await.map_err(|error| {
            if error.ends_client() {
                clients.kafka.forget(&config, &production);
            }
            failed(action, &error)
        })
    }
}

/// Argo Events waits for all replicas unless `requiredAcks` says otherwise, and 0 counts as not set.
fn acks(required: i32) -> Option<Acks> {
    match required {
        -1 | 0 => Some(Acks::All),
        1 => Some(Acks::Leader),
        _ => None,
    }
}

fn login(sasl: Option<&SaslConfig>, namespace: &str) -> Result<Option<LoginRef>, String> {
    let login = sasl.map(|sasl| LoginRef::of(sasl, namespace)).transpose();
    login.map_err(|(_, why)| why)
}

/// The schema that a spec names; if it names none, which field below it is wrong, and why.
fn schema(
    spec: &SchemaRegistryConfig,
    namespace: &str,
) -> Result<SchemaRef, (&'static str, String)> {
    let schema_id = u32::try_from(*spec.schema_id);
    Ok(SchemaRef {
        schema_id: schema_id.map_err(|_| ("schemaId", "cannot be below 0".to_owned()))?,
        registry: Registry::of(spec, namespace).map_err(|why| ("url", why))?,
    })
}

/// How the brokers are reached.
async fn config(
    url: &str,
    login: Option<&LoginRef>,
    tls: Option<&TlsRef>,
    clients: &Clients,
) -> Result<Config, PerformError> {
    let values = &*clients.values;
    let login = match login {
        Some(login) => Some(login.resolve(clients).await?),
        None => None,
    };
    let tls = match tls {
        Some(tls) => Some(tls.resolve(values).await?),
        None => None,
    };
    Ok(Config {
        login,
        tls,
        ..Config::new(url)
    })
}

async fn message(action: &Action, clients: &Clients) -> Result<Message, PerformError> {
    let mut headers = BTreeMap::from([(ID.to_owned(), Bytes::from(action.id.clone()))]);
    for (name, value) in &action.headers {
        headers.insert(name.clone(), value.clone().into());
    }
    for (name, from) in &action.secure_headers {
        let value = clients.values.find(from).await?.text();
        headers.insert(name.clone(), value.into());
    }
    Ok(Message {
        topic: action.topic.clone(),
        key: action.key.clone(),
        value: value(action, clients).await?,
        headers: headers.into_iter().collect(),
    })
}

/// The payload, in Avro if it has a schema.
async fn value(action: &Action, clients: &Clients) -> Result<Bytes, PerformError> {
    let Some(schema) = &action.schema else {
        return Ok(action.payload.clone().into());
    };
    let SchemaRef {
        schema_id,
        registry,
    } = &**schema;
    let schema = registry.schema(clients, *schema_id).await;
    let schema = schema.map_err(|error| without_schema(&error))?;
    let refused = |why: &dyn std::fmt::Display| {
        PerformError::refused(format!("write the message with schema {schema_id}: {why}"))
    };
    let payload = serde_json::from_str(&action.payload).map_err(|error| refused(&error))?;
    let written = schema.write(&payload).map_err(|error| refused(&error))?;
    Ok(frame(*schema_id, &written).into())
}

/// A schema that is not there may come, as a topic may.
fn without_schema(error: &RegistryError) -> PerformError {
    let unavailable = PerformError::unavailable(error.to_string());
    match error.reason {
        Reason::Unreachable => unavailable,
        _ => unavailable.with_hint("check `schemaRegistry` of the trigger"),
    }
}

/// Whether a message was refused, or has to wait: for brokers, a right or a topic.
fn failed(action: &Action, error: &Error) -> PerformError {
    let Action { url, topic, .. } = action;
    let message = format!("send to the topic {topic} of {url}: {error}");
    let unavailable = |hint: &str| PerformError::unavailable(message.clone()).with_hint(hint);
    match error.kind() {
        ErrorKind::Unreachable => PerformError::unavailable(message),
        // Brokers and topic are checked before: it is in a Secret.
        ErrorKind::Settings => unavailable("check the Secrets of `tls` and `sasl` of the trigger"),
        ErrorKind::Tls => unavailable("check `tls` of the trigger"),
        ErrorKind::Unauthorized => unavailable("check `sasl` of the trigger"),
        ErrorKind::Forbidden => unavailable("allow the user of `sasl` to write to the topic"),
        ErrorKind::NotFound => unavailable("create the topic, or check `topic` of the trigger"),
        ErrorKind::TooLarge | ErrorKind::Unconfirmed | ErrorKind::Refused => {
            PerformError::refused(message)
        }
    }
}

/// Checks the name of a topic by Kafka's rules.
fn check_topic(topic: &str) -> Result<(), String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if topic.is_empty() {
        return Err("topic must not be empty".to_owned());
    }
    if matches!(topic, "." | "..") || topic.len() > LONGEST_TOPIC || !topic.chars().all(is_letter) {
        return Err(format!(
            "{topic:?} cannot be a topic: {LONGEST_TOPIC} letters, digits and ._- at most"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_letters_that_kafka_takes() {
        for topic in ["orders", "a.b_c-9", &"x".repeat(249)] {
            assert_eq!(check_topic(topic), Ok(()), "{topic}");
        }
        for topic in ["", ".", "..", "a b", "a/b", "\u{fc}", &"x".repeat(250)] {
            assert!(check_topic(topic).is_err(), "{topic}");
        }
    }

    #[test]
    fn all_replicas_acknowledge_unless_the_leader_is_enough() {
        for (required, expected) in [
            (0, Some(Acks::All)),
            (-1, Some(Acks::All)),
            (1, Some(Acks::Leader)),
            (2, None),
        ] {
            assert_eq!(acks(required), expected, "{required}");
        }
    }
}
