//! `tiphys webhook`: checks objects when they are applied.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use kube::Client;
use prometheus_client::registry::Registry;
use tiphys_controller::admission::certificate::Wanted;
use tiphys_controller::admission::registration::Address;
use tiphys_controller::admission::{Identity, Metrics, Webhook};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::admin::Admin;
use crate::args::{LogArgs, WebhookArgs};
use crate::kubeconfig;
use crate::process::{self, Signals};

/// Threads that carry; checking objects has others.
const THREADS: usize = 2;

/// How often the process shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

pub(crate) fn main(args: WebhookArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log, Some(THREADS), |_| run(args))
}

async fn run(args: WebhookArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::open()?;
    let config = kubeconfig::config(&args.kubeconfig).await?;
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
    let opened = match TcpListener::bind(address).await {
        // A machine without IPv6 has no such address, though every address is meant.
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        opened => opened,
    };
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
