//! `tiphys webhook`: checks objects when they are applied.

use std::net::{Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use kube::Client;
use prometheus_client::registry::Registry;
use tiphys_api::worker;
use tiphys_controller::admission::certificate::Wanted;
use tiphys_controller::admission::registration::Address;
use tiphys_controller::admission::{Identity, Metrics, Webhook};
use tiphys_runtime::admin::Admin;
use tiphys_runtime::{Signals, process};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::args::{KubeconfigArgs, LogArgs};

/// Threads that carry; checking objects has others.
const THREADS: usize = 2;

/// How often the process shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    /// Where reviews are served over HTTPS
    #[arg(long, env = "TIPHYS_LISTEN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8443)))]
    pub(crate) listen: SocketAddr,
    /// Where metrics and health are served; port 0 takes a free one
    #[arg(long, env = "TIPHYS_ADMIN", value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv6Addr::UNSPECIFIED, worker::ADMIN_PORT)))]
    pub(crate) admin: SocketAddr,
    /// The namespace of its Service, Deployment and Secret
    #[arg(
        long,
        env = "NAMESPACE",
        value_name = "NAME",
        default_value = "argo-events"
    )]
    pub(crate) namespace: String,
    /// The Service by which the API server finds it
    #[arg(
        long,
        env = "SERVICE_NAME",
        value_name = "NAME",
        default_value = "events-webhook"
    )]
    pub(crate) service_name: String,
    /// The port of that Service
    #[arg(long, env = "PORT", value_name = "PORT", default_value_t = 443)]
    pub(crate) service_port: u16,
    /// Its Deployment, which the Secret goes with
    #[arg(
        long,
        env = "DEPLOYMENT_NAME",
        value_name = "NAME",
        default_value = "events-webhook"
    )]
    pub(crate) deployment_name: String,
    /// Its ClusterRole, which the ValidatingWebhookConfiguration goes with
    #[arg(
        long,
        env = "CLUSTER_ROLE_NAME",
        value_name = "NAME",
        default_value = "argo-events-webhook"
    )]
    pub(crate) cluster_role_name: String,
    /// The Secret with its certificate
    #[arg(long, value_name = "NAME", default_value = "events-webhook-certs")]
    pub(crate) secret_name: String,
    /// Where the API server finds it if not by the Service: an https URL
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Url>,
    /// How long a certificate is valid; it is renewed after two thirds of that
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "2160h",
        value_parser = life
    )]
    pub(crate) certificate_life: Duration,
    #[command(flatten)]
    pub(crate) kubeconfig: KubeconfigArgs,
}

/// A duration as Argo Events writes it, of a second or more.
fn life(text: &str) -> Result<Duration, String> {
    let life = tiphys_api::parse_duration(text).map_err(|error| error.to_string())?;
    Duration::try_from(life)
        .ok()
        .filter(|life| *life >= Duration::from_secs(1))
        .ok_or_else(|| "at least 1s is needed".to_owned())
}

/// An `https` URL.
#[derive(Debug, Clone)]
pub(crate) struct Url {
    /// The URL as it was written.
    pub(crate) text: String,
    /// Its host.
    pub(crate) host: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: tiphys_http::Uri = text.parse().map_err(|error| format!("{error}"))?;
        if uri.scheme_str() != Some("https") {
            return Err("an https URL is needed".to_owned());
        }
        let host = uri.host().unwrap_or_default();
        Ok(Self {
            text: text.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
        })
    }
}

pub(crate) fn main(args: WebhookArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings(), Some(THREADS), |_| run(args))
}

async fn run(args: WebhookArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::open()?;
    let config = args.kubeconfig.clone().wanted().config().await?;
    let client = Client::try_from(config).context("prepare the connection to the cluster")?;
    let listener = listen(args.listen).await?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let admin = Arc::new(Admin::new(registry, None));
    let server = process::open_admin(args.admin, &admin).await?;
    info!(address = %args.listen, "Serving reviews");
    let stop = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    admin_tasks.spawn(server.serve(stop.clone()));
    let webhook = webhook(args, client, metrics, &admin);
    let mut serving = std::pin::pin!(webhook.run(listener, stop.clone()));
    let mut life = interval(HEARTBEAT);
    life.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = &mut serving => {
                ended.context("serve reviews")?;
                return Ok(ExitCode::FAILURE);
            }
            _ = life.tick() => admin.show_life(),
            _ = signals.next() => break,
        }
    }
    admin.set_ready(false);
    stop.cancel();
    let rest = async {
        // Whatever ends it here was told in the log.
        serving.await.unwrap_or_default();
        admin_tasks.shutdown().await;
    };
    Ok(process::end(rest, &mut signals, ExitCode::SUCCESS).await)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let opened = tiphys_http::listen(address).await;
    opened.with_context(|| format!("open the port {address}"))
}

fn webhook(args: WebhookArgs, client: Client, metrics: Metrics, admin: &Arc<Admin>) -> Webhook {
    let admin = Arc::clone(admin);
    Webhook {
        client,
        wanted: Wanted {
            hosts: hosts(&args),
            life: args.certificate_life,
        },
        identity: identity(args),
        metrics,
        ready: Box::new(move |is_ready| admin.set_ready(is_ready)),
        clock: Timestamp::now,
    }
}

/// The names that the API server may call it by.
fn hosts(args: &WebhookArgs) -> Vec<String> {
    let service = format!("{}.{}.svc", args.service_name, args.namespace);
    let long = format!("{service}.cluster.local");
    let url = args.url.as_ref().map(|url| url.host.clone());
    [service, long].into_iter().chain(url).collect()
}

fn identity(args: WebhookArgs) -> Identity {
    let address = match args.url {
        Some(url) => Address::Url(url.text),
        None => Address::Service {
            namespace: args.namespace.clone(),
            name: args.service_name,
            port: args.service_port,
        },
    };
    Identity {
        namespace: args.namespace,
        deployment: args.deployment_name,
        cluster_role: args.cluster_role_name,
        secret: args.secret_name,
        address,
    }
}
