//! `tiphys run`: the event sources and sensors of files, in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use tiphys_api::manifest::Content;
use tiphys_eventbus::jetstream::{Auth, Config, Identity, Tls};
use tiphys_runtime::logging::Logging;
use tiphys_runtime::{Signals, process};
use tiphys_worker::{Manifests, Name, Spec};
use tracing::{error, warn};

use crate::args::{ClusterArgs, LogArgs};
use crate::files::{self, Loaded, Program, read};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Files or folders of manifests; `-` is standard input
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) nats: NatsArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(
        long,
        env = "TIPHYS_ADMIN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:7777"
    )]
    pub(crate) admin: SocketAddr,
}

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

pub(crate) fn main(args: RunArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), None, |logging| run(args, logging))
}

async fn run(args: RunArgs, logging: Logging) -> anyhow::Result<ExitCode> {
    let RunArgs {
        files,
        nats,
        cluster,
        admin,
    } = args;
    let mut signals = Signals::open()?;
    let cluster = cluster.open().await;
    let namespace = cluster
        .as_ref()
        .map_or("default", |cluster| cluster.namespace.as_str());
    let loaded = files::load(&files, namespace)?;
    tell(&loaded);
    let manifests = Manifests {
        server: server(nats)?,
        streams: settings(&loaded, namespace),
        specs: specs(loaded),
        admin,
    };
    if manifests.specs.is_empty() {
        bail!("nothing to run: no EventSource or Sensor without errors in these files");
    }
    let running = tiphys_worker::manifests(manifests, cluster, logging, &mut signals);
    Ok(Box::pin(running).await)
}

/// Says what is wrong with the files; the other objects run.
fn tell(loaded: &Loaded) {
    for fault in &loaded.faults {
        if fault.problem.is_error() {
            error!("{fault}");
        } else {
            warn!("{fault}");
        }
    }
}

/// What can run.
fn specs(loaded: Loaded) -> Vec<Spec> {
    let specs = loaded.objects.into_iter().filter_map(|loadable| {
        match (loadable.program, loadable.object.content) {
            (Some(Program::Sensor(compiled)), Content::Sensor(object)) => {
                Some(Spec::sensor(*object, *compiled))
            }
            (Some(Program::EventSource(compiled)), Content::EventSource(object)) => {
                Some(Spec::event_source(*object, *compiled))
            }
            _ => None,
        }
    });
    specs.collect()
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

fn server(args: NatsArgs) -> anyhow::Result<Option<Config>> {
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
