//! The `EventSource` object: what is watched, and which events come of it.

mod broker;
mod cloud;
mod code_host;
mod common;
mod file;
mod resource;
mod sarama;
mod service;
mod webhook;

pub use broker::*;
pub use cloud::*;
pub use code_host::*;
pub use common::*;
pub use file::*;
pub use resource::*;
pub use sarama::SaramaConfig;
pub use service::*;
pub use webhook::*;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::artifact::S3Artifact;
use crate::condition::Status;
use crate::given::{Given, object};
use crate::template::Template;

/// Declares the spec and everything that has one entry for each kind of source, from one list:
/// variant, field of the spec, type of the configuration, name of the field, `type` on the wire.
macro_rules! sources {
    ($($(#[$doc:meta])* $variant:ident, $field:ident, $config:ident, $name:literal, $wire:literal;)*) => {
        object! {
            /// Watches something outside and publishes events. Under each kind of source, the
            /// keys are the names of the events.
            #[derive(kube::CustomResource)]
            #[kube(
                group = "argoproj.io",
                version = "v1alpha1",
                kind = "EventSource",
                doc = "Watches something outside and publishes events.",
                namespaced,
                shortname = "es",
                status = "Status",
                derive = "Default",
                derive = "PartialEq"
            )]
            pub struct EventSourceSpec {
                /// Name of the `EventBus` in the same namespace. Default: `default`.
                event_bus_name: Given<String>,
                /// The pod that runs the event source.
                template: Option<Template>,
                /// A Service in front of the pods, for sources that are called.
                service: Option<Service>,
                /// Number of pods. Default: 1, also for 0 and less: what pauses an EventSource is the
                /// annotation `events.argoproj.io/paused: "true"`. Sources that are called run in
                /// all of the pods, the others in one.
                replicas: Option<i32>,
                $(
                    $(#[$doc])*
                    #[serde(rename = $name)]
                    $field: Given<BTreeMap<String, $config>>,
                )*
            }
        }

        /// The kinds of event sources.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventSourceKind {
            $($(#[$doc])* $variant,)*
        }

        impl EventSourceKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The kind of this field, whatever the case.
            pub fn from_field(field: &str) -> Option<Self> {
                let mut all = Self::ALL.iter().copied();
                all.find(|kind| kind.field().eq_ignore_ascii_case(field))
            }

            /// The field of the spec.
            pub fn field(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The `type` of its events.
            pub fn event_type(self) -> &'static str {
                match self { $(Self::$variant => $wire),* }
            }
        }

        /// The configuration of one event.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum EventConfig<'a> {
            $($(#[$doc])* $variant(&'a $config),)*
        }

        impl EventConfig<'_> {
            /// The kind of source it belongs to.
            pub fn kind(&self) -> EventSourceKind {
                match self { $(Self::$variant(_) => EventSourceKind::$variant),* }
            }
        }

        impl EventSourceSpec {
            /// All events: by kind, then by name.
            pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
                std::iter::empty()
                    $(.chain(self.$field.iter().map(|(name, config)| Event {
                        name,
                        kind: EventSourceKind::$variant,
                        config: EventConfig::$variant(config),
                    })))*
            }
        }
    };
}

