//! Triggers: what a sensor does when its events are there.

mod cloud;
mod http;
mod k8s;
mod message;
mod notify;

pub use cloud::*;
pub use http::*;
pub use k8s::*;
pub use message::*;
pub use notify::*;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::backoff::Backoff;
use crate::given::{Given, object};
use crate::parameter::TriggerParameter;

object! {
    /// Something a sensor does when its events are there.
    pub struct Trigger {
        /// What is done.
        template: Option<Box<TriggerTemplate>>,
        /// Values of the events that are written into `template`, for example to `k8s.operation`.
        parameters: Given<Vec<TriggerParameter>>,
        /// When the result counts as a success.
        policy: Option<TriggerPolicy>,
        /// How a failure is tried again. Default: not at all.
        retry_strategy: Option<Backoff>,
        /// How often the trigger may run. Default: no limit.
        rate_limit: Option<RateLimit>,
        /// Events are acknowledged only after the trigger ran. Default: false, they are acknowledged
        /// before, so that the trigger never runs twice for them.
        at_least_once: Given<bool>,
        /// What is done when all attempts failed; needs `atLeastOnce: true` here and there.
        // Boxed because a trigger cannot hold itself; its schema is opaque for the same reason.
        #[schemars(schema_with = "dlq_schema")]
        dlq_trigger: Option<Box<Trigger>>,
    }
}

/// A trigger inside a trigger: the CRD's schema cannot refer to itself.
fn dlq_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

object! {
    /// What a trigger does: its name, its conditions, and exactly one kind of action.
    pub struct TriggerTemplate {
        /// Name of the trigger, unique in the sensor.
        name: Given<String>,
        /// Names of dependencies with `&&`, `||` and parentheses, for example `(a || b) && c`.
        /// Default: all dependencies with `&&`.
        conditions: Given<String>,
        /// When events that wait for others are forgotten.
        conditions_reset: Given<Vec<ConditionsResetCriteria>>,
        // Boxed: a template has one of them, and all of them are 8 KB.
        /// Creates, updates, patches or deletes a Kubernetes object.
        k8s: Option<Box<StandardK8sTrigger>>,
        /// Acts on Argo Workflows.
        argo_workflow: Option<Box<ArgoWorkflowTrigger>>,
        /// Sends an HTTP request.
        http: Option<Box<HttpTrigger>>,
        /// Invokes an AWS Lambda function.
        aws_lambda: Option<Box<AwsLambdaTrigger>>,
        /// Calls a gRPC server of your own.
        custom: Option<Box<CustomTrigger>>,
        /// Sends a Kafka message.
        kafka: Option<Box<KafkaTrigger>>,
        /// Sends a NATS message.
        nats: Option<Box<NatsTrigger>>,
        /// Sends a Slack message.
        slack: Option<Box<SlackTrigger>>,
        /// Invokes an OpenWhisk action.
        open_whisk: Option<Box<OpenWhiskTrigger>>,
        /// Writes the events to the log. `log:` alone is enough.
        #[serde(deserialize_with = "present")]
        log: Option<Box<LogTrigger>>,
        /// Sends an event to Azure Event Hubs.
        azure_event_hubs: Option<Box<AzureEventHubsTrigger>>,
        /// Sends a Pulsar message.
        pulsar: Option<Box<PulsarTrigger>>,
        /// Sends an Azure Service Bus message.
        azure_service_bus: Option<Box<AzureServiceBusTrigger>>,
        /// Sends an e-mail.
        email: Option<Box<EmailTrigger>>,
    }
}

/// Reads a field for which `null` means as much as `{}`: `log:` is a log trigger.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Some(
        Option::<T>::deserialize(deserializer)?.unwrap_or_default(),
    ))
}

object! {
    /// When events that wait for others are forgotten.
    pub struct ConditionsResetCriteria {
        /// At certain times.
        by_time: Option<ConditionsResetByTime>,
    }
}

object! {
    /// Times at which waiting events are forgotten.
    pub struct ConditionsResetByTime {
        /// Cron expression with five fields, for example `59 23 * * *`.
        cron: Given<String>,
        /// IANA name of the time zone. Default: `UTC`.
        timezone: Given<String>,
    }
}

object! {
    /// When the result of a trigger counts as a success.
    pub struct TriggerPolicy {
        /// By labels of the Kubernetes object: for `k8s` and `argoWorkflow`.
        k8s: Option<K8sResourcePolicy>,
        /// By status code of the answer: for `http`, `awsLambda` and `openWhisk`.
        status: Option<StatusPolicy>,
    }
}

object! {
    /// Waits until an object has labels.
    pub struct K8sResourcePolicy {
        /// The labels that mean success.
        labels: Given<BTreeMap<String, String>>,
        /// How often the object is looked at. Default: 5 times, 1 to 2 s apart.
        backoff: Option<Backoff>,
        /// It is a failure if the labels do not appear. Default: false.
        error_on_backoff_timeout: Given<bool>,
    }
}

