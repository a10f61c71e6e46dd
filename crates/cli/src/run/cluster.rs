//! The cluster that `run` acts on.

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::args::ClusterArgs;

/// A cluster, as one user.
pub(super) struct Cluster {
    pub(super) client: Client,
    /// The namespace of objects that name none.
    pub(super) namespace: String,
    /// Who we are to the cluster, in words.
    pub(super) identity: String,
}

impl Cluster {
    /// Reads the configuration; nothing is asked of the cluster yet.
    pub(super) async fn open(args: &ClusterArgs) -> anyhow::Result<Self> {
        let ClusterArgs {
            kubeconfig,
            context,
        } = args;
        let options = KubeConfigOptions {
            context: context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path)
                    .with_context(|| format!("read kubeconfig {}", path.display()))?;
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .context("use kubeconfig")?
            }
            None if context.is_some() => Config::from_kubeconfig(&options)
                .await
                .context("use kubeconfig")?,
            None => Config::infer().await.context("find a kubeconfig")?,
        };
        // Waiting for a cluster that is away is ours to do, and to tell.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let identity = match &context {
            Some(context) => format!("the user of context {context}"),
            None => "the user of the kubeconfig's current context".to_owned(),
        };
        let client = Client::try_from(config).context("prepare the connection to the cluster")?;
        Ok(Self {
            client,
            namespace,
            identity,
        })
    }
}