sources! {
    /// Notifications of a MinIO or other S3 server.
    Minio, minio, S3Artifact, "minio", "minio";
    /// Points in time.
    Calendar, calendar, CalendarEventSource, "calendar", "calendar";
    /// Files in the pod.
    File, file, FileEventSource, "file", "file";
    /// Files on an SFTP server.
    Sftp, sftp, SftpEventSource, "sftp", "sftp";
    /// Kubernetes objects.
    Resource, resource, ResourceEventSource, "resource", "resource";
    /// HTTP requests.
    Webhook, webhook, WebhookEventSource, "webhook", "webhook";
    /// AMQP messages, for example of RabbitMQ.
    Amqp, amqp, AmqpEventSource, "amqp", "amqp";
    /// Kafka messages.
    Kafka, kafka, KafkaEventSource, "kafka", "kafka";
    /// MQTT messages.
    Mqtt, mqtt, MqttEventSource, "mqtt", "mqtt";
    /// NATS messages.
    Nats, nats, NatsEventSource, "nats", "nats";
    /// AWS SNS notifications.
    Sns, sns, SnsEventSource, "sns", "sns";
    /// AWS SQS messages.
    Sqs, sqs, SqsEventSource, "sqs", "sqs";
    /// Google Cloud Pub/Sub messages.
    PubSub, pub_sub, PubSubEventSource, "pubSub", "pubsub";
    /// Gerrit events.
    Gerrit, gerrit, GerritEventSource, "gerrit", "gerrit";
    /// GitHub events.
    Github, github, GithubEventSource, "github", "github";
    /// GitLab events.
    Gitlab, gitlab, GitlabEventSource, "gitlab", "gitlab";
    /// Files in HDFS.
    Hdfs, hdfs, HdfsEventSource, "hdfs", "hdfs";
    /// Slack events.
    Slack, slack, SlackEventSource, "slack", "slack";
    /// NetApp StorageGRID notifications.
    StorageGrid, storage_grid, StorageGridEventSource, "storageGrid", "storagegrid";
    /// Azure Event Hubs events.
    AzureEventsHub, azure_events_hub, AzureEventsHubEventSource, "azureEventsHub", "azureEventsHub";
    /// Azure Queue Storage messages.
    AzureQueueStorage, azure_queue_storage, AzureQueueStorageEventSource, "azureQueueStorage", "azureQueueStorage";
    /// Azure Service Bus messages.
    AzureServiceBus, azure_service_bus, AzureServiceBusEventSource, "azureServiceBus", "azureServiceBus";
    /// Stripe events.
    Stripe, stripe, StripeEventSource, "stripe", "stripe";
    /// Emitter messages.
    Emitter, emitter, EmitterEventSource, "emitter", "emitter";
    /// Redis Pub/Sub messages.
    Redis, redis, RedisEventSource, "redis", "redis";
    /// Redis stream entries.
    RedisStream, redis_stream, RedisStreamEventSource, "redisStream", "redisStream";
    /// NSQ messages.
    Nsq, nsq, NsqEventSource, "nsq", "nsq";
    /// Pulsar messages.
    Pulsar, pulsar, PulsarEventSource, "pulsar", "pulsar";
    /// Events of a gRPC server of your own.
    Generic, generic, GenericEventSource, "generic", "generic";
    /// Bitbucket Server events.
    BitbucketServer, bitbucket_server, BitbucketServerEventSource, "bitbucketserver", "bitbucketserver";
    /// Bitbucket Cloud events.
    Bitbucket, bitbucket, BitbucketEventSource, "bitbucket", "bitbucket";
    /// Alibaba MNS messages.
    Mns, mns, MnsEventSource, "mns", "mns";
}

/// One event of an event source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// Name of the event: the key in the spec.
    pub name: &'a str,
    /// Kind of the source.
    pub kind: EventSourceKind,
    /// What is watched.
    pub config: EventConfig<'a>,
}

impl Event<'_> {
    /// Where the event stands in its object, for example `spec.resource.ingress`.
    pub fn field_path(&self) -> String {
        crate::field_path::join(&format!("spec.{}", self.kind.field()), self.name)
    }
}

