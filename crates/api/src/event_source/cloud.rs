//! Cloud services as sources: AWS, Google Cloud, Azure, Alibaba, StorageGRID.

use std::collections::BTreeMap;

use crate::event_source::common::EventSourceFilter;
use crate::event_source::webhook::WebhookContext;
use crate::given::{Given, object};
use crate::secret::SecretKeySelector;
use crate::tls::TlsConfig;

object! {
    /// Takes AWS SNS notifications.
    pub struct SnsEventSource {
        /// Where SNS calls.
        webhook: Option<WebhookContext>,
        /// ARN of the topic.
        topic_arn: Given<String>,
        /// Secret with the access key. Default: the credentials of the environment.
        access_key: Option<SecretKeySelector>,
        /// Secret with the secret key.
        secret_key: Option<SecretKeySelector>,
        /// AWS region.
        region: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Role to assume.
        #[serde(rename = "roleARN")]
        role_arn: Given<String>,
        /// The signature of notifications is checked. Default: false.
        validate_signature: Given<bool>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// URL of an SNS other than that of AWS.
        endpoint: Given<String>,
    }
}

object! {
    /// Takes AWS SQS messages.
    pub struct SqsEventSource {
        /// Secret with the access key. Default: the credentials of the environment.
        access_key: Option<SecretKeySelector>,
        /// Secret with the secret key.
        secret_key: Option<SecretKeySelector>,
        /// AWS region.
        region: Given<String>,
        /// Name of the queue.
        queue: Given<String>,
        /// Seconds a read waits for messages. Default: 3.
        wait_time_seconds: Given<i64>,
        /// Role to assume; the keys are ignored then.
        #[serde(rename = "roleARN")]
        role_arn: Given<String>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Account of the queue. Default: that of the credentials.
        queue_account_id: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Messages that cannot be read are left for the dead-letter queue. Default: false.
        dlq: Given<bool>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// URL of an SQS other than that of AWS.
        endpoint: Given<String>,
        /// Secret with a session token.
        session_token: Option<SecretKeySelector>,
    }
}

object! {
    /// Takes Alibaba MNS messages.
    pub struct MnsEventSource {
        /// Secret with the access key.
        access_key: Option<SecretKeySelector>,
        /// Secret with the secret key.
        secret_key: Option<SecretKeySelector>,
        /// Name of the queue.
        queue: Given<String>,
        /// URL of the service.
        endpoint: Given<String>,
        /// Accepted for compatibility; has no effect.
        json_body: Given<bool>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Takes Google Cloud Pub/Sub messages: `topic` or `subscriptionID` is needed.
    pub struct PubSubEventSource {
        /// Project of the subscription. Default: that of the environment.
        #[serde(rename = "projectID")]
        project_id: Given<String>,
        /// Project of the topic. Default: that of the subscription.
        #[serde(rename = "topicProjectID")]
        topic_project_id: Given<String>,
        /// The topic.
        topic: Given<String>,
        /// The subscription. Default: one of its own.
        #[serde(rename = "subscriptionID")]
        subscription_id: Given<String>,
        /// Secret with credentials (JSON). Default: those of the environment.
        credential_secret: Option<SecretKeySelector>,
        /// The subscription is deleted with the event source. Default: false.
        delete_subscription_on_finish: Given<bool>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Takes events of Azure Event Hubs.
    pub struct AzureEventsHubEventSource {
        /// Host of the namespace.
        fqdn: Given<String>,
        /// Secret with the name of the access key. Default: Azure's managed identity.
        shared_access_key_name: Option<SecretKeySelector>,
        /// Secret with the access key.
        shared_access_key: Option<SecretKeySelector>,
        /// Name of the hub.
        hub_name: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Takes Azure Service Bus messages: `queueName`, or `topicName` and `subscriptionName`, is needed.
    pub struct AzureServiceBusEventSource {
        /// Secret with the connection string. Default: Azure's managed identity.
        connection_string: Option<SecretKeySelector>,
        /// Name of the queue.
        queue_name: Given<String>,
        /// Name of the topic.
        topic_name: Given<String>,
        /// Name of the subscription.
        subscription_name: Given<String>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Host of the namespace, for the managed identity.
        fully_qualified_namespace: Given<String>,
        /// A message is deleted only after it was published. Default: false.
        defer_delete: Given<bool>,
    }
}

object! {
    /// Takes Azure Queue Storage messages.
    pub struct AzureQueueStorageEventSource {
        /// Name of the storage account, for the managed identity.
        storage_account_name: Given<String>,
        /// Secret with the connection string. Default: Azure's managed identity.
        connection_string: Option<SecretKeySelector>,
        /// Name of the queue.
        queue_name: Given<String>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Messages that cannot be read are not deleted. Default: false.
        dlq: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
        /// Messages are Base64. Default: false.
        decode_message: Given<bool>,
        /// Seconds between two reads of an empty queue. Default: 3.
        wait_time_in_seconds: Option<i32>,
    }
}

object! {
    /// Takes NetApp StorageGRID notifications.
    pub struct StorageGridEventSource {
        /// Where StorageGRID calls.
        webhook: Option<WebhookContext>,
        /// Types of events, for example `s3:ObjectCreated:*`.
        events: Given<Vec<String>>,
        /// Which keys are watched. Default: all.
        filter: Option<StorageGridFilter>,
        /// ARN of the topic.
        topic_arn: Given<String>,
        /// Name of the bucket.
        bucket: Given<String>,
        /// Region of the bucket. Default: `us-east-1`.
        region: Given<String>,
        /// Secret with the token of the API.
        auth_token: Option<SecretKeySelector>,
        /// URL of the API.
        #[serde(rename = "apiURL")]
        api_url: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// TLS settings.
        tls: Option<TlsConfig>,
    }
}

object! {
    /// Which keys of a StorageGRID bucket are watched.
    pub struct StorageGridFilter {
        /// How the key starts.
        prefix: Given<String>,
        /// How the key ends.
        suffix: Given<String>,
    }
}
