//! The buses of `run`: one NATS server for all, or one embedded bus for each EventBus.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tiphys_api::manifest::Content;
use tiphys_eventbus::EventBus;
use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::jetstream::{Auth, Config, Identity, Tls};
use tracing::warn;

use crate::args::NatsArgs;
use crate::bus;
use crate::files::{Loaded, read};

/// How often an embedded bus is asked whether it has run empty.
const LOOK: Duration = Duration::from_millis(10);

/// Namespace and name of an EventBus.
type Name = (String, String);

/// The open buses.
pub(super) struct Buses {
    server: Option<Arc<dyn EventBus>>,
    embedded: BTreeMap<Name, Embedded>,
    settings: BTreeMap<Name, String>,
}

impl Buses {
    /// Opens the server, as often as it takes.
    pub(super) async fn open(
        args: NatsArgs,
        loaded: &Loaded,
        namespace: &str,
    ) -> anyhow::Result<Self> {
        let settings = settings(loaded, namespace);
        let mut server = None;
        if let Some(config) = config(args)? {
            let bus = bus::connect(&config, drop).await;
            // All EventBus objects stand for this one server; their streams are one stream.
            if settings.len() > 1 {
                warn!("Several EventBus objects, one server: the first one's streamConfig counts");
            }
            bus::set_up(&*bus, settings.values().next().map(String::as_str), drop).await;
            server = Some(bus);
        }
        Ok(Self {
            server,
            embedded: BTreeMap::new(),
            settings,
        })
    }

    /// The bus that an EventBus object stands for.
    pub(super) async fn get(&mut self, namespace: &str, name: &str) -> Arc<dyn EventBus> {
        if let Some(server) = &self.server {
            return Arc::clone(server);
        }
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(bus) = self.embedded.get(&key) {
            return Arc::new(bus.clone());
        }
        let bus = Embedded::new();
        bus::set_up(&bus, self.settings.get(&key).map(String::as_str), drop).await;
        self.embedded.insert(key, bus.clone());
        Arc::new(bus)
    }

    /// Whether the buses end with this process.
    pub(super) fn are_embedded(&self) -> bool {
        self.server.is_none()
    }

    /// Waits until embedded buses have delivered everything, for at most `time`: what they hold is
    /// gone with the process.
    pub(super) async fn run_empty(&self, time: Duration) {
        let empty = async {
            while !self.embedded.values().all(Embedded::is_idle) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(time, empty).await.is_err() {
            warn!("The embedded bus still holds events: they are lost with this process");
        }
    }

    /// Sends what is still to be sent.
    pub(super) async fn close(&self) {
        if let Some(server) = &self.server
            && let Err(error) = server.close().await
        {
            let error: &dyn std::error::Error = &error;
            warn!(error, "The event bus was not closed in order");
        }
    }
}

/// The `streamConfig` of each EventBus.
fn settings(loaded: &Loaded, namespace: &str) -> BTreeMap<Name, String> {
    let mut settings = BTreeMap::new();
    for loadable in &loaded.objects {
        let Content::EventBus(event_bus) = &loadable.object.content else {
            continue;
        };
        let metadata = &event_bus.metadata;
        let text = event_bus.spec.stream_config();
        if let (Some(name), Some(text)) = (&metadata.name, text) {
            let namespace = metadata.namespace.as_deref().unwrap_or(namespace);
            settings.insert((namespace.to_owned(), name.clone()), text.to_owned());
        }
    }
    settings
}

fn config(args: NatsArgs) -> anyhow::Result<Option<Config>> {
    let NatsArgs {
        url,
        nats_auth,
        nats_user,
        nats_password,
        nats_token,
        nats_nkey,
        nats_creds,
        nats_ca,
        nats_cert,
        nats_key,
        nats_tls,
        nats_insecure,
    } = args;
    let Some(url) = url else { return Ok(None) };
    let text = |path: &Path| read(path).map(|text| text.trim().to_owned());
    let auth = if let Some(path) = nats_auth {
        Auth::from_access_secret(&text(&path)?)
            .with_context(|| format!("read the credentials in {}", path.display()))?
    } else if let (Some(user), Some(password)) = (nats_user, nats_password) {
        Auth::UserPassword { user, password }
    } else if let Some(token) = nats_token {
        Auth::Token(token)
    } else if let Some(path) = nats_nkey {
        Auth::NKey(text(&path)?)
    } else if let Some(path) = nats_creds {
        Auth::Credentials(text(&path)?)
    } else {
        Auth::None
    };
    let identity = match (nats_cert, nats_key) {
        (Some(certificate), Some(key)) => Some(Identity {
            certificates: text(&certificate)?,
            private_key: text(&key)?,
        }),
        _ => None,
    };
    let authorities = nats_ca.map(|path| text(&path)).transpose()?;
    let encrypted = nats_tls || nats_insecure || identity.is_some() || authorities.is_some();
    let tls = encrypted.then_some(Tls {
        authorities,
        identity,
        insecure_skip_verify: nats_insecure,
    });
    Ok(Some(Config {
        url,
        auth,
        tls,
        name: "tiphys run".to_owned(),
    }))
}
