//! `tiphys webhook`: checks objects when they are applied.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use jiff::Timestamp;
use kube::Client;
use prometheus_client::registry::Registry;
use tiphys_controller::admission::certificate::Wanted;
use tiphys_controller::admission::registration::Address;
use tiphys_controller::admission::{Identity, Metrics, Webhook};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::admin::{Admin, Server};
use crate::args::{LogArgs, WebhookArgs};
use crate::signals::Signals;
use crate::{kubeconfig, logging};

pub(crate) fn main(args: WebhookArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    // Both crates that speak TLS may be built with other providers too; this one is meant.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(run(args));
    // A check that is still running must not hold the process up.
    runtime.shutdown_background();
    result
}

async fn run(args: WebhookArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::open()?;
    let config = kubeconfig::config(&args.kubeconfig).await?;
    let client = Client::try_from(config).context("prepare the connection to the cluster")?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("open the port {}", args.listen))?;
    let ready = Arc::new(AtomicBool::new(false));
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let admin = Admin {
        registry,
        ready: Arc::clone(&ready),
    };
    let admin = Server::open(args.admin, Arc::new(admin)).await?;
    if let Some(address) = admin.address() {
        info!(%address, "Serving metrics and health");
    }
    info!(address = %args.listen, "Serving reviews");
    let webhook = Webhook {
        client,
        wanted: Wanted {
            hosts: hosts(&args),
            life: args.certificate_life,
        },
        identity: identity(args),
        metrics,
        ready,
        clock: Timestamp::now,
    };
    let stop = CancellationToken::new();
    let mut admin_tasks = JoinSet::new();
    admin_tasks.spawn(admin.serve(stop.clone()));
    let serving = webhook.run(listener, stop.clone());
    let signal = async {
        signals.next().await;
        info!("Stopping: answering what was asked");
        stop.cancel();
        // A second signal ends at once.
        signals.next().await;
    };
    tokio::select! {
        ended = serving => ended.context("serve reviews")?,
        () = signal => return Ok(ExitCode::from(130)),
    }
    admin_tasks.shutdown().await;
    Ok(ExitCode::SUCCESS)
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
