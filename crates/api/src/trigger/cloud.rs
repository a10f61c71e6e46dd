//! Triggers of cloud services.

use crate::given::{Given, object};
use crate::parameter::TriggerParameter;
use crate::secret::SecretKeySelector;
use crate::tls::TlsConfig;

object! {
    /// Invokes an AWS Lambda function.
    pub struct AwsLambdaTrigger {
        /// Name of the function.
        function_name: Given<String>,
        /// Secret with the access key. Default: the credentials of the environment.
        access_key: Option<SecretKeySelector>,
        /// Secret with the secret key.
        secret_key: Option<SecretKeySelector>,
        /// AWS region.
        region: Given<String>,
        /// Values of the events that make up the payload.
        payload: Option<Vec<TriggerParameter>>,
        /// Values of the events that are written into this trigger.
        parameters: Given<Vec<TriggerParameter>>,
        /// `RequestResponse` (the default), `Event` or `DryRun`.
        invocation_type: Option<String>,
        /// Role to assume; the keys are ignored then.
        #[serde(rename = "roleARN")]
        role_arn: Given<String>,
    }
}

object! {
    /// Sends an event to Azure Event Hubs.
    pub struct AzureEventHubsTrigger {
        /// Host of the namespace.
        fqdn: Given<String>,
        /// Name of the hub.
        hub_name: Given<String>,
        /// Secret with the name of the access key.
        shared_access_key_name: Option<SecretKeySelector>,
        /// Secret with the access key.
        shared_access_key: Option<SecretKeySelector>,
        /// Values of the events that make up the event.
        payload: Option<Vec<TriggerParameter>>,
        /// Values of the events that are written into this trigger.
        parameters: Given<Vec<TriggerParameter>>,
    }
}

object! {
    /// Sends an Azure Service Bus message.
    pub struct AzureServiceBusTrigger {
        /// Secret with the connection string.
        connection_string: Option<SecretKeySelector>,
        /// Queue to send to. Goes before `topicName`.
        queue_name: Given<String>,
        /// Topic to send to.
        topic_name: Given<String>,
        /// Accepted for compatibility; has no effect.
        subscription_name: Given<String>,
        /// TLS settings.
        tls: Option<TlsConfig>,
        /// Values of the events that make up the message.
        payload: Option<Vec<TriggerParameter>>,
        /// Values of the events that are written into this trigger.
        parameters: Given<Vec<TriggerParameter>>,
    }
}

object! {
    /// Invokes an OpenWhisk action.
    pub struct OpenWhiskTrigger {
        /// Host of the API.
        host: Given<String>,
        /// Version of the API. Default: `v1`.
        version: Given<String>,
        /// Namespace of the action. Default: `_`.
        namespace: Given<String>,
        /// Secret with the token.
        auth_token: Option<SecretKeySelector>,
        /// Name of the action.
        action_name: Given<String>,
        /// Values of the events that make up the payload.
        payload: Option<Vec<TriggerParameter>>,
        /// Values of the events that are written into this trigger.
        parameters: Given<Vec<TriggerParameter>>,
    }
}