impl<'a> EventConfig<'a> {
    /// `filter.expression`, if this kind has one and it is given.
    pub fn expression(&self) -> Option<&'a str> {
        let filter = match *self {
            Self::Resource(source) => {
                return source
                    .filter
                    .as_ref()
                    .map(|filter| filter.expression.as_str());
            }
            // Their filters have no expression.
            Self::Minio(_) | Self::StorageGrid(_) | Self::Stripe(_) => return None,
            Self::Calendar(source) => &source.filter,
            Self::File(source) => &source.filter,
            Self::Sftp(source) => &source.filter,
            Self::Webhook(source) => &source.filter,
            Self::Amqp(source) => &source.filter,
            Self::Kafka(source) => &source.filter,
            Self::Mqtt(source) => &source.filter,
            Self::Nats(source) => &source.filter,
            Self::Sns(source) => &source.filter,
            Self::Sqs(source) => &source.filter,
            Self::PubSub(source) => &source.filter,
            Self::Gerrit(source) => &source.filter,
            Self::Github(source) => &source.filter,
            Self::Gitlab(source) => &source.filter,
            Self::Hdfs(source) => &source.filter,
            Self::Slack(source) => &source.filter,
            Self::AzureEventsHub(source) => &source.filter,
            Self::AzureQueueStorage(source) => &source.filter,
            Self::AzureServiceBus(source) => &source.filter,
            Self::Emitter(source) => &source.filter,
            Self::Redis(source) => &source.filter,
            Self::RedisStream(source) => &source.filter,
            Self::Nsq(source) => &source.filter,
            Self::Pulsar(source) => &source.filter,
            Self::Generic(source) => &source.filter,
            Self::BitbucketServer(source) => &source.filter,
            Self::Bitbucket(source) => &source.filter,
            Self::Mns(source) => &source.filter,
        };
        filter.as_ref().map(|filter| filter.expression.as_str())
    }
}

impl<'a> EventConfig<'a> {
    /// The path of the web server that the source is called through, if it is called.
    pub fn webhook_context(&self) -> Option<&'a WebhookContext> {
        match *self {
            EventConfig::Webhook(source) => Some(&source.context),
            EventConfig::Sns(source) => source.webhook.as_ref(),
            EventConfig::Github(source) => source.webhook.as_ref(),
            EventConfig::Gitlab(source) => source.webhook.as_ref(),
            EventConfig::Gerrit(source) => source.webhook.as_ref(),
            EventConfig::Bitbucket(source) => source.webhook.as_ref(),
            EventConfig::BitbucketServer(source) => source.webhook.as_ref(),
            EventConfig::Slack(source) => source.webhook.as_ref(),
            EventConfig::StorageGrid(source) => source.webhook.as_ref(),
            EventConfig::Stripe(source) => source.webhook.as_ref(),
            _ => None,
        }
    }
}

impl WebhookContext {
    /// The method by which it is called, in capitals; `POST` if none is named.
    pub fn method(&self) -> String {
        match self.method.as_str() {
            "" => "POST".to_owned(),
            method => method.to_ascii_uppercase(),
        }
    }
}

impl EventSourceSpec {
    /// The ports on which its pods are called, each once and in order. What is no port is left out.
    pub fn called_ports(&self) -> BTreeSet<u16> {
        let contexts = self
            .events()
            .filter_map(|event| event.config.webhook_context());
        contexts
            .filter_map(|context| context.port.parse().ok())
            .collect()
    }
}

impl fmt::Display for EventSourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event_type())
    }
}

impl EventSourceKind {
    /// True if only one pod runs it; the others are called and run in all pods.
    pub fn is_leader_elected(self) -> bool {
        match self {
            Self::Amqp
            | Self::Calendar
            | Self::Kafka
            | Self::PubSub
            | Self::AzureEventsHub
            | Self::AzureServiceBus
            | Self::Nats
            | Self::Mqtt
            | Self::Minio
            | Self::Emitter
            | Self::Nsq
            | Self::Pulsar
            | Self::Redis
            | Self::RedisStream
            | Self::Resource
            | Self::Hdfs
            | Self::File
            | Self::Sftp
            | Self::Generic => true,
            Self::Webhook
            | Self::Sns
            | Self::Sqs
            | Self::Github
            | Self::Gitlab
            | Self::Gerrit
            | Self::Bitbucket
            | Self::BitbucketServer
            | Self::Slack
            | Self::StorageGrid
            | Self::Stripe
            | Self::AzureQueueStorage
            | Self::Mns => false,
        }
    }
}

impl EventSourceSpec {
    /// Name of the `EventBus`, `default` if none is given.
    pub fn bus_name(&self) -> &str {
        if self.event_bus_name.is_empty() {
            "default"
        } else {
            &self.event_bus_name
        }
    }

    /// Number of pods, at least one.
    pub fn replica_count(&self) -> i32 {
        self.replicas.unwrap_or(1).max(1)
    }
}
