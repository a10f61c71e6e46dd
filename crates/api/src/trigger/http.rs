//! Triggers that call a server directly: HTTP and gRPC.

use std::collections::BTreeMap;

use crate::auth::BasicAuth;
use crate::given::{Given, object};
use crate::parameter::TriggerParameter;
use crate::secret::{ConfigMapKeySelector, SecretKeySelector};
use crate::tls::TlsConfig;

object! {
    /// Sends an HTTP request.
    pub struct HttpTrigger {
        /// The URL.
        url: Given<String>,
        /// Values of the events that make up the body. An empty `dest` makes one value the whole body.
        payload: Option<Vec<TriggerParameter>>,
        /// TLS settings. Default: HTTPS by the system's CAs.
        tls: Option<TlsConfig>,
        /// `POST` (the default), `GET`, `PUT`, `PATCH` or `DELETE`.
        method: Given<String>,
        /// Values of the events that are written into this trigger, for example to `url`.
        parameters: Given<Vec<TriggerParameter>>,
        /// Seconds until the request fails. Default: 60.
        timeout: Given<i64>,
        /// Login by user name and password.
        basic_auth: Option<BasicAuth>,
        /// Headers of the request. There is no content type unless it is given here.
        headers: Given<BTreeMap<String, String>>,
        /// Headers with values from Secrets and ConfigMaps.
        secure_headers: Given<Vec<SecureHeader>>,
        /// Headers with values from events; `dest` is the header's name.
        dynamic_headers: Given<Vec<TriggerParameter>>,
        /// `Host` header. Default: that of the URL.
        host: Given<String>,
    }
}

object! {
    /// A header with a value from a Secret or a ConfigMap.
    pub struct SecureHeader {
        /// Name of the header.
        name: Given<String>,
        /// Where its value is.
        value_from: Option<ValueFromSource>,
    }
}

object! {
    /// A key of a Secret or of a ConfigMap.
    pub struct ValueFromSource {
        /// Key of a Secret. Goes before `configMapKeyRef`.
        secret_key_ref: Option<SecretKeySelector>,
        /// Key of a ConfigMap.
        config_map_key_ref: Option<ConfigMapKeySelector>,
    }
}

object! {
    /// Calls a gRPC server of your own.
    pub struct CustomTrigger {
        /// Address of the server.
        #[serde(rename = "serverURL")]
        server_url: Given<String>,
        /// TLS by `certSecret`. Default: false.
        secure: Given<bool>,
        /// Secret with the server's CA certificate (PEM).
        cert_secret: Option<SecretKeySelector>,
        /// Name that the server's certificate must have. Default: that of the address.
        server_name_override: Given<String>,
        /// Settings handed to the server.
        spec: Given<BTreeMap<String, String>>,
        /// Values of the events that are written into the resource that the server gives.
        parameters: Given<Vec<TriggerParameter>>,
        /// Values of the events that make up the payload.
        payload: Option<Vec<TriggerParameter>>,
    }
}
