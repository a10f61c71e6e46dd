//! Who a connection to another server says it is.

use std::collections::BTreeMap;

use crate::given::{Given, object};
use crate::secret::SecretKeySelector;

object! {
    /// User name and password.
    pub struct BasicAuth {
        /// Secret with the user name.
        username: Option<SecretKeySelector>,
        /// Secret with the password.
        password: Option<SecretKeySelector>,
    }
}

object! {
    /// SASL login of Kafka.
    pub struct SaslConfig {
        /// `PLAIN`, `OAUTHBEARER`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `GSSAPI`. Default: `PLAIN`.
        mechanism: Given<String>,
        /// Secret with the user name.
        user_secret: Option<SecretKeySelector>,
        /// Secret with the password; of `OAUTHBEARER` with the client's secret, or without `oauth` with the token.
        password_secret: Option<SecretKeySelector>,
        /// Where `OAUTHBEARER` gets its tokens. Default: the token is in the Secret.
        oauth: Option<SaslOauth>,
    }
}

object! {
    /// Where tokens are granted, to a client with its id (`userSecret`) and secret (`passwordSecret`).
    pub struct SaslOauth {
        /// URL of the token endpoint (RFC 6749 §4.4, client credentials).
        #[serde(rename = "tokenURL")]
        token_url: Given<String>,
        /// What the token has to be good for.
        scopes: Given<Vec<String>>,
        /// SASL extensions, such as `logicalCluster`.
        extensions: Given<BTreeMap<String, String>>,
    }
}

object! {
    /// Login of a NATS server: the first that is set counts.
    pub struct NatsAuth {
        /// User name and password.
        basic: Option<BasicAuth>,
        /// Secret with a token.
        token: Option<SecretKeySelector>,
        /// Secret with an `NKey` seed.
        nkey: Option<SecretKeySelector>,
        /// Secret with a credentials file.
        credential: Option<SecretKeySelector>,
    }
}

object! {
    /// Avro schemas of Kafka messages.
    pub struct SchemaRegistryConfig {
        /// URL of the registry.
        url: Given<String>,
        /// Id of the schema.
        schema_id: Given<i32>,
        /// Login of the registry.
        auth: Option<BasicAuth>,
    }
}

object! {
    /// A GitHub app that acts instead of a user.
    pub struct GithubAppCreds {
        /// Secret with the private key (PEM).
        private_key: Option<SecretKeySelector>,
        /// Id of the app.
        #[serde(rename = "appID")]
        app_id: Given<i64>,
        /// Id of the installation.
        #[serde(rename = "installationID")]
        installation_id: Given<i64>,
    }
}
