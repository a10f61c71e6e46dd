//! HTTP requests as a source, and the web server that other sources are called through.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event_source::common::EventSourceFilter;
use crate::given::{Given, object};
use crate::secret::{KeyRef, KeyRefs, SecretKeySelector};

object! {
    /// A path of the event source's web server.
    pub struct WebhookContext {
        /// Path, for example `/example`.
        endpoint: Given<String>,
        /// HTTP method that is accepted, for example `POST`.
        method: Given<String>,
        /// Port of the web server, in quotes.
        port: Given<String>,
        /// URL under which the service that calls reaches the web server.
        url: Given<String>,
        /// Secret with the web server's certificate (PEM). Default: plain HTTP.
        server_cert_secret: Option<SecretKeySelector>,
        /// Secret with the private key (PEM) of the certificate.
        server_key_secret: Option<SecretKeySelector>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Secret with a token that callers must send as `Authorization: Bearer`.
        auth_secret: Option<SecretKeySelector>,
        /// Largest body in bytes. Default: 1048576.
        max_payload_size: Option<i64>,
    }
}

/// Takes HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct WebhookEventSource {
    /// Where requests are taken.
    #[serde(flatten)]
    pub context: WebhookContext,
    /// Which events are published. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<EventSourceFilter>,
}

impl KeyRefs for WebhookEventSource {
    fn visit_key_refs<'a>(&'a self, visit: &mut dyn FnMut(KeyRef<'a>)) {
        self.context.visit_key_refs(visit);
    }
}
