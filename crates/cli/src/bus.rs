//! The event bus that a command acts on.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use tiphys_eventbus::jetstream::{Auth, Config, Identity, Tls};
use tiphys_live::reach::{Place, Way};
use tiphys_runtime::cluster::Cluster;

use crate::args::KubeconfigArgs;
use crate::files::read;

/// The NATS server that is the event bus.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Event bus")]
pub(crate) struct NatsArgs {
    /// URLs of a NATS server with JetStream, separated by commas; without it, the bus is in this
    /// process and ends with it
    #[arg(long = "nats", env = "TIPHYS_NATS", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// File with `username:` and `password:` (or `token:`) lines, or a bare token
    #[arg(long, env = "TIPHYS_NATS_AUTH", value_name = "FILE", requires = "url")]
    pub(crate) nats_auth: Option<PathBuf>,
    /// User name
    #[arg(
        long,
        env = "TIPHYS_NATS_USER",
        value_name = "NAME",
        requires = "nats_password"
    )]
    pub(crate) nats_user: Option<String>,
    /// Password
    #[arg(
        long,
        env = "TIPHYS_NATS_PASSWORD",
        value_name = "TEXT",
        hide_env_values = true
    )]
    pub(crate) nats_password: Option<String>,
    /// Token
    #[arg(
        long,
        env = "TIPHYS_NATS_TOKEN",
        value_name = "TEXT",
        hide_env_values = true
    )]
    pub(crate) nats_token: Option<String>,
    /// File with an nkey seed
    #[arg(long, env = "TIPHYS_NATS_NKEY", value_name = "FILE")]
    pub(crate) nats_nkey: Option<PathBuf>,
    /// Credentials file (JWT and seed)
    #[arg(long, env = "TIPHYS_NATS_CREDS", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// File with the CA certificates of the server, in PEM; turns TLS on
    #[arg(long, env = "TIPHYS_NATS_CA", value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,
    /// File with the client's certificate, in PEM
    #[arg(
        long,
        env = "TIPHYS_NATS_CERT",
        value_name = "FILE",
        requires = "nats_key"
    )]
    pub(crate) nats_cert: Option<PathBuf>,
    /// File with the client's key, in PEM
    #[arg(
        long,
        env = "TIPHYS_NATS_KEY",
        value_name = "FILE",
        requires = "nats_cert"
    )]
    pub(crate) nats_key: Option<PathBuf>,
    /// Turn TLS on with the system's CA certificates
    #[arg(long, env = "TIPHYS_NATS_TLS")]
    pub(crate) nats_tls: bool,
    /// Turn TLS on without verifying the server's certificate
    #[arg(long, env = "TIPHYS_NATS_INSECURE")]
    pub(crate) nats_insecure: bool,
}

/// The bus of a cluster, or NATS servers.
#[derive(Debug, Clone, Args)]
pub(crate) struct BusArgs {
    /// Namespace of the EventBus; by default that of the kubeconfig's context
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Name of the EventBus. It is reached through the API server, with the rights of the kubeconfig:
    /// to read it, its Secret and its Service, to list pods and to forward a port
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        conflicts_with = "url"
    )]
    pub(crate) bus: String,
    #[command(flatten)]
    pub(crate) kubeconfig: KubeconfigArgs,
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
}

impl BusArgs {
    /// Where the bus is.
    pub(crate) async fn place(self) -> anyhow::Result<Place> {
        let Self {
            namespace,
            bus,
            kubeconfig,
            nats,
        } = self;
        if let Some(config) = nats.server("tiphys")? {
            return Ok(Place::Servers(config));
        }
        let cluster = Cluster::open(&kubeconfig.wanted(), false).await;
        let cluster = cluster.context("without --nats, the bus of a cluster is meant")?;
        let namespace = namespace.unwrap_or_else(|| cluster.namespace.clone());
        Ok(Place::Cluster {
            client: cluster.user(&namespace, "")?.client,
            namespace,
            name: bus,
            way: Way::Forwarded,
        })
    }
}

impl NatsArgs {
    /// How to reach it, if there is one. `client` is what it shows this program as.
    pub(crate) fn server(self, client: &str) -> anyhow::Result<Option<Config>> {
        let Self {
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
        } = self;
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
            server_name: None,
        });
        Ok(Some(Config {
            url,
            auth,
            tls,
            name: client.to_owned(),
        }))
    }
}
