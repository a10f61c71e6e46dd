//! How a bus is reached from outside of its cluster.
//!
//! With a kubeconfig alone: the `EventBus` says where its servers are and which Secret holds the
//! credentials, and the API server forwards connections to a pod. Nothing is made or changed for it.

mod cluster;
mod forward;

use std::sync::Arc;

use tiphys_api::message::with_causes;
use tiphys_eventbus::jetstream::Config;
use tiphys_eventbus::{BusConfig, EventBus, Server, connect};

pub(crate) use cluster::{answered, refused};
use forward::Forward;

/// What the server shows this client as.
const CLIENT: &str = "tiphys";

/// Where a bus is looked for.
#[derive(Clone)]
pub enum Place {
    /// At NATS servers that can be reached from here.
    Servers(Config),
    /// Behind an `EventBus` of a cluster.
    Cluster {
        /// Who asks the API server.
        client: kube::Client,
        /// The namespace of the `EventBus`.
        namespace: String,
        /// Its name.
        name: String,
        /// How its servers are reached.
        way: Way,
    },
    /// In this process: whoever runs it hands it out, once it is open.
    Process(Arc<dyn Fn() -> Option<EventBus> + Send + Sync>),
}

/// How servers are reached that live in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The API server forwards connections: from outside of the cluster.
    Forwarded,
    /// As pods reach them.
    Direct,
}

/// A bus that can be asked, as long as this is kept.
pub struct Reached {
    /// The bus.
    pub bus: EventBus,
    /// The connections that the API server forwards.
    forward: Option<Forward>,
}

/// Why a bus cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server says no, or does not answer.
    #[error("{act}: {reason}{}", hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Cluster {
        /// What was asked.
        act: String,
        /// What it said.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The `EventBus` is there, and says nothing that leads to a bus.
    #[error("EventBus {0}: {1}")]
    Config(String, String),
    /// Nothing here can be bound to, to forward from.
    #[error("open a port of this machine")]
    Port(#[source] std::io::Error),
    /// The bus does not let us in, or does not answer.
    #[error("connect to the bus at {0}: {1}")]
    Bus(String, String),
}

impl Place {
    /// Connects.
    ///
    /// # Errors
    /// If something is missing on the way: a right, an object, a pod that is ready, an answer.
    pub async fn open(self) -> Result<Reached, Error> {
        match self {
            Self::Servers(config) => {
                let config = BusConfig {
                    server: Server::JetStream(config),
                    stream: None,
                };
                reached(&config, None).await
            }
            Self::Cluster {
                client,
                namespace,
                name,
                way,
            } => {
                let mut config = cluster::config(&client, &namespace, &name).await?;
                let forward = match way {
                    Way::Forwarded => cluster::forward(&client, &mut config).await?,
                    Way::Direct => None,
                };
                reached(&config, forward).await
            }
            Self::Process(bus) => {
                let closed = || Error::Bus("this process".to_owned(), "it is not open".to_owned());
                let bus = bus().ok_or_else(closed)?;
                Ok(Reached { bus, forward: None })
            }
        }
    }
}

impl Reached {
    /// What failed on the bus, with why nothing leads there any more if that is it.
    pub fn explained(&self, error: &tiphys_eventbus::Error) -> String {
        let forwarded = self.forward.as_ref().and_then(Forward::failure);
        let causes = std::iter::once(with_causes(error)).chain(forwarded);
        causes.collect::<Vec<_>>().join(": ")
    }
}

async fn reached(config: &BusConfig, forward: Option<Forward>) -> Result<Reached, Error> {
    let bus = connect(config).await.map_err(|error| {
        let forwarded = forward.as_ref().and_then(Forward::failure);
        Error::Bus(
            config.server.to_string(),
            forwarded.unwrap_or_else(|| with_causes(&error)),
        )
    })?;
    Ok(Reached { bus, forward })
}
