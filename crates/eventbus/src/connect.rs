//! Which kinds of buses there are: read from the configuration, connected to. Another kind is a
//! folder and a line here.

use std::fmt;

use tiphys_api::SecretKeySelector;

use crate::{BoxError, Error, EventBus};

/// Reads the Secrets that the configuration of a bus names.
pub trait Secrets {
    /// What `accessSecret` holds: who to be at the bus.
    ///
    /// # Errors
    /// If it cannot be read.
    fn access(&mut self, selector: &SecretKeySelector) -> Result<String, BoxError>;

    /// What another key of a Secret holds.
    ///
    /// # Errors
    /// If it cannot be read.
    fn secret(&mut self, selector: &SecretKeySelector) -> Result<String, BoxError>;
}

/// Why a configuration is none of a bus that can be connected to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is one of a kind of bus that is not spoken here.
    #[error("the EventBus is {0}, which this version of tiphys does not speak: use jetstream")]
    Unsupported(&'static str),
    /// A setting or a Secret is not usable.
    #[error(transparent)]
    Invalid(BoxError),
}

/// A bus to connect to.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// Which bus, and how to reach it.
    pub server: Server,
    /// The settings of its stream, as an EventBus' `streamConfig`.
    pub stream: Option<String>,
}

/// What a kind of bus is asked for here.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $module:ident;)*) => {
        /// A kind of bus, with how to reach it.
        #[derive(Debug, Clone)]
        pub enum Server {
            $($(#[$doc])* $kind(crate::$module::Config),)*
        }

        impl BusConfig {
            /// Reads the configuration that the status of an EventBus holds. `client` is what the
            /// bus shows this program as.
            ///
            /// # Errors
            /// If it is of no known kind, or a setting or Secret is not usable.
            pub fn read(
                config: &tiphys_api::BusConfig,
                secrets: &mut dyn Secrets,
                client: &str,
            ) -> Result<Self, ConfigError> {
                $(if let Some((server, stream)) =
                    crate::$module::read(config, secrets, client)
                        .map_err(ConfigError::Invalid)?
                {
                    return Ok(Self { server: Server::$kind(server), stream });
                })*
                Err(unknown(config))
            }
        }

        impl fmt::Display for Server {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind(server) => f.write_str(&crate::$module::shown(server)),)*
                }
            }
        }

        /// Connects to a bus once; from then on the connection heals itself.
        ///
        /// # Errors
        /// If the settings make no sense, or no server can be reached: that is transient, try again.
        pub async fn connect(config: &BusConfig) -> Result<EventBus, Error> {
            match &config.server {
                $(Server::$kind(server) => crate::$module::connect(server).await,)*
            }
        }
    };
}

kinds! {
    /// NATS servers with JetStream.
    JetStream = jetstream;
    /// A bus inside this process.
    Embedded = embedded;
}

/// What a configuration that no kind of bus knows is.
fn unknown(config: &tiphys_api::BusConfig) -> ConfigError {
    if config.kafka.is_some() {
        ConfigError::Unsupported("Kafka")
    } else if config.nats.is_some() {
        ConfigError::Unsupported("NATS Streaming")
    } else {
        ConfigError::Invalid("the configuration names no bus".into())
    }
}
