//! The cluster that the command line means.

use anyhow::Context;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::args::KubeconfigArgs;

/// Reads the configuration; nothing is asked of the cluster.
pub(crate) async fn config(args: &KubeconfigArgs) -> anyhow::Result<Config> {
    let KubeconfigArgs {
        kubeconfig,
        context,
    } = args;
    let options = KubeConfigOptions {
        context: context.clone(),
        ..KubeConfigOptions::default()
    };
    match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("read kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(file, &options)
                .await
                .context("use kubeconfig")
        }
        None if context.is_some() => Config::from_kubeconfig(&options)
            .await
            .context("use kubeconfig"),
        None => Config::infer().await.context("find a kubeconfig"),
    }
}