object! {
    /// Status codes that mean success.
    pub struct StatusPolicy {
        /// The status codes, for example 200.
        allow: Given<Vec<i32>>,
    }
}

object! {
    /// How often a trigger may run; more events wait.
    pub struct RateLimit {
        /// `Second` (the default), `Minute` or `Hour`.
        unit: Given<String>,
        /// Runs in that time. At least 1.
        requests_per_unit: Given<i32>,
    }
}

object! {
    /// Writes the events to the log.
    pub struct LogTrigger {
        /// At most one line in this many seconds. Default: no limit.
        interval_seconds: Given<u64>,
    }
}

/// Declares [`TriggerKind`] and its two tables from one list, in the order in which Argo Events
/// looks for a kind.
macro_rules! trigger_kinds {
    ($($(#[$doc:meta])* $variant:ident, $field:ident, $wire:literal, $log:literal;)*) => {
        /// The kinds of triggers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TriggerKind {
            $($(#[$doc])* $variant,)*
        }

        impl TriggerKind {
            /// All kinds, in the order in which the first present one counts.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The field of the template.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $wire),* }
            }

            /// What Argo Events logs as `triggerType`.
            pub fn log_name(self) -> &'static str {
                match self { $(Self::$variant => $log),* }
            }
        }

        impl TriggerTemplate {
            /// The kinds that are present, in the order of [`TriggerKind::ALL`].
            pub fn kinds(&self) -> Vec<TriggerKind> {
                let mut kinds = Vec::with_capacity(1);
                $(if self.$field.is_some() { kinds.push(TriggerKind::$variant); })*
                kinds
            }
        }
    };
}

trigger_kinds! {
    /// Kubernetes objects.
    K8s, k8s, "k8s", "Kubernetes";
    /// Argo Workflows.
    ArgoWorkflow, argo_workflow, "argoWorkflow", "ArgoWorkflow";
    /// HTTP requests.
    Http, http, "http", "HTTP";
    /// AWS Lambda.
    AwsLambda, aws_lambda, "awsLambda", "Lambda";
    /// Azure Event Hubs.
    AzureEventHubs, azure_event_hubs, "azureEventHubs", "AzureEventHubs";
    /// Azure Service Bus.
    AzureServiceBus, azure_service_bus, "azureServiceBus", "AzureServiceBus";
    /// Kafka.
    Kafka, kafka, "kafka", "Kafka";
    /// Pulsar.
    Pulsar, pulsar, "pulsar", "Pulsar";
    /// NATS.
    Nats, nats, "nats", "NATS";
    /// Slack.
    Slack, slack, "slack", "Slack";
    /// OpenWhisk.
    OpenWhisk, open_whisk, "openWhisk", "OpenWhisk";
    /// gRPC servers.
    Custom, custom, "custom", "Custom";
    /// The log.
    Log, log, "log", "Log";
    /// E-mail.
    Email, email, "email", "Email";
}

impl fmt::Display for TriggerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A template says nothing that could be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("trigger {name} has no action: one of k8s, http, log or another kind is needed")]
pub struct NoTriggerKind {
    /// Name of the trigger.
    pub name: String,
}

impl TriggerTemplate {
    /// The parameters that write to the part of a kind.
    pub fn parameters(&self, kind: TriggerKind) -> &[TriggerParameter] {
        macro_rules! of {
            ($field:ident) => {
                self.$field.as_ref().map(|spec| &*spec.parameters)
            };
        }
        let parameters = match kind {
            TriggerKind::K8s => of!(k8s),
            TriggerKind::ArgoWorkflow => of!(argo_workflow),
            TriggerKind::Http => of!(http),
            TriggerKind::AwsLambda => of!(aws_lambda),
            TriggerKind::AzureEventHubs => of!(azure_event_hubs),
            TriggerKind::AzureServiceBus => of!(azure_service_bus),
            TriggerKind::Kafka => of!(kafka),
            TriggerKind::Pulsar => of!(pulsar),
            TriggerKind::Nats => of!(nats),
            TriggerKind::Slack => of!(slack),
            TriggerKind::OpenWhisk => of!(open_whisk),
            TriggerKind::Custom => of!(custom),
            TriggerKind::Email => of!(email),
            TriggerKind::Log => None,
        };
        parameters.map_or(&[], Vec::as_slice)
    }

    /// The kind that counts: the first one present.
    ///
    /// # Errors
    /// If none is present.
    pub fn kind(&self) -> Result<TriggerKind, NoTriggerKind> {
        let first = self.kinds().first().copied();
        first.ok_or_else(|| NoTriggerKind {
            name: self.name.clone().into_inner(),
        })
    }
}
